//! Persons by identifier, and the subject key, behind a server: in a file, and in PostgreSQL.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use neglist::app::server::{self, Server};
use neglist::cli::console::Exit;
use neglist::ledger::Ledger as _;
use neglist::wire::generated::v1;
use neglist::wire::generated::v1::ledger_service_client::LedgerServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::ledger::support::{allow, general, named, open, reservation};
use crate::policy::commands::{Done, run_in};
use crate::support::clients::transfer;
use crate::support::http_client::get;
use crate::support::postgres_server::{execute, query_number, shared};
use crate::support::server::{Directory, Process, SetClock, address, configuration, connect, serve_arguments};
use crate::support::wait::within;

/// 2026-06-01T12:00:00+08:00.
const NOON: i64 = 1_780_286_400;
/// 2027-01-01T00:00:00+08:00.
const YEAR_END: i64 = 1_798_732_800;

/// A server in this process.
struct Running {
    server: Server,
    client: LedgerServiceClient<Channel>,
}

impl Running {
    /// Starts a server, or returns the reason why it does not start.
    async fn start(
        directory: &Directory,
        clock: &Arc<SetClock>,
        settings: &[(&'static str, &str)],
    ) -> Result<Self, String> {
        let settings = [&[("ledger_clocks_apart_max_seconds", "4000000000")], settings].concat();
        let config = configuration(&directory.policies(), &settings);
        let started = Server::start(&config, server::compiler(&config), clock.clone()).await;
        let server = started.map_err(|error| error.to_string())?;
        let client = LedgerServiceClient::new(connect(&address(&server, "grpc")).await);
        Ok(Self { server, client })
    }

    async fn reserve(&mut self, request: v1::ReserveRequest) -> Result<v1::ReserveResponse, Status> {
        within("an answer", self.client.reserve(request)).await.map(tonic::Response::into_inner)
    }

    /// Reserves, and returns the persons that were added to each counter.
    async fn added(&mut self, request: v1::ReserveRequest) -> Vec<(String, u64)> {
        let response = self.reserve(request).await.unwrap();
        response.changes.into_iter().map(|change| (change.counter, change.added)).collect()
    }

    async fn stop(self) {
        drop(self.client);
        within("the end", self.server.drain()).await;
    }
}

/// A transfer of names of these customers.
fn customers(id: &str, identifiers: &[&str]) -> v1::ReserveRequest {
    v1::ReserveRequest {
        transfer_id: id.to_owned(),
        transfer: Some(v1::Transfer { persons: None, year_to_date: None, ..transfer(0, 0) }),
        general_subject_ids: identifiers.iter().map(|identifier| (*identifier).to_owned()).collect(),
        subject_kind: "customer".to_owned(),
        commit: true,
        ..v1::ReserveRequest::default()
    }
}

/// The change of the national counter of a year.
fn national(year: u16, added: u64) -> Vec<(String, u64)> {
    if added == 0 { Vec::new() } else { vec![(format!("national/general/{year}"), added)] }
}

fn beside(path: &Path) -> PathBuf {
    neglist::ledger::key_file::beside(path)
}

fn command(arguments: &[&str], input: &str) -> Done {
    run_in(&[], arguments, input.as_bytes())
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pairs = hexadecimal.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_counts_once_under_any_spelling_and_once_for_each_kind() {
    let directory = Directory::small();
    let path = directory.beside("ledger");
    let settings = [("ledger", path.to_str().unwrap())];
    let clock = SetClock::at(NOON);
    let mut running = Running::start(&directory, &clock, &settings).await.unwrap();
    assert_eq!(running.added(customers("1", &["a", "b"])).await, national(2026, 2));
    assert_eq!(running.added(customers("2", &["b", "a", "a"])).await, national(2026, 0));
    assert_eq!(running.added(customers("3", &["a", "c"])).await, national(2026, 1));
    // In other spellings.
    let steps = [v1::SubjectNormalisation::Lowercase as i32, v1::SubjectNormalisation::Trim as i32];
    let spelt = v1::ReserveRequest { subject_normalise: steps.to_vec(), ..customers("4", &[" A", "B\u{3000}", "C"]) };
    assert_eq!(running.added(spelt).await, national(2026, 0));
    // Another kind makes another person.
    let patient = v1::ReserveRequest { subject_kind: "patient".to_owned(), ..customers("5", &["a", "b"]) };
    assert_eq!(running.added(patient).await, national(2026, 2));
    // By the caller's own pseudonym, made with the command.
    let key = beside(&path);
    let of_key = ["pseudonym", "--key", key.to_str().unwrap(), "--year", "2026", "--exporter", "somebody"];
    let done = command(&[&of_key[..], &["--kind", "customer", "--normalise", "trim,lowercase"]].concat(), "A \r\nd\n");
    assert_eq!((done.exit, done.err.as_str()), (Exit::Success, ""));
    let general_subjects: Vec<_> = done.out.lines().map(bytes).collect();
    let own = v1::ReserveRequest { general_subjects, subject_kind: String::new(), ..customers("6", &[]) };
    assert_eq!(running.added(own).await, national(2026, 1), "only d is new");
    // The same transfer is replayed; another one under its id is refused.
    let again = running.reserve(customers("1", &["b", "a"])).await.unwrap();
    assert!(again.replayed);
    assert_eq!(running.reserve(customers("1", &["b"])).await.unwrap_err().code(), Code::AlreadyExists);
    running.stop().await;
    // After a restart, under the same key.
    let mut running = Running::start(&directory, &clock, &settings).await.unwrap();
    assert_eq!(running.added(customers("7", &["a", "b", "c", "d"])).await, national(2026, 0));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_one_in_each_year() {
    let directory = Directory::small();
    let path = directory.beside("ledger");
    let clock = SetClock::at(YEAR_END - 1);
    let mut running = Running::start(&directory, &clock, &[("ledger", path.to_str().unwrap())]).await.unwrap();
    assert_eq!(running.added(customers("old", &["a"])).await, national(2026, 1));
    assert_eq!(running.added(customers("old too", &["a"])).await, national(2026, 0));
    clock.set(YEAR_END);
    assert_eq!(running.added(customers("new", &["a"])).await, national(2027, 1));
    assert_eq!(running.added(customers("new too", &["a"])).await, national(2027, 0));
    // A retry in January of a transfer of December is that transfer.
    let retried = running.reserve(customers("old", &["a"])).await.unwrap();
    assert!(retried.replayed);
    assert_eq!(retried.changes[0].counter, "national/general/2026");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_identifier_is_stored_logged_measured_or_answered() {
    const SECRET: &str = "Secret-4711-Ann";
    let directory = Directory::small();
    let path = directory.beside("ledger");
    let arguments: Vec<String> = serve_arguments(&directory.policies(), &["127.0.0.1:0"])
        .into_iter()
        .map(|argument| if argument == "none" { path.to_str().unwrap().to_owned() } else { argument })
        .collect();
    let settings =
        [("NEGLIST_LOG_LEVEL", "trace"), ("NEGLIST_HTTP", "127.0.0.1:0"), ("NEGLIST_LOG_LINE_BYTES_MAX", "1048576")];
    let server = Process::listening(&arguments, &settings);
    let mut client = LedgerServiceClient::new(connect(server.grpc()[0]).await);
    let long = SECRET.repeat(100);
    let digits = format!("{SECRET}\u{664}");
    let valid = || customers("held", &[SECRET]);
    let requests = [
        v1::ReserveRequest { commit: false, ..valid() },
        valid(),
        v1::ReserveRequest { transfer: None, ..valid() },
        v1::ReserveRequest { subject_kind: String::new(), ..valid() },
        v1::ReserveRequest { general_subjects: vec![vec![1; 8]], ..valid() },
        customers("empty", &[SECRET, ""]),
        customers("long", &[SECRET, &long]),
        v1::ReserveRequest {
            subject_normalise: vec![v1::SubjectNormalisation::Digits as i32],
            ..customers("digits", &[&digits])
        },
        customers("held", &[SECRET, "another"]),
    ];
    let mut shown = String::new();
    let mut refused = 0;
    for request in requests {
        match within("an answer", client.reserve(request)).await {
            Ok(response) => write!(shown, "{response:?}").unwrap(),
            Err(status) => {
                refused += 1;
                write!(shown, "{status:?} {:?}", String::from_utf8_lossy(status.details())).unwrap();
            }
        }
    }
    assert_eq!(refused, 7, "{shown}");
    shown += &get(server.http(), "/metrics").body;
    let ended = server.stop().await;
    assert!(ended.stderr.contains("a new subject key was made"), "{}", ended.stderr);
    shown += &ended.stderr;
    let is_in = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    for part in ["secret-4711", "4711-ann"] {
        assert!(!is_in(shown.to_lowercase().as_bytes(), part), "{shown}");
        for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let bytes = fs::read(entry.path()).unwrap().to_ascii_lowercase();
                assert!(!is_in(&bytes, part), "{}", entry.path().display());
            }
        }
    }
    // The key itself is in its file alone.
    let text = fs::read_to_string(beside(&path)).unwrap();
    let key = text.lines().nth(1).unwrap();
    let ledger = fs::read(&path).unwrap();
    assert!(is_in(&ledger, "somebody"), "the search finds a text that is there");
    assert!(!shown.contains(key) && !is_in(&ledger, key));
    assert!(!ledger.windows(32).any(|window| window == bytes(key)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_start_without_the_key_of_its_ledger() {
    let directory = Directory::small();
    let path = directory.beside("ledger");
    let settings = [("ledger", path.to_str().unwrap())];
    let clock = SetClock::at(NOON);
    // A ledger older than keys.
    let before = open(&path);
    before.reserve(reservation("before", named([1, 2])), allow(&[general("national")])).await.unwrap();
    drop(before);
    let mut running = Running::start(&directory, &clock, &settings).await.unwrap();
    assert_eq!(running.added(customers("1", &["a", "b"])).await, national(2026, 2));
    running.stop().await;

    let key = beside(&path);
    let whole = fs::read(&key).unwrap();
    let refused = async || Running::start(&directory, &clock, &settings).await.err().expect("it does not start");
    fs::write(&key, &whole[..50]).unwrap();
    let error = refused().await;
    assert!(error.contains("cut or changed") && error.contains("截断"), "{error}");
    assert_eq!(fs::read(&key).unwrap(), &whole[..50], "it is left as it is");
    fs::remove_file(&key).unwrap();
    let error = refused().await;
    for text in ["is missing, and the ledger counts under the key", "give-up-key", "请从备份"] {
        assert!(error.contains(text), "{error}");
    }
    assert!(!key.exists(), "no other key is made in its place");
    let other = neglist::ledger::key_file::make(&key).unwrap();
    let error = refused().await;
    assert!(error.contains("and the ledger counts under the key"), "{error}");
    assert!(error.contains(&other.fingerprint().to_string()), "{error}");
    fs::write(&key, &whole).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let error = refused().await;
        assert!(error.contains("chmod 600") && error.contains("0644"), "{error}");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    // Put back, it counts on.
    let mut running = Running::start(&directory, &clock, &settings).await.unwrap();
    assert_eq!(running.added(customers("2", &["a", "c"])).await, national(2026, 1));
    running.stop().await;

    // Given up, the next server makes another key, and counts its persons again.
    let ledger = path.to_str().unwrap().to_owned();
    let give_up = move || command(&["ledger", "--ledger", &ledger, "give-up-key", "--persons-are-counted-again"], "");
    let [first, again] = tokio::task::spawn_blocking(move || [give_up(), give_up()]).await.unwrap();
    assert_eq!((first.exit, again.exit), (Exit::Success, Exit::Success), "{}{}", first.err, again.err);
    assert!(first.out.contains("no longer counts under the subject key"), "{}", first.out);
    assert!(again.out.contains("has no subject key: nothing changed"), "{}", again.out);
    fs::remove_file(&key).unwrap();
    let mut running = Running::start(&directory, &clock, &settings).await.unwrap();
    assert_eq!(running.added(customers("3", &["a", "b", "c"])).await, national(2026, 3));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_a_database_count_under_one_key() {
    let Some(postgres) = shared() else { return };
    let (directory, url) = (Directory::small(), postgres.database().await);
    let clock = SetClock::at(NOON);
    let place = |name: &str| directory.beside(name).to_str().unwrap().to_owned();
    let (one, other) = (place("one.key"), place("other.key"));
    // Without a path there is no key, and identifiers are refused.
    let bare = [("ledger", url.as_str())];
    let mut running = Running::start(&directory, &clock, &bare).await.unwrap();
    let refused = running.reserve(customers("0", &["a"])).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("no subject key"), "{refused:?}");
    running.stop().await;
    // A ledger whose tables are older than keys.
    execute(&url, "ALTER TABLE neglist_ledger DROP COLUMN subject_key; UPDATE neglist_schema SET version = 3").await;
    let with = |key| [("ledger", url.as_str()), ("subject_key", key)];
    let mut first = Running::start(&directory, &clock, &with(&one)).await.unwrap();
    assert_eq!(query_number(&url, "SELECT version::INT8 FROM neglist_schema").await, 4);
    assert_eq!(first.added(customers("1", &["a", "b"])).await, national(2026, 2));
    // A second server has no key yet, then another one, then the same.
    let refused = async |settings: &[(&'static str, &str)]| {
        Running::start(&directory, &clock, settings).await.err().expect("it does not start")
    };
    let error = refused(&with(&other)).await;
    assert!(error.contains("is missing, and the ledger counts under the key"), "{error}");
    assert!(!Path::new(&other).exists());
    neglist::ledger::key_file::make(Path::new(&other)).unwrap();
    let error = refused(&with(&other)).await;
    assert!(error.contains("from another server of this ledger"), "{error}");
    let error = refused(&bare).await;
    assert!(error.contains("`subject_key` names no file"), "{error}");
    fs::copy(&one, &other).unwrap();
    let mut second = Running::start(&directory, &clock, &with(&other)).await.unwrap();
    assert_eq!(second.added(customers("2", &["b", "c"])).await, national(2026, 1));
    assert_eq!(first.added(customers("3", &["a", "c"])).await, national(2026, 0));
    first.stop().await;
    second.stop().await;
}

#[test]
fn the_command_prints_the_test_vectors_and_never_an_identifier() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    let mut numbers = [0; 32];
    for (byte, number) in numbers.iter_mut().zip(0..) {
        *byte = number;
    }
    let text = neglist::domain::persons::write_key(&neglist::domain::persons::SubjectKey::from_bytes(numbers));
    fs::write(&key, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let vectors = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/persons.md")).unwrap();
    let rows = vectors.lines().filter(|line| line.starts_with("| 202"));
    let mut checked = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, year, exporter, kind, identifier, pseudonym, _] = cells[..] else { panic!("{row}") };
        let begin =
            ["pseudonym", "--key", key.to_str().unwrap(), "--year", year, "--exporter", exporter, "--kind", kind];
        for (arguments, input) in [(vec![identifier], ""), (vec!["-"], identifier), (vec![], identifier)] {
            let done = command(&[&begin[..], &arguments].concat(), input);
            assert_eq!((done.exit, done.out.trim_end(), done.err.as_str()), (Exit::Success, pseudonym, ""), "{row}");
        }
        checked += 1;
    }
    assert_eq!(checked, 5);
    let begin = ["pseudonym", "--key", key.to_str().unwrap(), "--year", "2026", "--exporter", "acme", "--kind", "c"];
    // The mark that editors write is no part of the first identifier; elsewhere it is one.
    let [marked, plain] = ["\u{feff}c-1\nc-2\n", "c-1\nc-2\n"].map(|input| command(&begin, input).out);
    assert_eq!((marked.lines().count(), &marked), (2, &plain));
    assert_ne!(command(&begin, "c-1\n\u{feff}c-2\n").out, plain);
    let done = command(&begin, "secret-1\n\nsecret-3\n");
    assert_eq!((done.exit, done.err.as_str()), (Exit::Failed, "error: identifier 2: nothing is left of it\n"));
    let done = command(&[&begin[..], &["--normalise", "digits", "secret\u{664}"]].concat(), "");
    assert_eq!(done.err, "error: identifier 1: a digit of another script is in it\n");
    let missing = directory.path().join("missing");
    let done = command(
        &["pseudonym", "--key", missing.to_str().unwrap(), "--year", "2026", "--exporter", "a", "--kind", "c"],
        "",
    );
    assert!(done.exit == Exit::Failed && done.err.contains("there is no subject key at"), "{}", done.err);
    let done = command(&["pseudonym", "--key", "k", "--year", "2026", "--exporter", "a ", "--kind", "c"], "");
    assert!(done.exit == Exit::Usage && done.err.contains("--exporter: not a name"), "{}", done.err);
}
