//! The body of a request over HTTP/1. It notes in the record of its connection while the server waits for it, and keeps the
//! bytes that no handler read.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::BoxError;
use http_body::{Body, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};

use crate::doors::http::NoRoom;
use crate::transport::activity::Activity;
use crate::transport::pool::Pool;

/// Most bytes of an unread body that are discarded after the answer is known, so that the connection can be used again. Only
/// bytes that have arrived are discarded: a body that is not complete ends its connection.
const DISCARD_BYTES_MAX: usize = 64 << 10;

/// The allowance of each connection for a body. An ordinary request fits, whatever other connections hold.
const OWN_BYTES: usize = 4 << 10;

/// The room for bodies on all connections.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Pool>);

impl Room {
    /// Returns room for `bytes_max`, of which one connection takes at most `share_percent`.
    pub(super) fn new(bytes_max: usize, share_percent: u32) -> Self {
        Self(Arc::new(Pool::new(bytes_max, share_percent, OWN_BYTES)))
    }

    /// Returns the room of a connection, which has one request at a time.
    pub(super) fn on_connection(&self) -> Arc<BodyBytes> {
        Arc::new(BodyBytes { pool: Arc::clone(&self.0), bytes: AtomicUsize::new(0) })
    }
}

/// The bytes of the body of a connection's request.
#[derive(Debug)]
pub(super) struct BodyBytes {
    pool: Arc<Pool>,
    bytes: AtomicUsize,
}

impl BodyBytes {
    /// Returns a guard that gives all bytes back when the request is answered.
    pub(super) fn until_answered(self: &Arc<Self>) -> BodyBytesHeld {
        BodyBytesHeld(Arc::clone(self))
    }
}

/// Gives the bytes of a body back when it is dropped.
#[derive(Debug)]
pub(super) struct BodyBytesHeld(Arc<BodyBytes>);

impl Drop for BodyBytesHeld {
    fn drop(&mut self) {
        let BodyBytes { pool, bytes } = &*self.0;
        pool.give_back(bytes, bytes.load(Ordering::Relaxed));
    }
}

/// A body that is being received.
pub(super) struct Received {
    /// `None` once it is dropped.
    body: Option<Incoming>,
    activity: Activity,
    unread: Unread,
    held: Arc<BodyBytes>,
}

impl Received {
    /// Returns the body of a request on the connection with this record, and the holder of the body if no handler reads it to
    /// its end.
    pub(super) fn new(body: Incoming, activity: Activity, held: Arc<BodyBytes>) -> (Self, Unread) {
        let unread = Unread::default();
        (Self { body: Some(body), activity, unread: unread.clone(), held }, unread)
    }
}

/// A body that no handler read to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Unread(Arc<Mutex<Option<Incoming>>>);

impl Unread {
    /// Discards the bytes of the rest that have arrived; says whether that was the whole rest. `is_asked_for`: whether the
    /// client sends the body without waiting for `100 Continue`.
    pub(super) fn is_discarded(&self, is_asked_for: bool) -> bool {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = left else { return true };
        // Reading would send `100 Continue`.
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
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        // The server waits only while a handler reads.
        self.activity.receives(polled.is_pending());
        let bytes = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        if bytes != 0 && !self.held.pool.take(&self.held.bytes, bytes) {
            return Poll::Ready(Some(Err(NoRoom.into())));
        }
        polled.map(|frame| frame.map(|frame| frame.map_err(BoxError::from)))
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
