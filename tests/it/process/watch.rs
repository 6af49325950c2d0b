//! Disturbances of a running server: a log that is not read, a clock that is wrong, policies of unusual size.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use neglist::app::clock_watch::{ClockWatch, Steady};
use neglist::app::server::{self as app_server, Server, StartError};
use neglist::domain::clock::Clock;
use neglist::domain::units::Moment;
use neglist::wire::generated::v1;
use neglist::wire::generated::v1::ledger_service_client::LedgerServiceClient;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::support::clients::{request, transfer};
use crate::support::http_client::get;
use crate::support::server::{
    Directory, Ended, NEVER_MS, Process, SetClock, address, configuration, connect, decisions_on, serve_arguments,
};
use crate::support::small::{PORT, Small};
use crate::support::wait::{until, until_async, within};

/// 2026-06-01T12:00:00+08:00.
const NOON: i64 = 1_780_286_400;
const DAY: i64 = 86_400;
const YEAR: i64 = 365 * DAY;

/// A full pipe: a writer waits for a reader.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    // The last bytes fit one by one.
    for size in [4_096, 1] {
        while writer.write(&vec![b'.'; size]).is_ok() {}
    }
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

/// Returns the arguments of a server with a ledger.
fn with_ledger(directory: &Directory, ledger: &Path) -> Vec<String> {
    let arguments = serve_arguments(&directory.policies(), &["127.0.0.1:0"]).into_iter();
    let ledger = ledger.to_str().unwrap();
    let arguments = arguments.map(|argument| if argument == "none" { ledger.to_owned() } else { argument });
    arguments.chain(["--ledger-create".to_owned()]).collect()
}

/// A server whose stderr goes where the test wants it.
struct Unheard {
    child: Child,
    http: String,
    grpc: String,
}

impl Unheard {
    fn start(directory: &Directory, ledger: &Path, settings: &[(&str, &str)], stderr: impl Into<Stdio>) -> Self {
        let mut command = Command::new("sh");
        // A file that may not grow is an error for the server rather than its end.
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_neglist")]);
        command.args(with_ledger(directory, ledger)).args(["--http", "127.0.0.1:0"]);
        command.env_clear().envs(settings.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut http, mut grpc) = (String::new(), String::new());
        while http.is_empty() || grpc.is_empty() {
            let line = lines.next().expect("an address").unwrap();
            if let Some(address) = line.strip_prefix("listening http ") {
                address.clone_into(&mut http);
            } else if let Some(address) = line.strip_prefix("listening grpc ") {
                address.clone_into(&mut grpc);
            }
        }
        Self { child, http, grpc }
    }

    fn sample(&self, name: &str) -> Option<u64> {
        let body = get(&self.http, "/metrics").body;
        body.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// From now on no file of it may grow, nor be written beyond its beginning.
    fn forbid_writing(&self) {
        let none = Rlimit { current: Some(0), maximum: None };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, none).unwrap();
    }

    /// Stops it; it has no more time than it takes to drain and to give its last lines up.
    async fn stop(mut self) {
        let sent = Command::new("sh").args(["-c", "kill -s TERM \"$0\"", &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let status = until("the end", || self.child.try_wait().unwrap()).await;
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        // It has already ended if the test passed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const QUICK: [(&str, &str); 3] = [
    ("NEGLIST_POLICY_POLL_INTERVAL_MS", "50"),
    ("NEGLIST_POLICY_DEBOUNCE_MS", "1"),
    ("NEGLIST_LOG_QUEUE_LINES_MAX", "16"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b1_a_log_that_is_not_read_stops_nothing() {
    let directory = Directory::small();
    let (_reader, stderr) = full_pipe();
    let server = Unheard::start(&directory, Path::new("none"), &QUICK, stderr);
    let good = Small::new().files.into_iter().find(|file| file.path == PORT).unwrap().text;
    for number in 0..40 {
        directory.write(PORT, &good.replacen("sector: pharma\n", &format!("sector: farma{number}\n"), 1));
        let refused = || server.sample("neglist_reloads_total{result=\"refused\"}").filter(|count| number < *count);
        until("the refusal is counted", refused).await;
    }
    assert_eq!(server.sample("neglist_policy_files{state=\"stale\"}"), Some(1));
    directory.write(PORT, &good.replacen("complete: yes", "# again\ncomplete: yes", 1));
    until("the good ones are in force", || {
        server.sample("neglist_snapshot_revision").filter(|revision| *revision == 2)
    })
    .await;
    assert_eq!(server.sample("neglist_policy_files{state=\"current\"}"), Some(1));
    assert!(0 < server.sample("neglist_log_lines_dropped_total").unwrap());
    assert_eq!(server.sample("neglist_clock{state=\"sound\"}"), Some(1));
    assert_eq!((get(&server.http, "/livez").status, get(&server.http, "/readyz").status), (200, 200));
    let mut client = decisions_on(connect(&server.grpc).await);
    within("a decision", client.decide(request(transfer(1, 0)))).await.unwrap();
    drop(client);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b1_a_log_that_is_not_read_stops_nothing_beside_a_ledger_that_fails() {
    let directory = Directory::small();
    let (_reader, stderr) = full_pipe();
    let server = Unheard::start(&directory, &directory.beside("totals.ledger"), &QUICK, stderr);
    let mut client = LedgerServiceClient::new(connect(&server.grpc).await);
    within("a reservation", client.reserve(reserve("first", 1))).await.unwrap();
    server.forbid_writing();
    for number in 0..50 {
        let failed = within("a refusal", client.reserve(reserve(&format!("t{number}"), 1))).await.unwrap_err();
        assert_eq!(failed.code(), Code::Unavailable, "{failed:?}");
    }
    assert_eq!(get(&server.http, "/livez").status, 200);
    assert_eq!(get(&server.http, "/readyz").status, 503);
    drop(client);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b1_a_refused_start_ends_although_its_output_is_not_read() {
    let directory = Directory::of(&Small::new().with(PORT, "sector: pharma\n", "sector: farma\n").files);
    for arguments in [
        serve_arguments(&directory.policies(), &["127.0.0.1:0"]),
        vec!["serve".to_owned(), "--listen".to_owned(), "nowhere".to_owned()],
    ] {
        let (_reader, writer) = full_pipe();
        let mut command = Command::new(env!("CARGO_BIN_EXE_neglist"));
        command.args(&arguments).env_clear().env("NEGLIST_HTTP", "none");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer).spawn().unwrap();
        let status = until("the end", || child.try_wait().unwrap()).await;
        assert_ne!(status.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b8_calls_that_fail_one_after_the_other_have_a_line_and_then_a_count() {
    let directory = Directory::small();
    let (mut reader, stderr) = std::io::pipe().unwrap();
    let log = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&log);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    });
    let quick = [("NEGLIST_LEDGER_TICK_INTERVAL_MS", "10")];
    let server = Unheard::start(&directory, &directory.beside("totals.ledger"), &quick, stderr);
    let mut client = LedgerServiceClient::new(connect(&server.grpc).await);
    within("an answer", client.reserve(reserve("first", 1))).await.unwrap();
    let before = log.lock().unwrap().lines().count();
    server.forbid_writing();
    for number in 0..1_000 {
        let failed = within("a refusal", client.reserve(reserve(&format!("u{number}"), 1))).await.unwrap_err();
        assert_eq!(failed.code(), Code::Unavailable, "{failed:?}");
    }
    until("the line", || log.lock().unwrap().contains("a call of the ledger failed").then_some(())).await;
    let more = log.lock().unwrap().lines().count() - before;
    assert!(more <= 12, "{more} lines: {}", log.lock().unwrap());
    drop(client);
    server.stop().await;
}

/// A reservation of general persons, to be kept for ten minutes.
fn reserve(id: &str, general: u64) -> v1::ReserveRequest {
    let transfer = v1::Transfer { year_to_date: None, ..transfer(general, 0) };
    v1::ReserveRequest { transfer_id: id.to_owned(), transfer: Some(transfer), ..v1::ReserveRequest::default() }
}

/// A steady clock that a test advances.
#[derive(Debug, Default)]
struct Passing(AtomicI64);

impl Steady for Passing {
    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// A server in this process, on a machine whose clock the test sets.
struct Machine {
    clock: Arc<SetClock>,
    steady: Arc<Passing>,
    server: Server,
}

impl Machine {
    async fn start(directory: &Directory, ledger: &str, seconds: i64) -> Result<Self, StartError> {
        let settings = [
            ("ledger", ledger),
            ("http", "127.0.0.1:0"),
            ("policy_poll_interval_ms", NEVER_MS),
            ("ledger_tick_interval_ms", "10"),
        ];
        let config = configuration(&directory.policies(), &settings);
        let (clock, steady) = (SetClock::at(seconds), Arc::new(Passing::default()));
        let end = neglist::policy::time::calendar().range().1;
        let watch = ClockWatch::over(clock.clone(), steady.clone(), Duration::from_secs(30), end);
        let server = Server::start(&config, app_server::compiler(&config), Arc::new(watch)).await?;
        Ok(Self { clock, steady, server })
    }

    async fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(connect(&address(&self.server, "grpc")).await)
    }

    fn readiness(&self) -> (u16, String) {
        let response = get(&address(&self.server, "http"), "/readyz");
        (response.status, response.json()["status"].as_str().unwrap().to_owned())
    }

    /// Asks for a decision, as clients do and in full.
    async fn decide(&self, transfer: v1::Transfer) -> Result<v1::Outcome, Status> {
        let mut client = decisions_on(connect(&address(&self.server, "grpc")).await);
        let brief = v1::DecideRequest { transfer: Some(transfer.clone()), ..v1::DecideRequest::default() };
        let brief = client.decide(brief).await.map(|answer| answer.into_inner().decision.unwrap().outcome());
        let full = client.decide(request(transfer.clone())).await;
        let full = full.map(|answer| answer.into_inner().decision.unwrap().outcome());
        assert_eq!(brief.as_ref().map_err(Status::message), full.as_ref().map_err(Status::message));
        let batch = v1::DecideBatchRequest { transfers: vec![transfer], ..v1::DecideBatchRequest::default() };
        let batch = client.decide_batch(batch).await.unwrap().into_inner().results.remove(0).result.unwrap();
        match (&full, batch) {
            (Ok(outcome), v1::decide_result::Result::Decision(decision)) => assert_eq!(decision.outcome(), *outcome),
            (Err(status), v1::decide_result::Result::Error(error)) => assert_eq!(error.code, status.code() as i32),
            other => panic!("{other:?}"),
        }
        full
    }
}

#[track_caller]
fn is_clock(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().starts_with("the clock of this server"), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b10_a_wrong_clock_is_reported_as_the_servers_fault() {
    for seconds in [0, 1_500_000_000, 1_767_225_599, 7_258_089_600, 1 << 40] {
        let directory = Directory::small();
        let path = directory.beside("totals.ledger");
        let machine = Machine::start(&directory, path.to_str().unwrap(), seconds).await.unwrap();
        assert_eq!(machine.readiness(), (503, "clock-unusable".to_owned()), "{seconds}");
        is_clock(&machine.decide(transfer(1, 0)).await.unwrap_err());
        is_clock(&machine.decide(v1::Transfer { year_to_date: None, ..transfer(1, 0) }).await.unwrap_err());
        let mut client = machine.ledger().await;
        is_clock(&client.reserve(reserve("a", 1)).await.unwrap_err());
        let usage = v1::GetUsageRequest { exporter: "somebody".into(), year: 0 };
        is_clock(&client.get_usage(usage).await.unwrap_err());
        // A caller that states the moment and the totals needs no clock.
        let at = Some(prost_types::Timestamp { seconds: NOON, nanos: 0 });
        assert_eq!(machine.decide(v1::Transfer { at, ..transfer(1, 0) }).await.unwrap(), v1::Outcome::Allow);
        let unstated = v1::Transfer { at, year_to_date: None, ..transfer(1, 0) };
        is_clock(&machine.decide(unstated).await.unwrap_err());
        // A moment of the caller's own that is out of the calendar is the caller's still.
        let at = Some(prost_types::Timestamp { seconds: 0, nanos: 0 });
        let wrong = machine.decide(v1::Transfer { at, ..transfer(1, 0) }).await.unwrap_err();
        assert_eq!(wrong.code(), Code::InvalidArgument, "{wrong:?}");
        // Once it is set, all goes on.
        machine.clock.set(NOON);
        assert_eq!(machine.readiness(), (200, "ready".to_owned()));
        client.reserve(reserve("a", 1)).await.unwrap();
        drop(client);
        within("the end", machine.server.drain()).await;
    }
}

#[tokio::test]
async fn b10_a_server_that_does_not_watch_its_clock_does_not_blame_the_caller_either() {
    let directory = Directory::small();
    let server = crate::support::server::start(&directory.policies(), SetClock::at(0), &[]).await;
    let mut client = decisions_on(connect(&address(&server, "grpc")).await);
    is_clock(&client.decide(request(transfer(1, 0))).await.unwrap_err());
    drop(client);
    within("the end", server.drain()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b17_a_clock_a_year_ahead_does_not_open_the_next_years_counters() {
    for jump in [YEAR, -120 * DAY, 2 * DAY, 40] {
        let directory = Directory::small();
        let path = directory.beside("totals.ledger");
        let machine = Machine::start(&directory, path.to_str().unwrap(), NOON).await.unwrap();
        let mut client = machine.ledger().await;
        let allowed = client.reserve(reserve("first", 99_000)).await.unwrap().into_inner();
        assert_eq!(allowed.decision.unwrap().outcome(), v1::Outcome::Allow);
        machine.clock.set(NOON + jump);
        // The first look after it may be anybody's.
        let refused = client.reserve(reserve("second", 99_000)).await.unwrap_err();
        is_clock(&refused);
        assert_eq!(machine.readiness(), (503, "clock-jumped".to_owned()), "{jump}");
        let unstated = v1::Transfer { year_to_date: None, ..transfer(1, 0) };
        is_clock(&machine.decide(unstated).await.unwrap_err());
        is_clock(&client.commit(v1::CommitRequest { transfer_id: "first".into() }).await.unwrap_err());
        is_clock(&client.release(v1::ReleaseRequest { transfer_id: "first".into() }).await.unwrap_err());
        // A transfer whose outcome is the same at both moments, and that reads no total, is decided.
        assert_eq!(machine.decide(transfer(1, 0)).await.unwrap(), v1::Outcome::Allow);
        // Reservations do not run out meanwhile, and count on when the clock is back.
        machine.clock.is_read(10).await;
        machine.clock.set(NOON);
        client.commit(v1::CommitRequest { transfer_id: "first".into() }).await.unwrap();
        let more = client.reserve(reserve("third", 99_000)).await.unwrap().into_inner();
        assert_ne!(more.decision.unwrap().outcome(), v1::Outcome::Allow);
        assert_eq!(machine.readiness(), (200, "ready".to_owned()));
        drop(client);
        within("the end", machine.server.drain()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b17_time_that_passes_and_small_corrections_are_no_jump() {
    let directory = Directory::small();
    let path = directory.beside("totals.ledger");
    let machine = Machine::start(&directory, path.to_str().unwrap(), NOON).await.unwrap();
    let mut client = machine.ledger().await;
    for (number, (passed, ahead)) in [(3_600, 0), (3_600 + DAY, 20), (YEAR / 2, 0)].into_iter().enumerate() {
        machine.steady.0.store(passed, Ordering::SeqCst);
        machine.clock.set(NOON + passed + ahead);
        client.reserve(reserve(&format!("t{number}"), 1)).await.unwrap();
        assert_eq!(machine.readiness(), (200, "ready".to_owned()));
    }
    drop(client);
    within("the end", machine.server.drain()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b17_a_start_behind_the_ledger_is_refused_with_the_difference() {
    let directory = Directory::small();
    let path = directory.beside("totals.ledger");
    let machine = Machine::start(&directory, path.to_str().unwrap(), NOON).await.unwrap();
    let mut client = machine.ledger().await;
    let kept = v1::ReserveRequest { commit: true, ..reserve("first", 1) };
    client.reserve(kept).await.unwrap();
    drop(client);
    within("the end", machine.server.drain()).await;
    for (seconds, is_started) in [(NOON - DAY, false), (0, false), (NOON - 301, false), (NOON - 300, true)] {
        match restarted(&directory, path.to_str().unwrap(), seconds).await {
            Ok(machine) => {
                assert!(is_started, "{seconds}");
                within("the end", machine.server.drain()).await;
            }
            Err(error) => {
                assert!(!is_started, "{error}");
                let behind = format!("the clock of this machine is {} s behind", NOON - seconds);
                assert!(error.to_string().contains(&behind), "{error}");
                assert!(error.to_string().contains("ledger_start_behind_max_seconds"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn b17_a_moment_other_than_now_is_refused_with_the_servers_moment() {
    let directory = Directory::small();
    let path = directory.beside("totals.ledger");
    let settings = [("ledger", path.to_str().unwrap())];
    let server = crate::support::server::start(&directory.policies(), SetClock::at(NOON), &settings).await;
    let mut client = LedgerServiceClient::new(connect(&address(&server, "grpc")).await);
    let mut asked = reserve("a", 1);
    asked.transfer.as_mut().unwrap().at = Some(prost_types::Timestamp { seconds: NOON + DAY, nanos: 0 });
    let refused = client.reserve(asked).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    for moment in ["2026-06-02T04:00:00Z is stated", "the server's clock says 2026-06-01T04:00:00Z"] {
        assert!(refused.message().contains(moment), "{refused:?}");
    }
    drop(client);
    within("the end", server.drain()).await;
}

/// Starts a server on a ledger that the previous server may not have closed yet.
async fn restarted(directory: &Directory, ledger: &str, seconds: i64) -> Result<Machine, StartError> {
    let start = async || match Machine::start(directory, ledger, seconds).await {
        Err(error) if error.to_string().contains("another process has it open") => None,
        started => Some(started),
    };
    until_async("the ledger is free", start).await
}

/// Returns a registry of about this many bytes.
fn registry_of(bytes: usize) -> String {
    let mut text = "format: 1\nkind: registry\nexporters:\n".to_owned();
    for number in 0..bytes / 800 {
        let facts = "zones: [port], ciio: no, kinds: [], held: {general: 0, sensitive: 0, specially_sensitive: 0}";
        writeln!(text, "  - {{id: company-{number}, name: {{zh: 公司, en: company}}, {facts}}}").unwrap();
    }
    text.push_str("flows:\n");
    for number in 0.. {
        if bytes <= text.len() {
            break;
        }
        let what = "sector: pharma, scenario: clinical-trial, items: [{code: health.diagnosis}], ground: none";
        let who = format!("exporter: company-{}, recipient: lab-{number}, destination: CH", number % (bytes / 800));
        writeln!(text, "  - {{id: flow-{number}, {who}, {what}}}").unwrap();
    }
    text + "clearances: []\ncomplete: yes\n"
}

/// Returns a registry of about this many bytes that is faulty from end to end, with as many values as a file may have.
fn wrong_registry_of(bytes: usize) -> String {
    format!("format: 1\nkind: registry\nexporters: [{}]\ncomplete: yes\n", "123,".repeat(bytes / 4))
}

/// Returns the most memory that a process had, in bytes.
fn memory_max(process: &Process, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b19_a_file_takes_no_more_memory_than_its_multiple() {
    const BYTES: usize = 1 << 20;
    /// Other memory of a server and its allocator.
    const BESIDES: u64 = 16 << 20;
    let factor = neglist::live::read::FILE_MEMORY_FACTOR;
    for (name, text) in [("valid", registry_of(BYTES)), ("wrong", wrong_registry_of(BYTES))] {
        let directory = Directory::small();
        let settings = [("NEGLIST_POLICY_POLL_INTERVAL_MS", NEVER_MS), ("NEGLIST_POLICY_DEBOUNCE_MS", "10000")];
        let server = Process::start_with(&directory.policies(), &["127.0.0.1:0"], &settings);
        let before = memory_max(&server, "VmHWM:");
        directory.write("registry/large.yaml", &text);
        let mut admin = server.policies().await;
        tokio::time::timeout(Duration::from_mins(2), admin.reload(v1::ReloadRequest {})).await.unwrap().unwrap();
        let took = memory_max(&server, "VmHWM:").saturating_sub(before);
        println!("{name}: {} bytes took {took}, {} times as much", text.len(), took / text.len() as u64);
        assert!(took < factor * text.len() as u64 + BESIDES, "{name}: {took} for {}", text.len());
        // The default limit keeps a reload within some 256 MiB.
        assert!(neglist::live::read::ReadLimits::default().file_bytes_max * factor <= 256 << 20);
    }
}

#[tokio::test]
async fn b19_a_file_beyond_the_limit_is_refused_with_the_setting_and_the_cost_of_a_higher_one() {
    let directory = Directory::of(&Small::new().and("registry/large.yaml", &registry_of(20_000)).files);
    let arguments = serve_arguments(&directory.policies(), &["127.0.0.1:0"]);
    for (settings, said) in [
        (
            vec![("NEGLIST_POLICY_FILE_BYTES_MAX", "19000")],
            &["and `policy_file_bytes_max` is 19000", "takes up to 1 MiB of memory"][..],
        ),
        (
            vec![("NEGLIST_POLICY_FILE_BYTES_MAX", "21000"), ("NEGLIST_POLICY_TOTAL_BYTES_MAX", "21000")],
            &["more than 21000 bytes, which is `policy_total_bytes_max`", "each MiB takes up to 12 MiB of memory"],
        ),
    ] {
        let Ended { code, stderr, .. } = Process::spawn(&arguments, &settings).ended().await;
        assert_eq!(code, Some(1), "{stderr}");
        let check = ["check".to_owned(), directory.policies().to_str().unwrap().to_owned()];
        let checked = Process::spawn(&check, &settings).ended().await;
        for said in said {
            assert!(stderr.contains(said), "{said} is not in {stderr}");
            assert!(checked.stdout.contains(said) || checked.stderr.contains(said), "{said}: {checked:?}");
        }
    }
}

#[test]
fn b19_a_file_of_nothing_but_values_is_refused_and_findings_are_bounded() {
    use neglist::policy::{Limits, PolicyFile, compile};
    let limits = Limits { entries_max: 1_000_000, depth_max: 32 };
    let of = |text: String| compile(&[PolicyFile { path: "registry/a.yaml".to_owned(), text }], &limits);
    let dense = of(format!("format: 1\nkind: registry\nexporters: [{}]\ncomplete: yes\n", "1,".repeat(100_000)));
    assert!(dense.snapshot.is_none());
    assert!(
        dense.diagnostics[0].message.contains("more than one value for each 4 bytes"),
        "{:?}",
        dense.diagnostics[0]
    );
    let wrong = of(wrong_registry_of(100_000));
    assert!(wrong.snapshot.is_none());
    assert!((1_000..2_100).contains(&wrong.diagnostics.len()), "{}", wrong.diagnostics.len());
    let last = wrong.diagnostics.iter().filter(|found| found.message.contains("the remaining ones")).count();
    assert_eq!(last, 1);
}

#[test]
fn b10_moments_of_the_calendar_are_those_of_the_test() {
    let end = neglist::policy::time::calendar().range().1;
    assert_eq!(end, Moment::from_seconds(7_258_089_600));
    assert_eq!(SetClock::at(NOON).now(), Moment::from_seconds(NOON));
}
