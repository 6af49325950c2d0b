//! A closed set of words, each with a number: the codes of one snapshot, and the search for the word that a caller meant.
//!
//! Built once, then only read. The words are in a `WordTable`; two indexes beside it find words that are near another:
//! a scan of small vocabularies, and the index of slips for large ones.

pub use super::slips::Looks;
use super::slips::{Buffer, Slips, Sought};
use super::word_table::WordTable;

/// Words numbered from zero in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    words: WordTable,
    /// Index of slips; empty before [`Vocabulary::index_slips`].
    slips: Slips,
    /// Set of characters of each word, only for small vocabularies: see [`Vocabulary::freeze`].
    characters: Vec<u64>,
}

/// Most words of a vocabulary that is scanned for the word that a caller may have meant. In a larger one only words one slip
/// away are found.
const SCAN_WORDS_MAX: usize = 1_024;
/// Most words that are compared letter by letter.
const CANDIDATES_MAX: usize = 32;

impl Vocabulary {
    /// Adds a word and returns its number.
    ///
    /// # Errors
    /// The number of the word, if it is there already.
    ///
    /// # Panics
    /// When the words together exceed 4 GiB; the limits on policy files lie far below.
    pub fn insert(&mut self, word: &str) -> Result<u32, u32> {
        self.words.insert(word)
    }

    /// Returns the number of a word, or `None` for a word that is not in the set.
    pub fn get(&self, word: &str) -> Option<u32> {
        self.words.get(word)
    }

    /// Returns the word with a number; empty for a number that was never given out.
    pub fn word(&self, number: u32) -> &str {
        self.words.word(number)
    }

    /// Returns the word with a number as bytes, without the check that they are text.
    pub fn word_bytes(&self, number: u32) -> &[u8] {
        self.words.word_bytes(number)
    }

    /// Returns how many words there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Returns the words in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.words.iter()
    }

    /// Prepares a vocabulary that no longer grows for [`Vocabulary::nearest`].
    pub fn freeze(&mut self) {
        if self.len() <= SCAN_WORDS_MAX {
            self.characters = self.iter().map(characters).collect();
        } else if self.slips.is_empty() {
            self.index_slips(Looks::Apart, |_| Some(0));
        }
    }

    /// Prepares a vocabulary that no longer grows for [`Vocabulary::slip`], with the words that have a rank. Words of a high
    /// rank are found first.
    pub fn index_slips(&mut self, looks: Looks, rank: impl Fn(u32) -> Option<u8>) {
        self.slips = Slips::new(&self.words, rank, looks);
    }

    /// Returns the word that a caller most likely meant, or `None` if no word is near. This is a help for the caller, not a
    /// guard: if many words are similar, not all are compared.
    ///
    /// The work is bounded for any size.
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

    /// Returns an accepted word that differs from `word` by a single slip, or only by capitals, blanks at the ends and invisible
    /// characters. The search is exact for any size and takes some hundred nanoseconds. Returns `None` for every word if the
    /// words are not indexed.
    ///
    /// An accepted word must have a rank, and no word that is not accepted may have a higher rank.
    pub fn slip(&self, word: &str, accepts: impl Fn(u32) -> bool) -> Option<u32> {
        if self.slips.is_empty() {
            return None;
        }
        self.slip_of(&Sought::new(word, &mut Buffer::default())?, accepts)
    }

    /// Does the same for a prepared word, to search several vocabularies for one word.
    pub(super) fn slip_of(&self, sought: &Sought<'_>, accepts: impl Fn(u32) -> bool) -> Option<u32> {
        self.slips.find(&self.words, sought, accepts)
    }
}

/// Returns the set of characters of a word, one bit each for letters, digits and the rest, without regard to case.
fn characters(word: &str) -> u64 {
    word.bytes().fold(0, |set, byte| set | 1 << (byte.to_ascii_lowercase() & 63))
}

/// Says whether two words may be at most `slips_max` slips apart, by their characters. A slip adds at most
/// one character and removes at most one, so this excludes most words in a few instructions.
const fn are_similar(a: u64, b: u64, slips_max: usize) -> bool {
    (a ^ b).count_ones() as usize <= 2 * slips_max
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
