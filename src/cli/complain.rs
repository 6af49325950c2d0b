//! Messages on stderr before a command ends.

use std::time::Duration;

use crate::telemetry::{Stream, say};

/// Longest wait for the reader of the last message of a command.
const LAST_WORDS_TIME_MAX: Duration = Duration::from_secs(1);

/// Writes a line to stderr. If stderr is closed or not read in time, only the exit code reports the failure.
pub(super) fn complain(text: &str) {
    let _ = say(Stream::Err, format!("{text}\n").into_bytes(), LAST_WORDS_TIME_MAX);
}
