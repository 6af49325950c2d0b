//! Handlers of the gRPC services: from the wire, ask, to the wire. No rules.

pub mod admin;
