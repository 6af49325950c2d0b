//! Everything that knows protobuf: messages in, messages out, and status codes.

pub mod generated;
pub mod policy_status;
pub mod refusal;
