//! Envoy, nginx, HAProxy, Caddy and Squid in front of a server.

/// The door for Envoy, asked by the generated client.
mod envoy_grpc;
/// The door for Envoy, behind a real one that runs the examples.
mod envoy_real;
mod envoy_subjects;
/// nginx, HAProxy and Caddy in front of a server, running the examples.
mod forwarders_real;
/// `neglist squid-helper` through pipes.
mod squid_helper;
/// Squid in front of servers, running the example.
mod squid_real;
/// Shared by the tests of all gateways.
pub(crate) mod support;
