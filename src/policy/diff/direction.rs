//! The direction of a change of the policies.

/// The direction of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// More is required.
    Stricter,
    /// Less is required.
    Looser,
}

impl Direction {
    /// Returns the word.
    pub const fn word(self) -> &'static str {
        match self {
            Direction::Stricter => "stricter",
            Direction::Looser => "looser",
        }
    }

    /// Returns the other direction.
    pub(super) const fn reversed(self) -> Self {
        match self {
            Direction::Stricter => Direction::Looser,
            Direction::Looser => Direction::Stricter,
        }
    }
}
