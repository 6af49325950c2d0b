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

/// The rules that keep the code as the architecture says.
mod tidy;

/// What every ledger promises.
mod ledger_contract;

/// The ledger in a database that several servers share.
mod ledger_postgres;

/// A database for tests.
mod postgres_server;
