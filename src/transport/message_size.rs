//! The limits on the size of gRPC messages, requests and answers, for every service.
//!
//! The prefix of a message states its length, so a message that is too large is refused before any of it is kept. The library
//! would refuse it with `OUT_OF_RANGE`, which clients take for the end of a sequence. Here the refusal states the size and the
//! limit, with a code that tells the caller not to retry.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::codegen::{BoxFuture, Bytes, Service};
use tonic::server::NamedService;

use crate::metrics::{Limit, Metrics};
use crate::transport::framing::{Framing, TooLong};
use crate::wire::refusal::call::{self, TooLarge};

/// The limits on the size of messages.
#[derive(Debug, Clone)]
pub(crate) struct MessageSizes {
    /// Largest request message, in bytes.
    pub(crate) request_bytes_max: usize,
    /// Largest answer message, in bytes.
    pub(crate) answer_bytes_max: usize,
    /// Counts refused messages.
    pub(crate) metrics: Arc<Metrics>,
}

impl MessageSizes {
    /// Returns the same limits with another one for requests.
    pub(crate) fn with_requests(&self, request_bytes_max: usize) -> Self {
        Self { request_bytes_max, ..self.clone() }
    }

    /// Applies the limits to a service.
    pub(crate) fn limit<S>(&self, service: S) -> WithinSizes<S> {
        WithinSizes { service, sizes: self.clone() }
    }
}

/// A service whose messages are limited.
#[derive(Debug, Clone)]
pub(crate) struct WithinSizes<S> {
    service: S,
    sizes: MessageSizes,
}

impl<S: NamedService> NamedService for WithinSizes<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for WithinSizes<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (sizes, refused) = (self.sizes.clone(), Arc::new(OnceLock::new()));
        let told = Arc::clone(&refused);
        let asked = |body| Asked { body, messages: Framing::default(), sizes: sizes.clone(), refused: told };
        let response = self.service.call(request.map(|body| Body::new(asked(body))));
        Box::pin(async move {
            let response = response.await?;
            Ok(match refused.get() {
                // Some handlers treat a request that is cut off as one that has ended.
                Some(refusal) => Status::clone(refusal).into_http(),
                None => response.map(|body| {
                    let ending = Ending::Complete;
                    Body::new(Answered { body, messages: Framing::default(), sizes, refused, ending })
                }),
            })
        })
    }
}

/// Reads a frame. If a message in it is too large, returns the bytes before that message, and its size.
fn limited(
    messages: &mut Framing,
    frame: Option<&Result<Frame<Bytes>, Status>>,
    bytes_max: usize,
) -> Option<(Bytes, usize)> {
    let data = frame?.as_ref().ok()?.data_ref()?;
    let TooLong { at, bytes } = messages.see_within(data, bytes_max).err()?;
    Some((data.slice(..at), bytes))
}

type Polled = Poll<Option<Result<Frame<Bytes>, Status>>>;

/// The body of a request.
struct Asked {
    body: Body,
    messages: Framing,
    sizes: MessageSizes,
    /// The refusal, once there is one.
    refused: Arc<OnceLock<Status>>,
}

impl http_body::Body for Asked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let this = self.get_mut();
        // The bytes before the message have been passed on.
        if let Some(refusal) = this.refused.get() {
            return Poll::Ready(Some(Err(refusal.clone())));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        let bytes_max = this.sizes.request_bytes_max;
        let Some((before, bytes)) = limited(&mut this.messages, frame.as_ref(), bytes_max) else {
            return Poll::Ready(frame);
        };
        this.sizes.metrics.limited(Limit::RequestBytes);
        let refusal = this.refused.get_or_init(|| call::too_large(TooLarge::Request { bytes, bytes_max }));
        let passed_on = if before.is_empty() { Err(refusal.clone()) } else { Ok(Frame::data(before)) };
        Poll::Ready(Some(passed_on))
    }

    fn is_end_stream(&self) -> bool {
        self.refused.get().is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// The body of an answer.
struct Answered {
    body: Body,
    messages: Framing,
    sizes: MessageSizes,
    /// The refusal of the request, once there is one.
    refused: Arc<OnceLock<Status>>,
    ending: Ending,
}

/// Whether an answer is cut short.
#[derive(Debug)]
enum Ending {
    /// It is complete.
    Complete,
    /// It ends with this refusal.
    With(Status),
    /// It has ended.
    Ended,
}

impl Answered {
    fn end(&mut self, refusal: &Status) -> Polled {
        self.ending = Ending::Ended;
        let mut trailers = HeaderMap::new();
        // This cannot fail: the text is our own.
        Poll::Ready(Some(refusal.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }
}

impl http_body::Body for Answered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let this = self.get_mut();
        match std::mem::replace(&mut this.ending, Ending::Complete) {
            Ending::Complete => {}
            Ending::With(refusal) => return this.end(&refusal),
            Ending::Ended => {
                this.ending = Ending::Ended;
                return Poll::Ready(None);
            }
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        if frame.as_ref().is_some_and(|frame| frame.as_ref().is_ok_and(Frame::is_trailers))
            && let Some(refusal) = this.refused.get().cloned()
        {
            // Some handlers treat a request that is cut off as one that has ended.
            return this.end(&refusal);
        }
        let bytes_max = this.sizes.answer_bytes_max;
        let Some((before, bytes)) = limited(&mut this.messages, frame.as_ref(), bytes_max) else {
            return Poll::Ready(frame);
        };
        this.sizes.metrics.limited(Limit::AnswerBytes);
        let refusal = call::too_large(TooLarge::Answer { bytes, bytes_max });
        if before.is_empty() {
            return this.end(&refusal);
        }
        this.ending = Ending::With(refusal);
        Poll::Ready(Some(Ok(Frame::data(before))))
    }

    fn is_end_stream(&self) -> bool {
        match self.ending {
            Ending::Complete => self.body.is_end_stream(),
            Ending::With(_) => false,
            Ending::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
