//! Binds listeners: TCP sockets, and unix sockets whose files are removed at the end.
//!
//! Binding and listening are two steps. A server learns early that an address is not available. It does not listen before it
//! can answer: until then no handshake completes, and the system refuses clients. The mode of a unix socket is set before the
//! socket listens, so that no client connects without permission.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::config::address::Address;
use crate::transport::accept::Sockets;

/// Connections that may wait to be accepted; the operating system may allow fewer.
const BACKLOG: i32 = 1_024;

/// Who may reach a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Any client that the network lets through.
    Anyone,
    /// This machine only.
    ThisMachine,
}

/// A listener that is bound and does not listen yet.
#[derive(Debug)]
pub struct Bound {
    /// Its sockets.
    pub sockets: Sockets,
    /// Its address, with the port that the system chose for port 0.
    pub address: Address,
    /// The file of a unix socket; removed when it is dropped.
    pub file: Option<SocketFile>,
}

impl Bound {
    /// Begins to listen. From now on connections wait to be accepted.
    ///
    /// # Errors
    /// Another process has taken the address meanwhile.
    pub fn listen(&self) -> Result<(), ListenError> {
        let failed = |error| ListenError::System { address: self.address.clone(), error };
        if self.file.as_ref().is_some_and(|file| !file.is_ours()) {
            return Err(ListenError::Occupied(self.address.clone()));
        }
        match &self.sockets {
            Sockets::Each(sockets) => {
                let address = sockets.first().map(TcpListener::local_addr).transpose().map_err(failed)?;
                // If ports are shared, the second of two servers that start at the same time would not fail.
                address.map(|address| bind_one(address, Port::Ours)).transpose().map_err(failed)?;
                sockets.iter().try_for_each(|socket| SockRef::from(socket).listen(BACKLOG)).map_err(failed)
            }
            Sockets::Tcp(socket) => SockRef::from(socket).listen(BACKLOG).map_err(failed),
            Sockets::Unix(socket) => SockRef::from(socket).listen(BACKLOG).map_err(failed),
        }
    }
}

/// Why a listener cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address may not be used for this.
    #[error(
        "the admin listener may not be on `{address}`: it leads to {found}, which others can reach; use a loopback address or a unix socket"
    )]
    Remote {
        /// As configured.
        address: Address,
        /// The address that it resolves to.
        found: SocketAddr,
    },
    /// Another server is there.
    #[error("cannot listen on `{0}`: another process listens there; stop it or choose another path")]
    Occupied(Address),
    /// A file that is no socket has the path.
    #[error("cannot listen on `{0}`: the file there is not a socket; remove it or choose another path")]
    NotASocket(Address),
    /// Any other error of the system.
    #[error("cannot listen on `{address}`: {error}")]
    System {
        /// As configured.
        address: Address,
        /// The error of the system.
        error: io::Error,
    },
}

/// The distribution of connections to the threads that serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Each connection goes to the thread with the fewest connections.
    Fewest,
    /// The operating system distributes them to this number of threads. TCP only.
    ReusePort(usize),
}

/// Binds a listener.
///
/// # Errors
/// The address is not allowed, is in use, or cannot be bound.
pub async fn bind(
    address: &Address,
    reach: Reach,
    spread: Spread,
    unix_socket_mode: u32,
) -> Result<Bound, ListenError> {
    match address {
        Address::Tcp { host, port } => bind_tcp(address, host, *port, reach, spread).await,
        Address::Unix(path) => bind_unix(address, path, unix_socket_mode),
    }
}

async fn bind_tcp(
    address: &Address,
    host: &str,
    port: u16,
    reach: Reach,
    spread: Spread,
) -> Result<Bound, ListenError> {
    let failed = |error| ListenError::System { address: address.clone(), error };
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await.map_err(failed)?.collect();
    // Every address of a name must belong to this machine: any of them may be bound.
    if let Some(found) = found.iter().find(|found| reach == Reach::ThisMachine && !found.ip().is_loopback()) {
        return Err(ListenError::Remote { address: address.clone(), found: *found });
    }
    let sockets = bind_first(&found, spread).map_err(failed)?;
    let local = match &sockets {
        Sockets::Each(sockets) => sockets.first().map(TcpListener::local_addr).transpose().map_err(failed)?,
        Sockets::Tcp(socket) => Some(socket.local_addr().map_err(failed)?),
        Sockets::Unix(_) => None,
    };
    let local = local.ok_or_else(|| failed(io::ErrorKind::AddrNotAvailable.into()))?;
    let address = Address::Tcp { host: local.ip().to_string(), port: local.port() };
    Ok(Bound { sockets, address, file: None })
}

/// Binds the first address that is available.
fn bind_first(addresses: &[SocketAddr], spread: Spread) -> io::Result<Sockets> {
    let mut refused: io::Error = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        let bound = match spread {
            Spread::Fewest | Spread::ReusePort(0 | 1) => bind_one(*address, Port::Ours).map(Sockets::Tcp),
            Spread::ReusePort(count) => bind_each(*address, count).map(Sockets::Each),
        };
        match bound {
            Ok(sockets) => return Ok(sockets),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Binds several sockets to one address.
fn bind_each(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    // If ports are shared, a second server on the same port would not fail: it would receive a part of the connections. So the
    // port has to be free for a socket that does not share it.
    drop(bind_one(address, Port::Ours)?);
    let first = bind_one(address, Port::Shared)?;
    // For port 0 the system chooses a port with the first socket.
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    while sockets.len() < count {
        sockets.push(bind_one(address, Port::Shared)?);
    }
    Ok(sockets)
}

/// Whether other sockets may bind the same port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Ours,
    Shared,
}

fn bind_one(address: SocketAddr, port: Port) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // The port of a server that has just stopped is available at once.
    socket.set_reuse_address(true)?;
    if port == Port::Shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn bind_unix(address: &Address, path: &Path, mode: u32) -> Result<Bound, ListenError> {
    let failed = |error| ListenError::System { address: address.clone(), error };
    remove_stale(address, path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    socket.bind(&SockAddr::unix(path).map_err(failed)?).map_err(failed)?;
    let file = SocketFile::of(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
    Ok(Bound { sockets: Sockets::Unix(socket.into()), address: address.clone(), file: Some(file) })
}

/// Removes the socket of a server that ended without removing it, and nothing else.
fn remove_stale(address: &Address, path: &Path) -> Result<(), ListenError> {
    let failed = |error| ListenError::System { address: address.clone(), error };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NotASocket(address.clone()));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ListenError::Occupied(address.clone())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

/// The file of a unix socket that this process made.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }

    /// Says whether the file exists and is the one that this process made.
    fn is_ours(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    /// Removes the file, unless another server has replaced it.
    fn drop(&mut self) {
        if self.is_ours() {
            // An error means that the file is gone already.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(path: &Path) -> Address {
        Address::Unix(path.to_owned())
    }

    #[tokio::test]
    async fn a_free_port_is_taken_and_reported() {
        let address = Address::parse("127.0.0.1:0").unwrap();
        let bound = bind(&address, Reach::ThisMachine, Spread::Fewest, 0o660).await.unwrap();
        let Address::Tcp { host, port } = &bound.address else { panic!("{:?}", bound.address) };
        assert_eq!(host, "127.0.0.1");
        assert_ne!(*port, 0);
        bound.listen().unwrap();
        let again = bind(&bound.address, Reach::Anyone, Spread::Fewest, 0o660).await.unwrap_err();
        assert!(again.to_string().contains("cannot listen on `127.0.0.1:"), "{again}");
    }

    #[tokio::test]
    async fn several_sockets_share_a_port_that_no_other_process_has() {
        let address = Address::parse("127.0.0.1:0").unwrap();
        let bound = bind(&address, Reach::Anyone, Spread::ReusePort(3), 0o660).await.unwrap();
        let Sockets::Each(sockets) = &bound.sockets else { panic!("{:?}", bound.sockets) };
        let ports: Vec<u16> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        let Address::Tcp { port, .. } = &bound.address else { panic!("{:?}", bound.address) };
        assert_eq!(ports, [*port; 3]);
        bound.listen().unwrap();
        let second = bind(&bound.address, Reach::Anyone, Spread::ReusePort(3), 0o660).await.unwrap_err();
        assert!(second.to_string().contains("in use"), "{second}");
    }

    #[tokio::test]
    async fn the_admin_listener_is_on_this_machine_only() {
        let address = Address::parse("0.0.0.0:0").unwrap();
        let refused = bind(&address, Reach::ThisMachine, Spread::Fewest, 0o660).await.unwrap_err();
        assert!(matches!(refused, ListenError::Remote { .. }), "{refused}");
        assert!(bind(&address, Reach::Anyone, Spread::Fewest, 0o660).await.is_ok());
    }

    #[tokio::test]
    async fn a_socket_has_its_mode_and_goes_with_its_server() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let bound = bind(&unix(&path), Reach::Anyone, Spread::Fewest, 0o600).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // Its mode is set, and no client can connect.
        assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        bound.listen().unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        let occupied = bind(&unix(&path), Reach::Anyone, Spread::Fewest, 0o600).await.unwrap_err();
        assert!(matches!(occupied, ListenError::Occupied(_)), "{occupied}");
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn b18_no_client_connects_before_a_listener_listens() {
        for spread in [Spread::Fewest, Spread::ReusePort(2)] {
            let address = Address::parse("127.0.0.1:0").unwrap();
            let bound = bind(&address, Reach::Anyone, spread, 0o660).await.unwrap();
            let connect = || std::net::TcpStream::connect(bound.address.to_string());
            assert_eq!(connect().unwrap_err().kind(), io::ErrorKind::ConnectionRefused, "{spread:?}");
            bound.listen().unwrap();
            assert!(connect().is_ok(), "{spread:?}");
        }
    }

    #[tokio::test]
    async fn b18_of_two_servers_that_start_at_once_the_second_fails() {
        for spread in [Spread::Fewest, Spread::ReusePort(2)] {
            let first = bind(&Address::parse("127.0.0.1:0").unwrap(), Reach::Anyone, spread, 0o660).await.unwrap();
            let second = bind(&first.address, Reach::Anyone, spread, 0o660).await;
            first.listen().unwrap();
            let refused = second.and_then(|second| second.listen()).unwrap_err();
            assert!(refused.to_string().contains("in use"), "{spread:?}: {refused}");
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let address = unix(&path);
        let bind = || bind(&address, Reach::Anyone, Spread::Fewest, 0o660);
        // A socket that does not listen yet looks like one that a server has left behind.
        let (first, second) = (bind().await.unwrap(), bind().await.unwrap());
        assert!(matches!(first.listen().unwrap_err(), ListenError::Occupied(_)));
        second.listen().unwrap();
        drop(first);
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_file_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let bound = bind(&unix(&path), Reach::Anyone, Spread::Fewest, 0o660).await.unwrap();

        // The socket of another server with the same path stays.
        fs::remove_file(&path).unwrap();
        let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(bound);
        assert!(path.exists());

        let file = directory.path().join("file");
        fs::write(&file, "precious").unwrap();
        let refused = bind(&unix(&file), Reach::Anyone, Spread::Fewest, 0o660).await.unwrap_err();
        assert!(matches!(refused, ListenError::NotASocket(_)), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    }
}
