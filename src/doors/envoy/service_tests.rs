//! The answers to Envoy, over a ledger in memory.

use std::collections::HashMap;

use prost_types::value::Kind;
use tonic::Code;

use super::*;
use crate::domain::gateway::Unmatched;
use crate::domain::snapshot::Snapshot;
use crate::ledger::Ledger;
use crate::live::Live;
use crate::metrics::Door;
use crate::service::{DecideSettings, DecisionApi, LedgerApi, LedgerSettings};
use crate::testing::ledger::MemoryLedger;
use crate::testing::{StandingClock, counting_snapshot, snapshot};
use crate::wire::generated::vendor::envoy::config::core::v3::{HeaderMap, HeaderValue, HeaderValueOption};
use crate::wire::generated::vendor::envoy::service::auth::v3::attribute_context::{HttpRequest, Request as Attributes};
use crate::wire::generated::vendor::envoy::service::auth::v3::check_response::HttpResponse;
use crate::wire::generated::vendor::envoy::service::auth::v3::{AttributeContext, DeniedHttpResponse, OkHttpResponse};
use std::sync::Arc;

/// An id as Envoy draws them.
const STREAM: &str = "8314148428928157450";

fn api_with(snapshot: Snapshot, unmatched: Unmatched, ledger: Option<Arc<dyn Ledger>>) -> EnvoyApi {
    let live = Arc::new(Live::new(snapshot));
    let clock = Arc::new(StandingClock);
    let decisions = DecisionApi::new(live.clone(), clock.clone(), DecideSettings::default(), ledger.clone());
    let counting = LedgerApi::new(live.clone(), clock, LedgerSettings::default(), ledger);
    EnvoyApi::new(LabelledDoor::new(live, &decisions, &counting, unmatched, Door::Envoy))
}

fn api_over(snapshot: Snapshot) -> (EnvoyApi, Arc<MemoryLedger>) {
    let ledger = Arc::new(MemoryLedger::default());
    (api_with(snapshot, Unmatched::Refuse, Some(ledger.clone())), ledger)
}

/// A request with headers as they came.
fn seen(headers: &[(&str, &str)]) -> CheckRequest {
    let header = |(key, value): &(&str, &str)| HeaderValue {
        key: (*key).to_owned(),
        value: String::new(),
        raw_value: value.as_bytes().to_vec(),
    };
    let http = HttpRequest {
        id: STREAM.to_owned(),
        method: "POST".to_owned(),
        host: "partner.example:443".to_owned(),
        path: "/upload?x=1".to_owned(),
        header_map: Some(HeaderMap { headers: headers.iter().map(header).collect() }),
        ..HttpRequest::default()
    };
    let request = Some(Attributes { http: Some(http), ..Attributes::default() });
    CheckRequest { attributes: Some(AttributeContext { request, ..AttributeContext::default() }) }
}

fn trial(sensitive: &str) -> CheckRequest {
    seen(&[("x-neglist-flow", "trial"), ("x-neglist-sensitive-persons", sensitive)])
}

fn http(request: &mut CheckRequest) -> &mut HttpRequest {
    request.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap()
}

/// Asks to count.
fn counted(mut request: CheckRequest, wish: &str) -> CheckRequest {
    let context = HashMap::from([("neglist-record".to_owned(), wish.to_owned())]);
    request.attributes.as_mut().unwrap().context_extensions = context;
    request
}

fn with_id(mut request: CheckRequest, id: &str) -> CheckRequest {
    id.clone_into(&mut http(&mut request).id);
    request
}

fn code(response: &CheckResponse) -> Code {
    Code::from_i32(response.status.as_ref().unwrap().code)
}

#[track_caller]
fn allowed(response: &CheckResponse) -> &OkHttpResponse {
    assert_eq!(code(response), Code::Ok, "{response:?}");
    match &response.http_response {
        Some(HttpResponse::OkResponse(ok)) => ok,
        other => panic!("{other:?}"),
    }
}

/// The HTTP status, and the answer to the client.
#[track_caller]
fn denied(response: &CheckResponse) -> (i32, &DeniedHttpResponse) {
    assert_ne!(code(response), Code::Ok, "{response:?}");
    match &response.http_response {
        Some(HttpResponse::DeniedResponse(denied)) => (denied.status.unwrap().code, denied),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn undecided(response: &CheckResponse) -> (i32, &DeniedHttpResponse) {
    assert_ne!(code(response), Code::Ok, "{response:?}");
    match &response.http_response {
        Some(HttpResponse::ErrorResponse(error)) => (error.status.unwrap().code, error),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn header(headers: &[HeaderValueOption], name: &str) -> String {
    let found: Vec<_> = headers.iter().filter(|option| option.header.as_ref().unwrap().key == name).collect();
    let [option] = found[..] else { panic!("{name}: {headers:?}") };
    let HeaderValue { key: _, value, raw_value } = option.header.as_ref().unwrap();
    assert!(raw_value.is_empty() && value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{option:?}");
    // OVERWRITE_IF_EXISTS_OR_ADD: what an upstream or a client sends under our names is replaced.
    assert_eq!(option.append_action, 2, "{option:?}");
    value.clone()
}

fn meta(response: &CheckResponse, name: &str) -> String {
    let value = response.dynamic_metadata.as_ref().unwrap().fields.get(name);
    match value.and_then(|value| value.kind.clone()) {
        Some(Kind::StringValue(text)) => text,
        Some(Kind::ListValue(list)) => {
            let text = |value: prost_types::Value| match value.kind {
                Some(Kind::StringValue(text)) => text,
                other => panic!("{other:?}"),
            };
            list.values.into_iter().map(text).collect::<Vec<_>>().join(" ")
        }
        None => String::new(),
        other => panic!("{name}: {other:?}"),
    }
}

/// Persons that were counted for an exporter in a counter of sensitive information.
async fn sensitive(ledger: &MemoryLedger, exporter: &str) -> u64 {
    use crate::domain::units::{CountedClass, Year};
    use crate::ledger::{Account, Counter};
    let account = Account { exporter: exporter.to_owned(), year: Year(2026) };
    let counter = Counter { name: "beijing/pharma/clinical-trial".to_owned(), class: CountedClass::Sensitive };
    ledger.usage(&account, crate::testing::NOW).await.unwrap().get(&counter).map_or(0, |usage| usage.committed)
}

#[tokio::test]
async fn allow_passes_and_takes_the_labels_off() {
    let (api, ledger) = api_over(counting_snapshot());
    let mut request = trial("10");
    let headers = &mut http(&mut request).header_map.as_mut().unwrap().headers;
    for key in ["X-Neglist-Outcome", "x-neglist-made-up", "accept", "x-neglistic"] {
        headers.push(HeaderValue { key: key.to_owned(), value: "x".to_owned(), raw_value: Vec::new() });
    }
    let response = api.answer(&request).await;
    let ok = allowed(&response);
    let labels =
        ["x-neglist-flow", "x-neglist-made-up", "x-neglist-outcome", "x-neglist-sensitive-persons"].map(str::to_owned);
    assert_eq!(ok.headers_to_remove, labels);
    assert!(ok.headers.is_empty(), "nothing of ours goes abroad");
    assert_eq!(header(&ok.response_headers_to_add, "x-neglist-outcome"), "allow");
    assert_eq!(header(&ok.response_headers_to_add, "x-neglist-clearance"), "filing-1");
    assert_eq!(header(&ok.response_headers_to_add, "x-neglist-digest"), "blake3:00");
    let metadata = ["outcome", "required", "clearance", "digest", "revision"].map(|name| meta(&response, name));
    assert_eq!(metadata, ["allow", "file", "filing-1", "blake3:00", "7"]);
    assert_eq!(meta(&response, "decision_id").len(), 32);
    assert!(meta(&response, "valid_until").ends_with('Z'), "{response:?}");
    assert_eq!(meta(&response, "transfer_id"), "");
    assert_eq!((ledger.reads(), ledger.writes()), (1, 0), "asking does not count");
}

#[tokio::test]
async fn every_other_outcome_is_denied_in_both_languages() {
    let (api, _) = api_over(snapshot());
    for (persons, outcome) in [("10", "file"), ("20000", "contract"), ("50000", "assess")] {
        let response = api.answer(&trial(persons)).await;
        let (status, answer) = denied(&response);
        assert_eq!((code(&response), status), (Code::PermissionDenied, 403));
        assert_eq!(header(&answer.headers, "x-neglist-outcome"), outcome);
        assert_eq!(header(&answer.headers, "content-type"), "application/json");
        assert_eq!(header(&answer.headers, "cache-control"), "no-store");
        assert_eq!((meta(&response, "outcome"), meta(&response, "required")), (outcome.into(), outcome.into()));
        assert_eq!(meta(&response, "rules"), "beijing-2025/pharma/clinical-trial");
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["outcome"], outcome);
        let reason = &body["reasons"][0];
        assert!(!reason["text_zh"].as_str().unwrap().is_ascii() && !reason["text_en"].as_str().unwrap().is_empty());
        assert_eq!(reason["citation"], "规定第七条 / Provisions, art. 7");
        assert_eq!(body["next_step"]["text_zh"], "办理");
        assert!(outcome == "assess" || !body["headroom"].as_array().unwrap().is_empty(), "{body}");
    }
}

#[tokio::test]
async fn labels_that_make_no_transfer_are_the_callers_fault_and_never_an_error() {
    let (api, ledger) = api_over(counting_snapshot());
    let flow = ("x-neglist-flow", "trial");
    let long = "x".repeat(129);
    let cases: [(&str, Vec<(&str, &str)>); 9] = [
        ("NOTHING_MATCHES", vec![("accept", "*/*")]),
        ("LABEL_MISSING", vec![flow]),
        ("LABEL_MISSING", vec![("x-neglist-flow", ""), ("x-neglist-sensitive-persons", "1")]),
        ("LABEL_REPEATED", vec![flow, ("X-NEGLIST-FLOW", "trial"), ("x-neglist-sensitive-persons", "1")]),
        ("LABEL_NOT_TEXT", vec![("x-neglist-flow", "tri\u{e9}l"), ("x-neglist-sensitive-persons", "1")]),
        ("LABEL_NOT_TEXT", vec![("x-neglist-flow", "trial\t"), ("x-neglist-sensitive-persons", "1")]),
        ("LABEL_NOT_A_NUMBER", vec![flow, ("x-neglist-sensitive-persons", "ten")]),
        ("TOO_LONG", vec![("x-neglist-flow", &long), ("x-neglist-sensitive-persons", "1")]),
        ("UNKNOWN_CODE", vec![("x-neglist-flow", "trail"), ("x-neglist-sensitive-persons", "1")]),
    ];
    for (reason, headers) in cases {
        let response = api.answer(&seen(&headers)).await;
        let (status, answer) = denied(&response);
        assert_eq!((code(&response), status), (Code::InvalidArgument, 400), "{headers:?}");
        assert_eq!(meta(&response, "reasons"), reason, "{headers:?}");
        assert_eq!(header(&answer.headers, "x-neglist-outcome"), "refused");
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["code"], 3, "{body}");
        assert!(!answer.body.is_ascii(), "Chinese too: {body}");
    }
    assert_eq!(ledger.writes(), 0);
}

#[tokio::test]
async fn headers_that_envoy_joined_are_read_and_a_comma_counts_as_repeated() {
    let (api, _) = api_over(counting_snapshot());
    let joined = |pairs: &[(&str, &str)]| {
        let mut request = seen(&[]);
        let headers = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        http(&mut request).headers = headers.collect();
        request
    };
    let persons = ("x-neglist-sensitive-persons", "10");
    let response = api.answer(&joined(&[("x-neglist-flow", "trial"), persons])).await;
    assert_eq!(allowed(&response).headers_to_remove, ["x-neglist-flow", "x-neglist-sensitive-persons"]);
    let response = api.answer(&joined(&[("x-neglist-flow", "trial,trial"), persons])).await;
    assert_eq!((denied(&response).0, meta(&response, "reasons")), (400, "LABEL_REPEATED".into()));
    // Both ways of sending at once: two values.
    let mut request = joined(&[("x-neglist-flow", "trial"), persons]);
    let again = HeaderValue { key: "x-neglist-flow".into(), value: String::new(), raw_value: b"trial".to_vec() };
    http(&mut request).header_map = Some(HeaderMap { headers: vec![again] });
    assert_eq!(meta(&api.answer(&request).await, "reasons"), "LABEL_REPEATED");
    // A header with its value in both fields of the message.
    let mut request = trial("10");
    http(&mut request).header_map.as_mut().unwrap().headers[0].value = "trial".into();
    assert_eq!(meta(&api.answer(&request).await, "reasons"), "LABEL_REPEATED");
}

#[tokio::test]
async fn what_says_nothing_is_refused() {
    let (api, _) = api_over(counting_snapshot());
    let tcp = CheckRequest { attributes: Some(AttributeContext::default()) };
    let mut empty_http = trial("10");
    *http(&mut empty_http) = HttpRequest::default();
    for request in [CheckRequest::default(), tcp, empty_http] {
        let response = api.answer(&request).await;
        assert_eq!((denied(&response).0, meta(&response, "reasons")), (400, "NOTHING_SEEN".into()), "{request:?}");
    }
}

#[tokio::test]
async fn a_request_counts_once_however_often_envoy_asks() {
    let (api, ledger) = api_over(counting_snapshot());
    let request = counted(trial("10"), "yes");
    for _ in 0..3 {
        let response = api.answer(&request).await;
        allowed(&response);
        assert_eq!(meta(&response, "transfer_id"), format!("envoy:{STREAM}"));
    }
    assert_eq!(sensitive(&ledger, "zoned").await, 10);
    allowed(&api.answer(&with_id(request.clone(), "8314148428928157451")).await);
    assert_eq!(sensitive(&ledger, "zoned").await, 20);
    // The same id for another transfer.
    let response = api.answer(&counted(trial("11"), "yes")).await;
    let (status, answer) = denied(&response);
    assert_eq!(
        (code(&response), status, meta(&response, "reasons")),
        (Code::AlreadyExists, 409, "OTHER_TRANSFER".into())
    );
    assert!(!answer.body.is_ascii());
    assert_eq!(sensitive(&ledger, "zoned").await, 20);
}

#[tokio::test]
async fn an_id_of_a_label_goes_before_and_stands_apart() {
    let (api, ledger) = api_over(counting_snapshot());
    let labelled = |id: &str, stream: &str| {
        let mut request = with_id(counted(trial("10"), "yes"), stream);
        let label = HeaderValue { key: "x-neglist-transfer-id".into(), value: id.into(), raw_value: Vec::new() };
        http(&mut request).header_map.as_mut().unwrap().headers.push(label);
        request
    };
    for stream in ["1", "2"] {
        let response = api.answer(&labelled("t-1", stream)).await;
        assert_eq!(meta(&response, "transfer_id"), "gateway:t-1");
    }
    assert_eq!(sensitive(&ledger, "zoned").await, 10);
    // A label cannot be made to look like the number of another request.
    allowed(&api.answer(&with_id(counted(trial("10"), "yes"), "5")).await);
    allowed(&api.answer(&labelled("envoy:5", "6")).await);
    allowed(&api.answer(&labelled("5", "7")).await);
    assert_eq!(sensitive(&ledger, "zoned").await, 40);
}

#[tokio::test]
async fn nothing_is_counted_under_an_id_that_a_client_may_choose() {
    let (api, ledger) = api_over(counting_snapshot());
    let forged = {
        let mut request = counted(trial("10"), "yes");
        let header = HeaderValue { key: "X-Request-Id".into(), value: STREAM.into(), raw_value: Vec::new() };
        http(&mut request).header_map.as_mut().unwrap().headers.push(header);
        request
    };
    let ids = ["", "0", "01", "+1", "-1", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "18446744073709551616"];
    let ids = ids.map(|id| with_id(counted(trial("10"), "yes"), id));
    for request in ids.into_iter().chain([forged]) {
        let response = api.answer(&request).await;
        let answer = denied(&response).1;
        assert_eq!(meta(&response, "reasons"), "LABEL_MISSING", "{request:?}");
        assert!(answer.body.contains("x-neglist-transfer-id"), "{}", answer.body);
    }
    assert_eq!(ledger.writes(), 0);
}

#[tokio::test]
async fn the_route_may_ask_to_count_and_says_so_readably() {
    let (api, ledger) = api_over(counting_snapshot());
    allowed(&api.answer(&counted(trial("10"), "no")).await);
    assert_eq!(ledger.writes(), 0);
    for wish in ["", "true", "Yes", "是"] {
        let response = api.answer(&counted(trial("10"), wish)).await;
        let answer = denied(&response).1;
        assert_eq!(meta(&response, "reasons"), "LABEL_OF_WRONG_KIND", "{wish}");
        assert!(answer.body.contains("context neglist-record"), "{}", answer.body);
    }
    assert_eq!(ledger.writes(), 0);
}

#[tokio::test]
async fn a_ledger_that_does_not_answer_is_an_error_with_503() {
    let (api, ledger) = api_over(counting_snapshot());
    ledger.set_down(true);
    for request in [trial("10"), counted(trial("10"), "yes")] {
        let response = api.answer(&request).await;
        let (status, answer) = undecided(&response);
        assert_eq!((code(&response), status), (Code::Unavailable, 503));
        assert_eq!(header(&answer.headers, "retry-after"), "1");
        assert_eq!(header(&answer.headers, "x-neglist-outcome"), "unanswered");
        assert_eq!((meta(&response, "outcome"), meta(&response, "reasons")), ("unanswered".into(), String::new()));
        assert!(answer.body.contains("不得放行"), "{}", answer.body);
    }
    ledger.set_down(false);
    allowed(&api.answer(&trial("10")).await);
}

#[tokio::test]
async fn counting_without_a_ledger_is_an_error() {
    let api = api_with(counting_snapshot(), Unmatched::Refuse, None);
    let response = api.answer(&counted(trial("10"), "yes")).await;
    assert_eq!(
        (code(&response), undecided(&response).0, meta(&response, "reasons")),
        (Code::Unimplemented, 503, "NO_LEDGER".into())
    );
}

/// A gateway cannot state totals: it is not asked for them.
#[tokio::test]
async fn what_depends_on_totals_is_denied_without_a_ledger() {
    let api = api_with(counting_snapshot(), Unmatched::Refuse, None);
    let response = api.answer(&trial("10")).await;
    let answer = denied(&response).1;
    assert_eq!(meta(&response, "reasons"), "NO_LEDGER");
    assert!(answer.body.contains("start the server with a ledger") && answer.body.contains("台账"), "{}", answer.body);
}

#[tokio::test]
async fn a_request_that_no_rule_matches_passes_only_if_the_operator_allows_it() {
    let ledger: Option<Arc<dyn Ledger>> = Some(Arc::new(MemoryLedger::default()));
    let api = api_with(counting_snapshot(), Unmatched::Allow, ledger.clone());
    let response = api.answer(&seen(&[("accept", "*/*")])).await;
    assert_eq!(header(&allowed(&response).response_headers_to_add, "x-neglist-outcome"), "no-transfer");
    assert_eq!((meta(&response, "outcome"), meta(&response, "digest")), ("no-transfer".into(), "blake3:00".into()));
    // A label that is there and wrong is not nothing.
    denied(&api.answer(&seen(&[("x-neglist-flow", "")])).await);
    denied(&api.answer(&seen(&[("x-neglist-flow", "unheard-of")])).await);
    let api = api_with(counting_snapshot(), Unmatched::Flow("trial".into()), ledger);
    let response = api.answer(&seen(&[])).await;
    denied(&response);
}

/// Puts a message together at random: labels that are right, wrong, there twice, in either of the two forms, or not at all.
fn random(random: &mut fastrand::Rng) -> CheckRequest {
    const NAMES: [&str; 7] = [
        "x-neglist-flow",
        "X-Neglist-Flow",
        "x-neglist-persons",
        "x-neglist-sensitive-persons",
        "x-neglist-transfer-id",
        "x-request-id",
        "accept",
    ];
    const VALUES: [&str; 12] =
        ["trial", "trail", "10", "0", "19999", "20000", "50000", "", "a,b", "t\u{e9}", "18446744073709551615", "ten"];
    let mut request = seen(&[]);
    for _ in 0..random.usize(0..7) {
        let (name, value) = match random.u8(0..4) {
            0 => ("x-neglist-flow", "trial"),
            1 => ("x-neglist-sensitive-persons", "10"),
            _ => (NAMES[random.usize(0..NAMES.len())], VALUES[random.usize(0..VALUES.len())]),
        };
        let http = http(&mut request);
        if random.u8(0..3) == 0 {
            http.headers.insert(name.to_owned(), value.to_owned());
        } else {
            let header = HeaderValue { key: name.to_owned(), value: String::new(), raw_value: value.into() };
            http.header_map.as_mut().unwrap().headers.push(header);
        }
    }
    http(&mut request).id = ["", STREAM, "x", "7"][random.usize(0..4)].to_owned();
    match random.u8(0..4) {
        0 => counted(request, "yes"),
        1 => counted(request, ["no", "maybe"][random.usize(0..2)]),
        _ => request,
    }
}

/// All values of a header, in whatever form it came.
fn all(request: &mut CheckRequest, name: &str) -> Vec<String> {
    let http = http(request);
    let joined = http.headers.iter().map(|(key, value)| (key.clone(), value.clone()));
    let raw = http.header_map.as_ref().unwrap().headers.iter();
    let raw = raw.map(|header| (header.key.clone(), String::from_utf8_lossy(&header.raw_value).into_owned()));
    let named = joined.chain(raw).filter(|(key, _)| key.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value).collect()
}

#[tokio::test]
async fn whatever_comes_nothing_passes_but_what_is_labelled_once_and_rightly() {
    let (api, ledger) = api_over(counting_snapshot());
    let mut dice = fastrand::Rng::with_seed(7);
    let (mut passed, mut stayed) = (0, 0);
    for _ in 0..4_000 {
        let mut request = random(&mut dice);
        let response = api.answer(&request).await;
        let headers = match (code(&response), response.http_response.as_ref().unwrap()) {
            (Code::Ok, HttpResponse::OkResponse(ok)) => {
                assert_eq!(all(&mut request, "x-neglist-flow"), ["trial"], "{request:?}");
                let persons = all(&mut request, "x-neglist-sensitive-persons");
                let [persons] = &persons[..] else { panic!("{request:?}") };
                assert!(persons.parse::<u64>().is_ok_and(|persons| persons < 50_000), "{request:?}");
                passed += 1;
                &ok.response_headers_to_add
            }
            (Code::Ok, _) | (_, HttpResponse::OkResponse(_)) => panic!("{response:?}"),
            (_, HttpResponse::DeniedResponse(answer) | HttpResponse::ErrorResponse(answer)) => {
                assert!((400..600).contains(&answer.status.unwrap().code), "{response:?}");
                serde_json::from_str::<serde_json::Value>(&answer.body).unwrap();
                stayed += 1;
                &answer.headers
            }
        };
        for option in headers {
            let HeaderValue { key, value, raw_value: _ } = option.header.as_ref().unwrap();
            assert_eq!(header(headers, key), *value);
        }
    }
    assert!(100 < passed && 100 < stayed, "{passed} passed, {stayed} stayed");
    assert!(0 < ledger.writes());
}

#[tokio::test]
async fn broken_messages_are_answered_or_are_none() {
    use prost::Message as _;
    let (api, _) = api_over(counting_snapshot());
    let mut dice = fastrand::Rng::with_seed(11);
    let mut read = 0;
    for _ in 0..4_000 {
        let mut bytes = random(&mut dice).encode_to_vec();
        for _ in 0..dice.usize(1..3) {
            let at = dice.usize(0..bytes.len());
            match dice.u8(0..16) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, dice.u8(..)),
                _ => bytes[at] = dice.u8(..),
            }
        }
        let Ok(request) = CheckRequest::decode(bytes.as_slice()) else { continue };
        read += 1;
        let response = api.answer(&request).await;
        assert_eq!(code(&response) == Code::Ok, matches!(response.http_response, Some(HttpResponse::OkResponse(_))));
    }
    assert!(500 < read, "{read} could be read");
}
