//! `/v1/forward-auth`: nginx `auth_request`, Traefik, Caddy, APISIX, HAProxy ask whether a request may pass.
//!
//! | answer | code | body |
//! |---|---|---|
//! | ALLOW, or no transfer where the operator lets such requests pass | 200 | none |
//! | FILE, CONTRACT, ASSESS; labels that make no transfer | 403 | why, in English and Chinese |
//! | the server could not answer | 503 | the same |
//!
//! nginx takes 2xx for a permit, 401 and 403 for a denial and anything else for an error, which it answers with 500: both
//! fail closed. Reasons travel as headers, because nginx does not pass on bodies.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use super::{Doors, respond};
use crate::domain::gateway::{Body, Context, Header, Seen};
use crate::service::labelled::{Answer, DecidedTransfer, Keeping};
use crate::wire::described::{
    self, HEADER_COUNTED, HEADER_DIGEST, HEADER_GATEWAY_RULE, HEADER_OUTCOME, HEADER_REASON, Verdict,
};
use crate::wire::forwarded::{self, Unforwarded};
use crate::wire::refused::{Refused, refused};
use crate::wire::status::{self, RpcStatus};

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

/// How this door answers.
#[derive(Debug, Clone, Copy)]
pub struct ForwardAuthSettings {
    /// Which headers are believed.
    pub believed: Believed,
    /// Longest time for which a gateway may keep an answer, in seconds.
    pub cache_seconds_max: u32,
}

/// Answers whether a request may pass.
pub(super) async fn forward_auth(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let settings = doors.forward_auth_settings;
    let forwarded = match Forwarded::read(request.headers(), settings.believed) {
        Ok(forwarded) => forwarded,
        Err(unforwarded) => {
            doors.forward_auth.count_refused();
            return denied_without_decision(&forwarded::refusal(&unforwarded));
        }
    };
    match doors.forward_auth.answer(&forwarded).await {
        Answer::Decided(decided) => self::decided(&decided, settings, &forwarded),
        Answer::NoTransfer { digest } => {
            let mut response = respond::empty(StatusCode::OK);
            put(&mut response, [(HEADER_OUTCOME, "no-transfer".to_owned()), (HEADER_DIGEST, digest)]);
            response
        }
        Answer::Refused(refusal) => denied_without_decision(&refusal),
        Answer::Unanswered(refusal) => unanswered(&refusal),
    }
}

fn decided(decided: &DecidedTransfer, settings: ForwardAuthSettings, forwarded: &Forwarded<'_>) -> Response {
    let DecidedTransfer { decision, rule, keeping, transfer_id: _, counted } = decided;
    let mut response = match described::verdict(decision) {
        Verdict::Goes => respond::empty(StatusCode::OK),
        Verdict::Stays => respond::json(StatusCode::FORBIDDEN, described::body(decision, rule.as_deref())),
    };
    put(&mut response, described::headers(decision));
    put(&mut response, [(HEADER_COUNTED, counted.name().to_owned())]);
    put(&mut response, rule.iter().map(|rule| (HEADER_GATEWAY_RULE, rule.clone())));
    let seconds = match keeping {
        Keeping::UntilItRunsOut => described::holds_for_seconds(decision).min(settings.cache_seconds_max),
        Keeping::Never => 0,
    };
    if seconds != 0 {
        let headers = response.headers_mut();
        // Whatever the answer was made of makes it another one.
        if let (Ok(vary), Ok(age)) = (forwarded.read_headers().parse(), format!("max-age={seconds}").parse()) {
            headers.insert(VARY, vary);
            headers.insert(CACHE_CONTROL, age);
        }
    }
    response
}

/// Denies a request that is no transfer. 403 whatever is wrong: nginx takes any other code for an outage.
fn denied_without_decision(refusal: &RpcStatus) -> Response {
    let Refused { http_code: _, body, retry_after_seconds: _ } = refused(&status::to_status(refusal));
    let mut response = respond::json(StatusCode::FORBIDDEN, body);
    name_outcome(&mut response, "refused", refusal);
    response
}

fn unanswered(refusal: &RpcStatus) -> Response {
    let refused = refused(&status::to_status(refusal));
    let mut response = respond::refused(Refused { http_code: 503, ..refused });
    name_outcome(&mut response, "unanswered", refusal);
    response
}

fn name_outcome(response: &mut Response, outcome: &str, refusal: &RpcStatus) {
    put(response, [(HEADER_OUTCOME, outcome.to_owned())]);
    let reason = described::said(refusal).into_iter().map(|said| said.reason).find(|reason| !reason.is_empty());
    put(response, reason.map(|reason| (HEADER_REASON, reason)));
}

/// Puts headers into a response; leaves out what is no text of a header.
fn put(response: &mut Response, headers: impl IntoIterator<Item = (&'static str, String)>) {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

/// A request, as a gateway speaks of it.
struct Forwarded<'r> {
    headers: &'r HeaderMap,
    method: Option<&'r str>,
    host: Option<&'r str>,
    uri: &'r str,
    /// Headers that were looked at.
    read: Mutex<BTreeSet<String>>,
}

impl<'r> Forwarded<'r> {
    fn read(headers: &'r HeaderMap, believed: Believed) -> Result<Self, Unforwarded> {
        let [method, host, uri] = match believed {
            Believed::XForwarded => of_family(headers, X_FORWARDED)?,
            Believed::XOriginal => of_family(headers, X_ORIGINAL)?,
            Believed::Either => of_either(headers)?,
        };
        let Some(uri) = uri.filter(|uri| !uri.is_empty()) else {
            let [.., forwarded] = X_FORWARDED;
            let [.., original] = X_ORIGINAL;
            let headers = match believed {
                Believed::XForwarded => vec![forwarded],
                Believed::XOriginal => vec![original],
                Believed::Either => vec![forwarded, original],
            };
            return Err(Unforwarded::NoUri { headers });
        };
        let read = X_FORWARDED.into_iter().chain(X_ORIGINAL).map(str::to_owned).collect();
        Ok(Self { headers, method, host, uri, read: Mutex::new(read) })
    }

    /// Returns the names of all headers that were looked at, with commas between.
    fn read_headers(&self) -> String {
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
        self.host
    }

    fn method(&self) -> Option<&str> {
        self.method
    }

    fn path(&self) -> Option<&str> {
        Some(self.uri)
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
#[path = "forward_auth_tests.rs"]
mod tests;
