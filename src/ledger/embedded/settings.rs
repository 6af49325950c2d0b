//! Settings of the embedded ledger.

use std::path::PathBuf;

/// Memory for pages of the file by default, in bytes.
///
/// The inner pages of the largest table have to fit, so that looking a person up costs one page of persons. A person
/// known by name takes some 90 bytes of the file, so that a page of 4,096 bytes has some 45 of them, and an inner page
/// leads to some 40 pages: a million persons have 22,000 pages and 560 inner ones, which are 2.2 MiB. 8 MiB are enough
/// for three million, with some room for the writes of a batch. The pages of the persons themselves come from the cache
/// of the operating system, which gives them up when memory is short; this one never does.
///
/// Idle servers would pay for more: opening checks the whole file, which fills the cache as far as the file reaches.
pub const CACHE_BYTES_DEFAULT: usize = 8 << 20;

/// Settings of the embedded ledger. The defaults fit most servers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Behaviour if there is no file.
    pub missing: MissingFile,
    /// Path of the witness; `None`: beside the file.
    pub witness: Option<PathBuf>,
    /// When the whole file is checked on opening.
    pub check_on_open: CheckOnOpen,
    /// Requests that may wait for the writer. One more is refused at once.
    pub queue_requests_max: usize,
    /// Time to wait for the answer to a caller's request, in milliseconds. Far longer than a batch takes: it is for
    /// disks that do not answer.
    pub time_max_ms: u64,
    /// Requests that share one sync.
    pub batch_requests_max: usize,
    /// Rows of persons and transfers after which a batch takes no more requests. A row takes a few
    /// microseconds, and a batch should not keep the next one waiting for longer than a second.
    pub batch_work_max: usize,
    /// Rows of persons and transfers after which a batch releases no more expired reservations; the rest still count
    /// until the next batch.
    pub expiry_work_per_batch_max: usize,
    /// Transfers past their retention that are forgotten in one batch. Above `batch_requests_max`,
    /// so that forgetting keeps up with the busiest day.
    pub forgotten_per_batch_max: usize,
    /// Days that a settled transfer is remembered, at least one. A retry within this time gets the first answer; a
    /// later one is a new transfer. Totals stay.
    pub retention_days: u32,
    /// Memory for pages of the file, in bytes.
    pub cache_bytes: usize,
    /// Accounts whose totals are kept in memory, once for readers and once for the writer; at least one. An account is
    /// an exporter in a year; others are read from the file on demand.
    pub accounts_max: usize,
    /// Free space to keep on the disk, in bytes: below it, reservations are refused. 0 for none.
    pub reserve_bytes: u64,
    /// Time from a failure to the first try to open the ledger again, in milliseconds.
    pub reopen_wait_ms: u64,
    /// Longest time between two such tries, in milliseconds: each waits twice as long as the one before.
    pub reopen_wait_max_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            missing: MissingFile::Create,
            witness: None,
            check_on_open: CheckOnOpen::Always,
            queue_requests_max: 4_096,
            time_max_ms: 5_000,
            batch_requests_max: 512,
            batch_work_max: 100_000,
            expiry_work_per_batch_max: 10_000,
            forgotten_per_batch_max: 1_024,
            retention_days: 7,
            cache_bytes: CACHE_BYTES_DEFAULT,
            accounts_max: 10_000,
            reserve_bytes: 16 << 20,
            reopen_wait_ms: 1_000,
            reopen_wait_max_ms: 30_000,
        }
    }
}

/// Behaviour if there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingFile {
    /// Create a new ledger, with totals of zero; refuse if a witness tells of a lost one.
    Create,
    /// The same, but refuse also if a file beside it begins with its name, such as `ledger.old`: the ledger may have
    /// been moved away.
    CreateFirst,
    /// Refuse to open.
    Refuse,
}

/// When the whole file is checked on opening, which takes about a second for a gigabyte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOnOpen {
    /// Always: damage from outside is noticed before the file is used.
    Always,
    /// Only after an unclean end.
    AfterCrash,
}
