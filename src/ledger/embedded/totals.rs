//! The totals that readers see: in memory, durable, never ahead of the file.
//!
//! The writer publishes what a batch changed once it is on disk and before it answers, so whoever
//! got an answer finds it here. A ledger that is closed shows nothing: what its last write came
//! to is not known before it is opened again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::Database;

use super::directory::Directory;
use crate::ledger::{Account, Before, Counter, LedgerError, Usage};

/// What callers share with the writer.
#[derive(Debug)]
pub(super) struct Shared(RwLock<View>);

#[derive(Debug)]
enum View {
    Open { totals: HashMap<Account, BTreeMap<Counter, Usage>>, database: Arc<Database> },
    Closed(String),
}

impl Shared {
    pub(super) fn new(directory: &Directory, database: Arc<Database>) -> Self {
        Self(RwLock::new(View::Open { totals: totals(directory), database }))
    }

    /// Shows a ledger that was opened again, or from which counters are gone.
    pub(super) fn show(&self, directory: &Directory, database: Arc<Database>) {
        *self.write() = View::Open { totals: totals(directory), database };
    }

    /// Shows what changed.
    pub(super) fn publish(&self, directory: &Directory) {
        let mut view = self.write();
        let View::Open { totals, .. } = &mut *view else { return };
        for (_, entry) in directory.changed() {
            let usage = entry.parts.usage();
            match totals.get_mut(&entry.account) {
                Some(of_account) => {
                    of_account.insert(entry.counter.clone(), usage);
                }
                None => {
                    totals.insert(entry.account.clone(), BTreeMap::from([(entry.counter.clone(), usage)]));
                }
            }
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
                let of_account = totals.get(account);
                let total =
                    |counter| of_account.and_then(|of| of.get(counter)).map_or(0, |usage: &Usage| usage.total());
                Ok(counters.iter().map(|counter| (counter.clone(), total(counter))).collect())
            }
            View::Closed(why) => Err(closed(why)),
        }
    }

    /// Returns all counters of an account.
    pub(super) fn usage(&self, account: &Account) -> Result<BTreeMap<Counter, Usage>, LedgerError> {
        match &*self.read() {
            View::Open { totals, .. } => Ok(totals.get(account).cloned().unwrap_or_default()),
            View::Closed(why) => Err(closed(why)),
        }
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

fn totals(directory: &Directory) -> HashMap<Account, BTreeMap<Counter, Usage>> {
    let mut totals: HashMap<Account, BTreeMap<Counter, Usage>> = HashMap::new();
    for (_, entry) in directory.entries() {
        totals.entry(entry.account.clone()).or_default().insert(entry.counter.clone(), entry.parts.usage());
    }
    totals
}
