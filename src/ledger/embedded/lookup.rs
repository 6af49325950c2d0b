//! Looks persons up for a question that adds nothing.

use redb::ReadTransaction;

use super::plan::holders;
use super::tables::{self, COUNTERS, PEOPLE, Stop};
use crate::ledger::parts::Standing;
use crate::ledger::{Account, Before, Counter, People, lifecycle};

/// Returns the totals of some counters without the persons that they count already. Counters and persons are those of one
/// moment: a person who is counted in between is in both or in neither.
pub(super) fn totals_without(
    transaction: &ReadTransaction,
    account: &Account,
    counters: &[Counter],
    people: &People,
) -> Result<Before, Stop> {
    let of_account = tables::of_account(&transaction.open_table(COUNTERS)?, account)?;
    let table = transaction.open_table(PEOPLE)?;
    let mut found = Before::new();
    for counter in counters {
        let Some((number, _, parts)) = of_account.iter().find(|(_, known, _)| known == counter) else {
            found.insert(counter.clone(), 0);
            continue;
        };
        let mut known = 0;
        for pseudonym in people.named(counter.class) {
            known += u64::from(holders(&table, *number, pseudonym)?.standing() != Standing::Absent);
        }
        found.insert(counter.clone(), lifecycle::without(parts.usage().total(), known));
    }
    Ok(found)
}
