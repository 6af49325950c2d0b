//! Work of operators: import totals, withdraw them, drop old years, read everything.
//!
//! Imports only add, each under its own id, and can be withdrawn by it; so a spreadsheet that is read twice counts
//! once, and a wrong one can be replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use redb::ReadableTable;

use super::batch::Batch;
use super::request::{Import, Reply};
use super::tables::{self, Stop, Transfer, counter_of, unreadable};
use crate::domain::units::{Moment, Year};
use crate::ledger::Account;
use crate::ledger::parts::Parts;
use crate::ledger::rows::{Forget, Forgotten, State};

impl Batch<'_, '_> {
    /// Imports totals, once for each id.
    pub(super) fn import(&mut self, import: &Import) -> Result<Reply, Stop> {
        let id = import.id.as_str();
        let wanted = &import.wanted;
        let known = self.imported(id)?;
        for (account, _) in wanted.keys() {
            self.directory.load(account, &self.tables.counters)?;
        }
        if !known.is_empty() {
            let mut same = known.len() == wanted.len();
            for ((account, counter), persons) in wanted {
                let number = self.directory.number(account, counter)?;
                same &= number.and_then(|number| known.get(&number)) == Some(persons);
            }
            return if same {
                Ok(Reply::Count(0))
            } else {
                Ok(Reply::Refused(format!("import `{id}` brought in other totals: use a new id, or withdraw it first")))
            };
        }
        for ((account, counter), persons) in wanted {
            let number = self.directory.number(account, counter)?;
            let parts = number.map(|number| self.directory.entry(number)).transpose()?.map(|entry| entry.parts);
            if parts.unwrap_or_default().usage().total().checked_add(*persons).is_none() {
                return Ok(Reply::Refused(format!(
                    "`{}` of `{}` is too large",
                    counter.in_year(account.year),
                    account.exporter
                )));
            }
        }
        for ((account, counter), persons) in wanted {
            let number = self.directory.number_or_new(account, counter)?;
            self.change_imported(number, |imported| imported.checked_add(*persons))?;
            self.tables.imports.insert((id, number), *persons)?;
        }
        self.wrote = true;
        Ok(Reply::Count(wanted.len() as u64))
    }

    /// Withdraws an import; its id can be used again.
    pub(super) fn withdraw(&mut self, id: &str) -> Result<Reply, Stop> {
        let known = self.imported(id)?;
        if known.is_empty() {
            return Ok(Reply::Refused(format!("there is no import `{id}`")));
        }
        // So that counters of this batch are in the table too.
        self.directory.store(&mut self.tables.counters)?;
        let mut accounts = BTreeSet::new();
        for counter in tables::each_counter(&self.tables.counters)? {
            let (number, account, ..) = counter?;
            if known.contains_key(&number) {
                accounts.insert(account);
            }
        }
        for account in &accounts {
            self.directory.load(account, &self.tables.counters)?;
        }
        for (number, persons) in &known {
            self.change_imported(*number, |imported| imported.checked_sub(*persons))?;
            self.tables.imports.remove((id, *number))?;
        }
        self.wrote = true;
        Ok(Reply::Count(known.len() as u64))
    }

    /// Drops years: counters, persons, transfers and imports. Expired reservations are released first. In one step,
    /// while all others wait.
    pub(super) fn drop_years(&mut self, before: Year, now: Moment) -> Result<Reply, Stop> {
        self.release_all_run_out(now)?;
        let mut gone = Vec::new();
        for row in self.tables.transfers.iter()? {
            let (id, value) = row?;
            let transfer = Transfer::from_value(value.value()).ok_or_else(|| unreadable("a transfer"))?;
            if transfer.account.year < before {
                if transfer.state == State::Reserved {
                    return Ok(Reply::Refused(
                        "reservations of those years are still pending: try again when they have expired".to_owned(),
                    ));
                }
                gone.push((id.value().to_owned(), transfer.at));
            }
        }
        for (id, at) in gone {
            self.tables.transfers.remove(id.as_str())?;
            self.tables.settled.remove((at.seconds(), at.nanos(), id.as_str()))?;
        }
        // So that counters of this batch are in the table too.
        self.directory.store(&mut self.tables.counters)?;
        let mut old = BTreeSet::new();
        for counter in tables::each_counter(&self.tables.counters)? {
            let (number, account, ..) = counter?;
            if account.year < before {
                old.insert(number);
            }
        }
        self.remove_counters(&old)?;
        self.directory.remove(|account| account.year < before);
        self.tables.counters.retain(|(_, year, _, _), _| before <= Year(year))?;
        self.wrote = true;
        Ok(Reply::Dropped(old.len() as u64))
    }

    /// Removes the accounts that may be removed. Expired reservations are released first. In one step, while all others
    /// wait.
    pub(super) fn forget_accounts(&mut self, forget: &Forget, now: Moment) -> Result<Reply, Stop> {
        self.release_all_run_out(now)?;
        // The totals include the additions of this batch.
        self.directory.store(&mut self.tables.counters)?;
        let mut asked: BTreeSet<&Account> = forget.accounts.iter().collect();
        let (mut standing, mut counted) = (BTreeSet::new(), BTreeSet::new());
        let (mut transfers, mut numbers) = (Vec::new(), Vec::new());
        for row in self.tables.transfers.iter()? {
            let (id, value) = row?;
            let Transfer { account, state, at, .. } =
                Transfer::from_value(value.value()).ok_or_else(|| unreadable("a transfer"))?;
            if asked.contains(&account) {
                if state == State::Reserved {
                    standing.insert(account.clone());
                }
                transfers.push((account, id.value().to_owned(), at));
            }
        }
        for counter in tables::each_counter(&self.tables.counters)? {
            let (number, account, _, parts) = counter?;
            if asked.contains(&account) {
                if parts.usage().total() != 0 && forget.keeps_totals_of(account.year) {
                    counted.insert(account.clone());
                }
                numbers.push((account, number));
            }
        }
        counted.retain(|account| !standing.contains(account));
        asked.retain(|account| !standing.contains(*account) && !counted.contains(*account));
        for (_, id, at) in transfers.iter().filter(|(account, ..)| asked.contains(account)) {
            self.tables.transfers.remove(id.as_str())?;
            self.tables.settled.remove((at.seconds(), at.nanos(), id.as_str()))?;
        }
        let numbers = numbers.into_iter().filter(|(account, _)| asked.contains(account)).map(|(_, number)| number);
        self.remove_counters(&numbers.collect())?;
        self.directory.remove(|account| asked.contains(account));
        self.tables.counters.retain(|key, _| counter_of(key).is_none_or(|(account, _)| !asked.contains(&account)))?;
        self.wrote = true;
        let gone = asked.into_iter().cloned().collect();
        let (standing, counted) = (standing.into_iter().collect(), counted.into_iter().collect());
        Ok(Reply::Forgotten(Forgotten { gone, standing, counted }))
    }

    /// Removes the rows that name counters: persons and imports.
    fn remove_counters(&mut self, numbers: &BTreeSet<u32>) -> Result<(), Stop> {
        self.tables.imports.retain(|(_, number), _| !numbers.contains(&number))?;
        for number in numbers {
            let end = number.checked_add(1).map_or(Bound::Unbounded, |next| Bound::Excluded((next, [].as_slice())));
            let range = (Bound::Included((*number, [].as_slice())), end);
            self.tables.people.retain_in::<(u32, &[u8]), _>(range, |_, _| false)?;
        }
        Ok(())
    }

    fn imported(&self, id: &str) -> Result<BTreeMap<u32, u64>, Stop> {
        let mut known = BTreeMap::new();
        for row in self.tables.imports.range((id, 0)..=(id, u32::MAX))? {
            let (key, persons) = row?;
            known.insert(key.value().1, persons.value());
        }
        Ok(known)
    }

    fn change_imported(&mut self, number: u32, change: impl FnOnce(u64) -> Option<u64>) -> Result<(), Stop> {
        self.directory.change(number, |parts| Some(Parts { imported: change(parts.imported)?, ..parts }))
    }
}
