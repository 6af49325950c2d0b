//! The answers to Envoy.
//!
//! The call itself is always `OK`; the verdict is `CheckResponse.status.code`: 0 lets the request
//! pass, any other code does not. There are four answers:
//!
//! | answer | code | the client gets | with |
//! |---|---|---|---|
//! | ALLOW, or no transfer | 0 | what the upstream says | `ok_response` |
//! | FILE, CONTRACT, ASSESS | 7 | 403 | `denied_response` |
//! | labels that are wrong, an id used twice | 3, 5, 6, 9 | 400, 404, 409 | `denied_response` |
//! | cannot be decided now | any other | 503 | `error_response` |
//!
//! A refusal that a client can cause by its request is a denial and not an error, because Envoy lets
//! errors pass where its operator asks for that (`failure_mode_allow`). An Envoy that does not know
//! `error_response` denies with 403.
//!
//! Names and words are those of the other doors ([`render`]). Headers are ASCII; texts are in the body.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use serde_json::json;
use tonic::Code;

use crate::doors::render::{self, Verdict};
use crate::wire::generated::v1;
use crate::wire::generated::vendor::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use crate::wire::generated::vendor::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use crate::wire::generated::vendor::envoy::service::auth::v3::check_response::HttpResponse;
use crate::wire::generated::vendor::envoy::service::auth::v3::{CheckResponse, DeniedHttpResponse, OkHttpResponse};
use crate::wire::generated::vendor::envoy::r#type::v3::HttpStatus;
use crate::wire::refusal::Refusal;
use crate::wire::refusal::grpc::{self, RpcStatus};
use crate::wire::refusal::http::{self, Refused};

/// Most rules and reasons that metadata name; the strictest come first.
const NAMED_MAX: usize = 16;
/// Most reasons that a body explains, some 600 bytes each: 40 KB together.
const EXPLAINED_MAX: usize = 64;
/// Most bytes of a header's value. Ten of these are well below the 60 KiB of headers that Envoy accepts.
const HEADER_BYTES_MAX: usize = 1_024;
/// HTTP status where the transfer may not go.
const FORBIDDEN: i32 = 403;
/// HTTP status where the transfer cannot be decided now.
const SERVICE_UNAVAILABLE: i32 = 503;

/// The parts of an answer besides the decision.
#[derive(Debug, Clone, Default)]
pub struct Passage {
    /// The label headers of the request. They are removed: an upstream abroad has no use for them.
    pub labels: Vec<String>,
    /// The rule that matched.
    pub rule: Option<String>,
    /// The id under which the transfer was to be counted, if it was to be.
    pub transfer_id: Option<String>,
    /// Whether the ledger has counted it: `yes` or `no`.
    pub counted: &'static str,
}

/// Answers with a decision.
pub fn decided(decision: &v1::Decision, passage: Passage) -> CheckResponse {
    let mut metadata = of_decision(decision);
    let Passage { labels, rule, transfer_id, counted } = passage;
    metadata.push(("counted", text(counted)));
    let known = [("gateway_rule", rule), ("transfer_id", transfer_id)];
    metadata.extend(known.into_iter().filter_map(|(name, said)| Some((name, Kind::StringValue(said?)))));
    let headers = render::headers(decision).into_iter().map(|(name, value)| header(name, &value));
    let headers = headers.chain([header(render::HEADER_COUNTED, counted)]).collect();
    match render::verdict(decision) {
        Verdict::Permit => allowed(headers, labels, metadata),
        Verdict::Deny => {
            let reason = decision.reasons.first().map(|reason| reason.code.as_str()).unwrap_or_default();
            let status = RpcStatus {
                code: Code::PermissionDenied.into(),
                message: format!("{}: {reason}", render::outcome(decision)),
                details: Vec::new(),
            };
            let denied = local_reply(FORBIDDEN, headers, explained(decision));
            response(status, HttpResponse::DeniedResponse(denied), metadata)
        }
    }
}

/// Lets pass a request that is no transfer, because the operator chose so.
pub fn no_transfer(digest: String, labels: Vec<String>) -> CheckResponse {
    const OUTCOME: &str = "no-transfer";
    let headers = vec![header(render::HEADER_OUTCOME, OUTCOME), header(render::HEADER_DIGEST, &digest)];
    allowed(headers, labels, vec![("outcome", text(OUTCOME)), ("digest", Kind::StringValue(digest))])
}

/// Refuses a request with violations in its labels.
pub fn refused(refusal: &Refusal) -> CheckResponse {
    let Refused { http_code, body, retry_after_seconds } = http::render(refusal);
    let (status, headers, metadata) = without_decision("refused", refusal, retry_after_seconds);
    let denied = local_reply(i32::from(http_code), headers, body);
    response(status, HttpResponse::DeniedResponse(denied), metadata)
}

/// Refuses a request that the server could not decide.
pub fn unanswered(refusal: &Refusal) -> CheckResponse {
    let Refused { http_code: _, body, retry_after_seconds } = http::render(refusal);
    let (status, headers, metadata) = without_decision("unanswered", refusal, retry_after_seconds);
    let error = local_reply(SERVICE_UNAVAILABLE, headers, body);
    response(status, HttpResponse::ErrorResponse(error), metadata)
}

/// Status, headers and metadata of an answer without a decision.
fn without_decision(
    outcome: &'static str,
    refusal: &Refusal,
    retry_after_seconds: Option<u64>,
) -> (RpcStatus, Vec<HeaderValueOption>, Metadata) {
    // A refusal must not have the code that permits.
    let RpcStatus { code, message, details: _ } = grpc::render(refusal);
    let code = if code == i32::from(Code::Ok) { Code::Internal.into() } else { code };
    let status = RpcStatus { code, message, details: Vec::new() };
    let reasons: Vec<&str> = refusal.issues().iter().map(|issue| issue.code).filter(|code| !code.is_empty()).collect();
    let names = render::refusal_headers(outcome, refusal.code());
    let mut headers: Vec<_> = names.into_iter().map(|(name, value)| header(name, value)).collect();
    headers.extend(retry_after_seconds.map(|seconds| header("retry-after", &seconds.to_string())));
    let mut metadata = vec![("outcome", text(outcome))];
    if !reasons.is_empty() {
        metadata.push(("reasons", list(reasons.into_iter())));
    }
    (status, headers, metadata)
}

fn allowed(headers: Vec<HeaderValueOption>, labels: Vec<String>, metadata: Metadata) -> CheckResponse {
    let ok = OkHttpResponse {
        // The client may read the decision; an upstream abroad has no use for it.
        response_headers_to_add: headers,
        headers_to_remove: labels,
        ..OkHttpResponse::default()
    };
    let status = RpcStatus { code: Code::Ok.into(), ..RpcStatus::default() };
    response(status, HttpResponse::OkResponse(ok), metadata)
}

fn response(status: RpcStatus, http_response: HttpResponse, metadata: Metadata) -> CheckResponse {
    let field = |(name, kind): (&str, Kind)| (name.to_owned(), Value { kind: Some(kind) });
    let dynamic_metadata = Struct { fields: metadata.into_iter().map(field).collect() };
    CheckResponse { status: Some(status), http_response: Some(http_response), dynamic_metadata: Some(dynamic_metadata) }
}

fn local_reply(code: i32, mut headers: Vec<HeaderValueOption>, body: String) -> DeniedHttpResponse {
    headers.push(header("content-type", "application/json"));
    headers.push(header("cache-control", "no-store"));
    DeniedHttpResponse { status: Some(HttpStatus { code }), headers, body }
}

/// The decision with its texts, and how far it is from the next line.
fn explained(decision: &v1::Decision) -> String {
    let mut members = render::members(&with_at_most(EXPLAINED_MAX, decision));
    let headroom = decision.headroom.iter().take(EXPLAINED_MAX).map(|headroom| {
        let v1::Headroom { counter, projected, line, remaining, next: _ } = headroom;
        let next = render::word(headroom.next);
        json!({"counter": counter, "projected": projected, "line": line, "remaining": remaining, "next": next})
    });
    members.insert("headroom".to_owned(), headroom.collect());
    serde_json::Value::Object(members).to_string()
}

/// A decision with at most this number of reasons, the strictest ones.
fn with_at_most(reasons_max: usize, decision: &v1::Decision) -> v1::Decision {
    let mut decision = decision.clone();
    decision.reasons.truncate(reasons_max);
    decision
}

/// Names and values that access logs and later filters read.
type Metadata = Vec<(&'static str, Kind)>;

fn of_decision(decision: &v1::Decision) -> Metadata {
    let v1::Decision {
        decision_id,
        outcome: _,
        required,
        reasons,
        clearance,
        snapshot,
        evaluated_at: _,
        valid_until,
        headroom: _,
        next_step,
        alternative_next_steps,
    } = decision;
    let named = || reasons.iter().take(NAMED_MAX);
    let mut metadata = vec![
        ("outcome", text(render::outcome(decision))),
        ("required", text(render::word(*required))),
        ("decision_id", text(decision_id)),
        ("reasons", list(named().map(|reason| reason.code.as_str()))),
        ("rules", list(named().map(|reason| reason.rule.as_str()))),
    ];
    if let Some(v1::Snapshot { revision, digest }) = snapshot {
        metadata.push(("digest", text(digest)));
        // As a text, because a number of JSON loses digits beyond 2^53.
        metadata.push(("revision", Kind::StringValue(revision.to_string())));
    }
    metadata.extend(valid_until.map(|until| ("valid_until", Kind::StringValue(until.to_string()))));
    if !clearance.is_empty() {
        metadata.push(("clearance", text(clearance)));
    }
    metadata.extend(next_step.as_ref().map(|step| ("next_step", text(&step.procedure))));
    if !alternative_next_steps.is_empty() {
        let procedures = alternative_next_steps.iter().take(NAMED_MAX).map(|step| step.procedure.as_str());
        metadata.push(("alternative_next_steps", list(procedures)));
    }
    metadata
}

fn text(text: &str) -> Kind {
    Kind::StringValue(text.to_owned())
}

fn list<'t>(texts: impl Iterator<Item = &'t str>) -> Kind {
    let values = texts.map(|entry| Value { kind: Some(text(entry)) });
    Kind::ListValue(ListValue { values: values.collect() })
}

/// A header that replaces any other of its name, in visible ASCII.
fn header(name: &str, value: &str) -> HeaderValueOption {
    let visible = |character: char| if matches!(character, ' '..='~') { character } else { '?' };
    let value: String = value.chars().take(HEADER_BYTES_MAX).map(visible).collect();
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), value, raw_value: Vec::new() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}
