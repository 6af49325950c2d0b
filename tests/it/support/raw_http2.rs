//! A client of HTTP/2 that writes frames as a test likes, and reads frames as they come.
//!
//! Blocks: tests that use it run on several threads. Headers are written as literals; those of answers are not read.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::wait::DEADLINE;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// `SETTINGS_INITIAL_WINDOW_SIZE`.
pub(crate) const WINDOW: u16 = 4;

/// A frame that the server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Says whether nothing follows on its stream.
    pub(crate) fn is_end(&self) -> bool {
        [DATA, HEADERS].contains(&self.kind) && self.flags & END_STREAM != 0
    }
}

/// Returns the bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Whether something follows on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    More,
    End,
}

impl Then {
    fn flag(self) -> u8 {
        u8::from(self == Then::End) * END_STREAM
    }
}

/// Returns the headers that begin a call of gRPC; `more`: names and values besides.
pub(crate) fn begin(stream: u32, path: &str, more: &[(&str, &str)], then: Then) -> Vec<u8> {
    let fixed = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    // Pseudo-headers come first.
    let (pseudo, others): (Vec<_>, Vec<_>) = fixed.iter().chain(more).partition(|(name, _)| name.starts_with(':'));
    let block: Vec<u8> = pseudo.into_iter().chain(others).flat_map(|(name, value)| literal(name, value)).collect();
    frame(HEADERS, END_HEADERS | then.flag(), stream, &block)
}

/// Returns a header that no table knows, without Huffman's code: RFC 7541, section 6.2.2.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        assert!(text.len() < 127 + 128);
        let mut length = vec![u8::try_from(text.len().min(127)).unwrap()];
        if text.len() >= 127 {
            length.push(u8::try_from(text.len() - 127).unwrap());
        }
        [&length, text.as_bytes()].concat()
    };
    [vec![0], text(name), text(value)].concat()
}

/// Returns a message as gRPC frames it.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

/// Returns a part of a message.
pub(crate) fn data(stream: u32, bytes: &[u8], then: Then) -> Vec<u8> {
    frame(DATA, then.flag(), stream, bytes)
}

/// Returns what cancels a call.
pub(crate) fn cancel(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// A connection.
pub(crate) struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    /// Connects, and says the settings of the client.
    pub(crate) fn connect(address: &str, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut raw = Self { stream, read: Vec::new() };
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        raw.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, &payload)[..]].concat());
        raw
    }

    /// Sends frames.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        assert!(self.try_send(bytes), "the connection is closed");
    }

    /// Sends frames; false where the server has closed the connection.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Returns the next frame but settings and pings, which it acknowledges, and windows; `None` where the connection is closed, or
    /// nothing comes in time.
    pub(crate) fn next_within(&mut self, time: Duration) -> Option<Frame> {
        self.stream.set_read_timeout(Some(time)).unwrap();
        loop {
            if let Some(frame) = self.parse() {
                let answer = match (frame.kind, frame.flags & ACK) {
                    (SETTINGS, 0) => crate::support::raw_http2::frame(SETTINGS, ACK, 0, &[]),
                    (PING, 0) => crate::support::raw_http2::frame(PING, ACK, 0, &frame.payload),
                    (SETTINGS | PING | WINDOW_UPDATE, _) => continue,
                    _ => return Some(frame),
                };
                // A connection that is closing need not take it.
                drop(self.stream.write_all(&answer));
                continue;
            }
            let mut buffer = vec![0; 1 << 16];
            match self.stream.read(&mut buffer) {
                Ok(count @ 1..) => self.read.extend_from_slice(&buffer[..count]),
                Ok(0) | Err(_) => return None,
            }
        }
    }

    /// The same with the time that everything has.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        self.next_within(DEADLINE)
    }

    /// Returns how the call on a stream ends: its frames, up to the last one.
    #[track_caller]
    pub(crate) fn ending(&mut self, stream: u32) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().unwrap_or_else(|| panic!("no end of stream {stream}: {frames:?}"));
            assert_ne!(frame.kind, GOAWAY, "{frame:?}");
            if frame.stream == stream {
                let is_last = frame.is_end() || frame.kind == RST_STREAM;
                frames.push(frame);
                if is_last {
                    return frames;
                }
            }
        }
    }

    /// Waits until the server has sent data on every one of these streams: of a longer answer, as much as the window
    /// takes.
    #[track_caller]
    pub(crate) fn begins_to_answer(&mut self, streams: &[u32]) {
        let mut open: BTreeSet<u32> = streams.iter().copied().collect();
        while !open.is_empty() {
            let frame = self.next().unwrap_or_else(|| panic!("no data on {open:?}"));
            assert_ne!(frame.kind, GOAWAY, "{frame:?}");
            if frame.kind == DATA {
                open.remove(&frame.stream);
            }
        }
    }

    /// Says whether a call is answered with a message and ends well, as it sends one.
    #[track_caller]
    pub(crate) fn is_answered(&mut self, stream: u32) -> bool {
        let kinds: Vec<u8> = self.ending(stream).iter().map(|frame| frame.kind).collect();
        kinds == [HEADERS, DATA, HEADERS]
    }

    fn parse(&mut self) -> Option<Frame> {
        let (head, rest) = self.read.split_first_chunk::<9>()?;
        let number = |bytes: &[u8]| bytes.iter().fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
        let (kind, flags, stream) = (head[3], head[4], number(&head[5..]));
        let length = usize::try_from(number(&head[..3])).unwrap();
        let payload = rest.get(..length)?.to_vec();
        self.read.drain(..9 + length);
        Some(Frame { kind, flags, stream, payload })
    }
}
