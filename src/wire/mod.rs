//! Everything that knows protobuf: messages in, messages out, and status codes.

pub mod generated;
