//! Everything that knows protobuf: messages in, messages out, and refusals as gRPC and HTTP have them.

pub mod codec;
pub mod decide;
pub mod generated;
pub mod grpc_timeout;
pub mod json;
pub mod labelled;
pub mod ledger;
pub mod policy_status;
pub mod refusal;
pub mod subjects;
