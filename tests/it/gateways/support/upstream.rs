//! The server behind a gateway: accepts everything, and keeps the requests that reached it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request that reached the server.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    /// Its first line.
    pub(crate) line: String,
    /// Its headers, with names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Arrived {
    /// Returns the values of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Returns the names of the headers that begin like this.
    pub(crate) fn headers_like(&self, prefix: &str) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with(prefix)).collect()
    }
}

/// The requests that reached a server behind gateways.
#[derive(Debug, Default)]
struct Seen {
    arrived: Mutex<Vec<Arrived>>,
    /// Connections, whether or not anything came over them that could be read.
    connections: Mutex<usize>,
}

/// A server behind a gateway. Runs until the process of the tests ends, or it is dropped.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Upstream {
    /// Starts a server on a free port.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let held = Arc::downgrade(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), Some(seen)) = (stream, held.upgrade()) else { return };
                *seen.connections.lock().unwrap() += 1;
                std::thread::spawn(move || serve(&stream, &seen));
            }
        });
        Self { address, seen }
    }

    /// Returns its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns every request that has reached it, in order.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.seen.arrived.lock().unwrap().clone()
    }

    /// Returns how many connections have been made to it.
    pub(crate) fn connections(&self) -> usize {
        *self.seen.connections.lock().unwrap()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        // Wakes the accepting thread, which finds that its results are no longer read.
        self.seen = Arc::default();
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

/// Answers requests of one connection until it is closed or makes no sense.
fn serve(stream: &TcpStream, seen: &Seen) {
    let mut reader = BufReader::new(stream);
    while let Some(arrived) = read(&mut reader) {
        seen.arrived.lock().unwrap().push(arrived);
        // A header of ours, forged: a gateway has to put the true one in its place.
        let answer = "HTTP/1.1 200 OK\r\nx-neglist-outcome: forged\r\ncontent-length: 7\r\n\r\narrived";
        if (&*stream).write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Arrived> {
    let line = text_line(reader)?;
    let mut headers = Vec::new();
    loop {
        let line = text_line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut arrived = Arrived { line, headers, body: Vec::new() };
    let length = arrived.header("content-length").first().and_then(|length| length.parse().ok());
    if arrived.header("transfer-encoding") == ["chunked"] {
        loop {
            let size = usize::from_str_radix(&text_line(reader)?, 16).ok()?;
            let mut chunk = vec![0; size];
            reader.read_exact(&mut chunk).ok()?;
            text_line(reader)?;
            if size == 0 {
                break;
            }
            arrived.body.extend(chunk);
        }
    } else {
        arrived.body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut arrived.body).ok()?;
    }
    Some(arrived)
}

fn text_line(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok().filter(|read| *read != 0)?;
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}
