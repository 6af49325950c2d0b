//! A small snapshot by hand, a clock that stands still, and requests, for unit tests.

use crate::domain::calendar::Calendar;
use crate::domain::clearance::{Clearance, ClearanceKind, ImportantData};
use crate::domain::clock::Clock;
use crate::domain::list::{
    CiioUse, Edition, ExportFrom, Filing, FilingMode, Line, LinePair, Lines, ListLine, National, NationalRules,
    ScenarioListing, ScenariosKnown, SectorListing,
};
use crate::domain::reason::Text;
use crate::domain::registry::{Exporter, Flow};
use crate::domain::routing::route;
use crate::domain::snapshot::{Codes, ItemFacts, Lists, NextStep, Registry, Rules, Segment, Snapshot};
use crate::domain::statement::{Destination, Facts, Item, Statement};
use crate::domain::units::{
    AttributeSet, Class, ClearanceId, EditionId, ExporterId, FamilyId, Interval, ItemId, KindSet, ModalitySet, Moment,
    NationalId, Persons, RecipientId, RouteId, RuleId, ScenarioId, SectorId, StepId, Year, ZoneId, ZoneSet,
};
use crate::domain::vocabulary::Vocabulary;
use crate::wire::generated::v1;

/// The moment at which [`StandingClock`] stands: 2026-06-01T00:00:00Z.
pub(crate) const NOW: Moment = Moment::from_seconds(1_780_272_000);
const YEAR_START: Moment = Moment::from_seconds(1_767_196_800);
const YEAR_END: Moment = Moment::from_seconds(1_798_732_800);

/// A clock that stands still.
#[derive(Debug)]
pub(crate) struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Moment {
        NOW
    }
}

const RULES: [&str; 11] = [
    "national-2024/scope",
    "national-2024/important",
    "national-2024/none",
    "national-2024/art-4",
    "national-2024/art-5-1-1",
    "national-2024/art-5-1-2",
    "national-2024/art-5-1-3",
    "national-2024/art-5-1-4",
    "national-2024/art-7-1-1",
    "national-2024/art-7-1-2",
    "beijing-2025/pharma/clinical-trial",
];

/// Exporter `city` is registered nowhere, `zoned` in `beijing-ftz`, whose list has `pharma`,
/// `clinical-trial` with lines of its own. Flow `trial` sends `health.diagnosis` of `zoned` to
/// `lab`. Clearance `contract-1` lets `city` send `contact.name` to `lab`.
pub(crate) fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot {
        revision: 7,
        digest: "blake3:00".into(),
        calendar: Calendar::new(Year(2026), vec![YEAR_START, YEAR_END]),
        codes: codes(),
        lists: lists(),
        registry: registry(),
        rules: rules(),
    };
    let statement = flow_statement();
    let worked_out = route(&snapshot, &statement, &snapshot.lists.segments[0]);
    snapshot.registry.routes.push(worked_out);
    let routes = Box::new([(0, RouteId(0))]);
    snapshot.registry.flows.push(Flow { exporter: ExporterId(1), statement, routes, clearances: Box::default() });
    snapshot
}

fn words(words: &[&str]) -> Vocabulary {
    let mut vocabulary = Vocabulary::default();
    for word in words {
        vocabulary.insert(word).unwrap();
    }
    vocabulary.freeze();
    vocabulary
}

fn codes() -> Codes {
    Codes {
        zones: words(&["beijing-ftz"]),
        sectors: words(&["other", "pharma"]),
        scenarios: words(&["other", "clinical-trial"]),
        items: words(&["contact.name", "health.diagnosis", "machine.log"]),
        attributes: words(&["miit-filed"]),
        kinds: words(&["automated-driving"]),
        exporters: words(&["city", "zoned"]),
        recipients: words(&["lab"]),
        flows: words(&["trial"]),
        families: words(&["beijing"]),
    }
}

fn text(zh: &str, en: &str) -> Text {
    Text { zh: zh.into(), en: en.into() }
}

fn line(persons: u64, rule: u32) -> Line {
    Line { from: Persons::new(persons).unwrap(), rule: RuleId(rule) }
}

fn lists() -> Lists {
    let always = Interval { from: Moment::from_seconds(0), until: None };
    let rules = NationalRules {
        not_an_export: RuleId(0),
        important_data: RuleId(1),
        no_personal_information: RuleId(2),
        transit: RuleId(3),
        contract_necessity: RuleId(4),
        human_resources: RuleId(5),
        emergency: RuleId(6),
        small_volume: RuleId(7),
        ciio: RuleId(8),
    };
    let national = National {
        id: "national-2024".into(),
        title: text("规定", "Provisions"),
        interval: always,
        rules,
        lines: Lines {
            general: LinePair { contract: line(100_000, 8), assess: line(1_000_000, 8) },
            sensitive: LinePair { contract: line(1, 9), assess: line(10_000, 9) },
        },
        contract_step: StepId(0),
        assess_step: StepId(1),
    };
    let edition = Edition {
        id: "beijing-2025".into(),
        title: text("北京清单", "Beijing list"),
        zone: ZoneId(0),
        family: FamilyId(0),
        interval: always,
        rule: RuleId(10),
        export_from: ExportFrom::Anywhere,
        ciio: CiioUse::Excluded,
        filing: Filing { mode: FilingMode::BeforeExport, covers_non_personal: true, step: Some(StepId(2)) },
        small_volume_frees: false,
        quantities: None,
    };
    let own = |persons| ListLine::Own(line(persons, 10));
    let lines = Lines {
        general: LinePair { contract: own(1_000_000), assess: own(5_000_000) },
        sensitive: LinePair { contract: own(20_000), assess: own(50_000) },
    };
    let sector = SectorListing {
        rule: RuleId(10),
        excluded_kinds: KindSet::EMPTY,
        excluded_modalities: ModalitySet::default(),
        scenarios: ScenariosKnown::All,
        lines,
    };
    let mut zones = ZoneSet::default();
    zones.insert(ZoneId(0));
    let listed = (EditionId(0), SectorId(1));
    Lists {
        nationals: vec![national],
        editions: vec![edition],
        segments: vec![Segment {
            from: always.from,
            national: Some(NationalId(0)),
            editions: vec![Some(EditionId(0))],
        }],
        zone_closure: vec![zones],
        items: [Class::General, Class::Sensitive, Class::NonPersonal]
            .map(|class| ItemFacts { class, named_from: 0, named_count: 0 })
            .into(),
        named: Vec::new(),
        conditions: Vec::new(),
        sectors: vec![(listed, sector)],
        scenarios: vec![((listed.0, listed.1, ScenarioId(1)), ScenarioListing { rule: RuleId(10), lines })],
    }
}

fn zoned() -> Facts {
    let mut facts = Facts::default();
    facts.zones.insert(ZoneId(0));
    facts
}

fn registry() -> Registry {
    let clearance = Clearance {
        id: "contract-1".into(),
        kind: ClearanceKind::Contract,
        exporter: ExporterId(0),
        recipient: RecipientId(0),
        sector: None,
        scenario: None,
        items: Box::new([ItemId(0)]),
        important_data: ImportantData::NotCovered,
        editions: Box::default(),
        persons_per_year_max: None,
        interval: Interval { from: YEAR_START, until: Some(YEAR_END) },
    };
    Registry {
        exporters: vec![Exporter { facts: Facts::default() }, Exporter { facts: zoned() }],
        flows: Vec::new(),
        clearances: vec![clearance],
        clearance_keys: vec![(ExporterId(0), RecipientId(0), ClearanceId(0))],
        routes: Vec::new(),
    }
}

fn flow_statement() -> Statement {
    let item = Item { id: Some(ItemId(1)), declared: None, modality: None, attributes: AttributeSet::EMPTY };
    Statement {
        exporter: Some(ExporterId(1)),
        facts: zoned(),
        recipient: Some(RecipientId(0)),
        destination: Destination::Abroad,
        sector: Some(SectorId(1)),
        scenario: Some(ScenarioId(1)),
        items: vec![item],
        ground: None,
        export_zones: ZoneSet::EMPTY,
    }
}

fn rules() -> Rules {
    let step =
        |procedure: &str, authority| NextStep { procedure: procedure.into(), authority, text: text("办理", "do it") };
    Rules {
        ids: words(&RULES),
        citation_of: vec![0; RULES.len()],
        citations: vec![text("规定第七条", "Provisions, art. 7")],
        steps: vec![
            step("contract-filing", None),
            step("security-assessment", Some(text("国家网信办", "CAC"))),
            step("beijing-negative-list-filing", None),
        ],
    }
}

/// A transfer of names by `city` to Germany, of so many persons, after so many in the year.
pub(crate) fn transfer(persons: u64, year_to_date: u64) -> v1::Transfer {
    let of = |general| Some(v1::Persons { general, sensitive: 0 });
    v1::Transfer {
        exporter: "city".into(),
        destination: "DE".into(),
        data: vec![v1::DataItem { code: "contact.name".into(), ..v1::DataItem::default() }],
        persons: of(persons),
        year_to_date: of(year_to_date),
        ..v1::Transfer::default()
    }
}

/// A transfer of the flow `trial`, of so many sensitive persons, after so many in the scenario.
pub(crate) fn trial(sensitive: u64, scenario_year_to_date: u64) -> v1::Transfer {
    let of = |sensitive| Some(v1::Persons { general: 0, sensitive });
    v1::Transfer {
        flow: "trial".into(),
        persons: of(sensitive),
        scenario_year_to_date: of(scenario_year_to_date),
        ..v1::Transfer::default()
    }
}
