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

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, VARY};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use crate::doors::forward_auth::forwarded::Forwarded;
use crate::doors::forward_auth::settings::ForwardAuthSettings;
use crate::doors::forward_auth::wording;
use crate::doors::http::{Doors, respond};
use crate::doors::labelled::{Answer, Cacheable, DecidedTransfer};
use crate::doors::render::{self, HEADER_COUNTED, HEADER_DIGEST, HEADER_GATEWAY_RULE, HEADER_OUTCOME, Verdict};
use crate::wire::refusal::Refusal;
use crate::wire::refusal::http::{self, Refused};

/// Answers whether a request may pass.
pub(crate) async fn forward_auth(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let settings = doors.forward_auth_settings;
    let forwarded = match Forwarded::read(request.headers(), settings.believed) {
        Ok(forwarded) => forwarded,
        Err(unforwarded) => {
            doors.forward_auth.count_refused();
            return denied_without_decision(&wording::refusal(&unforwarded));
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
    let DecidedTransfer { decision, rule, cacheable, transfer_id: _, counted } = decided;
    let mut response = match render::verdict(decision) {
        Verdict::Permit => respond::empty(StatusCode::OK),
        Verdict::Deny => respond::json(StatusCode::FORBIDDEN, render::body(decision, rule.as_deref())),
    };
    put(&mut response, render::headers(decision));
    put(&mut response, [(HEADER_COUNTED, counted.name().to_owned())]);
    put(&mut response, rule.iter().map(|rule| (HEADER_GATEWAY_RULE, rule.clone())));
    let seconds = match cacheable {
        Cacheable::UntilItExpires => render::holds_for_seconds(decision).min(settings.cache_seconds_max),
        Cacheable::Never => 0,
    };
    if seconds != 0 {
        let headers = response.headers_mut();
        // The answer may differ with each header that it depends on.
        if let (Ok(vary), Ok(age)) = (forwarded.read_headers().parse(), format!("max-age={seconds}").parse()) {
            headers.insert(VARY, vary);
            headers.insert(CACHE_CONTROL, age);
        }
    }
    response
}

/// Denies a request that is no transfer. The code is always 403: nginx takes any other one for an outage.
fn denied_without_decision(refusal: &Refusal) -> Response {
    let Refused { http_code: _, body, retry_after_seconds: _ } = http::render(refusal);
    let mut response = respond::json(StatusCode::FORBIDDEN, body);
    put(&mut response, render::refusal_headers("refused", refusal.code()));
    response
}

/// Refuses a question that the server cannot answer.
pub(crate) fn unanswered(refusal: &Refusal) -> Response {
    let mut response = respond::refused(Refused { http_code: 503, ..http::render(refusal) });
    put(&mut response, render::refusal_headers("unanswered", refusal.code()));
    response
}

/// Adds headers to a response, apart from values that no header can have.
fn put(response: &mut Response, headers: impl IntoIterator<Item = (&'static str, impl AsRef<str>)>) {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

#[cfg(test)]
#[path = "handler_tests.rs"]
mod tests;
