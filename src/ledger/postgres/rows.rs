//! Rows of the tables, as the rest of the module sees them.

use crate::domain::units::Moment;
use crate::ledger::lifecycle::Phase;
use crate::ledger::parts::Parts;
use crate::ledger::rows::State;
use crate::ledger::{People, Settled};

impl Parts {
    /// The largest total that a column holds. Far above ten billion persons for each of a hundred million transfers.
    pub(super) const TOTAL_MAX: u64 = i64::MAX.unsigned_abs();
}

/// A transfer's addition to a counter, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) number: i32,
    /// Its total before.
    pub(super) before: u64,
    /// Persons added.
    pub(super) added: u64,
}

/// The states and their numbers in the table, which must not change. The statements name that of [`State::Reserved`].
const STATES: [(i16, State); 5] =
    [(1, State::Refused), (2, State::Reserved), (3, State::Committed), (4, State::Released), (5, State::Expired)];

/// Returns the number of a state in the table.
pub(super) fn number_of(state: State) -> i16 {
    STATES.iter().find(|(_, other)| *other == state).map_or(0, |(number, _)| *number)
}

/// Returns the state with a number in the table.
pub(super) fn state_of(number: i16) -> Option<State> {
    STATES.iter().find(|(other, _)| *other == number).map(|(_, state)| *state)
}

/// The hold of a standing reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holding {
    /// Moment of its expiry.
    pub(super) until: Moment,
    pub(super) people: People,
}

/// A transfer as the table stores it.
#[derive(Debug, Clone)]
pub(super) struct TransferRow {
    pub(super) id: String,
    /// Number of its account.
    pub(super) account: i64,
    pub(super) fingerprint: Vec<u8>,
    /// Tells the call that made the row from others with the same id.
    pub(super) token: i64,
    pub(super) state: State,
    /// `Some` while it is reserved, and only then.
    pub(super) holding: Option<Holding>,
    /// Whether its persons are known by pseudonym.
    pub(super) named: bool,
    pub(super) answer: Vec<u8>,
    /// When the state was last changed.
    pub(super) changed_at: Moment,
    pub(super) steps: Vec<Step>,
}

impl TransferRow {
    /// Returns the expiry of the reservation while it stands.
    pub(super) fn expires_at(&self) -> Option<Moment> {
        self.holding.as_ref().map(|holding| holding.until)
    }

    /// Says whether it is an expired reservation that was not released yet.
    pub(super) fn has_run_out(&self, now: Moment) -> bool {
        self.state == State::Reserved && self.phase(now) == Phase::Over(Settled::Expired)
    }

    /// Returns the phase of the transfer at a moment.
    pub(super) fn phase(&self, now: Moment) -> Phase {
        Phase::of(self.state, self.expires_at().unwrap_or(self.changed_at), now)
    }
}
