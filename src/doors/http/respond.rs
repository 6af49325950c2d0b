//! Writes responses.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;

use crate::wire::refusal::Refusal;
use crate::wire::refusal::http::{self, Refused};

/// Returns a response of JSON. An answer holds for the moment: no cache may keep it unless a door allows that.
pub fn json(code: StatusCode, body: String) -> Response {
    of_type(code, "application/json", body)
}

/// Returns a response without a body.
pub(crate) fn empty(code: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns a refusal.
pub fn refused(refused: Refused) -> Response {
    let Refused { http_code, body, retry_after_seconds } = refused;
    // An invalid code would be a mistake of ours, and so would one that permits.
    let code = StatusCode::from_u16(http_code).ok().filter(|code| code.is_client_error() || code.is_server_error());
    let mut response = json(code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body);
    if let Some(seconds) = retry_after_seconds {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Returns the refusal of a request that the server cannot answer.
pub(crate) fn unanswered(refusal: &Refusal) -> Response {
    refused(http::render(refusal))
}

pub(crate) fn of_type(code: StatusCode, media_type: &'static str, body: impl Into<Body>) -> Response {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    *response.headers_mut() = headers;
    response
}
