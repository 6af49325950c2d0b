//! The policies that ship, read once for the tests.

use std::fs;
use std::path::{Path, PathBuf};

use neglist::policy::{self, Limits, PolicyFile, SourceFile};

/// Limits that the shipped policies are far below.
pub(crate) const LIMITS: Limits = Limits { entries_max: 1_000_000, depth_max: 32 };

/// The directory of the shipped policies.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

/// The files of the shipped policies, in the order of their paths.
pub(crate) fn files() -> Vec<PolicyFile> {
    let root = directory();
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found
}

fn collect(directory: &Path, root: &Path, into: &mut Vec<PolicyFile>) {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, root, into);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            into.push(PolicyFile { path: relative, text: fs::read_to_string(&path).unwrap() });
        }
    }
}

/// The policies without the test files.
pub(crate) fn policies() -> Vec<PolicyFile> {
    files().into_iter().filter(|file| !file.path.ends_with("_test.yaml")).collect()
}

/// The test files, read.
pub(crate) fn tests() -> Vec<SourceFile> {
    let tests: Vec<_> = files().into_iter().filter(|file| file.path.ends_with("_test.yaml")).collect();
    let mut diagnostics = Vec::new();
    let read = policy::read(&tests, &LIMITS, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    read
}
