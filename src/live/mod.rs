//! The snapshot in force, and how it is kept up to date with the policy directory.
//!
//! Reads the files, passes their texts to a compiler, and swaps in the result as a whole. Knows no protocol: the reader
//! of the status maps it. Invariants: a snapshot in force never changes; files that cannot be read or compiled change
//! only the status; none of this runs on a thread that answers requests.
//!
//! ```text
//! watcher, SIGHUP, admin, timer ─► worker ─► Reloader ─► read ─► compile ─► Live ─► requests
//! ```

pub mod diagnostics;
pub mod digest;
pub mod read;
pub mod reload;
mod settling;
pub mod status;
mod survey;
#[cfg(test)]
pub(crate) mod testing;
pub mod watch;
pub mod worker;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::domain::snapshot::Snapshot;

/// Holds the snapshot that answers requests.
#[derive(Debug)]
pub struct Live {
    snapshot: ArcSwap<Snapshot>,
}

impl Live {
    /// Returns a holder that starts with a snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        Self { snapshot: ArcSwap::from_pointee(snapshot) }
    }

    /// Returns the snapshot in force. A request calls this once.
    ///
    /// The guard must not be held across an `.await`.
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// Puts a snapshot in force and returns the one before, which requests may still be using.
    fn replace(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        self.snapshot.swap(Arc::new(snapshot))
    }
}
