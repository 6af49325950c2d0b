//! `AuthZEN` Authorization API 1.0: evaluations in, decisions out.
//!
//! The standard tells two things apart. A request that is not well-formed is an error. One that is, and that nobody can
//! make a transfer of, is denied, and says what is missing. So reading has an error ([`JsonError`](crate::wire::json::message::JsonError)), and mapping has not.
//!
//! Fields that the standard does not know are ignored, as it asks for. Keys that stand twice are not: what one reader
//! takes and another does not must not decide anything.

mod answer;
pub(crate) mod handler;
mod map;
mod read;
#[cfg(test)]
mod tests;

pub use crate::doors::authzen::answer::{
    CONFIGURATION_PATH, Denied, EVALUATION_PATH, EVALUATIONS_PATH, configuration, decided, denied, malformed, refused,
    too_much, unreadable_property,
};
pub use crate::doors::authzen::map::{Mapped, map, unmapped};
pub use crate::doors::authzen::read::{Evaluation, Evaluations, Semantic, Several, evaluation, evaluations};

/// What a subject has to be, so that its id names an exporter.
const EXPORTER: &str = "exporter";
/// The action that is asked about.
const EXPORT: &str = "export";
/// A resource whose id names a registered flow.
const FLOW: &str = "flow";
/// A resource whose properties are a transfer.
const TRANSFER: &str = "transfer";
