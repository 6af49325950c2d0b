//! Finds a word that is one slip away from another, exactly, among any number of words.
//!
//! A slip is one extra character, one missing character, one different character, or two swapped neighbours: a distance of
//! one in optimal string alignment. Invisible and equivalent characters make no difference: see [`Folded`].
//!
//! A slip is at one place, so two words one slip apart agree before it and behind it:
//!
//! ```text
//!           a            region           b
//!   w  ├──────────┤····················├─────┤      a node: the first `a` and the last `b` characters of a word
//!      ├──────────────────┤············├─────┤      its children: `x` more characters at the front,
//!      ├──────────┤············├─────────────┤      or `x` more at the back
//! ```
//!
//! The children of a node halve its region, so a slip lies within the region of one child. Only a swap may lie across the
//! *seam* between them; the search looks that word up whole. The index keeps each word under the hashed children of its root.
//! (These overlap, and have no seam.) If more than [`making::LIGHT`] words share a node, as all words with a common prefix do,
//! the node is marked as *heavy*, and its words are kept under its own children instead. This continues down to regions of one
//! character, where one word represents all words that agree in the rest. If the words of a heavy node share more than the
//! node says, they are divided at that point ([`Cut`]), which saves entries.
//!
//! A search follows the heavy nodes of the word and compares the words that it finds. It meets at most [`making::LIGHT`] words
//! in a node, and at worst as many nodes as the word has characters, but never all words that share a prefix. Three filters come
//! first: one of the first and the last bytes ([`Ends`]), one of the root's children ([`Filter`]), and one of the words that
//! share such a child, each without one character of the rest ([`Near`]).
//!
//! In long words a slip is seldom alone. An exact search for two slips would keep pairs of places, hundreds of entries for each
//! word. Instead, long words are also compared by their [`look`]: consonants and digits. `helth.diagnossys` looks like
//! `health.diagnosis`. This finds any number of slips in vowels, doubled letters and separators, for one entry and one probe.
//!
//! The hash is not keyed, because a caller cannot add words. A caller that chooses a word by its hash meets one long run of
//! slots at most.

use super::word_table::WordTable;
use edges::{Edges, Wanted};
use ends::{End, Ends};
use filter::Filter;
use fold::{Folded, Room, look};
use key::{Kind, key, length_bit, node_key};
use making::{Made, Making};
use near::{Near, Places};
use node::{Cut, Division, Node, ROOT};

pub(super) use fold::Buffer;
pub use key::Looks;
pub(super) use sought::Sought;

mod edges;
mod ends;
mod filter;
mod fold;
mod key;
mod making;
mod near;
mod node;
mod sought;

/// Bits of the filter for each entry.
const FILTER_BITS: usize = 16;
/// Slots for two entries.
const SLOTS_FOR_TWO: usize = 3;

/// An index over the words of one vocabulary.
#[derive(Debug, Clone, Default)]
pub(super) struct Slips {
    /// INVARIANT (slots): more slots than entries; probing from a key's place reaches its entry before any `EMPTY`.
    slots: Vec<Slot>,
    /// The first and the last bytes of the words, and the first letters of their looks.
    starts: Ends,
    finishes: Ends,
    look_starts: Ends,
    /// Halves and looks of the words. Most searches end here. Unlike the rest, it is small enough for the processor's caches.
    first: Filter,
    /// All keys of the index.
    filter: Filter,
    /// The words without one character. Most searches that pass the first filter end here.
    near: Near,
    /// Bit `n` is set if there is a word of `n` characters; the last bit also covers longer words.
    lengths: u128,
    /// Whether long words are compared by their look too.
    looks: Looks,
    /// Whether some words differ from their folded form.
    has_wholes: bool,
}

/// A word under a key, or the mark of a heavy node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    /// Bits of the key that do not choose the place.
    tag: u16,
    /// For a word under a node, the edges of its region.
    edges: Edges,
    /// Number of the word, or `EMPTY`, or the mark of a heavy node (from `HEAVY` on, below `EMPTY`).
    number: u32,
}

const EMPTY: u32 = u32::MAX;
impl Slips {
    /// Makes an index of the words that have a rank. A word that represents several has the highest rank among them.
    pub(super) fn new(words: &WordTable, rank: impl Fn(u32) -> Option<u8>, looks: Looks) -> Self {
        let all = 0..u32::try_from(words.len()).unwrap_or(u32::MAX);
        let mut ordered: Vec<(u8, u32)> = all.filter_map(|number| Some((rank(number)?, number))).collect();
        ordered.sort_by_key(|(rank, number)| (std::cmp::Reverse(*rank), *number));
        let ordered: Vec<u32> = ordered.into_iter().map(|(_, number)| number).collect();
        let Made { entries, starts, finishes, look_starts, first, near, lengths, has_wholes } =
            Making::new(words, ordered).make(looks);
        let mut slips =
            Slips { starts, finishes, look_starts, first, near, lengths, looks, has_wholes, ..Slips::default() };
        slips.fill(entries);
        slips
    }

    /// Says whether nothing was indexed.
    pub(super) const fn is_empty(&self) -> bool {
        // No word has a length.
        self.lengths == 0
    }

    /// Puts entries into slots, each once.
    fn fill(&mut self, mut entries: Vec<(u64, u32, Edges)>) {
        entries.sort_unstable();
        entries.dedup();
        self.slots = vec![
            Slot { tag: 0, edges: Edges::default(), number: EMPTY };
            (entries.len() * SLOTS_FOR_TWO).div_ceil(2) + 1
        ];
        self.filter = Filter::of(entries.iter().map(|(key, ..)| *key), FILTER_BITS);
        for (key, number, edges) in entries {
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

    /// Returns the slot at which a search for a key begins. Upper bits of the key choose it, lower bits are the tag.
    const fn place(&self, key: u64) -> usize {
        (((key >> 32) * self.slots.len() as u64) >> 32) as usize
    }

    const fn after(&self, place: usize) -> usize {
        if place + 1 == self.slots.len() { 0 } else { place + 1 }
    }

    /// Returns an accepted word that is within one slip of `sought`, or looks the same.
    ///
    /// An accepted word must have a rank, and no word that is not accepted may have a higher rank.
    pub(super) fn find(&self, words: &WordTable, sought: &Sought<'_>, accepts: impl Fn(u32) -> bool) -> Option<u32> {
        if self.is_empty() {
            return None;
        }
        let folded = sought.folded();
        let may_look_like = || End::of_look(folded).is_some_and(|start| self.look_starts.may_have(start));
        let looks_count = self.looks == Looks::Alike && may_look_like();
        let look = looks_count.then(|| sought.look()).flatten().filter(|key| self.first.may_have(*key));
        let may_be_near = self.may_be_near(sought);
        let search = Search { slips: self, words, folded, accepts };
        if let Some(found) = look.and_then(|key| search.by_look(key)) {
            return Some(found);
        }
        if may_be_near { search.by_slip() } else { None }
    }

    /// Says whether a word may be one slip away, by the filters alone.
    fn may_be_near(&self, sought: &Sought<'_>) -> bool {
        let folded = sought.folded();
        let Some(halves) = sought.halves() else { return true };
        let near_lengths = self.lengths_near(folded.len());
        let (start, finish) = sought.ends();
        let has_start = start.is_none_or(|start| self.starts.may_have(start));
        let has_finish = finish.is_none_or(|finish| self.finishes.may_have(finish));
        halves.filter(|half| half.lengths & near_lengths != 0).any(|half| {
            let front = (has_start || !half.has_end()).then(|| half.front(folded));
            let back = (has_finish || !half.has_end()).then(|| half.back(folded));
            let known = |key: Option<u64>| key.filter(|key| self.first.may_have(*key));
            let (front, back) = (known(front), known(back));
            front.is_some_and(|key| self.near.may_be_near(folded, key, Places::Behind(half.characters)))
                || back.is_some_and(|key| self.near.may_be_near(folded, key, Places::Before(half.characters)))
        })
    }

    /// Says whether there are words with one character less, the same number, and one more: a bit for each, lowest first.
    #[expect(clippy::cast_possible_truncation, reason = "three bits")]
    const fn lengths_near(&self, length: usize) -> u8 {
        match length {
            1..126 => (self.lengths >> (length - 1)) as u8 & 0b111,
            _ => 0b111,
        }
    }

    const fn has(&self, length: usize) -> bool {
        self.lengths & length_bit(length) != 0
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lowest quarter")]
const fn tag(key: u64) -> u16 {
    key as u16
}

/// A search for one word.
struct Search<'s, A> {
    slips: &'s Slips,
    words: &'s WordTable,
    folded: &'s Folded<'s>,
    accepts: A,
}

impl<A: Fn(u32) -> bool> Search<'_, A> {
    fn by_look(&self, key: u64) -> Option<u32> {
        let mut room = Room::default();
        let wanted = look(self.folded, &mut room)?;
        let looks_the_same = |known: &Folded<'_>| look(known, &mut Room::default()) == Some(wanted);
        self.probe(key, None, looks_the_same).found
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

    /// Searches the children of a heavy node, and notes those that are heavy.
    fn in_node(&self, (node, cut): (Node, Cut), seen: &mut Vec<Node>, open: &mut Vec<(Node, Cut)>) -> Option<u32> {
        let length = self.folded.len();
        let mut before: [Option<Node>; 2] = [None; 2];
        // Known words with one character less, the same number, and one more.
        for known in [length.saturating_sub(1), length, length + 1].into_iter().filter(|length| self.slips.has(*length))
        {
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
                if !self.slips.filter.may_have(key) {
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

    /// Searches for words of `known` characters whose region has one character.
    fn in_leaf(&self, node: Node, known: usize) -> Option<u32> {
        if known < self.folded.len() {
            // The sought word has an extra character here: one of two.
            let place = usize::from(node.front);
            return [place, place + 1]
                .into_iter()
                .find_map(|place| self.folded.with_one_less(place, |less| self.whole(less)));
        }
        // A different character here, or a missing one.
        self.probe(node_key(Kind::Single, self.folded, node), None, |known| self.is_slip(known)).found
    }

    /// Compares the words under a key; only those with the wanted edges, if any are given.
    fn probe(&self, key: u64, wanted: Option<Wanted>, is_near: impl Fn(&Folded<'_>) -> bool) -> Probed {
        let mut probed = Probed { found: None, heavy: None };
        if !self.slips.filter.may_have(key) {
            return probed;
        }
        let mut place = self.slips.place(key);
        // (slots) at least one slot is empty, so the loop ends.
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

/// Result of a probe: a word that is near, and the cut of a heavy node.
struct Probed {
    found: Option<u32>,
    heavy: Option<Cut>,
}

#[cfg(test)]
#[path = "slips_tests.rs"]
mod tests;
