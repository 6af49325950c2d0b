//! Requests at an account, and its replies.

use crate::domain::units::Moment;
use crate::ledger::{Judge, ReplayLookup, Reservation, Reserved};

/// Operations on an account.
pub(super) enum Operation {
    /// Decide and add.
    Reserve(Box<Reservation>, Judge),
    /// Look up the first answer to a transfer id.
    FindReplay(ReplayLookup),
    /// Commit: the transfer went ahead.
    Commit(String, Moment),
    /// Release: the transfer did not happen.
    Release(String, Moment),
    /// Release expired reservations, and forget transfers that were settled before a moment.
    Tick {
        /// Reservations that expired by this moment are released.
        now: Moment,
        /// Settled transfers last changed before this moment are forgotten.
        settled_before: Moment,
    },
}

/// Reply to a caller.
#[derive(Debug)]
pub(super) enum Reply {
    Reserved(Reserved),
    /// The first answer; `None` if there was none.
    Replay(Option<Reserved>),
    Done,
    Count(u64),
    /// The transfer belongs to the account with this number: ask there.
    Elsewhere(i64),
}

/// An operation, and the token that tells it from another with the same transfer id.
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) token: i64,
}

impl Operation {
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Operation::Reserve(reservation, _) => Some(&reservation.transfer_id),
            Operation::FindReplay(lookup) => Some(&lookup.transfer_id),
            Operation::Commit(id, _) | Operation::Release(id, _) => Some(id),
            Operation::Tick { .. } => None,
        }
    }

    pub(super) fn now(&self) -> Moment {
        match self {
            Operation::Reserve(reservation, _) => reservation.now,
            Operation::FindReplay(lookup) => lookup.now,
            Operation::Commit(_, now) | Operation::Release(_, now) | Operation::Tick { now, .. } => *now,
        }
    }
}
