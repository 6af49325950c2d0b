//! The permits and bytes of all calls of a listener, and the share of each connection in them.
//!
//! Three things are limited: permits for requests, permits for streams, and bytes that are being received or wait to be sent.
//! [`Pool`] divides each of them. This is the only count of open streams.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

use crate::metrics::{Limit, Metrics};
use crate::transport::admission::InFlightLimit;
use crate::transport::pool::Pool;
use crate::wire::refusal::{Exhausted, grpc};

/// Memory of a call besides its messages: the state of its stream, its task, the maps of its headers. Measured with open
/// `Watch` calls: 8 to 12 KiB each, of which 4 KiB are their write buffers.
pub(super) const CALL_BYTES: usize = 8 << 10;
/// Memory of a brief answer to a `Decide` call until it is sent: its message of some 300 bytes, and its stream.
const BRIEF_ANSWER_BYTES: usize = 1 << 10;

/// The time limits of calls.
#[derive(Debug, Clone, Copy)]
pub struct CallTimeLimits {
    /// Longest time for a message, from its first byte.
    pub receive: Duration,
    /// Longest time in which a client reads nothing of an answer.
    pub send: Duration,
    /// Longest time until the next message of a stream; `None` for no limit.
    pub idle: Option<Duration>,
}

/// The budgets of all calls of a listener.
#[derive(Debug)]
pub struct Budgets {
    requests: InFlightLimit,
    streams: Pool,
    bytes: Pool,
    batches: Arc<Semaphore>,
    batches_max: usize,
    time_limits: CallTimeLimits,
    retry_after_ms: u32,
    metrics: Arc<Metrics>,
}

/// The settings of [`Budgets`].
#[derive(Debug, Clone, Copy)]
pub struct BudgetSettings {
    /// Most streams that are open: `DecideStream` and reflection calls. Each may hold one message that is being received; those
    /// bytes count in `bytes_max`.
    pub streams_max: usize,
    /// Most bytes that are being received or wait to be sent.
    pub bytes_max: usize,
    /// The allowance of each connection in addition, in bytes.
    pub connection_bytes_min: usize,
    /// Most batches in progress; others wait. One connection has at most half of them.
    pub batches_max: usize,
    /// The part that one connection may take when it is alone, in percent.
    pub share_percent: u32,
    /// The time limits of calls.
    pub time_limits: CallTimeLimits,
    /// The delay after which a client may repeat a refused call, in milliseconds.
    pub retry_after_ms: u32,
}

impl Budgets {
    /// Returns budgets. `requests`: the limit on requests in flight, which listeners share.
    pub fn new(settings: BudgetSettings, requests: InFlightLimit, metrics: Arc<Metrics>) -> Arc<Self> {
        let BudgetSettings { streams_max, bytes_max, connection_bytes_min, share_percent, .. } = settings;
        let BudgetSettings { batches_max, time_limits, retry_after_ms, .. } = settings;
        let batches_max = batches_max.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            requests,
            streams: Pool::new(streams_max, share_percent, 0),
            bytes: Pool::new(bytes_max, share_percent, connection_bytes_min),
            batches: Arc::new(Semaphore::new(batches_max)),
            batches_max,
            time_limits,
            retry_after_ms,
            metrics,
        })
    }

    /// Returns the share of a new connection.
    pub(super) fn share(self: &Arc<Self>) -> Arc<Share> {
        Arc::new(Share {
            budgets: Arc::clone(self),
            requests: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            watches: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            batches: Arc::new(Semaphore::new(self.batches_max.div_ceil(2))),
            unsent: [const { AtomicUsize::new(0) }; 2],
            turn: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            polled: Mutex::new(None),
        })
    }

    /// Counts a refusal for a limit.
    pub(super) fn limited(&self, limit: Limit) {
        self.metrics.limited(limit);
    }

    /// Returns the time limits of calls.
    pub(super) const fn time_limits(&self) -> CallTimeLimits {
        self.time_limits
    }

    /// Refuses a call that does not fit into a budget, and counts it.
    pub(super) fn exhausted(&self, what: Exhausted) -> tonic::Status {
        self.metrics.limited(match what {
            Exhausted::RequestsInFlight => Limit::RequestsInFlight,
            Exhausted::OpenStreams => Limit::StreamsOpen,
            Exhausted::HealthWatches => Limit::HealthWatches,
            Exhausted::HeldBytes => Limit::GrpcHeldBytes,
        });
        grpc::exhausted(what, self.retry_after_ms)
    }
}

/// The share of one connection in the budgets.
pub(super) struct Share {
    budgets: Arc<Budgets>,
    requests: AtomicUsize,
    streams: AtomicUsize,
    watches: AtomicUsize,
    bytes: AtomicUsize,
    batches: Arc<Semaphore>,
    /// Bytes of answers that HTTP/2 has not sent, by the parity of the turn in which it received them.
    unsent: [AtomicUsize; 2],
    turn: AtomicUsize,
    /// Bytes of answers that were written in this turn.
    written: AtomicUsize,
    /// The progress of the call that was polled last, if it waits.
    polled: Mutex<Option<Arc<Progress>>>,
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Share {
    /// Returns the budgets of this share.
    pub(super) fn budgets(&self) -> &Arc<Budgets> {
        &self.budgets
    }

    /// Returns a permit for a request.
    pub(super) fn permit(self: &Arc<Self>) -> Option<RequestPermit> {
        self.budgets.requests.pool().take(&self.requests, 1).then(|| RequestPermit(Arc::clone(self)))
    }

    /// Says whether a permit is free for a request that is answered at once.
    pub(super) fn has_permit(&self) -> bool {
        self.budgets.requests.pool().has_room(&self.requests)
    }

    /// Returns how many health watches are open on this connection.
    pub(super) const fn watches(&self) -> &AtomicUsize {
        &self.watches
    }

    /// Returns a permit for a stream.
    pub(super) fn stream(self: &Arc<Self>) -> Option<StreamPermit> {
        self.budgets.streams.take(&self.streams, 1).then(|| StreamPermit(Arc::clone(self)))
    }

    /// Waits for the permit of a batch.
    pub(super) async fn batch(&self) -> Option<BatchPermit> {
        // In this order, so that a connection at its own limit delays no other.
        let ours = Arc::clone(&self.batches).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.budgets.batches).acquire_owned().await.ok()?;
        Some(BatchPermit { _ours: ours, _all: all })
    }

    /// Takes bytes.
    pub(super) fn charge(self: &Arc<Self>, bytes: usize) -> Option<Charge> {
        let mut charge = Charge { share: Arc::clone(self), bytes: 0 };
        charge.grow(bytes).then_some(charge)
    }

    /// Takes bytes for an answer that will wait to be sent.
    pub(super) fn unsent(self: &Arc<Self>, bytes: usize) -> Option<Unsent> {
        if !self.budgets.bytes.take(&self.bytes, bytes) {
            return None;
        }
        let turn = self.turn.load(Ordering::Relaxed) & 1;
        self.of_turn(turn).fetch_add(bytes, Ordering::Relaxed);
        Some(Unsent { share: Arc::clone(self), bytes, turn })
    }

    /// Takes the bytes of a brief answer to a `Decide` call.
    pub(super) fn unsent_brief(self: &Arc<Self>) -> Option<Unsent> {
        self.unsent(BRIEF_ANSWER_BYTES)
    }

    const fn of_turn(&self, turn: usize) -> &AtomicUsize {
        let [even, odd] = &self.unsent;
        if turn == 0 { even } else { odd }
    }

    /// Says whether answers wait to be sent.
    pub(super) fn has_unsent(&self) -> bool {
        self.unsent.iter().any(|unsent| unsent.load(Ordering::Relaxed) != 0)
    }

    /// Begins a new turn. Says whether, during the whole last turn, more than the allowance of the connection waited while its
    /// client read less than the allowance.
    fn next_turn(&self) -> bool {
        let last = self.turn.load(Ordering::Relaxed) & 1;
        let before_last = self.of_turn(last ^ 1).load(Ordering::Relaxed);
        self.turn.store(last ^ 1, Ordering::Relaxed);
        let written = self.written.swap(0, Ordering::Relaxed);
        let own = self.budgets.bytes.own();
        own < before_last && written < own.max(1)
    }

    /// Returns the progress of the call that was polled last and waits.
    pub(super) fn take_polled(&self) -> Option<Arc<Progress>> {
        let polled = self.polled.lock().unwrap_or_else(PoisonError::into_inner).take();
        // If nothing else holds it, its call has ended.
        polled.filter(|progress| 1 < Arc::strong_count(progress))
    }
}

/// The permit of a request that is in flight; given back when it is dropped.
#[derive(Debug)]
pub(super) struct RequestPermit(Arc<Share>);

impl Drop for RequestPermit {
    fn drop(&mut self) {
        self.0.budgets.requests.pool().give_back(&self.0.requests, 1);
    }
}

/// The permit of a batch; given back when it is dropped.
#[derive(Debug)]
pub(super) struct BatchPermit {
    _ours: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// The permit of a stream that is open; given back when it is dropped.
#[derive(Debug)]
pub(super) struct StreamPermit(Arc<Share>);

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.0.budgets.streams.give_back(&self.0.streams, 1);
    }
}

/// Bytes that a call holds; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    share: Arc<Share>,
    bytes: usize,
}

impl Charge {
    /// Returns how much was taken.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more bytes; says whether the budget has room for them.
    pub(super) fn grow(&mut self, more: usize) -> bool {
        let grown = self.share.budgets.bytes.take(&self.share.bytes, more);
        if grown {
            self.bytes = self.bytes.saturating_add(more);
        }
        grown
    }

    /// Takes bytes until it holds `bytes`; says whether the budget has room for them.
    pub(super) fn at_least(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        more == 0 || self.grow(more)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.share.budgets.bytes.give_back(&self.share.bytes, self.bytes);
    }
}

/// Bytes of an answer that have not been sent; given back when they have been sent or dropped.
#[derive(Debug)]
pub(super) struct Unsent {
    share: Arc<Share>,
    bytes: usize,
    turn: usize,
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.share.of_turn(self.turn).fetch_sub(self.bytes, Ordering::Relaxed);
        self.share.budgets.bytes.give_back(&self.share.bytes, self.bytes);
    }
}

/// A part of an answer on its way: HTTP/2 drops it when it has written it.
#[derive(Debug)]
pub struct Outgoing {
    bytes: Bytes,
    unsent: Waits,
}

/// The charge of a part of an answer.
#[derive(Debug)]
enum Waits {
    /// The charge of this part alone.
    Alone { unsent: Unsent },
    /// The charge of several parts in the same memory.
    Together { unsent: Arc<Unsent> },
}

impl Waits {
    fn share(&self) -> &Share {
        match self {
            Self::Alone { unsent } => &unsent.share,
            Self::Together { unsent } => &unsent.share,
        }
    }
}

impl Outgoing {
    /// Returns an answer that is sent as a whole.
    pub(super) const fn whole(bytes: Bytes, unsent: Unsent) -> Self {
        Self { bytes, unsent: Waits::Alone { unsent } }
    }

    /// Returns a part of an answer.
    pub(super) const fn part(bytes: Bytes, unsent: Arc<Unsent>) -> Self {
        Self { bytes, unsent: Waits::Together { unsent } }
    }
}

impl Buf for Outgoing {
    #[inline]
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.unsent.share().written.fetch_add(count, Ordering::Relaxed);
    }
}

/// The progress of a call that does not answer at once. The timers of its connection read it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Odd while a part of the answer waits for the client.
    parts: AtomicU32,
    is_told: AtomicBool,
}

impl Progress {
    /// Notes that a part of the answer is ready to be sent.
    pub(super) fn handed_out(&self) {
        self.parts.fetch_or(1, Ordering::Relaxed);
    }

    /// Notes that HTTP/2 asks for the next part, and so has taken the last one.
    pub(super) fn asked(&self) {
        let parts = self.parts.load(Ordering::Relaxed);
        self.parts.store(parts.wrapping_add(parts & 1), Ordering::Relaxed);
    }

    /// Returns the number of the part that waits for the client; `None` if no part waits.
    pub(super) fn waits(&self) -> Option<u32> {
        let parts = self.parts.load(Ordering::Relaxed);
        (parts & 1 == 1).then_some(parts)
    }

    /// Registers this progress with the connection, once, as that of the call that is being polled.
    pub(super) fn tell(self: &Arc<Self>, share: &Share) {
        if !self.is_told.load(Ordering::Relaxed) && !self.is_told.swap(true, Ordering::Relaxed) {
            *share.polled.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(self));
        }
    }
}

/// Checks whether the client of a connection reads its answers.
#[derive(Debug)]
pub(super) struct Taking {
    share: Arc<Share>,
    /// The end of the turn, while an answer waits.
    turn: Option<std::pin::Pin<Box<Sleep>>>,
}

impl Taking {
    /// Returns the check of a connection.
    pub(super) const fn new(share: Arc<Share>) -> Self {
        Self { share, turn: None }
    }

    /// Ready when the connection has to close: for a whole turn more than its allowance has waited, and its client has read
    /// less.
    pub(super) fn poll_stuck(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.share.has_unsent() {
            if self.turn.take().is_some() {
                self.share.written.store(0, Ordering::Relaxed);
            }
            return Poll::Pending;
        }
        let send = self.share.budgets.time_limits.send;
        loop {
            let turn = self.turn.get_or_insert_with(|| Box::pin(tokio::time::sleep(send)));
            if turn.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.turn = None;
            if self.share.next_turn() {
                self.share.budgets.metrics.limited(Limit::GrpcSendSeconds);
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
pub(super) mod tests;
