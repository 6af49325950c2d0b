//! A hash table of words, each with a number.
//!
//! Open addressing, with all words in one allocation, each behind its number and its length. A look-up touches one slot and
//! one word at any size: two cache misses in a table of a million words. A word costs some 30 bytes besides its text.
//! The hash is not keyed: only the authors of policy files add words, and a caller only looks them up, so no caller can make
//! words collide.

/// Words numbered from zero in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub(super) struct WordTable {
    /// INVARIANT (records): for each word its number and its length in bytes, four bytes each,
    /// little end first, and the word.
    records: Vec<u8>,
    /// Where the record of each word begins.
    starts: Vec<u32>,
    /// INVARIANT (slots): a power of two, at least twice the number of words. Each slot is `EMPTY` or
    /// belongs to a word; probing from the word's hash reaches it before any `EMPTY`.
    slots: Vec<Slot>,
}

/// Where to look for a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    /// Bits of its hash that do not choose the slot: a look-up skips the slots of other words without
    /// reading their records.
    tag: u32,
    /// Start of its record; `u32::MAX` if there is none.
    start: u32,
}

const EMPTY: Slot = Slot { tag: 0, start: u32::MAX };

impl WordTable {
    /// Adds a word and returns its number.
    ///
    /// # Errors
    /// The number of the word, if it is there already.
    ///
    /// # Panics
    /// When the words together exceed 4 GiB; the limits on policy files lie far below.
    pub(super) fn insert(&mut self, word: &str) -> Result<u32, u32> {
        if let Some(known) = self.get(word) {
            return Err(known);
        }
        if self.slots.len() < 2 * (self.starts.len() + 1) {
            self.grow();
        }
        let start = u32::try_from(self.records.len()).ok().filter(|start| *start < EMPTY.start);
        let number = u32::try_from(self.starts.len()).ok();
        let (Some(start), Some(number), Ok(length)) = (start, number, u32::try_from(word.len())) else {
            assert!(self.records.len() < EMPTY.start as usize, "the codes of one snapshot exceed 4 GiB");
            return Err(u32::MAX);
        };
        self.records.extend_from_slice(&number.to_le_bytes());
        self.records.extend_from_slice(&length.to_le_bytes());
        self.records.extend_from_slice(word.as_bytes());
        self.starts.push(start);
        self.place(start, hash(word.as_bytes(), self.slots.len() - 1));
        Ok(number)
    }

    /// Returns the number of a word, or `None` for a word that is not in the set.
    pub(super) fn get(&self, word: &str) -> Option<u32> {
        self.get_bytes(word.as_bytes())
    }

    /// Returns the number of a word given as bytes, or `None` for a word that is not in the set.
    pub(super) fn get_bytes(&self, word: &[u8]) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let (mut index, tag) = hash(word, mask);
        loop {
            let slot = *self.slots.get(index)?;
            if slot == EMPTY {
                return None;
            }
            if slot.tag == tag {
                let (number, known) = self.record(slot.start)?;
                if known == word {
                    return Some(number);
                }
            }
            index = (index + 1) & mask;
        }
    }

    /// Returns the number and the word of a record. (records) `None` does not occur.
    fn record(&self, start: u32) -> Option<(u32, &[u8])> {
        let (number, rest) = self.records.get(start as usize..)?.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let word = rest.get(..u32::from_le_bytes(*length) as usize)?;
        Some((u32::from_le_bytes(*number), word))
    }

    /// Returns the word with a number; empty for a number that was never given out.
    pub(super) fn word(&self, number: u32) -> &str {
        std::str::from_utf8(self.word_bytes(number)).unwrap_or("")
    }

    /// Returns the word with a number as bytes, without the check that they are text.
    pub(super) fn word_bytes(&self, number: u32) -> &[u8] {
        let start = self.starts.get(number as usize);
        start.and_then(|start| self.record(*start)).map_or(&[], |(_, word)| word)
    }

    /// Returns how many words there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Says whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Returns the words in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).map(|number| self.word(number))
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(16);
        self.slots = vec![EMPTY; size];
        for index in 0..self.starts.len() {
            let Some(&start) = self.starts.get(index) else { continue };
            let hash = self.word_hash(start);
            self.place(start, hash);
        }
    }

    fn word_hash(&self, start: u32) -> (usize, u32) {
        let word = self.record(start).map_or(&[][..], |(_, word)| word);
        hash(word, self.slots.len() - 1)
    }

    fn place(&mut self, start: u32, (mut index, tag): (usize, u32)) {
        let mask = self.slots.len() - 1;
        loop {
            match self.slots.get_mut(index) {
                Some(free) if *free == EMPTY => {
                    *free = Slot { tag, start };
                    return;
                }
                // (slots) half of the slots are empty, so the loop ends.
                Some(_) => index = (index + 1) & mask,
                None => return,
            }
        }
    }
}

/// Returns the slot at which to begin to look for a word, and its tag.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half of the hash chooses the slot, the high half is the tag"
)]
fn hash(word: &[u8], mask: usize) -> (usize, u32) {
    let hash = hash64(word, PRIME);
    (hash as usize & mask, (hash >> 32) as u32)
}

/// Returns a hash of bytes and of a seed, which may be the hash of earlier bytes.
///
/// Multiplies eight bytes at a time to twice their width and folds the halves, so every bit of a word
/// reaches the low bits of the hash, which choose the slot. Codes often differ only in their last
/// characters.
pub(super) fn hash64(word: &[u8], seed: u64) -> u64 {
    let mut state = seed ^ word.len() as u64;
    let mut rest = word;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>().filter(|(_, after)| !after.is_empty()) {
        state = mix(state ^ u64::from_le_bytes(*chunk));
        rest = after;
    }
    // Mixed twice, so that words that differ in few bits are spread evenly too.
    mix(mix(state ^ tail(word)))
}

/// Returns the last eight bytes as a number, or all bytes of a shorter word. The seed has the length of the word.
fn tail(word: &[u8]) -> u64 {
    if let Some(last) = word.last_chunk::<8>() {
        return u64::from_le_bytes(*last);
    }
    if let (Some(first), Some(last)) = (word.first_chunk::<4>(), word.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
    }
    word.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
}

const PRIME: u64 = 0x9E37_79B9_7F4A_7C15;

#[expect(clippy::cast_possible_truncation, reason = "both halves of the product are used")]
const fn mix(state: u64) -> u64 {
    let product = state as u128 * PRIME as u128;
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_numbers_while_the_table_grows() {
        let mut words = WordTable::default();
        assert_eq!(words.get(""), None);
        for number in 0..10_000u32 {
            assert_eq!(words.insert(&format!("code-{number}")), Ok(number));
        }
        for number in 0..10_000u32 {
            let word = format!("code-{number}");
            assert_eq!(words.get(&word), Some(number));
            assert_eq!(words.word(number), word);
            assert_eq!(words.insert(&word), Err(number));
        }
        assert_eq!(words.get("code-10000"), None);
        assert_eq!(words.word(10_000), "");
        assert_eq!(words.len(), 10_000);
    }

    #[test]
    fn words_that_differ_in_a_few_characters_do_not_crowd_together() {
        for pattern in ["invented.record-#", "#", "zone-#/entry", "health.diagnosis-of-a-kind.#", "a#b#c"] {
            let mut words = WordTable::default();
            for number in 0..20_000 {
                words.insert(&pattern.replace('#', &format!("{number:05}"))).unwrap();
            }
            let passed: usize = words
                .starts
                .iter()
                .map(|start| {
                    let slots = words.slots.iter().skip(words.word_hash(*start).0).chain(&words.slots);
                    slots.into_iter().position(|slot| slot.start == *start).unwrap()
                })
                .sum();
            // Linear probing in a table that is at most half full passes half a slot on average.
            assert!(passed < 20_000, "{pattern}: {passed} slots passed by 20,000 words");
        }
    }

    #[test]
    fn words_that_differ_in_the_tail_or_by_zero_bytes_differ() {
        let mut words = WordTable::default();
        for word in ["", "\0", "\0\0", "abcdefgh", "abcdefgh\0", "abcdefghi"] {
            assert!(words.insert(word).is_ok(), "{word:?}");
        }
        assert_eq!(words.iter().count(), 6);
    }
}
