//! Squid as a forward proxy, which runs the very file of `examples/squid`, with the helper of this build.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use neglist::app::server::{Drained, Server};
use neglist::policy::PolicyFile;

use crate::gateways::support::client::{Ask, Connection, Reply};
use crate::gateways::support::flows::{self, ALLOW, AT, FILE};
use crate::gateways::support::packaged::{Kind, Running, Setup};
use crate::gateways::support::upstream::Upstream;
use crate::support::server::{self, Directory, SetClock, address};
use crate::support::wait::{until, within};

/// What can be told without labels: method, host and path.
const RULES: &str = "format: 1
kind: gateway
rules:
  - {id: allowed, match: {host: 127.0.0.1, path_prefix: /trial}, flow: trial, sensitive_persons: 10}
  - {id: filed, match: {host: 127.0.0.1, path_prefix: /uncovered}, flow: uncovered, sensitive_persons: 10}
  - {id: contracted, match: {host: 127.0.0.1, path_prefix: /contract}, flow: trial, sensitive_persons: 10000}
  - {id: assessed, match: {host: 127.0.0.1, path_prefix: /assess}, flow: trial, sensitive_persons: 50000}
  - {id: tunnel, match: {host: localhost, methods: [CONNECT]}, flow: trial, sensitive_persons: 10}
complete: yes
";

async fn serve(directory: &Directory, listen: &str, ledger: &str) -> Server {
    let ledger = directory.beside(ledger);
    let settings = [("ledger", ledger.to_str().unwrap()), ("listen", listen)];
    server::start(&directory.policies(), SetClock::at(AT), &settings).await
}

struct World {
    directory: Directory,
    server: Server,
    upstream: Upstream,
    squid: Running,
}

impl World {
    async fn start() -> Option<Self> {
        let rules = PolicyFile { path: "gateways/rules.yaml".to_owned(), text: RULES.to_owned() };
        Self::of([flows::files(), vec![rules]].concat(), |setup| setup).await
    }

    async fn of(files: Vec<PolicyFile>, setup: impl FnOnce(Setup) -> Setup) -> Option<Self> {
        let directory = Directory::of(&files);
        let server = serve(&directory, "127.0.0.1:0", "ledger").await;
        let upstream = Upstream::start();
        let squid = setup(Setup::of(Kind::Squid).asking(&address(&server, "grpc"))).start().await?;
        Some(Self { directory, server, upstream, squid })
    }

    fn request(&self, path: &str) -> Ask {
        let host = format!("127.0.0.1:{}", self.upstream.port());
        Ask::new(&format!("POST http://{host}{path}"), &host)
    }

    async fn ask(&self, ask: &Ask) -> Reply {
        send(ask, &self.squid).await
    }

    #[track_caller]
    fn is_denied(&self, reply: &Reply) {
        assert_eq!(reply.status, 403, "{}", reply.text());
        assert_eq!(self.upstream.connections(), 0, "{:?}", self.upstream.arrived());
    }
}

async fn send(ask: &Ask, squid: &Running) -> Reply {
    let (ask, address) = (ask.clone(), squid.address());
    within("an answer", tokio::task::spawn_blocking(move || ask.send(address))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_allowed_requests_pass_and_a_denial_is_explained_in_both_languages() {
    let Some(world) = World::start().await else { return };
    for (path, said) in [
        ("/uncovered/x", "file "),
        ("/contract/x", "contract SENSITIVE_PERSONS_AT_OR_OVER_CONTRACT_LINE: "),
        ("/assess/x", "assess SENSITIVE_PERSONS_AT_OR_OVER_ASSESSMENT_LINE: "),
        ("/nowhere", "refused "),
        ("/trial/%2e%2e/uncovered/x", "refused PATH_NOT_NORMALISED: "),
        ("/trial%2Fx", "refused PATH_NOT_NORMALISED: "),
    ] {
        let reply = world.ask(&world.request(path)).await;
        world.is_denied(&reply);
        let page = reply.text();
        assert!(page.contains(&format!("<code>{said}")) && page.contains("订立合同"), "{path}: {page}");
    }
    let reply = world.ask(&world.request("/trial/x?a=%2F").body("data")).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "arrived"));
    let arrived = world.upstream.arrived();
    assert_eq!((arrived.len(), arrived[0].line.as_str()), (1, "POST /trial/x?a=%2F HTTP/1.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_labels_are_not_believed_and_do_not_leave() {
    let Some(world) = World::start().await else { return };
    let forged = |ask: Ask| {
        ask.with("X-Neglist-Flow", "trial").with("x-neglist-persons", "0").with("x-neglist-sensitive-persons", "1")
    };
    for path in ["/uncovered/x", "/nowhere"] {
        world.is_denied(&world.ask(&forged(world.request(path))).await);
    }
    // Another host in the header than in the URI.
    let lying = Ask { host: "localhost".to_owned(), ..world.request("/nowhere") };
    world.is_denied(&world.ask(&lying).await);
    assert_eq!(world.ask(&forged(world.request("/trial/x"))).await.status, 200);
    assert_eq!(world.upstream.arrived()[0].headers_like("x-neglist"), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_may_label_are_decided_by_labels() {
    let labelling = |setup: Setup| setup.with("acl labelling src 10.255.255.1", "acl labelling src 127.0.0.1");
    let Some(world) = World::of(flows::files(), labelling).await else { return };
    let labelled = |(flow, persons): (&str, u64)| {
        let ask = world.request("/x").with("x-neglist-flow", flow).with("x-neglist-persons", "0");
        ask.with("x-neglist-sensitive-persons", persons.to_string())
    };
    world.is_denied(&world.ask(&labelled(FILE)).await);
    world.is_denied(&world.ask(&world.request("/x")).await);
    world.is_denied(&world.ask(&labelled(ALLOW).with("x-neglist-flow", "trial")).await);
    world.is_denied(&world.ask(&world.request("/x").with("x-neglist-flow", b"tri\xe9l")).await);
    world.is_denied(&world.ask(&labelled(("trial", 10_000))).await);
    assert_eq!(world.ask(&labelled(ALLOW)).await.status, 200);
    assert_eq!(world.upstream.arrived()[0].headers_like("x-neglist"), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_is_asked_about_once_by_its_host() {
    let Some(world) = World::start().await else { return };
    let port = world.upstream.port();
    // Rules of that host match by path, which a tunnel does not show.
    let hidden = Ask::new(&format!("CONNECT 127.0.0.1:{port}"), &format!("127.0.0.1:{port}"));
    world.is_denied(&world.ask(&hidden).await);
    let squid = world.squid.address();
    let through = tokio::task::spawn_blocking(move || {
        let mut connection = Connection::to(squid);
        connection.send(&Ask::new(&format!("CONNECT localhost:{port}"), &format!("localhost:{port}")).bytes());
        let opened = connection.reply().map(|reply| reply.status);
        connection.send(&Ask::new("GET /inside", "localhost").bytes());
        (opened, connection.reply().map(|reply| reply.status))
    });
    assert_eq!(within("the tunnel", through).await.unwrap(), (Some(200), Some(200)));
    assert_eq!(world.upstream.arrived()[0].line, "GET /inside HTTP/1.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_or_oversized_request_does_not_leave() {
    let Some(world) = World::start().await else { return };
    for path in ["/trial\\x", "/trial/#x", "/trial/%00", "/trial/%ff/..\u{e9}/../x"] {
        world.is_denied(&world.ask(&world.request(path)).await);
    }
    for ask in [
        world.request("/trial/x").with("x-large", vec![b'x'; 200_000]),
        world.request(&format!("/trial/{}", "x".repeat(100_000))),
    ] {
        let reply = world.ask(&ask).await;
        assert!(400 <= reply.status, "{}", reply.status);
    }
    assert_eq!(world.upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_nothing_leaves_and_a_server_that_is_back_is_found() {
    let Some(world) = World::start().await else { return };
    let allowed = world.request("/trial/x");
    assert_eq!(world.ask(&allowed).await.status, 200);
    let World { directory, server, upstream, squid } = world;
    let listen = address(&server, "grpc");
    assert_eq!(within("the end", server.drain()).await, Drained::Fully);
    for _ in 0..3 {
        assert_eq!(send(&allowed, &squid).await.status, 403);
    }
    assert_eq!(upstream.arrived().len(), 1, "only the allowed request has left");
    let server = serve(&directory, &listen, "ledger-2").await;
    let back = async { while send(&allowed, &squid).await.status != 200 {} };
    within("the server is found again", back).await;
    assert_eq!(upstream.arrived().len(), 2);
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_in_time_is_none() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = Upstream::start();
    let setup = Setup::of(Kind::Squid).waiting(0.3).asking(&silent.local_addr().unwrap().to_string());
    let Some(squid) = setup.start().await else { return };
    let host = format!("127.0.0.1:{}", upstream.port());
    let reply = send(&Ask::new(&format!("GET http://{host}/trial/x"), &host), &squid).await;
    assert_eq!((reply.status, upstream.connections()), (403, 0), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_in_the_middle_of_traffic_lets_nothing_through() {
    let Some(world) = World::start().await else { return };
    let (done, passed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients = ["/trial/x", "/uncovered/x", "/trial/x", "/uncovered/x"].map(|path| {
        let (done, passed) = (done.clone(), passed.clone());
        let (ask, address) = (world.request(path), world.squid.address());
        tokio::task::spawn_blocking(move || {
            while !done.load(Ordering::SeqCst) {
                let Some(reply) = attempt(&ask, address) else { continue };
                // During a reload Squid may refuse requests that it would let pass; never the other way round.
                assert!(reply == 403 || reply == 503 || (reply == 200 && path == "/trial/x"), "{path}: {reply}");
                passed.fetch_add(usize::from(reply == 200), Ordering::SeqCst);
            }
        })
    });
    for _ in 0..2 {
        let before = passed.load(Ordering::SeqCst);
        world.squid.reload();
        until("traffic goes on", || (before + 10 <= passed.load(Ordering::SeqCst)).then_some(())).await;
    }
    done.store(true, Ordering::SeqCst);
    for client in clients {
        within("the end", client).await.unwrap();
    }
    let arrived = world.upstream.arrived();
    assert!(20 <= arrived.len());
    assert!(arrived.iter().all(|request| request.line.starts_with("POST /trial/")), "{arrived:?}");
}

/// Asks once; `None` where the connection ends without an answer, or is not made.
fn attempt(ask: &Ask, address: std::net::SocketAddr) -> Option<u16> {
    let mut connection = Connection::try_to(address)?;
    connection.send(&ask.bytes());
    connection.reply().map(|reply| reply.status)
}
