//! A word that is looked for, prepared once for every index that is asked.

use std::cell::OnceCell;

use super::ends::{END_CHARACTERS, End};
use super::fold::{Buffer, Folded};
use super::node::{Node, half_of};
use super::{Kind, look_key, node_key};

/// A word that is looked for.
#[derive(Debug)]
pub(in crate::domain) struct Sought<'b> {
    folded: Folded<'b>,
    /// The first and the last bytes.
    ends: (Option<End>, Option<End>),
    /// What is kept under the look of the word: worked out for the first index that asks for it.
    look: OnceCell<Option<u64>>,
    /// `None` for a word that is too short.
    halves: Option<Halves>,
}

/// A half of the word, as long as that of known words of some lengths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Half {
    pub(super) characters: u16,
    /// Of these words: a bit each for a character less than the word has, as many, and one more.
    pub(super) lengths: u8,
}

impl Half {
    /// Returns the halves of a known word; `None` for one that is too short.
    pub(super) fn of_known(folded: &Folded<'_>) -> Option<Self> {
        Some(Self { characters: half_of(folded.len())?, lengths: 0 })
    }

    /// Returns what is kept under the first characters.
    pub(super) fn front(self, folded: &Folded<'_>) -> u64 {
        node_key(Kind::Node, folded, Node { front: self.characters, back: 0 })
    }

    /// Returns what is kept under the last characters.
    pub(super) fn back(self, folded: &Folded<'_>) -> u64 {
        node_key(Kind::Node, folded, Node { front: 0, back: self.characters })
    }

    /// Says whether words that share it share an end of the word as well.
    pub(super) const fn has_end(self) -> bool {
        END_CHARACTERS <= self.characters
    }
}

/// The halves for words with a character less, as many, and one more: one or two.
#[derive(Debug)]
struct Halves {
    first: Half,
    second: Option<Half>,
}

impl Halves {
    fn of(length: usize) -> Option<Self> {
        let [less, same, more] = [half_of(length.checked_sub(1)?)?, half_of(length)?, half_of(length + 1)?];
        let half = |characters: u16, lengths: u8| Half { characters, lengths };
        // Longer words have no shorter halves, and three lengths in a row at most two.
        let alike = 0b001 | u8::from(less == same) << 1 | u8::from(less == more) << 2;
        Some(Halves { first: half(less, alike), second: (less != more).then(|| half(more, !alike & 0b111)) })
    }
}

impl<'b> Sought<'b> {
    /// Prepares a word; `None` for one that is longer than a name may be, and near none.
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
