//! A simple ledger in memory: each call computes the totals from all transfers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::domain::units::{Moment, Year};
use crate::ledger::{
    Account, Admission, Before, Change, Counter, CounterName, Hold, Judge, Ledger, LedgerError, People, PseudonymBytes,
    ReplayLookup, Replayed, Reservation, Reserved, Settled, Usage,
};

/// Keeps everything in memory, counts its calls, and can simulate a failure.
#[derive(Debug, Default)]
pub(crate) struct MemoryLedger {
    transfers: Mutex<BTreeMap<String, Kept>>,
    is_down: AtomicBool,
    is_at_hand: AtomicBool,
    is_stuck: AtomicBool,
    reads: AtomicUsize,
    lookups: AtomicUsize,
    writes: AtomicUsize,
}

#[derive(Debug)]
struct Kept {
    fingerprint: [u8; 32],
    account: Account,
    people: People,
    changes: Vec<Change>,
    answer: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Held { until: Moment },
    Committed,
    Ended(Settled),
}

type Transfers = BTreeMap<String, Kept>;

impl MemoryLedger {
    /// Switches the simulated failure on or off.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    /// Lets reads wait for ever from now on.
    pub(crate) fn get_stuck(&self) {
        self.is_stuck.store(true, Ordering::Relaxed);
    }

    /// Makes reads answer without waiting from now on.
    pub(crate) fn put_at_hand(&self) {
        self.is_at_hand.store(true, Ordering::Relaxed);
    }

    /// Number of reads that had to wait.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    /// Calls that asked for totals at hand.
    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::Relaxed)
    }

    /// Number of calls that may write.
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    /// Adds committed persons to a counter.
    pub(crate) fn put(&self, account: &Account, counter: Counter, persons: u64) {
        use crate::domain::units::{CountedClass, Headcount, Persons};
        let persons = Persons::new(persons).unwrap();
        let people = match counter.class {
            CountedClass::General => Headcount { general: persons, sensitive: Persons::ZERO },
            CountedClass::Sensitive => Headcount { general: Persons::ZERO, sensitive: persons },
        };
        let mut transfers = self.transfers.lock().unwrap();
        let id = format!("put-{}", transfers.len());
        let kept = Kept {
            fingerprint: [0; 32],
            account: account.clone(),
            people: People::Counted(people),
            changes: vec![Change { counter, before: 0, added: persons.get() }],
            answer: Vec::new(),
            state: State::Committed,
        };
        transfers.insert(id, kept);
    }

    fn open(&self, calls: &AtomicUsize) -> Result<(), LedgerError> {
        calls.fetch_add(1, Ordering::Relaxed);
        if self.is_down.load(Ordering::Relaxed) { Err(LedgerError::Unavailable("down".to_owned())) } else { Ok(()) }
    }
}

fn expire(transfers: &mut Transfers, now: Moment) {
    for kept in transfers.values_mut() {
        if matches!(kept.state, State::Held { until } if until <= now) {
            kept.state = State::Ended(Settled::Expired);
        }
    }
}

/// Total of a counter over the transfers for which `counts` holds, without the persons of `without`.
fn total(
    transfers: &Transfers,
    account: &Account,
    counter: &Counter,
    without: &[PseudonymBytes],
    counts: fn(State) -> bool,
) -> u64 {
    let mut sum = 0;
    let mut named: BTreeSet<&PseudonymBytes> = BTreeSet::new();
    for kept in transfers.values().filter(|kept| kept.account == *account && counts(kept.state)) {
        if kept.changes.iter().any(|change| change.counter == *counter) {
            match &kept.people {
                People::Counted(persons) => sum += persons.of(counter.class).get(),
                People::Named { .. } => named.extend(of_class(&kept.people, counter)),
            }
        }
    }
    sum + named.into_iter().filter(|person| !without.contains(person)).count() as u64
}

fn of_class<'p>(people: &'p People, counter: &Counter) -> &'p [PseudonymBytes] {
    use crate::domain::units::CountedClass;
    match (people, counter.class) {
        (People::Counted(_), _) => &[],
        (People::Named { general, .. }, CountedClass::General) => general,
        (People::Named { sensitive, .. }, CountedClass::Sensitive) => sensitive,
    }
}

fn first_answer(kept: &mut Kept, fingerprint: [u8; 32], hold: Hold) -> Result<Reserved, LedgerError> {
    if kept.fingerprint != fingerprint {
        return Err(LedgerError::OtherTransfer);
    }
    if let (State::Held { .. }, Hold::Commit) = (kept.state, hold) {
        kept.state = State::Committed;
    }
    let expires_at = match kept.state {
        State::Held { until } => Some(until),
        State::Committed | State::Ended(Settled::Refused) => None,
        State::Ended(settled) => return Err(LedgerError::Settled(settled)),
    };
    let (answer, changes) = (kept.answer.clone(), kept.changes.clone());
    Ok(Reserved { answer, changes, expires_at, replayed: Replayed::Yes })
}

fn stands(state: State) -> bool {
    matches!(state, State::Held { .. } | State::Committed)
}

#[async_trait::async_trait]
impl Ledger for MemoryLedger {
    async fn reserve(&self, reservation: Reservation, mut judge: Judge) -> Result<Reserved, LedgerError> {
        self.open(&self.writes)?;
        let Reservation { transfer_id, fingerprint, account, people, read, hold, now } = reservation;
        let mut transfers = self.transfers.lock().unwrap();
        expire(&mut transfers, now);
        if let Some(kept) = transfers.get_mut(&transfer_id) {
            return first_answer(kept, fingerprint, hold);
        }
        let before = |counter: &Counter| total(&transfers, &account, counter, of_class(&people, counter), stands);
        let judgement = judge(&read.iter().map(|counter| (counter.clone(), before(counter))).collect());
        let changes: Vec<Change> = judgement
            .add
            .iter()
            .map(|counter| {
                let was = total(&transfers, &account, counter, &[], stands);
                let persons = match counter.class {
                    crate::domain::units::CountedClass::General => people.count().0,
                    crate::domain::units::CountedClass::Sensitive => people.count().1,
                };
                Change { counter: counter.clone(), before: was, added: before(counter) + persons - was }
            })
            .collect();
        let (state, expires_at) = match (judgement.admission, hold) {
            (Admission::Deny, _) => (State::Ended(Settled::Refused), None),
            (Admission::Permit, Hold::Commit) => (State::Committed, None),
            (Admission::Permit, Hold::Until(until)) => (State::Held { until }, Some(until)),
        };
        let answer = judgement.answer;
        let kept = Kept { fingerprint, account, people, changes: changes.clone(), answer: answer.clone(), state };
        transfers.insert(transfer_id, kept);
        Ok(Reserved { answer, changes, expires_at, replayed: Replayed::No })
    }

    async fn find_replay(&self, lookup: ReplayLookup) -> Result<Option<Reserved>, LedgerError> {
        self.open(&self.reads)?;
        let ReplayLookup { transfer_id, fingerprint, hold, now } = lookup;
        let mut transfers = self.transfers.lock().unwrap();
        expire(&mut transfers, now);
        let Some(kept) = transfers.get_mut(&transfer_id) else { return Ok(None) };
        first_answer(kept, fingerprint, hold).map(Some)
    }

    async fn commit(&self, transfer_id: &str, now: Moment) -> Result<(), LedgerError> {
        self.open(&self.writes)?;
        let mut transfers = self.transfers.lock().unwrap();
        expire(&mut transfers, now);
        let kept = transfers.get_mut(transfer_id).ok_or(LedgerError::NotFound)?;
        match kept.state {
            State::Held { .. } => kept.state = State::Committed,
            State::Committed => {}
            State::Ended(settled) => return Err(LedgerError::Settled(settled)),
        }
        Ok(())
    }

    async fn release(&self, transfer_id: &str, now: Moment) -> Result<(), LedgerError> {
        self.open(&self.writes)?;
        let mut transfers = self.transfers.lock().unwrap();
        expire(&mut transfers, now);
        let kept = transfers.get_mut(transfer_id).ok_or(LedgerError::NotFound)?;
        match kept.state {
            State::Held { .. } => kept.state = State::Ended(Settled::Released),
            State::Committed => return Err(LedgerError::Settled(Settled::Committed)),
            State::Ended(_) => {}
        }
        Ok(())
    }

    async fn read(&self, account: &Account, counters: &[Counter], now: Moment) -> Result<Before, LedgerError> {
        self.open(&self.reads)?;
        if self.is_stuck.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let mut transfers = self.transfers.lock().unwrap();
        expire(&mut transfers, now);
        let read = |counter: &Counter| (counter.clone(), total(&transfers, account, counter, &[], stands));
        Ok(counters.iter().map(read).collect())
    }

    async fn read_without(
        &self,
        account: &Account,
        counters: &[Counter],
        people: &People,
        now: Moment,
    ) -> Result<Before, LedgerError> {
        self.open(&self.reads)?;
        let mut transfers = self.transfers.lock().unwrap();
        expire(&mut transfers, now);
        let read = |counter: &Counter| {
            (counter.clone(), total(&transfers, account, counter, of_class(people, counter), stands))
        };
        Ok(counters.iter().map(read).collect())
    }

    fn read_at_hand(
        &self,
        exporter: &str,
        year: Year,
        counters: &[CounterName<'_>],
    ) -> Option<Result<Vec<u64>, LedgerError>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        if !self.is_at_hand.load(Ordering::Relaxed) {
            return None;
        }
        if self.is_down.load(Ordering::Relaxed) {
            return Some(Err(LedgerError::Unavailable("down".to_owned())));
        }
        let account = Account { exporter: exporter.to_owned(), year };
        let transfers = self.transfers.lock().unwrap();
        let read = |CounterName { name, class }: &CounterName<'_>| {
            total(&transfers, &account, &Counter { name: name.to_string(), class: *class }, &[], stands)
        };
        Some(Ok(counters.iter().map(read).collect()))
    }

    async fn usage(&self, account: &Account, now: Moment) -> Result<BTreeMap<Counter, Usage>, LedgerError> {
        self.open(&self.reads)?;
        let mut transfers = self.transfers.lock().unwrap();
        expire(&mut transfers, now);
        let of_account = transfers.values().filter(|kept| kept.account == *account && stands(kept.state));
        let counters: BTreeSet<Counter> =
            of_account.flat_map(|kept| &kept.changes).map(|change| change.counter.clone()).collect();
        let usage = |counter: Counter| {
            let committed = total(&transfers, account, &counter, &[], |state| state == State::Committed);
            let all = total(&transfers, account, &counter, &[], stands);
            (counter, Usage { committed, reserved: all - committed })
        };
        Ok(counters.into_iter().map(usage).collect())
    }
}
