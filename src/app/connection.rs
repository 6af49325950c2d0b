//! Connections of several listeners, TCP and unix, as one stream for one server.
//!
//! A connection that does not begin to speak HTTP/2 would be held without end by the layers above,
//! which ping only those that have begun, and would hold up a server that stops: here it is cut off.
//! Those that speak HTTP/1.1 are paced by [`super::paced`].

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

/// Pause after a failed accept: the usual cause, no free file descriptor, takes a while to pass.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bytes that every client of HTTP/2 sends first: RFC 9113, section 3.4.
const PREFACE_BYTES: usize = 24;

/// A socket that listens.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(UnixListener),
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Somebody at an address.
    Tcp(SocketAddr),
    /// A process of this machine; its user, where the system tells.
    Unix(Option<u32>),
}

/// A connection, counted for as long as it is open.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    peer: Peer,
    /// `None` once the preface has come.
    preface: Option<Preface>,
    _permit: OwnedSemaphorePermit,
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

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

/// How a connection begins.
#[derive(Debug, Clone)]
pub enum Opening {
    /// With the preface of HTTP/2, and this patience for it.
    Http2(Patience),
    /// Whoever reads from it sees to it.
    Any,
}

/// The connections that may be open on some listeners together.
#[derive(Debug, Clone)]
pub struct ConnectionLimit {
    places: Arc<Semaphore>,
    max: usize,
}

impl ConnectionLimit {
    /// Returns a limit; clones share it.
    pub fn new(connections_max: usize) -> Self {
        let max = connections_max.min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(max)), max }
    }

    /// Returns how many are open.
    pub fn open(&self) -> usize {
        self.max.saturating_sub(self.places.available_permits())
    }
}

/// Accepts connections of all sockets until the stream is dropped, which closes the sockets.
///
/// Must be called within a runtime. Beyond the limit the next connection waits.
pub fn incoming(
    sockets: Vec<Socket>,
    limit: &ConnectionLimit,
    opening: &Opening,
) -> ReceiverStream<io::Result<Connection>> {
    let (connections, stream) = mpsc::channel(1);
    for socket in sockets {
        tokio::spawn(accept(socket, limit.places.clone(), opening.clone(), connections.clone()));
    }
    ReceiverStream::new(stream)
}

async fn accept(
    socket: Socket,
    limit: Arc<Semaphore>,
    opening: Opening,
    connections: mpsc::Sender<io::Result<Connection>>,
) {
    let accepting = async {
        loop {
            // First the connection and then its permit: a socket on which nobody knocks must not hold one.
            let (stream, peer) = match socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = limit.clone().acquire_owned().await else { return };
            let preface = match &opening {
                Opening::Http2(patience) => Some(patience.preface()),
                Opening::Any => None,
            };
            let connection = Connection { stream, peer, preface, _permit: permit };
            if connections.send(Ok(connection)).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = connections.closed() => {}
    }
}

impl Socket {
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // An answer is one small write: waiting to fill a packet would only delay it.
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), Peer::Tcp(address)))
            }
            Socket::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred().ok().map(|credentials| credentials.uid());
                Ok((Stream::Unix(stream), Peer::Unix(user)))
            }
        }
    }
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

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Unix(stream) => stream.is_write_vectored(),
        }
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
