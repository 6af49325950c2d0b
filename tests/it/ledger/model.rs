//! Both ledgers against a plain model: the same random steps, the same answers.
//!
//! The model keeps every transfer and adds up from scratch each time. `NEGLIST_LEDGER_MODEL_STEPS` is the number of
//! steps, `NEGLIST_LEDGER_MODEL_SEED` the seed of their choice.

use std::collections::BTreeMap;
use std::future::Future;

use neglist::domain::units::{CountedClass, Moment};
use neglist::ledger::embedded::{EmbeddedLedger, Settings};
use neglist::ledger::postgres::{self, PostgresLedger};
use neglist::ledger::rows::{ImportedTotal, OperateError};
use neglist::ledger::{
    Account, Admission, Before, Change, Counter, Hold, Judgement, Ledger, LedgerError, People, ReplayLookup, Replayed,
    Reservation, Reserved, Settled, Usage,
};

use crate::ledger::support::{
    Random, START, account, check_sound, counted, from_environment, pseudonym, wait, watched,
};
use crate::support::postgres_server;

const RETENTION_SECONDS: i64 = 86_400;

/// Persons of a transfer: numbers, or a bit for each of 64 people.
#[derive(Debug, Clone, Copy)]
enum Who {
    Counted([u64; 2]),
    Named([u64; 2]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reserved(Moment),
    Committed,
    Released,
    Expired,
    Refused,
}

#[derive(Debug, Clone)]
struct Transfer {
    fingerprint: [u8; 32],
    account: Account,
    who: Who,
    state: State,
    settled_at: Moment,
    changes: Vec<Change>,
    answer: Vec<u8>,
}

#[derive(Debug, Default)]
struct Model {
    /// Remembered transfers, by id.
    known: BTreeMap<String, Transfer>,
    /// Committed and forgotten transfers; they still count.
    forgotten: Vec<Transfer>,
    imports: BTreeMap<String, Vec<ImportedTotal>>,
}

/// A ledger under test.
trait Subject {
    fn ledger(&self) -> &dyn Ledger;
    fn wait<T>(&self, future: impl Future<Output = T>) -> T;
    fn import(&self, id: &str, totals: Vec<ImportedTotal>) -> Result<u64, OperateError>;
    fn withdraw(&self, id: &str) -> Result<u64, OperateError>;
    fn tick(&self, now: Moment) -> u64;
    /// Ids of the transfers it knows.
    fn ids(&self) -> Vec<String>;
    fn check_sound(&self);

    /// The end of a step that has a moment, here and in the model.
    fn end_step(&self, now: Moment, model: &mut Model);
}

impl Subject for EmbeddedLedger {
    fn ledger(&self) -> &dyn Ledger {
        self
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        wait(future)
    }

    fn import(&self, id: &str, totals: Vec<ImportedTotal>) -> Result<u64, OperateError> {
        wait(self.import_totals(id, totals))
    }

    fn withdraw(&self, id: &str) -> Result<u64, OperateError> {
        wait(self.withdraw_import(id))
    }

    fn tick(&self, now: Moment) -> u64 {
        wait(EmbeddedLedger::tick(self, now)).unwrap()
    }

    fn ids(&self) -> Vec<String> {
        self.export().unwrap().transfers().map(|row| row.unwrap().transfer_id).collect()
    }

    fn check_sound(&self) {
        check_sound(self);
    }

    /// Each request forgets.
    fn end_step(&self, now: Moment, model: &mut Model) {
        model.forget(now);
    }
}

/// A database that two servers use in turn.
struct Shared {
    runtime: tokio::runtime::Runtime,
    servers: [PostgresLedger; 2],
    turns: std::cell::Cell<usize>,
}

impl Shared {
    fn server(&self) -> &PostgresLedger {
        self.turns.set(self.turns.get() + 1);
        &self.servers[self.turns.get() % 2]
    }
}

impl Subject for Shared {
    fn ledger(&self) -> &dyn Ledger {
        self.server()
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    fn import(&self, id: &str, totals: Vec<ImportedTotal>) -> Result<u64, OperateError> {
        self.wait(self.server().import_totals(id, totals))
    }

    fn withdraw(&self, id: &str) -> Result<u64, OperateError> {
        self.wait(self.server().withdraw_import(id))
    }

    fn tick(&self, now: Moment) -> u64 {
        self.wait(self.server().tick(now)).unwrap()
    }

    fn ids(&self) -> Vec<String> {
        self.wait(async {
            let mut export = self.server().export().await.unwrap();
            export.transfers().await.unwrap().into_iter().map(|row| row.transfer_id).collect()
        })
    }

    fn check_sound(&self) {
        assert_eq!(self.wait(self.server().verify()).unwrap(), []);
    }

    /// A request concerns one account, a tick all of them.
    fn end_step(&self, now: Moment, model: &mut Model) {
        while 0 < self.tick(now) {}
        model.release_run_out(now);
        model.forget(now);
    }
}

fn index(class: CountedClass) -> usize {
    usize::from(class == CountedClass::Sensitive)
}

impl Model {
    /// The contents of a counter: people committed, people reserved, counted committed and reserved.
    fn standing(&self, account: &Account, counter: &Counter) -> (u64, u64, Usage) {
        let (mut committed, mut reserved, mut usage) = (0, 0, Usage::default());
        let of_account = |transfer: &&Transfer| transfer.account == *account;
        for transfer in self.known.values().chain(&self.forgotten).filter(of_account) {
            let Some(change) = transfer.changes.iter().find(|change| change.counter == *counter) else { continue };
            match (transfer.who, transfer.state) {
                (Who::Named(people), State::Committed) => committed |= people[index(counter.class)],
                (Who::Named(people), State::Reserved(_)) => reserved |= people[index(counter.class)],
                (Who::Counted(_), State::Committed) => usage.committed += change.added,
                (Who::Counted(_), State::Reserved(_)) => usage.reserved += change.added,
                _ => {}
            }
        }
        let imported = self.imports.values().flatten();
        let imported = imported.filter(|total| (&total.account, &total.counter) == (account, counter));
        usage.committed += imported.map(|total| total.persons).sum::<u64>();
        (committed, reserved & !committed, usage)
    }

    fn usage(&self, account: &Account, counter: &Counter) -> Usage {
        let (committed, reserved, only_counted) = self.standing(account, counter);
        Usage {
            committed: only_counted.committed + u64::from(committed.count_ones()),
            reserved: only_counted.reserved + u64::from(reserved.count_ones()),
        }
    }

    fn before(&self, account: &Account, counter: &Counter, who: Who) -> u64 {
        let (committed, reserved, _) = self.standing(account, counter);
        let known = match who {
            Who::Counted(_) => 0,
            Who::Named(people) => (people[index(counter.class)] & (committed | reserved)).count_ones(),
        };
        self.usage(account, counter).total() - u64::from(known)
    }

    fn release_run_out(&mut self, now: Moment) {
        for transfer in self.known.values_mut() {
            if let State::Reserved(until) = transfer.state
                && until <= now
            {
                (transfer.state, transfer.settled_at) = (State::Expired, until);
            }
        }
    }

    /// Forgets transfers that were settled before the retention began. Its first moment belongs to it.
    fn forget(&mut self, now: Moment) {
        let since = now.plus_seconds(-RETENTION_SECONDS);
        let old = |transfer: &Transfer| !matches!(transfer.state, State::Reserved(_)) && transfer.settled_at < since;
        let ids: Vec<String> = self.known.iter().filter(|(_, t)| old(t)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.forgotten.push(self.known.remove(&id).unwrap());
        }
    }

    fn reserve(&mut self, asked: &Reservation, who: Who, line: u64) -> (Result<Reserved, LedgerError>, Option<Before>) {
        self.release_run_out(asked.now);
        let expires_at = match asked.hold {
            Hold::Commit => None,
            Hold::Until(moment) => Some(moment),
        };
        let state = expires_at.map_or(State::Committed, State::Reserved);
        if let Some(first) = self.find_replay(&lookup(asked)).transpose() {
            return (first, None);
        }
        let seen: Before =
            asked.read.iter().map(|counter| (counter.clone(), self.before(&asked.account, counter, who))).collect();
        let judgement = judge(&seen, &asked.read, line);
        let mut transfer = Transfer {
            fingerprint: asked.fingerprint,
            account: asked.account.clone(),
            who,
            state: State::Refused,
            settled_at: asked.now,
            changes: Vec::new(),
            answer: judgement.answer.clone(),
        };
        if judgement.admission == Admission::Permit {
            transfer.state = state;
            for counter in &judgement.add {
                let before = self.usage(&asked.account, counter).total();
                let new = self.before(&asked.account, counter, who);
                let size = match who {
                    Who::Counted(persons) => persons[index(counter.class)],
                    Who::Named(people) => u64::from(people[index(counter.class)].count_ones()),
                };
                // Totals without the persons, and then with all of them: the difference is new.
                let change = Change { counter: counter.clone(), before, added: new + size - before };
                transfer.changes.push(change);
            }
        }
        let expires_at = expires_at.filter(|_| judgement.admission == Admission::Permit);
        let reserved = Reserved {
            answer: judgement.answer,
            changes: transfer.changes.clone(),
            expires_at,
            replayed: Replayed::No,
        };
        self.known.insert(asked.transfer_id.clone(), transfer);
        (Ok(reserved), Some(seen))
    }

    fn find_replay(&mut self, asked: &ReplayLookup) -> Result<Option<Reserved>, LedgerError> {
        self.release_run_out(asked.now);
        let Some(known) = self.known.get_mut(&asked.transfer_id) else { return Ok(None) };
        if known.fingerprint != asked.fingerprint {
            return Err(LedgerError::OtherTransfer);
        }
        let expires_at = match (known.state, asked.hold) {
            (State::Released, _) => return Err(LedgerError::Settled(Settled::Released)),
            (State::Expired, _) => return Err(LedgerError::Settled(Settled::Expired)),
            (State::Reserved(until), Hold::Until(_)) => Some(until),
            (State::Reserved(_), Hold::Commit) => {
                (known.state, known.settled_at) = (State::Committed, asked.now);
                None
            }
            (State::Committed | State::Refused, _) => None,
        };
        let (answer, changes) = (known.answer.clone(), known.changes.clone());
        Ok(Some(Reserved { answer, changes, expires_at, replayed: Replayed::Yes }))
    }

    fn end(&mut self, id: &str, now: Moment, end: State) -> Result<(), LedgerError> {
        self.release_run_out(now);
        let transfer = self.known.get_mut(id).ok_or(LedgerError::NotFound)?;
        match (transfer.state, end) {
            (State::Reserved(_), _) => {
                (transfer.state, transfer.settled_at) = (end, now);
                Ok(())
            }
            (State::Committed, State::Committed) => Ok(()),
            (State::Committed, _) => Err(LedgerError::Settled(Settled::Committed)),
            (State::Released, State::Committed) => Err(LedgerError::Settled(Settled::Released)),
            (State::Expired, State::Committed) => Err(LedgerError::Settled(Settled::Expired)),
            (State::Refused, State::Committed) => Err(LedgerError::Settled(Settled::Refused)),
            (State::Released | State::Expired | State::Refused, _) => Ok(()),
        }
    }
}

fn lookup(asked: &Reservation) -> ReplayLookup {
    let Reservation { transfer_id, fingerprint, hold, now, .. } = asked.clone();
    ReplayLookup { transfer_id, fingerprint, hold, now }
}

/// Allows below the line; above an odd remainder only some of the counters are added to.
fn judge(before: &Before, read: &[Counter], line: u64) -> Judgement {
    let most = before.values().max().copied().unwrap_or_default();
    let admission = if most < line { Admission::Permit } else { Admission::Deny };
    let skipped = usize::from(most % 3 == 1);
    let mut add: Vec<Counter> = if admission == Admission::Permit { read[skipped..].to_vec() } else { Vec::new() };
    add.sort();
    Judgement { add, admission, answer: format!("{admission:?} {before:?}").into_bytes() }
}

struct Walk {
    random: Random,
    model: Model,
    now: Moment,
    counters: Vec<Counter>,
    accounts: Vec<Account>,
}

impl Walk {
    fn counters(&mut self) -> Vec<Counter> {
        let mut some: Vec<Counter> = self.counters.clone();
        some.retain(|_| self.random.below(3) != 0);
        if some.is_empty() { self.counters.clone() } else { some }
    }

    fn reservation(&mut self) -> (Reservation, Who) {
        let sizes = [self.random.below(9), self.random.below(3)];
        let bits = [self.random.next() & self.random.next() & self.random.next(), self.random.next() & 3];
        let (who, people) = if self.random.below(2) == 0 {
            (Who::Counted(sizes), counted(sizes[0], sizes[1]))
        } else {
            let list = |bits: u64| {
                let mut list: Vec<_> = (0..64).filter(|bit| bits >> bit & 1 == 1).map(pseudonym).collect();
                list.sort();
                list
            };
            (Who::Named(bits), People::Named { general: list(bits[0]), sensitive: list(bits[1]) })
        };
        let hold = match self.random.below(3) {
            0 => Hold::Commit,
            _ => Hold::Until(self.now.plus_seconds(100 * i64::try_from(self.random.below(10)).unwrap())),
        };
        let account = self.accounts[usize::try_from(self.random.below(self.accounts.len() as u64)).unwrap()].clone();
        let fingerprint = [u8::from(self.random.below(12) == 0); 32];
        let (transfer_id, read) = (self.id(), self.counters());
        (Reservation { transfer_id, fingerprint, account, people, read, hold, now: self.now }, who)
    }

    fn id(&mut self) -> String {
        format!("transfer-{}", self.random.below(120))
    }

    fn reserve(&mut self, subject: &impl Subject) {
        let (asked, who) = self.reservation();
        if self.random.below(4) == 0 {
            let asked = lookup(&asked);
            assert_eq!(
                subject.wait(subject.ledger().find_replay(asked.clone())),
                self.model.find_replay(&asked),
                "{asked:?}"
            );
            return;
        }
        let line = 20 + self.random.below(200);
        let read = asked.read.clone();
        let (judge, seen) = watched(Box::new(move |before| judge(before, &read, line)));
        let got = subject.wait(subject.ledger().reserve(asked.clone(), judge));
        let (want, judged) = self.model.reserve(&asked, who, line);
        assert_eq!(got, want, "{asked:?}");
        assert_eq!(*seen.lock().unwrap(), judged, "{asked:?}");
    }

    /// A question about named persons: the totals are those that a reservation would be judged by.
    fn read_without(&mut self, subject: &impl Subject) {
        let (asked, who) = self.reservation();
        if let Who::Counted(_) = who {
            return;
        }
        self.model.release_run_out(self.now);
        subject.tick(self.now);
        let Reservation { account, people, read, now, .. } = asked;
        let got = subject.wait(subject.ledger().read_without(&account, &read, &people, now)).unwrap();
        let want: Before =
            read.iter().map(|counter| (counter.clone(), self.model.before(&account, counter, who))).collect();
        assert_eq!(got, want);
    }

    fn import(&mut self, subject: &impl Subject) {
        let id = format!("import-{}", self.random.below(4));
        if self.random.below(3) == 0 {
            let known = self.model.imports.remove(&id);
            assert_eq!(subject.withdraw(&id).ok(), known.map(|totals| totals.len() as u64));
            return;
        }
        let account = self.accounts[0].clone();
        let counters = self.counters();
        let total = |counter: Counter| ImportedTotal {
            account: account.clone(),
            persons: 1 + counter.name.len() as u64,
            counter,
        };
        let totals: Vec<ImportedTotal> = counters.into_iter().map(total).collect();
        let got = subject.import(&id, totals.clone());
        match self.model.imports.get(&id) {
            Some(known) if *known == totals => assert_eq!(got, Ok(0)),
            Some(_) => assert!(got.is_err()),
            None => {
                assert_eq!(got, Ok(totals.len() as u64));
                self.model.imports.insert(id, totals);
            }
        }
    }

    fn step(&mut self, subject: &impl Subject) {
        match self.random.below(20) {
            0..=9 => self.reserve(subject),
            10..=12 => {
                let id = self.id();
                let want = self.model.end(&id, self.now, State::Committed);
                assert_eq!(subject.wait(subject.ledger().commit(&id, self.now)), want, "{id}");
            }
            13..=15 => {
                let id = self.id();
                let want = self.model.end(&id, self.now, State::Released);
                assert_eq!(subject.wait(subject.ledger().release(&id, self.now)), want, "{id}");
            }
            16 => {
                self.model.release_run_out(self.now);
                subject.tick(self.now);
            }
            // Without a moment there is nothing to be forgotten by.
            17 => return self.import(subject),
            18 => self.read_without(subject),
            _ => {
                // Coarse, so that a reservation is often read at the very moment of its expiry.
                let far = if self.random.below(40) == 0 { 1_000 } else { 4 };
                self.now = self.now.plus_seconds(100 * i64::try_from(self.random.below(far)).unwrap());
                return;
            }
        }
        subject.end_step(self.now, &mut self.model);
    }

    fn compare(&self, subject: &impl Subject) {
        for account in &self.accounts {
            let usage = subject.wait(subject.ledger().usage(account, self.now)).unwrap();
            let read = subject.wait(subject.ledger().read(account, &self.counters, self.now)).unwrap();
            for counter in &self.counters {
                let want = self.model.usage(account, counter);
                assert_eq!(usage.get(counter).copied().unwrap_or_default(), want, "{counter:?}");
                assert_eq!(read[counter], want.total());
            }
        }
        assert!(subject.ids().iter().eq(self.model.known.keys()));
        subject.check_sound();
    }
}

/// The seed of a walk, and its number of steps.
fn walk(steps: u64) -> (Walk, u64) {
    let steps = from_environment("NEGLIST_LEDGER_MODEL_STEPS", steps);
    let seed = from_environment("NEGLIST_LEDGER_MODEL_SEED", 1);
    let counter = |name: &str, class| Counter { name: name.to_owned(), class };
    let counters = ["national", "beijing/pharma"];
    let walk = Walk {
        random: Random(seed),
        model: Model::default(),
        now: START,
        counters: counters.iter().flat_map(|name| CountedClass::ALL.map(|class| counter(name, class))).collect(),
        accounts: vec![account("acme"), account("globex")],
    };
    (walk, steps)
}

fn retention_days() -> u32 {
    u32::try_from(RETENTION_SECONDS / 86_400).unwrap()
}

/// With all accounts in memory, and with so little memory that each account evicts another.
#[test]
fn the_ledger_agrees_with_a_plain_map() {
    for accounts_max in [Settings::default().accounts_max, 1] {
        compare_with_a_plain_map(accounts_max);
    }
}

fn compare_with_a_plain_map(accounts_max: usize) {
    let (mut walk, steps) = walk(2_500);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let settings = Settings { retention_days: retention_days(), accounts_max, ..Settings::default() };
    let mut ledger = EmbeddedLedger::open(&path, settings.clone()).unwrap();
    for step in 0..steps {
        walk.step(&ledger);
        if walk.random.below(60) == 0 {
            drop(ledger);
            ledger = EmbeddedLedger::open(&path, settings.clone()).unwrap();
        }
        if step % 25 == 0 {
            walk.compare(&ledger);
        }
    }
    walk.compare(&ledger);
}

#[test]
fn the_shared_ledger_agrees_with_a_plain_map() {
    let Some(server) = postgres_server::shared() else { return };
    let (mut walk, steps) = walk(500);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let servers = runtime.block_on(async {
        let url = server.database().await;
        let settings = postgres::Settings {
            time_max_ms: 30_000,
            retention_days: retention_days(),
            expiries_per_batch_max: 1_000,
            tables: postgres::Tables::Make,
            ..postgres::Settings::default()
        };
        [
            PostgresLedger::connect(&url, settings.clone()).await.unwrap(),
            PostgresLedger::connect(&url, settings).await.unwrap(),
        ]
    });
    let shared = Shared { runtime, servers, turns: std::cell::Cell::new(0) };
    for step in 0..steps {
        walk.step(&shared);
        if step % 25 == 0 {
            walk.compare(&shared);
        }
    }
    walk.compare(&shared);
}
