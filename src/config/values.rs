//! The values that a key of the configuration may have, besides numbers and texts.

use std::fmt;
use std::path::PathBuf;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How new connections come to the threads that serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionSpread {
    /// Each to the thread with the fewest.
    Fewest,
    /// As the operating system shares them out.
    ReusePort,
}

/// What becomes of reservations of exporters that are not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unregistered {
    /// They are decided and counted.
    Allow,
    /// They are refused.
    Refuse,
}

/// Which headers say what a gateway asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedHeaders {
    /// `X-Forwarded-Method`, `-Host`, `-Uri`.
    XForwarded,
    /// `X-Original-Method`, `-Host`, `-URI`.
    XOriginal,
    /// `X-Original-Method`, `-URL`.
    XOriginalUrl,
    /// Those that are there; all of them have to say the same.
    Either,
}

/// Where the year's totals are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerPlace {
    /// Nowhere: callers state them.
    None,
    /// In a file.
    File(PathBuf),
    /// In a database that several servers share.
    Postgres(Secret),
}

impl LedgerPlace {
    /// The file that is taken where no place is named: the only one that is made without being asked for.
    pub const DEFAULT_FILE: &str = "./neglist.ledger";

    /// Says whether it is the place that is taken where none is named.
    pub fn is_default(&self) -> bool {
        matches!(self, LedgerPlace::File(path) if path.as_os_str() == Self::DEFAULT_FILE)
    }
}

/// Where the witness of the ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WitnessPlace {
    /// Beside a ledger in a file; none for one in a database.
    Beside,
    /// In this file.
    At(PathBuf),
}

/// A text that no log and no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
