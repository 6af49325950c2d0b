//! The HTTP doors.

/// `AuthZEN`: what the certification asks for, and what denials say.
mod authzen;
/// Probes, `/v1/decide`, and what is no request of ours.
pub(crate) mod doors;
/// What gateways are told that ask with the headers of a request.
mod forward_auth;
/// Limits of HTTP, of connections and of requests in flight, and how the listener stops.
mod limits;
/// What a scrape shows.
mod metrics;
