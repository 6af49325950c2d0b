//! The first filter of a search: the ends of the known words. It stays in the processor's nearest cache.
//!
//! Two words one slip apart share a half (see [`super`]), so they share the first four bytes or the last four bytes, if a half
//! has that many characters. Two words that look the same share the first four letters of the look. Most of a caller's own
//! words share neither, and their search ends here, before anything is hashed or read from far memory.

use super::fold::{Folded, look_start};

/// Fewest characters of a half that contains an end.
pub(super) const END_CHARACTERS: u16 = 4;
/// Bits of a set for each known word, before its size is rounded.
const BITS_EACH: usize = 8;
/// Smallest and largest size of a set, in bits: half a cache line, and an eighth of the nearest cache. An index has three sets.
const BITS_MIN: usize = 1 << 8;
const BITS_MAX: usize = 1 << 16;

/// The first or the last four bytes of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End(u32);

impl End {
    /// Returns the first four bytes; `None` for a shorter word.
    pub(super) fn first(folded: &Folded<'_>) -> Option<Self> {
        folded.bytes().first_chunk().map(|bytes| End(u32::from_le_bytes(*bytes)))
    }

    /// Returns the last four bytes; `None` for a shorter word.
    pub(super) fn last(folded: &Folded<'_>) -> Option<Self> {
        folded.bytes().last_chunk().map(|bytes| End(u32::from_le_bytes(*bytes)))
    }

    /// Returns the first letters of the look of a word; `None` for a word without a look.
    pub(super) fn of_look(folded: &Folded<'_>) -> Option<Self> {
        look_start(folded).map(End)
    }
}

/// A set of ends. It may report an end that was not added, but never misses one that was.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends {
    /// INVARIANT (ends): the length is zero or a power of two.
    words: Vec<u64>,
}

impl Ends {
    /// Returns an empty set with room for the ends of this many words.
    pub(super) fn with_room(words: usize) -> Self {
        let bits = words.saturating_mul(BITS_EACH).clamp(BITS_MIN, BITS_MAX).next_power_of_two();
        Self { words: vec![0; bits / 64] }
    }

    pub(super) fn add(&mut self, end: End) {
        let (word, bit) = self.place(end);
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
    }

    /// Says whether an end may have been added.
    pub(super) fn may_have(&self, end: End) -> bool {
        let (word, bit) = self.place(end);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Returns the bit of an end, from the upper bits of the product, which depend on all bytes.
    const fn place(&self, end: End) -> (usize, u64) {
        let spread = (end.0 as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        // (ends) an empty set has no words.
        ((spread >> 6) as usize & self.words.len().wrapping_sub(1), 1 << (spread & 63))
    }
}
