//! A filter of keys. Most searches for a key without entries end here.

/// A Bloom filter with three bits for each key, all in one word.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// Returns a filter of keys with `bits_each` bits for each. With 16, it passes fewer than one other key in a hundred.
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

    /// Says whether the index may have entries for a key.
    pub(super) fn may_have(&self, key: u64) -> bool {
        let (word, bits) = self.place(key);
        self.words.get(word).is_some_and(|word| word & bits == bits)
    }

    /// Returns the bits of a key: its lower bits choose the word, its upper bits choose the bits in the word.
    const fn place(&self, key: u64) -> (usize, u64) {
        let word = ((key & 0xFFFF_FFFF) * self.words.len() as u64) >> 32;
        (word as usize, 1 << (key >> 58) | 1 << (key >> 52 & 63) | 1 << (key >> 46 & 63))
    }
}
