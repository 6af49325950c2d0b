//! The doors: other ways to ask than `neglist.v1`. Each door reads a question and writes the answer, side by side.
//!
//! A door asks the services and decides nothing. Any answer other than ALLOW has a code that no gateway takes for a permit.

pub mod authzen;
pub mod envoy;
pub mod forward_auth;
pub mod http;
pub mod labelled;
pub mod render;
pub mod squid;
