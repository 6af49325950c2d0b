//! The totals that readers see: in memory, durable, never ahead of the file.
//!
//! The writer publishes the changes of a batch once they are on disk and before it answers, so a caller that got an
//! answer finds them here. A closed ledger shows nothing: the effect of its last write is unknown until it is opened
//! again.
//!
//! Recently used accounts are kept as long as there is room. INVARIANT (never zero unread): an account that is not here
//! is unknown, and is read from the file. INVARIANT (never old): an account that a reader read from the file is kept
//! here only if no change of it was published since the read began.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::{Database, ReadTransaction, ReadableDatabase as _};

use super::directory::Directory;
use super::ring::Ring;
use super::tables::{self, COUNTERS, Stop};
use crate::domain::units::{CountedClass, Year};
use crate::ledger::{Account, Before, Counter, CounterName, LedgerError, Usage};

/// Number of groups by which publications are tracked. If an account shares its group with a published one, a reader
/// does not keep it after that read; nothing else.
const STAMPS: u64 = 4_096;

/// State that callers share with the writer.
#[derive(Debug)]
pub(super) struct Shared {
    view: RwLock<View>,
    accounts_max: usize,
    /// Why nothing more is reserved for now, although the ledger is open.
    full: RwLock<Option<String>>,
}

#[derive(Debug)]
enum View {
    Open { totals: Totals, database: Arc<Database> },
    Closed { why: String, published: u64 },
}

/// Totals by exporter, year, name and class, so that a look-up borrows its key.
#[derive(Debug)]
struct Totals {
    accounts: HashMap<Arc<str>, BTreeMap<Year, Kept>>,
    ring: Ring<(Arc<str>, Year)>,
    /// Rises with each publication.
    published: u64,
    /// For each group of accounts, its last publication.
    stamps: Vec<u64>,
    hashes: RandomState,
}

/// An account that is kept.
#[derive(Debug)]
struct Kept {
    names: OfAccount,
    /// Used since the last eviction check.
    was_used: AtomicBool,
}

/// Totals of the counters of one account, by name.
pub(super) type OfAccount = BTreeMap<String, ByClass>;

/// Totals of the counters of one name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ByClass {
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
    /// Returns totals without accounts. The results of earlier reads are not kept in them.
    fn new(published: u64) -> Self {
        let stamps = vec![published; usize::try_from(STAMPS).unwrap_or_default()];
        Self { accounts: HashMap::new(), ring: Ring::default(), published, stamps, hashes: RandomState::new() }
    }

    fn account(&self, exporter: &str, year: Year) -> Option<&OfAccount> {
        let kept = self.accounts.get(exporter)?.get(&year)?;
        // Usually it is set already, and reading it costs other threads nothing.
        if !kept.was_used.load(Ordering::Relaxed) {
            kept.was_used.store(true, Ordering::Relaxed);
        }
        Some(&kept.names)
    }

    fn account_mut(&mut self, account: &Account) -> Option<&mut OfAccount> {
        Some(&mut self.accounts.get_mut(account.exporter.as_str())?.get_mut(&account.year)?.names)
    }

    fn stamp(&mut self, account: &Account) -> Option<&mut u64> {
        let part = self.hashes.hash_one(account) % STAMPS;
        self.stamps.get_mut(usize::try_from(part).unwrap_or_default())
    }

    /// Keeps an account, and evicts others if there are too many.
    fn keep(&mut self, account: &Account, names: OfAccount, accounts_max: usize) {
        let exporter = match self.accounts.get_key_value(account.exporter.as_str()) {
            Some((exporter, _)) => Arc::clone(exporter),
            None => Arc::from(account.exporter.as_str()),
        };
        let kept = Kept { names, was_used: AtomicBool::new(true) };
        let before = self.accounts.entry(Arc::clone(&exporter)).or_default().insert(account.year, kept);
        if before.is_none() {
            self.ring.push((exporter, account.year));
        }
        while accounts_max.max(1) < self.ring.len() {
            let accounts = &self.accounts;
            let was_used = |(exporter, year): &(Arc<str>, Year)| {
                let kept = accounts.get(exporter).and_then(|years| years.get(year));
                kept.is_some_and(|kept| kept.was_used.swap(false, Ordering::Relaxed))
            };
            let Some((exporter, year)) = self.ring.pop(was_used) else { break };
            if let Some(years) = self.accounts.get_mut(&exporter) {
                years.remove(&year);
                if years.is_empty() {
                    self.accounts.remove(&exporter);
                }
            }
        }
    }
}

fn set(names: &mut OfAccount, counter: &Counter, usage: Usage) {
    match names.get_mut(&counter.name) {
        Some(by_class) => *by_class.of_mut(counter.class) = Some(usage),
        None => *names.entry(counter.name.clone()).or_default().of_mut(counter.class) = Some(usage),
    }
}

fn total(names: &OfAccount, name: &str, class: CountedClass) -> u64 {
    names.get(name).and_then(|by_class| by_class.of(class)).map_or(0, Usage::total)
}

/// Returns the totals of some counters of an account.
pub(super) fn before(names: &OfAccount, counters: &[Counter]) -> Before {
    counters.iter().map(|counter| (counter.clone(), total(names, &counter.name, counter.class))).collect()
}

/// Returns all counters of an account.
pub(super) fn usage(names: &OfAccount) -> BTreeMap<Counter, Usage> {
    let mut found = BTreeMap::new();
    for (name, by_class) in names {
        let of_class = |class| Some((Counter { name: name.clone(), class }, by_class.of(class)?));
        found.extend(CountedClass::ALL.into_iter().filter_map(of_class));
    }
    found
}

impl Shared {
    /// Publishes a ledger, with a limit of accounts to keep.
    pub(super) fn new(database: Arc<Database>, accounts_max: usize) -> Self {
        let view = View::Open { totals: Totals::new(0), database };
        Self { view: RwLock::new(view), accounts_max, full: RwLock::new(None) }
    }

    /// Publishes a ledger that was opened again, or from which counters were removed.
    pub(super) fn show(&self, database: Arc<Database>) {
        let mut view = self.write();
        let published = match &*view {
            View::Open { totals, .. } => totals.published,
            View::Closed { published, .. } => *published,
        };
        *view = View::Open { totals: Totals::new(published.saturating_add(1)), database };
    }

    /// Publishes changes.
    pub(super) fn publish(&self, directory: &Directory) {
        let mut view = self.write();
        let View::Open { totals, .. } = &mut *view else { return };
        totals.published = totals.published.saturating_add(1);
        let published = totals.published;
        for entry in directory.changed() {
            // (never old)
            if let Some(stamp) = totals.stamp(&entry.account) {
                *stamp = published;
            }
            if let Some(names) = totals.account_mut(&entry.account) {
                set(names, &entry.counter, entry.parts.usage());
                continue;
            }
            let mut names = OfAccount::new();
            for of_account in directory.of_account(&entry.account) {
                set(&mut names, &of_account.counter, of_account.parts.usage());
            }
            totals.keep(&entry.account, names, self.accounts_max);
        }
    }

    /// Closes the ledger to readers, with the reason.
    pub(super) fn close(&self, why: String) {
        let mut view = self.write();
        let published = match &*view {
            View::Open { totals, .. } => totals.published,
            View::Closed { published, .. } => *published,
        };
        *view = View::Closed { why, published };
    }

    /// Says whether the ledger is open.
    pub(super) fn check(&self) -> Result<(), LedgerError> {
        match &*self.read() {
            View::Open { .. } => Ok(()),
            View::Closed { why, .. } => Err(closed(why)),
        }
    }

    /// Says whether reservations are accepted: the ledger is open, and there is room.
    pub(super) fn check_room(&self) -> Result<(), LedgerError> {
        self.check()?;
        match &*self.full.read().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(why) => Err(LedgerError::Unavailable(why.clone())),
        }
    }

    /// Says whether the ledger is open but has no room.
    pub(super) fn is_full(&self) -> bool {
        self.check().is_ok() && self.full.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Sets or clears the reason for refusing reservations. Returns whether that changed anything.
    pub(super) fn set_full(&self, why: Option<String>) -> bool {
        let mut full = self.full.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = full.is_some() != why.is_some();
        *full = why;
        is_new
    }

    /// Applies a function to an account; `None` if only the file can tell.
    pub(super) fn at_hand<T>(
        &self,
        exporter: &str,
        year: Year,
        read: impl FnOnce(&OfAccount) -> T,
    ) -> Result<Option<T>, LedgerError> {
        match &*self.read() {
            View::Open { totals, .. } => Ok(totals.account(exporter, year).map(read)),
            View::Closed { why, .. } => Err(closed(why)),
        }
    }

    /// Reads an account from the file, and keeps it. Blocks.
    pub(super) fn load(&self, account: &Account) -> Result<OfAccount, LedgerError> {
        let (published, transaction) = self.begin_load()?;
        let names = names(&transaction, account).map_err(|stop| LedgerError::Unavailable(stop.to_string()))?;
        self.end_load(account, &names, published)?;
        Ok(names)
    }

    /// Begins a read, and returns the last publication: later ones may not be in the read.
    fn begin_load(&self) -> Result<(u64, ReadTransaction), LedgerError> {
        let (published, transaction) = match &*self.read() {
            View::Open { totals, database } => (totals.published, database.begin_read()),
            View::Closed { why, .. } => return Err(closed(why)),
        };
        Ok((published, transaction.map_err(|error| LedgerError::Unavailable(error.to_string()))?))
    }

    /// Keeps an account that was read, unless a change of it was published since.
    fn end_load(&self, account: &Account, names: &OfAccount, published: u64) -> Result<(), LedgerError> {
        match &mut *self.write() {
            View::Closed { why, .. } => Err(closed(why)),
            View::Open { totals, .. } => {
                // (never old)
                let is_new = totals.stamp(account).is_some_and(|stamp| *stamp <= published);
                if is_new && totals.account_mut(account).is_none() {
                    totals.keep(account, names.clone(), self.accounts_max);
                }
                Ok(())
            }
        }
    }

    /// Runs a function on the file; the writer cannot close it in the meantime.
    pub(super) fn with_database<T>(&self, apply: impl FnOnce(&Database) -> T) -> Result<T, LedgerError> {
        match &*self.read() {
            View::Open { database, .. } => Ok(apply(database)),
            View::Closed { why, .. } => Err(closed(why)),
        }
    }

    // Nothing panics while it holds the lock; and a whole value is put in at once.
    fn read(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the totals of some counters in their order, without a copy of their names.
pub(super) fn in_order(names: &OfAccount, counters: &[CounterName<'_>]) -> Vec<u64> {
    counters.iter().map(|CounterName { name, class }| total(names, name, *class)).collect()
}

fn names(transaction: &ReadTransaction, account: &Account) -> Result<OfAccount, Stop> {
    let mut names = OfAccount::new();
    for (_, counter, parts) in tables::of_account(&transaction.open_table(COUNTERS)?, account)? {
        set(&mut names, &counter, parts.usage());
    }
    Ok(names)
}

/// The answer of a closed ledger.
pub(super) fn closed(why: &str) -> LedgerError {
    LedgerError::Unavailable(format!("it is closed after a failure, until it is opened again: {why}"))
}

#[cfg(test)]
mod tests {
    use redb::Builder;
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::ledger::parts::Parts;

    fn account(exporter: &str) -> Account {
        Account { exporter: exporter.to_owned(), year: Year(2026) }
    }

    /// A batch that adds a person to the national counter of an account.
    fn batch(shared: &Shared, database: &Database, directory: &mut Directory, exporter: &str) {
        let (account, counter) =
            (account(exporter), Counter { name: "national".to_owned(), class: CountedClass::General });
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(COUNTERS).unwrap();
            directory.load(&account, &table).unwrap();
            let number = directory.number_or_new(&account, &counter).unwrap();
            let one_more = |parts: Parts| Some(Parts { imported: parts.imported + 1, ..parts });
            directory.change(number, one_more).unwrap();
            directory.store(&mut table).unwrap();
        }
        transaction.commit().unwrap();
        shared.publish(directory);
        directory.settle(1);
    }

    fn at_hand(shared: &Shared, exporter: &str) -> Option<u64> {
        shared.at_hand(exporter, Year(2026), |names| total(names, "national", CountedClass::General)).unwrap()
    }

    #[test]
    fn b12_a_read_from_before_a_publication_is_not_kept_after_it() {
        let database = Arc::new(Builder::new().create_with_backend(InMemoryBackend::new()).unwrap());
        let (shared, mut directory) = (Shared::new(Arc::clone(&database), 1), Directory::new(0));
        batch(&shared, &database, &mut directory, "acme");
        batch(&shared, &database, &mut directory, "globex");
        assert_eq!((at_hand(&shared, "acme"), at_hand(&shared, "globex")), (None, Some(1)));
        let (published, transaction) = shared.begin_load().unwrap();
        let old = names(&transaction, &account("acme")).unwrap();
        // Published, and evicted for another, before the reader keeps its read.
        batch(&shared, &database, &mut directory, "acme");
        batch(&shared, &database, &mut directory, "globex");
        shared.end_load(&account("acme"), &old, published).unwrap();
        assert_eq!(at_hand(&shared, "acme"), None);
        assert_eq!(total(&shared.load(&account("acme")).unwrap(), "national", CountedClass::General), 2);
        assert_eq!(at_hand(&shared, "acme"), Some(2));
        // Nor is a read from before the ledger was opened again.
        let (published, transaction) = shared.begin_load().unwrap();
        let old = names(&transaction, &account("acme")).unwrap();
        shared.close("a failure".to_owned());
        assert!(shared.end_load(&account("acme"), &old, published).is_err());
        shared.show(Arc::clone(&database));
        shared.end_load(&account("acme"), &old, published).unwrap();
        assert_eq!(at_hand(&shared, "acme"), None);
    }
}
