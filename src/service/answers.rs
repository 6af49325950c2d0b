//! The answers to a stream of requests: pulled one by one, in order.
//!
//! There is no queue: an answer that waits for totals delays the answers after it. The next request is read only when the
//! transport has room for its answer. So HTTP/2 flow control slows down a caller that does not read its answers, and the memory
//! of a stream does not grow with its length.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use tonic::Status;

use crate::service::decide::{DecisionApi, Phase};
use crate::service::streamed::{Later, Streamed};
use crate::wire::decide::raw::{Received, Reply};
use crate::wire::generated::v1;
use crate::wire::refusal::{Refusal, Unavailable, grpc};

/// The answers to the requests of `S`.
///
/// Ends when the requests end. A refused request is answered with its refusal, and the stream goes
/// on; a message that is not protobuf ends it. When the server stops, the stream answers the
/// requests that have arrived and ends with `UNAVAILABLE`: a request without an answer was not
/// decided.
pub struct Answers<S> {
    /// `None` once the stream has ended.
    inbound: Option<S>,
    api: DecisionApi,
    /// The answer to the last request, while it waits for totals. The next request is read after it.
    pending: Option<Later>,
    /// Says without a wait whether the phase has changed since the stream was opened.
    phase: watch::Receiver<Phase>,
    /// Wakes the stream when the phase changes.
    phase_changes: WatchStream<Phase>,
    /// Transfers that may still be answered after the server has begun to stop.
    drain_transfers_left: usize,
}

impl<S> fmt::Debug for Answers<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("ended", &self.inbound.is_none()).finish_non_exhaustive()
    }
}

impl<S> Answers<S> {
    /// Returns the answers. `phase` was `Serving` after it was subscribed to.
    fn new(inbound: S, api: DecisionApi, phase: watch::Receiver<Phase>) -> Self {
        let phase_changes = WatchStream::from_changes(phase.clone());
        let drain_transfers_left = api.settings().stream_drain_transfers_max;
        Self { inbound: Some(inbound), api, pending: None, phase, phase_changes, drain_transfers_left }
    }

    fn end(&mut self, last: Option<Status>) -> Poll<Option<Result<Reply<v1::DecideStreamResponse>, Status>>> {
        self.inbound = None;
        Poll::Ready(last.map(Err))
    }

    fn stop(&mut self) -> Poll<Option<Result<Reply<v1::DecideStreamResponse>, Status>>> {
        let retry_after_ms = self.api.settings().retry_after_ms;
        self.end(Some(grpc::unavailable(Unavailable::Draining, retry_after_ms)))
    }

    /// Says whether the server is stopping. A dropped service has stopped.
    fn is_draining(&self) -> bool {
        self.phase.has_changed().unwrap_or(true)
    }
}

impl DecisionApi {
    /// Answers a stream of requests. The transport limits how many streams are open.
    ///
    /// # Errors
    /// The server is stopping.
    pub(super) fn answers<S>(&self, inbound: S) -> Result<Answers<S>, Refusal> {
        // Subscribed before the phase is read: a change in between is seen by one of the two.
        let phase = self.inner.phase.subscribe();
        if *self.inner.phase.borrow() == Phase::Draining {
            let retry_after_ms = self.inner.settings.retry_after_ms;
            return Err(Refusal::Unavailable(Unavailable::Draining, retry_after_ms));
        }
        Ok(Answers::new(inbound, self.clone(), phase))
    }
}

impl<S> Stream for Answers<S>
where
    S: Stream<Item = Result<Received<v1::DecideStreamRequest>, Status>> + Unpin,
{
    type Item = Result<Reply<v1::DecideStreamResponse>, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(pending) = this.pending.as_mut() {
            let answer = std::task::ready!(pending.as_mut().poll(context));
            this.pending = None;
            return Poll::Ready(Some(Ok(answer)));
        }
        let is_draining = this.is_draining();
        let Some(inbound) = this.inbound.as_mut() else { return Poll::Ready(None) };
        if is_draining && this.drain_transfers_left == 0 {
            return this.stop();
        }
        match Pin::new(inbound).poll_next(context) {
            Poll::Ready(Some(Ok(request))) => {
                if is_draining {
                    this.drain_transfers_left = this.drain_transfers_left.saturating_sub(1);
                }
                match this.api.decide_streamed(&request) {
                    Ok(Streamed::Now(answer)) => Poll::Ready(Some(Ok(answer))),
                    Ok(Streamed::Later(answer)) => {
                        this.pending = Some(answer);
                        // Polled once here, so that it wakes this stream.
                        Pin::new(this).poll_next(context)
                    }
                    Err(malformed) => this.end(Some(malformed.into())),
                }
            }
            Poll::Ready(Some(Err(status))) => this.end(Some(status)),
            Poll::Ready(None) => this.end(None),
            Poll::Pending => match Pin::new(&mut this.phase_changes).poll_next(context) {
                Poll::Ready(_) => this.stop(),
                Poll::Pending if is_draining => this.stop(),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}
