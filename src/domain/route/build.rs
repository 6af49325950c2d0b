//! Builds the route of a statement: steps 1 to 6 of the procedure, as far as they depend on exporter,
//! destination, items, ground, sector and scenario.
//!
//! The policy compiler builds the routes of each flow, one for each stretch of time. For a request without a
//! flow, [`resolve`](crate::domain::resolve) builds one. [`evaluate`](crate::domain::evaluate) does the rest.

use crate::domain::important::{classify, identify_holdings};
use crate::domain::list::{
    CiioUse, Edition, ExportFrom, FilingMode, Line, LinePair, Lines, ListLine, National, SectorListing,
};
use crate::domain::reason::{Outcome, Reason, ReasonCode};
use crate::domain::route::{
    Apart, Below, Content, Counter, NationalSteps, OwnCounter, Route, SmallVolume, Track, TrackLine,
};
use crate::domain::snapshot::{Segment, Snapshot};
use crate::domain::statement::{Ciio, Destination, Item, Statement};
use crate::domain::units::{Class, Country, EditionId, Headcount, RuleId, StepId, ZoneSet};

/// Builds the route of a statement in a segment of time.
///
/// The steps are in the order of the rules; the first step that settles the transfer ends the procedure.
pub fn route(snapshot: &Snapshot, statement: &Statement, segment: &Segment) -> Route {
    let mut route = steps(snapshot, statement, segment);
    if route.is_sized() {
        let zones = statement.facts.zones;
        let own = route.apart_once().fold(Headcount::ZERO, |sum, apart| sum + apart.alone_max);
        (route.group_zones, route.elsewhere_alone_max) = (zones, snapshot.alone_max_of_zones(zones).less(own));
    }
    route
}

fn steps(snapshot: &Snapshot, statement: &Statement, segment: &Segment) -> Route {
    let Some(national) = segment.national.and_then(|id| snapshot.national(id)) else {
        return without_rules(statement);
    };
    let mut route = Route::empty(national);
    if statement.destination == Destination::Mainland {
        let reason = Reason::new(ReasonCode::NotAnExport, national.rules.not_an_export, Outcome::Allow);
        return route.settled(reason);
    }
    route.steps.area_contract = area_contract(statement, segment);
    let in_force = in_force(segment, statement.facts.zones);
    classify(snapshot, statement, national, &in_force, &mut route);
    identify_holdings(snapshot, statement, &in_force, &mut route);
    let is_ciio = statement.facts.ciio == Ciio::Yes;
    let ciio_reason = Reason::new(ReasonCode::CriticalInformationInfrastructure, national.rules.ciio, Outcome::Assess);
    let is_important = route.required == Outcome::Assess;
    if is_important {
        // The lists that apply give no reason here; only their counters matter.
        let mut unused = Route::empty(national);
        let listings = listings(snapshot, statement, &in_force, &mut unused);
        route.without_track = counted_apart(&listings);
        // The data is important already, whatever the number of persons.
        route.groups.clear();
        if is_ciio && route.content.is_personal() && statement.ground.is_none() {
            route.reasons.push(ciio_reason);
        }
        return route;
    }
    let listings = listings(snapshot, statement, &in_force, &mut route);
    if !route.content.is_personal() {
        return non_personal(national, &listings, route);
    }
    if let Some(ground) = statement.ground {
        let code = ReasonCode::of_ground(ground);
        route.without_track = counted_apart(&listings);
        return route.settled(Reason::new(code, national.rules.of_ground(ground), Outcome::Allow));
    }
    if is_ciio {
        route.without_track = counted_apart(&listings);
        return route.settled(ciio_reason);
    }
    for listing in &listings {
        add_listed_track(national, listing, &mut route);
    }
    if listings.iter().all(|listing| listing.applies == Applies::Possibly) {
        route.tracks.push(Track::national(national));
    }
    route
}

/// Returns the step of the Greater Bay Area contract, if it is open to the exporter for the destination at the moment.
///
/// No official text says whether an operator of critical information infrastructure may use it, so it is closed to them.
fn area_contract(statement: &Statement, segment: &Segment) -> Option<StepId> {
    let is_open = statement.facts.in_greater_bay_area && statement.facts.ciio == Ciio::No;
    match statement.destination {
        Destination::Abroad(Country::HONG_KONG) if is_open => segment.area.hong_kong,
        Destination::Abroad(Country::MACAO) if is_open => segment.area.macao,
        Destination::Abroad(_) | Destination::Mainland => None,
    }
}

/// Returns the strictest route, for a moment at which no national rules are in force.
fn without_rules(statement: &Statement) -> Route {
    let general = statement.items.iter().any(|item| item.declared != Some(Class::NonPersonal));
    Route {
        required: Outcome::Assess,
        reasons: vec![Reason::new(ReasonCode::NoRulesInForce, RuleId(0), Outcome::Assess)],
        content: Content { general, sensitive: false, important: true },
        ..Route::of_steps(NationalSteps::default())
    }
}

/// Returns the editions in force in the zones of an exporter, each once.
fn in_force(segment: &Segment, zones: ZoneSet) -> Vec<EditionId> {
    let mut editions = Vec::new();
    for zone in zones.iter() {
        if let Some(edition) = segment.editions.get(zone.index()).copied().flatten() {
            editions.push(edition);
        }
    }
    editions
}

/// A list that applies to the exporter and lists the transfer's scenario.
struct Listing<'s> {
    id: EditionId,
    edition: &'s Edition,
    lines: Lines<ListLine>,
    rule: RuleId,
    apart: Apart,
    applies: Applies,
}

/// Returns the scenario counters of the lists that apply.
fn counted_apart(listings: &[Listing<'_>]) -> Vec<Apart> {
    listings.iter().map(|listing| listing.apart).collect()
}

/// Whether it is certain that a list applies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Applies {
    /// It applies to the whole transfer.
    Certainly,
    /// It applies to a part of the transfer, or depends on a fact that is unknown. The national rules are
    /// considered too, and the stricter result applies.
    Possibly,
}

/// Returns the lists that the exporter may use in this scenario, and notes why other lists do not apply.
fn listings<'s>(
    snapshot: &'s Snapshot,
    statement: &Statement,
    in_force: &[EditionId],
    route: &mut Route,
) -> Vec<Listing<'s>> {
    let mut found = Vec::new();
    let (Some(sector), Some(scenario)) = (statement.sector, statement.scenario) else { return found };
    for id in in_force {
        let Some(edition) = snapshot.edition(*id) else { continue };
        let Some(listed) = snapshot.listed(*id, sector, scenario) else { continue };
        let Some(mut applies) = eligible(statement, edition, listed.listing, route) else { continue };
        if !listed.is_written {
            route.note(ReasonCode::ScenarioNotKnownToBeListed, listed.rule);
            if listed.lines.has_own() {
                // The scenario may be unlisted, and the sector's own lines may be milder than the national ones.
                applies = Applies::Possibly;
            }
        }
        let own = OwnCounter { family: edition.family, sector, scenario };
        let apart = Apart { own, alone_max: snapshot.alone_max(own) };
        found.push(Listing { id: *id, edition, lines: listed.lines, rule: listed.rule, apart, applies });
    }
    found
}

/// Returns whether a list that lists the scenario applies to exporter and data; `None` if it does not.
fn eligible(statement: &Statement, edition: &Edition, listing: &SectorListing, route: &mut Route) -> Option<Applies> {
    if statement.facts.ciio == Ciio::Yes && edition.ciio == CiioUse::Excluded {
        return None;
    }
    let is_stated = !statement.export_zones.is_empty();
    let leaves_from_zone = statement.export_zones.contains(edition.zone);
    if edition.export_from == ExportFrom::Zone && is_stated && !leaves_from_zone {
        route.note(ReasonCode::NotExportedFromZone, edition.rule);
        return None;
    }
    if listing.excluded_kinds.intersects(statement.facts.kinds) {
        route.note(ReasonCode::ExporterKindExcluded, listing.rule);
        return None;
    }
    let excluded = |item: &Item| item.modality.is_some_and(|m| listing.excluded_modalities.contains(m));
    let mut applies = Applies::Certainly;
    if edition.export_from != ExportFrom::Anywhere && !leaves_from_zone {
        route.note(ReasonCode::ExportFromZoneUnclear, edition.rule);
        applies = Applies::Possibly;
    }
    if statement.items.iter().any(excluded) {
        route.note(ReasonCode::ModalityExcluded, listing.rule);
        applies = Applies::Possibly;
    }
    if statement.items.iter().all(excluded) { None } else { Some(applies) }
}

/// Step 3: no personal information. At most a filing that covers such data is required.
fn non_personal(national: &National, listings: &[Listing<'_>], mut route: Route) -> Route {
    if route.is_sized() {
        // A large enough number of persons would make the data important, so the persons are counted.
        route.without_track = counted_apart(listings);
    }
    let rule = national.rules.no_personal_information;
    for listing in listings {
        let filing = listing.edition.filing;
        if !filing.covers_non_personal {
            continue;
        }
        match filing.mode {
            FilingMode::BeforeExport => {
                let code = ReasonCode::NonPersonalDataInListedScenario;
                route.require(Reason::new(code, listing.rule, Outcome::File), filing.step);
                route.filings.push(listing.id);
            }
            FilingMode::AfterExport => route.step = route.step.or(filing.step),
            FilingMode::Never => {}
        }
    }
    route.settled(Reason::new(ReasonCode::NoPersonalInformation, rule, Outcome::Allow))
}

/// Step 6: a listed scenario, with the list's own lines or the national lines that replace them.
fn add_listed_track(national: &National, listing: &Listing<'_>, route: &mut Route) {
    let lines = Lines {
        general: pair(listing.lines.general, national.lines.general),
        sensitive: pair(listing.lines.sensitive, national.lines.sensitive),
    };
    let written = listing.lines;
    let unknown =
        [written.general.contract, written.general.assess, written.sensitive.contract, written.sensitive.assess]
            .contains(&ListLine::Unknown);
    if unknown {
        route.note(ReasonCode::LineUnknown, listing.rule);
    }
    let frees = SmallVolume { line: national.lines.general.contract.from, rule: national.rules.small_volume };
    let small_volume = listing.edition.small_volume_frees.then_some(frees);
    route.tracks.push(Track {
        lines,
        national_general_contract: national.lines.general.contract.from,
        below: below(listing),
        own: Some(listing.apart),
        small_volume,
    });
}

fn pair(written: LinePair<ListLine>, national: LinePair<Line>) -> LinePair<TrackLine> {
    let line = |written: ListLine, national: Line| match written {
        ListLine::Own(line) => TrackLine { line, counter: Counter::Scenario },
        ListLine::National | ListLine::Unknown => TrackLine { line: national, counter: Counter::National },
    };
    LinePair { contract: line(written.contract, national.contract), assess: line(written.assess, national.assess) }
}

fn below(listing: &Listing<'_>) -> Below {
    let (required, code) = match listing.edition.filing.mode {
        FilingMode::BeforeExport => (Outcome::File, ReasonCode::BelowListLines),
        FilingMode::AfterExport => (Outcome::Allow, ReasonCode::BelowListLinesReportAfterExport),
        FilingMode::Never => (Outcome::Allow, ReasonCode::BelowListLinesNoReport),
    };
    Below { required, code, rule: listing.rule, step: listing.edition.filing.step, edition: Some(listing.id) }
}
