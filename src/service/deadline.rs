//! Until when a caller waits for its answer.
//!
//! The transport stops waiting for a handler at that moment, but asks it first: under load a
//! handler may run when its caller is gone. Whoever counts must not begin then.

use std::time::Duration;

use tokio::time::Instant;
use tonic::codegen::http::HeaderMap;

/// The moment until which a caller waits, as a mark on its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Instant);

impl Deadline {
    /// Reads how long the caller waits from now on; `None` where it does not say, or not so that it can be read.
    pub fn from_now(headers: &HeaderMap) -> Option<Self> {
        let patience = patience(headers.get("grpc-timeout")?.to_str().ok()?)?;
        Instant::now().checked_add(patience).map(Self)
    }

    /// Says whether the caller has stopped waiting.
    pub fn is_over(self) -> bool {
        self.0 <= Instant::now()
    }
}

/// Reads a timeout of gRPC: up to eight digits and a unit.
fn patience(text: &str) -> Option<Duration> {
    let (unit_at, unit) = text.char_indices().next_back()?;
    let digits = text.get(..unit_at)?;
    let is_number = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    match unit {
        'H' => Some(Duration::from_secs(number * 3_600)),
        'M' => Some(Duration::from_secs(number * 60)),
        'S' => Some(Duration::from_secs(number)),
        'm' => Some(Duration::from_millis(number)),
        'u' => Some(Duration::from_micros(number)),
        'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_up_to_eight_digits_and_a_unit() {
        assert_eq!(patience("500m"), Some(Duration::from_millis(500)));
        assert_eq!(patience("0n"), Some(Duration::ZERO));
        assert_eq!(patience("99999999H"), Some(Duration::from_hours(99_999_999)));
        assert_eq!(patience("2S"), Some(Duration::from_secs(2)));
        for text in ["", "m", "5", "+5m", "-5m", "5x", "123456789m", "5 m", "５m"] {
            assert_eq!(patience(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_deadline_is_over_at_its_moment() {
        let deadline = |timeout: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", timeout.parse().unwrap());
            Deadline::from_now(&headers).unwrap()
        };
        assert!(deadline("0n").is_over());
        assert!(!deadline("1H").is_over());
        assert_eq!(Deadline::from_now(&HeaderMap::new()), None);
    }
}
