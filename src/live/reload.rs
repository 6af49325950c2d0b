//! Reloads the policy directory: puts a new snapshot in force, or leaves the old one.
//!
//! A plain state machine on one thread: no timer, no watcher, no lock. Two loads never overlap, because every load goes
//! through the thread that owns the [`Reloader`].

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::read::{Directory, ReadLimits, Selection, read};
use super::status::{Counters, DatedEdition, Files, Status};
use super::survey::{Mark, difference, survey};
use super::{Live, diagnostics};
use crate::domain::clock::Clock;
use crate::domain::snapshot::Snapshot;
use crate::policy::{Compiled, Diagnostic, PolicyFile, Severity, shown};
use crate::repeated::Repeated;
use crate::stopwatch::Stopwatch;

/// Diagnostics of one attempt that go to the log; the admin API has them all.
const LOGGED_DIAGNOSTICS_MAX: usize = 20;

/// Most snapshots that wait for their last request. Beyond that, the oldest is left to that request.
const RETIRED_MAX: usize = 4;

/// Compiles policy files; a parameter, so that reloading can be tested without real lists.
#[derive(Clone)]
pub struct Compiler(Arc<Compile>);

type Compile = dyn Fn(&[PolicyFile]) -> Compiled + Send + Sync;

impl Compiler {
    /// Returns a compiler that calls a function.
    pub fn new(compile: impl Fn(&[PolicyFile]) -> Compiled + Send + Sync + 'static) -> Self {
        Self(Arc::new(compile))
    }

    /// Compiles; a panic is an error like any other, so that the last good snapshot goes on serving.
    fn compile(&self, files: &[PolicyFile]) -> Compiled {
        catch_unwind(AssertUnwindSafe(|| (self.0)(files))).unwrap_or_else(|_| Compiled {
            snapshot: None,
            diagnostics: vec![diagnostics::error(
                diagnostics::COMPILER_FAILED,
                "",
                "the compiler of the policies failed".into(),
                "this is a mistake in neglist: please report it with the files".into(),
            )],
        })
    }
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compiler")
    }
}

/// The source of policies.
#[derive(Debug, Clone)]
pub struct Source {
    /// The policy directory.
    pub directory: PathBuf,
    /// Limits of the files to read.
    pub limits: ReadLimits,
    /// Compiles the files into a snapshot.
    pub compiler: Compiler,
}

/// Result of loading the files on disk.
#[derive(Debug)]
pub struct Loaded {
    /// The snapshot, with its digest and revision 0; `None` if a diagnostic is an error.
    pub snapshot: Option<Snapshot>,
    /// Content digest of the files; `None` if they could not be read.
    pub digest: Option<String>,
    /// Every diagnostic.
    pub diagnostics: Vec<Diagnostic>,
}

impl Source {
    /// Reads and compiles the policy directory.
    pub fn load(&self) -> Loaded {
        match self.read() {
            Ok(directory) => self.compile(directory),
            Err(diagnostics) => Loaded { snapshot: None, digest: None, diagnostics },
        }
    }

    fn marks(&self) -> Vec<Mark> {
        survey(&self.directory, &self.limits, Selection::Policies).fingerprint
    }

    fn read(&self) -> Result<Directory, Vec<Diagnostic>> {
        read(&self.directory, &self.limits, Selection::Policies)
    }

    fn compile(&self, directory: Directory) -> Loaded {
        let Directory { policies, tests: _, digest, mut diagnostics } = directory;
        let Compiled { snapshot, diagnostics: found } = self.compiler.compile(&policies);
        diagnostics.extend(found);
        diagnostics.sort_by_key(|diagnostic| diagnostic.severity);
        let has_errors = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        if snapshot.is_none() && !has_errors {
            diagnostics.push(diagnostics::error(
                diagnostics::COMPILER_FAILED,
                "",
                "the compiler of the policies gave no snapshot and no reason".into(),
                "this is a mistake in neglist: please report it with the files".into(),
            ));
        }
        // On doubt the files are refused: a snapshot that comes with an error is not put in force.
        let snapshot = snapshot
            .filter(|_| !has_errors)
            .map(|snapshot| Snapshot { digest: digest.clone().into_boxed_str(), ..snapshot });
        Loaded { snapshot, digest: Some(digest), diagnostics }
    }
}

/// Input of the last attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tried {
    /// Files with this digest.
    Files(String),
    /// Files that could not be read.
    Unreadable(Vec<Diagnostic>),
    /// Files that kept changing. They never equal a later input.
    Changing,
}

/// State found on disk, which must be the same a while later.
///
/// Includes the marks: a file that is rewritten again and again may be found twice with the same content, such as none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    marks: Vec<Mark>,
    tried: Tried,
}

impl Found {
    /// Returns the path of an entry that has changed since another state was found.
    pub(super) fn changed_since(&self, before: &Found) -> Option<PathBuf> {
        difference(&before.marks, &self.marks).map(Path::to_owned)
    }
}

impl Tried {
    fn of(read: &Result<Directory, Vec<Diagnostic>>) -> Self {
        match read {
            Ok(directory) => Tried::Files(directory.digest.clone()),
            Err(diagnostics) if diagnostics.iter().any(|found| found.code == diagnostics::KEEPS_CHANGING) => {
                Tried::Changing
            }
            Err(diagnostics) => Tried::Unreadable(diagnostics.clone()),
        }
    }
}

/// Keeps the snapshot in force up to date.
#[derive(Debug)]
pub struct Reloader {
    source: Source,
    clock: Arc<dyn Clock>,
    live: Arc<Live>,
    status: watch::Sender<Arc<Status>>,
    counters: Arc<Counters>,
    tried: Tried,
    /// Diagnostics of the snapshot in force: warnings, which apply again when its files are back.
    good_diagnostics: Arc<[Diagnostic]>,
    /// Snapshots out of force that requests may still be using. They are freed here and not by a request, because
    /// freeing a large snapshot takes longer than a request may.
    retired: Vec<Arc<Snapshot>>,
    /// Attempts with the files that are refused now, including the first.
    refused_again: Repeated,
}

impl Reloader {
    /// Loads the policy directory for the first time.
    ///
    /// # Errors
    /// Every diagnostic, if the directory is refused.
    pub fn start(source: Source, clock: Arc<dyn Clock>) -> Result<Self, Vec<Diagnostic>> {
        let stopwatch = Stopwatch::start();
        let Loaded { snapshot, digest, diagnostics } = source.load();
        let (Some(mut snapshot), Some(digest)) = (snapshot, digest) else { return Err(diagnostics) };
        snapshot.revision = 1;
        let now = clock.now();
        let good_diagnostics: Arc<[Diagnostic]> = diagnostics.into();
        let status = Status {
            files: Files::Current,
            revision: snapshot.revision,
            digest: digest.as_str().into(),
            activated_at: now,
            attempted_at: now,
            load_time: stopwatch.elapsed(),
            editions: DatedEdition::all(&snapshot),
            diagnostics: good_diagnostics.clone(),
        };
        log_diagnostics(&status.diagnostics);
        let counters = Arc::new(Counters::default());
        counters.count_attempt();
        counters.count_activation();
        Ok(Self {
            source,
            clock,
            live: Arc::new(Live::new(snapshot)),
            status: watch::Sender::new(Arc::new(status)),
            counters,
            tried: Tried::Files(digest),
            good_diagnostics,
            retired: Vec::new(),
            refused_again: Repeated::new(),
        })
    }

    /// Returns the source of the policies.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns the holder of the snapshot in force.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Returns a receiver of the status.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Status>> {
        self.status.subscribe()
    }

    /// Returns the counters.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Returns the state on disk, if it has not been tried yet.
    pub(super) fn untried(&self) -> Option<Found> {
        let marks = self.source.marks();
        let tried = Tried::of(&self.source.read());
        (tried != self.tried).then_some(Found { marks, tried })
    }

    /// Reads the files as they are now, even if they were tried before, and acts on them: a new snapshot, STALE, or
    /// only a new status.
    pub fn attempt(&mut self) -> Arc<Status> {
        let stopwatch = Stopwatch::start();
        let read = self.source.read();
        self.take(read, stopwatch);
        self.current()
    }

    /// Does what [`Reloader::attempt`] does, but only with files that have not been tried and that stay unchanged:
    /// equal to `found`, if it is given.
    ///
    /// # Errors
    /// The other state that was found; nothing was done with it.
    pub(super) fn attempt_settled(&mut self, found: Option<&Found>) -> Result<(), Found> {
        let stopwatch = Stopwatch::start();
        let marks = self.source.marks();
        let read = self.source.read();
        let now = Found { marks, tried: Tried::of(&read) };
        if now.tried == Tried::Changing || found.is_some_and(|found| now != *found) {
            return Err(now);
        }
        if now.tried != self.tried {
            self.take(read, stopwatch);
        }
        Ok(())
    }

    /// Reports that the files keep changing and cannot be read; `last` is the path that changed last. The snapshot in
    /// force goes on serving.
    pub(super) fn report_changing(&mut self, since: Duration, quiet: Duration, last: Option<&Path>) {
        let stopwatch = Stopwatch::start();
        let directory = &self.source.directory;
        // The watcher reports real paths.
        let real = directory.canonicalize().unwrap_or_else(|_| directory.clone());
        let last = last.map(|last| last.strip_prefix(directory).or_else(|_| last.strip_prefix(&real)).unwrap_or(last));
        // When the files settle they count as new, even if they equal the files in force.
        self.tried = Tried::Changing;
        self.refuse(vec![diagnostics::never_quiet(since, quiet, last)], stopwatch);
    }

    fn take(&mut self, read: Result<Directory, Vec<Diagnostic>>, stopwatch: Stopwatch) {
        self.tried = Tried::of(&read);
        self.counters.count_attempt();
        match read {
            Ok(directory) if *directory.digest == *self.current().digest => self.unchanged(stopwatch),
            Ok(directory) => {
                let Loaded { snapshot, digest: _, diagnostics } = self.source.compile(directory);
                match snapshot {
                    Some(snapshot) => self.activate(snapshot, diagnostics, stopwatch),
                    None => self.refuse(diagnostics, stopwatch),
                }
            }
            Err(diagnostics) => self.refuse(diagnostics, stopwatch),
        }
    }

    /// Says whether snapshots out of force wait to be freed.
    pub fn has_retired(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Frees the snapshots out of force that no request uses any more.
    pub fn free_retired(&mut self) {
        // A retired snapshot can be reached only through the requests that hold it already, so a
        // count of one, ours, stays one.
        self.retired.retain(|snapshot| 1 < Arc::strong_count(snapshot));
    }

    fn current(&self) -> Arc<Status> {
        self.status.borrow().clone()
    }

    /// Notes that the files in force are the files on disk, still or again.
    fn unchanged(&mut self, stopwatch: Stopwatch) {
        let before = self.current();
        if before.files == Files::Stale {
            tracing::info!(digest = %before.digest, "the policies in force are the files on disk again");
        }
        self.publish(Status {
            files: Files::Current,
            attempted_at: self.clock.now(),
            load_time: stopwatch.elapsed(),
            diagnostics: self.good_diagnostics.clone(),
            ..Status::clone(&before)
        });
    }

    fn activate(&mut self, mut snapshot: Snapshot, diagnostics: Vec<Diagnostic>, stopwatch: Stopwatch) {
        snapshot.revision = self.current().revision.saturating_add(1);
        let (revision, digest) = (snapshot.revision, Arc::from(&*snapshot.digest));
        let editions = DatedEdition::all(&snapshot);
        self.retired.push(self.live.replace(snapshot));
        if RETIRED_MAX < self.retired.len() {
            self.retired.remove(0);
        }
        self.good_diagnostics = diagnostics.into();
        let now = self.clock.now();
        let load_time = stopwatch.elapsed();
        tracing::info!(revision, %digest, load_ms = load_time.as_millis(), "new policies in force");
        log_diagnostics(&self.good_diagnostics);
        self.counters.count_activation();
        self.publish(Status {
            files: Files::Current,
            revision,
            digest,
            activated_at: now,
            attempted_at: now,
            load_time,
            editions,
            diagnostics: self.good_diagnostics.clone(),
        });
    }

    fn refuse(&mut self, diagnostics: Vec<Diagnostic>, stopwatch: Stopwatch) {
        let before = self.current();
        self.counters.count_failure();
        // A repeated request for refused files gets the diagnostics, which are in the log already.
        let is_known = before.files == Files::Stale && *before.diagnostics == *diagnostics;
        if !is_known {
            // Attempts with other files do not count, nor attempts before these files were good.
            self.refused_again = Repeated::new();
        }
        let others = self.refused_again.happened();
        if let Some(others) = others {
            tracing::warn!(
                revision = before.revision,
                digest = %before.digest,
                diagnostics = diagnostics.len(),
                others,
                "the policies on disk were refused; the last good ones stay in force"
            );
        }
        if !is_known {
            log_diagnostics(&diagnostics);
        }
        self.publish(Status {
            files: Files::Stale,
            attempted_at: self.clock.now(),
            load_time: stopwatch.elapsed(),
            diagnostics: diagnostics.into(),
            ..Status::clone(&before)
        });
    }

    fn publish(&self, status: Status) {
        self.status.send_replace(Arc::new(status));
    }
}

fn log_diagnostics(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics.iter().take(LOGGED_DIAGNOSTICS_MAX) {
        let Diagnostic { code, severity, file, span, message, help } = diagnostic;
        let span = span.unwrap_or_default();
        let help = shown(help.as_deref().unwrap_or_default());
        let (file, message, help) = (shown(file), shown(message), help.as_ref());
        let (file, line, column) = (file.as_ref(), span.line, span.column);
        match severity {
            Severity::Error | Severity::Warning => {
                tracing::warn!(code, severity = severity.name(), file, line, column, help, "{message}");
            }
            Severity::Note => tracing::info!(code, severity = severity.name(), file, line, column, help, "{message}"),
        }
    }
    if let Some(more) = diagnostics.len().checked_sub(LOGGED_DIAGNOSTICS_MAX).filter(|more| 0 < *more) {
        tracing::warn!(more, "more diagnostics: ask the admin API, or run `neglist check`");
    }
}

#[cfg(test)]
#[path = "reload_tests.rs"]
mod tests;
