//! Everything in the ledger at one moment, as rows.

use std::collections::BTreeMap;
use std::fmt;

use redb::{Range, ReadTransaction};

use super::tables::{self, CounterOfFile, Step, Stop, TRANSFERS, Transfer, TransferValue, unreadable};
use crate::ledger::rows::{CounterRow, TransferRow};
use crate::ledger::{Change, Counter, LedgerError};

/// Everything in the ledger as it was at one moment. The file does not reuse space while it exists: drop it soon.
#[derive(Debug)]
pub struct Export {
    counters: Vec<CounterRow>,
    names: BTreeMap<u32, Counter>,
    transfers: TransferRange,
}

/// All transfers of one moment.
struct TransferRange(Range<'static, &'static str, TransferValue>);

impl fmt::Debug for TransferRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransferRange")
    }
}

impl Export {
    /// Returns the counters.
    pub fn counters(&self) -> &[CounterRow] {
        &self.counters
    }

    /// Returns the transfers, by id. Those older than the retention are not known any more.
    pub fn transfers(self) -> impl Iterator<Item = Result<TransferRow, LedgerError>> {
        let Self { names, transfers, .. } = self;
        transfers.0.map(move |row| {
            let (id, value) = row.map_err(|error| LedgerError::Unavailable(error.to_string()))?;
            let transfer = Transfer::from_value(value.value());
            let row = transfer.and_then(|transfer| transfer_row(id.value(), transfer, &names));
            row.ok_or_else(|| LedgerError::Unavailable(unreadable("a transfer").to_string()))
        })
    }
}

fn transfer_row(id: &str, transfer: Transfer, names: &BTreeMap<u32, Counter>) -> Option<TransferRow> {
    let Transfer { state, account, at, steps, .. } = transfer;
    let change = |step: &Step| {
        Some(Change { counter: names.get(&step.number)?.clone(), before: step.before, added: step.added })
    };
    let changes = steps.iter().map(change).collect::<Option<_>>()?;
    Some(TransferRow { transfer_id: id.to_owned(), account, state, at, changes })
}

pub(super) fn row((_, account, counter, parts): CounterOfFile) -> CounterRow {
    CounterRow { account, counter, usage: parts.usage(), imported: parts.imported }
}

/// Reads everything at one moment.
pub(super) fn export(transaction: &ReadTransaction) -> Result<Export, Stop> {
    let counters = tables::counters(transaction)?;
    let names = counters.iter().map(|(number, _, counter, _)| (*number, counter.clone())).collect();
    let counters = counters.into_iter().map(row).collect();
    let transfers = TransferRange(transaction.open_table(TRANSFERS)?.range::<&str>(..)?);
    Ok(Export { counters, names, transfers })
}
