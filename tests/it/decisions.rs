//! Decision tables: every case of the shipped policies holds.

use std::fs;
use std::path::Path;

use neglist::policy::{self, Limits, PolicyFile, Severity, verify};

const LIMITS: Limits = Limits { entries_max: 1_000_000, depth_max: 32 };

fn files(directory: &Path, root: &Path, into: &mut Vec<PolicyFile>) {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, root, into);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            into.push(PolicyFile { path: relative, text: fs::read_to_string(&path).unwrap() });
        }
    }
}

#[test]
fn every_case_of_the_shipped_policies_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut all = Vec::new();
    files(&root, &root, &mut all);
    let (tests, policies): (Vec<_>, Vec<_>) = all.into_iter().partition(|file| file.path.ends_with("_test.yaml"));
    let mut diagnostics = Vec::new();
    let policies = policy::read(&policies, &LIMITS, &mut diagnostics);
    let tests = policy::read(&tests, &LIMITS, &mut diagnostics);
    let results = verify::run(&policies, &tests, &LIMITS, &mut diagnostics);
    let errors: Vec<_> = diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let failed: Vec<_> = results.iter().filter(|result| !result.failures.is_empty()).collect();
    for result in &failed {
        println!("{} {}: {:?}; got {}", result.file, result.id, result.failures, result.got);
    }
    assert!(failed.is_empty(), "{} of {} cases fail", failed.len(), results.len());
    assert!(300 <= results.len(), "only {} cases", results.len());
}
