//! The thread that reloads, and the handle through which the rest of the server reaches it.
//!
//! One thread does everything that may take long: listing, reading, compiling, freeing. It is not
//! a thread of the async runtime, so that a reload never keeps a request waiting for a thread.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{oneshot, watch};

use super::Live;
use super::reload::{Loaded, Reloader, Source};
use super::settling::{Pace, Settling};
use super::status::{Counters, Files, Status};
use super::watch::{FileWatch, WatchSet};
use crate::domain::clock::Clock;
use crate::policy::Diagnostic;
use crate::stopwatch::Stopwatch;

/// Most commands that wait for the thread; further ones are refused.
const COMMANDS_MAX: usize = 64;
/// Pause between two checks of snapshots out of force that requests still use.
const RETIRED_PAUSE: Duration = Duration::from_millis(20);
/// Most rounds of a search for directories that appear while watches are set up.
const WATCH_ROUNDS_MAX: u32 = 8;
/// The compiler may nest as deeply as the limit on YAML allows.
const STACK_BYTES: usize = 16 << 20;

/// When the policy directory is checked.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Time between two comparisons of the content.
    pub poll_interval: Duration,
    /// Quiet time: how long files must stay unchanged before they are read.
    pub debounce: Duration,
    /// How long files may keep changing before the policies in force are reported as stale. The wait goes on all the
    /// same.
    pub changing_max: Duration,
    /// Whether file changes are watched.
    pub watching: Watching,
}

/// Whether file changes are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watching {
    /// They are, if the operating system can.
    On,
    /// They are not: only the periodic comparison notices changes.
    Off,
}

/// Result of loading the files on disk, without putting it in force.
#[derive(Debug, Clone)]
pub struct Validation {
    /// Every diagnostic.
    pub diagnostics: Vec<Diagnostic>,
    /// Digest that would be in force; `None` if a diagnostic is an error.
    pub digest: Option<String>,
}

/// The reload thread does not answer: its queue is full, or it has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reload thread is busy or has stopped; try again later")]
pub struct Unavailable;

/// Why policies did not come into force at the start.
#[derive(Debug)]
pub enum StartError {
    /// The directory was refused.
    Refused(Vec<Diagnostic>),
    /// The operating system could not create a thread.
    Thread(io::Error),
}

enum Command {
    Changed,
    Reload(Option<oneshot::Sender<Arc<Status>>>),
    Validate(oneshot::Sender<Validation>),
    Stop,
}

/// The policies in force and their status; reloads them on demand.
///
/// The thread behind it stops when the handle is dropped.
pub struct Policies {
    live: Arc<Live>,
    status: watch::Receiver<Arc<Status>>,
    counters: Arc<Counters>,
    commands: SyncSender<Command>,
    stopped: Arc<AtomicBool>,
}

impl Timing {
    fn pace(&self) -> Pace {
        Pace { debounce: self.debounce, changing_max: self.changing_max }
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Policies {
    /// Loads the policy directory and begins to keep it up to date. Blocks while it loads.
    ///
    /// # Errors
    /// If the directory is refused, with every diagnostic, or if no thread can be created.
    pub fn start(source: Source, timing: Timing, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let (started, start) = sync_channel(1);
        // The first load is made on the thread too: only its stack is deep enough.
        thread::Builder::new()
            .name("policy-reload".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let (policies, worker) = match Reloader::start(source, clock) {
                    Ok(reloader) => Worker::around(reloader, timing),
                    Err(diagnostics) => return drop(started.send(Err(diagnostics))),
                };
                if started.send(Ok(policies)).is_ok() {
                    worker.run_or_complain();
                }
            })
            .map_err(StartError::Thread)?;
        match start.recv() {
            Ok(Ok(policies)) => Ok(policies),
            Ok(Err(diagnostics)) => Err(StartError::Refused(diagnostics)),
            Err(_) => Err(StartError::Thread(io::Error::other("it ended while it loaded the policies"))),
        }
    }

    /// Returns the holder of the snapshot in force.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Returns the status.
    pub fn status(&self) -> Arc<Status> {
        self.status.borrow().clone()
    }

    /// Returns a receiver of the status, now and at each change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Status>> {
        self.status.clone()
    }

    /// Returns the counters.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Asks for a reload and does not wait for it: SIGHUP.
    ///
    /// # Errors
    /// If the queue of the reload thread is full, or it has stopped.
    pub fn request_reload(&self) -> Result<(), Unavailable> {
        self.send(Command::Reload(None))
    }

    /// Reads the policy directory now; returns when the new snapshot serves or was refused.
    ///
    /// # Errors
    /// If the reload thread is busy or has stopped.
    pub async fn reload(&self) -> Result<Arc<Status>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Reload(Some(answer)))?;
        answered.await.map_err(|_| Unavailable)
    }

    /// Reads and compiles the policy directory without putting it in force.
    ///
    /// # Errors
    /// If the reload thread is busy or has stopped.
    pub async fn validate(&self) -> Result<Validation, Unavailable> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Validate(answer))?;
        answered.await.map_err(|_| Unavailable)
    }

    fn send(&self, command: Command) -> Result<(), Unavailable> {
        self.commands.try_send(command).map_err(|_| Unavailable)
    }
}

impl Drop for Policies {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // A full queue wakes the thread as well, and then it sees the flag.
        let _ = self.commands.try_send(Command::Stop);
    }
}

struct Worker {
    reloader: Reloader,
    timing: Timing,
    /// Runs since the worker began.
    running: Stopwatch,
    commands: SyncSender<Command>,
    received: Receiver<Command>,
    stopped: Arc<AtomicBool>,
    /// Set by the watcher, cleared before the files are read.
    dirty: Arc<AtomicBool>,
    /// The path that the watcher saw change last.
    seen: Arc<ArcSwapOption<PathBuf>>,
    watch_set: WatchSet,
    watch: Option<FileWatch>,
    /// Whether the log has been told that nothing is watched.
    warned: bool,
}

impl Worker {
    /// Returns a worker and the handle to it.
    fn around(reloader: Reloader, timing: Timing) -> (Policies, Worker) {
        let (commands, received) = sync_channel(COMMANDS_MAX);
        let stopped = Arc::new(AtomicBool::new(false));
        let policies = Policies {
            live: reloader.live().clone(),
            status: reloader.subscribe(),
            counters: reloader.counters().clone(),
            commands: commands.clone(),
            stopped: stopped.clone(),
        };
        let worker = Worker {
            reloader,
            timing,
            running: Stopwatch::start(),
            commands,
            received,
            stopped,
            dirty: Arc::new(AtomicBool::new(false)),
            seen: Arc::default(),
            watch_set: WatchSet::default(),
            watch: None,
            warned: false,
        };
        (policies, worker)
    }

    /// Runs; a panic ends the thread and is logged. The snapshot in force goes on serving.
    fn run_or_complain(self) {
        if catch_unwind(AssertUnwindSafe(|| self.run())).is_err() {
            tracing::error!("the reload thread failed: policies are no longer read until the server is started again");
        }
    }

    fn run(mut self) {
        // Changes between the first load and the first watch are found here.
        self.restart_watch();
        let mut settling = self.compare();
        let mut since_comparison = Stopwatch::start();
        let pace = self.timing.pace();
        while !self.stopped.load(Ordering::Acquire) {
            self.reloader.free_retired();
            if self.dirty.swap(false, Ordering::AcqRel) {
                let last = self.seen.load_full().as_deref().cloned();
                settling = Some(Settling::changed_again(settling, None, last, self.running.elapsed()));
            }
            if let Some(settling) = &mut settling
                && settling.is_to_be_reported(pace, self.running.elapsed())
            {
                self.reloader.report_changing(pace.changing_max, pace.debounce, settling.last.as_deref());
            }
            let mut wait = match &settling {
                Some(settling) => settling.wait(pace, self.running.elapsed()),
                None => self.timing.poll_interval.saturating_sub(since_comparison.elapsed()),
            };
            if self.reloader.has_retired() {
                wait = wait.min(RETIRED_PAUSE);
            }
            match self.received.recv_timeout(wait) {
                Ok(Command::Changed) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Command::Reload(answer)) => {
                    self.reload(answer);
                    // A change from here on is a new change.
                    settling = None;
                }
                Ok(Command::Validate(answer)) => self.validate(answer),
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.dirty.load(Ordering::Acquire) {
                continue;
            }
            if settling.as_ref().is_some_and(|settling| settling.is_settled(pace, self.running.elapsed())) {
                settling = settling.take().and_then(|settling| self.settled(settling));
                since_comparison = Stopwatch::start();
            }
            if settling.is_none() && self.timing.poll_interval <= since_comparison.elapsed() {
                settling = self.compare();
                since_comparison = Stopwatch::start();
            }
        }
    }

    /// Reads files that stay unchanged; returns files that keep changing.
    fn settled(&mut self, settling: Settling) -> Option<Settling> {
        // Watches first and reads then, so that no change is missed between the two.
        self.restart_watch();
        let instead = self.reloader.attempt_settled(settling.found.as_ref()).err()?;
        let last = settling.found.as_ref().and_then(|before| instead.changed_since(before));
        let found = settling.found.is_some().then_some(instead);
        Some(Settling::changed_again(Some(settling), found, last, self.running.elapsed()))
    }

    /// Checks whether the files differ from those that were tried.
    fn compare(&mut self) -> Option<Settling> {
        self.watch_if_changed();
        let found = self.reloader.untried()?;
        Some(Settling::changed_again(None, Some(found), None, self.running.elapsed()))
    }

    fn reload(&mut self, answer: Option<oneshot::Sender<Arc<Status>>>) {
        self.watch_if_changed();
        let before = self.reloader.live().snapshot().revision;
        let status = self.reloader.attempt();
        match answer {
            // The caller may have gone; the reload stands.
            Some(answer) => drop(answer.send(status)),
            None => log_result(before, &status),
        }
    }

    fn validate(&mut self, answer: oneshot::Sender<Validation>) {
        let Loaded { snapshot, digest, diagnostics } = self.reloader.source().load();
        let _ = answer.send(Validation { diagnostics, digest: snapshot.and(digest) });
    }

    fn watch_if_changed(&mut self) {
        if self.timing.watching == Watching::On && self.current_watch_set() != self.watch_set {
            self.restart_watch();
        }
    }

    fn current_watch_set(&self) -> WatchSet {
        let source = self.reloader.source();
        WatchSet::of(&source.directory, &source.limits)
    }

    /// Sets the watches for the directory as it is now.
    ///
    /// A directory that appears after the survey and before its parent is watched gives no event. So there is a second
    /// survey, and only if both agree can nothing appear unnoticed.
    fn restart_watch(&mut self) {
        if self.timing.watching == Watching::Off {
            return;
        }
        for _ in 0..WATCH_ROUNDS_MAX {
            self.watch_set = self.current_watch_set();
            self.watch = self.start_watch();
            if self.watch.is_none() || self.current_watch_set() == self.watch_set {
                return;
            }
        }
        // Too many changes to keep up with: repeat when they have settled.
        self.dirty.store(true, Ordering::Release);
    }

    fn start_watch(&mut self) -> Option<FileWatch> {
        let (dirty, seen, commands) = (self.dirty.clone(), self.seen.clone(), self.commands.clone());
        let started = FileWatch::start(&self.watch_set, move |path| {
            if let Some(path) = path {
                seen.store(Some(Arc::new(path)));
            }
            // Only the first of many changes wakes the thread; a full queue wakes it anyhow.
            if !dirty.swap(true, Ordering::AcqRel) {
                let _ = commands.try_send(Command::Changed);
            }
        });
        if let Err(error) = &started
            && !self.warned
        {
            let poll_interval_ms = self.timing.poll_interval.as_millis();
            tracing::warn!(%error, poll_interval_ms, "cannot watch the policy files; they are compared instead");
        }
        self.warned = started.is_err();
        started.ok()
    }
}

/// Logs the result of a SIGHUP, which gets no other answer.
fn log_result(revision_before: u64, status: &Status) {
    let (revision, digest) = (status.revision, &status.digest);
    match status.files {
        Files::Stale => {
            let diagnostics = status.diagnostics.len();
            tracing::warn!(revision, %digest, diagnostics, "SIGHUP: the policies on disk are refused; the last good ones stay in force");
        }
        Files::Current if revision == revision_before => {
            tracing::info!(revision, %digest, "SIGHUP: nothing has changed; the policies in force are the files on disk");
        }
        Files::Current => tracing::info!(revision, %digest, "SIGHUP: new policies are in force"),
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
