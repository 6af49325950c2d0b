//! A filter of the words without one of their characters. Most words have no neighbour, and their search ends here.
//!
//! Two words one slip apart have a text in common: one of the words itself, or both words without one character. (For two
//! swapped neighbours, remove either of them.) So if the filter knows neither a word nor any of its forms without one character,
//! no known word is one slip away. The reverse is not exact: about once in a hundred words the filter passes a word without
//! neighbours, and the index is searched.
//!
//! Two such words also agree in a half, and the slip lies in the rest (see [`super`]). So the filter keeps the forms of all
//! words that share a half together, each without a character of the rest. A search reads only the groups of its halves: at a
//! million words each page of memory costs more than all other work here.

use super::fold::Folded;
use crate::domain::names::NAME_BYTES_MAX;

/// Bits of the filter for each key. Six of them are set: three in each word of a pair.
const BITS_EACH: u64 = 24;
/// Pairs of a page of memory: small groups share one.
const PAGE_PAIRS: u32 = 256;
/// Fewest keys of a group that has pairs of its own.
const LARGE: u64 = 256;
/// Keys that are looked up together, so that none waits for the memory access of another.
const AT_ONCE: usize = 32;

/// The filter.
#[derive(Debug, Clone, Default)]
pub(super) struct Near {
    /// Pairs of large groups, then the pages of small groups.
    pairs: Vec<[u64; 2]>,
    /// Hash table of large groups; probing from a half's place reaches its group before any empty slot.
    ///
    /// INVARIANT (large): more slots than large groups; an empty slot has no pairs.
    large: Vec<Group>,
    /// The first pair of the pages, and the number of pages.
    pages: (u32, u32),
}

/// The known words that share a half.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    half: u64,
    pairs: Span,
}

/// Pairs of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Span {
    first: u32,
    count: u32,
}

/// The characters of a word in which a slip may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Places {
    /// All after this many characters.
    Behind(u16),
    /// All before this many last characters.
    Before(u16),
}

impl Near {
    /// Returns a filter for groups, each given by its half and its number of keys.
    pub(super) fn of(groups: &[(u64, u64)]) -> Self {
        let pairs_of = |keys: u64| u32::try_from((keys * BITS_EACH).div_ceil(128)).unwrap_or(u32::MAX);
        let (large, small): (Vec<&(u64, u64)>, Vec<_>) = groups.iter().partition(|(_, keys)| LARGE <= *keys);
        let mut near = Self { large: vec![Group::default(); 2 * large.len() + 1], ..Self::default() };
        let mut first = 0_u32;
        for (half, keys) in large {
            let pairs = Span { first, count: pairs_of(*keys) };
            first = first.saturating_add(pairs.count);
            near.insert(Group { half: *half, pairs });
        }
        let pages = pairs_of(small.iter().map(|(_, keys)| keys).sum()).div_ceil(PAGE_PAIRS);
        near.pages = (first, pages);
        near.pairs = vec![[0; 2]; first as usize + pages as usize * PAGE_PAIRS as usize];
        near
    }

    fn insert(&mut self, group: Group) {
        let mut place = self.place_of(group.half);
        // (large) at least one slot is empty, so the loop ends.
        while self.large.get(place).is_some_and(|other| other.pairs.count != 0) {
            place = (place + 1) % self.large.len();
        }
        if let Some(empty) = self.large.get_mut(place) {
            *empty = group;
        }
    }

    const fn place_of(&self, half: u64) -> usize {
        (((half >> 32) * self.large.len() as u64) >> 32) as usize
    }

    /// Returns the pairs of the words that share a half.
    fn pairs_of(&self, half: u64) -> Span {
        let mut place = self.place_of(half);
        // (large) at least one slot is empty, so the loop ends.
        while let Some(group) = self.large.get(place).filter(|group| group.pairs.count != 0) {
            if group.half == half {
                return group.pairs;
            }
            place = (place + 1) % self.large.len();
        }
        let (first, pages) = self.pages;
        let page = (((half & 0xFFFF_FFFF) * u64::from(pages)) >> 32) as u32;
        Span { first: first.saturating_add(page * PAGE_PAIRS), count: PAGE_PAIRS }
    }

    /// Adds a word to a group.
    pub(super) fn add(&mut self, folded: &Folded<'_>, half: u64, places: Places) {
        let span = self.pairs_of(half);
        each_key(folded, places, |key| {
            let (pair, bits) = span.place(key);
            if let Some([first, second]) = self.pairs.get_mut(pair) {
                (*first, *second) = (*first | bits[0], *second | bits[1]);
            }
        });
    }

    /// Says whether a word of a group may be one slip away, with the slip at one of the places.
    pub(super) fn may_be_near(&self, folded: &Folded<'_>, half: u64, places: Places) -> bool {
        let span = self.pairs_of(half);
        let (mut waiting, mut count, mut found) = ([0; AT_ONCE], 0_usize, false);
        each_key(folded, places, |key| {
            if let Some(place) = waiting.get_mut(count % AT_ONCE) {
                *place = key;
            }
            count = count.wrapping_add(1);
            if count % AT_ONCE == 0 {
                found |= self.has_any(span, &waiting);
            }
        });
        found || self.has_any(span, waiting.get(..count % AT_ONCE).unwrap_or(&waiting))
    }

    /// Says whether the filter has one of the keys. No branch between the keys.
    fn has_any(&self, span: Span, keys: &[u64]) -> bool {
        // The missing bits of the key that has most of its bits.
        let missing = keys.iter().fold(u64::MAX, |least, key| {
            let (pair, [of_first, of_second]) = span.place(*key);
            let [first, second] = self.pairs.get(pair).copied().unwrap_or_default();
            least.min(of_first & !first | of_second & !second)
        });
        missing == 0
    }
}

impl Span {
    /// Returns the bits of a key: its upper half chooses the pair, the rest chooses the bits in each word.
    const fn place(self, key: u64) -> (usize, [u64; 2]) {
        let pair = ((key >> 32) * self.count as u64) >> 32;
        (self.first as usize + pair as usize, [bits(key), bits(key >> 18)])
    }
}

/// Returns three bits.
const fn bits(from: u64) -> u64 {
    1 << (from & 63) | 1 << (from >> 6 & 63) | 1 << (from >> 12 & 63)
}

const SPREAD: u64 = 0x9E6C_63D0_9759_27C5;
/// Base of the sums that are the keys.
const BASE: u64 = 0xC2B2_AE3D_27D4_EB4F;

/// Calls a function with the key of a word, and with the key of the word without each of the characters at the places.
fn each_key(folded: &Folded<'_>, places: Places, then: impl FnMut(u64)) {
    if folded.is_ascii() {
        return each_of(folded.bytes(), places, then);
    }
    let characters: Vec<u32> = std::str::from_utf8(folded.bytes()).unwrap_or_default().chars().map(u32::from).collect();
    each_of(&characters, places, then);
}

/// The key of a text is the sum of its characters, each multiplied by a power of [`BASE`] for its distance from the end. The
/// sums without one character and without its neighbour differ by the difference of the two characters, times a power.
fn each_of<C: Copy + Into<u64>>(characters: &[C], places: Places, mut then: impl FnMut(u64)) {
    let value = |character: &C| (*character).into() + 1;
    let (Some(first), Some((last, but_last))) = (characters.first(), characters.split_last()) else {
        return then(mixed(0, 0));
    };
    let count = but_last.len();
    let without_last = sum(but_last, value);
    let whole = without_last.wrapping_mul(BASE).wrapping_add(value(last));
    then(mixed(whole, characters.len()));
    match places {
        Places::Behind(characters_before) => {
            let (mut sum, mut power, mut after) = (without_last, 1_u64, value(last));
            then(mixed(sum, count));
            for before in but_last.get(usize::from(characters_before)..).unwrap_or_default().iter().rev() {
                let before = value(before);
                // Leave out the previous character instead of the next.
                sum = sum.wrapping_add(after.wrapping_sub(before).wrapping_mul(power));
                power = power.wrapping_mul(BASE);
                after = before;
                then(mixed(sum, count));
            }
        }
        Places::Before(characters_behind) => {
            let mut power = power(count);
            let (mut sum, mut before) = (whole.wrapping_sub(value(first).wrapping_mul(power)), value(first));
            then(mixed(sum, count));
            let end = characters.len().saturating_sub(characters_behind.into());
            for after in characters.get(1..end).unwrap_or_default() {
                let after = value(after);
                power = power.wrapping_mul(INVERSE);
                // Leave out the next character instead of the previous.
                sum = sum.wrapping_add(before.wrapping_sub(after).wrapping_mul(power));
                before = after;
                then(mixed(sum, count));
            }
        }
    }
}

/// Inverse of the base: leads from one power to the power below. Every odd number has an inverse among numbers of 64 bits.
const INVERSE: u64 = {
    // Newton: each step doubles the number of correct bits, beginning with three.
    let mut inverse = BASE;
    let mut step = 0;
    while step < 5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(BASE.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
};

/// Returns a power of the base.
fn power(exponent: usize) -> u64 {
    POWERS.get(exponent).copied().unwrap_or_else(|| (0..exponent).fold(1, |power, _| power.wrapping_mul(BASE)))
}

const POWERS: [u64; NAME_BYTES_MAX] = {
    let mut powers = [1_u64; NAME_BYTES_MAX];
    let mut place = 1;
    while place < NAME_BYTES_MAX {
        #[expect(clippy::indexing_slicing, reason = "below the length")]
        {
            powers[place] = powers[place - 1].wrapping_mul(BASE);
        }
        place += 1;
    }
    powers
};

/// Returns the sum of characters: of several at a time, because each step waits for the one before.
fn sum<C>(characters: &[C], value: impl Fn(&C) -> u64) -> u64 {
    const SQUARE: u64 = BASE.wrapping_mul(BASE);
    let (fours, rest) = characters.as_chunks::<4>();
    let of_fours = fours.iter().fold(0_u64, |sum, [a, b, c, d]| {
        let [a, b, c, d] = [a, b, c, d].map(&value);
        let front = a.wrapping_mul(BASE).wrapping_add(b).wrapping_mul(SQUARE);
        let four = front.wrapping_add(c.wrapping_mul(BASE).wrapping_add(d));
        sum.wrapping_mul(SQUARE.wrapping_mul(SQUARE)).wrapping_add(four)
    });
    rest.iter().fold(of_fours, |sum, one| sum.wrapping_mul(BASE).wrapping_add(value(one)))
}

/// Mixes a sum, and how many characters it is of, so that all bits of the key depend on all of both.
const fn mixed(sum: u64, count: usize) -> u64 {
    let spread = (sum ^ (count as u64) << 56).wrapping_mul(SPREAD);
    spread ^ (spread >> 32)
}

#[cfg(test)]
mod tests {
    use super::super::fold::Buffer;
    use super::*;

    fn keys(word: &str) -> Vec<u64> {
        let mut buffer = Buffer::default();
        let mut keys = Vec::new();
        each_key(&Folded::new(word, &mut buffer).unwrap(), Places::Behind(0), |key| keys.push(key));
        keys
    }

    #[test]
    fn the_keys_of_a_word_are_its_single_deletions() {
        for word in ["health.diagnosis", "aab", "甲乙丙", "a", "zürich"] {
            let characters: Vec<char> = word.chars().collect();
            let mut left: Vec<u64> = (0..characters.len())
                .map(|without| {
                    let kept = characters.iter().enumerate().filter(|(at, _)| *at != without).map(|(_, one)| *one);
                    let values: Vec<u32> = kept.map(u32::from).collect();
                    let mut of_values = Vec::new();
                    each_of(&values, Places::Behind(0), |key| of_values.push(key));
                    of_values[0]
                })
                .collect();
            left.push(keys(word)[0]);
            left.sort_unstable();
            left.dedup();
            let mut found = keys(word);
            found.sort_unstable();
            found.dedup();
            assert_eq!(found, left, "{word}");
            // From the other end they are the same.
            let mut before = Vec::new();
            each_key(&Folded::new(word, &mut Buffer::default()).unwrap(), Places::Before(0), |key| before.push(key));
            before.sort_unstable();
            before.dedup();
            assert_eq!(before, left, "{word}");
        }
    }

    #[test]
    fn few_words_that_are_not_near_pass() {
        // One group, a group for each few words, and groups of all sizes.
        for group_of in [|_: usize| 0, |number: usize| number as u64 / 3, |number: usize| u64::from(number.ilog2())] {
            let spread = |group: u64| group.wrapping_mul(SPREAD) ^ group.wrapping_mul(BASE) >> 32;
            let words: Vec<String> = (1..5_000).map(|number| format!("invented.record-{:05}", number * 7)).collect();
            let groups: Vec<u64> = (1..5_000).map(|number| spread(group_of(number))).collect();
            let mut sizes = std::collections::BTreeMap::new();
            for group in &groups {
                *sizes.entry(*group).or_insert(0) += 22;
            }
            let mut near = Near::of(&sizes.into_iter().collect::<Vec<_>>());
            let mut buffer = Buffer::default();
            for (word, group) in words.iter().zip(&groups) {
                near.add(&Folded::new(word, &mut buffer).unwrap(), *group, Places::Behind(0));
            }
            let may_be = |word: &str, group: u64| {
                near.may_be_near(&Folded::new(word, &mut Buffer::default()).unwrap(), group, Places::Behind(0))
            };
            assert!(words.iter().zip(&groups).all(|(word, group)| may_be(word, *group)));
            let others = (0..5_000).map(|number| format!("acme.own-kind-{number:06}"));
            let pass = others.zip(groups.iter().cycle()).filter(|(word, group)| may_be(word, **group));
            assert!(pass.count() < 150);
        }
    }
}
