//! Composition root: builds everything, starts the servers, drains them when the process stops.
//!
//! The only place that joins concrete types: configuration, clock, compiler, services, listeners.

pub mod clock;
pub mod clock_watch;
pub mod ledger;
mod ledger_database;
mod ledger_meter;
pub mod ledger_settings;
mod ledger_start;
pub mod serve;
pub mod server;
mod services;
mod settings;
pub mod signals;
mod standing;
mod start_error;
#[cfg(test)]
mod tests;

/// Describes the shipped lists, in both languages; `serve` logs it once.
pub const NOTICE_ZH: &str = "随附清单系我们对已公布规则的转录，须由贵方律师确认";
/// The same in English.
pub const NOTICE_EN: &str =
    "the lists that ship with neglist are a transcription of published rules, for your lawyers to confirm";
