//! The answer: outcome, reasons, what satisfied it, until when it holds, and how far the lines are.

use super::counting::CounterKey;
use super::reason::{Outcome, Reason};
use super::units::{ClearanceId, Moment, Persons, StepId, Year};

/// The answer to one transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What has to happen before the data may leave.
    pub outcome: Outcome,
    /// What the rules ask for before clearances are looked at.
    pub required: Outcome,
    /// Why, strictest first. Never empty.
    pub reasons: Vec<Reason>,
    /// The clearance that satisfied `required`.
    pub clearance: Option<ClearanceId>,
    /// The moment that the answer is for.
    pub evaluated_at: Moment,
    /// The answer holds for the same facts until then, under the same snapshot.
    pub valid_until: Moment,
    /// What to do next.
    pub next_step: Option<StepId>,
    /// What may be done in place of `next_step`.
    pub alternative_step: Option<StepId>,
}

/// How far a counter is from the next line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headroom {
    /// Which counter.
    pub counter: CounterKey,
    /// Of which calendar year in Asia/Shanghai.
    pub year: Year,
    /// Total with this transfer.
    pub projected: Persons,
    /// First total at which `next` applies. Above `projected`.
    pub line: Persons,
    /// What applies from there on.
    pub next: Outcome,
}

impl Headroom {
    /// Returns the persons that may still be added before `next` applies.
    pub fn remaining(&self) -> u64 {
        self.line.get().saturating_sub(self.projected.get()).saturating_sub(1)
    }
}
