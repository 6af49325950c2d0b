//! An accepted connection, TCP or unix.
//!
//! The HTTP/2 library pings only connections that have sent the preface. A connection without a preface would stay open for
//! ever and delay a server that stops, so it is closed here. [`crate::transport::slow_client`] limits slow HTTP/1.1 clients.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;

use crate::transport::activity::Activity;
use crate::transport::connections::Admitted;
use crate::transport::turn::Turn;
use crate::transport::wrong_protocol::{Peer, Stranger, Strangers};

/// Bytes that every client of HTTP/2 sends first: RFC 9113, section 3.4.
const PREFACE_BYTES: usize = 24;

/// A connection, counted for as long as it is open.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// `None` once the preface has arrived, or if the protocol has none.
    preface: Option<Preface>,
    /// Whether the client has spoken: by the preface, or by its first byte if the protocol has no preface.
    has_spoken: bool,
    turn: Turn,
    peer: Peer,
    permit: ConnectionPermit,
}

impl Connection {
    /// Returns a connection that holds its permit until it is closed.
    pub(super) fn new(stream: Stream, peer: Peer, opening: &Opening, permit: ConnectionPermit) -> Self {
        let preface = match opening {
            Opening::Http2(wait) => Some(wait.preface()),
            Opening::Any => None,
        };
        Self { stream, preface, has_spoken: false, turn: Turn::default(), peer, permit }
    }

    /// Returns the record of its calls.
    pub(super) fn activity(&self) -> Activity {
        self.permit.activity().clone()
    }

    fn speaks(&mut self) {
        if !self.has_spoken {
            self.has_spoken = true;
            self.permit.activity().speaks();
        }
    }

    /// Returns the address of the client.
    pub(super) const fn peer(&self) -> Peer {
        self.peer
    }
}

/// The permit of an open connection: counts it among all connections and on its thread.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    among_all: Admitted,
    on_thread: Arc<AtomicUsize>,
}

impl ConnectionPermit {
    /// Counts an admitted connection on its thread.
    pub(super) fn new(among_all: Admitted, on_thread: &Arc<AtomicUsize>) -> Self {
        // Relaxed: no other memory is published through this counter.
        on_thread.fetch_add(1, Ordering::Relaxed);
        Self { among_all, on_thread: Arc::clone(on_thread) }
    }

    /// Returns the record of the calls of the connection.
    const fn activity(&self) -> &Activity {
        self.among_all.activity()
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.on_thread.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A preface that is not complete.
struct Preface {
    /// The first bytes of the connection; `bytes` of them have arrived.
    seen: [u8; PREFACE_BYTES],
    bytes: usize,
    /// The log of clients with another protocol; `None` once this client is in it.
    strangers: Option<Strangers>,
    /// Completes when the wait is over.
    wait: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl fmt::Debug for Preface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preface").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// The wait for the preface of a connection: its limit, its early end, and the log of clients that do not send one.
#[derive(Debug, Clone)]
pub struct PrefaceWait {
    /// The longest time.
    pub preface_max: Duration,
    /// Ends the wait when it turns true or its sender is dropped.
    pub draining: watch::Receiver<bool>,
    /// The log of clients that do not speak HTTP/2.
    pub strangers: Strangers,
}

impl PrefaceWait {
    fn preface(&self) -> Preface {
        let Self { preface_max, mut draining, strangers } = self.clone();
        let wait = async move {
            // Time-out, shutdown and a dropped sender all end the wait.
            let _ = tokio::time::timeout(preface_max, draining.wait_for(|draining| *draining)).await;
        };
        let strangers = Some(strangers);
        Preface { seen: [0; PREFACE_BYTES], bytes: 0, strangers, wait: Box::pin(wait) }
    }
}

impl Preface {
    /// Reads the bytes that have arrived; says whether the preface is complete.
    fn read(&mut self, arrived: &[u8], peer: Peer) -> bool {
        for (seen, byte) in self.seen.iter_mut().skip(self.bytes).zip(arrived) {
            *seen = *byte;
        }
        self.bytes = self.bytes.saturating_add(arrived.len()).min(PREFACE_BYTES);
        let stranger = self.seen.get(..self.bytes).and_then(Stranger::of);
        if let Some((stranger, strangers)) = stranger.and_then(|stranger| Some((stranger, self.strangers.take()?))) {
            strangers.tell(stranger, peer);
        }
        self.bytes == PREFACE_BYTES
    }
}

/// The socket of a connection.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The first bytes that a client has to send.
#[derive(Debug, Clone)]
pub enum Opening {
    /// The preface of HTTP/2, within this wait.
    Http2(PrefaceWait),
    /// Any bytes. The reader of the connection limits the wait.
    Any,
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.turn.is_over(cx) {
            return Poll::Pending;
        }
        let filled_before = buffer.filled().len();
        let read = match &mut this.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        this.turn.has_read(buffer.filled().len() - filled_before);
        let Some(preface) = &mut this.preface else {
            if filled_before < buffer.filled().len() {
                this.speaks();
            }
            return read;
        };
        if preface.read(buffer.filled().get(filled_before..).unwrap_or_default(), this.peer) {
            this.preface = None;
            this.speaks();
            return read;
        }
        // Bytes that have arrived are read first: only a silent connection is closed.
        if read.is_pending() && preface.wait.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    /// Without vectored writes, HTTP/2 copies small frames into one buffer and writes them together. With them it would write
    /// each payload of 256 bytes or more by itself, and most answers are as long.
    fn is_write_vectored(&self) -> bool {
        false
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
