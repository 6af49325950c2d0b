//! Health means one thing at every door: of the whole server, the decisions, the ledger and the gateways.

use std::sync::Arc;
use std::time::Duration;

use neglist::app::clock::SystemClock;
use neglist::app::server::Server;
use neglist::wire::generated::v1;
use tokio::sync::watch;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::http::doors::start;
use crate::support::clients::{request, transfer};
use crate::support::http_client::get;
use crate::support::postgres_server;
use crate::support::server::{self, Directory, connect, decisions_on};
use crate::support::wait::{until, within};

const DECISIONS: &str = "neglist.v1.DecisionService";
const LEDGER: &str = "neglist.v1.LedgerService";
const GATEWAYS: &str = "envoy.service.auth.v3.Authorization";
const POLICIES: &str = "neglist.v1.PolicyService";

pub(crate) fn about(service: &str) -> HealthCheckRequest {
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

/// The answers of every door about the whole server, the decisions, the ledger and the gateways.
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

pub(crate) async fn check(address: &str, name: &str) -> bool {
    let mut client = HealthClient::new(connect(address).await);
    client.check(about(name)).await.unwrap().into_inner().status() == ServingStatus::Serving
}

/// Asks with `neglist health`.
fn asked_by_command(address: &str, name: &str) -> bool {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_neglist"));
    command.args(["health", "--target", address, "--service", name]).env_clear();
    command.output().unwrap().status.success()
}

pub(crate) struct Addresses {
    pub(crate) grpc: String,
    pub(crate) http: String,
    pub(crate) admin: String,
}

impl Addresses {
    pub(crate) fn of(server: &Server) -> Self {
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
async fn b6_every_door_reports_a_ledger_that_hangs_and_comes_back_alike() {
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
async fn b6_every_door_reports_a_missing_ledger_and_the_stop_alike() {
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
async fn b6_unknown_names_are_answered_by_the_protocol() {
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
