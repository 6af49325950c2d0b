//! Composition root: builds everything, starts the servers, drains them when the process stops.
//!
//! The only place that joins concrete types: configuration, clock, compiler, services, listeners.

pub mod accept;
mod answer;
pub mod budget;
pub mod clock;
pub mod clock_watch;
pub mod connection;
pub mod connections;
pub mod cores;
mod descriptors;
mod gather;
pub mod grpc;
pub mod health;
mod held;
mod http;
pub mod in_flight;
mod inbound;
mod inline;
pub mod ledger;
mod ledger_database;
mod ledger_meter;
mod ledger_start;
pub mod listen;
mod message_size;
mod paced;
mod received;
pub mod serve;
pub mod server;
mod services;
mod serving;
mod settings;
pub mod short;
pub mod signals;
mod standing;
pub mod strangers;
mod strict;
#[cfg(test)]
mod tests;

/// Says what the shipped lists are, in both languages; `serve` logs it once.
pub const NOTICE_ZH: &str = "随附清单系我们对已公布规则的转录，须由贵方律师确认";
/// The same in English.
pub const NOTICE_EN: &str =
    "the lists that ship with neglist are a transcription of published rules, for your lawyers to confirm";
