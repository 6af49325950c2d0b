//! The public URL of a listener, for documents that have to name it.
//!
//! A server cannot derive it: a proxy may change the host, the port and the path, and the sender of a request controls its
//! `Host` header.

use std::fmt;

/// An absolute URL without query, fragment, user and closing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// INVARIANT (base): `https://host`, with an optional port and path.
    url: String,
    /// INVARIANT (path): length of the end of `url` that is its path: empty, or begins with a slash.
    path_bytes: usize,
}

impl PublicUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// The fault of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        // A URL with a user may have a password.
        let shown = if text.contains('@') { "…" } else { text };
        let malformed = |why: &str| Err(format!("`{shown}` is not a public URL: {why}; write `https://host`"));
        let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
            return malformed("it begins with neither `https://` nor `http://`");
        };
        if text.contains(['?', '#', '@', '\\', '"', '<', '>', '{', '}', '|', '^', '`']) {
            return malformed("it may have no query, no fragment, no user and no character that URLs escape");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return malformed("it may have printable ASCII characters only");
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let host = host.map_or(authority, |(host, _)| host);
        let is_ip_literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match is_ip_literal {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains([':', '[', ']']),
        };
        if !is_host {
            return malformed("it has no host, or its port is not valid");
        }
        if path.split('/').any(|part| part == "." || part == "..") {
            return malformed("its path may not have `.` or `..`");
        }
        let url = text.trim_end_matches('/').to_owned();
        let scheme_and_authority_bytes = text.len() - rest.len() + authority.len();
        let path_bytes = url.len().saturating_sub(scheme_and_authority_bytes);
        Ok(Self { url, path_bytes })
    }

    /// Returns the URL.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Returns its path: empty, or with its leading slash.
    pub fn path(&self) -> &str {
        // (path) so both are in bounds.
        self.url.get(self.url.len().saturating_sub(self.path_bytes)..).unwrap_or("")
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_kept_without_its_closing_slash() {
        for (text, url, path) in [
            ("https://pdp.example.com", "https://pdp.example.com", ""),
            ("https://pdp.example.com/", "https://pdp.example.com", ""),
            ("https://pdp.example.com:8443/tenant1/", "https://pdp.example.com:8443/tenant1", "/tenant1"),
            ("http://[::1]:8080/a/b", "http://[::1]:8080/a/b", "/a/b"),
            ("http://localhost", "http://localhost", ""),
        ] {
            let read = PublicUrl::parse(text).unwrap();
            assert_eq!((read.as_str(), read.path()), (url, path), "{text}");
        }
    }

    #[test]
    fn a_faulty_public_url_is_refused() {
        for text in [
            "",
            "pdp.example.com",
            "ftp://pdp.example.com",
            "https://",
            "https:///path",
            "https://:8080",
            "https://host:port",
            "https://host:65536",
            "https://user@host",
            "https://host?query",
            "https://host/#fragment",
            "https://host/a b",
            "https://host/\u{4e2d}",
            "https://host/../x",
            "https://[host]",
            "https://::1",
            "https://host/\"",
        ] {
            assert!(PublicUrl::parse(text).is_err(), "{text}");
        }
    }
}
