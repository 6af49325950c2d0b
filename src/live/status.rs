//! The snapshot in force, and the result of the last attempt to load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::domain::reason::Text;
use crate::domain::snapshot::Snapshot;
use crate::domain::units::{Interval, Moment};
use crate::policy::Diagnostic;

/// Whether the policy files on disk are in force. The metrics, the probes and the admin API all show this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// The snapshot in force was compiled from these files.
    Current,
    /// The files were refused, or keep changing. The last good snapshot stays in force.
    Stale,
}

impl Files {
    /// All values.
    pub const ALL: [Files; 2] = [Files::Current, Files::Stale];

    /// Returns the word for it in labels and headers.
    pub const fn name(self) -> &'static str {
        match self {
            Files::Current => "current",
            Files::Stale => "stale",
        }
    }
}

/// The snapshot in force, and the result of the last attempt to load.
#[derive(Debug, Clone)]
pub struct Status {
    /// Whether the files on disk are in force.
    pub files: Files,
    /// Revision of the snapshot in force.
    pub revision: u64,
    /// Its content digest, `blake3:<hex>`.
    pub digest: Arc<str>,
    /// When it came into force.
    pub activated_at: Moment,
    /// When the files were last loaded, or tried to be.
    pub attempted_at: Moment,
    /// How long that took.
    pub load_time: Duration,
    /// Every edition of the snapshot in force, regardless of its dates.
    pub editions: Arc<[DatedEdition]>,
    /// Diagnostics of the last attempt.
    pub diagnostics: Arc<[Diagnostic]>,
}

impl Status {
    /// Returns the editions that are in force at a moment.
    pub fn editions_in_force(&self, at: Moment) -> impl Iterator<Item = &DatedEdition> {
        self.editions.iter().filter(move |edition| edition.interval.contains(at))
    }
}

/// An edition of a list, with its dates.
#[derive(Debug, Clone)]
pub struct DatedEdition {
    /// Id, such as `beijing-2025`.
    pub id: Box<str>,
    /// Title of the list.
    pub title: Text,
    /// When it is in force.
    pub interval: Interval,
}

impl DatedEdition {
    /// Returns the editions of a snapshot, the national rules first.
    pub fn all(snapshot: &Snapshot) -> Arc<[DatedEdition]> {
        let nationals = snapshot.lists.nationals.iter().map(|national| DatedEdition {
            id: national.id.clone(),
            title: national.title.clone(),
            interval: national.interval,
        });
        let editions = snapshot.lists.editions.iter().map(|edition| DatedEdition {
            id: edition.id.clone(),
            title: edition.title.clone(),
            interval: edition.interval,
        });
        nationals.chain(editions).collect()
    }
}

/// Counts since the start, for metrics.
#[derive(Debug, Default)]
pub struct Counters {
    attempts: AtomicU64,
    failures: AtomicU64,
    activations: AtomicU64,
}

impl Counters {
    /// Returns how often files were loaded, or tried to be. A comparison that finds nothing new is no attempt.
    pub fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Returns how many attempts were refused.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Returns how many snapshots came into force.
    pub fn activations(&self) -> u64 {
        self.activations.load(Ordering::Relaxed)
    }

    pub(super) fn count_attempt(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_activation(&self) {
        self.activations.fetch_add(1, Ordering::Relaxed);
    }
}
