//! The totals that readers see: in memory, durable, never ahead of the file.
//!
//! The writer publishes what a batch changed once it is on disk and before it answers, so whoever
//! got an answer finds it here. A ledger that is closed shows nothing: what its last write came
//! to is not known before it is opened again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::Database;

use super::directory::Directory;
use crate::domain::units::{CountedClass, Year};
use crate::ledger::{Account, Before, Counter, CounterName, LedgerError, Usage};

/// What callers share with the writer.
#[derive(Debug)]
pub(super) struct Shared(RwLock<View>);

#[derive(Debug)]
enum View {
    Open { totals: Totals, database: Arc<Database> },
    Closed(String),
}

/// Totals by exporter, year, name and class, so that a look-up borrows what it looks for.
#[derive(Debug, Default)]
struct Totals(HashMap<String, BTreeMap<Year, BTreeMap<String, ByClass>>>);

/// Totals of the counters of one name.
#[derive(Debug, Clone, Copy, Default)]
struct ByClass {
    general: Option<Usage>,
    sensitive: Option<Usage>,
}

impl ByClass {
    const fn of(&self, class: CountedClass) -> Option<Usage> {
        match class {
            CountedClass::General => self.general,
            CountedClass::Sensitive => self.sensitive,
        }
    }

    const fn of_mut(&mut self, class: CountedClass) -> &mut Option<Usage> {
        match class {
            CountedClass::General => &mut self.general,
            CountedClass::Sensitive => &mut self.sensitive,
        }
    }
}

impl Totals {
    fn of(directory: &Directory) -> Self {
        let mut totals = Self::default();
        for (_, entry) in directory.entries() {
            totals.set(&entry.account, &entry.counter, entry.parts.usage());
        }
        totals
    }

    fn account(&self, exporter: &str, year: Year) -> Option<&BTreeMap<String, ByClass>> {
        self.0.get(exporter)?.get(&year)
    }

    fn set(&mut self, account: &Account, counter: &Counter, usage: Usage) {
        let names = match self.0.get_mut(&account.exporter) {
            Some(years) => years.entry(account.year).or_default(),
            None => self.0.entry(account.exporter.clone()).or_default().entry(account.year).or_default(),
        };
        if !names.contains_key(&counter.name) {
            names.insert(counter.name.clone(), ByClass::default());
        }
        if let Some(by_class) = names.get_mut(&counter.name) {
            *by_class.of_mut(counter.class) = Some(usage);
        }
    }
}

fn total(of_account: Option<&BTreeMap<String, ByClass>>, name: &str, class: CountedClass) -> u64 {
    of_account.and_then(|names| names.get(name)?.of(class)).map_or(0, Usage::total)
}

impl Shared {
    pub(super) fn new(directory: &Directory, database: Arc<Database>) -> Self {
        Self(RwLock::new(View::Open { totals: Totals::of(directory), database }))
    }

    /// Shows a ledger that was opened again, or from which counters are gone.
    pub(super) fn show(&self, directory: &Directory, database: Arc<Database>) {
        *self.write() = View::Open { totals: Totals::of(directory), database };
    }

    /// Shows what changed.
    pub(super) fn publish(&self, directory: &Directory) {
        let mut view = self.write();
        let View::Open { totals, .. } = &mut *view else { return };
        for (_, entry) in directory.changed() {
            totals.set(&entry.account, &entry.counter, entry.parts.usage());
        }
    }

    /// Shows nothing from now on, and says why.
    pub(super) fn close(&self, why: String) {
        *self.write() = View::Closed(why);
    }

    /// Says whether the ledger is open.
    pub(super) fn check(&self) -> Result<(), LedgerError> {
        match &*self.read() {
            View::Open { .. } => Ok(()),
            View::Closed(why) => Err(closed(why)),
        }
    }

    /// Returns the totals of some counters.
    pub(super) fn before(&self, account: &Account, counters: &[Counter]) -> Result<Before, LedgerError> {
        match &*self.read() {
            View::Open { totals, .. } => {
                let names = totals.account(&account.exporter, account.year);
                let before = |counter: &Counter| (counter.clone(), total(names, &counter.name, counter.class));
                Ok(counters.iter().map(before).collect())
            }
            View::Closed(why) => Err(closed(why)),
        }
    }

    /// Returns the same in the order of the counters, without a copy of their names.
    pub(super) fn at_hand(
        &self,
        exporter: &str,
        year: Year,
        counters: &[CounterName<'_>],
    ) -> Result<Vec<u64>, LedgerError> {
        match &*self.read() {
            View::Open { totals, .. } => {
                let names = totals.account(exporter, year);
                Ok(counters.iter().map(|CounterName { name, class }| total(names, name, *class)).collect())
            }
            View::Closed(why) => Err(closed(why)),
        }
    }

    /// Returns all counters of an account.
    pub(super) fn usage(&self, account: &Account) -> Result<BTreeMap<Counter, Usage>, LedgerError> {
        let guard = self.read();
        let totals = match &*guard {
            View::Open { totals, .. } => totals,
            View::Closed(why) => return Err(closed(why)),
        };
        let mut found = BTreeMap::new();
        for (name, by_class) in totals.account(&account.exporter, account.year).into_iter().flatten() {
            let of_class = |class| Some((Counter { name: name.clone(), class }, by_class.of(class)?));
            found.extend(CountedClass::ALL.into_iter().filter_map(of_class));
        }
        Ok(found)
    }

    /// Does something with the file; the writer cannot close it in the meantime.
    pub(super) fn with_database<T>(&self, look: impl FnOnce(&Database) -> T) -> Result<T, LedgerError> {
        match &*self.read() {
            View::Open { database, .. } => Ok(look(database)),
            View::Closed(why) => Err(closed(why)),
        }
    }

    // Nothing panics while it holds the lock; and a whole value is put in at once.
    fn read(&self) -> RwLockReadGuard<'_, View> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, View> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer of a closed ledger.
pub(super) fn closed(why: &str) -> LedgerError {
    LedgerError::Unavailable(format!("it is closed after a failure, until it is opened again: {why}"))
}
