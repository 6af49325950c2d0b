//! Nodes: the known parts of a word, and how its region is divided.

/// First mark of a heavy node; a mark includes the cut. No vocabulary has this many words.
pub(super) const HEAVY: u32 = u32::MAX - 4 * CUT_MAX;
/// Fewest shared characters, beyond those of the node, that move the cut from the middle.
pub(super) const CUT_MIN: usize = 2;
/// Most characters of a cut.
pub(super) const CUT_MAX: u32 = 1_024;

/// Numbers of characters of a word that are known at its front and at its back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) front: u16,
    pub(super) back: u16,
}

pub(super) const ROOT: Node = Node { front: 0, back: 0 };

/// Returns the number of characters that a child of the root knows of a word of `length` characters, at its front or its
/// back; `None` for a word that is too short for overlapping halves.
#[expect(clippy::cast_possible_truncation, reason = "a folded word has some hundreds of characters at most")]
pub(super) const fn half_of(length: usize) -> Option<u16> {
    if length <= 2 {
        return None;
    }
    let half = (length - 1) / 2;
    // Rounded, so that words of similar lengths mostly have the same children, and a search has fewer of them.
    Some(
        (if half < 4 {
            half
        } else if half < 8 {
            half & !1
        } else {
            half & !3
        }) as u16,
    )
}

impl Node {
    /// Returns the number of characters between front and back in a word of `length` characters.
    pub(super) const fn region(self, length: usize) -> usize {
        length.saturating_sub(self.front as usize + self.back as usize)
    }

    /// Divides the region of a word of `length` characters; `None` if the region has at most one character.
    #[expect(clippy::cast_possible_truncation, reason = "a folded word has some hundreds of characters at most")]
    pub(super) const fn divide(self, length: usize, cut: Cut) -> Option<Division> {
        let Node { front, back } = self;
        let region = self.region(length);
        if region <= 1 {
            return None;
        }
        if front + back == 0
            && let Some(half) = half_of(region)
        {
            return Some(Division {
                children: [Node { front: half, back: 0 }, Node { front: 0, back: half }],
                seam: None,
            });
        }
        let (first, end) = (front as usize, length - back as usize);
        let at = match cut {
            Cut::Front(shared) => shared as usize,
            Cut::Back(shared) => length.saturating_sub(shared as usize),
            Cut::Middle => 0,
        };
        let at = if first < at && at < end { at } else { first + region / 2 };
        let children = [Node { front: at as u16, back }, Node { front, back: (length - at) as u16 }];
        Some(Division { children, seam: Some(at - 1) })
    }
}

/// A division of the region of a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Division {
    pub(super) children: [Node; 2],
    /// The character before the seam, if there is a seam.
    pub(super) seam: Option<usize>,
}

/// The point at which the words of a heavy node are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// In the middle.
    Middle,
    /// After this many first characters, which they share.
    Front(u16),
    /// Before this many last characters, which they share.
    Back(u16),
}

impl Cut {
    /// Returns the mark of a heavy node.
    pub(super) const fn mark(self) -> u32 {
        match self {
            Cut::Middle => HEAVY,
            Cut::Front(shared) => HEAVY + shared as u32,
            Cut::Back(shared) => HEAVY + CUT_MAX + shared as u32,
        }
    }

    /// Reads a mark; `None` for the number of a word.
    #[expect(clippy::cast_possible_truncation, reason = "below `CUT_MAX`")]
    pub(super) const fn of_mark(number: u32) -> Option<Self> {
        match number.checked_sub(HEAVY) {
            None => None,
            Some(0) => Some(Cut::Middle),
            Some(shared @ 1..CUT_MAX) => Some(Cut::Front(shared as u16)),
            Some(shared) => Some(Cut::Back((shared - CUT_MAX) as u16)),
        }
    }
}
