//! Servers, clients and policies that many tests share.

/// Requests of clients, and readers of the answers.
pub(crate) mod clients;
/// A client of HTTP that sends any bytes.
pub(crate) mod http_client;
/// Programs that a machine may lack.
pub(crate) mod missing;
/// A database for tests.
pub(crate) mod postgres_server;
/// A client of HTTP/2 that writes frames as a test likes.
pub(crate) mod raw_http2;
/// Servers for tests: the real binary, and one in this process.
pub(crate) mod server;
/// The policies that ship.
pub(crate) mod shipped;
/// A policy directory that fits on a few screens.
pub(crate) mod small;
/// Waits for a state, with a deadline.
pub(crate) mod wait;
