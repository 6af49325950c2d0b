//! The search for one key among those of an object.
//!
//! A duplicate key is reported, never resolved by picking one, because the server behind a gateway may pick the other. So is a
//! key that differs from the wanted key only in capitals: some servers, such as those that read JSON with the standard library
//! of Go, treat the two as the same.

/// The search for one key. Each key of the object is shown to [`Keys::look`], then [`Keys::occurrence`] is the result.
pub(super) struct Keys<'s> {
    wanted: &'s str,
    count: usize,
    is_in_other_capitals: bool,
}

/// Whether a key is the wanted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// The wanted key, for the first time.
    First,
    /// The wanted key once more.
    Again,
    /// Another key.
    Other,
}

/// How the wanted key occurs in the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occurrence {
    /// Once, and in no other capitals.
    Once,
    /// Not at all.
    Absent,
    /// Several times, some of them perhaps in other capitals.
    Repeated,
    /// In other capitals only.
    InOtherCapitals,
}

impl<'s> Keys<'s> {
    pub(super) const fn new(wanted: &'s str) -> Self {
        Self { wanted, count: 0, is_in_other_capitals: false }
    }

    pub(super) fn look(&mut self, key: &str) -> Looked {
        if key == self.wanted {
            self.count += 1;
            return if self.count == 1 { Looked::First } else { Looked::Again };
        }
        self.is_in_other_capitals |= folded(key).eq(folded(self.wanted));
        Looked::Other
    }

    pub(super) const fn occurrence(&self) -> Occurrence {
        match (self.count, self.is_in_other_capitals) {
            (1, false) => Occurrence::Once,
            (0, false) => Occurrence::Absent,
            (0, true) => Occurrence::InOtherCapitals,
            _ => Occurrence::Repeated,
        }
    }
}

/// Folds the case of a key. The folding starts with capitals, because `ſ` has the same capital as `s`.
fn folded(key: &str) -> impl Iterator<Item = char> {
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}
