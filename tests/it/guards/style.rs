//! The form of the code: files that can be read in one go, nothing unfinished.

use std::fs;
use std::path::Path;

use super::tree::{rust_files, sources};

#[test]
fn files_stay_readable() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 600, "src/{name} has {lines} lines: is there a second idea in it?");
        assert!(text.starts_with("//!"), "src/{name} does not state its purpose");
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
