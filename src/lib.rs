//! neglist: a policy decision point for data leaving mainland China.
//!
//! See `docs/ARCHITECTURE.md` for the map.

pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod doors;
pub mod json;
pub mod ledger;
pub mod live;
pub mod metrics;
pub mod policy;
pub mod repeated;
pub mod report;
pub mod service;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod transport;
pub mod wire;
