//! Eviction: chooses an entry that was not used since the last round ("second chance").

use std::collections::VecDeque;

/// The keys of the entries, in the order of the checks.
#[derive(Debug)]
pub(super) struct Ring<K>(VecDeque<K>);

impl<K> Default for Ring<K> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K> Ring<K> {
    /// Adds an entry.
    pub(super) fn push(&mut self, key: K) {
        self.0.push_back(key);
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Removes an entry that was not used since its last check. `was_used` says whether it was, and clears the mark.
    pub(super) fn pop(&mut self, mut was_used: impl FnMut(&K) -> bool) -> Option<K> {
        // In the second round no entry is marked as used, unless it is used at this moment.
        for _ in 0..self.0.len().saturating_mul(2) {
            let key = self.0.pop_front()?;
            if !was_used(&key) {
                return Some(key);
            }
            self.0.push_back(key);
        }
        self.0.pop_front()
    }

    /// Keeps the entries that `keep` accepts.
    pub(super) fn retain(&mut self, keep: impl FnMut(&K) -> bool) {
        self.0.retain(keep);
    }
}
