//! The pure core: transfers, lists, and the decision that follows from them.
//!
//! Knows no file, no protocol, no clock and no thread. [`resolve`] finds every fault of a request;
//! [`evaluate`] is total. Reading order: `units`, `reason`,
//! `list`, `statement`, `snapshot`, `asked`, `resolve`, `route`, `important`, `evaluate`, `counter`, `counting`,
//! `headroom`, `gateway`, `persons`.

pub mod asked;
pub mod calendar;
pub mod clearance;
pub mod clock;
pub mod counter;
pub mod counting;
pub mod decision;
mod eight;
pub mod evaluate;
pub mod gateway;
pub mod headroom;
mod important;
pub mod list;
pub mod names;
pub mod path;
pub mod persons;
pub mod reason;
pub mod registry;
pub mod resolve;
pub mod route;
mod slips;
pub mod snapshot;
pub mod statement;
pub mod transfer;
pub mod units;
pub mod vocabulary;
mod word_table;
