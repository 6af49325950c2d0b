//! The handlers of the gRPC services, and the calls that other doors share with them. They take the snapshot, read, ask the
//! domain and answer. They know no rules.
//!
//! A refusal is a value here ([`crate::wire::refusal::Refusal`]). Only a handler that the generated trait demands turns it
//! into a status.

pub mod admin;
mod answers;
mod batch;
pub mod caller;
pub mod deadline;
pub mod decide;
mod grpc;
pub mod ledger;
pub mod newcomers;
mod persons;
mod streamed;
mod totals;

pub use decide::{DecideSettings, DecisionApi};
pub use ledger::{LedgerApi, LedgerSettings};
