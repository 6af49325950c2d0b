//! Probes, `POST /v1/decide`, and bodies that are not requests of the contract.

use neglist::app::server::Server;
use neglist::wire::generated::v1;
use neglist::wire::json::message;
use serde_json::Value;

use crate::support::clients;
use crate::support::http_client::{Client, JSON, Response, get, post};
use crate::support::server::{self, Directory, SetClock, connect, decisions_on};
use crate::support::small::{PORT, Small};
use crate::support::wait::until;

/// 2026-06-01.
pub(crate) const NOW: i64 = 1_780_272_000;

/// Starts a server with an HTTP listener.
pub(crate) async fn start(directory: &Directory, settings: &[(&'static str, &str)]) -> (Server, String) {
    let settings = [&[("http", "127.0.0.1:0")], settings].concat();
    let server = server::start(&directory.policies(), SetClock::at(NOW), &settings).await;
    let address = server::address(&server, "http");
    (server, address)
}

fn decide_json(transfer: v1::Transfer) -> String {
    message::to_json_line(&clients::request(transfer), "neglist.v1.DecideRequest").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_say_how_the_server_is() {
    let directory = Directory::small();
    let (server, address) = start(&directory, &[("policy_poll_interval_ms", "20"), ("policy_debounce_ms", "1")]).await;
    assert_eq!(get(&address, "/livez").status, 200);
    let ready = get(&address, "/readyz");
    assert_eq!((ready.status, ready.header("x-neglist-policy-files")), (200, Some("current")));
    let body = ready.json();
    assert_eq!((&body["status"], &body["revision"]), (&Value::from("ready"), &Value::from(1)));
    assert_eq!(body["digest"], *server.policies().status().digest);
    assert_eq!(get(&address, "/metrics").status, 200);
    // Probes of some load balancers ask for the head alone, and with a query.
    let head = Client::connect(&address).ask("HEAD", "/readyz?x=1", &[], "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));

    // Files that are refused leave the last good ones in force: such a server is ready, and says so.
    let bad = Small::new().with(PORT, "sector: pharma\n", "sector: farma\n");
    directory.write(PORT, &bad.files.iter().find(|file| file.path == PORT).unwrap().text);
    let stale = until("it is stale", || {
        Some(get(&address, "/readyz")).filter(|ready| ready.header("x-neglist-policy-files") == Some("stale"))
    });
    let stale = stale.await;
    assert_eq!(stale.status, 200);
    assert_eq!(stale.json()["policy_files"], "stale");
    assert!(get(&address, "/metrics").body.contains("neglist_policy_files{state=\"stale\"} 1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_decided_as_over_grpc() {
    let directory = Directory::small();
    let (server, address) = start(&directory, &[]).await;
    let mut client = decisions_on(connect(&server::address(&server, "grpc")).await);
    for total in [0, 99_999, 100_000, 1_000_000] {
        let transfer = clients::transfer(1, total);
        let response = post(&address, "/v1/decide", &decide_json(transfer.clone()));
        assert_eq!((response.status, response.header("cache-control")), (200, Some("no-store")));
        let mut over_http = response.json();
        let over_grpc = client.decide(clients::request(transfer)).await.unwrap().into_inner();
        let over_grpc = message::to_json_line(&over_grpc, "neglist.v1.DecideResponse").unwrap();
        let mut over_grpc: Value = serde_json::from_str(&over_grpc).unwrap();
        for answer in [&mut over_http, &mut over_grpc] {
            let id = answer["decision"]["decisionId"].take();
            assert_eq!(id.as_str().unwrap().len(), 32);
        }
        assert_eq!(over_http, over_grpc);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_declared_as_json_in_utf8_is_refused() {
    let directory = Directory::small();
    let (_server, address) = start(&directory, &[]).await;
    let body = decide_json(clients::transfer(1, 0));
    let ask = |headers: &[(&str, &str)]| Client::connect(&address).ask("POST", "/v1/decide", headers, &body);
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "application/json; charset=gbk")],
        &[JSON, JSON],
        &[JSON, ("content-encoding", "gzip")],
    ] {
        ask(headers).is_refusal(415);
    }
    for headers in [
        &[("content-type", "application/json; charset=UTF-8")][..],
        &[JSON, ("content-encoding", "identity")],
        &[JSON, ("accept", "text/html")],
    ] {
        assert_eq!(ask(headers).status, 200, "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_not_a_request_is_refused_with_its_faults() {
    let directory = Directory::small();
    let (_server, address) = start(&directory, &[]).await;
    let mut answers = String::new();
    for body in [
        "",
        "{",
        "[]",
        "{}",
        "null",
        "\u{feff}{}",
        r#"{"transfer": {"exporter": 7}}"#,
        r#"{"transfer": {"exporter": "acme", "exporter": "somebody"}}"#,
        r#"{"transfer": {"exportr": "acme"}}"#,
        r#"{"exporter": "acme"}"#,
        r#"{"transfer": {"exporter": "acme", "destination": "Germany"}, "detail": "FULL"}"#,
        r#"{"transfer": {"exporter": "acme", "destination": "Germany"}}"#,
        r#"{"transfer": {"flow": "trail"}} {}"#,
        r#"{"transfer": {"flow": "trial", "persons": {"general": 1}, "yearToDate": {"general": null, "sensitive": 0}}}"#,
        r#"{"transfer": {"flow": "trial", "persons": {"general": 18446744073709551616}}}"#,
    ] {
        let refusal = post(&address, "/v1/decide", body).is_refusal(400);
        assert_eq!(refusal["code"], 3);
        answers.extend([body, "\n    ", refusal["message"].as_str().unwrap(), "\n"]);
    }
    insta::assert_snapshot!("no_requests", answers);
    let mut client = Client::connect(&address);
    client.send(
        b"POST /v1/decide HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\n\"\xff\"",
    );
    client.receive().unwrap().is_refusal(400);
    // Nested without end.
    post(&address, "/v1/decide", &"[".repeat(100_000)).is_refusal(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_ledger_totals_have_to_be_stated() {
    let directory = Directory::small();
    let (_server, address) = start(&directory, &[]).await;
    let unstated = v1::Transfer { year_to_date: None, ..clients::transfer(1, 0) };
    let refusal = post(&address, "/v1/decide", &decide_json(unstated)).is_refusal(400);
    assert!(refusal["message"].as_str().unwrap().contains("transfer.year_to_date"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_and_methods_are_refused_in_words() {
    let directory = Directory::small();
    let (_server, address) = start(&directory, &[]).await;
    for path in ["/", "/v1/decide/", "/v1", "/V1/decide", "//v1/decide", "/v1/%64ecide", "/../livez"] {
        get(&address, path).is_refusal(404);
    }
    let ask = |method: &str, path: &str| Client::connect(&address).ask(method, path, &[], "");
    for (method, path, allow) in
        [("GET", "/v1/decide", "POST"), ("PUT", "/v1/decide", "POST"), ("POST", "/livez", "GET,HEAD")]
    {
        let response = ask(method, path);
        response.is_refusal(405);
        assert_eq!(response.header("allow"), Some(allow), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_repeats_the_id_of_its_request() {
    let directory = Directory::small();
    let (_server, address) = start(&directory, &[]).await;
    let mut client = Client::connect(&address);
    let body = decide_json(clients::transfer(1, 0));
    let id = ("X-Request-ID", "bfe9eb29-ab87-4ca3");
    let asked: [(&str, &str, &str, u16); 5] = [
        ("POST", "/v1/decide", &body, 200),
        ("POST", "/v1/decide", "{", 400),
        ("GET", "/v1/decide", "", 405),
        ("GET", "/nowhere", "", 404),
        ("GET", "/livez", "", 200),
    ];
    for (method, path, body, status) in asked {
        let response = client.ask(method, path, &[JSON, id], body);
        assert_eq!((response.status, response.header("x-request-id")), (status, Some(id.1)), "{path}");
        let response: Response = client.ask(method, path, &[JSON], body);
        assert_eq!((response.status, response.header("x-request-id")), (status, None), "{path}");
        let response = client.ask(method, path, &[JSON, id, ("x-request-id", "other")], body);
        assert_eq!((response.status, response.header("x-request-id")), (status, None), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_answers_and_goes_with_its_server() {
    let directory = Directory::small();
    let path = directory.beside("http.sock");
    let (server, address) = start(&directory, &[("http", &format!("unix:{}", path.display()))]).await;
    assert_eq!(address, format!("unix:{}", path.display()));
    let mut client = Client::connect(&address);
    for _ in 0..2 {
        let response = client.ask("POST", "/v1/decide", &[JSON], &decide_json(clients::transfer(1, 0)));
        assert_eq!(response.json()["decision"]["outcome"], "OUTCOME_ALLOW");
    }
    server.drain().await;
    assert!(!path.exists());
    assert!(client.is_closed());
}
