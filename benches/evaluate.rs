//! A decision, at several sizes of the lists: from strings, and through a flow.
//!
//! `cargo bench --bench evaluate`. The lists are invented. `NEGLIST_BENCH_ENTRIES_MAX` leaves out the larger sizes.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a benchmark fails by panicking, and its macros write no documentation"
)]
#![allow(clippy::allow_attributes, reason = "as above")]

mod invented;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn decisions(criterion: &mut Criterion) {
    #[expect(clippy::disallowed_methods, reason = "benchmarks have no configuration but the environment")]
    let most = std::env::var("NEGLIST_BENCH_ENTRIES_MAX").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    for entries in [200, 10_000, 100_000, 1_000_000].into_iter().filter(|entries| *entries <= most) {
        let limits = invented::limits(entries);
        let snapshot = invented::compile(&invented::parse(&invented::files(entries), &limits), &limits);
        let questions = invented::questions(entries, 65_536, 0);
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

criterion_group!(benches, decisions);
criterion_main!(benches);
