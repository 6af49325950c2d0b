//! The body of a request over HTTP/1: it tells its connection while it is waited for, and returns what no handler read.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};

use crate::transport::connections::Activity;

/// Bytes of an unread body that are read after the answer is known, so that the connection can be used again. They have
/// come already: a body that has to be waited for ends its connection.
const DISCARD_BYTES_MAX: usize = 64 << 10;

/// A body that is being received.
pub(super) struct Received {
    /// `None` once it is dropped.
    body: Option<Incoming>,
    activity: Activity,
    unread: Unread,
}

impl Received {
    /// Returns the body of a request on the connection with this activity, and the place where it is left if it is not
    /// read to its end.
    pub(super) fn new(body: Incoming, activity: Activity) -> (Self, Unread) {
        let unread = Unread::default();
        (Self { body: Some(body), activity, unread: unread.clone() }, unread)
    }
}

/// A body that no handler read to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Unread(Arc<Mutex<Option<Incoming>>>);

impl Unread {
    /// Reads what has come of the rest, and says whether that was all. `is_asked_for`: whether the client sends it without
    /// being told to continue.
    pub(super) fn is_discarded(&self, is_asked_for: bool) -> bool {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = left else { return true };
        // To read would tell the client to send it.
        if !is_asked_for {
            return false;
        }
        let (mut bytes, mut context) = (0, Context::from_waker(std::task::Waker::noop()));
        while bytes <= DISCARD_BYTES_MAX {
            match Pin::new(&mut body).poll_frame(&mut context) {
                Poll::Ready(Some(Ok(frame))) => bytes += frame.data_ref().map_or(0, Bytes::len),
                Poll::Ready(None) => return true,
                Poll::Ready(Some(Err(_))) | Poll::Pending => return false,
            }
        }
        false
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        // What nobody reads is not waited for.
        self.activity.receives(polled.is_pending());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.activity.receives(false);
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.unread.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}
