//! The contract of the Greater Bay Area at each door: where it is open, answers name it beside the next step.

use neglist::wire::generated::v1;
use neglist::wire::generated::vendor::envoy::config::core::v3::{HeaderMap, HeaderValue};
use neglist::wire::generated::vendor::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use neglist::wire::generated::vendor::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use neglist::wire::generated::vendor::envoy::service::auth::v3::check_response::HttpResponse;
use neglist::wire::generated::vendor::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use serde_json::{Value, json};

use crate::http::doors::start;
use crate::policy::commands::{name, run_in, written};
use crate::support::clients;
use crate::support::http_client::{Client, post};
use crate::support::server::{self, Directory, connect, decisions_on};
use crate::support::small::{CODES, NATION, OWN, Small};

const CITY: &str = "cities:\n  - {code: harbour, name: {zh: 港, en: harbour}, greater_bay_area: yes}\n  - {code: inland, name: {zh: 内, en: inland}}\nsectors:";
const MECHANISM: &str = "  gba-contract: {validity_years: none, hong_kong_from: 2023-12-13, macao_from: 2024-09-10, \
                         source: a, confidence: official}\nprocedures:\n";
const PROCEDURE: &str =
    "  gba-contract: {code: gba, text: {zh: 大湾区, en: area}, source: a, confidence: official}\n  assess: {code";

/// Acme, in a city of the Area, sends to Hong Kong.
fn small() -> Small {
    Small::new()
        .with(CODES, "sectors:", CITY)
        .with(NATION, "procedures:\n", MECHANISM)
        .with(NATION, "  assess: {code", PROCEDURE)
        .with(OWN, "    zones: [port]", "    zones: [port]\n    cities: [harbour]")
        .with(OWN, "destination: CH", "destination: HK")
}

/// An unregistered exporter sends 100,000 names to Hong Kong.
fn transfer(cities: &[&str]) -> v1::Transfer {
    let cities = cities.iter().map(|city| (*city).to_owned()).collect();
    v1::Transfer {
        destination: "HK".into(),
        exporter_facts: Some(v1::ExporterFacts { cities, ..v1::ExporterFacts::default() }),
        ..clients::transfer(100_000, 0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_answers_name_the_contract_and_others_say_nothing_of_it() {
    let directory = Directory::of(&small().files);
    let (server, _) = start(&directory, &[]).await;
    let mut client = decisions_on(connect(&server::address(&server, "grpc")).await);
    for (cities, expected) in [(&["harbour"][..], &["gba"][..]), (&["inland"], &[]), (&[], &[])] {
        for (detail, expected) in [(v1::Detail::Full, expected), (v1::Detail::Unspecified, &[])] {
            let request = v1::DecideRequest { transfer: Some(transfer(cities)), detail: detail.into() };
            let decision = client.decide(request).await.unwrap().into_inner().decision.unwrap();
            assert_eq!(decision.outcome(), v1::Outcome::Contract, "{cities:?}");
            let named: Vec<&str> = decision.alternative_next_steps.iter().map(|step| step.procedure.as_str()).collect();
            assert_eq!(named, expected, "{cities:?} {detail:?}");
            assert_eq!(decision.next_step.is_some(), detail == v1::Detail::Full);
        }
    }
    let refused = client.decide(clients::request(transfer(&["harbor"]))).await.unwrap_err();
    assert!(refused.message().contains("did you mean `harbour`"), "{refused:?}");
}

fn procedures(of: &Value) -> Vec<&str> {
    let steps = of["alternative_next_steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    steps.iter().map(|step| step["procedure"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn doors_of_gateways_name_the_contract_beside_the_next_step() {
    let directory = Directory::of(&small().files);
    let ledger = directory.beside("neglist.ledger");
    let (server, address) = start(&directory, &[("ledger", ledger.to_str().unwrap())]).await;
    let question = json!({
        "subject": {"type": "exporter", "id": "acme"}, "action": {"name": "export"},
        "resource": {"type": "flow", "id": "trial"}, "context": {"persons": 0, "sensitive_persons": 50_000},
    });
    let authzen = post(&address, "/access/v1/evaluation", &question.to_string()).json();
    assert_eq!(
        (authzen["decision"].as_bool(), procedures(&authzen["context"])),
        (Some(false), vec!["gba"]),
        "{authzen}"
    );

    let labels = [
        ("X-Original-Method", "POST"),
        ("X-Original-Host", "partner.example"),
        ("X-Original-URI", "/upload"),
        ("x-flow", "trial"),
        ("x-neglist-persons", "0"),
        ("x-neglist-sensitive-persons", "50000"),
    ];
    let forwarded = Client::connect(&address).ask("GET", "/v1/forward-auth", &labels, "");
    assert_eq!((forwarded.status, procedures(&forwarded.json())), (403, vec!["gba"]));
    assert_eq!(forwarded.json()["alternative_next_steps"][0]["text_zh"], "大湾区");

    let header = |(key, value): &(&str, &str)| HeaderValue {
        key: (*key).to_owned(),
        value: String::new(),
        raw_value: value.as_bytes().to_vec(),
    };
    let http = HttpRequest {
        method: "POST".to_owned(),
        host: "partner.example".to_owned(),
        path: "/upload".to_owned(),
        header_map: Some(HeaderMap { headers: labels[3..].iter().map(header).collect() }),
        ..HttpRequest::default()
    };
    let request = Some(Request { http: Some(http), ..Request::default() });
    let request = CheckRequest { attributes: Some(AttributeContext { request, ..AttributeContext::default() }) };
    let mut client = AuthorizationClient::new(connect(&server::address(&server, "grpc")).await);
    let answer = client.check(request).await.unwrap().into_inner();
    let Some(HttpResponse::DeniedResponse(denied)) = &answer.http_response else { panic!("{answer:?}") };
    assert_eq!(procedures(&serde_json::from_str(&denied.body).unwrap()), ["gba"]);
    assert!(answer.dynamic_metadata.unwrap().fields.contains_key("alternative_next_steps"));
}

#[test]
fn the_command_names_the_contract_too() {
    let directory = written(&small());
    let ask = |arguments: &[&str]| {
        let input = r#"{"flow": "trial", "persons": {"sensitive": 50000}, "yearToDate": {}, "scenarioYearToDate": {}}"#;
        let all = [&["decide", "--policies", name(&directory), "-"], arguments].concat();
        run_in(&[], &all, input.as_bytes()).out
    };
    assert!(ask(&["--full"]).contains("\"alternativeNextSteps\""), "{}", ask(&["--full"]));
    assert!(!ask(&[]).contains("alternativeNextSteps"));
}
