//! Limits of HTTP: heads, bodies, connections, requests in flight, time; and how the listener stops.

use neglist::app::server::Drained;
use neglist::wire::json::message;

use crate::http::doors::start;
use crate::support::clients;
use crate::support::http_client::{Client, JSON, get, request};
use crate::support::server::{self, Directory, Process, connect, decisions_on};
use crate::support::wait::{until, within};

fn decide() -> String {
    message::to_json_line(&clients::request(clients::transfer(1, 0)), "neglist.v1.DecideRequest").unwrap()
}

/// Asks for a decision, all but the last byte of the body: in flight until the test sends it.
fn begin(address: &str) -> (Client, String) {
    let mut client = Client::connect(address);
    let mut request = request("POST", "/v1/decide", &[JSON, ("expect", "100-continue")], &decide());
    let last = request.pop().unwrap();
    client.send(request);
    (client, last.to_string())
}

fn metric(address: &str, series: &str) -> u64 {
    let body = get(address, "/metrics").body;
    let line = body.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series}")).parse().unwrap()
}

fn limited(address: &str, limit: &str) -> u64 {
    metric(address, &format!("neglist_limit_refusals_total{{limit=\"{limit}\"}}"))
}

async fn in_flight(address: &str, count: u64) {
    until("the requests are in flight", || (metric(address, "neglist_requests_in_flight") == count).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_bounded_in_bytes_and_in_headers() {
    let directory = Directory::small();
    let (_server, address) = start(&directory, &[("http_head_bytes_max", "8192"), ("http_headers_max", "10")]).await;
    let ask = |head: String| {
        let mut client = Client::connect(&address);
        client.send(head);
        client.receive().map(|response| response.status)
    };
    let padded = |bytes: usize| request("GET", "/livez", &[("x", &"x".repeat(bytes))], "");
    assert_eq!(ask(padded(7_000)), Some(200));
    assert_eq!(ask(padded(8_192)), Some(431));
    // One that does not end.
    assert_eq!(ask(format!("GET /livez HTTP/1.1\r\nx: {}", "x".repeat(20_000))), Some(431));
    let many = |count: usize| request("GET", "/livez", &vec![("x", "y"); count], "");
    assert_eq!((ask(many(9)), ask(many(10))), (Some(200), Some(431)));
    assert_eq!(ask(format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(10_000))), Some(431));
    until("all are counted", || (limited(&address, "http-head-bytes") == 4).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_http_are_refused_and_the_connection_closes() {
    let directory = Directory::small();
    let (_server, address) = start(&directory, &[]).await;
    let post = "POST /v1/decide HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    for bytes in [
        "GET\r\n\r\n".to_owned(),
        "GET /livez HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
        "GET /livez HTTP/1.1\r\nhost: x\r\n folded: y\r\n\r\n".to_owned(),
        "GET /livez HTTP/9.9\r\nhost: x\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}".to_owned() + &"x".repeat(100) + "\r\n\r\n",
        format!("{post}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"),
        format!("{post}content-length: -1\r\n\r\n{{}}"),
        format!("{post}transfer-encoding: gzip\r\n\r\n{{}}"),
    ] {
        let mut client = Client::connect(&address);
        client.send(&bytes);
        client.finish();
        if let Some(response) = client.receive() {
            assert!((400..500).contains(&response.status), "{bytes:?}: {response:?}");
        }
        assert!(client.is_closed(), "{bytes:?}");
    }
    // HTTP/2 is for the gRPC listeners.
    let mut client = Client::connect(&address);
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(client.receive().is_none_or(|response| 400 <= response.status));
    // A length beside chunks is one that a proxy could read otherwise: what follows is never a second request.
    let mut client = Client::connect(&address);
    let smuggled = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    client.send(format!("{post}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"));
    let first = client.receive().unwrap();
    assert_eq!(first.status, 400);
    let old = "POST /v1/decide HTTP/1.0\r\ncontent-type: application/json\r\n";
    let mut client = Client::connect(&address);
    client.send(format!("{old}content-length: {}\r\n\r\n{}", decide().len(), decide()));
    assert_eq!(client.receive().unwrap().status, 200);
    assert!(client.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_with_or_without_a_declared_length() {
    let directory = Directory::small();
    let (_server, address) = start(&directory, &[("http_body_bytes_max", "1024")]).await;
    // Nothing of it is sent: a length is enough.
    let mut client = Client::connect(&address);
    client
        .send("POST /v1/decide HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1025\r\n\r\n");
    client.receive().unwrap().is_refusal(413);
    let chunked =
        "POST /v1/decide HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut client = Client::connect(&address);
    client.send(format!("{chunked}401\r\n{}", " ".repeat(0x401)));
    client.receive().unwrap().is_refusal(413);
    // As large as may be, and in chunks.
    let body = decide();
    let mut client = Client::connect(&address);
    client.send(format!("{chunked}{:x}\r\n{}{body}\r\n0\r\n\r\n", 0x400, " ".repeat(0x400 - body.len())));
    assert_eq!(client.receive().unwrap().status, 200);
    assert_eq!(limited(&address, "http-body-bytes"), 2);
}

/// Sends a request whose body is not read, and reads the answer after all of it was sent.
fn answer_before_the_body(address: &str, path: &str, body_bytes: usize) -> (u16, bool) {
    let mut client = Client::connect(address);
    client.send(format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {body_bytes}\r\n\r\n"));
    for _ in 0..body_bytes / 10_000 {
        client.send([b'x'; 10_000]);
    }
    let answer = client.receive().unwrap_or_else(|| panic!("no answer to {path} with {body_bytes} bytes"));
    let is_last = answer.header("connection") == Some("close");
    assert!(!is_last || client.is_closed());
    (answer.status, is_last)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_arrives_whole_though_its_request_is_not_read() {
    let directory = Directory::small();
    let (_server, address) = start(&directory, &[("http_body_bytes_max", "1024")]).await;
    for (path, status) in [("/nope", 404), ("/v1/forward-auth", 403), ("/v1/decide", 415)] {
        // Beyond the bytes that are discarded the connection ends, and says so.
        assert_eq!(answer_before_the_body(&address, path, 900_000), (status, true), "{path}");
    }
    // A body that is not sent: the answer is there at once, and the last one.
    let mut client = Client::connect(&address);
    client.send("POST /nope HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n");
    let answer = client.receive().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (404, Some("close")), "{answer:?}");
    // A small one that has come is read, and the connection goes on.
    let mut client = Client::connect(&address);
    for _ in 0..3 {
        client.send("POST /nope HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody");
        let answer = client.receive().unwrap();
        assert_eq!((answer.status, answer.header("connection")), (404, None));
    }
    // What follows a CONNECT may be no HTTP: it is the last request.
    let mut client = Client::connect(&address);
    client.send("CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n");
    let answer = client.receive().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (404, Some("close")), "{answer:?}");
    assert!(client.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_or_silent_client_is_cut_off() {
    let directory = Directory::small();
    let settings = [("http_head_seconds", "1"), ("http_body_seconds", "1"), ("http_idle_seconds", "2")];
    let (_server, address) = start(&directory, &settings).await;
    let wait = || {
        let address = address.clone();
        // Says nothing at all, begins a head, begins a second head, and begins a body.
        std::thread::scope(|scope| {
            let silent = scope.spawn(|| Client::connect(&address).is_closed());
            let begins = scope.spawn(|| {
                let mut client = Client::connect(&address);
                client.send("GET /livez HTTP/1.1\r\nx: ");
                client.is_closed()
            });
            let second = scope.spawn(|| {
                let mut client = Client::connect(&address);
                let first = client.ask("GET", "/livez", &[], "").status;
                client.send("GET /livez HTTP/1.1\r\n");
                (first, client.is_closed())
            });
            let idle = scope.spawn(|| {
                let mut client = Client::connect(&address);
                let first = client.ask("GET", "/livez", &[], "").status;
                (first, client.is_closed())
            });
            let body = scope.spawn(|| {
                let (mut client, _) = begin(&address);
                let response = client.receive().unwrap();
                response.is_refusal(408);
                client.is_closed()
            });
            assert!(silent.join().unwrap());
            assert!(begins.join().unwrap());
            assert_eq!(second.join().unwrap(), (200, true));
            assert_eq!(idle.join().unwrap(), (200, true));
            assert!(body.join().unwrap());
        });
    };
    wait();
    assert_eq!(limited(&address, "http-body-seconds"), 1);
    assert_eq!(limited(&address, "http-head-seconds"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_is_cut_off() {
    let directory = Directory::small();
    let (_server, address) = start(&directory, &[("http_send_seconds", "1")]).await;
    let mut client = Client::connect(&address);
    // More answers than the buffers between the two can hold.
    let asked = request("GET", "/metrics", &[], "");
    let sending = std::thread::spawn(move || {
        for _ in 0..2_000 {
            client.send(&asked);
        }
        client
    });
    until("it is cut off", || (limited(&address, "http-send-seconds") == 1).then_some(())).await;
    drop(sending.join().unwrap());
    assert_eq!(get(&address, "/livez").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_decides_nothing() {
    let directory = Directory::small();
    let (_server, address) = start(&directory, &[]).await;
    let (mut client, _) = begin(&address);
    client.finish();
    assert!(client.receive().is_none_or(|response| response.status == 400));
    in_flight(&address, 0).await;
    assert_eq!(metric(&address, "neglist_decisions_total{door=\"http-decide\",outcome=\"allow\"}"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_bounded_on_all_listeners_together() {
    let directory = Directory::small();
    let (server, address) = start(&directory, &[("requests_in_flight_max", "2"), ("retry_after_ms", "1500")]).await;
    let grpc = connect(&server::address(&server, "grpc")).await;
    let held = [begin(&address), begin(&address)];
    in_flight(&address, 2).await;
    let refused = Client::connect(&address).ask("POST", "/v1/decide", &[JSON, ("x-request-id", "7")], &decide());
    assert_eq!(refused.is_refusal(503)["code"], 8);
    assert_eq!((refused.header("retry-after"), refused.header("x-request-id")), (Some("2"), Some("7")));
    // Each door says it as it says any outage, and counts it as one.
    let forward = Client::connect(&address).ask("GET", "/v1/forward-auth", &[], "");
    assert_eq!(forward.is_refusal(503)["code"], 8);
    assert_eq!((forward.header("x-neglist-outcome"), forward.header("retry-after")), (Some("unanswered"), Some("2")));
    for path in ["/access/v1/evaluation", "/access/v1/evaluations"] {
        assert_eq!(Client::connect(&address).ask("POST", path, &[JSON], "{}").is_refusal(503)["code"], 8);
    }
    let counts = get(&address, "/metrics").body;
    for (door, count) in [("http-decide", 1), ("forward-auth", 1), ("authzen", 2)] {
        let line = format!("neglist_decisions_total{{door=\"{door}\",outcome=\"unanswered\"}} {count}\n");
        assert!(counts.contains(&line), "{line}{counts}");
    }
    let over_grpc = decisions_on(grpc).decide(clients::request(clients::transfer(1, 0))).await.unwrap_err();
    assert_eq!(over_grpc.code(), tonic::Code::ResourceExhausted);
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(get(&address, path).status, 200, "{path}");
    }
    assert_eq!(limited(&address, "requests-in-flight"), 5);
    for (mut client, last) in held {
        client.send(last);
        assert_eq!(client.receive().unwrap().status, 200);
    }
    in_flight(&address, 0).await;
    assert_eq!(Client::connect(&address).ask("POST", "/v1/decide", &[JSON], &decide()).status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_bounded_on_both_listeners_together() {
    let directory = Directory::small();
    let settings = [("connections_max", "1"), ("connection_reclaim_idle_ms", "3600000")];
    let (server, address) = start(&directory, &settings).await;
    let mut first = Client::connect(&address);
    assert_eq!(first.ask("GET", "/livez", &[], "").status, 200);
    // The system accepts it; the server does not, so long as the first has not been idle for long enough.
    let grpc = server::address(&server, "grpc");
    let waiting = tokio::spawn(async move {
        let mut client = decisions_on(connect(&grpc).await);
        client.decide(clients::request(clients::transfer(1, 0))).await
    });
    assert!(first.ask("GET", "/metrics", &[], "").body.contains("neglist_connections_open 1\n"));
    assert!(!waiting.is_finished());
    drop(first);
    assert!(within("an answer", waiting).await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_requests_in_flight_and_waits_for_nothing_else() {
    let directory = Directory::small();
    let (server, address) = start(&directory, &[("drain_seconds", "20")]).await;
    let mut idle = Client::connect(&address);
    assert_eq!(idle.ask("GET", "/livez", &[], "").status, 200);
    let mut silent = Client::connect(&address);
    let mut begun = Client::connect(&address);
    begun.send("GET /livez HTTP/1.1\r\n");
    let (mut held, last) = begin(&address);
    in_flight(&address, 1).await;
    let draining = tokio::spawn(server.drain());
    assert!(idle.is_closed() && silent.is_closed());
    until("new connections are refused", || {
        let Ok(mut client) = Client::try_connect(&address) else { return Some(()) };
        client.send(request("GET", "/livez", &[], ""));
        client.receive().is_none().then_some(())
    })
    .await;
    assert!(!draining.is_finished());
    begun.send("host: x\r\n\r\n");
    let answer = begun.receive().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    held.send(last);
    let answer = held.receive().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(within("the end", draining).await.unwrap(), Drained::Fully);
    assert!(held.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_announces_the_end_before_it_comes() {
    let directory = Directory::small();
    let (server, address) = start(&directory, &[("drain_notice_seconds", "600")]).await;
    let draining = tokio::spawn(server.drain());
    let stopping = until("it is not ready", || Some(get(&address, "/readyz")).filter(|ready| ready.status == 503));
    assert_eq!(stopping.await.json()["status"], "stopping");
    // Clients that have not noticed yet are answered.
    assert_eq!(get(&address, "/livez").status, 200);
    assert_eq!(Client::connect(&address).ask("POST", "/v1/decide", &[JSON], &decide()).status, 200);
    assert_eq!(metric(&address, "neglist_serving"), 0);
    draining.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_prints_its_address_and_stops_on_a_signal() {
    let directory = Directory::small();
    let settings = [("NEGLIST_HTTP", "127.0.0.1:0")];
    let server = Process::start_with(&directory.policies(), &["127.0.0.1:0"], &settings);
    let address = server.http().to_owned();
    assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":0"), "{address}");
    let mut client = Client::connect(&address);
    assert_eq!(client.ask("POST", "/v1/decide", &[JSON], &decide()).status, 200);
    server.stop().await;
    assert!(client.is_closed());

    let server = Process::start_with(
        &directory.policies(),
        &["127.0.0.1:0"],
        &[("NEGLIST_HTTP", "127.0.0.1:0"), ("NEGLIST_DRAIN_SECONDS", "0")],
    );
    let (mut held, _) = begin(server.http());
    in_flight(server.http(), 1).await;
    server.signal("TERM");
    let ended = within("the end", server.ended()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("requests were in flight"), "{}", ended.stderr);
    assert!(held.receive().is_none());
}
