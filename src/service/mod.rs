//! The handlers of the gRPC services: take the snapshot, read, ask, answer. No rules.

pub mod admin;
mod answers;
pub mod decide;
pub mod ledger;
mod totals;

pub use decide::{DecideSettings, DecisionApi};
pub use ledger::{LedgerApi, LedgerSettings};
