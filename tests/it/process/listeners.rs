//! Robust listeners: health with one meaning, connections, the order of the start, HTTP/1 that can be read in one way,
//! and messages that are too large.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use neglist::app::clock::SystemClock;
use neglist::app::server::{self as app, Server, StartError};
use neglist::wire::generated::v1;
use prost::Message as _;
use tokio::sync::watch;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use crate::http::doors::{NOW, start};
use crate::support::clients::{self, item, message, request, transfer};
use crate::support::http_client::{self, Client, get};
use crate::support::postgres_server;
use crate::support::server::{self, Directory, SetClock, connect, decisions_on};
use crate::support::wait::{DEADLINE, until, within};

const DECISIONS: &str = "neglist.v1.DecisionService";
const LEDGER: &str = "neglist.v1.LedgerService";
const GATEWAYS: &str = "envoy.service.auth.v3.Authorization";
const POLICIES: &str = "neglist.v1.PolicyService";

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

/// A database behind something that can stop passing bytes on.
async fn behind_a_freezer(database: &postgres_server::Server, url: &str) -> (String, watch::Sender<bool>) {
    let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
    let socket = database.directory().join(".s.PGSQL.5432");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (frozen, is_frozen) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let database = tokio::net::UnixStream::connect(&socket).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_database, to_database) = database.into_split();
            tokio::spawn(pass_on(from_client, to_database, is_frozen.clone()));
            tokio::spawn(pass_on(from_database, to_client, is_frozen.clone()));
        }
    });
    (format!("postgres://postgres@127.0.0.1:{port}/{name}"), frozen)
}

async fn pass_on(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    mut frozen: watch::Receiver<bool>,
) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut bytes = vec![0; 1 << 16];
    while let Ok(size @ 1..) = from.read(&mut bytes).await {
        let _ = frozen.wait_for(|frozen| !*frozen).await;
        if to.write_all(&bytes[..size]).await.is_err() {
            return;
        }
    }
}

/// What every door says of the whole server, the decisions, the ledger and the gateways.
async fn said(addresses: &Addresses) -> Vec<(&'static str, bool)> {
    let mut said = Vec::new();
    let ready = |query: &str| get(&addresses.http, &format!("/readyz{query}")).status == 200;
    let metrics = get(&addresses.http, "/metrics").body;
    let gauge = |service: &str| metrics.contains(&format!("neglist_health{{service=\"{service}\"}} 1\n"));
    for (name, label) in [("", "server"), (DECISIONS, DECISIONS), (LEDGER, LEDGER), (GATEWAYS, GATEWAYS)] {
        said.push((label, ready(&format!("?service={name}"))));
        said.push((label, gauge(label)));
        said.push((label, check(&addresses.grpc, name).await));
        said.push((label, asked_by_command(&addresses.grpc, name)));
    }
    said.push(("server", ready("")));
    said.push(("server", check(&addresses.admin, "").await));
    said.push((POLICIES, check(&addresses.admin, POLICIES).await));
    said.push((POLICIES, ready(&format!("?service={POLICIES}"))));
    said.push((POLICIES, gauge(POLICIES)));
    said
}

async fn check(address: &str, name: &str) -> bool {
    let mut client = HealthClient::new(connect(address).await);
    client.check(about(name)).await.unwrap().into_inner().status() == ServingStatus::Serving
}

/// Asks with `neglist health`.
fn asked_by_command(address: &str, name: &str) -> bool {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_neglist"));
    command.args(["health", "--target", address, "--service", name]).env_clear();
    command.output().unwrap().status.success()
}

struct Addresses {
    grpc: String,
    http: String,
    admin: String,
}

impl Addresses {
    fn of(server: &Server) -> Self {
        let [grpc, http, admin] = ["grpc", "http", "admin"].map(|door| server::address(server, door));
        Self { grpc, http, admin }
    }

    /// Waits until the whole server is healthy or not, and then has every door say so.
    async fn all_say(&self, what: &str, ledger_is_healthy: bool) {
        let expected = if ledger_is_healthy { 200 } else { 503 };
        until(what, || (get(&self.http, "/readyz").status == expected).then_some(())).await;
        for (part, is_healthy) in said(self).await {
            let needs_no_ledger = part == DECISIONS || part == POLICIES;
            assert_eq!(is_healthy, needs_no_ledger || ledger_is_healthy, "{what}: {part}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_every_door_says_the_same_of_a_ledger_that_hangs_and_comes_back() {
    let Some(database) = postgres_server::own(&[]) else { return };
    let (url, frozen) = behind_a_freezer(&database, &database.database().await).await;
    let directory = Directory::small();
    let settings = [
        ("ledger", url.as_str()),
        ("ledger_stalled_ms", "300"),
        ("ledger_request_max_ms", "3000"),
        ("ledger_tick_interval_ms", "50"),
        ("health_watch_interval_ms", "20"),
    ];
    // The database has a clock of its own.
    let settings = [&[("http", "127.0.0.1:0")], &settings[..]].concat();
    let server = server::start(&directory.policies(), Arc::new(SystemClock), &settings).await;
    let addresses = Addresses::of(&server);
    addresses.all_say("it works", true).await;
    let mut watcher = HealthClient::new(connect(&addresses.grpc).await);
    let mut whole = watcher.watch(about("")).await.unwrap().into_inner();
    let mut decisions = watcher.watch(about(DECISIONS)).await.unwrap().into_inner();
    for watch in [&mut whole, &mut decisions] {
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    }

    frozen.send_replace(true);
    // No call is made: the server itself notices, long before a call would time out.
    let hangs = async { get(&addresses.http, "/readyz").json()["ledger"].as_str().map(str::to_owned) };
    assert_eq!(hangs.await.as_deref(), Some("open"));
    until("it hangs", || (get(&addresses.http, "/readyz").json()["ledger"] == "stalled").then_some(())).await;
    let heard = within("NOT_SERVING", whole.message()).await.unwrap().unwrap();
    assert_eq!(heard.status(), ServingStatus::NotServing);
    addresses.all_say("it hangs", false).await;
    // Given up, it is closed, and stays so for every door.
    until("it is closed", || (get(&addresses.http, "/readyz").json()["ledger"] == "closed").then_some(())).await;
    addresses.all_say("it is closed", false).await;
    // A decision that needs no total is right all the same.
    let stated = decisions_on(connect(&addresses.grpc).await).decide(request(transfer(1, 0))).await;
    assert_eq!(stated.unwrap().into_inner().decision.unwrap().outcome(), v1::Outcome::Allow);

    frozen.send_replace(false);
    let heard = within("SERVING", whole.message()).await.unwrap().unwrap();
    assert_eq!(heard.status(), ServingStatus::Serving);
    addresses.all_say("it works again", true).await;
    // Those who watch the decisions have heard nothing meanwhile, and hear the end.
    let draining = tokio::spawn(server.drain());
    for mut watch in [whole, decisions] {
        let last = within("the end", watch.message()).await.unwrap().unwrap();
        assert_eq!(last.status(), ServingStatus::NotServing);
        assert!(within("the end", watch.message()).await.unwrap().is_none());
    }
    drop(watcher);
    within("the end", draining).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_without_a_ledger_and_while_stopping_every_door_says_the_same() {
    let directory = Directory::small();
    let (server, _) = start(&directory, &[("drain_notice_seconds", "600")]).await;
    let addresses = Addresses::of(&server);
    for (part, is_healthy) in said(&addresses).await {
        assert_eq!(is_healthy, part != LEDGER, "{part}");
    }
    let mut watcher = HealthClient::new(connect(&addresses.admin).await);
    let mut watch = watcher.watch(about("")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let draining = tokio::spawn(server.drain());
    let heard = within("NOT_SERVING", watch.message()).await.unwrap().unwrap();
    assert_eq!(heard.status(), ServingStatus::NotServing);
    for (part, is_healthy) in said(&addresses).await {
        assert!(!is_healthy, "{part}");
    }
    draining.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_names_that_there_are_not_are_told_as_the_protocol_asks_for() {
    let directory = Directory::small();
    let (server, http) = start(&directory, &[("health_watches_max", "2")]).await;
    let addresses = Addresses::of(&server);
    for (address, unknown) in [
        (&addresses.grpc, "neglist.v1.Nothing"),
        (&addresses.grpc, POLICIES),
        (&addresses.admin, DECISIONS),
        (&addresses.admin, "neglist.v1.decisionservice"),
    ] {
        let mut client = HealthClient::new(connect(address).await);
        let refused = client.check(about(unknown)).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{refused:?}");
        assert!(refused.message().contains(unknown), "{refused:?}");
        let mut watch = client.watch(about(unknown)).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);
        let more = tokio::time::timeout(Duration::from_millis(50), watch.message()).await;
        assert!(more.is_err(), "it ends: {more:?}");
    }
    assert_eq!(get(&http, "/readyz?service=neglist.v1.Nothing").is_refusal(404)["code"], 5);
    // Watches are bounded, and hold no place of requests.
    let mut client = HealthClient::new(connect(&addresses.grpc).await);
    let mut watches = Vec::new();
    let refused = loop {
        match client.watch(about("")).await {
            Ok(watch) => watches.push(watch.into_inner()),
            Err(refused) => break refused,
        }
    };
    assert_eq!((watches.len(), refused.code()), (2, Code::ResourceExhausted));
    let metrics = get(&http, "/metrics").body;
    assert!(metrics.contains("neglist_requests_in_flight 0\n"), "{metrics}");
    assert!(metrics.contains("neglist_limit_refusals_total{limit=\"health-watches\"} 1\n"), "{metrics}");
    drop(watches);
    within("a free watch", async { while client.watch(about("")).await.is_err() {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b18_idle_connections_keep_no_client_out() {
    const MAX: usize = 60;
    let directory = Directory::small();
    let settings = [("connections_max", "60"), ("connection_reclaim_idle_ms", "100")];
    let (server, http) = start(&directory, &settings).await;
    let grpc = server::address(&server, "grpc");
    // One that is in use: a stream that waits for its next message.
    let (sender, messages) = tokio::sync::mpsc::channel(1);
    let messages = tokio_stream::wrappers::ReceiverStream::new(messages);
    let mut stream = decisions_on(connect(&grpc).await).decide_stream(messages).await.unwrap().into_inner();
    sender.send(message(1, transfer(1, 0))).await.unwrap();
    assert_eq!(stream.message().await.unwrap().unwrap().sequence, 1);
    // Some that say nothing, some that have been answered once, over either protocol.
    let mut kept = Vec::new();
    for number in 0..MAX {
        match number % 3 {
            0 => kept.push((TcpStream::connect(&grpc).unwrap(), None, None)),
            1 => {
                let mut client = Client::connect(&http);
                assert_eq!(client.ask("GET", "/livez", &[], "").status, 200);
                kept.push((TcpStream::connect(&http).unwrap(), Some(client), None));
            }
            _ => {
                let channel = connect(&grpc).await;
                assert!(decisions_on(channel.clone()).decide(request(transfer(1, 0))).await.is_ok());
                kept.push((TcpStream::connect(&grpc).unwrap(), None, Some(channel)));
            }
        }
    }
    // More than may be open: a new client is answered all the same.
    for _ in 0..20 {
        let mut client = decisions_on(connect(&grpc).await);
        assert!(within("an answer", client.decide(request(transfer(1, 0)))).await.is_ok());
        assert_eq!(get(&http, "/livez").status, 200);
    }
    let metrics = get(&http, "/metrics").body;
    let count = |series: &str| -> u64 {
        metrics.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok()).unwrap()
    };
    assert!(count("neglist_connections_open") <= 60, "{metrics}");
    assert!(0 < count("neglist_limit_refusals_total{limit=\"connections\"}"), "{metrics}");
    // The one in use was left alone, and one that was closed connects again.
    sender.send(message(2, transfer(1, 0))).await.unwrap();
    assert_eq!(within("an answer", stream.message()).await.unwrap().unwrap().sequence, 2);
    for channel in kept.iter().filter_map(|(_, _, channel)| channel.clone()) {
        assert!(within("an answer", decisions_on(channel).decide(request(transfer(1, 0)))).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b18_connections_that_answer_no_ping_are_closed_for_others_too() {
    let directory = Directory::small();
    let settings = [("connections_max", "4"), ("connection_reclaim_idle_ms", "100")];
    let (server, http) = start(&directory, &settings).await;
    let grpc = server::address(&server, "grpc");
    // They speak HTTP/2, acknowledge nothing, and never go away by themselves.
    let begin = || {
        let mut stream = TcpStream::connect(&grpc).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        let mut settings = [0; 9];
        stream.read_exact(&mut settings).unwrap();
        stream
    };
    let deaf: Vec<_> = (0..4).map(|_| begin()).collect();
    for _ in 0..8 {
        assert_eq!(get(&http, "/livez").status, 200);
    }
    // Closed they are, and not only told to.
    let closed = tokio::task::spawn_blocking(move || {
        deaf.into_iter().all(|mut stream| {
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut rest = Vec::new();
            !matches!(stream.read_to_end(&mut rest), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
        })
    });
    // The ones that are left go for these.
    let others: Vec<_> = (0..4).map(|_| begin()).collect();
    assert!(within("the end", closed).await.unwrap());
    drop(others);
}

#[tokio::test(flavor = "multi_thread")]
async fn b18_silent_connections_give_way_at_once_also_when_they_come_back() {
    let directory = Directory::small();
    // None is ever idle for long enough, and none is cut off by itself.
    let settings = [
        ("connections_max", "64"),
        ("connection_reclaim_idle_ms", "3600000"),
        ("http2_preface_seconds", "3600"),
        ("http_head_seconds", "3600"),
    ];
    let (server, http) = start(&directory, &settings).await;
    let Addresses { grpc, admin, .. } = Addresses::of(&server);
    let kept = connect(&grpc).await;
    assert!(decisions_on(kept.clone()).decide(request(transfer(1, 0))).await.is_ok());
    let (ended, ends) = std::sync::mpsc::channel::<()>();
    let attacked = Arc::new(AtomicUsize::new(0));
    let rounds = Arc::clone(&attacked);
    let doors = [grpc.clone(), http.clone(), admin.clone()];
    let attack = tokio::task::spawn_blocking(move || {
        let connect = |door: &String| {
            let mut stream = TcpStream::connect(door).unwrap();
            // Half a preface is none.
            if !door.ends_with(doors[1].rsplit(':').next().unwrap()) {
                let _ = stream.write_all(b"PRI * HTTP/2.0");
            }
            stream.set_nonblocking(true).unwrap();
            (door.clone(), stream)
        };
        let mut silent: Vec<_> = doors.iter().cycle().take(300).map(connect).collect();
        while ends.recv_timeout(Duration::from_millis(10)).is_err() {
            rounds.fetch_add(1, Ordering::SeqCst);
            for (door, stream) in &mut silent {
                let open = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
                while matches!(stream.read(&mut [0; 64]), Ok(1..)) {}
                if !stream.read(&mut [0; 64]).is_err_and(|error| open(&error)) {
                    *stream = connect(door).1;
                }
            }
        }
    });
    for _ in 0..10 {
        let mut client = decisions_on(connect(&grpc).await);
        assert!(within("an answer", client.decide(request(transfer(1, 0)))).await.is_ok());
        assert!(within("an answer", check(&admin, "")).await);
        assert_eq!(get(&http, "/livez").status, 200);
        let before = attacked.load(Ordering::SeqCst);
        until("the attack goes on", || (before < attacked.load(Ordering::SeqCst)).then_some(())).await;
    }
    assert!(decisions_on(kept).decide(request(transfer(1, 0))).await.is_ok());
    ended.send(()).unwrap();
    attack.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn b18_heads_and_bodies_that_do_not_arrive_keep_no_client_out() {
    let directory = Directory::small();
    let settings = [
        ("connections_max", "8"),
        ("connection_reclaim_idle_ms", "100"),
        ("connection_reclaim_slow_ms", "1000"),
        ("http_head_seconds", "3600"),
        ("http_body_seconds", "3600"),
    ];
    let (_server, http) = start(&directory, &settings).await;
    let head = "POST /v1/decide HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n";
    let slow = |end: &str| {
        let mut client = Client::connect(&http);
        client.send(format!("{head}{end}"));
        client
    };
    let bodies: Vec<_> = (0..4).map(|_| slow("\r\n{")).collect();
    let mut heads: Vec<_> = (0..4).map(|_| slow("x-slow: ")).collect();
    // Heads go first, since nothing of their requests is in flight.
    let mut kept: Vec<_> = (0..4).map(|_| Client::connect(&http)).collect();
    for client in &mut kept {
        assert_eq!(client.ask("GET", "/livez", &[], "").status, 200);
    }
    assert!(heads.iter_mut().all(Client::is_closed));
    for mut body in bodies {
        let mut more: Vec<_> = (0..8).map(|_| slow("\r\n{")).collect();
        assert_eq!(get(&http, "/livez").status, 200);
        assert!(body.is_closed());
        more.clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b18_connections_do_not_lock_the_admin_out() {
    let directory = Directory::small();
    // They are not cut off by themselves.
    let settings = [("connection_reclaim_idle_ms", "100"), ("http2_preface_seconds", "3600")];
    let (server, _) = start(&directory, &settings).await;
    let admin = server::address(&server, "admin");
    let silent: Vec<_> = (0..64).map(|_| TcpStream::connect(&admin).unwrap()).collect();
    assert!(within("an answer", check(&admin, "")).await);
    drop(silent);
    // And a setting says how many there may be.
    let settings = [("connection_reclaim_idle_ms", "3600000"), ("admin_connections_max", "1")];
    let (server, _) = start(&directory, &settings).await;
    let admin = server::address(&server, "admin");
    let first = connect(&admin).await;
    assert!(HealthClient::new(first.clone()).check(about("")).await.is_ok());
    let second = tokio::spawn({
        let admin = admin.clone();
        async move { check(&admin, "").await }
    });
    assert!(HealthClient::new(first.clone()).check(about("")).await.is_ok());
    assert!(!second.is_finished());
    drop(first);
    assert!(within("an answer", second).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn b18_grpc_connections_without_a_call_are_closed_in_time() {
    let directory = Directory::small();
    let (server, http) = start(&directory, &[("grpc_idle_seconds", "1")]).await;
    let grpc = server::address(&server, "grpc");
    let idle = connect(&grpc).await;
    assert!(decisions_on(idle.clone()).decide(request(transfer(1, 0))).await.is_ok());
    let mut watch = HealthClient::new(connect(&grpc).await).watch(about("")).await.unwrap().into_inner();
    assert!(watch.message().await.unwrap().is_some());
    let closed = "neglist_limit_refusals_total{limit=\"grpc-idle-seconds\"} 1\n";
    until("it is closed", || get(&http, "/metrics").body.contains(closed).then_some(())).await;
    // A call that says nothing is one still; and who was closed connects again.
    let more = tokio::time::timeout(Duration::from_millis(50), watch.message()).await;
    assert!(more.is_err(), "{more:?}");
    assert!(within("an answer", decisions_on(idle).decide(request(transfer(1, 0)))).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn b18_no_connection_is_accepted_before_the_ledger_is_open() {
    for spread in ["fewest", "reuse-port"] {
        let directory = Directory::small();
        let socket = directory.beside("a.sock");
        // A database that accepts and says nothing.
        let database = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ledger = format!("postgres://u@{}/d", database.local_addr().unwrap());
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (http, listen) = (format!("127.0.0.1:{port}"), format!("unix:{}", socket.display()));
        let settings = [
            ("ledger", ledger.as_str()),
            ("http", &http),
            ("listen", &listen),
            ("unix_socket_mode", "0600"),
            ("ledger_request_max_ms", "1500"),
            ("connection_spread", spread),
        ];
        let config = server::configuration(&directory.policies(), &settings);
        let starting =
            tokio::spawn(async move { Server::start(&config, app::compiler(&config), SetClock::at(NOW)).await });
        until("it is bound", || socket.exists().then_some(())).await;
        let accepted = tokio::task::spawn_blocking(move || database.accept().map(|_| database));
        let _database = within("it asks the database", accepted).await.unwrap().unwrap();
        assert!(!starting.is_finished());
        // The socket has its final mode before anything can connect.
        assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(UnixStream::connect(&socket).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
        assert_eq!(TcpStream::connect(&http).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
        let refused = within("the end", starting).await.unwrap().unwrap_err();
        assert!(matches!(refused, StartError::Ledger(_)), "{refused}");
        assert!(!socket.exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b20_ambiguous_requests_are_refused_before_any_decision() {
    let directory = Directory::small();
    let (_server, http) = start(&directory, &[]).await;
    let body =
        neglist::wire::json::message::to_json_line(&request(transfer(1, 0)), "neglist.v1.DecideRequest").unwrap();
    let length = body.len();
    let post = "POST /v1/decide HTTP/1.1\r\ncontent-type: application/json\r\n";
    let chunk = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    let whole = format!("host: a\r\ncontent-length: {length}\r\n");
    let refused = [
        format!("{post}{whole}\r\n{body}").replace("\r\n", "\n"),
        format!("{post}{whole}\n{body}"),
        format!("{post}host: b\r\n{whole}\r\n{body}"),
        format!("{post}host: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n{chunk}"),
        format!("{post}host: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n{chunk}"),
        format!("{post}host: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n{chunk}"),
        format!("{post}{whole}transfer-encoding: chunked\r\n\r\n{chunk}"),
        format!("{post}transfer-encoding: chunked\r\n{whole}\r\n{chunk}"),
        format!("{post}host: a\r\ncontent-length: +{length}\r\n\r\n{body}"),
        format!("{post}host: a\r\ncontent-length: {length}, {length}\r\n\r\n{body}"),
        format!("{post}{whole}content-length: {length}\r\n\r\n{body}"),
        format!("{post}host : a\r\ncontent-length: {length}\r\n\r\n{body}"),
        format!("{post}{whole}x: y\r\n folded\r\n\r\n{body}"),
        format!("{post}{whole}x: \0\r\n\r\n{body}"),
        format!("{post}{whole}x: a\rb\r\n\r\n{body}"),
        format!("{post}content-length: {length}\r\n\r\n{body}"),
        format!("{post}{whole}\r\n{body}").replace("POST /", "POST http://b/"),
        format!("{post}{whole}\r\n{body}").replace("/v1/decide", "/v1/decide#x"),
        format!("{post}host: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}").replace("HTTP/1.1", "HTTP/1.0"),
    ];
    for request in &refused {
        let mut client = Client::connect(&http);
        client.send(request);
        let answer = client.receive().unwrap_or_else(|| panic!("no answer to {request:?}"));
        assert_eq!(answer.status, 400, "{request:?}");
        assert!(client.is_closed(), "{request:?}");
        // As the second on a connection, and byte by byte.
        let mut client = Client::connect(&http);
        client.send(http_client::request("GET", "/livez", &[], ""));
        request.as_bytes().chunks(7).for_each(|piece| client.send(piece));
        assert_eq!(client.receive().unwrap().status, 200);
        assert!(client.receive().is_none_or(|answer| answer.status == 400), "{request:?}");
        assert!(client.is_closed(), "{request:?}");
    }
    let metrics = get(&http, "/metrics").body;
    for outcome in ["allow", "file", "contract", "assess", "refused"] {
        let line = format!("neglist_decisions_total{{door=\"http-decide\",outcome=\"{outcome}\"}} 0\n");
        assert!(metrics.contains(&line), "{outcome}");
    }
    let counted = format!("neglist_limit_refusals_total{{limit=\"http-form\"}} {}\n", 2 * refused.len());
    assert!(metrics.contains(&counted), "{counted}{metrics}");
    // A chunk that does not have the size that it says ends the request as well.
    let mut client = Client::connect(&http);
    client.send(format!("{post}host: a\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\n{body}\r\n0\r\n\r\n"));
    assert!(client.receive().is_none_or(|answer| answer.status == 400));
    assert!(client.is_closed());
    // What everybody reads alike is answered, on one connection.
    let mut client = Client::connect(&http);
    let chunked = format!("{post}host: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
    for request in [format!("{post}{whole}\r\n{body}"), chunked.replace("POST /", "POST http://A:80/"), chunked] {
        client.send(&request);
        assert_eq!(client.receive().unwrap().status, 200, "{request:?}");
    }
}

/// A batch with all details about 31 items of the shipped catalogue.
fn batch(transfers: usize, detail: v1::Detail) -> v1::DecideBatchRequest {
    let codes = ["contact.name", "health.diagnosis", "genetic.data"].into_iter().cycle().take(31);
    let large = v1::Transfer {
        data: codes.map(item).collect(),
        persons: Some(v1::Persons { general: 1, sensitive: 1 }),
        year_to_date: Some(v1::Persons { general: 2_000_000, sensitive: 20_000 }),
        ..transfer(1, 0)
    };
    v1::DecideBatchRequest { transfers: vec![large; transfers], detail: detail.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn b9_an_answer_that_clients_do_not_take_is_refused_and_counted_once() {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let start = async |answer_bytes_max: &str| {
        let settings = [("http", "127.0.0.1:0"), ("answer_bytes_max", answer_bytes_max)];
        let server = server::start(&policies, SetClock::at(NOW), &settings).await;
        let (grpc, http) = (server::address(&server, "grpc"), server::address(&server, "http"));
        (server, connect(&grpc).await, http)
    };
    let (_server, channel, _) = start("67108864").await;
    let all = decisions_on(channel).decide_batch(batch(1_000, v1::Detail::Full)).await.unwrap().into_inner();
    let one = v1::DecideBatchResponse { results: vec![all.results[0].clone()] }.encoded_len();
    // So many more than fit that it does not depend on the words of the lists.
    let max = (1 << 20).max(all.encoded_len() / 2);
    let fitting = max / one;
    assert!((10..1_000).contains(&fitting), "{one}");

    let (_server, channel, http) = start(&max.to_string()).await;
    let mut client = decisions_on(channel);
    let refused = client.decide_batch(batch(1_000, v1::Detail::Full)).await.unwrap_err();
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    assert_eq!((refused.code(), violations[0].reason.as_str()), (Code::InvalidArgument, "ANSWER_TOO_LARGE"));
    assert!(refused.message().contains("smaller batches"), "{refused:?}");
    assert!(!violations[0].description.is_ascii(), "{violations:?}");
    let counted = |outcome: &str| -> u64 {
        let series = format!("neglist_decisions_total{{door=\"decide-batch\",outcome=\"{outcome}\"}} ");
        get(&http, "/metrics").body.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap()
    };
    assert_eq!(["allow", "file", "contract", "assess"].map(counted), [0; 4]);
    assert_eq!(counted("refused"), 1);
    // What fits is answered, and one more is not.
    let answers = client.decide_batch(batch(fitting, v1::Detail::Full)).await.unwrap().into_inner();
    assert!(answers.encoded_len() <= max, "{}", answers.encoded_len());
    assert!(client.decide_batch(batch(fitting + 1, v1::Detail::Full)).await.is_err());
    assert!(client.decide_batch(batch(1_000, v1::Detail::Unspecified)).await.is_ok());
    let decided: u64 = ["allow", "file", "contract", "assess"].map(counted).into_iter().sum();
    assert_eq!((decided, counted("refused")), (fitting as u64 + 1_000, 2));
    let metrics = get(&http, "/metrics").body;
    assert!(metrics.contains("neglist_limit_refusals_total{limit=\"answer-bytes\"} 2\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b9_requests_that_are_too_large_are_refused_in_our_words_everywhere() {
    let directory = Directory::small();
    let (server, http) = start(&directory, &[("request_bytes_max", "4096")]).await;
    let addresses = Addresses::of(&server);
    let (grpc, admin) = (connect(&addresses.grpc).await, connect(&addresses.admin).await);
    let mut count = 0;
    let mut refuses = async |channel: &Channel, path: &'static str, bytes: usize, bytes_max: usize| {
        let refused = clients::call_raw(channel.clone(), path, vec![0; bytes]).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{path}: {refused:?}");
        for words in [format!("{bytes} bytes"), format!("may have {bytes_max}")] {
            assert!(refused.message().contains(&words), "{path}: {refused:?}");
        }
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].reason, "REQUEST_TOO_LARGE", "{path}");
        count += 1;
    };
    for path in [
        "/neglist.v1.DecisionService/Decide",
        "/neglist.v1.DecisionService/DecideBatch",
        "/neglist.v1.DecisionService/DecideStream",
        "/neglist.v1.LedgerService/Reserve",
        "/neglist.v1.LedgerService/Commit",
        "/neglist.v1.LedgerService/Release",
        "/neglist.v1.LedgerService/GetUsage",
        "/envoy.service.auth.v3.Authorization/Check",
    ] {
        refuses(&grpc, path, 4_097, 4_096).await;
        refuses(&grpc, path, 5 << 20, 4_096).await;
    }
    for channel in [&grpc, &admin] {
        for path in [
            "/grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ] {
            refuses(channel, path, 65_537, 65_536).await;
        }
    }
    for path in [
        "/neglist.v1.PolicyService/GetStatus",
        "/neglist.v1.PolicyService/Reload",
        "/neglist.v1.PolicyService/Validate",
        "/neglist.v1.PolicyService/WaitForDigest",
        "/neglist.v1.PolicyService/WatchStatus",
    ] {
        refuses(&admin, path, 65_537, 65_536).await;
    }
    let counted = format!("neglist_limit_refusals_total{{limit=\"request-bytes\"}} {count}\n");
    let metrics = get(&http, "/metrics").body;
    assert!(metrics.contains(&counted), "{counted}{metrics}");
    // A stream has the answers to what came before, and the connection goes on.
    let large = v1::Transfer { recipient: "x".repeat(5_000), ..transfer(1, 0) };
    let messages = tokio_stream::iter([message(1, transfer(1, 0)), message(2, large), message(3, transfer(1, 0))]);
    let mut answers = decisions_on(grpc.clone()).decide_stream(messages).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 1);
    assert_eq!(answers.message().await.unwrap_err().code(), Code::InvalidArgument);
    assert!(decisions_on(grpc).decide(request(transfer(1, 0))).await.is_ok());
}
