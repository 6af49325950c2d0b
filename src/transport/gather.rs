//! A message that arrives in several parts: gathered until it is complete, within a time and a budget.
//!
//! No service sees a call before that. So a call that has only begun holds no permit. Its deadline and the time for its message
//! run from its first byte.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::metrics::Limit;
use crate::service::deadline::Deadline;
use crate::transport::budget::{Budgets, Charge};
use crate::transport::framing;
use crate::wire::decide::encode::PREFIX_BYTES;
use crate::wire::refusal::framing::Misframed;
use crate::wire::refusal::{Exhausted, call};

/// Smallest and largest piece of memory for the parts. Between these sizes a piece is as large as all pieces before it, so that
/// at most half of the charged memory is empty.
const PIECE_BYTES: std::ops::RangeInclusive<usize> = 1 << 10..=64 << 10;

/// The part of a message that has arrived. It is a copy: a single byte would hold a whole buffer of the connection.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pieces: VecDeque<BytesMut>,
    bytes: usize,
}

impl Gathered {
    /// Copies data; returns false if the budget has no room for it.
    fn push(&mut self, data: &[u8], charge: &mut Charge) -> bool {
        let mut left = data;
        if let Some(piece) = self.pieces.back_mut() {
            let room = piece.capacity().saturating_sub(piece.len()).min(left.len());
            let (fits, rest) = left.split_at(room);
            piece.extend_from_slice(fits);
            left = rest;
        }
        if !left.is_empty() {
            let size = left.len().max(self.bytes.clamp(*PIECE_BYTES.start(), *PIECE_BYTES.end()));
            if !charge.grow(size) {
                return false;
            }
            let mut piece = BytesMut::with_capacity(size);
            piece.extend_from_slice(left);
            self.pieces.push_back(piece);
        }
        self.bytes = self.bytes.saturating_add(data.len());
        true
    }

    /// Returns the prefix, once it has arrived. The first piece always has room for it.
    fn prefix(&self) -> Option<[u8; PREFIX_BYTES]> {
        self.pieces.front()?.first_chunk().copied()
    }

    /// Checks that the data is exactly one message.
    pub(super) fn one_message(&self, bytes_max: usize) -> Result<(), Misframed> {
        framing::one_message(self.prefix(), self.bytes, bytes_max)
    }

    /// Says whether the message is larger than `bytes_max`, by its prefix or by the data that has arrived.
    fn is_too_large(&self, bytes_max: usize) -> bool {
        let declared = self.prefix().map_or(0, framing::declared);
        bytes_max < declared || bytes_max.saturating_add(PREFIX_BYTES) < self.bytes
    }
}

impl http_body::Body for Gathered {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece.freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// The result of the wait for a message.
pub(super) enum Ended {
    /// It is complete, or so large that it is refused without the rest.
    Whole(Gathered),
    /// It is refused.
    Refused(tonic::Status),
}

/// The wait for a message.
pub(super) struct Gathering {
    body: Incoming,
    gathered: Gathered,
    bytes_max: usize,
    deadline: Option<Deadline>,
    until: Pin<Box<Sleep>>,
}

impl Gathering {
    /// Begins the wait. `bytes_max`: the largest message.
    pub(super) fn begin(body: Incoming, bytes_max: usize, deadline: Option<Deadline>, budgets: &Budgets) -> Self {
        let received = tokio::time::sleep(budgets.time_limits().receive);
        let until = deadline.map(Deadline::at).filter(|at| *at < received.deadline());
        let until = Box::pin(until.map_or(received, tokio::time::sleep_until));
        Self { body, gathered: Gathered::default(), bytes_max, deadline, until }
    }

    /// Keeps data that arrived before the wait.
    ///
    /// # Errors
    /// The budget has no room for it; the error is the answer to the call.
    pub(super) fn keep(&mut self, data: &[u8], charge: &mut Charge, budgets: &Budgets) -> Result<(), tonic::Status> {
        if self.gathered.push(data, charge) { Ok(()) } else { Err(budgets.exhausted(Exhausted::HeldBytes)) }
    }

    /// Continues the wait.
    pub(super) fn poll(&mut self, charge: &mut Charge, budgets: &Budgets, context: &mut Context<'_>) -> Poll<Ended> {
        loop {
            if self.body.is_end_stream() || self.gathered.is_too_large(self.bytes_max) {
                return self.whole();
            }
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => break,
                // Trailers of a request have no meaning in gRPC.
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if let Err(refusal) = self.keep(&data, charge, budgets) {
                        return Poll::Ready(Ended::Refused(refusal));
                    }
                }
                // The client has gone away and will not read the answer.
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Ended::Refused(call::cut_off())),
                Poll::Ready(None) => return self.whole(),
            }
        }
        if self.until.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        if self.deadline.is_some_and(Deadline::is_over) {
            return Poll::Ready(Ended::Refused(call::late()));
        }
        budgets.limited(Limit::GrpcReceiveSeconds);
        Poll::Ready(Ended::Refused(call::slow_message(budgets.time_limits().receive)))
    }

    fn whole(&mut self) -> Poll<Ended> {
        Poll::Ready(Ended::Whole(std::mem::take(&mut self.gathered)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::budget::tests::share;

    #[test]
    fn b11_kept_bytes_are_charged_at_most_twice() {
        let share = share(1 << 20, 0);
        let mut charge = share.charge(1).unwrap();
        let (mut gathered, byte) = (Gathered::default(), [7]);
        for _ in 0..5_000 {
            assert!(gathered.push(&byte, &mut charge));
        }
        let capacity: usize = gathered.pieces.iter().map(BytesMut::capacity).sum();
        assert!((5_000..=10_000).contains(&capacity), "{capacity}");
        let large = vec![7; 100_000];
        let mut pushed = 5_000;
        while gathered.push(&large, &mut charge) {
            pushed += large.len();
        }
        assert!((800_000..1 << 20).contains(&pushed), "{pushed}");
        assert_eq!(gathered.pieces.iter().map(BytesMut::len).sum::<usize>(), pushed);
        drop(charge);
        assert!(share.charge(900_000).is_some());
    }

    #[test]
    fn b4_a_message_is_too_large_from_its_prefix_on() {
        let share = share(1 << 20, 0);
        let mut charge = share.charge(0).unwrap();
        let mut gathered = Gathered::default();
        for byte in [0, 0, 0, 4] {
            assert!(gathered.push(&[byte], &mut charge) && !gathered.is_too_large(1_024));
        }
        assert!(gathered.push(&[1], &mut charge) && gathered.is_too_large(1_024) && !gathered.is_too_large(1_025));
        // Several messages where one is expected.
        assert!(gathered.push(&[0; 1_026], &mut charge) && gathered.is_too_large(1_025));
    }
}
