//! The queue of log lines: bounded, with one thread that writes.
//!
//! A thread that logs puts its line into the queue and goes on, whatever the reader of the log does. If the queue is full, the
//! line is dropped and counted. After the next written line, the log says once how many lines were dropped, behind the lines
//! that were in the queue before them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Limits of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Most lines that wait to be written; one more is dropped and counted.
    pub queue_lines_max: usize,
    /// Most bytes of a line; a longer one is cut.
    pub line_bytes_max: usize,
    /// Longest wait for unwritten lines at the end of the process.
    pub flush_max: Duration,
}

/// Pause before another try of a full pipe that does not block.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

thread_local! {
    /// Whether this thread writes the log: its own lines are never dropped.
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

/// Lines that wait to be written.
#[derive(Debug)]
pub(super) struct Lines {
    format: Format,
    limits: LogLimits,
    queue: Mutex<Queue>,
    /// Signals a new line.
    came: Condvar,
    /// Signals that all lines are written.
    emptied: Condvar,
    /// Lines that were dropped, or could not be written, since the start.
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    is_writing: bool,
    /// Dropped lines that the log has not reported yet.
    untold: u64,
}

impl Lines {
    pub(super) fn new(format: Format, limits: LogLimits) -> Self {
        Self {
            format,
            limits,
            queue: Mutex::default(),
            came: Condvar::new(),
            emptied: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Starts the thread that writes. `say_dropped` logs the number of dropped lines.
    pub(super) fn write_to(
        lines: &Arc<Self>,
        mut output: impl Write + Send + 'static,
        say_dropped: fn(u64),
    ) -> io::Result<()> {
        let lines = Arc::clone(lines);
        // The thread ends with the process: nothing else ends a blocked write.
        let writing = move || {
            WRITES.set(true);
            loop {
                let line = lines.next();
                let written = write_patiently(&mut output, &line);
                let untold = lines.written(&written);
                if 0 < untold {
                    say_dropped(untold);
                }
            }
        };
        thread::Builder::new().name("log".to_owned()).spawn(writing).map(drop)
    }

    /// Returns the number of lines lost since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all lines are written, at most for a time.
    pub(super) fn flush(&self, time_max: Duration) {
        let is_busy = |queue: &mut Queue| queue.is_writing || !queue.lines.is_empty();
        // After a time-out there is nothing else to do either.
        let _ = self.emptied.wait_timeout_while(self.queue(), time_max, is_busy);
    }

    /// Takes a line, or counts it as dropped. Never waits for the reader of the log.
    fn push(&self, line: &[u8]) {
        let mut queue = self.queue();
        if self.limits.queue_lines_max <= queue.lines.len() && !WRITES.get() {
            queue.untold = queue.untold.saturating_add(1);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.lines.push_back(self.cut(line));
        drop(queue);
        self.came.notify_one();
    }

    /// Returns a line within the limit.
    fn cut(&self, line: &[u8]) -> Vec<u8> {
        let bytes_max = self.limits.line_bytes_max;
        if line.len() <= bytes_max {
            return line.to_vec();
        }
        match self.format {
            Format::Text => {
                let begin = String::from_utf8_lossy(line.get(..bytes_max).unwrap_or_default());
                format!("{} … (cut: {} bytes)\n", begin.trim_end(), line.len()).into_bytes()
            }
            // The beginning of an object is not an object. It becomes a text, which may take twice as many bytes.
            Format::Json => {
                let begin = String::from_utf8_lossy(line.get(..bytes_max / 2).unwrap_or_default());
                let what = "a log line was too long: this is its beginning";
                let cut = serde_json::json!({"level": "WARN", "message": what, "bytes": line.len(), "begin": begin});
                format!("{cut}\n").into_bytes()
            }
        }
    }

    /// Waits for a line.
    fn next(&self) -> Vec<u8> {
        let queue = self.came.wait_while(self.queue(), |queue| queue.lines.is_empty());
        let mut queue = queue.unwrap_or_else(PoisonError::into_inner);
        queue.is_writing = true;
        queue.lines.pop_front().unwrap_or_default()
    }

    /// Notes the result of a write. Returns the number of dropped lines that the log has to report now.
    fn written(&self, written: &io::Result<()>) -> u64 {
        let mut queue = self.queue();
        queue.is_writing = false;
        if queue.lines.is_empty() && (queue.untold == 0 || written.is_err()) {
            self.emptied.notify_all();
        }
        if written.is_err() {
            // The log has no reader any more, so a report would be lost as well.
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return 0;
        }
        std::mem::take(&mut queue.untold)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes all bytes, without a limit of time.
fn write_patiently(output: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The output of a subscriber. One write is one line.
#[derive(Debug, Clone)]
pub(super) struct Writer(pub(super) Arc<Lines>);

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Writer {
    type Writer = Writer;

    fn make_writer(&'w self) -> Writer {
        self.clone()
    }
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
