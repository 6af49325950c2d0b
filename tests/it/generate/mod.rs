//! Random policies, as the text of their files, and random transfers and requests to ask about under them.
//!
//! Everything is drawn from [`dice::Dice`]: from a seed, so that a failure can be run again, or from the bytes of a
//! fuzzer. Nothing here knows the meaning of a policy.

pub(crate) mod dice;
pub(crate) mod label;
pub(crate) mod list;
pub(crate) mod policy;
pub(crate) mod transfer;
