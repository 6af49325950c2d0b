//! Transfers that wait for the year's totals, and the refusals of a ledger that does not answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::asked::Asked;
use crate::domain::counter::CounterKey;
use crate::domain::counting;
use crate::domain::resolve::exporter_name;
use crate::domain::snapshot::Snapshot;
use crate::domain::transfer::{Totals, Transfer};
use crate::domain::units::Moment;
use crate::ledger::{Account, Before, Counter, CounterName, Ledger, LedgerError, People, Settled};
use crate::wire::decide::to_proto::Detail;
use crate::wire::refusal::{Refusal, Unavailable, Uncounted};

/// A transfer whose answer depends on totals that its caller does not state.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The snapshot that decides.
    pub(super) snapshot: Arc<Snapshot>,
    /// The transfer, resolved against it.
    pub(super) transfer: Transfer<'static>,
    /// The level of detail of the answer.
    pub(super) detail: Detail,
    /// The account of the totals.
    pub(super) account: Account,
    /// The persons concerned, where they are named: those who are counted already are left out of the totals.
    pub(super) people: Option<People>,
    /// The counters of the account.
    counters: NamedCounters,
}

impl Waiting {
    /// Returns a transfer that waits for these counters.
    pub(super) fn new(
        snapshot: &Arc<Snapshot>,
        asked: &Asked<'_>,
        transfer: Transfer<'_>,
        keys: Vec<CounterKey>,
        detail: Detail,
    ) -> Self {
        Self {
            account: account(snapshot, asked, &transfer),
            counters: NamedCounters::new(snapshot, keys),
            people: None,
            snapshot: Arc::clone(snapshot),
            transfer: transfer.into_owned(),
            detail,
        }
    }

    /// Reads the totals that the transfer waits for.
    pub(super) async fn read(&self, ledger: &dyn Ledger, now: Moment) -> Result<Before, LedgerError> {
        let counters = self.counters.names();
        match &self.people {
            None => ledger.read(&self.account, &counters, now).await,
            Some(people) => ledger.read_without(&self.account, &counters, people, now).await,
        }
    }

    /// Returns the totals that the caller states, completed by those that were read.
    pub(super) fn totals(&self, before: &Before) -> Totals {
        self.counters.totals(&self.transfer.stated, before)
    }
}

/// Returns the totals that the caller states, completed by those in the memory of the ledger; `None` if a total is not in
/// memory.
///
/// A closed ledger has none in memory: the wait for it ends in a refusal.
pub(super) fn at_hand(
    ledger: &dyn Ledger,
    snapshot: &Snapshot,
    asked: &Asked<'_>,
    transfer: &Transfer<'_>,
    keys: &[CounterKey],
) -> Option<Totals> {
    let name = |key: &CounterKey| CounterName { name: key.counted.name(snapshot), class: key.class };
    let names: Vec<CounterName<'_>> = keys.iter().map(name).collect();
    let found = ledger.read_at_hand(exporter_name(snapshot, asked, transfer), transfer.year, &names)?.ok()?;
    let read: Vec<(CounterKey, u64)> = keys.iter().copied().zip(found).collect();
    // A missing total would make the answer say that the total is unknown. A wait is better.
    (read.len() == keys.len()).then(|| counting::totals(&transfer.stated, &read))
}

/// Reads the totals that many transfers wait for: once for each account, so that all transfers of
/// one exporter are compared with the same totals.
pub(super) async fn read_all<'w>(
    ledger: &dyn Ledger,
    waiting: impl Iterator<Item = &'w Waiting>,
    now: Moment,
) -> BTreeMap<Account, Result<Before, LedgerError>> {
    let mut wanted: BTreeMap<Account, BTreeSet<Counter>> = BTreeMap::new();
    for waiting in waiting {
        wanted.entry(waiting.account.clone()).or_default().extend(waiting.counters.names());
    }
    let mut found = BTreeMap::new();
    for (account, counters) in wanted {
        let counters: Vec<Counter> = counters.into_iter().collect();
        let before = ledger.read(&account, &counters, now).await;
        found.insert(account, before);
    }
    found
}

/// Returns the account whose totals a transfer is compared with.
pub(super) fn account(snapshot: &Snapshot, asked: &Asked<'_>, transfer: &Transfer<'_>) -> Account {
    Account { exporter: exporter_name(snapshot, asked, transfer).to_owned(), year: transfer.year }
}

/// Counters of a snapshot with the names under which a ledger keeps them.
#[derive(Debug, Clone)]
pub(super) struct NamedCounters(Vec<(CounterKey, Counter)>);

impl NamedCounters {
    pub(super) fn new(snapshot: &Snapshot, keys: Vec<CounterKey>) -> Self {
        Self(keys.into_iter().map(|key| (key, counter(snapshot, key))).collect())
    }

    pub(super) fn names(&self) -> Vec<Counter> {
        self.0.iter().map(|(_, counter)| counter.clone()).collect()
    }

    /// Returns the names of some of the counters.
    pub(super) fn names_of(&self, keys: &[CounterKey]) -> Vec<Counter> {
        let named = self.0.iter().filter(|(key, _)| keys.contains(key));
        named.map(|(_, counter)| counter.clone()).collect()
    }

    /// Returns the counter of a name.
    pub(super) fn key(&self, name: &Counter) -> Option<CounterKey> {
        self.0.iter().find(|(_, counter)| counter == name).map(|(key, _)| *key)
    }

    pub(super) fn totals(&self, stated: &Totals, before: &Before) -> Totals {
        let read = self.0.iter().filter_map(|(key, counter)| before.get(counter).map(|total| (*key, *total)));
        counting::totals(stated, &read.collect::<Vec<_>>())
    }
}

fn counter(snapshot: &Snapshot, CounterKey { counted, class }: CounterKey) -> Counter {
    Counter { name: counted.name(snapshot).into_owned(), class }
}

/// Returns the refusal of a transfer whose totals cannot be read. The caller of the ledger logs the reason.
pub(super) const fn unread(retry_after_ms: u32) -> Refusal {
    Refusal::Unavailable(Unavailable::Ledger, retry_after_ms)
}

/// Returns the refusal of a call of the ledger.
pub(super) const fn refusal(error: &LedgerError, retry_after_ms: u32) -> Refusal {
    Refusal::Uncounted(match error {
        LedgerError::OtherTransfer => Uncounted::OtherTransfer,
        LedgerError::NotFound => Uncounted::TransferNotFound,
        LedgerError::Settled(Settled::Committed) => Uncounted::Committed,
        LedgerError::Settled(Settled::Released) => Uncounted::Released,
        LedgerError::Settled(Settled::Expired) => Uncounted::Expired,
        LedgerError::Settled(Settled::Refused) => Uncounted::Refused,
        LedgerError::Unavailable(_) => return unread(retry_after_ms),
    })
}
