//! A connection that was accepted, TCP or unix.
//!
//! A connection that does not begin to speak HTTP/2 would be held without end by the layers above,
//! which ping only those that have begun, and would hold up a server that stops: here it is cut off.
//! Those that speak HTTP/1.1 are paced by [`crate::transport::slow_client`].

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
use crate::transport::wrong_protocol::{Peer, Stranger, Strangers};

/// Bytes that every client of HTTP/2 sends first: RFC 9113, section 3.4.
const PREFACE_BYTES: usize = 24;

/// A connection, counted for as long as it is open.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// `None` once the preface has come.
    preface: Option<Preface>,
    /// Whether it has begun to speak: the preface has come, or anything where there is none.
    has_spoken: bool,
    peer: Peer,
    permit: ConnectionPermit,
}

impl Connection {
    /// Returns a connection that holds its permit until it is closed.
    pub(super) fn new(stream: Stream, peer: Peer, opening: &Opening, permit: ConnectionPermit) -> Self {
        let preface = match opening {
            Opening::Http2(patience) => Some(patience.preface()),
            Opening::Any => None,
        };
        Self { stream, preface, has_spoken: false, peer, permit }
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

    /// Returns the other end.
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

/// A preface that has not come whole.
struct Preface {
    /// What came of it, in its first bytes.
    seen: [u8; PREFACE_BYTES],
    bytes: usize,
    /// Where a stranger is told of; `None` once one was.
    strangers: Option<Strangers>,
    /// Ends when it is not waited for any longer.
    patience: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl fmt::Debug for Preface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preface").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// How long a connection may be silent at its beginning.
#[derive(Debug, Clone)]
pub struct Patience {
    /// So long.
    pub preface_max: Duration,
    /// And no longer than until this turns true, or its sender is gone.
    pub draining: watch::Receiver<bool>,
    /// Where those are told of that do not speak HTTP/2.
    pub strangers: Strangers,
}

impl Patience {
    fn preface(&self) -> Preface {
        let Self { preface_max, mut draining, strangers } = self.clone();
        let patience = async move {
            // Over time, drained, and a server that is gone are all the same.
            let _ = tokio::time::timeout(preface_max, draining.wait_for(|draining| *draining)).await;
        };
        let strangers = Some(strangers);
        Preface { seen: [0; PREFACE_BYTES], bytes: 0, strangers, patience: Box::pin(patience) }
    }
}

impl Preface {
    /// Looks at what has come; says whether it is enough of it.
    fn look(&mut self, come: &[u8], peer: Peer) -> bool {
        for (place, byte) in self.seen.iter_mut().skip(self.bytes).zip(come) {
            *place = *byte;
        }
        self.bytes = self.bytes.saturating_add(come.len()).min(PREFACE_BYTES);
        let stranger = self.seen.get(..self.bytes).and_then(Stranger::of);
        if let Some((stranger, strangers)) = stranger.and_then(|stranger| Some((stranger, self.strangers.take()?))) {
            strangers.tell(stranger, peer);
        }
        self.bytes == PREFACE_BYTES
    }
}

/// What bytes come and go on.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// How a connection begins.
#[derive(Debug, Clone)]
pub enum Opening {
    /// With the preface of HTTP/2, and this patience for it.
    Http2(Patience),
    /// Whoever reads from it sees to it.
    Any,
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled_before = buffer.filled().len();
        let read = match &mut this.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        let Some(preface) = &mut this.preface else {
            if filled_before < buffer.filled().len() {
                this.speaks();
            }
            return read;
        };
        if preface.look(buffer.filled().get(filled_before..).unwrap_or_default(), this.peer) {
            this.preface = None;
            this.speaks();
            return read;
        }
        // What has come is read first: only who is silent is cut off.
        if read.is_pending() && preface.patience.as_mut().poll(cx).is_ready() {
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

    /// HTTP/2 gathers small frames in one buffer and writes them together. Where slices could be gathered too it would
    /// leave out payloads of 256 bytes and more, which most answers are, and write each of those by itself.
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
