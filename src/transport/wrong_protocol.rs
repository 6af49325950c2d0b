//! Clients that speak another protocol than that of the port, and the log lines about them.
//!
//! Such a connection is closed, and its client reports no more than that. So the log states the protocol, the peer, and the
//! setting to change. Each kind of stranger has one line and then a count: a misconfigured probe connects every few seconds.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::repeated::Repeated;
use crate::service::caller::Caller;
use crate::transport::strict::Ambiguity;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// An address.
    Tcp(SocketAddr),
    /// A unix socket, which has no address.
    Unix,
}

impl Peer {
    /// Returns the caller of the requests on the connection.
    pub(crate) fn caller(self) -> Caller {
        match self {
            Peer::Tcp(address) => Caller::at(address.ip()),
            Peer::Unix => Caller::Here,
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Peer::Tcp(address) => write!(f, "{address}"),
            Peer::Unix => f.write_str("unix"),
        }
    }
}

/// The protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// gRPC, which is HTTP/2.
    Grpc,
    /// HTTP/1.1.
    Http,
}

/// The protocol of a client that does not belong to its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stranger {
    /// TLS.
    Tls,
    /// HTTP/1.
    Http1,
    /// HTTP/2, and so gRPC.
    Http2,
    /// The PROXY protocol of HAProxy, version 1 or 2.
    Proxy,
    /// HTTP/1 that is refused before it is parsed.
    Refused(Ambiguity),
}

/// The first bytes of every HTTP/2 connection: RFC 9113, section 3.4.
const HTTP2: &[u8] = b"PRI * HTTP/2.0";
/// The first bytes of version 2 of the PROXY protocol.
const PROXY_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The first bytes of version 1.
const PROXY_1: &[u8] = b"PROXY ";
/// Methods of HTTP/1, each with the space after it.
const METHODS: [&[u8]; 9] =
    [b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"OPTIONS ", b"CONNECT ", b"PATCH ", b"TRACE "];

impl Stranger {
    /// Returns the protocol of the first bytes; `None` if they are too few, or of an unknown protocol.
    pub(crate) fn of(begin: &[u8]) -> Option<Self> {
        match begin {
            _ if begin.starts_with(HTTP2) => Some(Self::Http2),
            // A handshake of TLS 1.0 to 1.3.
            [0x16, 0x03, ..] => Some(Self::Tls),
            _ if begin.starts_with(PROXY_1) || begin.starts_with(PROXY_2) => Some(Self::Proxy),
            _ if METHODS.iter().any(|method| begin.starts_with(method)) => Some(Self::Http1),
            _ => None,
        }
    }

    /// Returns the log texts in English and Chinese; `None` if the protocol belongs to the port.
    const fn texts(self, port: Port) -> Option<(&'static str, &'static str)> {
        Some(match (port, self) {
            (Port::Grpc, Self::Http2 | Self::Refused(_)) | (Port::Http, Self::Http1) => return None,
            (Port::Grpc, Self::Tls) => (
                "TLS came to a gRPC address, which does not use TLS: let clients connect without it (`insecure`), or terminate TLS in a proxy in front",
                "gRPC 地址收到 TLS 连接，而该地址不加密：请让客户端以明文连接，或由前置代理终结 TLS",
            ),
            (Port::Grpc, Self::Http1) => (
                "HTTP/1 came to a gRPC address: send it to the address of `http`, or let the client or proxy speak HTTP/2 (h2c) here",
                "gRPC 地址收到 HTTP/1 请求：请改用 `http` 的地址，或让客户端、代理在此使用 HTTP/2（h2c）",
            ),
            (Port::Grpc, Self::Proxy) => (
                "the PROXY protocol came to a gRPC address, which does not know it: turn it off in the load balancer",
                "gRPC 地址收到 PROXY 协议，而本服务器不支持：请在负载均衡器中关闭",
            ),
            (Port::Http, Self::Tls) => (
                "TLS came to the address of `http`, which does not use TLS: let clients use `http://`, or terminate TLS in a proxy in front",
                "`http` 的地址收到 TLS 连接，而该地址不加密：请让客户端使用 `http://`，或由前置代理终结 TLS",
            ),
            (Port::Http, Self::Http2) => (
                "HTTP/2 (h2c, gRPC) came to the address of `http`, which speaks HTTP/1.1: send gRPC to an address of `listen`, or let the client or proxy speak HTTP/1.1 here",
                "`http` 的地址收到 HTTP/2（h2c、gRPC），而该地址使用 HTTP/1.1：gRPC 请改用 `listen` 的地址，或让客户端、代理在此使用 HTTP/1.1",
            ),
            (Port::Http, Self::Proxy) => (
                "the PROXY protocol came to the address of `http`, which does not know it: turn it off in the load balancer",
                "`http` 的地址收到 PROXY 协议，而本服务器不支持：请在负载均衡器中关闭",
            ),
            (Port::Http, Self::Refused(Ambiguity::NoHost)) => (
                "an HTTP/1.1 request without `Host` was refused: let the probe, client or proxy send `Host`",
                "HTTP/1.1 请求缺少 `Host`，已拒绝：请让探针、客户端或代理发送 `Host`",
            ),
            (Port::Http, Self::Refused(_)) => (
                "a malformed HTTP request, which servers read in different ways, was refused: correct the client or proxy that sends it",
                "HTTP 请求格式有误、不同服务器会有不同解读，已拒绝：请修正发送请求的客户端或代理",
            ),
        })
    }
}

/// Bytes that identify a protocol: the length of the longest of the beginnings above.
const BEGIN_BYTES: usize = 14;

/// The first bytes of a connection.
#[derive(Debug, Default)]
pub(crate) struct Begin {
    seen: [u8; BEGIN_BYTES],
    bytes: usize,
}

impl Begin {
    /// Reads bytes that have arrived; returns the protocol, once it is known.
    pub(crate) fn read(&mut self, arrived: &[u8]) -> Option<Stranger> {
        for (seen, byte) in self.seen.iter_mut().skip(self.bytes).zip(arrived) {
            *seen = *byte;
        }
        self.bytes = self.bytes.saturating_add(arrived.len()).min(BEGIN_BYTES);
        self.seen.get(..self.bytes).and_then(Stranger::of)
    }

    /// Says whether further bytes can tell nothing more.
    pub(crate) const fn is_whole(&self) -> bool {
        self.bytes == BEGIN_BYTES
    }
}

/// The log of strangers at a port. Clones share it.
#[derive(Debug, Clone)]
pub struct Strangers {
    port: Port,
    told: Arc<Repeated<Stranger>>,
}

impl Strangers {
    /// Returns an empty log.
    pub(crate) fn at(port: Port) -> Self {
        Self { port, told: Arc::default() }
    }

    /// Writes a line about a stranger, or counts it for the next line. Says whether the protocol is strange to the port.
    pub(crate) fn tell(&self, stranger: Stranger, peer: Peer) -> bool {
        let Some((en, zh)) = stranger.texts(self.port) else { return false };
        if let Some(others) = self.told.happened_to(&stranger) {
            if let Stranger::Refused(found) = stranger {
                tracing::warn!(%peer, %found, others, zh, "{en}");
            } else {
                tracing::warn!(%peer, others, zh, "{en}");
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    #[test]
    fn c_strangers_are_known_by_how_they_begin() {
        for (begin, expected) in [
            (&b"\x16\x03\x01\x02\x00\x01"[..], Some(Stranger::Tls)),
            (b"\x16\x03", Some(Stranger::Tls)),
            (b"GET / HTTP/1.1\r\n", Some(Stranger::Http1)),
            (b"POST /v1/decide HTTP", Some(Stranger::Http1)),
            (b"PROXY TCP4 192.0.2.1", Some(Stranger::Proxy)),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11", Some(Stranger::Proxy)),
            (b"PRI * HTTP/2.0\r\n\r\nSM", Some(Stranger::Http2)),
            (b"PR", None),
            (b"P", None),
            (b"\x16", None),
            (b"", None),
            (b"SSH-2.0-x", None),
        ] {
            assert_eq!(Stranger::of(begin), expected, "{begin:?}");
            // The same where it comes byte by byte.
            let mut pieces = Begin::default();
            assert_eq!(begin.chunks(1).find_map(|byte| pieces.read(byte)), expected, "{begin:?}");
        }
    }

    #[test]
    fn c_there_is_one_line_and_then_a_count() {
        let (strangers, start, minute) = (Repeated::new(), Instant::now(), Duration::from_mins(1));
        assert_eq!(strangers.happened_at(&Stranger::Tls, start), Some(0));
        for _ in 0..5 {
            assert_eq!(strangers.happened_at(&Stranger::Tls, start + minute / 2), None);
        }
        assert_eq!(strangers.happened_at(&Stranger::Http1, start + minute / 2), Some(0));
        assert_eq!(strangers.happened_at(&Stranger::Tls, start + minute), Some(5));
        assert_eq!(strangers.happened_at(&Stranger::Tls, start + minute), None);
    }
}
