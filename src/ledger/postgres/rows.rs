//! Rows of the tables, as the rest of the module sees them.

use crate::domain::units::Moment;
use crate::ledger::parts::{Parts, Standing};
use crate::ledger::{People, Settled};

impl Parts {
    /// The largest total: what a column holds. Far above ten billion persons for each of a
    /// hundred million transfers.
    pub(super) const TOTAL_MAX: u64 = i64::MAX.unsigned_abs();

    /// Adds persons that are known by number only. `None` where there is no room.
    #[must_use]
    pub(super) const fn counted(mut self, reserved: u64, committed: u64) -> Option<Self> {
        let (Some(reserved), Some(committed)) =
            (self.counted_reserved.checked_add(reserved), self.counted_committed.checked_add(committed))
        else {
            return None;
        };
        self.counted_reserved = reserved;
        self.counted_committed = committed;
        Some(self)
    }

    /// Takes persons back that are known by number only. `None` where there are not so many.
    #[must_use]
    pub(super) const fn taken_back(mut self, persons: u64) -> Option<Self> {
        let Some(left) = self.counted_reserved.checked_sub(persons) else { return None };
        self.counted_reserved = left;
        Some(self)
    }
}

/// Transfers that include one person, in one counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Person {
    /// Whether one of them went ahead.
    pub(super) committed: bool,
    /// How many of them are reservations that stand.
    pub(super) reserved: i32,
}

impl Person {
    pub(super) const fn standing(self) -> Standing {
        match (self.committed, self.reserved) {
            (true, _) => Standing::Committed,
            (false, 0) => Standing::Absent,
            (false, _) => Standing::Reserved,
        }
    }

    pub(super) const fn is_counted(self) -> bool {
        !matches!(self.standing(), Standing::Absent)
    }

    /// A reservation includes the person. `None` where there are too many.
    #[must_use]
    pub(super) fn reserve(self) -> Option<Self> {
        Some(Self { reserved: self.reserved.checked_add(1)?, ..self })
    }

    /// One of the reservations stands no longer. `None` where there is none.
    #[must_use]
    pub(super) fn release(self) -> Option<Self> {
        Some(Self { reserved: self.reserved.checked_sub(1).filter(|left| 0 <= *left)?, ..self })
    }

    /// A transfer that includes the person goes ahead.
    #[must_use]
    pub(super) const fn commit(self) -> Self {
        Self { committed: true, ..self }
    }

    /// Says whether no row is kept.
    pub(super) const fn is_gone(self) -> bool {
        !self.committed && self.reserved == 0
    }
}

/// What a transfer did to a counter, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) number: i32,
    /// Its total before.
    pub(super) before: u64,
    /// Persons added.
    pub(super) added: u64,
}

/// How a transfer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Refused,
    Reserved {
        /// When it runs out.
        until: Moment,
        holding: People,
    },
    Committed,
    Released,
    Expired,
}

impl State {
    /// Returns the number that stands in the table.
    pub(super) const fn number(&self) -> i16 {
        match self {
            State::Refused => 1,
            State::Reserved { .. } => Self::RESERVED,
            State::Committed => 3,
            State::Released => 4,
            State::Expired => 5,
        }
    }

    /// The number of [`State::Reserved`].
    pub(super) const RESERVED: i16 = 2;
}

/// A transfer as the table keeps it.
#[derive(Debug, Clone)]
pub(super) struct TransferRow {
    pub(super) id: String,
    /// Number of the account whose it is.
    pub(super) account: i64,
    pub(super) fingerprint: Vec<u8>,
    /// Tells the call that made the row from others with the same id.
    pub(super) token: i64,
    pub(super) state: State,
    /// Whether its persons were named.
    pub(super) named: bool,
    pub(super) answer: Vec<u8>,
    /// When the state was last changed.
    pub(super) changed_at: Moment,
    pub(super) steps: Vec<Step>,
}

impl TransferRow {
    /// Returns when the reservation runs out, while it stands.
    pub(super) fn expires_at(&self) -> Option<Moment> {
        match &self.state {
            State::Reserved { until, .. } => Some(*until),
            State::Refused | State::Committed | State::Released | State::Expired => None,
        }
    }

    /// Returns whom the reservation holds, while it stands.
    pub(super) fn holding(&self) -> Option<&People> {
        match &self.state {
            State::Reserved { holding, .. } => Some(holding),
            State::Refused | State::Committed | State::Released | State::Expired => None,
        }
    }

    /// Says whether it is a reservation that has run out.
    pub(super) fn has_run_out(&self, now: Moment) -> bool {
        self.expires_at().is_some_and(|until| until <= now)
    }

    /// Returns how the transfer ended; `None` where it is a reservation that stands.
    pub(super) fn outcome(&self, now: Moment) -> Option<Settled> {
        match &self.state {
            State::Refused => Some(Settled::Refused),
            State::Reserved { .. } if self.has_run_out(now) => Some(Settled::Expired),
            State::Reserved { .. } => None,
            State::Committed => Some(Settled::Committed),
            State::Released => Some(Settled::Released),
            State::Expired => Some(Settled::Expired),
        }
    }
}
