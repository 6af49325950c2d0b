//! A clock that is set, one that drifts, and one that was never right.

use super::*;
use crate::testing::{MovableClock, NOW};

/// A steady clock that a test advances.
#[derive(Debug, Default)]
struct Passing(AtomicI64);

impl Steady for Passing {
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.load(Ordering::SeqCst)).unwrap())
    }
}

const END: Moment = Moment::from_seconds(7_258_003_200);
const YEAR_SECONDS: i64 = 365 * 86_400;

struct Machine {
    clock: Arc<MovableClock>,
    steady: Arc<Passing>,
    watch: ClockWatch,
}

impl Machine {
    fn started_at(now: Moment) -> Self {
        let (clock, steady) = (Arc::new(MovableClock::at(now)), Arc::new(Passing::default()));
        let watch = ClockWatch::over(clock.clone(), steady.clone(), Duration::from_secs(30), END);
        Self { clock, steady, watch }
    }

    /// Advances both clocks.
    fn pass(&self, seconds: i64) {
        self.steady.0.fetch_add(seconds * NANOS_PER_SECOND, Ordering::SeqCst);
        self.set(seconds);
    }

    /// Sets the clock forward by some seconds.
    fn set(&self, seconds: i64) {
        self.clock.set(self.clock.now().plus_seconds(seconds));
    }

    fn clocking(&self) -> Clocking {
        self.watch.clocking(self.watch.now())
    }
}

#[test]
fn b17_a_clock_that_is_set_is_in_doubt_at_once_until_it_is_back() {
    for jump in [YEAR_SECONDS, -120 * 86_400, 34, -32, i64::from(i32::MAX)] {
        let machine = Machine::started_at(NOW);
        machine.pass(3_600);
        assert_eq!(machine.clocking(), Clocking::Sound);
        machine.set(jump);
        assert_eq!(machine.clocking(), Clocking::Jumped, "{jump}");
        // It stays in doubt for any length of time.
        machine.pass(100 * 86_400);
        assert_eq!(machine.clocking(), Clocking::Jumped, "{jump}");
        assert_eq!(machine.watch.undisturbed(), machine.clock.now().plus_seconds(-jump));
        machine.set(-jump);
        assert_eq!(machine.clocking(), Clocking::Sound, "{jump}");
    }
}

#[test]
fn b17_a_drifting_clock_is_trusted() {
    let machine = Machine::started_at(NOW);
    for step in [30, -30, 1, -2] {
        machine.set(step);
        machine.watch.look();
        assert_eq!(machine.clocking(), Clocking::Sound, "{step}");
        machine.set(-step);
    }
    // A step of two seconds an hour, for a year: it adds up to five hours.
    for _ in 0..365 * 24 {
        machine.pass(3_600);
        machine.set(2);
        machine.watch.look();
        assert_eq!(machine.clocking(), Clocking::Sound);
    }
    // Five an hour exceed any drift, and add up to a jump within a day.
    for _ in 0..24 {
        machine.pass(3_600);
        machine.set(5);
        machine.watch.look();
    }
    assert_eq!(machine.clocking(), Clocking::Jumped);
}

#[test]
fn b17_a_caller_finds_a_jump_between_two_checks_and_an_earlier_moment_is_refused() {
    let machine = Machine::started_at(NOW);
    machine.set(YEAR_SECONDS);
    let of_next_year = machine.watch.now();
    machine.set(-YEAR_SECONDS);
    assert_eq!(machine.watch.clocking(of_next_year), Clocking::Jumped);
    assert_eq!(machine.clocking(), Clocking::Sound);
    // No check for an hour: the next caller checks.
    machine.pass(3_600);
    assert_eq!(machine.clocking(), Clocking::Sound);
}

#[test]
fn b10_a_moment_that_cannot_be_the_present_one_is_unusable() {
    for seconds in [0, 1_500_000_000, WRITTEN_SECONDS - 1, END.seconds(), 1 << 40] {
        let machine = Machine::started_at(Moment::from_seconds(seconds));
        assert_eq!(machine.clocking(), Clocking::Unusable, "{seconds}");
        // A clock that is set right then is accepted, and watched from then on.
        machine.clock.set(NOW);
        assert_eq!(machine.clocking(), Clocking::Sound, "{seconds}");
        machine.set(YEAR_SECONDS);
        assert_eq!(machine.clocking(), Clocking::Jumped, "{seconds}");
    }
    let machine = Machine::started_at(NOW);
    machine.clock.set(Moment::from_seconds(0));
    assert_eq!(machine.clocking(), Clocking::Unusable);
    machine.clock.set(NOW);
    assert_eq!(machine.clocking(), Clocking::Sound);
}
