//! The snapshot in force: swapped whole, never changed in place.

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
}
