//! A database that is empty, another one, or has lost counts: refused, and never counted from zero.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use neglist::app::ledger::{OpenLedger, open};
use neglist::app::server::StartError;
use neglist::cli::console::Exit;
use neglist::domain::clock::Clock;
use neglist::domain::units::Year;
use neglist::ledger::mark::Mark;
use neglist::ledger::postgres::{NO_TABLES, PostgresLedger, Settings, Tables};
use neglist::ledger::rows::{Forget, ImportedTotal, OperateError};
use neglist::ledger::witness::Witness;
use neglist::ledger::{Account, Hold, Ledger, LedgerError, Reservation};
use neglist::metrics::standing::Counting;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::ledger::contract::{self as contract, Crowd, account, at, counted, general, goes, reservation};
use crate::policy::commands::run_in;
use crate::support::postgres_server::{self as server, Server, execute, query_number};
use crate::support::server::{Directory, Process, SetClock, configuration};
use crate::support::wait::until;

const OLDER: &str = "went back in time";
const OTHER: &str = "saw another";

fn making() -> Settings {
    Settings { time_max_ms: 30_000, tables: Tables::Make, ..Settings::default() }
}

fn updating() -> Settings {
    Settings { time_max_ms: 5_000, ..Settings::default() }
}

async fn made(url: &str) -> Arc<PostgresLedger> {
    Arc::new(PostgresLedger::connect(url, making()).await.unwrap())
}

/// Counts persons for good.
async fn count(ledger: &dyn Ledger, exporter: &str, id: &str, persons: u64) {
    let reservation = Reservation { hold: Hold::Commit, ..reservation(exporter, id, counted(persons, 0)) };
    ledger.reserve(reservation, goes()).await.unwrap();
}

async fn total(ledger: &dyn Ledger, exporter: &str) -> Result<u64, LedgerError> {
    ledger.read(&account(exporter), &[general()], at(0)).await.map(|totals| totals[&general()])
}

/// Asserts that the ledger refuses every request, about any exporter, and says why.
#[track_caller]
fn says<T>(answer: Result<T, impl std::fmt::Display>, why: &str) {
    let Err(error) = answer.map_err(|error| error.to_string()) else { panic!("no error, and not `{why}`") };
    assert!(error.contains(why), "{error}");
}

async fn is_closed(ledger: &PostgresLedger, why: &str) {
    assert!(ledger.is_closed());
    for exporter in ["acme", "other", "never-seen"] {
        says(total(ledger, exporter).await, why);
        says(ledger.usage(&account(exporter), at(0)).await, why);
        says(ledger.reserve(reservation(exporter, "closed", counted(1, 0)), goes()).await, why);
    }
    says(ledger.commit("acme/1", at(0)).await, why);
    says(ledger.tick(at(0)).await, why);
    says(ledger.check().await, why);
    says(ledger.check_mark().await, why);
}

/// A copy of the data of a server, like a base backup.
struct Backup(tempfile::TempDir);

impl Backup {
    fn of(server: &Server) -> Self {
        let backup = Self(tempfile::tempdir().unwrap());
        server.stop();
        copy(&server.directory().join("data"), &backup.0.path().join("data"));
        server.start_again();
        backup
    }

    /// Replaces the server's data with it.
    fn restore(&self, server: &Server) {
        server.stop();
        let data = server.directory().join("data");
        std::fs::remove_dir_all(&data).unwrap();
        copy(&self.0.path().join("data"), &data);
        server.start_again();
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn b13_a_ledger_is_created_in_an_empty_database_only_on_request() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    for tables in [Tables::Update, Tables::Leave] {
        let settings = Settings { tables, ..updating() };
        says(PostgresLedger::connect(&url, settings).await, NO_TABLES);
        let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name LIKE 'neglist%'";
        assert_eq!(query_number(&url, tables).await, 0);
    }
    count(made(&url).await.as_ref(), "acme", "1", 95_000).await;
    // Once it exists, both open it.
    for settings in [updating(), making()] {
        let ledger = PostgresLedger::connect(&url, settings).await.unwrap();
        assert_eq!(total(&ledger, "acme").await, Ok(95_000));
    }
}

/// An interrupted creation has counted nothing, and leaves a database without a ledger.
#[tokio::test(flavor = "multi_thread")]
async fn b13_half_created_tables_are_no_ledger_yet() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let begun = "CREATE TABLE neglist_schema (id INT4 NOT NULL PRIMARY KEY, version INT4 NOT NULL);
        INSERT INTO neglist_schema VALUES (1, 0)";
    execute(&url, begun).await;
    says(PostgresLedger::connect(&url, updating()).await, NO_TABLES);
    count(made(&url).await.as_ref(), "acme", "1", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b13_remaining_tables_of_a_ledger_are_not_completed_at_zero() {
    let Some(server) = server::shared() else { return };
    for lost in ["neglist_schema", "neglist_schema, neglist_counter", "neglist_schema, neglist_account, neglist_ledger"]
    {
        let url = server.database().await;
        count(made(&url).await.as_ref(), "acme", "1", 95_000).await;
        execute(&url, &format!("DROP TABLE {lost}")).await;
        says(PostgresLedger::connect(&url, updating()).await, NO_TABLES);
        says(PostgresLedger::connect(&url, making()).await, "a ledger was there and is damaged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b13_older_tables_get_an_identity_automatically() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    count(made(&url).await.as_ref(), "acme", "1", 7).await;
    execute(&url, "DROP TABLE neglist_ledger, neglist_removed; UPDATE neglist_schema SET version = 1").await;
    let first = PostgresLedger::connect(&url, updating()).await.unwrap();
    assert_eq!(total(&first, "acme").await, Ok(7));
    let mark = first.check_mark().await.unwrap();
    // From version 2 the identity stays.
    execute(&url, "DROP TABLE neglist_removed; UPDATE neglist_schema SET version = 2").await;
    assert_eq!(made(&url).await.check_mark().await.unwrap(), mark);
    assert_eq!(query_number(&url, "SELECT COUNT(*) FROM neglist_removed").await, 0);
    assert_eq!(mark.position, 1);
    let again = PostgresLedger::connect(&url, updating()).await.unwrap().check_mark().await.unwrap();
    assert_eq!(again, mark);
    let other = made(&server.database().await).await.check_mark().await.unwrap();
    assert_ne!(other.identity, mark.identity);
}

#[tokio::test(flavor = "multi_thread")]
async fn b14_an_older_base_backup_in_place_of_the_database() {
    let Some(server) = server::own(&[]) else { return };
    let url = server.database().await;
    let (first, second) = (made(&url).await, made(&url).await);
    count(first.as_ref(), "acme", "1", 1_000).await;
    count(first.as_ref(), "other", "1", 1_000).await;
    let backup = Backup::of(&server);
    for id in 2..12 {
        count(first.as_ref(), "acme", &id.to_string(), 9_000).await;
    }
    assert_eq!(total(first.as_ref(), "acme").await, Ok(91_000));
    let mark = second.check_mark().await.unwrap();
    backup.restore(&server);
    // One server is asked, the other checks by itself.
    says(first.reserve(reservation("acme", "new", counted(95_000, 0)), goes()).await, OLDER);
    is_closed(&first, OLDER).await;
    says(second.check_mark().await, OLDER);
    is_closed(&second, OLDER).await;
    // A server without a memory counts on, beyond the lost position. That brings nothing back.
    let ignorant = made(&url).await;
    for id in 0..20 {
        count(ignorant.as_ref(), "acme", &format!("later-{id}"), 1).await;
    }
    assert!(mark.position < ignorant.check_mark().await.unwrap().position);
    is_closed(&first, OLDER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b14_a_query_alone_notices_that_the_database_was_replaced() {
    let Some(server) = server::own(&[]) else { return };
    let url = server.database().await;
    let ledger = made(&url).await;
    count(ledger.as_ref(), "acme", "1", 1_000).await;
    let backup = Backup::of(&server);
    count(ledger.as_ref(), "acme", "2", 90_000).await;
    backup.restore(&server);
    // Not even about the account that lost something.
    says(total(ledger.as_ref(), "never-seen").await, OLDER);
    is_closed(&ledger, OLDER).await;
}

/// Restores rows of one table under the running server, without breaking a connection.
#[tokio::test(flavor = "multi_thread")]
async fn b14_rows_that_are_restored_under_the_running_server() {
    let Some(server) = server::shared() else { return };
    let set_back = "UPDATE neglist_account SET revision = 1 WHERE exporter = 'acme';
        UPDATE neglist_counter SET counted_committed = 1000";
    let removed = "DELETE FROM neglist_account WHERE exporter = 'acme'";
    for damage in [set_back, removed] {
        for question in 0..5 {
            let url = server.database().await;
            let ledger = made(&url).await;
            count(ledger.as_ref(), "acme", "1", 1_000).await;
            count(ledger.as_ref(), "acme", "2", 90_000).await;
            execute(&url, damage).await;
            match question {
                0 => says(total(ledger.as_ref(), "acme").await, OLDER),
                1 => says(ledger.usage(&account("acme"), at(0)).await, OLDER),
                2 => says(ledger.reserve(reservation("acme", "3", counted(1, 0)), goes()).await, OLDER),
                3 if damage == set_back => says(ledger.commit("acme/1", at(0)).await, OLDER),
                _ => says(ledger.check_mark().await, OLDER),
            }
            is_closed(&ledger, OLDER).await;
        }
    }
}

/// The position of the whole ledger covers accounts that this server neither changed nor read.
#[tokio::test(flavor = "multi_thread")]
async fn b14_an_account_of_another_server_that_went_back_is_noticed_by_the_position() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let (own, others) = (made(&url).await, made(&url).await);
    for id in 0..3 {
        count(others.as_ref(), "acme", &id.to_string(), 1_000).await;
    }
    own.check_mark().await.unwrap();
    execute(&url, "UPDATE neglist_account SET revision = 1; UPDATE neglist_counter SET counted_committed = 1000").await;
    says(own.check_mark().await, OLDER);
    is_closed(&own, OLDER).await;
}

/// An evicted account is not taken for zero, and the position counts each committed transaction of this server.
#[tokio::test(flavor = "multi_thread")]
async fn b14_the_position_covers_accounts_that_are_not_remembered() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let forgetful = Settings { accounts_remembered_max: 2, ..making() };
    let ledger = PostgresLedger::connect(&url, forgetful).await.unwrap();
    count(&ledger, "acme", "1", 90_000).await;
    for number in 0..10 {
        count(&ledger, &format!("many-{number}"), "1", 5).await;
    }
    assert_eq!(total(&ledger, "acme").await, Ok(90_000));
    assert_eq!(total(&ledger, "many-0").await, Ok(5));
    // No check since the beginning.
    execute(&url, "DELETE FROM neglist_account WHERE exporter = 'many-3'").await;
    says(ledger.check_mark().await, OLDER);
}

#[tokio::test(flavor = "multi_thread")]
async fn b14_another_ledger_under_the_same_name() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let ledger = made(&url).await;
    count(ledger.as_ref(), "acme", "1", 1).await;
    // At and beyond the position of the first.
    let tables = "neglist_schema, neglist_account, neglist_counter, neglist_person, neglist_transfer, neglist_import, \
        neglist_ledger, neglist_removed";
    execute(&url, &format!("DROP TABLE {tables}")).await;
    let other = made(&url).await;
    for id in 0..5 {
        count(other.as_ref(), "acme", &id.to_string(), 1).await;
    }
    says(ledger.check_mark().await, OTHER);
    is_closed(&ledger, OTHER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b14_accounts_that_operators_remove_did_not_go_back() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let (running, operator) = (made(&url).await, made(&url).await);
    for id in 0..5 {
        count(running.as_ref(), "acme", &id.to_string(), 10).await;
        count(running.as_ref(), "other", &id.to_string(), 10).await;
    }
    let mut position = running.check_mark().await.unwrap().position;
    assert_eq!(position, 10);
    let accounts = ["acme", "other", "nobody"].map(account).to_vec();
    let forgotten = operator.forget(&Forget { accounts, totals_kept_from: None }).await.unwrap();
    assert_eq!(forgotten.gone, ["acme", "other"].map(account));
    // Found by a query, by a transaction and by a check.
    assert_eq!(total(running.as_ref(), "acme").await, Ok(0));
    count(running.as_ref(), "acme", "new", 3).await;
    count(running.as_ref(), "other", "new", 4).await;
    assert_eq!(total(running.as_ref(), "acme").await, Ok(3));
    assert!(position < running.check_mark().await.unwrap().position);
    // Old years as well.
    let last_year = Account { year: Year(2025), ..account("acme") };
    let imported = ImportedTotal { account: last_year.clone(), counter: general(), persons: 9 };
    operator.import_totals("old", vec![imported]).await.unwrap();
    assert_eq!(running.read(&last_year, &[general()], at(0)).await.unwrap()[&general()], 9);
    position = running.check_mark().await.unwrap().position;
    operator.drop_years_before(Year(2026)).await.unwrap();
    assert_eq!(running.read(&last_year, &[general()], at(0)).await.unwrap()[&general()], 0);
    assert!(position < running.check_mark().await.unwrap().position);
    // A loss after that is noticed as before.
    execute(&url, "UPDATE neglist_account SET revision = 0 WHERE exporter = 'acme'").await;
    says(total(running.as_ref(), "acme").await, OLDER);
}

/// A removal excuses only the removed account, even if the position hides another loss.
#[tokio::test(flavor = "multi_thread")]
async fn b14_the_removal_of_another_account_excuses_nothing() {
    let Some(server) = server::shared() else { return };
    let of_acme = "(SELECT id FROM neglist_account WHERE exporter = 'acme')";
    let emptied = format!(
        "DELETE FROM neglist_transfer WHERE account = {of_acme}; DELETE FROM neglist_counter WHERE account = {of_acme};"
    );
    let raised = "UPDATE neglist_account SET revision = revision + 20 WHERE exporter = 'busy'";
    let damages = [
        format!("{emptied} UPDATE neglist_account SET revision = 1 WHERE exporter = 'acme'; {raised}"),
        format!("{emptied} DELETE FROM neglist_account WHERE exporter = 'acme'; {raised}"),
        // Created again, and beyond its former revision.
        format!("{emptied} UPDATE neglist_account SET id = 7, revision = 20 WHERE exporter = 'acme'; {raised}"),
    ];
    for (number, damage) in damages.iter().enumerate() {
        let url = server.database().await;
        let (running, operator) = (made(&url).await, made(&url).await);
        for id in 0..6 {
            count(running.as_ref(), "acme", &id.to_string(), 15_000).await;
        }
        for exporter in ["busy", "gone"] {
            count(running.as_ref(), exporter, "1", 1).await;
        }
        let forget = Forget { accounts: vec![account("gone")], totals_kept_from: None };
        assert_eq!(operator.forget(&forget).await.unwrap().gone, [account("gone")]);
        running.check_mark().await.unwrap();
        assert_eq!(total(running.as_ref(), "gone").await, Ok(0));
        execute(&url, damage).await;
        if number == 0 {
            let next = reservation("acme", "next", counted(90_000, 0));
            says(running.reserve(next, goes()).await, OLDER);
        } else {
            says(total(running.as_ref(), "acme").await, OLDER);
        }
        is_closed(&running, OLDER).await;
    }
}

/// Transactions, queries and checks of several servers at once: concurrent changes by others are not taken for a step
/// back.
#[tokio::test(flavor = "multi_thread")]
async fn b14_servers_that_count_at_once_raise_no_alarm() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let servers = [made(&url).await, made(&url).await];
    let is_over = Arc::new(AtomicBool::new(false));
    let watchers = servers.clone().map(|ledger| {
        let is_over = Arc::clone(&is_over);
        tokio::spawn(async move {
            let (busy, mut last) = (account("busy"), 0);
            while !is_over.load(Ordering::Relaxed) {
                let (mark, read, usage) =
                    tokio::join!(ledger.check_mark(), total(ledger.as_ref(), "busy"), ledger.usage(&busy, at(0)));
                let position = mark.unwrap().position;
                assert!(last <= position && read.is_ok() && usage.is_ok());
                last = position;
            }
        })
    });
    let ledgers: Vec<Arc<dyn Ledger>> = servers.iter().map(|ledger| Arc::clone(ledger) as Arc<dyn Ledger>).collect();
    contract::ends_on_the_line(&ledgers, "busy", Crowd { callers: 16, line: 200 }).await;
    is_over.store(true, Ordering::Relaxed);
    for watcher in watchers {
        watcher.await.unwrap();
    }
    assert!(servers.iter().all(|ledger| !ledger.is_closed()));
}

/// A crash of the database loses no counts that were seen.
#[tokio::test(flavor = "multi_thread")]
async fn b14_a_crash_of_the_database_is_no_step_back() {
    let Some(server) = server::own(&[]) else { return };
    let ledger = made(&server.database().await).await;
    for id in 0..5 {
        count(ledger.as_ref(), "acme", &id.to_string(), 2).await;
        server.crash_and_start();
        ledger.check_mark().await.unwrap();
    }
    assert_eq!(total(ledger.as_ref(), "acme").await, Ok(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn b14_the_mark_of_an_earlier_server_binds_the_next() {
    let Some(server) = server::shared() else { return };
    let (url, empty) = (server.database().await, server.database().await);
    let ledger = made(&url).await;
    count(ledger.as_ref(), "acme", "1", 1).await;
    let mark = ledger.check_mark().await.unwrap();
    let after = |mark| Settings { mark: Some(mark), ..making() };
    PostgresLedger::connect(&url, after(mark)).await.unwrap();
    let further = Mark { position: mark.position + 1, ..mark };
    says(PostgresLedger::connect(&url, after(further)).await, OLDER);
    // No new ledger replaces the one that was seen.
    says(PostgresLedger::connect(&empty, after(mark)).await, NO_TABLES);
    made(&empty).await;
    says(PostgresLedger::connect(&empty, after(mark)).await, OTHER);
}

/// A configured server with a ledger in a database.
struct Running {
    opened: OpenLedger,
    _draining: watch::Sender<bool>,
    _upkeep: JoinSet<()>,
}

async fn run(settings: &[(&'static str, &str)]) -> Result<Running, StartError> {
    let directory = Directory::small();
    let always = [("ledger_clocks_apart_max_seconds", "4000000000"), ("ledger_tick_interval_ms", "10")];
    let config = configuration(&directory.policies(), &[&always[..], settings].concat());
    let clock: Arc<dyn Clock> = SetClock::at(1_780_000_000);
    let (sender, draining) = watch::channel(false);
    let mut upkeep = JoinSet::new();
    let opened = open(&config, &clock, draining, &mut upkeep).await?.unwrap();
    Ok(Running { opened, _draining: sender, _upkeep: upkeep })
}

#[tokio::test(flavor = "multi_thread")]
async fn b13_a_server_names_the_remedy_for_an_empty_database() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let error = run(&[("ledger", &url), ("ledger_create", "no")]).await.err().unwrap().to_string();
    for text in [NO_TABLES, "is it the right database?", "--ledger-create", "import --create"] {
        assert!(error.contains(text), "{error}");
    }
    drop(run(&[("ledger", &url), ("ledger_create", "yes")]).await.unwrap());
    drop(run(&[("ledger", &url), ("ledger_create", "no")]).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn b13_the_creation_of_a_ledger_in_a_database_is_logged_once() {
    let Some(server) = server::shared() else { return };
    let (url, directory) = (server.database().await, Directory::small());
    let policies = directory.policies();
    let words = ["serve", "--policies", policies.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    for (is_new, create) in [(true, "yes"), (false, "yes"), (false, "no")] {
        let settings = [("NEGLIST_LEDGER", url.as_str()), ("NEGLIST_LEDGER_CREATE", create), ("NEGLIST_ADMIN", "none")];
        let ended = Process::listening(&words, &settings).stop().await;
        let said = ended.stderr.matches("a new one was made, and its totals begin at zero").count();
        assert_eq!(said, usize::from(is_new), "{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b14_a_server_that_sees_the_ledger_go_back_is_not_ready() {
    let Some(server) = server::shared() else { return };
    let (url, place) = (server.database().await, tempfile::tempdir().unwrap());
    let witness = place.path().join("witness");
    let settings = [("ledger", url.as_str()), ("ledger_create", "yes"), ("ledger_witness", witness.to_str().unwrap())];
    let running = run(&settings).await.unwrap();
    count(running.opened.ledger.as_ref(), "acme", "1", 5).await;
    assert_eq!(running.opened.health.counting(), Counting::Open);
    // A check that began before the count does not include it; the witness shows the next one.
    let seen = || Witness::open(&witness).ok()?.seen().filter(|mark| 0 < mark.position);
    until("a check", || seen().map(drop)).await;
    execute(&url, "UPDATE neglist_account SET revision = 0").await;
    until("the ledger is closed", || (running.opened.health.counting() == Counting::Closed).then_some(())).await;
    says(total(running.opened.ledger.as_ref(), "acme").await, OLDER);
    // It stays closed, whatever is restored. A server that is restarted without a witness accepts the ledger that it
    // finds.
    execute(&url, "UPDATE neglist_account SET revision = 99").await;
    says(total(running.opened.ledger.as_ref(), "acme").await, OLDER);
    drop(running);
    let next = run(&[("ledger", &url)]).await.unwrap();
    assert_eq!(total(next.opened.ledger.as_ref(), "acme").await, Ok(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn b14_the_witness_holds_across_a_restart_and_is_given_up_by_hand() {
    let Some(server) = server::shared() else { return };
    let (url, place) = (server.database().await, tempfile::tempdir().unwrap());
    let witness = place.path().join("witness");
    let settings = [("ledger", url.as_str()), ("ledger_witness", witness.to_str().unwrap())];
    let create = [&settings[..], &[("ledger_create", "yes")]].concat();
    let running = run(&create).await.unwrap();
    count(running.opened.ledger.as_ref(), "acme", "1", 5).await;
    count(running.opened.ledger.as_ref(), "acme", "2", 5).await;
    let seen = || Witness::open(&witness).unwrap().seen();
    until("the witness has it", || seen().filter(|mark| mark.position == 2)).await;
    drop(running);
    drop(run(&settings).await.unwrap());
    execute(&url, "UPDATE neglist_account SET revision = 1; UPDATE neglist_counter SET counted_committed = 5").await;
    for settings in [&settings[..], &create] {
        says(run(settings).await.map(|_| ()), OLDER);
    }
    // Another database in place of the first, empty or not.
    let empty = server.database().await;
    let elsewhere = [("ledger", empty.as_str()), settings[1], ("ledger_create", "yes")];
    says(run(&elsewhere).await.map(|_| ()), "there is no ledger any more");
    made(&empty).await;
    says(run(&elsewhere).await.map(|_| ()), OTHER);
    // The documented step.
    let (of, at) = (url.clone(), witness.to_str().unwrap().to_owned());
    let accept = move || {
        let environment = [("NEGLIST_LEDGER", of.as_str()), ("NEGLIST_LEDGER_WITNESS", at.as_str())];
        run_in(&environment, &["ledger", "accept", "--counts-may-be-missing"], b"")
    };
    let [first, again] = tokio::task::spawn_blocking(move || [accept(), accept()]).await.unwrap();
    assert_eq!((first.exit, again.exit), (Exit::Success, Exit::Failed), "{}{}", first.err, again.err);
    assert!(first.out.contains("accepts the database as it is") && again.err.contains("there is no witness at"));
    let running = run(&settings).await.unwrap();
    assert_eq!(total(running.opened.ledger.as_ref(), "acme").await, Ok(5));
    until("the witness is written again", || seen().filter(|mark| mark.position == 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b14_an_unreadable_or_unwritable_witness_is_reported() {
    let Some(server) = server::shared() else { return };
    let (url, place) = (server.database().await, tempfile::tempdir().unwrap());
    let broken = place.path().join("broken");
    std::fs::write(&broken, "no witness").unwrap();
    for (path, why) in
        [(broken, "is damaged or not a witness"), (place.path().join("nowhere/witness"), "nowhere/witness")]
    {
        let settings = [("ledger", url.as_str()), ("ledger_witness", path.to_str().unwrap()), ("ledger_create", "yes")];
        says(run(&settings).await.map(|_| ()), why);
    }
}

/// Work on many accounts is done in portions.
#[tokio::test(flavor = "multi_thread")]
async fn b12_a_tick_tidies_up_a_limited_number_of_accounts() {
    let Some(server) = server::shared() else { return };
    let settings = Settings { accounts_per_tick_max: 2, ..making() };
    let ledger = PostgresLedger::connect(&server.database().await, settings).await.unwrap();
    for number in 0..5 {
        ledger.reserve(reservation(&format!("due-{number}"), "1", counted(1, 0)), goes()).await.unwrap();
    }
    let mut released = Vec::new();
    for _ in 0..4 {
        released.push(ledger.tick(at(100)).await.unwrap());
    }
    assert_eq!(released, [2, 2, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_a_thousand_and_one_accounts_are_removed_in_portions() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let ledger = made(&url).await;
    let total =
        |number| ImportedTotal { account: account(&format!("many-{number:04}")), counter: general(), persons: 1 };
    ledger.import_totals("many", (0..1_001).map(total).collect()).await.unwrap();
    let forget = Forget { accounts: ledger.accounts().await.unwrap(), totals_kept_from: None };
    let forgotten = ledger.forget(&forget).await.unwrap();
    assert_eq!((forgotten.gone.len(), ledger.accounts().await.unwrap().len()), (1_001, 0));
    assert_eq!(ledger.verify().await.unwrap(), []);
    assert_eq!(query_number(&url, "SELECT COUNT(*) FROM neglist_import").await, 0);
    assert!(matches!(ledger.withdraw_import("many").await, Err(OperateError::Refused(_))));
}
