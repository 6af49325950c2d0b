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
//! overlap, and have no seam.) Where more than [`making::LIGHT`] words share a node, as all words with a common prefix do, the node
//! is marked as *heavy* and its words are kept under their own children instead, and so on, down to regions of one character:
//! there one word is kept for all that agree in the rest. Where the words of a heavy node share more than the node says, they
//! are divided there ([`Cut`]), which saves entries. A search follows the heavy nodes of the word that it looks for and
//! compares what it finds. It meets at most [`making::LIGHT`] words a node, and as many nodes as the word has characters at worst,
//! and never all that share a prefix. Three filters come before: of the first and the last bytes ([`Ends`]), of the root's children ([`Filter`]), and of what is left of the
//! words that share one without a character of the rest ([`Near`]).
//!
//! In long words a slip is seldom alone. Exact search for two slips would have to keep pairs of places, which takes hundreds
//! of entries for each word. Instead of it long words are compared by their [`look`] as well: letters that are no vowels, and
//! digits. `helth.diagnossys` looks like `health.diagnosis`. That finds any number of slips in vowels, doubled letters and
//! separators, and costs one entry and one probe.
//!
//! The hash is not keyed, and a caller cannot add words. One who chose a word by its hash would meet one long run of slots.

use super::vocabulary::{Vocabulary, hash64};
use edges::{Edges, Wanted};
use ends::{End, Ends};
use filter::Filter;
use fold::{Folded, Room, look, look_sum};
use making::{Made, Making};
use near::{Near, Places};
use node::{Cut, Division, Node, ROOT};

pub(super) use fold::Buffer;
pub(super) use sought::Sought;

mod edges;
mod ends;
mod filter;
mod fold;
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
    /// INVARIANT (slots): more than there are entries, and an entry is reached from its key's place without meeting `EMPTY`.
    slots: Vec<Slot>,
    /// The first and the last bytes of the words, and the first letters of their looks.
    starts: Ends,
    finishes: Ends,
    look_starts: Ends,
    /// Halves and looks of the words: most searches end here, and it is small enough for the processor's caches where the
    /// rest is not.
    first: Filter,
    /// All keys that something is kept under.
    filter: Filter,
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

impl Slips {
    /// Makes an index of the words that have a rank. Where one word is kept for several, it is one of the highest rank.
    pub(super) fn new(words: &Vocabulary, rank: impl Fn(u32) -> Option<u8>, looks: Looks) -> Self {
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

    /// Puts entries into slots; of those that stand for others the first in the order alone.
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

    /// Returns the place at which to begin to look for a key. Upper bits choose it, lower bits are the tag.
    const fn place(&self, key: u64) -> usize {
        (((key >> 32) * self.slots.len() as u64) >> 32) as usize
    }

    const fn after(&self, place: usize) -> usize {
        if place + 1 == self.slots.len() { 0 } else { place + 1 }
    }

    /// Returns a word within one slip of another, or that looks the same, among those that are accepted.
    ///
    /// A word that is accepted must have a rank, and not a lower one than any that is not accepted.
    pub(super) fn find(&self, words: &Vocabulary, sought: &Sought<'_>, accepts: impl Fn(u32) -> bool) -> Option<u32> {
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

    /// Says whether a word may be one slip away: by the filters.
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

    /// Says whether there are words with a character less, as many, and one more: a bit for each, lowest first.
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

/// Returns the key of words that look like a word; `None` where none does.
fn look_key(folded: &Folded<'_>) -> Option<u64> {
    look_sum(folded).map(|sum| key(Kind::Look, &sum.to_le_bytes(), &[]))
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

    /// Looks at the children of a heavy node, and notes those that are heavy.
    fn in_node(&self, (node, cut): (Node, Cut), seen: &mut Vec<Node>, open: &mut Vec<(Node, Cut)>) -> Option<u32> {
        let length = self.folded.len();
        let mut before: [Option<Node>; 2] = [None; 2];
        // Words with a character less, as many, and one more.
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
        if !self.slips.filter.may_have(key) {
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
