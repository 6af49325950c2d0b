//! Which of those that are kept in memory has to go: one that was not used since the last round ("second chance").

use std::collections::VecDeque;

/// Those that are kept, in the order in which they are checked.
#[derive(Debug)]
pub(super) struct Ring<K>(VecDeque<K>);

impl<K> Default for Ring<K> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K> Ring<K> {
    /// Keeps one more.
    pub(super) fn push(&mut self, key: K) {
        self.0.push_back(key);
    }

    /// Returns how many are kept.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes one out that was not used since this was asked of it last. `was_used` says so, and forgets it.
    pub(super) fn pop(&mut self, mut was_used: impl FnMut(&K) -> bool) -> Option<K> {
        // In the second round nothing is used any more, unless others use it just now.
        for _ in 0..self.0.len().saturating_mul(2) {
            let key = self.0.pop_front()?;
            if !was_used(&key) {
                return Some(key);
            }
            self.0.push_back(key);
        }
        self.0.pop_front()
    }

    /// Keeps those alone of which `keep` says so.
    pub(super) fn retain(&mut self, keep: impl FnMut(&K) -> bool) {
        self.0.retain(keep);
    }
}
