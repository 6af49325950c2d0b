//! Looks at the parts of a running server: what probes and scrapes show beside what was counted.

use std::sync::Arc;

use tokio::sync::watch;

use super::accept::ConnectionLimit;
use super::in_flight::InFlightLimit;
use super::ledger::LedgerHealth;
use super::ledger_meter::Waiting;
use crate::domain::clock::Clock;
use crate::domain::units::Moment;
use crate::live::status::State;
use crate::live::worker::Policies;
use crate::metrics::standing::{Files, PoliciesStanding, Serving, Standing};
use crate::telemetry;

/// The parts that are looked at.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) policies: Arc<Policies>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) leaving: watch::Receiver<bool>,
    pub(super) ledger: LedgerHealth,
    pub(super) ledger_calls: Waiting,
    pub(super) requests: InFlightLimit,
    pub(super) connections: ConnectionLimit,
}

impl Observed {
    /// Looks.
    pub(super) fn standing(&self) -> Standing {
        // A server that is gone has stopped.
        let is_leaving = *self.leaving.borrow() || self.leaving.has_changed().is_err();
        Standing {
            serving: if is_leaving { Serving::Draining } else { Serving::Ready },
            policies: self.policies(),
            counting: self.ledger.counting(),
            ledger_calls_waiting: self.ledger_calls.count(),
            requests_in_flight: self.requests.taken() as u64,
            connections_open: self.connections.open() as u64,
            clock: self.clock.clocking(self.clock.now()),
            log_lines_dropped: telemetry::lines_dropped(),
        }
    }

    fn policies(&self) -> PoliciesStanding {
        let (status, counters) = (self.policies.status(), self.policies.counters());
        let (activations, refusals) = (counters.activations(), counters.failures());
        PoliciesStanding {
            files: match status.state {
                State::Current => Files::Current,
                State::Stale => Files::Stale,
            },
            revision: status.revision,
            digest: Arc::clone(&status.digest),
            age_seconds: seconds_between(status.activated_at, self.clock.now()),
            load_seconds: status.load_time.as_secs_f64(),
            activations,
            refusals,
            unchanged: counters.attempts().saturating_sub(activations).saturating_sub(refusals),
        }
    }
}

/// Returns the seconds from one moment to another; none where a clock went back.
#[expect(clippy::cast_precision_loss, reason = "an age for a graph: exact for 285 million years")]
fn seconds_between(from: Moment, to: Moment) -> f64 {
    let seconds = to.seconds().saturating_sub(from.seconds()) as f64;
    let nanos = f64::from(to.nanos()) - f64::from(from.nanos());
    (seconds + nanos / 1e9).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_never_negative() {
        let at = |seconds, nanos| Moment::new(seconds, nanos).unwrap();
        assert!((seconds_between(at(10, 500_000_000), at(12, 0)) - 1.5).abs() < 1e-9);
        assert!(seconds_between(at(12, 0), at(10, 500_000_000)).abs() < 1e-9);
    }
}
