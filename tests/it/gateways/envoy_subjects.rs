//! Persons by their identifiers, through a real Envoy: the same person is one, whatever the place and however often.

use neglist::wire::generated::v1;
use neglist::wire::generated::v1::ledger_service_client::LedgerServiceClient;

use crate::gateways::envoy_real::{Decisions, World};
use crate::gateways::support::client::{Ask, Reply};
use crate::gateways::support::flows;
use crate::support::server::connect;

const HOST: &str = "partner.example";

async fn world() -> Option<World> {
    World::around(Decisions::of(&flows::files_with_subjects(), &[]).await, |example| example).await
}

fn body(path: &str, content_type: &str, body: &str) -> Ask {
    Ask::new(&format!("POST {path}"), HOST).with("content-type", content_type).body(body)
}

/// The trial subjects a, b and c, in each place; some of them twice, with blanks or in capitals.
fn three(prefix: &str) -> Vec<Ask> {
    let at = |path: &str| format!("{prefix}{path}");
    let multipart = "----b\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\na\r\n\
        ----b\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n B\r\n----b--\r\n";
    vec![
        body(&at("/body"), "application/json", r#"{"subjects": [{"id": "a"}, {"id": "b"}, {"id": "c"}, {"id": "A"}]}"#),
        body(&at("/body"), "application/json", r#"{"subjects": []}"#),
        body(&at("/lines"), "application/x-ndjson", "{\"id\": \"a\"}\n{\"id\": \" b \"}\n\n"),
        body(&at("/csv"), "text/csv", "name,id\r\n\"X, Y\",a\r\nZ,\"C\"\r\n"),
        body(&at("/form"), "application/x-www-form-urlencoded", "id=a&x=1&id=%42+"),
        body(&at("/form"), "multipart/form-data; boundary=--b", multipart),
        Ask::new(&format!("GET {}?id=a&id=b&id=c&id=a", at("/query")), HOST),
        Ask::new(&format!("GET {}", at("/header")), HOST).with("x-ids", "a, b").with("x-ids", "C"),
        Ask::new(&format!("GET {}", at("/v1/patients/c/records")), HOST),
        Ask::new(&format!("GET {}", at("/v1/patients/%41")), HOST),
    ]
}

#[track_caller]
fn passed(reply: &Reply, ask: &Ask) {
    assert_eq!((reply.status, reply.header("x-neglist-outcome")), (200, "allow"), "{ask:?}: {}", reply.text());
}

#[tokio::test]
async fn the_same_three_persons_are_three_in_any_place() {
    let Some(world) = world().await else { return };
    for (index, ask) in three("").iter().chain(&three("")).enumerate() {
        passed(&world.ask(ask).await, ask);
        assert_eq!(world.decisions.counted().await, 3, "after request {index}");
    }
    // A caller of the ledger names the same persons.
    let mut client = LedgerServiceClient::new(connect(&world.decisions.address()).await);
    let transfer = v1::Transfer { flow: "trial".into(), ..v1::Transfer::default() };
    let reserve = v1::ReserveRequest {
        transfer_id: "nightly".into(),
        transfer: Some(transfer),
        commit: true,
        sensitive_subject_ids: ["a", "B", "c "].map(str::to_owned).to_vec(),
        subject_kind: "trial-subject".into(),
        subject_normalise: vec![v1::SubjectNormalisation::Lowercase.into(), v1::SubjectNormalisation::Trim.into()],
        ..v1::ReserveRequest::default()
    };
    client.reserve(reserve).await.unwrap();
    assert_eq!(world.decisions.counted().await, 3);
    // The same identifiers of another kind are other persons.
    for ask in three("/other") {
        passed(&world.ask(&ask).await, &ask);
    }
    assert_eq!(world.decisions.counted().await, 6);
}

#[tokio::test]
async fn a_question_is_answered_for_the_persons_who_are_new() {
    let Some(world) = world().await else { return };
    let mut client = LedgerServiceClient::new(connect(&world.decisions.address()).await);
    let mut reserve = async |id: &str, named: &[&str], persons: u64| {
        let request = v1::ReserveRequest {
            transfer_id: id.into(),
            transfer: Some(v1::Transfer {
                flow: "trial".into(),
                persons: (persons != 0).then_some(v1::Persons { general: 0, sensitive: persons }),
                ..v1::Transfer::default()
            }),
            commit: true,
            sensitive_subject_ids: named.iter().map(|&id| id.to_owned()).collect(),
            subject_kind: if named.is_empty() { String::new() } else { "trial-subject".into() },
            ..v1::ReserveRequest::default()
        };
        client.reserve(request).await.unwrap();
    };
    reserve("named", &["a", "b"], 0).await;
    // One more person is allowed; from 10,000 on the list asks for a contract.
    reserve("numbered", &[], 9_996).await;
    for (ids, outcome) in [
        ("id=a", "allow"),
        ("id=a&id=b&id=c", "allow"),
        ("id=c&id=b&id=c", "allow"),
        ("id=a&id=c&id=d", "contract"),
        ("id=A", "allow"),
        ("id=A&id=B", "contract"),
    ] {
        let reply = world.ask(&Ask::new(&format!("GET /asked?{ids}"), HOST)).await;
        assert_eq!(reply.header("x-neglist-outcome"), outcome, "{ids}: {}", reply.text());
    }
    assert_eq!(world.decisions.counted().await, 9_998, "asking does not count");
}

#[tokio::test]
async fn a_person_that_cannot_be_read_stops_the_request() {
    let Some(world) = world().await else { return };
    let json = |text: &str| body("/body", "application/json", text);
    for (ask, code) in [
        (json(r#"{"subjects": [{"id": "a"}, {"name": "b"}]}"#), "LABEL_MISSING"),
        (json(r#"{"subjects": [{"id": "a"}, {"id": null}]}"#), "LABEL_MISSING"),
        (json(r#"{"subjects": [{"id": " "}]}"#), "LABEL_MISSING"),
        (json(r#"{"subjects": [{"id": 1.5}]}"#), "LABEL_OF_WRONG_KIND"),
        (json(r#"{"subjects": [[{"id": "a"}]]}"#), "LABEL_OF_WRONG_KIND"),
        (json(r#"{"subjects": [], "subjects": [{"id": "a"}]}"#), "LABEL_REPEATED"),
        (json(r#"{"subjects": [{"id": "a", "ID": "b"}]}"#), "LABEL_REPEATED"),
        (json("\u{feff}{\"subjects\": []}"), "BODY_NOT_JSON"),
        (body("/body", "text/csv", r#"{"subjects": []}"#), "BODY_OF_OTHER_TYPE"),
        (json(r#"{"subjects": []}"#).with("content-encoding", "gzip"), "BODY_COMPRESSED"),
        (body("/csv", "text/csv", "id\n\"a\nb\n"), "BODY_NOT_CSV"),
        (body("/csv", "text/csv", "id\n\"\"\n"), "LABEL_MISSING"),
        (body("/form", "application/x-www-form-urlencoded", "id=%zz"), "BODY_NOT_FORM"),
        (Ask::new("GET /query?ID=a", HOST), "KEY_IN_OTHER_CAPITALS"),
        (Ask::new("GET /query", HOST), "LABEL_MISSING"),
        (Ask::new("GET /header", HOST).with("x-ids", "a,,b"), "LABEL_MISSING"),
        (Ask::new("GET /v1/patients", HOST), "LABEL_MISSING"),
    ] {
        let reply = world.ask(&ask).await;
        assert_eq!((reply.status, reply.header("x-neglist-reason")), (400, code), "{ask:?}: {}", reply.text());
    }
    assert!(world.upstream.arrived().is_empty());
    assert_eq!(world.decisions.counted().await, 0);
}
