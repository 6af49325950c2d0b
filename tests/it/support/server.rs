//! Servers for tests: the real binary in its own process, and a server in this process with a clock of the test.
//!
//! Every listener is on `127.0.0.1:0` or on a unix socket in a temporary directory.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use neglist::app::server::{self, Server};
use neglist::config::{self, Config, Flags};
use neglist::domain::clock::Clock;
use neglist::domain::units::Moment;
use neglist::live::digest;
use neglist::policy::PolicyFile;
use neglist::wire::generated::v1::decision_service_client::DecisionServiceClient;
use neglist::wire::generated::v1::policy_service_client::PolicyServiceClient;
use tonic::transport::{Channel, Endpoint};

use crate::support::small::Small;
use crate::support::wait::{DEADLINE, until, within};

/// So long that a change which is noticed cannot have been found by comparing.
pub(crate) const NEVER_MS: &str = "3600000";

/// A policy directory that is removed at the end of the test.
#[derive(Debug)]
pub(crate) struct Directory {
    root: tempfile::TempDir,
}

impl Directory {
    /// Returns a directory with these files.
    pub(crate) fn of(files: &[PolicyFile]) -> Self {
        let directory = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(directory.policies()).unwrap();
        for file in files {
            directory.write(&file.path, &file.text);
        }
        directory
    }

    /// Returns the directory that fits on a few screens.
    pub(crate) fn small() -> Self {
        Self::of(&Small::new().files)
    }

    /// Returns the policy directory.
    pub(crate) fn policies(&self) -> PathBuf {
        self.beside("policies")
    }

    /// Returns a path beside the policy directory.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Returns a path in the policy directory.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.policies().join(relative)
    }

    /// Writes a file of the policy directory in place.
    pub(crate) fn write(&self, relative: &str, text: &str) {
        write(&self.path(relative), text);
    }
}

/// Writes a file, and makes its directory where there is none.
pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Returns the digest that a server has for these files.
pub(crate) fn digest_of(files: &[PolicyFile]) -> String {
    let policies: Vec<_> = files.iter().filter(|file| !file.path.ends_with("_test.yaml")).cloned().collect();
    digest::of_files(&policies)
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit code; `None` where a signal killed it.
    pub(crate) code: Option<i32>,
    /// Its text on stdout after its listeners.
    pub(crate) stdout: String,
    /// Its text on stderr.
    pub(crate) stderr: String,
}

/// `neglist serve` in its own process; killed if the test does not stop it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    listening: Vec<(String, String)>,
    lines: Receiver<String>,
    stderr: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a server of a policy directory on one TCP port, with an admin listener.
    pub(crate) fn start(policies: &Path) -> Self {
        Self::start_with(policies, &["127.0.0.1:0"], &[])
    }

    /// Starts a server on these addresses, with an admin listener; `settings` go into the environment.
    pub(crate) fn start_with(policies: &Path, listen: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::listening(&serve_arguments(policies, listen), settings)
    }

    /// Starts a server with arguments, and waits until it listens on each address that they name.
    pub(crate) fn listening(arguments: &[impl AsRef<OsStr>], settings: &[(&str, &str)]) -> Self {
        let mut process = Self::spawn(arguments, settings);
        let is_address = |argument: &&_| ["--listen", "--admin", "--http"].map(OsStr::new).contains(argument);
        let http = settings.iter().filter(|(key, address)| *key == "NEGLIST_HTTP" && *address != "none").count();
        for _ in 0..http + arguments.iter().map(AsRef::as_ref).filter(is_address).count() {
            let Ok(line) = process.lines.recv_timeout(DEADLINE) else {
                panic!("the server does not listen:\n{}", process.stderr());
            };
            let [word, door, address] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            assert_eq!(word, "listening");
            process.listening.push((door.to_owned(), address.to_owned()));
        }
        process
    }

    /// Starts the binary with arguments, without waiting for a result.
    pub(crate) fn spawn(arguments: &[impl AsRef<OsStr>], settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neglist"));
        // Variables of the tests themselves begin with `NEGLIST_` too, which a server refuses.
        command.args(arguments).env_clear();
        // The default port may be taken; a test that asks over HTTP names an address of its own.
        command.env("NEGLIST_HTTP", "none").env("NEGLIST_LEDGER_CREATE", "yes").envs(settings.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let read_stdout = move || stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        let stderr = Arc::new(Mutex::new(String::new()));
        let (mut pipe, into) = (child.stderr.take().unwrap(), stderr.clone());
        let read_stderr = move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        };
        let readers = vec![std::thread::spawn(read_stdout), std::thread::spawn(read_stderr)];
        Self { child, listening: Vec::new(), lines, stderr, readers }
    }

    /// Returns the addresses of the gRPC listeners.
    pub(crate) fn grpc(&self) -> Vec<&str> {
        self.addresses("grpc")
    }

    /// Returns the address of the HTTP listener.
    pub(crate) fn http(&self) -> &str {
        self.addresses("http")[0]
    }

    /// Returns the address of the admin listener.
    pub(crate) fn admin(&self) -> &str {
        self.addresses("admin")[0]
    }

    fn addresses(&self, door: &str) -> Vec<&str> {
        self.listening.iter().filter(|(other, _)| other == door).map(|(_, address)| address.as_str()).collect()
    }

    /// Returns a client of the first gRPC listener, on a connection of its own.
    pub(crate) async fn decisions(&self) -> DecisionServiceClient<Channel> {
        decisions_on(connect(self.grpc()[0]).await)
    }

    /// Returns a client of the admin listener, on a connection of its own.
    pub(crate) async fn policies(&self) -> PolicyServiceClient<Channel> {
        PolicyServiceClient::new(connect(self.admin()).await)
    }

    /// Returns the id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns its text on stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Sends it a signal: `TERM`, `INT`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        // The shell's own `kill`: the command of that name is not everywhere.
        let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &self.id().to_string()]).status();
        assert!(sent.unwrap().success(), "cannot send SIG{name}");
    }

    /// Says whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(mut self) -> Ended {
        let status = until("the process ends", || self.child.try_wait().unwrap()).await;
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let stdout = self.lines.try_iter().collect::<Vec<_>>().join("\n");
        Ended { code: status.code(), stdout, stderr: self.stderr() }
    }

    /// Stops it with SIGTERM; fails the test unless the stop is clean.
    pub(crate) async fn stop(self) -> Ended {
        self.signal("TERM");
        let ended = self.ended().await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
        assert!(ended.stderr.trim_end().ends_with("stopped"), "{}", ended.stderr);
        for grave in ["ERROR", "panicked"] {
            assert!(!ended.stderr.contains(grave), "{}", ended.stderr);
        }
        ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has already ended if the test passed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the arguments of `neglist serve`.
pub(crate) fn serve_arguments(policies: &Path, listen: &[&str]) -> Vec<String> {
    let mut arguments =
        ["serve", "--policies", policies.to_str().unwrap(), "--admin", "127.0.0.1:0", "--ledger", "none"].to_vec();
    for address in listen {
        arguments.extend(["--listen", address]);
    }
    arguments.into_iter().map(str::to_owned).collect()
}

/// Connects to an address as a server writes it.
pub(crate) async fn connect(address: &str) -> Channel {
    let uri = if address.starts_with("unix:") { address.to_owned() } else { format!("http://{address}") };
    within("a connection", Endpoint::from_shared(uri).unwrap().connect()).await.unwrap()
}

/// Returns a client of decisions on a connection.
pub(crate) fn decisions_on(channel: Channel) -> DecisionServiceClient<Channel> {
    DecisionServiceClient::new(channel).max_decoding_message_size(usize::MAX)
}

/// A clock that a test sets.
#[derive(Debug)]
pub(crate) struct SetClock {
    seconds: AtomicI64,
    /// How often it was read.
    looks: AtomicUsize,
}

impl SetClock {
    /// Returns a clock that stands at a moment.
    pub(crate) fn at(seconds: i64) -> Arc<Self> {
        Arc::new(Self { seconds: AtomicI64::new(seconds), looks: AtomicUsize::new(0) })
    }

    /// Sets it.
    pub(crate) fn set(&self, seconds: i64) {
        self.seconds.store(seconds, Ordering::SeqCst);
    }

    /// Waits until it has been read this many times more: without requests, by the upkeep of the server.
    pub(crate) async fn is_read(&self, times: usize) {
        let before = self.looks.load(Ordering::SeqCst);
        until("the clock is read", || (before + times <= self.looks.load(Ordering::SeqCst)).then_some(())).await;
    }
}

impl Clock for SetClock {
    fn now(&self) -> Moment {
        self.looks.fetch_add(1, Ordering::SeqCst);
        Moment::from_seconds(self.seconds.load(Ordering::SeqCst))
    }
}

/// Returns the configuration of a server in this process, with one TCP port and an admin listener.
pub(crate) fn configuration(policies: &Path, settings: &[(&'static str, &str)]) -> Config {
    let mut values = vec![
        ("policies", vec![policies.to_str().unwrap().to_owned()]),
        ("listen", vec!["127.0.0.1:0".to_owned()]),
        ("admin", vec!["127.0.0.1:0".to_owned()]),
        ("ledger", vec!["none".to_owned()]),
        ("ledger_create", vec!["yes".to_owned()]),
        ("http", vec!["none".to_owned()]),
    ];
    values.extend(settings.iter().map(|(key, value)| (*key, vec![(*value).to_owned()])));
    config::load(&Flags { config: None, values }, []).unwrap().config
}

/// Starts a server in this process.
pub(crate) async fn start(policies: &Path, clock: Arc<dyn Clock>, settings: &[(&'static str, &str)]) -> Server {
    let config = configuration(policies, settings);
    Server::start(&config, server::compiler(&config), clock).await.unwrap()
}

/// Returns the address of one of its doors, `grpc`, `http` or `admin`.
pub(crate) fn address(server: &Server, door: &str) -> String {
    let (_, address) = server.listening().iter().find(|(other, _)| other.to_string() == door).unwrap();
    address.to_string()
}
