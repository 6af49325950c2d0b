//! The answer to a transfer: outcome, reasons, the clearance that satisfied it, validity, and head-room.

use super::counter::CounterKey;
use super::reason::{Outcome, Reason};
use super::units::{ClearanceId, Moment, Persons, StepId, Year};

/// The answer to one transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The procedure to complete before the data may leave.
    pub outcome: Outcome,
    /// The outcome that the rules require before clearances are considered.
    pub required: Outcome,
    /// The reasons, strictest first. Never empty.
    pub reasons: Vec<Reason>,
    /// The clearance that satisfied `required`.
    pub clearance: Option<ClearanceId>,
    /// The moment for which the transfer was decided.
    pub evaluated_at: Moment,
    /// The answer holds until this moment, for the same facts and the same snapshot.
    pub valid_until: Moment,
    /// The next step.
    pub next_step: Option<StepId>,
    /// The step that may be taken instead of `next_step`.
    pub alternative_step: Option<StepId>,
}

/// The distance of a counter from its next line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headroom {
    /// The counter.
    pub counter: CounterKey,
    /// The calendar year in Asia/Shanghai.
    pub year: Year,
    /// Total with this transfer.
    pub projected: Persons,
    /// First total at which `next` applies. Above `projected`.
    pub line: Persons,
    /// The outcome from that line on.
    pub next: Outcome,
}

impl Headroom {
    /// Returns the persons that may still be added before `next` applies.
    pub fn remaining(&self) -> u64 {
        self.line.get().saturating_sub(self.projected.get()).saturating_sub(1)
    }
}
