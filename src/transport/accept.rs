//! Accepts connections and assigns each to one of the threads that serve.
//!
//! gRPC clients open few connections and keep them. Two connections on one thread, while another thread has none, would halve
//! the throughput. So each new connection goes to the thread with the fewest connections. The operating system can distribute
//! them instead ([`Sockets::Each`]), which costs less if connections are many and short.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::repeated::Repeated;
use crate::transport::activity::Kind;
use crate::transport::connection::{Connection, ConnectionPermit, Opening, Stream};
use crate::transport::connections::Admitted;
pub use crate::transport::connections::ConnectionLimit;
use crate::transport::wrong_protocol::Peer;

/// Pause after a failed accept. The usual cause is a lack of file descriptors, which lasts for a while.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Most accepted connections that wait for one thread.
const QUEUE_CONNECTIONS_MAX: usize = 16;

/// The sockets of one listener, bound and non-blocking.
#[derive(Debug)]
pub enum Sockets {
    /// One TCP socket for each thread. The operating system distributes the connections.
    Each(Vec<std::net::TcpListener>),
    /// One TCP socket for all threads.
    Tcp(std::net::TcpListener),
    /// One unix socket for all threads.
    Unix(std::os::unix::net::UnixListener),
}

/// The connections of one thread.
pub type Incoming = ReceiverStream<io::Result<Connection>>;

/// The queue of connections to one thread.
#[derive(Debug, Clone)]
struct Queue {
    runtime: Handle,
    connections: mpsc::Sender<io::Result<Connection>>,
    /// Number of open connections of this listener on the thread.
    open: Arc<AtomicUsize>,
}

/// Accepts connections until the streams are dropped, which closes the sockets. Returns one stream for each runtime, in order.
///
/// At the limit an idle connection closes to admit the next one, or the next one waits. A socket for all threads is accepted
/// on the runtime of the caller, so that a busy thread delays no connection to another thread.
pub fn incoming(sockets: Sockets, runtimes: &[Handle], limit: &ConnectionLimit, opening: &Opening) -> Vec<Incoming> {
    let (mut queues, mut streams) = (Vec::new(), Vec::new());
    for runtime in runtimes {
        let (connections, stream) = mpsc::channel(QUEUE_CONNECTIONS_MAX);
        queues.push(Queue { runtime: runtime.clone(), connections, open: Arc::default() });
        streams.push(ReceiverStream::new(stream));
    }
    let accept = |socket, on: &Handle, queues: Vec<Queue>| {
        let accepting = Accepting { limit: limit.clone(), opening: opening.clone(), queues };
        on.spawn(accepting.run(socket));
    };
    let here = Handle::current();
    match sockets {
        Sockets::Each(sockets) => {
            for (socket, queue) in sockets.into_iter().zip(queues) {
                accept(Socket::Tcp(socket), &queue.runtime.clone(), vec![queue]);
            }
        }
        Sockets::Tcp(socket) => accept(Socket::Tcp(socket), &here, queues),
        Sockets::Unix(socket) => accept(Socket::Unix(socket), &here, queues),
    }
    streams
}

/// A socket that is not yet known to a runtime.
enum Socket {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// A socket of the runtime on which it is accepted.
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection that is not yet known to the runtime on which it will be served.
enum Accepted {
    Tcp(std::net::TcpStream, SocketAddr),
    Unix(std::os::unix::net::UnixStream),
}

impl Listener {
    fn of(socket: Socket) -> io::Result<Self> {
        Ok(match socket {
            Socket::Tcp(socket) => Self::Tcp(TcpListener::from_std(socket)?),
            Socket::Unix(socket) => Self::Unix(UnixListener::from_std(socket)?),
        })
    }

    async fn accept(&self) -> io::Result<Accepted> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // An answer is one small write: waiting to fill a packet would only delay it.
                stream.set_nodelay(true)?;
                Accepted::Tcp(stream.into_std()?, peer)
            }
            Self::Unix(listener) => Accepted::Unix(listener.accept().await?.0.into_std()?),
        })
    }
}

impl Accepted {
    fn on(self, runtime: &Handle) -> io::Result<(Stream, Peer)> {
        let _entered = runtime.enter();
        Ok(match self {
            Self::Tcp(stream, peer) => (Stream::Tcp(TcpStream::from_std(stream)?), Peer::Tcp(peer)),
            Self::Unix(stream) => (Stream::Unix(UnixStream::from_std(stream)?), Peer::Unix),
        })
    }
}

/// The task that accepts the connections of one socket.
struct Accepting {
    limit: ConnectionLimit,
    opening: Opening,
    /// Never empty.
    queues: Vec<Queue>,
}

impl Accepting {
    async fn run(self, socket: Socket) {
        let listener = match Listener::of(socket) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "cannot listen"),
        };
        let accepting = async {
            let failing: Repeated = Repeated::new();
            // First the connection and then its permit: a socket without callers must not hold one.
            loop {
                let accepted = match listener.accept().await {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        if let Some(others) = failing.happened() {
                            tracing::warn!(%error, others, "cannot accept connections");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                if let Some(failures) = failing.ended() {
                    tracing::info!(failures, "connections are accepted again");
                }
                let kind = match self.opening {
                    Opening::Http2(_) => Kind::Grpc,
                    Opening::Any => Kind::Http1,
                };
                let admitted = self.limit.admit(kind).await;
                if !self.give(accepted, admitted).await {
                    return;
                }
            }
        };
        // The queues of one listener close together, when the server stops.
        let closed = async {
            if let Some(queue) = self.queues.first() {
                queue.connections.closed().await;
            }
        };
        tokio::select! {
            () = accepting => {}
            () = closed => {}
        }
    }

    /// Assigns a connection to the thread with the fewest; says whether that thread still accepts connections.
    async fn give(&self, accepted: Accepted, among_all: Admitted) -> bool {
        let fewest = self.queues.iter().min_by_key(|queue| queue.open.load(Ordering::Relaxed));
        let Some(queue) = fewest else { return false };
        let permit = ConnectionPermit::new(among_all, &queue.open);
        let accepted = accepted.on(&queue.runtime);
        let connection = accepted.map(|(stream, peer)| Connection::new(stream, peer, &self.opening, permit));
        queue.connections.send(connection).await.is_ok()
    }
}
