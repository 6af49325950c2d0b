//! The life cycle of a transfer, the same for every kind of ledger.
//!
//! ```text
//!            judged: denied ────────────────────────────────► Refused
//!                    permitted, Hold::Commit ───────────────► Committed
//!                    permitted, Hold::Until ─► Reserved ─┬──► Committed   commit, or a repeated request with Hold::Commit
//!                                                        ├──► Released    release
//!                                                        └──► Expired     at the moment `until`
//! ```
//!
//! A settled transfer is remembered for the retention, so that a repeated request gets the first answer, and forgotten
//! then. The ledgers read rows, ask this module, and write its result. It knows no row, no table and no clock.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::rows::State;
use super::{Admission, Before, Hold, Judge, Judgement, LedgerError, Settled};
use crate::domain::units::Moment;

const SECONDS_PER_DAY: i64 = 86_400;

/// The phase of a transfer at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its reservation stands until this moment.
    Standing(Moment),
    /// It is over.
    Over(Settled),
}

/// The effect of a repeated request, besides its first answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replay {
    /// Nothing changes; the reservation, if one stands, expires at this moment.
    Answer(Option<Moment>),
    /// The reservation is committed now.
    Commit,
}

/// The effect of a commit or a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settling {
    /// The transfer is settled now, in this state.
    Settle(State),
    /// It was done before.
    Done,
}

impl Phase {
    /// Returns the phase of a transfer at `now`. `until`: when its reservation expires; ignored in other states.
    ///
    /// A reservation has expired at `until`, whether or not its row says so yet.
    pub(super) fn of(state: State, until: Moment, now: Moment) -> Self {
        match state {
            State::Reserved if now < until => Self::Standing(until),
            State::Reserved | State::Expired => Self::Over(Settled::Expired),
            State::Committed => Self::Over(Settled::Committed),
            State::Released => Self::Over(Settled::Released),
            State::Refused => Self::Over(Settled::Refused),
        }
    }

    /// Returns the effect of a repeated request. `is_same`: it has the fingerprint of the first.
    ///
    /// With [`Hold::Commit`] it commits a standing reservation: its caller sends the data now and will not call again,
    /// and persons whose data left must not drop out of the totals when the reservation expires.
    ///
    /// # Errors
    ///
    /// If it is another transfer, or the transfer was released or has expired: its id cannot be used again.
    pub(super) fn replay(self, is_same: bool, hold: Hold) -> Result<Replay, LedgerError> {
        if !is_same {
            return Err(LedgerError::OtherTransfer);
        }
        match (self, hold) {
            (Self::Standing(until), Hold::Until(_)) => Ok(Replay::Answer(Some(until))),
            (Self::Standing(_), Hold::Commit) => Ok(Replay::Commit),
            (Self::Over(Settled::Committed | Settled::Refused), _) => Ok(Replay::Answer(None)),
            (Self::Over(settled @ (Settled::Released | Settled::Expired)), _) => Err(LedgerError::Settled(settled)),
        }
    }

    /// Returns the effect of a commit.
    ///
    /// # Errors
    ///
    /// If the transfer was refused or released, or has expired.
    pub(super) fn commit(self) -> Result<Settling, LedgerError> {
        match self {
            Self::Standing(_) => Ok(Settling::Settle(State::Committed)),
            Self::Over(Settled::Committed) => Ok(Settling::Done),
            Self::Over(settled @ (Settled::Released | Settled::Expired | Settled::Refused)) => {
                Err(LedgerError::Settled(settled))
            }
        }
    }

    /// Returns the effect of a release. A transfer that has expired or was refused counts as released.
    ///
    /// # Errors
    ///
    /// If the transfer was committed.
    pub(super) fn release(self) -> Result<Settling, LedgerError> {
        match self {
            Self::Standing(_) => Ok(Settling::Settle(State::Released)),
            Self::Over(Settled::Released | Settled::Expired | Settled::Refused) => Ok(Settling::Done),
            Self::Over(Settled::Committed) => Err(LedgerError::Settled(Settled::Committed)),
        }
    }
}

/// Returns the state of a new transfer, and the moment at which its reservation expires.
pub(super) const fn begin(admission: Admission, hold: Hold) -> (State, Option<Moment>) {
    match (admission, hold) {
        (Admission::Deny, _) => (State::Refused, None),
        (Admission::Permit, Hold::Commit) => (State::Committed, None),
        (Admission::Permit, Hold::Until(until)) => (State::Reserved, Some(until)),
    }
}

/// Calls the judgement. Returns its counters in order, each once; none if it denies.
///
/// # Errors
///
/// If the judgement panics. Nothing was added.
pub(super) fn judge(judge: &mut Judge, before: &Before) -> Result<Judgement, LedgerError> {
    let mut judgement = catch_unwind(AssertUnwindSafe(|| judge(before)))
        .map_err(|_| LedgerError::Unavailable("the judgement failed; nothing was added".to_owned()))?;
    match judgement.admission {
        Admission::Permit => judgement.add.sort_unstable(),
        Admission::Deny => judgement.add.clear(),
    }
    judgement.add.dedup();
    Ok(judgement)
}

/// Returns a total without the persons that a request names and the counter already counts.
pub(super) fn without(total: u64, known: u64) -> u64 {
    // More persons than the total: impossible, and the total as it is denies more.
    total.checked_sub(known).unwrap_or(total)
}

/// Returns the oldest moment at which a remembered transfer may have been settled: one that was settled before it is
/// forgotten. So a transfer is remembered for the retention, its last moment included, and for a day at least.
pub(super) fn remembered_since(now: Moment, retention_days: u32) -> Moment {
    now.plus_seconds(-SECONDS_PER_DAY.saturating_mul(i64::from(retention_days.max(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_seconds(1_000_000_000);

    fn after(seconds: i64) -> Moment {
        NOW.plus_seconds(seconds)
    }

    #[test]
    fn a_reservation_expires_at_its_moment_whether_or_not_the_row_says_so() {
        let at = |now| Phase::of(State::Reserved, NOW, now);
        assert_eq!(at(after(-1)), Phase::Standing(NOW));
        assert_eq!(at(NOW), Phase::Over(Settled::Expired));
        assert_eq!(at(after(1)), Phase::of(State::Expired, NOW, after(1)));
    }

    #[test]
    fn each_state_answers_each_request_in_one_way() {
        let standing = Phase::Standing(after(9));
        let over = |settled| Phase::Over(settled);
        let settled = |settled| Err(LedgerError::Settled(settled));
        let until = Hold::Until(after(99));
        for (phase, held, committing, commit, release) in [
            (
                standing,
                Ok(Replay::Answer(Some(after(9)))),
                Ok(Replay::Commit),
                Ok(Settling::Settle(State::Committed)),
                Ok(Settling::Settle(State::Released)),
            ),
            (
                over(Settled::Committed),
                Ok(Replay::Answer(None)),
                Ok(Replay::Answer(None)),
                Ok(Settling::Done),
                settled(Settled::Committed).map(|()| Settling::Done),
            ),
            (
                over(Settled::Released),
                settled(Settled::Released).map(|()| Replay::Commit),
                settled(Settled::Released).map(|()| Replay::Commit),
                settled(Settled::Released).map(|()| Settling::Done),
                Ok(Settling::Done),
            ),
            (
                over(Settled::Expired),
                settled(Settled::Expired).map(|()| Replay::Commit),
                settled(Settled::Expired).map(|()| Replay::Commit),
                settled(Settled::Expired).map(|()| Settling::Done),
                Ok(Settling::Done),
            ),
            (
                over(Settled::Refused),
                Ok(Replay::Answer(None)),
                Ok(Replay::Answer(None)),
                settled(Settled::Refused).map(|()| Settling::Done),
                Ok(Settling::Done),
            ),
        ] {
            assert_eq!(phase.replay(true, until), held, "{phase:?}");
            assert_eq!(phase.replay(true, Hold::Commit), committing, "{phase:?}");
            assert_eq!(phase.commit(), commit, "{phase:?}");
            assert_eq!(phase.release(), release, "{phase:?}");
            assert_eq!(phase.replay(false, until), Err(LedgerError::OtherTransfer), "{phase:?}");
        }
    }

    #[test]
    fn the_last_moment_of_the_retention_is_remembered() {
        assert_eq!(remembered_since(NOW, 7), after(-7 * SECONDS_PER_DAY));
        assert_eq!(remembered_since(NOW, 0), after(-SECONDS_PER_DAY));
    }

    #[test]
    fn a_judgement_that_denies_adds_nothing_and_one_that_panics_fails_alone() {
        let counter = |name: &str| super::super::Counter {
            name: name.to_owned(),
            class: crate::domain::units::CountedClass::General,
        };
        let judged = |admission| {
            let add = vec![counter("b"), counter("a"), counter("b")];
            let mut ready: Judge = Box::new(move |_| Judgement { add: add.clone(), admission, answer: Vec::new() });
            judge(&mut ready, &Before::new()).unwrap().add
        };
        assert_eq!(judged(Admission::Permit), [counter("a"), counter("b")]);
        assert!(judged(Admission::Deny).is_empty());
        let mut panicking: Judge = Box::new(|_| panic!("on purpose"));
        assert!(matches!(judge(&mut panicking, &Before::new()), Err(LedgerError::Unavailable(_))));
    }
}
