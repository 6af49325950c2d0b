//! How `neglist serve` starts, watches itself and stops.

/// A clock that is set while a server runs.
mod clock;
/// Health, connections, the order of the start, HTTP/1, and messages that are too large.
mod listeners;
/// How `neglist serve` starts, refuses to start, and stops.
mod serve;
/// A log that is not read, a clock that is wrong, policies of unusual size.
mod told;
mod watch;
