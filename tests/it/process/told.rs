//! Log lines for the operator: clients at the wrong port, and the results of signals.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::server::{Directory, Process};
use crate::support::wait::{until, within};

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

/// Sends bytes to the HTTP listener; returns once the connection ends, or has answered.
fn send(address: &str, bytes: &[u8]) {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    connection.write_all(bytes).unwrap();
    connection.shutdown(std::net::Shutdown::Write).unwrap();
    // An end that the other side makes sooner is one too.
    let _ = connection.read_to_end(&mut Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_other_protocols_at_the_http_listener_are_logged_once_for_each_kind() {
    let directory = Directory::small();
    let server = Process::start_with(&directory.policies(), &["127.0.0.1:0"], &[("NEGLIST_HTTP", "127.0.0.1:0")]);
    let address = server.http().to_owned();
    let tls = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &[b'x'; 40], b"\n"].concat();
    for (bytes, said) in [
        (tls.as_slice(), "TLS came to the address of `http`"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2 (h2c, gRPC) came to the address of `http`"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", "the PROXY protocol came"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", "the PROXY protocol came"),
        (b"GET /readyz HTTP/1.1\r\n\r\n", "an HTTP/1.1 request without `Host` was refused"),
        (b"GET /readyz HTTP/1.1\nhost: a\n\n", "a line ends without a carriage return"),
        (b"GET /readyz HTTP/1.1\r\nhost: x:abc\r\n\r\n", "duplicate or empty `Host`, or not a host"),
    ] {
        for _ in 0..3 {
            send(&address, bytes);
        }
        until(said, || server.stderr().contains(said).then_some(())).await;
        assert_eq!(count(&server.stderr(), said), 1, "{}", server.stderr());
    }
    // The normal state is not logged, and no fault is logged twice under two names.
    send(&address, b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n");
    let ended = server.stop().await;
    assert_eq!(count(&ended.stderr, "WARN"), 6, "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn stdout_that_fails_ends_no_server() {
    let directory = Directory::small();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    for stdout in [Stdio::from(full), Stdio::from(closed)] {
        let log = directory.beside("log");
        let policies = directory.policies();
        let mut server = Command::new(env!("CARGO_BIN_EXE_neglist"))
            .args(["serve", "--listen", "127.0.0.1:0", "--http", "none", "--admin", "none", "--ledger", "none"])
            .args(["--policies", policies.to_str().unwrap()])
            .env_clear()
            .stdout(stdout)
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let said = || std::fs::read_to_string(&log).unwrap();
        until("the warning", || said().contains("stdout cannot be written").then_some(())).await;
        let text = said();
        let address = text.split("listening grpc ").nth(1).unwrap();
        let address = address.split(|character: char| !matches!(character, '0'..='9' | '.' | ':')).next().unwrap();
        let connected = TcpStream::connect(address);
        let has_ended = server.try_wait().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
        assert!(connected.is_ok() && has_ended.is_none(), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sighup_has_its_result_in_the_log() {
    let directory = Directory::small();
    let settings = [("NEGLIST_POLICY_POLL_INTERVAL_MS", "86400000"), ("NEGLIST_POLICY_DEBOUNCE_MS", "600000")];
    let server = Process::start_with(&directory.policies(), &["127.0.0.1:0"], &settings);
    let hang_up = async |expected: &str, times: usize| {
        server.signal("HUP");
        let has_come = || (count(&server.stderr(), expected) == times).then_some(());
        within(expected, until(expected, has_come)).await;
    };
    let (unchanged, refused) = ("SIGHUP: nothing has changed", "SIGHUP: the policies on disk are refused");
    hang_up(unchanged, 1).await;
    hang_up(unchanged, 2).await;
    directory.write("registry/bad.yaml", "format: 1\nkind: registri\n");
    for times in 1..=3 {
        hang_up(refused, times).await;
    }
    // Repetitions are not logged again.
    assert_eq!(count(&server.stderr(), "the policies on disk were refused"), 1, "{}", server.stderr());
    std::fs::remove_file(directory.path("registry/bad.yaml")).unwrap();
    hang_up(unchanged, 3).await;
    // A new episode begins with a line.
    directory.write("registry/bad.yaml", "format: 1\nkind: registri\n");
    hang_up(refused, 4).await;
    hang_up(refused, 5).await;
    let log = server.stderr();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("the policies on disk were refused")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines.iter().all(|line| line.contains("others=0")), "{log}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_at_the_http_listener_names_the_right_address() {
    let directory = Directory::small();
    let server = Process::start_with(&directory.policies(), &["127.0.0.1:0"], &[("NEGLIST_HTTP", "127.0.0.1:0")]);
    let ask =
        async |target: &str| within("an answer", Process::spawn(&["health", "--target", target], &[]).ended()).await;
    let refused = ask(server.http()).await;
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("does not speak gRPC") && refused.stderr.contains("`listen`"),
        "{}",
        refused.stderr
    );
    let healthy = ask(server.grpc()[0]).await;
    assert_eq!((healthy.code, healthy.stdout.trim()), (Some(0), "SERVING"), "{}", healthy.stderr);
    server.stop().await;
}
