//! A closed set of words, each with a number: the codes of one snapshot.
//!
//! Built once, then only asked. Open addressing over 32-bit numbers with the words in one
//! allocation: a look-up touches one slot and one word, whatever the size, and a million codes
//! cost some 20 bytes each besides their text. The hash is not keyed: only the authors of policy
//! files add words, a caller merely looks them up, so no caller can make words collide.

/// Words numbered from zero in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    text: String,
    /// Where each word ends in `text`.
    ends: Vec<u32>,
    /// INVARIANT (slots): a power of two, at least twice as many as words; each is `EMPTY` or
    /// the number of a word that probing from the word's hash reaches without meeting `EMPTY`.
    slots: Vec<u32>,
    /// Numbers in the order of the words, and in the order of the words read backwards: only
    /// for large vocabularies, see [`Vocabulary::freeze`].
    forwards: Vec<u32>,
    backwards: Vec<u32>,
    /// Which characters each word has: only for small vocabularies, see [`Vocabulary::freeze`].
    characters: Vec<u64>,
}

/// Up to so many words, the nearest is looked for among all of them.
const SCAN_WORDS_MAX: usize = 1024;
/// In a larger vocabulary it is looked for among so many neighbours on each side.
const NEIGHBOURS: usize = 64;

const EMPTY: u32 = u32::MAX;

impl Vocabulary {
    /// Adds a word and returns its number.
    ///
    /// # Errors
    /// The number of the word, where it is there already.
    ///
    /// # Panics
    /// When the words together exceed 4 GiB; the limits on policy files lie far below.
    pub fn insert(&mut self, word: &str) -> Result<u32, u32> {
        if let Some(known) = self.get(word) {
            return Err(known);
        }
        if self.slots.len() < 2 * (self.ends.len() + 1) {
            self.grow();
        }
        let number = u32::try_from(self.ends.len()).ok().filter(|number| *number < EMPTY);
        self.text.push_str(word);
        let end = u32::try_from(self.text.len()).ok();
        let (Some(number), Some(end)) = (number, end) else {
            assert!(self.text.len() < u32::MAX as usize, "the codes of one snapshot exceed 4 GiB");
            return Err(EMPTY);
        };
        self.ends.push(end);
        self.place(number, hash(word));
        Ok(number)
    }

    /// Returns the number of a word, or `None` for one that is not in the set.
    pub fn get(&self, word: &str) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash(word) & mask;
        loop {
            let number = *self.slots.get(slot)?;
            if number == EMPTY {
                return None;
            }
            if self.word(number) == word {
                return Some(number);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Returns the word with a number; empty for a number that was never given out.
    pub fn word(&self, number: u32) -> &str {
        let index = number as usize;
        let Some(&end) = self.ends.get(index) else { return "" };
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.text.get(start as usize..end as usize).unwrap_or("")
    }

    /// Returns how many words there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the words in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..u32::try_from(self.len()).unwrap_or(EMPTY)).map(|number| self.word(number))
    }

    /// Prepares a vocabulary that no longer grows for [`Vocabulary::nearest`].
    pub fn freeze(&mut self) {
        if self.len() <= SCAN_WORDS_MAX {
            self.characters = self.iter().map(characters).collect();
            return;
        }
        let mut forwards: Vec<u32> = (0..u32::try_from(self.len()).unwrap_or(EMPTY)).collect();
        let mut backwards = forwards.clone();
        forwards.sort_unstable_by(|a, b| self.word(*a).cmp(self.word(*b)));
        backwards.sort_unstable_by(|a, b| self.word(*a).bytes().rev().cmp(self.word(*b).bytes().rev()));
        (self.forwards, self.backwards) = (forwards, backwards);
    }

    /// Returns the word that a caller most likely meant, or `None` where none is near.
    ///
    /// The work is bounded whatever the size: a large vocabulary is searched only among words
    /// with the same beginning or the same end, and a slip keeps one of the two.
    pub fn nearest(&self, word: &str) -> Option<u32> {
        self.nearest_within(word, (word.len() / 3).clamp(1, 4))
    }

    /// Returns a word that is a single slip away: a letter wrong, missing, doubled or swapped;
    /// two slips in a long word.
    pub fn nearest_slip(&self, word: &str) -> Option<u32> {
        self.nearest_within(word, if word.len() < 12 { 1 } else { 2 })
    }

    fn nearest_within(&self, word: &str, slips_max: usize) -> Option<u32> {
        let similar_length = |number: &u32| self.word(*number).len().abs_diff(word.len()) <= slips_max;
        let distance = |number: u32| (strsim::osa_distance(self.word(number), word), number);
        let all = 0..u32::try_from(self.len()).unwrap_or(EMPTY);
        let nearest = if self.len() <= SCAN_WORDS_MAX {
            // A slip adds one character and takes one away at most, so that most words drop out here, for
            // the price of a few instructions each.
            let wanted = characters(word);
            let known = |number: &u32| self.characters.get(*number as usize).copied().unwrap_or(wanted);
            let similar_characters = |number: &u32| (known(number) ^ wanted).count_ones() as usize <= 2 * slips_max;
            all.filter(similar_characters).filter(similar_length).map(distance).min()
        } else {
            let ahead = self.forwards.partition_point(|number| self.word(*number) < word);
            let behind =
                self.backwards.partition_point(|number| self.word(*number).bytes().rev().lt(word.bytes().rev()));
            let around = |order: &'_ [u32], at: usize| -> Vec<u32> {
                let to = (at + NEIGHBOURS).min(order.len());
                order.get(at.saturating_sub(NEIGHBOURS)..to).unwrap_or(&[]).to_vec()
            };
            let near = around(&self.forwards, ahead).into_iter().chain(around(&self.backwards, behind));
            near.filter(similar_length).map(distance).min()
        };
        nearest.filter(|(slips, _)| *slips <= slips_max).map(|(_, number)| number)
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(16);
        self.slots = vec![EMPTY; size];
        for number in 0..u32::try_from(self.ends.len()).unwrap_or(EMPTY) {
            self.place(number, hash(self.word(number)));
        }
    }

    fn place(&mut self, number: u32, hash: usize) {
        let mask = self.slots.len() - 1;
        let mut slot = hash & mask;
        loop {
            match self.slots.get_mut(slot) {
                Some(free) if *free == EMPTY => {
                    *free = number;
                    return;
                }
                // (slots) half of them are empty, so a free one comes.
                Some(_) => slot = (slot + 1) & mask,
                None => return,
            }
        }
    }
}

/// The set of characters of a word, one bit each for letters, digits and the rest.
fn characters(word: &str) -> u64 {
    word.bytes().fold(0, |set, byte| set | 1 << (byte & 63))
}

/// Multiplies and folds eight bytes at a time; the last step spreads the high bits, which the
/// multiplication mixes best, over the low ones, which choose the slot.
#[expect(clippy::cast_possible_truncation, reason = "a hash may lose its high bits on a 32-bit machine")]
fn hash(word: &str) -> usize {
    const PRIME: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = PRIME ^ word.len() as u64;
    let mut chunks = word.as_bytes().chunks_exact(8);
    for chunk in chunks.by_ref() {
        let bytes: [u8; 8] = chunk.try_into().unwrap_or_default();
        state = (state ^ u64::from_le_bytes(bytes)).wrapping_mul(PRIME).rotate_left(29);
    }
    let mut tail = [0u8; 8];
    for (to, from) in tail.iter_mut().zip(chunks.remainder()) {
        *to = *from;
    }
    state = (state ^ u64::from_le_bytes(tail)).wrapping_mul(PRIME);
    (state ^ (state >> 32)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_numbers_while_the_table_grows() {
        let mut vocabulary = Vocabulary::default();
        assert_eq!(vocabulary.get(""), None);
        for number in 0..10_000u32 {
            assert_eq!(vocabulary.insert(&format!("code-{number}")), Ok(number));
        }
        for number in 0..10_000u32 {
            let word = format!("code-{number}");
            assert_eq!(vocabulary.get(&word), Some(number));
            assert_eq!(vocabulary.word(number), word);
            assert_eq!(vocabulary.insert(&word), Err(number));
        }
        assert_eq!(vocabulary.get("code-10000"), None);
        assert_eq!(vocabulary.word(10_000), "");
        assert_eq!(vocabulary.len(), 10_000);
    }

    #[test]
    fn the_nearest_word_is_found_in_small_and_large_vocabularies() {
        for size in [10, 5_000] {
            let mut vocabulary = Vocabulary::default();
            for number in 0..size {
                vocabulary.insert(&format!("filler.of-the-test-{number:05}")).unwrap();
            }
            let diagnosis = vocabulary.insert("health.diagnosis").unwrap();
            vocabulary.freeze();
            for slip in ["health.diagnossis", "health.diagnosi", "healht.diagnosis", "Health.diagnosis"] {
                assert_eq!(vocabulary.nearest(slip), Some(diagnosis), "{slip} among {size}");
                assert_eq!(vocabulary.nearest_slip(slip), Some(diagnosis), "{slip} among {size}");
            }
            assert_eq!(vocabulary.nearest("x"), None);
            assert_eq!(vocabulary.nearest(&"y".repeat(128)), None);
        }
    }

    #[test]
    fn words_that_differ_in_the_tail_or_by_zero_bytes_differ() {
        let mut vocabulary = Vocabulary::default();
        for word in ["", "\0", "\0\0", "abcdefgh", "abcdefgh\0", "abcdefghi"] {
            assert!(vocabulary.insert(word).is_ok(), "{word:?}");
        }
        assert_eq!(vocabulary.iter().count(), 6);
    }
}
