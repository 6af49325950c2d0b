//! A word that is looked for, prepared once for every index that is asked.

use std::cell::OnceCell;

use super::fold::{Buffer, Folded};
use super::node::{Node, half_of};
use super::{Kind, look_key, node_key};

/// A word that is looked for.
#[derive(Debug)]
pub(in crate::domain) struct Sought<'b> {
    folded: Folded<'b>,
    /// What is kept under the look of the word: worked out for the first index that asks for it.
    look: OnceCell<Option<u64>>,
    /// `None` for a word that is too short.
    halves: Option<Halves>,
}

/// A half of the word, as long as that of known words of some lengths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Half {
    pub(super) characters: u16,
    /// What is kept under the first characters.
    pub(super) front: u64,
    /// What is kept under the last ones.
    pub(super) back: u64,
    /// Of these words: a bit each for a character less than the word has, as many, and one more.
    pub(super) lengths: u8,
}

impl Half {
    fn new(folded: &Folded<'_>, characters: u16, lengths: u8) -> Self {
        let key = |front, back| node_key(Kind::Node, folded, Node { front, back });
        Self { characters, front: key(characters, 0), back: key(0, characters), lengths }
    }

    /// Returns the halves of a known word; `None` for one that is too short.
    pub(super) fn of_known(folded: &Folded<'_>) -> Option<Self> {
        Some(Self::new(folded, half_of(folded.len())?, 0))
    }
}

/// The halves for words with a character less, as many, and one more: one or two.
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
        // Longer words have no shorter halves, and three lengths in a row at most two.
        let alike = 0b001 | u8::from(less == same) << 1 | u8::from(less == more) << 2;
        Some(Halves { first: half(less, alike), second: (less != more).then(|| half(more, !alike & 0b111)) })
    }
}

impl<'b> Sought<'b> {
    /// Prepares a word; `None` for one that is longer than a name may be, and near none.
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
