//! A `PostgreSQL` for tests: the one that `NEGLIST_TEST_POSTGRES_URL` names, or one that is made
//! from Debian's package, lives in a temporary directory and is gone afterwards.
//!
//! Where there is neither, the tests say so and pass, unless `NEGLIST_REQUIRE_POSTGRES=1`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_postgres::NoTls;

use crate::support::missing;

/// A server that runs as long as this is held.
#[derive(Debug)]
pub(crate) struct Server {
    /// URL without the database.
    place: Place,
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
enum Place {
    Given(String),
    Here { socket: PathBuf },
}

#[derive(Debug)]
struct Process {
    binaries: PathBuf,
    directory: tempfile::TempDir,
    options: Vec<String>,
    child: Child,
}

/// One server for all tests that run at the same time and do not change its state.
pub(crate) fn shared() -> Option<Arc<Server>> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = match text_of("NEGLIST_TEST_POSTGRES_URL") {
        Some(url) => Arc::new(Server { place: Place::Given(url), process: Mutex::new(None) }),
        None => Arc::new(own(&[])?),
    };
    *shared = Arc::downgrade(&server);
    Some(server)
}

/// A server of one's own, to be stopped at will or set up in some way.
pub(crate) fn own(options: &[(&str, &str)]) -> Option<Server> {
    own_with(options, |_| {})
}

/// A server of one's own with files beside its data, made before it starts.
pub(crate) fn own_with(options: &[(&str, &str)], files: impl FnOnce(&Path)) -> Option<Server> {
    let Some(binaries) = binaries() else {
        let why = "Install Debian's `postgresql`, or name a server in NEGLIST_TEST_POSTGRES_URL.";
        missing::report("PostgreSQL", why, "NEGLIST_REQUIRE_POSTGRES");
        return None;
    };
    let directory = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
    files(directory.path());
    hand_over(directory.path());
    let initdb = command(&binaries.join("initdb"), directory.path())
        .args(["--username=postgres", "--auth=trust", "--no-locale", "--encoding=UTF8", "--no-sync", "--pgdata"])
        .arg(directory.path().join("data"))
        .output()
        .unwrap();
    assert!(initdb.status.success(), "{}", String::from_utf8_lossy(&initdb.stderr));
    let options: Vec<String> = options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let child = start(&binaries, directory.path(), &options);
    let socket = directory.path().to_owned();
    let process = Process { binaries, directory, options, child };
    Some(Server { place: Place::Here { socket }, process: Mutex::new(Some(process)) })
}

impl Server {
    /// Makes an empty database and returns its URL.
    pub(crate) async fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("neglist_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        execute(&self.url("postgres"), &format!("CREATE DATABASE {name}")).await;
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        match &self.place {
            Place::Given(url) => {
                let (place, query) = url.split_once('?').unwrap_or((url, ""));
                let (scheme, rest) = place.split_once("//").unwrap();
                let host = rest.split('/').next().unwrap();
                format!("{scheme}//{host}/{database}?{query}")
            }
            Place::Here { socket } => {
                let host = socket.to_str().unwrap().replace('/', "%2F");
                format!("postgres://postgres@/{database}?host={host}")
            }
        }
    }

    /// The directory of the server, its data and files.
    pub(crate) fn directory(&self) -> &Path {
        match &self.place {
            Place::Here { socket } => socket,
            Place::Given(_) => panic!("the server is not ours"),
        }
    }

    /// Stops it as a crash would: without writing anything more.
    pub(crate) fn stop(&self) {
        stop(&mut self.process.lock().unwrap().as_mut().unwrap().child, "QUIT");
    }

    /// Starts it again after [`Server::stop`].
    pub(crate) fn start_again(&self) {
        let mut process = self.process.lock().unwrap();
        let process = process.as_mut().unwrap();
        process.child = start(&process.binaries, process.directory.path(), &process.options);
    }

    /// Stops it as a crash would, and starts it again.
    pub(crate) fn crash_and_start(&self) {
        self.stop();
        self.start_again();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.lock().unwrap_or_else(PoisonError::into_inner).take() {
            stop(&mut process.child, "INT");
        }
    }
}

/// When a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before the database gets to see COMMIT.
    BeforeCommit,
    /// When the database has answered COMMIT, before the answer arrives.
    AfterCommit,
    /// The same; and the database cannot be reached from then on.
    AfterCommitForGood,
}

impl Server {
    /// Starts a go-between that cuts the first connections at COMMIT, as many as it is told, and
    /// leaves the others alone. Returns the URL of the database behind it.
    pub(crate) async fn behind(&self, url: &str, cut: Cut, mut cuts: u32) -> String {
        let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
        let socket = self.directory().join(".s.PGSQL.5432");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_gone = Arc::new(AtomicBool::new(false));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if is_gone.load(Ordering::Relaxed) {
                    continue;
                }
                let database = UnixStream::connect(&socket).await.unwrap();
                let left = cuts;
                cuts = cuts.saturating_sub(1);
                let is_gone = Arc::clone(&is_gone);
                tokio::spawn(async move {
                    let was_cut = go_between(client, database, Some(cut).filter(|_| 0 < left)).await;
                    is_gone.fetch_or(was_cut && cut == Cut::AfterCommitForGood, Ordering::Relaxed);
                });
            }
        });
        format!("postgres://postgres@127.0.0.1:{port}/{name}")
    }
}

/// The isolation that a database gives for READ COMMITTED.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stricter {
    /// As databases do without a weaker level than a snapshot of the whole transaction.
    RepeatableRead,
    /// As databases do that know no other level.
    Serializable,
}

impl Server {
    /// Starts a go-between that asks for a stricter isolation than its clients do. Returns the URL of
    /// the database behind it, and how often it did.
    pub(crate) async fn stricter(&self, url: &str, level: Stricter) -> (String, Arc<AtomicU32>) {
        let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
        let socket = self.directory().join(".s.PGSQL.5432");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let database = UnixStream::connect(&socket).await.unwrap();
                tokio::spawn(go_between_stricter(client, database, level, Arc::clone(&counted)));
            }
        });
        (format!("postgres://postgres@127.0.0.1:{port}/{name}"), count)
    }
}

/// Returns a query as the protocol sends it.
fn query(text: &str) -> Vec<u8> {
    let size = u32::try_from(text.len() + 5).unwrap();
    [b"Q", &size.to_be_bytes()[..], text.as_bytes(), b"\0"].concat()
}

/// Passes everything on; where a transaction begins, with a stricter isolation.
async fn go_between_stricter(
    mut client: TcpStream,
    mut database: UnixStream,
    level: Stricter,
    counted: Arc<AtomicU32>,
) -> std::io::Result<()> {
    let asked = query("BEGIN ISOLATION LEVEL READ COMMITTED");
    let given = query(match level {
        Stricter::RepeatableRead => "BEGIN ISOLATION LEVEL REPEATABLE READ",
        Stricter::Serializable => "BEGIN ISOLATION LEVEL SERIALIZABLE",
    });
    let (mut from_client, mut to_client) = client.split();
    let (mut from_database, mut to_database) = database.split();
    let questions = async {
        let mut read = vec![0; 1 << 16];
        loop {
            let size = from_client.read(&mut read).await?;
            // A transaction begins after the client has waited for an answer, so at the beginning of its next bytes.
            if let Some(rest) = read[..size].strip_prefix(asked.as_slice()) {
                counted.fetch_add(1, Ordering::Relaxed);
                to_database.write_all(&[given.as_slice(), rest].concat()).await?;
            } else if size == 0 {
                return to_database.shutdown().await;
            } else {
                to_database.write_all(&read[..size]).await?;
            }
        }
    };
    let answers = tokio::io::copy(&mut from_database, &mut to_client);
    tokio::select! {
        ended = questions => ended,
        ended = answers => ended.map(|_| ()),
    }
}

/// Passes everything on, in both directions, up to the cut. Says whether it cut.
async fn go_between(mut client: TcpStream, mut database: UnixStream, cut: Option<Cut>) -> bool {
    let (mut question, mut answer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut question) => {
                let Ok(size @ 1..) = read else { return false };
                // With the end of the text: READ COMMITTED is another word.
                let is_commit = question[..size].windows(7).any(|word| word == b"COMMIT\0");
                match cut.filter(|_| is_commit) {
                    Some(Cut::BeforeCommit) => return true,
                    Some(Cut::AfterCommit | Cut::AfterCommitForGood) => {
                        database.write_all(&question[..size]).await.unwrap();
                        let mut seen = Vec::new();
                        while !seen.windows(7).any(|word| word == b"COMMIT\0") {
                            let size = database.read(&mut answer).await.unwrap();
                            seen.extend_from_slice(&answer[..size]);
                        }
                        return true;
                    }
                    None => database.write_all(&question[..size]).await.unwrap(),
                }
            }
            read = database.read(&mut answer) => {
                let Ok(size @ 1..) = read else { return false };
                if client.write_all(&answer[..size]).await.is_err() {
                    return false;
                }
            }
        }
    }
}

/// Runs one statement.
pub(crate) async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}

/// Returns the number that a query comes to.
pub(crate) async fn query_number(url: &str, sql: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let number = client.query_one(sql, &[]).await.unwrap().get(0);
    drop(client);
    connection.await.unwrap().unwrap();
    number
}

fn start(binaries: &Path, directory: &Path, options: &[String]) -> Child {
    let mut postgres = command(&binaries.join("postgres"), directory);
    postgres.arg("-D").arg(directory.join("data")).arg("-k").arg(directory);
    for option in ["listen_addresses=", "fsync=on", "max_connections=200", "log_min_messages=log"] {
        postgres.args(["-c", option]);
    }
    for option in options {
        postgres.args(["-c", option]);
    }
    let mut child = postgres.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut seen = String::new();
    loop {
        let Some(Ok(line)) = lines.next() else { panic!("PostgreSQL did not start:\n{seen}") };
        if line.contains("database system is ready to accept connections") {
            break;
        }
        seen.push_str(&line);
        seen.push('\n');
    }
    // Unread output would fill the pipe and stop the server.
    thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    child
}

fn stop(child: &mut Child, signal: &str) {
    let kill = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
    child.wait().unwrap();
}

/// A command that does not run as root, which `PostgreSQL` refuses.
fn command(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).env("LC_ALL", "C").stdin(Stdio::null());
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    command
}

fn hand_over(directory: &Path) {
    let Some((user, group)) = other_user() else { return };
    chown(directory, Some(user), Some(group)).unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        chown(entry.unwrap().path(), Some(user), Some(group)).unwrap();
    }
}

/// Whom to run it as, where this is root.
fn other_user() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let ids = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody"))
}

/// Where the newest installed version is.
fn binaries() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| {
            let path = version.ok()?.path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            Some((number, path.join("bin"))).filter(|(_, bin)| bin.join("initdb").exists())
        })
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}

fn text_of(variable: &str) -> Option<String> {
    std::env::var_os(variable)?.into_string().ok().filter(|text| !text.is_empty())
}
