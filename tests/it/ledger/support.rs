//! Accounts, reservations and random numbers for the tests of ledgers.

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};

use neglist::domain::units::{CountedClass, Headcount, Moment, Persons, Year};
use neglist::ledger::embedded::{EmbeddedLedger, Settings};
use neglist::ledger::{
    Account, Admission, Before, Counter, Hold, Judge, Judgement, People, PseudonymBytes, Reservation,
};

/// First moment of the tests: 2026-01-01 in Shanghai.
pub(crate) const START: Moment = Moment::from_seconds(1_767_196_800);

pub(crate) fn account(exporter: &str) -> Account {
    Account { exporter: exporter.to_owned(), year: Year(2026) }
}

pub(crate) fn general(name: &str) -> Counter {
    Counter { name: name.to_owned(), class: CountedClass::General }
}

pub(crate) fn sensitive(name: &str) -> Counter {
    Counter { name: name.to_owned(), class: CountedClass::Sensitive }
}

pub(crate) fn counted(general: u64, sensitive: u64) -> People {
    let persons = |count| Persons::new(count).unwrap();
    People::Counted(Headcount { general: persons(general), sensitive: persons(sensitive) })
}

pub(crate) fn pseudonym(person: u64) -> PseudonymBytes {
    person.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes().into()
}

/// Persons by number; general information alone.
pub(crate) fn named(persons: impl IntoIterator<Item = u64>) -> People {
    let mut general: Vec<PseudonymBytes> = persons.into_iter().map(pseudonym).collect();
    general.sort_unstable();
    general.dedup();
    People::Named { general, sensitive: Vec::new() }
}

/// A reservation of `acme` that reads the national counters and is committed at once.
pub(crate) fn reservation(id: &str, people: People) -> Reservation {
    Reservation {
        transfer_id: id.to_owned(),
        fingerprint: [7; 32],
        account: account("acme"),
        people,
        read: vec![general("national"), sensitive("national")],
        hold: Hold::Commit,
        now: START,
    }
}

/// Allows every transfer, and adds it to the counters.
pub(crate) fn allow(counters: &[Counter]) -> Judge {
    let add = counters.to_vec();
    Box::new(move |_| Judgement { add: add.clone(), admission: Admission::Permit, answer: b"allow".to_vec() })
}

/// Allows while the counter, with these persons, stays below the line.
pub(crate) fn allow_below(line: u64, more: u64, counter: Counter) -> Judge {
    Box::new(move |before| {
        let admission = if before[&counter] + more < line { Admission::Permit } else { Admission::Deny };
        Judgement { add: vec![counter.clone()], admission, answer: format!("{admission:?}").into_bytes() }
    })
}

/// The totals that a judgement saw.
pub(crate) type Seen = Arc<Mutex<Option<Before>>>;

/// Passes on the totals that the judgement sees.
pub(crate) fn watched(mut judge: Judge) -> (Judge, Seen) {
    let seen = Seen::default();
    let inside = Arc::clone(&seen);
    let judge = Box::new(move |before: &Before| {
        *inside.lock().unwrap() = Some(before.clone());
        judge(before)
    });
    (judge, seen)
}

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

pub(crate) fn open(path: &Path) -> EmbeddedLedger {
    EmbeddedLedger::open(path, Settings::default()).unwrap()
}

/// Asserts that the ledger agrees with itself.
#[track_caller]
pub(crate) fn check_sound(ledger: &EmbeddedLedger) {
    let discrepancies = ledger.verify().unwrap();
    assert!(discrepancies.is_empty(), "{discrepancies:#?}");
}

/// A number from the environment: the length of a test.
pub(crate) fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var_os(name).map_or(default, |value| value.to_str().unwrap().parse().unwrap())
}

/// Random numbers, reproducible from a seed (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
