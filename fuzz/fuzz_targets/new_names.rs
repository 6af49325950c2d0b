//! Texts of any kind as names and codes that are not known.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use neglist::domain::snapshot::Snapshot;

#[path = "../../tests/it/properties/targets.rs"]
#[allow(dead_code, reason = "the other targets use the rest of it")]
mod targets;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(targets::small);

fuzz_target!(|bytes: &[u8]| {
    targets::new_names(&SNAPSHOT, bytes);
});
