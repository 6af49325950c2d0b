//! The rows of one account that a transaction works with, in memory, and the changes that reserving, committing and
//! releasing make to them.
//!
//! Knows no SQL and waits for nothing: [`super::transaction`] loads the rows under the lock of the account, the methods
//! here change them, and the changes are written back before it ends. Until then nothing has happened: a transaction
//! that fails drops its rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::rows::{Holding, Step, TransferRow};
use crate::domain::units::Moment;
use crate::ledger::holders::Holders;
use crate::ledger::lifecycle::{self, Phase, Replay, Settling};
use crate::ledger::parts::{Parts, Standing};
use crate::ledger::rows::State;
use crate::ledger::{
    Before, Change, Counter, Hold, Judge, LedgerError, People, PseudonymBytes, ReplayLookup, Replayed, Reservation,
    Reserved,
};

/// A person of a counter, by its number.
pub(super) type PersonKey = (i32, PseudonymBytes);

/// Why a step was not carried out.
#[derive(Debug)]
pub(super) enum Stop {
    /// The caller gets an error; the rows are as they were.
    Answer(LedgerError),
    /// The transfer belongs to the account with this number: ask there. The rows are as they were.
    Elsewhere(i64),
    /// These persons have to be loaded first; the rows are as they were.
    Load(Vec<PersonKey>),
    /// The rows contradict one another: nothing of this transaction may be written.
    Broken(&'static str),
}

/// The rows of one account.
#[derive(Debug)]
pub(super) struct AccountRows {
    account: i64,
    /// Revision: number of earlier changes of the account.
    revision: i64,
    counters: BTreeMap<Counter, (i32, Parts)>,
    names: BTreeMap<i32, Counter>,
    /// Counters that exist in the database: only they can have persons there.
    stored: BTreeSet<i32>,
    /// Persons that were looked up, absent ones included.
    people: HashMap<PersonKey, Holders>,
    transfers: BTreeMap<String, TransferRow>,
    pub(super) changed: Changed,
}

/// Changes to write back.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) counters: BTreeSet<i32>,
    pub(super) people: BTreeSet<PersonKey>,
    pub(super) inserted: BTreeSet<String>,
    pub(super) settled: BTreeSet<String>,
    pub(super) forgotten: BTreeSet<String>,
}

impl Changed {
    pub(super) fn is_empty(&self) -> bool {
        let Self { counters, people, inserted, settled, forgotten } = self;
        counters.is_empty() && people.is_empty() && inserted.is_empty() && settled.is_empty() && forgotten.is_empty()
    }
}

impl AccountRows {
    /// Returns an account without counters and transfers, by number and revision.
    pub(super) fn new(account: i64, revision: i64) -> Self {
        Self {
            account,
            revision,
            counters: BTreeMap::new(),
            names: BTreeMap::new(),
            stored: BTreeSet::new(),
            people: HashMap::new(),
            transfers: BTreeMap::new(),
            changed: Changed::default(),
        }
    }

    /// Adds a counter that is in the database.
    pub(super) fn load_counter(&mut self, number: i32, counter: Counter, parts: Parts) {
        self.names.insert(number, counter.clone());
        self.stored.insert(number);
        self.counters.insert(counter, (number, parts));
    }

    /// Adds a transfer that is in the database.
    pub(super) fn load_transfer(&mut self, row: TransferRow) {
        self.transfers.insert(row.id.clone(), row);
    }

    /// Adds persons: the ones that were looked up, and the ones that were found.
    pub(super) fn load_people(&mut self, keys: Vec<PersonKey>, found: Vec<(PersonKey, Holders)>) {
        self.people.extend(keys.into_iter().map(|key| (key, Holders::NONE)));
        self.people.extend(found);
    }

    /// Returns the number of the account.
    pub(super) const fn account(&self) -> i64 {
        self.account
    }

    /// Returns the revision of the account after the changes; `None` if nothing changed.
    pub(super) fn next_revision(&self) -> Option<i64> {
        if self.changed.is_empty() { None } else { self.revision.checked_add(1) }
    }

    /// Returns the transfer with an id.
    pub(super) fn transfer(&self, id: &str) -> Option<&TransferRow> {
        self.transfers.get(id)
    }

    /// Returns a counter by number.
    pub(super) fn counter(&self, number: i32) -> Option<(&Counter, Parts)> {
        let counter = self.names.get(&number)?;
        self.counters.get(counter).map(|(_, parts)| (counter, *parts))
    }

    /// Returns who holds a person that was loaded.
    pub(super) fn holders(&self, key: &PersonKey) -> Holders {
        self.people.get(key).copied().unwrap_or(Holders::NONE)
    }

    /// Returns the persons to load before a reservation can be judged or settled.
    pub(super) fn people_to_load(&self, counters: &[Counter], people: &People) -> Vec<PersonKey> {
        let mut missing = BTreeSet::new();
        for counter in counters {
            let Some(number) = self.counters.get(counter).map(|(number, _)| *number) else { continue };
            if !self.stored.contains(&number) {
                continue;
            }
            let keys = people.named(counter.class).iter().map(|pseudonym| (number, pseudonym.clone()));
            missing.extend(keys.filter(|key| !self.people.contains_key(key)));
        }
        missing.into_iter().collect()
    }

    /// Returns the persons to load before a transfer can be committed or released.
    pub(super) fn people_of(&self, id: &str) -> Vec<PersonKey> {
        let Some(row) = self.transfers.get(id) else { return Vec::new() };
        let Some(holding) = &row.holding else { return Vec::new() };
        let counters: Vec<Counter> =
            row.steps.iter().filter_map(|step| self.names.get(&step.number).cloned()).collect();
        self.people_to_load(&counters, &holding.people)
    }

    /// Returns the reservations that have expired.
    pub(super) fn expired(&self, now: Moment) -> Vec<String> {
        let mut found: Vec<_> =
            self.transfers.values().filter(|row| row.account == self.account && row.has_run_out(now)).collect();
        found.sort_by_key(|row| row.expires_at());
        found.into_iter().map(|row| row.id.clone()).collect()
    }

    /// Decides and adds. `token` tells this call from others with the same id.
    pub(super) fn reserve(
        &mut self,
        reservation: &Reservation,
        token: i64,
        judge: &mut Judge,
    ) -> Result<Reserved, Stop> {
        if self.transfers.contains_key(&reservation.transfer_id) {
            return self.replay(&reservation.to_lookup(), token);
        }
        load_first(self.people_to_load(&reservation.read, &reservation.people))?;
        let before = reservation.read.iter().map(|counter| (counter.clone(), self.without(counter, reservation)));
        let before: Before = before.collect();
        let judgement = lifecycle::judge(judge, &before).map_err(Stop::Answer)?;
        load_first(self.people_to_load(&judgement.add, &reservation.people))?;
        if !self.has_room(&judgement.add, &reservation.people) {
            return Err(unavailable("a counter is full; nothing was added"));
        }
        let mut steps = Vec::with_capacity(judgement.add.len());
        for counter in &judgement.add {
            steps.push(self.add(counter, &reservation.people, reservation.hold)?);
        }
        let (state, until) = lifecycle::begin(judgement.admission, reservation.hold);
        let row = TransferRow {
            id: reservation.transfer_id.clone(),
            account: self.account,
            fingerprint: reservation.fingerprint.to_vec(),
            token,
            state,
            holding: until.map(|until| Holding { until, people: reservation.people.clone() }),
            named: matches!(reservation.people, People::Named { .. }),
            answer: judgement.answer,
            changed_at: reservation.now,
            steps,
        };
        let reserved = self.reserved(&row, Replayed::No);
        self.changed.inserted.insert(row.id.clone());
        self.transfers.insert(row.id.clone(), row);
        Ok(reserved)
    }

    /// Commits a transfer.
    pub(super) fn commit(&mut self, id: &str, now: Moment) -> Result<(), Stop> {
        self.settle_by_caller(id, now, Phase::commit)
    }

    /// Releases a reservation.
    pub(super) fn release(&mut self, id: &str, now: Moment) -> Result<(), Stop> {
        self.settle_by_caller(id, now, Phase::release)
    }

    fn settle_by_caller(
        &mut self,
        id: &str,
        now: Moment,
        settling: impl FnOnce(Phase) -> Result<Settling, LedgerError>,
    ) -> Result<(), Stop> {
        match settling(self.of_this_account(id)?.phase(now)).map_err(Stop::Answer)? {
            Settling::Settle(state) => self.settle(id, now, state),
            Settling::Done => Ok(()),
        }
    }

    /// Releases an expired reservation.
    pub(super) fn expire(&mut self, id: &str) -> Result<(), Stop> {
        let until = self.transfers.get(id).and_then(TransferRow::expires_at);
        self.settle(id, until.ok_or(Stop::Broken("a reservation without end ran out"))?, State::Expired)
    }

    fn of_this_account(&self, id: &str) -> Result<&TransferRow, Stop> {
        let row = self.transfers.get(id).ok_or(Stop::Answer(LedgerError::NotFound))?;
        if row.account == self.account { Ok(row) } else { Err(Stop::Elsewhere(row.account)) }
    }

    /// Forgets a settled transfer: its answer is not repeated any more, but its persons stay counted.
    pub(super) fn forget(&mut self, id: &str) -> Result<(), Stop> {
        let Some(row) = self.transfers.remove(id) else { return Ok(()) };
        if row.state == State::Committed && !row.named {
            for step in &row.steps {
                self.change(step.number, |parts| parts.forget(step.added))?;
            }
        }
        self.changed.forgotten.insert(row.id);
        Ok(())
    }

    /// Looks up the first answer to a transfer id.
    pub(super) fn find_replay(&mut self, lookup: &ReplayLookup, token: i64) -> Result<Option<Reserved>, Stop> {
        let is_known = self.transfers.contains_key(&lookup.transfer_id);
        if is_known { self.replay(lookup, token).map(Some) } else { Ok(None) }
    }

    /// Repeats the answer of a transfer id that was answered before.
    fn replay(&mut self, lookup: &ReplayLookup, token: i64) -> Result<Reserved, Stop> {
        let id = lookup.transfer_id.as_str();
        let row = self.transfers.get(id).ok_or(Stop::Answer(LedgerError::NotFound))?;
        let is_same = row.fingerprint == lookup.fingerprint;
        let replayed = if row.token == token { Replayed::No } else { Replayed::Yes };
        if is_same {
            // A transfer of another year: its steps have the numbers of that account.
            self.of_this_account(id)?;
        }
        match row.phase(lookup.now).replay(is_same, lookup.hold).map_err(Stop::Answer)? {
            Replay::Answer(_) => {}
            Replay::Commit => self.settle(id, lookup.now, State::Committed)?,
        }
        let row = self.transfers.get(id).ok_or(Stop::Broken("a transfer is missing"))?;
        Ok(self.reserved(row, replayed))
    }

    fn reserved(&self, row: &TransferRow, replayed: Replayed) -> Reserved {
        let changes = row.steps.iter().filter_map(|step| {
            let counter = self.names.get(&step.number)?.clone();
            Some(Change { counter, before: step.before, added: step.added })
        });
        Reserved { answer: row.answer.clone(), changes: changes.collect(), expires_at: row.expires_at(), replayed }
    }

    /// Returns the total of a counter without the persons that the reservation names.
    fn without(&self, counter: &Counter, reservation: &Reservation) -> u64 {
        let Some((number, parts)) = self.counters.get(counter) else { return 0 };
        let is_counted =
            |pseudonym: &&PseudonymBytes| self.holders(&(*number, (*pseudonym).clone())).standing() != Standing::Absent;
        let known = reservation.people.named(counter.class).iter().filter(is_counted).count();
        lifecycle::without(parts.usage().total(), known as u64)
    }

    /// Says whether the totals stay within the range of the database's columns.
    fn has_room(&self, counters: &[Counter], people: &People) -> bool {
        let (general, sensitive) = people.count();
        let most = general.max(sensitive);
        counters.iter().all(|counter| {
            let total = self.counters.get(counter).map_or(0, |(_, parts)| parts.usage().total());
            total.checked_add(most).is_some_and(|sum| sum <= Parts::TOTAL_MAX)
        })
    }

    fn add(&mut self, counter: &Counter, people: &People, hold: Hold) -> Result<Step, Stop> {
        let number = self.number_or_new(counter)?;
        let before = self.total(number)?;
        match people {
            People::Counted(persons) => {
                let added = persons.of(counter.class).get();
                self.change(number, |parts| parts.begin(added, hold))?;
            }
            People::Named { .. } => {
                for pseudonym in people.named(counter.class) {
                    self.hold(number, pseudonym, |holders| holders.begin(hold))?;
                }
            }
        }
        let added = self.total(number)?.checked_sub(before).ok_or(Stop::Broken("a total shrank"))?;
        Ok(Step { number, before, added })
    }

    /// Moves the persons of a reservation to the part of its new state.
    fn settle(&mut self, id: &str, at: Moment, to: State) -> Result<(), Stop> {
        load_first(self.people_of(id))?;
        let row = self.transfers.get_mut(id).ok_or(Stop::Broken("a transfer is missing"))?;
        let Some(holding) = row.holding.take() else {
            return Err(Stop::Broken("a transfer is settled twice"));
        };
        (row.state, row.changed_at) = (to, at);
        for step in row.steps.clone() {
            let class = self.names.get(&step.number).map(|counter| counter.class);
            let class = class.ok_or(Stop::Broken("a transfer names a counter that does not exist"))?;
            match &holding.people {
                People::Counted(_) => self.change(step.number, |parts| parts.settle(step.added, to))?,
                People::Named { .. } => {
                    for pseudonym in holding.people.named(class) {
                        self.hold(step.number, pseudonym, |holders| holders.settle(to))?;
                    }
                }
            }
        }
        self.changed.settled.insert(id.to_owned());
        Ok(())
    }

    /// Changes who holds a person, and the counter with it.
    fn hold(
        &mut self,
        number: i32,
        pseudonym: &PseudonymBytes,
        change: impl FnOnce(Holders) -> Option<Holders>,
    ) -> Result<(), Stop> {
        let key = (number, pseudonym.clone());
        let old = self.holders(&key);
        let new = change(old).ok_or(Stop::Broken("a person is not held by what holds them"))?;
        self.change(number, |parts| parts.moved(old.standing(), new.standing()))?;
        self.people.insert(key.clone(), new);
        self.changed.people.insert(key);
        Ok(())
    }

    fn change(&mut self, number: i32, change: impl FnOnce(Parts) -> Option<Parts>) -> Result<(), Stop> {
        let entry = self.names.get(&number).and_then(|counter| self.counters.get_mut(counter));
        let (_, parts) = entry.ok_or(Stop::Broken("a counter is missing"))?;
        *parts = change(*parts).ok_or(Stop::Broken("the totals do not add up"))?;
        self.changed.counters.insert(number);
        Ok(())
    }

    fn total(&self, number: i32) -> Result<u64, Stop> {
        let (_, parts) = self.counter(number).ok_or(Stop::Broken("a counter is missing"))?;
        Ok(parts.usage().total())
    }

    fn number_or_new(&mut self, counter: &Counter) -> Result<i32, Stop> {
        if let Some((number, _)) = self.counters.get(counter) {
            return Ok(*number);
        }
        let last = self.names.last_key_value().map_or(0, |(number, _)| *number);
        let number = last.checked_add(1).ok_or(Stop::Broken("there are too many counters"))?;
        self.names.insert(number, counter.clone());
        self.counters.insert(counter.clone(), (number, Parts::default()));
        self.changed.counters.insert(number);
        Ok(number)
    }
}

fn load_first(missing: Vec<PersonKey>) -> Result<(), Stop> {
    if missing.is_empty() { Ok(()) } else { Err(Stop::Load(missing)) }
}

fn unavailable(why: &str) -> Stop {
    Stop::Answer(LedgerError::Unavailable(why.to_owned()))
}
