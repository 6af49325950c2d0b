//! The state of a server at one moment, for probes and for the gauges of a scrape.

use std::sync::Arc;

use crate::domain::clock::Clocking;
pub use crate::live::status::Files;

/// Whether a server takes new requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    /// It takes requests.
    Ready,
    /// It is stopping.
    Draining,
}

/// Whether persons can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// The server keeps no totals.
    None,
    /// The ledger is open.
    Open,
    /// The ledger is open, but its disk is nearly full: it refuses reservations, and still settles earlier ones.
    Full,
    /// The ledger does not answer, or is closed after a failure.
    Closed,
    /// A call has waited for the ledger longer than a working ledger takes.
    Stalled,
}

impl Counting {
    /// Returns the word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Counting::None => "none",
            Counting::Open => "open",
            Counting::Full => "full",
            Counting::Closed => "closed",
            Counting::Stalled => "stalled",
        }
    }
}

/// The policies in force.
#[derive(Debug, Clone, PartialEq)]
pub struct PoliciesStanding {
    /// Whether they are the files on disk.
    pub files: Files,
    /// Revision of the snapshot.
    pub revision: u64,
    /// Its content digest.
    pub digest: Arc<str>,
    /// How long it has been in force.
    pub age_seconds: f64,
    /// How long the last attempt to load took.
    pub load_seconds: f64,
    /// Snapshots that came into force since the start.
    pub activations: u64,
    /// Attempts to load that were refused.
    pub refusals: u64,
    /// Attempts that found the files already in force.
    pub unchanged: u64,
}

/// A server at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Whether it takes new requests.
    pub serving: Serving,
    /// The policies in force.
    pub policies: PoliciesStanding,
    /// Whether persons can be counted.
    pub counting: Counting,
    /// Calls that wait for the ledger.
    pub ledger_calls_waiting: u64,
    /// Time that the oldest call, upkeep included, has waited for the ledger; 0 if none waits.
    pub ledger_oldest_call_seconds: f64,
    /// Requests in flight on all listeners but the admin listener.
    pub requests_in_flight: u64,
    /// Open connections on all listeners but the admin listener.
    pub connections_open: u64,
    /// Whether its clock is reliable.
    pub clock: Clocking,
    /// Log lines that were dropped since the start, because the log was not read.
    pub log_lines_dropped: u64,
}
