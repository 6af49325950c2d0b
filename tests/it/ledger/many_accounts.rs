//! The ledger in a file with more exporters than fit into memory.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use neglist::domain::units::Year;
use neglist::ledger::embedded::{EmbeddedLedger, Settings};
use neglist::ledger::rows::ImportedTotal;
use neglist::ledger::{Account, CounterName, Ledger, Reservation};

use crate::ledger::place::{Place, open, quick, serve, total};
use crate::ledger::support::{
    Random, START, account, allow, check_sound, counted, from_environment, general, reservation, wait,
};
use crate::support::server::{Directory, Process};

fn tiny(accounts_max: usize) -> Settings {
    Settings { accounts_max, ..quick() }
}

/// An evicted account is read from the file, and never taken for 0; in any order, over restarts.
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

/// Readers that fill the memory while the writer changes the same accounts never leave an old total behind.
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

/// `NEGLIST_LEDGER_ACCOUNTS` is the number of invented exporters.
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
