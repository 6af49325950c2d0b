//! What the build script makes of `proto/`.
#![allow(clippy::all, clippy::pedantic, dead_code, reason = "generated code")]

include!(concat!(env!("OUT_DIR"), "/contract.rs"));
