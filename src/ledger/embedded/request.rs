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

/// What the writer can do.
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

/// What the writer answers.
#[derive(Debug)]
pub(super) enum Reply {
    Reserved(Reserved),
    /// The first answer; `None` where there was none.
    Replay(Option<Reserved>),
    Done,
    /// How many rows it concerned.
    Count(u64),
    /// How many counters are gone.
    Dropped(u64),
    /// What became of accounts that were to be removed.
    Forgotten(Forgotten),
    /// An operator's request that cannot be done, and why.
    Refused(String),
}

/// Totals to bring in, under one id.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) id: String,
    pub(super) wanted: Wanted,
}
