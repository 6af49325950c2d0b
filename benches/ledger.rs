//! What counting costs: reservations a second, their latency, the price of a read, memory and disk.
//!
//! Run with `cargo bench --bench ledger`. Durable writes are as fast as the disk syncs, so the
//! bench measures that first. `NEGLIST_LEDGER_BENCH_SECONDS` says how long each part goes on.
//! `NEGLIST_LEDGER_BENCH_POSTGRES=postgres://…` measures a database that several servers share, too.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking, and prints its results")]

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use neglist::domain::units::{CountedClass, Headcount, Moment, Persons, Year};
use neglist::ledger::embedded::{CheckOnOpen, EmbeddedLedger, Settings};
use neglist::ledger::postgres::{self, PostgresLedger};
use neglist::ledger::{
    Account, Admission, Counter, Hold, Judge, Judgement, Ledger, People, PseudonymBytes, Reservation,
};

const NOW: Moment = Moment::from_seconds(1_767_196_800);
const PERSONS: u64 = 200_000;
const MILLION: u64 = 1_000_000;

fn main() {
    let seconds = std::env::var_os("NEGLIST_LEDGER_BENCH_SECONDS");
    let seconds = seconds.map_or(5, |value| value.to_str().unwrap().parse().unwrap());
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("sync of 4 KiB: {:?} (median)", sync(&directory.path().join("sync")));
    for kind in ["counted", "named"] {
        for callers in [1, 16, 256] {
            let path = directory.path().join(format!("{kind}-{callers}"));
            let ledger: Arc<dyn Ledger> = Arc::new(open(&path));
            let taken = runtime.block_on(run(&[ledger], kind, callers, Duration::from_secs(seconds)));
            report(&format!("{kind}, {callers:>3} callers"), taken, seconds);
        }
    }
    size(&runtime, &directory.path().join("size"));
    read(&runtime, &directory.path().join("read"), Duration::from_secs(seconds));
    if let Some(url) = std::env::var_os("NEGLIST_LEDGER_BENCH_POSTGRES") {
        shared(&runtime, url.to_str().unwrap(), seconds);
    }
}

fn report(what: &str, mut taken: Vec<Duration>, seconds: u64) {
    taken.sort_unstable();
    let rate = taken.len() as u64 / seconds;
    let (p50, p99) = (percentile(&taken, 50), percentile(&taken, 99));
    println!("{what}: {rate:>6}/s, p50 {p50:>9.2?}, p99 {p99:>9.2?}");
}

/// One account, which is the worst case: every reservation waits for the same row.
fn shared(runtime: &tokio::runtime::Runtime, url: &str, seconds: u64) {
    for servers in [1, 2] {
        for callers in [1, 16, 256] {
            let connect = || async {
                let settings = postgres::Settings { tables: postgres::Tables::Make, ..postgres::Settings::default() };
                let ledger = PostgresLedger::connect(url, settings).await.unwrap();
                Arc::new(ledger) as Arc<dyn Ledger>
            };
            let taken = runtime.block_on(async {
                let mut ledgers = Vec::new();
                for _ in 0..servers {
                    ledgers.push(connect().await);
                }
                run(&ledgers, "counted", callers, Duration::from_secs(seconds)).await
            });
            report(&format!("PostgreSQL, {servers} servers, {callers:>3} callers"), taken, seconds);
        }
    }
}

fn open(path: &Path) -> EmbeddedLedger {
    EmbeddedLedger::open(path, Settings::default()).unwrap()
}

fn counters() -> Vec<Counter> {
    CountedClass::ALL.map(|class| Counter { name: "national".to_owned(), class }).to_vec()
}

fn account() -> Account {
    Account { exporter: "beijing-example-pharma".to_owned(), year: Year(2026) }
}

fn reservation(id: String, people: People) -> Reservation {
    let hold = Hold::Until(NOW.plus_seconds(600));
    Reservation { transfer_id: id, fingerprint: [1; 32], account: account(), people, read: counters(), hold, now: NOW }
}

/// An answer as long as a decision with its reasons.
fn allow() -> Judge {
    Box::new(|_| Judgement { add: counters(), admission: Admission::Permit, answer: vec![7; 200] })
}

fn pseudonym(person: u64) -> PseudonymBytes {
    let half = person.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    [half.to_be_bytes(), half.rotate_left(29).to_be_bytes()].concat().into()
}

fn sync(path: &Path) -> Duration {
    let mut file = File::create(path).unwrap();
    let mut once = || {
        let start = Instant::now();
        file.rewind().unwrap();
        file.write_all(&[1; 4096]).unwrap();
        file.sync_data().unwrap();
        start.elapsed()
    };
    let mut taken: Vec<Duration> = (0..200).map(|_| once()).collect();
    taken.sort_unstable();
    percentile(&taken, 50)
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
}

/// Callers take turns at the ledgers. Ids are new with each run: a database remembers those of the last.
async fn run(ledgers: &[Arc<dyn Ledger>], kind: &'static str, callers: u64, time: Duration) -> Vec<Duration> {
    let end = Instant::now() + time;
    let run = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let callers = (0..callers).zip(ledgers.iter().cycle()).map(|(caller, ledger)| {
        let ledger = Arc::clone(ledger);
        tokio::spawn(async move {
            let mut taken = Vec::new();
            for number in 0.. {
                let people = if kind == "counted" {
                    People::Counted(Headcount { general: Persons::ONE, sensitive: Persons::ZERO })
                } else {
                    People::Named { general: vec![pseudonym(caller << 32 | number)], sensitive: Vec::new() }
                };
                let asked = reservation(format!("transfer-{run}-{caller}-{number}"), people);
                let start = Instant::now();
                if end <= start {
                    break;
                }
                ledger.reserve(asked, allow()).await.unwrap();
                taken.push(start.elapsed());
            }
            taken
        })
    });
    let mut taken = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        taken.extend(caller.await.unwrap());
    }
    taken
}

/// Measured at [`PERSONS`] and scaled to a million.
fn size(runtime: &tokio::runtime::Runtime, path: &Path) {
    let before = resident_bytes();
    let ledger = open(path);
    let start = Instant::now();
    for first in (0..PERSONS).step_by(1_000) {
        let mut general: Vec<PseudonymBytes> = (first..first + 1_000).map(pseudonym).collect();
        general.sort_unstable();
        let people = People::Named { general, sensitive: Vec::new() };
        let asked = Reservation { hold: Hold::Commit, ..reservation(format!("transfer-{first}"), people) };
        runtime.block_on(ledger.reserve(asked, allow())).unwrap();
    }
    let filled = start.elapsed();
    let memory = resident_bytes().saturating_sub(before);
    drop(ledger);
    let file = fs::metadata(path).unwrap().len();
    let scaled = |bytes: u64| bytes * MILLION / PERSONS / 1_000_000;
    println!(
        "per million persons (measured at {PERSONS}, 16-byte pseudonyms, scaled): file {} MB, memory {} MB with a cache of {} MB",
        scaled(file),
        scaled(memory),
        Settings::default().cache_bytes / 1_000_000,
    );
    println!("named persons in transfers of 1,000: {} a second", u128::from(PERSONS) * 1_000 / filled.as_millis());
    for check in [CheckOnOpen::Always, CheckOnOpen::AfterCrash] {
        let start = Instant::now();
        drop(EmbeddedLedger::open(path, Settings { check_on_open: check, ..Settings::default() }).unwrap());
        println!("opening and closing that file, check {check:?}: {:?}", start.elapsed());
    }
}

fn read(runtime: &tokio::runtime::Runtime, path: &Path, time: Duration) {
    let ledger = Arc::new(open(path));
    let people = People::Counted(Headcount { general: Persons::ONE, sensitive: Persons::ZERO });
    runtime.block_on(ledger.reserve(reservation("one".to_owned(), people), allow())).unwrap();
    let (account, counters) = (account(), counters());
    let measure = || async {
        let (start, mut reads) = (Instant::now(), 0_u32);
        while start.elapsed() < time {
            for _ in 0..1_000 {
                ledger.read(&account, &counters, NOW).await.unwrap();
            }
            reads += 1_000;
        }
        start.elapsed() / reads
    };
    println!("read of two counters: {:?}", runtime.block_on(measure()));
    let writing = runtime.spawn({
        let ledger = Arc::clone(&ledger);
        async move { run(&[ledger as Arc<dyn Ledger>], "counted", 16, time * 2).await.len() }
    });
    println!("read of two counters while 16 callers reserve: {:?}", runtime.block_on(measure()));
    runtime.block_on(writing).unwrap();
}

fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1_024
}
