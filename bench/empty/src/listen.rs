//! Where a server listens: as many sockets as there are runtimes, all on one address.

use std::error::Error;
use std::fs;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::num::NonZeroUsize;
use std::os::unix::net::UnixListener;

use clap::Parser;
use socket2::{Domain, Socket, Type};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// The command line of both servers.
#[derive(Debug, Parser)]
pub struct Args {
    /// host:port, or unix:/path; port 0 takes a free one (repeatable)
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: Vec<String>,
    /// Threads that serve
    #[arg(long, default_value = "1")]
    pub cores: NonZeroUsize,
}

/// A listener, not yet part of any runtime.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// A unix socket.
    Unix(UnixListener),
}

/// Returns the listeners of each of `count` runtimes, and prints where they listen.
///
/// # Errors
/// Where one cannot be bound.
pub fn bind(addresses: &[String], count: usize) -> Result<Vec<Vec<Listener>>, Box<dyn Error>> {
    let mut of_runtimes: Vec<Vec<Listener>> = (0..count).map(|_| Vec::new()).collect();
    for address in addresses {
        let listeners = match address.strip_prefix("unix:") {
            Some(path) => unix(path, count)?,
            None => tcp(address, count)?,
        };
        for (listener, of_runtime) in listeners.into_iter().zip(&mut of_runtimes) {
            of_runtime.push(listener);
        }
    }
    Ok(of_runtimes)
}

/// The kernel spreads connections over sockets that share a port.
fn tcp(address: &str, count: usize) -> Result<Vec<Listener>, Box<dyn Error>> {
    let mut address: SocketAddr = address.to_socket_addrs()?.next().ok_or("the name has no address")?;
    let mut listeners = Vec::new();
    for _ in 0..count {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = std::net::TcpListener::from(socket);
        // Port 0 took a free one; the others share it.
        address = listener.local_addr()?;
        listeners.push(Listener::Tcp(listener));
    }
    println!("listening grpc {address}");
    Ok(listeners)
}

/// Unix sockets do not share a path: all runtimes accept from one.
fn unix(path: &str, count: usize) -> Result<Vec<Listener>, Box<dyn Error>> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    println!("listening grpc unix:{path}");
    (0..count).map(|_| Ok(Listener::Unix(listener.try_clone()?))).collect()
}

/// Serves on all of them until one fails.
///
/// # Errors
/// Where one fails.
pub async fn serve(listeners: Vec<Listener>) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut servers = tokio::task::JoinSet::new();
    for listener in listeners {
        let server = tonic::transport::Server::builder().add_service(crate::Empty::service());
        match listener {
            Listener::Tcp(listener) => {
                let incoming =
                    tonic::transport::server::TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?);
                servers.spawn(server.serve_with_incoming(incoming.with_nodelay(Some(true))));
            }
            Listener::Unix(listener) => {
                let listener = tokio::net::UnixListener::from_std(listener)?;
                let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
                servers.spawn(server.serve_with_incoming(incoming));
            }
        }
    }
    while let Some(ended) = servers.join_next().await {
        ended??;
    }
    Ok(())
}
