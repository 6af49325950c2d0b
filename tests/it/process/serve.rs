//! How `neglist serve` starts, refuses to start, and stops.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use neglist::wire::generated::v1;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::clients::{self, message, request, transfer};
use crate::support::server::{Directory, Ended, Process, connect, decisions_on, serve_arguments};
use crate::support::small::{PORT, Small};
use crate::support::wait::{until, within};

/// Returns a process's text on stderr: without the log, and with names in place of values that differ from run to run.
fn written(ended: &Ended, names: &[(&str, &str)]) -> String {
    assert_eq!(ended.stdout, "");
    let is_log = |line: &&str| line.starts_with("20") && line.contains("Z ");
    let mut text = ended.stderr.lines().filter(|line| !is_log(line)).collect::<Vec<_>>().join("\n");
    for (found, name) in names {
        text = text.replace(found, name);
    }
    format!("exit code {}\n{text}\n", ended.code.unwrap())
}

/// Starts a server that must refuse to start; returns its exit code and its text.
async fn refused(directory: &Directory, arguments: &[&str], settings: &[(&str, &str)], port: u16) -> String {
    let arguments: Vec<_> = serve_arguments(&directory.policies(), &["127.0.0.1:0"])
        .into_iter()
        .chain(arguments.iter().map(|argument| (*argument).to_owned()))
        .collect();
    let ended = within("a refusal", Process::spawn(&arguments, settings).ended()).await;
    let root = directory.beside("");
    written(&ended, &[(root.to_str().unwrap(), "[root]/"), (&format!(":{port}"), ":[port]")])
}

#[tokio::test]
async fn bad_policies_refuse_the_start() {
    let small =
        Small::new().with(PORT, "sector: pharma\n", "sector: farma\n").with(PORT, "10000, source", "10k, source");
    let bad = Directory::of(&small.files);
    insta::assert_snapshot!("bad_policies", refused(&bad, &[], &[], 0).await);

    let empty = Directory::of(&[]);
    insta::assert_snapshot!("empty_directory", refused(&empty, &[], &[], 0).await);

    let missing = Directory::of(&[]);
    fs::remove_dir(missing.policies()).unwrap();
    insta::assert_snapshot!("missing_directory", refused(&missing, &[], &[], 0).await);
    fs::write(missing.policies(), "lists").unwrap();
    insta::assert_snapshot!("file_in_place_of_a_directory", refused(&missing, &[], &[], 0).await);

    let loops = Directory::small();
    std::os::unix::fs::symlink("..", loops.path("registry/up")).unwrap();
    std::os::unix::fs::symlink("nowhere", loops.path("gone.yaml")).unwrap();
    fs::write(loops.path("registry/gbk.yaml"), b"format: 1\nkind: registry # \xbc\xd7\n").unwrap();
    insta::assert_snapshot!("links_and_encodings", refused(&loops, &[], &[], 0).await);
}

#[tokio::test]
async fn c_names_of_files_forge_no_line_of_a_refused_start_or_of_the_log() {
    let path = "registry/\u{1b}[2J\nerror[P001] all is well.yaml";
    let directory = Directory::of(&Small::new().and(path, "format: 1\nkind: registry\n").files);
    let said = refused(&directory, &[], &[], 0).await;
    assert!(said.contains(r"registry/\u{1b}[2J\nerror[P001] all is well.yaml:2:1"), "{said}");
    assert!(!said.contains('\u{1b}') && said.lines().all(|line| !line.starts_with("error[P001] all")), "{said}");

    let directory = Directory::small();
    let mut server =
        Process::start_with(&directory.policies(), &["127.0.0.1:0"], &[("NEGLIST_POLICY_DEBOUNCE_MS", "1")]);
    directory.write(path, "format: 1\nkind: registry\n");
    let logged = until("the refusal in the log", || server.stderr().contains("P050").then(|| server.stderr())).await;
    assert!(!server.has_ended());
    assert!(!logged.contains('\u{1b}') && logged.lines().all(|line| !line.starts_with("error[P001] all")), "{logged}");
}

#[test]
fn too_few_file_descriptors_are_logged_and_the_limit_is_raised() {
    // No policies: it logs the missing directory, and ends.
    let started = |limits: &str, connections_max: &str| {
        let script = format!("{limits}; exec \"$0\" \"$@\"");
        let arguments = ["-c", &script, env!("CARGO_BIN_EXE_neglist"), "serve", "--policies", "/nowhere"];
        let mut command = std::process::Command::new("sh");
        command.args(arguments).env_clear().env("NEGLIST_CONNECTIONS_MAX", connections_max);
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    let short = started("ulimit -n 200", "100");
    assert!(short.contains("too few file descriptors") && short.contains("available=200 needed=500"), "{short}");
    let raised = started("ulimit -S -n 200 && ulimit -H -n 600", "100");
    assert!(raised.contains("/nowhere") && !raised.contains("too few file descriptors"), "{raised}");
}

#[tokio::test]
async fn addresses_that_cannot_be_had_refuse_the_start() {
    let directory = Directory::small();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let policies = directory.policies();
    let policies = policies.to_str().unwrap();
    insta::assert_snapshot!("busy_port", refused(&directory, &["--listen", &address], &[], port).await);
    insta::assert_snapshot!("busy_admin_port", {
        let arguments = ["serve", "--policies", policies, "--listen", "127.0.0.1:0"];
        let arguments = [&arguments[..], &["--admin", &address]].concat();
        let ended = Process::spawn(&arguments, &[]).ended().await;
        written(&ended, &[(&format!(":{port}"), ":[port]")])
    });
    for (name, admin) in [("remote_admin", "0.0.0.0:0"), ("remote_admin_ipv6", "[::]:0"), ("no_admin_address", "here")]
    {
        let arguments = ["serve", "--policies", policies, "--admin", admin];
        let ended = Process::spawn(&arguments, &[]).ended().await;
        insta::assert_snapshot!(name, written(&ended, &[]));
    }
    let settings = [("NEGLIST_ADMIN", "10.0.0.1:1"), ("NEGLIST_DRAIN_SECOND", "1"), ("NEGLIST_DRAIN_SECONDS", "soon")];
    let ended = Process::spawn(&["serve"], &settings).ended().await;
    insta::assert_snapshot!("settings", written(&ended, &[]));
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let directory = Directory::small();
    let path = directory.beside("a.sock");
    let address = format!("unix:{}", path.display());
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "stale");
    let first = Process::start_with(&directory.policies(), &[&address], &[]);
    let refusal = refused(&directory, &["--listen", &address], &[], 0).await;
    insta::assert_snapshot!("live_socket", refusal);
    // The one that was there first is none the worse for it.
    let mut client = first.decisions().await;
    assert!(client.decide(request(transfer(1, 0))).await.is_ok());
    drop(client);
    first.stop().await;
    assert!(!path.exists());

    fs::write(&path, "precious").unwrap();
    insta::assert_snapshot!("file_in_place_of_a_socket", refused(&directory, &["--listen", &address], &[], 0).await);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let far = format!("unix:{}", directory.beside("nowhere/a.sock").display());
    insta::assert_snapshot!("socket_in_no_directory", refused(&directory, &["--listen", &far], &[], 0).await);
}

/// A call whose message has not been sent: in flight until the test sends it.
struct InFlight {
    message: mpsc::Sender<Vec<u8>>,
    answer: tokio::task::JoinHandle<Result<Option<Vec<u8>>, Status>>,
}

impl InFlight {
    /// Begins a call of `Decide`, and returns once the server has it.
    async fn begin(channel: &Channel) -> Self {
        let (message, messages) = mpsc::channel(1);
        let call =
            clients::stream_raw(channel.clone(), "/neglist.v1.DecisionService/Decide", ReceiverStream::new(messages));
        let answer = tokio::spawn(async move { call.await?.message().await });
        // After its first poll it has its place on the connection, before the next request.
        tokio::task::yield_now().await;
        let client = &mut HealthClient::new(channel.clone());
        within("health", client.check(HealthCheckRequest::default())).await.unwrap();
        Self { message, answer }
    }

    async fn finish(self) -> Result<v1::Decision, Status> {
        // If the call is over, the message has no receiver.
        let _ = self.message.send(request(transfer(1, 0)).encode_to_vec()).await;
        drop(self.message);
        let answer = within("an answer", self.answer).await.unwrap()?.expect("an answer");
        Ok(v1::DecideResponse::decode(answer.as_slice()).unwrap().decision.unwrap())
    }
}

async fn stops_gracefully(signal: &str) {
    let directory = Directory::small();
    let socket = format!("unix:{}", directory.beside("a.sock").display());
    let server = Process::start_with(&directory.policies(), &["127.0.0.1:0", &socket], &[]);
    let address = server.grpc()[0].to_owned();
    let channel = connect(&address).await;
    let on_socket = connect(&socket).await;
    let mut health = HealthClient::new(connect(&address).await);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let mut statuses = server.policies().await.watch_status(v1::WatchStatusRequest {}).await.unwrap().into_inner();
    assert!(statuses.message().await.unwrap().is_some());
    let (sender, messages) = mpsc::channel(8);
    let mut stream =
        decisions_on(channel.clone()).decide_stream(ReceiverStream::new(messages)).await.unwrap().into_inner();
    sender.send(message(1, transfer(1, 0))).await.unwrap();
    assert_eq!(stream.message().await.unwrap().unwrap().sequence, 1);
    let calls = [InFlight::begin(&channel).await, InFlight::begin(&on_socket).await];

    server.signal(signal);
    // Watches report it, streams end with a status that says why, new connections are refused.
    let not_serving = within("NOT_SERVING", watch.message()).await.unwrap().unwrap();
    assert_eq!(not_serving.status(), ServingStatus::NotServing);
    let ended = within("the end of the stream", stream.message()).await.unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable, "{ended:?}");
    assert!(ended.message().contains("stopping"), "{ended:?}");
    assert!(within("the end of the statuses", statuses.message()).await.unwrap().is_none());
    for uri in [format!("http://{address}"), socket] {
        let endpoint = Endpoint::from_shared(uri).unwrap();
        loop {
            // A connection that the system accepted just before does not come to an answer.
            let Ok(late) = within("a connection", endpoint.connect()).await else { break };
            let refused = within("a refusal", decisions_on(late).decide(request(transfer(1, 0)))).await;
            assert!(refused.is_err(), "{refused:?}");
        }
    }
    // The request in flight is finished, and only then does the process end.
    let mut server = server;
    assert!(!server.has_ended());
    for call in calls {
        assert_eq!(call.finish().await.unwrap().outcome(), v1::Outcome::Allow);
    }
    let ended = within("the end", server.ended()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.trim_end().ends_with("stopped"), "{}", ended.stderr);
    assert!(!directory.beside("a.sock").exists());
}

#[tokio::test]
async fn sigterm_finishes_requests_in_flight() {
    stops_gracefully("TERM").await;
}

#[tokio::test]
async fn sigint_finishes_requests_in_flight() {
    stops_gracefully("INT").await;
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    for (first, second, code) in [("TERM", "TERM", 143), ("INT", "INT", 130), ("TERM", "INT", 130)] {
        let directory = Directory::small();
        let server = Process::start(&directory.policies());
        let channel = connect(server.grpc()[0]).await;
        let call = InFlight::begin(&channel).await;
        server.signal(first);
        until("it is stopping", || server.stderr().contains("stopping: finishing").then_some(())).await;
        // One that reloads is passed over meanwhile.
        server.signal("HUP");
        server.signal(second);
        let ended = within("the end", server.ended()).await;
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains("stopped at once"), "{}", ended.stderr);
        assert!(call.finish().await.is_err());
    }
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_off_in_time() {
    let directory = Directory::small();
    let settings = [("NEGLIST_DRAIN_SECONDS", "0")];
    let server = Process::start_with(&directory.policies(), &["127.0.0.1:0"], &settings);
    let channel = connect(server.grpc()[0]).await;
    let call = InFlight::begin(&channel).await;
    server.signal("TERM");
    let ended = within("the end", server.ended()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("requests were in flight"), "{}", ended.stderr);
    let cut_off = call.finish().await.unwrap_err();
    assert_ne!(cut_off.code(), Code::Ok);
}

#[tokio::test]
async fn a_silent_connection_is_cut_off() {
    let directory = Directory::small();
    let settings = [("NEGLIST_HTTP2_PREFACE_SECONDS", "1")];
    let server = Process::start_with(&directory.policies(), &["127.0.0.1:0"], &settings);
    let talking = connect(server.grpc()[0]).await;
    for said in [&b""[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let mut silent = std::net::TcpStream::connect(server.grpc()[0]).unwrap();
        silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        std::io::Write::write_all(&mut silent, said).unwrap();
        let heard = tokio::task::spawn_blocking(move || std::io::Read::read(&mut silent, &mut [0; 64]));
        let heard = within("the end of the connection", heard).await.unwrap();
        // Nothing, or a frame that says goodbye; not the twenty seconds of the test.
        assert!(heard.as_ref().map_or_else(|error| error.kind() == std::io::ErrorKind::ConnectionReset, |_| true));
    }
    // A client that has begun may be silent for as long as it answers the pings.
    assert!(decisions_on(talking).decide(request(transfer(1, 0))).await.is_ok());
    server.stop().await;
}
