//! nginx, HAProxy and Caddy, which run the very files of `examples/` on free ports, in front of a server of decisions.
//!
//! The tests check at the server behind the gateway that forbidden requests do not arrive.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use neglist::app::server::{Drained, Server};

use crate::gateways::support::client::{Ask, Connection, Reply};
use crate::gateways::support::flows::{self, ALLOW, ASSESS, AT, CONTRACT, FILE};
use crate::gateways::support::packaged::{Kind, Running, Setup};
use crate::gateways::support::upstream::Upstream;
use crate::support::server::{self, Directory, SetClock};
use crate::support::wait::{until, within};

const ALL: [Kind; 3] = [Kind::Nginx, Kind::Haproxy, Kind::Caddy];

async fn serve(directory: &Directory, http: &str, kind: Kind, ledger: &str) -> Server {
    let ledger = directory.beside(ledger);
    let settings = [("ledger", ledger.to_str().unwrap()), ("http", http), ("forward_auth_headers", kind.family())];
    server::start(&directory.policies(), SetClock::at(AT), &settings).await
}

/// A gateway, the server behind it, and the server of decisions that it asks.
struct World {
    kind: Kind,
    directory: Directory,
    server: Server,
    http: String,
    upstream: Upstream,
    gateway: Running,
}

impl World {
    /// Starts all three; `None` where the gateway is not installed and need not be.
    async fn start(kind: Kind) -> Option<Self> {
        let directory = Directory::of(&flows::files_with_rules());
        let server = serve(&directory, "127.0.0.1:0", kind, "ledger").await;
        let http = server::address(&server, "http");
        let upstream = Upstream::start();
        let gateway = Setup::of(kind).asking(&http).sending_to(upstream.port()).start().await?;
        Some(Self { kind, directory, server, http, upstream, gateway })
    }

    async fn ask(&self, ask: &Ask) -> Reply {
        send(ask, &self.gateway).await
    }

    /// Fails where a request is not denied with this outcome, or has reached the server behind.
    #[track_caller]
    fn is_denied(&self, reply: &Reply, outcome: &str, reason: &str) {
        let found = (reply.status, reply.header("x-neglist-outcome"), reply.header("x-neglist-reason"));
        assert_eq!(found, (403, outcome, reason), "{:?}: {}", self.kind, reply.text());
        assert!(self.upstream.arrived().is_empty(), "{:?}: {:?}", self.kind, self.upstream.arrived());
    }
}

/// Sends a request from another thread: the server of decisions of this process answers on this one.
async fn send(ask: &Ask, gateway: &Running) -> Reply {
    let (ask, address) = (ask.clone(), gateway.address());
    within("an answer", tokio::task::spawn_blocking(move || ask.send(address))).await.unwrap()
}

fn post((flow, persons): (&str, u64)) -> Ask {
    Ask::new(&format!("POST /{flow}/upload?x=1"), "partner.example")
        .with("x-subjects", persons.to_string())
        .body("data")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_request_passes_without_its_labels() {
    for kind in ALL {
        let Some(world) = World::start(kind).await else { continue };
        let labelled = post(ALLOW).with("X-Neglist-Transfer-Id", "t").with("x-neglist-flow", "uncovered");
        for ask in [post(ALLOW), labelled] {
            let reply = world.ask(&ask).await;
            assert_eq!((reply.status, reply.text().as_str()), (200, "arrived"), "{kind:?}");
        }
        let arrived = world.upstream.arrived();
        assert_eq!(arrived.len(), 2, "{kind:?}");
        for request in arrived {
            assert_eq!(request.line, "POST /trial/upload?x=1 HTTP/1.1", "{kind:?}");
            assert_eq!(request.headers_like("x-neglist"), Vec::<&str>::new(), "{kind:?}");
            assert_eq!(request.body, b"data", "{kind:?}");
        }
    }
}

/// nginx with the question that ingress-nginx puts: a whole URL, the headers of clients let through.
#[tokio::test(flavor = "multi_thread")]
async fn c_the_question_of_ingress_nginx_is_understood() {
    let kind = Kind::Nginx;
    let directory = Directory::of(&flows::files_with_rules());
    let ledger = directory.beside("ledger");
    let settings =
        [("ledger", ledger.to_str().unwrap()), ("http", "127.0.0.1:0"), ("forward_auth_headers", "x-original-url")];
    let server = server::start(&directory.policies(), SetClock::at(AT), &settings).await;
    let http = server::address(&server, "http");
    let upstream = Upstream::start();
    let setup = Setup::of(kind)
        .with(
            "proxy_set_header X-Original-Host $host;",
            "proxy_set_header X-Original-URL $scheme://$http_host$request_uri;",
        )
        .with(
            "proxy_set_header X-Original-URI $request_uri;",
            "proxy_set_header X-Sent-From \"nginx-ingress-controller\";",
        )
        .with("proxy_set_header X-Forwarded-Uri \"\";", "proxy_set_header X-Auth-Request-Redirect $request_uri;");
    let Some(gateway) = setup.asking(&http).sending_to(upstream.port()).start().await else { return };
    let forged = [("X-Original-URL", "https://partner.example/elsewhere"), ("X-Forwarded-Uri", "/elsewhere")];
    let forge = |ask: Ask| forged.iter().fold(ask, |ask, (name, value)| ask.with(name, *value));
    // For an allowed request, the server behind the gateway decides the response.
    for (asked, status, outcome) in [(ALLOW, 200, "forged"), (FILE, 403, "file"), (CONTRACT, 403, "contract")] {
        for ask in [post(asked), forge(post(asked))] {
            let reply = send(&ask, &gateway).await;
            assert_eq!((reply.status, reply.header("x-neglist-outcome")), (status, outcome), "{}", reply.text());
        }
    }
    assert_eq!(upstream.arrived().len(), 2, "the allowed requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_gives_its_reason_and_the_request_does_not_leave() {
    for kind in ALL {
        let Some(world) = World::start(kind).await else { continue };
        for (asked, outcome) in [(FILE, "file"), (CONTRACT, "contract"), (ASSESS, "assess")] {
            let reply = world.ask(&post(asked)).await;
            let reason = reply.header("x-neglist-reason").to_owned();
            assert!(!reason.is_empty(), "{kind:?}: {reply:?}");
            world.is_denied(&reply, outcome, &reason);
            assert_eq!(reply.json()["outcome"], outcome, "{kind:?}");
        }
        let nowhere = Ask::new("POST /nowhere", "partner.example");
        let refused = world.ask(&nowhere).await;
        world.is_denied(&refused, "refused", "NOTHING_MATCHES");
        // Where nothing was decided there is no decision to name.
        assert!(refused.json().get("decision_id").is_none(), "{kind:?}: {}", refused.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_labels_do_not_count() {
    for kind in ALL {
        let Some(world) = World::start(kind).await else { continue };
        let labels = |ask: Ask| {
            ask.with("X-Neglist-Flow", "trial").with("x-neglist-persons", "0").with("X-NEGLIST-SENSITIVE-PERSONS", "1")
        };
        // If no rule matches the path, a forged label does not count as a label.
        let nowhere = labels(Ask::new("POST /nowhere", "partner.example"));
        world.is_denied(&world.ask(&nowhere).await, "refused", "NOTHING_MATCHES");
        let reply = world.ask(&labels(post(FILE))).await;
        assert_eq!((reply.status, reply.header("x-neglist-outcome")), (403, "file"), "{kind:?}");
        // Another path than the one that is asked for.
        for family in ["x-original", "x-forwarded", "X-Forwarded"] {
            let forged = post(FILE)
                .with(&format!("{family}-uri"), "/trial/upload")
                .with(&format!("{family}-method"), "POST")
                .with(&format!("{family}-host"), "partner.example");
            let reply = world.ask(&forged).await;
            assert_eq!((reply.status, reply.header("x-neglist-outcome")), (403, "file"), "{kind:?} {family}");
        }
        assert!(world.upstream.arrived().is_empty(), "{kind:?}");
        // An underscore is a dash to some servers.
        for name in ["x_neglist_flow", "X-Neglist_persons", "X_neglist-Persons", "x_NEGLIST_sensitive-persons"] {
            let reply = world.ask(&post(ALLOW).with(name, "trial")).await;
            let arrived = world.upstream.arrived();
            let labels = ["x_neglist", "x-neglist"]
                .map(|name| arrived.iter().any(|request| !request.headers_like(name).is_empty()));
            assert_eq!(labels, [false, false], "{kind:?} {name}: {}", reply.status);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gives_its_requests_one_number_does_not_make_one_of_them() {
    const FORGED: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    for kind in ALL {
        let Some(world) = World::start(kind).await else { continue };
        let ask = Ask::new("POST /numbered", "partner.example").with("x-subjects", "4000").with("X-Request-ID", FORGED);
        // From 10,000 persons on a contract is needed: 4,000 are counted three times, not once.
        for status in [200, 200, 403] {
            let reply = world.ask(&ask).await;
            assert_eq!(reply.status, status, "{kind:?}: {}", reply.text());
        }
        let arrived = world.upstream.arrived();
        let ids: Vec<String> = arrived.iter().map(|request| request.header("x-request-id").join(",")).collect();
        assert!(ids.len() == 2 && ids[0] != ids[1] && !ids.iter().any(|id| id.contains(FORGED)), "{kind:?}: {ids:?}");
        // The gateway gives the question and the request to the partner the same id.
        assert!(ids.iter().all(|id| 16 <= id.len()), "{kind:?}: {ids:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_cannot_be_read_and_paths_of_two_readings_are_refused() {
    for kind in ALL {
        let Some(world) = World::start(kind).await else { continue };
        let with = |values: &[&[u8]]| {
            let ask = Ask::new("POST /trial/x", "partner.example");
            values.iter().fold(ask, |ask, value| ask.with("x-subjects", value))
        };
        for (values, reason) in [
            (&[][..], "LABEL_MISSING"),
            (&[&b"1"[..], b"1"], "LABEL_REPEATED"),
            (&[b"1", b"50000"], "LABEL_REPEATED"),
            (&[b"caf\xe9"], "LABEL_NOT_TEXT"),
            (&["一".as_bytes()], "LABEL_NOT_TEXT"),
            (&[b"ten"], "LABEL_NOT_A_NUMBER"),
        ] {
            world.is_denied(&world.ask(&with(values)).await, "refused", reason);
        }
        // Refused by the gateway or by the decision server, whichever sees it first.
        for path in ["/uncovered/../trial/x", "/trial/..%2funcovered/x", "//trial/x", "/trial/%5c", "/trial\\x"] {
            let ask = Ask::new(&format!("POST {path}"), "partner.example").with("x-subjects", "1");
            let reply = world.ask(&ask).await;
            assert!((400..500).contains(&reply.status), "{kind:?} {path}: {}", reply.status);
        }
        assert!(world.upstream.arrived().is_empty(), "{kind:?}: {:?}", world.upstream.arrived());
        // Beyond ASCII: refused, or sent on encoded, as it was decided on.
        let ask = Ask::new("POST /trial/caf\u{e9}", "partner.example").with("x-subjects", "1");
        let reply = world.ask(&ask).await;
        let line = world.upstream.arrived().first().map(|request| request.line.clone());
        match reply.status {
            200 => assert_eq!(line.as_deref(), Some("POST /trial/caf%C3%A9 HTTP/1.1"), "{kind:?}"),
            _ => assert_eq!(line, None, "{kind:?}"),
        }
        // A header that is no label may have any value.
        let other = with(&[b"1"]).with("x-other", b"caf\xe9").with("x-other", "一");
        assert_eq!(world.ask(&other).await.status, 200, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_too_large_does_not_leave() {
    for kind in ALL {
        let Some(world) = World::start(kind).await else { continue };
        for bytes in [100_000, 2_000_000] {
            let ask = post(ALLOW).with("x-large", vec![b'1'; bytes]);
            let address = world.gateway.address();
            let asked = tokio::task::spawn_blocking(move || {
                let mut connection = Connection::to(address);
                connection.send(&ask.bytes());
                connection.reply().map(|reply| reply.status)
            });
            let status = within("an answer", asked).await.unwrap();
            // Closed without an answer, or refused.
            assert!(status.is_none_or(|status| 400 <= status), "{kind:?}: {status:?}");
        }
        assert!(world.upstream.arrived().is_empty(), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_nothing_leaves_and_a_server_that_is_back_is_found() {
    for kind in ALL {
        let Some(world) = World::start(kind).await else { continue };
        assert_eq!(world.ask(&post(ALLOW)).await.status, 200, "{kind:?}");
        let World { directory, server, http, upstream, gateway, .. } = world;
        assert_eq!(within("the end", server.drain()).await, Drained::Fully);
        for _ in 0..3 {
            let status = send(&post(ALLOW), &gateway).await.status;
            assert!([502, 503].contains(&status), "{kind:?}: {status}");
        }
        assert_eq!(upstream.arrived().len(), 1, "{kind:?}: only the allowed request has left");
        let server = serve(&directory, &http, kind, "ledger-2").await;
        let back = async {
            loop {
                match send(&post(ALLOW), &gateway).await.status {
                    200 => return,
                    502 | 503 => {}
                    other => panic!("{kind:?}: {other}"),
                }
            }
        };
        within("the server is found again", back).await;
        assert_eq!(upstream.arrived().len(), 2, "{kind:?}");
        drop(server);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_partner_is_no_outage_of_the_server() {
    // A partner that is away, and a head that is too large, are no outage of the server of decisions.
    for kind in ALL {
        let Some(world) = World::start(kind).await else { continue };
        let large = world.ask(&post(ALLOW).with("x-large", vec![b'1'; 18_000])).await;
        assert!((400..500).contains(&large.status), "{kind:?}: {} {}", large.status, large.text());
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let Some(gateway) = Setup::of(kind).asking(&world.http).sending_to(gone).start().await else { continue };
        let reply = send(&post(ALLOW), &gateway).await;
        assert!([502, 503, 504].contains(&reply.status), "{kind:?}: {}", reply.status);
        assert!(!reply.text().contains("unanswered"), "{kind:?}: {}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_in_time_is_none() {
    for kind in ALL {
        // Takes connections into its queue and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = Upstream::start();
        let setup = Setup::of(kind).waiting(0.3).asking(&silent.local_addr().unwrap().to_string());
        let Some(gateway) = setup.sending_to(upstream.port()).start().await else { continue };
        let reply = send(&post(ALLOW), &gateway).await;
        assert!([502, 503, 504].contains(&reply.status), "{kind:?}: {}", reply.status);
        assert_eq!(upstream.connections(), 0, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_no_neglist_lets_nothing_pass_where_the_gateway_can_tell() {
    // Answers everything with 200. nginx and Caddy look at the code alone; HAProxy reads the decision.
    let (stranger, upstream) = (Upstream::start(), Upstream::start());
    let setup = Setup::of(Kind::Haproxy).asking(&format!("127.0.0.1:{}", stranger.port()));
    let Some(gateway) = setup.sending_to(upstream.port()).start().await else { return };
    assert_eq!(send(&post(ALLOW), &gateway).await.status, 503);
    assert_eq!(stranger.arrived().len(), 1);
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_in_the_middle_of_traffic_lets_nothing_through() {
    const RELOADS: usize = 3;
    for kind in [Kind::Nginx, Kind::Haproxy] {
        let Some(world) = World::start(kind).await else { continue };
        let (done, passed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let clients: Vec<_> = [ALLOW, FILE, ALLOW, FILE]
            .map(|asked| {
                let (done, passed, address) = (done.clone(), passed.clone(), world.gateway.address());
                tokio::task::spawn_blocking(move || {
                    let wanted = if asked == ALLOW { 200 } else { 403 };
                    while !done.load(Ordering::SeqCst) {
                        let Some(mut connection) = Connection::try_to(address) else { continue };
                        connection.send(&post(asked).bytes());
                        // A gateway that reloads may close a connection; it may not answer anything else.
                        let Some(reply) = connection.reply() else { continue };
                        assert!([wanted, 503].contains(&reply.status), "{kind:?} {asked:?}: {}", reply.status);
                        passed.fetch_add(usize::from(reply.status == 200), Ordering::SeqCst);
                    }
                })
            })
            .into();
        for _ in 0..RELOADS {
            let before = passed.load(Ordering::SeqCst);
            world.gateway.reload();
            until("traffic goes on", || (before + 20 <= passed.load(Ordering::SeqCst)).then_some(())).await;
        }
        done.store(true, Ordering::SeqCst);
        for client in clients {
            within("the end", client).await.unwrap();
        }
        let arrived = world.upstream.arrived();
        assert!(RELOADS * 20 <= arrived.len(), "{kind:?}");
        assert!(arrived.iter().all(|request| request.line.starts_with("POST /trial/")), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoilt_request_is_the_clients_fault_and_the_gateway_survives() {
    for kind in [Kind::Nginx, Kind::Haproxy] {
        let Some(world) = World::start(kind).await else { continue };
        let many = |count| (0..count).fold(post(ALLOW), |ask, number| ask.with(&format!("x-{number}"), "y"));
        for count in [60, 90, 94, 95, 96, 97, 98, 99, 120] {
            // Beyond its own limit HAProxy answers itself, and nginx passes on the refusal of neglist.
            let wanted: &[u16] = if count == 60 { &[200] } else { &[200, 400, 431] };
            let reply = world.ask(&many(count)).await;
            assert!(wanted.contains(&reply.status), "{kind:?} {count}: {} {}", reply.status, reply.text());
            assert!(count < 120 || reply.status != 200, "{kind:?} {count}");
        }
        let spoilt = world.ask(&post(ALLOW).with("x-name", b"a\x01b")).await;
        assert_eq!(spoilt.status, 400, "{kind:?}: {}", spoilt.text());
        assert!(world.upstream.arrived().iter().all(|request| request.header("x-name").is_empty()), "{kind:?}");
        // The gateway still answers.
        assert_eq!(world.ask(&post(ALLOW)).await.status, 200, "{kind:?}");
        let World { server, gateway, .. } = world;
        drop(gateway);
        server.drain().await;
    }
}
