//! Requests to the writer, and its replies.

use tokio::sync::oneshot;

use crate::domain::persons::KeyFingerprint;
use crate::domain::units::{Moment, Year};
use crate::ledger::rows::{Forget, Forgotten, Wanted};
use crate::ledger::{Judge, LedgerError, ReplayLookup, Reservation, Reserved};

/// An operation that waits for the writer, and the receiver of its reply.
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) reply: oneshot::Sender<Result<Reply, LedgerError>>,
}

/// Operations of the writer.
pub(super) enum Operation {
    Reserve(Box<Reservation>, Judge),
    FindReplay(ReplayLookup),
    Commit(String, Moment),
    Release(String, Moment),
    Tick(Moment),
    Import(Import),
    Withdraw(String),
    DropYears(Year, Moment),
    Forget(Forget, Moment),
    /// Binds the ledger to a subject key if it has none; `None` gives its key up.
    BindKey(Option<KeyFingerprint>),
    Reopen,
}

/// Replies of the writer.
#[derive(Debug)]
pub(super) enum Reply {
    Reserved(Reserved),
    /// The first answer; `None` if there was no earlier one.
    Replay(Option<Reserved>),
    Done,
    /// Number of rows concerned.
    Count(u64),
    /// Number of counters removed.
    Dropped(u64),
    /// Result of removing accounts.
    Forgotten(Forgotten),
    /// An operator's request that cannot be done, and why.
    Refused(String),
}

/// Totals to import, under one id.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) id: String,
    pub(super) wanted: Wanted,
}
