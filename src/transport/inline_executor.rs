//! Runs the calls of a connection on the task of the connection, as far as they get without a wait.
//!
//! hyper passes each call to an executor, which usually spawns a task. Nearly all calls are answered by their first poll; to
//! allocate, queue and free a task would cost more than the decision. So calls are kept until the connection has read all bytes
//! that have arrived. Then they run one after the other, and their answers are written together. A call that waits becomes a
//! task.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::time::Sleep;

use crate::metrics::Limit;
use crate::repeated::Repeated;
use crate::transport::budget::{Progress, Share};
use crate::transport::turn::wake_after_others;

/// A client may repeat a request that makes its call panic.
static PANICKED: Repeated = Repeated::new();

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How often a connection reads and answers before it yields to others. The second round writes the answers of the first.
const ROUNDS: usize = 2;

/// Keeps the calls of one connection. Clones share it.
#[derive(Clone)]
pub(super) struct Calls {
    kept: Arc<Mutex<Vec<Call>>>,
    share: Arc<Share>,
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Calls {
    fn execute(&self, call: F) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(call));
    }
}

impl Calls {
    /// Returns the calls of a connection with this share.
    pub(super) fn new(share: Arc<Share>) -> Self {
        Self { kept: Arc::default(), share }
    }

    /// Runs each call that is kept; says whether there was one.
    fn run(&self) -> bool {
        let mut kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        let was_one = !kept.is_empty();
        for mut call in kept.drain(..) {
            // No waker: a call that waits is polled again at once, as a task.
            let polled = catch_unwind(AssertUnwindSafe(|| {
                call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
            }));
            match polled {
                Ok(false) => {}
                Ok(true) => drop(tokio::spawn(Watched::new(call, &self.share))),
                // A call that panics ends without an answer, as a task would, so that nothing passes. The other calls of the
                // connection continue.
                Err(_) => {
                    if let Some(others) = PANICKED.happened() {
                        tracing::error!(others, "a call panicked");
                    }
                }
            }
        }
        // Calls that were kept meanwhile stay. Otherwise the empty vector returns, so that its memory is used again.
        let mut calls = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.is_empty() {
            *calls = kept;
        }
        was_one
    }
}

/// A call that waits. It is dropped if its client does not read the answer.
struct Watched {
    call: Call,
    /// `None` for a `Decide` call on the fast path, which waits only for its client to read the answer.
    progress: Option<Arc<Progress>>,
    share: Arc<Share>,
    /// The part that waits for the client, with its time limit.
    sending: Option<(u32, Pin<Box<Sleep>>)>,
}

impl Watched {
    /// Returns the call that was polled last, under a time limit.
    fn new(call: Call, share: &Arc<Share>) -> Self {
        Self { call, progress: share.take_polled(), share: Arc::clone(share), sending: None }
    }
}

impl Future for Watched {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.call.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let Some(part) = this.progress.as_ref().map_or(Some(0), |progress| progress.waits()) else {
            this.sending = None;
            return Poll::Pending;
        };
        let budgets = this.share.budgets();
        let sending = this.sending.take().filter(|(other, _)| *other == part);
        let (_, until) = this
            .sending
            .insert(sending.unwrap_or_else(|| (part, Box::pin(tokio::time::sleep(budgets.time_limits().send)))));
        if until.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        // Dropping the call resets its stream.
        budgets.limited(Limit::GrpcSendSeconds);
        Poll::Ready(())
    }
}

/// A connection that runs its own calls.
#[derive(Debug)]
pub(super) struct Inline<C> {
    connection: C,
    calls: Calls,
}

impl<C> Inline<C> {
    /// Returns a connection whose calls are kept in `calls`.
    pub(super) const fn new(connection: C, calls: Calls) -> Self {
        Self { connection, calls }
    }

    /// Returns the connection.
    pub(super) fn connection(self: Pin<&mut Self>) -> Pin<&mut C>
    where
        C: Unpin,
    {
        Pin::new(&mut self.get_mut().connection)
    }
}

impl<C: Future + Unpin> Future for Inline<C> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        let this = self.get_mut();
        for _ in 0..ROUNDS {
            let polled = Pin::new(&mut this.connection).poll(context);
            let ran = this.calls.run();
            if polled.is_ready() || !ran {
                return polled;
            }
        }
        wake_after_others(context.waker());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hyper::rt::Executor as _;
    use tokio::sync::oneshot;

    use super::*;

    /// A connection that brings one call in each of its polls, and ends.
    struct Bringing {
        calls: Calls,
        left: Vec<Call>,
        polls: Arc<AtomicUsize>,
    }

    impl Future for Bringing {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<()> {
            self.polls.fetch_add(1, Ordering::Relaxed);
            match self.left.pop() {
                Some(call) => {
                    self.calls.execute(call);
                    Poll::Pending
                }
                None => Poll::Ready(()),
            }
        }
    }

    fn bringing(left: Vec<Call>) -> (Inline<Bringing>, Arc<AtomicUsize>) {
        let (calls, polls) = (Calls::new(crate::transport::budget::tests::share(1 << 20, 0)), Arc::default());
        let connection = Bringing { calls: calls.clone(), left, polls: Arc::clone(&polls) };
        (Inline::new(connection, calls), polls)
    }

    #[tokio::test]
    async fn calls_run_on_the_task_of_the_connection_and_it_is_polled_again_for_their_answers() {
        let ran = Arc::new(AtomicUsize::new(0));
        let count = |ran: &Arc<AtomicUsize>| -> Call {
            let ran = Arc::clone(ran);
            Box::pin(async move {
                ran.fetch_add(1, Ordering::Relaxed);
            })
        };
        let (mut connection, polls) = bringing((0..5).map(|_| count(&ran)).collect());
        let turn = std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut connection).poll(context)));
        assert_eq!(turn.await, Poll::Pending);
        // Others have their turn after some rounds.
        assert_eq!((polls.load(Ordering::Relaxed), ran.load(Ordering::Relaxed)), (ROUNDS, ROUNDS));
        connection.await;
        assert_eq!(ran.load(Ordering::Relaxed), 5);
    }

    #[tokio::test]
    async fn a_call_that_waits_outlives_its_connection_and_one_that_panics_ends_no_other() {
        let (tell, told) = oneshot::channel::<u8>();
        let (done, is_done) = oneshot::channel();
        let waiting: Call = Box::pin(async move { done.send(told.await.unwrap()).unwrap() });
        let panicking: Call = Box::pin(async { panic!("on purpose") });
        let (connection, polls) = bringing(vec![waiting, panicking]);
        connection.await;
        assert_eq!(polls.load(Ordering::Relaxed), 3);
        tell.send(7).unwrap();
        assert_eq!(is_done.await.unwrap(), 7);
    }
}
