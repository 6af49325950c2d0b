//! How the embedded ledger works.

use std::path::PathBuf;

/// Memory for pages of the file by default, in bytes.
///
/// The inner pages of the largest table have to fit, so that looking a person up costs one page of
/// persons. A person known by name takes some 90 bytes of the file, so that a page of
/// 4,096 bytes has some 45 of them, and an inner page leads to some 40 pages: a million persons have
/// 22,000 pages and 560 inner ones, which are 2.2 MiB. 8 MiB are enough for three million, with some
/// room for what a batch writes. The pages of the persons themselves come from the cache of the
/// operating system, which gives them up when memory is short; this one never does.
///
/// More would be paid for by servers that do nothing: opening checks the whole file, which fills
/// the cache as far as the file reaches.
pub const CACHE_BYTES_DEFAULT: usize = 8 << 20;

/// How the embedded ledger works. The defaults are right for most.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What to do where there is no file.
    pub missing: MissingFile,
    /// Where the witness is; `None`: beside the file.
    pub witness: Option<PathBuf>,
    /// When the whole file is checked on opening.
    pub check_on_open: CheckOnOpen,
    /// Requests that may wait for the writer. One more is refused at once.
    pub queue_requests_max: usize,
    /// Time to wait for the answer to a caller's request, in milliseconds. Longer than a batch takes
    /// by far: it is for disks that do not answer.
    pub time_max_ms: u64,
    /// Requests that share one sync.
    pub batch_requests_max: usize,
    /// Rows of persons and transfers after which a batch takes no more requests. A row takes a few
    /// microseconds, and a batch should not keep the next one waiting for longer than a second.
    pub batch_work_max: usize,
    /// Rows of persons and transfers after which a batch releases no more reservations that ran
    /// out; the others still count until the next.
    pub expiry_work_per_batch_max: usize,
    /// Transfers past their retention that are forgotten in one batch. Above `batch_requests_max`,
    /// so that forgetting keeps up with the busiest day.
    pub forgotten_per_batch_max: usize,
    /// Days that a settled transfer is remembered, at least one. A retry within them gets the first answer; one
    /// that comes later is a new transfer. Totals stay.
    pub retention_days: u32,
    /// Memory for pages of the file, in bytes.
    pub cache_bytes: usize,
    /// Accounts whose totals are kept in memory, once for readers and once for the writer; at least one. An account is
    /// an exporter in a year; others are read from the file when they are asked for.
    pub accounts_max: usize,
    /// Bytes of the disk that are kept free: with less, nothing more is reserved. 0 for none.
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

/// What to do where there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingFile {
    /// A new ledger is made; its totals begin at zero. Refused where a witness tells of one that is gone.
    Create,
    /// The same, and refused as well where another file beside it bears its name, such as `ledger.old`: it may have
    /// been moved away.
    CreateFirst,
    /// Refuse to open.
    Refuse,
}

/// When the whole file is checked on opening, which takes about a second for a gigabyte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOnOpen {
    /// Always: damage from outside is noticed before it is counted on.
    Always,
    /// Only after an unclean end.
    AfterCrash,
}
