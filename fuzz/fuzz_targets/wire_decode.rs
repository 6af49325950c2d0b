//! No message makes decoding, resolving, deciding or answering panic; and a refusal names a fault.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use neglist::domain::snapshot::Snapshot;
use neglist::policy::PolicyFile;

#[path = "../../tests/it/properties/targets.rs"]
#[allow(dead_code, reason = "the other targets use the rest of it")]
mod targets;

/// The shipped policies.
static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let mut files = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies")];
    while let Some(directory) = directories.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.to_str().unwrap().to_owned();
            if path.is_dir() {
                directories.push(path);
            } else if name.ends_with(".yaml") && !name.ends_with("_test.yaml") {
                files.push(PolicyFile { path: name, text: fs::read_to_string(path).unwrap() });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    targets::compile(&files)
});

fuzz_target!(|bytes: &[u8]| {
    targets::wire_decode(&SNAPSHOT, bytes);
});
