//! Runs the cases of test files against the policies, through the same steps as a request.
//!
//! Exporters, flows and clearances of a test file exist only for its own cases: the policies are compiled again with
//! them.

mod asked;
mod judge;
mod request;

pub use asked::asked;
pub use judge::outcome;

use self::judge::judge;
use super::compile::compile;
use super::diagnostic::{self, Diagnostic, Span};
use super::file::Limits;
use super::source::cases::{Case, TestFile};
use super::source::closing::Complete;
use super::source::registry::RegistryFile;
use super::source::{Document, Format, Kind, SourceFile};
use crate::domain::reason::{Outcome, ReasonCode};
use crate::domain::snapshot::Snapshot;

/// Result of one case.
#[derive(Debug, Clone)]
pub struct CaseResult {
    /// File of the case.
    pub file: String,
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its place.
    pub span: Span,
    /// The outcome; `None` for a refusal.
    pub outcome: Option<Outcome>,
    /// The result, in a few words.
    pub got: String,
    /// Differences from the expected result; empty if the case passes.
    pub failures: Vec<String>,
}

/// Finds the errors of the policies and of the test files, without running a case.
///
/// Returns the snapshot of the policies, if they have no error.
pub fn check(
    policies: &[SourceFile],
    tests: &[SourceFile],
    limits: &Limits,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Snapshot> {
    refuse_other_kinds(tests, diagnostics);
    let shared = compile_shared(policies, limits, diagnostics);
    for (source, file) in test_files(tests) {
        check_file(source, file, diagnostics);
        if shared.is_some() {
            with_registry(policies, source, file, limits, diagnostics);
        }
    }
    shared
}

/// Reports files with the name of a test file and the contents of a policy file. A server skips test files, so such a
/// list would silently no longer be in force.
fn refuse_other_kinds(tests: &[SourceFile], diagnostics: &mut Vec<Diagnostic>) {
    for source in tests {
        let span = match &source.document {
            Document::Test(_) => continue,
            Document::Catalogue(file) => file.span,
            Document::National(file) => file.span,
            Document::Zone(file) => file.span,
            Document::Registry(file) => file.span,
            Document::Gateway(file) => file.span,
        };
        let help = "rename it: a server never reads files named `…_test.yaml`".to_owned();
        let message = "the file is named like a test, but is not one".to_owned();
        super::decode::Context::new(&source.path, diagnostics).error("P030", span, message, help);
    }
}

/// Runs all cases of `tests` against the policies in `policies`.
///
/// Adds the diagnostics of the policies and of the test files to `diagnostics`. If any of them is an error, the cases
/// that depend on the file are not run.
pub fn run(
    policies: &[SourceFile],
    tests: &[SourceFile],
    limits: &Limits,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<CaseResult> {
    refuse_other_kinds(tests, diagnostics);
    let shared = compile_shared(policies, limits, diagnostics);
    let mut results = Vec::new();
    for (source, file) in test_files(tests) {
        check_file(source, file, diagnostics);
        let Some(shared) = &shared else { continue };
        match with_registry(policies, source, file, limits, diagnostics) {
            Fixture::None => results.extend(file.cases.iter().map(|case| run_case(shared, &source.path, case))),
            Fixture::Own(snapshot) => {
                results.extend(file.cases.iter().map(|case| run_case(&snapshot, &source.path, case)));
            }
            Fixture::Broken => {}
        }
    }
    results
}

fn compile_shared(policies: &[SourceFile], limits: &Limits, diagnostics: &mut Vec<Diagnostic>) -> Option<Snapshot> {
    let mut own = Vec::new();
    let shared = compile(policies, limits, &mut own);
    let shared = shared.filter(|_| !diagnostic::has_errors(&own));
    diagnostics.append(&mut own);
    shared
}

/// Returns the test files among the sources.
fn test_files(tests: &[SourceFile]) -> impl Iterator<Item = (&SourceFile, &TestFile)> {
    tests.iter().filter_map(|source| match &source.document {
        Document::Test(file) => Some((source, file.as_ref())),
        Document::Catalogue(_)
        | Document::National(_)
        | Document::Zone(_)
        | Document::Registry(_)
        | Document::Gateway(_) => None,
    })
}

/// The policies for one test file.
enum Fixture {
    /// The policies as they are.
    None,
    /// The policies with the file's own registry.
    Own(Box<Snapshot>),
    /// The file's own registry has errors.
    Broken,
}

fn with_registry(
    policies: &[SourceFile],
    source: &SourceFile,
    file: &TestFile,
    limits: &Limits,
    diagnostics: &mut Vec<Diagnostic>,
) -> Fixture {
    let Some(registry) = &file.registry else { return Fixture::None };
    let registry = RegistryFile {
        span: registry.span,
        format: Format,
        kind: Kind::Registry,
        exporters: registry.exporters.clone(),
        flows: registry.flows.clone(),
        clearances: registry.clearances.clone(),
        note: None,
        complete: Complete,
    };
    let document = Document::Registry(Box::new(registry));
    let mut sources = policies.to_vec();
    sources.push(SourceFile { path: source.path.clone(), document, unknown: Vec::new(), lost: Vec::new() });
    let mut found = Vec::new();
    let snapshot = compile(&sources, limits, &mut found);
    found.retain(|diagnostic| diagnostic.file == source.path);
    let broken = diagnostic::has_errors(&found);
    diagnostics.append(&mut found);
    snapshot.filter(|_| !broken).map_or(Fixture::Broken, |snapshot| Fixture::Own(Box::new(snapshot)))
}

/// Checks that each case proves something: it is unique and names only reason codes that exist.
fn check_file(source: &SourceFile, file: &TestFile, diagnostics: &mut Vec<Diagnostic>) {
    let mut cx = super::decode::Context::new(&source.path, diagnostics);
    let names: Vec<&str> = ReasonCode::ALL.iter().map(|code| code.name()).collect();
    for (index, case) in file.cases.iter().enumerate() {
        if let Some(first) = file.cases.iter().take(index).find(|earlier| earlier.id.value == case.id.value) {
            let (id, line) = (&case.id.value.0, first.id.span.line);
            let message = diagnostic::duplicate(format_args!("case `{id}`"), format_args!("line {line}"));
            let help = "each case needs its own id: rename or remove one of the two".to_owned();
            cx.error("P010", case.id.span, message, help);
        }
        for code in case.about.iter().chain(&case.want.reasons) {
            if !names.contains(&code.value.0.as_ref()) {
                let help = super::decode::did_you_mean(&code.value.0, names.iter().copied());
                cx.error("P011", code.span, format!("unknown reason code `{}`", code.value.0), help);
            }
        }
        request::check(&mut cx, case);
        if case.want.outcome.is_some() == case.want.error.is_some() {
            let help = "write one of `outcome: …` and `error: …`".to_owned();
            cx.error("P017", case.want.span, "a case wants either an outcome or an error".to_owned(), help);
        }
    }
}

/// Runs one case.
pub fn run_case(snapshot: &Snapshot, file: &str, case: &Case) -> CaseResult {
    let (outcome, got, failures) = match (&case.transfer, &case.request) {
        (Some(transfer), _) => judge(snapshot, &asked(transfer), case),
        (None, Some(request)) => request::run(snapshot, request, case),
        // Reported when the file was checked.
        (None, None) => (None, "nothing is asked".to_owned(), vec!["a case asks something".to_owned()]),
    };
    CaseResult {
        file: file.to_owned(),
        id: case.id.value.0.to_string(),
        title: case.title.0.to_string(),
        span: case.id.span,
        outcome,
        got,
        failures,
    }
}
