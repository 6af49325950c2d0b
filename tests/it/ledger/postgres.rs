//! The ledger in `PostgreSQL`: the promises of every ledger, and faults of a database.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use neglist::domain::units::Year;
use neglist::ledger::postgres::{PostgresLedger, Settings, Tables};
use neglist::ledger::rows::{ImportedTotal, OperateError, State};
use neglist::ledger::{Account, Hold, Ledger, LedgerError, Replayed, Reservation};

use crate::ledger::contract::{
    self as contract, Crowd, account, at, counted, general, goes, named, reservation, sensitive,
};
use crate::support::postgres_server::{self as server, Cut, Stricter};

/// Long enough for a server to start again.
fn patient() -> Settings {
    Settings { time_max_ms: 30_000, tables: Tables::Make, ..Settings::default() }
}

async fn connect(url: &str) -> Arc<PostgresLedger> {
    Arc::new(PostgresLedger::connect(url, patient()).await.unwrap())
}

/// Several servers with one database.
async fn servers(url: &str, count: usize) -> Vec<Arc<PostgresLedger>> {
    let mut ledgers = Vec::new();
    for _ in 0..count {
        ledgers.push(connect(url).await);
    }
    ledgers
}

fn as_ledgers(ledgers: &[Arc<PostgresLedger>]) -> Vec<Arc<dyn Ledger>> {
    ledgers.iter().map(|ledger| Arc::clone(ledger) as Arc<dyn Ledger>).collect()
}

async fn nothing_is_wrong(ledger: &PostgresLedger) {
    assert_eq!(ledger.verify().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_promises_of_every_ledger() {
    let Some(server) = server::shared() else { return };
    let ledger = connect(&server.database().await).await;
    contract::holds(ledger.as_ref()).await;
    nothing_is_wrong(&ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_end_exactly_on_the_line() {
    let Some(server) = server::shared() else { return };
    let ledgers = servers(&server.database().await, 3).await;
    contract::ends_on_the_line(&as_ledgers(&ledgers), "line", Crowd { callers: 24, line: 300 }).await;
    nothing_is_wrong(&ledgers[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_cannot_share_turns_end_exactly_on_the_line() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let mut ledgers = Vec::new();
    for _ in 0..4 {
        let alone = Settings { batch_requests_max: 1, connections_max: 2, ..patient() };
        ledgers.push(Arc::new(PostgresLedger::connect(&url, alone).await.unwrap()));
    }
    contract::ends_on_the_line(&as_ledgers(&ledgers), "alone", Crowd { callers: 8, line: 100 }).await;
    nothing_is_wrong(&ledgers[0]).await;
}

/// Databases that speak the protocol may give a stricter isolation than requested: a transaction that waited for the
/// account then has to be repeated.
#[tokio::test(flavor = "multi_thread")]
async fn a_stricter_isolation_than_requested_loses_and_doubles_nothing() {
    let Some(server) = server::own(&[]) else { return };
    for level in [Stricter::RepeatableRead, Stricter::Serializable] {
        let (url, stricter) = server.stricter(&server.database().await, level).await;
        let ledgers = servers(&url, 3).await;
        contract::holds(ledgers[0].as_ref()).await;
        contract::ends_on_the_line(&as_ledgers(&ledgers), "strict", Crowd { callers: 6, line: 20 }).await;
        nothing_is_wrong(&ledgers[0]).await;
        assert!(20 < stricter.load(Ordering::Relaxed), "{level:?}: transactions began with the requested isolation");
    }
}

/// Makes COMMIT fail with a code, for a number of the first transactions that insert a transfer.
async fn failing_commits(url: &str, code: &str, count: u32) {
    let sql = format!(
        "CREATE SEQUENCE commits;
        CREATE FUNCTION fail_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('commits') <= {count} THEN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{code}'; END IF;
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON neglist_transfer
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail_at_commit()"
    );
    server::execute(url, &sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_fails_at_commit_is_repeated() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let ledger = connect(&url).await;
    failing_commits(&url, "40001", 5).await;
    let reserved = ledger.reserve(reservation("late", "a", named(&[1, 2], &[])), goes()).await.unwrap();
    assert_eq!((reserved.changes[0].before, reserved.changes[0].added), (0, 2));
    assert_eq!(reserved.replayed, Replayed::No);
    let again = ledger.reserve(reservation("late", "a", named(&[1, 2], &[])), goes()).await.unwrap();
    assert_eq!(again.replayed, Replayed::Yes);
    assert_eq!(ledger.read(&account("late"), &[general()], at(1)).await.unwrap()[&general()], 2);
    nothing_is_wrong(&ledger).await;
}

/// A distributed database may not know the result of a COMMIT itself.
#[tokio::test(flavor = "multi_thread")]
async fn an_inconclusive_error_at_commit_is_not_called_undone() {
    let Some(server) = server::shared() else { return };
    for (code, text) in [("XX000", "it may or may not have been carried out"), ("23514", "nothing was added")] {
        let url = server.database().await;
        let ledger = connect(&url).await;
        failing_commits(&url, code, 1).await;
        let asked = || reservation("unsaid", "a", counted(1, 0));
        let error = ledger.reserve(asked(), goes()).await.unwrap_err();
        assert!(matches!(&error, LedgerError::Unavailable(why) if why.contains(text)), "{code}: {error}");
        let again = ledger.reserve(asked(), goes()).await.unwrap();
        assert_eq!((again.changes[0].before, again.replayed), (0, Replayed::No));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn named_persons_count_once_across_servers() {
    let Some(server) = server::shared() else { return };
    let ledgers = servers(&server.database().await, 2).await;
    let callers = (0..16_u32).map(|caller| {
        let ledger = Arc::clone(&ledgers[caller as usize % 2]);
        tokio::spawn(async move {
            for turn in 0..6_u32 {
                let persons: Vec<u32> = (0..20).map(|number| (caller * 5 + turn * 3 + number) % 60).collect();
                let id = format!("{caller}-{turn}");
                ledger.reserve(reservation("crowd", &id, named(&persons, &persons[..3])), goes()).await.unwrap();
                match (caller + turn) % 3 {
                    0 => ledger.release(&format!("crowd/{id}"), at(1)).await.unwrap(),
                    1 => ledger.commit(&format!("crowd/{id}"), at(1)).await.unwrap(),
                    _ => {}
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let usage = ledgers[0].usage(&account("crowd"), at(1)).await.unwrap();
    assert_eq!(usage[&general()].total(), 60);
    nothing_is_wrong(&ledgers[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_at_two_accounts_at_once_is_one_transfer() {
    let Some(server) = server::shared() else { return };
    let ledgers = servers(&server.database().await, 2).await;
    for round in 0..20 {
        let id = format!("shared/{round}");
        let one = Reservation { transfer_id: id.clone(), ..reservation("left", "t", counted(1, 0)) };
        let other = Reservation { transfer_id: id, fingerprint: [9; 32], ..reservation("right", "t", counted(1, 0)) };
        let (left, right) = tokio::join!(ledgers[0].reserve(one, goes()), ledgers[1].reserve(other, goes()));
        match (left, right) {
            (Ok(_), Err(LedgerError::OtherTransfer)) | (Err(LedgerError::OtherTransfer), Ok(_)) => {}
            both => panic!("{both:?}"),
        }
    }
    nothing_is_wrong(&ledgers[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_connections_lose_and_double_nothing() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let ledgers = servers(&url, 2).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn({
        let (url, is_over) = (url.clone(), Arc::clone(&is_over));
        async move {
            let mut kills = 0;
            while !is_over.load(Ordering::Relaxed) {
                let kill = "SELECT pg_terminate_backend(pid), pg_sleep(0.03) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
                server::execute(&url, kill).await;
                kills += 1;
            }
            kills
        }
    });
    contract::ends_on_the_line(&as_ledgers(&ledgers), "killed", Crowd { callers: 16, line: 300 }).await;
    is_over.store(true, Ordering::Relaxed);
    let kills: u32 = killer.await.unwrap();
    assert!(1 < kills, "nothing was killed");
    nothing_is_wrong(&ledgers[0]).await;
}

/// The migration and the first transactions lose their COMMIT, or its answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_an_answer_is_looked_up() {
    let Some(server) = server::own(&[]) else { return };
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        let url = server.database().await;
        let ledger = connect(&server.behind(&url, cut, 4).await).await;
        let reserved = ledger.reserve(reservation("cut", "a", named(&[1, 2], &[])), goes()).await.unwrap();
        assert_eq!((reserved.changes[0].before, reserved.changes[0].added), (0, 2), "{cut:?}");
        assert_eq!(reserved.replayed, Replayed::No, "{cut:?}");
        ledger.commit("cut/a", at(1)).await.unwrap();
        let usage = ledger.usage(&account("cut"), at(1)).await.unwrap();
        assert_eq!((usage[&general()].committed, usage[&general()].reserved), (2, 0), "{cut:?}");
        nothing_is_wrong(&ledger).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_with_an_unknown_result_is_not_called_undone() {
    let Some(server) = server::own(&[]) else { return };
    let url = server.database().await;
    let direct = connect(&url).await;
    let behind = server.behind(&url, Cut::AfterCommitForGood, u32::MAX).await;
    let hasty = Settings { time_max_ms: 500, tables: Tables::Make, ..Settings::default() };
    let ledger = PostgresLedger::connect(&behind, hasty).await.unwrap();
    let error = ledger.reserve(reservation("unknown", "a", counted(1, 0)), goes()).await.unwrap_err();
    assert!(
        error.to_string().contains("it may or may not have been carried out: ask again with the same id"),
        "{error}"
    );
    let again = direct.reserve(reservation("unknown", "a", counted(1, 0)), goes()).await.unwrap();
    assert_eq!(again.replayed, Replayed::Yes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_database_loses_and_doubles_nothing() {
    let Some(server) = server::own(&[]) else { return };
    let server = Arc::new(server);
    let ledgers = servers(&server.database().await, 2).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let callers = (0..12_usize).map(|caller| {
        let (ledger, is_over) = (Arc::clone(&ledgers[caller % 2]), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut turns = 0;
            while !is_over.load(Ordering::Relaxed) {
                let id = format!("{caller}-{turns}");
                assert_eq!(contract::until_answered(ledger.as_ref(), "crash", &id, u64::MAX).await, 1);
                turns += 1;
            }
            turns
        })
    });
    let callers: Vec<_> = callers.collect();
    let crasher = tokio::task::spawn_blocking({
        let server = Arc::clone(&server);
        move || (0..3).for_each(|_| server.crash_and_start())
    });
    crasher.await.unwrap();
    is_over.store(true, Ordering::Relaxed);
    let mut acknowledged = 0;
    for (number, caller) in callers.into_iter().enumerate() {
        let turns: u64 = caller.await.unwrap();
        for turn in [0, turns / 2, turns - 1] {
            let again = reservation("crash", &format!("{number}-{turn}"), counted(1, 0));
            assert_eq!(ledgers[0].reserve(again, goes()).await.unwrap().replayed, Replayed::Yes);
        }
        acknowledged += turns;
    }
    let read = ledgers[0].read(&account("crash"), &[general()], at(1)).await.unwrap();
    assert_eq!(read[&general()], acknowledged);
    nothing_is_wrong(&ledgers[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_is_unavailable_until_it_comes_back() {
    let Some(server) = server::own(&[]) else { return };
    let url = server.database().await;
    let hasty = Settings { time_max_ms: 300, tables: Tables::Make, ..Settings::default() };
    let ledger = PostgresLedger::connect(&url, hasty.clone()).await.unwrap();
    ledger.reserve(reservation("gone", "a", counted(1, 0)), goes()).await.unwrap();
    server.stop();
    let error = ledger.reserve(reservation("gone", "b", counted(1, 0)), goes()).await.unwrap_err();
    assert!(matches!(&error, LedgerError::Unavailable(why) if why.contains("nothing was added")), "{error}");
    assert!(ledger.read(&account("gone"), &[general()], at(0)).await.is_err());
    assert!(ledger.check().await.is_err());
    assert!(PostgresLedger::connect(&url, hasty).await.is_err());
    server.start_again();
    let again = ledger.reserve(reservation("gone", "b", counted(1, 0)), goes()).await.unwrap();
    assert_eq!((again.changes[0].before, again.replayed), (1, Replayed::No));
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_start_at_once_create_the_tables_once() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let starts = (0..8).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { connect(&url).await })
    });
    for (number, start) in starts.collect::<Vec<_>>().into_iter().enumerate() {
        let ledger = start.await.unwrap();
        ledger.reserve(reservation("start", &number.to_string(), counted(1, 0)), goes()).await.unwrap();
    }
}

/// Some databases commit each statement that creates a table by itself.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_migration_is_completed() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let ledger = connect(&url).await;
    ledger.reserve(reservation("cut-off", "a", counted(1, 0)), goes()).await.unwrap();
    let cut_off =
        "UPDATE neglist_schema SET version = 0; DROP TABLE neglist_import; DROP INDEX neglist_transfer_changed";
    server::execute(&url, cut_off).await;
    let ledger = connect(&url).await;
    let total = ImportedTotal { account: account("cut-off"), counter: general(), persons: 1 };
    assert_eq!(ledger.import_totals("sheet", vec![total]).await.unwrap(), 1);
    assert_eq!(ledger.read(&account("cut-off"), &[general()], at(1)).await.unwrap()[&general()], 2);
    server::execute(&url, "DROP INDEX neglist_transfer_changed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_database_is_refused() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let running = PostgresLedger::connect(&url, Settings { time_max_ms: 500, ..patient() }).await.unwrap();
    let newer = "UPDATE neglist_schema SET version = 99; SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    server::execute(&url, newer).await;
    let error = PostgresLedger::connect(&url, patient()).await.unwrap_err();
    assert!(error.to_string().contains("version 99"), "{error}");
    let error = running.reserve(reservation("newer", "a", counted(1, 0)), goes()).await.unwrap_err();
    assert!(error.to_string().contains("version 99"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_forgets_is_refused() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
    server::execute(&url, &format!("ALTER DATABASE {name} SET synchronous_commit = off")).await;
    let error = PostgresLedger::connect(&url, patient()).await.unwrap_err();
    assert!(error.to_string().contains("`synchronous_commit` is off"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_another_server_holds_is_waited_for_within_limits() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let hasty = Settings { time_max_ms: 2_000, lock_time_max_ms: 50, tables: Tables::Make, ..Settings::default() };
    let ledger = PostgresLedger::connect(&url, hasty).await.unwrap();
    ledger.reserve(reservation("held", "a", counted(1, 0)), goes()).await.unwrap();
    let (holder, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    holder.batch_execute("BEGIN; SELECT id FROM neglist_account FOR UPDATE").await.unwrap();
    let error = ledger.reserve(reservation("held", "b", counted(1, 0)), goes()).await.unwrap_err();
    assert!(error.to_string().contains("55P03"), "{error}");
    // Reads do not wait.
    assert_eq!(ledger.read(&account("held"), &[general()], at(0)).await.unwrap()[&general()], 1);
    holder.batch_execute("ROLLBACK").await.unwrap();
    ledger.reserve(reservation("held", "b", counted(1, 0)), goes()).await.unwrap();
    drop(holder);
    connection.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_release_and_forget() {
    let Some(server) = server::shared() else { return };
    let ledger = connect(&server.database().await).await;
    for (id, people) in [("a", counted(2, 0)), ("b", named(&[1, 2], &[2])), ("c", counted(4, 0))] {
        ledger.reserve(reservation("tick", id, people), goes()).await.unwrap();
    }
    ledger.commit("tick/c", at(50)).await.unwrap();
    assert_eq!(ledger.tick(at(99)).await.unwrap(), 0);
    assert_eq!(ledger.tick(at(100)).await.unwrap(), 2);
    let usage = ledger.usage(&account("tick"), at(100)).await.unwrap();
    assert_eq!((usage[&general()].committed, usage[&general()].reserved), (4, 0));
    let days = |days: i64| at(100 + days * 86_400);
    // The last moment of the retention is remembered, as in a file.
    assert_eq!(ledger.tick(at(50 + 7 * 86_400)).await.unwrap(), 0);
    assert_eq!(ledger.tick(at(51 + 7 * 86_400)).await.unwrap(), 1);
    assert_eq!(ledger.tick(days(8)).await.unwrap(), 2);
    assert_eq!(ledger.commit("tick/c", days(8)).await, Err(LedgerError::NotFound));
    nothing_is_wrong(&ledger).await;
    let again = Reservation { hold: Hold::Commit, now: days(8), ..reservation("tick", "c", counted(4, 0)) };
    assert_eq!(ledger.reserve(again, goes()).await.unwrap().changes[0].before, 4);
    nothing_is_wrong(&ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_with_many_persons_is_counted_and_released() {
    let Some(server) = server::shared() else { return };
    let ledger = connect(&server.database().await).await;
    let many: Vec<u32> = (0..25_000).collect();
    let reserved = ledger.reserve(reservation("many", "a", named(&many, &many[..11_000])), goes()).await.unwrap();
    assert_eq!(reserved.changes.iter().map(|change| change.added).collect::<Vec<_>>(), [25_000, 11_000]);
    let half = ledger.reserve(reservation("many", "b", named(&many[12_500..], &[])), goes()).await.unwrap();
    assert_eq!(half.changes[0].added, 0);
    ledger.release("many/a", at(1)).await.unwrap();
    let usage = ledger.usage(&account("many"), at(1)).await.unwrap();
    assert_eq!((usage[&general()].reserved, usage[&sensitive()].reserved), (12_500, 0));
    nothing_is_wrong(&ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_import_export_and_drop_years() {
    let Some(server) = server::shared() else { return };
    let ledger = connect(&server.database().await).await;
    ledger.reserve(reservation("operate", "a", named(&[1, 2], &[])), goes()).await.unwrap();
    let last_year = Account { exporter: "operate".to_owned(), year: Year(2025) };
    let total = |account: &Account, persons| ImportedTotal { account: account.clone(), counter: general(), persons };
    let totals = vec![total(&account("operate"), 70), total(&last_year, 900)];
    assert_eq!(ledger.import_totals("sheet", totals.clone()).await.unwrap(), 2);
    assert_eq!(ledger.import_totals("sheet", totals).await.unwrap(), 0);
    let other = ledger.import_totals("sheet", vec![total(&last_year, 901)]).await.unwrap_err();
    assert!(matches!(&other, OperateError::Refused(why) if why.contains("other totals")), "{other}");
    let twice = ledger.import_totals("twice", vec![total(&last_year, 1), total(&last_year, 2)]).await.unwrap_err();
    assert!(matches!(&twice, OperateError::Refused(why) if why.contains("twice")), "{twice}");
    let large = ledger.import_totals("large", vec![total(&last_year, u64::MAX)]).await.unwrap_err();
    assert!(matches!(&large, OperateError::Refused(why) if why.contains("too large")), "{large}");
    assert_eq!(ledger.read(&last_year, &[general()], at(1)).await.unwrap()[&general()], 900);
    nothing_is_wrong(&ledger).await;

    let mut export = ledger.export().await.unwrap();
    let counters = export.counters.iter().map(|row| (row.account.year.0, row.imported, row.usage.total()));
    assert_eq!(counters.collect::<Vec<_>>(), [(2025, 900, 900), (2026, 70, 72), (2026, 0, 0)]);
    let transfers = export.transfers().await.unwrap();
    assert_eq!((transfers.len(), transfers[0].state, transfers[0].at), (1, State::Reserved, at(100)));
    assert_eq!(transfers[0].changes[0].added, 2);
    assert_eq!(export.transfers().await.unwrap(), []);
    drop(export);

    assert_eq!(ledger.withdraw_import("sheet").await.unwrap(), 2);
    assert!(ledger.withdraw_import("sheet").await.is_err());
    assert_eq!(ledger.read(&account("operate"), &[general()], at(1)).await.unwrap()[&general()], 2);
    let standing = ledger.drop_years_before(Year(2027)).await.unwrap_err();
    assert!(standing.to_string().contains("still pending"), "{standing}");
    assert_eq!(ledger.drop_years_before(Year(2026)).await.unwrap(), 1);
    ledger.commit("operate/a", at(1)).await.unwrap();
    assert_eq!(ledger.drop_years_before(Year(2027)).await.unwrap(), 2);
    assert_eq!(ledger.usage(&account("operate"), at(1)).await.unwrap().len(), 0);
    nothing_is_wrong(&ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_changes_by_hand() {
    let Some(server) = server::shared() else { return };
    let url = server.database().await;
    let ledger = connect(&url).await;
    ledger.reserve(reservation("wrong", "a", named(&[1, 2, 3], &[])), goes()).await.unwrap();
    ledger.reserve(reservation("wrong", "b", counted(4, 0)), goes()).await.unwrap();
    nothing_is_wrong(&ledger).await;
    for (change, undo) in [
        ("UPDATE neglist_person SET reserved = reserved + 1", "UPDATE neglist_person SET reserved = 1"),
        (
            "UPDATE neglist_counter SET named_reserved = 2 WHERE name = 'national' AND class = 'general'",
            "UPDATE neglist_counter SET named_reserved = 3 WHERE name = 'national' AND class = 'general'",
        ),
        ("UPDATE neglist_counter SET imported = imported + 1", "UPDATE neglist_counter SET imported = 0"),
        ("UPDATE neglist_counter SET number = number + 7", "UPDATE neglist_counter SET number = number - 7"),
    ] {
        server::execute(&url, change).await;
        assert_ne!(ledger.verify().await.unwrap(), [], "{change}");
        server::execute(&url, undo).await;
        nothing_is_wrong(&ledger).await;
    }
}

/// Makes an authority and its certificate for `localhost`.
fn certificates(directory: &Path) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    std::fs::write(directory.join("ca.pem"), authority.self_signed(&authority_key).unwrap().pem()).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("server.pem"), certificate.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    let key_file = directory.join("server.key");
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key_file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_checked() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port_text = port.to_string();
    let options = [
        ("listen_addresses", "127.0.0.1"),
        ("port", port_text.as_str()),
        ("ssl", "on"),
        ("ssl_cert_file", "../server.pem"),
        ("ssl_key_file", "../server.key"),
    ];
    let Some(server) = server::own_with(&options, certificates) else { return };
    let authority = server.directory().join("ca.pem");
    let authority = authority.to_str().unwrap();
    let url = |host: &str, rest: &str| format!("postgres://postgres@{host}:{port}/postgres?{rest}");
    let checked = url("localhost", &format!("sslmode=verify-full&sslrootcert={authority}"));
    let ledger = connect(&checked).await;
    contract::holds(ledger.as_ref()).await;
    let hasty = || Settings { time_max_ms: 1_000, tables: Tables::Make, ..Settings::default() };
    let other = tempfile::tempdir().unwrap();
    certificates(other.path());
    let wrong_authority = format!("sslmode=require&sslrootcert={}", other.path().join("ca.pem").to_str().unwrap());
    for (what, url) in [
        ("another authority", url("localhost", &wrong_authority)),
        ("another host", url("127.0.0.1", &format!("sslmode=verify-full&sslrootcert={authority}"))),
        ("no such file", url("localhost", "sslmode=require&sslrootcert=/nowhere.pem")),
    ] {
        assert!(PostgresLedger::connect(&url, hasty()).await.is_err(), "{what}");
    }
    PostgresLedger::connect(&url("localhost", "sslmode=disable"), hasty()).await.unwrap();
}
