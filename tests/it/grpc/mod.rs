//! The gRPC doors.

/// Every case of the shipped policies over gRPC: one by one, in batches, in streams.
mod cases;
/// Listeners, health, reflection, and requests outside the contract.
mod doors;
/// The short way of `Decide` beside the generated services.
mod fast_path;
/// Calls whose bytes are not the messages of their method.
mod framing;
/// Calls and connections over HTTP/2 that mean the server ill, or are merely unusual.
mod hostile;
/// Every kind of malformed request, and the limits of well-formed ones.
mod malformed;
/// The example client in Python.
mod python_client;
/// Clients of other protocols at a gRPC address.
mod strangers;
