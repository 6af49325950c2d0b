//! The handlers of the gRPC services, and what other doors share with them: take the snapshot, read, ask, answer. No
//! rules.

pub mod admin;
mod answers;
mod batch;
pub mod caller;
pub mod deadline;
pub mod decide;
pub mod ledger;
pub mod newcomers;
mod streamed;
mod totals;

pub use decide::{DecideSettings, DecisionApi};
pub use ledger::{LedgerApi, LedgerSettings};
