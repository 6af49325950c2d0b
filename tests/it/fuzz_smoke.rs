//! What the fuzz targets do, for a short time and without a fuzzer.
//!
//! `NEGLIST_FUZZ_MS` sets how long each runs. The targets themselves are in `fuzz/`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use neglist::policy::{self, PolicyFile};
use neglist::wire::authzen::{self, Evaluation, Evaluations, Mapped};

use crate::generate::dice::Dice;
use crate::generate::{policy as random, transfer};
use crate::world::{LIMITS, World};

const MS_DEFAULT: u64 = 1_500;

/// Runs rounds of `check`, each with dice of its own, until the time is over.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration but the environment, and this one ends by the clock"
)]
fn for_a_while(mut check: impl FnMut(&mut Dice<'_>, u64)) {
    let ms = std::env::var("NEGLIST_FUZZ_MS").ok().map_or(MS_DEFAULT, |text| text.parse().expect("a whole number"));
    let end = Instant::now() + Duration::from_millis(ms);
    for round in 0.. {
        check(&mut Dice::Seed(round), round);
        if end <= Instant::now() {
            println!("{round} rounds");
            break;
        }
    }
}

/// Texts to start from: the shipped files, cut to a length that leaves time for many.
fn corpus() -> Vec<Vec<char>> {
    let mut texts = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")];
    while let Some(directory) = directories.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                directories.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                texts.push(text.chars().take(3_000).collect());
            }
        }
    }
    texts.sort();
    texts
}

const SPICE: [&str; 20] = [
    "[",
    "]",
    "{",
    "}",
    ": ",
    "- ",
    "\n",
    "  ",
    "unknown",
    "national",
    "99999999999999999999",
    "-1",
    "&a ",
    "*a",
    "!!x ",
    "\"",
    "|\n",
    "\u{0}",
    "\u{feff}",
    "其他",
];

/// Changes a text in one place.
fn mutate(dice: &mut Dice<'_>, text: &mut Vec<char>, other: &[char]) {
    let mut place = |count: usize| (dice.below(256) * 256 + dice.below(256)) % count.max(1);
    let (from, length, foreign) = (place(text.len()), place(40), place(other.len()));
    match dice.below(4) {
        0 => drop(text.splice(from..from, dice.pick::<&str>(&SPICE).chars())),
        1 => drop(text.drain(from..(from + length).min(text.len()))),
        2 => text.truncate(from),
        _ => drop(text.splice(from..from, other[foreign..].iter().copied().take(200))),
    }
}

#[test]
fn no_text_makes_the_policy_parser_panic() {
    let corpus = corpus();
    for_a_while(|dice, _| {
        let mut text = dice.pick(&corpus).clone();
        for _ in 0..=dice.below(3) {
            let other = dice.pick(&corpus);
            mutate(dice, &mut text, other);
        }
        let text = text.into_iter().collect();
        let compiled = policy::compile(&[PolicyFile { path: "a.yaml".to_owned(), text }], &LIMITS);
        assert!(compiled.snapshot.is_none() || compiled.diagnostics.iter().all(|found| !found.message.is_empty()));
    });
}

#[test]
fn whatever_bytes_draw_the_two_evaluations_agree() {
    for_a_while(|dice, round| {
        let bytes: Vec<u8> = (0..dice.below(256) * 4).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
        let mut drawn = Dice::Bytes(&bytes);
        let policy = random::policy(&mut drawn);
        let world = World::new(policy.files());
        for _ in 0..4 {
            world.check(&transfer::query(&mut drawn, &policy), &format!("bytes of round {round}"));
        }
    });
}

const EVALUATIONS: [&str; 3] = [
    r#"{"subject": {"type": "exporter", "id": "acme"}, "action": {"name": "export"}, "resource": {"type": "flow",
        "id": "trial"}, "context": {"persons": 0, "sensitive_persons": 5}}"#,
    r#"{"subject": {"type": "exporter", "id": "acme"}, "action": {"name": "export"}, "resource": {"type": "transfer",
        "id": "t", "properties": {"exporter": "acme", "destination": "DE", "data": [{"code": "contact.name",
        "dataClass": "DATA_CLASS_GENERAL"}], "persons": {"general": "7"}, "at": "2026-06-01T00:00:00Z"}}}"#,
    r#"{"subject": {"type": "user", "id": "alice", "properties": {"role": "admin"}}, "options":
        {"evaluations_semantic": "deny_on_first_deny"}, "evaluations": [{"action": {"name": "read"}, "resource":
        {"type": "record", "id": "1"}}, {}, {"resource": {"id": 7}, "context": {"time": "1"}}]}"#,
];

/// Fails the test where an evaluation comes to a transfer of somebody else, or to nothing without a word.
fn maps(evaluation: &Evaluation) {
    match authzen::map(evaluation) {
        Mapped::Transfer(request) => assert_eq!(request.transfer.unwrap().exporter, evaluation.subject_id),
        Mapped::ByRules => assert!(!authzen::unmapped(evaluation).is_empty()),
        Mapped::Unmapped(said) => assert!(!said.is_empty()),
    }
}

#[test]
fn no_body_makes_the_reader_of_evaluations_panic() {
    let corpus = EVALUATIONS.map(|text| text.chars().collect::<Vec<_>>());
    let mut read = 0;
    for_a_while(|dice, _| {
        let mut text = dice.pick(&corpus).clone();
        for _ in 0..dice.below(3) {
            let other = dice.pick(&corpus);
            mutate(dice, &mut text, other);
        }
        let text: String = text.into_iter().collect();
        match authzen::evaluations(text.as_bytes(), 10) {
            Ok(Evaluations::One(evaluation)) => {
                read += 1;
                maps(&evaluation);
            }
            Ok(Evaluations::Several { semantic: _, evaluations }) => {
                read += 1;
                evaluations.flatten().for_each(|evaluation| maps(&evaluation));
            }
            Err(error) => assert!(!error.findings.is_empty()),
        }
    });
    assert!(10 < read, "hardly any was well-formed");
}
