//! The HTTP doors.

/// `AuthZEN`: the requests of the certification, and the texts of denials.
mod authzen;
/// Probes, `/v1/decide`, and requests outside the contract.
pub(crate) mod doors;
/// What gateways are told that ask with the headers of a request.
mod forward_auth;
/// Limits of HTTP, of connections and of requests in flight, and how the listener stops.
mod limits;
/// The metrics of a scrape.
mod metrics;
