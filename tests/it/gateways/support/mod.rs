//! Shared by the tests of all gateways.

pub(crate) mod client;
pub(crate) mod envoy;
pub(crate) mod flows;
pub(crate) mod packaged;
pub(crate) mod process;
pub(crate) mod tools;
pub(crate) mod upstream;
