//! The limit on open connections, and the choice of the one that closes to admit another.
//!
//! A connection costs its client nothing. At the limit, the server closes the connection that has had no call for the longest
//! time, so that silent connections keep no client out. Connections that have never had a call close first, the oldest of
//! them before the others; a connection that has not spoken closes after a short time. A connection with a call in flight, or
//! with a recent one, does not close for another, unless the body of its request does not arrive.
//!
//! Every [`SWEEP_INTERVAL`] a sweep reads the calls of each connection, and so learns when it last had one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::metrics::{Limit, Metrics};
use crate::transport::activity::{Activity, Kind, in_flight};

/// Time between two sweeps, and the precision of idle times.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);
/// Time that a new connection has to speak before it may close for another. A client speaks as soon as it has connected; the
/// time is for the server to read that.
const SILENT_MIN: Duration = Duration::from_millis(50);
/// Time between two attempts to make room for a connection that waits.
const ADMIT_INTERVAL: Duration = Duration::from_millis(20);
/// Most connections of one limit that may be closing, in addition to those that are open. [`crate::transport::open_files`]
/// provides their descriptors.
pub(crate) const CLOSING_MAX: usize = 64;
/// The rules for the connections of some listeners.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionRules {
    /// Most connections that may be open.
    pub connections_max: usize,
    /// Time without a call after which a connection may close to admit another.
    pub reclaim_idle: Duration,
    /// Time that the body of a request may take to arrive before its connection may close to admit another.
    pub reclaim_slow: Duration,
    /// Time without a call after which a gRPC connection closes; `None` for never.
    pub grpc_idle: Option<Duration>,
}

/// The limit on the connections of one or more listeners. Clones share it.
#[derive(Debug, Clone)]
pub struct ConnectionLimit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: ConnectionRules,
    max: usize,
    free: Arc<Semaphore>,
    closing: Arc<Semaphore>,
    open: Mutex<Open>,
    metrics: Arc<Metrics>,
}

/// The open connections, by the number of their admission.
#[derive(Debug, Default)]
struct Open {
    connections: BTreeMap<u64, Known>,
    /// The connections that may not have had a call.
    uncalled: BTreeSet<u64>,
    next: u64,
}

/// One open connection, as the last sweep saw it.
#[derive(Debug)]
struct Known {
    activity: Activity,
    accepted_at: Instant,
    /// The beginning of the wait for the body of its call.
    receiving_since: Option<Instant>,
    /// Its calls at the last sweep.
    seen: u64,
    /// The last sweep that saw a call, or its admission.
    active_at: Instant,
}

impl ConnectionLimit {
    /// Returns a limit. It knows idle times only while [`ConnectionLimit::watch`] runs.
    pub fn new(rules: ConnectionRules, metrics: Arc<Metrics>) -> Self {
        let max = rules.connections_max.min(Semaphore::MAX_PERMITS);
        let (free, closing) = (Arc::new(Semaphore::new(max)), Arc::new(Semaphore::new(CLOSING_MAX)));
        Self(Arc::new(Inner { rules, max, free, closing, open: Mutex::default(), metrics }))
    }

    /// Returns how many connections are open, without those that are closing to admit others.
    pub fn open(&self) -> usize {
        self.0.max.saturating_sub(self.0.free.available_permits())
    }

    /// Sweeps the connections until nothing else holds this limit.
    pub(crate) async fn watch(self) {
        let inner = Arc::downgrade(&self.0);
        drop(self);
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            let Some(inner) = inner.upgrade() else { return };
            inner.sweep(Instant::now());
        }
    }

    /// Admits a connection that was accepted, once there is a permit for it.
    pub(crate) async fn admit(&self, kind: Kind) -> Admitted {
        let permit = loop {
            let free = Arc::clone(&self.0.free).try_acquire_owned().ok();
            if let Some(permit) = free.or_else(|| self.0.reclaim(Instant::now())) {
                break permit;
            }
            // No connection may close for this one yet. Wait until one closes by itself, or has finished closing, or may close.
            let is_closing = self.0.closing.available_permits() == 0;
            tokio::select! {
                Ok(permit) = Arc::clone(&self.0.free).acquire_owned() => break permit,
                Ok(_) = self.0.closing.acquire(), if is_closing => {}
                () = tokio::time::sleep(ADMIT_INTERVAL) => {}
            }
        };
        self.0.enter(permit, kind)
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: &Arc<Self>, permit: OwnedSemaphorePermit, kind: Kind) -> Admitted {
        let activity = Activity::new(kind, permit);
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

    /// Notes which connections have been active, and closes those that have had no call for too long.
    fn sweep(&self, now: Instant) {
        for known in self.open().connections.values_mut() {
            let calls = known.activity.calls();
            let since = known.receiving_since.filter(|_| calls == known.seen).unwrap_or(now);
            known.receiving_since = known.activity.is_receiving().then_some(since);
            if calls != known.seen || in_flight(calls) != 0 {
                (known.seen, known.active_at) = (calls, now);
                continue;
            }
            let idle_max = self.rules.grpc_idle.filter(|_| known.activity.kind() == Kind::Grpc);
            if idle_max.is_some_and(|max| max <= now.duration_since(known.active_at)) {
                // Asked again after the same time, should it not close.
                known.active_at = now;
                self.metrics.limited(Limit::GrpcIdleSeconds);
                known.activity.close();
            }
        }
    }

    /// Closes the connection that is worth least, and returns its permit; `None` if none may close yet, or too many are
    /// closing.
    fn reclaim(&self, now: Instant) -> Option<OwnedSemaphorePermit> {
        let closing = Arc::clone(&self.closing).try_acquire_owned().ok()?;
        let mut open = self.open();
        let worth_least =
            open.oldest_uncalled(now, &self.rules).or_else(|| open.longest_without_a_call(now, &self.rules))?;
        let Known { activity, .. } = open.remove(worth_least)?;
        // From now on it holds a permit of the closing connections.
        let permit = activity.replace_permit(closing)?;
        activity.close();
        self.metrics.limited(Limit::Connections);
        Some(permit)
    }
}

impl Open {
    fn remove(&mut self, number: u64) -> Option<Known> {
        self.uncalled.remove(&number);
        self.connections.remove(&number)
    }

    /// Returns the oldest connection without a call whose time for one is over. A silent connection has a short time.
    fn oldest_uncalled(&mut self, now: Instant, rules: &ConnectionRules) -> Option<u64> {
        let Self { connections, uncalled, .. } = self;
        let (mut found, mut called) = (None, Vec::new());
        // In the order of their admission.
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

    /// Returns the connection that has had no call for the longest time, else the one whose request has taken the longest time
    /// to arrive.
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

/// An admitted connection: open until it is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    number: u64,
    activity: Activity,
    among: Arc<Inner>,
}

impl Admitted {
    /// Returns the record of its calls.
    pub(crate) const fn activity(&self) -> &Activity {
        &self.activity
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.among.open().remove(self.number);
        self.activity.end();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    const IDLE: Duration = Duration::from_secs(1);
    const SLOW: Duration = Duration::from_secs(3);

    fn limit(connections_max: usize, grpc_idle: Option<Duration>) -> ConnectionLimit {
        let rules = ConnectionRules { connections_max, reclaim_idle: IDLE, reclaim_slow: SLOW, grpc_idle };
        ConnectionLimit::new(rules, Arc::default())
    }

    /// Admits a connection that begins to speak.
    async fn speaking(limit: &ConnectionLimit, kind: Kind) -> Admitted {
        let admitted = limit.admit(kind).await;
        admitted.activity().speaks();
        admitted
    }

    fn has_to_close(admitted: &Admitted) -> bool {
        let mut closing = pin!(admitted.activity().has_to_close());
        closing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn b18_the_connection_that_was_idle_for_the_longest_time_goes() {
        let (limit, start) = (limit(3, None), Instant::now());
        let connections = [
            speaking(&limit, Kind::Grpc).await,
            speaking(&limit, Kind::Http1).await,
            speaking(&limit, Kind::Grpc).await,
        ];
        let inner = &limit.0;
        // The first has a call in flight, the second had one later than the third.
        let call = connections[0].activity().begin();
        drop(connections[1].activity().begin());
        inner.sweep(start + IDLE / 2);
        assert!(inner.reclaim(start + IDLE / 2).is_none(), "none has been idle for long enough");
        let permit = inner.reclaim(start + IDLE * 5 / 4).unwrap();
        assert_eq!(connections.each_ref().map(has_to_close), [false, false, true]);
        assert!(inner.reclaim(start + IDLE * 5 / 4).is_none());
        let admitted = inner.enter(permit, Kind::Grpc);
        admitted.activity().speaks();
        assert_eq!(limit.open(), 3);
        // It has had no call.
        drop(inner.reclaim(start + IDLE * 2).unwrap());
        assert!(has_to_close(&admitted));
        drop(inner.reclaim(start + IDLE * 2).unwrap());
        assert_eq!(connections.each_ref().map(has_to_close), [false, true, false]);
        // A call in flight is as good as one that has just been.
        inner.sweep(start + IDLE * 10);
        drop(call);
        assert!(inner.reclaim(start + IDLE * 11).is_none(), "no sweep has seen that it is over");
        inner.sweep(start + IDLE * 10);
        assert!(inner.reclaim(start + IDLE * 10).is_none());
        assert!(inner.reclaim(start + IDLE * 11).is_some() && has_to_close(&connections[0]));
        drop((connections, admitted));
        assert_eq!((limit.open(), inner.open().connections.len()), (0, 0));
        assert_eq!(inner.closing.available_permits(), CLOSING_MAX);
        assert_eq!(inner.metrics.limit_refusals(Limit::Connections), 4);
    }

    #[tokio::test]
    async fn b18_a_call_that_begins_just_now_keeps_its_connection() {
        let (limit, start) = (limit(1, None), Instant::now());
        let connection = speaking(&limit, Kind::Grpc).await;
        drop(connection.activity().begin());
        // No sweep has run since.
        assert!(limit.0.reclaim(start + IDLE * 9).is_none());
        assert!(!has_to_close(&connection));
    }

    #[tokio::test]
    async fn b18_as_many_close_at_once_as_there_are_descriptors_for() {
        let (limit, start) = (limit(CLOSING_MAX + 9, None), Instant::now());
        let mut connections = Vec::new();
        for _ in 0..CLOSING_MAX + 9 {
            connections.push(limit.admit(Kind::Grpc).await);
        }
        let reclaimed: Vec<_> = (0..CLOSING_MAX + 9).filter_map(|_| limit.0.reclaim(start + IDLE * 2)).collect();
        assert_eq!(reclaimed.len(), CLOSING_MAX);
        drop(connections);
        assert_eq!(limit.0.closing.available_permits(), CLOSING_MAX);
    }

    #[tokio::test]
    async fn b18_grpc_connections_without_a_call_close_in_time() {
        let (limit, start) = (limit(3, Some(IDLE)), Instant::now());
        let connections =
            [limit.admit(Kind::Grpc).await, limit.admit(Kind::Http1).await, limit.admit(Kind::Grpc).await];
        let _call = connections[2].activity().begin();
        limit.0.sweep(start + IDLE / 2);
        assert_eq!(connections.each_ref().map(has_to_close), [false; 3]);
        limit.0.sweep(start + IDLE * 2);
        assert_eq!(connections.each_ref().map(has_to_close), [true, false, false]);
        assert_eq!(limit.0.metrics.limit_refusals(Limit::GrpcIdleSeconds), 1);
    }

    #[tokio::test]
    async fn b18_the_oldest_silent_connection_closes_first_and_at_once() {
        let (limit, start) = (limit(4, None), Instant::now());
        let called = speaking(&limit, Kind::Grpc).await;
        drop(called.activity().begin());
        let connections =
            [limit.admit(Kind::Grpc).await, limit.admit(Kind::Http1).await, limit.admit(Kind::Grpc).await];
        limit.0.sweep(start);
        assert!(limit.0.reclaim(start + SILENT_MIN / 2).is_none(), "it may be about to speak");
        // The oldest of them has begun to speak meanwhile.
        connections[0].activity().speaks();
        // Long before, and long after, the others have been idle for long enough.
        drop(limit.0.reclaim(start + SILENT_MIN * 2).unwrap());
        assert_eq!(connections.each_ref().map(has_to_close), [false, true, false]);
        assert!(connections[1].activity().has_nothing_to_finish());
        drop(limit.0.reclaim(start + IDLE / 2).unwrap());
        assert_eq!(connections.each_ref().map(has_to_close), [false, false, true]);
        assert!(limit.0.reclaim(start + IDLE / 2).is_none(), "it has spoken");
        // Of those that have spoken, the one without a call closes first.
        drop(limit.0.reclaim(start + IDLE * 9).unwrap());
        assert!(has_to_close(&connections[0]) && !has_to_close(&called));
        assert!(!connections[0].activity().has_nothing_to_finish(), "it may have begun a call");
        drop(limit.0.reclaim(start + IDLE * 9).unwrap());
        assert!(has_to_close(&called));
        drop((connections, called));
        let open = limit.0.open();
        assert_eq!((open.connections.len(), open.uncalled.len()), (0, 0));
    }

    #[tokio::test]
    async fn b18_a_newcomer_waits_only_for_a_silent_connection() {
        let limit = limit(CLOSING_MAX * 2, None);
        let mut connections = Vec::new();
        for _ in 0..CLOSING_MAX * 2 {
            connections.push(limit.admit(Kind::Grpc).await);
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
        let goes = |admitted: Admitted| async move { admitted.activity().has_to_close().await };
        let gone: tokio::task::JoinSet<()> = connections.into_iter().map(goes).collect();
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
        // The next request of the same connection starts a new wait.
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
