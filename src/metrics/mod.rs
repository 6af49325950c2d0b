//! What the server counts, and how a scrape sees it.
//!
//! Counting is for the request path: an addition to a cell of the thread's own shard, whose place follows from the
//! arguments alone. No lock, no look-up of a label, no allocation. A scrape adds the shards up and puts beside them what
//! can be read at that moment, such as the snapshot in force ([`standing::Standing`]), which nobody has to count.
//!
//! Knows neither the services nor the protocols: whoever answers a request says what became of it. Labels are words of
//! this module and of the domain, never a party or a code of a caller.

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
