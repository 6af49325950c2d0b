//! The texts of invented policy files: twenty lists over twenty zones, their items, exporters and flows.
//!
//! Names nothing of the crate, so that what writes directories for measurements needs none of it.

use std::fmt::Write as _;

/// Entries are spread over this many lists, each of its own zone.
pub(crate) const LISTS: usize = 20;
/// A catalogue file holds this many items.
const ITEMS_PER_FILE: usize = 50_000;
/// How much a registry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Registered {
    /// Exporters, spread over the zones.
    pub(crate) exporters: usize,
    /// Flows, spread over the items and the exporters.
    pub(crate) flows: usize,
}

/// A registry that fits on a few screens: an exporter for each zone.
pub(crate) const FEW: Registered = Registered { exporters: LISTS, flows: FLOWS };
/// Flows of a small registry.
pub(crate) const FLOWS: usize = 100;
/// The last line of each file.
pub(crate) const LAST_LINE: &str = "complete: yes\n";
const TEXT: &str = "{zh: 虚构, en: invented}";
const EVIDENCE: &str = "source: s, confidence: unsure";
const SOURCES: &str = "sources: {s: {title: {zh: 虚构, en: invented}}}\n";

/// Returns the files of policies with this many list entries, each naming its own item, and a registry of that size.
pub(crate) fn texts(entries: usize, registered: Registered) -> Vec<String> {
    let mut texts = vec![codes(), national(), registry(entries, registered)];
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
    for text in &mut texts {
        text.push_str(LAST_LINE);
    }
    texts
}

/// Returns the code of an item; as long as those of the shipped catalogue.
pub(crate) fn code(item: usize) -> String {
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
        // One in four is important data from a number of persons on; the others may make the class stricter. More persons than
        // the counters of all scenarios may hold alone, so that stated totals tell that there are fewer.
        let class = if item % 4 == 0 { "important, persons_at_least: 100000000" } else { "general" };
        let _ = writeln!(
            text,
            "  - {{id: entry-{item}, name: {TEXT}, class: {class}, items: [{}], sectors: [sectors-{}], {EVIDENCE}}}",
            code(item),
            item % 5
        );
    }
    text.push_str("unknown: []\nfacts: []\n");
    text
}

fn registry(entries: usize, Registered { exporters, flows }: Registered) -> String {
    let mut text = "format: 1\nkind: registry\nexporters:\n".to_owned();
    for exporter in 0..exporters {
        let _ = writeln!(
            text,
            "  - {{id: exporter-{exporter}, name: {TEXT}, zones: [zone-{}], held: {{general: 0, sensitive: 0, \
             specially_sensitive: 0}}}}",
            exporter % LISTS
        );
    }
    text.push_str("flows:\n");
    for flow in 0..flows {
        // Spread over the list, with the same mix of classes, lists and sectors whatever its size.
        let item = flow * (entries / 60) / flows * 60 + flow % 60;
        let _ = writeln!(
            text,
            "  - {{id: flow-{flow}, exporter: exporter-{}, recipient: recipient, destination: DE, sector: sectors-{}, \
             scenario: scenarios-{}, items: [{{code: {}}}]}}",
            item % LISTS + flow % (exporters / LISTS) * LISTS,
            item % 5,
            flow % 5,
            code(item)
        );
    }
    text
}
