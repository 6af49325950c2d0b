//! Rounds of the HTTP/1.1 connections of a thread: a limited number is polled before the thread looks for events again.
//!
//! A thread polls the tasks that are ready in their order. Thousands of connections on which a byte arrives at the same
//! moment are thousands of tasks, each with nothing to answer, and a gRPC call that arrives just after them would wait for
//! all. So each round has room for a few of these connections. The others wait in a queue, and the thread serves whatever
//! else is ready between two rounds.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::sync::Notify;

/// Polls of a round: some tenth of a millisecond.
const POLLS_MAX: usize = 32;

/// The rounds of one thread.
#[derive(Debug)]
pub(super) struct Rounds {
    round: Mutex<Round>,
    /// Told when the next round is needed.
    needed: Notify,
}

/// The round that has begun.
#[derive(Debug)]
struct Round {
    polls_left: usize,
    waiting: VecDeque<(Arc<AtomicBool>, Waker)>,
}

impl Rounds {
    /// Returns rounds, of which the first has begun. The others begin while [`Self::run`] is polled.
    pub(super) fn new() -> Arc<Self> {
        let round = Mutex::new(Round { polls_left: POLLS_MAX, waiting: VecDeque::new() });
        Arc::new(Self { round, needed: Notify::new() })
    }

    /// Begins rounds as they are needed. Never ends.
    pub(super) async fn run(&self) {
        loop {
            self.needed.notified().await;
            loop {
                // After the tasks that are ready, and a look for events.
                tokio::task::yield_now().await;
                if !self.begin() {
                    break;
                }
            }
        }
    }

    /// Begins a round with those that have waited longest; says whether another one is needed after it.
    fn begin(&self) -> bool {
        let mut round = self.round();
        let admitted = round.waiting.len().min(POLLS_MAX);
        round.polls_left = POLLS_MAX - admitted;
        let (is_more_needed, admitted) =
            (round.polls_left <= POLLS_MAX / 2, round.waiting.drain(..admitted).collect::<Vec<_>>());
        drop(round);
        for (is_admitted, waker) in admitted {
            is_admitted.store(true, Ordering::Release);
            waker.wake();
        }
        is_more_needed
    }

    fn round(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection among the rounds.
#[derive(Debug)]
pub(super) struct Participant {
    rounds: Arc<Rounds>,
    /// Set while it waits: whether a round has admitted it.
    is_admitted: Option<Arc<AtomicBool>>,
}

impl Participant {
    /// Returns a connection that may be polled as the rounds allow it.
    pub(super) const fn new(rounds: Arc<Rounds>) -> Self {
        Self { rounds, is_admitted: None }
    }

    /// Says whether the connection may be polled now. If not, its task is woken when it may.
    pub(super) fn may_be_polled(&mut self, waker: &Waker) -> bool {
        if let Some(is_admitted) = &self.is_admitted {
            let may = is_admitted.load(Ordering::Acquire);
            if may {
                self.is_admitted = None;
            }
            return may;
        }
        let mut round = self.rounds.round();
        let has_room = round.waiting.is_empty() && 0 < round.polls_left;
        if has_room {
            round.polls_left -= 1;
        } else {
            let is_admitted = Arc::new(AtomicBool::new(false));
            round.waiting.push_back((Arc::clone(&is_admitted), waker.clone()));
            self.is_admitted = Some(is_admitted);
        }
        // Early, so that connections which come one by one find room without a wait.
        if round.polls_left == POLLS_MAX / 2 || round.waiting.len() == 1 {
            self.rounds.needed.notify_one();
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;
    use std::task::Poll;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;
    use tokio::task::JoinSet;

    use super::*;

    const MANY: usize = 1_000;

    /// Tasks that each want one poll; how many had theirs.
    fn many(rounds: &Arc<Rounds>) -> (JoinSet<()>, Arc<AtomicUsize>) {
        let polled = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..MANY {
            let (mut participant, polled) = (Participant::new(Arc::clone(rounds)), Arc::clone(&polled));
            tasks.spawn(async move {
                poll_fn(
                    |context| {
                        if participant.may_be_polled(context.waker()) { Poll::Ready(()) } else { Poll::Pending }
                    },
                )
                .await;
                polled.fetch_add(1, Ordering::Relaxed);
            });
        }
        (tasks, polled)
    }

    fn running(rounds: &Arc<Rounds>) -> tokio::task::JoinHandle<()> {
        let rounds = Arc::clone(rounds);
        tokio::spawn(async move { rounds.run().await })
    }

    #[tokio::test]
    async fn other_ready_tasks_are_served_between_two_rounds() {
        let rounds = Rounds::new();
        let running = running(&rounds);
        let (mut client, mut other) = UnixStream::pair().unwrap();
        let (tasks, polled) = many(&rounds);
        client.write_all(b"x").await.unwrap();
        other.read_u8().await.unwrap();
        let polled_before = polled.load(Ordering::Relaxed);
        assert!(polled_before <= 3 * POLLS_MAX, "{polled_before}");
        tasks.join_all().await;
        assert_eq!(polled.load(Ordering::Relaxed), MANY);
        running.abort();
    }

    #[tokio::test]
    async fn connections_that_end_while_they_wait_hold_up_no_others() {
        let rounds = Rounds::new();
        let running = running(&rounds);
        let (mut ending, _) = many(&rounds);
        tokio::task::yield_now().await;
        ending.abort_all();
        while ending.join_next().await.is_some() {}
        let (tasks, polled) = many(&rounds);
        tasks.join_all().await;
        assert_eq!(polled.load(Ordering::Relaxed), MANY);
        running.abort();
    }

    #[tokio::test]
    async fn connections_that_come_one_by_one_never_wait() {
        let rounds = Rounds::new();
        let running = running(&rounds);
        let mut participant = Participant::new(Arc::clone(&rounds));
        for _ in 0..10 * POLLS_MAX {
            assert!(participant.may_be_polled(Waker::noop()));
            // The look for events and the next round come between.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        }
        running.abort();
    }
}
