//! The cost of many gateway rules: of finding the one that matches a request; asserts that it stays about the same.
//!
//! `cargo bench --bench labels`. Hosts and paths are invented. Sizes take turns, as in `benches/scale.rs`, and each
//! turn asks about new random hosts and paths of all rules.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints, and fails by panicking")]
#![allow(clippy::allow_attributes, reason = "as above")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::hint::black_box;
use std::time::Instant;

use neglist::domain::gateway::{
    Body, Conditions, Context, Gateway, Gives, Header, HostPattern, LabelHeaders, PathPattern, Record, Rule, Seen,
};

const SIZES: [usize; 3] = [100, 10_000, 100_000];
const ROUNDS: usize = 200;
/// Requests of one turn, as many of them before it is timed.
const TURN: usize = 2_000;
/// Rules of one host.
const PATHS: usize = 20;
/// A request may cost this many times more with the most rules than with the fewest: hosts and paths of a large table
/// are not in the processor's caches.
const RATIO_MAX: f64 = 4.0;

/// Rules of one size, and their measurements.
struct Sized {
    rules: usize,
    gateway: Gateway,
    nanoseconds: Vec<f64>,
}

fn build(rules: usize) -> Sized {
    let rule = |index: usize| Rule {
        id: format!("rule-{index}").into(),
        host: HostPattern::Exact(format!("h{}.example", index / PATHS).into()),
        path: PathPattern::Prefix(format!("/v1/p{}", index % PATHS).into()),
        sni: HostPattern::Any,
        conditions: Conditions { methods: vec!["POST".into()], ..Conditions::default() },
        gives: Gives::default(),
        record: Record::AskOnly,
    };
    let gateway = Gateway::new(LabelHeaders::default(), (0..rules).map(rule).collect());
    Sized { rules, gateway, nanoseconds: Vec::new() }
}

/// A request for the path of one rule.
struct Request {
    host: String,
    path: String,
}

/// Returns requests for rules that are drawn at random.
fn requests(rules: usize, count: usize, seed: usize) -> Vec<Request> {
    // A multiplier that shares no factor with the sizes visits all rules before it visits one again.
    let drawn = (0..count).map(|index| (index + seed * count).wrapping_mul(7_919) % rules);
    let request = |index: usize| Request {
        host: format!("H{}.example:443", index / PATHS),
        path: format!("/v1/p{}/records/17?draft=no", index % PATHS),
    };
    drawn.map(request).collect()
}

impl Seen for Request {
    fn host(&self) -> Option<&str> {
        Some(&self.host)
    }

    fn method(&self) -> Option<&str> {
        Some("POST")
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
    }

    fn sni(&self) -> Option<&str> {
        None
    }

    fn context(&self, _: &str) -> Context<'_> {
        Context::NotSeen
    }

    fn header(&self, _: &str) -> Header<'_> {
        Header::Absent
    }

    fn body(&self, _: &str) -> Body<'_> {
        Body::NotThere
    }
}

fn nanoseconds(gateway: &Gateway, requests: &[Request]) -> f64 {
    let ask = |request: &Request| {
        let (rule, _) = gateway.choose(black_box(request));
        assert!(black_box(rule).is_ok_and(|rule| rule.is_some()), "a rule matches every request");
    };
    let (warm_up, timed) = requests.split_at(requests.len() / 2);
    warm_up.iter().for_each(ask);
    let start = Instant::now();
    timed.iter().for_each(ask);
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let count = timed.len() as f64;
    start.elapsed().as_secs_f64() * 1e9 / count
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() {
    let mut sizes: Vec<Sized> = SIZES.into_iter().map(build).collect();
    for round in 0..ROUNDS {
        for sized in &mut sizes {
            let turn = requests(sized.rules, 2 * TURN, round);
            let measured = nanoseconds(&sized.gateway, &turn);
            sized.nanoseconds.push(measured);
        }
    }
    println!("|   rules | a request, ns |");
    println!("|--------:|--------------:|");
    let mut costs = Vec::new();
    for sized in &mut sizes {
        let cost = median(&mut sized.nanoseconds);
        println!("| {:7} | {cost:13.0} |", sized.rules);
        costs.push(cost);
    }
    let (Some(fewest), Some(most)) = (costs.first(), costs.last()) else { return };
    println!("most to fewest: {:.2}; at most {RATIO_MAX}", most / fewest);
    assert!(most / fewest <= RATIO_MAX, "the cost of a label grows with the number of rules");
}
