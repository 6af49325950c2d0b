//! The text that a compliance officer reads for each class of mistake.

use neglist::report::{Checked, Colour, text};

use crate::support::small::{CODES, GATE, NATION, OWN, PORT, Small, TEST};

fn rendered(small: &Small) -> String {
    let diagnostics = small.diagnostics();
    let checked = Checked { diagnostics: &diagnostics, files: &small.files, unknown: 0, digest: None };
    let mut out = Vec::new();
    text::diagnostics(&checked, Colour::Plain, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The contract of the Greater Bay Area, for the national list.
const AREA_MECHANISM: &str = "  gba-contract: {validity_years: none, hong_kong_from: 2023-12-13, macao_from: 2024-09-10, \
                              source: a, confidence: official}\nprocedures:\n";
/// Its procedure, before that of the assessment.
const AREA_PROCEDURE: &str =
    "  gba-contract: {code: gba, text: {zh: 大湾区, en: area}, source: a, confidence: official}\n  assess: {code";

macro_rules! mistakes {
    ($($name:ident: $(($path:expr, $old:expr, $new:expr)),+;)*) => {$(
        #[test]
        fn $name() {
            let small = Small::new()$(.with($path, $old, $new))+;
            insta::assert_snapshot!(rendered(&small));
        }
    )*};
}

#[test]
fn the_directory_without_a_mistake_has_no_finding() {
    assert_eq!(rendered(&Small::new()), "");
}

mistakes! {
    unknown_key: (PORT, "citation: {zh: 港区负面清单, en: port list}", "citaton: {zh: 港区负面清单, en: port list}");
    unknown_key_near_none: (OWN, "ciio: no", "ciio: no\n    shareholders: 7");
    missing_key: (CODES, "{zh: 临床试验, en: clinical trial}", "{zh: 临床试验}");
    missing_block: (NATION, "  ciio: {id: art-7, citation: {zh: 七, en: art. 7}, source: a, confidence: official}\n", "");
    duplicate_key: (PORT, "zone: port\n", "zone: port\nzone: city\n");
    wrong_kind: (OWN, "persons_per_year_max: none", "persons_per_year_max: 1000");
    wrong_kind_of_list: (OWN, "zones: [port]", "zones: port");
    number_in_place_of_text: (CODES, "en: clinical trial", "en: 2024");
    persons_with_separators: (NATION, "persons: 1000000", "persons: 1,000,000");
    persons_as_text: (NATION, "persons: 1000000", "persons: 1_000_000");
    negative_persons: (NATION, "persons: 1000000", "persons: -5");
    bad_code: (CODES, "code: clinical-trial", "code: Clinical Trial");
    bad_day: (PORT, "first_day: 2025-01-01", "first_day: 2025-02-30");
    day_in_another_order: (PORT, "first_day: 2025-01-01", "first_day: 01.01.2025");
    bad_word: (PORT, "mode: before-export", "mode: before-exports");
    bad_country: (OWN, "destination: CH", "destination: ch");
    country_that_yaml_takes_for_no: (OWN, "destination: CH", "destination: no");
    unknown_source: (PORT, "    confidence: official\n    scenarios:", "    confidence: official\n    note: x\n    scenarios:"),
        (PORT, "    source: a\n    confidence: official\n    note: x", "    source: b-two\n    confidence: official\n    note: x");
    unused_source: (CODES, "sources:\n", "sources:\n  b: {title: {zh: 乙, en: B}}\n");
    dangling_item: (OWN, "items: [{code: health.diagnosis}]", "items: [{code: health.diagnosiss}]");
    dangling_sector_near_none: (PORT, "sector: retail-services", "sector: forestry");
    dangling_edition: (OWN, "lists: [port-2025]", "lists: [port-2024]");
    dangling_exporter: (OWN, "    exporter: acme\n    recipient: partner\n    destination", "    exporter: acmee\n    recipient: partner\n    destination");
    duplicate_id: (CODES, "  - {code: member-management,", "  - {code: clinical-trial, name: {zh: 一, en: one}}\n  - {code: member-management,");
    other_is_built_in: (CODES, "code: retail,", "code: other,");
    duplicate_entry: (PORT, "entries:\n", "entries:\n  - {id: maps, name: {zh: 一, en: one}, class: general, items: [geo.map], source: a, confidence: official}\n");
    contract_line_above_assessment_line: (PORT, "contract_from: {persons: 10000,", "contract_from: {persons: 90000,");
    implausible_line: (PORT, "assess_from: {persons: 50000,", "assess_from: {persons: 500000,");
    dates_reversed: (PORT, "first_day: 2025-01-01", "first_day: 2025-01-01\nlast_day: 2024-12-31");
    clearance_dates_reversed: (OWN, "last_day: 2027-12-31", "last_day: 2024-12-31");
    zone_within_itself: (CODES, "{code: city, name: {zh: 市, en: city}}", "{code: city, name: {zh: 市, en: city}, within: port}");
    exception_without_attributes: (PORT, "unless: [[encrypted]]", "unless: [[]]");
    entry_without_items: (PORT, "items: [geo.map]", "items: []");
    entry_that_loosens: (PORT, "class: important", "class: non-personal");
    number_of_persons_for_no_important_data: (PORT, "class: important", "class: general\n    persons_at_least: 100");
    zone_filing_without_lists: (OWN, "    lists: [port-2025]\n", "");
    lists_without_zone_filing: (OWN, "kind: zone-filing", "kind: contract");
    area_contract_that_says_nothing: (OWN, "kind: zone-filing", "kind: gba-contract"), (OWN, "    lists: [port-2025]\n", "");
    area_contract_that_lets_data_go_on: (OWN, "kind: zone-filing", "kind: gba-contract\n    recipient_registered_in: HK\n    no_onward_transfer: no"),
        (OWN, "    lists: [port-2025]\n", ""), (NATION, "procedures:\n", AREA_MECHANISM), (NATION, "  assess: {code", AREA_PROCEDURE);
    area_contract_without_a_guideline: (OWN, "kind: zone-filing", "kind: gba-contract\n    recipient_registered_in: HK\n    no_onward_transfer: yes"),
        (OWN, "    lists: [port-2025]\n", "");
    area_contract_before_its_guideline: (OWN, "kind: zone-filing", "kind: gba-contract\n    recipient_registered_in: MO\n    no_onward_transfer: yes"),
        (OWN, "    lists: [port-2025]\n", ""), (OWN, "    first_day: 2025-01-01", "    first_day: 2024-09-09"),
        (NATION, "procedures:\n", AREA_MECHANISM), (NATION, "  assess: {code", AREA_PROCEDURE);
    area_contract_on_the_day_of_its_guideline: (OWN, "kind: zone-filing", "kind: gba-contract\n    recipient_registered_in: MO\n    no_onward_transfer: yes"),
        (OWN, "    lists: [port-2025]\n", ""), (OWN, "    first_day: 2025-01-01", "    first_day: 2024-09-10"),
        (NATION, "procedures:\n", AREA_MECHANISM), (NATION, "  assess: {code", AREA_PROCEDURE);
    area_contract_between_the_two_guidelines: (OWN, "kind: zone-filing", "kind: gba-contract\n    recipient_registered_in: HK\n    no_onward_transfer: yes"),
        (OWN, "    lists: [port-2025]\n", ""), (OWN, "    first_day: 2025-01-01", "    first_day: 2023-12-12"),
        (NATION, "procedures:\n", AREA_MECHANISM), (NATION, "  assess: {code", AREA_PROCEDURE);
    area_contract_of_important_data: (OWN, "kind: zone-filing", "kind: gba-contract\n    recipient_registered_in: HK\n    no_onward_transfer: yes\n    covers_important_data: yes"),
        (OWN, "    lists: [port-2025]\n", ""), (NATION, "procedures:\n", AREA_MECHANISM), (NATION, "  assess: {code", AREA_PROCEDURE);
    area_contract_too_long: (OWN, "kind: zone-filing", "kind: gba-contract\n    recipient_registered_in: HK\n    no_onward_transfer: yes"),
        (OWN, "    lists: [port-2025]\n", ""), (OWN, "last_day: 2027-12-31", "last_day: 2028-01-01"),
        (NATION, "procedures:\n", AREA_MECHANISM), (NATION, "  gba-contract: {validity_years: none", "  gba-contract: {validity_years: 3"),
        (NATION, "  assess: {code", AREA_PROCEDURE);
    area_keys_of_another_kind: (OWN, "    lists: [port-2025]\n", "    lists: [port-2025]\n    recipient_registered_in: HK\n    no_onward_transfer: yes\n");
    area_mechanism_without_a_procedure: (NATION, "procedures:\n", AREA_MECHANISM);
    area_place_that_is_none: (OWN, "    lists: [port-2025]\n", "    lists: [port-2025]\n    recipient_registered_in: TW\n");
    dangling_city: (CODES, "sectors:", "cities:\n  - {code: harbour, name: {zh: 港, en: harbour}, greater_bay_area: yes}\nsectors:"),
        (OWN, "    zones: [port]", "    zones: [port]\n    cities: [harbor]");
    clearance_without_items: (OWN, "items: [health.diagnosis]", "items: []");
    clearance_of_important_data: (OWN, "    lists: [port-2025]\n", "    lists: [port-2025]\n    covers_important_data: yes\n");
    clearance_too_long: (OWN, "kind: zone-filing", "kind: assessment"), (OWN, "    lists: [port-2025]\n", ""),
        (OWN, "last_day: 2027-12-31", "last_day: 2028-01-01");
    flow_without_items: (OWN, "items: [{code: health.diagnosis}]", "items: []");
    report_without_text: (PORT, "  text: {zh: 备案, en: file with the port}\n", "");
    days_without_report: (PORT, "  mode: before-export\n", "  mode: before-export\n  within_working_days: 15\n");
    list_lists_other: (PORT, "sector: retail-services", "sector: other");
    sectors_in_a_catalogue_list: (PORT, "coverage: scenarios", "coverage: catalogue");
    syntax_error: (PORT, "  covers_non_personal: no", " covers_non_personal: no");
    unclosed_bracket: (OWN, "zones: [port]", "zones: [port");
    tab: (OWN, "    zones: [port]", "\tzones: [port]");
    unclosed_quote: (CODES, "en: clinical trial", "en: 'trial");
    text_after_a_quote: (CODES, "en: clinical trial", "en: 'clinical' trial");
    backslash: (CODES, "en: clinical trial", "en: \"c:\\drive\"");
    reserved_character: (CODES, "en: clinical trial", "en: @trial");
    indentation_of_a_list: (OWN, "    exporter: acme\n    recipient: partner\n    destination", "   - exporter: acme\n    recipient: partner\n    destination");
    line_without_a_key: (OWN, "    ciio: no", "    ciio no");
    colon_in_a_text: (CODES, "en: clinical trial", "en: trial: clinical");
    two_documents: (OWN, "flows:\n", "---\nflows:\n");
    anchor: (OWN, "held: {general", "held: &held {general");
    alias: (OWN, "kinds: []", "kinds: *kinds");
    merge_key: (OWN, "kinds: []", "<<: {kinds: []}");
    wrong_format_version: (CODES, "format: 1", "format: 2");
    no_kind: (CODES, "kind: catalogue", "type: catalogue");
    kind_misspelt: (CODES, "kind: catalogue", "kinds: catalogue");
    kind_unknown: (PORT, "kind: zone-list", "kind: zone-lists");
    no_national_list: (NATION, "kind: national-list", "kind: nation-list");
    reason_code_misspelt_in_a_test: (TEST, "about: [COVERED_BY_CLEARANCE]", "about: [COVERED_BY_CLEARENCE]");
    case_that_wants_nothing: (TEST, "outcome: allow, required: file, ", "");
    case_at_no_moment: (TEST, "at: 2026-06-01", "at: 2026-06-01 12:00");
    own_registry_of_a_test: (TEST, "cases:", "registry:\n  exporters:\n    - {id: other, name: {zh: 乙, en: B}, zones: [prot], ciio: no, held: {general: 0, sensitive: 0, specially_sensitive: 0}}\ncases:");
    gateway_host_with_a_port: (GATE, "host: trials.example", "host: 'Trials.example:443'");
    gateway_host_that_is_none: (GATE, "host: trials.example", "host: 'https://trials.example/'");
    gateway_address_in_another_form: (GATE, "host: trials.example", "host: '[2001:DB8:0::7]'");
    gateway_path_with_dots: (GATE, "path_prefix: /subjects", "path_prefix: /public/../subjects");
    gateway_path_with_a_dot_at_its_end: (GATE, "path_prefix: /subjects", "path: /subjects.");
    gateway_path_with_a_query: (GATE, "path_prefix: /subjects", "path: /subjects?all=yes");
    gateway_path_in_another_encoding: (GATE, "path_prefix: /subjects", "path: /%7esubjects");
    gateway_path_with_a_glob: (GATE, "path_prefix: /subjects", "path: '/subjects/*'");
    gateway_prefix_with_a_glob: (GATE, "path_prefix: /subjects", "path_prefix: '/v1/sub*'");
    gateway_path_with_a_parameter: (GATE, "path_prefix: /subjects", "path: '/subjects/:id'");
    gateway_path_with_braces: (GATE, "path_prefix: /subjects", "path: '/subjects/{id}/files'");
    gateway_prefix_with_a_slash: (GATE, "path_prefix: /subjects", "path_prefix: /subjects/");
    gateway_path_that_is_too_deep: (GATE, "path_prefix: /subjects", "path_prefix: /1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3");
    gateway_path_and_prefix: (GATE, "path_prefix: /subjects", "path: /subjects, path_prefix: /subjects");
    gateway_method_in_small_letters: (GATE, "methods: [POST]", "methods: [post]");
    gateway_condition_on_a_header_in_capitals: (GATE, "methods: [POST]", "headers: {X-Tier: gold}");
    gateway_label_header_in_capitals: (GATE, "{flow: x-flow}", "{flow: X-Flow}");
    gateway_header_for_two_labels: (GATE, "{flow: x-flow}", "{flow: x-flow, persons: x-flow}");
    gateway_too_many_conditions: (GATE, "context: {route: maps}", "context: {a: a, b: b, c: c, d: d, e: e, f: f, g: g, h: h, i: i, j: j, k: k, l: l, m: m, n: n, o: o, p: p, q: q}");
    gateway_pointer_without_a_slash: (GATE, "{body: /count}", "{body: count}");
    gateway_label_from_two_places: (GATE, "{body: /count}", "{body: /count, header: x-count}");
    gateway_label_from_nowhere: (GATE, "{body: /count}", "{}");
    gateway_persons_below_none: (GATE, "{body: /count}", "-1");
    gateway_id_that_is_no_place: (GATE, "    sensitive_persons: {body: /count}\n", "    transfer_id: t-1\n");
    gateway_ground_from_a_request: (GATE, "    flow: trial", "    flow: trial\n    ground: {header: x-ground}");
    gateway_dangling_flow: (GATE, "flow: trial\n", "flow: trail\n");
    gateway_dangling_codes: (GATE, "exporter: acme", "exporter: acmee"), (GATE, "sector: other", "sector: farma"),
        (GATE, "{code: geo.map}", "{code: geo.mapp, attributes: [encripted]}");
    gateway_bad_country: (GATE, "destination: CH", "destination: ch");
    gateway_half_a_transfer: (GATE, "    destination: CH\n", ""), (GATE, "    items: [{code: geo.map}]\n", "");
    gateway_without_a_sector_that_a_list_needs: (GATE, "    sector: other\n", ""), (GATE, "    scenario: other\n", "");
    gateway_same_requests: (GATE, "match: {host: trials.example, path_prefix: /subjects}", "match: {host: trials.example, path_prefix: /subjects, methods: [GET, POST]}");
    gateway_same_id: (GATE, "id: pages", "id: uploads");
    gateway_without_match: (GATE, "    match: {context: {route: maps}}\n", "");
    gateway_without_rules: (GATE, "rules:", "rule:");
    gateway_kind_misspelt: (GATE, "kind: gateway", "kind: gateways");
    case_about_nothing: (TEST, "    transfer:", "    transfers:");
    case_about_two_things: (TEST, "    transfer:\n", "    request: {host: trials.example}\n    transfer:\n");
    case_that_wants_a_rule_of_a_transfer: (TEST, "want: {outcome: allow,", "want: {rule: uploads, outcome: allow,");
    c_full_width_colon: (OWN, "ciio: no", "ciio：no");
    c_full_width_colon_in_a_mapping: (CODES, "{zh: 临床试验, en: clinical trial}", "{zh：临床试验, en: clinical trial}");
    c_full_width_colon_after_the_kind: (OWN, "kind: registry", "kind：registry");
    c_full_width_colons_everywhere: (GATE, "format: 1\nkind: gateway\nheaders: {flow: x-flow}\nrules:", "format：1\nkind：gateway\nheaders：\nrules：");
    c_full_width_comma: (OWN, "zones: [port]", "zones: [port，city]");
    c_full_width_comma_in_a_mapping: (CODES, "{zh: 临床试验, en: clinical trial}", "{zh: 临床试验，en: clinical trial}");
    c_enumeration_comma: (GATE, "methods: [POST]", "methods: [POST、GET]");
    c_no_break_space_after_a_colon: (OWN, "ciio: no", "ciio:\u{a0}no");
    c_no_break_space_at_the_end: (OWN, "ciio: no", "ciio: no\u{a0}");
    c_no_break_space_as_indentation: (OWN, "    ciio: no", "\u{a0}\u{a0}\u{a0}\u{a0}ciio: no");
    c_ideographic_space_after_a_colon: (OWN, "ciio: no", "ciio:\u{3000}no");
    c_ideographic_space_as_indentation: (OWN, "    ciio: no", "\u{3000}\u{3000}ciio: no");
    c_zero_width_space_in_a_code: (OWN, "sector: pharma\n    scenario: clinical-trial\n    items: [{", "sector: ph\u{200b}arma\n    scenario: clinical-trial\n    items: [{");
    c_full_width_digits: (NATION, "persons: 1000000", "persons: １００００００");
    c_full_width_comma_in_a_number: (NATION, "persons: 1000000", "persons: 1，000，000");
    c_full_width_letters: (OWN, "destination: CH", "destination: ＣＨ");
    c_curly_quotes: (OWN, "ciio: no", "ciio: “no”");
    c_curly_quotes_around_a_text: (CODES, "en: clinical trial", "en: “trial: clinical”");
    c_lenticular_brackets: (OWN, "zones: [port]", "zones: 【port】");
    c_full_width_hyphen_of_a_list: (OWN, "  - id: trial", "  － id: trial");
    c_colon_in_a_chinese_text_is_not_blamed: (CODES, "zh: 临床试验", "zh: 依据 GB/T 35273：甲（乙），丙: 丁");
    c_ciio_on: (OWN, "ciio: no", "ciio: on");
    c_ciio_true: (OWN, "ciio: no", "ciio: true");
    c_ciio_y: (OWN, "ciio: no", "ciio: Y");
    c_ciio_in_chinese: (OWN, "ciio: no", "ciio: 是");
    c_ciio_off: (OWN, "ciio: no", "ciio: off");
    c_ciio_maybe: (OWN, "ciio: no", "ciio: maybe");
    c_yes_no_or_unknown: (PORT, "covers_non_personal: no", "covers_non_personal: false");
    c_word_that_says_the_opposite: (PORT, "coverage: scenarios", "coverage: scenarios\nsettings: {part_of_large_holding: unimportant, quantitative_boundary: enclusive}");
    c_destination_uk: (OWN, "destination: CH", "destination: UK");
    c_destination_el: (OWN, "destination: CH", "destination: el");
    c_destination_that_is_no_code: (OWN, "destination: CH", "destination: XK");
    c_destination_by_name: (OWN, "destination: CH", "destination: Germany");
    a_list_that_was_taken_out: (OWN, "zones: [port]", "zones:");
    a6_last_line_missing: (OWN, "complete: yes\n", "");
    a6_last_line_cut: (GATE, "complete: yes\n", "complete: ye");
    a6_last_line_is_not_last: (OWN, "complete: yes\n", "complete: yes\nnote: 后来补上的\n");
    a6_last_line_twice: (OWN, "complete: yes\n", "complete: yes\ncomplete: yes\n");
    a6_cut_within_a_bracket: (GATE, "    items: [{code: geo.map}]\ncomplete: yes\n", "    items: [{code: geo.ma");
    several_in_one_run: (CODES, "code: clinical-trial", "code: clinical_trials"), (OWN, "zones: [port]", "zones: [prot]"),
        (PORT, "class: important", "class: imporant"), (TEST, "outcome: allow", "outcome: alow");
}

#[test]
fn overlapping_editions() {
    let text = include_str!("../support/small/lists/zones/port.yaml")
        .replace("port-2025", "port-2026")
        .replace("2025-01-01", "2026-01-01");
    let small = Small::new().and("lists/zones/port-2026.yaml", &text);
    insta::assert_snapshot!(rendered(&small));
}

#[test]
fn the_same_edition_twice() {
    let small = Small::new().and("lists/zones/copy.yaml", include_str!("../support/small/lists/zones/port.yaml"));
    insta::assert_snapshot!(rendered(&small));
}

#[test]
fn gateway_headers_twice() {
    let small = Small::new()
        .and("gateways/zz.yaml", "format: 1\nkind: gateway\nheaders: {flow: x-f}\nrules: []\ncomplete: yes\n");
    insta::assert_snapshot!(rendered(&small));
}

#[test]
fn gateway_place_with_too_many_rules() {
    use std::fmt::Write as _;
    let mut text = "format: 1\nkind: gateway\nrules:\n".to_owned();
    for index in 0..65 {
        let _ = writeln!(text, "  - {{id: r{index}, match: {{host: a.example, headers: {{x-n: '{index}'}}}}}}");
    }
    text.push_str("complete: yes\n");
    insta::assert_snapshot!(rendered(&Small::new().and("gateways/zz.yaml", &text)));
}

#[test]
fn case_with_two_bodies() {
    let request = "request: {body: {a: 1}, body_text: '{}'}\n    want: {error: NOTHING_MATCHES}\n";
    let text = format!(
        "format: 1\nkind: test\ncases:\n  - id: b\n    title: b\n    at: 2026-06-01\n    {request}\ncomplete: yes\n"
    );
    insta::assert_snapshot!(rendered(&Small::new().and("tests/zz_test.yaml", &text)));
}

#[test]
fn too_deep() {
    let deep = format!("format: 1\nkind: registry\nnote: {}{}\ncomplete: yes\n", "[".repeat(40), "]".repeat(40));
    insta::assert_snapshot!(rendered(&Small::new().and("registry/deep.yaml", &deep)));
}

#[test]
fn empty_files() {
    let small = Small::new().and("registry/empty.yaml", "").and("registry/comment.yaml", "# nothing yet\n");
    insta::assert_snapshot!(rendered(&small.and("registry/text.yaml", "hello\n")));
}
