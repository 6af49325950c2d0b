//! The one integration-test binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::allow_attributes,
    reason = "tests fail by panicking"
)]

/// The policies that ship.
mod shipped;

/// Decision tables: every case of the shipped policies holds.
mod decisions;

/// What the ledger tests share: accounts, reservations, random numbers.
mod ledger_support;

/// A disk that fails, fills up and loses power.
mod ledger_disk;

/// The embedded ledger: answers, operators, many callers at once.
mod ledger_embedded;

/// The embedded ledger against a plain model, in random steps.
mod ledger_model;

/// The embedded ledger killed, and on storage that fails.
mod ledger_crash;

/// The rules that keep the code as the architecture says.
mod tidy;
