//! The handlers of the gRPC services: take the snapshot, read, ask, answer. No rules.

pub mod admin;
mod answers;
pub mod decide;

pub use decide::{DecideSettings, DecisionApi};
