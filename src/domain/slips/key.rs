//! The keys of the index: hashes of parts of a word.

use super::fold::{Folded, look_sum};
use super::node::Node;
use crate::domain::word_table::hash64;

/// Whether long words are also compared by their look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Looks {
    /// Only words one slip apart are near.
    #[default]
    Apart,
    /// Long words that look the same are near too.
    Alike,
}

/// The kind of entry under a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A word of a node, or the mark of the node.
    Node,
    /// A word that represents all words that agree in all but one character.
    Single,
    /// A word that represents all words with the same folded form. Words that equal their folded form need no such entry.
    Whole,
    /// A word that represents all words that look the same.
    Look,
}

/// Returns the bit for words of this many characters.
pub(super) const fn length_bit(length: usize) -> u128 {
    1 << if length < 127 { length } else { 127 }
}

/// Returns the key of the front and the back of a word.
pub(super) fn key(kind: Kind, front: &[u8], back: &[u8]) -> u64 {
    const TURN: u64 = 0xD6E8_FEB8_6659_FD93;
    let seed = match kind {
        Kind::Node => 1,
        Kind::Single => 2,
        Kind::Whole => 3,
        Kind::Look => 4,
    };
    let of_front = if front.is_empty() { seed } else { hash64(front, seed) };
    if back.is_empty() { of_front } else { hash64(back, of_front.wrapping_mul(TURN)) }
}

/// Returns the key of the look of a word; `None` if the word has no look.
pub(super) fn look_key(folded: &Folded<'_>) -> Option<u64> {
    look_sum(folded).map(|sum| key(Kind::Look, &sum.to_le_bytes(), &[]))
}

pub(super) fn node_key(kind: Kind, folded: &Folded<'_>, Node { front, back }: Node) -> u64 {
    key(kind, folded.front(front.into()), folded.back(back.into()))
}
