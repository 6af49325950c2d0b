//! What is read without copying is what the ordinary decoder reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neglist::wire::generated::v1;
use neglist::wire::{from_proto, plain};
use prost::Message as _;

fuzz_target!(|bytes: &[u8]| {
    let Some(question) = plain::decide(bytes) else { return };
    let request = v1::DecideRequest::decode(bytes).expect("what is read plainly can be decoded");
    let ordinary = from_proto::decide(&request).expect("what is read plainly is well-formed");
    assert_eq!(format!("{question:?}"), format!("{ordinary:?}"));
});
