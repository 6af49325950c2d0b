//! The clock of the machine.

use std::time::{SystemTime, UNIX_EPOCH};

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
