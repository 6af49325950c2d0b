//! No headers of a question of forward-auth make reading it panic, and none passes by itself.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use neglist::domain::snapshot::Snapshot;

#[path = "../../tests/it/properties/targets.rs"]
#[allow(dead_code, reason = "the other targets use the rest of it")]
mod targets;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(targets::small);

fuzz_target!(|bytes: &[u8]| {
    targets::forward_auth(&SNAPSHOT, bytes);
});
