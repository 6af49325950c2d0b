//! The documents: every link has a target, and the page that a newcomer reads first stays short.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of the architecture page: ten minutes of reading.
const ARCHITECTURE_LINES_MAX: usize = 120;
/// Most columns of one of its lines.
const ARCHITECTURE_COLUMNS_MAX: usize = 150;
/// Directories with documents, all levels.
const DIRECTORIES: [&str; 3] = ["docs", "examples", "policies"];
/// Other documents.
const FILES: [&str; 9] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "bench/README.md",
    "bench/empty/README.md",
    "bench/load/README.md",
    "fuzz/README.md",
    "vendor/README.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documents_in(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = FILES.iter().map(|file| root().join(file)).collect();
    for directory in DIRECTORIES {
        documents_in(&root().join(directory), &mut found);
    }
    found.sort();
    found
}

/// Lines outside blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The anchor of a heading, as code hosts make it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(document: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(document).unwrap();
    prose(&text).filter(|line| line.starts_with('#')).map(anchor).collect()
}

/// Targets of links: `[text](target)`.
fn targets(text: &str) -> Vec<&str> {
    let after = prose(text).flat_map(|line| line.split("](").skip(1));
    after.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

#[test]
fn every_link_in_a_document_has_a_target() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in targets(&text).into_iter().filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
            let target = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            let is_there = target.exists() && heading.is_none_or(|heading| anchors(&target).contains(heading));
            if !is_there {
                wrong.push(format!("{}: {link}", document.strip_prefix(root()).unwrap().display()));
            }
            checked += 1;
        }
    }
    assert!(50 < checked, "only {checked} links were found");
    assert!(wrong.is_empty(), "links without a target:\n{}", wrong.join("\n"));
}

#[test]
fn every_document_of_docs_is_in_its_index() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    let linked = targets(&index);
    let mut pages = Vec::new();
    documents_in(&root().join("docs"), &mut pages);
    for page in pages {
        let name = page.strip_prefix(root().join("docs")).unwrap().to_str().unwrap().to_owned();
        // The page of the doors is their own index.
        let is_listed = name == "README.md" || name.starts_with("doors/") || linked.contains(&name.as_str());
        assert!(is_listed, "docs/README.md does not list {name}");
    }
    let doors = fs::read_to_string(root().join("docs/doors/README.md")).unwrap();
    let linked = targets(&doors);
    let mut pages = Vec::new();
    documents_in(&root().join("docs/doors"), &mut pages);
    for page in pages {
        let name = page.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name == "README.md" || linked.contains(&name.as_str()), "docs/doors/README.md does not list {name}");
    }
}

#[test]
fn the_architecture_is_read_in_ten_minutes() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let lines = text.lines().count();
    assert!(lines <= ARCHITECTURE_LINES_MAX, "{lines} lines: does a reason belong into docs/DESIGN.md?");
    let long: Vec<&str> = text.lines().filter(|line| ARCHITECTURE_COLUMNS_MAX < line.chars().count()).collect();
    assert!(long.is_empty(), "lines of more than {ARCHITECTURE_COLUMNS_MAX} columns:\n{}", long.join("\n"));
}
