//! When files that have changed may be read: the quiet time, and the report that it does not come.
//!
//! Moments are durations since the worker began, which its caller measures.

use std::path::PathBuf;
use std::time::Duration;

use super::reload::Found;

/// Times that decide when changed files are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How long files must stay unchanged before they are read.
    pub(super) debounce: Duration,
    /// How long files may keep changing before the wait is reported. It goes on all the same.
    pub(super) changing_max: Duration,
}

/// Files that have changed and may still be changing. They are read only after they have stayed unchanged for the quiet
/// time, because half a directory may well be valid. Half a directory is never read, however long the wait; past a
/// limit the wait is reported.
#[derive(Debug)]
pub(super) struct Settling {
    first: Duration,
    last_at: Duration,
    /// Whether the wait has been reported.
    reported: bool,
    /// State found by a comparison, which must be the same a while later. A watch reports changes, so a
    /// change that it noticed needs no second check.
    pub(super) found: Option<Found>,
    /// The path that changed last, if it is known.
    pub(super) last: Option<PathBuf>,
}

impl Settling {
    /// Notes a change, the first or a further one.
    pub(super) fn changed_again(
        before: Option<Settling>,
        found: Option<Found>,
        last: Option<PathBuf>,
        now: Duration,
    ) -> Self {
        let (first, reported, last_before) =
            before.map_or((now, false, None), |before| (before.first, before.reported, before.last));
        Self { first, last_at: now, reported, found, last: last.or(last_before) }
    }

    /// Says whether the files have stayed unchanged for the quiet time.
    pub(super) fn is_settled(&self, pace: Pace, now: Duration) -> bool {
        self.settled_in(pace, now).is_zero()
    }

    /// Returns the time until the next action: reading the files, or reporting the wait.
    pub(super) fn wait(&self, pace: Pace, now: Duration) -> Duration {
        let settled_in = self.settled_in(pace, now);
        if self.reported {
            return settled_in;
        }
        settled_in.min((self.first + pace.changing_max).saturating_sub(now))
    }

    /// Says, once, that the files have kept changing, without a quiet time, for so long that it must be reported.
    pub(super) fn is_to_be_reported(&mut self, pace: Pace, now: Duration) -> bool {
        let due = !self.reported && self.first + pace.changing_max <= now && !self.is_settled(pace, now);
        self.reported |= due;
        due
    }

    fn settled_in(&self, pace: Pace, now: Duration) -> Duration {
        (self.last_at + pace.debounce).saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { debounce: ms(300), changing_max: ms(1_000) };

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn changed(before: Option<Settling>, now: Duration) -> Settling {
        Settling::changed_again(before, None, None, now)
    }

    #[test]
    fn files_settle_after_the_quiet_time_and_each_change_restarts_it() {
        let mut settling = changed(None, ms(50));
        for now in (349..2_000).step_by(299) {
            assert!(!settling.is_settled(PACE, ms(now)), "{now}");
            settling = changed(Some(settling), ms(now));
            assert!(!settling.is_settled(PACE, ms(now + 299)), "{now}");
            assert!(settling.is_settled(PACE, ms(now + 300)), "{now}");
        }
    }

    #[test]
    fn a_wait_is_reported_once_and_goes_on() {
        let mut settling = changed(None, ms(0));
        settling = changed(Some(settling), ms(900));
        assert!(!settling.is_to_be_reported(PACE, ms(999)));
        assert!(settling.is_to_be_reported(PACE, ms(1_000)));
        assert!(!settling.is_to_be_reported(PACE, ms(1_001)));
        settling = changed(Some(settling), ms(2_500));
        assert!(!settling.is_to_be_reported(PACE, ms(2_600)), "a further change is the same wait");
        assert!(!settling.is_settled(PACE, ms(2_799)) && settling.is_settled(PACE, ms(2_800)));
    }

    #[test]
    fn files_that_settle_at_the_limit_are_read_and_not_reported() {
        let mut settling = changed(None, ms(0));
        settling = changed(Some(settling), ms(700));
        assert!(settling.is_settled(PACE, ms(1_000)) && !settling.is_to_be_reported(PACE, ms(1_000)));
    }

    #[test]
    fn the_next_action_is_the_earlier_of_the_two() {
        let mut settling = changed(None, ms(0));
        assert_eq!(settling.wait(PACE, ms(100)), ms(200), "settled");
        settling = changed(Some(settling), ms(900));
        assert_eq!(settling.wait(PACE, ms(950)), ms(50), "reported");
        assert!(settling.is_to_be_reported(PACE, ms(1_050)));
        assert_eq!(settling.wait(PACE, ms(1_050)), ms(150), "settled, since it is reported");
        assert_eq!(settling.wait(PACE, ms(5_000)), ms(0));
    }

    #[test]
    fn the_path_that_is_known_last_is_kept() {
        let one = Settling::changed_again(None, None, Some("one".into()), ms(0));
        let one = changed(Some(one), ms(1));
        assert_eq!(one.last, Some("one".into()));
        let two = Settling::changed_again(Some(one), None, Some("two".into()), ms(2));
        assert_eq!(two.last, Some("two".into()));
    }
}
