//! For unit tests: a small hand-made snapshot, fixed clocks, a ledger in memory, and requests.

pub(crate) mod ledger;
pub(crate) mod seen;

use crate::domain::calendar::Calendar;
use crate::domain::clearance::{Clearance, ClearanceKind, ImportantData};
use crate::domain::clock::Clock;
use crate::domain::gateway::Gateway;
use crate::domain::list::{
    CiioUse, Edition, ExportFrom, Filing, FilingMode, Line, LinePair, Lines, ListLine, National, NationalRules,
    PersonInBothClasses, ScenarioListing, ScenariosKnown, SectorListing,
};
use crate::domain::reason::Text;
use crate::domain::registry::{Exporter, Flow};
use crate::domain::route::OwnCounter;
use crate::domain::route::build::route;
use crate::domain::snapshot::{
    AreaSteps, Codes, Entries, ItemFacts, Lists, NextStep, Registry, Rules, Segment, Snapshot,
};
use crate::domain::statement::{Destination, Facts, Item, Statement};
use crate::domain::units::{
    AttributeSet, CitySet, Class, ClearanceId, Country, EditionId, ExporterId, FamilyId, Headcount, Interval, ItemId,
    KindSet, ModalitySet, Moment, NationalId, Persons, RecipientId, RouteId, RuleId, ScenarioId, SectorId, StepId,
    Year, ZoneId, ZoneSet,
};
use crate::domain::vocabulary::Vocabulary;
use crate::wire::decide::raw::{Received, Reply};
use crate::wire::generated::v1;

/// Returns a message as it is received.
pub(crate) fn received<T: prost::Message + Default>(message: &T) -> Received<T> {
    Received::new(message.encode_to_vec().into())
}

/// Returns the message of a reply.
pub(crate) fn message_of<T: prost::Message + Default>(reply: Reply<T>) -> T {
    T::decode(reply.into_bytes()).unwrap()
}

/// The time of [`StandingClock`]: 2026-06-01T00:00:00Z.
pub(crate) const NOW: Moment = Moment::from_seconds(1_780_272_000);
const YEAR_START: Moment = Moment::from_seconds(1_767_196_800);
/// 2027-01-01T00:00:00+08:00.
pub(crate) const YEAR_END: Moment = Moment::from_seconds(1_798_732_800);
const NEXT_YEAR_END: Moment = Moment::from_seconds(1_830_268_800);

/// A clock with a fixed time.
#[derive(Debug)]
pub(crate) struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Moment {
        NOW
    }
}

/// A clock that shows the time to which it is set.
#[derive(Debug)]
pub(crate) struct MovableClock(std::sync::Mutex<Moment>);

impl MovableClock {
    pub(crate) fn at(moment: Moment) -> Self {
        Self(std::sync::Mutex::new(moment))
    }

    pub(crate) fn set(&self, moment: Moment) {
        *self.0.lock().unwrap() = moment;
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Moment {
        *self.0.lock().unwrap()
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

/// Returns a snapshot. Exporter `city` is in no zone. Exporter `zoned` is in `beijing-ftz`, whose list has
/// `pharma`, `clinical-trial` with its own lines. Flow `trial` sends `health.diagnosis` of `zoned` to `lab`.
/// Clearance `contract-1` permits `city` to send `contact.name` to `lab`.
pub(crate) fn snapshot() -> Snapshot {
    let (mut codes, lists) = (codes(), lists());
    Snapshot::index_slips(&mut codes, &lists);
    let mut snapshot = Snapshot {
        revision: 7,
        digest: "blake3:00".into(),
        calendar: Calendar::new(Year(2026), vec![YEAR_START, YEAR_END, NEXT_YEAR_END]),
        codes,
        lists,
        registry: registry(),
        rules: rules(),
        gateway: Gateway::default(),
    };
    snapshot.sum_up_alone();
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
        cities: words(&["shenzhen"]),
        sectors: words(&["other", "pharma"]),
        scenarios: words(&["other", "clinical-trial"]),
        items: words(&["contact.name", "health.diagnosis", "machine.log"]),
        attributes: words(&["miit-filed"]),
        kinds: words(&["automated-driving"]),
        exporters: words(&["city", "zoned"]),
        recipients: words(&["lab"]),
        flows: words(&["trial"]),
        families: words(&["beijing"]),
        fields: Vocabulary::default(),
    }
}

fn text(zh: &str, en: &str) -> Text {
    Text { zh: zh.into(), en: en.into() }
}

fn line(persons: u64, rule: u32) -> Line {
    Line { from: Persons::new(persons).unwrap(), rule: RuleId(rule) }
}

fn national_rules() -> NationalRules {
    NationalRules {
        not_an_export: RuleId(0),
        important_data: RuleId(1),
        no_personal_information: RuleId(2),
        transit: RuleId(3),
        contract_necessity: RuleId(4),
        human_resources: RuleId(5),
        emergency: RuleId(6),
        small_volume: RuleId(7),
        ciio: RuleId(8),
    }
}

fn lists() -> Lists {
    let always = Interval { from: Moment::from_seconds(0), until: None };
    let national = National {
        id: "national-2024".into(),
        title: text("规定", "Provisions"),
        interval: always,
        rules: national_rules(),
        lines: Lines {
            general: LinePair { contract: line(100_000, 8), assess: line(1_000_000, 8) },
            sensitive: LinePair { contract: line(1, 9), assess: line(10_000, 9) },
        },
        contract_step: StepId(0),
        assess_step: StepId(1),
        area_contract: None,
        person_in_both_classes: PersonInBothClasses::BothCounters,
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
    let scenario = ScenarioListing { rule: RuleId(10), lines };
    let mut zones = ZoneSet::default();
    zones.insert(ZoneId(0));
    let own_counter = OwnCounter { family: FamilyId(0), sector: SectorId(1), scenario: ScenarioId(1) };
    let listed = (EditionId(0), SectorId(1));
    Lists {
        nationals: vec![national],
        editions: vec![edition],
        segments: vec![Segment {
            from: always.from,
            national: Some(NationalId(0)),
            editions: vec![Some(EditionId(0))],
            area: AreaSteps::default(),
        }],
        zone_closure: vec![zones],
        greater_bay_area: CitySet::EMPTY,
        items: [Class::General, Class::Sensitive, Class::NonPersonal]
            .map(|class| ItemFacts { class, strictest: class, entries: Entries::NONE })
            .into(),
        fields: Vec::new(),
        named: Vec::new(),
        conditions: Vec::new(),
        sectors: vec![(listed, sector)],
        scenarios: vec![((listed.0, listed.1, ScenarioId(1)), scenario)],
        alone: vec![(own_counter, lines.alone_max())],
        alone_unwritten: Vec::new(),
        alone_of_zone: Vec::new(),
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
        destination: None,
        persons_per_year_max: None,
        counted_apart: Box::default(),
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
        destination: Destination::Abroad(Country::parse("DE").unwrap()),
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

/// Returns a transfer of names by `city` to Germany, with this number of persons and this total of the year.
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

/// Returns a transfer of the flow `trial`, with this number of sensitive persons and this total of the scenario.
pub(crate) fn trial(sensitive: u64, scenario_year_to_date: u64) -> v1::Transfer {
    let of = |sensitive| Some(v1::Persons { general: 0, sensitive });
    v1::Transfer {
        flow: "trial".into(),
        persons: of(sensitive),
        scenario_year_to_date: of(scenario_year_to_date),
        ..v1::Transfer::default()
    }
}

/// Returns the same snapshot with more to count. Exporter `grid` operates critical information
/// infrastructure and holds `assessment-1` with a cap of 5 general persons. `zoned` holds `filing-1` and
/// `contract-2` for the data of the flow `trial`. `contract-1` covers diagnoses too.
pub(crate) fn counting_snapshot() -> Snapshot {
    let mut snapshot = snapshot();
    snapshot.codes.exporters = words(&["city", "zoned", "grid"]);
    let facts = Facts { ciio: crate::domain::statement::Ciio::Yes, ..Facts::default() };
    snapshot.registry.exporters.push(Exporter { facts });
    let known = snapshot.registry.clearances[0].clone();
    let of = |id: &str, kind, exporter: u32, item| Clearance {
        id: id.into(),
        kind,
        exporter: ExporterId(exporter),
        items: Box::new([ItemId(item)]),
        ..known.clone()
    };
    let filing = Clearance { editions: Box::new([EditionId(0)]), ..of("filing-1", ClearanceKind::ZoneFiling, 1, 1) };
    let contract = of("contract-2", ClearanceKind::Contract, 1, 1);
    let cap = Headcount { general: Persons::new(5).unwrap(), sensitive: Persons::ZERO };
    let assessment =
        Clearance { persons_per_year_max: Some(cap), ..of("assessment-1", ClearanceKind::Assessment, 2, 0) };
    snapshot.registry.clearances[0].items = Box::new([ItemId(0), ItemId(1)]);
    snapshot.registry.clearances.extend([filing, contract, assessment]);
    let keys = [(1, 1), (1, 2), (2, 3)];
    let keys = keys.map(|(exporter, id)| (ExporterId(exporter), RecipientId(0), ClearanceId(id)));
    snapshot.registry.clearance_keys.extend(keys);
    snapshot.registry.flows[0].clearances = Box::new([ClearanceId(1), ClearanceId(2)]);
    snapshot
}

/// Gives a clearance of [`counting_snapshot`] a cap.
pub(crate) fn cap(snapshot: &mut Snapshot, id: u32, general: u64, sensitive: u64) {
    let persons = |count| Persons::new(count).unwrap();
    let cap = Headcount { general: persons(general), sensitive: persons(sensitive) };
    snapshot.registry.clearances[id as usize].persons_per_year_max = Some(cap);
}
