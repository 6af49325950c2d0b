//! Watches the clock of the machine: whether its moment is plausible, and whether it was set.
//!
//! Counts depend on the clock: the year of a total, the end of a reservation. So the clock is compared with the time
//! since the machine was started, which cannot be set. A clock may drift without end ([`DRIFT_ONE_IN`]), and may jump
//! by no more than a setting. After a larger jump it is trusted again when it is back, or after a restart of the
//! server: a start accepts the clock as it is.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::clock::{Clock, Clocking};
use crate::domain::units::Moment;
use crate::repeated::Repeated;

/// 2026-01-01T00:00:00Z, in seconds since 1970: the program is younger, so an earlier clock is wrong.
const WRITTEN_SECONDS: i64 = 1_767_225_600;
/// A clock may drift by one second in this many, without end: 3.6 s an hour, ten times the drift of a bad crystal.
const DRIFT_ONE_IN: i64 = 1_000;
/// Time between two checks of the clock. A caller that finds its moment within [`AHEAD_SECONDS`] of the last check does not
/// check.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The clock's progress between two checks, doubled for a busy machine.
const AHEAD_SECONDS: i64 = 2;
/// Two clocks cannot be read at the same instant. If the readings are further apart than this, they are repeated.
const APART_MAX: Duration = Duration::from_millis(100);
/// Most repetitions of the readings.
const READS_MAX: u32 = 5;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A clock that cannot be set.
pub trait Steady: Send + Sync + fmt::Debug {
    /// Returns the time since a fixed moment, including the time of a machine in sleep mode.
    fn elapsed(&self) -> Duration;
}

/// A clock that knows whether it is trustworthy.
#[derive(Debug)]
pub struct ClockWatch {
    clock: Arc<dyn Clock>,
    steady: Arc<dyn Steady>,
    jump_max_nanos: i64,
    /// The first second after every calendar.
    end_seconds: i64,
    /// The moments that the last check found sound: from this second to before the next field. Empty if none is. They are
    /// written one after the other: a caller that sees an old and a new one checks itself, or uses moments that were sound
    /// then.
    sound_from: AtomicI64,
    sound_until: AtomicI64,
    seen: Mutex<Seen>,
    unsound: Repeated,
}

/// The result of the last check.
#[derive(Debug, Clone, Copy)]
struct Seen {
    clocking: Clocking,
    /// Clock minus steady time, of a clock that was not set, in nanoseconds; `None` until it was usable once.
    apart: Option<i64>,
    /// The steady time of the check.
    at: i64,
}

impl ClockWatch {
    /// Returns a watch over a clock. `jump_max`: the largest jump; `end`: the first moment after every
    /// calendar.
    pub fn over(clock: Arc<dyn Clock>, steady: Arc<dyn Steady>, jump_max: Duration, end: Moment) -> Self {
        let watch = Self {
            clock,
            steady,
            jump_max_nanos: i64::try_from(jump_max.as_nanos()).unwrap_or(i64::MAX),
            end_seconds: end.seconds(),
            sound_from: AtomicI64::new(i64::MAX),
            sound_until: AtomicI64::new(i64::MIN),
            seen: Mutex::new(Seen { clocking: Clocking::Sound, apart: None, at: 0 }),
            unsound: Repeated::new(),
        };
        watch.check();
        watch
    }

    /// Checks the clock; logs a change.
    fn check(&self) -> Seen {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, elapsed) = self.read_both();
        let before = *seen;
        let jump = seen.take(now, elapsed, self.jump_max_nanos, self.end_seconds);
        let after = *seen;
        let (from, until) = match (after.clocking, after.apart) {
            (Clocking::Sound, Some(apart)) => {
                let expected = elapsed.saturating_add(apart);
                let from = expected.saturating_sub(self.jump_max_nanos) / NANOS_PER_SECOND;
                let until = expected.saturating_add(self.jump_max_nanos) / NANOS_PER_SECOND + AHEAD_SECONDS;
                (from.max(WRITTEN_SECONDS), until.min(self.end_seconds))
            }
            _ => (i64::MAX, i64::MIN),
        };
        self.sound_from.store(from, Ordering::Release);
        self.sound_until.store(until, Ordering::Release);
        drop(seen);
        self.log(before.clocking, after.clocking, now, jump);
        after
    }

    /// Reads the clock, and at the same moment the steady time, in nanoseconds.
    fn read_both(&self) -> (i64, i64) {
        let mut before = self.steady.elapsed();
        for _ in 0..READS_MAX {
            let (now, after) = (self.clock.now(), self.steady.elapsed());
            if after.saturating_sub(before) <= APART_MAX {
                return (nanos_of(now), nanos(after));
            }
            before = after;
        }
        (nanos_of(self.clock.now()), nanos(self.steady.elapsed()))
    }

    fn log(&self, before: Clocking, after: Clocking, now: i64, jump: i64) {
        let clock_seconds = now / NANOS_PER_SECOND;
        let jump_seconds = jump / NANOS_PER_SECOND;
        if after == Clocking::Sound {
            if let Some(others) = (before != after).then(|| self.unsound.ended()).flatten() {
                tracing::info!(clock_seconds, others, "the clock of this machine is reliable again");
            }
            return;
        }
        let Some(others) = self.unsound.happened() else { return };
        match after {
            Clocking::Sound => {}
            Clocking::Jumped => tracing::error!(
                clock_seconds,
                jump_seconds,
                others,
                "the clock of this machine was set: nothing is reserved, and no total is read, until it is back within `clock_jump_max_seconds` or the server is restarted"
            ),
            Clocking::Unusable => tracing::error!(
                clock_seconds,
                others,
                "the clock of this machine is wrong: nothing is decided by it until it is set"
            ),
        }
    }
}

impl Seen {
    /// Takes the readings of the clocks, in nanoseconds; returns the size of a jump.
    fn take(&mut self, now: i64, elapsed: i64, jump_max: i64, end_seconds: i64) -> i64 {
        let since = elapsed.saturating_sub(self.at).max(0);
        self.at = elapsed;
        let apart = now.saturating_sub(elapsed);
        let jump = self.apart.map_or(0, |expected| apart.saturating_sub(expected));
        let seconds = now / NANOS_PER_SECOND;
        if seconds < WRITTEN_SECONDS || end_seconds <= seconds {
            self.clocking = Clocking::Unusable;
        } else if jump_max < jump.saturating_abs() {
            self.clocking = Clocking::Jumped;
        } else {
            self.clocking = Clocking::Sound;
            // Follows the drift of the clock, so that steps of a second a day never add up to a jump.
            let drift = since / DRIFT_ONE_IN;
            self.apart = Some(self.apart.map_or(apart, |expected| expected.saturating_add(jump.clamp(-drift, drift))));
        }
        jump
    }
}

impl Clock for ClockWatch {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn clocking(&self, now: Moment) -> Clocking {
        let is_sound = || {
            let seconds = now.seconds();
            self.sound_from.load(Ordering::Acquire) <= seconds && seconds < self.sound_until.load(Ordering::Acquire)
        };
        if is_sound() {
            return Clocking::Sound;
        }
        match self.check().clocking {
            // The clock is back, and the moment was read before. Or the moment was read long ago.
            Clocking::Sound if !is_sound() => Clocking::Jumped,
            clocking => clocking,
        }
    }

    fn look(&self) {
        self.check();
    }

    fn undisturbed(&self) -> Moment {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(apart) = seen.apart else { return self.clock.now() };
        let expected = nanos(self.steady.elapsed()).saturating_add(apart);
        let (seconds, rest) = (expected.div_euclid(NANOS_PER_SECOND), expected.rem_euclid(NANOS_PER_SECOND));
        Moment::new(seconds, u32::try_from(rest).unwrap_or_default()).unwrap_or(Moment::from_seconds(seconds))
    }
}

/// Returns nanoseconds since 1970, saturating.
fn nanos_of(moment: Moment) -> i64 {
    moment.seconds().saturating_mul(NANOS_PER_SECOND).saturating_add(i64::from(moment.nanos()))
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "clock_watch_tests.rs"]
mod tests;
