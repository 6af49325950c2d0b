//! The ledger in a file never loses counts silently: a file that is gone, replaced, or was never there.

use std::fs::{self, OpenOptions};
use std::path::Path;

use neglist::ledger::embedded::{EmbeddedLedger, MissingFile, Settings};

use crate::ledger::place::{Place, add, check_closed, open, pause, quick, refused, serve, tick_until_open, total};
use crate::ledger::support::{START, wait};
use crate::support::http_client::get;
use crate::support::server::{Directory, Process};
use crate::support::wait::until;

fn overwrite(path: &Path, with: &[u8]) {
    use std::io::Write as _;
    OpenOptions::new().write(true).truncate(true).open(path).unwrap().write_all(with).unwrap();
}

type Lay = fn(&Place, &[u8]);

/// A change to the file of an open ledger, and its report.
const HANDS: [(&str, Lay); 6] = [
    ("its file was removed", |place, _| fs::remove_file(place.ledger()).unwrap()),
    ("its file was removed", |place, _| fs::rename(place.ledger(), place.path("moved")).unwrap()),
    ("its file was replaced by another", |place, older| {
        fs::write(place.path("older"), older).unwrap();
        fs::rename(place.path("older"), place.ledger()).unwrap();
    }),
    ("something else changed the length of its file", |place, _| overwrite(&place.ledger(), b"")),
    ("something else changed the length of its file", |place, _| {
        let file = OpenOptions::new().write(true).open(place.ledger()).unwrap();
        file.set_len(fs::metadata(place.ledger()).unwrap().len() / 2).unwrap();
    }),
    ("something else wrote to its file", |place, older| overwrite(&place.ledger(), older)),
];

/// Also B14 for a file that is replaced by an older copy under the server.
#[test]
fn b7_a_change_of_the_file_by_another_process_closes_the_ledger() {
    for (why, lay_hands) in HANDS {
        for notice in ["tick", "reserve"] {
            let place = Place::new();
            let ledger = open(&place.ledger());
            add(&ledger, "one", 1_000).unwrap();
            let older = fs::read(place.ledger()).unwrap();
            add(&ledger, "two", 90_000).unwrap();
            let newest = fs::read(place.ledger()).unwrap();
            assert_eq!(older.len(), newest.len(), "so that the length alone tells nothing");
            lay_hands(&place, &older);
            if notice == "tick" {
                assert!(refused(wait(ledger.tick(START))).contains(why), "{why}");
            } else {
                assert!(refused(add(&ledger, "three", 5)).contains(why), "{why}");
            }
            check_closed(&ledger, "closed after a failure");
            // The new file is not opened, however often that is tried.
            for _ in 0..20 {
                drop(wait(ledger.tick(START)));
                pause(1);
            }
            check_closed(&ledger, "closed after a failure");
            let there = fs::read(place.ledger()).ok();
            if why.contains("something else wrote") || why.contains("replaced") {
                assert!(there.unwrap() == older, "{why}: the copy is left as it is");
            }
            fs::write(place.path("restored"), &newest).unwrap();
            fs::rename(place.path("restored"), place.ledger()).unwrap();
            tick_until_open(&ledger);
            assert_eq!(total(&ledger, "acme"), Ok(91_000), "{why}");
            add(&ledger, "four", 7).unwrap();
            drop(ledger);
            assert_eq!(total(&open(&place.ledger()), "acme"), Ok(91_007), "{why}");
        }
    }
}

#[test]
fn b7_a_dangling_link_is_reported_and_nothing_is_created() {
    for missing in [MissingFile::Create, MissingFile::CreateFirst, MissingFile::Refuse] {
        let place = Place::new();
        std::os::unix::fs::symlink(place.path("disk/ledger"), place.ledger()).unwrap();
        let why = refused(EmbeddedLedger::open(place.ledger(), Settings { missing, ..quick() }));
        assert!(why.contains("it is a link that leads nowhere"), "{why}");
        assert_eq!(place.names(), ["ledger"]);
    }
    // A link to an existing directory is a ledger like any other.
    let place = Place::new();
    drop(open(&place.path("real")));
    std::os::unix::fs::symlink(place.path("real"), place.ledger()).unwrap();
    fs::rename(place.path("real.witness"), place.path("ledger.witness")).unwrap();
    let ledger = open(&place.ledger());
    add(&ledger, "one", 1).unwrap();
    assert_eq!(total(&ledger, "acme"), Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn b7_a_server_whose_file_is_gone_is_not_ready_until_it_is_back() {
    let directory = Directory::small();
    let ledger = directory.beside("ledger");
    let settings = [
        ("NEGLIST_HTTP", "127.0.0.1:0"),
        ("NEGLIST_ADMIN", "none"),
        ("NEGLIST_LEDGER_TICK_INTERVAL_MS", "20"),
        ("NEGLIST_LEDGER_REOPEN_WAIT_MS", "20"),
        ("NEGLIST_LEDGER_REOPEN_WAIT_MAX_MS", "40"),
    ];
    let server = Process::listening(&serve(&directory, &[]), &settings);
    let ready = |status: u16| move |answer: u16| (answer == status).then_some(());
    let address = server.http().to_owned();
    assert_eq!(get(&address, "/readyz").status, 200);
    let hidden = directory.beside("hidden");
    fs::rename(&ledger, &hidden).unwrap();
    until("it is not ready", || ready(503)(get(&address, "/readyz").status)).await;
    assert_eq!(get(&address, "/livez").status, 200);
    fs::rename(&hidden, &ledger).unwrap();
    until("it is ready again", || ready(200)(get(&address, "/readyz").status)).await;
    server.signal("TERM");
    let ended = server.ended().await;
    assert_eq!(ended.stderr.matches("its file was removed while it was open").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.matches("cannot be opened again").count() <= 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("the ledger is open again"), "{}", ended.stderr);
}

#[test]
fn b13_a_ledger_is_created_only_without_a_trace_of_an_earlier_one() {
    // Nothing there.
    let place = Place::new();
    let with = |missing| Settings { missing, ..quick() };
    let why = refused(EmbeddedLedger::open(place.ledger(), with(MissingFile::Refuse)));
    assert!(why.contains("make a new ledger there, once, with `--ledger-create`"), "{why}");
    assert!(place.names().is_empty());
    // A backup beside it, a ledger under another name, one that was moved away.
    for trace in ["ledger.old", "ledger-2026.bak", "ledger~"] {
        let place = Place::new();
        fs::write(place.path(trace), b"x").unwrap();
        let why = refused(EmbeddedLedger::open(place.ledger(), with(MissingFile::CreateFirst)));
        assert!(why.contains(trace) && why.contains("may be an earlier one"), "{why}");
        drop(EmbeddedLedger::open(place.ledger(), with(MissingFile::Create)).unwrap());
    }
    // Remains of a killed process that was creating one, and unrelated files, are no traces.
    fs::write(place.path("ledger.new-77"), b"x").unwrap();
    fs::write(place.path("other.ledger"), b"x").unwrap();
    drop(EmbeddedLedger::open(place.ledger(), with(MissingFile::CreateFirst)).unwrap());
    // Gone: the witness forbids a new one, however it is requested.
    let ledger = open(&place.ledger());
    add(&ledger, "one", 95_000).unwrap();
    drop(ledger);
    let newest = fs::read(place.ledger()).unwrap();
    fs::remove_file(place.ledger()).unwrap();
    for missing in [MissingFile::Create, MissingFile::CreateFirst, MissingFile::Refuse] {
        let why = refused(EmbeddedLedger::open(place.ledger(), with(missing)));
        assert!(why.contains("there is no ledger any more") && why.contains("up to position 1"), "{why}");
        assert!(!place.ledger().exists());
    }
    // A ledger created by other means is another one.
    fs::copy(place.path("other.ledger"), place.ledger()).unwrap();
    fs::remove_file(place.ledger()).unwrap();
    let elsewhere = Place::new();
    drop(open(&elsewhere.ledger()));
    fs::copy(elsewhere.ledger(), place.ledger()).unwrap();
    let why = refused(EmbeddedLedger::open(place.ledger(), quick()));
    assert!(why.contains("saw another"), "{why}");
    fs::write(place.ledger(), newest).unwrap();
    assert_eq!(total(&open(&place.ledger()), "acme"), Ok(95_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn b13_a_named_ledger_is_made_once_and_on_demand() {
    let directory = Directory::small();
    let no = [("NEGLIST_LEDGER_CREATE", "no"), ("NEGLIST_ADMIN", "none")];
    let words = |more: &[&str]| serve(&directory, more);
    let ended = Process::spawn(&words(&[]), &no).ended().await;
    assert!(ended.code != Some(0));
    assert!(ended.stderr.contains("make a new ledger there, once, with `--ledger-create`"), "{}", ended.stderr);
    assert!(!directory.beside("ledger").exists());
    let ended = Process::listening(&words(&["--ledger-create"]), &no).stop().await;
    assert!(ended.stderr.contains("a new one was made, and its totals begin at zero"), "{}", ended.stderr);
    // It is there: with and without.
    for more in [&[][..], &["--ledger-create"]] {
        let ended = Process::listening(&words(more), &no).stop().await;
        assert!(ended.code == Some(0) && !ended.stderr.contains("a new one was made"), "{}", ended.stderr);
    }
    fs::remove_file(directory.beside("ledger")).unwrap();
    for more in [&[][..], &["--ledger-create"]] {
        let ended = Process::spawn(&words(more), &no).ended().await;
        assert!(ended.code != Some(0) && ended.stderr.contains("there is no ledger any more"), "{}", ended.stderr);
    }
    // Its witness may be elsewhere, where it outlives the directory of the ledger.
    let place = directory.beside("kept/witness");
    fs::create_dir(place.parent().unwrap()).unwrap();
    let elsewhere = [&no[..], &[("NEGLIST_LEDGER_WITNESS", place.to_str().unwrap())]].concat();
    Process::listening(&words(&["--ledger-create"]), &elsewhere).stop().await;
    fs::remove_file(directory.beside("ledger")).unwrap();
    let ended = Process::spawn(&words(&["--ledger-create"]), &elsewhere).ended().await;
    assert!(ended.code != Some(0) && ended.stderr.contains("there is no ledger any more"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn b7_a_ledger_in_a_missing_directory_is_reported_with_its_whole_path() {
    let directory = Directory::small();
    let policies = directory.policies();
    for more in [&[][..], &["--ledger-create"]] {
        let fixed = ["serve", "--policies", policies.to_str().unwrap(), "--ledger", "./nodir/x.ledger"];
        let words: Vec<String> =
            [&fixed[..], &["--listen", "127.0.0.1:0"], more].concat().into_iter().map(str::to_owned).collect();
        let none = [("NEGLIST_ADMIN", "none"), ("NEGLIST_LEDGER_CREATE", "no")];
        let ended = Process::spawn(&words, &none).ended().await;
        assert_ne!(ended.code, Some(0));
        let stderr = &ended.stderr;
        assert!(stderr.contains("/nodir/x.ledger`") && !stderr.contains("`./nodir"), "{stderr}");
        assert!(stderr.contains("/nodir` has to exist") && stderr.contains("`--ledger`"), "{stderr}");
    }
}

#[test]
fn b11_a_server_that_finds_another_ledger_asks_for_a_restart() {
    let place = Place::new();
    let ledger = open(&place.ledger());
    add(&ledger, "one", 5).unwrap();
    fs::rename(place.ledger(), place.path("away")).unwrap();
    assert!(refused(add(&ledger, "two", 5)).contains("was removed"));
    fs::copy(place.path("away"), place.ledger()).unwrap();
    EmbeddedLedger::accept(place.ledger(), &quick()).unwrap();
    let why = refused(wait(ledger.reopen()));
    assert!(why.contains("restart it after `accept`"), "{why}");
    drop(ledger);
    assert_eq!(total(&open(&place.ledger()), "acme"), Ok(5));
}

#[test]
fn c_remains_of_a_killed_creation_are_no_trace_of_an_earlier_ledger() {
    let place = Place::new();
    let settings = || Settings { missing: MissingFile::CreateFirst, ..quick() };
    fs::write(place.path("ledger.new-12"), b"").unwrap();
    fs::write(place.path("ledger.witness.new-345"), b"").unwrap();
    for other in ["ledger.new-", "ledger.new-1a", "ledger.old"] {
        fs::write(place.path(other), b"").unwrap();
        assert!(refused(EmbeddedLedger::open(place.ledger(), settings())).contains(other), "{other}");
        fs::remove_file(place.path(other)).unwrap();
    }
    drop(EmbeddedLedger::open(place.ledger(), settings()).unwrap());
}
