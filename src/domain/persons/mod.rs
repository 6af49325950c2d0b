//! Persons by identifier: from the identifier of a system, such as a customer number, to the pseudonym that a ledger keeps.
//!
//! ```text
//! text ─► Normalise ─► Identifier ─┐
//! Kind ────────────────────────────┼─► HMAC-SHA-256 under SubjectKey ─► Pseudonym (16 bytes)
//! year, exporter ──────────────────┘
//! ```
//!
//! The same identifier of the same [`Kind`] is the same person, whichever way it came. Knows no file and no random source:
//! a [`SubjectKey`] is made of bytes that others draw and keep.
//!
//! INVARIANT (never shown): no value of this module shows an identifier or a key, neither with `Debug` nor in an error.
//! `docs/persons.md` has the algorithm to the byte, with test vectors.

mod identifier;
mod key;
mod key_text;
mod kind;
mod normalise;
mod pseudonym;

pub use identifier::{IDENTIFIER_BYTES_MAX, Identifier, IdentifierFault, Subject};
pub use key::{KEY_BYTES, KeyFingerprint, SubjectKey};
pub use key_text::{KeyTextFault, parse_key, write_key};
pub use kind::Kind;
pub use normalise::{Normalise, OtherDigit, Step};
pub use pseudonym::{PSEUDONYM_BYTES, Pseudonym, PseudonymSpace, pseudonyms};
