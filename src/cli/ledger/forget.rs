//! Removes accounts, such as those of invented exporters.
//!
//! Removed persons are no longer counted, so a line is reached later. So the operator has to confirm each kind of account:
//! registered exporters with one flag, totals of this year with another. Accounts with pending reservations are never removed.

use std::collections::BTreeSet;

use clap::Args;

use super::values::{parse_year, quoted};
use super::write;
use crate::cli::console::{Console, Exit};
use crate::cli::ledger_access::{Access, ConfiguredLedger, OpenLedger, read_only};
use crate::cli::policies;
use crate::cli::stop::Stop;
use crate::domain::snapshot::Snapshot;
use crate::domain::units::{Moment, Year};
use crate::ledger::Account;
use crate::ledger::rows::{self, CounterRow, Forgotten};
use crate::report;

/// Remove the accounts of an exporter, or of all unregistered exporters: totals, transfers and imports.
///
/// Removed persons are no longer counted. Exit code 1 if an account was kept.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(super) struct Forget {
    /// Accounts of this exporter.
    #[arg(long, value_name = "ID", conflicts_with = "unregistered", required_unless_present = "unregistered")]
    exporter: Option<String>,
    /// Accounts of all exporters that the policies do not register.
    #[arg(long, conflicts_with = "even_registered")]
    unregistered: bool,
    /// Only accounts of this year.
    #[arg(long, value_name = "YEAR", value_parser = parse_year)]
    year: Option<Year>,
    /// The policies that register exporters [default: `NEGLIST_POLICIES`, else ./policies].
    #[arg(long, value_name = "DIR", conflicts_with = "even_registered")]
    policies: Option<String>,
    /// Remove accounts even if the exporter is registered.
    #[arg(long)]
    even_registered: bool,
    /// Remove accounts of this year even if they have counted persons: later transfers are counted from zero.
    #[arg(long)]
    count_anew: bool,
    /// Show the accounts that would be removed, and do not change the ledger.
    #[arg(long)]
    dry_run: bool,
}

impl Forget {
    /// Runs the command.
    pub(super) async fn run(&self, configured: &ConfiguredLedger, console: &mut Console<'_>) -> Result<Exit, Stop> {
        let snapshot = match self.snapshot(console)? {
            Ok(snapshot) => snapshot,
            Err(exit) => return Ok(exit),
        };
        let is_registered =
            |exporter: &str| snapshot.as_ref().is_some_and(|snapshot| snapshot.codes.exporters.get(exporter).is_some());
        if let Some(exporter) = self.exporter.as_deref().filter(|exporter| is_registered(exporter)) {
            return Err(Stop::Refused(
                format!("{} is registered, so its totals have to be kept", quoted(exporter)),
                Some("to remove them anyway, add `--even-registered`".to_owned()),
            ));
        }
        let ledger = configured.open(if self.dry_run { Access::Read } else { Access::Change }).await?;
        let mut accounts = ledger.accounts().await?;
        accounts.retain(|account| self.is_meant(account) && !is_registered(&account.exporter));
        let counters = ledger.counters().await?;
        let forget = rows::Forget { accounts, totals_kept_from: self.totals_kept_from(console) };
        let forgotten = if self.dry_run {
            foreseen(&forget, &counters)
        } else {
            ledger.forget(&forget, console.clock.now()).await?
        };
        self.tell(&forgotten, counters, console)
    }

    fn is_meant(&self, account: &Account) -> bool {
        self.exporter.as_ref().is_none_or(|exporter| *exporter == account.exporter)
            && self.year.is_none_or(|year| year == account.year)
    }

    /// Returns the first year whose totals are kept. No line applies to the totals of a past year.
    fn totals_kept_from(&self, console: &Console<'_>) -> Option<Year> {
        let this_year = u16::try_from(policies::today(console).year()).unwrap_or_default();
        (!self.count_anew).then_some(Year(this_year))
    }

    /// Returns the policies that register exporters. Writes to the console why they cannot be used.
    fn snapshot(&self, console: &mut Console<'_>) -> Result<Result<Option<Snapshot>, Exit>, Stop> {
        if self.even_registered {
            return Ok(Ok(None));
        }
        Ok(policies::snapshot(self.policies.as_deref(), console)?.map(Some))
    }

    fn tell(
        &self,
        forgotten: &Forgotten,
        mut counters: Vec<CounterRow>,
        console: &mut Console<'_>,
    ) -> Result<Exit, Stop> {
        let Forgotten { gone, standing, counted } = forgotten;
        let all: BTreeSet<&Account> = gone.iter().collect();
        counters.retain(|row| all.contains(&row.account));
        if !counters.is_empty() {
            write::text(&counters, console.out)?;
        }
        let leave =
            |account: &Account, why: &str| format!("kept: {} in {}: {why}", quoted(&account.exporter), account.year);
        for account in standing {
            let why = "it has pending reservations: try again when they have expired";
            writeln!(console.out, "{}", leave(account, why))?;
        }
        for account in counted {
            let why = "it has counted persons, and its later transfers would be counted from zero: to remove it anyway, \
                add `--count-anew`";
            writeln!(console.out, "{}", leave(account, why))?;
        }
        let count = report::counted(gone.len(), "account");
        let effect = "later transfers of these exporters are counted from zero";
        match (gone.is_empty(), self.dry_run) {
            (true, false) => writeln!(console.out, "nothing was forgotten")?,
            (true, true) => writeln!(console.out, "nothing would be forgotten")?,
            (false, false) => writeln!(console.out, "forgotten: {count}; {effect}")?,
            (false, true) => writeln!(console.out, "would be forgotten: {count}; {effect}")?,
        }
        Ok(if standing.is_empty() && counted.is_empty() { Exit::Success } else { Exit::Failed })
    }
}

/// Returns the result that a removal would have.
fn foreseen(forget: &rows::Forget, counters: &[CounterRow]) -> Forgotten {
    let with = |is: fn(&CounterRow) -> bool| -> BTreeSet<&Account> {
        counters.iter().filter(|row| is(row)).map(|row| &row.account).collect()
    };
    let (standing, counted) = (with(|row| 0 < row.usage.reserved), with(|row| 0 < row.usage.total()));
    let mut forgotten = Forgotten::default();
    for account in &forget.accounts {
        let list = if standing.contains(account) {
            &mut forgotten.standing
        } else if counted.contains(account) && forget.keeps_totals_of(account.year) {
            &mut forgotten.counted
        } else {
            &mut forgotten.gone
        };
        list.push(account.clone());
    }
    forgotten
}

impl OpenLedger {
    /// Returns all accounts, including those without a counter.
    async fn accounts(&self) -> Result<Vec<Account>, Stop> {
        match self {
            OpenLedger::Database(ledger) => Ok(ledger.accounts().await?),
            OpenLedger::Reader(_) | OpenLedger::File(_) => {
                let counters = self.counters().await?;
                let mut accounts: BTreeSet<Account> = counters.into_iter().map(|row| row.account).collect();
                self.each_transfer(|row| {
                    accounts.insert(row.account);
                    Ok(())
                })
                .await?;
                Ok(accounts.into_iter().collect())
            }
        }
    }

    async fn forget(&self, forget: &rows::Forget, now: Moment) -> Result<Forgotten, Stop> {
        Ok(match self {
            OpenLedger::Reader(_) => return Err(Stop::from(read_only())),
            OpenLedger::File(ledger) => ledger.forget(forget.clone(), now).await?,
            OpenLedger::Database(ledger) => ledger.forget(forget).await?,
        })
    }
}
