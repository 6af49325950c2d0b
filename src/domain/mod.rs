//! The pure core: what a transfer is, what the lists say, and what follows.
//!
//! Knows no file, no protocol, no clock and no thread. Everything that can go wrong with a
//! request is found in [`resolve`]; [`evaluate`] is total. Reading order: `units`, `reason`,
//! `list`, `statement`, `snapshot`, `asked`, `resolve`, `route`, `routing`, `important`, `evaluate`,
//! `counting`, `usage`, `gateway`.

pub mod asked;
pub mod calendar;
pub mod clearance;
pub mod clock;
pub mod counting;
pub mod decision;
pub mod evaluate;
pub mod gateway;
mod important;
pub mod list;
pub mod names;
pub mod path;
pub mod reason;
pub mod registry;
pub mod resolve;
pub mod route;
pub mod routing;
pub mod slips;
pub mod snapshot;
pub mod statement;
pub mod transfer;
pub mod units;
pub mod usage;
mod violations;
pub mod vocabulary;
