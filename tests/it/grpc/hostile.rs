//! Calls and connections over HTTP/2 that are hostile, or merely unusual: authorities that are not hosts, calls
//! that are held, bursts of cancelled calls, memory.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Request;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use neglist::wire::generated::v1;
use prost::Message as _;
use tokio::task::JoinSet;

use crate::support::clients;
use crate::support::http_client::get;
use crate::support::raw_http2::{self as raw, GOAWAY, RST_STREAM, Raw, Then, WINDOW, begin, cancel, data, framed};
use crate::support::server::{Directory, Process};
use crate::support::wait::{DEADLINE, until, within};

const DECIDE: &str = "/neglist.v1.DecisionService/Decide";
const DECIDE_BATCH: &str = "/neglist.v1.DecisionService/DecideBatch";
const DECIDE_STREAM: &str = "/neglist.v1.DecisionService/DecideStream";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// Most resident memory of a server under each attack.
const RESIDENT_KIB_MAX: u64 = 256 << 10;

fn start(settings: &[(&str, &str)]) -> (Directory, Process) {
    let directory = Directory::small();
    let settings = [&[("NEGLIST_HTTP", "127.0.0.1:0")], settings].concat();
    let server = Process::start_with(&directory.policies(), &["127.0.0.1:0"], &settings);
    (directory, server)
}

fn question() -> Vec<u8> {
    framed(&v1::DecideRequest { transfer: Some(clients::transfer(1, 0)), detail: 0 }.encode_to_vec())
}

/// A whole call.
fn call(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    [begin(stream, DECIDE, more, Then::More), data(stream, &question(), Then::End)].concat()
}

fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|index| 2 * index + 1)
}

fn metric(server: &Process, series: &str) -> u64 {
    let body = get(server.http(), "/metrics").body;
    let line = body.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series}")).parse().unwrap()
}

fn limited(server: &Process, limit: &str) -> u64 {
    metric(server, &format!("neglist_limit_refusals_total{{limit=\"{limit}\"}}"))
}

/// Fails if other clients get no answers, to one decision or to many.
async fn others_are_answered(server: &Process) {
    assert!(Raw::connect(server.grpc()[0], &[]).answers_one());
    let mut client = server.decisions().await;
    let batch = v1::DecideBatchRequest { transfers: vec![clients::transfer(1, 0); 100], detail: 0 };
    let results = within("an answer", client.decide_batch(batch)).await.unwrap().into_inner().results;
    assert_eq!(results.len(), 100);
}

impl Raw {
    fn answers_one(&mut self) -> bool {
        self.send(&call(1, &[]));
        self.is_answered(1)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_b3_an_authority_that_is_no_host_is_no_reason_to_refuse_a_call() {
    let (_directory, server) = start(&[]);
    let mut client = Raw::connect(server.grpc()[0], &[]);
    let authorities = [
        // Clusters of Istio, and of Contour and Envoy Gateway.
        "outbound|50051||neglist.policy.svc.cluster.local",
        "outbound_.50051_._.neglist",
        "extension/ns/neglist",
        "httproute/ns/name/rule/0",
        // gRPC in C++, Python, Java over unix sockets.
        "/tmp/n.sock",
        "%2Ftmp%2Fn.sock",
        "unix:/tmp/n.sock",
        "unix:///tmp/n.sock",
        "dns:///neglist:50051",
        // Hosts, as they have to be.
        "localhost",
        "[::1]:50051",
        "neglist:50051",
        "",
        "two words",
    ];
    for (authority, stream) in authorities.into_iter().zip(streams(100)) {
        client.send(&call(stream, &[(":authority", authority)]));
        assert!(client.is_answered(stream), "{authority}");
    }
    // The rest is read as strictly as before.
    for (mut wrong, stream) in [
        vec![(":authority", "a/b"), (":path", "no slash at the beginning")],
        vec![(":authority", "a/b"), ("content-length", "1"), ("content-length", "2")],
        vec![(":authority", "a/b"), (":protocol", "websocket")],
    ]
    .into_iter()
    .zip((201..).step_by(2))
    {
        wrong.push(("x", "y"));
        client.send(&call(stream, &wrong));
        assert_eq!(client.ending(stream).last().unwrap().kind, RST_STREAM, "{wrong:?}");
    }
    // A tunnel to nowhere.
    let block: Vec<u8> = [(":method", "CONNECT"), (":authority", "a/b")]
        .iter()
        .flat_map(|(name, value)| {
            let (name, value) = (name.as_bytes(), value.as_bytes());
            let length = |text: &[u8]| [u8::try_from(text.len()).unwrap()];
            [&[0][..], &length(name), name, &length(value), value].concat()
        })
        .collect();
    client.send(&raw::frame(raw::HEADERS, 5, 301, &block));
    assert_eq!(client.ending(301).last().unwrap().kind, RST_STREAM);
    drop(client);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_calls_that_only_begin_hold_no_place() {
    let (_directory, server) = start(&[]);
    let mut held: Vec<Raw> = (0..10).map(|_| Raw::connect(server.grpc()[0], &[])).collect();
    for client in &mut held {
        client.send(&streams(1_000).flat_map(|stream| begin(stream, DECIDE, &[], Then::More)).collect::<Vec<_>>());
    }
    // Each has been read once a ping behind it is answered; a call beyond the streams of a connection shows the same.
    for client in &mut held {
        client.send(&begin(2_001, DECIDE, &[], Then::More));
        assert_eq!(client.ending(2_001).last().unwrap().kind, RST_STREAM);
    }
    assert_eq!(metric(&server, "neglist_requests_in_flight"), 0);
    others_are_answered(&server).await;
    // Calls that have begun can continue.
    held[3].send(&data(5, &question(), Then::End));
    assert!(held[3].is_answered(5));
    drop(held);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_a_message_has_its_time_and_its_deadline_from_the_first_byte_on() {
    let (_directory, server) = start(&[("NEGLIST_GRPC_RECEIVE_SECONDS", "2")]);
    let mut client = Raw::connect(server.grpc()[0], &[]);
    let begun = tokio::time::Instant::now();
    for (path, stream) in [DECIDE, DECIDE_BATCH, DECIDE_STREAM, WATCH, REFLECTION].into_iter().zip(streams(9)) {
        client.send(&begin(stream, path, &[], Then::More));
        client.send(&data(stream, &question()[..9], Then::More));
    }
    client.send(&begin(21, DECIDE, &[("grpc-timeout", "300m")], Then::More));
    client.send(&begin(23, DECIDE_STREAM, &[("grpc-timeout", "300m")], Then::More));
    for stream in [21, 23] {
        client.ending(stream);
        assert!(Duration::from_millis(300) <= begun.elapsed() && begun.elapsed() < Duration::from_millis(1_900));
    }
    assert_eq!(limited(&server, "grpc-receive-seconds"), 0);
    let mut left = 5;
    while 0 < left {
        let frame = client.next().unwrap();
        left -= u8::from(frame.is_end());
    }
    assert!(Duration::from_secs(2) <= begun.elapsed());
    assert_eq!(limited(&server, "grpc-receive-seconds"), 5);
    drop(client);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_answers_that_are_not_taken_hold_no_place_and_are_given_up() {
    let (_directory, server) = start(&[("NEGLIST_GRPC_SEND_SECONDS", "2"), ("NEGLIST_REQUESTS_IN_FLIGHT_MAX", "20")]);
    let mut client = Raw::connect(server.grpc()[0], &[(WINDOW, 0)]);
    let full = framed(&clients::request(clients::transfer(1, 0)).encode_to_vec());
    let calls = streams(60).flat_map(|stream| match stream % 4 {
        1 => call(stream, &[]),
        _ => [begin(stream, DECIDE, &[], Then::More), data(stream, &full, Then::End)].concat(),
    });
    client.send(&calls.collect::<Vec<_>>());
    let mut answered = 0;
    while answered < 60 {
        let frame = client.next().unwrap();
        assert_eq!(frame.kind, raw::HEADERS, "{frame:?}");
        answered += 1;
    }
    others_are_answered(&server).await;
    assert_eq!(metric(&server, "neglist_requests_in_flight"), 0);
    for _ in 0..60 {
        assert_eq!(client.next().unwrap().kind, RST_STREAM);
    }
    assert_eq!(limited(&server, "grpc-send-seconds"), 60);
    // The connection goes on.
    client.send(&call(201, &[]));
    client.send(&raw::frame(raw::WINDOW_UPDATE, 0, 201, &10_000_u32.to_be_bytes()));
    assert!(client.is_answered(201));
    drop(client);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_streams_are_shared_out_and_end_when_they_are_idle() {
    let settings = [("NEGLIST_STREAMS_OPEN_MAX", "100"), ("NEGLIST_STREAM_IDLE_SECONDS", "2")];
    let (_directory, server) = start(&settings);
    let mut greedy = Raw::connect(server.grpc()[0], &[]);
    let open = |stream| begin(stream, if stream % 4 == 1 { DECIDE_STREAM } else { REFLECTION }, &[], Then::More);
    greedy.send(&streams(200).flat_map(open).collect::<Vec<_>>());
    until("it has its share", || (limited(&server, "streams-open") == 110).then_some(())).await;
    // The next one finds room, and a stream that is used is not idle.
    let mut client = Raw::connect(server.grpc()[0], &[]);
    client.send(&begin(1, DECIDE_STREAM, &[], Then::More));
    let message = v1::DecideStreamRequest { sequence: 1, transfer: Some(clients::transfer(1, 0)), detail: 0 };
    // Seldom, so that all answers fit into the window, and often enough.
    let mut looks = 0_u32;
    let used = || {
        if looks.is_multiple_of(50) {
            client.send(&data(1, &framed(&message.encode_to_vec()), Then::More));
            let frame = client.next().unwrap();
            assert!(!frame.is_end(), "{frame:?}");
        }
        looks += 1;
        (90 <= limited(&server, "stream-idle-seconds")).then_some(())
    };
    until("the idle ones end", used).await;
    client.send(&data(1, &[], Then::End));
    client.ending(1);
    others_are_answered(&server).await;
    drop((greedy, client));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_bursts_of_cancelled_and_of_malformed_calls_leave_the_connection_to_the_others() {
    let (_directory, server) = start(&[]);
    let mut client = Raw::connect(server.grpc()[0], &[]);
    let mut stream = 1;
    let mut next = || {
        stream += 2;
        stream
    };
    for count in [25, 25, 100, 900] {
        let burst = (0..count).flat_map(|_| {
            let stream = next();
            [begin(stream, DECIDE, &[], Then::More), cancel(stream)].concat()
        });
        client.send(&burst.collect::<Vec<_>>());
        let stream = next();
        client.send(&call(stream, &[]));
        assert!(client.is_answered(stream), "{count}");
    }
    for _ in 0..1_500 {
        let stream = next();
        client.send(&call(stream, &[("content-length", "-1")]));
        assert_eq!(client.ending(stream).last().unwrap().kind, RST_STREAM);
    }
    let stream = next();
    client.send(&call(stream, &[]));
    assert!(client.is_answered(stream));
    drop(client);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_a_flood_of_cancelled_calls_is_still_held() {
    // Fewer than a turn brings: the server looks at the calls of each turn before it reads on.
    let (_directory, server) = start(&[("NEGLIST_HTTP2_PENDING_RESETS_MAX", "20")]);
    let mut client = Raw::connect(server.grpc()[0], &[]);
    let flood: Vec<u8> =
        streams(20_000).flat_map(|stream| [begin(stream, DECIDE, &[], Then::More), cancel(stream)].concat()).collect();
    // The server may close before all of it is written; its answer is lost then.
    let started = tokio::time::Instant::now();
    let mut is_closed = !client.try_send(&flood);
    while let Some(frame) = client.next() {
        is_closed |= frame.kind == GOAWAY;
    }
    assert!(is_closed || started.elapsed() < DEADLINE / 2, "the connection is open");
    others_are_answered(&server).await;
    drop(client);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cancelled_while_its_answer_waits_for_the_window_frees_its_stream() {
    let settings = [("NEGLIST_HTTP2_STREAMS_MAX", "40"), ("NEGLIST_HTTP2_PENDING_RESETS_MAX", "1000")];
    let (_directory, server) = start(&settings);
    let mut client = Raw::connect(server.grpc()[0], &[(WINDOW, 1)]);
    let message = v1::DecideStreamRequest { sequence: 1, transfer: Some(clients::transfer(1, 0)), detail: 0 };
    let message = framed(&message.encode_to_vec());
    let mut stream = 1;
    for time in ["1m", "5m", "20m"].into_iter().cycle().take(24) {
        let burst: Vec<u32> = (0..30).map(|index| stream + 2 * index).collect();
        stream += 60;
        let open = |stream: &u32| {
            let deadline = [("grpc-timeout", time)];
            [begin(*stream, DECIDE_STREAM, &deadline, Then::More), data(*stream, &message, Then::More)].concat()
        };
        client.send(&burst.iter().flat_map(open).collect::<Vec<_>>());
        client.begins_to_answer(&burst);
        client.send(&burst.iter().flat_map(|stream| cancel(*stream)).collect::<Vec<_>>());
    }
    // As many as a connection may have open, at once.
    let calls: Vec<u32> = (0..40).map(|index| stream + 2 * index).collect();
    let wider = |stream: &u32| raw::frame(raw::WINDOW_UPDATE, 0, *stream, &10_000_u32.to_be_bytes());
    let begun = |stream: &u32| [begin(*stream, DECIDE, &[], Then::More), wider(stream)].concat();
    client.send(&calls.iter().flat_map(begun).collect::<Vec<_>>());
    client.send(&calls.iter().flat_map(|stream| data(*stream, &question(), Then::End)).collect::<Vec<_>>());
    let mut answered = 0;
    while answered < calls.len() {
        let frame = client.next().expect("an answer");
        if calls.contains(&frame.stream) {
            assert_ne!(frame.kind, RST_STREAM, "{answered} were answered: {frame:?}");
            answered += usize::from(frame.is_end());
        }
    }
    // And one that goes away with answers that wait.
    let stream = stream + 80;
    let deadline = [("grpc-timeout", "5m")];
    client.send(&[begin(stream, DECIDE_STREAM, &deadline, Then::More), data(stream, &message, Then::More)].concat());
    client.begins_to_answer(&[stream]);
    drop(client);
    others_are_answered(&server).await;
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_does_not_take_every_watch_and_a_watch_ends_at_its_deadline() {
    let (_directory, server) = start(&[("NEGLIST_HEALTH_WATCHES_MAX", "20")]);
    let mut greedy = Raw::connect(server.grpc()[0], &[]);
    let watch = |stream, more: &[(&str, &str)]| {
        [begin(stream, WATCH, more, Then::More), data(stream, &framed(&[]), Then::End)].concat()
    };
    greedy.send(&streams(20).flat_map(|stream| watch(stream, &[])).collect::<Vec<_>>());
    until("it has its share", || (limited(&server, "health-watches") == 2).then_some(())).await;
    let mut client = Raw::connect(server.grpc()[0], &[]);
    client.send(&watch(1, &[("grpc-timeout", "200m")]));
    // It is told how the server is, and then that its time is over.
    assert!(client.is_answered(1));
    client.send(&watch(3, &[("grpc-timeout", "200m")]));
    assert!(client.is_answered(3), "its place is free again");
    // A malformed time-out is refused at once, before a message comes.
    for (wrong, stream) in ["-1S", "1", "999999999H", ""].into_iter().zip((5..).step_by(2)) {
        client.send(&begin(stream, DECIDE, &[("grpc-timeout", wrong)], Then::More));
        assert_eq!(client.ending(stream).first().unwrap().kind, raw::HEADERS, "{wrong}");
    }
    drop((greedy, client));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_answers_nothing_does_not_hold_up_a_server_that_stops() {
    let (_directory, server) = start(&[("NEGLIST_DRAIN_SECONDS", "20")]);
    let mut client = Raw::connect(server.grpc()[0], &[]);
    assert!(client.answers_one());
    let started = tokio::time::Instant::now();
    // From here on it is silent.
    let ended = server.stop().await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    drop((client, ended));
}

/// Returns the most memory that a process had, in KiB.
fn most_resident_kib(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn memory_was_bounded(server: &Process) {
    let most = most_resident_kib(server);
    println!("most resident: {most} KiB");
    assert!(most <= RESIDENT_KIB_MAX, "{most} KiB");
}

type Body = BoxBody<Bytes, Infallible>;

async fn connect(server: &Process, window: u32) -> (SendRequest<Body>, JoinSet<()>) {
    let stream = TokioIo::new(tokio::net::TcpStream::connect(server.grpc()[0]).await.unwrap());
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window).max_concurrent_reset_streams(10_000);
    let (sender, connection) = builder.handshake(stream).await.unwrap();
    let mut open = JoinSet::new();
    open.spawn(async move { drop(connection.await) });
    (sender, open)
}

fn post(path: &str, body: Body) -> Request<Body> {
    let request = Request::post(format!("http://server{path}")).header("content-type", "application/grpc");
    request.body(body).unwrap()
}

/// A message of which the last byte does not come.
fn without_its_last_byte(bytes: usize) -> Body {
    let declared = u32::try_from(bytes).unwrap().to_be_bytes();
    let prefix = Bytes::from([&[0][..], &declared].concat());
    let part = Bytes::from(vec![0; 16 << 10]);
    let parts = (bytes - 1) / part.len();
    let rest = part.slice(..(bytes - 1) % part.len());
    let parts = std::iter::once(prefix).chain(std::iter::repeat_n(part, parts)).chain([rest]);
    let frames = tokio_stream::iter(parts.map(|part| Ok(Frame::data(part))));
    StreamBody::new(tokio_stream::StreamExt::chain(frames, tokio_stream::pending())).boxed()
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_messages_that_each_lack_a_byte() {
    let (_directory, server) = start(&[]);
    let (sender, open) = connect(&server, 1 << 16).await;
    let mut calls = JoinSet::new();
    let paths = [DECIDE, DECIDE_BATCH, DECIDE_STREAM, REFLECTION, "/neglist.v1.LedgerService/Reserve"];
    for index in 0..125 {
        let mut sender = sender.clone();
        calls.spawn(async move {
            let answer = sender.send_request(post(paths[index % paths.len()], without_its_last_byte(4 << 20))).await;
            answer.ok().and_then(|answer| answer.headers().get("grpc-status").cloned())
        });
    }
    until("most are refused", || (60 < limited(&server, "grpc-held-bytes")).then_some(())).await;
    // Others are served from the free part and from their own allowance.
    others_are_answered(&server).await;
    memory_was_bounded(&server);
    drop((calls, sender, open));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_answers_that_are_not_taken() {
    // A quarter of the default, so that a server without optimizations fills it soon enough.
    let (_directory, server) = start(&[("NEGLIST_GRPC_HELD_BYTES_MAX", "33554432")]);
    // Two bytes for each transfer that says nothing, and all that is missing for an answer.
    let batch = v1::DecideBatchRequest { transfers: vec![v1::Transfer::default(); 1_000], detail: 1 };
    let message = Bytes::from(framed(&batch.encode_to_vec()));
    // A byte of each answer is taken, so that the rest of it could be handed on; and none.
    for window in [1, 0] {
        let (sender, open) = connect(&server, window).await;
        let mut calls = JoinSet::new();
        for _ in 0..100 {
            let (mut sender, message) = (sender.clone(), message.clone());
            calls.spawn(async move {
                sender.send_request(post(DECIDE_BATCH, http_body_util::Full::new(message).boxed())).await.unwrap()
            });
        }
        let mut held: Vec<hyper::Response<Incoming>> = Vec::new();
        while let Some(answer) = within("an answer", calls.join_next()).await {
            held.push(answer.unwrap());
        }
        until("the rest is refused", || (0 < limited(&server, "grpc-held-bytes")).then_some(())).await;
        others_are_answered(&server).await;
        memory_was_bounded(&server);
        drop((held, sender, open));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_fifty_thousand_watches() {
    // As many as the bytes allow: by default no more than a thousand are open.
    let (_directory, server) = start(&[("NEGLIST_HEALTH_WATCHES_MAX", "100000")]);
    let mut watching = Vec::new();
    for _ in 0..50 {
        let mut client = Raw::connect(server.grpc()[0], &[]);
        let watch = |stream| [begin(stream, WATCH, &[], Then::More), data(stream, &framed(&[]), Then::End)].concat();
        client.send(&streams(1_000).flat_map(watch).collect::<Vec<_>>());
        watching.push(client);
    }
    // Each is answered with its first health, or refused.
    for client in &mut watching {
        let (mut open, mut refused) = (0, 0);
        while open + refused < 1_000 {
            let frame = client.next_within(DEADLINE).unwrap();
            match (frame.kind, frame.is_end()) {
                (raw::DATA, false) => open += 1,
                (raw::HEADERS, true) => refused += 1,
                (raw::HEADERS, false) => {}
                _ => panic!("{frame:?}"),
            }
        }
        assert!(2 <= open, "{open}");
    }
    assert!(0 < limited(&server, "grpc-held-bytes"));
    others_are_answered(&server).await;
    memory_was_bounded(&server);
    drop(watching);
    server.stop().await;
}
