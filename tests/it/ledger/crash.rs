//! The embedded ledger when its process is killed, and on failing storage.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use neglist::ledger::embedded::{EmbeddedLedger, Settings};
use neglist::ledger::rows::{State, TransferRow};
use neglist::ledger::{Hold, Ledger, LedgerError, ReplayLookup, Replayed, Reservation, Reserved, Usage};

use crate::ledger::disk::{Disk, Fault};
use crate::ledger::support::{
    Random, START, account, allow, check_sound, counted, from_environment, general, named, open, reservation, wait,
};

/// The answer to the caller of a transfer. A missing answer may mean either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It is reserved.
    Reserved,
    /// It went ahead.
    Committed,
    /// It was released.
    Released,
}

/// Knowledge of callers: by id, the last answer, and the requests since without an answer.
type Knowledge = BTreeMap<String, (Option<Told>, BTreeSet<&'static str>)>;

fn small() -> Settings {
    Settings { cache_bytes: 1 << 20, ..Settings::default() }
}

fn ask(id: &str, number: u64) -> Reservation {
    let people = if number.is_multiple_of(2) { counted(3, 0) } else { named(number % 7..number % 7 + 4) };
    let hold = if number.is_multiple_of(3) { Hold::Commit } else { Hold::Until(START.plus_seconds(100_000)) };
    Reservation { hold, ..reservation(id, people) }
}

/// One step of a script: reserves, or settles the reservation of two steps before. Says whether it was answered.
fn step(ledger: &EmbeddedLedger, number: u64, known: &mut Knowledge) -> Result<(), LedgerError> {
    let id = format!("transfer-{number}");
    let asked = ask(&id, number);
    let hold = asked.hold;
    let entry = known.entry(id).or_default();
    entry.1.insert("reserve");
    let reserved = wait(ledger.reserve(asked, allow(&[general("national")])))?;
    assert_eq!(reserved.answer, b"allow");
    *entry = (Some(if hold == Hold::Commit { Told::Committed } else { Told::Reserved }), BTreeSet::new());
    let Some(earlier) = number.checked_sub(2).map(|earlier| format!("transfer-{earlier}")) else { return Ok(()) };
    let Some(entry) = known.get_mut(&earlier).filter(|(told, _)| *told == Some(Told::Reserved)) else { return Ok(()) };
    if number.is_multiple_of(4) {
        entry.1.insert("release");
        wait(ledger.release(&earlier, START))?;
        *entry = (Some(Told::Released), BTreeSet::new());
    } else {
        entry.1.insert("commit");
        wait(ledger.commit(&earlier, START))?;
        *entry = (Some(Told::Committed), BTreeSet::new());
    }
    Ok(())
}

fn stored(ledger: &EmbeddedLedger) -> BTreeMap<String, TransferRow> {
    let rows: Vec<_> = ledger.export().unwrap().transfers().map(Result::unwrap).collect();
    rows.into_iter().map(|row| (row.transfer_id.clone(), row)).collect()
}

/// Asserts that the ledger matches every answer, and contains nothing that was not requested.
#[track_caller]
fn check_known(ledger: &EmbeddedLedger, known: &Knowledge, about: &str) {
    let stored = stored(ledger);
    for (id, (told, asked)) in known {
        let state = stored.get(id).map(|row| row.state);
        let mut allowed = match told {
            None => vec![None],
            Some(Told::Reserved) => vec![Some(State::Reserved)],
            Some(Told::Committed) => vec![Some(State::Committed)],
            Some(Told::Released) => vec![Some(State::Released)],
        };
        for what in asked {
            match *what {
                "reserve" => allowed.extend([Some(State::Reserved), Some(State::Committed)]),
                "commit" => allowed.push(Some(State::Committed)),
                _ => allowed.push(Some(State::Released)),
            }
        }
        assert!(allowed.contains(&state), "{about}: {id} is {state:?}, told {told:?}, asked {asked:?}");
    }
    assert!(stored.keys().all(|id| known.contains_key(id)), "{about}: some of {stored:?} was not requested");
    check_sound(ledger);
}

#[track_caller]
fn check_closed(ledger: &EmbeddedLedger, about: &str) {
    let refused = |result: Result<(), LedgerError>| matches!(result, Err(LedgerError::Unavailable(_)));
    let again = wait(ledger.reserve(ask("more", 0), allow(&[general("national")])));
    assert!(refused(again.map(|_| ())), "{about}");
    assert!(refused(wait(ledger.commit("transfer-1", START))), "{about}");
    assert!(refused(wait(ledger.release("transfer-1", START))), "{about}");
    assert!(refused(wait(ledger.usage(&account("acme"), START)).map(|_| ())), "{about}");
    assert!(refused(ledger.check()), "{about}");
}

/// Runs the script until the fault, opens the ledger again, continues, and then loses power as well.
fn survive(fault: Fault, calls: u64, random: &mut Random) -> bool {
    let about = format!("{fault:?} after {calls} calls");
    let disk = Disk::default();
    let mut known = Knowledge::new();
    let mut ledger = EmbeddedLedger::open_in(Box::new(disk.clone()), small()).unwrap();
    disk.fail_after(calls, fault);
    let failed = (0..8).find(|number| step(&ledger, *number, &mut known).is_err());
    let happened = !disk.is_planned();
    if let Some(failed) = failed {
        assert!(happened, "{about}: refused step {failed} without a fault");
        check_closed(&ledger, &about);
    }
    if fault == Fault::Power {
        drop(ledger);
        disk.power_loss(random);
        ledger = EmbeddedLedger::open_in(Box::new(disk.clone()), small()).unwrap();
    } else {
        disk.repair();
        wait(ledger.reopen()).unwrap();
    }
    check_known(&ledger, &known, &about);
    for number in 100..104 {
        step(&ledger, number, &mut known).unwrap();
    }
    disk.fail_after(0, Fault::Power);
    drop(ledger);
    disk.power_loss(random);
    let ledger = EmbeddedLedger::open_in(Box::new(disk.clone()), small()).unwrap();
    check_known(&ledger, &known, &format!("{about}, then a power loss"));
    happened
}

#[test]
fn failing_storage_loses_nothing_and_counts_nothing_twice() {
    let mut random = Random(from_environment("NEGLIST_LEDGER_MODEL_SEED", 1));
    let stride = from_environment("NEGLIST_LEDGER_FAULT_STRIDE", 8);
    for fault in Fault::ALL {
        let mut calls = 0;
        while survive(fault, calls, &mut random) {
            calls += 1 + random.below(stride);
        }
        assert!(30 < calls, "{fault:?}: the script makes {calls} calls only");
    }
}

#[test]
fn a_ledger_that_cannot_be_opened_again_stays_closed() {
    let disk = Disk::default();
    let ledger = EmbeddedLedger::open_in(Box::new(disk.clone()), small()).unwrap();
    disk.fail_after(0, Fault::DiskFull);
    let mut known = Knowledge::new();
    assert!(step(&ledger, 0, &mut known).is_err());
    disk.fail_after(0, Fault::Power);
    assert!(wait(ledger.reopen()).is_err());
    check_closed(&ledger, "no power");
    disk.power_loss(&mut Random(1));
    wait(ledger.reopen()).unwrap();
    check_known(&ledger, &known, "repaired");
    step(&ledger, 1, &mut known).unwrap();
}

/// Pages of a failed sync read back as if they were on disk; no new write may depend on them.
#[test]
fn pages_of_a_failed_sync_are_written_again() {
    let disk = Disk::default();
    let ledger = EmbeddedLedger::open_in(Box::new(disk.clone()), small()).unwrap();
    let add = |id: &str, persons: std::ops::Range<u64>| {
        wait(ledger.reserve(reservation(id, named(persons)), allow(&[general("national")])))
    };
    add("first", 0..2_000).unwrap();
    // The file may grow first, which takes two calls and another sync.
    disk.fail_after(3, Fault::SyncForgets);
    assert!(add("many", 2_000..2_200).is_err());
    wait(ledger.reopen()).unwrap();
    // The result is unknown: it reads as done. The next commit does not rewrite all of its pages.
    assert!(stored(&ledger).contains_key("many"));
    add("one", 5_000..5_001).unwrap();
    disk.fail_after(0, Fault::Power);
    drop(ledger);
    disk.power_loss(&mut Random(3));
    let ledger = EmbeddedLedger::open_in(Box::new(disk), small()).unwrap();
    check_sound(&ledger);
    assert!(stored(&ledger).keys().eq(["first", "many", "one"]));
}

/// Looking up a first answer costs neither a write nor a sync.
#[test]
fn a_first_answer_is_found_without_a_write() {
    let disk = Disk::default();
    let ledger = EmbeddedLedger::open_in(Box::new(disk.clone()), small()).unwrap();
    let asked = Reservation { hold: Hold::Until(START.plus_seconds(100)), ..reservation("kept", named(0..9)) };
    let first = wait(ledger.reserve(asked, allow(&[general("national")]))).unwrap();
    let find_replay = |id: &str, hold| {
        let Reservation { transfer_id, fingerprint, now, .. } = reservation(id, counted(0, 0));
        wait(ledger.find_replay(ReplayLookup { transfer_id, fingerprint, hold, now }))
    };
    let held = Hold::Until(START.plus_seconds(100));
    disk.fail_after(0, Fault::Write);
    let again = Reserved { replayed: Replayed::Yes, ..first };
    assert_eq!(find_replay("kept", held), Ok(Some(again.clone())));
    assert_eq!(find_replay("never", Hold::Commit), Ok(None));
    assert!(disk.is_planned(), "nothing was written");
    disk.repair();
    assert_eq!(find_replay("kept", Hold::Commit), Ok(Some(Reserved { expires_at: None, ..again })));
    disk.fail_after(0, Fault::Write);
    assert!(wait(ledger.commit("kept", START)).is_ok() && disk.is_planned(), "it is committed already");
}

#[test]
fn damage_from_outside_is_refused() {
    let disk = Disk::default();
    let ledger = EmbeddedLedger::open_in(Box::new(disk.clone()), small()).unwrap();
    let mut known = Knowledge::new();
    for number in 0..20 {
        step(&ledger, number, &mut known).unwrap();
    }
    drop(ledger);
    let mut whole = Vec::new();
    disk.scribble(|bytes| whole.clone_from(bytes));
    let mut random = Random(5);
    let mut refused = 0;
    for _ in 0..from_environment("NEGLIST_LEDGER_DAMAGES", 40) {
        disk.scribble(|bytes| {
            bytes.clone_from(&whole);
            let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
            let at = used[usize::try_from(random.below(used.len() as u64)).unwrap()];
            bytes[at] ^= 1 << random.below(8);
        });
        // Free space may hold anything; counts must be unchanged, or the file refused.
        match EmbeddedLedger::open_in(Box::new(disk.clone()), small()) {
            Ok(ledger) => check_known(&ledger, &known, "damaged"),
            Err(LedgerError::Unavailable(_)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(0 < refused);
}

const CHILD: &str = "NEGLIST_LEDGER_CHILD";
/// Prefix of a line that the child prints after an answer.
const ANSWERED: &str = "answered ";

/// The child of the test below: reserves until it is killed, and prints each answer.
#[test]
fn child() {
    let Some(value) = std::env::var_os(CHILD) else { return };
    let value = value.to_str().unwrap().to_owned();
    let (run, path) = value.split_once(' ').unwrap();
    let ledger = Arc::new(open(path.as_ref()));
    std::thread::scope(|scope| {
        for caller in 0..4 {
            let ledger = Arc::clone(&ledger);
            scope.spawn(move || {
                let mut random = Random(caller + 1);
                for number in 0.. {
                    let people = random.below(1 << 20);
                    let id = format!("{run} {caller} {number} {people}").replace(' ', "-");
                    let asked = ask(&id, people);
                    let committed = asked.hold == Hold::Commit;
                    let reserved = wait(ledger.reserve(asked, allow(&[general("national")]))).unwrap();
                    assert_eq!(reserved.replayed, Replayed::No);
                    println!("\n{ANSWERED}{id} {}", if committed { "committed" } else { "reserved" });
                    if !committed && random.below(2) == 0 {
                        wait(ledger.commit(&id, START)).unwrap();
                        println!("\n{ANSWERED}{id} committed");
                    } else if !committed && random.below(3) == 0 {
                        wait(ledger.release(&id, START)).unwrap();
                        println!("\n{ANSWERED}{id} released");
                    }
                }
            });
        }
    });
}

/// Runs the child, kills it after some time or some answers, and records its answers.
fn run_and_kill(path: &str, run: u64, random: &mut Random, told: &mut BTreeMap<String, State>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger::crash::child", "--nocapture"])
        .env(CHILD, format!("{run} {path}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = Vec::new();
    // Some are killed while they open the file, others in the middle of their work.
    let answers = if random.below(3) == 0 { 0 } else { 1 + random.below(60) };
    let mut left = answers;
    while 0 < left {
        let start = text.len();
        if stdout.read_until(b'\n', &mut text).unwrap() == 0 {
            break;
        }
        left -= u64::from(text[start..].starts_with(ANSWERED.as_bytes()));
    }
    std::thread::park_timeout(Duration::from_micros(random.below(if answers == 0 { 60_000 } else { 5_000 })));
    child.kill().unwrap();
    child.wait().unwrap();
    stdout.read_to_end(&mut text).unwrap();
    assert_eq!(left, 0, "run {run} ended by itself");
    let text = String::from_utf8(text).unwrap();
    let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
    for line in complete.lines() {
        let Some(line) = line.strip_prefix(ANSWERED) else { continue };
        let (id, state) = line.split_once(' ').unwrap();
        let state = match state {
            "committed" => State::Committed,
            "released" => State::Released,
            _ => State::Reserved,
        };
        told.insert(id.to_owned(), state);
    }
}

/// A release or commit without an answer may have been carried out; an answered one must not be undone.
fn may_follow(told: State, is: State) -> bool {
    told == is || (told == State::Reserved && matches!(is, State::Committed | State::Released))
}

#[test]
fn a_process_killed_at_any_moment_loses_no_answer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let mut random = Random(from_environment("NEGLIST_LEDGER_MODEL_SEED", 1));
    let mut told = BTreeMap::new();
    let kills = from_environment("NEGLIST_LEDGER_KILLS", 30);
    for run in 0..kills {
        run_and_kill(path.to_str().unwrap(), run, &mut random, &mut told);
        let ledger = open(&path);
        let stored = stored(&ledger);
        for (id, state) in &told {
            let is = stored.get(id).map(|row| row.state);
            assert!(is.is_some_and(|is| may_follow(*state, is)), "run {run}: {id} is {is:?}, told {state:?}");
        }
        let usage = wait(ledger.usage(&account("acme"), START)).unwrap();
        let usage = usage.get(&general("national")).copied().unwrap_or_default();
        assert_eq!(usage, added_up(&stored), "run {run}");
        // A caller asks for one thing at a time: one transfer at most without an answer.
        for caller in 0..4 {
            let of_caller = format!("{run}-{caller}-");
            let unanswered = stored.keys().filter(|id| id.starts_with(&of_caller) && !told.contains_key(*id));
            assert!(unanswered.count() <= 1, "run {run}");
        }
        check_sound(&ledger);
    }
    assert!(kills < told.len() as u64, "only {} answers", told.len());
}

/// The totals of the transfers, from their ids and states alone: see [`ask`] for their persons.
fn added_up(stored: &BTreeMap<String, TransferRow>) -> Usage {
    let mut usage = Usage::default();
    let (mut committed, mut reserved) = (BTreeSet::new(), BTreeSet::new());
    for (id, row) in stored {
        let people: u64 = id.rsplit('-').next().unwrap().parse().unwrap();
        let persons = people % 7..people % 7 + 4;
        match (row.state, people.is_multiple_of(2)) {
            (State::Committed, true) => usage.committed += 3,
            (State::Reserved, true) => usage.reserved += 3,
            (State::Committed, false) => committed.extend(persons),
            (State::Reserved, false) => reserved.extend(persons),
            (State::Released | State::Expired | State::Refused, _) => {}
        }
    }
    usage.committed += committed.len() as u64;
    usage.reserved += reserved.difference(&committed).count() as u64;
    usage
}
