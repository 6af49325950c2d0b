//! Labels of gateways: the compiled rules against a naive model, and the shipped cases through the wire.

use std::collections::BTreeMap;

use neglist::domain::evaluate::evaluate;
use neglist::domain::gateway::{Reading, Unmatched, label, read};
use neglist::domain::resolve::resolve;
use neglist::domain::snapshot::Snapshot;
use neglist::policy::source::Document;
use neglist::policy::source::cases::Case;
use neglist::policy::source::request::CaseRequest;
use neglist::policy::{self, PolicyFile, verify};
use neglist::wire::decide::from_proto;
use neglist::wire::labelled::to_transfer;
use neglist::wire::refusal::labels;

use crate::generate::dice::Dice;
use crate::generate::label as random;
use crate::model::labels::{Rule, Verdict, verdict};
use crate::support::shipped::{self, LIMITS};
use crate::support::small::{GATE, Small};

/// Requests that are asked about under one set of rules.
const REQUESTS_PER_RULES: usize = 250;
/// Sets of rules; with `NEGLIST_LABEL_CASES` enough of them for that number of requests.
const SETS_DEFAULT: usize = 60;

#[expect(clippy::disallowed_methods, reason = "tests have no configuration but the environment")]
fn sets() -> u64 {
    let cases = std::env::var("NEGLIST_LABEL_CASES").ok();
    let sets = cases.map_or(SETS_DEFAULT, |text| text.parse::<usize>().unwrap().div_ceil(REQUESTS_PER_RULES));
    u64::try_from(sets).unwrap()
}

fn yaml(rules: &[Rule]) -> String {
    rules.iter().map(Rule::yaml).collect()
}

/// The small directory with these lines as its rules.
fn ruled(rules: &str) -> Small {
    let mut small = Small::new();
    let file = small.files.iter_mut().find(|file| file.path == GATE).unwrap();
    file.text = format!("format: 1\nkind: gateway\nrules:\n{rules}complete: yes\n");
    small
}

/// The diagnostics of these rules: each code, with its help.
fn faults(rules: &str) -> Vec<(&'static str, String)> {
    let compiled = policy::compile(&ruled(rules).split().0, &LIMITS);
    assert!(compiled.snapshot.is_none(), "{rules}");
    compiled.diagnostics.into_iter().map(|found| (found.code, found.help.unwrap_or_default())).collect()
}

fn compiled(rules: &str) -> Snapshot {
    let compiled = policy::compile(&ruled(rules).split().0, &LIMITS);
    compiled.snapshot.unwrap_or_else(|| panic!("{:#?}\n{rules}", compiled.diagnostics))
}

#[test]
fn the_compiled_rules_choose_as_the_naive_model_does() {
    let (mut seen, mut tunnels) = (BTreeMap::<&str, usize>::new(), BTreeMap::<&str, usize>::new());
    for seed in 0..sets() {
        let mut dice = Dice::Seed(seed.wrapping_mul(0x0100_0000_01B3));
        let rules = random::rules(&mut dice);
        let text = yaml(&rules);
        let snapshot = compiled(&text);
        for number in 0..REQUESTS_PER_RULES {
            let (sent, meant) = random::request(&mut dice, &rules);
            let expected = verdict(&rules, &meant);
            let got = match snapshot.gateway.choose(&sent).0 {
                Ok(Some(rule)) => Verdict::Rule(rule.id.to_string()),
                Ok(None) => Verdict::Nothing,
                Err(_) => Verdict::Refused,
            };
            assert_eq!(got, expected, "seed {seed}, request {number}: {sent:#?}\n{text}");
            let kind = match expected {
                Verdict::Rule(_) => "rule",
                Verdict::Nothing => "nothing",
                Verdict::Refused => "refused",
            };
            *seen.entry(kind).or_default() += 1;
            if meant.method.as_deref() == Some("CONNECT") {
                *tunnels.entry(kind).or_default() += 1;
            }
        }
    }
    println!("{seen:?}, of which tunnels {tunnels:?}");
    let all: usize = seen.values().sum();
    assert!(seen.len() == 3 && seen.values().all(|count| all / 20 < *count), "{seen:?}");
    assert!(tunnels.len() == 3 && tunnels.values().all(|count| all / 500 < *count), "{tunnels:?}");
}

/// A pattern of another tool is no path, and its signs are written encoded where they are meant.
#[test]
fn patterns_are_no_paths_and_their_signs_are_written_encoded() {
    let rule = |key: &str, path: &str| format!("  - {{id: r, match: {{{key}: '{path}'}}, flow: trial}}\n");
    let patterns =
        ["/patients/*", "/*", "/a*b", "/**/x", "/u/:id", "/:id/x", "/u/{id}", "/u{id}", "/u/<id>", "/u/[id]"];
    for path in patterns {
        for key in ["path", "path_prefix"] {
            let found = faults(&rule(key, path));
            assert!(
                found.iter().any(|(code, help)| *code == "P006" && help.contains("patterns are not supported")),
                "{path}"
            );
            assert!(found.iter().any(|(_, help)| help.contains("不支持通配模式")), "{path}");
        }
    }
    let literal = [
        ("/a%2Ab", "/a*b"),
        ("/u/%3Aid", "/u/:id"),
        ("/u/%7Bid%7D", "/u/{id}"),
        ("/records:export", "/records:export"),
        ("/Patient/$export", "/Patient/%24export"),
    ];
    for (path, sent) in literal {
        let snapshot = compiled(&rule("path", path));
        for sent in [path, sent] {
            let request = random::Sent::to(sent);
            assert!(snapshot.gateway.choose(&request).0.unwrap().is_some(), "{path}: {sent}");
        }
    }
}

/// The order of rules and files has no meaning.
#[test]
fn the_order_of_rules_makes_no_difference() {
    for seed in 0..20 {
        let mut dice = Dice::Seed(seed);
        let rules = random::rules(&mut dice);
        let mut shuffled = rules.clone();
        dice.shuffle(&mut shuffled);
        let texts = [&rules, &shuffled].map(|rules| yaml(rules));
        let [first, second] = texts.map(|text| compiled(&text));
        for _ in 0..100 {
            let (sent, _) = random::request(&mut dice, &rules);
            let of =
                |snapshot: &Snapshot| snapshot.gateway.choose(&sent).0.map(|rule| rule.map(|rule| rule.id.clone()));
            assert_eq!(of(&first), of(&second), "{sent:#?}");
        }
    }
}

/// Only the setting `allow` lets a request without a label pass, and it lets nothing else pass.
#[test]
fn a_request_passes_undecided_only_if_no_rule_and_no_label_concerns_it() {
    for seed in 0..50 {
        let mut dice = Dice::Seed(seed);
        let rules = random::rules(&mut dice);
        let snapshot = compiled(&yaml(&rules));
        for _ in 0..200 {
            let (sent, meant) = random::request(&mut dice, &rules);
            let passes = read(&snapshot, &sent, &Unmatched::Allow) == Reading::NoTransfer;
            assert_eq!(passes, verdict(&rules, &meant) == Verdict::Nothing, "{sent:#?}");
            assert!(!matches!(read(&snapshot, &sent, &Unmatched::Refuse), Reading::NoTransfer));
        }
    }
}

/// Cases about requests, with the request.
fn cases() -> Vec<(String, Case, CaseRequest)> {
    let mut found = Vec::new();
    for source in shipped::tests() {
        let Document::Test(file) = source.document else { continue };
        found.extend(file.cases.into_iter().filter_map(|case| {
            let request = case.request.clone()?;
            Some((format!("{} {}", source.path, case.id.value.0), case, request))
        }));
    }
    found
}

#[test]
fn every_shipped_case_of_a_request_has_the_same_result_through_the_wire() {
    let snapshot = policy::compile(&shipped::policies(), &LIMITS).snapshot.unwrap();
    let mut decided = 0;
    for (id, case, request) in cases() {
        let labelled = match label(&snapshot, &request) {
            Ok(labelled) => labelled,
            Err(unlabelled) => {
                let explained = labels::explain(&unlabelled);
                let wanted = case.want.error.as_ref().unwrap().0.as_ref();
                assert!(explained.iter().any(|one| one.code == wanted || one.field == wanted), "{id}: {explained:?}");
                continue;
            }
        };
        let transfer = to_transfer(&labelled);
        let mut asked = from_proto::asked(&transfer).unwrap();
        let persons = |persons: &neglist::policy::source::request::CasePersons| neglist::domain::asked::AskedPersons {
            general: persons.general.0.get(),
            sensitive: persons.sensitive.0.get(),
        };
        let totals = case.totals.as_ref();
        asked.year_to_date = totals.and_then(|totals| totals.year_to_date.as_ref()).map(persons);
        asked.scenario_year_to_date = totals.and_then(|totals| totals.scenario_year_to_date.as_ref()).map(persons);
        match (resolve(&snapshot, &asked, case.at.0), case.want.outcome) {
            (Ok(resolved), Some(wanted)) => {
                let decision = evaluate(&snapshot, &resolved, &resolved.stated);
                assert_eq!(decision.outcome, verify::outcome(wanted), "{id}");
                decided += 1;
            }
            (Err(violations), None) => {
                let wanted = case.want.error.as_ref().unwrap().0.as_ref();
                assert!(violations.iter().any(|found| found.path.to_string() == wanted), "{id}");
            }
            (resolved, wanted) => panic!("{id}: {resolved:?}, wanted {wanted:?}"),
        }
    }
    assert!(10 <= decided, "only {decided} cases");
}

/// Each example ships with a case that shows its purpose: each rule has to have a case.
#[test]
fn every_shipped_rule_has_a_case() {
    let snapshot = policy::compile(&shipped::policies(), &LIMITS).snapshot.unwrap();
    let wanted: Vec<String> = cases().iter().map(|(_, case, _)| format!("{:?}", case.want.rule)).collect();
    for rule in snapshot.gateway.rules() {
        let named = format!("Words(\"{}\")", rule.id);
        assert!(wanted.iter().any(|wanted| wanted.contains(&named)), "no case matches the rule {}", rule.id);
    }
    assert!(!snapshot.gateway.rules().is_empty());
}

#[test]
fn a_case_of_a_request_fails_on_another_rule_flow_or_error() {
    let cases = "format: 1\nkind: test\ncases:\n";
    let case = |want: &str| {
        let text = format!(
            "{cases}  - id: c\n    title: t\n    at: 2026-06-01\n    request: {{host: trials.example, path: /subjects, \
             method: POST, body: {{count: 3}}}}\n    totals: {{year_to_date: {{general: 0, sensitive: 0}}, \
             scenario_year_to_date: {{general: 0, sensitive: 0}}}}\n    want: {{{want}}}\ncomplete: yes\n"
        );
        let mut diagnostics = Vec::new();
        let tests = [PolicyFile { path: "tests/c_test.yaml".into(), text }];
        let tests = policy::read(&tests, &LIMITS, &mut diagnostics);
        let policies = policy::read(&Small::new().split().0, &LIMITS, &mut diagnostics);
        let results = verify::run(&policies, &tests, &LIMITS, &mut diagnostics);
        assert!(diagnostics.is_empty(), "{diagnostics:#?}");
        (results[0].failures.join("; "), results[0].got.clone())
    };
    let (failures, answer) = case("outcome: allow, rule: uploads, flow: trial, clearance: filing-1");
    assert_eq!(failures, "");
    assert!(answer.starts_with("allow (") && answer.ends_with("), by rule uploads, flow trial"), "{answer}");
    let (failures, _) = case("outcome: file, rule: pages, flow: trails");
    assert_eq!(
        failures,
        "wanted outcome file, got allow; wanted the rule pages, got uploads; wanted the flow trails, got trial"
    );
    assert_eq!(case("outcome: allow, rule: none").0, "wanted the rule none, got uploads");
    assert_eq!(case("error: LABEL_MISSING").0, "wanted an error at `LABEL_MISSING`");
}

#[test]
fn a8_bodies_of_cases_have_the_numbers_that_they_write() {
    let run = |body: &str| {
        let text = format!(
            "format: 1\nkind: test\ncases:\n  - id: c\n    title: t\n    at: 2026-06-01\n    request: {{host: trials.example, \
             path: /subjects, method: POST, {body}}}\n    totals: {{year_to_date: {{general: 0, sensitive: 0}}, \
             scenario_year_to_date: {{general: 0, sensitive: 0}}}}\n    want: {{outcome: allow}}\ncomplete: yes\n"
        );
        let mut diagnostics = Vec::new();
        let tests = [PolicyFile { path: "tests/c_test.yaml".into(), text }];
        let tests = policy::read(&tests, &LIMITS, &mut diagnostics);
        let policies = policy::read(&Small::new().split().0, &LIMITS, &mut diagnostics);
        let results = verify::run(&policies, &tests, &LIMITS, &mut diagnostics);
        let said = diagnostics.iter().map(|diagnostic| format!("{} {}", diagnostic.code, diagnostic.message));
        said.chain(results.iter().flat_map(|result| result.failures.clone())).collect::<Vec<_>>().join("; ")
    };
    let bodies = [
        "body: {count: 3}",
        "body_text: '{\"count\": 3e0}'",
        "body_text: '{\"count\": 3000e-3}'",
        "body_text: '[3, 4]'",
    ];
    assert_eq!(bodies.map(|body| run(body).is_empty()), [true, true, true, false]);
    // A number that the reader of YAML has rounded is not guessed at.
    for number in ["1e-400", "3.0", "0.0", "-0.0", "-0", "+0", "3e0", "0.99999999999999999999", "18446744073709551616"]
    {
        assert!(
            run(&format!("body: {{count: {number}}}")).starts_with("P002 expected a number in decimal digits"),
            "{number}"
        );
    }
    for number in ["1e1000000000", "-1e400", ".inf", ".nan"] {
        assert!(
            run(&format!("body: {{count: {number}}}")).starts_with("P001 a number is too large, or is not a number"),
            "{number}"
        );
    }
    // A number that is no number of persons is refused as at the doors.
    for body in ["body: {count: 0.5}", "body: {count: -1}"] {
        assert!(run(body).contains("body /count"), "{body}: {}", run(body));
    }
    for number in ["1e-400", "0.99999999999999999999", "-0.0", "-0", "1e1000000000", "0.5"] {
        let said = run(&format!("body_text: '{{\"count\": {number}}}'"));
        assert!(said.contains("body /count"), "{number}: {said}");
    }
}
