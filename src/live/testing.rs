//! Shared by the tests of reloading: a clock, a compiler and directories that need no real lists.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use super::read::ReadLimits;
use super::reload::{Compiler, Source};
use crate::domain::calendar::Calendar;
use crate::domain::clock::Clock;
use crate::domain::gateway::Gateway;
use crate::domain::snapshot::{Codes, Lists, Registry, Rules, Snapshot};
use crate::domain::units::{Moment, Year};
use crate::policy::{Compiled, Diagnostic, PolicyFile, Severity};

/// A clock that goes one second further each time.
#[derive(Debug, Default)]
pub(crate) struct TickingClock(AtomicI64);

impl Clock for TickingClock {
    fn now(&self) -> Moment {
        Moment::from_seconds(1_800_000_000 + self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Returns a snapshot in which nothing is listed.
pub(crate) fn empty_snapshot() -> Snapshot {
    Snapshot {
        revision: 0,
        digest: "".into(),
        calendar: Calendar::new(Year(2026), vec![Moment::from_seconds(0), Moment::from_seconds(i64::MAX)]),
        codes: Codes::default(),
        lists: Lists::default(),
        registry: Registry::default(),
        rules: Rules::default(),
        gateway: Gateway::default(),
    }
}

/// Compiles files to a snapshot whose flows are their texts; refuses a text with `bad` in it,
/// warns of `odd`, panics at `panic`.
pub(crate) fn fake_compile(files: &[PolicyFile]) -> Compiled {
    let mut snapshot = empty_snapshot();
    let mut diagnostics = Vec::new();
    for file in files {
        assert!(!file.text.contains("panic"), "the compiler was asked to panic");
        let mut report = |severity, message: &str| {
            let (file, message) = (file.path.clone(), message.to_owned());
            diagnostics.push(Diagnostic { code: "P001", severity, file, span: None, message, help: None });
        };
        if file.text.contains("bad") {
            report(Severity::Error, "bad text");
        }
        if file.text.contains("odd") {
            report(Severity::Warning, "odd text");
        }
        let _ = snapshot.codes.flows.insert(&file.text);
    }
    let refused = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    Compiled { snapshot: (!refused).then_some(snapshot), diagnostics }
}

/// Returns a source with the fake compiler.
pub(crate) fn source(directory: &Path) -> Source {
    Source { directory: directory.to_owned(), limits: ReadLimits::default(), compiler: Compiler::new(fake_compile) }
}

/// Returns a clock for tests.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(TickingClock::default())
}

/// A directory that is removed at the end of the test.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: tempfile::TempDir,
}

impl Workspace {
    /// Creates it, with policy files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let workspace = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(workspace.policies()).unwrap();
        for (path, text) in files {
            workspace.write(path, text);
        }
        workspace
    }

    /// Returns the policy directory in it.
    pub(crate) fn policies(&self) -> PathBuf {
        self.root.path().join("policies")
    }

    /// Returns a path in the policy directory.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.policies().join(relative)
    }

    /// Writes a file of the policy directory in place.
    pub(crate) fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Puts a file into the policy directory in one step, so that a reader never sees half of it.
    pub(crate) fn replace(&self, relative: &str, text: &str) {
        let aside = self.root.path().join("aside");
        fs::write(&aside, text).unwrap();
        fs::rename(aside, self.path(relative)).unwrap();
    }

    /// Makes a link in the policy directory.
    pub(crate) fn link(&self, leads_to: impl AsRef<Path>, relative: &str) {
        symlink(leads_to, self.path(relative)).unwrap();
    }

    /// Puts a new directory behind the link `..data`, as Kubernetes does with a config map.
    pub(crate) fn swap_config_map(&self, version: &str, files: &[(&str, &str)]) {
        let old = fs::read_link(self.path("..data")).ok();
        for (name, text) in files {
            self.write(&format!("..{version}/{name}"), text);
        }
        self.link(format!("..{version}"), "..data_tmp");
        fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
        for (name, _) in files {
            if !self.path(name).is_symlink() {
                self.link(format!("..data/{name}"), name);
            }
        }
        if let Some(old) = old {
            fs::remove_dir_all(self.path(old.to_str().unwrap())).unwrap();
        }
    }
}

/// Waits until a condition holds; fails the test if it does not within ten seconds.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a deadline for the test itself")]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "within ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
