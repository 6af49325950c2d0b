//! How many connections may be open, and which one goes when there are too many.
//!
//! A connection costs its client nothing. Where as many are open as may be, the one that has been without a call for the
//! longest time is closed to admit another, so that nobody keeps others out by connecting alone. One that has a call in
//! flight, or has had one a moment ago, is never closed for that.
//!
//! What a call costs is two additions to a number of its connection. When a connection last had one is found by looking
//! at these numbers every [`SWEEP_INTERVAL`].

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::metrics::{Limit, Metrics};

/// Time between two looks at the connections, and thus how exactly idle time is known.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);
/// Connections of one limit that may be closing beside those that are open: their descriptors have to be there, see
/// [`super::descriptors`].
pub(super) const CLOSING_MAX: usize = 64;
/// Time for a connection that is asked to close to do so by itself. A client that answers needs one round trip.
const CLOSING_TIME: Duration = Duration::from_millis(500);

/// The rules for the connections of some listeners.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionRules {
    /// Most that may be open together.
    pub connections_max: usize,
    /// How long one has to be without a call before it may be closed to admit another.
    pub reclaim_idle: Duration,
    /// How long one that speaks gRPC may be without a call; `None` for without end.
    pub grpc_idle: Option<Duration>,
}

/// The connections that may be open on some listeners together. Clones share it.
#[derive(Debug, Clone)]
pub struct ConnectionLimit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: ConnectionRules,
    max: usize,
    places: Arc<Semaphore>,
    closing: Arc<Semaphore>,
    open: Mutex<Open>,
    metrics: Arc<Metrics>,
}

/// The connections that are open, by the number under which each was admitted.
#[derive(Debug, Default)]
struct Open {
    connections: BTreeMap<u64, Known>,
    next: u64,
}

/// What is known of one.
#[derive(Debug)]
struct Known {
    activity: Activity,
    kind: Kind,
    /// Its calls when they were last looked at.
    seen: u64,
    /// When it was last seen with a call, or was accepted.
    active_at: Instant,
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// gRPC.
    Grpc,
    /// HTTP/1.1, which has a limit of its own for idle connections.
    Http1,
}

impl ConnectionLimit {
    /// Returns a limit. Somebody has to [`ConnectionLimit::watch`].
    pub fn new(rules: ConnectionRules, metrics: Arc<Metrics>) -> Self {
        let max = rules.connections_max.min(Semaphore::MAX_PERMITS);
        let (places, closing) = (Arc::new(Semaphore::new(max)), Arc::new(Semaphore::new(CLOSING_MAX)));
        Self(Arc::new(Inner { rules, max, places, closing, open: Mutex::default(), metrics }))
    }

    /// Returns how many are open; those that are closing to admit others are not counted.
    pub fn open(&self) -> usize {
        self.0.max.saturating_sub(self.0.places.available_permits())
    }

    /// Looks at the connections until nothing else holds this limit: which have been idle, and which for too long.
    pub(super) async fn watch(self) {
        let inner = Arc::downgrade(&self.0);
        drop(self);
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            let Some(inner) = inner.upgrade() else { return };
            inner.sweep(Instant::now());
        }
    }

    /// Returns a place for a connection that was accepted, once there is one.
    pub(super) async fn admit(&self, kind: Kind) -> Place {
        let permit = loop {
            let free = Arc::clone(&self.0.places).try_acquire_owned().ok();
            if let Some(permit) = free.or_else(|| self.0.reclaim(Instant::now())) {
                break permit;
            }
            // No connection can be closed: until one closes by itself, or has been idle for long enough.
            let waited = tokio::time::timeout(SWEEP_INTERVAL, Arc::clone(&self.0.places).acquire_owned()).await;
            if let Ok(Ok(permit)) = waited {
                break permit;
            }
        };
        self.0.enter(permit, kind)
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, Open> {
        lock(&self.open)
    }

    fn enter(self: &Arc<Self>, permit: OwnedSemaphorePermit, kind: Kind) -> Place {
        let shared = Shared { calls: AtomicU64::new(0), close: Notify::new(), permit: Mutex::new(Some(permit)) };
        let activity = Activity(Arc::new(shared));
        let known = Known { activity: activity.clone(), kind, seen: 0, active_at: Instant::now() };
        let mut open = self.open();
        let number = open.next;
        open.next = open.next.wrapping_add(1);
        open.connections.insert(number, known);
        Place { number, activity, among: Arc::clone(self) }
    }

    /// Notes which connections have been active, and closes those that have been idle for too long.
    fn sweep(&self, now: Instant) {
        for known in self.open().connections.values_mut() {
            let calls = known.activity.calls();
            if calls != known.seen || in_flight(calls) != 0 {
                (known.seen, known.active_at) = (calls, now);
                continue;
            }
            let idle_max = self.rules.grpc_idle.filter(|_| known.kind == Kind::Grpc);
            if idle_max.is_some_and(|max| max <= now.duration_since(known.active_at)) {
                // Once in so long, should it not close at once.
                known.active_at = now;
                self.metrics.limited(Limit::GrpcIdleSeconds);
                known.activity.0.close.notify_one();
            }
        }
    }

    /// Closes the connection that has been idle for the longest time, and returns its permit; `None` where none has been
    /// for long enough, or too many are closing already.
    fn reclaim(&self, now: Instant) -> Option<OwnedSemaphorePermit> {
        let closing = Arc::clone(&self.closing).try_acquire_owned().ok()?;
        let mut open = self.open();
        let is_idle = |known: &Known| {
            known.activity.calls() == known.seen
                && in_flight(known.seen) == 0
                && self.rules.reclaim_idle <= now.duration_since(known.active_at)
        };
        let idle = open.connections.iter().filter(|(_, known)| is_idle(known));
        let longest = *idle.min_by_key(|(_, known)| known.active_at)?.0;
        let Known { activity, .. } = open.connections.remove(&longest)?;
        // What it holds from now on is a place among those that are closing.
        let permit = lock(&activity.0.permit).replace(closing)?;
        activity.0.close.notify_one();
        self.metrics.limited(Limit::Connections);
        Some(permit)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place of a connection among those that are open.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    activity: Activity,
    among: Arc<Inner>,
}

impl Place {
    /// Returns what its calls are noted in.
    pub(super) const fn activity(&self) -> &Activity {
        &self.activity
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.among.open().connections.remove(&self.number);
        // Calls may outlive the connection, its place must not.
        lock(&self.activity.0.permit).take();
    }
}

/// The calls of one connection. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Calls that have begun in the upper half, those in flight in the lower.
    calls: AtomicU64,
    /// Asks the connection to close.
    close: Notify,
    /// Gone with the connection.
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

const ONE_BEGUN: u64 = 1 << 32;

const fn in_flight(calls: u64) -> u64 {
    calls % ONE_BEGUN
}

impl Activity {
    /// Notes that a call has begun. It is in flight until the result is dropped.
    pub(super) fn begin(&self) -> InFlight {
        // Numbers by themselves: nothing else is read by what they say.
        self.0.calls.fetch_add(ONE_BEGUN + 1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// Returns once the connection has to close.
    pub(super) async fn has_to_close(&self) {
        self.0.close.notified().await;
    }

    /// Returns once the connection has had its time to close and has no call in flight.
    pub(super) async fn closing_time_is_over(&self) {
        loop {
            tokio::time::sleep(CLOSING_TIME).await;
            if in_flight(self.calls()) == 0 {
                return;
            }
        }
    }

    fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }
}

/// A call in flight.
#[derive(Debug)]
pub(super) struct InFlight(Activity);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs the calls of one connection, and notes them.
#[derive(Debug, Clone)]
pub(super) struct Noted<E> {
    executor: E,
    activity: Activity,
}

impl<E> Noted<E> {
    pub(super) const fn new(executor: E, activity: Activity) -> Self {
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
    pub(super) struct During<F> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(1);

    fn limit(connections_max: usize, grpc_idle: Option<Duration>) -> ConnectionLimit {
        ConnectionLimit::new(ConnectionRules { connections_max, reclaim_idle: IDLE, grpc_idle }, Arc::default())
    }

    fn has_to_close(place: &Place) -> bool {
        use std::pin::pin;
        pin!(place.activity().has_to_close()).poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn b18_the_connection_that_was_idle_for_the_longest_time_goes() {
        let (limit, start) = (limit(3, None), Instant::now());
        let places = [limit.admit(Kind::Grpc).await, limit.admit(Kind::Http1).await, limit.admit(Kind::Grpc).await];
        let inner = &limit.0;
        // The first has a call in flight, the second had one later than the third.
        let call = places[0].activity().begin();
        drop(places[1].activity().begin());
        inner.sweep(start + IDLE / 2);
        assert!(inner.reclaim(start + IDLE / 2).is_none(), "none has been idle for long enough");
        let permit = inner.reclaim(start + IDLE * 5 / 4).unwrap();
        assert_eq!(places.each_ref().map(has_to_close), [false, false, true]);
        assert!(inner.reclaim(start + IDLE * 5 / 4).is_none());
        let admitted = inner.enter(permit, Kind::Grpc);
        assert_eq!(limit.open(), 3);
        // Accepted before the second had its call.
        drop(inner.reclaim(start + IDLE * 2).unwrap());
        assert!(has_to_close(&admitted));
        drop(inner.reclaim(start + IDLE * 2).unwrap());
        assert_eq!(places.each_ref().map(has_to_close), [false, true, false]);
        // A call in flight is as good as one that has just been.
        inner.sweep(start + IDLE * 10);
        drop(call);
        assert!(inner.reclaim(start + IDLE * 11).is_none(), "nobody has seen that it is over");
        inner.sweep(start + IDLE * 10);
        assert!(inner.reclaim(start + IDLE * 10).is_none());
        assert!(inner.reclaim(start + IDLE * 11).is_some() && has_to_close(&places[0]));
        drop((places, admitted));
        assert_eq!((limit.open(), inner.open().connections.len()), (0, 0));
        assert_eq!(inner.closing.available_permits(), CLOSING_MAX);
        assert_eq!(inner.metrics.limit_refusals(Limit::Connections), 4);
    }

    #[tokio::test]
    async fn b18_a_call_that_begins_just_now_keeps_its_connection() {
        let (limit, start) = (limit(1, None), Instant::now());
        let place = limit.admit(Kind::Grpc).await;
        drop(place.activity().begin());
        // Nobody has looked since.
        assert!(limit.0.reclaim(start + IDLE * 9).is_none());
        assert!(!has_to_close(&place));
    }

    #[tokio::test]
    async fn b18_as_many_close_at_once_as_there_are_descriptors_for() {
        let (limit, start) = (limit(CLOSING_MAX + 9, None), Instant::now());
        let mut places = Vec::new();
        for _ in 0..CLOSING_MAX + 9 {
            places.push(limit.admit(Kind::Grpc).await);
        }
        let reclaimed: Vec<_> = (0..CLOSING_MAX + 9).filter_map(|_| limit.0.reclaim(start + IDLE * 2)).collect();
        assert_eq!(reclaimed.len(), CLOSING_MAX);
        drop(places);
        assert_eq!(limit.0.closing.available_permits(), CLOSING_MAX);
    }

    #[tokio::test]
    async fn b18_grpc_connections_without_a_call_close_in_time() {
        let (limit, start) = (limit(3, Some(IDLE)), Instant::now());
        let places = [limit.admit(Kind::Grpc).await, limit.admit(Kind::Http1).await, limit.admit(Kind::Grpc).await];
        let _call = places[2].activity().begin();
        limit.0.sweep(start + IDLE / 2);
        assert_eq!(places.each_ref().map(has_to_close), [false; 3]);
        limit.0.sweep(start + IDLE * 2);
        assert_eq!(places.each_ref().map(has_to_close), [true, false, false]);
        assert_eq!(limit.0.metrics.limit_refusals(Limit::GrpcIdleSeconds), 1);
    }
}
