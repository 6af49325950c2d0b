//! Everything that knows protobuf: messages in, messages out, and status codes.

pub mod authzen;
pub mod brief;
pub mod codec;
pub mod described;
pub mod envoy;
mod finding;
pub mod forwarded;
pub mod from_proto;
pub mod generated;
pub mod json;
mod json_check;
pub mod json_pointer;
pub mod labels;
pub mod ledger;
pub mod plain;
pub mod policy_status;
mod problem;
pub mod raw;
pub mod refusal;
pub mod refused;
pub mod squid;
pub mod status;
pub mod timeout;
pub mod to_proto;
mod unambiguous;
