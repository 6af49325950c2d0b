//! Requests at an account, and its replies.

use crate::domain::units::Moment;
use crate::ledger::{Judge, ReplayLookup, Reservation, Reserved};

/// What can be done at an account.
pub(super) enum Operation {
    /// Decide and add.
    Reserve(Box<Reservation>, Judge),
    /// Look up the first answer to a transfer id.
    FindReplay(ReplayLookup),
    /// The transfer went ahead.
    Commit(String, Moment),
    /// The transfer did not happen.
    Release(String, Moment),
    /// Release what ran out, and forget transfers that were settled before a moment.
    Tick {
        /// Reservations run out by then.
        now: Moment,
        /// Settled transfers are forgotten that were changed before.
        settled_before: Moment,
    },
}

/// What a caller is told.
#[derive(Debug)]
pub(super) enum Reply {
    Reserved(Reserved),
    /// The first answer; `None` where there was none.
    Replay(Option<Reserved>),
    Done,
    Count(u64),
    /// Ask at the account with this number: the transfer is there.
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
