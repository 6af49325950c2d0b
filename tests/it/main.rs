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

/// The commands of the policy admin.
mod commands;
/// Decision tables: every case of the shipped policies holds.
mod decisions;
/// What a compliance officer reads for each class of mistake.
mod diagnostics;
/// What `check` reports beyond mistakes.
mod findings;
/// The JSON Schema of the policy files.
mod schema;
/// A policy directory that fits on a few screens.
mod small;

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
/// The rules that keep the code as the architecture says.
mod tidy;
/// Policies as parsed and as compiled, side by side.
mod world;
