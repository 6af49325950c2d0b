//! The rules that keep the code as `docs/ARCHITECTURE.md` says it is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use neglist::config::keys::KEYS;
use neglist::domain::reason::ReasonCode;
use neglist::policy::source::Document;
use neglist::policy::source::cases::WantOutcome;

use super::tree::rust_files;
use crate::support::shipped;

/// Which modules of the crate, and which other crates, each module may name. A new edge needs a
/// reason in `docs/DESIGN.md`.
const EDGES: &[(&str, &[&str], &[&str])] = &[
    ("domain", &["domain"], &["std", "strsim", "unicode_normalization", "unicode_properties"]),
    (
        "ledger",
        &["domain", "ledger", "repeated"],
        &[
            "std",
            "async_trait",
            // The checksum of the witness.
            "blake3",
            "deadpool_postgres",
            "fastrand",
            "redb",
            // How much room a disk has.
            "rustix",
            "rustls",
            "rustls_native_certs",
            "thiserror",
            "tokio",
            "tokio_postgres",
            "tokio_rustls",
            "tracing",
        ],
    ),
    ("json", &["domain", "json"], &["std"]),
    ("report", &["policy", "report"], &["std", "annotate_snippets", "serde_json"]),
    (
        "live",
        &["domain", "live", "policy", "repeated", "stopwatch"],
        &["std", "arc_swap", "blake3", "notify", "thiserror", "tokio", "tracing"],
    ),
    (
        "wire",
        // Of `live` only the status that an answer reports.
        &["domain", "json", "live", "policy", "wire"],
        &[
            "std",
            "blake3",
            "bytes",
            "prost",
            "prost_reflect",
            "prost_types",
            "serde",
            "serde_json",
            "strsim",
            "tonic",
            "tonic_prost",
            "tonic_types",
        ],
    ),
    (
        "doors",
        // Of `config` only the URL at which others reach a listener.
        &["config", "domain", "doors", "json", "live", "metrics", "repeated", "service", "wire"],
        &[
            "std",
            "axum",
            "http_body_util",
            "prost",
            "prost_types",
            "serde",
            "serde_json",
            "tokio",
            "tonic",
            "tonic_types",
            "tracing",
        ],
    ),
    (
        "transport",
        &["config", "doors", "metrics", "repeated", "service", "transport", "wire"],
        &[
            "std",
            "axum",
            "bytes",
            "http_body",
            "http_body_util",
            "hyper",
            "hyper_util",
            "pin_project_lite",
            "prost",
            "rustix",
            "socket2",
            "thiserror",
            "tokio",
            "tokio_stream",
            "tonic",
            "tonic_health",
            "tower",
            "tracing",
        ],
    ),
    // Of `live` only whether the policy files are in force.
    ("metrics", &["domain", "live", "metrics", "stopwatch"], &["std", "prometheus_client"]),
    (
        "service",
        &["domain", "ledger", "live", "metrics", "repeated", "service", "wire"],
        &["std", "tokio", "tokio_stream", "tonic", "tracing"],
    ),
    ("stopwatch", &["stopwatch"], &["std"]),
    ("repeated", &["repeated"], &["std", "tokio"]),
    ("policy", &["domain", "json", "policy"], &["std", "jiff", "serde", "serde_json", "serde_saphyr", "strsim"]),
];

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    rust_files(&root)
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// Names of the crates that `Cargo.toml` lists, as code writes them.
fn dependencies() -> BTreeSet<String> {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let listed = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .take_while(|line| *line != "[build-dependencies]");
    listed.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.replace('-', "_")).collect()
}

/// Paths that a line of code names, outside comments and texts: crates, and `crate::` modules.
fn roots(line: &str) -> BTreeSet<String> {
    let code = line.split("//").next().unwrap_or("");
    let code: String = code.split('"').step_by(2).collect();
    let words: Vec<&str> = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).collect();
    let mut found = BTreeSet::new();
    for path in words.into_iter().filter(|word| word.contains("::")) {
        let mut parts = path.trim_start_matches(':').split("::");
        match (parts.next(), parts.next()) {
            (Some("crate"), Some(module)) => found.insert(format!("crate::{module}")),
            (Some(root), _) => found.insert(root.to_owned()),
            (None, _) => false,
        };
    }
    found
}

#[test]
fn modules_name_only_what_they_may() {
    let dependencies = dependencies();
    assert!(dependencies.contains("tonic") && dependencies.contains("arc_swap"), "{dependencies:?}");
    let mut wrong = Vec::new();
    for (module, modules, crates) in EDGES {
        let of_module = |name: &str| name == format!("{module}.rs") || name.starts_with(&format!("{module}/"));
        let is_test = |name: &str| name.ends_with("tests.rs") || name.ends_with("testing.rs");
        for (name, text) in sources().into_iter().filter(|(name, _)| of_module(name) && !is_test(name)) {
            let code = text.split("#[cfg(test)]").next().unwrap_or("");
            for (number, line) in code.lines().enumerate() {
                for root in roots(line) {
                    let allowed = match root.strip_prefix("crate::") {
                        Some(target) => modules.contains(&target),
                        None => crates.contains(&root.as_str()) || !dependencies.contains(&root),
                    };
                    if !allowed {
                        wrong.push(format!("src/{name}:{}: {module} must not name `{root}`", number + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_domain_reads_no_clock_and_no_file() {
    for (name, text) in sources().into_iter().filter(|(name, _)| name.starts_with("domain/")) {
        for banned in ["std::fs", "std::net", "std::thread", "std::time", "std::env", "async fn"] {
            assert!(!text.contains(banned), "src/{name} names {banned}");
        }
    }
}

#[test]
fn files_stay_readable() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 600, "src/{name} has {lines} lines: is there a second idea in it?");
        assert!(text.starts_with("//!"), "src/{name} does not say what it is for");
    }
}

#[test]
fn nothing_is_unfinished_or_skipped() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for directory in ["src", "tests", "benches"] {
        for path in rust_files(&root.join(directory)) {
            let text = fs::read_to_string(&path).unwrap();
            for banned in [concat!("#[", "ignore"), concat!("#[", "should_panic"), concat!("todo", "!(")] {
                assert!(!text.contains(banned), "{} contains {banned}", path.display());
            }
        }
    }
}

/// A reason code without a case on either side of it could be wrong and nobody would notice.
#[test]
fn each_reason_code_has_a_case_that_permits_and_one_that_refuses() {
    let mut permits = BTreeSet::new();
    let mut refuses = BTreeSet::new();
    for source in shipped::tests() {
        let Document::Test(file) = source.document else { continue };
        for case in file.cases {
            let Some(outcome) = case.want.outcome else { continue };
            let side = if outcome == WantOutcome::Allow { &mut permits } else { &mut refuses };
            side.extend(case.about.iter().map(|code| code.value.0.to_string()));
        }
    }
    // No list is in force before 2024: the moment is refused or the strictest outcome applies; see `policy::decisions`.
    let codes = ReasonCode::ALL.iter().filter(|code| **code != ReasonCode::NoRulesInForce);
    let missing: Vec<_> =
        codes.map(|code| code.name()).filter(|code| !permits.contains(*code) || !refuses.contains(*code)).collect();
    assert!(missing.is_empty(), "no case on both sides of {missing:?}");
}

/// Every code of a diagnostic, as the code writes it: a letter and three digits in quotes.
fn diagnostic_codes(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').filter(|word| {
        let digits = word.strip_prefix(['P', 'D']);
        digits.is_some_and(|digits| digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[test]
fn every_diagnostic_is_in_the_table_of_diagnostics() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/diagnostics.md");
    let page = fs::read_to_string(path).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let listed: BTreeSet<String> = rows.map(|(code, _)| code.to_owned()).filter(|code| code != "code").collect();
    let texts = sources();
    let texts = texts.iter().filter(|(name, _)| name.starts_with("policy/") || name.starts_with("live/"));
    let used: BTreeSet<String> = texts.flat_map(|(_, text)| diagnostic_codes(text)).map(str::to_owned).collect();
    assert_eq!(used, listed);
}

#[test]
fn every_setting_is_in_the_docs_with_its_default_and_its_meaning() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    let text = fs::read_to_string(path).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    for key in KEYS {
        let begin = format!("| `{}` | `{}` |", key.name, key.default);
        let found: Vec<_> = rows.iter().filter(|row| row.starts_with(&begin)).collect();
        let [row] = found.as_slice() else {
            panic!("docs/settings.md has no row, or several, that begin with {begin}")
        };
        let meaning = format!("| {} |", key.comment.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "));
        assert!(row.contains(&meaning), "docs/settings.md says of {} something else than\n{meaning}", key.name);
    }
    assert_eq!(rows.len(), KEYS.len(), "docs/settings.md has a setting that does not exist");
}
