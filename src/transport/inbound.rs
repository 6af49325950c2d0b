//! The messages of a stream, as they arrive: within a time for each message, a time for the stream, and the budget.
//!
//! The reader keeps a message until it is complete, and keeps the memory of the largest message until the stream ends, so this
//! amount is charged. Time is checked once a period, so that a message costs no timer. The effective limit is at most twice the
//! configured one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::metrics::Limit;
use crate::service::deadline::Deadline;
use crate::transport::budget::{CALL_BYTES, Charge, Share};
use crate::transport::framing::Framing;
use crate::wire::refusal::{Exhausted, call};

/// Memory of a stream besides that of a call and its largest message: its read buffer and its write buffer.
pub(super) const STREAM_BYTES: usize = 2 * CALL_BYTES;

/// A time limit that is checked once a period.
#[derive(Debug)]
struct Period {
    end: Pin<Box<Sleep>>,
    /// Complete messages at its beginning.
    whole: u64,
}

impl Period {
    /// Says whether a period has passed without a complete message.
    fn is_over(period: &mut Option<Self>, length: Duration, whole: u64, context: &mut Context<'_>) -> bool {
        loop {
            let this = period.get_or_insert_with(|| Self { end: Box::pin(tokio::time::sleep(length)), whole });
            if this.end.as_mut().poll(context).is_pending() {
                return false;
            }
            if this.whole == whole {
                return true;
            }
            *period = None;
        }
    }
}

/// The messages of a stream.
#[derive(Debug)]
pub(super) struct Inbound {
    body: Incoming,
    framing: Framing,
    charge: Charge,
    /// The charge before the first message, in bytes.
    base: usize,
    share: Arc<Share>,
    /// For the message that has begun.
    receiving: Option<Period>,
    /// For the next message.
    idle: Option<Period>,
    deadline: Option<(Deadline, Option<Pin<Box<Sleep>>>)>,
}

impl Inbound {
    /// Returns the messages. `charge`: the bytes that the stream holds already.
    pub(super) fn new(body: Incoming, charge: Charge, share: Arc<Share>, deadline: Option<Deadline>) -> Self {
        let deadline = deadline.map(|deadline| (deadline, None));
        let base = charge.bytes();
        Self { body, framing: Framing::default(), charge, base, share, receiving: None, idle: None, deadline }
    }

    /// Returns the status that ends the stream, while no message arrives.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<tonic::Status> {
        if let Some((deadline, sleep)) = &mut self.deadline {
            let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.at())));
            if sleep.as_mut().poll(context).is_ready() {
                return Poll::Ready(call::late());
            }
        }
        let (budgets, whole) = (self.share.budgets(), self.framing.whole());
        let time_limits = budgets.time_limits();
        if !self.framing.has_begun() {
            self.receiving = None;
        } else if Period::is_over(&mut self.receiving, time_limits.receive, whole, context) {
            budgets.limited(Limit::GrpcReceiveSeconds);
            return Poll::Ready(call::slow_message(time_limits.receive));
        }
        match time_limits.idle {
            Some(idle) if Period::is_over(&mut self.idle, idle, whole, context) => {
                budgets.limited(Limit::StreamIdleSeconds);
                Poll::Ready(call::idle(idle))
            }
            Some(_) | None => Poll::Pending,
        }
    }
}

impl http_body::Body for Inbound {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let this = &mut *self;
        let frame = match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Pending => return this.poll_end(context).map(|end| Some(Err(end))),
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(Err(call::cut_off()))),
            Poll::Ready(None) => {
                let misframed = this.framing.at_end();
                return Poll::Ready(misframed.map(|misframed| Err(misframed.to_status())));
            }
        };
        if let Some(data) = frame.data_ref() {
            this.framing.see(data);
            if let Some(flagged) = this.framing.flagged() {
                return Poll::Ready(Some(Err(flagged.to_status())));
            }
            if !this.charge.at_least(this.base.saturating_add(this.framing.come())) {
                return Poll::Ready(Some(Err(this.share.budgets().exhausted(Exhausted::HeldBytes))));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
