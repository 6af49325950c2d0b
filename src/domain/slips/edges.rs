//! The edges of a region: a cheap check of a word before the full comparison.

use super::fold::Folded;
use super::node::Node;

/// The edges of a region: three characters of a long region, one byte of a short one. A slip is at one place, so of two words
/// one slip apart the first edges agree or the last edges agree, unless both regions are two swapped characters. So most words
/// that share a node need no comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Edges {
    first: u8,
    last: u8,
}

/// Fewest characters of a long region: two edges of three characters, with enough between them that a swap touches one edge.
pub(super) const LONG: usize = 8;

impl Edges {
    pub(super) fn of(folded: &Folded<'_>, node: Node) -> Self {
        if LONG <= node.region(folded.len()) { Self::of_long(folded, node) } else { Self::of_short(folded, node) }
    }

    pub(super) fn of_short(folded: &Folded<'_>, Node { front, back }: Node) -> Self {
        let region = folded.between(front.into(), back.into());
        Edges { first: region.first().copied().unwrap_or_default(), last: region.last().copied().unwrap_or_default() }
    }

    pub(super) fn of_long(folded: &Folded<'_>, Node { front, back }: Node) -> Self {
        let (front, end) = (usize::from(front), folded.len().saturating_sub(back.into()));
        let of = |from: usize| {
            let bytes = folded.between(from, folded.len().saturating_sub(from + 3)).iter();
            bytes.fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte))
        };
        Edges { first: of(front), last: of(end.saturating_sub(3)) }
    }

    pub(super) const fn may_be_a_slip(self, other: Edges) -> bool {
        self.first == other.first || self.last == other.last
    }
}

/// The edges that words one slip away may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    edges: Edges,
    /// The edges of the other kind, if the region of a known word of another length may be long and this one short, or the reverse.
    others: Option<Edges>,
}

impl Wanted {
    /// Returns the wanted edges; `None` if any edges will do.
    pub(super) fn of(folded: &Folded<'_>, node: Node) -> Option<Self> {
        let region = node.region(folded.len());
        let short = || Edges::of_short(folded, node);
        match region {
            2 => None,
            0..7 => Some(Wanted { edges: short(), others: None }),
            // The region of the other word may be one shorter or longer, and so on the other side of the limit.
            7..=LONG => Some(Wanted { edges: short(), others: Some(Edges::of_long(folded, node)) }),
            _ => Some(Wanted { edges: Edges::of_long(folded, node), others: None }),
        }
    }

    pub(super) fn may_be_a_slip(self, known: Edges) -> bool {
        self.edges.may_be_a_slip(known) || self.others.is_some_and(|others| others.may_be_a_slip(known))
    }
}
