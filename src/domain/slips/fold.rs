//! Folds words: removes differences that are invisible or not meant.

use unicode_normalization::UnicodeNormalization as _;

use crate::domain::eight::{TOP, at_least, between, each_eight, equal};
use crate::domain::names::{NAME_BYTES_MAX, is_seen};

/// Fewest characters of a word that is compared by its look.
const LOOK_CHARACTERS_MIN: usize = 12;
/// Fewest letters and digits of a look that says enough.
const LOOK_BYTES_MIN: usize = 6;
/// Letters of the start of a look: less than every look has.
const LOOK_START: usize = 4;

/// Memory for a folded word.
#[derive(Debug, Default)]
pub(in crate::domain) struct Buffer {
    /// An ASCII word. Most words are folded already and need no room: it is not written in advance.
    ascii: Option<[u8; NAME_BYTES_MAX]>,
    /// A word that is not ASCII.
    text: String,
    /// The starts of the characters of such a word, and its end.
    bounds: Vec<usize>,
}

impl Buffer {
    /// Clears the buffer for another word.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.bounds.clear();
    }
}

/// A word in lower case and in compatibility form, without invisible characters and blanks at the ends. Blanks and `_` inside
/// it become `-`.
#[derive(Debug)]
pub(super) struct Folded<'b> {
    bytes: &'b [u8],
    /// The starts of the characters, and the end; `None` if each has one byte.
    bounds: Option<&'b [usize]>,
}

impl<'b> Folded<'b> {
    /// Folds a word; `None` for one that is longer than a name may be.
    pub(super) fn new(word: &'b str, buffer: &'b mut Buffer) -> Option<Self> {
        // Most codes are folded already.
        if is_folded(word.as_bytes()) {
            return (word.len() <= NAME_BYTES_MAX).then_some(Self { bytes: word.as_bytes(), bounds: None });
        }
        if word.is_ascii() {
            let word = word.trim_ascii().as_bytes();
            let bytes = buffer.ascii.insert([0; NAME_BYTES_MAX]).get_mut(..word.len())?;
            for (to, from) in bytes.iter_mut().zip(word) {
                let is_joint = *from == b' ' || *from == b'_';
                *to = if is_joint { b'-' } else { from.to_ascii_lowercase() };
            }
            return Some(Self { bytes, bounds: None });
        }
        if NAME_BYTES_MAX < word.len() {
            return None;
        }
        let joined = |character: char| if matches!(character, ' ' | '_') { '-' } else { character };
        let seen = word.chars().filter(|character| is_seen(*character));
        // Through capitals, because `ß` and `SS` are the same.
        let plain: String = seen.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
        // Lower case may have another compatibility form than capitals, so normalize again.
        buffer.text.extend(plain.trim().nfkc().map(joined));
        buffer.bounds.extend(buffer.text.char_indices().map(|(byte, _)| byte));
        buffer.bounds.push(buffer.text.len());
        Some(Self { bytes: buffer.text.as_bytes(), bounds: Some(&buffer.bounds) })
    }

    /// Returns the number of its characters.
    pub(super) const fn len(&self) -> usize {
        match self.bounds {
            None => self.bytes.len(),
            Some(bounds) => bounds.len() - 1,
        }
    }

    /// Says whether each character is a byte.
    pub(super) const fn is_ascii(&self) -> bool {
        self.bounds.is_none()
    }

    pub(super) const fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    fn byte(&self, character: usize) -> usize {
        self.bounds.map_or(character, |bounds| bounds.get(character).copied().unwrap_or(self.bytes.len()))
    }

    /// Returns the first characters.
    pub(super) fn front(&self, characters: usize) -> &'b [u8] {
        self.bytes.get(..self.byte(characters)).unwrap_or(self.bytes)
    }

    /// Returns the last characters.
    pub(super) fn back(&self, characters: usize) -> &'b [u8] {
        self.bytes.get(self.byte(self.len().saturating_sub(characters))..).unwrap_or(self.bytes)
    }

    /// Returns the characters between the first ones and the last ones.
    pub(super) fn between(&self, front: usize, back: usize) -> &'b [u8] {
        self.bytes.get(self.byte(front)..self.byte(self.len().saturating_sub(back))).unwrap_or_default()
    }

    /// Returns how many characters the two share at the front.
    pub(super) fn shares_front(&self, other: &Folded<'_>) -> usize {
        let bytes = self.bytes.iter().zip(other.bytes).take_while(|(a, b)| a == b).count();
        self.bounds.map_or(bytes, |bounds| bounds.iter().skip(1).filter(|end| **end <= bytes).count())
    }

    /// Returns how many characters the two share at the back.
    pub(super) fn shares_back(&self, other: &Folded<'_>) -> usize {
        let bytes = self.bytes.iter().rev().zip(other.bytes.iter().rev()).take_while(|(a, b)| a == b).count();
        let first = self.bytes.len() - bytes;
        self.bounds.map_or(bytes, |bounds| bounds.iter().take(self.len()).filter(|start| first <= **start).count())
    }

    /// Calls a function with the word without one of its characters.
    pub(super) fn with_one_less<T>(&self, character: usize, then: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        joined([self.front(character), &[], &[], self.back(self.len().saturating_sub(character + 1))], then)
    }

    /// Calls a function with the word with a character and the next one swapped.
    pub(super) fn with_swapped<T>(&self, character: usize, then: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let part = |from: usize, to: usize| self.bytes.get(self.byte(from)..self.byte(to)).unwrap_or_default();
        let (first, second) = (part(character, character + 1), part(character + 1, character + 2));
        joined([self.front(character), second, first, self.back(self.len().saturating_sub(character + 2))], then)
    }

    /// Says whether another word is the same or one slip away.
    pub(super) fn is_slip_of(&self, other: &Folded<'_>) -> bool {
        if self.bounds.is_none() && other.bounds.is_none() {
            return is_slip(self.bytes, other.bytes);
        }
        let characters = |folded: &Folded<'_>| {
            std::str::from_utf8(folded.bytes).map(|text| text.chars().collect::<Vec<_>>()).unwrap_or_default()
        };
        is_slip(&characters(self), &characters(other))
    }
}

/// Says whether a word has only visible ASCII characters other than capitals and `_`. Checks eight at a time.
fn is_folded(word: &[u8]) -> bool {
    let mut others = 0;
    each_eight(word, b'-', |eight| {
        let bytes = eight & !TOP;
        others |= (eight & TOP) | between(bytes, b'A', b'Z') | !at_least(bytes, b'!') & TOP | equal(bytes, b'_');
    });
    others == 0
}

/// Calls a function with the parts joined; without an allocation if they fit into a name.
fn joined<T>(parts: [&[u8]; 4], then: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
    let mut room = [0; NAME_BYTES_MAX];
    let mut end = 0;
    for part in parts {
        let Some(place) = room.get_mut(end..end + part.len()) else { return then(&parts.concat()) };
        place.copy_from_slice(part);
        end += part.len();
    }
    then(room.get(..end)?)
}

/// Says whether two words are the same or one slip apart, by the parts that remain between their shared front and shared back.
fn is_slip<C: PartialEq>(a: &[C], b: &[C]) -> bool {
    if 1 < a.len().abs_diff(b.len()) {
        return false;
    }
    let front = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (a.get(front..).unwrap_or_default(), b.get(front..).unwrap_or_default());
    let back = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (a.get(..a.len() - back).unwrap_or_default(), b.get(..b.len() - back).unwrap_or_default());
    match (a, b) {
        ([] | [_], [] | [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

/// Memory for a look.
pub(super) struct Room([u8; NAME_BYTES_MAX]);

impl Default for Room {
    fn default() -> Self {
        Self([0; NAME_BYTES_MAX])
    }
}

/// Returns the look of a long word: its consonants, each run of one letter once, and its digits. `None` for a short word, and
/// for a word with too few of them.
pub(super) fn look<'r>(folded: &Folded<'_>, room: &'r mut Room) -> Option<&'r [u8]> {
    if folded.len() < LOOK_CHARACTERS_MIN {
        return None;
    }
    let (mut count, mut last) = (0, 0);
    for byte in folded.bytes {
        let said = said(*byte, &mut last);
        // A look that does not fit is longer than a code.
        *room.0.get_mut(count)? = *byte;
        count += usize::from(said != 0);
    }
    room.0.get(..count).filter(|look| LOOK_BYTES_MIN <= look.len())
}

/// Returns a hash of the look of a word; `None` if the word has no look.
pub(super) fn look_sum(folded: &Folded<'_>) -> Option<u64> {
    if folded.len() < LOOK_CHARACTERS_MIN {
        return None;
    }
    let (mut sum, mut count, mut last) = (0_u64, 0_usize, 0);
    for byte in folded.bytes {
        let said = said(*byte, &mut last);
        let power = POWERS.get(count % POWERS.len()).copied().unwrap_or_default();
        sum = sum.wrapping_add(power.wrapping_mul(said));
        count = count.wrapping_add(usize::from(said != 0));
    }
    (LOOK_BYTES_MIN <= count).then_some(sum)
}

/// Returns the first four letters of a look, packed; `None` for a word without a look. Words that look the same have the same.
pub(super) fn look_start(folded: &Folded<'_>) -> Option<u32> {
    if folded.len() < LOOK_CHARACTERS_MIN {
        return None;
    }
    let (mut start, mut count, mut last) = (0_u32, 0, 0);
    for byte in folded.bytes {
        let said = said(*byte, &mut last);
        #[expect(clippy::cast_possible_truncation, reason = "a byte")]
        if said != 0 {
            start = start << 8 | said as u32;
            count += 1;
        }
        if count == LOOK_START {
            return Some(start);
        }
    }
    None
}

/// Powers of a large odd number. They make a sum depend on the order, without one step waiting for another.
const POWERS: [u64; NAME_BYTES_MAX] = {
    let mut powers = [1_u64; NAME_BYTES_MAX];
    let mut place = 1;
    while place < NAME_BYTES_MAX {
        #[expect(clippy::indexing_slicing, reason = "below the length")]
        {
            powers[place] = powers[place - 1].wrapping_mul(0xD6E8_FEB8_6659_FD93);
        }
        place += 1;
    }
    powers
};

/// Returns the value that a byte adds to a look after `last`, the last byte that added a value; zero if it adds none. No
/// branch, because the letters of a word cannot be predicted.
const fn said(byte: u8, last: &mut u64) -> u64 {
    #[expect(clippy::indexing_slicing, reason = "there is one for each byte")]
    let said = SAID[byte as usize] as u64;
    let is_new = (said != *last) as u64;
    *last = if said == 0 { *last } else { said & !(ALWAYS as u64) };
    said & is_new.wrapping_neg()
}

/// Set for a byte that adds to a look regardless of the byte before it.
const ALWAYS: u8 = 0x80;

/// The value that each byte adds to a look. Vowels and separators add none. Of several equal letters in a row only the first
/// adds its value. Digits and bytes beyond ASCII always add theirs; without [`ALWAYS`], these values equal no letter.
const SAID: [u8; 256] = {
    let mut said = [0; 256];
    let mut number = 0;
    while number < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let byte = number as u8;
        #[expect(clippy::indexing_slicing, reason = "below the length")]
        if byte.is_ascii_digit() || !byte.is_ascii() {
            said[number] = byte & 0x3F | ALWAYS;
        } else if byte.is_ascii_alphabetic() && !matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u' | b'y') {
            said[number] = byte;
        }
        number += 1;
    }
    said
};

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(word: &str) -> String {
        let mut buffer = Buffer::default();
        String::from_utf8(Folded::new(word, &mut buffer).unwrap().bytes.to_vec()).unwrap()
    }

    #[test]
    fn invisible_differences_make_no_difference() {
        for word in ["Acme", " acme", "\u{feff}acme", "ac\u{ad}me", "ａｃｍｅ", "acme\u{3000}", "ac\u{2060}ME"] {
            assert_eq!(folded(word), "acme", "{word:?}");
        }
        assert_eq!(folded("OTA_type.x y"), "ota-type.x-y");
        assert_eq!(folded("Zu\u{308}rich"), folded("ZÜRICH"));
        assert_eq!(folded("９１"), "91");
    }

    #[test]
    fn the_rest_between_the_common_ends_of_two_words_decides_on_a_slip() {
        for (a, b) in
            [("", ""), ("a", ""), ("ab", "ba"), ("ab", "a"), ("aab", "ab"), ("abc", "axc"), ("甲乙丙", "甲丙乙")]
        {
            let (mut one, mut other) = (Buffer::default(), Buffer::default());
            let (a, b) = (Folded::new(a, &mut one).unwrap(), Folded::new(b, &mut other).unwrap());
            assert!(a.is_slip_of(&b) && b.is_slip_of(&a));
        }
        for (a, b) in [("ab", ""), ("abc", "cba"), ("abcd", "badc"), ("abc", "cab"), ("甲乙", "丙丁")] {
            let (mut one, mut other) = (Buffer::default(), Buffer::default());
            let (a, b) = (Folded::new(a, &mut one).unwrap(), Folded::new(b, &mut other).unwrap());
            assert!(!a.is_slip_of(&b) && !b.is_slip_of(&a));
        }
    }

    #[test]
    fn a_long_word_looks_like_one_with_other_vowels() {
        let look = |word: &str| {
            let mut buffer = Buffer::default();
            let look = look(&Folded::new(word, &mut buffer).unwrap(), &mut Room::default()).map(<[u8]>::to_vec);
            look.map(|look| String::from_utf8(look).unwrap())
        };
        assert_eq!(look("health.diagnosis").as_deref(), Some("hlthdgns"));
        assert_eq!(look("helth-diagnossys").as_deref(), Some("hlthdgns"));
        assert_eq!(look("invented.record-0011").as_deref(), Some("nvntdrcrd0011"));
        assert_eq!((look("auto.ota-type"), look("health.x")), (None, None));
    }

    #[test]
    fn words_that_look_the_same_have_the_same_sum() {
        let of = |word: &str| {
            let mut buffer = Buffer::default();
            let folded = Folded::new(word, &mut buffer).unwrap();
            (look(&folded, &mut Room::default()).map(<[u8]>::to_vec), look_sum(&folded))
        };
        let words = [
            "health.diagnosis",
            "helth-diagnossys",
            "health.diagnostics",
            "invented.record-0011",
            "invented.record-011",
            "invanted.reccord-0011",
            "Zürich.Rückversicherung",
            "zürich-rückvarsichrung",
            "zurich-ruckversicherung",
            "acme.aabbccddeeff",
            "acme.abcdef.abcdf",
            "auto.ota-type",
        ]
        .map(of);
        for (look, sum) in &words {
            assert_eq!(look.is_some(), sum.is_some());
            for (other_look, other_sum) in &words {
                assert_eq!(look == other_look, sum == other_sum, "{look:?} {other_look:?}");
            }
        }
    }

    #[test]
    fn a_word_that_is_folded_already_is_taken_as_it_is() {
        for word in ["a", "health.diagnosis", "12345678", "auto.ota-type-1", "~!", &"x".repeat(NAME_BYTES_MAX)] {
            assert!(is_folded(word.as_bytes()) && folded(word) == word, "{word}");
        }
        // Each byte that is folded, at each place.
        for other in ['A', 'Z', '_', ' ', '\t', '\u{7f}', 'é', '\u{a0}'] {
            for (before, behind) in (0..20).flat_map(|before| (0..12).map(move |behind| (before, behind))) {
                let word = format!("{}{other}{}", "x".repeat(before), "y".repeat(behind));
                let is_left = other == '\u{7f}';
                assert_eq!(is_folded(word.as_bytes()), is_left, "{word:?}");
            }
        }
        assert!(Folded::new(&"x".repeat(NAME_BYTES_MAX + 1), &mut Buffer::default()).is_none());
    }
}
