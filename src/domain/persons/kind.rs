//! The kind of an identifier: the space in which it is unique.

use std::fmt;
use std::sync::Arc;

use crate::domain::names::{NameFault, check_name};

/// The kind of an identifier, such as `customer` or `patient`: a name.
///
/// The same identifier of the same kind is the same person, whichever rule or caller sends it. The same identifier of another
/// kind is another person.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(Arc<str>);

impl Kind {
    /// Reads a kind.
    ///
    /// # Errors
    /// The text breaks the rule for names.
    pub fn parse(text: &str) -> Result<Self, NameFault> {
        check_name(text).map(|()| Self(text.into()))
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_a_name() {
        assert_eq!(Kind::parse("customer").unwrap().name(), "customer");
        assert_eq!(Kind::parse("客户").unwrap().name(), "客户");
        assert_eq!(Kind::parse(""), Err(NameFault::Empty));
        assert!(Kind::parse("customer ").is_err() && Kind::parse("a\nb").is_err());
        assert!(Kind::parse("customer").unwrap() != Kind::parse("Customer").unwrap());
    }
}
