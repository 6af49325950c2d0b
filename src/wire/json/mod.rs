//! proto3 JSON: messages in and out, every violation with its place.

mod check;
pub mod issues;
pub mod message;
pub mod unambiguous;
mod value;
