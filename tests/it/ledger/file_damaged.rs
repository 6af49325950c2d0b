//! The ledger in a damaged or unclosed file, or on a disk that refuses writes or is nearly full.

use std::fs;

use neglist::ledger::embedded::{EmbeddedLedger, LedgerReader, Settings};
use neglist::ledger::witness;
use neglist::ledger::{Hold, Ledger, LedgerError, Reservation};

use crate::ledger::disk::{Disk, Fault};
use crate::ledger::place::{Place, add, check_closed, open, quick, refused, tick_until_open, total};
use crate::ledger::support::{
    Random, START, allow, check_sound, counted, from_environment, general, named, reservation, wait,
};
use crate::policy::commands::run;

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

/// `NEGLIST_LEDGER_DAMAGES` is the number of damages, a third of them in the last commit of a killed server.
#[test]
fn b15_no_damage_lowers_counts_silently() {
    let place = Place::new();
    let ledger = open(&place.ledger());
    for number in 0..40 {
        add(&ledger, &format!("transfer-{number}"), 10).unwrap();
        let people = named(number..number + 3);
        wait(ledger.reserve(reservation(&format!("named-{number}"), people), allow(&[general("list")]))).unwrap();
    }
    let before = fs::read(place.ledger()).unwrap();
    add(&ledger, "last", 100).unwrap();
    // As left by a process that is killed after its answer: not closed.
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
fn b16_an_unclosed_file_is_read_without_a_write() {
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
    assert!(EmbeddedLedger::open(&killed, quick()).is_err(), "no writer while a reader has it open");
    drop(reader);
    assert!(before == (fs::read(&killed).unwrap(), place.names().len()));
}

#[test]
fn b16_reservations_can_be_settled_when_the_disk_is_nearly_full() {
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

#[test]
fn b10_a_lost_answer_is_found_when_the_disk_is_nearly_full() {
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
