//! Which modules of the crate, and which other crates, each top-level module may name.

use std::collections::BTreeSet;

use super::tree::{Named, Tree, root, rust_files};

/// Names that a top-level module may use besides its own: modules as `crate::name`, other crates by their name, and of
/// `std` the parts in [`STD_PARTS`].
struct Row {
    module: &'static str,
    code: &'static [&'static str],
    /// Further names that its tests may use.
    tests: &'static [&'static str],
}

/// Parts of the standard library that reach out of the program or wait; the rest of it any module may name.
const STD_PARTS: &[&str] = &["env", "fs", "io", "net", "process", "thread", "time"];

/// A new edge needs a reason in `docs/DESIGN.md`.
const ROWS: &[Row] = &[
    // Composes the server: names nearly everything.
    Row {
        module: "app",
        code: &[
            "crate::config",
            "crate::domain",
            "crate::doors",
            "crate::ledger",
            "crate::live",
            "crate::metrics",
            "crate::policy",
            "crate::repeated",
            "crate::service",
            "crate::telemetry",
            "crate::transport",
            "crate::wire",
            "std::io",
            "std::process",
            "std::time",
            "anyhow",
            "async_trait",
            "rustix",
            "thiserror",
            "tokio",
            "tonic",
            "tonic_health",
            "tonic_reflection",
            "tonic_types",
            "tracing",
        ],
        tests: &["crate::testing", "redb", "tempfile", "tokio_stream"],
    },
    // The commands compose their own parts. Reads identifiers, and knows no transfer.
    Row {
        module: "bodies",
        code: &["crate::domain", "crate::json", "csv"],
        tests: &["crate::testing", "proptest", "serde_json"],
    },
    Row {
        module: "cli",
        code: &[
            "crate::app",
            "crate::config",
            "crate::domain",
            "crate::doors",
            "crate::ledger",
            "crate::live",
            "crate::policy",
            "crate::report",
            "crate::service",
            "crate::telemetry",
            "crate::wire",
            "std::env",
            "std::fs",
            "std::io",
            "std::net",
            "std::process",
            "std::thread",
            "std::time",
            "anyhow",
            "clap",
            "csv",
            "jiff",
            "serde_json",
            "tokio",
            "tonic",
            "tonic_health",
        ],
        tests: &[],
    },
    Row {
        module: "config",
        code: &[
            "crate::domain",
            "crate::ledger",
            "crate::policy",
            "std::env",
            "std::fs",
            "std::io",
            "std::net",
            "serde_json",
            "strsim",
            "tracing",
        ],
        tests: &["insta", "tempfile"],
    },
    // Pure: no clock, no file, no thread; of `net` only the form of addresses. `hmac`, `sha2`, `subtle`: pseudonyms.
    Row {
        module: "domain",
        code: &["std::net", "hmac", "sha2", "strsim", "subtle", "unicode_normalization", "unicode_properties"],
        tests: &["crate::testing", "proptest"],
    },
    // Of `config` only the URL at which others reach a listener.
    Row {
        module: "doors",
        code: &[
            "crate::bodies",
            "crate::config",
            "crate::domain",
            "crate::json",
            "crate::live",
            "crate::metrics",
            "crate::repeated",
            "crate::service",
            "crate::wire",
            "std::time",
            "axum",
            "http_body_util",
            "prost_types",
            "serde_json",
            "tokio",
            "tonic",
            "tracing",
        ],
        tests: &["crate::ledger", "crate::testing", "fastrand", "insta", "prost", "tower"],
    },
    Row { module: "json", code: &["crate::domain"], tests: &["std::env", "insta", "proptest", "serde", "serde_json"] },
    // `blake3`: the checksum of the witness; `getrandom`: a new subject key; `rustix`: how much room a disk has.
    Row {
        module: "ledger",
        code: &[
            "crate::domain",
            "crate::repeated",
            "std::fs",
            "std::io",
            "std::net",
            "std::process",
            "std::thread",
            "std::time",
            "async_trait",
            "blake3",
            "deadpool_postgres",
            "fastrand",
            "getrandom",
            "redb",
            "rustix",
            "rustls",
            "rustls_native_certs",
            "thiserror",
            "tokio",
            "tokio_postgres",
            "tokio_rustls",
            "tracing",
        ],
        tests: &["std::env", "tempfile"],
    },
    // Declares the modules, and uses no name that they define.
    Row { module: "lib", code: &[], tests: &[] },
    Row {
        module: "live",
        code: &[
            "crate::domain",
            "crate::policy",
            "crate::repeated",
            "crate::stopwatch",
            "std::fs",
            "std::io",
            "std::thread",
            "std::time",
            "arc_swap",
            "blake3",
            "notify",
            "thiserror",
            "tokio",
            "tracing",
        ],
        tests: &["tempfile"],
    },
    Row { module: "main", code: &["std::process", "mimalloc", "neglist"], tests: &[] },
    // Of `live` only whether the policy files are in force.
    Row {
        module: "metrics",
        code: &["crate::domain", "crate::live", "crate::stopwatch", "std::time", "prometheus_client"],
        tests: &["std::thread"],
    },
    Row {
        module: "policy",
        code: &[
            "crate::bodies",
            "crate::domain",
            "crate::json",
            "jiff",
            "serde",
            "serde_json",
            "serde_saphyr",
            "strsim",
        ],
        tests: &[],
    },
    Row { module: "repeated", code: &["std::time", "tokio"], tests: &[] },
    Row { module: "report", code: &["crate::policy", "std::io", "annotate_snippets", "serde_json"], tests: &["insta"] },
    Row {
        module: "service",
        code: &[
            "crate::domain",
            "crate::ledger",
            "crate::live",
            "crate::metrics",
            "crate::repeated",
            "crate::wire",
            "std::net",
            "std::time",
            "tokio",
            "tokio_stream",
            "tonic",
            "tracing",
        ],
        tests: &["crate::testing", "insta", "prost_types", "tonic_types"],
    },
    // The one monotonic clock.
    Row { module: "stopwatch", code: &["std::time"], tests: &[] },
    Row {
        module: "telemetry",
        code: &[
            "std::fs",
            "std::io",
            "std::thread",
            "std::time",
            "serde_json",
            "thiserror",
            "tracing",
            "tracing_subscriber",
        ],
        tests: &[],
    },
    Row {
        module: "testing",
        code: &[],
        tests: &["crate::domain", "crate::ledger", "crate::wire", "async_trait", "prost"],
    },
    // `std::fs`: the sockets of Unix.
    Row {
        module: "transport",
        code: &[
            "crate::config",
            "crate::doors",
            "crate::metrics",
            "crate::repeated",
            "crate::service",
            "crate::wire",
            "std::fs",
            "std::io",
            "std::net",
            "std::thread",
            "std::time",
            "axum",
            "bytes",
            "http_body",
            "http_body_util",
            "hyper",
            "hyper_util",
            "pin_project_lite",
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
        tests: &["crate::domain", "crate::ledger", "crate::live", "crate::testing", "prost", "tempfile", "tonic_types"],
    },
    // Of `live` only the status that an answer reports.
    Row {
        module: "wire",
        code: &[
            "crate::domain",
            "crate::json",
            "crate::live",
            "crate::policy",
            "std::time",
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
        tests: &["crate::testing", "insta", "proptest"],
    },
];

fn row(module: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.module == module)
}

/// The name outside its top-level module that a path uses.
fn edge(tree: &Tree, named: &Named) -> Option<String> {
    let own = tree.files[named.file].top.as_str();
    if let Some(module) = tree.module_of(named) {
        return (module != own).then(|| format!("crate::{module}"));
    }
    match tree.crate_of(named)? {
        "std" | "core" | "alloc" => {
            let part = named.segments.get(1).filter(|part| STD_PARTS.contains(&part.as_str()))?;
            Some(format!("std::{part}"))
        }
        name => Some(name.to_owned()),
    }
}

fn trees() -> [Tree; 2] {
    [Tree::read("lib.rs"), Tree::read("main.rs")]
}

#[test]
fn modules_use_only_their_permitted_names() {
    let mut wrong = Vec::new();
    let mut used: BTreeSet<(&str, String)> = BTreeSet::new();
    for tree in trees() {
        for named in &tree.named {
            let Some(edge) = edge(&tree, named) else { continue };
            let file = &tree.files[named.file];
            let test = named.test || file.test;
            let Some(row) = row(&file.top) else { continue };
            let in_code = row.code.contains(&edge.as_str());
            let in_tests = test && row.tests.contains(&edge.as_str());
            if !in_code && !in_tests {
                let tests = if test { " in tests" } else { "" };
                wrong.push(format!("src/{}:{}: {} must not name `{edge}`{tests}", file.path, named.line, file.top));
            }
            if !test || !in_code {
                used.insert((row.module, edge));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for row in ROWS {
        for allowed in row.code.iter().chain(row.tests) {
            let is_used = used.contains(&(row.module, (*allowed).to_owned()));
            assert!(is_used, "{} names `{allowed}` no more: take it out of its row", row.module);
        }
    }
}

#[test]
fn every_file_is_read() {
    let files = trees().into_iter().flat_map(|tree| tree.files).map(|file| root().join(file.path));
    assert_eq!(files.collect::<BTreeSet<_>>(), rust_files(&root()).into_iter().collect());
}

#[test]
fn every_module_has_a_row() {
    let of_code: BTreeSet<String> =
        trees().iter().flat_map(|tree| tree.files.iter().map(|file| file.top.clone())).collect();
    let listed: BTreeSet<String> = ROWS.iter().map(|row| row.module.to_owned()).collect();
    assert_eq!(of_code, listed);
}

/// Edges of a crate's file `a.rs`, those of its tests after a word that says so.
fn of(a: &str) -> Vec<String> {
    let tree = Tree::of(&[("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b.rs", "pub(crate) struct B;")]);
    let of_a = tree.named.iter().filter(|named| tree.files[named.file].path == "a.rs");
    let edges = of_a.filter_map(|named| {
        let edge = edge(&tree, named)?;
        Some(if named.test { format!("test {edge}") } else { edge })
    });
    edges.collect()
}

#[test]
fn an_edge_is_found_in_any_spelling() {
    for a in [
        "use crate::b::B;",
        "use super::b;",
        "use crate::{b::B as Other};",
        "fn f() { crate::b::B; }",
        "fn f() { let _: Vec<crate::b::B> = Vec::new(); }",
        "fn f() { use crate::b::B; }",
        "mod inner { fn f(_: super::super::b::B) {} }",
        "fn f() { format!(\"{}\", crate::b::B); }",
        "#[cfg(test)] mod tests {} use crate::b::B;",
        "#[derive(crate::b::B)] struct A;",
        "struct A; impl crate::b::B for A {}",
    ] {
        assert_eq!(of(a), ["crate::b"], "{a}");
    }
    assert_eq!(of("use tokio::sync::Mutex; fn f(tokio: Mutex<()>) { tokio.lock() }"), ["tokio"]);
    assert_eq!(of("async fn f() { tokio::select! { _ = tokio::time::sleep(d) => {} } }"), ["tokio", "tokio"]);
    assert_eq!(
        of("use std::{collections::BTreeMap, fs}; fn f() { std::time::Instant::now(); }"),
        ["std::fs", "std::time"]
    );
    assert_eq!(of("// crate::b::B\n fn f() -> &'static str { \"crate::b::B\" }"), [] as [String; 0]);
    assert_eq!(
        of("#[cfg(test)] mod tests { use crate::b::B; } struct A { #[cfg(test)] b: crate::b::B }"),
        ["test crate::b", "test crate::b"]
    );
}
