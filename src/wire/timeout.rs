//! The time that a client is willing to wait for an answer.

use std::time::Duration;

/// The header that says so.
pub const HEADER: &str = "grpc-timeout";

/// Returns the time that a text writes; `None` where it writes none.
///
/// Source: gRPC over HTTP/2, `grpc-timeout`: at most eight digits and a unit.
pub fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(count.saturating_mul(3_600)),
        "M" => Duration::from_secs(count.saturating_mul(60)),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}
