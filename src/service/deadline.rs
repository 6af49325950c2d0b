//! The deadline of a call.
//!
//! The transport calls a handler and stops waiting for it at the deadline. Under load a handler may begin after its caller has
//! gone away. A handler that counts must not begin then.

use tokio::time::Instant;
use tonic::codegen::http::{HeaderMap, HeaderName};

use crate::wire::grpc_timeout;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static(grpc_timeout::HEADER);

/// The moment until which a caller waits, attached to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Instant);

impl Deadline {
    /// Reads the deadline from the headers of a request that arrives now; `None` if the caller sets no time-out.
    ///
    /// # Errors
    /// The time-out is malformed. The caller has set one, so it will not wait for ever.
    pub fn from_now(headers: &HeaderMap) -> Result<Option<Self>, MalformedTimeout> {
        let Some(sent) = headers.get(&GRPC_TIMEOUT) else { return Ok(None) };
        let time_out = sent.to_str().ok().and_then(grpc_timeout::parse);
        let time_out =
            time_out.ok_or_else(|| MalformedTimeout(String::from_utf8_lossy(sent.as_bytes()).into_owned()))?;
        Ok(Instant::now().checked_add(time_out).map(Self))
    }

    /// Returns the moment.
    pub const fn at(self) -> Instant {
        self.0
    }

    /// Says whether the caller has stopped waiting.
    pub fn is_over(self) -> bool {
        self.0 <= Instant::now()
    }
}

/// A malformed time-out, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedTimeout(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_deadline_is_over_at_its_moment() {
        let deadline = |timeout: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", timeout.parse().unwrap());
            Deadline::from_now(&headers).unwrap().unwrap()
        };
        assert!(deadline("0n").is_over());
        assert!(!deadline("1H").is_over());
        assert_eq!(Deadline::from_now(&HeaderMap::new()), Ok(None));
        for wrong in ["-1S", "1", "999999999H", "", "S"] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", wrong.parse().unwrap());
            assert_eq!(Deadline::from_now(&headers), Err(MalformedTimeout(wrong.to_owned())));
        }
    }
}
