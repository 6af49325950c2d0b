//! Shared by the commands of the policy admin: the policy directory, its limits, and the day.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::console::{Console, Exit, Format};
use crate::app::server::read_limits;
use crate::config::{self, Config, Flags};
use crate::domain::snapshot::Snapshot;
use crate::live::read::{Directory, Selection, read};
use crate::policy::diagnostic::{has_errors, sort};
use crate::policy::source::scalar::{FIRST_YEAR, LAST_YEAR};
use crate::policy::{self, Diagnostic, Limits, PolicyFile, SourceFile, consequences, time, verify};
use crate::report::{self, Checked, Colour, json, text};

/// Directory and limits of the policies, as for a server with the same environment.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) directory: PathBuf,
    config: Config,
}

impl Settings {
    /// Reads the settings; writes their problems to the console.
    pub(super) fn load(directory: Option<&str>, console: &mut Console<'_>) -> io::Result<Result<Self, Exit>> {
        let values = directory.map(|directory| ("policies", vec![directory.to_owned()]));
        let flags = Flags { config: None, values: values.into_iter().collect() };
        // These commands ignore other settings, such as listeners.
        let environment = console.environment.iter().filter(|(name, _)| concerns_policies(name)).cloned();
        match config::load(&flags, environment) {
            Ok(loaded) => {
                let config = loaded.config;
                Ok(Ok(Self { directory: config.policies.clone(), config }))
            }
            Err(error) => {
                writeln!(console.err, "{error}")?;
                Ok(Err(Exit::Usage))
            }
        }
    }

    pub(super) fn limits(&self) -> Limits {
        Limits { entries_max: self.config.policy_entries_max, depth_max: self.config.policy_depth_max }
    }

    /// Returns the most bytes of a request.
    pub(super) const fn request_bytes_max(&self) -> usize {
        self.config.request_bytes_max
    }

    /// Reads, compiles and checks a directory with its test files.
    pub(super) fn inspect(&self, directory: &Path) -> Inspected {
        self.inspect_selected(directory, Selection::PoliciesAndTests)
    }

    /// Reads and compiles the policies, as a server does.
    pub(super) fn inspect_policies(&self) -> Inspected {
        self.inspect_selected(&self.directory, Selection::Policies)
    }

    fn inspect_selected(&self, directory: &Path, selection: Selection) -> Inspected {
        match read(directory, &read_limits(&self.config), selection) {
            Ok(directory) => Inspected::of(directory, &self.limits()),
            Err(diagnostics) => Inspected { diagnostics, ..Inspected::default() },
        }
    }
}

fn concerns_policies(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("NEGLIST_POLIC") || name == "NEGLIST_CONFIG")
}

/// A policy directory and its contents.
#[derive(Debug, Default)]
pub(super) struct Inspected {
    /// All files, the tests included.
    pub(super) files: Vec<PolicyFile>,
    pub(super) policies: Vec<SourceFile>,
    pub(super) tests: Vec<SourceFile>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The snapshot; `None` if the policies have an error.
    pub(super) snapshot: Option<Snapshot>,
}

impl Inspected {
    fn of(directory: Directory, limits: &Limits) -> Self {
        let Directory { policies: policy_files, tests: test_files, digest, mut diagnostics } = directory;
        let policies = policy::read(&policy_files, limits, &mut diagnostics);
        let tests = policy::read(&test_files, limits, &mut diagnostics);
        let snapshot = verify::check(&policies, &tests, limits, &mut diagnostics);
        let mut files = policy_files;
        let is_test = |file: &str| test_files.iter().any(|test| test.path == file);
        let is_valid = diagnostics.iter().all(|found| is_test(&found.file) || !has_errors(std::slice::from_ref(found)));
        let snapshot = snapshot.filter(|_| is_valid).map(|snapshot| Snapshot { digest: digest.into(), ..snapshot });
        files.extend(test_files);
        consequences::remove(&files, &[&policies, &tests], &mut diagnostics);
        sort(&mut diagnostics);
        Self { files, policies, tests, diagnostics, snapshot }
    }

    /// Returns the report of the directory.
    pub(super) fn checked(&self) -> Checked<'_> {
        Checked {
            diagnostics: &self.diagnostics,
            files: &self.files,
            unknown: policy::lint::unknown(&self.policies),
            digest: self.snapshot.as_ref().map(|snapshot| snapshot.digest.as_ref()),
        }
    }

    /// Keeps only the errors among the diagnostics.
    pub(super) fn keep_errors(&mut self) {
        self.diagnostics.retain(|found| has_errors(std::slice::from_ref(found)));
    }
}

/// Writes diagnostics in the given format.
pub(super) fn report(checked: &Checked<'_>, format: Format, colour: Colour, out: &mut dyn io::Write) -> io::Result<()> {
    match format {
        Format::Text => text::checked(checked, colour, out),
        Format::Json => json::checked(checked, out),
    }
}

/// Returns the policies of a directory as a server has them, by default of the configured directory. Writes to the console why
/// they cannot be used.
pub(super) fn snapshot(directory: Option<&str>, console: &mut Console<'_>) -> io::Result<Result<Snapshot, Exit>> {
    let settings = match Settings::load(directory, console)? {
        Ok(settings) => settings,
        Err(exit) => return Ok(Err(exit)),
    };
    let mut inspected = settings.inspect_policies();
    if let Some(snapshot) = inspected.snapshot.take() {
        return Ok(Ok(snapshot));
    }
    inspected.keep_errors();
    refuse(&settings.directory, &inspected, console).map(Err)
}

/// Writes to stderr why a directory cannot be used.
pub(super) fn refuse(directory: &Path, inspected: &Inspected, console: &mut Console<'_>) -> io::Result<Exit> {
    let checked = inspected.checked();
    text::diagnostics(&checked, console.err_colour, console.err)?;
    let errors = report::counted(checked.count(policy::Severity::Error), "error");
    let directory = directory.display().to_string();
    writeln!(console.err, "the policies in `{}` have {errors}", policy::shown(&directory))?;
    Ok(Exit::Failed)
}

/// Parses the day of a flag.
pub(super) fn parse_day(text: &str) -> Result<Date, String> {
    let day = if text.len() == 10 { text.parse::<Date>().ok() } else { None };
    day.filter(|day| (FIRST_YEAR..=LAST_YEAR).contains(&day.year()))
        .ok_or_else(|| format!("write year, month and day as 2026-05-11; years {FIRST_YEAR} to {LAST_YEAR}"))
}

/// Returns today in Shanghai.
pub(super) fn today(console: &Console<'_>) -> Date {
    // A clock outside the range of dates is broken; the first day of the format is far from all lists.
    time::day(console.clock.now()).unwrap_or(Date::constant(FIRST_YEAR, 1, 1))
}
