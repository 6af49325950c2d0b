//! A filter of keys: most keys that nothing is kept under end here.

/// Bits for each key that something is kept under, and for few others: three of them, in one word.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// Returns a filter of some keys, with so many bits for each: with 16 fewer than one other key in a hundred has its bits.
    pub(super) fn of(keys: impl ExactSizeIterator<Item = u64>, bits_each: usize) -> Self {
        let mut filter = Self { words: vec![0; (keys.len() * bits_each).div_ceil(64) + 1] };
        for key in keys {
            let (word, bits) = filter.place(key);
            if let Some(word) = filter.words.get_mut(word) {
                *word |= bits;
            }
        }
        filter
    }

    /// Says whether something may be kept under a key.
    pub(super) fn may_have(&self, key: u64) -> bool {
        let (word, bits) = self.place(key);
        self.words.get(word).is_some_and(|word| word & bits == bits)
    }

    /// Returns where the bits of a key are. Lower bits of it choose the word, upper ones the bits within.
    const fn place(&self, key: u64) -> (usize, u64) {
        let word = ((key & 0xFFFF_FFFF) * self.words.len() as u64) >> 32;
        (word as usize, 1 << (key >> 58) | 1 << (key >> 52 & 63) | 1 << (key >> 46 & 63))
    }
}
