//! What a question of forward-auth asks about: method, host and path, as the gateway's headers say.
//!
//! This door only ever speaks of HTTP requests. Where the gateway leaves out one of the three, the request is refused here:
//! to the rules it would be a bare connection, which those that go by host or method are not about.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderMap;

use crate::domain::gateway::{Body, Context, Header, Seen};
use crate::wire::forwarded::{Part, Unforwarded};

/// Headers with which a gateway speaks of the request: method, host, path with query.
type Family = [&'static str; 3];

/// Traefik, Caddy, APISIX.
const X_FORWARDED: Family = ["x-forwarded-method", "x-forwarded-host", "x-forwarded-uri"];
/// nginx, HAProxy.
const X_ORIGINAL: Family = ["x-original-method", "x-original-host", "x-original-uri"];

/// Which headers say what is asked for. The others may come from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Believed {
    /// `X-Forwarded-Method`, `-Host`, `-Uri`.
    XForwarded,
    /// `X-Original-Method`, `-Host`, `-URI`.
    XOriginal,
    /// Those that are there. Where both are they have to say the same, all of it.
    Either,
}

impl Believed {
    /// Returns the headers that say a part of the request.
    fn names(self, part: Part) -> Vec<&'static str> {
        let of = |[method, host, uri]: Family| match part {
            Part::Method => method,
            Part::Host => host,
            Part::Path => uri,
        };
        match self {
            Believed::XForwarded => vec![of(X_FORWARDED)],
            Believed::XOriginal => vec![of(X_ORIGINAL)],
            Believed::Either => vec![of(X_FORWARDED), of(X_ORIGINAL)],
        }
    }
}

/// A request, as a gateway speaks of it.
#[derive(Debug)]
pub struct Forwarded<'r> {
    headers: &'r HeaderMap,
    method: &'r str,
    host: &'r str,
    uri: &'r str,
    /// Headers that were looked at.
    read: Mutex<BTreeSet<String>>,
}

impl<'r> Forwarded<'r> {
    /// Reads what the gateway says.
    ///
    /// # Errors
    /// Method, host or path is not said, or cannot be told.
    pub fn read(headers: &'r HeaderMap, believed: Believed) -> Result<Self, Unforwarded> {
        let [method, host, uri] = match believed {
            Believed::XForwarded => of_family(headers, X_FORWARDED)?,
            Believed::XOriginal => of_family(headers, X_ORIGINAL)?,
            Believed::Either => of_either(headers)?,
        };
        let said = |said: Option<&'r str>, part| {
            let said = said.filter(|said| !said.is_empty());
            said.ok_or_else(|| Unforwarded::NotSaid { part, headers: believed.names(part) })
        };
        let (uri, method, host) = (said(uri, Part::Path)?, said(method, Part::Method)?, said(host, Part::Host)?);
        let read = X_FORWARDED.into_iter().chain(X_ORIGINAL).map(str::to_owned).collect();
        Ok(Self { headers, method, host, uri, read: Mutex::new(read) })
    }

    /// Returns the names of all headers that were looked at, with commas between.
    pub(super) fn read_headers(&self) -> String {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

type Said<'r> = [Option<&'r str>; 3];

fn of_either(headers: &HeaderMap) -> Result<Said<'_>, Unforwarded> {
    let (forwarded, original) = (of_family(headers, X_FORWARDED)?, of_family(headers, X_ORIGINAL)?);
    let says_nothing = |said: &Said<'_>| said.iter().all(Option::is_none);
    if says_nothing(&original) {
        return Ok(forwarded);
    }
    if says_nothing(&forwarded) {
        return Ok(original);
    }
    // A gateway sets one family. What it leaves out of that one must not come out of the other.
    for (index, names) in X_FORWARDED.into_iter().zip(X_ORIGINAL).enumerate() {
        if forwarded.get(index) != original.get(index) {
            return Err(Unforwarded::Disagree { one: names.0, other: names.1 });
        }
    }
    Ok(forwarded)
}

fn of_family(headers: &HeaderMap, [method, host, uri]: Family) -> Result<Said<'_>, Unforwarded> {
    Ok([one(headers, method)?, one(headers, host)?, one(headers, uri)?])
}

fn one<'r>(headers: &'r HeaderMap, name: &'static str) -> Result<Option<&'r str>, Unforwarded> {
    match header(headers, name) {
        Header::Absent => Ok(None),
        Header::Text(text) => Ok(Some(text)),
        Header::Repeated => Err(Unforwarded::Repeated { header: name }),
        // Whatever this door does not see it cannot read.
        Header::NotText | Header::NotSeen => Err(Unforwarded::NotText { header: name }),
    }
}

fn header<'r>(headers: &'r HeaderMap, name: &str) -> Header<'r> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Header::Absent,
        (Some(value), None) => value.to_str().map_or(Header::NotText, Header::Text),
        (Some(_), Some(_)) => Header::Repeated,
    }
}

impl Seen for Forwarded<'_> {
    fn host(&self) -> Option<&str> {
        Some(self.host)
    }

    fn method(&self) -> Option<&str> {
        Some(self.method)
    }

    fn path(&self) -> Option<&str> {
        // A tunnel has none, whatever a gateway says in its place.
        (!self.method.eq_ignore_ascii_case("CONNECT")).then_some(self.uri)
    }

    fn sni(&self) -> Option<&str> {
        None
    }

    fn context(&self, _key: &str) -> Context<'_> {
        Context::NotSeen
    }

    fn header(&self, name: &str) -> Header<'_> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        header(self.headers, name)
    }

    fn body(&self, _pointer: &str) -> Body<'_> {
        // Gateways that ask this way send heads only.
        Body::NotThere
    }
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
