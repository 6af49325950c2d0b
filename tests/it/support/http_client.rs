//! A client of HTTP/1.1 that sends any bytes, and reads responses as they come.
//!
//! Blocks: tests that use it run on several threads.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

use crate::support::wait::DEADLINE;

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    /// Returns a header; fails the test where there are several.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(other, _)| other == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "several {name} in {self:?}");
        value
    }

    /// Returns the body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails the test unless this is a refusal with this status, in both languages.
    #[track_caller]
    pub(crate) fn is_refusal(&self, status: u16) -> serde_json::Value {
        assert_eq!(self.status, status, "{self:?}");
        let body = self.json();
        assert_ne!(body["code"].as_i64().unwrap_or_default(), 0, "{self:?}");
        assert!(!body["message"].as_str().unwrap().is_empty(), "{self:?}");
        assert!(!body["details"].to_string().is_ascii(), "no Chinese in {self:?}");
        body
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection.
pub(crate) struct Client {
    stream: Stream,
    read: Vec<u8>,
}

impl Client {
    /// Connects to an address as a server writes it.
    pub(crate) fn connect(address: &str) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    pub(crate) fn try_connect(address: &str) -> io::Result<Self> {
        let stream = if let Some(path) = address.strip_prefix("unix:") {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            Stream::Unix(stream)
        } else {
            let stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            stream.set_nodelay(true)?;
            Stream::Tcp(stream)
        };
        Ok(Self { stream, read: Vec::new() })
    }

    /// Sends bytes; a server that has closed the connection does not hear them.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes.as_ref()),
            Stream::Unix(stream) => stream.write_all(bytes.as_ref()),
        };
    }

    /// Says that nothing more comes.
    pub(crate) fn finish(&self) {
        match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write).unwrap(),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write).unwrap(),
        }
    }

    /// Returns the next response; `None` where the connection ends without one.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Option<Response> {
        self.receive_to("GET")
    }

    /// Returns the next response, to a request with this method.
    #[track_caller]
    pub(crate) fn receive_to(&mut self, method: &str) -> Option<Response> {
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                let rest = self.read.split_off(end + 4);
                break std::mem::replace(&mut self.read, rest);
            }
            if !self.more() {
                assert!(self.read.is_empty(), "half a response: {:?}", String::from_utf8_lossy(&self.read));
                return None;
            }
        };
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status_line = lines.next().unwrap();
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {status_line}"));
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut response = Response { status, headers, body: String::new() };
        if status == 100 {
            return self.receive_to(method);
        }
        let length = response.header("content-length").map(|length| length.parse::<usize>().unwrap());
        assert!(response.header("transfer-encoding").is_none(), "{response:?}");
        let length = if method == "HEAD" { 0 } else { length.unwrap_or(0) };
        while self.read.len() < length {
            assert!(self.more(), "half a body: {response:?}");
        }
        let rest = self.read.split_off(length);
        response.body = String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
        Some(response)
    }

    /// Says whether the server has closed the connection, waiting for it.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.read.is_empty() && !self.more()
    }

    /// Sends a request and returns its response.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        self.send(request(method, path, headers, body));
        self.receive_to(method).expect("a response")
    }

    /// Reads more; `false` at the end of the connection.
    fn more(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        let count = match &mut self.stream {
            Stream::Tcp(stream) => stream.read(&mut buffer),
            Stream::Unix(stream) => stream.read(&mut buffer),
        };
        match count {
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                count != 0
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}"),
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Writes a request. A body gets its length, and nothing else is added but a host.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    use std::fmt::Write as _;

    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: server\r\n");
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    if !body.is_empty() || method == "POST" {
        write!(request, "content-length: {}\r\n", body.len()).unwrap();
    }
    request + "\r\n" + body
}

/// What says that a body is JSON.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// Asks on a connection of its own.
#[track_caller]
pub(crate) fn get(address: &str, path: &str) -> Response {
    Client::connect(address).ask("GET", path, &[], "")
}

/// Asks with a body of JSON, on a connection of its own.
#[track_caller]
pub(crate) fn post(address: &str, path: &str, body: &str) -> Response {
    Client::connect(address).ask("POST", path, &[JSON], body)
}
