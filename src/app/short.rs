//! The short way of `DecisionService.Decide`: from the bytes of a request to those of its answer.
//!
//! Most of what an ordinary call costs is not the decision but what a general server does around it: a router, boxed
//! bodies and futures, texts that are copied. A `Decide` call as every client makes it is answered here. Whatever is
//! out of the ordinary goes on to the services behind, as it came: other methods, compression, messages in pieces or of
//! unusual form, requests that are refused or have to wait. So every edge is handled in one place, there.
//!
//! INVARIANT (short): a call is answered here or there, never by both, and the answers differ in their decision id only.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::codegen::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request,
};
use tonic::codegen::{Bytes, Service as _};
use tonic::service::Routes;

use super::in_flight::{InFlightLimit, Place};
use crate::service::DecisionApi;
use crate::service::caller::Caller;
use crate::service::deadline::Deadline;
use crate::wire::brief::unframed;
use crate::wire::refused::{Misread, Refused};
use crate::wire::status;

/// The path of the method.
const DECIDE: &str = "/neglist.v1.DecisionService/Decide";
/// What gRPC messages are called.
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
/// The trailer that says how a call ended, and its value where it ended well.
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The header that says how messages are compressed.
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const OK: HeaderValue = HeaderValue::from_static("0");
const UNIMPLEMENTED: HeaderValue = HeaderValue::from_static("12");
/// The header that says why a call did not end well.
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// The header that says which compression is taken.
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// The services of a listener. Clones share everything.
#[derive(Debug, Clone)]
pub struct Services(Arc<Inner>, Caller);

#[derive(Debug)]
struct Inner {
    short: Option<ShortWay>,
    routes: Routes,
    /// The services behind, for those who ask for another one.
    names: &'static [&'static str],
}

/// What answers plain `Decide` calls.
#[derive(Debug, Clone)]
pub struct ShortWay {
    /// Decides.
    pub decisions: DecisionApi,
    /// Limits the requests in flight, together with the services behind.
    pub limit: InFlightLimit,
    /// Largest message, in bytes.
    pub request_bytes_max: usize,
}

impl hyper::service::Service<Request<Incoming>> for Services {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let (head, body) = request.into_parts();
        let deadline = Deadline::from_now(&head.headers);
        let short = self.0.short.as_ref().filter(|_| is_plain(&head));
        // Beyond the limit the services behind refuse, and say so.
        match short.and_then(|short| short.limit.place()) {
            Some(place) => {
                let services = self.clone();
                Answering(State::Reading(Some(Reading { head, body, frame: None, place, deadline, services })))
            }
            None => Answering(State::GoneOn(self.go_on(Request::from_parts(head, Body::new(body)), deadline))),
        }
    }
}

impl Services {
    /// Returns services: what answers plain `Decide` calls, where the listener has them, and what answers all others.
    /// `names`: what the services behind are called.
    pub fn new(short: Option<ShortWay>, routes: Routes, names: &'static [&'static str]) -> Self {
        Self(Arc::new(Inner { short, routes, names }), Caller::Unknown)
    }

    /// Returns the same services, for a connection of this caller.
    #[must_use]
    pub(super) fn of(&self, caller: Caller) -> Self {
        Self(Arc::clone(&self.0), caller)
    }

    /// Leaves a call to the services behind.
    fn go_on(&self, mut request: Request<Body>, deadline: Option<Deadline>) -> GoneOn {
        if let Some(refusal) = not_grpc(request.headers()).or_else(|| compressed(request.headers())) {
            return Box::pin(std::future::ready(refusal));
        }
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(deadline);
        }
        let (names, uri) = (self.0.names, request.uri().clone());
        let answer = self.1.scope(self.0.routes.clone().call(request));
        Box::pin(async move {
            let answer = match deadline {
                None => answer.await,
                Some(deadline) => match tokio::time::timeout_at(deadline.at(), answer).await {
                    Ok(answer) => answer,
                    Err(_) => return status::late().into_http(),
                },
            };
            match answer {
                Ok(answer) if is_no_method(&answer) => status::no_such_method(uri.path(), names).into_http(),
                Ok(answer) => answer,
                Err(never) => match never {},
            }
        })
    }
}

/// Says whether an answer is that of a router which knows no such method, and says nothing more.
fn is_no_method(answer: &Response<Body>) -> bool {
    let headers = answer.headers();
    headers.get(&GRPC_STATUS) == Some(&UNIMPLEMENTED) && headers.get(&GRPC_MESSAGE).is_none_or(HeaderValue::is_empty)
}

/// Refuses what is no gRPC with protobuf, such as gRPC-Web, Connect and JSON. An answer of gRPC would be no answer to it.
fn not_grpc(headers: &HeaderMap) -> Option<Response<Body>> {
    let sent = headers.get(header::CONTENT_TYPE).map_or(&[] as &[u8], HeaderValue::as_bytes);
    let media_type = sent.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if [b"application/grpc".as_slice(), b"application/grpc+proto"]
        .iter()
        .any(|ours| media_type.eq_ignore_ascii_case(ours))
    {
        return None;
    }
    let Refused { http_code, body, retry_after_seconds: _ } = Misread::NotGrpc.refused();
    let mut response = Response::new(Body::new(http_body_util::Full::new(Bytes::from(body))));
    *response.status_mut() = StatusCode::from_u16(http_code).unwrap_or(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Some(response)
}

/// Refuses messages that are compressed, and says so.
fn compressed(headers: &HeaderMap) -> Option<Response<Body>> {
    let encoding = headers.get(&GRPC_ENCODING).filter(|encoding| *encoding != "identity")?;
    let mut response = status::compressed(&String::from_utf8_lossy(encoding.as_bytes())).into_http();
    response.headers_mut().insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Some(response)
}

/// Says whether a call can be answered here, by its head.
fn is_plain(head: &request::Parts) -> bool {
    head.uri.path() == DECIDE
        && head.method == Method::POST
        && head.headers.get(header::CONTENT_TYPE) == Some(&GRPC)
        && head.headers.get(&GRPC_ENCODING).is_none_or(|encoding| encoding == "identity")
}

/// A call that is being answered.
pub struct Answering(State);

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}

#[expect(clippy::large_enum_variant, reason = "nearly all are read here: a box would cost each an allocation")]
enum State {
    /// Its message is being read. `None` only while it is polled, and afterwards.
    Reading(Option<Reading>),
    /// The services behind answer.
    GoneOn(GoneOn),
}

type GoneOn = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A call whose message is being read.
struct Reading {
    head: request::Parts,
    body: Incoming,
    /// The first frame, once it is there.
    frame: Option<Bytes>,
    place: Place,
    deadline: Option<Deadline>,
    services: Services,
}

impl Future for Answering {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let state = &mut self.get_mut().0;
        if let State::Reading(reading) = state {
            // After an answer there is nothing left to poll.
            let Some(mut call) = reading.take() else { return Poll::Pending };
            match call.poll_message(context) {
                Poll::Pending => {
                    *reading = Some(call);
                    return Poll::Pending;
                }
                Poll::Ready(Message::Whole) => match call.answer() {
                    Some(Ending::Answered(message)) => return Poll::Ready(Ok(call.respond(message))),
                    Some(Ending::Late) => return Poll::Ready(Ok(long(status::late().into_http()))),
                    None => *state = State::GoneOn(call.go_on(None)),
                },
                Poll::Ready(Message::InPieces(next)) => *state = State::GoneOn(call.go_on(Some(next))),
            }
        }
        match state {
            State::Reading(_) => Poll::Pending,
            State::GoneOn(answer) => answer.as_mut().poll(context).map(|answer| Ok(long(answer))),
        }
    }
}

fn long(answer: Response<Body>) -> Response<Answer> {
    answer.map(|body| Answer(AnswerBody::Long(body)))
}

/// How a call ends that is not left to others.
enum Ending {
    /// With this message, framed.
    Answered(Bytes),
    /// Too late.
    Late,
}

/// What came of a message.
enum Message {
    /// All of it, in one frame or none.
    Whole,
    /// Something follows the first frame.
    InPieces(Result<Frame<Bytes>, hyper::Error>),
}

impl Reading {
    /// Reads the first frame, and waits for the end of the request.
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Message> {
        loop {
            let Some(next) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
                return Poll::Ready(Message::Whole);
            };
            match next.map(Frame::into_data) {
                // Clients end a request with an empty frame as often as with the last one.
                Ok(Ok(data)) if data.is_empty() => {}
                Ok(Ok(data)) if self.frame.is_none() => self.frame = Some(data),
                Ok(Ok(data)) => return Poll::Ready(Message::InPieces(Ok(Frame::data(data)))),
                Ok(Err(other)) => return Poll::Ready(Message::InPieces(Ok(other))),
                Err(error) => return Poll::Ready(Message::InPieces(Err(error))),
            }
            if self.body.is_end_stream() {
                return Poll::Ready(Message::Whole);
            }
        }
    }

    /// Answers the call; `None` where the services behind have to.
    fn answer(&self) -> Option<Ending> {
        if self.deadline.is_some_and(Deadline::is_over) {
            return Some(Ending::Late);
        }
        let short = self.services.0.short.as_ref()?;
        let message = self.frame.as_deref().and_then(unframed)?;
        if short.request_bytes_max < message.len() {
            return None;
        }
        short.decisions.decide_message(message).map(Ending::Answered)
    }

    fn respond(self, message: Bytes) -> Response<Answer> {
        let body = AnswerBody::Short(Short { next: Next::Message(message), _place: self.place });
        let mut response = Response::new(Answer(body));
        response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
        response
    }

    /// Leaves the call to the services behind, with all that was read of it.
    fn go_on(self, next: Option<Result<Frame<Bytes>, hyper::Error>>) -> GoneOn {
        let Self { head, body, frame, place, deadline, services } = self;
        // They take a place of their own.
        drop(place);
        let first = frame.map(|data| Ok(Frame::data(data)));
        let body = Body::new(Again { first, next, rest: body });
        services.go_on(Request::from_parts(head, body), deadline)
    }
}

/// A request body of which something was read already.
struct Again {
    first: Option<Result<Frame<Bytes>, hyper::Error>>,
    next: Option<Result<Frame<Bytes>, hyper::Error>>,
    rest: Incoming,
}

impl http_body::Body for Again {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        match this.first.take().or_else(|| this.next.take()) {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut this.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.next.is_none() && self.rest.is_end_stream()
    }
}

/// The body of an answer.
pub struct Answer(AnswerBody);

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

enum AnswerBody {
    /// A message and the trailers that say that all is well.
    Short(Short),
    /// Of the services behind.
    Long(Body),
}

/// An answer of the short way. Its request is in flight until it has been sent, or nobody wants it.
struct Short {
    next: Next,
    _place: Place,
}

/// What of an answer is sent next.
enum Next {
    Message(Bytes),
    Trailers,
    Nothing,
}

impl Short {
    fn take(&mut self) -> Option<Frame<Bytes>> {
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Message(message) => {
                self.next = Next::Trailers;
                Some(Frame::data(message))
            }
            Next::Trailers => {
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert(GRPC_STATUS, OK);
                Some(Frame::trailers(trailers))
            }
            Next::Nothing => None,
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        match &mut self.get_mut().0 {
            AnswerBody::Long(body) => Pin::new(body).poll_frame(context),
            AnswerBody::Short(short) => Poll::Ready(short.take().map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            AnswerBody::Short(short) => matches!(short.next, Next::Nothing),
            AnswerBody::Long(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            AnswerBody::Short(_) => SizeHint::default(),
            AnswerBody::Long(body) => body.size_hint(),
        }
    }
}
