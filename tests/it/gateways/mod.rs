//! What the tests of all gateways share.

pub(crate) mod flows;
