//! Texts of JSON, read as they stand.
//!
//! What is read here decides whether data may leave, so that nothing is taken for something near it: a number is the number
//! that is written ([`Number`]), never the nearest one that a machine can hold; a key that stands twice is there twice.
//! Every reader of JSON in requests and test cases reads through [`Reader`], bounded in depth and with work in proportion to
//! the text. Knows nothing of the contract: `wire` says what a text means.

mod number;
mod pointer;
mod reader;
mod syntax;
mod tree;

pub use self::number::{NotWhole, Number};
pub use self::pointer::{member, member_of};
pub use self::reader::{Head, Reader};
pub use self::syntax::{Problem, Syntax};
pub use self::tree::Tree;
