//! Code that the build script generates from `proto/`.
#![allow(clippy::all, clippy::pedantic, reason = "generated code")]

/// Messages and services of `neglist.v1`.
pub mod v1 {
    tonic::include_proto!("neglist.v1");
}
