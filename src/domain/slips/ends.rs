//! The first filter of a search: the ends of the known words, which stay in the processor's nearest cache.
//!
//! A word one slip from another shares a half with it (see [`super`]), so it shares the first four bytes or the last four,
//! where a half has as many characters. A word that looks like another shares the first four letters of the look. Most words
//! of a caller's own share neither, and end here, before anything is hashed or read from far memory.

use super::fold::{Folded, look_start};

/// Halves of fewer characters may be shorter than an end.
pub(super) const END_CHARACTERS: u16 = 4;
/// Bits of a set for each word that is known, before its size is rounded.
const BITS_EACH: usize = 8;
/// Sizes of a set, in bits: half a cache line, and an eighth of the nearest cache (two such sets and one of looks are used).
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

/// A set of ends that may contain more than was put in, never less.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends {
    /// INVARIANT (ends): empty, or a power of two of them.
    words: Vec<u64>,
}

impl Ends {
    /// Returns an empty set, with room for the ends of so many words.
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

    /// Says whether an end may have been put in.
    pub(super) fn may_have(&self, end: End) -> bool {
        let (word, bit) = self.place(end);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Returns where the bit of an end is: the upper bits of the product, which depend on all bytes.
    const fn place(&self, end: End) -> (usize, u64) {
        let spread = (end.0 as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        // (ends) none for an empty set.
        ((spread >> 6) as usize & self.words.len().wrapping_sub(1), 1 << (spread & 63))
    }
}
