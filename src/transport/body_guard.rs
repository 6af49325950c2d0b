//! A response body that holds something until it has been sent, or nobody wants it: a place, a mark that a request is
//! being answered.

use std::pin::Pin;
use std::task::{Context, Poll};

use tonic::codegen::Bytes;

/// A body, and what it holds.
pub(super) struct Held<B, H> {
    pub(super) body: B,
    pub(super) _held: H,
}

impl<B, H> http_body::Body for Held<B, H>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    H: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
