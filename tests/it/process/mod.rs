//! How `neglist serve` starts, watches itself and stops.

/// A clock that is set while a server runs.
mod clock;
/// Connections that keep no client out, and the order of the start.
mod connections;
/// Health at every door.
mod health;
/// HTTP/1 that can be read in two ways, and messages that are too large.
mod messages;
/// How `neglist serve` starts, refuses to start, and stops.
mod serve;
/// A log that is not read, a clock that is wrong, policies of unusual size.
mod told;
mod watch;
