//! The year's totals of each exporter: each person counted once, each count durable before the answer.
//!
//! A ledger keeps numbers and pseudonyms under names. It knows no list and no snapshot: a
//! reservation brings the judgement along, as a function that the ledger calls between reading the
//! counters and adding to them, in one critical section, so that no two callers can both take
//! the last place under a line.
//!
//! Two implementations keep the same promises: one file on this machine, and `PostgreSQL` where several
//! servers share the totals.

pub mod embedded;
mod files;
mod holders;
pub mod key_file;
mod lifecycle;
pub mod mark;
mod parts;
pub mod postgres;
pub mod recent;
pub mod rows;
pub mod subject_key;
pub mod witness;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::domain::counter::in_year;
use crate::domain::units::{CountedClass, Headcount, Moment, Year};

/// A counter of one exporter in one year, by name.
///
/// Stable across editions, snapshots and servers: `national`, `beijing/pharma/clinical-trial`,
/// `clearance/filing-2026-001`. With class and year it is the name that users see:
/// `national/sensitive/2026`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    /// What it counts.
    pub name: String,
    /// Persons of which class of information.
    pub class: CountedClass,
}

impl Counter {
    /// Returns the name that users see.
    pub fn in_year(&self, year: Year) -> String {
        in_year(&self.name, self.class, year)
    }
}

/// A counter by a name that is borrowed where it can be.
#[derive(Debug, Clone)]
pub struct CounterName<'a> {
    /// What it counts.
    pub name: Cow<'a, str>,
    /// Persons of which class of information.
    pub class: CountedClass,
}

/// Whose totals, of which year.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    /// Exporter, as callers name it.
    pub exporter: String,
    /// Calendar year in Asia/Shanghai.
    pub year: Year,
}

/// Persons that a transfer concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum People {
    /// Only how many: they are added up as they are.
    Counted(Headcount),
    /// Who, by pseudonym: each counts once a year and counter. Sorted, without duplicates.
    Named {
        /// Persons whose general information is concerned.
        general: Vec<PseudonymBytes>,
        /// Persons whose sensitive information is concerned.
        sensitive: Vec<PseudonymBytes>,
    },
}

/// A pseudonym as the ledger keeps it: 8 to 32 bytes, stable over the year. A caller chose it, or the server made it of an
/// identifier ([`crate::domain::persons::Pseudonym`]).
pub type PseudonymBytes = Box<[u8]>;

impl People {
    /// Returns the pseudonyms that a counter of a class counts; none where persons are only counted.
    fn named(&self, class: CountedClass) -> &[PseudonymBytes] {
        match (self, class) {
            (Self::Counted(_), _) => &[],
            (Self::Named { general, .. }, CountedClass::General) => general,
            (Self::Named { sensitive, .. }, CountedClass::Sensitive) => sensitive,
        }
    }

    /// Returns how many there are.
    pub fn count(&self) -> (u64, u64) {
        match self {
            People::Counted(persons) => (persons.general.get(), persons.sensitive.get()),
            People::Named { general, sensitive } => (general.len() as u64, sensitive.len() as u64),
        }
    }
}

/// A request to decide and to add in one step.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// The caller's id of the transfer: 1 to 128 bytes.
    pub transfer_id: String,
    /// Tells whether a repeated id comes with the same transfer.
    pub fingerprint: [u8; 32],
    /// Whose totals.
    pub account: Account,
    /// Whom it concerns.
    pub people: People,
    /// Counters that the judgement may read.
    pub read: Vec<Counter>,
    /// What happens once it is added.
    pub hold: Hold,
    /// The moment of the call, by the server's clock: reservations that have run out by then
    /// are released first.
    pub now: Moment,
}

impl Reservation {
    /// Returns the lookup of its first answer.
    fn to_lookup(&self) -> ReplayLookup {
        let Self { transfer_id, fingerprint, hold, now, account: _, people: _, read: _ } = self;
        ReplayLookup { transfer_id: transfer_id.clone(), fingerprint: *fingerprint, hold: *hold, now: *now }
    }
}

/// A lookup of the first answer to a transfer id. It needs no judgement: the policies may have ceased to accept the
/// words of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayLookup {
    /// The caller's id of the transfer.
    pub transfer_id: String,
    /// Tells whether the id comes with the same transfer.
    pub fingerprint: [u8; 32],
    /// [`Hold::Commit`] commits a reservation that stands.
    pub hold: Hold,
    /// The moment of the call, by the server's clock.
    pub now: Moment,
}

/// What happens once persons are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// They stay.
    Commit,
    /// They stay until this moment, unless they are committed or released before.
    Until(Moment),
}

/// Totals without the transfer, by counter. Persons that the transfer names and that were counted
/// before are left out, because the transfer adds them. Every counter that was to be read is in
/// it, if only with 0: one that is missing counts as not known, and thus as above every line.
pub type Before = BTreeMap<Counter, u64>;

/// What was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Counters that the persons are added to; empty where nothing goes ahead or nothing is counted.
    pub add: Vec<Counter>,
    /// Whether the transfer may go: only then can it be committed.
    pub admission: Admission,
    /// The answer, also for a repeated request with the same id.
    pub answer: Vec<u8>,
}

/// Whether a transfer may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Permit,
    /// It may not.
    Deny,
}

/// The judgement that a reservation brings along. Called once, in the critical section; called
/// again where the section has to be repeated.
pub type Judge = Box<dyn FnMut(&Before) -> Judgement + Send>;

/// What a reservation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// The answer of the judgement, the first one where the id was answered before.
    pub answer: Vec<u8>,
    /// What was added to each counter; for an id that was answered before, what was added then.
    pub changes: Vec<Change>,
    /// When the reservation runs out; `None` where it is committed or nothing is held.
    pub expires_at: Option<Moment>,
    /// Whether the id was answered before.
    pub replayed: Replayed,
}

/// Whether a transfer id was answered before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// It was.
    Yes,
    /// It was not.
    No,
}

/// A counter before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The counter.
    pub counter: Counter,
    /// Its total before.
    pub before: u64,
    /// Persons added: those that were not counted there yet.
    pub added: u64,
}

/// Totals of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Persons of transfers that went ahead.
    pub committed: u64,
    /// Persons of reservations that stand.
    pub reserved: u64,
}

impl Usage {
    /// Returns both together: the number that is compared with lines.
    pub const fn total(self) -> u64 {
        self.committed.saturating_add(self.reserved)
    }
}

/// Why a ledger did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The id was used for another transfer.
    #[error("the transfer id was used for another transfer")]
    OtherTransfer,
    /// No transfer with that id.
    #[error("no transfer with that id")]
    NotFound,
    /// The reservation cannot be committed or taken back, or its id not be used again.
    #[error("{0}")]
    Settled(Settled),
    /// The totals cannot be read or written now. After a failed write or a commit without an
    /// answer it is not known whether the request was done: it was done in full or not at all.
    /// Asking again with the same id tells.
    #[error("the ledger is not available: {0}")]
    Unavailable(String),
}

/// How a transfer ended, where that does not go with what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It went ahead: it cannot be taken back.
    Committed,
    /// It was taken back.
    Released,
    /// Its reservation ran out.
    Expired,
    /// It was never allowed to go.
    Refused,
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Settled::Committed => "the transfer was committed and cannot be released",
            Settled::Released => "the transfer was released: use a new id",
            Settled::Expired => "the reservation expired: use a new id",
            Settled::Refused => "the transfer was not allowed to go",
        })
    }
}

/// Keeps the totals. All calls are idempotent on the transfer id and durable before they answer.
#[async_trait::async_trait]
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Decides and adds in one critical section. A repeated id with the same fingerprint gets the
    /// first answer, and with [`Hold::Commit`] a reservation that stands is committed; once it was
    /// taken back or ran out, [`Settled`].
    async fn reserve(&self, reservation: Reservation, judge: Judge) -> Result<Reserved, LedgerError>;

    /// Returns the first answer to a transfer id; `None` if the id was not answered before. The result is that of a
    /// repeated [`Ledger::reserve`]. Never judges, never adds, and needs no sync where nothing changes.
    async fn find_replay(&self, lookup: ReplayLookup) -> Result<Option<Reserved>, LedgerError>;

    /// Says that a reserved transfer went ahead. Can be repeated.
    async fn commit(&self, transfer_id: &str, now: Moment) -> Result<(), LedgerError>;

    /// Takes a reservation back. Can be repeated.
    async fn release(&self, transfer_id: &str, now: Moment) -> Result<(), LedgerError>;

    /// Returns the totals of some counters, for a decision that adds nothing.
    async fn read(&self, account: &Account, counters: &[Counter], now: Moment) -> Result<Before, LedgerError>;

    /// Returns the totals of some counters without the named persons that they count already, for a decision about these persons
    /// that adds nothing. `people` is sorted, without duplicates. The totals and the persons are those of one moment.
    async fn read_without(
        &self,
        account: &Account,
        counters: &[Counter],
        people: &People,
        now: Moment,
    ) -> Result<Before, LedgerError>;

    /// Returns the totals of [`Ledger::read`] where they are at hand, in the order of the counters: a decision then waits for
    /// nothing. `None` where only [`Ledger::read`] can tell.
    fn read_at_hand(
        &self,
        exporter: &str,
        year: Year,
        counters: &[CounterName<'_>],
    ) -> Option<Result<Vec<u64>, LedgerError>> {
        let _ = (exporter, year, counters);
        None
    }

    /// Returns the newest moment that the ledger knows of: when something was reserved, settled or tidied up; `None` where
    /// it knows none. A ledger that keeps none by itself tells when a transfer was settled last, of those that are
    /// remembered. By it the start of a server finds a clock that is wrong.
    async fn newest(&self) -> Result<Option<Moment>, LedgerError> {
        Ok(None)
    }

    /// Returns all counters of an account.
    async fn usage(&self, account: &Account, now: Moment) -> Result<BTreeMap<Counter, Usage>, LedgerError>;
}
