//! The cost of the guard against slips: a look-up of a word that is not known, and of the known words one slip away.
//!
//! `cargo bench --bench slips`. Words are invented. Sizes take turns, as in `benches/scale.rs`. The last column of the first
//! table is a scan over the lengths and characters of all words, which is the least that a comparison with each would cost.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints, and fails by panicking")]
#![allow(clippy::allow_attributes, reason = "as above")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures time, and is set by the environment")]

mod invented;

use std::alloc::System;
use std::hint::black_box;
use std::time::Instant;

use invented::FEW;
use neglist::domain::asked::{Asked, AskedItem};
use neglist::domain::snapshot::Snapshot;
use neglist::domain::units::Class;
use neglist::domain::vocabulary::{Looks, Vocabulary};
use neglist::wire::decide::decode;
use neglist::wire::generated::v1;
use prost::Message as _;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SIZES: [usize; 4] = [20, 1_000, 100_000, 1_000_000];
const ROUNDS: usize = 200;
/// Words of one turn, as many of them before it is timed.
const TURN: usize = 256;
/// Beyond the look-up itself, for words of a caller's own.
const GUARD_NS_MAX: f64 = 150.0;
/// A batch of own codes may cost this many times one of known codes. The aim is twice; a busy machine takes more.
const BATCH_RATIO_MAX: f64 = 2.5;

/// Known words of a kind, and words that are asked about.
struct Kind {
    name: &'static str,
    known: fn(usize) -> String,
    asked: fn(usize) -> String,
    looks: Looks,
    /// Whether the words are such as callers choose, which the limit is for.
    is_ordinary: bool,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "codes, own namespace",
        known: invented::code,
        asked: |n| format!("acme.own-kind-{n:06}"),
        looks: Looks::Alike,
        is_ordinary: true,
    },
    Kind {
        name: "codes of the same words",
        known: words,
        asked: |n| words(n + 5_000_000),
        looks: Looks::Alike,
        is_ordinary: false,
    },
    Kind {
        name: "exporters",
        known: |n| format!("9111{:04}MA{:08}", n % 97, n * 7),
        asked: |n| format!("9144{:04}MB{:06}XY", n % 89, n),
        looks: Looks::Apart,
        is_ordinary: true,
    },
    Kind {
        name: "the same namespace",
        known: invented::code,
        asked: |n| format!("invented.record-{:05}xy", n % 100_000),
        looks: Looks::Alike,
        is_ordinary: false,
    },
];

/// Codes as a catalogue may have them: words of a language, joined.
fn words(number: usize) -> String {
    const PARTS: [&str; 32] = [
        "account", "address", "alarm", "battery", "booking", "camera", "claim", "contact", "device", "driver",
        "engine", "filing", "genome", "health", "income", "invoice", "journey", "ledger", "map", "meter", "network",
        "order", "patient", "payment", "record", "sample", "sensor", "survey", "ticket", "trial", "vehicle", "visit",
    ];
    let drawn = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
    let part = |shift: u32| PARTS.get(usize::try_from(drawn >> shift & 31).unwrap_or(0)).copied().unwrap_or_default();
    format!("{}.{}-{}-{}-{}", part(0), part(5), part(10), part(15), part(20))
}

struct Sized {
    vocabulary: Vocabulary,
    signs: Vec<(u64, usize)>,
    build_ms: f64,
    bytes: f64,
    get_ns: Vec<f64>,
    guard_ns: Vec<f64>,
    scan_ns: Vec<f64>,
}

fn sign(word: &str) -> (u64, usize) {
    (word.bytes().fold(0, |set, byte| set | 1 << (byte & 63)), word.len())
}

#[expect(clippy::cast_precision_loss, reason = "some millions")]
fn build(kind: &Kind, size: usize) -> Sized {
    let mut vocabulary = Vocabulary::default();
    for number in 0..size {
        // Some kinds repeat a word.
        let _ = vocabulary.insert(&(kind.known)(number));
    }
    let region = Region::new(ALLOCATOR);
    let start = Instant::now();
    vocabulary.index_slips(kind.looks, |_| Some(0));
    let build_ms = start.elapsed().as_secs_f64() * 1e3;
    let change = region.change();
    let bytes = (change.bytes_allocated as f64 - change.bytes_deallocated as f64) / size as f64;
    let signs = vocabulary.iter().map(sign).collect();
    Sized { vocabulary, signs, build_ms, bytes, get_ns: Vec::new(), guard_ns: Vec::new(), scan_ns: Vec::new() }
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn nanoseconds<T>(asked: &[String], each: impl Fn(&str) -> T) -> f64 {
    let (warm_up, timed) = asked.split_at(asked.len() / 2);
    for word in warm_up {
        black_box(each(black_box(word)));
    }
    let start = Instant::now();
    for word in timed {
        black_box(each(black_box(word)));
    }
    start.elapsed().as_secs_f64() * 1e9 / timed.len() as f64
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn measure(kind: &Kind, sizes: &mut [Sized]) {
    for round in 0..ROUNDS {
        for sized in &mut *sizes {
            let vocabulary = &sized.vocabulary;
            let asked: Vec<String> =
                (0..TURN).map(|index| (kind.asked)((round * TURN + index).wrapping_mul(7_919) % 1_000_003)).collect();
            let asked: Vec<String> = asked.into_iter().filter(|word| vocabulary.get(word).is_none()).collect();
            sized.get_ns.push(nanoseconds(&asked, |word| vocabulary.get(word)));
            sized.guard_ns.push(nanoseconds(&asked, |word| (vocabulary.get(word), vocabulary.slip(word, |_| true))));
            if round < 3 {
                let few = asked.get(..16).unwrap_or(&asked);
                sized.scan_ns.push(nanoseconds(few, |word| {
                    let (characters, length) = sign(word);
                    let is_similar = |known: &&(u64, usize)| {
                        (known.0 ^ characters).count_ones() <= 2 && known.1.abs_diff(length) <= 1
                    };
                    sized.signs.iter().filter(is_similar).count()
                }));
            }
        }
    }
}

/// Prints a row for each size, and returns the highest cost of the guard.
fn report(kind: &Kind, sizes: &mut [Sized], counts: &[usize]) -> f64 {
    println!("{}:", kind.name);
    println!("|     words | look-up ns | guard ns | build ms | bytes each | scan of all ns |");
    println!("|----------:|-----------:|---------:|---------:|-----------:|---------------:|");
    let mut most = 0.0_f64;
    for (sized, count) in sizes.iter_mut().zip(counts) {
        let get = median(&mut sized.get_ns);
        let guard = median(&mut sized.guard_ns) - get;
        let (scan, build, bytes) = (median(&mut sized.scan_ns), sized.build_ms, sized.bytes);
        println!("| {count:9} | {get:10.0} | {guard:8.0} | {build:8.1} | {bytes:10.1} | {scan:14.0} |");
        most = most.max(guard);
    }
    println!();
    most
}

/// A batch of three megabytes whose codes come from a function.
fn batch(code: impl Fn(usize) -> String) -> Vec<u8> {
    let item = |number| v1::DataItem {
        code: code(number),
        data_class: v1::DataClass::Sensitive.into(),
        ..v1::DataItem::default()
    };
    let persons = Some(v1::Persons { general: 0, sensitive: 1 });
    let transfer = |number: usize| v1::Transfer {
        exporter: "an-unregistered-exporter".to_owned(),
        exporter_facts: Some(v1::ExporterFacts::default()),
        destination: "DE".to_owned(),
        data: (0..100).map(|index| item(number * 100 + index)).collect(),
        persons,
        year_to_date: persons,
        ..v1::Transfer::default()
    };
    let transfers = (0..1_000).map(transfer).collect();
    v1::DecideBatchRequest { transfers, detail: 0 }.encode_to_vec()
}

/// Reads and decides a batch; returns milliseconds.
fn batch_ms(snapshot: &Snapshot, bytes: &[u8]) -> f64 {
    let start = Instant::now();
    let (messages, _) = decode::batch(bytes, 1_000).expect("a plain batch");
    for message in messages {
        let asked = decode::asked(message).expect("a plain transfer");
        black_box(invented::decide(snapshot, &asked));
    }
    start.elapsed().as_secs_f64() * 1e3
}

/// Decisions with one code, known or the caller's own; returns nanoseconds each.
fn one_ns(snapshot: &Snapshot, asked: &Asked<'_>) -> f64 {
    let start = Instant::now();
    for _ in 0..TURN {
        black_box(invented::decide(snapshot, black_box(asked)));
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let count = TURN as f64;
    start.elapsed().as_secs_f64() * 1e9 / count
}

fn main() {
    let most = std::env::var("NEGLIST_BENCH_ENTRIES_MAX").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let counts: Vec<usize> = SIZES.into_iter().filter(|size| *size <= most).collect();
    for kind in KINDS {
        let mut sizes: Vec<Sized> = counts.iter().map(|size| build(&kind, *size)).collect();
        measure(&kind, &mut sizes);
        let guard = report(&kind, &mut sizes, &counts);
        assert!(!kind.is_ordinary || guard <= GUARD_NS_MAX, "the guard costs {guard:.0} ns: at most {GUARD_NS_MAX}");
    }
    let limits = invented::limits(10_000);
    let snapshot = invented::compile(&invented::parse(&invented::files(10_000, FEW), &limits), &limits);
    batches(&snapshot);
    one_by_one(&snapshot);
}

/// Compares batches of known codes with batches of own ones without duplicates.
fn batches(snapshot: &Snapshot) {
    let known = batch(|number| invented::code(number * 7_919 % 10_000));
    let (own, beside) =
        (batch(|number| format!("acme.own-kind-{number:09}")), batch(|n| format!("invented.kind-{n:09}")));
    let (mut of_known, mut of_own, mut of_beside) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS / 4 {
        of_known.push(batch_ms(snapshot, &known));
        of_own.push(batch_ms(snapshot, &own));
        of_beside.push(batch_ms(snapshot, &beside));
    }
    let [of_known, of_own, of_beside] = [of_known, of_own, of_beside].map(|mut found| median(&mut found));
    println!(
        "a batch of {} and {} bytes, 100,000 codes among 10,000: {of_known:.1} ms known, {of_own:.1} ms own, \
         {of_beside:.1} ms in the namespace of those known",
        known.len(),
        own.len()
    );
    assert!(
        of_own <= BATCH_RATIO_MAX * of_known,
        "a batch of own codes costs more than {BATCH_RATIO_MAX} times as much"
    );
}

/// Compares a transfer with a known code and one with an own one.
fn one_by_one(snapshot: &Snapshot) {
    let known_code = invented::code(4_321);
    let item = |code| AskedItem { code, class: Some(Class::Sensitive), ..AskedItem::default() };
    let question = invented::questions(10_000, FEW, 1, 0);
    let asked = |code| Asked { data: vec![item(code)], ..question.first().expect("a question").spelt() };
    let (known, own) = (asked(known_code.as_str()), asked("acme.own-kind-004321"));
    let (mut of_known, mut of_own): (Vec<f64>, Vec<f64>) =
        (0..ROUNDS).map(|_| (one_ns(snapshot, &known), one_ns(snapshot, &own))).unzip();
    let (of_known, of_own) = (median(&mut of_known), median(&mut of_own));
    println!("one transfer, in the core alone: {of_known:.0} ns with a known code, {of_own:.0} ns with an own one");
}
