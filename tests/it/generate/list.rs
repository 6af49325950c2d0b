//! Random editions of zone lists.

use std::fmt::Write as _;

use super::dice::Dice;
use super::policy::{EVIDENCE, LINES, List, MODALITIES, Policy, TEXT};

impl Policy {
    /// Draws an edition.
    pub(crate) fn list(
        &mut self,
        dice: &mut Dice<'_>,
        number: usize,
        zone: usize,
        first: &str,
        last: Option<&str>,
    ) -> List {
        let catalogue = dice.percent(15);
        let mode = *dice.pick(&["before-export", "before-export", "after-export", "judge-first", "none", "unknown"]);
        let days = if mode == "after-export" { *dice.pick(&["", ", within_working_days: 15"]) } else { "" };
        let mut head = format!(
            "format: 1\nkind: zone-list\nid: list-{number}\nzone: {}\nfamily: family-{}\ntitle: {TEXT}\n\
             citation: {TEXT}\nfirst_day: {first}\n{}source: s\nconfidence: unsure\nsources: {{s: {{title: {TEXT}}}}}\n\
             coverage: {}\neligibility: {{export_from_zone: {}, ciio: {}, {EVIDENCE}}}\n\
             adopts_other_lists: {{value: unknown}}\n\
             filing: {{mode: {mode}{days}, covers_non_personal: {}, procedure: filing-{number}, text: {TEXT}, {EVIDENCE}}}\n",
            self.zones[zone],
            dice.below(3),
            last.map_or(String::new(), |day| format!("last_day: {day}\n")),
            if catalogue { "catalogue" } else { "scenarios" },
            dice.pick(&["not-required", "not-required", "not-required", "not-required", "required", "unknown"]),
            dice.pick(&["excluded", "included", "unknown"]),
            dice.pick(&["yes", "no", "unknown"]),
        );
        self.editions.push(format!("list-{number}"));
        Self::settings(dice, &mut head);
        self.quantities(dice, &mut head);
        if catalogue {
            head.push_str("sectors: []\n");
        } else {
            self.listed_sectors(dice, &mut head);
        }
        let count = dice.below(5);
        let entries = (0..count).map(|entry| self.entry(dice, &format!("entry-{entry}"), None)).collect();
        List { head, entries }
    }

    fn settings(dice: &mut Dice<'_>, head: &mut String) {
        let settings = [
            ("quantitative_boundary", ["inclusive", "exclusive"]),
            ("part_of_large_holding", ["important", "not-important"]),
            ("ciio_quantity", ["personal-information", "sensitive"]),
            ("small_volume_frees_listed_scenario", ["no", "yes"]),
        ];
        let chosen = dice.some_of(&settings, 60);
        let words: Vec<String> =
            chosen.iter().map(|(setting, words)| format!("{setting}: {}", dice.pick(words))).collect();
        if !words.is_empty() {
            let _ = writeln!(head, "settings: {{{}}}", words.join(", "));
        }
    }

    fn quantities(&mut self, dice: &mut Dice<'_>, head: &mut String) {
        if !dice.percent(25) {
            return;
        }
        let mut text = format!("quantitative_identification: {{id: quantities, citation: {TEXT}");
        for quantity in dice.some_of(&["general", "sensitive", "specially_sensitive", "ciio"], 50) {
            let persons = self.line(dice);
            let _ = write!(text, ", {quantity}: {{persons: {persons}, {EVIDENCE}}}");
        }
        let _ = writeln!(head, "{text}}}");
    }

    fn listed_sectors(&mut self, dice: &mut Dice<'_>, head: &mut String) {
        let sectors = dice.some_of(&self.sectors, 80);
        if sectors.is_empty() {
            head.push_str("sectors: []\n");
            return;
        }
        head.push_str("sectors:\n");
        for sector in sectors {
            let known = *dice.pick(&["all", "all", "partial", "none"]);
            let kinds = dice.some_of(&self.kinds, 20);
            let modalities = if dice.percent(25) { dice.some_of(&MODALITIES, 40) } else { Vec::new() };
            let lines = self.list_lines(dice);
            let scenarios = dice.some_of(&self.scenarios, 70);
            let none = if scenarios.is_empty() { " []" } else { "" };
            let _ = writeln!(
                head,
                "  - sector: {sector}\n    scenarios_known: {known}\n    excluded_exporter_kinds: [{}]\n    \
                 excluded_modalities: [{}]\n    lines: {lines}\n    source: s\n    confidence: unsure\n    scenarios:{none}",
                kinds.join(", "),
                modalities.join(", ")
            );
            for scenario in scenarios {
                self.listed.push((sector.clone(), scenario.clone()));
                let lines =
                    if dice.percent(80) { format!(", lines: {}", self.list_lines(dice)) } else { String::new() };
                let _ = writeln!(head, "      - {{scenario: {scenario}, {EVIDENCE}{lines}}}");
            }
        }
    }

    fn list_lines(&mut self, dice: &mut Dice<'_>) -> String {
        match dice.below(8) {
            0 => "unknown".to_owned(),
            1 => "national".to_owned(),
            _ => format!("{{general: {}, sensitive: {}}}", self.class_lines(dice), self.class_lines(dice)),
        }
    }

    fn class_lines(&mut self, dice: &mut Dice<'_>) -> String {
        let word = match dice.below(8) {
            0 => return "unknown".to_owned(),
            1 => return "national".to_owned(),
            2 => Some("unknown"),
            3 => Some("national"),
            _ => None,
        };
        let (contract, assess) = self.pair(dice);
        let own = |persons: u64| format!("{{persons: {persons}, {EVIDENCE}}}");
        let (contract, assess) = match word {
            // For any national line, the two are in order.
            Some(word) if dice.percent(50) => (word.to_owned(), own(LINES[LINES.len() - 1])),
            Some(word) => (own(LINES[0]), word.to_owned()),
            None => (own(contract), own(assess)),
        };
        format!("{{contract_from: {contract}, assess_from: {assess}}}")
    }

    /// Draws an entry; of a class, or of any.
    pub(crate) fn entry(&mut self, dice: &mut Dice<'_>, id: &str, class: Option<&str>) -> String {
        let class = class.unwrap_or_else(|| *dice.pick(&["important", "sensitive", "general"]));
        let mut items = dice.some_of(&self.items, 25);
        if items.is_empty() {
            items.push(dice.pick(&self.items).clone());
        }
        let mut text = format!("{{id: {id}, name: {TEXT}, class: {class}, items: [{}]", items.join(", "));
        for (key, words) in [("sectors", &self.sectors), ("scenarios", &self.scenarios)] {
            if dice.percent(40) {
                let _ = write!(text, ", {key}: [{}]", dice.some_of(words, 50).join(", "));
            }
        }
        if dice.percent(30) {
            let _ = write!(text, ", modalities: [{}]", dice.some_of(&MODALITIES, 40).join(", "));
        }
        if class == "important" && dice.percent(45) {
            let from = if dice.percent(10) { "unknown".to_owned() } else { self.line(dice).to_string() };
            let _ = write!(text, ", persons_at_least: {from}");
        }
        if !self.attributes.is_empty() && dice.percent(40) {
            let exception = |dice: &mut Dice<'_>, attributes: &[String]| {
                let mut set = dice.some_of(attributes, 40);
                if set.is_empty() {
                    set.push(dice.pick(attributes).clone());
                }
                format!("[{}]", set.join(", "))
            };
            let exceptions: Vec<String> = (0..=dice.below(2)).map(|_| exception(dice, &self.attributes)).collect();
            let _ = write!(text, ", unless: [{}]", exceptions.join(", "));
        }
        if dice.percent(30) {
            let _ = write!(text, ", next_step: {{procedure: step-{id}, text: {TEXT}}}");
        }
        if dice.percent(30) {
            let _ = write!(text, ", example_fields: [field_{}, Field {}]", dice.below(3), dice.below(3));
        }
        let _ = write!(text, ", {EVIDENCE}}}");
        text
    }
}
