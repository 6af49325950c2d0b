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
/// What a compliance officer reads for each class of mistake.
mod diagnostics;
/// What `check` reports beyond mistakes.
mod findings;
/// The JSON Schema of the policy files.
mod schema;
/// A policy directory that fits on a few screens.
mod small;

/// What clients send, and how they read what comes back.
mod clients;
/// Every case of the shipped policies over gRPC: one by one, in batches, in streams.
mod grpc;
/// Listeners, health, reflection, and what is no request of ours.
mod grpc_doors;
/// Every kind of malformed request, and the limits of well-formed ones.
mod grpc_malformed;
/// Policies that change under load, in every style.
mod reload;
/// The load, and what must hold of each answer.
mod reload_load;
/// What a reload leaves behind.
mod reload_memory;
/// Editions that begin at midnight, without a reload.
mod reload_midnight;
/// How `neglist serve` starts, refuses to start, and stops.
mod serve_process;
/// Servers for tests: the real binary, and one in this process.
mod server;

/// The rules that keep the code as the architecture says.
mod tidy;
