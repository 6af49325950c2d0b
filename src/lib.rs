//! neglist: a policy decision point for data leaving mainland China.
//!
//! See `docs/ARCHITECTURE.md` for the map.

pub mod config;
pub mod domain;
pub mod live;
pub mod policy;
pub mod report;
pub mod service;
#[cfg(test)]
mod testing;
pub mod wire;
