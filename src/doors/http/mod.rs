//! The HTTP doors: routers and handlers. They know no rules and no protobuf.
//!
//! A handler reads its request within limits, asks a service, and writes the answer. Each failure is an answer with a code that
//! no gateway takes for a permit, and a body in English and Chinese. hyper parses and axum routes; `transport` has the
//! connections, their limits and the requests in flight.

mod body;
mod decide;
mod overload;
mod probe;
mod request_id;
pub mod respond;
mod routes;
mod state;
#[cfg(test)]
pub(crate) mod testing;

pub use crate::doors::forward_auth::ForwardAuthSettings;
pub use crate::doors::forward_auth::forwarded::Believed;
pub use crate::doors::http::body::{BodyLimits, NoRoom};
pub use crate::doors::http::overload::Overload;
pub use crate::doors::http::routes::{complete, decisions, probes};
pub use crate::doors::http::state::{Doors, Observer};
