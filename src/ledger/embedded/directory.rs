//! The counters of the file, in the memory of the writer: numbers, names and what they are made of.
//!
//! Belongs to the writer alone and is thrown away with everything else after a failed write. What
//! readers see is [`super::totals`], which follows only once a change is durable.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use redb::Table;

use super::tables::{CounterKey, CounterValue, Stop, counter_key, unreadable};
use crate::ledger::parts::Parts;
use crate::ledger::{Account, Counter};

/// A counter of an account.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) account: Account,
    pub(super) counter: Counter,
    pub(super) parts: Parts,
}

/// All counters, by number and by name.
#[derive(Debug, Default)]
pub(super) struct Directory {
    numbers: HashMap<Account, BTreeMap<Counter, u32>>,
    entries: BTreeMap<u32, Entry>,
    changed: BTreeSet<u32>,
}

impl Directory {
    /// Returns the directory of the counters of a file.
    pub(super) fn from_rows(rows: Vec<(u32, Account, Counter, Parts)>) -> Result<Self, Stop> {
        let mut directory = Self::default();
        for (number, account, counter, parts) in rows {
            directory.insert(number, &account, &counter, parts)?;
        }
        Ok(directory)
    }

    /// Returns the number of a counter, where it was ever added to.
    pub(super) fn number(&self, account: &Account, counter: &Counter) -> Option<u32> {
        self.numbers.get(account)?.get(counter).copied()
    }

    /// Returns the counter with a number.
    pub(super) fn entry(&self, number: u32) -> Result<&Entry, Stop> {
        self.entries.get(&number).ok_or_else(|| unreadable("the number of a counter"))
    }

    /// Returns all counters with their numbers.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.entries.iter().map(|(number, entry)| (*number, entry))
    }

    /// Returns the number of a counter, a new one where it has none.
    pub(super) fn number_or_new(&mut self, account: &Account, counter: &Counter) -> Result<u32, Stop> {
        if let Some(number) = self.number(account, counter) {
            return Ok(number);
        }
        let last = self.entries.last_key_value().map_or(0, |(number, _)| *number);
        let number = last.checked_add(1).ok_or_else(|| Stop::Broken("there are too many counters".to_owned()))?;
        self.insert(number, account, counter, Parts::default())?;
        self.changed.insert(number);
        Ok(number)
    }

    /// Changes what a counter is made of. Where the change is not possible the file says two
    /// things at once, and is not trusted any more.
    pub(super) fn change(&mut self, number: u32, change: impl FnOnce(Parts) -> Option<Parts>) -> Result<(), Stop> {
        let entry = self.entries.get_mut(&number).ok_or_else(|| unreadable("the number of a counter"))?;
        let parts = change(entry.parts).ok_or_else(|| Stop::Broken("the totals do not add up".to_owned()))?;
        if parts != entry.parts {
            entry.parts = parts;
            self.changed.insert(number);
        }
        Ok(())
    }

    /// Forgets a counter.
    pub(super) fn remove(&mut self, number: u32) {
        let Some(Entry { account, counter, .. }) = self.entries.remove(&number) else { return };
        if let Some(of_account) = self.numbers.get_mut(&account) {
            of_account.remove(&counter);
            if of_account.is_empty() {
                self.numbers.remove(&account);
            }
        }
        self.changed.remove(&number);
    }

    /// Writes the counters that changed.
    pub(super) fn store(&self, table: &mut Table<'_, CounterKey, CounterValue>) -> Result<(), Stop> {
        for (number, entry) in self.changed() {
            table.insert(counter_key(&entry.account, &entry.counter), (number, entry.parts.to_value()))?;
        }
        Ok(())
    }

    /// Returns the counters that changed since [`Directory::settle`].
    pub(super) fn changed(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.changed.iter().filter_map(|number| Some((*number, self.entries.get(number)?)))
    }

    /// Says that what changed is durable and published.
    pub(super) fn settle(&mut self) {
        self.changed.clear();
    }

    fn insert(&mut self, number: u32, account: &Account, counter: &Counter, parts: Parts) -> Result<(), Stop> {
        let entry = Entry { account: account.clone(), counter: counter.clone(), parts };
        let twice = self.entries.insert(number, entry).is_some();
        let again = self.numbers.entry(account.clone()).or_default().insert(counter.clone(), number).is_some();
        if twice || again { Err(unreadable("the number of a counter")) } else { Ok(()) }
    }
}
