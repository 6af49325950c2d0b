//! A sought word, prepared once for several indexes.

use std::cell::OnceCell;

use super::fold::{Buffer, Folded};
use super::key::{Kind, look_key, node_key};
use super::node::{Node, half_of};

/// A sought word.
#[derive(Debug)]
pub(in crate::domain) struct Sought<'b> {
    folded: Folded<'b>,
    /// Key of the look of the word, computed for the first index that needs it.
    look: OnceCell<Option<u64>>,
    /// Halves of the word; `None` if the word is too short.
    halves: Option<Halves>,
}

/// A half of the word, with the length of the halves of some known words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Half {
    pub(super) characters: u16,
    /// Key of the first characters.
    pub(super) front: u64,
    /// Key of the last characters.
    pub(super) back: u64,
    /// Lengths of these known words, a bit each: one character less than the sought word, the same number, one more.
    pub(super) lengths: u8,
}

impl Half {
    fn new(folded: &Folded<'_>, characters: u16, lengths: u8) -> Self {
        let key = |front, back| node_key(Kind::Node, folded, Node { front, back });
        Self { characters, front: key(characters, 0), back: key(0, characters), lengths }
    }

    /// Returns the halves of a known word; `None` if the word is too short.
    pub(super) fn of_known(folded: &Folded<'_>) -> Option<Self> {
        Some(Self::new(folded, half_of(folded.len())?, 0))
    }
}

/// The halves for known words with one character less, the same number, and one more: one or two different halves.
#[derive(Debug)]
struct Halves {
    first: Half,
    second: Option<Half>,
}

impl Halves {
    fn of(folded: &Folded<'_>) -> Option<Self> {
        let length = folded.len();
        let [less, same, more] = [half_of(length.checked_sub(1)?)?, half_of(length)?, half_of(length + 1)?];
        let half = |characters: u16, lengths: u8| Half::new(folded, characters, lengths);
        // Longer words have no shorter halves, so three lengths in a row have at most two different halves.
        let alike = 0b001 | u8::from(less == same) << 1 | u8::from(less == more) << 2;
        Some(Halves { first: half(less, alike), second: (less != more).then(|| half(more, !alike & 0b111)) })
    }
}

impl<'b> Sought<'b> {
    /// Prepares a word; `None` for a word longer than the limit of names, which is near no name.
    pub(in crate::domain) fn new(word: &'b str, buffer: &'b mut Buffer) -> Option<Self> {
        let folded = Folded::new(word, buffer)?;
        let halves = Halves::of(&folded);
        Some(Self { folded, look: OnceCell::new(), halves })
    }

    pub(super) const fn folded(&self) -> &Folded<'b> {
        &self.folded
    }

    pub(super) fn look(&self) -> Option<u64> {
        *self.look.get_or_init(|| look_key(&self.folded))
    }

    pub(super) fn halves(&self) -> Option<impl Iterator<Item = Half>> {
        self.halves.as_ref().map(|halves| std::iter::once(halves.first).chain(halves.second))
    }
}
