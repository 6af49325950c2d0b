//! A directory with a ledger in a file, and helpers for tests of that file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use neglist::domain::units::Year;
use neglist::ledger::embedded::{EmbeddedLedger, Settings};
use neglist::ledger::{CounterName, Ledger, LedgerError};

use crate::ledger::support::{START, account, allow, counted, general, reservation, wait};
use crate::support::server::Directory;

/// A directory with a ledger in it.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.path("ledger")
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// Settings that open a ledger again soon after a failure.
pub(crate) fn quick() -> Settings {
    Settings { reopen_wait_ms: 1, reopen_wait_max_ms: 5, cache_bytes: 1 << 20, ..Settings::default() }
}

pub(crate) fn open(path: &Path) -> EmbeddedLedger {
    EmbeddedLedger::open(path, quick()).unwrap()
}

pub(crate) fn add(ledger: &EmbeddedLedger, id: &str, persons: u64) -> Result<(), LedgerError> {
    wait(ledger.reserve(reservation(id, counted(persons, 0)), allow(&[general("national")]))).map(|_| ())
}

pub(crate) fn total(ledger: &EmbeddedLedger, exporter: &str) -> Result<u64, LedgerError> {
    wait(ledger.read(&account(exporter), &[general("national")], START)).map(|before| before[&general("national")])
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, LedgerError>) -> String {
    match result {
        Err(LedgerError::Unavailable(why)) => why,
        result => panic!("{result:?}"),
    }
}

/// Asserts that nothing is answered, neither from memory nor from the file.
#[track_caller]
pub(crate) fn check_closed(ledger: &EmbeddedLedger, why: &str) {
    assert!(refused(ledger.check()).contains(why), "{why}: {:?}", ledger.check());
    assert!(refused(total(ledger, "acme")).contains(why));
    assert!(refused(total(ledger, "never-heard-of")).contains(why));
    let counters = [CounterName { name: "national".into(), class: general("national").class }];
    assert!(matches!(ledger.read_at_hand("acme", Year(2026), &counters), Some(Err(_))));
    assert!(refused(add(ledger, "more", 1)).contains(why));
}

/// Pauses between two ticks, so that a closed ledger may try to open itself again.
pub(crate) fn pause(milliseconds: u64) {
    std::thread::park_timeout(Duration::from_millis(milliseconds));
}

/// Ticks until the ledger has opened itself again.
#[track_caller]
pub(crate) fn tick_until_open(ledger: &EmbeddedLedger) {
    for _ in 0..2_000 {
        drop(wait(ledger.tick(START)));
        if ledger.check().is_ok() {
            return;
        }
        pause(1);
    }
    panic!("it stays closed: {:?}", ledger.check());
}

pub(crate) fn serve(directory: &Directory, more: &[&str]) -> Vec<String> {
    let (policies, ledger) = (directory.policies(), directory.beside("ledger"));
    let arguments = ["serve", "--policies", policies.to_str().unwrap(), "--ledger", ledger.to_str().unwrap()];
    [&arguments[..], &["--listen", "127.0.0.1:0"], more].concat().into_iter().map(str::to_owned).collect()
}
