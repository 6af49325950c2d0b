//! A policy directory that fits on a few screens, for tests that change a word in it.

use neglist::policy::lint::{self, Horizon};
use neglist::policy::{self, Diagnostic, PolicyFile, verify};

use crate::support::shipped::LIMITS;

pub(crate) const CODES: &str = "catalogue/codes.yaml";
pub(crate) const NATION: &str = "lists/national/nation.yaml";
pub(crate) const PORT: &str = "lists/zones/port.yaml";
pub(crate) const OWN: &str = "registry/own.yaml";
pub(crate) const GATE: &str = "gateways/routes.yaml";
pub(crate) const TEST: &str = "tests/own_test.yaml";

/// The directory.
#[derive(Clone)]
pub(crate) struct Small {
    pub(crate) files: Vec<PolicyFile>,
}

impl Small {
    /// Returns the directory as it is: valid, and without a finding.
    pub(crate) fn new() -> Self {
        let file = |path: &str, text: &str| PolicyFile { path: path.to_owned(), text: text.to_owned() };
        Self {
            files: vec![
                file(CODES, include_str!("small/catalogue/codes.yaml")),
                file(NATION, include_str!("small/lists/national/nation.yaml")),
                file(PORT, include_str!("small/lists/zones/port.yaml")),
                file(OWN, include_str!("small/registry/own.yaml")),
                file(GATE, include_str!("small/gateways/routes.yaml")),
                file(TEST, include_str!("small/tests/own_test.yaml")),
            ],
        }
    }

    /// Replaces the first occurrence of a text in a file.
    #[track_caller]
    pub(crate) fn with(mut self, path: &str, old: &str, new: &str) -> Self {
        let file = self.files.iter_mut().find(|file| file.path == path).unwrap();
        assert!(file.text.contains(old), "`{old}` is not in {path}");
        file.text = file.text.replacen(old, new, 1);
        self
    }

    /// Adds a file.
    pub(crate) fn and(mut self, path: &str, text: &str) -> Self {
        self.files.push(PolicyFile { path: path.to_owned(), text: text.to_owned() });
        self
    }

    /// Returns the policies and the tests.
    pub(crate) fn split(&self) -> (Vec<PolicyFile>, Vec<PolicyFile>) {
        self.files.iter().cloned().partition(|file| !file.path.ends_with("_test.yaml"))
    }

    /// Returns every diagnostic, in the test files too.
    pub(crate) fn diagnostics(&self) -> Vec<Diagnostic> {
        let (policies, tests) = self.split();
        let mut diagnostics = Vec::new();
        let sources = policy::read(&policies, &LIMITS, &mut diagnostics);
        let tests = policy::read(&tests, &LIMITS, &mut diagnostics);
        verify::check(&sources, &tests, &LIMITS, &mut diagnostics);
        policy::consequences::remove(&self.files, &[&sources, &tests], &mut diagnostics);
        policy::diagnostic::sort(&mut diagnostics);
        diagnostics
    }

    /// Returns the diagnostics of a day, with a look-ahead of 60 days.
    pub(crate) fn outlook(&self, day: &str) -> Vec<Diagnostic> {
        let (policies, tests) = self.split();
        let mut diagnostics = Vec::new();
        let sources = policy::read(&policies, &LIMITS, &mut diagnostics);
        let tests = policy::read(&tests, &LIMITS, &mut diagnostics);
        let snapshot = verify::check(&sources, &tests, &LIMITS, &mut diagnostics);
        let horizon = Horizon { day: day.parse().unwrap(), expires_within_days: 60 };
        lint::find(&sources, snapshot.as_ref(), horizon, &mut diagnostics);
        policy::diagnostic::sort(&mut diagnostics);
        diagnostics
    }
}
