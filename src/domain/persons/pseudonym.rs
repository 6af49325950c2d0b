//! Pseudonyms: which person it is, for those who have the key.
//!
//! The message under the key, in this order, without anything between:
//!
//! | field | bytes |
//! |---|---|
//! | tag | `neglist pseudonym 1`, in ASCII |
//! | year (Asia/Shanghai) | 4, most significant first |
//! | length of the exporter's name | 4, most significant first |
//! | exporter, in UTF-8 | |
//! | length of the kind | 4, most significant first |
//! | kind, in UTF-8 | |
//! | length of the normalised identifier | 4, most significant first |
//! | normalised identifier, in UTF-8 | |
//!
//! The pseudonym is the first 16 bytes of HMAC-SHA-256. It differs between years and exporters, so that two accounts do not
//! show that they have a person in common.

use std::fmt;

use super::identifier::{Identifier, Subject};
use super::key::{Message, SubjectKey};
use super::kind::Kind;
use crate::domain::units::Year;

/// Bytes of a pseudonym that a server makes. With a hundred million persons in an account, the chance that any two share one
/// is below 10⁻²².
pub const PSEUDONYM_BYTES: usize = 16;
/// Begins the message.
const TAG: &[u8] = b"neglist pseudonym 1";

/// A pseudonym that a server made of an identifier. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pseudonym([u8; PSEUDONYM_BYTES]);

impl Pseudonym {
    /// Returns its bytes.
    pub const fn to_bytes(self) -> [u8; PSEUDONYM_BYTES] {
        self.0
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Not shown by accident: a log line with a pseudonym would be about a person.
impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonym(…)")
    }
}

/// The pseudonyms of one kind of identifiers in one account: everything of the message but the identifier.
#[derive(Clone)]
pub struct PseudonymSpace {
    begun: Message,
}

impl PseudonymSpace {
    /// Returns the space of an exporter's persons in a year.
    pub fn new(key: &SubjectKey, year: Year, exporter: &str, kind: &Kind) -> Self {
        let mut begun = key.message();
        begun.add(TAG);
        begun.add(&u32::from(year.0).to_be_bytes());
        begun.add_field(exporter.as_bytes());
        begun.add_field(kind.name().as_bytes());
        Self { begun }
    }

    /// Returns the pseudonym of a person.
    pub fn pseudonym(&self, identifier: &Identifier) -> Pseudonym {
        let mut message = self.begun.clone();
        message.add_field(identifier.as_bytes());
        Pseudonym(message.first_bytes())
    }
}

/// Returns the pseudonyms of an exporter's persons in a year, in the order of `subjects`. Fastest if subjects of one kind are
/// next to one another.
pub fn pseudonyms<'s>(
    key: &'s SubjectKey,
    year: Year,
    exporter: &'s str,
    subjects: &'s [Subject],
) -> impl Iterator<Item = Pseudonym> + 's {
    let mut space: Option<(&Kind, PseudonymSpace)> = None;
    subjects.iter().map(move |Subject { kind, identifier }| {
        let (_, space) = match space.take().filter(|(of, _)| *of == kind) {
            Some(found) => space.insert(found),
            None => space.insert((kind, PseudonymSpace::new(key, year, exporter, kind))),
        };
        space.pseudonym(identifier)
    })
}

impl fmt::Debug for PseudonymSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudonymSpace(…)")
    }
}

#[cfg(test)]
#[path = "pseudonym_tests.rs"]
mod tests;
