//! The ledger in `PostgreSQL`: bounds of a transaction, and the durability of its commits.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, mpsc};

use neglist::domain::clock::Clock;
use neglist::domain::units::Moment;
use neglist::ledger::postgres::{PostgresLedger, Settings, Tables};
use neglist::ledger::rows::ImportedTotal;
use neglist::ledger::{Counter, Hold, Ledger, LedgerError, Reservation};

use crate::ledger::contract::{account, at, counted, general, goes, named, reservation};
use crate::support::postgres_server as server;
use crate::support::server::{SetClock, configuration};
use crate::support::wait::within;

async fn connect(url: &str, settings: Settings) -> PostgresLedger {
    PostgresLedger::connect(url, settings).await.unwrap()
}

/// Long enough for a busy machine.
fn patient() -> Settings {
    Settings { time_max_ms: 30_000, tables: Tables::Make, ..Settings::default() }
}

/// A statement time-out would end the wait for a standby, and the database would then answer COMMIT with success.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_a_standby_is_not_acknowledged() {
    let options = [("synchronous_standby_names", "nobody"), ("synchronous_commit", "local")];
    let Some(server) = server::own(&options) else { return };
    let url = server.database().await;
    connect(&url, patient()).await.reserve(reservation("standby", "a", counted(1, 0)), goes()).await.unwrap();
    let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
    server::execute(&url, &format!("ALTER DATABASE {name} SET synchronous_commit = on")).await;
    let hasty =
        Settings { time_max_ms: 1_500, statement_time_max_ms: 100, tables: Tables::Make, ..Settings::default() };
    let ledger = connect(&url, hasty).await;
    let answer = ledger.reserve(reservation("standby", "b", counted(1, 0)), goes()).await;
    let error = answer.unwrap_err().to_string();
    assert!(error.contains("it may or may not have been carried out"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reservations_of_many_persons_expire_a_few_at_a_time() {
    let Some(server) = server::shared() else { return };
    let ledger = connect(&server.database().await, Settings { batch_persons_max: 100, ..patient() }).await;
    for number in 0..10_u32 {
        let persons: Vec<u32> = (number * 20..number * 20 + 20).collect();
        let asked = reservation("wave", &number.to_string(), named(&persons, &[]));
        ledger.reserve(asked, goes()).await.unwrap();
    }
    let standing = |asked: &str| Reservation { now: at(100), ..reservation("wave", asked, counted(1, 0)) };
    let asked = Reservation { hold: Hold::Until(at(900)), ..standing("next") };
    let before = ledger.reserve(asked, goes()).await.unwrap().changes[0].before;
    assert!((1..200).contains(&before), "{before} of 200 persons still stand");
    let mut ticks = 0;
    while 0 < ledger.tick(at(100)).await.unwrap() {
        ticks += 1;
    }
    assert!(1 < ticks, "{ticks}");
    assert_eq!(ledger.read(&account("wave"), &[general()], at(100)).await.unwrap()[&general()], 1);
    assert_eq!(ledger.verify().await.unwrap(), []);
}

/// Each request is answered, though a transaction has room for one of them.
#[tokio::test(flavor = "multi_thread")]
async fn transfers_of_many_persons_take_a_transaction_each() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let narrow = Settings { batch_persons_max: 30, ..patient() };
    let ledger = Arc::new(connect(&url, narrow).await);
    let persons = |number: u32| (number * 20..number * 20 + 30).collect::<Vec<u32>>();
    let callers = (0..12_u32).map(|number| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            let id = number.to_string();
            ledger.reserve(reservation("many", &id, named(&persons(number), &[])), goes()).await.unwrap();
            ledger.commit(&format!("many/{id}"), at(1)).await.unwrap();
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let usage = ledger.usage(&account("many"), at(1)).await.unwrap();
    assert_eq!((usage[&general()].committed, usage[&general()].reserved), (250, 0));
    assert_eq!(ledger.verify().await.unwrap(), []);
}

/// It would release reservations that stand for other servers.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_clock_is_wrong_changes_nothing() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let now = server::query_number(&url, "SELECT EXTRACT(EPOCH FROM clock_timestamp())::INT8").await;
    let (right, wrong) = (SetClock::at(now), SetClock::at(now));
    let settings = [("ledger", url.as_str()), ("ledger_tick_interval_ms", "10")];
    let config = configuration(Path::new("policies"), &settings);
    let (_draining, drains) = tokio::sync::watch::channel(false);
    let mut upkeep = tokio::task::JoinSet::new();
    let open = async |clock: &Arc<SetClock>, upkeep: &mut _| {
        let clock: Arc<dyn Clock> = clock.clone();
        neglist::app::ledger::open(&config, &clock, drains.clone(), upkeep).await
    };
    let one = open(&right, &mut upkeep).await.unwrap().unwrap().ledger;
    let other = open(&wrong, &mut upkeep).await.unwrap().unwrap().ledger;
    let moment = |seconds: i64| Moment::from_seconds(now + seconds);
    let asked = |id: &str, of: i64| Reservation {
        now: moment(of),
        hold: Hold::Until(moment(of + 600)),
        ..reservation("clock", id, counted(1, 0))
    };
    one.reserve(asked("a", 0), goes()).await.unwrap();
    wrong.set(now + 3_600);
    let refused = async {
        loop {
            match other.reserve(asked("b", 0), goes()).await {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => break error.to_string(),
            }
        }
    };
    let error = within("a refusal", refused).await;
    assert!(error.contains("s ahead of that of the database"), "{error}");
    assert!(other.commit("clock/a", moment(3_600)).await.is_err());
    assert!(open(&wrong, &mut upkeep).await.is_err());
    one.commit("clock/a", moment(1)).await.unwrap();
    wrong.set(now);
    let answered = async { while other.reserve(asked("c", 1), goes()).await.is_err() {} };
    within("an answer", answered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_database_is_refused() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    connect(&url, patient()).await.reserve(reservation("readonly", "a", counted(1, 0)), goes()).await.unwrap();
    let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
    // Like a standby, whose totals may be old.
    server::execute(&url, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    let hasty = Settings { time_max_ms: 500, tables: Tables::Make, ..Settings::default() };
    let error = PostgresLedger::connect(&url, hasty).await.unwrap_err().to_string();
    assert!(error.contains("does not allow writes"), "{error}");
}

/// Returns once two connections have waited for a lock, one after the other: so the first has timed out.
async fn two_wait_for_a_lock(url: &str) {
    let (watcher, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        let rows = watcher.query(waiting, &[]).await.unwrap();
        seen.extend(rows.iter().map(|row| row.get::<_, i32>(0)));
    }
    drop(watcher);
    connection.await.unwrap().unwrap();
}

/// New connections wait for a table that another one has locked.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_fails_at_set_up_is_tried_again() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let ledger = connect(&url, Settings { lock_time_max_ms: 50, ..patient() }).await;
    let (holder, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let lock = "BEGIN; LOCK TABLE neglist_schema IN ACCESS EXCLUSIVE MODE; SELECT pg_terminate_backend(pid) \
        FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    holder.batch_execute(lock).await.unwrap();
    let unlock = async {
        within("a second connection that waits for the lock", two_wait_for_a_lock(&url)).await;
        holder.batch_execute("COMMIT").await.unwrap();
    };
    let (answer, ()) = tokio::join!(ledger.reserve(reservation("set-up", "a", counted(1, 0)), goes()), unlock);
    answer.unwrap();
    drop(holder);
    connection.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_sheet_is_imported() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    connect(&url, patient()).await;
    let hasty = connect(&url, Settings { time_max_ms: 500, tables: Tables::Make, ..Settings::default() }).await;
    let total = |number: u64| {
        let counter = Counter { name: format!("clearance/c-{number}"), ..general() };
        ImportedTotal { account: account("sheet"), counter, persons: number }
    };
    let totals: Vec<_> = (0..2_000).map(total).collect();
    assert_eq!(hasty.import_totals("long", totals.clone()).await, Ok(2_000));
    assert_eq!(hasty.import_totals("long", totals).await, Ok(0));
    assert_eq!(hasty.withdraw_import("long").await, Ok(2_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn contradictory_rows_keep_no_other_reservation_from_expiring() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let ledger = connect(&url, patient()).await;
    for exporter in ["broken-1", "broken-2", "sound-1", "sound-2"] {
        ledger.reserve(reservation(exporter, "a", counted(1, 0)), goes()).await.unwrap();
    }
    let breaks = "UPDATE neglist_counter SET counted_reserved = 0 WHERE account IN \
        (SELECT id FROM neglist_account WHERE exporter LIKE 'broken%')";
    server::execute(&url, breaks).await;
    let error = ledger.tick(at(100)).await.unwrap_err();
    assert!(matches!(&error, LedgerError::Unavailable(why) if why.contains("contradict")), "{error}");
    for exporter in ["sound-1", "sound-2"] {
        assert_eq!(ledger.read(&account(exporter), &[general()], at(100)).await.unwrap()[&general()], 0);
    }
}

/// In one transaction with a transfer whose rows contradict one another.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_share_a_transaction_with_a_broken_transfer_are_answered() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let ledger = Arc::new(connect(&url, patient()).await);
    for id in ["bad", "good"] {
        ledger.reserve(reservation("shared", id, named(&[1], &[])), goes()).await.unwrap();
    }
    // `bad` names a counter that does not exist.
    server::execute(&url, "UPDATE neglist_transfer SET counters = '{7,8}' WHERE id = 'shared/bad'").await;
    let (begun, has_begun) = mpsc::channel();
    let (go, going) = mpsc::channel::<()>();
    let blocking = tokio::spawn({
        let ledger = Arc::clone(&ledger);
        async move {
            let mut judge = goes();
            let judge = Box::new(move |before: &_| {
                begun.send(()).unwrap();
                going.recv().unwrap();
                judge(before)
            });
            ledger.reserve(reservation("shared", "first", counted(1, 0)), judge).await
        }
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    let commits = ["shared/bad", "shared/good", "shared/bad", "shared/good"].map(|id| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move { ledger.commit(id, at(1)).await })
    });
    go.send(()).unwrap();
    blocking.await.unwrap().unwrap();
    for (number, commit) in commits.into_iter().enumerate() {
        let answer = commit.await.unwrap();
        assert_eq!(answer.is_ok(), number % 2 == 1, "{answer:?}");
    }
}
