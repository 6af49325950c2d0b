//! The fuzz targets, for a short time and without a fuzzer.
//!
//! `NEGLIST_FUZZ_MS` sets how long each runs. The targets themselves are in `fuzz/`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use neglist::policy::{self, PolicyFile};
use neglist::wire::json::message;
use prost::Message as _;

use crate::generate::dice::Dice;
use crate::generate::{policy as random, transfer};
use crate::model::world::{LIMITS, World};
use crate::properties::targets;
use crate::support::shipped;

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

/// Changes a text, of characters or of bytes, in one place.
fn mutate<T: Clone>(dice: &mut Dice<'_>, text: &mut Vec<T>, other: &[T], spice: &[Vec<T>]) {
    let mut place = |count: usize| (dice.below(256) * 256 + dice.below(256)) % count.max(1);
    let (from, length, foreign) = (place(text.len()), place(40), place(other.len()));
    match dice.below(4) {
        0 => drop(text.splice(from..from, dice.pick(spice).iter().cloned())),
        1 => drop(text.drain(from..(from + length).min(text.len()))),
        2 => text.truncate(from),
        _ => drop(text.splice(from..from, other[foreign..].iter().take(200).cloned())),
    }
}

#[test]
fn no_text_makes_the_policy_parser_panic() {
    let corpus = corpus();
    let spice = SPICE.map(|word| word.chars().collect::<Vec<_>>());
    for_a_while(|dice, _| {
        let mut text = dice.pick(&corpus).clone();
        for _ in 0..=dice.below(3) {
            let other = dice.pick(&corpus);
            mutate(dice, &mut text, other, &spice);
        }
        let text = text.into_iter().collect();
        let compiled = policy::compile(&[PolicyFile { path: "a.yaml".to_owned(), text }], &LIMITS);
        assert!(compiled.snapshot.is_none() || compiled.diagnostics.iter().all(|found| !found.message.is_empty()));
    });
}

#[test]
fn the_two_evaluations_agree_for_any_bytes() {
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

/// Checks mutations of seeds; fails the test where hardly any got past the first reader, because then it shows nothing.
#[track_caller]
fn check_mutations(seeds: &[Vec<u8>], mut check: impl FnMut(&[u8]) -> bool) {
    let mut spice: Vec<Vec<u8>> = SPICE.iter().map(|word| word.as_bytes().to_vec()).collect();
    spice.extend([b"%2e%2e", &b"%"[..], b"/", b"\xff", b"\x80\x80\x01", b"\x0a"].map(<[u8]>::to_vec));
    let mut read = 0;
    for_a_while(|dice, _| {
        let mut bytes = dice.pick(seeds).clone();
        for _ in 0..dice.below(4) {
            let other = dice.pick(seeds);
            mutate(dice, &mut bytes, other, &spice);
        }
        read += u64::from(check(&bytes));
    });
    assert!(10 < read, "hardly any was read");
}

#[test]
fn no_body_makes_the_reader_of_evaluations_panic() {
    check_mutations(&EVALUATIONS.map(|text| text.as_bytes().to_vec()), targets::authzen_read);
}

#[test]
fn no_headers_of_forward_auth_pass_by_themselves() {
    let seeds = [
        "\0x-original-method: POST\nx-original-host: trials.example\nx-original-uri: /subjects/7?a=b\nx-flow: trial\nx-neglist-persons: 1",
        "\x01x-original-method: GET\nx-original-host: trials.example:443\nx-original-uri: /subjects\nx-neglist-sensitive-persons: 10",
        "\x02x-forwarded-method: GET\nx-forwarded-host: other.example\nx-forwarded-uri: /\nx-neglist-transfer-id: 7\nx-flow: maps",
        "\0x-forwarded-method: PUT\nx-original-method: PUT\nx-forwarded-host: a\nx-original-host: a\nx-forwarded-uri: /\nx-original-uri: /",
    ];
    let snapshot = targets::small();
    check_mutations(&seeds.map(|text| text.as_bytes().to_vec()), |bytes| targets::forward_auth(&snapshot, bytes));
}

#[test]
fn no_line_of_squid_passes_by_itself() {
    let seeds = [
        "0 POST http://trials.example/subjects/7 trials.example 80 trial 1 -\n",
        "17 GET http://other.example:8080/a%20b?c=d other.example 8080 - - -\n",
        "4 CONNECT trials.example:443 trials.example 443 trial - -\n",
    ];
    let snapshot = targets::small();
    check_mutations(&seeds.map(|text| text.as_bytes().to_vec()), |bytes| targets::squid_line(&snapshot, bytes));
}

#[test]
fn no_message_of_envoy_passes_by_itself() {
    use neglist::wire::generated::vendor::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
    use neglist::wire::generated::vendor::envoy::service::auth::v3::{AttributeContext, CheckRequest};

    let seed = |method: &str, host: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let http = HttpRequest {
            method: method.to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            headers,
            body: body.to_owned(),
            ..HttpRequest::default()
        };
        let request = Some(Request { http: Some(http), ..Request::default() });
        let context_extensions = [("route".to_owned(), "maps".to_owned())].into();
        let attributes = Some(AttributeContext { request, context_extensions, ..AttributeContext::default() });
        CheckRequest { attributes }.encode_to_vec()
    };
    let whole = ("x-envoy-auth-partial-body", "false");
    let seeds = [
        seed("POST", "trials.example", "/subjects", &[whole], r#"{"count": 3}"#),
        seed("GET", "trials.example", "/subjects/7", &[("x-flow", "trial"), ("x-neglist-sensitive-persons", "1")], ""),
        seed("GET", "other.example", "/", &[], ""),
        CheckRequest { attributes: Some(AttributeContext::default()) }.encode_to_vec(),
    ];
    let snapshot = targets::small();
    check_mutations(&seeds, |bytes| targets::check_read(&snapshot, bytes));
}

/// Requests of the contract.
fn requests() -> Vec<Vec<u8>> {
    [
        r#"{"transfer": {"flow": "trial", "persons": {"sensitive": 5}}}"#,
        r#"{"transfer": {"flow": "trial-results-to-basel", "persons": {"sensitive": 5}, "scenario_year_to_date": {}}, "detail": "DETAIL_FULL"}"#,
        r#"{"transfer": {"exporter": "acme", "exporter_facts": {"ciio": true, "zones": ["port"], "held": {"general": 7}},
            "recipient": "partner", "destination": "DE", "sector": "pharma", "scenario": "other", "data": [{"code":
            "contact.name", "data_class": "DATA_CLASS_GENERAL"}, {"code": "health.diagnosis", "attributes": ["a"]}],
            "persons": {"general": 60000, "sensitive": 1}, "year_to_date": {"general": 50000}, "ground": "GROUND_TRANSIT",
            "at": "2026-06-01T00:00:00Z", "export_zone": "port"}}"#,
    ]
    .map(|text| message::decide_request_from_json(text).unwrap().encode_to_vec())
    .into()
}

#[test]
fn no_text_passes_for_a_new_name_that_is_none() {
    let seeds = [
        "acme",
        "partner",
        "ac\u{200b}me",
        "ＡＣＭＥ",
        "Zürich Rück",
        "Zu\u{308}rich",
        "北京某某科技有限公司",
        "\u{feff}acme",
        "acme\n",
        "health.diagnosis",
        "\u{feff}health.diagnosis",
        "helth.diagnossys",
        "health_diagnosis",
        "Health.Diagnosis",
        "甲\u{fe0f}",
        "ﷺ\u{3000}ﻻ",
        "1\u{20e3}",
        "\u{1f1e8}\u{1f1f3}",
        "a\u{301}\u{323}",
        "\u{1100}\u{1161}",
    ];
    let snapshot = targets::small();
    check_mutations(&seeds.map(|text| text.as_bytes().to_vec()), |bytes| targets::new_names(&snapshot, bytes));
}

#[test]
fn the_fast_reader_and_the_decoder_agree() {
    check_mutations(&requests(), targets::plain_read);
}

#[test]
fn no_message_makes_deciding_panic() {
    let snapshot = targets::compile(&shipped::policies());
    check_mutations(&requests(), |bytes| targets::wire_decode(&snapshot, bytes));
}
