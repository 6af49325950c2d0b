//! The counts of the whole server, and tallies that are added to them as a whole.

use std::time::Duration;

use super::cells::{self, Cell, Cells};
use super::labels::{Answer, Door, LedgerCall, LedgerResult, Limit};
use crate::domain::reason::{Outcome, ReasonCode};

/// Decisions that are counted together or not at all.
#[derive(Debug)]
pub struct Tally {
    answers: [u64; Answer::ALL.len()],
    reasons: [u64; ReasonCode::ALL.len()],
}

impl Default for Tally {
    fn default() -> Self {
        Self { answers: [0; Answer::ALL.len()], reasons: [0; ReasonCode::ALL.len()] }
    }
}

impl Tally {
    /// Adds a decided transfer, with the reasons of the decision.
    pub fn decided(&mut self, outcome: Outcome, reasons: impl Iterator<Item = ReasonCode>) {
        self.answer(Answer::of(outcome));
        for reason in reasons {
            if let Some(count) = self.reasons.get_mut(reason as usize) {
                *count += 1;
            }
        }
    }

    /// Adds a refused transfer.
    pub fn refused(&mut self) {
        self.answer(Answer::Refused);
    }

    /// Adds a transfer that the server could not answer.
    pub fn unanswered(&mut self) {
        self.answer(Answer::Unanswered);
    }

    fn answer(&mut self, answer: Answer) {
        // In bounds: answers and reasons are numbered in the order of `ALL`.
        if let Some(count) = self.answers.get_mut(answer as usize) {
            *count += 1;
        }
    }
}

/// Counts of the whole server. They never decrease.
#[derive(Debug, Default)]
pub struct Metrics {
    pub(super) cells: Cells,
}

impl Metrics {
    /// Counts a decided transfer, with the reasons of the decision.
    pub fn decided(&self, door: Door, outcome: Outcome, reasons: impl Iterator<Item = ReasonCode>) {
        self.cells.add(Cell::Answer(door, Answer::of(outcome)), 1);
        for reason in reasons {
            self.cells.add(Cell::Reason(reason), 1);
        }
    }

    /// Counts the decisions of a tally at a door.
    pub fn add(&self, door: Door, tally: &Tally) {
        let answers = Answer::ALL.iter().map(|answer| Cell::Answer(door, *answer)).zip(tally.answers);
        let reasons = ReasonCode::ALL.iter().map(|reason| Cell::Reason(*reason)).zip(tally.reasons);
        for (cell, count) in answers.chain(reasons).filter(|(_, count)| *count != 0) {
            self.cells.add(cell, count);
        }
    }

    /// Counts a request that is not a transfer and may pass.
    pub fn unlabelled(&self, door: Door) {
        self.cells.add(Cell::Answer(door, Answer::NoTransfer), 1);
    }

    /// Counts a refused transfer.
    pub fn refused(&self, door: Door) {
        self.cells.add(Cell::Answer(door, Answer::Refused), 1);
    }

    /// Counts a transfer that the server could not answer.
    pub fn unanswered(&self, door: Door) {
        self.cells.add(Cell::Answer(door, Answer::Unanswered), 1);
    }

    /// Counts the time of a call. A batch is one call, and so is each message of a stream.
    pub fn took(&self, door: Door, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.cells.add(Cell::Bucket(door, cells::bucket(nanoseconds)), 1);
        self.cells.add(Cell::TookNanoseconds(door), nanoseconds);
    }

    /// Counts a request that was refused, or a connection that was closed, because of a limit.
    pub fn limited(&self, limit: Limit) {
        self.cells.add(Cell::Limit(limit), 1);
    }

    /// Counts a call of the ledger.
    pub fn ledger(&self, call: LedgerCall, result: LedgerResult) {
        self.cells.add(Cell::Ledger(call, result), 1);
    }

    /// Returns the number of ledger calls with this result.
    pub fn ledger_calls(&self, call: LedgerCall, result: LedgerResult) -> u64 {
        self.cells.sum(Cell::Ledger(call, result))
    }

    /// Returns the number of refusals because of a limit.
    pub fn limit_refusals(&self, limit: Limit) -> u64 {
        self.cells.sum(Cell::Limit(limit))
    }

    /// Returns the number of transfers with this answer at a door.
    pub fn answers(&self, door: Door, answer: Answer) -> u64 {
        self.cells.sum(Cell::Answer(door, answer))
    }
}
