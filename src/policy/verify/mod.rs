//! Runs the cases of test files against the policies, through the same steps as a request.
//!
//! Exporters, flows and clearances of a test file exist only for its own cases: the policies are compiled again with
//! them.

mod request;

use super::compile;
use super::diagnostic::{self, Diagnostic, Span};
use super::source::Document;
use super::source::cases::{Case, CaseItem, CaseTransfer, TestFile, WantOutcome};
use super::source::closing::Complete;
use super::source::registry::RegistryFile;
use super::source::request::CasePersons;
use super::source::request::Raw;
use super::source::scalar::{Class, Modality, YesNo};
use super::source::{Format, Kind};
use super::{Limits, SourceFile};
use crate::domain::asked::{Asked, AskedFacts, AskedItem, AskedPersons, Problem, Violation};
use crate::domain::decision::Decision;
use crate::domain::evaluate::evaluate;
use crate::domain::reason::{Outcome, ReasonCode};
use crate::domain::resolve::{missing_totals, resolve};
use crate::domain::snapshot::Snapshot;
use crate::domain::units::Moment;

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
        let message = "a file named as a test that is none".to_owned();
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
    let shared = compile::compile(policies, limits, &mut own);
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
    let snapshot = compile::compile(&sources, limits, &mut found);
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
        if file.cases.iter().take(index).any(|earlier| earlier.id.value == case.id.value) {
            let help = "every case has an id of its own in its file".to_owned();
            cx.error("P010", case.id.span, format!("the case `{}` stands twice", case.id.value.0), help);
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

/// Result of a case: the outcome, the result in a few words, and the differences from the expected result.
type Came = (Option<Outcome>, String, Vec<String>);

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

/// Decides the transfer of a case, and compares the result.
fn judge(snapshot: &Snapshot, asked: &Asked<'_>, case: &Case) -> Came {
    match decide(snapshot, asked, case.at.0) {
        Ok(decision) => (Some(decision.outcome), in_words(&decision), compare(snapshot, &decision, case)),
        Err(violations) => {
            let fields: Vec<String> = violations.iter().map(|violation| violation.path.to_string()).collect();
            let problems: Vec<String> = violations.iter().map(in_short).collect();
            refused(&fields, &problems, case)
        }
    }
}

/// Compares a refusal with the expected one. `fields` are its places and reasons.
fn refused(fields: &[String], problems: &[String], case: &Case) -> Came {
    let failures = match &case.want.error {
        Some(field) if fields.iter().any(|found| *found == *field.0) => Vec::new(),
        Some(field) => vec![format!("wanted an error at `{}`", field.0)],
        None => vec![format!("wanted an answer, and the request is refused: {}", problems.join("; "))],
    };
    (None, format!("refused at {}", fields.join(", ")), failures)
}

fn decide(snapshot: &Snapshot, asked: &Asked<'_>, at: Moment) -> Result<Decision, Vec<Violation>> {
    let transfer = resolve(snapshot, asked, at)?;
    let missing = missing_totals(snapshot, &transfer);
    if missing.is_empty() { Ok(evaluate(snapshot, &transfer, &transfer.stated)) } else { Err(missing) }
}

/// Describes a violation briefly, for the author of a case; the answer to a caller says more.
fn in_short(violation: &Violation) -> String {
    let problem = match &violation.problem {
        Problem::Missing(_) => "has to be stated".to_owned(),
        Problem::UnknownCode { kind, code, nearest } => {
            let nearest = nearest.as_ref().map(|nearest| format!(", did you mean `{nearest}`?")).unwrap_or_default();
            format!("unknown {} `{code}`{nearest}", kind.nouns().1)
        }
        Problem::NearExporter { code, nearest } => {
            format!("`{code}` is not registered and resembles the registered `{nearest}`")
        }
        Problem::NearMiss { code, nearest } => format!("`{code}` resembles the stricter `{nearest}`"),
        Problem::NotACountry { code, .. } => format!("`{code}` is not a country code"),
        Problem::TooLong { bytes } => format!("{bytes} bytes are too many"),
        Problem::NotAName(fault) => format!("not a name: {fault}"),
        Problem::NotACode(fault) => format!("not a code: {fault}"),
        Problem::TooMany { count, max } => format!("{count} entries, and at most {max} are allowed"),
        Problem::TooManyPersons { count } => format!("{count} persons are too many"),
        Problem::PersonsWithoutPersonalInformation => "persons, and no personal information is sent".to_owned(),
        Problem::OtherExportersFlow { registered } => format!("the flow belongs to `{registered}`"),
        Problem::GroundNotInherited { flow } => format!("the ground of the flow `{flow}` is for other data"),
        // A case states its moment.
        Problem::OutOfCalendar | Problem::Clock(_) => "outside the calendar".to_owned(),
        Problem::UnknownField { number } => format!("the contract has no field {number}"),
        Problem::WrongWireType { number } => format!("field {number} is of another type"),
        Problem::UnknownNumber { number, name } => format!("{number} is no value of `{name}`"),
        Problem::NotATimestamp => "not a time stamp".to_owned(),
        // A case only asks; this violation occurs only when counting.
        Problem::Counting(_) => "cannot be counted".to_owned(),
    };
    format!("{}: {problem}", violation.path)
}

fn in_words(decision: &Decision) -> String {
    let codes: Vec<&str> = decision.reasons.iter().map(|reason| reason.code.name()).collect();
    format!("{} ({})", decision.outcome.name(), codes.join(", "))
}

fn compare(snapshot: &Snapshot, decision: &Decision, case: &Case) -> Vec<String> {
    let want = &case.want;
    let mut failures = Vec::new();
    if let Some(field) = &want.error {
        failures.push(format!("wanted an error at `{}`", field.0));
    }
    let outcomes = [("outcome", want.outcome, decision.outcome), ("required", want.required, decision.required)];
    for (name, wanted, got) in outcomes {
        if let Some(wanted) = wanted.filter(|wanted| outcome(*wanted) != got) {
            failures.push(format!("wanted {name} {}, got {}", wanted.word(), got.name()));
        }
    }
    for code in &want.reasons {
        if !decision.reasons.iter().any(|reason| reason.code.name() == code.value.0.as_ref()) {
            failures.push(format!("wanted the reason {}", code.value.0));
        }
    }
    if let Some(wanted) = &want.alternatives {
        let got: Vec<&str> = decision
            .alternative_step
            .iter()
            .filter_map(|step| snapshot.step(*step))
            .map(|step| step.procedure.as_ref())
            .collect();
        let wanted: Vec<&str> = wanted.iter().map(|procedure| procedure.0.as_ref()).collect();
        if got != wanted {
            failures.push(format!("wanted the alternatives [{}], got [{}]", wanted.join(", "), got.join(", ")));
        }
    }
    if let Some(wanted) = &want.clearance {
        let got = decision.clearance.and_then(|id| snapshot.clearance(id)).map(|clearance| clearance.id.as_ref());
        if got != Some(wanted.0.as_ref()) {
            failures.push(format!("wanted the clearance {}, got {}", wanted.0, got.unwrap_or("none")));
        }
    }
    failures
}

/// Returns the outcome that a case expects.
pub const fn outcome(wanted: WantOutcome) -> Outcome {
    match wanted {
        WantOutcome::Allow => Outcome::Allow,
        WantOutcome::File => Outcome::File,
        WantOutcome::Contract => Outcome::Contract,
        WantOutcome::Assess => Outcome::Assess,
    }
}

/// Returns the transfer of a case in the words of a caller.
pub fn asked(transfer: &CaseTransfer) -> Asked<'_> {
    let facts = transfer.exporter_facts.as_ref().map(|facts| AskedFacts {
        ciio: facts.ciio == YesNo::Yes,
        zones: facts.zones.iter().map(|zone| zone.0.as_ref()).collect(),
        cities: facts.cities.iter().map(|city| city.0.as_ref()).collect(),
        kinds: facts.kinds.iter().map(|kind| kind.0.as_ref()).collect(),
        held: facts.held.as_ref().map(persons).unwrap_or_default(),
        held_specially_sensitive: facts.held_specially_sensitive.map_or(0, |persons| persons.0.get()),
    });
    Asked {
        flow: text(transfer.flow.as_ref()),
        exporter: text(transfer.exporter.as_ref()),
        exporter_facts: facts,
        recipient: text(transfer.recipient.as_ref()),
        destination: text(transfer.destination.as_ref()),
        sector: text(transfer.sector.as_ref()),
        scenario: text(transfer.scenario.as_ref()),
        data: transfer.data.iter().map(item).collect(),
        persons: transfer.persons.as_ref().map(persons),
        year_to_date: transfer.year_to_date.as_ref().map(persons),
        scenario_year_to_date: transfer.scenario_year_to_date.as_ref().map(persons),
        clearance_year_to_date: transfer.clearance_year_to_date.as_ref().map(persons),
        ground: transfer.ground.to_ground(),
        at: None,
        export_zone: text(transfer.export_zone.as_ref()),
    }
}

/// In the API, absent and empty are the same.
fn text(text: Option<&Raw>) -> Option<&str> {
    text.map(|text| text.0.as_ref()).filter(|text| !text.is_empty())
}

fn item(item: &CaseItem) -> AskedItem<'_> {
    AskedItem {
        code: &item.code.0,
        class: item.class.map(Class::to_class),
        modality: item.modality.map(Modality::to_modality),
        attributes: item.attributes.iter().map(|attribute| attribute.0.as_ref()).collect(),
    }
}

const fn persons(persons: &CasePersons) -> AskedPersons {
    AskedPersons { general: persons.general.0.get(), sensitive: persons.sensitive.0.get() }
}
