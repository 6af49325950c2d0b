//! Connections that are idle, deaf, silent or slow keep no client out; and none is accepted before the ledger is open.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use neglist::app::server::{self as app, Server, StartError};
use tonic_health::pb::health_client::HealthClient;

use crate::http::doors::{NOW, start};
use crate::process::health::{Addresses, about, check};
use crate::support::clients::{message, request, transfer};
use crate::support::http_client::{Client, get};
use crate::support::server::{self, Directory, SetClock, connect, decisions_on};
use crate::support::wait::{DEADLINE, until, within};

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
    // More than may be open: a new client is still answered.
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
