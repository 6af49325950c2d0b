//! A client of a gateway: sends bytes as they are, and reads one answer of HTTP/1.1.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::support::wait::DEADLINE;

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// Status code.
    pub(crate) status: u16,
    /// Headers, with names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Returns the value of a header that is there once; empty where it is not there.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let found: Vec<_> = self.headers.iter().filter(|(known, _)| known == name).collect();
        assert!(found.len() <= 1, "{name} stands several times: {:?}", self.headers);
        found.first().map_or("", |(_, value)| value)
    }

    /// Returns the body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Returns the body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection to a gateway.
#[derive(Debug)]
pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self::try_to(address).unwrap()
    }

    /// Connects, where anybody listens.
    pub(crate) fn try_to(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&address, DEADLINE).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Some(Self { reader: BufReader::new(stream) })
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        // A gateway that closes the connection early has answered already, or the missing answer fails below.
        let _ = self.reader.get_mut().write_all(bytes);
    }

    /// Reads an answer; `None` where the connection ends without one.
    pub(crate) fn reply(&mut self) -> Option<Reply> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {line}"));
        let mut headers: Vec<(String, String)> = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no header: {line}"));
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut reply = Reply { status, headers, body: Vec::new() };
        if reply.header("transfer-encoding") == "chunked" {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).unwrap();
                let mut chunk = vec![0; size];
                self.reader.read_exact(&mut chunk).ok()?;
                self.line()?;
                if size == 0 {
                    break;
                }
                reply.body.extend(chunk);
            }
        } else if let Ok(length) = reply.header("content-length").parse() {
            reply.body = vec![0; length];
            self.reader.read_exact(&mut reply.body).ok()?;
        }
        Some(reply)
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let read = self.reader.read_until(b'\n', &mut line);
        read.ok().filter(|read| *read != 0)?;
        Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// A request, to be put together.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// Method and target: `POST /upload`.
    pub(crate) line: String,
    /// `Host`.
    pub(crate) host: String,
    /// Other headers, whose values are bytes.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Ask {
    /// Returns a request without a body.
    pub(crate) fn new(line: &str, host: &str) -> Self {
        Self { line: line.to_owned(), host: host.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Adds a body.
    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        Self { body, ..self.with("content-length", length) }
    }

    /// Returns the bytes to send.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} HTTP/1.1\r\nhost: {}\r\n", self.line, self.host).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }

    /// Sends it over a connection of its own and returns the answer.
    #[track_caller]
    pub(crate) fn send(&self, address: SocketAddr) -> Reply {
        let mut connection = Connection::to(address);
        connection.send(&self.bytes());
        connection.reply().unwrap_or_else(|| panic!("no answer to {self:?}"))
    }
}
