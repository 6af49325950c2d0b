//! A sought word, prepared once for several indexes.

use std::cell::OnceCell;

use super::ends::{END_CHARACTERS, End};
use super::fold::{Buffer, Folded};
use super::key::{Kind, look_key, node_key};
use super::node::{Node, half_of};

/// A sought word.
#[derive(Debug)]
pub(in crate::domain) struct Sought<'b> {
    folded: Folded<'b>,
    /// The first and the last bytes.
    ends: (Option<End>, Option<End>),
    /// Key of the look of the word, computed for the first index that needs it.
    look: OnceCell<Option<u64>>,
    /// Halves of the word; `None` if the word is too short.
    halves: Option<Halves>,
}

/// A half of the word, with the length of the halves of some known words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Half {
    pub(super) characters: u16,
    /// Lengths of these known words, a bit each: one character less than the sought word, the same number, one more.
    pub(super) lengths: u8,
}

impl Half {
    /// Returns the halves of a known word; `None` if the word is too short.
    pub(super) fn of_known(folded: &Folded<'_>) -> Option<Self> {
        Some(Self { characters: half_of(folded.len())?, lengths: 0 })
    }

    /// Returns the entries under the first characters.
    pub(super) fn front(self, folded: &Folded<'_>) -> u64 {
        node_key(Kind::Node, folded, Node { front: self.characters, back: 0 })
    }

    /// Returns the entries under the last characters.
    pub(super) fn back(self, folded: &Folded<'_>) -> u64 {
        node_key(Kind::Node, folded, Node { front: 0, back: self.characters })
    }

    /// Says whether words that share it share an end of the word as well.
    pub(super) const fn has_end(self) -> bool {
        END_CHARACTERS <= self.characters
    }
}

/// The halves for known words with one character less, the same number, and one more: one or two different halves.
#[derive(Debug)]
struct Halves {
    first: Half,
    second: Option<Half>,
}

impl Halves {
    fn of(length: usize) -> Option<Self> {
        let [less, same, more] = [half_of(length.checked_sub(1)?)?, half_of(length)?, half_of(length + 1)?];
        let half = |characters: u16, lengths: u8| Half { characters, lengths };
        // Longer words have no shorter halves, so three lengths in a row have at most two different halves.
        let alike = 0b001 | u8::from(less == same) << 1 | u8::from(less == more) << 2;
        Some(Halves { first: half(less, alike), second: (less != more).then(|| half(more, !alike & 0b111)) })
    }
}

impl<'b> Sought<'b> {
    /// Prepares a word; `None` for a word longer than the limit of names, which is near no name.
    pub(in crate::domain) fn new(word: &'b str, buffer: &'b mut Buffer) -> Option<Self> {
        let folded = Folded::new(word, buffer)?;
        let halves = Halves::of(folded.len());
        let ends = (End::first(&folded), End::last(&folded));
        Some(Self { folded, ends, look: OnceCell::new(), halves })
    }

    pub(super) const fn folded(&self) -> &Folded<'b> {
        &self.folded
    }

    /// Returns the first and the last bytes.
    pub(super) const fn ends(&self) -> (Option<End>, Option<End>) {
        self.ends
    }

    pub(super) fn look(&self) -> Option<u64> {
        *self.look.get_or_init(|| look_key(&self.folded))
    }

    pub(super) fn halves(&self) -> Option<impl Iterator<Item = Half>> {
        self.halves.as_ref().map(|halves| std::iter::once(halves.first).chain(halves.second))
    }
}
