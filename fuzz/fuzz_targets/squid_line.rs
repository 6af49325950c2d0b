//! No line of a Squid makes its helper panic, and its answer is one line, on the channel of the question.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use neglist::domain::snapshot::Snapshot;

#[path = "../../tests/it/properties/targets.rs"]
#[allow(dead_code, reason = "the other targets use the rest of it")]
mod targets;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(targets::small);

fuzz_target!(|bytes: &[u8]| {
    targets::squid_line(&SNAPSHOT, bytes);
});
