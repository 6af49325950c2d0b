//! The ledger in a file and its witness: older copies, older formats, and witnesses that are missing or wrong.

use std::fs;
use std::path::Path;

use neglist::ledger::embedded::{EmbeddedLedger, Settings};
use neglist::ledger::mark::ACCEPT_COMMAND;
use neglist::ledger::witness::{self, Witness};

use crate::ledger::disk::{Disk, Fault};
use crate::ledger::place::{Place, add, open, quick, refused, total};
use crate::ledger::support::{Random, START, from_environment, wait};
use crate::policy::commands::{run, run_in};

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
    // A ledger that was given up does not come back silently, whatever its position.
    fs::write(&path, &newest).unwrap();
    assert!(refused(EmbeddedLedger::open(&path, quick())).contains("saw another"));
    // A missing or damaged witness does not agree.
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

/// Leaves a ledger as an older program does: in the previous format, with or without a mark.
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
fn b14_a_ledger_older_than_witnesses_gets_one() {
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
    // A reader leaves it as it is.
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
    // A copy from before the upgrade is older, whether its witness is missing or of another ledger.
    fs::write(&path, &older).unwrap();
    assert!(refused(EmbeddedLedger::open(&path, quick())).contains("older than witnesses"));
    run(&["ledger", "--ledger", &name, "accept", "--counts-may-be-missing"]);
    assert_eq!((total(&open(&path), "acme"), seen(&path)), (Ok(1_000), 1));
    assert_eq!(format_of(&path), "neglist ledger 2");
}

#[test]
fn b14_an_upgraded_ledger_is_not_trusted_without_its_witness() {
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
    // A ledger that counted nothing is trusted, like a new one.
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

/// Counts of an older program do not raise the position: a copy from before the upgrade is behind the upgraded ledger.
#[test]
fn b14_the_upgrade_raises_the_position_of_a_marked_ledger() {
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

/// The power fails at each write and sync of an upgrade; the next start completes it.
#[test]
fn b14_an_interrupted_upgrade_is_completed_by_the_next_start() {
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
fn b14_a_witness_that_is_removed_under_the_server_is_written_again() {
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

/// Killed between the commit and the witness: the ledger is one ahead, and nothing is missing.
#[test]
fn b15_a_ledger_ahead_of_its_witness_is_trusted() {
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
    // Any other file, with a ledger and without.
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
fn a4_a_dangling_link_to_a_witness_lets_no_ledger_begin() {
    let place = Place::new();
    std::os::unix::fs::symlink(place.path("not-mounted/witness"), witness::beside(&place.ledger())).unwrap();
    let why = refused(EmbeddedLedger::open(place.ledger(), quick()));
    assert!(why.contains("a link that leads nowhere"), "{why}");
    assert_eq!(place.names(), ["ledger.witness"]);
}
