//! Everything about a request that does not change from one to the next, as bytes that are ready to be sent.

use crate::Res;
use crate::expect::Expectation;
use crate::http2::{DATA, END_HEADERS, END_STREAM, HEADERS, MAX_FRAME, write_frame};
use crate::payload::Payload;

/// The headers and messages of all requests.
pub struct Template {
    headers: Vec<(String, String)>,
    /// gRPC length-prefixed messages.
    messages: Vec<Vec<u8>>,
    expected: Vec<Vec<Expectation>>,
    exact: Option<Vec<u8>>,
}

impl Template {
    /// Prepares requests to a method; `exact`: the message that has to be answered, where it has to be just that.
    pub fn new(
        path: &str,
        authority: &str,
        extra: &[(String, String)],
        payloads: Vec<Payload>,
        exact: Option<Vec<u8>>,
    ) -> Res<Self> {
        let mut headers: Vec<(String, String)> = [
            (":path", path),
            (":authority", authority),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("user-agent", "pdp-load/0.1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        headers.extend_from_slice(extra);
        if headers.len() > 60 || headers.iter().any(|(name, value)| name.len() > 126 || value.len() > 1000) {
            return Err("too many or too long headers".into());
        }
        let messages = payloads.iter().map(|payload| with_prefix(&payload.message)).collect();
        let expected = payloads.into_iter().map(|payload| payload.expected).collect();
        Ok(Self { headers, messages, expected, exact })
    }

    /// Returns the length of the longest message, with its prefix.
    pub fn longest(&self) -> usize {
        self.messages.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Says whether anything is expected of the answer to a payload.
    pub fn expects(&self, payload: usize) -> bool {
        self.exact.is_some() || !self.expected[payload].is_empty()
    }

    /// Says whether a message is the expected answer to a payload.
    pub fn accepts(&self, payload: usize, answer: &[u8]) -> bool {
        self.exact.as_deref().is_none_or(|exact| exact == answer)
            && self.expected[payload].iter().all(|expectation| expectation.holds(answer))
    }

    /// Returns the header block. `first`: insert into the server's dynamic table. Later: refer to it.
    pub fn block(&self, first: bool, indexing: bool) -> Vec<u8> {
        let mut out = Vec::new();
        if first && !indexing {
            out.push(0x20); // dynamic table size update to 0: this server wants none
        }
        out.extend([0x83, 0x86]); // :method POST, :scheme http
        let count = self.headers.len();
        for (at, (name, value)) in self.headers.iter().enumerate() {
            if indexing && !first {
                out.push(0x80 | (62 + (count - 1 - at)) as u8);
                continue;
            }
            out.push(if indexing { 0x40 } else { 0 }); // literal, with or without indexing
            write_text(&mut out, name);
            write_text(&mut out, value);
        }
        out
    }

    /// Says whether the headers fit into a dynamic table of this many octets.
    pub fn fits(&self, table: usize) -> bool {
        table >= 4096 && self.headers.iter().map(|(name, value)| name.len() + value.len() + 32).sum::<usize>() <= 4096
    }

    /// Returns the requests, one for each payload; without a header block for a stream that goes on.
    pub fn requests(&self, block: Option<&[u8]>) -> Vec<Request> {
        self.messages.iter().map(|message| Request::new(block, message)).collect()
    }
}

/// A whole request as bytes, and where its stream ids go.
pub struct Request {
    pub bytes: Vec<u8>,
    pub ids: Vec<usize>,
    /// Octets that count against the server's flow-control windows.
    pub flow: i64,
}

impl Request {
    fn new(block: Option<&[u8]>, message: &[u8]) -> Self {
        let (mut bytes, mut ids) = (Vec::new(), Vec::new());
        if let Some(block) = block {
            ids.push(bytes.len() + 5);
            write_frame(&mut bytes, HEADERS, END_HEADERS, 0, block);
        }
        let mut chunks = message.chunks(MAX_FRAME).peekable();
        while let Some(chunk) = chunks.next() {
            ids.push(bytes.len() + 5);
            let ends = block.is_some() && chunks.peek().is_none();
            write_frame(&mut bytes, DATA, if ends { END_STREAM } else { 0 }, 0, chunk);
        }
        Self { bytes, ids, flow: message.len() as i64 }
    }
}

fn with_prefix(message: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    out.extend((message.len() as u32).to_be_bytes());
    out.extend(message);
    out
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.len();
    if rest < 127 {
        out.push(rest as u8);
    } else {
        out.push(127);
        rest -= 127;
        while rest >= 128 {
            out.push((rest % 128 + 128) as u8);
            rest /= 128;
        }
        out.push(rest as u8);
    }
    out.extend(text.as_bytes());
}
