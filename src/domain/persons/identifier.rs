//! An identifier of a person, normalised and within its bounds.

use std::fmt;

use super::kind::Kind;
use super::normalise::{Normalise, OtherDigit};

/// Most bytes of an identifier, before normalisation. An e-mail address has at most 254; the rest is for identifiers that are
/// URLs.
pub const IDENTIFIER_BYTES_MAX: usize = 1_024;

/// An identifier of a person, normalised. Not empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(Box<str>);

/// Why a text is no identifier. Says nothing of the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentifierFault {
    /// Nothing is left of it after normalisation.
    Empty,
    /// It has more than [`IDENTIFIER_BYTES_MAX`] bytes.
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// It has a decimal digit of another script, and only digits are to remain.
    OtherDigit,
}

impl Identifier {
    /// Returns the identifier of a text.
    ///
    /// # Errors
    /// The text is too long or has a digit that cannot be read, or nothing is left of it: a person could be left uncounted, or
    /// two persons counted as one.
    pub fn new(text: &str, normalise: Normalise) -> Result<Self, IdentifierFault> {
        if IDENTIFIER_BYTES_MAX < text.len() {
            return Err(IdentifierFault::TooLong { bytes: text.len() });
        }
        match normalise.apply(text) {
            Err(OtherDigit) => Err(IdentifierFault::OtherDigit),
            Ok(text) if text.is_empty() => Err(IdentifierFault::Empty),
            Ok(text) => Ok(Self(text.into())),
        }
    }

    /// Returns the normalised bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identifier(…)")
    }
}

/// A person as a request names it: an identifier within its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The kind of the identifier.
    pub kind: Kind,
    /// The identifier.
    pub identifier: Identifier,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::persons::Step;

    #[test]
    fn an_identifier_is_not_empty_and_bounded() {
        let trim = Normalise::NONE.with(Step::Trim);
        let digits = Normalise::NONE.with(Step::Digits);
        let fault = |text: &str, normalise| Identifier::new(text, normalise).unwrap_err();
        assert_eq!(fault("", Normalise::NONE), IdentifierFault::Empty);
        assert_eq!(fault(" \u{3000}", trim), IdentifierFault::Empty);
        assert_eq!(fault("none", digits), IdentifierFault::Empty);
        assert_eq!(fault("\u{661}", digits), IdentifierFault::OtherDigit);
        let long = "x".repeat(IDENTIFIER_BYTES_MAX);
        assert!(Identifier::new(&long, trim).is_ok());
        let bytes = IDENTIFIER_BYTES_MAX + 1;
        assert_eq!(fault(&format!("{long} "), trim), IdentifierFault::TooLong { bytes });
        // One blank is an identifier where nothing trims it.
        assert!(Identifier::new(" ", Normalise::NONE).is_ok());
    }

    #[test]
    fn an_identifier_is_never_shown() {
        let identifier = Identifier::new("11010519491231002X", Normalise::NONE).unwrap();
        let subject = Subject { kind: Kind::parse("customer").unwrap(), identifier };
        assert_eq!(format!("{subject:?}"), r#"Subject { kind: "customer", identifier: Identifier(…) }"#);
    }
}
