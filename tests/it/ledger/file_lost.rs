//! The ledger in a file is never quietly less than it was: files that go, come back older, are damaged or full, and
//! more exporters than fit into memory.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use neglist::domain::units::Year;
use neglist::ledger::embedded::{EmbeddedLedger, LedgerReader, MissingFile, Settings};
use neglist::ledger::rows::{Forget, ImportedTotal};
use neglist::ledger::witness::{self, ACCEPT_COMMAND, Witness};
use neglist::ledger::{Account, CounterName, Hold, Ledger, LedgerError, Reservation};

use crate::ledger::disk::{Disk, Fault};
use crate::ledger::support::{
    Random, START, account, allow, check_sound, counted, from_environment, general, named, reservation, wait,
};
use crate::policy::commands::{run, run_in};
use crate::support::http_client::get;
use crate::support::server::{Directory, Process};
use crate::support::wait::until;

/// A directory with a ledger in it.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn ledger(&self) -> PathBuf {
        self.path("ledger")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// Opened again soon after a failure.
fn quick() -> Settings {
    Settings { reopen_wait_ms: 1, reopen_wait_max_ms: 5, cache_bytes: 1 << 20, ..Settings::default() }
}

fn open(path: &Path) -> EmbeddedLedger {
    EmbeddedLedger::open(path, quick()).unwrap()
}

fn add(ledger: &EmbeddedLedger, id: &str, persons: u64) -> Result<(), LedgerError> {
    wait(ledger.reserve(reservation(id, counted(persons, 0)), allow(&[general("national")]))).map(|_| ())
}

fn total(ledger: &EmbeddedLedger, exporter: &str) -> Result<u64, LedgerError> {
    wait(ledger.read(&account(exporter), &[general("national")], START)).map(|before| before[&general("national")])
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, LedgerError>) -> String {
    match result {
        Err(LedgerError::Unavailable(why)) => why,
        result => panic!("{result:?}"),
    }
}

/// Asserts that nothing is answered, neither from memory nor from the file.
#[track_caller]
fn check_closed(ledger: &EmbeddedLedger, why: &str) {
    assert!(refused(ledger.check()).contains(why), "{why}: {:?}", ledger.check());
    assert!(refused(total(ledger, "acme")).contains(why));
    assert!(refused(total(ledger, "never-heard-of")).contains(why));
    let counters = [CounterName { name: "national".into(), class: general("national").class }];
    assert!(matches!(ledger.read_at_hand("acme", Year(2026), &counters), Some(Err(_))));
    assert!(refused(add(ledger, "more", 1)).contains(why));
}

/// Ticks until the ledger has opened itself again.
#[track_caller]
fn tick_until_open(ledger: &EmbeddedLedger) {
    for _ in 0..2_000 {
        drop(wait(ledger.tick(START)));
        if ledger.check().is_ok() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("it stays closed: {:?}", ledger.check());
}

fn overwrite(path: &Path, with: &[u8]) {
    use std::io::Write as _;
    OpenOptions::new().write(true).truncate(true).open(path).unwrap().write_all(with).unwrap();
}

type Lay = fn(&Place, &[u8]);

/// What somebody does to the file of a ledger that is open, and what is said of it.
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
fn b7_a_file_that_somebody_else_lays_hands_on_closes_the_ledger() {
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
            // What is there now is not taken, however often it is tried.
            for _ in 0..20 {
                drop(wait(ledger.tick(START)));
                std::thread::park_timeout(Duration::from_millis(1));
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
fn b7_a_link_that_leads_nowhere_is_said_and_nothing_is_made() {
    for missing in [MissingFile::Create, MissingFile::CreateFirst, MissingFile::Refuse] {
        let place = Place::new();
        std::os::unix::fs::symlink(place.path("disk/ledger"), place.ledger()).unwrap();
        let why = refused(EmbeddedLedger::open(place.ledger(), Settings { missing, ..quick() }));
        assert!(why.contains("it is a link that leads nowhere"), "{why}");
        assert_eq!(place.names(), ["ledger"]);
    }
    // One that leads somewhere is a ledger as any other.
    let place = Place::new();
    drop(open(&place.path("real")));
    std::os::unix::fs::symlink(place.path("real"), place.ledger()).unwrap();
    fs::rename(place.path("real.witness"), place.path("ledger.witness")).unwrap();
    let ledger = open(&place.ledger());
    add(&ledger, "one", 1).unwrap();
    assert_eq!(total(&ledger, "acme"), Ok(1));
}

fn serve(directory: &Directory, more: &[&str]) -> Vec<String> {
    let (policies, ledger) = (directory.policies(), directory.beside("ledger"));
    let arguments = ["serve", "--policies", policies.to_str().unwrap(), "--ledger", ledger.to_str().unwrap()];
    [&arguments[..], &["--listen", "127.0.0.1:0"], more].concat().into_iter().map(str::to_owned).collect()
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
fn b13_a_ledger_is_made_only_where_nothing_tells_of_an_earlier_one() {
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
    // What a killed process left of making one, and files of others, are no traces.
    fs::write(place.path("ledger.new-77"), b"x").unwrap();
    fs::write(place.path("other.ledger"), b"x").unwrap();
    drop(EmbeddedLedger::open(place.ledger(), with(MissingFile::CreateFirst)).unwrap());
    // Gone: the witness refuses a new one, however it is asked for.
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
    // One that is made by other means is another.
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

#[test]
fn b14_an_older_copy_is_refused_until_its_loss_is_accepted() {
    let place = Place::new();
    let (path, name) = (place.ledger(), place.ledger().to_str().unwrap().to_owned());
    let ledger = open(&path);
    add(&ledger, "one", 1_000).unwrap();
    drop(ledger);
    let older = fs::read(&path).unwrap();
    let ledger = open(&path);
    add(&ledger, "two", 90_000).unwrap();
    drop(ledger);
    let newest = fs::read(&path).unwrap();
    fs::write(&path, &older).unwrap();
    let why = refused(EmbeddedLedger::open(&path, quick()));
    assert!(why.contains("is at position 1") && why.contains("saw it at 2") && why.contains(ACCEPT_COMMAND), "{why}");
    let verified = run(&["ledger", "--ledger", &name, "verify"]);
    assert!(verified.out.contains("it is an older copy"), "{}", verified.out);
    assert!(fs::read(&path).unwrap() == older, "nothing was written to it");
    // Not by mistake.
    assert!(std::panic::catch_unwind(|| run(&["ledger", "--ledger", &name, "accept"])).is_err(), "a flag is missing");
    let accepted = run(&["ledger", "--ledger", &name, "accept", "--counts-may-be-missing"]);
    assert!(accepted.out.contains("is accepted as it is"), "{} {}", accepted.out, accepted.err);
    let ledger = open(&path);
    assert_eq!(total(&ledger, "acme"), Ok(1_000));
    add(&ledger, "three", 1).unwrap();
    drop(ledger);
    // What was given up does not come back without a word, however far it came.
    fs::write(&path, &newest).unwrap();
    assert!(refused(EmbeddedLedger::open(&path, quick())).contains("saw another"));
    // A witness that is gone, or damaged, is no witness that agrees.
    fs::remove_file(witness::beside(&path)).unwrap();
    assert!(refused(EmbeddedLedger::open(&path, quick())).contains("is missing"));
    fs::write(witness::beside(&path), b"neglist").unwrap();
    assert!(refused(EmbeddedLedger::open(&path, quick())).contains("is damaged or not a witness"));
    run(&["ledger", "--ledger", &name, "accept", "--counts-may-be-missing"]);
    assert_eq!(total(&open(&path), "acme"), Ok(91_000));
    // Gone, and given up.
    fs::remove_file(&path).unwrap();
    assert!(EmbeddedLedger::open(&path, quick()).is_err());
    let accepted = run(&["ledger", "--ledger", &name, "accept", "--counts-may-be-missing"]);
    assert!(accepted.out.contains("is removed: the next start with `--ledger-create`"), "{}", accepted.out);
    assert_eq!(total(&open(&path), "acme"), Ok(0));
}

const META: redb::TableDefinition<'_, &str, &str> = redb::TableDefinition::new("meta");

/// Leaves a ledger as an older program does: in the format before, with or without a mark.
fn make_older(database: &redb::Database, keeps_mark: bool) {
    let transaction = database.begin_write().unwrap();
    {
        let mut meta = transaction.open_table(META).unwrap();
        meta.insert("format", "neglist ledger 1").unwrap();
        for key in ["identity", "position"].into_iter().filter(|_| !keeps_mark) {
            meta.remove(key).unwrap();
        }
    }
    transaction.commit().unwrap();
}

fn make_file_older(path: &Path) {
    make_older(&redb::Database::open(path).unwrap(), false);
}

fn format_of(path: &Path) -> String {
    use redb::ReadableDatabase as _;
    let database = redb::Database::open(path).unwrap();
    let transaction = database.begin_read().unwrap();
    transaction.open_table(META).unwrap().get("format").unwrap().unwrap().value().to_owned()
}

fn seen(path: &Path) -> u64 {
    Witness::open(witness::beside(path)).unwrap().seen().unwrap().position
}

#[test]
fn b14_a_ledger_from_before_there_were_witnesses_gets_one() {
    let place = Place::new();
    let (path, name) = (place.ledger(), place.ledger().to_str().unwrap().to_owned());
    let ledger = open(&path);
    add(&ledger, "one", 1_000).unwrap();
    drop(ledger);
    make_file_older(&path);
    let why = refused(EmbeddedLedger::open(&path, quick()));
    assert!(why.contains("older than witnesses") && why.contains("up to position 1"), "{why}");
    assert!(why.contains(ACCEPT_COMMAND) && !why.contains("no ledger any more"), "the file is there: {why}");
    let verified = run(&["ledger", "--ledger", &name, "verify"]);
    assert!(verified.out.contains("older than witnesses"), "{}", verified.out);
    fs::remove_file(witness::beside(&path)).unwrap();
    let older = fs::read(&path).unwrap();
    // Who only looks reads it, and leaves it as it is.
    let exported = run(&["ledger", "--ledger", &name, "export"]);
    assert!(exported.out.contains("acme,2026,national,general,1000"), "{} {}", exported.out, exported.err);
    assert!(fs::read(&path).unwrap() == older);
    let ledger = open(&path);
    assert_eq!(total(&ledger, "acme"), Ok(1_000));
    assert_eq!(seen(&path), 1, "with the upgrade, before anything is counted");
    add(&ledger, "two", 1).unwrap();
    drop(ledger);
    assert_eq!(seen(&path), 2);
    assert_eq!(format_of(&path), "neglist ledger 2", "which an older program refuses");
    assert_eq!(total(&open(&path), "acme"), Ok(1_001));
    // A copy from before the upgrade is older, whether its witness is there or not of the same ledger.
    fs::write(&path, &older).unwrap();
    assert!(refused(EmbeddedLedger::open(&path, quick())).contains("older than witnesses"));
    run(&["ledger", "--ledger", &name, "accept", "--counts-may-be-missing"]);
    assert_eq!((total(&open(&path), "acme"), seen(&path)), (Ok(1_000), 1));
    assert_eq!(format_of(&path), "neglist ledger 2");
}

#[test]
fn b14_an_upgraded_ledger_is_not_believed_without_its_witness() {
    let place = Place::new();
    let path = place.ledger();
    let ledger = open(&path);
    add(&ledger, "one", 1_000).unwrap();
    drop(ledger);
    make_file_older(&path);
    fs::remove_file(witness::beside(&path)).unwrap();
    drop(open(&path));
    let upgraded = fs::read(&path).unwrap();
    let ledger = open(&path);
    add(&ledger, "two", 90_000).unwrap();
    drop(ledger);
    fs::write(&path, upgraded).unwrap();
    fs::remove_file(witness::beside(&path)).unwrap();
    let why = refused(EmbeddedLedger::open(&path, quick()));
    assert!(why.contains("is missing"), "{why}");
    // One that counted nothing is believed, as a new one is.
    for _ in 0..2 {
        let place = Place::new();
        drop(open(&place.ledger()));
        make_file_older(&place.ledger());
        fs::remove_file(witness::beside(&place.ledger())).unwrap();
        drop(open(&place.ledger()));
        fs::remove_file(witness::beside(&place.ledger())).unwrap();
        assert_eq!(total(&open(&place.ledger()), "acme"), Ok(0));
    }
}

/// What an older program counts does not raise the position: a copy from before the upgrade is less than the upgrade.
#[test]
fn b14_a_marked_ledger_of_the_format_before_rises_with_its_upgrade() {
    let place = Place::new();
    let path = place.ledger();
    let ledger = open(&path);
    add(&ledger, "one", 1_000).unwrap();
    drop(ledger);
    make_older(&redb::Database::open(&path).unwrap(), true);
    let older = fs::read(&path).unwrap();
    drop(open(&path));
    assert_eq!((format_of(&path).as_str(), seen(&path)), ("neglist ledger 2", 2));
    fs::write(&path, older).unwrap();
    let why = refused(EmbeddedLedger::open(&path, quick()));
    assert!(why.contains("is at position 1") && why.contains("saw it at 2"), "{why}");
}

/// The power goes at each write and sync of an upgrade; what is left is upgraded by the next start.
#[test]
fn b14_an_upgrade_that_is_cut_off_is_done_by_the_next_start() {
    let mut random = Random(from_environment("NEGLIST_LEDGER_MODEL_SEED", 1));
    let mut cut_off = 0;
    for calls in 0..80 {
        for _ in 0..4 {
            let disk = Disk::default();
            let ledger = EmbeddedLedger::open_in(Box::new(disk.clone()), quick()).unwrap();
            add(&ledger, "one", 1_000).unwrap();
            drop(ledger);
            make_older(&redb::Builder::new().create_with_backend(disk.clone()).unwrap(), false);
            witness::WitnessStore::remove(&mut disk.clone()).unwrap();
            disk.fail_after(calls, Fault::Power);
            let opened = EmbeddedLedger::open_in(Box::new(disk.clone()), quick());
            cut_off += u64::from(opened.is_err());
            drop(opened);
            disk.power_loss(&mut random);
            let ledger = EmbeddedLedger::open_in(Box::new(disk.clone()), quick()).unwrap();
            assert_eq!(total(&ledger, "acme"), Ok(1_000), "{calls} calls");
            assert_eq!(Witness::open_in(Box::new(disk)).unwrap().seen().unwrap().position, 1, "{calls} calls");
        }
    }
    assert!(0 < cut_off);
}

#[test]
fn b14_a_witness_that_goes_while_the_server_runs_is_written_anew() {
    let place = Place::new();
    let ledger = open(&place.ledger());
    add(&ledger, "one", 5).unwrap();
    fs::remove_file(witness::beside(&place.ledger())).unwrap();
    wait(ledger.tick(START)).unwrap();
    assert_eq!(Witness::open(witness::beside(&place.ledger())).unwrap().seen().unwrap().position, 1);
    add(&ledger, "two", 5).unwrap();
    drop(ledger);
    assert_eq!(total(&open(&place.ledger()), "acme"), Ok(10));
}

/// One damage of the bytes of a file: a bit, a page of zeros, or the end cut off.
fn damage(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    match random.below(8) {
        0 => bytes.truncate(at),
        1 | 2 => {
            let page = at / 4_096 * 4_096;
            let end = bytes.len().min(page + 4_096);
            bytes[page..end].fill(0);
        }
        3 => {
            let end = bytes.len().min(at + 64);
            bytes[at..end].iter_mut().for_each(|byte| *byte = u8::try_from(random.below(256)).unwrap());
        }
        _ => bytes[at] ^= 1 << random.below(8),
    }
}

/// `NEGLIST_LEDGER_DAMAGES` says how many, a third of them in the last commit of a killed server.
#[test]
fn b15_no_damage_makes_a_ledger_less_without_a_word() {
    let place = Place::new();
    let ledger = open(&place.ledger());
    for number in 0..40 {
        add(&ledger, &format!("transfer-{number}"), 10).unwrap();
        let people = named(number..number + 3);
        wait(ledger.reserve(reservation(&format!("named-{number}"), people), allow(&[general("list")]))).unwrap();
    }
    let before = fs::read(place.ledger()).unwrap();
    add(&ledger, "last", 100).unwrap();
    // As a process leaves it that is killed after its answer: nobody closes it.
    let killed = fs::read(place.ledger()).unwrap();
    let seen = fs::read(witness::beside(&place.ledger())).unwrap();
    drop(ledger);
    let of_last = |at: &usize| before.get(*at) != killed.get(*at);
    let last: Vec<usize> = (0..killed.len()).filter(of_last).collect();
    let used: Vec<usize> = (0..killed.len()).filter(|at| killed[*at] != 0).collect();
    let mut random = Random(from_environment("NEGLIST_LEDGER_MODEL_SEED", 1));
    let (mut refusals, mut by_witness) = (0, 0);
    for number in 0..from_environment("NEGLIST_LEDGER_DAMAGES", 60) {
        let mut bytes = killed.clone();
        let among = if number % 3 == 0 { &last } else { &used };
        let at = among[usize::try_from(random.below(among.len() as u64)).unwrap()];
        damage(&mut bytes, at, &mut random);
        fs::write(place.path("damaged"), &bytes).unwrap();
        fs::write(place.path("damaged.witness"), &seen).unwrap();
        match EmbeddedLedger::open(place.path("damaged"), quick()) {
            Ok(ledger) => {
                assert_eq!(total(&ledger, "acme"), Ok(500), "damage {number} at {at}");
                check_sound(&ledger);
            }
            Err(LedgerError::Unavailable(why)) => {
                refusals += 1;
                by_witness += u64::from(why.contains("its last commits were lost"));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(0 < refusals && 0 < by_witness, "{refusals} refused, {by_witness} by the witness");
}

/// Killed between the commit and the witness: the ledger is one ahead, and nothing is missing.
#[test]
fn b15_a_ledger_ahead_of_its_witness_is_believed() {
    let place = Place::new();
    let ledger = open(&place.ledger());
    add(&ledger, "one", 1).unwrap();
    let seen = fs::read(witness::beside(&place.ledger())).unwrap();
    add(&ledger, "two", 1).unwrap();
    let killed = fs::read(place.ledger()).unwrap();
    drop(ledger);
    fs::write(place.ledger(), &killed).unwrap();
    fs::write(witness::beside(&place.ledger()), &seen).unwrap();
    assert_eq!(total(&open(&place.ledger()), "acme"), Ok(2));
    let seen = Witness::open(witness::beside(&place.ledger())).unwrap().seen();
    assert_eq!(seen.unwrap().position, 2, "and the witness follows");
}

#[test]
fn b16_a_ledger_opens_itself_again_when_the_disk_takes_writes() {
    for fault in [Fault::DiskFull, Fault::Write, Fault::ShortWrite, Fault::Sync, Fault::SyncForgets] {
        for calls in [0, 2, 5] {
            let disk = Disk::default();
            let ledger = EmbeddedLedger::open_in(Box::new(disk.clone()), quick()).unwrap();
            add(&ledger, "one", 1_000).unwrap();
            disk.fail_after(calls, fault);
            let many = reservation("many", named(0..2_000));
            let many = wait(ledger.reserve(many, allow(&[general("list")])));
            assert!(many.is_err(), "{fault:?} after {calls} calls");
            check_closed(&ledger, "closed after a failure");
            if fault == Fault::DiskFull {
                drop(wait(ledger.tick(START)));
            }
            disk.repair();
            tick_until_open(&ledger);
            assert_eq!(total(&ledger, "acme"), Ok(1_000), "{fault:?} after {calls} calls");
            check_sound(&ledger);
            add(&ledger, "two", 1).unwrap();
        }
    }
}

#[test]
fn b16_a_file_that_was_not_closed_is_looked_at_without_a_write() {
    let place = Place::new();
    let ledger = open(&place.ledger());
    for number in 0..50 {
        add(&ledger, &format!("transfer-{number}"), 10).unwrap();
    }
    fs::copy(place.ledger(), place.path("killed")).unwrap();
    fs::copy(witness::beside(&place.ledger()), place.path("killed.witness")).unwrap();
    let held = refused(LedgerReader::open(place.ledger(), &quick()));
    assert!(held.contains("another process has it open"), "{held}");
    drop(ledger);
    let killed = place.path("killed");
    let mut permissions = fs::metadata(&killed).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&killed, permissions).unwrap();
    let before = (fs::read(&killed).unwrap(), place.names().len());
    let name = killed.to_str().unwrap();
    for command in [&["verify"][..], &["show"], &["export"], &["export", "--transfers"]] {
        let done = run(&[&["ledger", "--ledger", name], command].concat());
        assert_eq!(done.exit, neglist::cli::console::Exit::Success, "{command:?}: {} {}", done.out, done.err);
        assert!(command[0] == "verify" || done.out.contains("acme"), "{command:?}: {}", done.out);
    }
    let reader = LedgerReader::open(&killed, &quick()).unwrap();
    assert_eq!(reader.counters().unwrap()[0].usage.committed, 500);
    assert!(EmbeddedLedger::open(&killed, quick()).is_err(), "nobody writes while it is looked at");
    drop(reader);
    assert!(before == (fs::read(&killed).unwrap(), place.names().len()));
}

#[test]
fn b16_what_is_reserved_can_be_settled_when_the_disk_is_nearly_full() {
    let place = Place::new();
    let held = |id: &str| Reservation { hold: Hold::Until(START.plus_seconds(600)), ..reservation(id, counted(5, 0)) };
    let ledger = open(&place.ledger());
    for id in ["one", "two"] {
        wait(ledger.reserve(held(id), allow(&[general("national")]))).unwrap();
    }
    drop(ledger);
    let settings = Settings { reserve_bytes: u64::MAX, ..quick() };
    let ledger = EmbeddedLedger::open(place.ledger(), settings).unwrap();
    wait(ledger.tick(START)).unwrap();
    assert!(refused(ledger.check()).contains("its disk is nearly full"));
    assert!(refused(add(&ledger, "three", 1)).contains("`ledger_reserve_bytes`"));
    assert_eq!(total(&ledger, "acme"), Ok(10), "totals are still told");
    wait(ledger.commit("one", START)).unwrap();
    wait(ledger.release("two", START)).unwrap();
    assert_eq!(total(&ledger, "acme"), Ok(5));
    drop(ledger);
    let ledger = EmbeddedLedger::open(place.ledger(), Settings { reserve_bytes: 0, ..quick() }).unwrap();
    wait(ledger.tick(START)).unwrap();
    add(&ledger, "three", 1).unwrap();
}

/// A small file system in memory, unmounted at the end, also of a test that fails.
#[cfg(target_os = "linux")]
struct SmallDisk {
    place: Place,
}

#[cfg(target_os = "linux")]
impl SmallDisk {
    /// Mounts one of 4 MiB; `None` where the user of the test may not, unless `NEGLIST_REQUIRE_MOUNT` is 1.
    fn mount() -> Option<Self> {
        let place = Place::new();
        match mount(&["-t", "tmpfs", "-o", "size=4m,mode=700", "neglist-test"], place.directory.path()) {
            Ok(()) => Some(Self { place }),
            Err(why) => {
                let is_required = std::env::var_os("NEGLIST_REQUIRE_MOUNT").is_some_and(|value| value == "1");
                assert!(!is_required, "no file system can be mounted: {why}");
                println!("not tested: no file system can be mounted: {why}");
                None
            }
        }
    }

    /// Fills it but for so many bytes.
    fn fill(&self, bytes_left: u64) {
        use std::io::Write as _;
        let mut filler = fs::File::create(self.place.path("filler")).unwrap();
        let mut bytes = 0_u64;
        while filler.write_all(&[7; 4_096]).is_ok() {
            bytes += 4_096;
        }
        filler.set_len(bytes.checked_sub(bytes_left).unwrap()).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.place.path("filler")).unwrap();
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a test that fails may still have files open there.
        let unmounted = std::process::Command::new("umount").arg("-l").arg(self.place.directory.path()).status();
        assert!(std::thread::panicking() || unmounted.unwrap().success());
    }
}

#[cfg(target_os = "linux")]
fn mount(arguments: &[&str], place: &Path) -> Result<(), String> {
    let mounted = std::process::Command::new("mount").args(arguments).arg(place).output();
    let mounted = mounted.map_err(|error| error.to_string())?;
    if mounted.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&mounted.stderr).into_owned()) }
}

#[cfg(target_os = "linux")]
#[test]
fn b16_a_file_system_that_is_nearly_full_refuses_reservations_until_it_is_freed() {
    let Some(disk) = SmallDisk::mount() else { return };
    let settings = Settings { reserve_bytes: 1 << 20, ..quick() };
    let ledger = EmbeddedLedger::open(disk.place.ledger(), settings).unwrap();
    add(&ledger, "one", 1_000).unwrap();
    let held = Reservation { hold: Hold::Until(START.plus_seconds(600)), ..reservation("held", counted(50, 0)) };
    wait(ledger.reserve(held, allow(&[general("national")]))).unwrap();
    disk.fill(512 << 10);
    wait(ledger.tick(START)).unwrap();
    assert!(ledger.is_full());
    assert!(refused(add(&ledger, "two", 7)).contains("`ledger_reserve_bytes`"));
    wait(ledger.commit("held", START)).unwrap();
    assert_eq!(total(&ledger, "acme"), Ok(1_050));
    disk.free();
    wait(ledger.tick(START)).unwrap();
    assert!(!ledger.is_full());
    add(&ledger, "two", 7).unwrap();
    assert_eq!(total(&ledger, "acme"), Ok(1_057));
    check_sound(&ledger);
    drop(ledger);
    assert_eq!(total(&open(&disk.place.ledger()), "acme"), Ok(1_057));
}

/// The server of the test counts until a write fails for want of room: what was acknowledged stays, and nothing else.
#[cfg(target_os = "linux")]
#[test]
fn b16_a_file_system_without_room_loses_nothing_and_counting_goes_on_by_itself() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.place.ledger();
    let settings = Settings { reserve_bytes: 0, ..quick() };
    let ledger = EmbeddedLedger::open(&path, settings.clone()).unwrap();
    add(&ledger, "one", 1_000).unwrap();
    disk.fill(64 << 10);
    let people = |round: u64| reservation(&format!("many-{round}"), named(round * 1_000..(round + 1) * 1_000));
    let reserve = |round| wait(ledger.reserve(people(round), allow(&[general("national")])));
    let failed = (0..1_000).find(|round| reserve(*round).is_err()).expect("the file system is never full");
    check_closed(&ledger, "closed after a failure");
    // Tried again while there is no room: open or not, no total is less or more than what was acknowledged.
    for _ in 0..5 {
        drop(wait(ledger.tick(START)));
        std::thread::park_timeout(Duration::from_millis(10));
        if let Ok(found) = total(&ledger, "acme") {
            assert!([1_000 + failed * 1_000, 2_000 + failed * 1_000].contains(&found), "{found} after {failed}");
        }
    }
    disk.free();
    tick_until_open(&ledger);
    reserve(failed).unwrap();
    reserve(failed + 1).unwrap();
    let expected = 1_000 + (failed + 2) * 1_000;
    assert_eq!(total(&ledger, "acme"), Ok(expected));
    check_sound(&ledger);
    drop(ledger);
    let ledger = EmbeddedLedger::open(&path, settings).unwrap();
    assert_eq!(total(&ledger, "acme"), Ok(expected));
    check_sound(&ledger);
    drop(ledger);
    // And one that takes no writes at all says where, and what to do.
    mount(&["-o", "remount,ro"], disk.place.directory.path()).unwrap();
    let why = refused(EmbeddedLedger::open(&path, quick()));
    assert!(why.contains("Read-only file system") && why.contains("has to be allowed to write"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b7_a_ledger_in_a_directory_that_is_not_there_is_said_with_its_whole_path() {
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

fn tiny(accounts_max: usize) -> Settings {
    Settings { accounts_max, ..quick() }
}

/// An account that was let go is read from the file, and never 0 for want of a look; in whatever order, over restarts.
#[test]
fn b12_accounts_that_are_not_in_memory_are_read_from_the_file() {
    let place = Place::new();
    let mut random = Random(3);
    let mut expected: BTreeMap<u64, u64> = BTreeMap::new();
    for accounts_max in [1, 2, 7, 1_000] {
        let ledger = EmbeddedLedger::open(place.ledger(), tiny(accounts_max)).unwrap();
        for step in 0..200 {
            let exporter = random.below(20);
            let id = format!("{accounts_max}-{step}");
            let asked = Reservation { account: account(&format!("e{exporter}")), ..reservation(&id, counted(3, 0)) };
            let judged = wait(ledger.reserve(asked, allow(&[general("national")]))).unwrap();
            assert_eq!(judged.changes[0].before, expected.get(&exporter).copied().unwrap_or_default());
            *expected.entry(exporter).or_default() += 3;
            let other = random.below(22);
            let known = expected.get(&other).copied().unwrap_or_default();
            let counters = [CounterName { name: "national".into(), class: general("national").class }];
            let at_hand = ledger.read_at_hand(&format!("e{other}"), Year(2026), &counters);
            assert!(at_hand.is_none_or(|found| found == Ok(vec![known])), "e{other}");
            assert_eq!(total(&ledger, &format!("e{other}")), Ok(known), "e{other}");
            let at_hand = ledger.read_at_hand(&format!("e{other}"), Year(2026), &counters);
            assert_eq!(at_hand, Some(Ok(vec![known])), "e{other} is kept now");
        }
        check_sound(&ledger);
    }
}

/// Readers that fill the memory while the writer changes what they read never leave an old total behind.
#[test]
fn b12_no_reader_sees_less_than_was_acknowledged_before_it_asked() {
    const EXPORTERS: u64 = 6;
    let place = Place::new();
    let ledger = Arc::new(EmbeddedLedger::open(place.ledger(), tiny(2)).unwrap());
    let acknowledged: Arc<Vec<AtomicU64>> = Arc::new((0..EXPORTERS).map(|_| AtomicU64::new(0)).collect());
    let done = AtomicBool::new(false);
    let steps = from_environment("NEGLIST_LEDGER_MODEL_STEPS", 400);
    let reads = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (ledger, acknowledged, done, reads) = (&ledger, &acknowledged, &done, &reads);
            scope.spawn(move || {
                let mut random = Random(reader + 10);
                while !done.load(Ordering::SeqCst) {
                    let exporter = random.below(EXPORTERS);
                    let least = acknowledged[usize::try_from(exporter).unwrap()].load(Ordering::SeqCst);
                    let found = total(ledger, &format!("e{exporter}")).unwrap();
                    assert!(least <= found, "e{exporter}: {found} and {least} were acknowledged");
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut random = Random(1);
        for step in 0..steps {
            let exporter = random.below(EXPORTERS);
            let asked = Reservation {
                account: account(&format!("e{exporter}")),
                ..reservation(&format!("t{step}"), counted(1, 0))
            };
            wait(ledger.reserve(asked, allow(&[general("national")]))).unwrap();
            acknowledged[usize::try_from(exporter).unwrap()].fetch_add(1, Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(0 < reads.load(Ordering::Relaxed));
}

/// `NEGLIST_LEDGER_ACCOUNTS` says how many exporters were invented.
#[tokio::test(flavor = "multi_thread")]
async fn b12_a_ledger_of_many_exporters_is_opened_soon_and_in_little_memory() {
    let accounts = from_environment("NEGLIST_LEDGER_ACCOUNTS", 20_000);
    let directory = Directory::small();
    let path = directory.beside("ledger");
    let totals = (0..accounts).map(|number| ImportedTotal {
        account: Account { exporter: format!("invented-exporter-{number}"), year: Year(2026) },
        counter: general("national"),
        persons: 1 + number,
    });
    let totals: Vec<ImportedTotal> = totals.collect();
    let ledger = tokio::task::block_in_place(|| open(&path));
    assert_eq!(ledger.import_totals("many", totals).await, Ok(accounts));
    tokio::task::block_in_place(|| drop(ledger));
    let began = tokio::time::Instant::now();
    let server = Process::listening(&serve(&directory, &[]), &[("NEGLIST_ADMIN", "none")]);
    let took = began.elapsed();
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let resident_kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{accounts} exporters: opened in {took:?}, at most {resident_kib} KiB resident");
    server.stop().await;
    assert!(resident_kib < 64 << 10, "{resident_kib} KiB");
    let ledger = tokio::task::block_in_place(|| open(&path));
    let last = account(&format!("invented-exporter-{}", accounts - 1));
    let found = ledger.read(&last, &[general("national")], START).await.unwrap();
    assert_eq!(found[&general("national")], accounts);
    tokio::task::block_in_place(|| drop(ledger));
}

// What a reader of the ledger found: a witness that is the ledger, a clock that is behind what is reserved, and answers
// that are lost on a full disk.

#[cfg(unix)]
#[test]
fn a1_a_witness_that_is_the_ledger_is_refused_and_the_ledger_stays() {
    let place = Place::new();
    let path = place.ledger();
    let name = path.to_str().unwrap().to_owned();
    let ledger = open(&path);
    add(&ledger, "one", 90_000).unwrap();
    drop(ledger);
    let bytes = fs::read(&path).unwrap();
    std::os::unix::fs::symlink(&path, place.path("link")).unwrap();
    fs::hard_link(&path, place.path("hard")).unwrap();
    fs::create_dir(place.path("below")).unwrap();
    for witness in [path.clone(), place.path("link"), place.path("hard"), place.path("below/../ledger")] {
        let settings = Settings { witness: Some(witness.clone()), ..quick() };
        for why in
            [refused(EmbeddedLedger::open(&path, settings.clone())), refused(EmbeddedLedger::accept(&path, &settings))]
        {
            assert!(why.contains("is the ledger itself") && !why.contains(ACCEPT_COMMAND), "{why}");
        }
        let environment = [("NEGLIST_LEDGER_WITNESS", witness.to_str().unwrap())];
        let accept = ["ledger", "--ledger", &name, "accept", "--counts-may-be-missing"];
        let accepted = run_in(&environment, &accept, b"");
        assert!(accepted.err.contains("is the ledger itself"), "{} {}", accepted.out, accepted.err);
        assert!(fs::read(&path).unwrap() == bytes, "{}", witness.display());
    }
    // Another file, whatever it is, with a ledger and without.
    let sheet = place.path("sheet.csv");
    fs::write(&sheet, "exporter,year").unwrap();
    for ledger in [path, place.path("gone")] {
        let environment = [("NEGLIST_LEDGER_WITNESS", sheet.to_str().unwrap())];
        let accept = ["ledger", "--ledger", ledger.to_str().unwrap(), "accept", "--counts-may-be-missing"];
        let accepted = run_in(&environment, &accept, b"");
        assert!(accepted.err.contains("it is another file"), "{} {}", accepted.out, accepted.err);
        assert_eq!(fs::read_to_string(&sheet).unwrap(), "exporter,year");
    }
}

#[cfg(unix)]
#[test]
fn a4_a_witness_behind_a_link_that_leads_nowhere_lets_no_ledger_begin() {
    let place = Place::new();
    std::os::unix::fs::symlink(place.path("not-mounted/witness"), witness::beside(&place.ledger())).unwrap();
    let why = refused(EmbeddedLedger::open(place.ledger(), quick()));
    assert!(why.contains("a link that leads nowhere"), "{why}");
    assert_eq!(place.names(), ["ledger.witness"]);
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
    // Past the retention, nothing is remembered any more but that.
    let late = START.plus_seconds(30 * 86_400);
    while wait(ledger.tick(late)).unwrap() != 0 {}
    assert_eq!(ledger.export().unwrap().transfers().count(), 0);
    drop(ledger);
    assert_eq!(newest(&open(&place.ledger())), Some(late));
}

#[test]
fn b7_what_ran_out_is_released_before_accounts_are_removed() {
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

#[test]
fn b10_a_lost_answer_is_learnt_when_the_disk_is_nearly_full() {
    let place = Place::new();
    let ledger = open(&place.ledger());
    add(&ledger, "one", 5).unwrap();
    drop(ledger);
    let settings = Settings { reserve_bytes: u64::MAX, ..quick() };
    let ledger = EmbeddedLedger::open(place.ledger(), settings).unwrap();
    wait(ledger.tick(START)).unwrap();
    add(&ledger, "one", 5).unwrap();
    assert!(refused(add(&ledger, "two", 5)).contains("`ledger_reserve_bytes`"));
    let other = Reservation { fingerprint: [9; 32], ..reservation("one", counted(6, 0)) };
    assert_eq!(wait(ledger.reserve(other, allow(&[general("national")]))).unwrap_err(), LedgerError::OtherTransfer);
    assert_eq!(total(&ledger, "acme"), Ok(5));
}

#[test]
fn b11_a_server_that_finds_another_ledger_says_to_start_it_anew() {
    let place = Place::new();
    let ledger = open(&place.ledger());
    add(&ledger, "one", 5).unwrap();
    fs::rename(place.ledger(), place.path("away")).unwrap();
    assert!(refused(add(&ledger, "two", 5)).contains("was removed"));
    fs::copy(place.path("away"), place.ledger()).unwrap();
    EmbeddedLedger::accept(place.ledger(), &quick()).unwrap();
    let why = refused(wait(ledger.reopen()));
    assert!(why.contains("start this server anew after `accept`"), "{why}");
    drop(ledger);
    assert_eq!(total(&open(&place.ledger()), "acme"), Ok(5));
}

#[test]
fn c_what_a_killed_maker_left_is_no_trace_of_an_earlier_ledger() {
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
