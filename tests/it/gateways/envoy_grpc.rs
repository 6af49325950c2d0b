//! `envoy.service.auth.v3.Authorization` of a running server, asked by the generated client.

use std::collections::HashMap;

use neglist::policy::PolicyFile;
use neglist::wire::generated::v1;
use neglist::wire::generated::v1::ledger_service_client::LedgerServiceClient;
use neglist::wire::generated::vendor::envoy::config::core::v3::{HeaderMap, HeaderValue};
use neglist::wire::generated::vendor::envoy::service::auth::v3::attribute_context::{HttpRequest, Request, TlsSession};
use neglist::wire::generated::vendor::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use neglist::wire::generated::vendor::envoy::service::auth::v3::check_response::HttpResponse;
use neglist::wire::generated::vendor::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use tonic::Code;
use tonic::transport::Channel;

use crate::gateways::support::flows::{self, ALLOW, ASSESS, CONTRACT, FILE};
use crate::support::clients;
use crate::support::server::{Directory, Process, connect};
use crate::support::wait::within;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// A server that counts in a file.
fn start(settings: &[(&str, &str)]) -> (Directory, Process) {
    start_with(&flows::files(), settings)
}

fn start_with(files: &[PolicyFile], settings: &[(&str, &str)]) -> (Directory, Process) {
    let directory = Directory::of(files);
    let ledger = directory.beside("ledger");
    let policies = directory.policies();
    let arguments = [
        "serve",
        "--policies",
        policies.to_str().unwrap(),
        "--admin",
        "127.0.0.1:0",
        "--ledger",
        ledger.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
    ];
    let server = Process::listening(&arguments, settings);
    (directory, server)
}

fn request((flow, persons): (&str, u64), id: &str) -> CheckRequest {
    let persons = persons.to_string();
    let header = |(key, value): (&str, &str)| HeaderValue {
        key: key.to_owned(),
        value: String::new(),
        raw_value: value.as_bytes().to_vec(),
    };
    let headers = [("x-neglist-flow", flow), ("x-neglist-sensitive-persons", &persons)].map(header).to_vec();
    let http = HttpRequest {
        id: id.to_owned(),
        method: "POST".to_owned(),
        host: "partner.example".to_owned(),
        path: "/".to_owned(),
        header_map: Some(HeaderMap { headers }),
        ..HttpRequest::default()
    };
    let request = Some(Request { http: Some(http), ..Request::default() });
    CheckRequest { attributes: Some(AttributeContext { request, ..AttributeContext::default() }) }
}

fn counted(mut request: CheckRequest) -> CheckRequest {
    let context = HashMap::from([("neglist-record".to_owned(), "yes".to_owned())]);
    request.attributes.as_mut().unwrap().context_extensions = context;
    request
}

async fn check(channel: &Channel, request: CheckRequest) -> CheckResponse {
    let mut client = AuthorizationClient::new(channel.clone());
    within("an answer", client.check(request)).await.unwrap().into_inner()
}

/// The code of the verdict and the HTTP status that the client of Envoy gets; 200 if it passes.
fn verdict(response: &CheckResponse) -> (i32, i32) {
    let http = match response.http_response.as_ref().unwrap() {
        HttpResponse::OkResponse(_) => 200,
        HttpResponse::DeniedResponse(denied) => denied.status.unwrap().code,
        HttpResponse::ErrorResponse(error) => -error.status.unwrap().code,
    };
    (response.status.as_ref().unwrap().code, http)
}

/// Persons that were counted in the scenario of the flows.
async fn counted_persons(channel: &Channel) -> u64 {
    let mut client = LedgerServiceClient::new(channel.clone());
    let usage = client.get_usage(v1::GetUsageRequest { exporter: "acme".into(), year: 0 }).await.unwrap();
    let of_scenario = |usage: &v1::CounterUsage| usage.counter.starts_with("port/pharma/clinical-trial/sensitive");
    usage.into_inner().counters.iter().filter(|usage| of_scenario(usage)).map(|usage| usage.committed).sum()
}

#[tokio::test]
async fn every_outcome_has_its_answer() {
    let (_directory, server) = start(&[]);
    let channel = connect(server.grpc()[0]).await;
    for (asked, expected) in [(ALLOW, (0, 200)), (FILE, (7, 403)), (CONTRACT, (7, 403)), (ASSESS, (7, 403))] {
        let response = check(&channel, request(asked, "1")).await;
        assert_eq!(verdict(&response), expected, "{asked:?}: {response:?}");
    }
    assert_eq!(verdict(&check(&channel, request(("unheard-of", 1), "1")).await), (3, 400));
    assert_eq!(counted_persons(&channel).await, 0, "asking does not count");
    drop(channel);
    server.stop().await;
}

#[tokio::test]
async fn a5_a_tunnel_does_not_pass_by_way_of_headers() {
    let rules = "format: 1
kind: gateway
rules:
  - {id: strict, match: {host: t.example, methods: [POST]}, flow: uncovered, sensitive_persons: 60000}
  - {id: lenient, match: {host: t.example, headers: {x-a: '1', x-b: '1'}}, flow: trial, sensitive_persons: 1}
complete: yes
";
    let mut files = flows::files();
    files.push(PolicyFile { path: "gateways/rules.yaml".to_owned(), text: rules.to_owned() });
    let (_directory, server) = start_with(&files, &[]);
    let channel = connect(server.grpc()[0]).await;
    let asked = |method: &str, path: &str, headers: &[&str]| {
        let mut asked = request(ALLOW, "1");
        let http = asked.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
        (http.method, http.host, http.path) = (method.to_owned(), "t.example:443".to_owned(), path.to_owned());
        let header =
            |key: &&str| HeaderValue { key: (*key).to_owned(), value: String::new(), raw_value: b"1".to_vec() };
        http.header_map = Some(HeaderMap { headers: headers.iter().map(header).collect() });
        asked
    };
    for (method, path, headers, expected) in [
        ("GET", "/", &["x-a", "x-b"][..], (0, 200)),
        ("POST", "/", &[], (7, 403)),
        ("CONNECT", "", &[], (3, 400)),
        ("CONNECT", "", &["x-a"], (3, 400)),
        ("CONNECT", "", &["x-a", "x-b"], (3, 400)),
        ("CONNECT", "/", &["x-a", "x-b"], (3, 400)),
        // For any method, the lenient rule decides such a request.
        ("GET", "/", &["x-a", "x-b", "x-http-method-override"], (0, 200)),
        ("POST", "/", &["x-http-method-override"], (3, 400)),
    ] {
        let response = check(&channel, asked(method, path, headers)).await;
        assert_eq!(verdict(&response), expected, "{method} {path} {headers:?}: {response:?}");
    }
    drop(channel);
    server.stop().await;
}

#[tokio::test]
async fn a_disguised_path_or_server_name_leaves_nothing_to_a_milder_rule() {
    let rules = "format: 1
kind: gateway
rules:
  - {id: strict, match: {host: a.example, path: /export}, flow: uncovered, sensitive_persons: 60000}
  - {id: mild, match: {host: a.example}, flow: trial, sensitive_persons: 1}
  - {id: m-all, match: {}, flow: trial, sensitive_persons: 1}
  - {id: s-sni, match: {sni: sni.example}, flow: uncovered, sensitive_persons: 60000}
complete: yes
";
    let mut files = flows::files();
    files.push(PolicyFile { path: "gateways/rules.yaml".to_owned(), text: rules.to_owned() });
    let (_directory, server) = start_with(&files, &[]);
    let channel = connect(server.grpc()[0]).await;
    let asked = |method: &str, host: &str, path: &str, says: Option<&str>, sni: Option<&str>| {
        let mut asked = request(ALLOW, "1");
        let attributes = asked.attributes.as_mut().unwrap();
        attributes.tls_session = sni.map(|sni| TlsSession { sni: sni.to_owned() });
        let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
        (http.method, http.host, http.path) = (method.to_owned(), host.to_owned(), path.to_owned());
        let header = |says: &str| HeaderValue {
            key: "x-original-url".to_owned(),
            value: String::new(),
            raw_value: says.as_bytes().to_vec(),
        };
        http.header_map = Some(HeaderMap { headers: says.map(header).into_iter().collect() });
        asked
    };
    for says in ["export?x=http://h/mild", "export#://h/mild", "evil://h/mild", "http://h?/mild", "http://h\\@x/mild"] {
        let response = check(&channel, asked("GET", "a.example", "/mild", Some(says), None)).await;
        assert_eq!(verdict(&response), (3, 400), "{says}: {response:?}");
    }
    for (method, host, path, says, sni, expected) in [
        ("GET", "a.example", "/mild", Some("http://h/mild"), None, (0, 200)),
        ("GET", "zzz.example", "/", None, None, (3, 400)),
        ("GET", "zzz.example", "/", None, Some("zzz.example"), (0, 200)),
        ("GET", "zzz.example", "/", None, Some("sni.example"), (7, 403)),
        ("CONNECT", "zzz.example:443", "", None, None, (3, 400)),
        ("CONNECT", "zzz.example:443", "", None, Some("proxy.example"), (3, 400)),
    ] {
        let response = check(&channel, asked(method, host, path, says, sni)).await;
        assert_eq!(verdict(&response), expected, "{method} {host} {says:?} {sni:?}: {response:?}");
    }
    drop(channel);
    server.stop().await;
}

#[tokio::test]
async fn connections_and_empty_messages_are_refused() {
    let (_directory, server) = start(&[]);
    let channel = connect(server.grpc()[0]).await;
    let tls = Some(TlsSession { sni: "partner.example".into() });
    let tcp = AttributeContext { tls_session: tls, ..AttributeContext::default() };
    for attributes in [None, Some(AttributeContext::default()), Some(tcp)] {
        let response = check(&channel, CheckRequest { attributes }).await;
        assert_eq!(verdict(&response), (3, 400), "{response:?}");
    }
    drop(channel);
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_no_rule_matches_passes_only_if_the_operator_allows_it() {
    let tls = || Some(TlsSession { sni: "nobody.example".into() });
    let nothing =
        || CheckRequest { attributes: Some(AttributeContext { tls_session: tls(), ..AttributeContext::default() }) };
    for (setting, expected) in [("refuse", (3, 400)), ("allow", (0, 200)), ("flow:trial", (3, 400))] {
        let (_directory, server) = start(&[("NEGLIST_LISTEN_UNLABELLED", setting)]);
        let channel = connect(server.grpc()[0]).await;
        assert_eq!(verdict(&check(&channel, nothing()).await), expected, "{setting}");
        assert_eq!(verdict(&check(&channel, request(("unheard-of", 1), "1")).await), (3, 400), "{setting}");
        drop(channel);
        server.stop().await;
    }
}

#[tokio::test]
async fn a_transfer_counts_once_over_a_restart_and_beside_callers_of_the_ledger() {
    let (directory, server) = start(&[]);
    let channel = connect(server.grpc()[0]).await;
    for _ in 0..3 {
        assert_eq!(verdict(&check(&channel, counted(request(ALLOW, "77"))).await), (0, 200));
    }
    assert_eq!(counted_persons(&channel).await, 10);
    // A caller of the ledger has ids of its own.
    let mut ledger = LedgerServiceClient::new(channel.clone());
    let persons = Some(v1::Persons { general: 0, sensitive: 10 });
    let transfer = Some(v1::Transfer { flow: "trial".into(), persons, ..v1::Transfer::default() });
    let reserve =
        v1::ReserveRequest { transfer_id: "77".into(), transfer, commit: true, ..v1::ReserveRequest::default() };
    assert!(!ledger.reserve(reserve).await.unwrap().into_inner().replayed);
    assert_eq!(counted_persons(&channel).await, 20);
    drop((channel, ledger));
    let (policies, ledger) = (directory.policies(), directory.beside("ledger"));
    server.stop().await;
    let arguments = ["serve", "--policies", policies.to_str().unwrap(), "--admin", "127.0.0.1:0"];
    let rest = ["--ledger", ledger.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let server = Process::listening(&[&arguments[..], &rest].concat(), &[]);
    let channel = connect(server.grpc()[0]).await;
    assert_eq!(verdict(&check(&channel, counted(request(ALLOW, "77"))).await), (0, 200));
    assert_eq!(counted_persons(&channel).await, 20, "the first answer again");
    drop(channel);
    server.stop().await;
}

#[tokio::test]
async fn two_gateways_cannot_both_take_the_last_place() {
    let (_directory, server) = start(&[]);
    let channel = connect(server.grpc()[0]).await;
    let asks = (1..=20_u64).map(|id| {
        let channel = channel.clone();
        tokio::spawn(async move { verdict(&check(&channel, counted(request(("trial", 999), &id.to_string()))).await) })
    });
    let mut passed = 0;
    for ask in asks.collect::<Vec<_>>() {
        match ask.await.unwrap() {
            (0, 200) => passed += 1,
            (7, 403) => {}
            other => panic!("{other:?}"),
        }
    }
    // The filing covers what lies below 10,000.
    assert_eq!((passed, counted_persons(&channel).await), (10, 9_990));
    drop(channel);
    server.stop().await;
}

#[tokio::test]
async fn over_the_limit_the_call_ends_with_an_error() {
    let (_directory, server) = start(&[("NEGLIST_REQUESTS_IN_FLIGHT_MAX", "1")]);
    let channel = connect(server.grpc()[0]).await;
    // A stream holds the one place.
    let (send, messages) = tokio::sync::mpsc::channel(1);
    let messages = tokio_stream::wrappers::ReceiverStream::new(messages);
    let path = "/neglist.v1.DecisionService/DecideStream";
    let answers = within("a stream", clients::stream_raw(channel.clone(), path, messages)).await.unwrap();
    let mut client = AuthorizationClient::new(channel.clone());
    let status = within("a refusal", client.check(request(ALLOW, "1"))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    drop((send, answers));
    let answered = async {
        loop {
            if let Ok(response) = client.check(request(ALLOW, "2")).await {
                return response;
            }
        }
    };
    let response = within("an answer", answered).await;
    assert_eq!(verdict(response.get_ref()), (0, 200));
    drop((client, channel));
    server.stop().await;
}

#[tokio::test]
async fn a_caller_that_has_stopped_waiting_changes_nothing() {
    let (_directory, server) = start(&[]);
    let channel = connect(server.grpc()[0]).await;
    let mut client = AuthorizationClient::new(channel.clone());
    let mut late = tonic::Request::new(counted(request(ALLOW, "1")));
    late.metadata_mut().insert("grpc-timeout", "0n".parse().unwrap());
    let status = within("an end", client.check(late)).await.unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    assert_eq!(counted_persons(&channel).await, 0);
    drop((client, channel));
    server.stop().await;
}

#[tokio::test]
async fn a_malformed_message_is_refused_and_the_connection_stays_open() {
    let (_directory, server) = start(&[]);
    let channel = connect(server.grpc()[0]).await;
    for bytes in [vec![0xff; 16], vec![0x0a, 0x05, 0x01], vec![0x0a, 0x02, 0x62, 0x01]] {
        let status = clients::call_raw(channel.clone(), CHECK, bytes).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    }
    let mut large = request(ALLOW, "1");
    large.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap().raw_body = vec![0; 5 << 20];
    let mut client = AuthorizationClient::new(channel.clone());
    let status = within("an end", client.check(large)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(verdict(&check(&channel, request(ALLOW, "1")).await), (0, 200));
    drop((client, channel));
    server.stop().await;
}

#[tokio::test]
async fn a_reload_changes_answers_at_once_and_each_names_its_policies() {
    let (directory, server) = start(&[]);
    let channel = connect(server.grpc()[0]).await;
    let digest = |response: &CheckResponse| match response.dynamic_metadata.as_ref().unwrap().fields["digest"].kind {
        Some(prost_types::value::Kind::StringValue(ref digest)) => digest.clone(),
        ref other => panic!("{other:?}"),
    };
    let before = check(&channel, request(ALLOW, "1")).await;
    assert_eq!(verdict(&before), (0, 200));
    let list = std::fs::read_to_string(directory.path(crate::support::small::PORT)).unwrap();
    let contract = "contract_from: {persons: 10000,";
    assert!(list.contains(contract));
    directory.write(crate::support::small::PORT, &list.replace(contract, "contract_from: {persons: 5,"));
    server.signal("HUP");
    let mut admin = server.policies().await;
    let loaded = async {
        loop {
            let status = admin.get_status(v1::GetStatusRequest {}).await.unwrap().into_inner().status.unwrap();
            if status.snapshot.as_ref().unwrap().revision != 1 {
                return status.snapshot.unwrap().digest;
            }
        }
    };
    let loaded = within("the reload", loaded).await;
    let after = check(&channel, request(ALLOW, "1")).await;
    assert_eq!(verdict(&after), (7, 403));
    assert_eq!(digest(&after), loaded);
    assert_ne!(digest(&before), loaded);
    drop((channel, admin));
    server.stop().await;
}
