//! What a question of forward-auth asks about: method, host and path, as the gateway's headers say.
//!
//! This door only ever speaks of HTTP requests. Where the gateway leaves out one of the three, the request is refused here:
//! to the rules it would be a bare connection, which those that go by host or method are not about.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderMap;

use crate::domain::gateway::{Body, Context, Header, Seen, host_and_path};
use crate::doors::forward_auth::wording::{Part, Unforwarded};

/// Headers with which a gateway speaks of the request.
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

    /// Returns the header that says a part of the request.
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

    /// Reads what the headers of this family say; `None`: none of them is there.
    fn said(self, headers: &HeaderMap) -> Result<Option<Said<'_>>, Unforwarded> {
        let method = one(headers, self.name(Part::Method))?;
        let (host, path) = if self == Self::OriginalUrl {
            match one(headers, X_ORIGINAL_URL)? {
                // The method alone is said by the other family that has it.
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
        Ok((!is_silent || self == Self::OriginalUrl).then_some(Said { method, host, path }))
    }

    /// Says whether the header of the method is that of [`Family::OriginalUrl`], which has the same.
    fn leaves_method_to_url(self, headers: &HeaderMap) -> bool {
        self == Self::Original && headers.contains_key(X_ORIGINAL_URL)
    }
}

/// Which headers say what is asked for. The others may come from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Believed {
    /// `X-Forwarded-Method`, `-Host`, `-Uri`.
    XForwarded,
    /// `X-Original-Method`, `-Host`, `-URI`.
    XOriginal,
    /// `X-Original-Method`, `-URL`.
    XOriginalUrl,
    /// Those that are there. Where several are they have to say the same, all of it.
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

    /// Returns the headers that say a part of the request.
    fn names(self, part: Part) -> Vec<&'static str> {
        let mut names: Vec<_> = self.families().iter().map(|family| family.name(part)).collect();
        names.dedup();
        names
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
        let Said { method, host, path } = agreed(headers, believed.families())?;
        let said = |said: Option<&'r str>, part| {
            let said = said.filter(|said| !said.is_empty());
            said.ok_or_else(|| Unforwarded::NotSaid { part, headers: believed.names(part) })
        };
        let (uri, method, host) = (said(path, Part::Path)?, said(method, Part::Method)?, said(host, Part::Host)?);
        let names = |family: Family| PARTS.map(|part| family.name(part).to_owned());
        let read = Family::ALL.into_iter().flat_map(names).collect();
        Ok(Self { headers, method, host, uri, read: Mutex::new(read) })
    }

    /// Returns the names of all headers that were looked at, with commas between.
    pub(crate) fn read_headers(&self) -> String {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// What headers say of a request.
#[derive(Debug, Clone, Copy, Default)]
struct Said<'r> {
    method: Option<&'r str>,
    host: Option<&'r str>,
    path: Option<&'r str>,
}

const PARTS: [Part; 3] = [Part::Method, Part::Host, Part::Path];

impl<'r> Said<'r> {
    const fn part(&self, part: Part) -> Option<&'r str> {
        match part {
            Part::Method => self.method,
            Part::Host => self.host,
            Part::Path => self.path,
        }
    }
}

/// Returns what all families say that are there. A gateway sets one of them: what it leaves out of that one must not come
/// out of another.
fn agreed<'r>(headers: &'r HeaderMap, families: &[Family]) -> Result<Said<'r>, Unforwarded> {
    let mut first: Option<(Family, Said<'r>)> = None;
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
