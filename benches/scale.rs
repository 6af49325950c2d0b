//! The cost of larger lists: of a decision, of compiling, and of memory; asserts that a decision costs about the same.
//!
//! `cargo bench --bench scale`. The lists are invented. Sizes take turns, so that whatever else the machine does meets
//! all of them, and medians are compared. Each turn asks about new random items of the whole list, and begins with some
//! that are not timed, because a server has lists of one size and its caches to itself.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints, and fails by panicking")]
#![allow(clippy::allow_attributes, reason = "as above")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures time, and is set by the environment")]

mod invented;

use std::alloc::System;
use std::hint::black_box;
use std::time::Instant;

use invented::{FEW, Registered};
use neglist::domain::asked::Asked;
use neglist::domain::snapshot::Snapshot;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SIZES: [usize; 4] = [200, 10_000, 100_000, 1_000_000];
const ROUNDS: u64 = 300;
/// Questions of one turn: about a millisecond.
const TURN: usize = 2_048;
/// This many of them are not timed.
const WARM_UP: usize = 1_024;
/// A decision at the largest size may cost this many times one at the smallest.
const RATIO_MAX: f64 = 2.0;

/// Registries, beside lists of [`REGISTRY_ENTRIES`] entries.
const REGISTRIES: [Registered; 3] =
    [FEW, Registered { exporters: 1_000, flows: 10_000 }, Registered { exporters: 10_000, flows: 100_000 }];
const REGISTRY_ENTRIES: usize = 10_000;

/// Policies of one size, and their measurements.
struct Sized {
    entries: usize,
    registered: Registered,
    snapshot: Snapshot,
    parse_ms: f64,
    compile_ms: f64,
    bytes: f64,
    spelt_ns: Vec<f64>,
    flow_ns: Vec<f64>,
}

fn build(entries: usize, registered: Registered) -> Sized {
    let limits = invented::limits(entries + registered.exporters + registered.flows);
    let files = invented::files(entries, registered);
    let start = Instant::now();
    let sources = invented::parse(&files, &limits);
    let parse_ms = start.elapsed().as_secs_f64() * 1e3;
    let region = Region::new(ALLOCATOR);
    let start = Instant::now();
    let snapshot = invented::compile(&sources, &limits);
    let compile_ms = start.elapsed().as_secs_f64() * 1e3;
    let change = region.change();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
    let bytes = change.bytes_allocated as f64 - change.bytes_deallocated as f64;
    Sized { entries, registered, snapshot, parse_ms, compile_ms, bytes, spelt_ns: Vec::new(), flow_ns: Vec::new() }
}

fn nanoseconds(snapshot: &Snapshot, asked: &[Asked<'_>]) -> f64 {
    let (warm_up, asked) = asked.split_at(WARM_UP);
    for asked in warm_up {
        black_box(invented::decide(snapshot, black_box(asked)));
    }
    let start = Instant::now();
    for asked in asked {
        black_box(invented::decide(snapshot, black_box(asked)));
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let count = asked.len() as f64;
    start.elapsed().as_secs_f64() * 1e9 / count
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Asks all sizes in turns.
fn measure(sizes: &mut [Sized]) {
    for round in 0..ROUNDS {
        for sized in &mut *sizes {
            let turn = invented::questions(sized.entries, sized.registered, TURN, round);
            let spelt: Vec<Asked<'_>> = turn.iter().map(invented::Question::spelt).collect();
            let spelt_ns = nanoseconds(&sized.snapshot, &spelt);
            let flows: Vec<Asked<'_>> = turn.iter().map(invented::Question::flow).collect();
            let flow_ns = nanoseconds(&sized.snapshot, &flows);
            sized.spelt_ns.push(spelt_ns);
            sized.flow_ns.push(flow_ns);
        }
    }
}

/// Prints a row for each size, and returns how many times the smallest a decision costs at the largest.
fn report(sizes: &mut [Sized], what: &str, count: impl Fn(&Sized) -> usize) -> Option<f64> {
    println!("| {what:>9} | from strings ns | flow ns | parse ms | compile ms | MiB in all | bytes each |");
    println!("|----------:|----------------:|--------:|---------:|-----------:|-----------:|-----------:|");
    let mut costs = Vec::new();
    for sized in sizes {
        let count = count(sized);
        let (spelt, flow) = (median(&mut sized.spelt_ns), median(&mut sized.flow_ns));
        let Sized { parse_ms, compile_ms, bytes, .. } = sized;
        #[expect(clippy::cast_precision_loss, reason = "some millions")]
        let (mib, each) = (*bytes / 1_048_576.0, *bytes / count as f64);
        println!(
            "| {count:9} | {spelt:15.0} | {flow:7.0} | {parse_ms:8.1} | {compile_ms:10.1} | {mib:10.1} | {each:10.0} |"
        );
        costs.push((spelt, flow));
    }
    let (smallest, largest) = (costs.first()?, costs.last()?);
    let (spelt, flow) = (largest.0 / smallest.0, largest.1 / smallest.1);
    println!("largest to smallest: {spelt:.2} from strings, {flow:.2} through a flow\n");
    Some(spelt.max(flow))
}

fn main() {
    let most = std::env::var("NEGLIST_BENCH_ENTRIES_MAX").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let least = std::env::var("NEGLIST_BENCH_ENTRIES_MIN").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let wanted = SIZES.into_iter().filter(|entries| (least..=most).contains(entries));
    let mut sizes: Vec<Sized> = wanted.map(|entries| build(entries, FEW)).collect();
    measure(&mut sizes);
    let ratio = report(&mut sizes, "entries", |sized| sized.entries);
    assert!(
        ratio.is_none_or(|ratio| ratio <= RATIO_MAX),
        "the cost of a decision grows with the size of the lists: at most {RATIO_MAX}"
    );
    drop(sizes);
    // What grows here is known and written down: see docs/PERFORMANCE.md.
    let mut registries: Vec<Sized> = REGISTRIES.into_iter().map(|few| build(REGISTRY_ENTRIES, few)).collect();
    measure(&mut registries);
    report(&mut registries, "flows", |sized| sized.registered.flows);
}
