//! Refusals: why a request has no decision, as values.
//!
//! Code branches on the values. An answer is rendered once, at the edge, in both languages: [`grpc`] writes a status, [`http`]
//! a response, and the doors their own forms from [`Refusal::issues`]. No code reads a text that it wrote: a word of the
//! caller in such a text may look like anything.
//!
//! INVARIANT (refusal): data must not leave on a refusal, whatever it says.

pub mod call;
mod cause;
mod field_violation;
pub mod framing;
pub mod grpc;
pub mod http;
mod issue;
pub mod labels;
mod server;
mod value;
mod wording;

pub use self::cause::{Exhausted, Fault, Malformed, Subject, Unavailable, Uncounted};
pub use self::issue::{Issue, joined};
pub use self::value::Refusal;
pub use self::wording::issue;
