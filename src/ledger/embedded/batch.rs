//! Carrying out requests on the file, inside one write transaction.
//!
//! Requests run one after the other, and each sees the effects of those before it. Before each, the reservations that
//! have expired by its moment are released. A request is checked in full, the judgement included, before anything is
//! written for it; so one that is refused, or whose judgement panics, leaves nothing behind.
//!
//! INVARIANT (too high, never too low): work on reservations that have expired, and on transfers that are old enough to
//! be forgotten, is bounded in each batch. The remainder still counts; a request for a remaining reservation treats it
//! as expired.

use redb::{ReadableTable, WriteTransaction};

use super::directory::Directory;
use super::plan::{self, Addition, Persons};
use super::tables::{Kind, Step, Stop, Tables, Transfer, unreadable};
use crate::domain::units::{CountedClass, Moment};
use crate::ledger::holders::Holders;
use crate::ledger::lifecycle::{self, Phase, Replay, Settling};
use crate::ledger::parts::Standing;
use crate::ledger::rows::State;
use crate::ledger::{Change, Judge, Judgement, LedgerError, ReplayLookup, Replayed, Reservation, Reserved};

/// Requests that share one transaction: the tables that are open for it, and the counters in memory.
#[derive(Debug)]
pub(super) struct Batch<'txn, 'd> {
    pub(super) tables: Tables<'txn>,
    pub(super) directory: &'d mut Directory,
    /// Rows of persons and transfers that this batch read or wrote so far.
    pub(super) work: usize,
    /// Rows that this batch may still spend on expired reservations.
    expiry_work_left: usize,
    /// Whether there are changes to make durable.
    pub(super) wrote: bool,
}

impl<'txn, 'd> Batch<'txn, 'd> {
    /// Opens the tables.
    pub(super) fn open(
        transaction: &'txn WriteTransaction,
        directory: &'d mut Directory,
        expiry_work_left: usize,
    ) -> Result<Self, Stop> {
        Ok(Self { tables: Tables::open(transaction)?, directory, work: 0, expiry_work_left, wrote: false })
    }

    /// Writes the counters that changed, and says whether there is anything to commit.
    pub(super) fn finish(mut self) -> Result<bool, Stop> {
        self.directory.store(&mut self.tables.counters)?;
        Ok(self.wrote)
    }

    /// Decides and adds.
    pub(super) fn reserve(&mut self, mut reservation: Reservation, judge: &mut Judge) -> Result<Reserved, Stop> {
        self.release_run_out(reservation.now)?;
        self.directory.load(&reservation.account, &self.tables.counters)?;
        if let Some(transfer) = self.transfer(&reservation.transfer_id)? {
            return self.replay(&reservation.to_lookup(), transfer);
        }
        plan::sort(&mut reservation);
        let persons = Persons::of(&reservation, self.directory, &self.tables.people)?;
        self.work += persons.looked_up();
        let before = persons.before(&reservation, self.directory)?;
        let judgement = lifecycle::judge(judge, &before)?;
        let additions = persons.additions(&reservation, &judgement.add, self.directory, &self.tables.people)?;
        self.add(&reservation, &additions, judgement)
    }

    /// Looks up the first answer to a transfer id.
    pub(super) fn find_replay(&mut self, lookup: &ReplayLookup) -> Result<Option<Reserved>, Stop> {
        self.release_run_out(lookup.now)?;
        let known = self.transfer(&lookup.transfer_id)?;
        known.map(|transfer| self.replay(lookup, transfer)).transpose()
    }

    /// Repeats the answer of a transfer id that was answered before.
    fn replay(&mut self, lookup: &ReplayLookup, transfer: Transfer) -> Result<Reserved, Stop> {
        let replay = transfer.phase(lookup.now).replay(transfer.fingerprint == lookup.fingerprint, lookup.hold)?;
        let answer = transfer.answer.clone();
        let changes = self.changes(&transfer.steps)?;
        let expires_at = match replay {
            Replay::Answer(until) => until,
            Replay::Commit => {
                self.settle_at(&lookup.transfer_id, transfer, State::Committed, lookup.now)?;
                None
            }
        };
        Ok(Reserved { answer, changes, expires_at, replayed: Replayed::Yes })
    }

    fn add(
        &mut self,
        reservation: &Reservation,
        additions: &[Addition],
        judgement: Judgement,
    ) -> Result<Reserved, Stop> {
        let (state, expires_at) = lifecycle::begin(judgement.admission, reservation.hold);
        let kind = if state == State::Refused { Kind::Counted } else { plan::kind(&reservation.people) };
        let mut steps = Vec::with_capacity(additions.len());
        for addition in additions {
            let number = self.directory.number_or_new(&reservation.account, &addition.counter)?;
            steps.push(Step { number, before: addition.before, added: addition.added });
            match kind {
                Kind::Counted => {
                    self.directory.change(number, |parts| parts.begin(addition.added, reservation.hold))?;
                }
                Kind::Named => {
                    let pseudonyms = reservation.people.named(addition.counter.class);
                    for (pseudonym, (was, now)) in pseudonyms.iter().zip(&addition.holders) {
                        self.put_person(number, pseudonym, *was, *now)?;
                    }
                }
            }
        }
        let transfer = Transfer {
            state,
            fingerprint: reservation.fingerprint,
            account: reservation.account.clone(),
            at: expires_at.unwrap_or(reservation.now),
            kind,
            steps,
            answer: judgement.answer,
        };
        if (state, kind) == (State::Reserved, Kind::Named) {
            let of = |class| reservation.people.named(class).iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>();
            let held = (of(CountedClass::General), of(CountedClass::Sensitive));
            self.tables.held.insert(reservation.transfer_id.as_str(), held)?;
        }
        self.keep(&reservation.transfer_id, &transfer)?;
        let changes = self.changes(&transfer.steps)?;
        Ok(Reserved { answer: transfer.answer, changes, expires_at, replayed: Replayed::No })
    }

    /// Commits a reserved transfer.
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
        self.release_run_out(now)?;
        let transfer = self.transfer(id)?.ok_or(LedgerError::NotFound)?;
        match settling(transfer.phase(now))? {
            Settling::Settle(state) => self.settle_at(id, transfer, state, now),
            Settling::Done => Ok(()),
        }
    }

    /// Releases expired reservations, as many as this batch still may, and returns how many.
    pub(super) fn release_run_out(&mut self, now: Moment) -> Result<usize, Stop> {
        let mut released = 0;
        while 0 < self.expiry_work_left {
            let work_before = self.work;
            let Some((at, id)) = first(&self.tables.expiry)?.filter(|(at, _)| *at <= now) else { break };
            let transfer =
                self.transfer(&id)?.filter(|transfer| (transfer.state, transfer.at) == (State::Reserved, at));
            let transfer = transfer.ok_or_else(|| unreadable("a reservation"))?;
            self.settle(&id, transfer, State::Expired)?;
            self.expiry_work_left = self.expiry_work_left.saturating_sub(self.work - work_before);
            released += 1;
        }
        Ok(released)
    }

    /// Releases all expired reservations: for operators, whose work is not bounded.
    pub(super) fn release_all_run_out(&mut self, now: Moment) -> Result<(), Stop> {
        let left = std::mem::replace(&mut self.expiry_work_left, usize::MAX);
        self.release_run_out(now)?;
        self.expiry_work_left = left;
        Ok(())
    }

    /// Forgets transfers that were settled before a moment, up to a limit, and returns how many.
    pub(super) fn forget(&mut self, settled_before: Moment, transfers_max: usize) -> Result<usize, Stop> {
        let mut forgotten = 0;
        while forgotten < transfers_max {
            let Some((at, id)) = first(&self.tables.settled)?.filter(|(at, _)| *at < settled_before) else { break };
            let transfer = self.transfer(&id)?.ok_or_else(|| unreadable("a transfer"))?;
            if (transfer.state, transfer.kind) == (State::Committed, Kind::Counted) {
                for step in &transfer.steps {
                    self.directory.change(step.number, |parts| parts.forget(step.added))?;
                }
            }
            self.tables.settled.remove((at.seconds(), at.nanos(), id.as_str()))?;
            self.tables.transfers.remove(id.as_str())?;
            self.wrote = true;
            forgotten += 1;
        }
        Ok(forgotten)
    }

    /// Returns a transfer by id, and loads its account.
    fn transfer(&mut self, id: &str) -> Result<Option<Transfer>, Stop> {
        let Some(row) = self.tables.transfers.get(id)? else { return Ok(None) };
        let transfer = Transfer::from_value(row.value()).ok_or_else(|| unreadable("a transfer"))?;
        drop(row);
        self.directory.load(&transfer.account, &self.tables.counters)?;
        Ok(Some(transfer))
    }

    /// Settles a reservation at the moment of its expiry.
    fn settle(&mut self, id: &str, transfer: Transfer, state: State) -> Result<(), Stop> {
        let at = transfer.at;
        self.settle_at(id, transfer, state, at)
    }

    /// Moves the persons of a reservation to the part of its new state, and keeps the transfer as settled.
    fn settle_at(&mut self, id: &str, transfer: Transfer, state: State, at: Moment) -> Result<(), Stop> {
        self.tables.expiry.remove((transfer.at.seconds(), transfer.at.nanos(), id))?;
        match transfer.kind {
            Kind::Counted => {
                for step in &transfer.steps {
                    self.directory.change(step.number, |parts| parts.settle(step.added, state))?;
                }
            }
            Kind::Named => self.settle_persons(id, &transfer.steps, state)?,
        }
        self.keep(id, &Transfer { state, at, ..transfer })
    }

    fn settle_persons(&mut self, id: &str, steps: &[Step], state: State) -> Result<(), Stop> {
        let (general, sensitive) = {
            let held = self.tables.held.remove(id)?.ok_or_else(|| unreadable("a reservation"))?;
            let (general, sensitive) = held.value();
            let owned = |list: Vec<&[u8]>| list.into_iter().map(Box::from).collect::<Vec<Box<[u8]>>>();
            (owned(general), owned(sensitive))
        };
        for step in steps {
            let pseudonyms = match self.directory.entry(step.number)?.counter.class {
                CountedClass::General => &general,
                CountedClass::Sensitive => &sensitive,
            };
            for pseudonym in pseudonyms {
                let was = plan::holders(&self.tables.people, step.number, pseudonym)?;
                let now = was.settle(state).ok_or_else(|| unreadable("a person of a reservation"))?;
                self.put_person(step.number, pseudonym, was, now)?;
            }
        }
        Ok(())
    }

    /// Writes who holds a person, and moves the person within the counter.
    fn put_person(&mut self, number: u32, pseudonym: &[u8], was: Holders, now: Holders) -> Result<(), Stop> {
        self.work += 1;
        match now.standing() {
            Standing::Absent => drop(self.tables.people.remove((number, pseudonym))?),
            Standing::Reserved | Standing::Committed => {
                drop(self.tables.people.insert((number, pseudonym), now.to_stored())?);
            }
        }
        self.directory.change(number, |parts| parts.moved(was.standing(), now.standing()))
    }

    /// Writes a transfer and finds it by its moment.
    fn keep(&mut self, id: &str, transfer: &Transfer) -> Result<(), Stop> {
        let key = (transfer.at.seconds(), transfer.at.nanos(), id);
        match transfer.state {
            State::Reserved => self.tables.expiry.insert(key, ())?,
            State::Committed | State::Released | State::Expired | State::Refused => {
                self.tables.settled.insert(key, ())?
            }
        };
        self.wrote = true;
        self.work += 1;
        transfer.store(id, &mut self.tables.transfers)
    }

    fn changes(&self, steps: &[Step]) -> Result<Vec<Change>, Stop> {
        let change = |step: &Step| {
            let counter = self.directory.entry(step.number)?.counter.clone();
            Ok(Change { counter, before: step.before, added: step.added })
        };
        steps.iter().map(change).collect()
    }
}

/// Returns the earliest moment of an index, and its transfer.
fn first(index: &impl ReadableTable<(i64, u32, &'static str), ()>) -> Result<Option<(Moment, String)>, Stop> {
    let Some((key, _)) = index.first()? else { return Ok(None) };
    let (seconds, nanos, id) = key.value();
    let at = Moment::new(seconds, nanos).ok_or_else(|| unreadable("a moment"))?;
    Ok(Some((at, id.to_owned())))
}
