//! Unregistered exporters: whether they are counted, the limit of new ones, and their removal.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use neglist::app::server::Server;
use neglist::cli::console::Exit;
use neglist::domain::units::Year;
use neglist::ledger::postgres::{PostgresLedger, Settings, Tables};
use neglist::ledger::{Account, Hold, Ledger, Reservation};
use neglist::wire::generated::v1;
use neglist::wire::generated::v1::ledger_service_client::LedgerServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::ledger::support::{START, account, allow, check_sound, counted, general, named, open, reservation, wait};
use crate::policy::commands::{Done, name, run, run_in, written};
use crate::support::clients::{self, transfer};
use crate::support::postgres_server;
use crate::support::server::{Directory, NEVER_MS, SetClock, address, connect, start};
use crate::support::small::{GATE, OWN, Small};

/// 2026-06-01T12:00:00+08:00.
const NOON: i64 = 1_780_286_400;

struct Scene {
    directory: Directory,
    clock: Arc<SetClock>,
    ledger: String,
    server: Server,
    client: LedgerServiceClient<Channel>,
}

impl Scene {
    async fn with(settings: &[(&'static str, &str)]) -> Self {
        let directory = Directory::small();
        let ledger = directory.beside("ledger").to_str().unwrap().to_owned();
        Self::at(directory, ledger, settings).await
    }

    async fn at(directory: Directory, ledger: String, settings: &[(&'static str, &str)]) -> Self {
        Self::by(SetClock::at(NOON), directory, ledger, settings).await
    }

    async fn by(clock: Arc<SetClock>, directory: Directory, ledger: String, settings: &[(&'static str, &str)]) -> Self {
        let always = [
            ("ledger", ledger.as_str()),
            ("policy_poll_interval_ms", NEVER_MS),
            ("ledger_clocks_apart_max_seconds", "4000000000"),
        ];
        let server = start(&directory.policies(), clock.clone(), &[&always[..], settings].concat()).await;
        let client = LedgerServiceClient::new(connect(&address(&server, "grpc")).await);
        Self { directory, clock, ledger, server, client }
    }

    async fn restart(self, settings: &[(&'static str, &str)]) -> Self {
        let Self { directory, clock, ledger, server, client } = self;
        drop(client);
        server.drain().await;
        Self::by(clock, directory, ledger, settings).await
    }

    async fn reserve(&mut self, id: &str, transfer: v1::Transfer) -> Result<v1::ReserveResponse, Status> {
        let request = v1::ReserveRequest {
            transfer_id: id.into(),
            transfer: Some(transfer),
            commit: true,
            ..v1::ReserveRequest::default()
        };
        self.client.reserve(request).await.map(tonic::Response::into_inner)
    }

    async fn end(self) {
        drop(self.client);
        self.server.drain().await;
    }
}

/// One person's name, by an unregistered exporter.
fn of(exporter: &str) -> v1::Transfer {
    v1::Transfer { exporter: exporter.into(), year_to_date: None, ..transfer(1, 0) }
}

/// The same by a registered exporter.
fn registered() -> v1::Transfer {
    let (sector, scenario) = ("other".into(), "other".into());
    v1::Transfer { exporter: "acme".into(), exporter_facts: None, sector, scenario, ..of("") }
}

#[track_caller]
fn too_many(answer: Result<v1::ReserveResponse, Status>, seconds: u64) {
    let status = answer.unwrap_err();
    let details = status.get_error_details();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(details.error_info().unwrap().reason, "TOO_MANY_NEW_EXPORTERS");
    assert_eq!(details.retry_info().unwrap().retry_delay.unwrap().as_secs(), seconds);
    assert!(details.localized_message().unwrap().message.contains("未登记"));
}

/// Ledgers of the tests: a file, and a database if there is one.
async fn ledgers(database: Option<&postgres_server::Server>) -> Vec<(Directory, String)> {
    let directory = Directory::small();
    let path = directory.beside("ledger").to_str().unwrap().to_owned();
    let mut found = vec![(directory, path)];
    if let Some(server) = database {
        found.push((Directory::small(), server.database().await));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_only_registered_exporters_are_counted_if_others_are_refused() {
    let mut scene = Scene::with(&[]).await;
    let first = scene.reserve("before", of("invented")).await.unwrap();
    let mut scene = scene.restart(&[("unregistered_exporters", "refuse")]).await;
    for exporter in ["invented", "another"] {
        let refusal = clients::refusal(&scene.reserve("new", of(exporter)).await.unwrap_err());
        assert_eq!(refusal, [("transfer.exporter".to_owned(), "EXPORTER_NOT_REGISTERED".to_owned())]);
    }
    // A request that was answered once is answered again.
    let again = scene.reserve("before", of("invented")).await.unwrap();
    assert!(again.replayed && again.decision == first.decision);
    assert!(scene.reserve("own", registered()).await.is_ok());
    // `Decide` gives the same answer.
    let mut decisions = crate::support::server::decisions_on(connect(&address(&scene.server, "grpc")).await);
    let decided = decisions.decide(clients::request(transfer(1, 0))).await.unwrap().into_inner().decision.unwrap();
    assert_eq!(decided.outcome(), v1::Outcome::Allow);
    drop(decisions);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_new_exporters_are_limited_by_the_hour() {
    let database = postgres_server::shared();
    for (directory, ledger) in ledgers(database.as_deref()).await {
        let settings = [("unregistered_exporters_new_per_hour_max", "3")];
        let mut scene = Scene::at(directory, ledger, &settings).await;
        for number in 0..3 {
            scene.reserve(&format!("first-{number}"), of(&format!("invented-{number}"))).await.unwrap();
        }
        scene.clock.set(NOON + 600);
        too_many(scene.reserve("fourth", of("invented-3")).await, 3_000);
        // Exporters that began before, registered ones, and answered requests still pass.
        scene.reserve("more", of("invented-1")).await.unwrap();
        scene.reserve("own", registered()).await.unwrap();
        assert!(scene.reserve("first-0", of("invented-0")).await.unwrap().replayed);
        // Nothing of the fourth is in the ledger.
        let usage = scene.client.get_usage(v1::GetUsageRequest { exporter: "invented-3".into(), year: 2026 }).await;
        assert_eq!(usage.unwrap_err().code(), Code::NotFound);
        // A restarted server knows the earlier exporters from the ledger; its hour begins again.
        let mut scene = scene.restart(&[("unregistered_exporters_new_per_hour_max", "0")]).await;
        too_many(scene.reserve("fifth", of("invented-4")).await, 3_600);
        scene.reserve("even-more", of("invented-2")).await.unwrap();
        let mut scene = scene.restart(&settings).await;
        scene.reserve("fifth", of("invented-4")).await.unwrap();
        scene.end().await;
    }
}

/// All callers share one limit, and an account of another year is new as well.
#[tokio::test(flavor = "multi_thread")]
async fn b12_all_callers_together_have_a_limit() {
    let mut scene = Scene::with(&[("unregistered_exporters_new_in_all_per_hour_max", "2")]).await;
    scene.reserve("a", of("invented-a")).await.unwrap();
    scene.reserve("b", of("invented-b")).await.unwrap();
    too_many(scene.reserve("c", of("invented-c")).await, 3_600);
    scene.clock.set(NOON + 3_600);
    scene.reserve("c", of("invented-c")).await.unwrap();
    scene.end().await;
}

/// A caller is an address, and a unix socket is another.
#[tokio::test(flavor = "multi_thread")]
async fn b12_each_caller_has_its_own_limit() {
    let directory = Directory::small();
    let socket = format!("unix:{}", directory.beside("socket").display());
    let ledger = directory.beside("ledger").to_str().unwrap().to_owned();
    let settings =
        [("listen", socket.as_str()), ("unregistered_exporters_new_per_hour_max", "1"), ("http", "127.0.0.1:0")];
    let mut here = Scene::at(directory, ledger, &settings).await;
    here.reserve("a", of("invented-a")).await.unwrap();
    too_many(here.reserve("b", of("invented-b")).await, 3_600);
    // The same on another connection.
    here.client = LedgerServiceClient::new(connect(&socket).await);
    too_many(here.reserve("b", of("invented-b")).await, 3_600);
    here.end().await;
}

/// A ledger for commands, in a file or in a database.
struct Books {
    place: tempfile::TempDir,
    url: Option<String>,
    policies: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    _database: Option<Arc<postgres_server::Server>>,
}

impl Books {
    /// Returns one in a file, and one in a database if there is one.
    fn all() -> Vec<Self> {
        let database = postgres_server::shared();
        let in_file = Self::new(None);
        std::iter::once(in_file).chain(database.map(|database| Self::new(Some(database)))).collect()
    }

    fn new(database: Option<Arc<postgres_server::Server>>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let url = database.as_ref().map(|database| runtime.block_on(database.database()));
        let (place, policies) = (tempfile::tempdir().unwrap(), written(&Small::new()));
        Self { place, url, policies, runtime, _database: database }
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("ledger")
    }

    fn named(&self) -> String {
        self.url.clone().unwrap_or_else(|| self.path().to_str().unwrap().to_owned())
    }

    /// Runs a function on the ledger, and closes it.
    fn with<T>(&self, work: impl AsyncFnOnce(&dyn Ledger) -> T) -> T {
        match &self.url {
            None => wait(work(&open(&self.path()))),
            Some(url) => self.runtime.block_on(async {
                let settings = Settings { tables: Tables::Make, ..Settings::default() };
                work(&PostgresLedger::connect(url, settings).await.unwrap()).await
            }),
        }
    }

    /// Counts persons of an exporter in a year, for good.
    fn count(&self, exporter: &str, year: u16, persons: u64) {
        self.with(async |ledger| {
            let account = Account { exporter: exporter.to_owned(), year: Year(year) };
            let id = format!("{exporter}/{year}");
            let reservation = Reservation { account, ..reservation(&id, counted(persons, 0)) };
            ledger.reserve(reservation, allow(&[general("national")])).await.unwrap();
        });
    }

    fn total(&self, exporter: &str) -> u64 {
        let counter = general("national");
        self.with(async |ledger| ledger.read(&account(exporter), std::slice::from_ref(&counter), START).await.unwrap())
            [&counter]
    }

    fn forget(&self, arguments: &[&str]) -> Done {
        let policies = name(&self.policies);
        let environment = [("NEGLIST_LEDGER", self.named()), ("NEGLIST_POLICIES", policies.to_owned())];
        let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
        run_in(&environment, &[&["ledger", "forget"], arguments].concat(), b"")
    }

    fn is_sound(&self) {
        let verified = run(&["ledger", "--ledger", &self.named(), "verify"]);
        assert_eq!((verified.exit, verified.err.as_str()), (Exit::Success, ""), "{}", verified.out);
    }
}

#[track_caller]
fn ends(done: &Done, exit: Exit, texts: &[&str]) -> String {
    assert_eq!(done.exit, exit, "{}{}", done.out, done.err);
    let said = format!("{}{}", done.out, done.err);
    for text in texts {
        assert!(said.contains(text), "`{text}` is not in\n{said}");
    }
    said
}

#[test]
fn b12_an_operator_forgets_an_invented_exporter() {
    for books in Books::all() {
        books.count("invented", 2026, 95_000);
        books.count("acme", 2026, 7);
        // First a dry run; then a refusal without the flag, because the account has counts.
        let would =
            ["would be forgotten: 1 account; later transfers of these exporters are counted from zero", "95000"];
        ends(&books.forget(&["--exporter", "invented", "--dry-run", "--count-anew"]), Exit::Success, &would);
        let left = ["kept: `invented` in 2026: it has counted persons", "`--count-anew`", "nothing was forgotten"];
        ends(&books.forget(&["--exporter", "invented"]), Exit::Failed, &left);
        let left = ["kept: `invented` in 2026: it has counted persons", "nothing would be forgotten"];
        ends(&books.forget(&["--exporter", "invented", "--dry-run"]), Exit::Failed, &left);
        assert_eq!(books.total("invented"), 95_000);
        let gone = ["forgotten: 1 account; later transfers of these exporters are counted from zero", "95000"];
        let said = ends(&books.forget(&["--exporter", "invented", "--count-anew"]), Exit::Success, &gone);
        assert!(!said.contains("acme"), "{said}");
        assert_eq!((books.total("invented"), books.total("acme")), (0, 7));
        ends(&books.forget(&["--exporter", "invented", "--count-anew"]), Exit::Success, &["nothing was forgotten"]);
        books.is_sound();
        // The exporter may begin again, with the same transfers.
        books.count("invented", 2026, 5);
        assert_eq!(books.total("invented"), 5);
        books.is_sound();
    }
}

#[test]
fn b12_a_registered_exporter_is_not_forgotten_by_mistake() {
    for books in Books::all() {
        books.count("acme", 2026, 7);
        for flags in [&["--dry-run"][..], &["--count-anew"]] {
            let done = books.forget(&[&["--exporter", "acme"], flags].concat());
            ends(&done, Exit::Failed, &["`acme` is registered", "`--even-registered`"]);
        }
        assert_eq!(books.total("acme"), 7);
        // Unreadable policies do not tell which exporters are registered.
        let nowhere = books.place.path().join("nowhere");
        let nowhere = nowhere.to_str().unwrap();
        let done = books.forget(&["--exporter", "other", "--policies", nowhere, "--count-anew"]);
        assert_eq!(done.exit, Exit::Failed, "{}", done.err);
        let anew = ["--exporter", "acme", "--even-registered", "--count-anew"];
        ends(&books.forget(&anew), Exit::Success, &["forgotten: 1 account"]);
        assert_eq!(books.total("acme"), 0);
    }
}

#[test]
fn b12_all_unregistered_exporters_are_forgotten_together() {
    for books in Books::all() {
        for (exporter, year) in [("acme", 2026), ("invented-a", 2026), ("invented-b", 2026), ("invented-b", 2025)] {
            books.count(exporter, year, 3);
        }
        // Persons by name, an import, and a standing reservation.
        books.with(async |ledger| {
            let account = account("invented-c");
            let by_name = Reservation { account: account.clone(), ..reservation("c/names", named(0..9)) };
            ledger.reserve(by_name, allow(&[general("national")])).await.unwrap();
            // Beyond the moment of the command.
            let until = Hold::Until(START.plus_seconds(20_000_000));
            let standing = Reservation { account, hold: until, ..reservation("c/standing", counted(1, 0)) };
            ledger.reserve(standing, allow(&[general("national")])).await.unwrap();
        });
        // A past year is not needed any more.
        let done = books.forget(&["--unregistered", "--year", "2025"]);
        ends(&done, Exit::Success, &["invented-b", "forgotten: 1 account;"]);
        let done = books.forget(&["--unregistered", "--count-anew"]);
        let texts = ["kept: `invented-c` in 2026: it has pending reservations", "forgotten: 2 accounts;"];
        let said = ends(&done, Exit::Failed, &texts);
        assert!(!said.contains("acme"), "{said}");
        let totals = ["acme", "invented-a", "invented-b", "invented-c"].map(|exporter| books.total(exporter));
        assert_eq!(totals, [3, 0, 0, 10]);
        books.is_sound();
        books.with(async |ledger| ledger.commit("c/standing", START).await.unwrap());
        ends(&books.forget(&["--unregistered", "--count-anew"]), Exit::Success, &["forgotten: 1 account;"]);
        assert_eq!(books.total("invented-c"), 0);
        books.is_sound();
        let exported = run(&["ledger", "--ledger", &books.named(), "export", "--transfers"]);
        assert_eq!(exported.out.lines().skip(1).count(), 1, "{}", exported.out);
    }
}

/// An account with refused transfers alone has no counts, and is removed without the flag.
#[test]
fn b12_an_account_without_totals_is_forgotten_at_once() {
    for books in Books::all() {
        books.with(async |ledger| {
            let refused = Reservation { account: account("invented"), ..reservation("refused", counted(1, 0)) };
            let nowhere = Box::new(|_: &neglist::ledger::Before| neglist::ledger::Judgement {
                add: Vec::new(),
                admission: neglist::ledger::Admission::Deny,
                answer: b"no".to_vec(),
            });
            ledger.reserve(refused, nowhere).await.unwrap();
        });
        ends(&books.forget(&["--exporter", "invented"]), Exit::Success, &["forgotten: 1 account;"]);
        ends(&books.forget(&["--exporter", "invented"]), Exit::Success, &["nothing was forgotten"]);
        books.is_sound();
    }
}

#[test]
fn b12_registered_exporters_are_those_of_the_named_policies() {
    let books = Books::all().remove(0);
    books.count("acme", 2026, 7);
    let renamed = Small::new()
        .with(OWN, "id: acme", "id: other")
        .with(OWN, "exporter: acme", "exporter: other")
        .with(OWN, "exporter: acme", "exporter: other")
        .with(GATE, "exporter: acme", "exporter: other");
    let renamed = written(&renamed);
    let tests = renamed.path().join("tests");
    fs::remove_dir_all(Path::new(&tests)).unwrap();
    let done = books.forget(&["--exporter", "acme", "--policies", name(&renamed), "--dry-run", "--count-anew"]);
    ends(&done, Exit::Success, &["would be forgotten: 1 account"]);
    check_sound(&open(&books.path()));
}
