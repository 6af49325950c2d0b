//! The values of keys, besides numbers and texts.

use std::fmt;
use std::path::PathBuf;

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Distribution of new connections over the serving threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionSpread {
    /// To the thread with the fewest connections.
    Fewest,
    /// As the operating system distributes them.
    ReusePort,
}

/// Treatment of reservations of unregistered exporters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unregistered {
    /// They are decided and counted.
    Allow,
    /// They are refused.
    Refuse,
}

/// The headers that carry the request that a gateway asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedHeaders {
    /// `X-Forwarded-Method`, `-Host`, `-Uri`.
    XForwarded,
    /// `X-Original-Method`, `-Host`, `-URI`.
    XOriginal,
    /// `X-Original-Method`, `-URL`.
    XOriginalUrl,
    /// Those that are present; they have to agree.
    Either,
}

/// The place of the year's totals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerPlace {
    /// None: callers state the totals.
    None,
    /// A file.
    File(PathBuf),
    /// A database that several servers share.
    Postgres(Secret),
}

impl LedgerPlace {
    /// The default ledger: the only one that is created without `ledger_create`.
    pub const DEFAULT_FILE: &str = "./neglist.ledger";

    /// Says whether it is the default ledger.
    pub fn is_default(&self) -> bool {
        matches!(self, LedgerPlace::File(path) if path.as_os_str() == Self::DEFAULT_FILE)
    }
}

/// The place of a small file that belongs to the ledger: its witness, or its subject key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SideFile {
    /// Beside a ledger in a file; none for a ledger in a database.
    Beside,
    /// This file.
    At(PathBuf),
}

/// A text that is never shown in logs or messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
