//! No test waits for a fixed time: it waits for a state, with a deadline, or sets the clock itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use syn::visit::Visit as _;

use super::names::Reader;
use super::tree::rust_files;

/// Files that may sleep, with the reason.
const SLEEPERS: &[(&str, &str)] = &[
    ("src/live/testing.rs", "waits for a state, with a deadline"),
    ("tests/it/support/wait.rs", "waits for a state, with a deadline"),
    ("tests/it/ledger/crash.rs", "the random moment at which a process is killed"),
    ("tests/it/ledger/place.rs", "the pace of ticks: a closed ledger opens itself again after a pause"),
    ("tests/it/ledger/postgres.rs", "the pace at which connections are killed"),
];

/// Lines of a file where its tests sleep, in Rust or in a query.
fn sleeps(source: &str, test: bool) -> Vec<usize> {
    let syntax = syn::parse_file(source).unwrap();
    let mut reader = Reader::new(test);
    reader.visit_file(&syntax);
    let sleeps = |name: &String| ["sleep", "sleep_ms", "sleep_until", "park_timeout"].contains(&name.as_str());
    let found = reader.found.iter().filter(|found| found.test && found.segments.last().is_some_and(sleeps));
    let mut lines: Vec<usize> = found.map(|found| found.line).collect();
    let query = concat!("pg_", "sleep");
    lines.extend(source.lines().enumerate().filter(|(_, line)| line.contains(query)).map(|(index, _)| index + 1));
    lines
}

#[test]
fn no_test_waits_for_a_fixed_time() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sleepers = BTreeSet::new();
    let mut wrong = Vec::new();
    for path in rust_files(&root.join("src")).into_iter().chain(rust_files(&root.join("tests"))) {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let test = name.starts_with("tests/") || name.ends_with("tests.rs") || name.ends_with("testing.rs");
        for line in sleeps(&fs::read_to_string(&path).unwrap(), test) {
            if !SLEEPERS.iter().any(|(sleeper, _)| *sleeper == name) {
                wrong.push(format!("{name}:{line}"));
            }
            sleepers.insert(name.clone());
        }
    }
    assert!(wrong.is_empty(), "wait for a state with a deadline (support::wait): {wrong:#?}");
    let listed: BTreeSet<String> = SLEEPERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(sleepers, listed, "a file that sleeps no more leaves SLEEPERS");
}

#[test]
fn a_sleep_is_seen_in_tests_alone() {
    for test in [
        "fn f() { std::thread::sleep(d); }",
        "use tokio::time::sleep;",
        "async fn f() { tokio::select! { _ = time::sleep_until(d) => {} } }",
    ] {
        assert_eq!(sleeps(test, true), [1], "{test}");
        assert_eq!(sleeps(test, false), [] as [usize; 0], "{test}");
    }
    assert_eq!(
        sleeps("fn f() { thread::sleep(d) }\n#[cfg(test)]\nmod tests {\n fn f() { thread::sleep(d) } }", false),
        [4]
    );
}
