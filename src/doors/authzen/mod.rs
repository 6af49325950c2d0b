//! `AuthZEN` Authorization API 1.0: evaluations in, decisions out.
//!
//! The standard distinguishes two cases. A request that is not well-formed is an error. A well-formed request that makes no
//! transfer is denied, and the answer says what is missing. So reading has an error
//! ([`JsonError`](crate::wire::json::message::JsonError)), and mapping has none.
//!
//! Fields that the standard does not know are ignored, as it demands. Repeated keys are refused: readers differ in which of
//! the two they take.

mod answer;
pub(crate) mod handler;
mod map;
mod read;
#[cfg(test)]
mod tests;

pub use crate::doors::authzen::answer::{
    CONFIGURATION_PATH, Denied, EVALUATION_PATH, EVALUATIONS_PATH, configuration, decided, denied, refused, too_much,
    unreadable_property,
};
pub use crate::doors::authzen::map::{Mapped, map, unmapped};
pub use crate::doors::authzen::read::{Evaluation, Evaluations, Semantic, Several, evaluation, evaluations};
