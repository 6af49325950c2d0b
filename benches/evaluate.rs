//! A decision, at several sizes of the lists: from strings, and through a flow.
//!
//! `cargo bench --bench evaluate`. The lists are invented. `NEGLIST_BENCH_ENTRIES_MAX` leaves out the larger sizes.
//! `cargo bench --bench evaluate -- count strings 1000` makes that many decisions and measures nothing: for counting
//! instructions, such as `bench/instructions`. `count flow 1000` is the other kind.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a benchmark fails by panicking, and its macros write no documentation"
)]
#![allow(clippy::allow_attributes, reason = "as above")]

mod invented;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group};
use invented::FEW;
use neglist::domain::asked::Asked;

fn decisions(criterion: &mut Criterion) {
    #[expect(clippy::disallowed_methods, reason = "benchmarks have no configuration but the environment")]
    let most = std::env::var("NEGLIST_BENCH_ENTRIES_MAX").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    for entries in [200, 10_000, 100_000, 1_000_000].into_iter().filter(|entries| *entries <= most) {
        let limits = invented::limits(entries);
        let snapshot = invented::compile(&invented::parse(&invented::files(entries, FEW), &limits), &limits);
        let questions = invented::questions(entries, FEW, 65_536, 0);
        let mut group = criterion.benchmark_group("decision");
        let spelt: Vec<_> = questions.iter().map(invented::Question::spelt).collect();
        let mut next = spelt.iter().cycle();
        group.bench_function(BenchmarkId::new("from strings", entries), |bencher| {
            bencher.iter(|| next.next().map(|asked| invented::decide(&snapshot, black_box(asked))));
        });
        let flows: Vec<_> = questions.iter().map(invented::Question::flow).collect();
        let mut next = flows.iter().cycle();
        group.bench_function(BenchmarkId::new("through a flow", entries), |bencher| {
            bencher.iter(|| next.next().map(|asked| invented::decide(&snapshot, black_box(asked))));
        });
        group.finish();
    }
}

/// Makes decisions of one kind on the smallest lists.
fn count(kind: &str, decisions: usize) {
    const ENTRIES: usize = 200;
    let limits = invented::limits(ENTRIES);
    let snapshot = invented::compile(&invented::parse(&invented::files(ENTRIES, FEW), &limits), &limits);
    let questions = invented::questions(ENTRIES, FEW, 1_024, 0);
    assert!(["strings", "flow"].contains(&kind), "`{kind}` is neither `strings` nor `flow`");
    let of_kind: fn(&invented::Question) -> Asked<'_> =
        if kind == "flow" { invented::Question::flow } else { invented::Question::spelt };
    let asked: Vec<_> = questions.iter().map(of_kind).collect();
    for asked in asked.iter().cycle().take(decisions) {
        black_box(invented::decide(&snapshot, black_box(asked)));
    }
}

criterion_group!(benches, decisions);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [word, kind, decisions] = &arguments[..]
        && word == "count"
    {
        return count(kind, decisions.parse().expect("a number of decisions"));
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
