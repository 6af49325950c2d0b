//! The code that the build script generates from `proto/`.
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

/// The server of `neglist.v1.DecisionService`, whose handlers take and return bytes: see [`crate::wire::decide::raw`].
pub mod raw {
    tonic::include_proto!("neglist.v1.DecisionService");
}

/// The questions of Envoy: `envoy.service.auth.v3` and the packages of its messages.
pub mod vendor {
    include!(concat!(env!("OUT_DIR"), "/envoy.rs"));
}

/// The protocol files of Envoy's questions, compiled: for reflection.
pub const ENVOY_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/envoy_descriptors.bin"));

/// Our own protocol files, compiled: for reflection and for proto3 JSON.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
