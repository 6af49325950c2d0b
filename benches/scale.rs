//! What the size of the lists costs: a decision, compiling, and memory; and that a decision costs about the same.
//!
//! `cargo bench --bench scale`. The lists are invented. Sizes take turns, so that whatever else the machine does
//! meets all of them, and medians are compared. Each turn asks about items drawn anew from the whole list, and begins
//! with some that are not timed, because a server has lists of one size and its caches to itself.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints, and fails by panicking")]
#![allow(clippy::allow_attributes, reason = "as above")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures time, and is set by the environment")]

mod invented;

use std::alloc::System;
use std::hint::black_box;
use std::time::Instant;

use neglist::domain::asked::Asked;
use neglist::domain::snapshot::Snapshot;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SIZES: [usize; 4] = [200, 10_000, 100_000, 1_000_000];
const ROUNDS: u64 = 300;
/// Questions of one turn: about a millisecond.
const TURN: usize = 2_048;
/// So many of them are not timed.
const WARM_UP: usize = 1_024;
/// A decision at the largest size may cost so many times one at the smallest.
const RATIO_MAX: f64 = 2.0;

/// Policies of one size, and what was measured.
struct Sized {
    entries: usize,
    snapshot: Snapshot,
    parse_ms: f64,
    compile_ms: f64,
    bytes: f64,
    spelt_ns: Vec<f64>,
    flow_ns: Vec<f64>,
}

fn build(entries: usize) -> Sized {
    let limits = invented::limits(entries);
    let files = invented::files(entries);
    let start = Instant::now();
    let sources = invented::parse(&files, &limits);
    let parse_ms = start.elapsed().as_secs_f64() * 1e3;
    let region = Region::new(ALLOCATOR);
    let start = Instant::now();
    let snapshot = invented::compile(&sources, &limits);
    let compile_ms = start.elapsed().as_secs_f64() * 1e3;
    let change = region.change();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
    let bytes = (change.bytes_allocated as f64 - change.bytes_deallocated as f64) / entries as f64;
    Sized { entries, snapshot, parse_ms, compile_ms, bytes, spelt_ns: Vec::new(), flow_ns: Vec::new() }
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

fn main() {
    let most = std::env::var("NEGLIST_BENCH_ENTRIES_MAX").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let least = std::env::var("NEGLIST_BENCH_ENTRIES_MIN").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let mut sizes: Vec<Sized> =
        SIZES.into_iter().filter(|entries| (least..=most).contains(entries)).map(build).collect();
    for round in 0..ROUNDS {
        for sized in &mut sizes {
            let turn = invented::questions(sized.entries, TURN, round);
            let spelt: Vec<Asked<'_>> = turn.iter().map(invented::Question::spelt).collect();
            let spelt_ns = nanoseconds(&sized.snapshot, &spelt);
            let flows: Vec<Asked<'_>> = turn.iter().map(invented::Question::flow).collect();
            let flow_ns = nanoseconds(&sized.snapshot, &flows);
            sized.spelt_ns.push(spelt_ns);
            sized.flow_ns.push(flow_ns);
        }
    }
    println!("|   entries | from strings ns | flow ns | parse ms | compile ms | bytes/entry |");
    println!("|----------:|----------------:|--------:|---------:|-----------:|------------:|");
    let mut costs = Vec::new();
    for sized in &mut sizes {
        let (spelt, flow) = (median(&mut sized.spelt_ns), median(&mut sized.flow_ns));
        let Sized { entries, parse_ms, compile_ms, bytes, .. } = sized;
        println!("| {entries:9} | {spelt:15.0} | {flow:7.0} | {parse_ms:8.1} | {compile_ms:10.1} | {bytes:11.0} |");
        costs.push((spelt, flow));
    }
    let (Some(smallest), Some(largest)) = (costs.first(), costs.last()) else { return };
    let (spelt, flow) = (largest.0 / smallest.0, largest.1 / smallest.1);
    println!("largest to smallest: {spelt:.2} from strings, {flow:.2} through a flow; at most {RATIO_MAX}");
    assert!(spelt <= RATIO_MAX && flow <= RATIO_MAX, "the cost of a decision grows with the size of the lists");
}
