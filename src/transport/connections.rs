//! How many connections may be open, and which one goes when there are too many.
//!
//! A connection costs its client nothing. Where as many are open as may be, the one that has been without a call for the
//! longest time is closed to admit another, so that silent connections keep no client out. First go those that have never
//! had a call, the oldest first; those that have not begun to speak need not have been idle for long. One that has a call
//! in flight, or has had one a moment ago, is never closed for that, unless the body of the request does not come.
//!
//! What a call costs is two additions to a number of its connection. When a connection last had one is found by looking
//! at these numbers every [`SWEEP_INTERVAL`].

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::metrics::{Limit, Metrics};

/// Time between two looks at the connections, and thus how exactly idle time is known.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);
/// Time for a connection to begin to speak before it may be closed for another. A client that connects speaks at once, and
/// the server has to have read it.
const SILENT_MIN: Duration = Duration::from_millis(50);
/// Time between two tries to make room for a connection that waits.
const ADMIT_INTERVAL: Duration = Duration::from_millis(20);
/// Connections of one limit that may be closing beside those that are open: their descriptors have to be there, see
/// [`crate::transport::open_files`].
pub(crate) const CLOSING_MAX: usize = 64;
/// Time for a connection that is asked to close to do so by itself. A client that answers needs one round trip.
const CLOSING_TIME: Duration = Duration::from_millis(500);

/// The rules for the connections of some listeners.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionRules {
    /// Most that may be open together.
    pub connections_max: usize,
    /// How long one has to be without a call before it may be closed to admit another.
    pub reclaim_idle: Duration,
    /// How long the body of a request may have been coming before its connection may be closed to admit another.
    pub reclaim_slow: Duration,
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
    /// Those of them on which no call may have begun.
    uncalled: BTreeSet<u64>,
    next: u64,
}

/// What is known of one.
#[derive(Debug)]
struct Known {
    activity: Activity,
    accepted_at: Instant,
    /// Since when the body of its one call has been coming.
    receiving_since: Option<Instant>,
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
    pub(crate) async fn watch(self) {
        let inner = Arc::downgrade(&self.0);
        drop(self);
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            let Some(inner) = inner.upgrade() else { return };
            inner.sweep(Instant::now());
        }
    }

    /// Returns a place for a connection that was accepted, once there is one.
    pub(crate) async fn admit(&self, kind: Kind) -> Admitted {
        let permit = loop {
            let free = Arc::clone(&self.0.places).try_acquire_owned().ok();
            if let Some(permit) = free.or_else(|| self.0.reclaim(Instant::now())) {
                break permit;
            }
            // No connection can be closed: until one closes by itself, one of those that are closing is gone, or one may be
            // closed.
            let is_closing = self.0.closing.available_permits() == 0;
            tokio::select! {
                Ok(permit) = Arc::clone(&self.0.places).acquire_owned() => break permit,
                Ok(_) = self.0.closing.acquire(), if is_closing => {}
                () = tokio::time::sleep(ADMIT_INTERVAL) => {}
            }
        };
        self.0.enter(permit, kind)
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, Open> {
        lock(&self.open)
    }

    fn enter(self: &Arc<Self>, permit: OwnedSemaphorePermit, kind: Kind) -> Admitted {
        let activity = Activity(Arc::new(Shared {
            kind,
            has_spoken: AtomicBool::new(false),
            is_receiving: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            close: Notify::new(),
            permit: Mutex::new(Some(permit)),
        }));
        let now = Instant::now();
        let known =
            Known { activity: activity.clone(), accepted_at: now, receiving_since: None, seen: 0, active_at: now };
        let mut open = self.open();
        let number = open.next;
        open.next = open.next.wrapping_add(1);
        open.uncalled.insert(number);
        open.connections.insert(number, known);
        Admitted { number, activity, among: Arc::clone(self) }
    }

    /// Notes which connections have been active, and closes those that have been idle for too long.
    fn sweep(&self, now: Instant) {
        for known in self.open().connections.values_mut() {
            let calls = known.activity.calls();
            let since = known.receiving_since.filter(|_| calls == known.seen).unwrap_or(now);
            known.receiving_since = known.activity.is_receiving().then_some(since);
            if calls != known.seen || in_flight(calls) != 0 {
                (known.seen, known.active_at) = (calls, now);
                continue;
            }
            let idle_max = self.rules.grpc_idle.filter(|_| known.activity.0.kind == Kind::Grpc);
            if idle_max.is_some_and(|max| max <= now.duration_since(known.active_at)) {
                // Once in so long, should it not close at once.
                known.active_at = now;
                self.metrics.limited(Limit::GrpcIdleSeconds);
                known.activity.0.close.notify_one();
            }
        }
    }

    /// Closes the connection that is worth least, and returns its permit; `None` where none may be closed yet, or too many
    /// are closing already.
    fn reclaim(&self, now: Instant) -> Option<OwnedSemaphorePermit> {
        let closing = Arc::clone(&self.closing).try_acquire_owned().ok()?;
        let mut open = self.open();
        let worth_least =
            open.oldest_uncalled(now, &self.rules).or_else(|| open.longest_without_a_call(now, &self.rules))?;
        let Known { activity, .. } = open.remove(worth_least)?;
        // What it holds from now on is a place among those that are closing.
        let permit = lock(&activity.0.permit).replace(closing)?;
        activity.0.close.notify_one();
        self.metrics.limited(Limit::Connections);
        Some(permit)
    }
}

impl Open {
    fn remove(&mut self, number: u64) -> Option<Known> {
        self.uncalled.remove(&number);
        self.connections.remove(&number)
    }

    /// Returns the oldest connection on which no call has begun, if it had the time to: a short one where it is silent.
    fn oldest_uncalled(&mut self, now: Instant, rules: &ConnectionRules) -> Option<u64> {
        let Self { connections, uncalled, .. } = self;
        let (mut found, mut called) = (None, Vec::new());
        // In the order in which they were accepted.
        for number in uncalled.iter().copied() {
            let uncalled = connections.get(&number).filter(|known| !known.activity.has_called());
            let Some(Known { activity, accepted_at, .. }) = uncalled else {
                called.push(number);
                continue;
            };
            let age = now.saturating_duration_since(*accepted_at);
            if age < SILENT_MIN {
                break;
            }
            if !activity.has_spoken() || rules.reclaim_idle <= age {
                found = Some(number);
                break;
            }
        }
        for number in called {
            uncalled.remove(&number);
        }
        found
    }

    /// Returns the connection that has been without a call for the longest time, else the one whose request has been coming
    /// for the longest time.
    fn longest_without_a_call(&self, now: Instant, rules: &ConnectionRules) -> Option<u64> {
        let idle_since = |known: &Known| {
            let is_idle = known.activity.calls() == known.seen && in_flight(known.seen) == 0;
            let is_old = rules.reclaim_idle <= now.duration_since(known.active_at);
            (is_idle && is_old && known.activity.has_called()).then_some(known.active_at)
        };
        let slow_since = |known: &Known| {
            let is_slow = known.activity.calls() == known.seen && known.activity.is_receiving();
            let is_old = |since: &Instant| rules.reclaim_slow <= now.duration_since(*since);
            known.receiving_since.filter(is_old).filter(|_| is_slow)
        };
        let numbered = |since: &dyn Fn(&Known) -> Option<Instant>| {
            let candidates = self.connections.iter().filter_map(|(number, known)| Some((since(known)?, *number)));
            candidates.min().map(|(_, number)| number)
        };
        numbered(&idle_since).or_else(|| numbered(&slow_since))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An admitted connection: open until it is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    number: u64,
    activity: Activity,
    among: Arc<Inner>,
}

impl Admitted {
    /// Returns what its calls are noted in.
    pub(crate) const fn activity(&self) -> &Activity {
        &self.activity
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.among.open().remove(self.number);
        // Calls may outlive the connection, but its permit must not.
        lock(&self.activity.0.permit).take();
    }
}

/// The calls of one connection. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kind: Kind,
    /// Whether anything has come: of HTTP/2 the preface, of HTTP/1 a byte.
    has_spoken: AtomicBool,
    /// Whether the body of a request is waited for.
    is_receiving: AtomicBool,
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
    pub(crate) fn begin(&self) -> InFlight {
        // Numbers by themselves: nothing else is read by what they say.
        self.0.calls.fetch_add(ONE_BEGUN + 1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// Notes that the connection has begun to speak.
    pub(crate) fn speaks(&self) {
        self.0.has_spoken.store(true, Ordering::Relaxed);
    }

    fn has_spoken(&self) -> bool {
        self.0.has_spoken.load(Ordering::Relaxed)
    }

    /// Notes whether the body of a request is waited for.
    pub(crate) fn receives(&self, is_receiving: bool) {
        self.0.is_receiving.store(is_receiving, Ordering::Relaxed);
    }

    fn has_called(&self) -> bool {
        self.calls() != 0
    }

    fn is_receiving(&self) -> bool {
        self.0.is_receiving.load(Ordering::Relaxed)
    }

    /// Says whether a connection that has to close has nothing to finish: it has not begun to speak, or its first request
    /// or the body of one has not come.
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

    fn calls(&self) -> u64 {
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

/// Runs the calls of one connection, and notes them.
#[derive(Debug, Clone)]
pub(crate) struct Noted<E> {
    executor: E,
    activity: Activity,
}

impl<E> Noted<E> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(1);
    const SLOW: Duration = Duration::from_secs(3);

    fn limit(connections_max: usize, grpc_idle: Option<Duration>) -> ConnectionLimit {
        let rules = ConnectionRules { connections_max, reclaim_idle: IDLE, reclaim_slow: SLOW, grpc_idle };
        ConnectionLimit::new(rules, Arc::default())
    }

    /// Admits a connection that begins to speak.
    async fn speaking(limit: &ConnectionLimit, kind: Kind) -> Admitted {
        let place = limit.admit(kind).await;
        place.activity().speaks();
        place
    }

    fn has_to_close(place: &Admitted) -> bool {
        use std::pin::pin;
        pin!(place.activity().has_to_close()).poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn b18_the_connection_that_was_idle_for_the_longest_time_goes() {
        let (limit, start) = (limit(3, None), Instant::now());
        let places = [
            speaking(&limit, Kind::Grpc).await,
            speaking(&limit, Kind::Http1).await,
            speaking(&limit, Kind::Grpc).await,
        ];
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
        admitted.activity().speaks();
        assert_eq!(limit.open(), 3);
        // It has had no call.
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
        let place = speaking(&limit, Kind::Grpc).await;
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

    #[tokio::test]
    async fn b18_the_oldest_that_has_not_begun_to_speak_goes_first_and_at_once() {
        let (limit, start) = (limit(4, None), Instant::now());
        let called = speaking(&limit, Kind::Grpc).await;
        drop(called.activity().begin());
        let places = [limit.admit(Kind::Grpc).await, limit.admit(Kind::Http1).await, limit.admit(Kind::Grpc).await];
        limit.0.sweep(start);
        assert!(limit.0.reclaim(start + SILENT_MIN / 2).is_none(), "it may be about to speak");
        // The oldest of them has begun to speak meanwhile.
        places[0].activity().speaks();
        // Long before, and long after, the others have been idle for long enough.
        drop(limit.0.reclaim(start + SILENT_MIN * 2).unwrap());
        assert_eq!(places.each_ref().map(has_to_close), [false, true, false]);
        assert!(places[1].activity().has_nothing_to_finish());
        drop(limit.0.reclaim(start + IDLE / 2).unwrap());
        assert_eq!(places.each_ref().map(has_to_close), [false, false, true]);
        assert!(limit.0.reclaim(start + IDLE / 2).is_none(), "it has spoken");
        // Of those that have spoken the one goes first that has never called.
        drop(limit.0.reclaim(start + IDLE * 9).unwrap());
        assert!(has_to_close(&places[0]) && !has_to_close(&called));
        assert!(!places[0].activity().has_nothing_to_finish(), "it may have begun a call");
        drop(limit.0.reclaim(start + IDLE * 9).unwrap());
        assert!(has_to_close(&called));
        drop((places, called));
        let open = limit.0.open();
        assert_eq!((open.connections.len(), open.uncalled.len()), (0, 0));
    }

    #[tokio::test]
    async fn b18_a_newcomer_waits_for_no_more_than_one_that_is_silent() {
        let limit = limit(CLOSING_MAX * 2, None);
        let mut places = Vec::new();
        for _ in 0..CLOSING_MAX * 2 {
            places.push(limit.admit(Kind::Grpc).await);
        }
        let closed = limit.clone();
        // As many as there are, and more than may be closing together: the connections go when they are told to.
        let newcomers = tokio::spawn(async move {
            let mut newcomers = Vec::new();
            for _ in 0..CLOSING_MAX * 2 {
                newcomers.push(speaking(&closed, Kind::Grpc).await);
            }
            newcomers
        });
        let goes = |place: Admitted| async move { place.activity().has_to_close().await };
        let gone: tokio::task::JoinSet<()> = places.into_iter().map(goes).collect();
        let admitted = tokio::time::timeout(IDLE / 2, newcomers).await.unwrap().unwrap();
        tokio::time::timeout(IDLE / 2, gone.join_all()).await.unwrap();
        assert!(!admitted.iter().any(has_to_close));
    }

    #[tokio::test]
    async fn b18_a_body_that_does_not_come_gives_way_at_last() {
        let (limit, start) = (limit(3, None), Instant::now());
        let slow = speaking(&limit, Kind::Http1).await;
        let worked_on = speaking(&limit, Kind::Http1).await;
        let calls = [slow.activity().begin(), worked_on.activity().begin()];
        limit.0.sweep(start);
        slow.activity().receives(true);
        limit.0.sweep(start);
        limit.0.sweep(start + SLOW / 2);
        assert!(limit.0.reclaim(start + SLOW / 2).is_none());
        // The next request of the same connection begins anew.
        let [first, kept] = calls;
        drop(first);
        let next = slow.activity().begin();
        limit.0.sweep(start + SLOW);
        assert!(limit.0.reclaim(start + SLOW).is_none());
        limit.0.sweep(start + SLOW * 2);
        drop(limit.0.reclaim(start + SLOW * 2).unwrap());
        assert!(has_to_close(&slow) && slow.activity().has_nothing_to_finish());
        // One whose request has come whole stays, whatever time it takes.
        limit.0.sweep(start + SLOW * 9);
        assert!(limit.0.reclaim(start + SLOW * 9).is_none() && !has_to_close(&worked_on));
        drop((next, kept));
    }
}
