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

/// Envoy, nginx, HAProxy, Caddy and Squid in front of a server.
mod gateways;
/// Random policies and transfers.
mod generate;
/// The gRPC doors.
mod grpc;
/// The rules of the code and of its documents.
mod guards;
/// The HTTP doors.
mod http;
/// The ledger: in a file, in PostgreSQL, and behind a server.
mod ledger;
/// A naive evaluation, straight from the design.
mod model;
/// The policy files and the commands of the policy admin.
mod policy;
/// How `neglist serve` starts, watches itself and stops.
mod process;
/// Statements about all policies and bytes: properties, fuzz targets, and past faults.
mod properties;
/// Policies that change while a server runs.
mod reload;
/// Servers, clients and policies that many tests share.
mod support;
