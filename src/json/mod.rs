//! JSON texts, read exactly.
//!
//! The contents of these texts decide whether data may leave, so nothing is approximated: a number is the number as
//! written ([`Number`]), never the nearest one that a machine can represent; a duplicate key stays a duplicate. Every
//! reader of JSON in requests and test cases uses [`Reader`], with bounded depth and work proportional to the text.
//! Knows nothing of the contract: `wire` gives a text its meaning.

mod keys;
mod number;
mod path;
mod pointer;
mod reader;
mod syntax;
mod tree;

pub use self::number::{NotWhole, Number};
pub use self::path::{identifiers, identifiers_of};
pub use self::pointer::{member, member_of};
pub use self::reader::{Head, Reader};
pub use self::syntax::{Problem, Syntax};
pub use self::tree::Tree;
