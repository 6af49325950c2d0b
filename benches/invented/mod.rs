//! Invented policies of any size, and questions about them. No list, item or number here is real.

use std::fmt::Write as _;

use neglist::domain::asked::{Asked, AskedFacts, AskedItem, AskedPersons};
use neglist::domain::decision::Decision;
use neglist::domain::evaluate::evaluate;
use neglist::domain::resolve::resolve;
use neglist::domain::snapshot::Snapshot;
use neglist::domain::units::Moment;
use neglist::policy::diagnostic::has_errors;
use neglist::policy::{self, Limits, PolicyFile, SourceFile};

/// Entries are spread over so many lists, each of a zone of its own.
const LISTS: usize = 20;
/// A catalogue file holds so many items.
const ITEMS_PER_FILE: usize = 50_000;
/// Flows, spread over the items.
const FLOWS: usize = 100;
/// 2026-06-01T00:00:00+08:00.
const AT: Moment = Moment::from_seconds(1_780_243_200);

const TEXT: &str = "{zh: 虚构, en: invented}";
const EVIDENCE: &str = "source: s, confidence: unsure";
const SOURCES: &str = "sources: {s: {title: {zh: 虚构, en: invented}}}\n";

/// Returns policies with so many list entries, each naming an item of its own.
pub(crate) fn files(entries: usize) -> Vec<PolicyFile> {
    let mut texts = vec![codes(), national(), registry(entries)];
    let mut start = 0;
    while start < entries {
        let end = (start + ITEMS_PER_FILE).min(entries);
        let mut text = format!("format: 1\nkind: catalogue\n{SOURCES}items:\n");
        for item in start..end {
            let class = if item % 3 == 0 { "sensitive" } else { "general" };
            let _ = writeln!(text, "  - {{code: {}, name: {TEXT}, class: {class}, {EVIDENCE}}}", code(item));
        }
        texts.push(text);
        start = end;
    }
    texts.extend((0..LISTS).map(|list| zone_list(list, entries)));
    let file = |(index, text)| PolicyFile { path: format!("{index:03}.yaml"), text };
    texts.into_iter().enumerate().map(file).collect()
}

/// Codes as long as those of the shipped catalogue.
fn code(item: usize) -> String {
    format!("invented.record-{item:07}")
}

fn codes() -> String {
    let mut text = "format: 1\nkind: catalogue\nzones:\n".to_owned();
    for list in 0..LISTS {
        let _ = writeln!(text, "  - {{code: zone-{list}, name: {TEXT}}}");
    }
    for section in ["sectors", "scenarios"] {
        let _ = writeln!(text, "{section}:");
        for word in 0..30 {
            let _ = writeln!(text, "  - {{code: {section}-{word}, name: {TEXT}}}");
        }
    }
    text
}

fn national() -> String {
    let mut text = format!(
        "format: 1\nkind: national-list\nid: invented\ntitle: {TEXT}\nfirst_day: 2024-03-22\nsource: s\n\
         confidence: unsure\n{SOURCES}rules:\n"
    );
    let rules = [
        "not-an-export",
        "important-data",
        "no-personal-information",
        "transit",
        "contract-necessity",
        "human-resources",
        "emergency",
        "small-volume",
        "ciio",
    ];
    for rule in rules {
        let _ = writeln!(text, "  {rule}: {{id: {rule}, citation: {TEXT}, {EVIDENCE}}}");
    }
    text.push_str("lines:\n");
    for (class, contract, assess) in [("general", 100_000, 1_000_000), ("sensitive", 1, 10_000)] {
        let line = |name: &str, from: u32| {
            format!("{name}_from: {{persons: {from}, id: {class}-{name}, citation: {TEXT}, {EVIDENCE}}}")
        };
        let _ = writeln!(text, "  {class}: {{{}, {}}}", line("contract", contract), line("assess", assess));
    }
    text.push_str("mechanisms:\n");
    for mechanism in ["assessment", "contract", "certification"] {
        let _ = writeln!(text, "  {mechanism}: {{validity_years: none, {EVIDENCE}}}");
    }
    text.push_str("procedures:\n");
    for procedure in ["contract", "assess"] {
        let _ = writeln!(text, "  {procedure}: {{code: {procedure}, text: {TEXT}, {EVIDENCE}}}");
    }
    text
}

fn zone_list(list: usize, entries: usize) -> String {
    let mut text = format!(
        "format: 1\nkind: zone-list\nid: list-{list}\nzone: zone-{list}\nfamily: family-{list}\ntitle: {TEXT}\n\
         citation: {TEXT}\nfirst_day: 2024-03-22\nsource: s\nconfidence: unsure\n{SOURCES}coverage: scenarios\n\
         eligibility: {{export_from_zone: not-required, ciio: excluded, {EVIDENCE}}}\n\
         adopts_other_lists: {{value: unknown}}\n\
         filing: {{mode: before-export, covers_non_personal: yes, procedure: filing, text: {TEXT}, {EVIDENCE}}}\n\
         sectors:\n"
    );
    let own = |contract: u32, assess: u32| {
        format!(
            "{{contract_from: {{persons: {contract}, {EVIDENCE}}}, assess_from: {{persons: {assess}, {EVIDENCE}}}}}"
        )
    };
    for sector in 0..5 {
        let _ = writeln!(
            text,
            "  - sector: sectors-{sector}\n    scenarios_known: all\n    lines: unknown\n    source: s\n    \
             confidence: unsure\n    scenarios:"
        );
        for scenario in 0..5 {
            let (general, sensitive) = (own(500_000, 5_000_000), own(10_000, 50_000));
            let _ = writeln!(
                text,
                "      - {{scenario: scenarios-{scenario}, lines: {{general: {general}, sensitive: {sensitive}}}, {EVIDENCE}}}"
            );
        }
    }
    text.push_str("entries:\n");
    for item in (list..entries).step_by(LISTS) {
        // One in four is important data from a number of persons on; the others may make the class stricter.
        let class = if item % 4 == 0 { "important, persons_at_least: 100000" } else { "general" };
        let _ = writeln!(
            text,
            "  - {{id: entry-{item}, name: {TEXT}, class: {class}, items: [{}], sectors: [sectors-{}], {EVIDENCE}}}",
            code(item),
            item % 5
        );
    }
    // A list says at its end what is not known of it: a file that was cut off is noticed.
    text.push_str("unknown: []\nfacts: []\n");
    text
}

fn registry(entries: usize) -> String {
    let mut text = "format: 1\nkind: registry\nexporters:\n".to_owned();
    for list in 0..LISTS {
        let _ = writeln!(
            text,
            "  - {{id: exporter-{list}, name: {TEXT}, zones: [zone-{list}], held: {{general: 0, sensitive: 0, \
             specially_sensitive: 0}}}}"
        );
    }
    text.push_str("flows:\n");
    for flow in 0..FLOWS {
        // Spread over the list, with the same mix of classes, lists and sectors whatever its size.
        let item = flow * (entries / 60) / FLOWS * 60 + flow % 60;
        let _ = writeln!(
            text,
            "  - {{id: flow-{flow}, exporter: exporter-{}, recipient: recipient, destination: DE, sector: sectors-{}, \
             scenario: scenarios-{}, items: [{{code: {}}}]}}",
            item % LISTS,
            item % 5,
            flow % 5,
            code(item)
        );
    }
    text
}

/// Limits that an operator with so many entries would set.
pub(crate) fn limits(entries: usize) -> Limits {
    Limits { entries_max: 3 * entries + 1_000, depth_max: 32 }
}

/// Parses files.
///
/// # Panics
/// Where there is anything wrong with them.
pub(crate) fn parse(files: &[PolicyFile], limits: &Limits) -> Vec<SourceFile> {
    let mut diagnostics = Vec::new();
    let sources = policy::read(files, limits, &mut diagnostics);
    assert!(!has_errors(&diagnostics), "{diagnostics:#?}");
    sources
}

/// Compiles what was parsed.
///
/// # Panics
/// Where there is anything wrong with it.
pub(crate) fn compile(sources: &[SourceFile], limits: &Limits) -> Snapshot {
    let mut diagnostics = Vec::new();
    let snapshot = policy::compile::compile(sources, limits, &mut diagnostics);
    assert!(!has_errors(&diagnostics), "{diagnostics:#?}");
    snapshot.expect("no errors were found")
}

/// The words of one question.
#[derive(Debug)]
pub(crate) struct Question {
    flow: String,
    zone: String,
    sector: String,
    scenario: String,
    code: String,
    persons: u64,
}

/// Returns questions about items drawn over the whole list; others for each seed.
pub(crate) fn questions(entries: usize, count: usize, seed: u64) -> Vec<Question> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed + 1);
    let mut draw = |below: usize| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        usize::try_from(state >> 33).unwrap_or(0) % below
    };
    let question = |_| {
        let item = draw(entries);
        Question {
            flow: format!("flow-{}", draw(FLOWS)),
            zone: format!("zone-{}", item % LISTS),
            sector: format!("sectors-{}", item % 5),
            scenario: format!("scenarios-{}", draw(8)),
            code: code(item),
            persons: draw(2_000) as u64,
        }
    };
    (0..count).map(question).collect()
}

impl Question {
    /// Asks in strings.
    pub(crate) fn spelt(&self) -> Asked<'_> {
        Asked {
            exporter: Some("an-exporter-that-nobody-registered"),
            exporter_facts: Some(AskedFacts { zones: vec![&self.zone], ..AskedFacts::default() }),
            recipient: Some("recipient"),
            destination: Some("DE"),
            sector: Some(&self.sector),
            scenario: Some(&self.scenario),
            data: vec![AskedItem { code: &self.code, ..AskedItem::default() }],
            flow: None,
            ..self.flow()
        }
    }

    /// Asks through a flow.
    pub(crate) fn flow(&self) -> Asked<'_> {
        let persons = AskedPersons { general: self.persons, sensitive: self.persons };
        Asked {
            flow: Some(&self.flow),
            persons: Some(persons),
            year_to_date: Some(persons),
            scenario_year_to_date: Some(persons),
            ..Asked::default()
        }
    }
}

/// Decides.
///
/// # Panics
/// Where the request is refused: the questions are well-formed.
pub(crate) fn decide(snapshot: &Snapshot, asked: &Asked<'_>) -> Decision {
    let transfer = resolve(snapshot, asked, AT).expect("the questions are well-formed");
    evaluate(snapshot, &transfer, &transfer.stated)
}
