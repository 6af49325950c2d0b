//! Compiles the registry: exporters, clearances, and flows with their routes.

use std::collections::HashMap;

use jiff::ToSpan;

use super::builder::Builder;
use super::extensions;
use super::reference::{country, dangling, follow};
use super::terms::AreaDays;
use crate::domain::asked::ITEMS_MAX;
use crate::domain::clearance::{Clearance, ClearanceKind, ImportantData};
use crate::domain::path::Field;
use crate::domain::registry::{Exporter, Flow};
use crate::domain::resolve::{clearances_of, missing_for_lists};
use crate::domain::route::Route;
use crate::domain::route::build::route;
use crate::domain::snapshot::{AreaSteps, Segment, Snapshot};
use crate::domain::statement::{Ciio, Destination, Facts, Item, Statement};
use crate::domain::units::{
    AttributeId, AttributeSet, CityId, ClearanceId, Country, EditionId, ExporterId, Headcount, ItemId, KindId,
    NationalId, RecipientId, RouteId, ScenarioId, SectorId, ZoneId, ZoneSet,
};
use crate::policy::SourceFile;
use crate::policy::decode::Context;
use crate::policy::diagnostic::duplicate;
use crate::policy::source::Document;
use crate::policy::source::registry::{self as file, RegistryFile};
use crate::policy::source::scalar::{At, Class, Code, Modality, Name, OrAny, OrNone, YesNo};
use crate::policy::time;

/// Compiles the registry into the snapshot.
pub(super) fn compile(builder: &mut Builder<'_>, sources: &[SourceFile], snapshot: &mut Snapshot) {
    let files: Vec<(&str, &RegistryFile)> = sources
        .iter()
        .filter_map(|source| match &source.document {
            Document::Registry(file) => Some((source.path.as_str(), file.as_ref())),
            Document::Catalogue(_)
            | Document::National(_)
            | Document::Zone(_)
            | Document::Gateway(_)
            | Document::Test(_) => None,
        })
        .collect();
    for (path, file) in &files {
        for exporter in &file.exporters {
            let facts = facts(&mut builder.cx(path), snapshot, exporter);
            snapshot.registry.exporters.push(Exporter { facts });
        }
    }
    let mut ids: HashMap<&str, (&str, u32)> = HashMap::new();
    let clearances = files.iter().flat_map(|(path, file)| file.clearances.iter().map(move |source| (*path, source)));
    let mut clearances: Vec<_> = clearances.collect();
    // Where several clearances cover a transfer, an answer names the first: the least that suffices, whatever the order
    // of the files.
    clearances.sort_by_key(|(_, source)| (kind(source.kind).rank(), &source.id.value.0));
    for (path, source) in clearances {
        clearance(builder, path, snapshot, source, &mut ids);
    }
    extensions::check(builder, &files);
    snapshot.registry.clearance_keys.sort_unstable();
    let mut routes: HashMap<Route, RouteId> = HashMap::new();
    for (path, file) in &files {
        for source in &file.flows {
            let flow = flow(&mut builder.cx(path), snapshot, source, &mut routes);
            // A flow that does not compile has a diagnostic already; its number must still be taken.
            snapshot.registry.flows.push(flow.unwrap_or_else(unusable_flow));
        }
    }
}

fn unusable_flow() -> Flow {
    let statement = Statement {
        exporter: None,
        facts: Facts::default(),
        recipient: None,
        destination: Destination::Mainland,
        sector: None,
        scenario: None,
        items: Vec::new(),
        ground: None,
        export_zones: ZoneSet::default(),
    };
    Flow { exporter: ExporterId(u32::MAX), statement, routes: [].into(), clearances: [].into() }
}

fn facts(cx: &mut Context<'_>, snapshot: &Snapshot, source: &file::Exporter) -> Facts {
    let ciio = if source.ciio == YesNo::Yes { Ciio::Yes } else { Ciio::No };
    let held = Headcount { general: source.held.general.0, sensitive: source.held.sensitive.0 };
    let mut facts = Facts { ciio, held, ..Facts::default() };
    facts.held_specially_sensitive = source.held.specially_sensitive.0;
    for zone in &source.zones {
        if let Some(number) = follow(cx, &snapshot.codes.zones, &zone.value.0, zone.span, "zone") {
            let zones = u8::try_from(number).map(|number| snapshot.zone_closure(ZoneId(number)));
            facts.zones = facts.zones.union(zones.unwrap_or_default());
        }
    }
    for city in &source.cities {
        let number = follow(cx, &snapshot.codes.cities, &city.value.0, city.span, "city");
        let number = number.and_then(|number| u8::try_from(number).ok()).filter(|number| *number < 64);
        facts.in_greater_bay_area |=
            number.is_some_and(|number| snapshot.lists.greater_bay_area.contains(CityId(number)));
    }
    for kind in &source.kinds {
        let number = follow(cx, &snapshot.codes.kinds, &kind.value.0, kind.span, "kind of exporter");
        if let Some(number) = number.and_then(|number| u8::try_from(number).ok()).filter(|number| *number < 64) {
            facts.kinds.insert(KindId(number));
        }
    }
    facts
}

fn exporter(cx: &mut Context<'_>, snapshot: &Snapshot, name: &At<Name>) -> Option<ExporterId> {
    follow(cx, &snapshot.codes.exporters, &name.value.0, name.span, "exporter").map(ExporterId)
}

fn sector(cx: &mut Context<'_>, snapshot: &Snapshot, code: &At<Code>) -> Option<SectorId> {
    let number = follow(cx, &snapshot.codes.sectors, &code.value.0, code.span, "sector")?;
    u16::try_from(number).ok().map(SectorId)
}

fn scenario(cx: &mut Context<'_>, snapshot: &Snapshot, code: &At<Code>) -> Option<ScenarioId> {
    let number = follow(cx, &snapshot.codes.scenarios, &code.value.0, code.span, "scenario")?;
    u16::try_from(number).ok().map(ScenarioId)
}

fn clearance<'s>(
    builder: &mut Builder<'_>,
    path: &'s str,
    snapshot: &mut Snapshot,
    source: &'s file::Clearance,
    ids: &mut HashMap<&'s str, (&'s str, u32)>,
) {
    let number = ClearanceId(u32::try_from(snapshot.registry.clearances.len()).unwrap_or(u32::MAX));
    let years = builder.validity_years.of(source.kind);
    let area_days = builder.area_contracts_from;
    let editions = editions(builder, path, source);
    let mut cx = builder.cx(path);
    let id = &*source.id.value.0;
    if let Some((first, line)) = ids.get(id) {
        let message = duplicate(format_args!("clearance `{id}`"), format_args!("{first}:{line}"));
        let help = "each clearance needs its own id: rename or remove one of the two".to_owned();
        cx.error("P010", source.id.span, message, help);
    } else {
        ids.insert(id, (path, source.id.span.line));
    }
    check_clearance(&mut cx, source, years);
    check_area_contract(&mut cx, source, area_days);
    let sector = match &source.sector {
        OrAny::Any => Some(None),
        OrAny::Only(code) => sector(&mut cx, snapshot, code).map(Some),
    };
    let scenario = match &source.scenario {
        OrAny::Any => Some(None),
        OrAny::Only(code) => scenario(&mut cx, snapshot, code).map(Some),
    };
    let exporter = exporter(&mut cx, snapshot, &source.exporter);
    let mut items: Vec<ItemId> = Vec::new();
    for code in &source.items {
        items.extend(follow(&mut cx, &snapshot.codes.items, &code.value.0, code.span, "data item").map(ItemId));
    }
    items.sort_unstable();
    items.dedup();
    let recipient = snapshot.codes.recipients.get(&source.recipient.value.0).map(RecipientId);
    let interval = time::days(source.first_day.value.0, Some(source.last_day.value.0));
    let (Some(sector), Some(scenario), Some(exporter), Some(recipient), Some(interval)) =
        (sector, scenario, exporter, recipient, interval)
    else {
        return;
    };
    let is_covered = source.covers_important_data == YesNo::Yes;
    let zones = snapshot.exporter(exporter).map(|exporter| exporter.facts.zones).unwrap_or_default();
    let counted_apart = snapshot.counted_apart(zones, sector, scenario).into();
    snapshot.registry.clearance_keys.push((exporter, recipient, number));
    snapshot.registry.clearances.push(Clearance {
        id: source.id.value.0.clone(),
        kind: kind(source.kind),
        exporter,
        recipient,
        sector,
        scenario,
        items: items.into(),
        important_data: if is_covered { ImportantData::Covered } else { ImportantData::NotCovered },
        editions: editions.into(),
        destination: source.recipient_registered_in.as_ref().map(|place| country_of(place.value)),
        persons_per_year_max: match &source.persons_per_year_max {
            OrNone::None => None,
            OrNone::Some(cap) => Some(Headcount { general: cap.general.0, sensitive: cap.sensitive.0 }),
        },
        counted_apart,
        interval,
    });
}

fn editions(builder: &mut Builder<'_>, path: &str, source: &file::Clearance) -> Vec<EditionId> {
    let mut editions = Vec::new();
    for code in &source.lists {
        let known = builder.editions.get(&code.value.0).and_then(|number| u16::try_from(number).ok());
        if known.is_none() {
            let nearest = builder.editions.nearest(&code.value.0);
            let nearest = nearest.map(|number| builder.editions.word(number).to_owned());
            dangling(&mut builder.cx(path), code.span, &code.value.0, "edition of a list", nearest.as_deref());
        }
        editions.extend(known.map(EditionId));
    }
    editions
}

const fn kind(kind: file::ClearanceKind) -> ClearanceKind {
    match kind {
        file::ClearanceKind::Assessment => ClearanceKind::Assessment,
        file::ClearanceKind::Contract => ClearanceKind::Contract,
        file::ClearanceKind::Certification => ClearanceKind::Certification,
        file::ClearanceKind::GbaContract => ClearanceKind::AreaContract,
        file::ClearanceKind::ZoneFiling => ClearanceKind::ZoneFiling,
    }
}

const fn country_of(place: file::AreaPlace) -> Country {
    match place {
        file::AreaPlace::HongKong => Country::HONG_KONG,
        file::AreaPlace::Macao => Country::MACAO,
    }
}

/// Checks that a contract of the Greater Bay Area names one of the two places, and excludes onward transfers.
fn check_area_contract(cx: &mut Context<'_>, source: &file::Clearance, days: Option<AreaDays>) {
    let (place, onward) = (source.recipient_registered_in.as_ref(), source.no_onward_transfer.as_ref());
    if source.kind != file::ClearanceKind::GbaContract {
        let spans = [place.map(|place| place.span), onward.map(|onward| onward.span)];
        for span in spans.into_iter().flatten() {
            let message = "this key is for `kind: gba-contract` only".to_owned();
            cx.error("P017", span, message, "remove it, or correct `kind`".to_owned());
        }
        return;
    }
    if onward.is_none_or(|onward| onward.value == YesNo::No) {
        let message = "a contract of the Greater Bay Area excludes onward transfer out of the Area".to_owned();
        let help =
            "write `no_onward_transfer: yes` if that is agreed; otherwise the ordinary mechanisms apply".to_owned();
        cx.error("P017", onward.map_or(source.span, |onward| onward.span), message, help);
    }
    let Some(place) = place else {
        let message = "a contract of the Greater Bay Area has to state where its recipient is registered".to_owned();
        let help = "add `recipient_registered_in: HK` or `MO`: neither guideline covers the other place".to_owned();
        return cx.error("P017", source.span, message, help);
    };
    let Some(days) = days else {
        let message = "no national list has the contract of the Greater Bay Area".to_owned();
        let help = "add `gba-contract` to `mechanisms` and `procedures` of the national list".to_owned();
        return cx.error("P017", source.span, message, help);
    };
    let from = match place.value {
        file::AreaPlace::HongKong => days.hong_kong,
        file::AreaPlace::Macao => days.macao,
    };
    if source.first_day.value.0 < from {
        let message = format!("the contract begins before its guideline of {from}");
        let help = "correct `first_day`: no such contract could be concluded before".to_owned();
        cx.error("P042", source.first_day.span, message, help);
    }
}

fn check_clearance(cx: &mut Context<'_>, source: &file::Clearance, years: Option<u32>) {
    let is_filing = source.kind == file::ClearanceKind::ZoneFiling;
    if is_filing == source.lists.is_empty() {
        let (message, help) = if is_filing {
            ("a zone filing has to name the editions under which it was accepted", "add `lists: […]` with their ids")
        } else {
            ("`lists` is for `kind: zone-filing` only", "remove it, or correct `kind`")
        };
        cx.error("P017", source.span, message.to_owned(), help.to_owned());
    }
    if source.items.is_empty() {
        let help = "list in `items` every item that may be sent".to_owned();
        cx.error("P017", source.span, format!("the clearance `{}` covers no item", source.id.value.0), help);
    }
    if source.covers_important_data == YesNo::Yes && source.kind != file::ClearanceKind::Assessment {
        let help = "write `covers_important_data: no`: the other mechanisms do not cover important data".to_owned();
        cx.error("P017", source.span, "only an assessment covers important data".to_owned(), help);
    }
    let (first, last) = (source.first_day.value.0, source.last_day.value.0);
    if last < first {
        let help = "both days are included: `last_day` is the same day as `first_day`, or a later one".to_owned();
        cx.error("P014", source.last_day.span, "the last day is before the first".to_owned(), help);
    }
    let Some(years) = years.and_then(|years| i16::try_from(years).ok()) else { return };
    let Ok(end) = first.checked_add(i32::from(years).years()) else { return };
    if end <= last {
        let message = format!("the {} lasts longer than {years} years", kind(source.kind).name());
        let help = match end.yesterday() {
            Ok(end) => format!("{years} years from {first} end with {end}; register an extension as a separate entry"),
            Err(_) => "check the dates".to_owned(),
        };
        cx.warning("P022", source.last_day.span, message, help);
    }
}

fn flow(
    cx: &mut Context<'_>,
    snapshot: &mut Snapshot,
    source: &file::Flow,
    routes: &mut HashMap<Route, RouteId>,
) -> Option<Flow> {
    let statement = statement(cx, snapshot, source)?;
    let exporter = statement.exporter?;
    let mut of_flow: Vec<(u32, RouteId)> = Vec::new();
    let mut before = None;
    let mut reported: Vec<Field> = Vec::new();
    let segments = std::mem::take(&mut snapshot.lists.segments);
    for (number, segment) in segments.iter().enumerate() {
        let seen = relevant_facts(segment, statement.facts.zones);
        if before.as_ref() == Some(&seen) {
            continue;
        }
        before = Some(seen);
        for (field, _) in missing_for_lists(snapshot, &statement, statement.facts.zones, segment) {
            if !reported.contains(&field) {
                let message = format!("the flow `{}` lacks {field}", source.id.value.0);
                let help = "a list in force in the exporter's zone requires it".to_owned();
                cx.error("P017", source.span, message, help);
                reported.push(field);
            }
        }
        let found = route(snapshot, &statement, segment);
        let next = RouteId(u32::try_from(snapshot.registry.routes.len()).unwrap_or(u32::MAX));
        let id = *routes.entry(found.clone()).or_insert(next);
        if id == next {
            snapshot.registry.routes.push(found);
        }
        if of_flow.last().is_none_or(|(_, last)| *last != id) {
            of_flow.push((u32::try_from(number).unwrap_or(u32::MAX), id));
        }
    }
    snapshot.lists.segments = segments;
    let clearances = clearances_of(snapshot, &statement);
    Some(Flow { exporter, statement, routes: of_flow.into(), clearances: clearances.into() })
}

/// Returns everything in a segment that can make a difference to an exporter.
fn relevant_facts(segment: &Segment, zones: ZoneSet) -> (Option<NationalId>, AreaSteps, Vec<Option<EditionId>>) {
    let editions = zones.iter().map(|zone| segment.editions.get(zone.index()).copied().flatten()).collect();
    (segment.national, segment.area, editions)
}

fn statement(cx: &mut Context<'_>, snapshot: &Snapshot, source: &file::Flow) -> Option<Statement> {
    let exporter = exporter(cx, snapshot, &source.exporter);
    let sector = sector(cx, snapshot, &source.sector);
    let scenario = scenario(cx, snapshot, &source.scenario);
    let destination = country(cx, &source.destination).map(|country| match country {
        Country::MAINLAND => Destination::Mainland,
        country => Destination::Abroad(country),
    });
    let export_zones = match &source.export_zone {
        Some(code) => {
            let number = follow(cx, &snapshot.codes.zones, &code.value.0, code.span, "zone")?;
            u8::try_from(number).map(|number| snapshot.zone_closure(ZoneId(number))).unwrap_or_default()
        }
        None => ZoneSet::default(),
    };
    let items = items(cx, snapshot, source);
    let exporter = exporter?;
    Some(Statement {
        exporter: Some(exporter),
        facts: snapshot.exporter(exporter)?.facts,
        recipient: snapshot.codes.recipients.get(&source.recipient.value.0).map(RecipientId),
        destination: destination?,
        sector: Some(sector?),
        scenario: Some(scenario?),
        items,
        ground: source.ground.to_ground(),
        export_zones,
    })
}

fn items(cx: &mut Context<'_>, snapshot: &Snapshot, source: &file::Flow) -> Vec<Item> {
    if source.items.is_empty() || ITEMS_MAX < source.items.len() {
        let message = format!("the flow `{}` has {} items", source.id.value.0, source.items.len());
        cx.error("P017", source.span, message, format!("a flow has 1 to {ITEMS_MAX} items"));
    }
    let mut items = Vec::new();
    for item in &source.items {
        let id = follow(cx, &snapshot.codes.items, &item.code.value.0, item.code.span, "data item");
        let mut attributes = AttributeSet::default();
        for code in &item.attributes {
            let number = follow(cx, &snapshot.codes.attributes, &code.value.0, code.span, "attribute");
            if let Some(number) = number.and_then(|number| u8::try_from(number).ok()).filter(|number| *number < 64) {
                attributes.insert(AttributeId(number));
            }
        }
        let declared = item.class.map(Class::to_class);
        let modality = item.modality.map(Modality::to_modality);
        items.extend(id.map(|id| Item { id: Some(ItemId(id)), declared, modality, attributes }));
    }
    items
}
