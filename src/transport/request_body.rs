//! The body of a request over HTTP/1, which tells its connection while it is waited for.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};

use crate::transport::connections::Activity;

/// A body that is being received.
pub(super) struct Received {
    body: Incoming,
    activity: Activity,
}

impl Received {
    /// Returns the body of a request on the connection with this activity.
    pub(super) const fn new(body: Incoming, activity: Activity) -> Self {
        Self { body, activity }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        // What nobody reads is not waited for.
        self.activity.receives(polled.is_pending());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.activity.receives(false);
    }
}
