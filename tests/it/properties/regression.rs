//! Regressions: one small set of policies and one question for each.

use neglist::domain::asked::{Asked, AskedFacts, AskedItem, AskedPersons};
use neglist::domain::decision::Decision;
use neglist::domain::evaluate::{evaluate, headroom};
use neglist::domain::reason::{Outcome, ReasonCode};
use neglist::domain::resolve::{missing_totals, resolve};
use neglist::domain::units::{Ground, Moment};
use neglist::policy::PolicyFile;

use crate::model::world::World;

const CATALOGUE: &str = "\
format: 1
kind: catalogue
sources: {s: {title: TEXT}}
zones: [{code: zone-b, name: TEXT}, {code: zone-a, name: TEXT}]
sectors: [{code: pharma, name: TEXT}]
scenarios: [{code: trial, name: TEXT}]
items:
  - {code: map, name: TEXT, class: non-personal, EVIDENCE}
  - {code: site, name: TEXT, class: important, EVIDENCE}
  - {code: name, name: TEXT, class: general, EVIDENCE}
  - {code: health, name: TEXT, class: sensitive, EVIDENCE}
";

const NATIONAL: &str = "\
format: 1
kind: national-list
id: national
title: TEXT
first_day: 2024-03-22
source: s
confidence: unsure
sources: {s: {title: TEXT}}
rules:
  not-an-export: {id: a, citation: TEXT, EVIDENCE}
  important-data: {id: b, citation: TEXT, EVIDENCE}
  no-personal-information: {id: c, citation: TEXT, EVIDENCE}
  transit: {id: d, citation: TEXT, EVIDENCE}
  contract-necessity: {id: e, citation: TEXT, EVIDENCE}
  human-resources: {id: f, citation: TEXT, EVIDENCE}
  emergency: {id: g, citation: TEXT, EVIDENCE}
  small-volume: {id: h, citation: TEXT, EVIDENCE}
  ciio: {id: i, citation: TEXT, EVIDENCE}
lines:
  general:
    contract_from: {persons: 100000, id: j, citation: TEXT, EVIDENCE}
    assess_from: {persons: 1000000, id: k, citation: TEXT, EVIDENCE}
  sensitive:
    contract_from: {persons: 1, id: l, citation: TEXT, EVIDENCE}
    assess_from: {persons: 10000, id: m, citation: TEXT, EVIDENCE}
mechanisms:
  assessment: {validity_years: 3, EVIDENCE}
  contract: {validity_years: none, EVIDENCE}
  certification: {validity_years: 3, EVIDENCE}
procedures:
  contract: {code: contract, text: TEXT, EVIDENCE}
  assess: {code: assess, text: TEXT, EVIDENCE}
";

const LIST: &str = "\
format: 1
kind: zone-list
id: NAME
zone: ZONE
family: family
title: TEXT
citation: TEXT
first_day: 2024-03-22
source: s
confidence: unsure
sources: {s: {title: TEXT}}
coverage: scenarios
eligibility: {export_from_zone: not-required, ciio: excluded, EVIDENCE}
adopts_other_lists: {value: unknown}
filing: {mode: before-export, covers_non_personal: no, procedure: filing-NAME, text: TEXT, EVIDENCE}
sectors:
  - sector: pharma
    scenarios_known: all
    lines: unknown
    source: s
    confidence: unsure
    scenarios:
      - scenario: trial
        source: s
        confidence: unsure
        lines:
          general: {contract_from: {persons: LOWER, EVIDENCE}, assess_from: {persons: 9000000, EVIDENCE}}
          sensitive: {contract_from: {persons: LOWER, EVIDENCE}, assess_from: {persons: 9000000, EVIDENCE}}
";

fn file(index: usize, text: &str) -> PolicyFile {
    let text = text.replace("TEXT", "{zh: 文, en: text}").replace("EVIDENCE", "source: s, confidence: unsure");
    PolicyFile { path: format!("{index}.yaml"), text: format!("{text}complete: yes\n") }
}

fn list(zone: &str, lower: u64, entries: &str) -> String {
    let list = LIST.replace("NAME", &format!("list-{zone}")).replace("ZONE", zone).replace("LOWER", &lower.to_string());
    let entries = if entries.is_empty() { "entries: []\n".to_owned() } else { format!("entries:\n{entries}") };
    format!("{list}{entries}unknown: []\nfacts: []\n")
}

fn world(more: &[&str]) -> World {
    let texts = [CATALOGUE, NATIONAL].into_iter().chain(more.iter().copied());
    World::new(texts.enumerate().map(|(index, text)| file(index, text)).collect())
}

/// An exporter of zone-a that sends an item in the listed scenario on the first of June 2026.
fn asked(code: &str) -> Asked<'_> {
    Asked {
        exporter: Some("somebody"),
        exporter_facts: Some(AskedFacts { zones: vec!["zone-a"], ..AskedFacts::default() }),
        recipient: Some("recipient"),
        destination: Some("DE"),
        sector: Some("pharma"),
        scenario: Some("trial"),
        data: vec![AskedItem { code, ..AskedItem::default() }],
        persons: persons(0, 1),
        year_to_date: persons(0, 0),
        scenario_year_to_date: persons(0, 0),
        at: Some(Moment::from_seconds(1_780_243_200)),
        ..Asked::default()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a field of the question")]
const fn persons(general: u64, sensitive: u64) -> Option<AskedPersons> {
    Some(AskedPersons { general, sensitive })
}

/// Returns the path of a violation within its transfer.
fn of_transfer(violation: &neglist::domain::asked::Violation) -> String {
    violation.path.of_transfer().unwrap().to_string()
}

/// Returns the decision, or the fields for which the request is refused. The model agrees.
#[track_caller]
fn decide(world: &World, asked: &Asked<'_>) -> Result<Decision, Vec<String>> {
    assert_eq!(world.compiled(asked), world.naive(asked), "the model differs");
    let fields = |violations: Vec<neglist::domain::asked::Violation>| -> Vec<String> {
        violations.into_iter().map(|violation| of_transfer(&violation)).collect()
    };
    let transfer = resolve(&world.snapshot, asked, asked.at.unwrap()).map_err(fields)?;
    let missing = missing_totals(&world.snapshot, &transfer);
    if missing.is_empty() { Ok(evaluate(&world.snapshot, &transfer, &transfer.stated)) } else { Err(fields(missing)) }
}

#[track_caller]
fn check_outcome(world: &World, asked: &Asked<'_>, outcome: Outcome, reason: ReasonCode) {
    let decision = decide(world, asked).unwrap();
    assert_eq!(decision.outcome, outcome, "{decision:?}");
    assert!(decision.reasons.iter().any(|found| found.code == reason), "{decision:?}");
}

#[track_caller]
fn check_refused(world: &World, asked: &Asked<'_>, field: &str) {
    assert_eq!(decide(world, asked).map_err(|fields| fields.join(" ")), Err(field.to_owned()));
}

const GROUP: &str =
    "  - {id: group, name: TEXT, class: important, items: [map, health], persons_at_least: 100000, EVIDENCE}\n";

#[test]
fn the_size_of_a_group_counts_persons_of_a_scenario_with_its_own_counters() {
    let world = world(&[&list("zone-a", 5_000_000, GROUP)]);
    let at = |total| Asked { scenario_year_to_date: persons(0, total), ..asked("health") };
    check_outcome(&world, &at(99_998), Outcome::File, ReasonCode::BelowListLines);
    check_outcome(&world, &at(99_999), Outcome::Assess, ReasonCode::ImportantDataGroupSize);
}

#[test]
fn the_size_of_a_group_is_not_guessed_where_the_total_of_the_year_is_left_out() {
    let world = world(&[&list("zone-a", 5_000_000, GROUP)]);
    let grounded = Asked { ground: Some(Ground::HumanResources), year_to_date: None, ..asked("health") };
    check_refused(&world, &grounded, "year_to_date");
    let told = Asked { year_to_date: persons(0, 99_999), ..grounded };
    check_outcome(&world, &told, Outcome::Assess, ReasonCode::ImportantDataGroupSize);
}

#[test]
fn the_size_of_a_group_counts_for_data_that_is_not_personal() {
    let world = world(&[&list("zone-a", 5_000_000, GROUP)]);
    check_refused(&world, &Asked { persons: None, ..asked("map") }, "persons");
    let told = |general| Asked { persons: persons(general, 0), ..asked("map") };
    check_outcome(&world, &told(99_999), Outcome::Allow, ReasonCode::NoPersonalInformation);
    check_outcome(&world, &told(100_000), Outcome::Assess, ReasonCode::ImportantDataGroupSize);
}

#[test]
fn data_that_is_important_anyway_keeps_the_next_step_of_its_entry() {
    let entries = format!(
        "{GROUP}  - {{id: listed, name: TEXT, class: important, items: [health], next_step: {{procedure: apart, text: TEXT}}, EVIDENCE}}\n"
    );
    let world = world(&[&list("zone-a", 5_000_000, &entries)]);
    let decision = decide(&world, &Asked { persons: persons(0, 100_000), ..asked("health") }).unwrap();
    let step = decision.next_step.and_then(|step| world.snapshot.step(step)).unwrap();
    assert_eq!(step.procedure.as_ref(), "apart");
}

const REGISTRY: &str = "\
format: 1
kind: registry
exporters:
  - {id: registered, name: TEXT, zones: [], held: {general: 0, sensitive: 0, specially_sensitive: 0}}
clearances:
  - {id: small, kind: assessment, exporter: registered, recipient: recipient, sector: any, scenario: any, items: [site],
     covers_important_data: yes, persons_per_year_max: {general: 10, sensitive: 10}, first_day: 2026-01-01, last_day: 2026-12-31}
  - {id: b-large, kind: assessment, exporter: registered, recipient: recipient, sector: any, scenario: any, items: [name],
     persons_per_year_max: none, first_day: 2026-01-01, last_day: 2026-12-31}
  - {id: c-contract, kind: contract, exporter: registered, recipient: recipient, sector: any, scenario: any, items: [name],
     persons_per_year_max: none, first_day: 2026-01-01, last_day: 2026-12-31}
  - {id: a-contract, kind: contract, exporter: registered, recipient: recipient, sector: any, scenario: any, items: [name],
     persons_per_year_max: none, first_day: 2026-01-01, last_day: 2026-12-31}
";

fn registered(code: &str) -> Asked<'_> {
    Asked { exporter: Some("registered"), exporter_facts: None, ..asked(code) }
}

#[test]
fn the_cap_of_a_clearance_holds_for_persons_of_important_data() {
    let world = world(&[REGISTRY]);
    let told = |count| Asked { persons: persons(count, 0), ..registered("site") };
    check_outcome(&world, &told(10), Outcome::Allow, ReasonCode::CoveredByClearance);
    check_outcome(&world, &told(11), Outcome::Assess, ReasonCode::ImportantDataInCatalogue);
    check_refused(&world, &Asked { persons: None, ..registered("site") }, "persons");
    check_refused(&world, &Asked { year_to_date: None, ..told(10) }, "year_to_date");
}

#[test]
fn a_stated_scenario_total_counts_against_the_cap_of_important_data_too() {
    // The list counts the scenario apart, so that national totals alone bound nothing.
    let world = world(&[&REGISTRY.replace("zones: []", "zones: [zone-a]"), &list("zone-a", 10, "")]);
    let stated =
        |count| Asked { scenario_year_to_date: persons(count, 0), persons: persons(1, 0), ..registered("site") };
    check_outcome(&world, &stated(9), Outcome::Allow, ReasonCode::CoveredByClearance);
    check_outcome(&world, &stated(10), Outcome::Assess, ReasonCode::ImportantDataInCatalogue);
}

#[test]
fn the_named_clearance_is_the_least_sufficient_one_in_any_order_of_files() {
    let world = world(&[REGISTRY]);
    let decision = decide(&world, &Asked { persons: persons(100_000, 0), ..registered("name") }).unwrap();
    let named = decision.clearance.and_then(|id| world.snapshot.clearance(id)).unwrap();
    assert_eq!((decision.outcome, named.id.as_ref()), (Outcome::Allow, "a-contract"));
}

#[test]
fn persons_are_asked_for_where_only_a_claim_makes_the_data_personal() {
    let entries = "  - {id: personal, name: TEXT, class: general, items: [map], EVIDENCE}\n";
    let world = world(&[REGISTRY, &list("zone-a", 10, entries)]);
    let facts = AskedFacts { zones: vec!["zone-a"], ..AskedFacts::default() };
    let claimed = Asked { exporter_facts: Some(facts), ..registered("map") };
    check_refused(&world, &Asked { persons: None, ..claimed.clone() }, "persons");
    check_outcome(
        &world,
        &Asked { persons: persons(10, 0), scenario_year_to_date: persons(0, 0), ..claimed },
        Outcome::Contract,
        ReasonCode::GeneralContractLine,
    );
}

#[test]
fn persons_are_asked_for_where_a_list_calls_important_data_personal_besides() {
    let entries = "  - {id: a, name: TEXT, class: sensitive, items: [map], EVIDENCE}\n  - {id: b, name: TEXT, class: important, items: [map], EVIDENCE}\n";
    let world = world(&[&list("zone-a", 10, entries)]);
    check_refused(&world, &Asked { persons: None, ..asked("map") }, "persons");
}

#[test]
fn two_lists_answer_in_the_order_of_their_zones_and_the_nearest_line_is_reported() {
    let world = world(&[&list("zone-a", 50, ""), &list("zone-b", 20, "")]);
    let facts = AskedFacts { zones: vec!["zone-a", "zone-b"], ..AskedFacts::default() };
    let asked = Asked { exporter_facts: Some(facts), ..asked("health") };
    let decision = decide(&world, &asked).unwrap();
    let step = decision.next_step.and_then(|step| world.snapshot.step(step)).unwrap();
    assert_eq!(step.procedure.as_ref(), "filing-list-zone-a");
    let transfer = resolve(&world.snapshot, &asked, asked.at.unwrap()).unwrap();
    let lines: Vec<u64> = headroom(&transfer, &transfer.stated).iter().map(|room| room.line.get()).collect();
    assert_eq!(lines, [20, 20]);
}
