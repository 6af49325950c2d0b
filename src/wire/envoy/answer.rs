//! What Envoy is answered.
//!
//! The call itself is always `OK`; the verdict is `CheckResponse.status.code`: 0 lets the request
//! pass, anything else does not. There are four answers:
//!
//! | answer | code | client gets | with |
//! |---|---|---|---|
//! | ALLOW | 0 | what the upstream says | `ok_response` |
//! | FILE, CONTRACT, ASSESS | 7 | 403 | `denied_response` |
//! | wrong labels, an id used twice | 3, 6, 9 | 400 or 409 | `denied_response` |
//! | cannot be decided now | any other | 503 | `error_response` |
//!
//! What a client can bring about by what it sends is a denial and no error, because Envoy lets errors
//! pass where its operator asks for that (`failure_mode_allow`). An Envoy that does not know
//! `error_response` denies with 403.
//!
//! Headers are ASCII; texts stand in the body, a `neglist.v1.DecideResult` in proto3 JSON.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use tonic::Code;

use crate::wire::generated::v1;
use crate::wire::generated::vendor::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use crate::wire::generated::vendor::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use crate::wire::generated::vendor::envoy::service::auth::v3::check_response::HttpResponse;
use crate::wire::generated::vendor::envoy::service::auth::v3::{CheckResponse, DeniedHttpResponse, OkHttpResponse};
use crate::wire::generated::vendor::envoy::r#type::v3::{HttpStatus, StatusCode};
use crate::wire::json;
use crate::wire::status::{self, RpcStatus};

/// Most reasons and rules that headers and metadata name; the strictest come first.
const NAMED_MAX: usize = 16;
/// Most reasons that a body explains: some 600 bytes each, 40 KB together.
const EXPLAINED_MAX: usize = 64;
/// Most bytes of a header's value: four of them are well below the 60 KiB of headers that Envoy accepts.
const HEADER_BYTES_MAX: usize = 1_024;

/// What an answer says of a request besides the decision.
#[derive(Debug, Clone, Default)]
pub struct Passage {
    /// The label headers that it came with. They do not go on: an upstream abroad has no use for them.
    pub labels: Vec<String>,
    /// The rule that matched.
    pub rule: Option<String>,
    /// Under which id it was counted, if it was.
    pub transfer_id: Option<String>,
}

/// Answers with a decision.
pub fn decided(decision: v1::Decision, passage: Passage) -> CheckResponse {
    let Passage { labels, rule, transfer_id } = passage;
    let known = Known { rule, transfer_id, ..Known::of_decision(&decision) };
    match decision.outcome() {
        v1::Outcome::Allow => allowed(&known, labels),
        v1::Outcome::File | v1::Outcome::Contract | v1::Outcome::Assess => denied(decision, &known),
        // The domain does not make such a decision; if it does, nothing may pass.
        v1::Outcome::Unspecified => refused(status::without_outcome()),
    }
}

/// Lets a request pass that is no transfer, because the operator says so.
pub fn no_transfer(digest: String, labels: Vec<String>) -> CheckResponse {
    allowed(&Known { outcome: "NO_TRANSFER", digest, ..Known::default() }, labels)
}

/// Refuses a request that could not be decided.
pub fn refused(error: RpcStatus) -> CheckResponse {
    let (fault, http) = fault(Code::from_i32(error.code));
    let known = Known { outcome: fault.outcome(), reasons: status::reasons(&error), ..Known::default() };
    let mut headers = known.headers();
    if let Some(seconds) = status::retry_after_s(&error) {
        headers.push(header("retry-after", &seconds.to_string()));
    }
    let status = RpcStatus { code: refusing(error.code), message: error.message.clone(), details: Vec::new() };
    let response = local_reply(http, headers, v1::decide_result::Result::Error(error));
    let http_response = match fault {
        Fault::Caller => HttpResponse::DeniedResponse(response),
        Fault::Server => HttpResponse::ErrorResponse(response),
    };
    CheckResponse { status: Some(status), http_response: Some(http_response), dynamic_metadata: Some(known.metadata()) }
}

/// Whose fault it is that a request is not decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Caller,
    Server,
}

impl Fault {
    const fn outcome(self) -> &'static str {
        match self {
            Fault::Caller => "REFUSED",
            Fault::Server => "UNDECIDED",
        }
    }
}

const fn fault(code: Code) -> (Fault, StatusCode) {
    match code {
        Code::InvalidArgument | Code::OutOfRange => (Fault::Caller, StatusCode::BadRequest),
        Code::AlreadyExists | Code::FailedPrecondition | Code::NotFound | Code::Aborted => {
            (Fault::Caller, StatusCode::Conflict)
        }
        Code::PermissionDenied | Code::Unauthenticated => (Fault::Caller, StatusCode::Forbidden),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => (Fault::Server, StatusCode::ServiceUnavailable),
    }
}

/// A refusal must never have the code that lets pass.
fn refusing(code: i32) -> i32 {
    if code == i32::from(Code::Ok) { Code::Internal.into() } else { code }
}

fn allowed(known: &Known, labels: Vec<String>) -> CheckResponse {
    let ok = OkHttpResponse {
        // The client may read what was decided; an upstream abroad has no use for it.
        response_headers_to_add: known.headers(),
        headers_to_remove: labels,
        ..OkHttpResponse::default()
    };
    CheckResponse {
        status: Some(RpcStatus { code: Code::Ok.into(), ..RpcStatus::default() }),
        http_response: Some(HttpResponse::OkResponse(ok)),
        dynamic_metadata: Some(known.metadata()),
    }
}

fn denied(mut decision: v1::Decision, known: &Known) -> CheckResponse {
    decision.reasons.truncate(EXPLAINED_MAX);
    let message = format!("{}: {}", known.outcome, listed(&known.reasons));
    let body = v1::decide_result::Result::Decision(decision);
    let response = local_reply(StatusCode::Forbidden, known.headers(), body);
    CheckResponse {
        status: Some(RpcStatus { code: Code::PermissionDenied.into(), message, details: Vec::new() }),
        http_response: Some(HttpResponse::DeniedResponse(response)),
        dynamic_metadata: Some(known.metadata()),
    }
}

fn local_reply(
    http: StatusCode,
    mut headers: Vec<HeaderValueOption>,
    result: v1::decide_result::Result,
) -> DeniedHttpResponse {
    headers.push(header("content-type", "application/json"));
    headers.push(header("cache-control", "no-store"));
    let result = v1::DecideResult { result: Some(result) };
    // Details of an unknown type would be the only cause, and we write them all.
    let body = json::to_json(&result, "neglist.v1.DecideResult").unwrap_or_else(|_| "{}".to_owned());
    DeniedHttpResponse { status: Some(HttpStatus { code: http.into() }), headers, body }
}

/// What headers and metadata say of an answer.
#[derive(Debug, Default)]
struct Known {
    outcome: &'static str,
    required: &'static str,
    reasons: Vec<String>,
    rules: Vec<String>,
    decision_id: String,
    revision: u64,
    digest: String,
    valid_until: String,
    clearance: String,
    procedure: String,
    rule: Option<String>,
    transfer_id: Option<String>,
}

impl Known {
    fn of_decision(decision: &v1::Decision) -> Self {
        let v1::Decision {
            decision_id,
            outcome: _,
            required: _,
            reasons,
            clearance,
            snapshot,
            evaluated_at: _,
            valid_until,
            headroom: _,
            next_step,
        } = decision;
        let v1::Snapshot { revision, digest } = snapshot.clone().unwrap_or_default();
        let named = reasons.iter().take(NAMED_MAX);
        Self {
            outcome: word(decision.outcome()),
            required: word(decision.required()),
            reasons: named.clone().map(|reason| reason.code.clone()).collect(),
            rules: named.map(|reason| reason.rule.clone()).collect(),
            decision_id: decision_id.clone(),
            revision,
            digest,
            valid_until: valid_until.map(|moment| moment.to_string()).unwrap_or_default(),
            clearance: clearance.clone(),
            procedure: next_step.as_ref().map(|step| step.procedure.clone()).unwrap_or_default(),
            rule: None,
            transfer_id: None,
        }
    }

    fn headers(&self) -> Vec<HeaderValueOption> {
        let (reasons, rules) = (listed(&self.reasons), listed(&self.rules));
        let all: [(&str, &str); 8] = [
            ("x-neglist-outcome", self.outcome),
            ("x-neglist-decision-id", &self.decision_id),
            ("x-neglist-digest", &self.digest),
            ("x-neglist-reasons", &reasons),
            ("x-neglist-rules", &rules),
            ("x-neglist-valid-until", &self.valid_until),
            ("x-neglist-clearance", &self.clearance),
            ("x-neglist-next-step", &self.procedure),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| header(name, value)).collect()
    }

    fn metadata(&self) -> Struct {
        let texts: [(&str, &str); 9] = [
            ("outcome", self.outcome),
            ("required", self.required),
            ("decision_id", &self.decision_id),
            ("digest", &self.digest),
            ("valid_until", &self.valid_until),
            ("clearance", &self.clearance),
            ("next_step", &self.procedure),
            ("gateway_rule", self.rule.as_deref().unwrap_or_default()),
            ("transfer_id", self.transfer_id.as_deref().unwrap_or_default()),
        ];
        let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
        let mut fields: Vec<(&str, Kind)> = texts.map(|(name, value)| (name, text(value))).collect();
        for (name, values) in [("reasons", &self.reasons), ("rules", &self.rules)] {
            if !values.is_empty() {
                fields.push((name, list(values)));
            }
        }
        if self.revision != 0 {
            // A number of JSON would lose digits beyond 2^53.
            fields.push(("revision", text(&self.revision.to_string())));
        }
        let value = |kind| Value { kind: Some(kind) };
        Struct { fields: fields.into_iter().map(|(name, kind)| (name.to_owned(), value(kind))).collect() }
    }
}

const fn word(outcome: v1::Outcome) -> &'static str {
    match outcome {
        v1::Outcome::Allow => "ALLOW",
        v1::Outcome::File => "FILE",
        v1::Outcome::Contract => "CONTRACT",
        v1::Outcome::Assess => "ASSESS",
        v1::Outcome::Unspecified => "",
    }
}

fn text(text: &str) -> Kind {
    Kind::StringValue(text.to_owned())
}

fn list(texts: &[String]) -> Kind {
    let values = texts.iter().map(|entry| Value { kind: Some(text(entry)) });
    Kind::ListValue(ListValue { values: values.collect() })
}

/// Joins what is named, as far as it fits a header.
fn listed(words: &[String]) -> String {
    let mut listed = String::new();
    for word in words {
        let separator = if listed.is_empty() { "" } else { "," };
        if HEADER_BYTES_MAX < listed.len() + separator.len() + word.len() {
            break;
        }
        listed.push_str(separator);
        listed.push_str(word);
    }
    listed
}

/// A header that takes the place of any of its name.
fn header(name: &str, value: &str) -> HeaderValueOption {
    let visible = |character: char| if matches!(character, ' '..='~') { character } else { '?' };
    let value: String = value.chars().take(HEADER_BYTES_MAX).map(visible).collect();
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), value, raw_value: Vec::new() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}
