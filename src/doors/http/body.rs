//! Reads a JSON body: declared as JSON, within the limits of size and time, and complete.

use std::fmt;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt as _;

use crate::metrics::{Limit, Metrics};
use crate::wire::refusal::http::Misread;

/// Limits of bodies.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Most bytes.
    pub bytes_max: usize,
    /// Time-out of a body, in seconds.
    pub seconds_max: u64,
    /// When a client may try again whose body finds no room, in milliseconds.
    pub retry_after_ms: u32,
}

impl BodyLimits {
    /// Returns the body of a request.
    ///
    /// # Errors
    /// The body is not declared as JSON, is encoded, is too large, too slow, or breaks off. Nothing of it is used then.
    pub(crate) async fn read(self, request: Request, metrics: &Metrics) -> Result<Bytes, Misread<'static>> {
        check_headers(request.headers())?;
        let Self { bytes_max, seconds_max, retry_after_ms } = self;
        let too_large = || {
            metrics.limited(Limit::HttpBodyBytes);
            Misread::TooLarge { bytes_max }
        };
        // A declared length saves the client from sending it at all.
        if announced_bytes(request.headers()).is_some_and(|bytes| u64::try_from(bytes_max).is_ok_and(|max| max < bytes))
        {
            return Err(too_large());
        }
        let reading = collect(request.into_body(), bytes_max);
        match tokio::time::timeout(Duration::from_secs(seconds_max), reading).await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(Uncollected::TooLarge)) => Err(too_large()),
            Ok(Err(Uncollected::NoRoom)) => {
                metrics.limited(Limit::HttpHeldBytes);
                Err(Misread::NoRoom { retry_after_ms })
            }
            Ok(Err(Uncollected::BrokenOff)) => Err(Misread::BrokenOff),
            Err(_) => {
                metrics.limited(Limit::HttpBodySeconds);
                Err(Misread::TooSlow { seconds_max })
            }
        }
    }
}

/// The error of a body for which no room is left, from the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room is left for the body")
    }
}

impl std::error::Error for NoRoom {}

/// Why a body is not whole.
enum Uncollected {
    TooLarge,
    NoRoom,
    BrokenOff,
}

/// Returns a whole body. One that comes in pieces is copied: each piece would hold the buffer in which it came, of some KiB.
async fn collect(mut body: Body, bytes_max: usize) -> Result<Bytes, Uncollected> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.into_inner().downcast_ref::<NoRoom>() {
            Some(NoRoom) => Uncollected::NoRoom,
            None => Uncollected::BrokenOff,
        })?;
        // Trailers say nothing here.
        let Ok(data) = frame.into_data() else { continue };
        if bytes_max < whole.len().saturating_add(data.len()) {
            return Err(Uncollected::TooLarge);
        }
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(Bytes::from(whole))
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
