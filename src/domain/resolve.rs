//! Resolves a caller's words to a [`Transfer`], with one snapshot.
//!
//! Nothing is guessed. An unknown word, a missing number or a moment outside the calendar is a
//! [`Violation`] with its field, and one pass finds all of them.
//!
//! A request that names a flow and states no other fact costs one look-up: its route and its
//! clearances were built when the policies were compiled.

mod words;

use std::borrow::Cow;

use super::asked::{Asked, CodeKind, ITEMS_MAX, Need, Problem, Violation};
use super::clearance::Sought;
use super::clock::Clocking;
use super::path::{Counts, Field, ItemField, Path};
use super::registry::Flow;
use super::route::Route;
use super::route::build::route;
use super::snapshot::{Segment, Snapshot};
use super::statement::{Destination, Facts, Item, Statement};
use super::transfer::{Totals, Transfer};
use super::units::{
    ClearanceId, ExporterId, FlowId, Headcount, ItemId, Moment, RecipientId, ScenarioId, SectorId, Year, ZoneSet,
};
use words::Violations;

/// Resolves a request. `now` is the moment to decide for if the request states none.
///
/// # Errors
/// Every violation of the request, in the order of its fields.
///
/// ```
/// # use std::path::Path;
/// # use neglist::live::read::{ReadLimits, Selection, read};
/// # use neglist::policy::{self, Limits};
/// # let shipped = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/policies"));
/// # let files = read(shipped, &ReadLimits::default(), Selection::Policies).unwrap().policies;
/// # let snapshot = policy::compile(&files, &Limits { entries_max: 2_000_000, depth_max: 32 }).snapshot.unwrap();
/// use neglist::domain::asked::{Asked, AskedItem, AskedPersons, Problem};
/// use neglist::domain::resolve::resolve;
/// use neglist::domain::units::Moment;
///
/// // `snapshot` has the shipped policies; 2026-06-01T00:00:00Z.
/// let now = Moment::from_seconds(1_780_272_000);
/// let mut asked = Asked {
///     exporter: Some("91440000EXAMPLE004"),
///     destination: Some("DE"),
///     data: vec![AskedItem { code: "contact.nmae", ..AskedItem::default() }],
///     persons: Some(AskedPersons { general: 500, sensitive: 0 }),
///     ..Asked::default()
/// };
/// let violations = resolve(&snapshot, &asked, now).unwrap_err();
/// let [violation] = violations.as_slice() else { panic!("{violations:?}") };
/// assert_eq!(violation.path.to_string(), "transfer.data[0].code");
/// assert!(matches!(&violation.problem, Problem::UnknownCode { nearest: Some(code), .. } if code == "contact.name"));
///
/// asked.data = vec![AskedItem { code: "contact.name", ..AskedItem::default() }];
/// let transfer = resolve(&snapshot, &asked, now).unwrap();
/// assert_eq!(transfer.persons.general.get(), 500);
/// ```
pub fn resolve<'s>(snapshot: &'s Snapshot, asked: &Asked<'_>, now: Moment) -> Result<Transfer<'s>, Vec<Violation>> {
    let mut violations = Violations::default();
    let time = resolve_time(snapshot, asked.at, now, &mut violations);
    let flow = resolve_flow(snapshot, asked, &mut violations);
    let persons = violations.headcount(Counts::Persons, asked.persons);
    let stated = Totals {
        national: violations.headcount(Counts::YearToDate, asked.year_to_date),
        scenario: violations.headcount(Counts::ScenarioYearToDate, asked.scenario_year_to_date),
        clearance: violations.headcount(Counts::ClearanceYearToDate, asked.clearance_year_to_date),
        ..Totals::default()
    };
    let Some(time) = time else { return Err(violations.0) };
    let found = match flow {
        Some(flow) if leaves_facts_to_flow(asked) => by_flow(snapshot, flow, &time),
        flow => by_statement(snapshot, asked, flow, &time, &mut violations),
    };
    let Some(found) = found.filter(|_| violations.0.is_empty()) else { return Err(violations.0) };
    check_persons(snapshot, &found, persons, &mut violations);
    if !violations.0.is_empty() {
        return Err(violations.0);
    }
    Ok(Transfer {
        route: found.route,
        claimed: found.claimed,
        exporter: found.exporter,
        persons: persons.unwrap_or(Headcount::ZERO),
        stated,
        clearances: found.clearances,
        at: time.at,
        year: time.year,
        stable_until: time.stable_until,
    })
}

/// Returns a violation for each total that the answer depends on and the caller does not state.
pub fn missing_totals(snapshot: &Snapshot, transfer: &Transfer<'_>) -> Vec<Violation> {
    let needs = transfer.needs().and(transfer.needs_for_caps(snapshot));
    let mut violations = Violations::default();
    if needs.national && transfer.stated.national.is_none() {
        violations.add(Field::Counts(Counts::YearToDate), Problem::Missing(Need::NoLedger));
    }
    if needs.scenario && transfer.stated.scenario.is_none() {
        violations.add(Field::Counts(Counts::ScenarioYearToDate), Problem::Missing(Need::NoLedgerForScenario));
    }
    violations.0
}

/// Returns the exporter's name, under which its totals are kept: as registered, or else as stated.
pub fn exporter_name<'a>(snapshot: &'a Snapshot, asked: &Asked<'a>, transfer: &Transfer<'_>) -> &'a str {
    match transfer.exporter {
        Some(id) => snapshot.codes.exporters.word(id.0),
        // A request without a registered exporter names its exporter.
        None => asked.exporter.unwrap_or_default(),
    }
}

/// The moment to decide for, with its year and segment.
struct Time<'s> {
    at: Moment,
    year: Year,
    stable_until: Moment,
    segment_number: usize,
    segment: &'s Segment,
}

fn resolve_time<'s>(
    snapshot: &'s Snapshot,
    stated: Option<Moment>,
    now: Moment,
    violations: &mut Violations,
) -> Option<Time<'s>> {
    let at = stated.unwrap_or(now);
    let segment_number = snapshot.segment_number(at);
    let (segment, next) = snapshot.segment(segment_number);
    let (Some((year, year_end)), Some(segment)) = (snapshot.calendar.year(at), segment) else {
        violations.add(Field::At, stated.map_or(Problem::Clock(Clocking::Unusable), |_| Problem::OutOfCalendar));
        return None;
    };
    let next = next.filter(|next| at < *next);
    let stable_until = next.map_or(year_end, |next| next.min(year_end));
    Some(Time { at, year, stable_until, segment_number, segment })
}

fn resolve_flow<'s>(snapshot: &'s Snapshot, asked: &Asked<'_>, violations: &mut Violations) -> Option<&'s Flow> {
    let code = asked.flow?;
    let number = violations.code(Field::Flow, CodeKind::Flow, &snapshot.codes.flows, code)?;
    snapshot.flow(FlowId(number))
}

/// Says whether the request states only counts and the moment, and leaves all other facts to the flow.
fn leaves_facts_to_flow(asked: &Asked<'_>) -> bool {
    asked.exporter.is_none()
        && asked.exporter_facts.is_none()
        && asked.recipient.is_none()
        && asked.destination.is_none()
        && asked.sector.is_none()
        && asked.scenario.is_none()
        && asked.data.is_empty()
        && asked.ground.is_none()
        && asked.export_zone.is_none()
}

/// Result of the static part of a request.
struct Found<'s> {
    route: Cow<'s, Route>,
    claimed: Option<Box<Route>>,
    exporter: Option<ExporterId>,
    clearances: Cow<'s, [ClearanceId]>,
    destination: Destination,
}

fn by_flow<'s>(snapshot: &'s Snapshot, flow: &'s Flow, time: &Time<'_>) -> Option<Found<'s>> {
    let route = flow.route_in(time.segment_number).and_then(|id| snapshot.route(id))?;
    Some(Found {
        route: Cow::Borrowed(route),
        claimed: None,
        exporter: Some(flow.exporter),
        clearances: Cow::Borrowed(&flow.clearances),
        destination: flow.statement.destination,
    })
}

fn by_statement<'s>(
    snapshot: &'s Snapshot,
    asked: &Asked<'_>,
    flow: Option<&Flow>,
    time: &Time<'_>,
    violations: &mut Violations,
) -> Option<Found<'s>> {
    let (statement, claimed_facts) = state(snapshot, asked, flow, violations)?;
    let mut widest = statement.facts;
    if let Some(claimed) = claimed_facts {
        widest = widest.union(claimed);
    }
    for (field, need) in missing_for_lists(snapshot, &statement, widest.zones, time.segment) {
        // A misspelt field is present, so do not report it as missing too.
        if !violations.0.iter().any(|violation| violation.path == Path::Transfer(field)) {
            violations.add(field, Problem::Missing(need));
        }
    }
    if !violations.0.is_empty() {
        return None;
    }
    let own = route(snapshot, &statement, time.segment);
    let clearances = clearances_of(snapshot, &statement);
    let claimed = (widest != statement.facts).then(|| {
        let claimed = Statement { facts: widest, ..statement.clone() };
        Box::new(route(snapshot, &claimed, time.segment))
    });
    Some(Found {
        route: Cow::Owned(own),
        claimed,
        exporter: statement.exporter,
        clearances: Cow::Owned(clearances),
        destination: statement.destination,
    })
}

/// Returns the fields that the lists in force in an exporter's zones need and the statement lacks.
///
/// The policy compiler checks every flow with this function.
pub fn missing_for_lists(
    snapshot: &Snapshot,
    statement: &Statement,
    zones: ZoneSet,
    segment: &Segment,
) -> Vec<(Field, Need)> {
    let mut missing = Vec::new();
    let editions: Vec<_> =
        zones.iter().filter_map(|zone| segment.editions.get(zone.index()).copied().flatten()).collect();
    if editions.is_empty() {
        return missing;
    }
    if statement.sector.is_none() {
        missing.push((Field::Sector, Need::ZoneHasList));
    }
    if statement.scenario.is_none() {
        missing.push((Field::Scenario, Need::ZoneHasList));
    }
    let (Some(sector), Some(scenario)) = (statement.sector, statement.scenario) else { return missing };
    let excludes_modalities = editions.iter().any(|edition| {
        let listed = snapshot.listed(*edition, sector, scenario);
        listed.is_some_and(|listed| !listed.listing.excluded_modalities.is_empty())
    });
    if excludes_modalities {
        for (index, item) in statement.items.iter().enumerate() {
            if item.modality.is_none() {
                missing.push((Field::Item(index, ItemField::Modality), Need::ListExcludesModalities));
            }
        }
    }
    missing
}

/// Returns the clearances whose scope covers a statement, regardless of their dates.
///
/// The policy compiler uses this function for every flow.
pub fn clearances_of(snapshot: &Snapshot, statement: &Statement) -> Vec<ClearanceId> {
    let (Some(exporter), Some(recipient)) = (statement.exporter, statement.recipient) else { return Vec::new() };
    let held = snapshot.clearances(exporter, recipient);
    if held.is_empty() {
        return Vec::new();
    }
    let items: Vec<Option<ItemId>> = statement.items.iter().map(|item| item.id).collect();
    let sought = Sought {
        recipient,
        destination: statement.destination,
        sector: statement.sector,
        scenario: statement.scenario,
        items: &items,
    };
    let covers = |id: &ClearanceId| snapshot.clearance(*id).is_some_and(|clearance| clearance.covers(sought));
    held.iter().map(|(_, _, id)| *id).filter(covers).collect()
}

/// Makes a statement from the request and its flow. Returns it with the facts that the caller claims
/// about a registered exporter.
fn state(
    snapshot: &Snapshot,
    asked: &Asked<'_>,
    flow: Option<&Flow>,
    violations: &mut Violations,
) -> Option<(Statement, Option<Facts>)> {
    let codes = &snapshot.codes;
    let registered = flow.map(|flow| &flow.statement);
    // Used below, so that a wrong exporter does not hide other violations.
    let exporter = exporter(snapshot, asked, flow, violations);
    let recipient = match asked.recipient {
        Some(name) => violations.name(Field::Recipient, &codes.recipients, name).map(RecipientId),
        None => registered.and_then(|statement| statement.recipient),
    };
    let destination = match asked.destination {
        Some(code) => violations.destination(code),
        None => registered.map(|statement| statement.destination).or_else(|| {
            missing_unless_flow(Field::Destination, asked, violations);
            None
        }),
    };
    let sector = match asked.sector {
        Some(code) => violations.code(Field::Sector, CodeKind::Sector, &codes.sectors, code).and_then(sector_id),
        None => registered.and_then(|statement| statement.sector),
    };
    let scenario = match asked.scenario {
        Some(code) => {
            violations.code(Field::Scenario, CodeKind::Scenario, &codes.scenarios, code).and_then(scenario_id)
        }
        None => registered.and_then(|statement| statement.scenario),
    };
    let items = items(snapshot, asked, registered, violations);
    let export_zones = match asked.export_zone {
        Some(code) => violations.zones(snapshot, Field::ExportZone, code).unwrap_or_default(),
        None => registered.map(|statement| statement.export_zones).unwrap_or_default(),
    };
    let (exporter, facts, claimed) = exporter?;
    let mut statement = Statement {
        exporter,
        facts,
        recipient,
        destination: destination?,
        sector,
        scenario,
        items,
        ground: asked.ground,
        export_zones,
    };
    if asked.ground.is_none()
        && let (Some(registered), Some(flow)) = (registered, asked.flow)
    {
        inherit_ground(&mut statement, registered, asked, flow, violations);
    }
    Some((statement, claimed))
}

/// Takes over the ground of the flow, but only for data that the flow was registered for.
fn inherit_ground(
    statement: &mut Statement,
    registered: &Statement,
    asked: &Asked<'_>,
    flow: &str,
    violations: &mut Violations,
) {
    let Some(ground) = registered.ground else { return };
    let is_same = (asked.recipient.is_none() || statement.recipient == registered.recipient)
        && statement.destination == registered.destination
        && statement.sector == registered.sector
        && statement.scenario == registered.scenario
        && statement.items.iter().all(|item| registered.items.iter().any(|known| known.id == item.id));
    if is_same || statement.destination == Destination::Mainland {
        statement.ground = Some(ground);
    } else {
        violations.add(Field::Ground, Problem::GroundNotInherited { flow: flow.to_owned() });
    }
}

/// Reports a missing field that a flow would supply. If the request names a flow, its name is wrong:
/// that violation is reported already, and the corrected flow will supply the field.
fn missing_unless_flow(field: Field, asked: &Asked<'_>, violations: &mut Violations) {
    if asked.flow.is_none() {
        violations.add(field, Problem::Missing(Need::UnlessFlow));
    }
    debug_assert!(!violations.0.is_empty(), "the caller refuses the request");
}

type ExporterFound = (Option<ExporterId>, Facts, Option<Facts>);

fn exporter(
    snapshot: &Snapshot,
    asked: &Asked<'_>,
    flow: Option<&Flow>,
    violations: &mut Violations,
) -> Option<ExporterFound> {
    let stated = asked.exporter_facts.as_ref().map(|facts| violations.facts(snapshot, facts));
    let named = match (asked.exporter, flow) {
        (Some(code), _) => {
            let code = violations.bounded(Field::Exporter, code)?;
            let vocabulary = &snapshot.codes.exporters;
            let known = vocabulary.get(code).map(ExporterId);
            if known.is_none() && flow.is_none() {
                if stated.is_none() {
                    violations.unknown(Field::Exporter, CodeKind::Exporter, vocabulary, code);
                    return None;
                }
                // Otherwise a registered exporter would lose its registered facts through a misspelt name.
                if let Some(number) = vocabulary.slip(code, |_| true) {
                    let nearest = vocabulary.word(number).to_owned();
                    violations.add(Field::Exporter, Problem::NearExporter { code: code.to_owned(), nearest });
                    return None;
                }
                // The ledger keeps totals under this name.
                violations.new_name(Field::Exporter, code)?;
            }
            known
        }
        (None, Some(flow)) => Some(flow.exporter),
        (None, None) => {
            missing_unless_flow(Field::Exporter, asked, violations);
            return None;
        }
    };
    if let Some(flow) = flow.filter(|flow| named != Some(flow.exporter)) {
        let registered = snapshot.codes.exporters.word(flow.exporter.0).to_owned();
        violations.add(Field::Exporter, Problem::OtherExportersFlow { registered });
        return None;
    }
    match named {
        Some(id) => Some((Some(id), snapshot.exporter(id)?.facts, stated)),
        None => Some((None, stated?, None)),
    }
}

fn items(
    snapshot: &Snapshot,
    asked: &Asked<'_>,
    registered: Option<&Statement>,
    violations: &mut Violations,
) -> Vec<Item> {
    if asked.data.is_empty() {
        if registered.is_none() {
            missing_unless_flow(Field::Data, asked, violations);
        }
        return registered.map(|statement| statement.items.clone()).unwrap_or_default();
    }
    if ITEMS_MAX < asked.data.len() {
        violations.add(Field::Data, Problem::TooMany { count: asked.data.len(), max: ITEMS_MAX });
        return Vec::new();
    }
    asked.data.iter().enumerate().filter_map(|(index, item)| violations.item(snapshot, index, item)).collect()
}

fn check_persons(snapshot: &Snapshot, found: &Found<'_>, persons: Option<Headcount>, violations: &mut Violations) {
    if found.destination == Destination::Mainland {
        return;
    }
    let routes = std::iter::once(&*found.route).chain(found.claimed.as_deref());
    let counts = |route: &Route| route.content.is_personal() || !route.groups.is_empty();
    let is_counted = routes.clone().any(counts);
    let is_important = || routes.clone().any(|route| route.content.important);
    // Important data may concern no person. If a clearance has a cap, the request has to say so.
    let is_capped = || {
        let mut clearances = found.clearances.iter().filter_map(|id| snapshot.clearance(*id));
        clearances.any(|clearance| clearance.persons_per_year_max.is_some())
    };
    match persons {
        None if is_counted || is_important() && is_capped() => {
            violations.add(Field::Counts(Counts::Persons), Problem::Missing(Need::PersonalInformation));
        }
        Some(persons) if persons != Headcount::ZERO && !is_counted && !is_important() => {
            violations.add(Field::Counts(Counts::Persons), Problem::PersonsWithoutPersonalInformation);
        }
        _ => {}
    }
}

fn sector_id(number: u32) -> Option<SectorId> {
    u16::try_from(number).ok().map(SectorId)
}

fn scenario_id(number: u32) -> Option<ScenarioId> {
    u16::try_from(number).ok().map(ScenarioId)
}
