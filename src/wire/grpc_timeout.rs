//! The time-out of a gRPC call.

use std::time::Duration;

/// The header of the time-out.
pub const HEADER: &str = "grpc-timeout";

/// Returns the time that a text states; `None` where the text is malformed.
///
/// Source: gRPC over HTTP/2, `grpc-timeout`: at most eight digits and a unit.
pub fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_count = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = digits.parse().ok().filter(|_| is_count)?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_up_to_eight_digits_and_a_unit() {
        assert_eq!(parse("500m"), Some(Duration::from_millis(500)));
        assert_eq!(parse("0n"), Some(Duration::ZERO));
        assert_eq!(parse("99999999H"), Some(Duration::from_hours(99_999_999)));
        assert_eq!(parse("2S"), Some(Duration::from_secs(2)));
        for text in ["", "m", "5", "+5m", "-5m", "5x", "123456789m", "5 m", "５m"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
