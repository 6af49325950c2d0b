//! A closed set of words, each with a number: the codes of one snapshot.
//!
//! Built once, then only asked. Open addressing, with the words in one allocation, each behind
//! its number and its length: a look-up touches one slot and one word, whatever the size, which
//! is two misses of the cache where there are a million. These cost some 30 bytes each besides
//! their text. The hash is not keyed: only the authors of policy
//! files add words, a caller merely looks them up, so no caller can make words collide.

pub use super::slips::Looks;
use super::slips::{Buffer, Slips, Sought};

/// Words numbered from zero in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// INVARIANT (records): for each word its number and its length in bytes, four bytes each,
    /// little end first, and the word.
    records: Vec<u8>,
    /// Where the record of each word begins.
    starts: Vec<u32>,
    /// INVARIANT (slots): a power of two, at least twice as many as words; each is `EMPTY` or
    /// that of a word, which probing from the word's hash reaches without meeting `EMPTY`.
    slots: Vec<Slot>,
    /// Words that are near others: where they were indexed, see [`Vocabulary::index_slips`].
    slips: Slips,
    /// Which characters each word has: only for small vocabularies, see [`Vocabulary::freeze`].
    characters: Vec<u64>,
}

/// Where to look for a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    /// Other bits of its hash than those that choose the slot: a look-up passes by the slots of
    /// other words without a look at their records.
    tag: u32,
    /// Where its record begins; `u32::MAX`: there is none.
    start: u32,
}

/// Up to so many words, the one that a caller may have meant is looked for among all of them; beyond, among those that are
/// one slip away.
const SCAN_WORDS_MAX: usize = 1_024;
/// So many of them are measured letter by letter.
const CANDIDATES_MAX: usize = 32;

const EMPTY: Slot = Slot { tag: 0, start: u32::MAX };

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

    /// Returns the number of a word, or `None` for one that is not in the set.
    pub fn get(&self, word: &str) -> Option<u32> {
        self.get_bytes(word.as_bytes())
    }

    /// Returns the number of a word of so many bytes, or `None` for one that is not in the set.
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
    pub fn word(&self, number: u32) -> &str {
        std::str::from_utf8(self.word_bytes(number)).unwrap_or("")
    }

    /// Returns the word with a number as bytes, for whoever writes it where texts are bytes: whether it is a text has
    /// not to be looked at then.
    pub fn word_bytes(&self, number: u32) -> &[u8] {
        let start = self.starts.get(number as usize);
        start.and_then(|start| self.record(*start)).map_or(&[], |(_, word)| word)
    }

    /// Returns how many words there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Returns the words in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).map(|number| self.word(number))
    }

    /// Prepares a vocabulary that no longer grows for [`Vocabulary::nearest`].
    pub fn freeze(&mut self) {
        if self.len() <= SCAN_WORDS_MAX {
            self.characters = self.iter().map(characters).collect();
        } else if self.slips.is_empty() {
            self.index_slips(Looks::Apart, |_| Some(0));
        }
    }

    /// Prepares a vocabulary that no longer grows for [`Vocabulary::slip`], with the words that have a rank: those of a
    /// high rank are looked for first.
    pub fn index_slips(&mut self, looks: Looks, rank: impl Fn(u32) -> Option<u8>) {
        self.slips = Slips::new(self, rank, looks);
    }

    /// Returns the word that a caller most likely meant, or `None` where none is near. A help, not a guard: of many similar
    /// words not all are measured.
    ///
    /// The work is bounded whatever the size.
    pub fn nearest(&self, word: &str) -> Option<u32> {
        let trimmed = word.trim();
        if let Some(same) = self.get(trimmed) {
            return Some(same);
        }
        if SCAN_WORDS_MAX < self.len() {
            return self.slip(word, |_| true);
        }
        let slips_max = (word.len() / 3).clamp(1, 4);
        let folded = trimmed.to_lowercase();
        let wanted = characters(&folded);
        let known = |number: &u32| self.characters.get(*number as usize).copied().unwrap_or(wanted);
        let similar_length = |number: &u32| self.word(*number).len().abs_diff(folded.len()) <= slips_max;
        let all = 0..u32::try_from(self.len()).unwrap_or(u32::MAX);
        let similar = all.filter(|number| are_similar(known(number), wanted, slips_max)).filter(similar_length);
        let distance = |number: u32| (strsim::osa_distance(&self.word(number).to_lowercase(), &folded), number);
        let nearest = similar.take(CANDIDATES_MAX).map(distance).min();
        nearest.filter(|(slips, _)| *slips <= slips_max).map(|(_, number)| number)
    }

    /// Returns an accepted word that differs from another by a single slip, or by nothing but capitals, blanks around it and
    /// what cannot be seen: exactly, whatever the size, in some hundred nanoseconds. `None` for all words where they were not
    /// indexed.
    ///
    /// A word that is accepted must have a rank, and not a lower one than any that is not accepted.
    pub fn slip(&self, word: &str, accepts: impl Fn(u32) -> bool) -> Option<u32> {
        if self.slips.is_empty() {
            return None;
        }
        self.slip_of(&Sought::new(word, &mut Buffer::default())?, accepts)
    }

    /// Does the same for a word that is prepared: for whoever asks several vocabularies.
    pub(super) fn slip_of(&self, sought: &Sought<'_>, accepts: impl Fn(u32) -> bool) -> Option<u32> {
        self.slips.find(self, sought, accepts)
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
                // (slots) half of them are empty, so a free one comes.
                Some(_) => index = (index + 1) & mask,
                None => return,
            }
        }
    }
}

/// The set of characters of a word, one bit each for letters, digits and the rest; capitals are letters.
fn characters(word: &str) -> u64 {
    word.bytes().fold(0, |set, byte| set | 1 << (byte.to_ascii_lowercase() & 63))
}

/// Says whether two words may be so few slips apart, by their characters: a slip adds one and
/// takes one away at most, so that most words drop out here, for a few instructions each.
const fn are_similar(a: u64, b: u64, slips_max: usize) -> bool {
    (a ^ b).count_ones() as usize <= 2 * slips_max
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

/// Returns a hash of bytes and of what was hashed before them.
///
/// Multiplies eight bytes at a time to twice their width and folds the halves: every bit of a
/// word reaches the low bits of the hash, which choose the slot. Codes often differ in their last
/// characters alone.
pub(super) fn hash64(word: &[u8], seed: u64) -> u64 {
    let mut state = seed ^ word.len() as u64;
    let mut rest = word;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>().filter(|(_, after)| !after.is_empty()) {
        state = mix(state ^ u64::from_le_bytes(*chunk));
        rest = after;
    }
    // Twice, because what is mixed twice is spread evenly even where few bits differ.
    mix(mix(state ^ tail(word)))
}

/// Returns the last eight bytes as a number, or of a shorter word all of them: which word it is, its length tells.
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
    fn words_that_differ_in_a_few_characters_do_not_crowd_together() {
        for pattern in ["invented.record-#", "#", "zone-#/entry", "health.diagnosis-of-a-kind.#", "a#b#c"] {
            let mut vocabulary = Vocabulary::default();
            for number in 0..20_000 {
                vocabulary.insert(&pattern.replace('#', &format!("{number:05}"))).unwrap();
            }
            let passed: usize = vocabulary
                .starts
                .iter()
                .map(|start| {
                    let slots = vocabulary.slots.iter().skip(vocabulary.word_hash(*start).0).chain(&vocabulary.slots);
                    slots.into_iter().position(|slot| slot.start == *start).unwrap()
                })
                .sum();
            // Linear probing in a table that is at most half full passes half a slot on average.
            assert!(passed < 20_000, "{pattern}: {passed} slots passed by 20,000 words");
        }
    }

    #[test]
    fn the_nearest_word_is_found_in_small_and_large_vocabularies() {
        for size in [10, 5_000, 20_000] {
            let mut vocabulary = Vocabulary::default();
            for number in 0..size {
                vocabulary.insert(&format!("filler.of-the-test-{number:05}")).unwrap();
            }
            let diagnosis = vocabulary.insert("health.diagnosis").unwrap();
            vocabulary.freeze();
            for slip in ["health.diagnossis", "health.diagnosi", "healht.diagnosis", "Health.diagnosis"] {
                assert_eq!(vocabulary.nearest(slip), Some(diagnosis), "{slip} among {size}");
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
