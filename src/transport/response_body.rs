//! The body of an answer over gRPC: in parts, each of which is charged until HTTP/2 has written it.
//!
//! HTTP/2 takes a whole part as soon as the client takes a byte of it. So parts are small: the bytes that a client does not
//! take stay here and can be dropped.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue};

use crate::transport::budget::{BatchPermit, Charge, Outgoing, Progress, RequestPermit, Share, StreamPermit, Unsent};
use crate::wire::refusal::Exhausted;

/// Largest part of an answer: the largest frame of HTTP/2 that each client takes (RFC 9113, section 4.2).
const PART_BYTES: usize = 16 << 10;

/// The trailer with the status of a call, and its value for success.
pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const OK: HeaderValue = HeaderValue::from_static("0");

/// The body of an answer.
pub struct Answer(AnswerBody);

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

enum AnswerBody {
    /// A message and the trailers of success.
    Short(Next),
    /// An answer of the fallback, or one after a wait.
    Long(Box<Long>),
}

/// The next part of a short answer.
enum Next {
    Message(Outgoing),
    Trailers,
    Nothing,
}

/// An answer of the fallback, or one after a wait.
struct Long {
    /// `None` once it has ended.
    body: Option<Body>,
    /// The rest of the message that is being sent.
    rest: Bytes,
    unsent: Option<Arc<Unsent>>,
    progress: Arc<Progress>,
    share: Arc<Share>,
    holds: Holds,
}

/// The permits and bytes that a call holds until it ends.
#[derive(Debug, Default)]
pub(super) struct Holds {
    /// The permit of a request in flight. Given back with the first part of an answer with one message: such an answer is
    /// complete and only has to be sent.
    pub(super) permit: Option<RequestPermit>,
    /// The permit of a batch, given back at the same time.
    pub(super) batch: Option<BatchPermit>,
    /// The permit of an open stream.
    pub(super) stream: Option<StreamPermit>,
    /// The bytes of the request.
    pub(super) charge: Option<Charge>,
}

impl Answer {
    /// Returns the answer that the fast path gives at once.
    pub(super) fn short(message: Bytes, unsent: Unsent) -> Self {
        Self(AnswerBody::Short(Next::Message(Outgoing::whole(message, unsent))))
    }

    /// Returns an answer of the fallback, or one after a wait.
    pub(super) fn long(body: Body, holds: Holds, progress: Arc<Progress>, share: Arc<Share>) -> Self {
        Self(AnswerBody::Long(Box::new(Long {
            body: Some(body),
            rest: Bytes::new(),
            unsent: None,
            progress,
            share,
            holds,
        })))
    }
}

impl Next {
    fn take(&mut self) -> Option<Frame<Outgoing>> {
        match std::mem::replace(self, Next::Nothing) {
            Next::Message(message) => {
                *self = Next::Trailers;
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

/// A message and the trailers of a successful call, to be sent in parts.
pub(super) struct Whole(Option<Bytes>, Option<HeaderMap>);

impl Whole {
    pub(super) fn new(message: Bytes) -> Self {
        let mut trailers = HeaderMap::with_capacity(1);
        trailers.insert(GRPC_STATUS, OK);
        Self(Some(message), Some(trailers))
    }
}

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Self(message, trailers) = self.get_mut();
        let trailers = || trailers.take().map(Frame::trailers);
        Poll::Ready(message.take().map(Frame::data).or_else(trailers).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.1.is_none()
    }
}

type Part = Option<Result<Frame<Outgoing>, tonic::Status>>;

impl Long {
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Part> {
        self.progress.asked();
        self.progress.tell(&self.share);
        if !self.rest.is_empty() {
            return Poll::Ready(self.next_part());
        }
        self.unsent = None;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = match ready!(Pin::new(body).poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(Err(status)) => return Poll::Ready(Some(Err(status))),
            Some(Ok(frame)) => frame,
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                let trailers = frame.into_trailers().ok();
                return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
            }
        };
        // Once the answer exists, the request is no longer in flight, even if the client has not read it.
        if self.holds.stream.is_none() {
            (self.holds.permit, self.holds.batch) = (None, None);
        }
        match self.share.unsent(data.len()) {
            Some(unsent) => {
                (self.rest, self.unsent) = (data, Some(Arc::new(unsent)));
                Poll::Ready(self.next_part())
            }
            None => Poll::Ready(Some(self.give_up())),
        }
    }

    fn next_part(&mut self) -> Part {
        let part = self.rest.split_to(self.rest.len().min(PART_BYTES));
        let unsent = self.unsent.clone()?;
        self.progress.handed_out();
        Some(Ok(Frame::data(Outgoing::part(part, unsent))))
    }

    /// Ends an answer that does not fit into the budget, with a refusal in its trailers.
    fn give_up(&mut self) -> Result<Frame<Outgoing>, tonic::Status> {
        self.body = None;
        let status = self.share.budgets().exhausted(Exhausted::HeldBytes);
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))
    }

    fn is_end(&self) -> bool {
        self.rest.is_empty() && self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }
}

impl http_body::Body for Answer {
    type Data = Outgoing;
    type Error = tonic::Status;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Part> {
        match &mut self.get_mut().0 {
            AnswerBody::Short(next) => Poll::Ready(next.take().map(Ok)),
            AnswerBody::Long(long) => long.poll_part(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            AnswerBody::Short(next) => matches!(next, Next::Nothing),
            AnswerBody::Long(long) => long.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            AnswerBody::Short(_) => SizeHint::default(),
            AnswerBody::Long(long) => long.body.as_ref().map_or_else(SizeHint::default, http_body::Body::size_hint),
        }
    }
}
