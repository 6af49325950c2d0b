//! The time limits of HTTP/1.1 connections.
//!
//! hyper parses, and limits the time between two requests. This file limits the rest: a head that begins and does not go on, a
//! new connection that sends nothing, a client that does not read its answer. Readers of bodies limit the time for a body.
//!
//! This is also where [`crate::transport::strict`] sees bytes before hyper does. hyper gets a NUL instead of the byte that
//! would complete an ambiguous head, and then the end. It refuses a NUL with 400 anywhere in a head.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::metrics::{Limit, Metrics};
use crate::transport::strict::Strict;
use crate::transport::wrong_protocol::{Begin, Peer, Stranger, Strangers};

/// The time limits of a connection.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// Longest time for the head of a request, from its first byte; for the first head, from the beginning of the connection.
    pub(super) head_max: Duration,
    /// Longest time in which a client reads nothing of its answer.
    pub(super) send_max: Duration,
    /// Turns true when the server stops, which closes silent connections.
    pub(super) draining: watch::Receiver<bool>,
    /// The log of clients that do not speak HTTP/1.1, or whose requests are ambiguous.
    pub(super) strangers: Strangers,
    /// Counts connections that were closed for a limit.
    pub(super) metrics: Arc<Metrics>,
}

/// The stage of a connection. The service sets it, the reader checks it.
#[derive(Debug, Clone)]
pub(super) struct Stage(Arc<Stages>);

#[derive(Debug)]
struct Stages {
    stage: AtomicU8,
    /// Whether the connection was answered before its request was read.
    has_unread: AtomicBool,
}

const READING_HEAD: u8 = 0;
const ANSWERING: u8 = 1;
const BETWEEN_REQUESTS: u8 = 2;

impl Stage {
    fn new() -> Self {
        Self(Arc::new(Stages { stage: AtomicU8::new(READING_HEAD), has_unread: AtomicBool::new(false) }))
    }

    fn is(&self, stage: u8) -> bool {
        self.0.stage.load(Ordering::Acquire) == stage
    }

    fn set(&self, stage: u8) {
        self.0.stage.store(stage, Ordering::Release);
    }

    /// Notes that the connection ends after this answer, although its request was not read.
    pub(super) fn leave_unread(&self) {
        self.0.has_unread.store(true, Ordering::Release);
    }

    fn has_unread(&self) -> bool {
        self.0.has_unread.load(Ordering::Acquire)
    }

    /// Notes that the head of a request is complete. The request is answered when the result is dropped.
    pub(super) fn answering(&self) -> Answering {
        self.set(ANSWERING);
        Answering(self.clone())
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Answering(Stage);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.set(BETWEEN_REQUESTS);
    }
}

type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The state of the next head.
enum Head {
    /// The client has sent nothing. Ends with the time for the first head, or when the server stops.
    Silent(Timer),
    /// It has begun. Ends with the time for a head.
    Begun(Timer),
    /// It is complete or has not begun. hyper limits the time between two requests.
    Elsewhere,
}

/// Limits on the bytes that are discarded from a client that was answered before its request was read. If the server closed at
/// once, the system would reset the connection and the client would lose the answer.
const LINGER_MAX: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 1 << 20;

/// A connection under time limits.
pub(super) struct Paced<C> {
    connection: C,
    peer: Peer,
    /// Its first bytes; `None` once they tell nothing more.
    begin: Option<Begin>,
    /// Whether the log has a line about its protocol.
    is_told: bool,
    /// Checks the bytes that arrive; `None` once nothing more is read.
    strict: Option<Strict>,
    pace: Pace,
    stage: Stage,
    head: Head,
    /// The time limit of the first head.
    first_head_until: Instant,
    /// The time limit of a write that makes no progress.
    send: Option<Timer>,
    /// The limits in time and bytes on the bytes that are discarded.
    linger: Option<(Timer, usize)>,
}

impl<C> fmt::Debug for Paced<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paced").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl<C> Paced<C> {
    /// Returns a new connection under time limits, and its stage.
    pub(super) fn new(connection: C, peer: Peer, pace: Pace) -> (Self, Stage) {
        let stage = Stage::new();
        let mut draining = pace.draining.clone();
        let head_max = pace.head_max;
        let silence = async move {
            // Time-out, shutdown and a dropped sender all end the wait.
            let _ = tokio::time::timeout(head_max, draining.wait_for(|draining| *draining)).await;
        };
        let first_head_until = Instant::now() + head_max;
        let head = Head::Silent(Box::pin(silence));
        let strict = Some(Strict::new());
        let (begin, is_told, send) = (Some(Begin::default()), false, None);
        let (stage_here, linger) = (stage.clone(), None);
        let paced = Self {
            connection,
            peer,
            begin,
            is_told,
            strict,
            pace,
            stage: stage_here,
            head,
            first_head_until,
            send,
            linger,
        };
        (paced, stage)
    }

    /// Checks the bytes that have arrived, and removes those that hyper must not see.
    fn check(&mut self, buffer: &mut ReadBuf<'_>, filled_before: usize) {
        let arrived = buffer.filled().get(filled_before..).unwrap_or_default();
        if let Some(begin) = &mut self.begin {
            if let Some(stranger) = begin.read(arrived) {
                self.is_told = self.pace.strangers.tell(stranger, self.peer);
                self.begin = None;
            } else if begin.is_whole() {
                self.begin = None;
            }
        }
        let Some(Err((at, found))) = self.strict.as_mut().map(|strict| strict.look(arrived)) else { return };
        // The log names any other protocol already.
        if !self.is_told {
            self.pace.strangers.tell(Stranger::Refused(found), self.peer);
        }
        self.pace.metrics.limited(Limit::HttpForm);
        self.strict = None;
        let end = filled_before + at;
        if let Some(byte) = buffer.filled_mut().get_mut(end) {
            *byte = 0;
        }
        buffer.set_filled(end + 1);
    }

    /// Notes that bytes have arrived.
    fn heard(&mut self) {
        if self.stage.is(BETWEEN_REQUESTS) {
            self.stage.set(READING_HEAD);
            self.head = Head::Begun(Box::pin(tokio::time::sleep(self.pace.head_max)));
        } else if matches!(self.head, Head::Silent(_)) {
            // A server that stops also waits for a request that has begun.
            self.head = Head::Begun(Box::pin(tokio::time::sleep_until(self.first_head_until)));
        }
    }

    /// Continues the wait for a head; an error if it takes too long.
    fn wait_for_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.stage.is(READING_HEAD) {
            self.head = Head::Elsewhere;
        }
        let is_over = match &mut self.head {
            Head::Silent(timer) | Head::Begun(timer) => timer.as_mut().poll(context).is_ready(),
            Head::Elsewhere => false,
        };
        if !is_over {
            return Poll::Pending;
        }
        if !*self.pace.draining.borrow() {
            self.pace.metrics.limited(Limit::HttpHeadSeconds);
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Passes on the result of a write; an error if the client has read nothing for too long.
    fn written<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.send = None;
            return written;
        }
        let send_max = self.pace.send_max;
        let send = self.send.get_or_insert_with(|| Box::pin(tokio::time::sleep(send_max)));
        if send.as_mut().poll(context).is_ready() {
            self.pace.metrics.limited(Limit::HttpSendSeconds);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<C: AsyncRead + Unpin> Paced<C> {
    /// Discards the bytes that a client sends until it has seen the end of the connection, within limits.
    fn linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let start = || (Box::pin(tokio::time::sleep(LINGER_MAX)) as Timer, LINGER_BYTES_MAX);
        let (until, bytes_left) = self.linger.get_or_insert_with(start);
        let mut room = [0; 4096];
        while *bytes_left != 0 && until.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut room);
            match ready!(Pin::new(&mut self.connection).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    *bytes_left = bytes_left.saturating_sub(buffer.filled().len());
                }
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Paced<C> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled_before = buffer.filled().len();
        if this.strict.is_none() {
            // The end of the connection, for hyper.
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut this.connection).poll_read(context, buffer) {
            Poll::Ready(read) => {
                if filled_before < buffer.filled().len() {
                    this.heard();
                    this.check(buffer, filled_before);
                }
                Poll::Ready(read)
            }
            Poll::Pending => this.wait_for_head(context),
        }
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Paced<C> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.connection).poll_write(context, bytes);
        this.written(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.connection).poll_write_vectored(context, slices);
        this.written(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.connection).poll_flush(context);
        this.written(flushed, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            let shut = Pin::new(&mut this.connection).poll_shutdown(context);
            ready!(this.written(shut, context))?;
            if !this.stage.has_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        this.linger(context)
    }
}
