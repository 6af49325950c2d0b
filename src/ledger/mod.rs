//! The year's totals of each exporter: each person counted once, each count durable before the answer.
//!
//! A ledger keeps numbers and pseudonyms under names. It knows no list and no snapshot: a reservation carries the
//! judgement as a function, which the ledger calls between reading the counters and adding to them, in one critical
//! section, so that no two callers can both take the last place under a line.
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
    /// The scope that it counts.
    pub name: String,
    /// The class of information of its persons.
    pub class: CountedClass,
}

impl Counter {
    /// Returns the name that users see.
    pub fn in_year(&self, year: Year) -> String {
        in_year(&self.name, self.class, year)
    }
}

/// A counter, with a borrowed name where possible.
#[derive(Debug, Clone)]
pub struct CounterName<'a> {
    /// The scope that it counts.
    pub name: Cow<'a, str>,
    /// The class of information of its persons.
    pub class: CountedClass,
}

/// The key of an account: exporter and year.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    /// Name of the exporter, as callers give it.
    pub exporter: String,
    /// Calendar year in Asia/Shanghai.
    pub year: Year,
}

/// Persons that a transfer concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum People {
    /// By number alone: the numbers are added up.
    Counted(Headcount),
    /// By pseudonym: each counts once in a year and counter. Sorted, without duplicates.
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
    /// The exporter and year whose totals it concerns.
    pub account: Account,
    /// The persons whose data is sent.
    pub people: People,
    /// Counters that the judgement may read.
    pub read: Vec<Counter>,
    /// The state of its persons once they are added.
    pub hold: Hold,
    /// The time of the call, by the server's clock: reservations that have expired by then are released first.
    pub now: Moment,
}

impl Reservation {
    /// Returns the lookup of its first answer.
    fn to_lookup(&self) -> ReplayLookup {
        let Self { transfer_id, fingerprint, hold, now, account: _, people: _, read: _ } = self;
        ReplayLookup { transfer_id: transfer_id.clone(), fingerprint: *fingerprint, hold: *hold, now: *now }
    }
}

/// A lookup of the first answer to a transfer id. It needs no judgement: the current policies may no longer accept the
/// names in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayLookup {
    /// The caller's id of the transfer.
    pub transfer_id: String,
    /// Tells whether the id comes with the same transfer.
    pub fingerprint: [u8; 32],
    /// [`Hold::Commit`] commits a reservation that stands.
    pub hold: Hold,
    /// The time of the call, by the server's clock.
    pub now: Moment,
}

/// The state of persons once they are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// They stay.
    Commit,
    /// They stay until this moment, unless they are committed or released before.
    Until(Moment),
}

/// Totals without the transfer, by counter. Persons of the transfer that are counted already are left out, because the
/// transfer adds them. Every counter that was to be read is present, if only with 0: a missing one is unknown, and thus
/// above every line.
pub type Before = BTreeMap<Counter, u64>;

/// The result of a judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Counters to which the persons are added; empty if the transfer is denied or nothing is counted.
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

/// The judgement of a reservation. Called in the critical section: once, and again if the section has to be repeated.
pub type Judge = Box<dyn FnMut(&Before) -> Judgement + Send>;

/// The result of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// The answer of the judgement; for an id that was answered before, its first answer.
    pub answer: Vec<u8>,
    /// Persons added to each counter; for an id that was answered before, those of the first answer.
    pub changes: Vec<Change>,
    /// When the reservation expires; `None` if it is committed or nothing is held.
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
    /// Returns their sum: the number that is compared with lines.
    pub const fn total(self) -> u64 {
        self.committed.saturating_add(self.reserved)
    }
}

/// Why a ledger did not carry a request out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The id was used for another transfer.
    #[error("the transfer id was used for another transfer")]
    OtherTransfer,
    /// No transfer with that id.
    #[error("no transfer with that id")]
    NotFound,
    /// The reservation cannot be committed or released, or its id cannot be used again.
    #[error("{0}")]
    Settled(Settled),
    /// The totals cannot be read or written now. After a failed write or a commit without an answer the request may
    /// have been carried out: in full or not at all. A repeated request with the same id tells.
    #[error("the ledger is not available: {0}")]
    Unavailable(String),
}

/// The end of a transfer that conflicts with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It was committed and cannot be released.
    Committed,
    /// It was released.
    Released,
    /// Its reservation expired.
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
    /// Decides and adds in one critical section. A repeated id with the same fingerprint gets the first answer, and
    /// with [`Hold::Commit`] a reservation that stands is committed; once it was released or has expired, [`Settled`].
    async fn reserve(&self, reservation: Reservation, judge: Judge) -> Result<Reserved, LedgerError>;

    /// Returns the first answer to a transfer id; `None` if the id was not answered before. The result is that of a
    /// repeated [`Ledger::reserve`]. Never judges, never adds, and needs no sync where nothing changes.
    async fn find_replay(&self, lookup: ReplayLookup) -> Result<Option<Reserved>, LedgerError>;

    /// Commits a reserved transfer. Idempotent.
    async fn commit(&self, transfer_id: &str, now: Moment) -> Result<(), LedgerError>;

    /// Releases a reservation. Idempotent.
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

    /// Returns the totals of [`Ledger::read`] without waiting, in the order of the counters. `None` if only [`Ledger::read`]
    /// can tell.
    fn read_at_hand(
        &self,
        exporter: &str,
        year: Year,
        counters: &[CounterName<'_>],
    ) -> Option<Result<Vec<u64>, LedgerError>> {
        let _ = (exporter, year, counters);
        None
    }

    /// Returns the newest moment in the ledger, that of the latest reservation, settlement or tidying-up; `None` if
    /// there is none. A ledger that does not keep it returns the latest settlement of a transfer that it remembers. The
    /// start of a server checks the clock against it.
    async fn newest(&self) -> Result<Option<Moment>, LedgerError> {
        Ok(None)
    }

    /// Returns all counters of an account.
    async fn usage(&self, account: &Account, now: Moment) -> Result<BTreeMap<Counter, Usage>, LedgerError>;
}
