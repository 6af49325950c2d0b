//! Addresses of listeners: TCP or unix socket.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// Longest path of a unix socket, in bytes: the lowest limit of the supported systems.
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// Most characters of a scheme that a message repeats.
const SCHEME_CHARACTERS_MAX: usize = 16;

/// The address of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host by name or number, and a port; 0 takes a free one.
    Tcp {
        /// Host; an IPv6 address without its brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Parses `host:port`, `[::1]:port` or `unix:/path`.
    ///
    /// # Errors
    /// The fault of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            // Some clients write `unix:///path`.
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err("the path of the unix socket is missing: write `unix:/path`".into());
            }
            if SOCKET_PATH_BYTES_MAX < path.len() {
                return Err(format!("the path of a unix socket has at most {SOCKET_PATH_BYTES_MAX} bytes"));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let is_address = matches!(Self::parse(rest), Ok(Self::Tcp { .. }));
            let write = if is_address { rest } else { "host:port" };
            let scheme: String =
                scheme.chars().filter(char::is_ascii_alphanumeric).take(SCHEME_CHARACTERS_MAX).collect();
            return Err(format!("an address is not a URL: leave `{scheme}://` out and write `{write}`"));
        }
        if text.contains(',') {
            return Err(format!(
                "`{text}` is more than one address: in a file write a list (`listen: [a:1, b:2]`), on the command line repeat the flag"
            ));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(format!("`{text}` is not an address: write `host:port` or `unix:/path`"));
        };
        let port = port.parse().map_err(|_| format!("`{port}` is not a port: 0 to 65535"))?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(host) if host.parse::<std::net::Ipv6Addr>().is_ok() => host,
            Some(host) => return Err(format!("`{host}` is not an IPv6 address")),
            None if host.parse::<std::net::Ipv6Addr>().is_ok() => {
                return Err(format!("write the IPv6 address in brackets: `[{host}]:{port}`"));
            }
            None if host.contains(':') => {
                return Err(format!("`{host}` is not a host: write `host:port`, with one colon"));
            }
            None => host,
        };
        if host.is_empty() || host.contains(|character: char| character.is_whitespace() || character == '/') {
            return Err(format!("`{host}` is not a host: write `host:port`, such as 127.0.0.1:50051 or 0.0.0.0:50051"));
        }
        Ok(Self::Tcp { host: host.to_owned(), port })
    }

    /// Says whether other machines can certainly reach it. A host name would have to be resolved first.
    pub fn is_surely_remote(&self) -> bool {
        match self {
            Address::Tcp { host, port: _ } => host.parse::<IpAddr>().is_ok_and(|address| !address.is_loopback()),
            Address::Unix(_) => false,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_they_are_read() {
        for text in ["127.0.0.1:50051", "[::1]:0", "localhost:65535", "unix:/run/neglist.sock", "unix:relative"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Address::parse("unix:///run/a").unwrap().to_string(), "unix:/run/a");
    }

    #[test]
    fn a_faulty_address_is_refused() {
        let long = format!("unix:/{}", "x".repeat(SOCKET_PATH_BYTES_MAX));
        for text in ["", "50051", ":50051", "host:", "host:65536", "::1:50051", "[::1:1", "[host]:1", "unix:", "a b:1"]
        {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        assert!(Address::parse(&long).is_err());
    }

    #[test]
    fn only_numbers_that_are_not_loopback_are_surely_remote() {
        let remote = |text| Address::parse(text).unwrap().is_surely_remote();
        assert!(remote("0.0.0.0:1") && remote("[::]:1") && remote("10.0.0.1:1"));
        assert!(!remote("127.0.0.2:1") && !remote("[::1]:1") && !remote("localhost:1") && !remote("unix:/a"));
    }
}
