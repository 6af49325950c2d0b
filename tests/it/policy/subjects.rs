//! `subjects` of gateway rules: how they are written, and what cases say of them.

use neglist::policy::{self, PolicyFile, verify};

use crate::support::shipped::LIMITS;
use crate::support::small::Small;

/// The small directory with one more rule, which has these lines.
fn with_rule(lines: &str) -> Small {
    let mut small = Small::new();
    let text = format!(
        "format: 1\nkind: gateway\nrules:\n  - id: named\n    match: {{host: named.example}}\n    flow: trial\n{lines}complete: yes\n"
    );
    small.files.push(PolicyFile { path: "gateways/named.yaml".to_owned(), text });
    small
}

#[track_caller]
fn check(lines: &str, expected: &[&str]) {
    assert_eq!(check_codes(lines), expected, "{lines}");
}

/// Returns the codes of what is wrong with the rule.
fn check_codes(lines: &str) -> Vec<&'static str> {
    let found = with_rule(lines).outlook("2026-06-01");
    found.iter().filter(|found| found.file == "gateways/named.yaml").map(|found| found.code).collect()
}

#[test]
fn each_place_is_written_in_one_way() {
    for place in [
        "body: $.subjects[*].id",
        "body: \"$['a b'][*]\"",
        "lines: $.id",
        "csv: 客户 编号",
        "form: email",
        "path: /v1/patients/{}/records",
        "query: id",
        "header: x-ids",
        "context: subject.id",
    ] {
        check(&format!("    sensitive_subjects:\n      {place}\n      kind: customer\n"), &[]);
        check(
            &format!("    sensitive_subjects:\n      {place}\n      kind: 客户\n      normalise: [nfc, trim]\n"),
            &[],
        );
    }
}

#[test]
fn a_place_that_cannot_be_read_in_one_way_is_an_error() {
    for (lines, code) in [
        ("body: /subjects", "P006"),
        ("body: $.subjects", ""),
        ("body: $.subjects[0].id", "P006"),
        ("body: $..id", "P006"),
        ("path: /v1/patients/7", "P006"),
        ("path: /v1/{}/{}", "P006"),
        ("header: X-Ids", "P006"),
        ("csv: id\n      body: $.id", "P017"),
        ("normalise: [trim]", "P017"),
        ("csv: id\n      normalise: [trim, upper]", "P006"),
        ("csv: id\n      normalise: [trim, trim]", "P010"),
    ] {
        let expected: &[&str] = if code.is_empty() { &[] } else { &[code] };
        check(&format!("    sensitive_subjects:\n      {lines}\n      kind: customer\n"), expected);
    }
    let without_kind = with_rule("    sensitive_subjects: {csv: id}\n").diagnostics();
    assert!(without_kind.iter().any(|found| found.message.contains("kind")), "{without_kind:?}");
    // The flow sends sensitive information: of those persons a rule with `subjects` alone could learn only a number.
    check("    subjects: {query: g, kind: customer}\n", &["P017"]);
    check("    subjects: {query: g, kind: customer}\n    sensitive_subjects: {query: s, kind: customer}\n", &[]);
    for number in ["persons: 1", "sensitive_persons: {body: /n}"] {
        check(&format!("    {number}\n    sensitive_subjects: {{csv: id, kind: customer}}\n"), &["P017"]);
    }
}

#[test]
fn one_kind_is_normalised_in_one_way() {
    let two = |normalise: &str| {
        check_codes(&format!(
            "    sensitive_subjects: {{csv: id, kind: customer, normalise: [trim]}}\n  - id: other\n    match: {{host: other.example}}\n    \
             flow: trial\n    sensitive_subjects: {{query: id, kind: customer{normalise}}}\n"
        ))
    };
    assert_eq!(two(", normalise: [trim]"), Vec::<&str>::new());
    assert_eq!(two(""), ["P044"]);
    assert_eq!(two(", normalise: [trim, lowercase]"), ["P044"]);
}

/// Runs a case about a request with a body, and returns its failure.
fn failures(rule: &str, body: &str, want: &str) -> String {
    let text = format!(
        "format: 1\nkind: test\ncases:\n  - id: c\n    title: t\n    at: 2026-06-01\n    request: {{host: named.example, \
         path: /x, method: POST, {body}}}\n    totals: {{year_to_date: {{general: 0, sensitive: 0}}, \
         scenario_year_to_date: {{general: 0, sensitive: 0}}}}\n    want: {{{want}}}\ncomplete: yes\n"
    );
    let mut diagnostics = Vec::new();
    let tests = [PolicyFile { path: "tests/c_test.yaml".into(), text }];
    let tests = policy::read(&tests, &LIMITS, &mut diagnostics);
    let policies = policy::read(&with_rule(rule).split().0, &LIMITS, &mut diagnostics);
    let results = verify::run(&policies, &tests, &LIMITS, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    results[0].failures.join("; ")
}

#[test]
fn a_case_states_the_number_of_persons_of_a_request() {
    let by_body = "    sensitive_subjects: {body: '$.s[*].id', kind: customer, normalise: [trim]}\n";
    let three = "body: {s: [{id: a}, {id: ' a'}, {id: b}, {id: 7}]}";
    assert_eq!(failures(by_body, three, "outcome: allow, persons: {general: 0, sensitive: 3}"), "");
    assert_eq!(
        failures(by_body, three, "outcome: allow, persons: {general: 0, sensitive: 4}"),
        "wanted 0 general and 4 sensitive persons, got 0 general and 3 sensitive"
    );
    assert_eq!(failures(by_body, "body: {s: [{id: a}, {}]}", "error: LABEL_MISSING"), "");
    assert_eq!(failures(by_body, "body: {s: [{id: a}, {}]}", "error: 'body $.s[*].id'"), "");
    let by_column = "    sensitive_subjects: {csv: id, kind: customer}\n";
    let table = "body_text: \"id,x\\na,1\\nb,2\\na,3\\n\"";
    assert_eq!(failures(by_column, table, "outcome: allow, persons: {general: 0, sensitive: 2}"), "");
    assert_eq!(failures(by_column, "body: {id: a}", "error: BODY_OF_OTHER_TYPE"), "");
}
