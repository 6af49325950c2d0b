//! Random policies, kept as the lines of their files so that they can be distributed over files in other ways.

use std::fmt::Write as _;

use neglist::policy::PolicyFile;

use super::dice::Dice;

/// Days at which things begin and end; transfers are asked about around the same ones.
pub(crate) const DAYS: [&str; 12] = [
    "2024-03-22",
    "2024-08-30",
    "2024-12-31",
    "2025-01-01",
    "2025-06-29",
    "2025-06-30",
    "2025-12-31",
    "2026-01-01",
    "2026-05-10",
    "2026-05-11",
    "2026-12-31",
    "2027-02-28",
];

/// Head-counts that lines are drawn from, ascending.
pub(crate) const LINES: [u64; 12] = [0, 1, 2, 3, 5, 10, 11, 20, 100, 10_000, 100_000, 1_000_000];

/// Text that every rule carries and no answer depends on.
pub(crate) const TEXT: &str = "{zh: 文, en: text}";
/// Evidence that every rule carries and no answer depends on.
pub(crate) const EVIDENCE: &str = "source: s, confidence: unsure";

/// An edition of a zone list; its entries apart, so that one can be added.
#[derive(Debug, Clone)]
pub(crate) struct List {
    /// Everything before the entries.
    pub(crate) head: String,
    /// The entries, a line each.
    pub(crate) entries: Vec<String>,
}

/// Policies: lines of files, and the words in them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    /// Sections of catalogues: the section and a line of it.
    catalogue: Vec<(&'static str, String)>,
    /// Sections of registries.
    registry: Vec<(&'static str, String)>,
    nationals: Vec<String>,
    /// Zone lists.
    pub(crate) lists: Vec<List>,
    /// Codes of zones.
    pub(crate) zones: Vec<String>,
    parents: Vec<Option<usize>>,
    /// Codes of sectors, `other` apart.
    pub(crate) sectors: Vec<String>,
    /// Codes of scenarios, `other` apart.
    pub(crate) scenarios: Vec<String>,
    /// Codes of kinds of exporter.
    pub(crate) kinds: Vec<String>,
    /// Codes of attributes.
    pub(crate) attributes: Vec<String>,
    /// Codes of data items.
    pub(crate) items: Vec<String>,
    /// Codes of cities: the first lies in the Greater Bay Area, the second does not.
    pub(crate) cities: Vec<String>,
    /// Whether some national list knows the contract of the Greater Bay Area.
    knows_area_contract: bool,
    /// Ids of exporters.
    pub(crate) exporters: Vec<String>,
    /// Ids of flows.
    pub(crate) flows: Vec<String>,
    /// Names of recipients.
    pub(crate) recipients: Vec<String>,
    /// Sectors and scenarios that some list has.
    pub(crate) listed: Vec<(String, String)>,
    /// Head-counts at which something changes.
    pub(crate) lines: Vec<u64>,
    /// Ids of editions.
    pub(crate) editions: Vec<String>,
}

const CLASSES: [&str; 4] = ["non-personal", "general", "sensitive", "important"];
/// Words for modalities.
pub(crate) const MODALITIES: [&str; 4] = ["text", "audio", "image", "video"];

/// Draws policies.
pub(crate) fn policy(dice: &mut Dice<'_>) -> Policy {
    let mut policy = Policy::default();
    policy.draw_words(dice);
    policy.draw_nationals(dice);
    policy.draw_lists(dice);
    policy.draw_registry(dice);
    policy
}

impl Policy {
    /// Returns the files, in the order in which everything was drawn.
    pub(crate) fn files(&self) -> Vec<PolicyFile> {
        self.deal(None)
    }

    /// Returns the same lines dealt out to other files, in another order.
    pub(crate) fn files_dealt(&self, dice: &mut Dice<'_>) -> Vec<PolicyFile> {
        self.deal(Some(dice))
    }

    fn deal(&self, dice: Option<&mut Dice<'_>>) -> Vec<PolicyFile> {
        let mut texts = Vec::new();
        let mut order = dice;
        let sources = format!("sources: {{s: {{title: {TEXT}}}}}\n");
        for (kind, extra, lines) in [("catalogue", sources.as_str(), &self.catalogue), ("registry", "", &self.registry)]
        {
            let files = order.as_mut().map_or(1, |dice| 1 + dice.below(4));
            let mut lines = lines.clone();
            if let Some(dice) = &mut order {
                dice.shuffle(&mut lines);
            }
            let mut hands: Vec<Vec<(&str, String)>> = vec![Vec::new(); files];
            for line in lines {
                let hand = order.as_mut().map_or(0, |dice| dice.below(files));
                hands[hand].push(line);
            }
            texts.extend(hands.iter().map(|hand| sections(&format!("format: 1\nkind: {kind}\n{extra}"), hand)));
        }
        texts.extend(self.nationals.iter().cloned());
        for List { head, entries } in &self.lists {
            let hand: Vec<_> = entries.iter().map(|entry| ("entries", entry.clone())).collect();
            let none = if entries.is_empty() { "entries: []\n" } else { "" };
            texts.push(sections(&format!("{head}unknown: []\nfacts: []\n{none}"), &hand));
        }
        for text in &mut texts {
            text.push_str("complete: yes\n");
        }
        if let Some(dice) = &mut order {
            dice.shuffle(&mut texts);
        }
        let file = |(index, text)| PolicyFile { path: format!("{index:03}.yaml"), text };
        texts.into_iter().enumerate().map(file).collect()
    }

    /// Draws a head-count and remembers it.
    pub(crate) fn line(&mut self, dice: &mut Dice<'_>) -> u64 {
        let line = *dice.pick(&LINES);
        self.lines.push(line);
        line
    }

    /// Draws a lower and an upper line.
    pub(crate) fn pair(&mut self, dice: &mut Dice<'_>) -> (u64, u64) {
        let (a, b) = (self.line(dice), self.line(dice));
        (a.min(b), a.max(b))
    }

    fn draw_words(&mut self, dice: &mut Dice<'_>) {
        let words =
            |prefix: &str, count: usize| -> Vec<String> { (0..count).map(|n| format!("{prefix}{n}")).collect() };
        self.zones = words("zone-", 1 + dice.below(5));
        self.sectors = words("sector-", 1 + dice.below(3));
        self.scenarios = words("scenario-", 1 + dice.below(4));
        self.cities = words("city-", 2);
        for (city, area) in self.cities.iter().zip(["yes", "no"]) {
            self.catalogue.push(("cities", format!("{{code: {city}, name: {TEXT}, greater_bay_area: {area}}}")));
        }
        self.kinds = words("kind-", dice.below(3));
        self.attributes = words("attribute-", dice.below(4));
        self.items = words("data.item-", 2 + dice.below(8));
        self.recipients = (0..=dice.below(3)).map(|number| name(dice, "recipient", number)).collect();
        for (number, zone) in self.zones.iter().enumerate() {
            let parent = if 0 < number && dice.percent(50) { Some(dice.below(number)) } else { None };
            let within = parent.map_or(String::new(), |parent| format!(", within: {}", self.zones[parent]));
            self.catalogue.push(("zones", format!("{{code: {zone}, name: {TEXT}{within}}}")));
            self.parents.push(parent);
        }
        let plain = [
            ("sectors", &self.sectors),
            ("scenarios", &self.scenarios),
            ("exporter_kinds", &self.kinds),
            ("attributes", &self.attributes),
        ];
        for (section, codes) in plain {
            self.catalogue.extend(codes.iter().map(|code| (section, format!("{{code: {code}, name: {TEXT}}}"))));
        }
        for item in &self.items {
            let class = if dice.percent(7) {
                "important"
            } else {
                *dice.pick(&["non-personal", "general", "general", "sensitive"])
            };
            let line = format!("{{code: {item}, name: {TEXT}, class: {class}, {EVIDENCE}}}");
            self.catalogue.push(("items", line));
        }
    }

    fn draw_nationals(&mut self, dice: &mut Dice<'_>) {
        let second = if dice.percent(30) { Some(2 + dice.below(6)) } else { None };
        let gap = dice.percent(20);
        let last_of_first = second.map(|day| DAYS[day - 1]);
        // An edition ends on the day before that on which the next begins, or some days earlier.
        let first_of_second = second.map(|day| if gap { DAYS[day + 1].to_owned() } else { tomorrow(DAYS[day - 1]) });
        let text = self.national(dice, 0, DAYS[0], last_of_first);
        self.nationals.push(text);
        if let Some(first) = first_of_second {
            let text = self.national(dice, 1, &first, None);
            self.nationals.push(text);
        }
    }

    fn national(&mut self, dice: &mut Dice<'_>, number: usize, first: &str, last: Option<&str>) -> String {
        let mut text = format!(
            "format: 1\nkind: national-list\nid: national-{number}\ntitle: {TEXT}\nfirst_day: {first}\n{}source: s\n\
             confidence: unsure\nsources: {{s: {{title: {TEXT}}}}}\nrules:\n",
            last.map_or(String::new(), |day| format!("last_day: {day}\n"))
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
        for class in ["general", "sensitive"] {
            let (contract, assess) = self.pair(dice);
            let line = |name: &str, from: u64| {
                format!("{name}_from: {{persons: {from}, id: {class}-{name}, citation: {TEXT}, {EVIDENCE}}}")
            };
            let _ = writeln!(text, "  {class}: {{{}, {}}}", line("contract", contract), line("assess", assess));
        }
        text.push_str("mechanisms:\n");
        for mechanism in ["assessment", "contract", "certification"] {
            let _ = writeln!(text, "  {mechanism}: {{validity_years: none, {EVIDENCE}}}");
        }
        let knows_area_contract = dice.percent(85);
        if knows_area_contract {
            let from = [(); 2].map(|()| DAYS[dice.below(5)]);
            let _ = writeln!(
                text,
                "  gba-contract: {{validity_years: none, hong_kong_from: {}, macao_from: {}, {EVIDENCE}}}",
                from[0], from[1]
            );
            self.knows_area_contract = true;
        }
        text.push_str("procedures:\n");
        for procedure in ["contract", "assess", "gba-contract"] {
            if procedure != "gba-contract" || knows_area_contract {
                let _ = writeln!(text, "  {procedure}: {{code: {procedure}-{number}, text: {TEXT}, {EVIDENCE}}}");
            }
        }
        text
    }

    /// Draws editions and keeps those that do not overlap with one that the same exporters come under.
    fn draw_lists(&mut self, dice: &mut Dice<'_>) {
        let mut taken: Vec<(usize, usize, usize)> = Vec::new();
        for number in 0..dice.below(8) {
            let zone = dice.below(self.zones.len());
            let first = if dice.percent(50) { dice.below(2) } else { dice.below(DAYS.len()) };
            let last = if dice.percent(40) { DAYS.len() } else { first + dice.below(DAYS.len() - first) };
            let overlaps = |(other, from, to): &(usize, usize, usize)| {
                (self.lies_within(zone, *other) || self.lies_within(*other, zone)) && first <= *to && *from <= last
            };
            if taken.iter().any(overlaps) {
                continue;
            }
            taken.push((zone, first, last));
            let edition = self.list(dice, number, zone, DAYS[first], DAYS.get(last).copied());
            self.lists.push(edition);
        }
    }

    fn lies_within(&self, zone: usize, other: usize) -> bool {
        zone == other || self.parents[zone].is_some_and(|parent| self.lies_within(parent, other))
    }

    fn draw_registry(&mut self, dice: &mut Dice<'_>) {
        for number in 0..dice.below(4) {
            let id = name(dice, "exporter", number);
            let zones = dice.some_of(&self.zones, 60).join(", ");
            let kinds = dice.some_of(&self.kinds, 25).join(", ");
            let cities = dice.some_of(&self.cities, 60).join(", ");
            let ciio = if dice.percent(15) { "yes" } else { "no" };
            let [general, sensitive, specially] = [(); 3].map(|()| self.near_line(dice));
            self.registry.push((
                "exporters",
                format!(
                    "{{id: {id}, name: {TEXT}, zones: [{zones}], cities: [{cities}], ciio: {ciio}, kinds: [{kinds}], held: \
                     {{general: {general}, sensitive: {sensitive}, specially_sensitive: {specially}}}}}"
                ),
            ));
            self.exporters.push(id);
        }
        if self.exporters.is_empty() {
            return;
        }
        for number in 0..dice.below(5) {
            let flow = self.flow(dice, number);
            self.registry.push(("flows", flow));
            self.flows.push(format!("flow-{number}"));
        }
        for number in 0..dice.below(8) {
            let clearance = self.clearance(dice, number);
            self.registry.push(("clearances", clearance));
        }
    }

    /// A head-count beside one of the lines drawn so far; mostly none at all.
    fn near_line(&self, dice: &mut Dice<'_>) -> u64 {
        if dice.percent(85) || self.lines.is_empty() {
            return 0;
        }
        (dice.pick(&self.lines[..self.lines.len().min(200)]) + dice.below(3) as u64).saturating_sub(1)
    }

    fn flow(&mut self, dice: &mut Dice<'_>, number: usize) -> String {
        let mut items = dice.some_of(&self.items, 20);
        if items.is_empty() {
            items.push(dice.pick(&self.items).clone());
        }
        let items: Vec<String> = items
            .iter()
            .map(|item| {
                // Always with a modality: some list may ask for it, and a flow has to say it then.
                let mut text = format!("{{code: {item}, modality: {}", dice.pick(&MODALITIES));
                if dice.percent(20) {
                    let _ = write!(text, ", class: {}", dice.pick(&CLASSES));
                }
                let _ = write!(text, ", attributes: [{}]}}", dice.some_of(&self.attributes, 30).join(", "));
                text
            })
            .collect();
        let ground = if dice.percent(70) {
            "none"
        } else {
            dice.pick(&["transit", "contract-necessity", "human-resources", "emergency"])
        };
        let mut text = format!(
            "{{id: flow-{number}, exporter: {}, recipient: {}, destination: {}, sector: {}, scenario: {}, items: [{}], \
             ground: {ground}",
            dice.pick(&self.exporters),
            dice.pick(&self.recipients),
            dice.pick(&["DE", "FR", "GB", "HK", "HK", "JP", "MO", "MO", "SG", "US", "CN"]),
            word_or_other(dice, &self.sectors),
            word_or_other(dice, &self.scenarios),
            items.join(", ")
        );
        if dice.percent(50) {
            let _ = write!(text, ", export_zone: {}", dice.pick(&self.zones));
        }
        text.push('}');
        text
    }

    /// Adds contracts of the Greater Bay Area without a cap, over all items: one for each exporter and recipient.
    /// `false`: the policies have no place for one.
    pub(crate) fn add_area_contracts(&mut self, dice: &mut Dice<'_>) -> bool {
        if self.exporters.is_empty() || !self.knows_area_contract {
            return false;
        }
        for (number, exporter) in self.exporters.iter().enumerate() {
            for recipient in &self.recipients {
                let text = format!(
                    "{{id: added-{number}-{recipient}, kind: gba-contract, exporter: {exporter}, recipient: {recipient}, \
                     recipient_registered_in: {}, no_onward_transfer: yes, sector: any, scenario: any, items: [{}], \
                     persons_per_year_max: none, first_day: {}, last_day: {}}}",
                    dice.pick(&["HK", "MO"]),
                    self.items.join(", "),
                    DAYS[5],
                    DAYS[DAYS.len() - 1],
                );
                self.registry.push(("clearances", text));
            }
        }
        true
    }

    fn clearance(&mut self, dice: &mut Dice<'_>, number: usize) -> String {
        let mut kind = *dice.pick(&["assessment", "contract", "certification", "zone-filing", "gba-contract"]);
        if !self.knows_area_contract && kind == "gba-contract" {
            kind = "contract";
        }
        if self.editions.is_empty() && kind == "zone-filing" {
            kind = "assessment";
        }
        let any_or = |dice: &mut Dice<'_>, words: &[String]| {
            if dice.percent(60) { "any".to_owned() } else { dice.pick(words).clone() }
        };
        let items = if dice.percent(70) { self.items.clone() } else { dice.some_of(&self.items, 60) };
        let items = if items.is_empty() { self.items.clone() } else { items };
        // No contract of the Greater Bay Area is older than its guideline.
        let earliest = if kind == "gba-contract" { 5 } else { 0 };
        let first = earliest + dice.below(DAYS.len() - 1 - earliest);
        let last = first + dice.below(DAYS.len() - first);
        // The id is not in the order of the numbers: which of several clearances is named must not depend on files.
        let mut text = format!(
            "{{id: clearance-{}-{number}, kind: {kind}, exporter: {}, recipient: {}, sector: {}, scenario: {}, \
             items: [{}], first_day: {}, last_day: {}",
            dice.below(10),
            dice.pick(&self.exporters),
            dice.pick(&self.recipients),
            any_or(dice, &self.sectors),
            any_or(dice, &self.scenarios),
            items.join(", "),
            DAYS[first],
            DAYS[last],
        );
        if kind == "zone-filing" {
            let mut lists = dice.some_of(&self.editions, 60);
            if lists.is_empty() {
                lists.push(dice.pick(&self.editions).clone());
            }
            let _ = write!(text, ", lists: [{}]", lists.join(", "));
        }
        if kind == "gba-contract" {
            let place = dice.pick(&["HK", "MO"]);
            let _ = write!(text, ", recipient_registered_in: {place}, no_onward_transfer: yes");
        }
        if kind == "assessment" && dice.percent(50) {
            text.push_str(", covers_important_data: yes");
        }
        if dice.percent(85) {
            let (general, sensitive) = (self.line(dice), self.line(dice));
            let _ = write!(text, ", persons_per_year_max: {{general: {general}, sensitive: {sensitive}}}}}");
        } else {
            text.push_str(", persons_per_year_max: none}");
        }
        text
    }
}

/// Draws a name; no two numbers have names one slip apart that the other kind could have.
fn name(dice: &mut Dice<'_>, noun: &str, number: usize) -> String {
    match dice.below(5) {
        0 => format!("北京{noun}有限公司{number}号"),
        1 => format!("Société {noun} № {number}"),
        2 => format!("９１{noun}ＡＢ{number}"),
        _ => format!("{noun}-{number}"),
    }
}

/// A word of a kind, or `other`.
pub(crate) fn word_or_other(dice: &mut Dice<'_>, words: &[String]) -> String {
    if dice.percent(10) { "other".to_owned() } else { dice.pick(words).clone() }
}

fn tomorrow(day: &str) -> String {
    day.parse::<jiff::civil::Date>().and_then(jiff::civil::Date::tomorrow).map(|day| day.to_string()).unwrap()
}

/// Gathers lines under their sections.
fn sections(head: &str, lines: &[(&str, String)]) -> String {
    let mut text = head.to_owned();
    let mut done: Vec<&str> = Vec::new();
    for (section, _) in lines {
        if done.contains(section) {
            continue;
        }
        done.push(section);
        let _ = writeln!(text, "{section}:");
        for (_, line) in lines.iter().filter(|(other, _)| other == section) {
            let _ = writeln!(text, "  - {line}");
        }
    }
    text
}
