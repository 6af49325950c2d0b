//! Status codes of the server itself: busy, stopping, too late. Whatever the request says.

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

/// Returns the refusal of a request beyond the limit of requests in flight.
pub fn overloaded() -> Status {
    Status::unavailable("too many requests are in flight; try again later")
}

/// Returns the refusal of an admin request for which there is no time now.
pub fn busy() -> Status {
    Status::unavailable("the policies are being loaded, and others wait already; try again later")
}

/// Returns the end of a wait because the server stops.
pub fn stopping() -> Status {
    Status::unavailable("the server stops")
}

/// Returns the end of a wait for a digest that has not come into force.
pub fn digest_not_in_force(wanted: &str, in_force: &str) -> Status {
    Status::deadline_exceeded(format!("`{wanted}` is not in force; `{in_force}` is"))
}

/// Returns the refusal of a digest without the form of one.
pub fn malformed_digest() -> Status {
    let description = "must be `blake3:` and 64 lower-case hexadecimal digits";
    let details = ErrorDetails::with_bad_request_violation("digest", description);
    Status::with_error_details(tonic::Code::InvalidArgument, format!("digest {description}"), details)
}
