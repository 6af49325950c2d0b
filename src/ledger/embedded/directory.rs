//! The counters of the accounts that the writer works on: numbers, names and parts.
//!
//! Belongs to the writer alone and is dropped with everything else after a failed write. Readers see [`super::totals`],
//! which follows only once a change is durable.
//!
//! An account is loaded from the file, whole, before it is used, and evicted between two batches if there are too many.
//! INVARIANT (never zero unread): a counter of an account that is not loaded is an error and not a counter that was
//! never added to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use redb::{ReadableTable, Table};

use super::ring::Ring;
use super::tables::{self, CounterKey, CounterValue, Stop, counter_key, unreadable};
use crate::ledger::parts::Parts;
use crate::ledger::{Account, Counter};

/// A counter of an account.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) account: Account,
    pub(super) counter: Counter,
    pub(super) parts: Parts,
}

/// An account that is loaded.
#[derive(Debug, Default)]
struct OfAccount {
    numbers: BTreeMap<Counter, u32>,
    /// Used since the last eviction check.
    was_used: bool,
}

/// The counters of the loaded accounts, by number and by name.
#[derive(Debug)]
pub(super) struct Directory {
    accounts: HashMap<Account, OfAccount>,
    entries: HashMap<u32, Entry>,
    changed: BTreeSet<u32>,
    ring: Ring<Account>,
    /// The highest number that a counter of the file has, or had since the file was opened.
    number_last: u32,
}

impl Directory {
    /// Returns a directory with nothing loaded. `number_last` is the highest number of a counter in the file, 0 for none.
    pub(super) fn new(number_last: u32) -> Self {
        Self {
            accounts: HashMap::new(),
            entries: HashMap::new(),
            changed: BTreeSet::new(),
            ring: Ring::default(),
            number_last,
        }
    }

    /// Loads the counters of an account, unless they are.
    pub(super) fn load(
        &mut self,
        account: &Account,
        table: &impl ReadableTable<CounterKey, CounterValue>,
    ) -> Result<(), Stop> {
        if let Some(loaded) = self.accounts.get_mut(account) {
            loaded.was_used = true;
            return Ok(());
        }
        self.accounts.insert(account.clone(), OfAccount { numbers: BTreeMap::new(), was_used: true });
        self.ring.push(account.clone());
        for (number, counter, parts) in tables::of_account(table, account)? {
            self.insert(number, account, &counter, parts)?;
        }
        Ok(())
    }

    /// Returns the number of a counter of a loaded account, if it was ever added to.
    pub(super) fn number(&self, account: &Account, counter: &Counter) -> Result<Option<u32>, Stop> {
        // (never zero unread)
        let loaded = self.accounts.get(account).ok_or_else(not_loaded)?;
        Ok(loaded.numbers.get(counter).copied())
    }

    /// Returns the counter of a loaded account with a number.
    pub(super) fn entry(&self, number: u32) -> Result<&Entry, Stop> {
        self.entries.get(&number).ok_or_else(|| unreadable("the number of a counter"))
    }

    /// Returns all counters of a loaded account.
    pub(super) fn of_account(&self, account: &Account) -> impl Iterator<Item = &Entry> {
        let numbers = self.accounts.get(account).map(|loaded| loaded.numbers.values());
        numbers.into_iter().flatten().filter_map(|number| self.entries.get(number))
    }

    /// Returns the number of a counter, a new one if it has none.
    pub(super) fn number_or_new(&mut self, account: &Account, counter: &Counter) -> Result<u32, Stop> {
        if let Some(number) = self.number(account, counter)? {
            return Ok(number);
        }
        let number = self.number_last.checked_add(1);
        let number = number.ok_or_else(|| Stop::Broken("there are too many counters".to_owned()))?;
        self.number_last = number;
        self.insert(number, account, counter, Parts::default())?;
        self.changed.insert(number);
        Ok(number)
    }

    /// Changes the parts of a counter. If the change is impossible, the file contradicts itself and is not trusted any
    /// more.
    pub(super) fn change(&mut self, number: u32, change: impl FnOnce(Parts) -> Option<Parts>) -> Result<(), Stop> {
        let entry = self.entries.get_mut(&number).ok_or_else(|| unreadable("the number of a counter"))?;
        let parts = change(entry.parts).ok_or_else(|| Stop::Broken("the totals do not add up".to_owned()))?;
        if parts != entry.parts {
            entry.parts = parts;
            self.changed.insert(number);
        }
        Ok(())
    }

    /// Forgets some accounts, changes included.
    pub(super) fn remove(&mut self, goes: impl Fn(&Account) -> bool) {
        let Self { accounts, entries, changed, ring, .. } = self;
        accounts.retain(|account, loaded| {
            let stays = !goes(account);
            if !stays {
                for number in loaded.numbers.values() {
                    entries.remove(number);
                    changed.remove(number);
                }
            }
            stays
        });
        ring.retain(|account| !goes(account));
    }

    /// Writes the counters that changed.
    pub(super) fn store(&self, table: &mut Table<'_, CounterKey, CounterValue>) -> Result<(), Stop> {
        for entry in self.changed() {
            let number = self.number(&entry.account, &entry.counter)?.ok_or_else(not_loaded)?;
            table.insert(counter_key(&entry.account, &entry.counter), (number, entry.parts.to_value()))?;
        }
        Ok(())
    }

    /// Returns the counters that changed since [`Directory::settle`].
    pub(super) fn changed(&self) -> impl Iterator<Item = &Entry> {
        self.changed.iter().filter_map(|number| self.entries.get(number))
    }

    /// Marks all changes as durable and published, and evicts accounts if there are too many.
    pub(super) fn settle(&mut self, accounts_max: usize) {
        self.changed.clear();
        let Self { accounts, entries, ring, .. } = self;
        while accounts_max < ring.len() {
            let was_used = |account: &Account| {
                accounts.get_mut(account).is_some_and(|loaded| std::mem::take(&mut loaded.was_used))
            };
            let Some(account) = ring.pop(was_used) else { break };
            for number in accounts.remove(&account).unwrap_or_default().numbers.values() {
                entries.remove(number);
            }
        }
    }

    fn insert(&mut self, number: u32, account: &Account, counter: &Counter, parts: Parts) -> Result<(), Stop> {
        let entry = Entry { account: account.clone(), counter: counter.clone(), parts };
        let twice = self.entries.insert(number, entry).is_some();
        let loaded = self.accounts.get_mut(account).ok_or_else(not_loaded)?;
        let again = loaded.numbers.insert(counter.clone(), number).is_some();
        if twice || again { Err(unreadable("the number of a counter")) } else { Ok(()) }
    }
}

fn not_loaded() -> Stop {
    Stop::Broken("an account was used that is not loaded".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::units::{CountedClass, Year};

    #[test]
    fn b12_an_account_that_is_not_loaded_is_no_account_at_zero() {
        let account = Account { exporter: "acme".to_owned(), year: Year(2026) };
        let counter = Counter { name: "national".to_owned(), class: CountedClass::General };
        let mut directory = Directory::new(0);
        assert!(directory.number(&account, &counter).is_err());
        assert!(directory.number_or_new(&account, &counter).is_err());
    }
}
