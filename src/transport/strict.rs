//! Detects ambiguous HTTP/1: requests that proxies and servers read in different ways.
//!
//! One server reads the end of a request where another reads its body or a second request. A proxy would let a request through
//! by its own reading, and this server would answer by the other. So every ambiguous request is refused: RFC 9112, sections
//! 2.2, 3.2, 5, 6.1, 6.3 and 7.1. All other requests have one length, so this code can follow them without parsing anything
//! else. It sees the bytes before hyper does.
//!
//! INVARIANT (strict): if [`Strict::look`] finds an ambiguity, hyper has not been given the byte that would complete the head
//! or the chunk that contains it.

use std::fmt;

/// An ambiguity of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ambiguity {
    /// A line ends with a line feed alone.
    BareLineFeed,
    /// A line contains a control character, such as a carriage return.
    ControlCharacter,
    /// The first line is not a method, a target and a version, separated by one space each.
    RequestLine,
    /// The target is neither a path, nor a URL, nor `*`, nor an authority for `CONNECT`; or has a fragment.
    Target,
    /// A header continues in the next line, has no name, or has a space before its colon.
    HeaderLine,
    /// `Host` is missing although the version demands it.
    NoHost,
    /// The request has several `Host`, or `Host` is no host: empty, or with a port that is not a number.
    Host,
    /// The target and `Host` name different hosts.
    OtherHost,
    /// `Content-Length` occurs several times, or is not a number.
    ContentLength,
    /// `Transfer-Encoding` occurs several times, is not `chunked`, or occurs with HTTP/1.0.
    TransferEncoding,
    /// The request has both lengths.
    TwoLengths,
    /// The size of a chunk is not a number, or the chunk has another size.
    Chunk,
    /// A trailer has the name of a header that belongs in the head.
    Trailer,
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BareLineFeed => "a line ends without a carriage return",
            Self::ControlCharacter => "the head has a control character",
            Self::RequestLine => "the first line is not method, target and HTTP/1.0 or HTTP/1.1",
            Self::Target => "the target is not a path, a URL or `*`, or has a fragment",
            Self::HeaderLine => "a header is folded, has no name, or has a blank before its colon",
            Self::NoHost => "`Host` is missing",
            Self::Host => "duplicate or empty `Host`, or not a host",
            Self::OtherHost => "the host of the target differs from `Host`",
            Self::ContentLength => "duplicate `Content-Length`, or not a number",
            Self::TransferEncoding => "`Transfer-Encoding` is not a single `chunked`, or comes with HTTP/1.0",
            Self::TwoLengths => "both `Content-Length` and `Transfer-Encoding`",
            Self::Chunk => "a chunk does not have its stated size",
            Self::Trailer => "a header that belongs in the head follows the body",
        })
    }
}

/// Follows the requests of a connection.
#[derive(Debug)]
pub(super) struct Strict {
    state: State,
    /// The bytes of the current line that have arrived. hyper bounds them: it reads no more than the limit on a head.
    line: Vec<u8>,
    head: Head,
}

/// The next part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Line(Line),
    /// This number of bytes of a body, and then this line.
    Data(u64, Line),
}

/// The kind of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Request,
    Header,
    ChunkSize,
    /// The empty line after the bytes of a chunk.
    ChunkEnd,
    Trailer,
}

/// The parts of a head that determine the length and the host of a request.
#[derive(Debug, Default)]
struct Head {
    version: Version,
    /// The host that the target names.
    authority: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
    content_length: Option<u64>,
    is_chunked: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Version {
    Http10,
    #[default]
    Http11,
}

type Found<T = ()> = Result<T, Ambiguity>;

impl Strict {
    /// Returns the check of a new connection.
    pub(super) fn new() -> Self {
        Self { state: State::Line(Line::Request), line: Vec::new(), head: Head::default() }
    }

    /// Checks bytes that have arrived.
    ///
    /// # Errors
    /// The ambiguity, with the index of the first byte that must not be passed on.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Result<(), (usize, Ambiguity)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            match self.state {
                State::Data(0, line) => self.state = State::Line(line),
                State::Data(left, line) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    rest = rest.get(taken..).unwrap_or_default();
                    self.state = State::Data(left - taken as u64, line);
                }
                State::Line(line) => {
                    let end = rest.iter().position(|byte| *byte == b'\n');
                    let Some(end) = end else {
                        self.line.extend_from_slice(rest);
                        break;
                    };
                    self.line.extend_from_slice(rest.get(..end).unwrap_or_default());
                    self.end_line(line).map_err(|found| (at + end, found))?;
                    rest = rest.get(end + 1..).unwrap_or_default();
                }
            }
        }
        Ok(())
    }

    fn end_line(&mut self, line: Line) -> Found {
        let read = std::mem::take(&mut self.line);
        let text = read.strip_suffix(b"\r").ok_or(Ambiguity::BareLineFeed)?;
        if text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(Ambiguity::ControlCharacter);
        }
        self.state = match line {
            // The end of a chunked body. Some clients also send an empty line after any body: RFC 9112, section 2.2.
            Line::Request | Line::Trailer if text.is_empty() => State::Line(Line::Request),
            Line::Request => {
                self.head = Head::of(text)?;
                State::Line(Line::Header)
            }
            Line::Header if text.is_empty() => self.head.body()?,
            Line::Header => {
                self.head.add(text)?;
                State::Line(Line::Header)
            }
            Line::ChunkSize => match chunk_size(text)? {
                0 => State::Line(Line::Trailer),
                size => State::Data(size, Line::ChunkEnd),
            },
            Line::ChunkEnd if text.is_empty() => State::Line(Line::ChunkSize),
            Line::ChunkEnd => return Err(Ambiguity::Chunk),
            Line::Trailer => {
                let (name, _) = header(text)?;
                if FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
                    return Err(Ambiguity::Trailer);
                }
                State::Line(Line::Trailer)
            }
        };
        // The next line uses the memory again.
        self.line = read;
        self.line.clear();
        Ok(())
    }
}

/// Headers that determine where a request ends and which host it is for.
const FRAMING: [&[u8]; 3] = [b"host", b"content-length", b"transfer-encoding"];

impl Head {
    /// Reads the first line.
    fn of(line: &[u8]) -> Found<Self> {
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Ambiguity::RequestLine);
        };
        let version = match version {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            _ => return Err(Ambiguity::RequestLine),
        };
        if !is_token(method) {
            return Err(Ambiguity::RequestLine);
        }
        Ok(Self { version, authority: authority(method, target)?, ..Self::default() })
    }

    /// Reads a header.
    fn add(&mut self, line: &[u8]) -> Found {
        let (name, value) = header(line)?;
        if name.eq_ignore_ascii_case(b"host") {
            if !is_host(value) || self.host.replace(value.to_vec()).is_some() {
                return Err(Ambiguity::Host);
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let length = number(value, 10).ok_or(Ambiguity::ContentLength)?;
            if self.content_length.replace(length).is_some() {
                return Err(Ambiguity::ContentLength);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let is_second = std::mem::replace(&mut self.is_chunked, true);
            if is_second || !value.eq_ignore_ascii_case(b"chunked") || self.version == Version::Http10 {
                return Err(Ambiguity::TransferEncoding);
            }
        }
        Ok(())
    }

    /// Returns the part that follows the head.
    fn body(&self) -> Found<State> {
        match (&self.host, &self.authority) {
            (None, _) if self.version == Version::Http11 => return Err(Ambiguity::NoHost),
            (Some(host), Some(authority)) if !is_same_host(host, authority) => return Err(Ambiguity::OtherHost),
            _ => {}
        }
        match (self.content_length, self.is_chunked) {
            (Some(_), true) => Err(Ambiguity::TwoLengths),
            (Some(length), false) => Ok(State::Data(length, Line::Request)),
            (None, true) => Ok(State::Line(Line::ChunkSize)),
            (None, false) => Ok(State::Line(Line::Request)),
        }
    }
}

/// Returns the host of a target, if the target has one: RFC 9112, section 3.2.
fn authority(method: &[u8], target: &[u8]) -> Found<Option<Vec<u8>>> {
    if target.contains(&b'#') {
        return Err(Ambiguity::Target);
    }
    match target {
        [b'/', ..] => Ok(None),
        b"*" if method == b"OPTIONS" => Ok(None),
        _ if method == b"CONNECT" && is_host(target) => Ok(Some(target.to_vec())),
        _ if method == b"CONNECT" => Err(Ambiguity::Target),
        _ => {
            let scheme = [b"http://".as_slice(), b"https://"]
                .into_iter()
                .find(|scheme| target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)));
            let rest = scheme.and_then(|scheme| target.get(scheme.len()..)).ok_or(Ambiguity::Target)?;
            let host = rest.split(|byte| matches!(byte, b'/' | b'?')).next().unwrap_or_default();
            if !is_host(host) {
                return Err(Ambiguity::Target);
            }
            Ok(Some(host.to_vec()))
        }
    }
}

/// Says whether two hosts are the same. The default port of HTTP may be omitted.
fn is_same_host(one: &[u8], other: &[u8]) -> bool {
    let bare = |host: &[u8]| host.strip_suffix(b":80").unwrap_or(host).to_ascii_lowercase();
    bare(one) == bare(other)
}

/// Says whether this is a host, with or without a port, and without user information or lists: RFC 3986, section 3.2.
///
/// An empty host is legal if the target has no authority, as in `OPTIONS *`. No door needs that, so it is refused.
fn is_host(text: &[u8]) -> bool {
    let (host, port) = match text.strip_prefix(b"[") {
        // An IPv6 address, whose colons are no port.
        Some(rest) => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default()),
            None => return false,
        },
        None => text.split_at(text.iter().position(|byte| *byte == b':').unwrap_or(text.len())),
    };
    let is_inside = |byte: &u8| is_host_byte(*byte) || (*byte == b':' && text.starts_with(b"["));
    let is_port = match port {
        [] | [b':'] => true,
        [b':', digits @ ..] => number(digits, 10).is_some_and(|port| u16::try_from(port).is_ok()),
        _ => false,
    };
    !host.is_empty() && host.iter().all(is_inside) && is_port
}

/// Says whether a byte may occur in a host. An IPv6 address also has colons.
const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'%' | b'~' | b'!' | b'$')
}

/// Splits a header at its colon. The value has no spaces around it.
fn header(line: &[u8]) -> Found<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Ambiguity::HeaderLine)?;
    let (name, value) = (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
    if is_token(name) { Ok((name, value.trim_ascii())) } else { Err(Ambiguity::HeaderLine) }
}

/// Says whether this is a token of RFC 9110, section 5.6.2: no space, no separator.
fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// Reads a number that consists of digits alone.
fn number(text: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    // `from_str_radix` would also accept a sign.
    text.chars().all(|digit| digit.is_digit(radix)).then(|| u64::from_str_radix(text, radix).ok())?
}

/// Reads the line before a chunk. An extension after a semicolon is ignored.
fn chunk_size(line: &[u8]) -> Found<u64> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    number(digits, 16).ok_or(Ambiguity::Chunk)
}

#[cfg(test)]
#[path = "strict_tests.rs"]
mod tests;
