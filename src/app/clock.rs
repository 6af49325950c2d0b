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
        // A clock before 1970 gives a moment before all lists, so that none is in force.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
        Moment::new(seconds, since_epoch.subsec_nanos()).unwrap_or(Moment::from_seconds(seconds))
    }
}

/// The time since the machine was started, which cannot be set. Corrections that slow the clock down or speed it up affect it
/// in the same way.
#[derive(Debug, Clone, Copy, Default)]
pub struct SinceBoot;

impl Steady for SinceBoot {
    fn elapsed(&self) -> Duration {
        // Only this clock counts the time of a machine in sleep mode. With another one the end of a sleep would be a jump.
        #[cfg(target_os = "linux")]
        let clock = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = ClockId::Monotonic;
        let time = clock_gettime(clock);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
    }
}
