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

/// Decision tables: every case of the shipped policies holds.
mod decisions;
/// The fuzz targets, for a short time.
mod fuzz_smoke;
/// Random policies and transfers.
mod generate;
/// A naive evaluation, straight from the design.
mod model;
/// The compiled evaluation against the naive one, and what else must hold whatever the policies.
mod properties;
/// What once went wrong.
mod regression;
/// Policies as parsed and as compiled, side by side.
mod world;
