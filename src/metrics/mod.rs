//! The counts of the server, and the exposition of a scrape.
//!
//! The request path counts: it adds to a cell in the shard of its thread, and the arguments alone determine the cell. It
//! takes no lock, looks up no label and allocates nothing. A scrape sums the shards, and adds the gauges that it reads at that
//! moment ([`standing::Standing`]), such as the snapshot in force.
//!
//! Knows neither services nor protocols: the code that answers a request reports the result. Labels are words of this module
//! and of the domain, never a party or a code of a caller.

mod cells;
mod counts;
mod exposition;
pub mod health;
mod labels;
pub mod standing;

pub use self::counts::{Metrics, Tally};
pub use self::exposition::{CONTENT_TYPE, PLAIN_CONTENT_TYPE, plain, render};
pub use self::labels::{Answer, Door, LedgerCall, LedgerResult, Limit};
pub use crate::stopwatch::Stopwatch;
