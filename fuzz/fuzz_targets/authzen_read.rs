//! No body makes reading or mapping an AuthZEN request panic; and every refusal or denial gives its reason.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/properties/targets.rs"]
#[allow(dead_code, reason = "the other targets use the rest of it")]
mod targets;

fuzz_target!(|bytes: &[u8]| {
    targets::authzen_read(bytes);
});
