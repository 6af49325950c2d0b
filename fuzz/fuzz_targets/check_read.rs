//! No message of an Envoy makes reading it panic, and none passes by itself: it is a transfer that labels name, or refused.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use neglist::domain::snapshot::Snapshot;

#[path = "../../tests/it/properties/targets.rs"]
#[allow(dead_code, reason = "the other targets use the rest of it")]
mod targets;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(targets::small);

fuzz_target!(|bytes: &[u8]| {
    targets::check_read(&SNAPSHOT, bytes);
});
