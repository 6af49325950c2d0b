//! Reads a JSON body: declared as JSON, within the limits of size and time, and complete.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::metrics::{Limit, Metrics};
use crate::wire::refusal::http::Misread;

/// Limits of bodies.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Most bytes.
    pub bytes_max: usize,
    /// Time-out of a body, in seconds.
    pub seconds_max: u64,
}

impl BodyLimits {
    /// Returns the body of a request.
    ///
    /// # Errors
    /// The body is not declared as JSON, is encoded, is too large, too slow, or breaks off. Nothing of it is used then.
    pub(crate) async fn read(self, request: Request, metrics: &Metrics) -> Result<Bytes, Misread<'static>> {
        check_headers(request.headers())?;
        let Self { bytes_max, seconds_max } = self;
        let too_large = || {
            metrics.limited(Limit::HttpBodyBytes);
            Misread::TooLarge { bytes_max }
        };
        // A declared length saves the client from sending it at all.
        if announced_bytes(request.headers()).is_some_and(|bytes| u64::try_from(bytes_max).is_ok_and(|max| max < bytes))
        {
            return Err(too_large());
        }
        let reading = Limited::new(request.into_body(), bytes_max).collect();
        match tokio::time::timeout(Duration::from_secs(seconds_max), reading).await {
            Ok(Ok(read)) => Ok(read.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(_)) => Err(Misread::BrokenOff),
            Err(_) => {
                metrics.limited(Limit::HttpBodySeconds);
                Err(Misread::TooSlow { seconds_max })
            }
        }
    }
}

fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn check_headers(headers: &HeaderMap) -> Result<(), Misread<'static>> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let is_json = types.next().and_then(|value| value.to_str().ok()).is_some_and(is_json_in_utf8);
    if !is_json || types.next().is_some() {
        return Err(Misread::NotSaidToBeJson);
    }
    let is_plain = |value: &axum::http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().all(is_plain) { Ok(()) } else { Err(Misread::Encoded) }
}

fn is_json_in_utf8(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            Some(_) => true,
            None => parameter.is_empty(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_said_in_several_ways() {
        for media_type in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json ; charset=utf-8; profile=x",
            "application/json;",
        ] {
            assert!(is_json_in_utf8(media_type), "{media_type}");
        }
        for media_type in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json, text/plain",
            "application/json; charset=utf-16",
            "application/json; charset",
            "application/x-www-form-urlencoded",
            "application/problem+json",
        ] {
            assert!(!is_json_in_utf8(media_type), "{media_type}");
        }
    }
}
