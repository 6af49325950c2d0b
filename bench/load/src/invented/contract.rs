//! Code that the build script generates from `proto/`.
#![allow(clippy::all, clippy::pedantic, dead_code, reason = "generated code")]

include!(concat!(env!("OUT_DIR"), "/contract.rs"));
