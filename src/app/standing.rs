//! Observes the parts of a running server, for probes and scrapes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::app::ledger::LedgerHealth;
use crate::app::ledger_meter::Waiting;
use crate::domain::clock::Clock;
use crate::domain::units::Moment;
use crate::live::worker::Policies;
use crate::metrics::health::Condition;
use crate::metrics::standing::{Counting, PoliciesStanding, Serving, Standing};
use crate::telemetry;
use crate::transport::accept::ConnectionLimit;
use crate::transport::admission::InFlightLimit;

/// The observed parts.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) policies: Arc<Policies>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) leaving: watch::Receiver<bool>,
    pub(super) ledger: LedgerHealth,
    pub(super) ledger_calls: Waiting,
    /// The wait of a call after which the ledger counts as stalled.
    pub(super) ledger_stalled: Duration,
    pub(super) requests: InFlightLimit,
    pub(super) connections: ConnectionLimit,
}

impl Observed {
    /// Returns the state of the server.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            serving: self.serving(),
            policies: self.policies(),
            counting: self.counting(),
            ledger_calls_waiting: self.ledger_calls.count(),
            ledger_oldest_call_seconds: self.ledger_calls.oldest().unwrap_or_default().as_secs_f64(),
            requests_in_flight: self.requests.taken() as u64,
            connections_open: self.connections.open() as u64,
            clock: self.clock.clocking(self.clock.now()),
            log_lines_dropped: telemetry::lines_dropped(),
        }
    }

    /// Returns the condition on which health depends.
    pub(super) fn condition(&self) -> Condition {
        Condition {
            serving: self.serving(),
            files: self.policies.status().files,
            clock: self.clock.clocking(self.clock.now()),
            counting: self.counting(),
        }
    }

    fn serving(&self) -> Serving {
        // A dropped sender means that the server has stopped.
        let is_leaving = *self.leaving.borrow() || self.leaving.has_changed().is_err();
        if is_leaving { Serving::Draining } else { Serving::Ready }
    }

    fn counting(&self) -> Counting {
        counting(self.ledger.counting(), self.ledger_calls.oldest(), self.ledger_stalled)
    }

    fn policies(&self) -> PoliciesStanding {
        let (status, counters) = (self.policies.status(), self.policies.counters());
        let (activations, refusals) = (counters.activations(), counters.failures());
        PoliciesStanding {
            files: status.files,
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

/// Says whether the ledger can count persons. `waited`: the time that the oldest call has waited; `stalled`: the wait after
/// which the ledger counts as stalled.
fn counting(ledger: Counting, waited: Option<Duration>, stalled: Duration) -> Counting {
    match ledger {
        Counting::Open | Counting::Full if waited.is_some_and(|waited| stalled <= waited) => Counting::Stalled,
        counting => counting,
    }
}

/// Returns the seconds from one moment to another; zero if the clock went back.
#[expect(clippy::cast_precision_loss, reason = "an age for a graph: exact for 285 million years")]
fn seconds_between(from: Moment, to: Moment) -> f64 {
    let seconds = to.seconds().saturating_sub(from.seconds()) as f64;
    let nanos = f64::from(to.nanos()) - f64::from(from.nanos());
    (seconds + nanos / 1e9).max(0.0)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Condvar, Mutex};

    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::app::ledger::{file_upkeep, keep_tidy};
    use crate::domain::units::{CountedClass, Headcount, Persons, Year};
    use crate::ledger::embedded::{EmbeddedLedger, Opening, Settings, Storage};
    use crate::ledger::{Account, Admission, Counter, Hold, Judgement, Ledger as _, People, Reservation};
    use crate::testing::{NOW, StandingClock};

    /// A disk whose syncs hang while its mark is set.
    #[derive(Debug, Clone, Default)]
    struct Disk(Arc<(Mutex<bool>, Condvar)>);

    impl Disk {
        fn hang(&self, hangs: bool) {
            *self.0.0.lock().unwrap() = hangs;
            self.0.1.notify_all();
        }
    }

    /// Ends the hang if a test fails, so that the ledger can be dropped.
    struct Ending(Disk);

    impl Drop for Ending {
        fn drop(&mut self) {
            self.0.hang(false);
        }
    }

    impl Storage for Disk {
        fn open(&self) -> io::Result<Opening> {
            Ok(Opening { backend: Arc::new(OnDisk(InMemoryBackend::new(), self.clone())), watch: None })
        }

        fn name(&self) -> String {
            "a disk".to_owned()
        }
    }

    #[derive(Debug)]
    struct OnDisk(InMemoryBackend, Disk);

    impl StorageBackend for OnDisk {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            let (hangs, changed) = &*self.1.0;
            drop(changed.wait_while(hangs.lock().unwrap(), |hangs| *hangs).unwrap());
            self.0.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.write(offset, data)
        }
    }

    fn reservation() -> Reservation {
        Reservation {
            transfer_id: "a".to_owned(),
            fingerprint: [7; 32],
            account: Account { exporter: "city".to_owned(), year: Year(2026) },
            people: People::Counted(Headcount { general: Persons::new(3).unwrap(), sensitive: Persons::ZERO }),
            read: Vec::new(),
            hold: Hold::Commit,
            now: NOW,
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn b18_a_sync_that_hangs_shows_until_it_is_over() {
        let (disk, stalled) = (Disk::default(), Duration::from_millis(50));
        let settings = Settings { time_max_ms: 100, ..Settings::default() };
        let ledger = Arc::new(EmbeddedLedger::open_in(Box::new(disk.clone()), settings).unwrap());
        let _ending = Ending(disk.clone());
        let (waiting, health) = (Waiting::default(), LedgerHealth::File(Arc::clone(&ledger)));
        let (_draining, draining) = watch::channel(false);
        let tick = file_upkeep(&ledger, &waiting);
        tokio::spawn(keep_tidy(tick, Arc::new(StandingClock), Duration::from_millis(5), draining, Arc::default()));
        let until = async |expected| {
            let seen = async {
                while counting(health.counting(), waiting.oldest(), stalled) != expected {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(30), seen).await.unwrap_or_else(|_| panic!("never {expected:?}"));
        };
        until(Counting::Open).await;
        disk.hang(true);
        let national = Counter { name: "national".to_owned(), class: CountedClass::General };
        let judge =
            move |_: &_| Judgement { add: vec![national.clone()], admission: Admission::Permit, answer: Vec::new() };
        // Its caller gives up; the ledger still counts as stalled, because it has not answered.
        ledger.reserve(reservation(), Box::new(judge)).await.unwrap_err();
        assert_eq!(health.counting(), Counting::Open, "nothing has failed");
        until(Counting::Stalled).await;
        disk.hang(false);
        until(Counting::Open).await;
    }

    #[test]
    fn b6_a_ledger_that_is_closed_is_not_stalled_as_well() {
        let (second, hour) = (Duration::from_secs(1), Duration::from_hours(1));
        for (ledger, waited, stalled, expected) in [
            (Counting::Open, None, Duration::ZERO, Counting::Open),
            (Counting::Open, Some(second), second, Counting::Stalled),
            (Counting::Open, Some(second), hour, Counting::Open),
            (Counting::Full, None, second, Counting::Full),
            (Counting::Full, Some(hour), second, Counting::Stalled),
            (Counting::Closed, Some(hour), second, Counting::Closed),
            (Counting::None, Some(hour), second, Counting::None),
        ] {
            assert_eq!(counting(ledger, waited, stalled), expected, "{ledger:?} {waited:?} {stalled:?}");
        }
    }

    #[test]
    fn an_age_is_never_negative() {
        let at = |seconds, nanos| Moment::new(seconds, nanos).unwrap();
        assert!((seconds_between(at(10, 500_000_000), at(12, 0)) - 1.5).abs() < 1e-9);
        assert!(seconds_between(at(12, 0), at(10, 500_000_000)).abs() < 1e-9);
    }
}
