//! The log, on stderr: stdout belongs to the answers of commands.
//!
//! A stalled reader of the log must not stop the server. So a line goes into a bounded queue ([`lines`]), and one thread
//! writes. Other messages of the process are written within a limit of time ([`say()`]).

mod lines;
mod say;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::panic::PanicHookInfo;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

pub use self::lines::{Format, LogLimits};
use self::lines::{Lines, Writer};
pub use self::say::{Stream, say};

/// The reason why the log did not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The process has a log already.
    #[error(transparent)]
    Started(#[from] TryInitError),
    /// The operating system could not create a thread.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(#[from] io::Error),
}

/// The log of the process. Dropping it waits, for a limited time, until everything is written.
#[derive(Debug)]
pub struct Log {
    lines: Arc<Lines>,
    flush_max: Duration,
}

impl Log {
    /// Waits until every line is written, at most for `flush_max`.
    pub fn flush(&self) {
        self.lines.flush(self.flush_max);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The queue of this process, for the count of dropped lines.
static LINES: OnceLock<Arc<Lines>> = OnceLock::new();

/// Returns the number of log lines of this process that were dropped.
pub fn lines_dropped() -> u64 {
    LINES.get().map_or(0, |lines| lines.dropped())
}

/// Starts the log with lines of this level and more severe ones. Panic messages are log lines from then on.
///
/// Libraries log only warnings and errors: at `debug` a single connection fills pages.
///
/// # Errors
/// If the process has a log already, or the thread cannot be created.
pub fn start(format: Format, level: Level, limits: LogLimits) -> Result<Log, LogError> {
    let libraries = level.min(Level::WARN);
    let filter = EnvFilter::new(format!("{libraries},neglist={level}"));
    let lines = Arc::new(Lines::new(format, limits));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(Writer(Arc::clone(&lines))).with_target(false);
    match format {
        Format::Text => registry.with(layer.with_ansi(io::stderr().is_terminal())).try_init()?,
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init()?,
    }
    // A separate handle, because a thread that holds the lock of the standard one while a pipe is full blocks all others.
    let output: Box<dyn Write + Send> = match io::stderr().as_fd().try_clone_to_owned() {
        Ok(handle) => Box::new(File::from(handle)),
        Err(_) => Box::new(io::stderr()),
    };
    Lines::write_to(&lines, output, say_dropped)?;
    // Cannot fail: a second log of this process has failed above.
    let _ = LINES.set(Arc::clone(&lines));
    std::panic::set_hook(Box::new(log_panic));
    Ok(Log { lines, flush_max: limits.flush_max })
}

fn say_dropped(lines: u64) {
    tracing::warn!(lines, "log lines were dropped while the log was not read");
}

/// Writes a panic to the log. The standard hook would wait for stderr.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or_default();
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let what = panic.payload_as_str().unwrap_or_default();
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(thread, location, %backtrace, "panicked: {what}");
    } else {
        tracing::error!(thread, location, "panicked: {what}");
    }
}
