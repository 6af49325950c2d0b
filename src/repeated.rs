//! Limits repeated log lines: the first is logged, the others are counted.
//!
//! A caller, a tick or a peer that causes the same line again and again would fill the log and hide other lines. A state gets
//! one line when it begins, a count at most once a minute while it lasts, and one line when it ends. The code that reports a
//! state writes these lines itself; this module says when, and how often the state occurred since the last line.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Shortest time between two lines of the same kind about the same state.
const SILENCE: Duration = Duration::from_mins(1);

/// Most states of one kind that are tracked separately; all others share one entry.
const STATES_MAX: usize = 256;

/// States of one kind, each with a key. A kind with a single state has the key `()`.
#[derive(Debug)]
pub struct Repeated<K = ()> {
    states: Mutex<States<K>>,
    /// Whether any state lasts, so that repeated reports of success take no lock.
    any_lasts: AtomicBool,
}

#[derive(Debug)]
struct States<K> {
    known: BTreeMap<K, State>,
    others: State,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    lasts: bool,
    /// Time of the last line that the state occurred.
    told: Option<Instant>,
    /// Time of the last line that the state ended.
    told_end: Option<Instant>,
    /// Occurrences since the last line.
    untold: u64,
}

impl<K> Default for Repeated<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Repeated<K> {
    /// Returns states of which none has occurred.
    pub const fn new() -> Self {
        let others = State { lasts: false, told: None, told_end: None, untold: 0 };
        let states = States { known: BTreeMap::new(), others };
        Self { states: Mutex::new(states), any_lasts: AtomicBool::new(false) }
    }
}

impl Repeated {
    /// Notes that the state occurred. If a line is due now, returns the number of earlier occurrences without a line.
    pub fn happened(&self) -> Option<u64> {
        self.happened_to(&())
    }

    /// Notes that the state ended. If a line is due now, returns the number of occurrences without a line.
    pub fn ended(&self) -> Option<u64> {
        self.ended_for(&())
    }
}

impl<K: Ord + Clone> Repeated<K> {
    /// Does the same as [`Repeated::happened`] for one of several states.
    pub fn happened_to(&self, key: &K) -> Option<u64> {
        self.happened_at(key, Instant::now())
    }

    /// Does the same as [`Repeated::ended`] for one of several states.
    pub fn ended_for(&self, key: &K) -> Option<u64> {
        self.ended_at(key, Instant::now())
    }

    pub(crate) fn happened_at(&self, key: &K, now: Instant) -> Option<u64> {
        self.any_lasts.store(true, Ordering::Release);
        self.with(key, |state| state.happened(now))
    }

    fn ended_at(&self, key: &K, now: Instant) -> Option<u64> {
        if !self.any_lasts.load(Ordering::Acquire) {
            return None;
        }
        self.with(key, |state| state.ended(now))
    }

    fn with<T>(&self, key: &K, change: impl FnOnce(&mut State) -> T) -> T {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let States { known, others } = &mut *states;
        let has_room = known.len() < STATES_MAX;
        let changed = change(match known.get_mut(key) {
            Some(state) => state,
            None if has_room => known.entry(key.clone()).or_default(),
            None => others,
        });
        let any_lasts = others.lasts || known.values().any(|state| state.lasts);
        self.any_lasts.store(any_lasts, Ordering::Release);
        changed
    }
}

impl State {
    fn happened(&mut self, now: Instant) -> Option<u64> {
        self.lasts = true;
        if is_recent(self.told, now) {
            self.untold = self.untold.saturating_add(1);
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }

    fn ended(&mut self, now: Instant) -> Option<u64> {
        // For the log, a state that keeps ending and beginning is one state that lasts.
        if !std::mem::take(&mut self.lasts) || is_recent(self.told_end, now) {
            return None;
        }
        self.told_end = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

fn is_recent(told: Option<Instant>, now: Instant) -> bool {
    told.is_some_and(|told| now.saturating_duration_since(told) < SILENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b8_a_state_has_a_line_then_a_count_a_minute_and_one_at_its_end() {
        let (failing, start): (Repeated, _) = (Repeated::new(), Instant::now());
        assert_eq!(failing.ended_at(&(), start), None);
        assert_eq!(failing.happened_at(&(), start), Some(0));
        for _ in 0..10_000 {
            assert_eq!(failing.happened_at(&(), start + SILENCE / 2), None);
        }
        assert_eq!(failing.happened_at(&(), start + SILENCE), Some(10_000));
        assert_eq!(failing.happened_at(&(), start + SILENCE), None);
        assert_eq!(failing.ended_at(&(), start + SILENCE), Some(1));
        assert_eq!(failing.ended_at(&(), start + SILENCE), None);
    }

    #[test]
    fn b8_a_state_that_comes_and_goes_has_two_lines_a_minute() {
        let (failing, mut now): (Repeated, _) = (Repeated::new(), Instant::now());
        let mut lines = 0;
        for _ in 0..1_200 {
            let (begun, ended) = (failing.happened_at(&(), now), failing.ended_at(&(), now));
            lines += u32::from(begun.is_some()) + u32::from(ended.is_some());
            now += Duration::from_millis(100);
        }
        assert_eq!(lines, 4);
    }

    #[test]
    fn b8_states_are_distinguished_up_to_a_limit() {
        let states: Repeated<u32> = Repeated::new();
        assert_eq!((states.happened_to(&0), states.happened_to(&1), states.happened_to(&0)), (Some(0), Some(0), None));
        assert_eq!((states.ended_for(&1), states.ended_for(&1), states.ended_for(&0)), (Some(0), None, Some(1)));
        let lines = (2..100_000).filter(|key| states.happened_to(key).is_some()).count();
        assert_eq!(lines, STATES_MAX - 2 + 1);
    }
}
