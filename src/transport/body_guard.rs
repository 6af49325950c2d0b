//! A response body that holds a value, such as a permit, until the body has been sent or the client has gone away.

use std::pin::Pin;
use std::task::{Context, Poll};

use tonic::codegen::Bytes;

/// A body with the value that it holds.
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
