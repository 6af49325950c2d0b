//! A reading without copies equals that of the ordinary decoder.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/properties/targets.rs"]
#[allow(dead_code, reason = "the other targets use the rest of it")]
mod targets;

fuzz_target!(|bytes: &[u8]| {
    targets::plain_read(bytes);
});
