//! The head of a gRPC call: its kind, the form of its messages, and the refusal of calls in another form.
//!
//! Knows method, path and headers alone: no body, no budget and no service.

use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request};

use crate::wire::refusal::call;
use crate::wire::refusal::http::{Misread, Refused};

/// The media type of gRPC messages.
pub(super) const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
/// The header with the compression of messages.
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// The header with the compression that the server accepts.
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// A call with one question.
const DECIDE: &str = "/neglist.v1.DecisionService/Decide";
/// A call with many questions.
const DECIDE_BATCH: &str = "/neglist.v1.DecisionService/DecideBatch";
/// A call that reads messages as they arrive.
const DECIDE_STREAM: &str = "/neglist.v1.DecisionService/DecideStream";
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];
/// The path of health checks, which are answered under any load.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// The kind of a call, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `Decide`: a request.
    Decide,
    /// A decision, a count, an administration: one message, and a permit while it is answered.
    Request,
    /// The same with a permit for batches: its work takes many times the memory of its message.
    Batch,
    /// One message and no permit.
    Probe,
    /// Messages as they arrive, with a permit for streams and one for requests.
    Stream,
    /// The same with a permit for streams alone.
    Description,
}

impl Kind {
    pub(super) fn of(path: &str) -> Self {
        match path {
            DECIDE => Self::Decide,
            DECIDE_BATCH => Self::Batch,
            DECIDE_STREAM => Self::Stream,
            _ if REFLECTION.contains(&path) => Self::Description,
            _ if path.starts_with(HEALTH) => Self::Probe,
            _ => Self::Request,
        }
    }

    pub(super) const fn takes_messages_as_they_come(self) -> bool {
        matches!(self, Self::Stream | Self::Description)
    }
}

/// Refuses a call that is not gRPC with protobuf, such as gRPC-Web, Connect and JSON. Its client could not read an answer in
/// gRPC.
pub(super) fn not_grpc(head: &request::Parts) -> Option<Response<Body>> {
    let misread = if head.method != Method::POST {
        Misread::OtherMethod
    } else if is_grpc(&head.headers) {
        return None;
    } else {
        Misread::NotGrpc
    };
    let Refused { http_code, body, retry_after_seconds: _ } = misread.refused();
    // An answer to HEAD has no body.
    let body = if head.method == Method::HEAD { Bytes::new() } else { Bytes::from(body) };
    let mut response = Response::new(Body::new(http_body_util::Full::new(body)));
    *response.status_mut() = StatusCode::from_u16(http_code).unwrap_or(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    Some(response)
}

/// Says whether the head declares gRPC with protobuf, exactly once.
fn is_grpc(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(sent), None) = (types.next(), types.next()) else { return false };
    let media_type = sent.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    [b"application/grpc".as_slice(), b"application/grpc+proto"].iter().any(|ours| media_type.eq_ignore_ascii_case(ours))
}

/// Refuses compressed messages.
pub(super) fn compressed(headers: &HeaderMap) -> Option<Response<Body>> {
    let encoding = headers.get(&GRPC_ENCODING).filter(|encoding| *encoding != "identity")?;
    let mut response = call::compressed(&String::from_utf8_lossy(encoding.as_bytes())).into_http();
    response.headers_mut().insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Some(response)
}

/// Says whether a `Decide` call can take the fast path, by its head.
pub(super) fn is_plain(head: &request::Parts) -> bool {
    let mut types = head.headers.get_all(header::CONTENT_TYPE).iter();
    head.method == Method::POST
        && (types.next(), types.next()) == (Some(&GRPC), None)
        && head.headers.get(&GRPC_ENCODING).is_none_or(|encoding| encoding == "identity")
}
