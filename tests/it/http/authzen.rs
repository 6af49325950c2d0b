//! `AuthZEN` Authorization API 1.0 over loopback: well-formed and not, one and several, and where to ask.
//!
//! The requests that have to be refused are those of the standard's certification scenario.

use neglist::app::server::Server;
use serde_json::{Value, json};

use crate::http::doors::start;
use crate::support::http_client::{Client, JSON, Response, get, post};
use crate::support::server::Directory;
use crate::support::small::{GATE, OWN, Small};

const ONE: &str = "/access/v1/evaluation";
const SEVERAL: &str = "/access/v1/evaluations";

/// Starts a server that keeps totals.
async fn counting(directory: &Directory) -> (Server, String) {
    start(directory, &[("ledger", directory.beside("neglist.ledger").to_str().unwrap())]).await
}

/// Acme asks whether diagnoses of some persons may go.
fn trial(sensitive: u64) -> Value {
    json!({
        "subject": {"type": "exporter", "id": "acme"},
        "action": {"name": "export"},
        "resource": {"type": "flow", "id": "trial"},
        "context": {"persons": 0, "sensitive_persons": sensitive},
    })
}

#[track_caller]
fn ask(address: &str, path: &str, body: &Value) -> Value {
    let response = post(address, path, &body.to_string());
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

/// Fails the test unless both languages are there.
#[track_caller]
fn both_languages(answer: &Value) {
    for reason in ["reason_admin", "reason_user"] {
        let reason = &answer["context"][reason];
        assert!(!reason["en"].as_str().unwrap().is_empty() && !reason["zh"].as_str().unwrap().is_ascii(), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_is_permitted_or_denied_with_its_reasons() {
    let directory = Directory::small();
    let (server, address) = counting(&directory).await;
    // Asked again and again it is the same: nothing is counted.
    for _ in 0..3 {
        let permitted = ask(&address, ONE, &trial(9_999));
        assert_eq!(permitted["decision"], true, "{permitted}");
        both_languages(&permitted);
        let context = &permitted["context"];
        assert_eq!((&context["outcome"], &context["required"]), (&json!("allow"), &json!("file")));
        assert_eq!(context["clearance"], "filing-1");
        assert_eq!(context["digest"], *server.policies().status().digest);
    }
    let denied = ask(&address, ONE, &trial(50_000));
    assert_eq!(denied["decision"], false);
    both_languages(&denied);
    let context = &denied["context"];
    assert_eq!(context["outcome"], "assess");
    assert_eq!(context["reasons"][0]["code"], "SENSITIVE_PERSONS_AT_OR_OVER_ASSESSMENT_LINE");
    for field in ["rule", "text_zh", "text_en", "citation"] {
        assert!(!context["reasons"][0][field].as_str().unwrap().is_empty(), "{field} of {context}");
    }
    assert_eq!(context["decision_id"].as_str().unwrap().len(), 32);
    assert!(context["valid_until"].as_str().unwrap().ends_with('Z'), "{context}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_that_makes_no_transfer_is_denied_and_the_answer_names_the_gap() {
    let directory = Directory::small();
    let (_server, address) = counting(&directory).await;
    let with = |member: &str, value: Value| {
        let mut whole = trial(5);
        whole[member] = value;
        whole
    };
    let mut answers = String::new();
    for body in [
        json!({"subject": {"type": "user", "id": "alice"}, "action": {"name": "read"}, "resource": {"type": "record", "id": "record-1"}}),
        with("subject", json!({"type": "exporter", "id": "somebody"})),
        with("subject", json!({"type": "user", "id": "acme"})),
        with("action", json!({"name": "read"})),
        with("resource", json!({"type": "flow", "id": "trail"})),
        with("context", json!({})),
        with("context", json!({"persons": 1})),
        with("context", json!({"persons": 0, "sensitive_persons": "5"})),
        with("resource", json!({"type": "transfer", "id": "t", "properties": {"destnation": "DE"}})),
        with("resource", json!({"type": "transfer", "id": "t", "properties": {"destination": "Germany"}})),
        with(
            "resource",
            json!({"type": "transfer", "id": "t", "properties": {"flow": "trial", "persons": {"sensitive": null}}}),
        ),
    ] {
        let denied = ask(&address, ONE, &body);
        assert_eq!(denied["decision"], false, "{body}");
        assert_eq!(denied["context"]["outcome"], "refused", "{denied}");
        both_languages(&denied);
        assert!(denied["context"].get("error").is_none(), "a denial is no error: {denied}");
        for violation in denied["context"]["violations"].as_array().unwrap() {
            assert!(!violation["text_zh"].as_str().unwrap().is_ascii(), "{violation}");
            let [field, text] = ["field", "text_en"].map(|name| violation[name].as_str().unwrap());
            answers.extend([field, ": ", text, "\n"]);
        }
        answers.push('\n');
    }
    insta::assert_snapshot!("denials_without_a_transfer", answers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_in_the_contracts_words_is_decided() {
    let directory = Directory::small();
    let (_server, address) = counting(&directory).await;
    let ask = |persons: u64| {
        let properties = json!({
            "exporter_facts": {}, "destination": "DE", "data": [{"code": "contact.name"}],
            "persons": {"general": persons}, "year_to_date": {"general": "0"},
        });
        let body = json!({
            "subject": {"type": "exporter", "id": "somebody"}, "action": {"name": "export"},
            "resource": {"type": "transfer", "id": "t-1", "properties": properties},
        });
        ask(&address, ONE, &body)
    };
    let (permitted, denied) = (ask(99_999), ask(100_000));
    assert_eq!((&permitted["decision"], &denied["decision"]), (&json!(true), &json!(false)), "{permitted} {denied}");
    assert_eq!(denied["context"]["outcome"], "contract");
}

/// A word of the caller's may contain the separator between the two languages of a text.
#[tokio::test(flavor = "multi_thread")]
async fn a12_a_callers_word_does_not_cut_the_two_languages_of_a_refusal() {
    let directory = Directory::small();
    let (_server, address) = counting(&directory).await;
    for (field, word, properties) in [
        ("sector", "a / b", json!({"sector": "a / b"})),
        ("scenario", " / ", json!({"scenario": " / "})),
        ("destination", "D / E", json!({"destination": "D / E"})),
        ("data[0].code", "x / y / z", json!({"data": [{"code": "x / y / z"}]})),
    ] {
        let mut transfer = json!({
            "exporter_facts": {}, "destination": "DE", "data": [{"code": "contact.name"}],
            "persons": {"general": 1}, "year_to_date": {"general": "0"},
        });
        transfer.as_object_mut().unwrap().extend(properties.as_object().unwrap().clone());
        let body = json!({
            "subject": {"type": "exporter", "id": "somebody"}, "action": {"name": "export"},
            "resource": {"type": "transfer", "id": "t-1", "properties": transfer},
        });
        let answer = ask(&address, ONE, &body);
        let violation = &answer["context"]["violations"][0];
        assert_eq!(violation["field"], format!("resource.properties.{field}"), "{answer}");
        let [en, zh] = ["text_en", "text_zh"].map(|name| violation[name].as_str().unwrap());
        let quoted = format!("`{word}`");
        assert!(en.is_ascii() && en.contains(&quoted) && !en.ends_with(&quoted), "{answer}");
        assert!(!zh.is_ascii() && zh.contains(&quoted) && !zh.contains("unknown"), "{answer}");
    }
}

/// Requests of the certification scenario that are not well-formed.
fn malformed() -> Vec<String> {
    let [subject, action, resource] =
        [json!({"type": "user", "id": "alice"}), json!({"name": "read"}), json!({"type": "record", "id": "record-1"})];
    let of = |subject: Value, action: Value, resource: Value| {
        let mut whole = serde_json::Map::new();
        for (name, value) in [("subject", subject), ("action", action), ("resource", resource)] {
            if !value.is_null() {
                whole.insert(name.to_owned(), value);
            }
        }
        Value::Object(whole).to_string()
    };
    let (s, a, r) = (|| subject.clone(), || action.clone(), || resource.clone());
    vec![
        of(Value::Null, a(), r()),
        of(s(), Value::Null, r()),
        of(s(), a(), Value::Null),
        of(json!({"id": "alice"}), a(), r()),
        of(json!({"type": "user"}), a(), r()),
        of(s(), json!({}), r()),
        of(s(), a(), json!({"id": "record-1"})),
        of(s(), a(), json!({"type": "record"})),
        of(json!("alice"), a(), r()),
        of(s(), json!({"name": 123}), r()),
        of(s(), a(), json!([])),
        of(json!({"type": "user", "id": "alice", "properties": "x"}), a(), r()),
        of(s(), a(), r()).replacen('{', r#"{"context": 7, "#, 1),
        of(s(), a(), r()).replacen('{', r#"{"action": {"name": "write"}, "#, 1),
        String::new(),
        "{".to_owned(),
        "not json".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "\"\u{0}\"".to_owned(),
        "{\"a\":".repeat(10_000),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_request_is_400_and_has_no_other_effect() {
    let directory = Directory::small();
    let (_server, address) = counting(&directory).await;
    let id = ("X-Request-ID", "bfe9eb29-ab87-4ca3-be83-a1d5d8305716");
    for path in [ONE, SEVERAL] {
        let mut client = Client::connect(&address);
        for body in malformed() {
            let response = client.ask("POST", path, &[JSON, id], &body);
            response.is_refusal(400);
            assert_eq!(response.header("x-request-id"), Some(id.1));
        }
        let ask = |headers: &[(&str, &str)]| -> Response {
            Client::connect(&address).ask("POST", path, headers, &trial(5).to_string())
        };
        for headers in [
            &[][..],
            &[("content-type", "text/plain")],
            &[("content-type", "application/x-www-form-urlencoded")],
            &[("content-type", "application/json; charset=latin1")],
            &[JSON, ("content-encoding", "gzip")],
        ] {
            ask(headers).is_refusal(400);
        }
        assert_eq!(ask(&[("content-type", "application/json; charset=utf-8"), id]).header("x-request-id"), Some(id.1));
        let other = Client::connect(&address).ask("GET", path, &[id], "");
        other.is_refusal(405);
        assert_eq!((other.header("allow"), other.header("x-request-id")), (Some("POST"), Some(id.1)));
    }
    // As at the other doors, only the time of answered questions is counted.
    let counts = get(&address, "/metrics").body;
    assert!(counts.contains("neglist_call_duration_seconds_count{door=\"authzen\"} 2\n"), "{counts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_unknown_to_the_standard_are_ignored() {
    let directory = Directory::small();
    let (_server, address) = counting(&directory).await;
    let mut body = trial(5);
    for member in ["foo", "futureField", "options"] {
        body[member] = json!({"nested": true});
    }
    body["subject"]["identity"] = json!("x");
    body["subject"]["properties"] = json!({"department": "Sales"});
    body["context"]["time"] = json!("2025-06-27T18:03-07:00");
    for path in [ONE, SEVERAL] {
        assert_eq!(ask(&address, path, &body)["decision"], true);
    }
}

fn decisions(answer: &Value) -> Vec<bool> {
    assert!(answer.get("decision").is_none(), "{answer}");
    let evaluations = answer["evaluations"].as_array().unwrap();
    evaluations.iter().map(|one| one["decision"].as_bool().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_are_answered_in_order_until_their_semantic_is_settled() {
    let directory = Directory::small();
    let (_server, address) = counting(&directory).await;
    let several = |semantic: Option<&str>| {
        let mut body = trial(5);
        body["evaluations"] = json!([
            {},
            {"context": {"persons": 0, "sensitive_persons": 50_000}},
            {"resource": {"id": "trail"}},
            {"resource": 7},
            7,
            {"context": {"persons": 0, "sensitive_persons": 6}},
        ]);
        if let Some(semantic) = semantic {
            body["options"] = json!({"evaluations_semantic": semantic, "another_option": "value"});
        }
        ask(&address, SEVERAL, &body)
    };
    let all = [true, false, false, false, false, true];
    assert_eq!(decisions(&several(None)), all);
    assert_eq!(decisions(&several(Some("execute_all"))), all);
    assert_eq!(decisions(&several(Some("deny_on_first_deny"))), [true, false]);
    assert_eq!(decisions(&several(Some("permit_on_first_permit"))), [true]);

    let answer = several(None);
    let evaluations = answer["evaluations"].as_array().unwrap();
    evaluations.iter().for_each(both_languages);
    // An evaluation that cannot be mapped is a denial; a malformed one is an error of that evaluation alone.
    assert!(evaluations[2]["context"].get("error").is_none());
    assert_eq!(
        (&evaluations[3]["context"]["error"]["status"], &evaluations[4]["context"]["error"]["status"]),
        (&json!(400), &json!(400))
    );
    // An empty one takes everything from around it; one that has nothing around it is not well-formed.
    let lone = ask(&address, SEVERAL, &json!({"evaluations": [{}, trial(5)]}));
    assert_eq!(decisions(&lone), [false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_several_there_is_one_answer() {
    let directory = Directory::small();
    let (_server, address) = counting(&directory).await;
    for evaluations in [None, Some(json!([]))] {
        let mut body = trial(5);
        if let Some(evaluations) = evaluations {
            body["evaluations"] = evaluations;
        }
        let answer = ask(&address, SEVERAL, &body);
        assert_eq!((&answer["decision"], answer.get("evaluations")), (&json!(true), None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_several_are_bounded_and_well_formed() {
    let directory = Directory::small();
    let (_server, address) = start(&directory, &[("authzen_evaluations_max", "3")]).await;
    let with = |members: Value| {
        let mut body = trial(5);
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body.to_string()
    };
    assert_eq!(post(&address, SEVERAL, &with(json!({"evaluations": [{}, {}, {}]}))).status, 200);
    for members in [
        json!({"evaluations": [{}, {}, {}, {}]}),
        json!({"evaluations": {}}),
        json!({"evaluations": [{}], "options": {"evaluations_semantic": "first"}}),
        json!({"evaluations": [{}], "options": {"evaluations_semantic": true}}),
        json!({"evaluations": [{}], "options": []}),
        json!({"evaluations": [{}], "subject": "alice"}),
        json!({"evaluations": [{}], "action": {"name": 1}}),
        json!({"evaluations": [{}], "context": "x"}),
    ] {
        post(&address, SEVERAL, &with(members)).is_refusal(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_full_of_mistakes_gets_a_short_answer() {
    let directory = Directory::small();
    let (_server, address) = counting(&directory).await;
    let properties: serde_json::Map<String, Value> =
        (0..8_000).map(|number| (format!("k{number}"), json!(1))).collect();
    let mut body = trial(5);
    body["resource"] = json!({"type": "transfer", "id": "x", "properties": properties});
    assert!(post(&address, ONE, &body.to_string()).body.len() < 32_768);
    body["evaluations"] = vec![json!({}); 40].into();
    let answer = post(&address, SEVERAL, &body.to_string());
    assert_eq!((answer.status, decisions(&answer.json())), (200, vec![false; 40]));
    assert!(answer.body.len() < 40 * 32_768, "{} bytes", answer.body.len());
    // The defaults around them are part of each.
    body["evaluations"] = vec![json!({}); 100].into();
    let refusal = post(&address, SEVERAL, &body.to_string()).is_refusal(400);
    assert!(refusal["message"].as_str().unwrap().contains("send several requests"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_names_the_url_that_is_configured() {
    let directory = Directory::small();
    let document = "/.well-known/authzen-configuration";
    for (url, base, paths) in [
        ("https://pdp.example.com", "https://pdp.example.com", &[document.to_owned()][..]),
        ("https://h:8443/tenant1/", "https://h:8443/tenant1", &[document.to_owned(), format!("{document}/tenant1")]),
    ] {
        let (_server, address) = start(&directory, &[("http_public_url", url)]).await;
        for path in paths {
            let response = Client::connect(&address).ask("GET", path, &[("x-forwarded-host", "evil.example")], "");
            assert_eq!((response.status, response.header("cache-control")), (200, Some("public, max-age=300")));
            let expected = json!({
                "policy_decision_point": base,
                "access_evaluation_endpoint": format!("{base}{ONE}"),
                "access_evaluations_endpoint": format!("{base}{SEVERAL}"),
            });
            assert_eq!(response.json(), expected);
        }
        get(&address, &format!("{document}/tenant2")).is_refusal(404);
        get(&address, &format!("{document}/")).is_refusal(404);
    }
    let (_server, address) = start(&directory, &[]).await;
    let missing = get(&address, document).is_refusal(404);
    assert!(missing["message"].as_str().unwrap().contains("http_public_url"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_ledger_evaluations_that_need_totals_are_denied() {
    let directory = Directory::small();
    let (_server, address) = start(&directory, &[]).await;
    let denied = ask(&address, ONE, &trial(5));
    assert_eq!(denied["decision"], false);
    let text = denied["context"]["reason_admin"]["en"].as_str().unwrap();
    assert!(text.contains("start the server with a ledger"), "{denied}");
}

/// Rules that give the subjects, actions and resources of the standard's certification scenario their expected answers:
/// `open` is a flow that stays in the mainland, `closed` one that has to be assessed first.
const CERTIFICATION: &str = r"format: 1
kind: gateway
headers: {flow: x-flow}
rules:
  - {id: read, match: {context: {subject.type: user, action.name: read, resource.type: record}}, flow: open}
  - {id: alice-writes, match: {context: {subject.id: alice, action.name: write, resource.type: record}}, flow: open}
  - id: archived
    match: {context: {subject.type: user, action.name: write, resource.type: record, resource.properties.status: archived}}
    flow: closed
  - id: admin
    match:
      context:
        subject.type: user
        subject.properties.role: admin
        action.name: write
        resource.type: record
        resource.properties.status: archived
    flow: open
  - id: soft-delete
    match: {context: {subject.id: alice, action.name: delete, action.properties.soft: 'true', resource.type: record}}
    flow: open
  - id: counted
    match: {context: {subject.id: alice, action.name: upload, resource.type: record}}
    flow: open
    transfer_id: {context: resource.id}
    record: yes
complete: yes
";

const FLOWS: &str = "  - id: open
    exporter: acme
    recipient: partner
    destination: CN
    sector: pharma
    scenario: other
    items: [{code: geo.map}]
    ground: none
  - id: closed
    exporter: acme
    recipient: partner
    destination: CH
    sector: pharma
    scenario: other
    items: [{code: geo.map}]
    ground: none
clearances:
";

fn certification() -> Directory {
    let small = Small::new().with(OWN, "clearances:\n", FLOWS);
    let directory = Directory::of(&small.files);
    directory.write(GATE, CERTIFICATION);
    directory
}

fn record(subject: &str, action: &Value, resource: &str) -> Value {
    json!({"subject": {"type": "user", "id": subject}, "action": action, "resource": {"type": "record", "id": resource}})
}

fn named(action: &str) -> Value {
    json!({ "name": action })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certification_scenario_holds_for_one_evaluation() {
    let directory = certification();
    let (_server, address) = counting(&directory).await;
    let archived = |mut evaluation: Value| {
        evaluation["resource"]["properties"] = json!({"status": "archived"});
        evaluation
    };
    let mut admin = archived(record("bob", &named("write"), "record-2"));
    admin["subject"]["properties"] = json!({"role": "admin"});
    let soft = |soft: bool| json!({"name": "delete", "properties": {"soft": soft}});
    let mut with_context = record("alice", &named("read"), "record-1");
    with_context["context"] = json!({"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"});
    let mut additional = record("alice", &json!({"name": "read", "properties": {"method": "GET"}}), "record-1");
    additional["subject"]["properties"] = json!({"department": "Sales", "role": "manager"});
    additional["resource"]["properties"] = json!({"status": "active", "owner": "bob"});
    let mut unknown = record("alice", &named("read"), "record-1");
    unknown["foo"] = json!("bar");
    unknown["futureField"] = json!({"nested": true});
    for (id, evaluation, decision) in [
        ("2-2-1", record("alice", &named("read"), "record-1"), true),
        ("rule 2", record("alice", &named("write"), "record-1"), true),
        ("rule 3", record("bob", &named("read"), "record-1"), true),
        ("2-2-2", record("bob", &named("write"), "record-1"), false),
        ("2-2-3", with_context, true),
        ("2-2-4", archived(record("alice", &named("write"), "record-2")), false),
        ("2-2-5", admin, true),
        ("2-2-6", record("alice", &soft(true), "record-1"), true),
        ("2-2-7", record("alice", &soft(false), "record-1"), false),
        ("2-2-8", additional, true),
        ("2-2-9", unknown, true),
    ] {
        // The same request gets the same decision.
        for _ in 0..2 {
            let answer = ask(&address, ONE, &evaluation);
            assert_eq!(answer["decision"], decision, "{id}: {answer}");
            both_languages(&answer);
        }
    }
    let answer = ask(&address, ONE, &archived(record("alice", &named("write"), "record-2")));
    assert_eq!(
        (&answer["context"]["gateway_rule"], &answer["context"]["outcome"]),
        (&json!("archived"), &json!("assess"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certification_scenario_holds_for_several() {
    let directory = certification();
    let (_server, address) = counting(&directory).await;
    let [alice, bob] = ["alice", "bob"].map(|id| json!({"type": "user", "id": id}));
    let of = |id: &str, status: &str| json!({"type": "record", "id": id, "properties": {"status": status}});
    let plain = |id: &str| json!({"type": "record", "id": id});
    let admin = json!({"type": "user", "id": "bob", "properties": {"role": "admin"}});
    for (id, body, expected) in [
        (
            "3-2-1",
            json!({"subject": alice, "action": named("read"),
                "evaluations": [{"resource": plain("record-1")}, {"resource": plain("record-2")}]}),
            vec![true, true],
        ),
        (
            "3-2-2",
            json!({"subject": bob, "resource": plain("record-1"),
                "evaluations": [{"action": named("read")}, {"action": named("write")}]}),
            vec![true, false],
        ),
        (
            "3-2-3",
            json!({"subject": alice, "action": named("write"),
                "evaluations": [{"resource": of("record-1", "active")}, {"resource": of("record-2", "archived")}]}),
            vec![true, false],
        ),
        (
            "3-2-4",
            json!({"action": named("write"), "resource": of("record-2", "archived"),
                "evaluations": [{"subject": alice}, {"subject": admin}]}),
            vec![false, true],
        ),
        (
            "3-2-5",
            json!({"evaluations": [
                record("alice", &named("read"), "record-1"),
                record("bob", &named("write"), "record-1"),
            ]}),
            vec![true, false],
        ),
        (
            "3-2-6",
            json!({"subject": alice, "action": named("read"), "context": {"time": "2025-06-27T18:03-07:00"},
                "evaluations": [{"resource": plain("record-1")},
                    {"resource": plain("record-2"), "context": {"time": "2025-06-27T19:00-07:00", "source": "batch-override"}}]}),
            vec![true, true],
        ),
        (
            "3-2-7",
            json!({"subject": alice, "action": named("write"), "resource": {"type": "record"},
                "evaluations": [{"resource": {"id": "record-1", "properties": {"status": "active"}}},
                    {"resource": of("record-2", "archived")}]}),
            vec![true, false],
        ),
        (
            "3-4-1",
            json!({"subject": alice, "action": named("read"), "evaluations": [{"resource": plain("record-1")}, {}]}),
            vec![true, false],
        ),
    ] {
        assert_eq!(decisions(&ask(&address, SEVERAL, &body)), expected, "{id}");
    }
    for evaluations in [None, Some(json!([]))] {
        let mut body = record("alice", &named("read"), "record-1");
        body.as_object_mut().unwrap().extend(evaluations.map(|evaluations| ("evaluations".to_owned(), evaluations)));
        assert_eq!(ask(&address, SEVERAL, &body)["decision"], true, "3-4-2, 3-4-3");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_doubt_no_rule_permits() {
    let directory = certification();
    let (_server, address) = counting(&directory).await;
    // A status that is no text keeps the strict rule from matching, which must not leave the field to the milder one.
    for status in [json!(["archived"]), json!({"archived": true}), json!(1), Value::Null] {
        let mut evaluation = record("alice", &named("write"), "record-2");
        evaluation["resource"]["properties"] = json!({ "status": status });
        let denied = ask(&address, ONE, &evaluation);
        assert_eq!(denied["decision"], false, "{status}");
        assert_eq!(denied["context"]["violations"][0]["reason"], "PROPERTY_OF_WRONG_KIND", "{denied}");
    }
    // A rule that counts is not for a door that never does.
    let denied = ask(&address, ONE, &record("alice", &named("upload"), "record-1"));
    assert_eq!(
        (&denied["decision"], &denied["context"]["violations"][0]["reason"]),
        (&json!(false), &json!("NOT_COUNTED_HERE"))
    );
}
