//! Connections that speak HTTP/1.1, none of which may take its time without end.
//!
//! hyper parses, and bounds the time between two requests. What it does not see is bounded here: a head that has begun
//! and does not go on, a new connection that says nothing, a client that does not take its answer. The time for a body
//! is bounded where bodies are read.
//!
//! Here also bytes come first to which [`crate::transport::strict`] objects. In the place of the one that would complete what can be
//! read in two ways hyper gets a NUL, which it refuses with 400 wherever it stands in a head, and then the end.

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

/// How long a connection may take for what.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// For the head of a request, from its first byte on, or from the beginning of the connection.
    pub(super) head_max: Duration,
    /// For taking something of an answer.
    pub(super) send_max: Duration,
    /// Turns true when the server stops: a connection that has said nothing is not waited for any longer.
    pub(super) draining: watch::Receiver<bool>,
    /// Where those are told of that do not speak HTTP/1.1, or speak it so that it is refused.
    pub(super) strangers: Strangers,
    /// Counts those that were cut off.
    pub(super) metrics: Arc<Metrics>,
}

/// What a connection is at: told by who answers, seen by who reads.
#[derive(Debug, Clone)]
pub(super) struct Stage(Arc<Stages>);

#[derive(Debug)]
struct Stages {
    stage: AtomicU8,
    /// Whether an answer was given before its request was read.
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

    /// Notes that the connection ends after this answer, though its request was not read.
    pub(super) fn leave_unread(&self) {
        self.0.has_unread.store(true, Ordering::Release);
    }

    fn has_unread(&self) -> bool {
        self.0.has_unread.load(Ordering::Acquire)
    }

    /// Notes that the head of a request has come whole. The request is answered when the result is dropped.
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

/// What is known of the head that comes next.
enum Head {
    /// Nothing of the first one has come. Ends with its time, and when the server stops.
    Silent(Timer),
    /// It has begun. Ends with its time.
    Begun(Timer),
    /// It came whole, or has not begun: the time between two requests is hyper's.
    Elsewhere,
}

/// Time and bytes for a client to send on, after it was answered before its request was read. To close at once would make the
/// system reset the connection, and the client lose the answer that it has not read yet.
const LINGER_MAX: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 1 << 20;

/// A connection under a pace.
pub(super) struct Paced<C> {
    connection: C,
    peer: Peer,
    /// How it begins; `None` once that tells no more.
    begin: Option<Begin>,
    /// Whether the log has been told of it.
    is_told: bool,
    /// Follows what comes; `None` once nothing more is read.
    strict: Option<Strict>,
    pace: Pace,
    stage: Stage,
    head: Head,
    /// When the first head has to be there.
    first_head_until: Instant,
    /// When a client that takes nothing is not waited for any longer.
    send: Option<Timer>,
    /// Until when, and for how many bytes more, a client may send what is not read.
    linger: Option<(Timer, usize)>,
}

impl<C> fmt::Debug for Paced<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paced").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl<C> Paced<C> {
    /// Returns a new connection under a pace, and its stage.
    pub(super) fn new(connection: C, peer: Peer, pace: Pace) -> (Self, Stage) {
        let stage = Stage::new();
        let mut draining = pace.draining.clone();
        let head_max = pace.head_max;
        let silence = async move {
            // Over time, stopping, and a server that is gone are all the same.
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

    /// Looks at what has come; takes away what hyper must not see.
    fn check(&mut self, buffer: &mut ReadBuf<'_>, filled_before: usize) {
        let come = buffer.filled().get(filled_before..).unwrap_or_default();
        if let Some(begin) = &mut self.begin {
            if let Some(stranger) = begin.look(come) {
                self.is_told = self.pace.strangers.tell(stranger, self.peer);
                self.begin = None;
            } else if begin.is_whole() {
                self.begin = None;
            }
        }
        let Some(Err((at, found))) = self.strict.as_mut().map(|strict| strict.look(come)) else { return };
        // Of what is no HTTP/1 at all, it has been said what it is.
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

    /// Notes that bytes have come.
    fn heard(&mut self) {
        if self.stage.is(BETWEEN_REQUESTS) {
            self.stage.set(READING_HEAD);
            self.head = Head::Begun(Box::pin(tokio::time::sleep(self.pace.head_max)));
        } else if matches!(self.head, Head::Silent(_)) {
            // A request that has begun is waited for, also by a server that stops.
            self.head = Head::Begun(Box::pin(tokio::time::sleep_until(self.first_head_until)));
        }
    }

    /// Waits on for a head; an error where it has taken too long.
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

    /// Passes on what came of a write; an error where the client has taken nothing for too long.
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
    /// Reads what a client sends on until it has seen the end, within limits.
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
            // The end.
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
