//! A filter of what is left of words without one of their characters: most words have no neighbour, and end here.
//!
//! Two words one slip apart have something in common: one of them itself, or what is left of each without one character. (Of
//! two neighbours that are swapped, either is left beside the rest.) So a word of which nothing is known here, neither itself
//! nor what is left of it, is one slip away from no word. The other way round the filter may be wrong, about once in a hundred
//! words: then the index itself is searched.

use super::fold::Folded;

/// Bits of the filter for each thing that is known.
const BITS_EACH: usize = 24;
/// Bits that are set for each.
const SET_EACH: u32 = 5;
/// Bits of a line: what is known of one key lies within one line of the processor's cache.
const LINE_BITS: usize = 512;
/// Bits that choose one of a line's.
const CHOICE_BITS: u32 = LINE_BITS.ilog2();

type Line = [u64; LINE_BITS / 64];

/// The filter.
#[derive(Debug, Clone, Default)]
pub(super) struct Near {
    lines: Vec<Line>,
}

impl Near {
    /// Returns a filter of words with so many characters in all, of so many words.
    pub(super) fn with_room(characters: usize, words: usize) -> Self {
        let lines = ((characters + words) * BITS_EACH).div_ceil(LINE_BITS);
        Self { lines: vec![[0; LINE_BITS / 64]; lines] }
    }

    /// Adds a word.
    pub(super) fn add(&mut self, folded: &Folded<'_>) {
        let found = any_key(folded, |key| {
            let (line, bits) = self.place(key);
            if let Some(line) = self.lines.get_mut(line) {
                for (word, bit) in bits {
                    if let Some(word) = line.get_mut(word) {
                        *word |= bit;
                    }
                }
            }
            false
        });
        debug_assert!(!found, "every key is added");
    }

    /// Says whether a word that was added may be one slip away.
    pub(super) fn may_be_near(&self, folded: &Folded<'_>) -> bool {
        any_key(folded, |key| {
            let (line, mut bits) = self.place(key);
            let line = self.lines.get(line);
            line.is_some_and(|line| bits.all(|(word, bit)| line.get(word).is_some_and(|word| word & bit != 0)))
        })
    }

    /// Returns the line of a key and its bits within: word and bit.
    #[expect(clippy::cast_possible_truncation, reason = "a line's number is less than the number of lines")]
    fn place(&self, key: u64) -> (usize, impl Iterator<Item = (usize, u64)> + use<>) {
        let line = (u128::from(key) * self.lines.len() as u128) >> 64;
        let bits = key.wrapping_mul(SPREAD);
        let choice = move |index: u32| (bits >> (index * CHOICE_BITS)) as usize % LINE_BITS;
        (line as usize, (0..SET_EACH).map(move |index| (choice(index) / 64, 1 << (choice(index) % 64))))
    }
}

const SPREAD: u64 = 0x9E6C_63D0_9759_27C5;
/// The base of the sum that a key is of.
const BASE: u64 = 0xC2B2_AE3D_27D4_EB4F;

/// Says whether a condition holds for the key of a word or of what is left of it without one of its characters.
fn any_key(folded: &Folded<'_>, holds: impl FnMut(u64) -> bool) -> bool {
    if folded.is_ascii() {
        return any_of(folded.bytes(), holds);
    }
    let characters: Vec<u32> = std::str::from_utf8(folded.bytes()).unwrap_or_default().chars().map(u32::from).collect();
    any_of(&characters, holds)
}

/// The key of a text is the sum of its characters, each times a power of [`BASE`] by its distance from the end. Without one
/// character, or without the one before it, the sums differ by the difference of these two, times a power.
fn any_of<C: Copy + Into<u64>>(characters: &[C], mut holds: impl FnMut(u64) -> bool) -> bool {
    let value = |character: C| character.into() + 1;
    let Some((last, rest)) = characters.split_last() else { return holds(mixed(0, 0)) };
    let without_last = rest.iter().fold(0_u64, |sum, one| sum.wrapping_mul(BASE).wrapping_add(value(*one)));
    let whole = without_last.wrapping_mul(BASE).wrapping_add(value(*last));
    if holds(mixed(whole, characters.len())) || holds(mixed(without_last, rest.len())) {
        return true;
    }
    let (mut sum, mut power) = (without_last, 1_u64);
    for pair in characters.windows(2).rev() {
        let [before, after] = pair else { continue };
        let (before, after) = (value(*before), value(*after));
        if before != after {
            // Without the one before in place of the one after.
            sum = sum.wrapping_add(after.wrapping_sub(before).wrapping_mul(power));
            if holds(mixed(sum, rest.len())) {
                return true;
            }
        }
        power = power.wrapping_mul(BASE);
    }
    false
}

/// Mixes a sum, and how many characters it is of, so that all bits of the key depend on all of it.
const fn mixed(sum: u64, count: usize) -> u64 {
    let spread = (sum ^ (count as u64) << 56).wrapping_mul(SPREAD);
    (spread ^ (spread >> 32)).wrapping_mul(BASE)
}

#[cfg(test)]
mod tests {
    use super::super::fold::Buffer;
    use super::*;

    fn keys(word: &str) -> Vec<u64> {
        let mut buffer = Buffer::default();
        let mut keys = Vec::new();
        any_key(&Folded::new(word, &mut buffer).unwrap(), |key| {
            keys.push(key);
            false
        });
        keys
    }

    #[test]
    fn the_keys_of_a_word_are_those_of_what_is_left_of_it() {
        for word in ["health.diagnosis", "aab", "甲乙丙", "a", "zürich"] {
            let characters: Vec<char> = word.chars().collect();
            let mut left: Vec<u64> = (0..characters.len())
                .map(|without| {
                    let kept = characters.iter().enumerate().filter(|(at, _)| *at != without).map(|(_, one)| *one);
                    let values: Vec<u32> = kept.map(u32::from).collect();
                    let mut first = None;
                    any_of(&values, |key| {
                        first = first.or(Some(key));
                        true
                    });
                    first.unwrap()
                })
                .collect();
            left.push(keys(word)[0]);
            left.sort_unstable();
            left.dedup();
            let mut found = keys(word);
            found.sort_unstable();
            found.dedup();
            assert_eq!(found, left, "{word}");
        }
    }

    #[test]
    fn few_words_that_are_not_near_pass() {
        let words: Vec<String> = (0..5_000).map(|number| format!("invented.record-{:05}", number * 7)).collect();
        let mut near = Near::with_room(words.iter().map(String::len).sum(), words.len());
        for word in &words {
            near.add(&Folded::new(word, &mut Buffer::default()).unwrap());
        }
        assert!(words.iter().all(|word| near.may_be_near(&Folded::new(word, &mut Buffer::default()).unwrap())));
        let others = (0..5_000).map(|number| format!("acme.own-kind-{number:06}"));
        let pass = others.filter(|word| near.may_be_near(&Folded::new(word, &mut Buffer::default()).unwrap()));
        assert!(pass.count() < 150);
    }
}
