//! The clock of the machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::app::clock_watch::Steady;
use crate::domain::clock::Clock;
use crate::domain::units::Moment;

/// Tells the time of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the time comes from")]
    fn now(&self) -> Moment {
        // A machine that thinks it is before 1970 gets the moment before all lists: none is in force.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
        Moment::new(seconds, since_epoch.subsec_nanos()).unwrap_or(Moment::from_seconds(seconds))
    }
}

/// Counts the time since the machine was started, which nobody can set. Corrections that slow a clock down or speed it
/// up act on it as on the clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SinceBoot;

impl Steady for SinceBoot {
    fn elapsed(&self) -> Duration {
        // A machine that slept finds its clock further on: only this one counts the sleep, so that it is no jump.
        #[cfg(target_os = "linux")]
        let clock = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = ClockId::Monotonic;
        let time = clock_gettime(clock);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
    }
}
