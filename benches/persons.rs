//! The cost of persons by identifier before the ledger: reading the identifiers of a request, and making their pseudonyms.
//!
//! `cargo bench --bench persons`. Requests and identifiers are invented.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints, and fails by panicking")]
#![allow(clippy::allow_attributes, reason = "as above")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use neglist::bodies::WholeBody;
use neglist::domain::gateway::{Body, BodySource, Context, Header, JsonPath, Seen};
use neglist::domain::persons::{Identifier, Kind, Normalise, PseudonymSpace, Step, SubjectKey};
use neglist::domain::units::Year;

/// Persons of a request, and the bytes of its body.
const PERSONS: usize = 100;
const BODY_BYTES: usize = 20_000;
const ROUNDS: usize = 2_000;

/// A request with a body of JSON.
struct Request;

impl Seen for Request {
    fn host(&self) -> Option<&str> {
        None
    }

    fn method(&self) -> Option<&str> {
        None
    }

    fn path(&self) -> Option<&str> {
        None
    }

    fn sni(&self) -> Option<&str> {
        None
    }

    fn context(&self, _: &str) -> Context<'_> {
        Context::NotSeen
    }

    fn header(&self, name: &str) -> Header<'_> {
        if name == "content-type" { Header::Text("application/json") } else { Header::Absent }
    }

    fn body(&self, _: &str) -> Body<'_> {
        Body::NotThere
    }
}

fn body(persons: usize, bytes: usize) -> String {
    let filler = "x".repeat((bytes / persons).saturating_sub(60));
    let mut text = "{\"customers\": [".to_owned();
    for person in 0..persons {
        let comma = if person == 0 { "" } else { "," };
        write!(text, "{comma}{{\"id\": \"c-{person:06}\", \"name\": \"{filler}\", \"level\": {person}}}")
            .expect("memory");
    }
    text + "]}"
}

/// Returns microseconds: the median of many rounds.
fn median_us(mut each: impl FnMut()) -> f64 {
    let mut found: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            each();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    found.sort_by(f64::total_cmp);
    found.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
}

fn main() {
    let key = SubjectKey::from_bytes([7; 32]);
    let kind = Kind::parse("customer").expect("a name");
    let normalise = Normalise::NONE.with(Step::Trim).with(Step::Lowercase);
    let source = BodySource::Json(JsonPath::parse("$.customers[*].id").expect("a path"));
    let body = body(PERSONS, BODY_BYTES);
    let read = || WholeBody::of(body.as_bytes(), &Request).identifiers(&source).expect("a right body");
    let reading = median_us(|| {
        black_box(read());
    });
    let space = || PseudonymSpace::new(&key, Year(2026), "an-exporter", &kind);
    let pseudonym = |space: &PseudonymSpace, text: &str| {
        let identifier = Identifier::new(text, normalise).expect("an identifier");
        black_box(space.pseudonym(&identifier))
    };
    let texts = read();
    let making = median_us(|| {
        let space = space();
        for text in &texts {
            pseudonym(&space, black_box(text));
        }
    });
    let one = median_us(|| {
        pseudonym(&space(), black_box("c-000001"));
    });
    println!(
        "{PERSONS} persons in {} bytes of JSON: {reading:.1} us to read them, {making:.1} us for their pseudonyms",
        body.len()
    );
    println!("one person: {one:.2} us for the pseudonym");
}
