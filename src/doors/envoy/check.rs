//! The view of a `CheckRequest` from which labels are made.
//!
//! Borrows everything from the message. Envoy sends headers either all as they came
//! (`header_map`, with `encode_raw_headers`) or those of one name joined by commas (`headers`).
//! A comma in a joined value may be the client's or may join two values, so such a value counts as
//! repeated.
//!
//! A connection that the TCP filter asks about has neither host, method, path nor headers.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::bodies::WholeBody;
use crate::domain::gateway::{Body, BodyFault, BodySource, Context, Fault, Header, HeaderValues, LabelHeaders, Seen};
use crate::json;
use crate::wire::generated::vendor::envoy::config::core::v3::HeaderValue;
use crate::wire::generated::vendor::envoy::service::auth::v3::CheckRequest;
use crate::wire::generated::vendor::envoy::service::auth::v3::attribute_context::HttpRequest;

/// The header in which Envoy says whether it sends only a part of the body. Envoy adds it.
const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";
/// The declared length of a body.
const CONTENT_LENGTH: &str = "content-length";
/// Prefix of our own keys of `context_extensions`.
const OUR_KEYS: &str = "neglist-";
/// The key of `context_extensions` that lists the headers which are passed on, with commas; without it all are.
pub const HEADERS_KEY: &str = "neglist-headers";
/// The key of `context_extensions` that asks to count a transfer.
pub const RECORD_KEY: &str = "neglist-record";
/// Prefix of label headers where the policies name no others.
const LABEL_PREFIX: &str = "x-neglist-";

/// A request that Envoy asks about.
#[derive(Debug, Clone, Copy)]
pub struct Check<'a> {
    http: Option<&'a HttpRequest>,
    context: Option<&'a HashMap<String, String>>,
    sni: Option<&'a str>,
}

/// The wish of a route about counting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counting {
    /// None: the rule decides.
    ByRule,
    /// The transfer is counted.
    Wanted,
    /// A word that is neither `yes` nor `no`.
    Unreadable(String),
}

impl<'a> Check<'a> {
    /// Reads a message.
    pub fn new(request: &'a CheckRequest) -> Self {
        let attributes = request.attributes.as_ref();
        let request = attributes.and_then(|attributes| attributes.request.as_ref());
        let tls = attributes.and_then(|attributes| attributes.tls_session.as_ref());
        Self {
            http: request.and_then(|request| request.http.as_ref()),
            context: attributes.map(|attributes| &attributes.context_extensions),
            // Without `include_tls_session` there is no such message. With it, an empty name means that the client asked for none.
            sni: tls.map(|tls| tls.sni.as_str()),
        }
    }

    /// Says whether the message shows nothing: no request, and no server name of a connection.
    pub fn is_blank(&self) -> bool {
        [self.host(), self.method(), self.path(), self.sni()].into_iter().flatten().all(str::is_empty)
    }

    /// Returns Envoy's own number of the request, which no client can choose.
    ///
    /// Envoy draws it for each request: 64 random bits, in decimal digits. The contract lets other
    /// gateways put the id of the client's header here. So an id that is no such number, or that a
    /// header of the request contains too, is ignored.
    pub fn stream_id(&self) -> Option<u64> {
        let http = self.http?;
        let id: u64 = http.id.parse().ok().filter(|id: &u64| *id != 0 && id.to_string() == http.id)?;
        let is_it = |part: &[u8]| part.trim_ascii() == http.id.as_bytes();
        let is_forgeable = all_values(http).any(|value| value.bytes.split(|byte| *byte == b',').any(is_it));
        (!is_forgeable).then_some(id)
    }

    /// Returns the wish about counting in the route's `context_extensions`.
    pub fn counting(&self) -> Counting {
        match self.said_in_context(RECORD_KEY) {
            None | Some("no") => Counting::ByRule,
            Some("yes") => Counting::Wanted,
            Some(other) => Counting::Unreadable(other.to_owned()),
        }
    }

    /// Returns the names of the label headers that the request has, in lower case, each once.
    ///
    /// A label header has our prefix, or a name from the policies.
    pub fn label_headers(&self, ours: &LabelHeaders) -> Vec<String> {
        let Some(http) = self.http else { return Vec::new() };
        let joined = http.headers.keys().map(String::as_str);
        let raw = raw(http).iter().map(|header| header.key.as_str());
        let LabelHeaders { flow, persons, sensitive_persons, transfer_id } = ours;
        let ours: [&str; 4] = [flow, persons, sensitive_persons, transfer_id];
        let is_label = |name: &&str| {
            let begins_alike =
                name.get(..LABEL_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(LABEL_PREFIX));
            begins_alike || ours.iter().any(|ours| name.eq_ignore_ascii_case(ours))
        };
        let mut names: Vec<String> = joined.chain(raw).filter(is_label).map(str::to_ascii_lowercase).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn said_in_context(&self, key: &str) -> Option<&'a str> {
        self.context.and_then(|context| context.get(key)).map(String::as_str)
    }

    fn whole_body(&self) -> Result<&'a [u8], Body<'a>> {
        let Some(http) = self.http else { return Err(Body::NotThere) };
        let body = match (http.body.as_bytes(), http.raw_body.as_slice()) {
            ([], []) => return Err(Body::NotThere),
            (text, []) => text,
            ([], raw) => raw,
            // There are two bodies, and either may be the one that is sent on.
            (_, _) => return Err(Body::Partial),
        };
        // A client that forges the header makes it a repeated one.
        let mut said = values(http, PARTIAL_BODY);
        let is_said_to_be_whole = matches!((said.next(), said.next()), (Some(value), None) if value.bytes == b"false");
        // Envoy calls a body whole too that fills its buffer to the byte and goes on beyond it.
        let length = body.len().to_string();
        let has_its_length = values(http, CONTENT_LENGTH).all(|value| value.bytes == length.as_bytes());
        if is_said_to_be_whole && has_its_length { Ok(body) } else { Err(Body::Partial) }
    }
}

impl Seen for Check<'_> {
    fn host(&self) -> Option<&str> {
        self.http.and_then(|http| said(&http.host))
    }

    fn method(&self) -> Option<&str> {
        self.http.and_then(|http| said(&http.method))
    }

    fn path(&self) -> Option<&str> {
        self.http.and_then(|http| said(&http.path))
    }

    fn sni(&self) -> Option<&str> {
        self.sni
    }

    fn context(&self, key: &str) -> Context<'_> {
        let mut keys = self.context.into_iter().flat_map(HashMap::keys);
        match self.said_in_context(key) {
            Some(text) => Context::Text(text),
            // Istio and others cannot set any. Our own keys do not describe the request.
            None if keys.all(|key| key.starts_with(OUR_KEYS)) => Context::NotSeen,
            None => Context::Absent,
        }
    }

    fn header(&self, name: &str) -> Header<'_> {
        let is_seen = |names: &str| names.split(',').any(|seen| seen == name);
        if self.said_in_context(HEADERS_KEY).is_some_and(|names| !is_seen(names)) {
            return Header::NotSeen;
        }
        let Some(http) = self.http else { return Header::Absent };
        let mut values = values(http, name);
        let value = match (values.next(), values.next()) {
            (None, _) => return Header::Absent,
            (Some(value), None) => value,
            (Some(_), Some(_)) => return Header::Repeated,
        };
        if value.is_joined && value.bytes.contains(&b',') {
            return Header::Repeated;
        }
        let is_text = value.bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
        match std::str::from_utf8(value.bytes) {
            Ok(text) if is_text => Header::Text(text),
            Ok(_) | Err(_) => Header::NotText,
        }
    }

    fn body(&self, pointer: &str) -> Body<'_> {
        match self.whole_body() {
            Ok(body) => json::member(body, pointer),
            Err(none) => none,
        }
    }

    fn header_values(&self, name: &str) -> HeaderValues<'_> {
        match (self.header(name), self.http) {
            (Header::Absent, _) | (_, None) => HeaderValues::Absent,
            (Header::NotSeen, _) => HeaderValues::NotSeen,
            (Header::Text(_) | Header::Repeated | Header::NotText, Some(http)) => {
                let texts = values(http, name).map(|value| std::str::from_utf8(value.bytes).ok());
                texts.collect::<Option<Vec<_>>>().map_or(HeaderValues::NotText, HeaderValues::Texts)
            }
        }
    }

    fn identifiers(&self, source: &BodySource) -> Result<Vec<Cow<'_, str>>, Fault> {
        match self.whole_body() {
            Ok(body) => WholeBody::of(body, self).identifiers(source),
            Err(Body::Partial) => Err(Fault::Body(BodyFault::Partial)),
            Err(_) => Err(Fault::Body(BodyFault::NotThere)),
        }
    }
}

/// A value of a header.
#[derive(Debug, Clone, Copy)]
struct Value<'a> {
    bytes: &'a [u8],
    /// It may be several values, joined by commas.
    is_joined: bool,
}

/// Returns every value of a header, wherever it is in the message.
fn values<'a>(http: &'a HttpRequest, name: &str) -> impl Iterator<Item = Value<'a>> {
    let is_named = move |key: &str| key.eq_ignore_ascii_case(name);
    let joined = http.headers.iter().filter(move |(key, _)| is_named(key));
    let joined = joined.map(|(_, value)| Value { bytes: value.as_bytes(), is_joined: true });
    let is_named = move |key: &str| key.eq_ignore_ascii_case(name);
    let raw = raw(http).iter().filter(move |header| is_named(&header.key));
    joined.chain(raw.flat_map(raw_values))
}

/// Returns every value of every header.
fn all_values(http: &HttpRequest) -> impl Iterator<Item = Value<'_>> {
    let joined = http.headers.values().map(|value| Value { bytes: value.as_bytes(), is_joined: true });
    joined.chain(raw(http).iter().flat_map(raw_values))
}

fn raw(http: &HttpRequest) -> &[HeaderValue] {
    http.header_map.as_ref().map_or(&[], |map| map.headers.as_slice())
}

/// A header has its value in one of two fields; one that has both has two values.
fn raw_values(header: &HeaderValue) -> impl Iterator<Item = Value<'_>> {
    let HeaderValue { key: _, value: text, raw_value: raw } = header;
    let value = |bytes| Value { bytes, is_joined: false };
    let both: [Option<&[u8]>; 2] = match (text.as_bytes(), raw.as_slice()) {
        (text, []) => [Some(text), None],
        ([], raw) => [Some(raw), None],
        (text, raw) => [Some(text), Some(raw)],
    };
    both.into_iter().flatten().map(value)
}

/// Absent and empty are the same in proto3.
fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
