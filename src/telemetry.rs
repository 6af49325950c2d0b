//! Log lines, on stderr: stdout belongs to what a command answers.

use std::io::IsTerminal as _;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts to write log lines of this level and graver ones.
///
/// Libraries write from `warn` on only: at `debug` a connection fills pages.
///
/// # Errors
/// Where log lines are being written already.
pub fn start(format: Format, level: Level) -> Result<(), TryInitError> {
    let libraries = level.min(Level::WARN);
    let filter = EnvFilter::new(format!("{libraries},neglist={level}"));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    match format {
        Format::Text => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init(),
        Format::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    }
}
