//! The embedded ledger: answers, operators, many callers at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use neglist::domain::units::Year;
use neglist::ledger::embedded::{EmbeddedLedger, MissingFile, Settings};
use neglist::ledger::rows::{Forget, ImportedTotal, OperateError, State};
use neglist::ledger::{
    Account, Admission, Change, Counter, Hold, Judgement, Ledger, LedgerError, People, Replayed, Reservation, Settled,
    Usage,
};
use tempfile::TempDir;

use crate::ledger::contract;
use crate::ledger::disk::Disk;
use crate::ledger::place::{Place, total};
use crate::ledger::support::{
    Random, START, account, allow, allow_below, check_sound, counted, general, named, open, pseudonym, reservation,
    sensitive, wait, watched,
};

fn new() -> EmbeddedLedger {
    EmbeddedLedger::open_in(Box::new(Disk::default()), Settings::default()).unwrap()
}

fn with(settings: Settings) -> EmbeddedLedger {
    EmbeddedLedger::open_in(Box::new(Disk::default()), settings).unwrap()
}

fn national() -> Counter {
    general("national")
}

fn held(id: &str, people: People, seconds: i64) -> Reservation {
    Reservation { hold: Hold::Until(START.plus_seconds(seconds)), ..reservation(id, people) }
}

#[track_caller]
fn check_usage(ledger: &EmbeddedLedger, committed: u64, reserved: u64) {
    let usage = wait(ledger.usage(&account("acme"), START)).unwrap();
    assert_eq!(usage.get(&national()).copied().unwrap_or_default(), Usage { committed, reserved });
    let read = wait(ledger.read(&account("acme"), &[national()], START)).unwrap();
    assert_eq!(read, BTreeMap::from([(national(), committed + reserved)]));
    check_sound(ledger);
}

#[test]
fn only_a_ledger_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("text"), "exporter,counter,persons\n".repeat(1_000)).unwrap();
    std::fs::write(path("empty"), "").unwrap();
    std::fs::create_dir(path("directory")).unwrap();
    let table = redb::TableDefinition::<&str, &str>::new("other");
    let other = redb::Database::create(path("database")).unwrap();
    let transaction = other.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert("a", "b").unwrap();
    transaction.commit().unwrap();
    drop(other);
    let newer = redb::Database::create(path("newer")).unwrap();
    let transaction = newer.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, &str>::new("meta");
    transaction.open_table(meta).unwrap().insert("format", "neglist ledger 99").unwrap();
    transaction.commit().unwrap();
    drop(newer);
    let ledger = open(&path("open"));
    for (name, why) in [
        ("text", "it is not a ledger: give another path"),
        ("empty", "the file is empty, so it is not a ledger: restore it, or remove it to begin a new one"),
        ("database", "it is a database, but not a ledger: give another path"),
        (
            "newer",
            "its format is `neglist ledger 99`, this program reads `neglist ledger 1` and `neglist ledger 2`: start the program that wrote it",
        ),
        ("open", "another process has it open: stop that one, or share totals through PostgreSQL"),
    ] {
        let error = EmbeddedLedger::open(path(name), Settings::default()).unwrap_err();
        let text = format!("the ledger is not available: `{}`: {why}", path(name).display());
        assert_eq!(error.to_string(), text);
    }
    for name in ["directory", "missing", "no-directory/ledger"] {
        let settings = Settings { missing: MissingFile::Refuse, ..Settings::default() };
        assert!(EmbeddedLedger::open(path(name), settings).is_err(), "{name}");
    }
    assert!(!path("missing").exists());
    drop(ledger);
    drop(open(&path("open")));
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 7, "five files, a directory and a witness: {left:?}");
}

#[test]
fn a_person_counts_once_in_any_order_of_ends() {
    // Two reservations and a commit of overlapping people, in each order of their ends.
    let ends = ["commit", "release"];
    for (first, second) in ends.iter().flat_map(|first| ends.map(|second| (*first, second))) {
        let ledger = new();
        let reserve = |asked| wait(ledger.reserve(asked, allow(&[national()]))).unwrap().changes;
        let change = |before, added| vec![Change { counter: national(), before, added }];
        assert_eq!(reserve(held("one", named(0..10), 60)), change(0, 10));
        assert_eq!(reserve(held("two", named(5..15), 60)), change(10, 5));
        check_usage(&ledger, 0, 15);
        assert_eq!(reserve(reservation("three", named(8..12))), change(15, 0));
        check_usage(&ledger, 4, 11);
        let mut standing = (8..12).collect::<std::collections::BTreeSet<_>>();
        for (id, end, people) in [("one", first, 0..10), ("two", second, 5..15)] {
            if end == "commit" {
                wait(ledger.commit(id, START)).unwrap();
                standing.extend(people);
            } else {
                wait(ledger.release(id, START)).unwrap();
            }
        }
        check_usage(&ledger, standing.len() as u64, 0);
    }
}

#[test]
fn persons_are_sorted_and_deduplicated() {
    let ledger = new();
    let mut people: Vec<_> = [3, 1, 2, 1, 3].map(pseudonym).into();
    people.reverse();
    let people = People::Named { general: people, sensitive: vec![pseudonym(1)] };
    let both = [national(), sensitive("national"), national()];
    let asked = Reservation { hold: Hold::Until(START.plus_seconds(5)), ..reservation("one", people) };
    let changes = wait(ledger.reserve(asked, allow(&both))).unwrap().changes;
    assert_eq!(changes.iter().map(|change| change.added).collect::<Vec<_>>(), [3, 1]);
    check_usage(&ledger, 0, 3);
    wait(ledger.release("one", START)).unwrap();
    check_usage(&ledger, 0, 0);
}

#[test]
fn a_repeated_id_gets_the_first_answer() {
    let ledger = new();
    let asked = held("one", counted(5, 0), 60);
    let first = wait(ledger.reserve(asked.clone(), allow(&[national()]))).unwrap();
    assert_eq!(first.expires_at, Some(START.plus_seconds(60)));
    let (judge, seen) = watched(allow(&[]));
    let later = Reservation { hold: Hold::Until(START.plus_seconds(900)), ..asked.clone() };
    let second = wait(ledger.reserve(later, judge)).unwrap();
    assert_eq!((second.replayed, second.expires_at), (Replayed::Yes, first.expires_at));
    assert_eq!((second.answer, second.changes), (first.answer, first.changes));
    assert_eq!(*seen.lock().unwrap(), None);
    let other = Reservation { fingerprint: [8; 32], ..asked.clone() };
    assert_eq!(wait(ledger.reserve(other, allow(&[]))), Err(LedgerError::OtherTransfer));
    check_usage(&ledger, 0, 5);
    // The caller sends the data now: it stays counted.
    let now = Reservation { hold: Hold::Commit, ..asked.clone() };
    assert_eq!(wait(ledger.reserve(now, allow(&[]))).unwrap().expires_at, None);
    check_usage(&ledger, 5, 0);
    assert_eq!(wait(ledger.reserve(asked, allow(&[]))).unwrap().expires_at, None);
    assert_eq!(wait(ledger.release("one", START)), Err(LedgerError::Settled(Settled::Committed)));
}

#[test]
fn a_refusal_is_kept_and_holds_nothing() {
    let ledger = new();
    let asked = held("one", counted(5, 0), 60);
    let first = wait(ledger.reserve(asked.clone(), allow_below(5, 5, national()))).unwrap();
    assert_eq!((first.answer.as_slice(), first.expires_at), (b"Deny".as_slice(), None));
    let again = wait(ledger.reserve(asked, allow(&[national()]))).unwrap();
    assert_eq!((again.replayed, again.answer, again.changes.len()), (Replayed::Yes, first.answer, 0));
    assert_eq!(wait(ledger.commit("one", START)), Err(LedgerError::Settled(Settled::Refused)));
    assert_eq!(wait(ledger.release("one", START)), Ok(()));
    assert_eq!(wait(ledger.commit("two", START)), Err(LedgerError::NotFound));
    check_usage(&ledger, 0, 0);
}

#[test]
fn unfinished_tidying_up_makes_totals_too_high_and_never_too_low() {
    let ledger = with(Settings { expiry_work_per_batch_max: 1, ..Settings::default() });
    for id in ["one", "two", "three", "four"] {
        wait(ledger.reserve(held(id, counted(10, 0), 60), allow(&[national()]))).unwrap();
    }
    let later = START.plus_seconds(60);
    let asked = Reservation { now: later, ..reservation("five", counted(1, 0)) };
    let (judge, seen) = watched(allow(&[national()]));
    wait(ledger.reserve(asked, judge)).unwrap();
    assert_eq!(seen.lock().unwrap().as_ref().unwrap()[&national()], 30);
    // Not released yet, but expired all the same.
    assert_eq!(wait(ledger.commit("two", later)), Err(LedgerError::Settled(Settled::Expired)));
    let asked = Reservation { now: later, ..held("three", counted(10, 0), 60) };
    assert_eq!(wait(ledger.reserve(asked, allow(&[]))), Err(LedgerError::Settled(Settled::Expired)));
    wait(ledger.tick(later)).unwrap();
    assert_eq!(wait(ledger.tick(later)), Ok(0));
    check_usage(&ledger, 1, 0);
}

#[test]
fn settled_transfers_are_forgotten_and_still_count() {
    let ledger = with(Settings { retention_days: 2, forgotten_per_batch_max: 2, ..Settings::default() });
    for (id, people) in [("one", counted(10, 0)), ("two", named(0..5)), ("three", counted(7, 0))] {
        wait(ledger.reserve(reservation(id, people), allow(&[national()]))).unwrap();
    }
    wait(ledger.reserve(held("standing", named(3..9), 300_000), allow(&[national()]))).unwrap();
    let ids = || ledger.export().unwrap().transfers().map(|row| row.unwrap().transfer_id).collect::<Vec<_>>();
    // The last moment is remembered, as in PostgreSQL.
    wait(ledger.tick(START.plus_seconds(2 * 86_400))).unwrap();
    assert_eq!(ids().len(), 4);
    wait(ledger.tick(START.plus_seconds(2 * 86_400 + 1))).unwrap();
    wait(ledger.tick(START.plus_seconds(2 * 86_400 + 1))).unwrap();
    assert_eq!(ids(), ["standing"]);
    check_usage(&ledger, 22, 4);
    let asked = Reservation { now: START.plus_seconds(200_000), ..reservation("two", named(0..5)) };
    let again = wait(ledger.reserve(asked, allow(&[national()]))).unwrap();
    assert_eq!((again.replayed, again.changes[0].added), (Replayed::No, 0));
}

#[test]
fn a_judgement_that_panics_harms_no_other_request() {
    let ledger = Arc::new(new());
    wait(async {
        let good = |id: &str| ledger.reserve(reservation(id, counted(1, 0)), allow(&[national()]));
        let bad = ledger.reserve(reservation("bad", counted(1, 0)), Box::new(|_| panic!("the judgement of the test")));
        let (one, bad, two) = tokio::join!(good("one"), bad, good("two"));
        assert!(matches!(bad, Err(LedgerError::Unavailable(why)) if why.contains("the judgement failed")));
        assert!(one.is_ok() && two.is_ok());
    });
    assert_eq!(wait(ledger.commit("bad", START)), Err(LedgerError::NotFound));
    check_usage(&ledger, 2, 0);
}

#[test]
fn a_full_queue_refuses_at_once() {
    let ledger = Arc::new(with(Settings { queue_requests_max: 1, ..Settings::default() }));
    let (started, begun) = mpsc::channel();
    let (go, going) = mpsc::channel::<()>();
    let slow = Arc::clone(&ledger);
    let slow = std::thread::spawn(move || {
        let judge = Box::new(move |_: &_| {
            started.send(()).unwrap();
            going.recv().unwrap();
            Judgement { add: vec![national()], admission: Admission::Permit, answer: Vec::new() }
        });
        wait(slow.reserve(reservation("slow", counted(1, 0)), judge))
    });
    begun.recv().unwrap();
    let asked = |id: &str| ledger.reserve(reservation(id, counted(1, 0)), allow(&[national()]));
    let late = wait(async {
        let waiting = asked("waiting");
        tokio::pin!(waiting);
        // It takes the one place in the queue, and its caller disconnects.
        assert!(tokio::time::timeout(Duration::ZERO, &mut waiting).await.is_err());
        asked("late").await
    });
    assert!(matches!(late, Err(LedgerError::Unavailable(why)) if why.contains("too many requests")));
    go.send(()).unwrap();
    assert!(slow.join().unwrap().is_ok());
    // The caller of the queued request has disconnected: it makes room and adds nothing.
    while wait(ledger.tick(START)).is_err() {
        std::thread::yield_now();
    }
    check_usage(&ledger, 1, 0);
}

#[test]
fn a_stuck_writer_keeps_no_caller_waiting() {
    let ledger = Arc::new(with(Settings { time_max_ms: 200, ..Settings::default() }));
    wait(ledger.reserve(held("sent", counted(10, 0), 60), allow(&[national()]))).unwrap();
    let (started, begun) = mpsc::channel();
    let (go, going) = mpsc::channel::<()>();
    let stuck = Arc::clone(&ledger);
    let stuck = std::thread::spawn(move || {
        let judge = Box::new(move |_: &_| {
            started.send(()).unwrap();
            going.recv().unwrap();
            Judgement { add: vec![national()], admission: Admission::Permit, answer: Vec::new() }
        });
        wait(stuck.reserve(reservation("stuck", counted(1, 0)), judge))
    });
    begun.recv().unwrap();
    let late = wait(ledger.reserve(reservation("late", counted(100, 0)), allow(&[national()]))).map(drop);
    for answer in [late, wait(ledger.commit("sent", START)), stuck.join().unwrap().map(drop)] {
        assert!(matches!(&answer, Err(LedgerError::Unavailable(why)) if why.contains("in time")), "{answer:?}");
    }
    go.send(()).unwrap();
    // The commit is carried out; the reservation is dropped, because its caller has disconnected.
    wait(ledger.tick(START)).unwrap();
    check_usage(&ledger, 11, 0);
    let again = wait(ledger.reserve(reservation("stuck", counted(1, 0)), allow(&[national()]))).unwrap();
    assert_eq!(again.replayed, Replayed::Yes);
}

#[test]
fn totals_that_do_not_fit_deny() {
    let ledger = new();
    let total = |persons| vec![ImportedTotal { account: account("acme"), counter: national(), persons }];
    wait(ledger.import_totals("huge", total(u64::MAX - 5))).unwrap();
    assert!(wait(ledger.import_totals("more", total(6))).is_err());
    let (judge, seen) = watched(allow(&[national()]));
    let refused = wait(ledger.reserve(reservation("one", counted(6, 0)), judge));
    assert!(matches!(refused, Err(LedgerError::Unavailable(why)) if why.contains("national/general/2026 is full")));
    assert_eq!(seen.lock().unwrap().as_ref().unwrap()[&national()], u64::MAX - 5);
    wait(ledger.reserve(reservation("two", named(0..5)), allow(&[national()]))).unwrap();
    check_usage(&ledger, u64::MAX, 0);
    assert!(ledger.check().is_ok());
}

#[test]
fn imports_count_once_and_can_be_taken_back() {
    let ledger = new();
    let rows = |persons| {
        let total = |counter, persons| ImportedTotal { account: account("acme"), counter, persons };
        vec![total(national(), persons), total(sensitive("national"), 2)]
    };
    assert_eq!(wait(ledger.import_totals("spreadsheet", rows(40))), Ok(2));
    assert_eq!(wait(ledger.import_totals("spreadsheet", rows(40))), Ok(0));
    let other = wait(ledger.import_totals("spreadsheet", rows(41)));
    assert!(matches!(other, Err(OperateError::Refused(why)) if why.contains("withdraw it first")));
    let twice = [rows(1), rows(2)].concat();
    assert!(matches!(wait(ledger.import_totals("twice", twice)), Err(OperateError::Refused(_))));
    assert_eq!(wait(ledger.import_totals("second", rows(2))), Ok(2));
    check_usage(&ledger, 42, 0);
    assert_eq!(wait(ledger.withdraw_import("spreadsheet")), Ok(2));
    assert!(wait(ledger.withdraw_import("spreadsheet")).is_err());
    check_usage(&ledger, 2, 0);
    assert_eq!(ledger.export().unwrap().counters()[0].imported, 2);
}

#[test]
fn old_years_can_be_dropped_without_pending_reservations() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&directory.path().join("ledger"));
    let old = Account { year: Year(2025), ..account("acme") };
    let of_old = |asked: Reservation| Reservation { account: old.clone(), ..asked };
    let reserve = |asked| wait(ledger.reserve(asked, allow(&[national()]))).unwrap();
    reserve(of_old(reservation("one", named(0..50))));
    reserve(of_old(held("two", counted(3, 0), 60)));
    reserve(reservation("three", named(0..20)));
    let total = ImportedTotal { account: old.clone(), counter: national(), persons: 9 };
    wait(ledger.import_totals("last year", vec![total])).unwrap();
    assert!(matches!(wait(ledger.drop_years_before(Year(2026), START)), Err(OperateError::Refused(_))));
    assert_eq!(wait(ledger.usage(&old, START)).unwrap()[&national()], Usage { committed: 59, reserved: 3 });
    wait(ledger.release("two", START)).unwrap();
    assert_eq!(wait(ledger.drop_years_before(Year(2026), START)), Ok(1));
    assert!(wait(ledger.usage(&old, START)).unwrap().is_empty());
    check_usage(&ledger, 20, 0);
    drop(ledger);
    let ledger = open(&directory.path().join("ledger"));
    check_usage(&ledger, 20, 0);
    let rows: Vec<_> = ledger.export().unwrap().transfers().map(Result::unwrap).collect();
    assert_eq!(
        rows.iter().map(|row| (row.transfer_id.as_str(), row.state)).collect::<Vec<_>>(),
        [("three", State::Committed)]
    );
}

/// Many callers at one line, with retries, duplicates and callers that give up: the counter ends exactly on the line,
/// and equals the acknowledged persons.
fn race_to_the_line(people: impl Fn(u64, u64) -> People + Sync) {
    const LINE: u64 = 301;
    const CALLERS: u64 = 8;
    let directory = TempDir::new().unwrap();
    let ledger = open(&directory.path().join("ledger"));
    let (allowed, replayed) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (ledger, people, allowed, replayed) = (&ledger, &people, &allowed, &replayed);
            scope.spawn(move || wait(run_caller(ledger, caller, people, LINE, allowed, replayed)));
        }
    });
    let allowed = allowed.into_inner();
    assert_eq!(allowed, LINE - 1);
    assert!(0 < replayed.into_inner(), "no call was repeated");
    check_usage(&ledger, allowed, 0);
    drop(ledger);
    check_usage(&open(&directory.path().join("ledger")), allowed, 0);
}

async fn run_caller(
    ledger: &EmbeddedLedger,
    caller: u64,
    people: &(impl Fn(u64, u64) -> People + Sync),
    line: u64,
    allowed: &AtomicU64,
    replayed: &AtomicU64,
) {
    let mut random = Random(caller);
    let mut refusals = 0;
    for number in 0.. {
        let people = people(caller, number);
        let (of_general, _) = people.count();
        let asked = Reservation {
            hold: if random.below(2) == 0 { Hold::Commit } else { Hold::Until(START.plus_seconds(60)) },
            ..reservation(&format!("{caller}-{number}"), people)
        };
        let again = || ledger.reserve(asked.clone(), allow_below(line, of_general, national()));
        let mut answer = None;
        while answer.is_none() {
            let time_limit = Duration::from_micros(random.below(3_000));
            answer = tokio::time::timeout(time_limit, again()).await.ok().map(Result::unwrap);
        }
        let answer = answer.unwrap();
        let (one, two) = tokio::join!(again(), again());
        assert_eq!([&one.unwrap().answer, &two.unwrap().answer], [&answer.answer; 2]);
        replayed.fetch_add(u64::from(answer.replayed == Replayed::Yes) + 2, Ordering::Relaxed);
        if answer.answer == b"Permit" {
            wait_commit(ledger, &asked).await;
            allowed.fetch_add(answer.changes[0].added, Ordering::Relaxed);
        } else {
            refusals += 1;
        }
        if refusals == 2 {
            return;
        }
    }
}

async fn wait_commit(ledger: &EmbeddedLedger, asked: &Reservation) {
    ledger.commit(&asked.transfer_id, START).await.unwrap();
    ledger.commit(&asked.transfer_id, START).await.unwrap();
}

#[test]
fn callers_end_exactly_on_the_line_with_counted_persons() {
    race_to_the_line(|_, _| counted(1, 0));
}

#[test]
fn callers_end_exactly_on_the_line_with_named_persons() {
    // One new person and two that other transfers of the same caller named before.
    race_to_the_line(|caller, number| {
        let first = caller * 100_000;
        named([first + number, first + number.saturating_sub(1), first + number / 2])
    });
}

/// The promises of every ledger, and no person beyond a line.
#[test]
fn it_keeps_the_promises_of_every_ledger() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let ledger = Arc::new(new());
    runtime.block_on(async {
        contract::holds(ledger.as_ref()).await;
        let shared: Arc<dyn Ledger> = Arc::<EmbeddedLedger>::clone(&ledger);
        contract::ends_on_the_line(&[shared], "crowd", contract::Crowd { callers: 16, line: 500 }).await;
    });
    check_sound(&ledger);
}

#[test]
fn a5_the_newest_moment_is_that_of_each_commit_and_is_never_forgotten() {
    let place = Place::new();
    let newest = |ledger: &EmbeddedLedger| wait(ledger.newest()).unwrap();
    let ledger = open(&place.ledger());
    assert_eq!(newest(&ledger), None);
    let held = |id: &str, now, seconds| Reservation {
        hold: Hold::Until(START.plus_seconds(seconds)),
        now,
        ..reservation(id, counted(5, 0))
    };
    wait(ledger.reserve(held("one", START, 600), allow(&[general("national")]))).unwrap();
    assert_eq!(newest(&ledger), Some(START), "a reservation that stands");
    let earlier = START.plus_seconds(-50);
    wait(ledger.reserve(held("two", earlier, 700), allow(&[general("national")]))).unwrap();
    assert_eq!(newest(&ledger), Some(START));
    // Past the retention, only that moment is remembered.
    let late = START.plus_seconds(30 * 86_400);
    while wait(ledger.tick(late)).unwrap() != 0 {}
    assert_eq!(ledger.export().unwrap().transfers().count(), 0);
    drop(ledger);
    assert_eq!(newest(&open(&place.ledger())), Some(late));
}

#[test]
fn b7_expired_reservations_are_released_before_accounts_are_removed() {
    let place = Place::new();
    let ledger = open(&place.ledger());
    let hold = Hold::Until(START.plus_seconds(60));
    wait(ledger.reserve(Reservation { hold, ..reservation("one", counted(5, 0)) }, allow(&[general("national")])))
        .unwrap();
    let forget = Forget { accounts: vec![account("acme")], totals_kept_from: None };
    let before = START.plus_seconds(59);
    assert_eq!(wait(ledger.forget(forget.clone(), before)).unwrap().standing, [account("acme")]);
    assert!(wait(ledger.drop_years_before(Year(2027), before)).is_err());
    assert_eq!(total(&ledger, "acme"), Ok(5));
    assert_eq!(wait(ledger.forget(forget, START.plus_seconds(60))).unwrap().gone, [account("acme")]);
    wait(ledger.reserve(Reservation { hold, ..reservation("two", counted(5, 0)) }, allow(&[general("national")])))
        .unwrap();
    assert_eq!(wait(ledger.drop_years_before(Year(2027), START.plus_seconds(60))).unwrap(), 1);
    assert_eq!(total(&ledger, "acme"), Ok(0));
    assert_eq!(ledger.verify().unwrap(), []);
}
