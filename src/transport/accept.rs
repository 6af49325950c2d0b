//! Accepts connections and gives each to one of the threads that serve, which keeps it.
//!
//! Clients of gRPC open few connections and keep them: two of them on one thread, while another has none, would halve
//! what the server can do. So each new one goes to the thread with the fewest, unless the operating system shares them
//! out ([`Sockets::Each`]), which costs less where connections are many and short.

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

/// Pause after a failed accept: the usual cause, no free file descriptor, takes a while to pass.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepted connections that may wait for their thread to take them.
const LANE_CONNECTIONS: usize = 16;

/// The sockets of one listener: bound, and not blocking.
#[derive(Debug)]
pub enum Sockets {
    /// One for each thread; the operating system shares the connections out.
    Each(Vec<std::net::TcpListener>),
    /// One for all threads.
    Tcp(std::net::TcpListener),
    /// One for all threads.
    Unix(std::os::unix::net::UnixListener),
}

/// Connections for one thread.
pub type Incoming = ReceiverStream<io::Result<Connection>>;

/// The way of connections to one thread.
#[derive(Debug, Clone)]
struct Lane {
    runtime: Handle,
    connections: mpsc::Sender<io::Result<Connection>>,
    /// Connections of this listener that the thread has.
    open: Arc<AtomicUsize>,
}

/// Accepts connections until the streams are dropped, which closes the sockets. One stream for each runtime, in order.
///
/// Beyond the limit the next connection takes the place of an idle one, or waits. A socket for all threads is accepted on the runtime of the caller, so
/// that a thread that is busy keeps nobody from the others.
pub fn incoming(sockets: Sockets, runtimes: &[Handle], limit: &ConnectionLimit, opening: &Opening) -> Vec<Incoming> {
    let (mut lanes, mut streams) = (Vec::new(), Vec::new());
    for runtime in runtimes {
        let (connections, stream) = mpsc::channel(LANE_CONNECTIONS);
        lanes.push(Lane { runtime: runtime.clone(), connections, open: Arc::default() });
        streams.push(ReceiverStream::new(stream));
    }
    let accept = |socket, on: &Handle, lanes: Vec<Lane>| {
        let accepting = Accepting { limit: limit.clone(), opening: opening.clone(), lanes };
        on.spawn(accepting.run(socket));
    };
    let here = Handle::current();
    match sockets {
        Sockets::Each(sockets) => {
            for (socket, lane) in sockets.into_iter().zip(lanes) {
                accept(Socket::Tcp(socket), &lane.runtime.clone(), vec![lane]);
            }
        }
        Sockets::Tcp(socket) => accept(Socket::Tcp(socket), &here, lanes),
        Sockets::Unix(socket) => accept(Socket::Unix(socket), &here, lanes),
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

/// What accepts the connections of one socket.
struct Accepting {
    limit: ConnectionLimit,
    opening: Opening,
    /// Never none.
    lanes: Vec<Lane>,
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
                        // What is missing is missing for a while.
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
        // The lanes of one listener end together, when the server stops.
        let closed = async {
            if let Some(lane) = self.lanes.first() {
                lane.connections.closed().await;
            }
        };
        tokio::select! {
            () = accepting => {}
            () = closed => {}
        }
    }

    /// Gives a connection to the thread with the fewest; says whether there is still one that takes any.
    async fn give(&self, accepted: Accepted, among_all: Admitted) -> bool {
        let fewest = self.lanes.iter().min_by_key(|lane| lane.open.load(Ordering::Relaxed));
        let Some(lane) = fewest else { return false };
        let permit = ConnectionPermit::new(among_all, &lane.open);
        let accepted = accepted.on(&lane.runtime);
        let connection = accepted.map(|(stream, peer)| Connection::new(stream, peer, &self.opening, permit));
        lane.connections.send(connection).await.is_ok()
    }
}
