//! The request of a forward-auth question: method, host and path, from the headers of the gateway.
//!
//! This door asks about HTTP requests only. Where the gateway leaves out one of the three, the request is refused here: to the
//! rules it would look like a bare connection, which rules for hosts or methods do not match.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderMap;

use crate::domain::gateway::{Body, Context, Header, HeaderValues, Seen, host_and_path};
use crate::doors::forward_auth::wording::{Part, Unforwarded};

/// A family of headers in which a gateway describes the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Traefik, Caddy, APISIX.
    Forwarded,
    /// nginx, HAProxy.
    Original,
    /// ingress-nginx: the method, and a whole URL.
    OriginalUrl,
}

/// The header of a whole URL.
const X_ORIGINAL_URL: &str = "x-original-url";

impl Family {
    const ALL: [Self; 3] = [Self::Forwarded, Self::Original, Self::OriginalUrl];

    /// Returns the header of a part of the request.
    const fn name(self, part: Part) -> &'static str {
        match (self, part) {
            (Self::Forwarded, Part::Method) => "x-forwarded-method",
            (Self::Forwarded, Part::Host) => "x-forwarded-host",
            (Self::Forwarded, Part::Path) => "x-forwarded-uri",
            (Self::Original | Self::OriginalUrl, Part::Method) => "x-original-method",
            (Self::Original, Part::Host) => "x-original-host",
            (Self::Original, Part::Path) => "x-original-uri",
            (Self::OriginalUrl, Part::Host | Part::Path) => X_ORIGINAL_URL,
        }
    }

    /// Reads the headers of this family; `None`: the request has none of them.
    fn said(self, headers: &HeaderMap) -> Result<Option<Claims<'_>>, Unforwarded> {
        let method = one(headers, self.name(Part::Method))?;
        let (host, path) = if self == Self::OriginalUrl {
            match one(headers, X_ORIGINAL_URL)? {
                // A method alone belongs to the other family that has this header.
                None => return Ok(None),
                Some("") => (None, None),
                Some(url) => {
                    let (host, path) = host_and_path(url).ok_or(Unforwarded::NotAUrl { header: X_ORIGINAL_URL })?;
                    (Some(host), Some(path))
                }
            }
        } else {
            (one(headers, self.name(Part::Host))?, one(headers, self.name(Part::Path))?)
        };
        let is_silent = host.is_none() && path.is_none() && (method.is_none() || self.leaves_method_to_url(headers));
        Ok((!is_silent || self == Self::OriginalUrl).then_some(Claims { method, host, path }))
    }

    /// Says whether the header of the method belongs to [`Family::OriginalUrl`], which uses the same name.
    fn leaves_method_to_url(self, headers: &HeaderMap) -> bool {
        self == Self::Original && headers.contains_key(X_ORIGINAL_URL)
    }
}

/// The families that the server believes. The others may come from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Believed {
    /// `X-Forwarded-Method`, `-Host`, `-Uri`.
    XForwarded,
    /// `X-Original-Method`, `-Host`, `-URI`.
    XOriginal,
    /// `X-Original-Method`, `-URL`.
    XOriginalUrl,
    /// Those that the request has. Several families have to agree in each part.
    Either,
}

impl Believed {
    const fn families(self) -> &'static [Family] {
        match self {
            Believed::XForwarded => &[Family::Forwarded],
            Believed::XOriginal => &[Family::Original],
            Believed::XOriginalUrl => &[Family::OriginalUrl],
            Believed::Either => &Family::ALL,
        }
    }

    /// Returns the headers of a part of the request.
    fn names(self, part: Part) -> Vec<&'static str> {
        let mut names: Vec<_> = self.families().iter().map(|family| family.name(part)).collect();
        names.dedup();
        names
    }
}

/// A request, as a gateway describes it.
#[derive(Debug)]
pub struct Forwarded<'r> {
    headers: &'r HeaderMap,
    method: &'r str,
    host: &'r str,
    uri: &'r str,
    /// Names of the headers that were read.
    read: Mutex<BTreeSet<String>>,
}

impl<'r> Forwarded<'r> {
    /// Reads the description of the gateway.
    ///
    /// # Errors
    /// Method, host or path is missing or cannot be read.
    pub fn read(headers: &'r HeaderMap, believed: Believed) -> Result<Self, Unforwarded> {
        let Claims { method, host, path } = agreed(headers, believed.families())?;
        let said = |said: Option<&'r str>, part| {
            let said = said.filter(|said| !said.is_empty());
            said.ok_or_else(|| Unforwarded::NotSaid { part, headers: believed.names(part) })
        };
        let (uri, method, host) = (said(path, Part::Path)?, said(method, Part::Method)?, said(host, Part::Host)?);
        let names = |family: Family| PARTS.map(|part| family.name(part).to_owned());
        let read = Family::ALL.into_iter().flat_map(names).collect();
        Ok(Self { headers, method, host, uri, read: Mutex::new(read) })
    }

    /// Returns the names of all headers that were read, joined by commas.
    pub(crate) fn read_headers(&self) -> String {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// The parts of a request in one family of headers.
#[derive(Debug, Clone, Copy, Default)]
struct Claims<'r> {
    method: Option<&'r str>,
    host: Option<&'r str>,
    path: Option<&'r str>,
}

const PARTS: [Part; 3] = [Part::Method, Part::Host, Part::Path];

impl<'r> Claims<'r> {
    const fn part(&self, part: Part) -> Option<&'r str> {
        match part {
            Part::Method => self.method,
            Part::Host => self.host,
            Part::Path => self.path,
        }
    }
}

/// Returns the parts on which all families of the request agree. A gateway sets one family: another one must not supply a part
/// that the gateway leaves out.
fn agreed<'r>(headers: &'r HeaderMap, families: &[Family]) -> Result<Claims<'r>, Unforwarded> {
    let mut first: Option<(Family, Claims<'r>)> = None;
    for family in families {
        let Some(said) = family.said(headers)? else { continue };
        let Some((other, said_by_other)) = first else {
            first = Some((*family, said));
            continue;
        };
        if let Some(part) = PARTS.into_iter().find(|part| said_by_other.part(*part) != said.part(*part)) {
            return Err(Unforwarded::Disagree { one: other.name(part), other: family.name(part) });
        }
    }
    Ok(first.map(|(_, said)| said).unwrap_or_default())
}

fn one<'r>(headers: &'r HeaderMap, name: &'static str) -> Result<Option<&'r str>, Unforwarded> {
    match header(headers, name) {
        Header::Absent => Ok(None),
        Header::Text(text) => Ok(Some(text)),
        Header::Repeated => Err(Unforwarded::Repeated { header: name }),
        // This door cannot read a header that it does not see.
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
        // A tunnel has no path, whatever the gateway sends for it.
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

    fn header_values(&self, name: &str) -> HeaderValues<'_> {
        if self.header(name) == Header::Absent {
            return HeaderValues::Absent;
        }
        let texts = self.headers.get_all(name).iter().map(|value| value.to_str().ok());
        texts.collect::<Option<Vec<_>>>().map_or(HeaderValues::NotText, HeaderValues::Texts)
    }

    fn body(&self, _pointer: &str) -> Body<'_> {
        // Gateways of this door send heads only.
        Body::NotThere
    }
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
