//! A connection that was accepted, TCP or unix.
//!
//! A connection that does not begin to speak HTTP/2 would be held without end by the layers above,
//! which ping only those that have begun, and would hold up a server that stops: here it is cut off.
//! Those that speak HTTP/1.1 are paced by [`super::paced`].

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;

use super::accept::Place;

/// Bytes that every client of HTTP/2 sends first: RFC 9113, section 3.4.
const PREFACE_BYTES: usize = 24;

/// A connection, counted for as long as it is open.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// `None` once the preface has come.
    preface: Option<Preface>,
    _place: Place,
}

impl Connection {
    /// Returns a connection that holds its place until it is closed.
    pub(super) fn new(stream: Stream, opening: &Opening, place: Place) -> Self {
        let preface = match opening {
            Opening::Http2(patience) => Some(patience.preface()),
            Opening::Any => None,
        };
        Self { stream, preface, _place: place }
    }
}

/// A preface that has not come whole.
struct Preface {
    bytes_left: usize,
    /// Ends when it is not waited for any longer.
    patience: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl fmt::Debug for Preface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preface").field("bytes_left", &self.bytes_left).finish_non_exhaustive()
    }
}

/// How long a connection may be silent at its beginning.
#[derive(Debug, Clone)]
pub struct Patience {
    /// So long.
    pub preface_max: Duration,
    /// And no longer than until this turns true, or its sender is gone.
    pub draining: watch::Receiver<bool>,
}

impl Patience {
    fn preface(&self) -> Preface {
        let Self { preface_max, mut draining } = self.clone();
        let patience = async move {
            // Over time, drained, and a server that is gone are all the same.
            let _ = tokio::time::timeout(preface_max, draining.wait_for(|draining| *draining)).await;
        };
        Preface { bytes_left: PREFACE_BYTES, patience: Box::pin(patience) }
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
        let Some(preface) = &mut this.preface else { return read };
        preface.bytes_left = preface.bytes_left.saturating_sub(buffer.filled().len() - filled_before);
        if preface.bytes_left == 0 {
            this.preface = None;
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
