//! A connection's turn: the bytes that it may read before the other connections of its thread are served.
//!
//! A thread serves many connections, and a task runs until it waits. A client that sends faster than its calls are
//! answered never lets its connection wait. A call without a message takes some tens of bytes, so that a few reads hold
//! thousands of calls, and every other client waits until the last is done. So a connection pauses after a turn, as if
//! nothing more had arrived, and goes on after the others.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

/// Bytes of a turn: about twenty unary requests, enough for their answers to go out with one write.
const TURN_BYTES: usize = 4 << 10;

/// The part of a turn that is used.
#[derive(Debug, Default)]
pub(super) struct Turn {
    read_bytes: usize,
    /// Set while the connection pauses.
    pause: Option<Arc<Pause>>,
}

impl Turn {
    /// Says whether the turn is over: the connection pauses, and its task is woken for the next turn after the others.
    ///
    /// A task polls its connection several times without a wait between, so that the pause lasts until that wake.
    pub(super) fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        if self.read_bytes < TURN_BYTES {
            return false;
        }
        if let Some(pause) = &self.pause {
            if pause.lasts_for(context.waker()) {
                return true;
            }
            *self = Self::default();
            return false;
        }
        let pause = Arc::new(Pause(Mutex::new(Some(context.waker().clone()))));
        wake_after_others(&Arc::clone(&pause).into());
        self.pause = Some(pause);
        true
    }

    /// Notes a read of this many bytes; zero if nothing had arrived, so that the connection waits anyway.
    pub(super) const fn has_read(&mut self, bytes: usize) {
        self.read_bytes = if bytes == 0 { 0 } else { self.read_bytes.saturating_add(bytes) };
    }
}

/// The waker of a task whose connection pauses; empty once it was woken.
#[derive(Debug)]
struct Pause(Mutex<Option<Waker>>);

impl Pause {
    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether the pause lasts; if so, its end wakes this waker.
    fn lasts_for(&self, waker: &Waker) -> bool {
        let mut kept = self.waker();
        if let Some(kept) = kept.as_mut() {
            kept.clone_from(waker);
        }
        kept.is_some()
    }
}

impl Wake for Pause {
    fn wake(self: Arc<Self>) {
        let waker = self.waker().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Wakes after the tasks that are ready, and after the thread has looked for bytes on every connection. A plain wake
/// comes before that look.
pub(super) fn wake_after_others(waker: &Waker) {
    // The first poll hands the waker over and is pending.
    let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(waker));
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    use super::*;

    const READ_BYTES: usize = 1 << 10;

    #[tokio::test]
    async fn a_connection_that_always_has_bytes_lets_the_others_read_after_each_turn() {
        let (mut client, mut other) = UnixStream::pair().unwrap();
        let read = Arc::new(AtomicUsize::new(0));
        let busy = tokio::spawn({
            let read = Arc::clone(&read);
            async move {
                let mut turn = Turn::default();
                for _ in 0..100 * TURN_BYTES / READ_BYTES {
                    poll_fn(|context| if turn.is_over(context) { Poll::Pending } else { Poll::Ready(()) }).await;
                    turn.has_read(READ_BYTES);
                    read.fetch_add(READ_BYTES, Ordering::Relaxed);
                }
            }
        });
        client.write_all(b"x").await.unwrap();
        other.read_u8().await.unwrap();
        assert!(read.load(Ordering::Relaxed) <= 2 * TURN_BYTES, "{read:?}");
        busy.await.unwrap();
        assert_eq!(read.load(Ordering::Relaxed), 100 * TURN_BYTES);
    }

    #[tokio::test]
    async fn a_pause_lasts_until_the_others_had_their_turn() {
        let mut turn = Turn::default();
        turn.has_read(TURN_BYTES);
        let mut polls = 0;
        poll_fn(|context| {
            polls += 1;
            let first = turn.is_over(context);
            // As hyper does: the connection is polled again at once.
            assert_eq!(turn.is_over(context), first);
            if first { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        assert_eq!(polls, 2);
    }

    #[tokio::test]
    async fn a_new_turn_begins_after_a_wait_of_the_connection() {
        let mut turn = Turn::default();
        poll_fn(|context| {
            turn.has_read(TURN_BYTES - 1);
            assert!(!turn.is_over(context));
            turn.has_read(0);
            turn.has_read(TURN_BYTES - 1);
            assert!(!turn.is_over(context));
            turn.has_read(1);
            assert!(turn.is_over(context));
            Poll::Ready(())
        })
        .await;
    }
}
