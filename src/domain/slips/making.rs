//! Makes an index: the entries for each word, and the filters.

use super::edges::Edges;
use super::ends::{End, Ends};
use super::filter::Filter;
use super::fold::{Buffer, Folded};
use super::key::{Kind, Looks, key, length_bit, look_key, node_key};
use super::near::{Near, Places};
use super::node::{CUT_MAX, CUT_MIN, Cut, Division, Node, ROOT};
use super::sought::Half;
use crate::domain::word_table::WordTable;

/// Most words that share a node before it is heavy.
pub(super) const LIGHT: usize = 6;
/// Bits of the first filter for each half or look.
const FIRST_FILTER_BITS: usize = 16;

/// A word under a key, while the index is made.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: u64,
    /// Position of the word in the order of importance.
    order: u32,
    node: Node,
    edges: Edges,
}

/// The parts of an index.
pub(super) struct Made {
    /// Entries: key, number of a word or mark, edges.
    pub(super) entries: Vec<(u64, u32, Edges)>,
    pub(super) starts: Ends,
    pub(super) finishes: Ends,
    pub(super) look_starts: Ends,
    pub(super) first: Filter,
    pub(super) near: Near,
    pub(super) lengths: u128,
    pub(super) has_wholes: bool,
}

/// An index in the making.
pub(super) struct Making<'v> {
    words: &'v WordTable,
    /// Numbers in the order of their importance.
    ordered: Vec<u32>,
    /// The entries so far.
    entries: Vec<(u64, u32, Edges)>,
    /// The entries of the next level, for nodes that may turn out heavy.
    next: Vec<Entry>,
    /// Keys of looks, each once.
    looks: Vec<u64>,
    lengths: u128,
    has_wholes: bool,
}

impl<'v> Making<'v> {
    /// Begins with words in the order of their importance.
    pub(super) fn new(words: &'v WordTable, ordered: Vec<u32>) -> Self {
        let (entries, next, looks) = (Vec::new(), Vec::new(), Vec::new());
        Making { words, ordered, entries, next, looks, lengths: 0, has_wholes: false }
    }

    /// Makes an index of them.
    pub(super) fn make(mut self, looks: Looks) -> Made {
        self.roots(looks);
        while !self.next.is_empty() {
            self.level();
        }
        let [starts, finishes, look_starts] = self.ends();
        let (first, near) = self.filters();
        let Making { entries, lengths, has_wholes, .. } = self;
        Made { entries, starts, finishes, look_starts, first, near, lengths, has_wholes }
    }

    /// Divides every word once, and adds an entry for its look.
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
                && let Some(key) = look_key(&folded)
            {
                by_look.push((key, order));
            }
        }
        self.looks = self.keep_first(by_look);
        self.keep_first(singles);
    }

    /// Returns the sets of the first and the last bytes of the words, and of the first letters of their looks.
    fn ends(&self) -> [Ends; 3] {
        let mut sets = [(); 3].map(|()| Ends::with_room(self.ordered.len()));
        for word in self.all_words() {
            let mut buffer = Buffer::default();
            let Some(folded) = Folded::new(word, &mut buffer) else { continue };
            for (set, end) in sets.iter_mut().zip([End::first(&folded), End::last(&folded), End::of_look(&folded)]) {
                if let Some(end) = end {
                    set.add(end);
                }
            }
        }
        sets
    }

    /// Returns the filter of halves and looks, and the filter of words without one character.
    fn filters(&mut self) -> (Filter, Near) {
        let mut groups: Vec<(u64, u64)> = Vec::new();
        for word in self.all_words() {
            let mut buffer = Buffer::default();
            let Some(folded) = Folded::new(word, &mut buffer) else { continue };
            let Some(half) = Half::of_known(&folded) else { continue };
            let keys = folded.len() as u64 + 1 - u64::from(half.characters);
            groups.extend([(half.front(&folded), keys), (half.back(&folded), keys)]);
        }
        groups.sort_unstable();
        groups.dedup_by(|(half, keys), (first, sum)| {
            let is_same = half == first;
            *sum += if is_same { *keys } else { 0 };
            is_same
        });
        let mut near = Near::of(&groups);
        for word in self.all_words() {
            let mut buffer = Buffer::default();
            let Some(folded) = Folded::new(word, &mut buffer) else { continue };
            let Some(half) = Half::of_known(&folded) else { continue };
            near.add(&folded, half.front(&folded), Places::Behind(half.characters));
            near.add(&folded, half.back(&folded), Places::Before(half.characters));
        }
        let mut keys = std::mem::take(&mut self.looks);
        keys.extend(groups.iter().map(|(half, _)| *half));
        (Filter::of(keys.into_iter(), FIRST_FILTER_BITS), near)
    }

    fn all_words(&self) -> impl Iterator<Item = &str> {
        self.ordered.iter().map(|number| self.words.word(*number))
    }

    /// Adds entries for the words of light nodes, marks heavy nodes, and divides the words of heavy nodes further.
    fn level(&mut self) {
        let mut level = std::mem::take(&mut self.next);
        level.sort_unstable_by_key(|entry| (entry.key, entry.order));
        // A word can reach a node in two ways.
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

    /// Returns where to divide the words of a node: at the end of the part that all of them share.
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
            // Limited to the region of each word, so that no word is divided outside its region.
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

    /// Adds one entry for each key, for the first word in the order, and returns the keys.
    fn keep_first(&mut self, mut found: Vec<(u64, u32)>) -> Vec<u64> {
        found.sort_unstable();
        found.dedup_by_key(|(key, _)| *key);
        let ordered = &self.ordered;
        self.entries.extend(
            found.iter().filter_map(|(key, order)| Some((*key, *ordered.get(*order as usize)?, Edges::default()))),
        );
        found.into_iter().map(|(key, _)| key).collect()
    }
}

/// Returns a word by its position in the order.
fn folded<'b>(words: &'b WordTable, ordered: &[u32], order: u32, buffer: &'b mut Buffer) -> Option<Folded<'b>> {
    Folded::new(words.word(*ordered.get(order as usize)?), buffer)
}

/// Adds the entries of a word for the children of a node, or a single entry if the region cannot be divided further.
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
