//! The door for Envoy behind a real one, which runs the very files of `examples/envoy` on free ports.
//!
//! The decision server is in this process, at a moment that the tests choose. The tests check at the server
//! behind the gateway that forbidden requests do not arrive.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use neglist::app::server::{Drained, Server};
use neglist::policy::PolicyFile;
use neglist::wire::generated::v1;
use neglist::wire::generated::v1::ledger_service_client::LedgerServiceClient;

use crate::gateways::support::client::{Ask, Connection, Reply};
use crate::gateways::support::envoy::{Envoy, Example};
use crate::gateways::support::flows::{self, ALLOW, ASSESS, AT, CONTRACT, FILE};
use crate::gateways::support::upstream::Upstream;
use crate::support::server::{self, Directory, SetClock, address, connect};
use crate::support::shipped;
use crate::support::small::PORT;
use crate::support::wait::{until, within};

/// A server of decisions.
pub(crate) struct Decisions {
    directory: Directory,
    server: Server,
}

impl Decisions {
    async fn start() -> Self {
        Self::of(&flows::files_with_rules(), &[]).await
    }

    pub(crate) async fn of(files: &[PolicyFile], settings: &[(&'static str, &str)]) -> Self {
        let directory = Directory::of(files);
        let server = Self::serve(&directory, settings).await;
        Self { directory, server }
    }

    async fn serve(directory: &Directory, settings: &[(&'static str, &str)]) -> Server {
        let ledger = directory.beside("ledger");
        let settings = [&[("ledger", ledger.to_str().unwrap())], settings].concat();
        server::start(&directory.policies(), SetClock::at(AT), &settings).await
    }

    pub(crate) fn address(&self) -> String {
        address(&self.server, "grpc")
    }

    /// Persons that were counted in the scenario of the flows.
    pub(crate) async fn counted(&self) -> u64 {
        let mut client = LedgerServiceClient::new(connect(&self.address()).await);
        let usage = client.get_usage(v1::GetUsageRequest { exporter: "acme".into(), year: 0 }).await.unwrap();
        let counters = usage.into_inner().counters;
        let of_scenario = counters.iter().filter(|usage| usage.counter == "port/pharma/clinical-trial/sensitive/2026");
        of_scenario.map(|usage| usage.committed).sum()
    }
}

/// Envoy in front of a server, and the server of decisions that it asks.
pub(crate) struct World {
    pub(crate) decisions: Decisions,
    pub(crate) upstream: Upstream,
    envoy: Envoy,
    listener: &'static str,
}

impl World {
    /// Starts all three; `None` where there is no Envoy and need not be.
    async fn start(example: impl FnOnce(Example) -> Example) -> Option<Self> {
        Self::around(Decisions::start().await, example).await
    }

    pub(crate) async fn around(decisions: Decisions, example: impl FnOnce(Example) -> Example) -> Option<Self> {
        let upstream = Upstream::start();
        let reverse = Example::of("reverse.yaml").on_free_ports().patient().asking(&decisions.address());
        let envoy = Envoy::start(example(reverse.sending_to(upstream.port()))).await?;
        Some(Self { decisions, upstream, envoy, listener: "reverse" })
    }

    fn address(&self) -> SocketAddr {
        self.envoy.address(self.listener)
    }

    pub(crate) async fn ask(&self, ask: &Ask) -> Reply {
        send(ask, self.address()).await
    }
}

/// Sends a request from another thread: the servers of this process answer on this one.
async fn send(ask: &Ask, address: SocketAddr) -> Reply {
    let ask = ask.clone();
    within("an answer", tokio::task::spawn_blocking(move || ask.send(address))).await.unwrap()
}

fn post((flow, persons): (&str, u64)) -> Ask {
    Ask::new(&format!("POST /{flow}/upload?x=1"), "partner.example")
        .with("x-subjects", persons.to_string())
        .body("data")
}

/// Fails where the answer is another than this, or anything reached the server behind the gateway.
#[track_caller]
fn refused(reply: &Reply, status: u16, reason: &str, upstream: &Upstream) {
    assert_eq!((reply.status, reply.header("x-neglist-reason")), (status, reason), "{}", reply.text());
    assert!(upstream.arrived().is_empty(), "{:?}", upstream.arrived());
}

#[test]
fn the_examples_are_valid() {
    for name in Example::names() {
        let Some(validated) = Envoy::validate(&Example::of(&name)) else { return };
        assert_eq!(validated, Ok(()), "{name}");
    }
}

#[tokio::test]
async fn an_allowed_request_passes_without_its_labels() {
    let Some(world) = World::start(|example| example).await else { return };
    let reply = world.ask(&post(ALLOW)).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "arrived"));
    // The server behind sends a header of ours too, which is replaced.
    assert_eq!(reply.header("x-neglist-outcome"), "allow");
    assert_eq!(reply.header("x-neglist-clearance"), "filing-1");
    let arrived = world.upstream.arrived();
    assert_eq!((arrived.len(), arrived[0].line.as_str()), (1, "POST /trial/upload?x=1 HTTP/1.1"));
    assert_eq!(arrived[0].headers_like("x-neglist"), Vec::<&str>::new());
    assert_eq!(arrived[0].body, b"data");
    let line = world.envoy.logged(|line| line["path"] == "/trial/upload").await;
    let said = &line["neglist"];
    let words = ["outcome", "required", "clearance", "gateway_rule"].map(|name| said[name].as_str().unwrap());
    assert_eq!(words, ["allow", "file", "filing-1", "by-header"], "{line}");
    assert_eq!(said["digest"], reply.header("x-neglist-digest"), "{line}");
    assert_eq!((&said["revision"], line["status"].as_u64()), (&"1".into(), Some(200)), "{line}");
    assert!(said["decision_id"] == reply.header("x-neglist-decision-id") && said["rules"].is_array(), "{line}");
    assert_eq!(world.decisions.counted().await, 0, "asking does not count");
}

#[tokio::test]
async fn a_denied_request_does_not_leave_and_is_explained_in_both_languages() {
    let Some(world) = World::start(|example| example).await else { return };
    for (asked, outcome, text) in
        [(FILE, "file", "备案"), (CONTRACT, "contract", "订立合同"), (ASSESS, "assess", "申报评估")]
    {
        let reply = world.ask(&post(asked)).await;
        let first = reply.header("x-neglist-reason").to_owned();
        refused(&reply, 403, &first, &world.upstream);
        assert_eq!((reply.header("x-neglist-outcome"), reply.header("content-type")), (outcome, "application/json"));
        let body = reply.json();
        assert_eq!((&body["outcome"], &body["next_step"]["text_zh"]), (&outcome.into(), &text.into()), "{body}");
        assert_eq!(body["reasons"][0]["code"], first.as_str());
        let (zh, en) = (&body["reasons"][0]["text_zh"], &body["reasons"][0]["text_en"]);
        assert!(!zh.as_str().unwrap().is_ascii() && en.as_str().unwrap().is_ascii(), "{body}");
        assert!(body["reasons"][0]["citation"].as_str().is_some_and(|citation| !citation.is_empty()), "{body}");
        let line = world.envoy.logged(|line| line["neglist"]["outcome"] == outcome).await;
        assert_eq!((line["status"].as_u64(), &line["details"]), (Some(403), &"ext_authz_denied".into()), "{line}");
    }
    assert_eq!(world.envoy.counted("http.reverse.ext_authz.denied"), 3);
}

#[tokio::test]
async fn without_an_answer_nothing_leaves_and_a_server_that_is_back_is_found() {
    let directory = Directory::of(&flows::files_with_rules());
    let socket = format!("unix:{}", directory.beside("neglist.sock").display());
    let listening = [("listen", socket.as_str())];
    let server = Decisions::serve(&directory, &listening).await;
    let Some(world) = World::around(Decisions { directory, server }, |example| example).await else { return };
    assert_eq!(world.ask(&post(ALLOW)).await.status, 200);
    let World { decisions: Decisions { directory, server }, upstream, envoy, listener } = world;
    assert_eq!(within("the end", server.drain()).await, Drained::Fully);
    for _ in 0..3 {
        let reply = send(&post(ALLOW), envoy.address(listener)).await;
        assert_eq!((reply.status, reply.header("x-neglist-outcome")), (503, ""));
    }
    assert_eq!(upstream.arrived().len(), 1, "only the allowed request has left");
    assert_eq!(envoy.counted("http.reverse.ext_authz.error"), 3);
    let server = Decisions::serve(&directory, &listening).await;
    let back = async {
        loop {
            match send(&post(ALLOW), envoy.address(listener)).await.status {
                200 => return,
                503 => {}
                other => panic!("{other}"),
            }
        }
    };
    within("the server is found again", back).await;
    assert_eq!(upstream.arrived().len(), 2);
    drop(server);
}

#[tokio::test]
async fn a_failure_of_the_server_is_an_error_with_its_cause() {
    let decisions = Decisions::of(&flows::files_with_rules(), &[("ledger", "none")]).await;
    let Some(world) = World::around(decisions, |example| example).await else { return };
    let recorded = Ask::new("POST /recorded", "partner.example").with("x-subjects", "10");
    let reply = world.ask(&recorded).await;
    refused(&reply, 503, "NO_LEDGER", &world.upstream);
    assert_eq!(reply.header("x-neglist-outcome"), "unanswered");
    assert!(reply.json()["code"] == 12 && reply.text().contains("本服务器不计累计人数"), "{}", reply.text());
    let line = world.envoy.logged(|line| line["neglist"]["outcome"] == "unanswered").await;
    assert_eq!((line["status"].as_u64(), &line["details"]), (Some(503), &"ext_authz_error".into()), "{line}");
    assert_eq!(world.envoy.counted("http.reverse.ext_authz.error"), 1);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_none() {
    // Takes connections into its queue and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = Upstream::start();
    let example = Example::of("reverse.yaml").on_free_ports().asking(&silent.local_addr().unwrap().to_string());
    let Some(envoy) = Envoy::start(example.sending_to(upstream.port())).await else { return };
    let reply = send(&post(ALLOW), envoy.address("reverse")).await;
    assert_eq!(reply.status, 503);
    assert!(upstream.arrived().is_empty());
    assert_eq!(envoy.counted("http.reverse.ext_authz.error"), 1);
}

#[tokio::test]
async fn over_the_limit_of_requests_nothing_leaves() {
    let settings = [("requests_in_flight_max", "1")];
    let decisions = Decisions::of(&flows::files_with_rules(), &settings).await;
    let channel = connect(&decisions.address()).await;
    let Some(world) = World::around(decisions, |example| example).await else { return };
    // A stream holds the one place.
    let (send, messages) = tokio::sync::mpsc::channel(1);
    let messages = tokio_stream::wrappers::ReceiverStream::new(messages);
    let path = "/neglist.v1.DecisionService/DecideStream";
    let held = within("a stream", crate::support::clients::stream_raw(channel, path, messages)).await.unwrap();
    let refused = async {
        loop {
            let reply = world.ask(&post(ALLOW)).await;
            if reply.status != 200 {
                return reply;
            }
        }
    };
    let reply = within("a refusal", refused).await;
    assert_eq!(reply.status, 503);
    let left = world.upstream.arrived().len();
    assert_eq!(world.ask(&post(ALLOW)).await.status, 503);
    assert_eq!(world.upstream.arrived().len(), left);
    drop((send, held));
    let answered = async { while world.ask(&post(ALLOW)).await.status != 200 {} };
    within("an answer", answered).await;
}

#[tokio::test]
async fn labels_that_a_client_forges_do_not_count() {
    let Some(world) = World::start(|example| example).await else { return };
    let forged = |asked| {
        let labels = [("X-Neglist-Flow", "trial"), ("x-neglist-persons", "0"), ("x-neglist-sensitive-persons", "1")];
        labels.iter().fold(post(asked).with("x-neglist-transfer-id", "t-1"), |ask, (name, value)| ask.with(name, value))
    };
    let reply = world.ask(&forged(FILE)).await;
    assert_eq!((reply.status, reply.header("x-neglist-outcome")), (403, "file"));
    // If no rule matches the path, a forged label does not count as a label.
    let nowhere = Ask::new("POST /nowhere", "partner.example").with("x-neglist-flow", "trial");
    refused(&world.ask(&nowhere).await, 400, "NOTHING_MATCHES", &world.upstream);
    // An underscore is a dash to some servers.
    let reply = world.ask(&post(ALLOW).with("x_neglist_flow", "trial")).await;
    assert_eq!(reply.status, 400);
    assert!(world.upstream.arrived().is_empty());
    let reply = world.ask(&forged(ALLOW)).await;
    assert_eq!((reply.status, reply.header("x-neglist-outcome")), (200, "allow"));
    assert_eq!(world.upstream.arrived()[0].headers_like("x-neglist"), Vec::<&str>::new());
}

#[tokio::test]
async fn persons_in_a_body_are_counted_where_all_of_it_is_seen() {
    let Some(world) = World::start(|example| example).await else { return };
    let list = |count: usize| format!("{{\"subjects\": [{}]}}", vec!["1"; count].join(","));
    let upload = |body: String| Ask::new("POST /body", "partner.example").body(body);
    let reply = world.ask(&upload(list(10_000))).await;
    assert_eq!((reply.status, reply.header("x-neglist-outcome")), (403, "contract"));
    let large = list(40_000);
    let forged = upload(large.clone()).with("x-envoy-auth-partial-body", "false");
    for large in [upload(large), forged] {
        assert_eq!(world.ask(&large).await.status, 413);
    }
    assert!(world.upstream.arrived().is_empty());
    let twice = "{\"subjects\": [1], \"subjects\": [1, 2]}".to_owned();
    refused(&world.ask(&upload(twice)).await, 400, "LABEL_REPEATED", &world.upstream);
    refused(&world.ask(&upload("subjects=1".to_owned())).await, 400, "BODY_NOT_JSON", &world.upstream);
    refused(&world.ask(&Ask::new("POST /body", "partner.example")).await, 400, "BODY_NOT_THERE", &world.upstream);
    let reply = world.ask(&upload(list(3))).await;
    assert_eq!((reply.status, reply.header("x-neglist-outcome")), (200, "allow"));
    // Where no rule reads the body, its size does not matter.
    let body = vec![b'x'; 300_000];
    let large = Ask::new("POST /counted/trial", "partner.example").with("x-subjects", "1").body(body.clone());
    assert_eq!(world.ask(&large).await.status, 200);
    assert_eq!(world.upstream.arrived()[1].body, body);
}

/// The first piece of a body must not decide for the pieces after it.
#[tokio::test]
async fn a_body_that_fills_the_buffer_of_envoy_and_goes_on_does_not_leave() {
    const BUFFER_BYTES: usize = 65_536;
    let Some(world) = World::start(|example| example).await else { return };
    let whole = "{\"subjects\": [1]}";
    let full = format!("{whole}{}", " ".repeat(BUFFER_BYTES - whole.len()));
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let send = |chunks: Vec<String>| {
        let address = world.address();
        let head = Ask::new("POST /body", "partner.example").with("transfer-encoding", "chunked").bytes();
        tokio::task::spawn_blocking(move || {
            let mut connection = Connection::to(address);
            connection.send(&head);
            for chunk in chunks {
                connection.send(chunk.as_bytes());
            }
            connection.reply().unwrap()
        })
    };
    let beyond = send(vec![chunk(&full), chunk("[1, 2, 3]"), chunk("")]);
    assert_eq!(within("an answer", beyond).await.unwrap().status, 413);
    assert!(world.upstream.arrived().is_empty());
    let exact = send(vec![chunk(&full), chunk("")]);
    assert_eq!(within("an answer", exact).await.unwrap().status, 200);
}

#[tokio::test]
async fn headers_that_cannot_be_read_are_refused() {
    let Some(world) = World::start(|example| example).await else { return };
    let with = |values: &[&[u8]]| {
        let ask = Ask::new("POST /trial/x", "partner.example");
        values.iter().fold(ask, |ask, value| ask.with("x-subjects", value))
    };
    refused(&world.ask(&with(&[])).await, 400, "LABEL_MISSING", &world.upstream);
    refused(&world.ask(&with(&[b""])).await, 400, "LABEL_MISSING", &world.upstream);
    refused(&world.ask(&with(&[b"1", b"1"])).await, 400, "LABEL_REPEATED", &world.upstream);
    refused(&world.ask(&with(&[b"caf\xe9"])).await, 400, "LABEL_NOT_TEXT", &world.upstream);
    refused(&world.ask(&with(&["一".as_bytes()])).await, 400, "LABEL_NOT_TEXT", &world.upstream);
    refused(&world.ask(&with(&[b"ten"])).await, 400, "LABEL_NOT_A_NUMBER", &world.upstream);
    refused(&world.ask(&with(&[&[b'1'; 200]])).await, 400, "TOO_LONG", &world.upstream);
    // More than Envoy takes: it answers by itself.
    let reply = world.ask(&with(&[&vec![b'1'; 100_000]])).await;
    assert_eq!(reply.status, 431);
    assert!(world.upstream.arrived().is_empty());
    // A header that is no label may have any value.
    let reply = world.ask(&with(&[b"1"]).with("x-other", b"caf\xe9").with("x-other", "一")).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_wrong_request_is_refused_even_if_errors_pass() {
    let lenient = |example: Example| example.with("failure_mode_allow: false", "failure_mode_allow: true");
    let Some(world) = World::start(lenient).await else { return };
    let wrong = Ask::new("POST /trial/x", "partner.example").with("x-subjects", "ten");
    refused(&world.ask(&wrong).await, 400, "LABEL_NOT_A_NUMBER", &world.upstream);
    refused(&world.ask(&Ask::new("GET /nowhere", "partner.example")).await, 400, "NOTHING_MATCHES", &world.upstream);
    let unknown = Ask::new("POST /trial/..%2f", "partner.example").with("x-subjects", "1");
    assert_eq!(world.ask(&unknown).await.status, 400);
    assert!(world.upstream.arrived().is_empty());
}

#[tokio::test]
async fn a_request_that_is_asked_about_twice_is_counted_once() {
    let second = |example: Example| {
        let filter = "          - name: second
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              transport_api_version: V3
              encode_raw_headers: true
              grpc_service: { timeout: 20s, envoy_grpc: { cluster_name: neglist } }
          - name: envoy.filters.http.router";
        example.with("          - name: envoy.filters.http.router", filter)
    };
    let Some(world) = World::start(second).await else { return };
    // A client that gives its requests one number does not make one of them.
    let forged = |path: &str| {
        Ask::new(&format!("POST {path}"), "partner.example")
            .with("x-subjects", "10")
            .with("x-request-id", "6ba7b810-9dad-11d1-80b4-00c04fd430c8")
    };
    for total in [10, 20, 30] {
        assert_eq!(world.ask(&forged("/recorded")).await.status, 200);
        assert_eq!(world.decisions.counted().await, total);
    }
    assert_eq!(world.envoy.counted("http.reverse.ext_authz.ok"), 6, "each was asked about twice");
    // The route says so instead of the rule, which here only the first filter is told.
    assert_eq!(world.ask(&forged("/counted/trial")).await.status, 200);
    assert_eq!(world.decisions.counted().await, 40);
    let line = world.envoy.logged(|line| line["path"] == "/recorded").await;
    let id = line["neglist"]["transfer_id"].as_str().unwrap();
    assert!(id.strip_prefix("envoy:").is_some_and(|id| id.parse::<u64>().is_ok()), "{line}");
}

#[tokio::test]
async fn the_shipped_rules_hold_behind_the_shipped_configuration() {
    let mut policies = shipped::policies();
    let rules = policies.iter_mut().find(|file| file.path.ends_with("gateways/examples.yaml")).unwrap();
    // Under the number that Envoy gives a request, which the example takes off what clients send.
    rules.text = rules.text.replace("    record: yes\n", "    transfer_id: {header: x-request-id}\n    record: yes\n");
    let decisions = Decisions::of(&policies, &[]).await;
    let Some(world) = World::around(decisions, |example| example).await else { return };
    let ask = |line: &str, host: &str| {
        Ask::new(line, host).with("x-request-id", "6ba7b810-9dad-11d1-80b4-00c04fd430c8").body("{\"subjects\": [1, 2]}")
    };
    let upload = ask("POST /v1/subjects/batch", "trials.example-pharma.example");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let reply = world.ask(&upload).await;
        assert_eq!((reply.status, reply.header("x-neglist-clearance")), (200, "filing-2026-001"), "{}", reply.text());
        // The rule takes the id of the transfer from a header that clients set elsewhere.
        let arrived = world.upstream.arrived();
        let id = arrived.last().unwrap().header("x-request-id")[0].to_owned();
        world.envoy.logged(|line| line["neglist"]["transfer_id"] == format!("gateway:{id}").as_str()).await;
        ids.push(id);
    }
    assert!(ids[0] != ids[1] && ids.iter().all(|id| !id.starts_with("6ba7b810")), "{ids:?}");
    let orders = world.ask(&ask("POST /orders/export", "edi.example-werke.example:443")).await;
    assert_eq!(
        (orders.status, orders.header("x-neglist-reason")),
        (200, "NO_PERSONAL_INFORMATION"),
        "{}",
        orders.text()
    );
    for (line, host, reason) in [
        ("POST /orders/export/", "edi.example-werke.example", "SLASH_AT_END"),
        ("DELETE /orders/export", "edi.example-werke.example", "CONDITIONS_NOT_MET"),
        ("GET /v1/subjects/17", "trials.example-pharma.example", "LABEL_MISSING"),
        ("POST /anything", "localhost", "NOTHING_MATCHES"),
    ] {
        let reply = world.ask(&ask(line, host)).await;
        assert_eq!((reply.status, reply.header("x-neglist-reason")), (400, reason), "{line}: {}", reply.text());
    }
    assert_eq!(world.upstream.arrived().len(), 3);
}

#[tokio::test]
async fn a_change_of_the_policies_in_the_middle_of_traffic_loses_no_request() {
    let settings = [("policy_poll_interval_ms", "20"), ("policy_debounce_ms", "0")];
    let decisions = Decisions::of(&flows::files_with_rules(), &settings).await;
    let Some(world) = World::around(decisions, |example| example).await else { return };
    let lenient = std::fs::read_to_string(world.decisions.directory.path(PORT)).unwrap();
    let contract = "contract_from: {persons: 10000,";
    assert!(lenient.contains(contract));
    let strict = lenient.replace(contract, "contract_from: {persons: 5,");
    let digest = |text: &str| {
        let mut files = flows::files_with_rules();
        text.clone_into(&mut files.iter_mut().find(|file| file.path == PORT).unwrap().text);
        server::digest_of(&files)
    };
    let expected = [(200, "allow", digest(&lenient)), (403, "contract", digest(&strict))];
    let mut connection = Connection::to(world.address());
    let path = world.decisions.directory.path(PORT);
    let traffic = tokio::task::spawn_blocking(move || {
        let mut changes = 0;
        let mut before = 200;
        while changes < 6 {
            connection.send(&post(ALLOW).bytes());
            let reply = connection.reply().expect("an answer");
            let digest = reply.header("x-neglist-digest").to_owned();
            let got = (reply.status, reply.header("x-neglist-outcome"), digest);
            assert!(expected.contains(&got), "{got:?} is none of {expected:?}");
            if reply.status != before || changes == 0 {
                changes += 1;
                before = reply.status;
                // Written aside and moved into place, as the README says.
                let aside = path.with_extension("new");
                std::fs::write(&aside, if before == 200 { &strict } else { &lenient }).unwrap();
                std::fs::rename(&aside, &path).unwrap();
            }
        }
    });
    within("six changes", traffic).await.unwrap();
}

#[tokio::test]
async fn a_forward_proxy_asks_about_requests_and_tunnels() {
    let decisions = Decisions::start().await;
    let upstream = Upstream::start();
    let example = Example::of("egress.yaml").on_free_ports().patient().asking(&decisions.address());
    let Some(envoy) = Envoy::start(example).await else { return };
    let address = envoy.address("egress");
    let there = format!("localhost:{}", upstream.port());
    let tunnel =
        |persons: &str| Ask::new(&format!("CONNECT {there}"), &there).with("x-neglist-sensitive-persons", persons);
    let request = |persons: &str, host: &str| {
        Ask::new(&format!("POST http://{there}/trial/x"), host).with("x-subjects", persons).body("data")
    };
    let reply = send(&tunnel("10000"), address).await;
    assert_eq!((reply.status, reply.header("x-neglist-outcome")), (403, "contract"));
    assert_eq!(reply.json()["next_step"]["text_zh"], "订立合同");
    let reply = send(&request("10000", &there), address).await;
    assert_eq!((reply.status, reply.header("x-neglist-outcome")), (403, "contract"));
    // The rules are for `localhost`; the same machine by another name is somewhere else.
    let elsewhere = format!("127.0.0.1:{}", upstream.port());
    let reply = send(&Ask::new(&format!("CONNECT {elsewhere}"), &elsewhere), address).await;
    assert_eq!((reply.status, reply.header("x-neglist-reason")), (400, "PATH_NOT_SEEN"));
    // A flow that the client names by itself.
    let forged = tunnel("10").with("x-neglist-flow", "uncovered");
    assert_eq!(upstream.connections(), 0, "no client was connected");

    // What Host says does not matter.
    let reply = send(&request("10", "elsewhere.example"), address).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "arrived"), "{:?}", reply.headers);
    let arrived = upstream.arrived();
    assert_eq!((arrived[0].line.as_str(), arrived[0].header("host")), ("POST /trial/x HTTP/1.1", vec![there.as_str()]));

    let through = move || {
        let mut connection = Connection::to(address);
        connection.send(&forged.bytes());
        let opened = connection.reply().expect("an answer to CONNECT");
        connection.send(&Ask::new("GET /inside", "inside").bytes());
        (opened.status, connection.reply().expect("an answer from within").text())
    };
    let (status, inside) = within("the tunnel", tokio::task::spawn_blocking(through)).await.unwrap();
    assert_eq!((status, inside.as_str()), (200, "arrived"));
    assert_eq!(upstream.arrived()[1].line, "GET /inside HTTP/1.1");
    let line = envoy.logged(|line| line["method"] == "CONNECT" && line["neglist"]["outcome"] == "contract").await;
    assert_eq!((&line["authority"], &line["neglist"]["gateway_rule"]), (&there.into(), &"tunnel".into()), "{line}");
}

/// The first bytes of a client that names a server; `None`: without a name.
fn hello(name: Option<&str>) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    config.enable_sni = name.is_some();
    let name = name.unwrap_or("unnamed").to_owned().try_into().unwrap();
    let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// Envoy in front of a server of the name `localhost`.
async fn tcp(decisions: &Decisions, upstream: &Upstream) -> Option<Envoy> {
    let port = format!("port_value: {}\n", upstream.port());
    let example = Example::of("tcp.yaml").on_free_ports().patient().with("port_value: 443\n", &port);
    Envoy::start(example.asking(&decisions.address())).await
}

/// Fails unless a connection with this beginning is closed without an answer.
async fn closed(address: SocketAddr, begins: Vec<u8>) {
    let closes = move || {
        let mut connection = Connection::to(address);
        connection.send(&begins);
        connection.reply().is_none()
    };
    assert!(within("the end of the connection", tokio::task::spawn_blocking(closes)).await.unwrap());
}

#[tokio::test]
async fn connections_are_decided_by_their_server_name() {
    let (decisions, upstream) = (Decisions::start().await, Upstream::start());
    let Some(envoy) = tcp(&decisions, &upstream).await else { return };
    let address = envoy.address("tcp");
    closed(address, hello(Some("elsewhere.example"))).await;
    closed(address, hello(None)).await;
    closed(address, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()).await;
    assert_eq!(upstream.connections(), 0);
    let line = envoy.logged(|line| line["server_name"] == "elsewhere.example").await;
    assert_eq!(
        (&line["neglist"]["outcome"], &line["neglist"]["reasons"]),
        (&"refused".into(), &["PATH_NOT_SEEN"][..].into())
    );
    let mut connection = Connection::to(address);
    connection.send(&hello(Some("localhost")));
    until("the connection is made", || (upstream.connections() == 1).then_some(())).await;

    // If no rule matches the name, the server of that name is not even connected to.
    let (decisions, upstream) = (Decisions::of(&flows::files(), &[]).await, Upstream::start());
    let Some(envoy) = tcp(&decisions, &upstream).await else { return };
    for _ in 0..3 {
        closed(envoy.address("tcp"), hello(Some("localhost"))).await;
    }
    assert_eq!(within("the end", decisions.server.drain()).await, Drained::Fully);
    closed(envoy.address("tcp"), hello(Some("localhost"))).await;
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn b2_a_cluster_named_as_a_mesh_names_it_is_answered() {
    for name in ["outbound|50051||neglist.policy.svc.cluster.local", "extension/ns/neglist"] {
        let named = |example: Example| {
            example
                .with("envoy_grpc: { cluster_name: neglist }", &format!("envoy_grpc: {{ cluster_name: \"{name}\" }}"))
                .with("- name: neglist\n    type: STATIC", &format!("- name: \"{name}\"\n    type: STATIC"))
        };
        let Some(world) = World::start(named).await else { return };
        let reply = world.ask(&post(ALLOW)).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "arrived"), "{name}");
        assert_eq!(reply.header("x-neglist-outcome"), "allow", "{name}");
    }
}
