//! Finds a word that is one slip away from another, exactly, whatever the number of words.
//!
//! A slip is a character too much, one too few, another one, or two neighbours swapped: a distance of one in optimal string
//! alignment. What cannot be seen or is taken for the same makes no difference: see [`Folded`].
//!
//! A slip lies at one place. So two words one slip apart agree before it and behind it:
//!
//! ```text
//!           a            region           b
//!   w  ├──────────┤····················├─────┤      a node: the first `a` and the last `b` characters of a word
//!      ├──────────────────┤············├─────┤      its children: either `x` characters more at the front,
//!      ├──────────┤············├─────────────┤      or `x` more at the back
//! ```
//!
//! The children of a node halve its region, so that a slip lies wholly within the region of one of them; only a swap may lie
//! across the *seam*, and that word is looked for whole. Of each word the children of its root are kept, hashed. (These
//! overlap, and have no seam.) Where more than [`LIGHT`] words share a node, as all words with a common prefix do, the node
//! is marked as *heavy* and its words are kept under their own children instead, and so on, down to regions of one character:
//! there one word is kept for all that agree in the rest. Where the words of a heavy node share more than the node says, they
//! are divided there ([`Cut`]), which saves entries. A search follows the heavy nodes of the word that it looks for and
//! compares what it finds. It meets at most [`LIGHT`] words a node, and as many nodes as the word has characters at worst,
//! and never all that share a prefix. Two filters come before: of the nodes, and of what is left of the words without one
//! character ([`Near`]).
//!
//! In long words a slip is seldom alone. Exact search for two slips would have to keep pairs of places, which takes hundreds
//! of entries for each word. Instead of it long words are compared by their [`look`] as well: letters that are no vowels, and
//! digits. `helth.diagnossys` looks like `health.diagnosis`. That finds any number of slips in vowels, doubled letters and
//! separators, and costs one entry and one probe.
//!
//! The hash is not keyed, and a caller cannot add words. One who chose a word by its hash would meet one long run of slots.

use std::cell::OnceCell;

use super::vocabulary::{Vocabulary, hash64};
use edges::{Edges, Wanted};
use fold::{Buffer, Folded, Room, look};
use near::Near;
use node::{CUT_MAX, CUT_MIN, Cut, Division, Node, ROOT};

mod edges;
mod fold;
mod near;
mod node;

/// So many words may share a node before it is heavy.
const LIGHT: usize = 6;
/// Bits of the filter for each entry, of which two are set: of other keys one in fifty has both.
const FILTER_BITS: usize = 16;
/// Slots for three entries.
const SLOTS_FOR_THREE: usize = 4;

/// An index over the words of one vocabulary.
#[derive(Debug, Clone, Default)]
pub(super) struct Slips {
    /// INVARIANT (slots): more than there are entries, and an entry is reached from its key's place without meeting `EMPTY`.
    slots: Vec<Slot>,
    /// Bits for each key that something is kept under, and for few others: most searches end here, and it is small enough
    /// for the processor's caches where the slots are not.
    filter: Vec<u64>,
    /// What is left of the words without one character: most searches that do not end at the filter end here.
    near: Near,
    /// Bit `n`: there is a word of `n` characters; the last bit: of so many or more.
    lengths: u128,
    /// Whether long words are compared by their look too.
    looks: Looks,
    /// Whether words are not what they are when they are folded.
    has_wholes: bool,
}

/// Whether long words are compared by their look too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Looks {
    /// One slip, and no more.
    #[default]
    Apart,
    /// Long words that look the same are as near as those one slip apart.
    Alike,
}

/// A word under a key, or the mark of a heavy node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    /// Bits of the key that do not choose the place.
    tag: u16,
    /// Of a word under a node: its region's edges.
    edges: Edges,
    /// Number of the word; `EMPTY`; or from `HEAVY` on, less than `EMPTY`, the mark of a heavy node.
    number: u32,
}

const EMPTY: u32 = u32::MAX;
/// What is kept under a key.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Words that share a node, or its mark.
    Node,
    /// One of the words that agree in all but one character.
    Single,
    /// One of the words that are the same when they are folded, and were not before: others are found by themselves.
    Whole,
    /// One of the words that look the same.
    Look,
}

/// A word under a key, while the index is made.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: u64,
    /// Place of the word in the order of importance.
    order: u32,
    node: Node,
    edges: Edges,
}

impl Slips {
    /// Makes an index of the words that have a rank. Where one word is kept for several, it is one of the highest rank.
    pub(super) fn new(words: &Vocabulary, rank: impl Fn(u32) -> Option<u8>, looks: Looks) -> Self {
        let all = 0..u32::try_from(words.len()).unwrap_or(u32::MAX);
        let mut ordered: Vec<(u8, u32)> = all.filter_map(|number| Some((rank(number)?, number))).collect();
        ordered.sort_by_key(|(rank, number)| (std::cmp::Reverse(*rank), *number));
        let ordered: Vec<u32> = ordered.into_iter().map(|(_, number)| number).collect();
        let mut making =
            Making { words, ordered, entries: Vec::new(), next: Vec::new(), lengths: 0, has_wholes: false };
        making.roots(looks);
        while !making.next.is_empty() {
            making.level();
        }
        let near = making.near();
        let Making { lengths, has_wholes, .. } = making;
        let mut slips = Slips { near, lengths, looks, has_wholes, ..Slips::default() };
        slips.fill(making.entries);
        slips
    }

    /// Says whether nothing was indexed.
    pub(super) const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Puts entries into slots; of those that stand for others the first in the order alone.
    fn fill(&mut self, mut entries: Vec<(u64, u32, Edges)>) {
        entries.sort_unstable();
        entries.dedup();
        self.slots = vec![
            Slot { tag: 0, edges: Edges::default(), number: EMPTY };
            (entries.len() * SLOTS_FOR_THREE).div_ceil(3) + 1
        ];
        self.filter = vec![0; (entries.len() * FILTER_BITS).div_ceil(64) + 1];
        for (key, number, edges) in entries {
            let (word, bits) = self.filter_bits(key);
            if let Some(word) = self.filter.get_mut(word) {
                *word |= bits;
            }
            let mut place = self.place(key);
            while let Some(slot) = self.slots.get_mut(place) {
                if slot.number == EMPTY {
                    *slot = Slot { tag: tag(key), edges, number };
                    break;
                }
                place = self.after(place);
            }
        }
    }

    /// Returns the place at which to begin to look for a key. Upper bits choose it, lower bits are the tag.
    const fn place(&self, key: u64) -> usize {
        (((key >> 32) * self.slots.len() as u64) >> 32) as usize
    }

    /// Returns where in the filter the bits of a key are. Lower bits of it choose the word, upper ones the bits within.
    const fn filter_bits(&self, key: u64) -> (usize, u64) {
        let word = ((key & 0xFFFF_FFFF) * self.filter.len() as u64) >> 32;
        (word as usize, 1 << (key >> 58) | 1 << (key >> 52 & 63))
    }

    fn may_have(&self, key: u64) -> bool {
        let (word, bits) = self.filter_bits(key);
        self.filter.get(word).is_some_and(|word| word & bits == bits)
    }

    const fn after(&self, place: usize) -> usize {
        if place + 1 == self.slots.len() { 0 } else { place + 1 }
    }

    /// Returns a word within one slip of another, or that looks the same, among those that are accepted.
    ///
    /// A word that is accepted must have a rank, and not a lower one than any that is not accepted.
    pub(super) fn find(&self, words: &Vocabulary, word: &str, accepts: impl Fn(u32) -> bool) -> Option<u32> {
        // No word has a length: none is known.
        if self.lengths == 0 {
            return None;
        }
        let mut buffer = Buffer::default();
        let folded = Folded::new(word, &mut buffer)?;
        let search = Search { slips: self, words, folded: &folded, accepts, is_near: OnceCell::new() };
        search.by_look().or_else(|| search.by_slip())
    }
}

const fn length_bit(length: usize) -> u128 {
    1 << if length < 127 { length } else { 127 }
}

#[expect(clippy::cast_possible_truncation, reason = "the lowest quarter")]
const fn tag(key: u64) -> u16 {
    key as u16
}

/// Returns the key of what is known of a word: its front and its back.
fn key(kind: Kind, front: &[u8], back: &[u8]) -> u64 {
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

/// An index in the making.
struct Making<'v> {
    words: &'v Vocabulary,
    /// Numbers in the order of their importance.
    ordered: Vec<u32>,
    /// What is kept.
    entries: Vec<(u64, u32, Edges)>,
    /// What is kept under a node, unless the node is heavy.
    next: Vec<Entry>,
    lengths: u128,
    has_wholes: bool,
}

impl Making<'_> {
    /// Divides every word once, and keeps its look.
    fn roots(&mut self, looks: Looks) {
        let mut by_look: Vec<(u64, u32)> = Vec::new();
        let mut singles = Vec::new();
        for (order, number) in (0..).zip(&self.ordered) {
            let mut buffer = Buffer::default();
            let Some(folded) = Folded::new(self.words.word(*number), &mut buffer) else { continue };
            self.lengths |= length_bit(folded.len());
            divide(&folded, order, (ROOT, Cut::Middle), &mut self.next, &mut singles);
            if folded.bytes() != self.words.word_bytes(*number) {
                self.has_wholes = true;
                singles.push((key(Kind::Whole, folded.bytes(), &[]), order));
            }
            if looks == Looks::Alike
                && let Some(look) = look(&folded, &mut Room::default())
            {
                by_look.push((key(Kind::Look, look, &[]), order));
            }
        }
        self.keep_first(by_look);
        self.keep_first(singles);
    }

    /// Returns the filter of what is left of the words.
    fn near(&self) -> Near {
        let words = || self.ordered.iter().map(|number| self.words.word(*number));
        let characters = words().map(str::len).sum();
        let mut near = Near::with_room(characters, self.ordered.len());
        for word in words() {
            if let Some(folded) = Folded::new(word, &mut Buffer::default()) {
                near.add(&folded);
            }
        }
        near
    }

    /// Keeps the words of light nodes, marks heavy ones, and divides the words of these once more.
    fn level(&mut self) {
        let mut level = std::mem::take(&mut self.next);
        level.sort_unstable_by_key(|entry| (entry.key, entry.order));
        // Two ways lead to some nodes.
        level.dedup_by_key(|entry| (entry.key, entry.order));
        let mut singles = Vec::new();
        for shared in level.chunk_by(|a, b| a.key == b.key) {
            let Some(first) = shared.first() else { continue };
            if shared.len() <= LIGHT {
                let ordered = &self.ordered;
                let kept = |entry: &Entry| Some((entry.key, *ordered.get(entry.order as usize)?, entry.edges));
                self.entries.extend(shared.iter().filter_map(kept));
                continue;
            }
            let cut = self.cut(shared);
            self.entries.push((first.key, cut.mark(), Edges::default()));
            for entry in shared {
                let mut buffer = Buffer::default();
                let Some(folded) = folded(self.words, &self.ordered, entry.order, &mut buffer) else { continue };
                divide(&folded, entry.order, (entry.node, cut), &mut self.next, &mut singles);
            }
        }
        self.keep_first(singles);
    }

    /// Returns where to divide words that share a node: where what all of them share ends.
    fn cut(&self, shared: &[Entry]) -> Cut {
        let (mut of_first, mut of_other) = (Buffer::default(), Buffer::default());
        let Some(Entry { node, order, .. }) = shared.first() else { return Cut::Middle };
        let Some(first) = folded(self.words, &self.ordered, *order, &mut of_first) else { return Cut::Middle };
        let (mut at_front, mut at_back) = (usize::MAX, usize::MAX);
        for entry in shared {
            of_other.clear();
            let Some(other) = folded(self.words, &self.ordered, entry.order, &mut of_other) else {
                return Cut::Middle;
            };
            // Within the region of each, so that none is divided outside of it.
            at_front = at_front.min(first.shares_front(&other)).min(other.len().saturating_sub(node.back.into()));
            at_back = at_back.min(first.shares_back(&other)).min(other.len().saturating_sub(node.front.into()));
        }
        let more = (at_front.saturating_sub(usize::from(node.front)), at_back.saturating_sub(usize::from(node.back)));
        let of = |shared: usize| u16::try_from(shared).ok().filter(|shared| u32::from(*shared) < CUT_MAX);
        let cut = match more {
            (0..CUT_MIN, 0..CUT_MIN) => None,
            (front, back) if back <= front => of(at_front).map(Cut::Front),
            _ => of(at_back).map(Cut::Back),
        };
        cut.unwrap_or(Cut::Middle)
    }

    /// Keeps one word for each key: the first in the order.
    fn keep_first(&mut self, mut found: Vec<(u64, u32)>) {
        found.sort_unstable();
        found.dedup_by_key(|(key, _)| *key);
        let ordered = &self.ordered;
        self.entries.extend(
            found.iter().filter_map(|(key, order)| Some((*key, *ordered.get(*order as usize)?, Edges::default()))),
        );
    }
}

/// Returns a word by its place in the order.
fn folded<'b>(words: &Vocabulary, ordered: &[u32], order: u32, buffer: &'b mut Buffer) -> Option<Folded<'b>> {
    Folded::new(words.word(*ordered.get(order as usize)?), buffer)
}

/// Adds what a word is kept under within a node: its children, or at the end of all division one for all such words.
fn divide(
    folded: &Folded<'_>,
    order: u32,
    (node, cut): (Node, Cut),
    next: &mut Vec<Entry>,
    singles: &mut Vec<(u64, u32)>,
) {
    let Some(Division { children, .. }) = node.divide(folded.len(), cut) else {
        singles.push((node_key(Kind::Single, folded, node), order));
        return;
    };
    for node in children {
        if node.region(folded.len()) <= 1 {
            singles.push((node_key(Kind::Single, folded, node), order));
        } else {
            let key = node_key(Kind::Node, folded, node);
            next.push(Entry { key, order, node, edges: Edges::of(folded, node) });
        }
    }
}

fn node_key(kind: Kind, folded: &Folded<'_>, Node { front, back }: Node) -> u64 {
    key(kind, folded.front(front.into()), folded.back(back.into()))
}

/// A search for one word.
struct Search<'s, A> {
    slips: &'s Slips,
    words: &'s Vocabulary,
    folded: &'s Folded<'s>,
    accepts: A,
    /// Whether some word may be one slip away: looked at once, and only where the filter of nodes lets the word pass.
    is_near: OnceCell<bool>,
}

impl<A: Fn(u32) -> bool> Search<'_, A> {
    fn by_look(&self) -> Option<u32> {
        if self.slips.looks == Looks::Apart {
            return None;
        }
        let mut room = Room::default();
        let wanted = look(self.folded, &mut room)?;
        let looks_the_same = |known: &Folded<'_>| look(known, &mut Room::default()) == Some(wanted);
        self.probe(key(Kind::Look, wanted, &[]), None, looks_the_same).found
    }

    /// Follows the heavy nodes of the word.
    fn by_slip(&self) -> Option<u32> {
        let mut seen: Vec<Node> = Vec::new();
        let mut open: Vec<(Node, Cut)> = Vec::new();
        let mut next = (ROOT, Cut::Middle);
        loop {
            if let Some(found) = self.in_node(next, &mut seen, &mut open) {
                return Some(found);
            }
            next = open.pop()?;
        }
    }

    /// Looks at the children of a heavy node, and notes those that are heavy.
    fn in_node(&self, (node, cut): (Node, Cut), seen: &mut Vec<Node>, open: &mut Vec<(Node, Cut)>) -> Option<u32> {
        let length = self.folded.len();
        let mut before: [Option<Node>; 2] = [None; 2];
        // Words with a character less, as many, and one more.
        for known in [length.saturating_sub(1), length, length + 1].into_iter().filter(|length| self.has(*length)) {
            let Some(Division { children, seam }) = node.divide(known, cut) else {
                if let Some(found) = self.in_leaf(node, known) {
                    return Some(found);
                }
                continue;
            };
            if let Some(seam) = seam.filter(|_| known == length)
                && let Some(found) = self.folded.with_swapped(seam, |swapped| self.whole(swapped))
            {
                return Some(found);
            }
            for (child, before) in children.into_iter().zip(&mut before) {
                if length < usize::from(child.front + child.back) {
                    continue;
                }
                if child.region(known) <= 1 {
                    if let Some(found) = self.in_leaf(child, known) {
                        return Some(found);
                    }
                    continue;
                }
                // Words of similar lengths mostly have the same children.
                if *before == Some(child) {
                    continue;
                }
                *before = Some(child);
                let key = node_key(Kind::Node, self.folded, child);
                if !self.slips.may_have(key) || !self.may_be_near() {
                    continue;
                }
                let wanted = Wanted::of(self.folded, child);
                let probed = self.probe(key, wanted, |known| self.is_slip(known));
                if probed.found.is_some() {
                    return probed.found;
                }
                if let Some(cut) = probed.heavy.filter(|_| !seen.contains(&child)) {
                    seen.push(child);
                    open.push((child, cut));
                }
            }
        }
        None
    }

    fn may_be_near(&self) -> bool {
        *self.is_near.get_or_init(|| self.slips.near.may_be_near(self.folded))
    }

    fn is_slip(&self, known: &Folded<'_>) -> bool {
        known.is_slip_of(self.folded)
    }

    fn whole(&self, word: &[u8]) -> Option<u32> {
        if let Some(known) = self.words.get_bytes(word).filter(|known| (self.accepts)(*known)) {
            return Some(known);
        }
        if !self.slips.has_wholes {
            return None;
        }
        self.probe(key(Kind::Whole, word, &[]), None, |known| self.is_slip(known)).found
    }

    const fn has(&self, length: usize) -> bool {
        self.slips.lengths & length_bit(length) != 0
    }

    /// Looks for words of `known` characters whose region has one character.
    fn in_leaf(&self, node: Node, known: usize) -> Option<u32> {
        if known < self.folded.len() {
            // One character too much here: it is one of two.
            let place = usize::from(node.front);
            return [place, place + 1]
                .into_iter()
                .find_map(|place| self.folded.with_one_less(place, |less| self.whole(less)));
        }
        // Another character here, or none.
        self.probe(node_key(Kind::Single, self.folded, node), None, |known| self.is_slip(known)).found
    }

    /// Looks at what is kept under a key; where edges are wanted, at words with such alone.
    fn probe(&self, key: u64, wanted: Option<Wanted>, is_near: impl Fn(&Folded<'_>) -> bool) -> Probed {
        let mut probed = Probed { found: None, heavy: None };
        if !self.slips.may_have(key) {
            return probed;
        }
        let mut place = self.slips.place(key);
        // (slots) one of them is empty.
        while let Some(slot) = self.slips.slots.get(place).filter(|slot| slot.number != EMPTY) {
            if slot.tag == tag(key) {
                if let Some(cut) = Cut::of_mark(slot.number) {
                    probed.heavy = Some(cut);
                } else if wanted.is_none_or(|wanted| wanted.may_be_a_slip(slot.edges))
                    && (self.accepts)(slot.number)
                    && self.is_near(slot.number, &is_near)
                {
                    probed.found = Some(slot.number);
                    return probed;
                }
            }
            place = self.slips.after(place);
        }
        probed
    }

    fn is_near(&self, number: u32, is_near: impl Fn(&Folded<'_>) -> bool) -> bool {
        let mut buffer = Buffer::default();
        Folded::new(self.words.word(number), &mut buffer).is_some_and(|known| is_near(&known))
    }
}

/// What is kept under a key.
struct Probed {
    found: Option<u32>,
    heavy: Option<Cut>,
}

#[cfg(test)]
#[path = "slips_tests.rs"]
mod tests;
