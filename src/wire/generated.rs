//! What the build script makes of `proto/`.
#![allow(
    clippy::all,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

/// Messages and services of `neglist.v1`.
pub mod v1 {
    tonic::include_proto!("neglist.v1");
}

/// All protocol files, compiled: for reflection and for proto3 JSON.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
