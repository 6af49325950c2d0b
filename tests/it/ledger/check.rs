//! `neglist check --ledger`: caps that are nearly used up by the year's totals.

use std::fs;
use std::path::{Path, PathBuf};

use neglist::cli::console::Exit;
use neglist::domain::units::Year;
use neglist::ledger::rows::ImportedTotal;
use neglist::ledger::{Account, Counter, Ledger};
use tempfile::TempDir;

use crate::ledger::support::{allow, counted, general, open, reservation, sensitive, wait};
use crate::policy::commands::{Done, name, run, run_in, written};
use crate::support::postgres_server;
use crate::support::small::{OWN, Small};

/// The cap of `filing-1` in these tests.
const CAP: &str = "persons_per_year_max: {general: 0, sensitive: 1000}";

/// Policies with a cap, and a ledger beside them.
struct Place {
    policies: TempDir,
    totals: TempDir,
}

impl Place {
    fn new() -> Self {
        let policies = written(&Small::new().with(OWN, "persons_per_year_max: none", CAP));
        Self { policies, totals: tempfile::tempdir().unwrap() }
    }

    fn path(&self, ledger: &str) -> PathBuf {
        self.totals.path().join(ledger)
    }

    /// Makes a ledger with persons of an exporter in a year and a counter.
    fn fill(&self, ledger: &str, totals: &[(&str, u16, Counter, u64)]) -> PathBuf {
        let path = self.path(ledger);
        let total = |(exporter, year, counter, persons): &(&str, u16, Counter, u64)| {
            let account = Account { exporter: (*exporter).to_owned(), year: Year(*year) };
            ImportedTotal { account, counter: counter.clone(), persons: *persons }
        };
        wait(open(&path).import_totals("test", totals.iter().map(total).collect())).unwrap();
        path
    }

    fn check(&self, ledger: &Path, more: &[&str]) -> Done {
        run(&[&["check", name(&self.policies), "--ledger", ledger.to_str().unwrap()], more].concat())
    }

    /// Returns the codes of the warnings of a check.
    fn warnings(&self, ledger: &Path, more: &[&str]) -> Vec<String> {
        let done = self.check(ledger, &[&["--format", "json"], more].concat());
        assert_eq!((done.exit, done.err.as_str()), (Exit::Success, ""));
        let value: serde_json::Value = serde_json::from_str(&done.out).unwrap();
        let diagnostics =
            value["diagnostics"].as_array().unwrap().iter().filter(|found| found["severity"] == "warning");
        diagnostics.map(|found| found["code"].as_str().unwrap().to_owned()).collect()
    }

    fn stable(&self, text: &str) -> String {
        text.replace(self.totals.path().to_str().unwrap(), "DIR")
    }
}

fn filing() -> Counter {
    sensitive("clearance/filing-1")
}

#[test]
fn a_cap_that_is_nearly_used_is_a_warning_with_its_place() {
    let place = Place::new();
    let below = place.fill("below", &[("acme", 2026, filing(), 899)]);
    assert_eq!(place.warnings(&below, &[]), Vec::<String>::new());
    assert_eq!(place.check(&below, &["--deny-warnings"]).exit, Exit::Success);

    let nearly = place.fill("nearly", &[("acme", 2026, filing(), 900)]);
    assert_eq!(place.warnings(&nearly, &[]), ["P040"]);
    let done = place.check(&nearly, &["--deny-warnings"]);
    assert_eq!((done.exit, done.err.as_str()), (Exit::Failed, ""));
    insta::assert_snapshot!("check_cap_nearly_used", done.out);
    insta::assert_snapshot!("check_cap_nearly_used_json", place.check(&nearly, &["--format", "json"]).out);

    let all = place.fill("all", &[("acme", 2026, filing(), 1_000)]);
    assert!(place.check(&all, &[]).out.contains("is used up: `acme` (甲公司 / Acme) sent 1000 of 1000 sensitive"));
}

#[test]
fn standing_reservations_use_a_cap_too() {
    let place = Place::new();
    let path = place.path("ledger");
    wait(open(&path).reserve(reservation("a", counted(0, 950)), allow(&[filing()]))).unwrap();
    assert_eq!(place.warnings(&path, &[]), ["P040"]);
}

#[test]
fn only_the_year_and_the_exporter_of_the_clearance_count() {
    let place = Place::new();
    let others = [
        ("acme", 2025, filing(), 1_000),
        ("beta", 2026, filing(), 1_000),
        ("acme", 2026, general("clearance/filing-1"), 1_000),
        ("acme", 2026, sensitive("clearance/filing-2"), 1_000),
        ("acme", 2026, sensitive("national"), 1_000),
    ];
    let path = place.fill("others", &others);
    assert_eq!(place.warnings(&path, &[]), Vec::<String>::new());
    assert_eq!(place.warnings(&path, &["--at", "2025-12-31"]), ["P040"], "the year of the day");
    assert_eq!(place.warnings(&path, &["--at", "2028-01-01"]), Vec::<String>::new(), "the filing has ended");
}

#[test]
fn totals_are_checked_only_if_the_flag_names_them() {
    let place = Place::new();
    let path = place.fill("ledger", &[("acme", 2026, filing(), 1_000)]);
    let environment = [("NEGLIST_LEDGER", path.to_str().unwrap())];
    for arguments in [&["check", name(&place.policies)][..], &["check", name(&place.policies), "--ledger", "none"]] {
        let done = run_in(&environment, &[arguments, &["--deny-warnings"]].concat(), b"");
        assert_eq!((done.exit, done.err.as_str()), (Exit::Success, ""), "{}", done.out);
    }
    // Policies that do not compile have no caps to check.
    let broken = written(&Small::new().with(OWN, "kind: zone-filing", "kind: zone-filling"));
    let done = run(&["check", name(&broken), "--ledger", "/nowhere/ledger"]);
    assert_eq!((done.exit, done.err.as_str()), (Exit::Failed, ""));
}

#[test]
fn the_file_is_read_and_left_as_it_is() {
    let place = Place::new();
    let path = place.fill("ledger", &[("acme", 2026, filing(), 900)]);
    let (before, times) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap());
    assert_eq!(place.warnings(&path, &[]), ["P040"]);
    assert_eq!((fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap()), (before, times));
}

#[test]
fn an_unreadable_ledger_is_reported_after_the_findings() {
    let place = Place::new();
    let path = place.fill("held", &[("acme", 2026, filing(), 900)]);
    let held = open(&path);
    // A copy of a file that a server has open was not closed, and is read all the same.
    let copy = place.path("copy");
    fs::copy(&path, &copy).unwrap();
    let text = place.path("text");
    fs::write(&text, "exporter,year,counter,class,persons\n".repeat(200)).unwrap();
    let mut all = String::new();
    assert_eq!(place.warnings(&copy, &[]), ["P040"]);
    for ledger in ["held", "missing", "text"] {
        let done = place.check(&place.path(ledger), &[]);
        assert_eq!(done.exit, Exit::Failed, "{ledger}");
        assert!(done.out.contains("0 errors, 0 warnings"), "{ledger}: {}", done.out);
        all += &done.err;
    }
    insta::assert_snapshot!("check_ledger_unread", place.stable(&all));
    assert!(!place.path("missing").exists());
    drop(held);
    assert_eq!(place.warnings(&path, &[]), ["P040"]);
    let done = place.check(Path::new("redis://db/0"), &[]);
    assert_eq!(done.exit, Exit::Usage);
    assert!(done.err.contains("begins like a URL, but not like the URL of a database"), "{}", done.err);
}

#[test]
fn a_ledger_in_a_database_is_no_different() {
    let Some(server) = postgres_server::shared() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = runtime.block_on(server.database());
    let place = Place::new();
    let check = || run(&["check", name(&place.policies), "--ledger", &url]);
    for _ in 0..2 {
        // Not even the tables are created.
        let done = check();
        assert_eq!(done.exit, Exit::Failed);
        let why = "error: the ledger is not available: the database has no tables of a ledger\n  \
            help: name the right database; a server creates the tables if it is started once with \
            `--ledger-create`\n";
        assert_eq!(done.err, why);
    }
    let sheet = place.path("sheet.csv");
    fs::write(&sheet, "exporter,year,counter,class,persons\nacme,2026,clearance/filing-1,sensitive,900\n").unwrap();
    let import = ["ledger", "--ledger", &url, "import", sheet.to_str().unwrap(), "--id", "one", "--create"];
    assert_eq!(run(&import).exit, Exit::Success);
    let done = check();
    assert_eq!((done.exit, done.err.as_str()), (Exit::Success, ""));
    assert!(done.out.contains("P040"), "{}", done.out);
}
