//! The record of one connection: its protocol, its calls, and the request to close it.
//!
//! A call costs two additions to one number. [`crate::transport::connections`] reads the records of all connections to find
//! those that are idle.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit};

/// Time that a connection has to close by itself once it is asked to. A client that answers needs one round trip.
const CLOSING_TIME: Duration = Duration::from_millis(500);

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// gRPC.
    Grpc,
    /// HTTP/1.1, which has a limit of its own for idle connections.
    Http1,
}

/// The calls of one connection. Clones share one record.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kind: Kind,
    /// Whether the client has spoken: in HTTP/2 by its preface, in HTTP/1 by its first byte.
    has_spoken: AtomicBool,
    /// Whether the server waits for the body of a request.
    is_receiving: AtomicBool,
    /// The upper half counts the calls that have begun, the lower half those in flight.
    calls: AtomicU64,
    /// Asks the connection to close.
    close: Notify,
    /// The permit of the connection; `None` once it is closed.
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

const ONE_BEGUN: u64 = 1 << 32;

/// Returns how many calls of a count are in flight.
pub(super) const fn in_flight(calls: u64) -> u64 {
    calls % ONE_BEGUN
}

impl Activity {
    /// Returns the record of a connection without calls, which holds a permit.
    pub(super) fn new(kind: Kind, permit: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(Shared {
            kind,
            has_spoken: AtomicBool::new(false),
            is_receiving: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            close: Notify::new(),
            permit: Mutex::new(Some(permit)),
        }))
    }

    /// Returns the protocol.
    pub(super) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Asks the connection to close.
    pub(super) fn close(&self) {
        self.0.close.notify_one();
    }

    /// Takes the permit of the connection, and leaves another one in its place.
    pub(super) fn replace_permit(&self, other: OwnedSemaphorePermit) -> Option<OwnedSemaphorePermit> {
        self.permit().replace(other)
    }

    /// Gives the permit of a closed connection back. Calls may outlive their connection, but its permit must not.
    pub(super) fn end(&self) {
        self.permit().take();
    }

    fn permit(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.0.permit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a call has begun. It is in flight until the result is dropped.
    pub(crate) fn begin(&self) -> InFlight {
        // Relaxed, here and below: no other memory is published through these values.
        self.0.calls.fetch_add(ONE_BEGUN + 1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// Notes that the connection has begun to speak.
    pub(crate) fn speaks(&self) {
        self.0.has_spoken.store(true, Ordering::Relaxed);
    }

    /// Says whether the connection has begun to speak.
    pub(super) fn has_spoken(&self) -> bool {
        self.0.has_spoken.load(Ordering::Relaxed)
    }

    /// Notes whether the server waits for the body of a request.
    pub(crate) fn receives(&self, is_receiving: bool) {
        self.0.is_receiving.store(is_receiving, Ordering::Relaxed);
    }

    /// Says whether a call has begun.
    pub(super) fn has_called(&self) -> bool {
        self.calls() != 0
    }

    /// Says whether the server waits for the body of a request.
    pub(super) fn is_receiving(&self) -> bool {
        self.0.is_receiving.load(Ordering::Relaxed)
    }

    /// Says whether a connection that has to close has nothing to finish: it has not spoken, or its first request or the body
    /// of a request has not arrived.
    pub(crate) fn has_nothing_to_finish(&self) -> bool {
        let has_asked = self.0.kind == Kind::Grpc || self.has_called();
        !self.has_spoken() || self.is_receiving() || !has_asked
    }

    /// Returns once the connection has to close.
    pub(crate) async fn has_to_close(&self) {
        self.0.close.notified().await;
    }

    /// Returns once the connection has had its time to close and has no call in flight.
    pub(crate) async fn closing_time_is_over(&self) {
        loop {
            tokio::time::sleep(CLOSING_TIME).await;
            if in_flight(self.calls()) == 0 {
                return;
            }
        }
    }

    /// Returns the count of its calls; it changes whenever a call begins or ends.
    pub(super) fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }
}

/// A call in flight.
#[derive(Debug)]
pub(crate) struct InFlight(Activity);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An executor that runs the calls of one connection and notes them in its record.
#[derive(Debug, Clone)]
pub(crate) struct Noted<E> {
    executor: E,
    activity: Activity,
}

impl<E> Noted<E> {
    /// Returns an executor that notes the calls that it runs on `executor`.
    pub(crate) const fn new(executor: E, activity: Activity) -> Self {
        Self { executor, activity }
    }
}

impl<E, F> hyper::rt::Executor<F> for Noted<E>
where
    E: hyper::rt::Executor<During<F>>,
    F: Future,
{
    fn execute(&self, call: F) {
        self.executor.execute(During { call, _in_flight: self.activity.begin() });
    }
}

pin_project_lite::pin_project! {
    /// A call that is in flight for as long as it runs.
    pub(crate) struct During<F> {
        #[pin]
        call: F,
        _in_flight: InFlight,
    }
}

impl<F: Future> Future for During<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.project().call.poll(context)
    }
}
