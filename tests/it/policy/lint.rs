//! Warnings and notes of `check`.

use neglist::policy::{Diagnostic, Severity};
use neglist::report::{Checked, Colour, text};

use crate::support::shipped;
use crate::support::small;
use crate::support::small::{CODES, GATE, NATION, OWN, PORT, Small};

fn rendered(small: &Small, diagnostics: &[Diagnostic]) -> String {
    let checked = Checked { diagnostics, files: &small.files, unknown: 0, digest: None };
    let mut out = Vec::new();
    text::diagnostics(&checked, Colour::Plain, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Two rounds of official answers, neither read.
const ANSWERS: &str = "official_answers:\n  - {date: 2026-08-12, title: {zh: 问答一, en: first round}, read: no, \
                       confidence: unsure}\n  - {date: 2026-09-11, title: {zh: 问答二, en: second round}, \
                       url: https://answers.example/2, read: no, confidence: unsure}\nprocedures:\n";
/// A contract of the Greater Bay Area, in place of a filing.
const AREA: &str = "kind: gba-contract\n    recipient_registered_in: HK\n    no_onward_transfer: yes";
/// The mechanism, for the national list.
const MECHANISM: &str = "  gba-contract: {validity_years: 3, hong_kong_from: 2023-12-13, macao_from: 2024-09-10, \
                         source: a, confidence: official}\nprocedures:\n";
/// Its procedure, before that of the assessment.
const PROCEDURE: &str =
    "  gba-contract: {code: gba, text: {zh: 大湾区, en: area}, source: a, confidence: official}\n  assess: {code";

macro_rules! lints {
    ($($name:ident on $day:literal: $(($path:expr, $old:expr, $new:expr)),*;)*) => {$(
        #[test]
        fn $name() {
            let small = Small::new()$(.with($path, $old, $new))*;
            insta::assert_snapshot!(rendered(&small, &small.outlook($day)));
        }
    )*};
}

lints! {
    points_left_unknown on "2026-06-01": ;
    a_clearance_that_ends_soon on "2027-11-01": ;
    a_clearance_that_ends_today on "2027-12-31": ;
    a_clearance_that_has_ended on "2028-01-01": ;
    a_list_that_ends_and_none_follows on "2026-06-01":
        (PORT, "first_day: 2025-01-01", "first_day: 2025-01-01\nlast_day: 2026-06-30");
    a_list_that_has_ended_with_a_filing_under_it on "2026-07-01":
        (PORT, "first_day: 2025-01-01", "first_day: 2025-01-01\nlast_day: 2026-06-30");
    national_rules_that_end on "2026-06-01":
        (NATION, "first_day: 2024-03-22", "first_day: 2024-03-22\nlast_day: 2026-07-31");
    a_flow_to_the_mainland on "2026-06-01": (OWN, "destination: CH", "destination: CN");
    a_flow_in_no_listed_scenario on "2026-06-01": (OWN, "scenario: clinical-trial", "scenario: member-management");
    a_flow_in_no_listed_sector on "2026-06-01": (OWN, "    sector: pharma", "    sector: other");
    a_flow_in_a_sector_like_a_listed_one on "2026-06-01": (OWN, "    sector: pharma", "    sector: retail");
    a_flow_that_does_not_leave_from_the_zone on "2026-06-01":
        (PORT, "export_from_zone: not-required", "export_from_zone: required");
    a_flow_of_an_excluded_kind_of_exporter on "2026-06-01": (OWN, "kinds: []", "kinds: [pharmacy]"),
        (PORT, "    scenarios_known: all\n    lines: unknown", "    scenarios_known: all\n    excluded_exporter_kinds: [pharmacy]\n    lines: unknown");
    a_gateway_rule_with_a_path_for_connect on "2026-06-01": (GATE, "methods: [POST]", "methods: [CONNECT]");
    a_gateway_rule_behind_one_for_every_path on "2026-06-01":
        (GATE, "path_prefix: /subjects, methods: [POST]", "methods: [POST]"), (GATE, "path_prefix: /subjects}", "path_prefix: /}");
    a_gateway_rule_for_connect_behind_one_for_every_path on "2026-06-01":
        (GATE, "path_prefix: /subjects, methods: [POST]", "methods: [CONNECT]"), (GATE, "path_prefix: /subjects}", "path_prefix: /}");
    a_gateway_rule_that_counts_under_a_clients_id on "2026-06-01":
        (GATE, "    sensitive_persons: {body: /count}\n", "    sensitive_persons: {body: /count}\n    transfer_id: {header: x-request-id}\n    record: yes\n");
    a_gateway_rule_with_a_pattern_for_a_value on "2026-06-01":
        (GATE, "methods: [POST]", "headers: {x-data: 'patients*'}");
    a_gateway_rule_for_a_type_that_authzen_maps on "2026-06-01":
        (GATE, "match: {context: {route: maps}}", "match: {context: {resource.type: flow}}");
    a_gateway_rule_about_everything on "2026-06-01": (GATE, "match: {context: {route: maps}}", "match: {}");
    official_answers_that_were_not_read on "2026-11-01": (NATION, "procedures:\n", ANSWERS),
        (NATION, "  a: {title: {zh: 甲, en: A}}", "  a: {title: {zh: 甲, en: A}, published: 2026-08-20}"),
        (PORT, "  a: {title:", "  a: {published: 2026-09-11, title:");
    official_answers_that_were_read on "2026-11-01": (NATION, "procedures:\n", ANSWERS), (NATION, "read: no", "read: yes"),
        (NATION, "read: no", "read: yes");
    an_area_contract_of_an_exporter_elsewhere on "2026-06-01": (OWN, "kind: zone-filing", AREA), (OWN, "    lists: [port-2025]\n", ""),
        (NATION, "procedures:\n", MECHANISM), (NATION, "  assess: {code", PROCEDURE);
    an_area_contract_of_an_operator on "2026-06-01": (OWN, "kind: zone-filing", AREA), (OWN, "    lists: [port-2025]\n", ""),
        (NATION, "procedures:\n", MECHANISM), (NATION, "  assess: {code", PROCEDURE),
        (CODES, "sectors:", "cities:\n  - {code: harbour, name: {zh: 港, en: harbour}, greater_bay_area: yes}\nsectors:"),
        (OWN, "    ciio: no", "    cities: [harbour]\n    ciio: yes");
    an_area_contract_of_an_exporter_in_a_city_of_the_area on "2026-06-01": (OWN, "kind: zone-filing", AREA),
        (OWN, "    lists: [port-2025]\n", ""), (NATION, "procedures:\n", MECHANISM), (NATION, "  assess: {code", PROCEDURE),
        (CODES, "sectors:", "cities:\n  - {code: harbour, name: {zh: 港, en: harbour}, greater_bay_area: yes}\nsectors:"),
        (OWN, "    ciio: no", "    cities: [harbour]\n    ciio: no");
    holdings_of_zero_persons on "2026-06-01": (OWN, "sensitive: 1000, specially", "sensitive: 0, specially");
    holdings_do_not_matter_without_a_quantity on "2026-06-01": (OWN, "sensitive: 1000, specially", "sensitive: 0, specially"),
        (PORT, "  general: {persons: 10000000, source: a, confidence: official}\n", ""),
        (PORT, "quantitative_identification:\n  id: quantity\n  citation: {zh: 附则, en: annex}\n", "");
}

fn next_edition(first_day: &str) -> String {
    include_str!("../support/small/lists/zones/port.yaml")
        .replace("port-2025", "port-2026")
        .replace("2025-01-01", first_day)
}

#[test]
fn an_id_that_no_client_chooses_is_no_finding() {
    let counted = |id: &str| {
        let rule = format!("    sensitive_persons: {{body: /count}}\n{id}    record: yes\n");
        Small::new().with(GATE, "    sensitive_persons: {body: /count}\n", &rule).outlook("2026-06-01")
    };
    for id in ["", "    transfer_id: {header: x-neglist-transfer-id}\n", "    transfer_id: {body: /id}\n"] {
        assert!(counted(id).iter().all(|found| found.code != "P037"), "{id}");
    }
}

#[test]
fn days_between_two_editions() {
    let small = Small::new().with(PORT, "first_day: 2025-01-01", "first_day: 2025-01-01\nlast_day: 2026-06-30");
    let small = small.and("lists/zones/port-2026.yaml", &next_edition("2026-07-15"));
    let before = rendered(&small, &small.outlook("2026-06-01"));
    let after = rendered(&small, &small.outlook("2026-08-01"));
    insta::assert_snapshot!(format!("{before}\n== a month later\n\n{after}"));
}

#[test]
fn an_edition_that_follows_at_once() {
    let small = Small::new().with(PORT, "first_day: 2025-01-01", "first_day: 2025-01-01\nlast_day: 2026-06-30");
    let small = small.and("lists/zones/port-2026.yaml", &next_edition("2026-07-01"));
    insta::assert_snapshot!(rendered(&small, &small.outlook("2026-06-01")));
}

#[test]
fn an_operator_of_critical_infrastructure_gets_no_notes_about_lists() {
    let small = Small::new().with(OWN, "ciio: no", "ciio: yes").with(OWN, "    sector: pharma", "    sector: other");
    assert!(small.outlook("2026-06-01").iter().all(|found| found.code != "P023"));
    let small = Small::new().with(OWN, "ground: none", "ground: emergency").with(
        OWN,
        "    sector: pharma",
        "    sector: other",
    );
    assert!(small.outlook("2026-06-01").iter().all(|found| found.code != "P023"));
}

#[test]
fn the_shipped_policies_have_nothing_to_warn_of() {
    let small = Small { files: shipped::files() };
    let found = small.outlook("2026-11-23");
    let warnings: Vec<_> = found.iter().filter(|found| found.severity != Severity::Note).collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
    assert!(found.iter().any(|found| found.code == "P024"));
    println!("{}", rendered(&small, &found));
    assert_eq!(small::CODES, CODES);
}
