//! The commands of the policy admin, run as the shell runs them.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::Parser;
use neglist::cli::console::{Console, Exit};
use neglist::cli::{check, decide, diff, ledger, pseudonym, test};
use neglist::domain::clock::Clock;
use neglist::domain::units::Moment;
use neglist::report::Colour;
use tempfile::TempDir;

use crate::support::small::{GATE, OWN, PORT, Small, TEST};

#[derive(Parser)]
#[command(no_binary_name = true)]
enum Command {
    Check(check::Arguments),
    Test(test::Arguments),
    Decide(decide::Arguments),
    Diff(diff::Arguments),
    Ledger(ledger::Arguments),
    Pseudonym(pseudonym::Arguments),
}

/// 2026-06-01T12:00:00+08:00.
#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Moment {
        Moment::from_seconds(1_780_286_400)
    }
}

pub(crate) struct Done {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn run_in(environment: &[(&str, &str)], arguments: &[&str], mut input: &[u8]) -> Done {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    let mut console = Console {
        out: &mut out,
        err: &mut err,
        out_colour: Colour::Plain,
        err_colour: Colour::Plain,
        clock: &Noon,
        environment,
    };
    let exit = match Command::try_parse_from(arguments).unwrap() {
        Command::Check(arguments) => check::run(&arguments, &mut console),
        Command::Test(arguments) => test::run(&arguments, &mut console),
        Command::Decide(arguments) => decide::run(&arguments, &mut input, &mut console),
        Command::Diff(arguments) => diff::run(&arguments, &mut console),
        Command::Ledger(arguments) => ledger::run(&arguments, &mut console),
        Command::Pseudonym(arguments) => pseudonym::run(&arguments, &mut input, &mut console),
    };
    let exit = exit.unwrap();
    Done { exit, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

pub(crate) fn run(arguments: &[&str]) -> Done {
    run_in(&[], arguments, b"")
}

pub(crate) fn written(small: &Small) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in &small.files {
        let path = directory.path().join(&file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &file.text).unwrap();
    }
    directory
}

pub(crate) fn name(directory: &TempDir) -> &str {
    directory.path().to_str().unwrap()
}

/// Hides what differs from run to run.
fn stable(text: &str, directory: &Path) -> String {
    let text = text.replace(directory.to_str().unwrap(), "DIR");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for line in &mut lines {
        if let Some((before, _)) = line.split_once("\"decisionId\": ") {
            *line = format!("{before}\"decisionId\": …,");
        }
    }
    lines.join("\n")
}

#[test]
fn check_reports_and_ends_as_the_findings_are() {
    let good = written(&Small::new());
    let done = run(&["check", name(&good)]);
    assert_eq!((done.exit, done.err.as_str()), (Exit::Success, ""));
    insta::assert_snapshot!("check", done.out);

    let warned = written(&Small::new().with(OWN, "last_day: 2027-12-31", "last_day: 2026-06-30"));
    assert_eq!(run(&["check", name(&warned)]).exit, Exit::Success);
    assert_eq!(run(&["check", name(&warned), "--deny-warnings"]).exit, Exit::Failed);
    assert_eq!(run(&["check", name(&warned), "--deny-warnings", "--at", "2026-04-01"]).exit, Exit::Success);
    let far = ["check", name(&warned), "--deny-warnings", "--at", "2026-04-01", "--expires-within-days", "90"];
    assert_eq!(run(&far).exit, Exit::Failed);
    assert_eq!(run(&["check", name(&good), "--deny-warnings"]).exit, Exit::Success, "notes never fail");

    let bad = written(&Small::new().with(TEST, "outcome: allow", "outcome: alow"));
    let done = run(&["check", name(&bad)]);
    assert_eq!(done.exit, Exit::Failed);
    assert!(done.out.contains("tests/own_test.yaml:14:21"), "{}", done.out);
    assert!(done.out.contains("digest blake3:"), "a test file is not part of the policies");
}

/// Names of files that would begin new lines, or move the cursor, if they were shown unescaped.
const FORGING: [&str; 3] = [
    "registry/x\nnote[P024]: all is well.yaml",
    "registry/\u{1b}[2J\rerror.yaml",
    "registry/\u{202e}lmay.\u{2028}note[P024]: all is well.yaml",
];

#[test]
fn c_names_of_files_forge_no_line_of_check_test_or_diff() {
    let good = written(&Small::new());
    for path in FORGING {
        // A finding with a line, one without, and one of a test.
        for (path, text) in
            [(path, "format: 1\nkind: registry\n"), (path, ""), (&path.replace(".yaml", "_test.yaml"), "a")]
        {
            let bad = written(&Small::new().and(path, text));
            let results =
                [run(&["check", name(&bad)]), run(&["test", name(&bad)]), run(&["diff", name(&good), name(&bad)])];
            for Done { exit, out, err } in results {
                assert_eq!(exit, Exit::Failed);
                let said = out + &err;
                assert!(said.lines().all(|line| !line.starts_with("note[P024]: all")), "{said}");
                assert!(!said.contains(['\u{1b}', '\r', '\u{202e}', '\u{2028}']), "{said:?}");
                assert!(said.contains("\\n") || said.contains("\\u{"), "escaped: {said}");
            }
        }
    }
}

#[test]
fn check_writes_json() {
    let bad = written(&Small::new().with(PORT, "zone: port\n", "zone: prot\n"));
    let done = run(&["check", name(&bad), "--format", "json"]);
    assert_eq!(done.exit, Exit::Failed);
    insta::assert_snapshot!("check_json", done.out);
}

#[test]
fn check_prints_the_schema() {
    let done = run(&["check", "--schema"]);
    let shipped = fs::read_to_string(crate::support::shipped::directory().join("schema.json")).unwrap();
    assert_eq!((done.exit, done.out), (Exit::Success, shipped));
}

#[test]
fn directories_that_are_none_are_findings() {
    for command in ["check", "test"] {
        let done = run(&[command, "/nowhere/at/all"]);
        assert_eq!(done.exit, Exit::Failed, "{command}");
        assert!(format!("{}{}", done.out, done.err).contains("D001"), "{}{}", done.out, done.err);
    }
}

#[test]
fn the_environment_names_the_directory_and_the_limits() {
    let good = written(&Small::new());
    let policies = [("NEGLIST_POLICIES", name(&good)), ("NEGLIST_LISTEN", "nonsense")];
    assert_eq!(run_in(&policies, &["check"], b"").exit, Exit::Success);
    let narrow = [("NEGLIST_POLICIES", name(&good)), ("NEGLIST_POLICY_DEPTH_MAX", "8")];
    assert_eq!(run_in(&narrow, &["check"], b"").exit, Exit::Success);
    let done = run_in(&[("NEGLIST_POLICY_DEPTH_MAX", "deep")], &["check"], b"");
    assert_eq!(done.exit, Exit::Usage);
    assert!(done.err.contains("NEGLIST_POLICY_DEPTH_MAX"), "{}", done.err);
}

#[test]
fn test_runs_the_cases() {
    let good = written(&Small::new());
    let done = run(&["test", name(&good)]);
    assert_eq!((done.exit, done.out.as_str(), done.err.as_str()), (Exit::Success, "1 case: 1 passed, 0 failed\n", ""));

    let wrong = Small::new().with(TEST, "outcome: allow, required: file", "outcome: file, required: contract");
    let wrong = written(&wrong.with(TEST, "clearance: filing-1", "clearance: filing-2"));
    let done = run(&["test", name(&wrong)]);
    assert_eq!((done.exit, done.err.as_str()), (Exit::Failed, ""));
    insta::assert_snapshot!("test_failed", done.out);
    insta::assert_snapshot!("test_failed_json", run(&["test", name(&wrong), "--format", "json"]).out);

    let refused = written(&Small::new().with(TEST, "flow: trial", "flow: trail"));
    insta::assert_snapshot!("test_refused", run(&["test", name(&refused)]).out);
}

#[test]
fn a_test_of_nothing_proves_nothing() {
    let mut small = Small::new();
    small.files.retain(|file| file.path != TEST);
    let empty = written(&small);
    let done = run(&["test", name(&empty)]);
    assert_eq!((done.exit, done.out.as_str()), (Exit::Failed, "0 cases: 0 passed, 0 failed\n"));
    assert!(done.err.contains("there are no cases"), "{}", done.err);
    let broken = written(&Small::new().with(PORT, "mode: before-export", "mode: before"));
    let done = run(&["test", name(&broken)]);
    assert_eq!(done.exit, Exit::Failed);
    assert!(done.err.contains("P006") && !done.err.contains("no cases"), "{}", done.err);
}

const TRANSFER: &str = r#"{"flow": "trial", "persons": {"sensitive": 10}, "yearToDate": {}, "scenarioYearToDate": {}}"#;

fn decided(directory: &TempDir, arguments: &[&str], input: &str) -> Done {
    let all = [&["decide", "--policies", name(directory)], arguments].concat();
    run_in(&[], &all, input.as_bytes())
}

#[test]
fn decide_answers_as_a_server_does() {
    let good = written(&Small::new());
    let done = decided(&good, &["-"], TRANSFER);
    assert_eq!((done.exit, done.err.as_str()), (Exit::Success, ""));
    insta::assert_snapshot!("decide", stable(&done.out, good.path()));
    let file = good.path().join("transfer.json");
    fs::write(&file, TRANSFER).unwrap();
    let done = decided(&good, &["--full", file.to_str().unwrap()], "");
    assert!(done.out.contains("\"citation\""), "{}", done.out);
    // Before the clearance and the list: not allowed, and still an answer.
    let done = decided(&good, &["-", "--at", "2024-06-01"], TRANSFER);
    assert_eq!(done.exit, Exit::Success);
    assert!(done.out.contains("OUTCOME_CONTRACT"), "{}", done.out);
}

#[test]
fn decide_names_all_violations() {
    let good = written(&Small::new());
    let done = decided(
        &good,
        &["-"],
        r#"{"exporter": "acme", "sector": "farma", "destination": "ch", "data": [{"code": "x"}]}"#,
    );
    assert_eq!((done.exit, done.out.as_str()), (Exit::Failed, ""));
    insta::assert_snapshot!("decide_refused", done.err);
    let totals = decided(&good, &["-"], r#"{"flow": "trial", "persons": {"sensitive": 10}}"#);
    assert_eq!(totals.exit, Exit::Failed);
    assert!(
        totals.err.contains("transfer.year_to_date") && totals.err.contains("scenario_year_to_date"),
        "{}",
        totals.err
    );
}

#[test]
fn decide_needs_a_request_that_can_be_read() {
    let good = written(&Small::new());
    let cases = [("-", "{"), ("-", r#"{"flw": "trial"}"#), ("-", "[]"), ("/nowhere/transfer.json", "")];
    let mut all = String::new();
    for (file, input) in cases {
        let done = decided(&good, &[file], input);
        assert_eq!((done.exit, done.out.as_str()), (Exit::Usage, ""), "{input}");
        all += &done.err;
    }
    let timed = TRANSFER.replace("{\"flow\"", "{\"at\": \"2026-01-01T00:00:00Z\", \"flow\"");
    let done = decided(&good, &["-", "--at", "2026-06-01"], &timed);
    assert_eq!(done.exit, Exit::Usage);
    all += &done.err;
    insta::assert_snapshot!("decide_unreadable", all);
    assert_eq!(decided(&good, &["-"], &" ".repeat(5 << 20)).exit, Exit::Usage);
    let done = run_in(&[], &["decide", "--policies", name(&good), "-"], b"\xff{}");
    assert!(done.err.contains("not UTF-8"), "{}", done.err);
    let broken = written(&Small::new().with(PORT, "mode: before-export", "mode: before"));
    let done = decided(&broken, &["-"], TRANSFER);
    assert_eq!(done.exit, Exit::Failed);
    assert!(done.err.contains("P006"), "{}", done.err);
}

#[test]
fn diff_lists_changes_and_cases_with_another_outcome() {
    let old = written(&Small::new());
    let changed = Small::new()
        .with(PORT, "assess_from: {persons: 50000,", "assess_from: {persons: 40000,")
        .with(PORT, "contract_from: {persons: 10000,", "contract_from: {persons: 20000,")
        .with(PORT, "ciio: excluded", "ciio: included")
        .with(PORT, "unless: [[encrypted]]", "unless: []")
        .with(PORT, "general: {persons: 10000000,", "general: {persons: 5000000,")
        .with(PORT, "  - {sector: retail-services, scenarios_known: all, lines: national, source: a, confidence: official}\n", "")
        .with(PORT, "entries:\n", "entries:\n  - {id: names, name: {zh: 姓名, en: names}, class: sensitive, items: [contact.name], source: a, confidence: official}\n")
        .with(crate::support::small::CODES, "class: general", "class: sensitive")
        .with(OWN, "last_day: 2027-12-31", "last_day: 2026-05-31")
        .with(OWN, "zones: [port]", "zones: [city, port]");
    let new = written(&changed);
    let done = run(&["diff", name(&old), name(&new)]);
    assert_eq!((done.exit, done.err.as_str()), (Exit::Success, ""));
    insta::assert_snapshot!("diff", done.out);
    insta::assert_snapshot!("diff_json", run(&["diff", name(&old), name(&new), "--format", "json"]).out);
    let back = run(&["diff", name(&new), name(&old)]);
    insta::assert_snapshot!("diff_back", back.out);
    let same = run(&["diff", name(&old), name(&old)]);
    assert_eq!(same.out, "0 added, 0 removed, 0 changed; 0 of 1 case with another outcome\n");
}

#[test]
fn diff_lists_changes_of_gateway_rules() {
    let old = written(&Small::new());
    let changed = Small::new()
        .with(GATE, "headers: {flow: x-flow}", "headers: {flow: x-flow, persons: x-n}")
        .with(GATE, "methods: [POST]", "methods: [POST, PUT], context: {route: a}")
        .with(GATE, "sensitive_persons: {body: /count}", "sensitive_persons: 5\n    record: yes")
        .with(GATE, "id: pages", "id: papers")
        .with(GATE, "items: [{code: geo.map}]", "items: [{code: {header: x-code}, class: general}]");
    let done = run(&["diff", name(&old), name(&written(&changed))]);
    assert_eq!((done.exit, done.err.as_str()), (Exit::Success, ""));
    insta::assert_snapshot!("diff_gateways", done.out);
}

#[test]
fn diff_refuses_invalid_policies() {
    let good = written(&Small::new());
    let bad = written(&Small::new().with(PORT, "mode: before-export", "mode: before"));
    let done = run(&["diff", name(&good), name(&bad)]);
    assert_eq!((done.exit, done.out.as_str()), (Exit::Failed, ""));
    assert!(done.err.contains("P006") && done.err.contains("have 1 error"), "{}", done.err);
}
