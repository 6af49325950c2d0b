//! Flows that no rule of a zone list reaches, and holdings that do not match the data sent.
//!
//! A sector or scenario registered under the wrong one of two similar codes bypasses the list without an error: the
//! code exists. A flow with such a similar code gets a warning, every other flow a note.

use std::collections::HashMap;

use super::linter::Linter;
use crate::domain::list::Edition;
use crate::domain::reason::ReasonCode;
use crate::domain::registry::Flow;
use crate::domain::route::{Content, Route};
use crate::domain::snapshot::Snapshot;
use crate::domain::statement::{Ciio, Destination};
use crate::domain::units::{EditionId, ExporterId, FlowId, Moment, Persons, ScenarioId, SectorId};
use crate::policy::SourceFile;
use crate::policy::diagnostic::{Severity, Span};
use crate::policy::source::Document;
use crate::policy::source::registry as file;
use crate::policy::source::scalar::{Bilingual, both};

/// A flow that no rule of a zone list reaches.
const NOT_REACHED: &str = "P023";
/// An exporter that sends data of which it declares no holdings.
const NOTHING_HELD: &str = "P027";

pub(super) fn find(linter: &mut Linter<'_>, sources: &[SourceFile], snapshot: &Snapshot, at: Moment) {
    let names = Names::of(sources);
    for SourceFile { path, document, .. } in sources {
        let Document::Registry(file) = document else { continue };
        for source in &file.flows {
            let number = snapshot.codes.flows.get(&source.id.value.0).map(FlowId);
            let Some(flow) = number.and_then(|number| snapshot.flow(number)) else { continue };
            Reach { snapshot, names: &names, path, source, flow, at }.check(linter);
        }
    }
    let sent = sent(snapshot, at);
    for SourceFile { path, document, .. } in sources {
        let Document::Registry(file) = document else { continue };
        for exporter in &file.exporters {
            let number = snapshot.codes.exporters.get(&exporter.id.value.0);
            if let Some(sent) = number.and_then(|number| sent.get(&ExporterId(number))) {
                holdings(linter, path, exporter, sent);
            }
        }
    }
}

/// Names of sectors and scenarios, by code.
struct Names<'s> {
    sectors: HashMap<&'s str, &'s Bilingual>,
    scenarios: HashMap<&'s str, &'s Bilingual>,
}

impl<'s> Names<'s> {
    fn of(sources: &'s [SourceFile]) -> Self {
        let mut names = Self { sectors: HashMap::new(), scenarios: HashMap::new() };
        for source in sources {
            let Document::Catalogue(file) = &source.document else { continue };
            names.sectors.extend(file.sectors.iter().map(|word| (word.code.value.0.as_ref(), &word.name)));
            names.scenarios.extend(file.scenarios.iter().map(|word| (word.code.value.0.as_ref(), &word.name)));
        }
        names
    }
}

/// Returns a code with its name in both languages.
fn named(names: &HashMap<&str, &Bilingual>, code: &str) -> String {
    names.get(code).map_or_else(|| format!("`{code}`"), |name| format!("`{code}` ({})", both(name)))
}

/// Returns the code of `listed` that a code could be mistaken for: one name is part of the other.
fn look_alike<'l>(code: &str, listed: &[&'l str], names: &HashMap<&str, &Bilingual>) -> Option<&'l str> {
    let own = names.get(code)?;
    let is_part = |a: &str, b: &str, characters_min: usize| {
        let (a, b) = (a.to_lowercase(), b.to_lowercase());
        let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
        characters_min <= short.chars().count() && long.contains(&short)
    };
    listed.iter().copied().find(|candidate| {
        let Some(name) = names.get(candidate) else { return false };
        is_part(&own.zh.0, &name.zh.0, 2) || is_part(&own.en.0, &name.en.0, 5)
    })
}

/// One flow on one day.
struct Reach<'a> {
    snapshot: &'a Snapshot,
    names: &'a Names<'a>,
    path: &'a str,
    source: &'a file::Flow,
    flow: &'a Flow,
    at: Moment,
}

impl Reach<'_> {
    fn check(&self, linter: &mut Linter<'_>) {
        let id = &self.source.id.value.0;
        if self.flow.statement.destination == Destination::Mainland {
            let message = format!("the flow `{id}` goes to mainland China: it is not an export, and no rule applies");
            let help = "correct `destination` if the data leaves the mainland; HK, MO and TW are outside it".to_owned();
            return self.add(linter, Severity::Note, self.source.destination.span, message, help);
        }
        let statement = &self.flow.statement;
        let editions = self.editions();
        let Some(route) = self.route() else { return };
        let is_settled = statement.ground.is_some() || statement.facts.ciio == Ciio::Yes || route.content.important;
        let (Some(sector), Some(scenario)) = (statement.sector, statement.scenario) else { return };
        if is_settled || editions.is_empty() {
            return;
        }
        if editions.iter().any(|edition| self.lists(*edition, sector, scenario)) {
            self.check_listed(linter, route);
        } else {
            self.report_unlisted(linter, &editions, sector);
        }
    }

    fn add(&self, linter: &mut Linter<'_>, severity: Severity, span: Span, message: String, help: String) {
        linter.add((NOT_REACHED, severity), (self.path, span), (message, help));
    }

    fn route(&self) -> Option<&Route> {
        let segment = self.snapshot.segment_number(self.at);
        self.flow.route_in(segment).and_then(|id| self.snapshot.route(id))
    }

    /// Returns the editions in force in the exporter's zones that list any sectors.
    fn editions(&self) -> Vec<EditionId> {
        let (segment, _) = self.snapshot.segment(self.snapshot.segment_number(self.at));
        let Some(segment) = segment else { return Vec::new() };
        let zones = self.flow.statement.facts.zones.iter();
        let editions = zones.filter_map(|zone| segment.editions.get(zone.index()).copied().flatten());
        editions.filter(|edition| !self.listed_sectors(*edition).is_empty()).collect()
    }

    fn lists(&self, edition: EditionId, sector: SectorId, scenario: ScenarioId) -> bool {
        self.snapshot.listed(edition, sector, scenario).is_some()
    }

    fn listed_sectors(&self, edition: EditionId) -> Vec<&str> {
        let listed = self.snapshot.lists.sectors.iter().filter(|((of, _), _)| *of == edition);
        listed.map(|((_, sector), _)| self.snapshot.codes.sectors.word(u32::from(sector.0))).collect()
    }

    fn listed_scenarios(&self, edition: EditionId, sector: SectorId) -> Vec<&str> {
        let listed = self
            .snapshot
            .lists
            .scenarios
            .iter()
            .filter(|((of, in_sector, _), _)| (*of, *in_sector) == (edition, sector));
        listed.map(|((_, _, scenario), _)| self.snapshot.codes.scenarios.word(u32::from(scenario.0))).collect()
    }

    fn edition_ids(&self, editions: &[EditionId]) -> String {
        let ids = editions.iter().filter_map(|edition| self.snapshot.edition(*edition));
        ids.map(|edition| format!("`{}`", edition.id)).collect::<Vec<_>>().join(", ")
    }

    fn report_unlisted(&self, linter: &mut Linter<'_>, editions: &[EditionId], sector: SectorId) {
        let lists = self.edition_ids(editions);
        let (sector_code, scenario_code) = (&self.source.sector.value.0, &self.source.scenario.value.0);
        let has_sector = |edition: &&EditionId| self.snapshot.sector(**edition, sector).is_some();
        let Some(edition) = editions.iter().find(has_sector) else {
            let listed: Vec<&str> = editions.iter().flat_map(|edition| self.listed_sectors(*edition)).collect();
            let similar = look_alike(sector_code, &listed, &self.names.sectors);
            let noun = format!("the sector {}", named(&self.names.sectors, sector_code));
            let similar = similar.map(|similar| named(&self.names.sectors, similar));
            return self.report(linter, self.source.sector.span, &format!("{lists} does not list {noun}"), similar);
        };
        let listed = self.listed_scenarios(*edition, sector);
        let similar = look_alike(scenario_code, &listed, &self.names.scenarios);
        let similar = similar.map(|similar| named(&self.names.scenarios, similar));
        let noun = format!("the scenario {} in `{sector_code}`", named(&self.names.scenarios, scenario_code));
        self.report(linter, self.source.scenario.span, &format!("{lists} does not list {noun}"), similar);
    }

    fn report(&self, linter: &mut Linter<'_>, span: Span, why: &str, similar: Option<String>) {
        let message = format!("no zone list applies to the flow `{}`: {why}", self.source.id.value.0);
        if let Some(similar) = similar {
            let help = format!("the list has {similar}: is that the intended one?");
            self.add(linter, Severity::Warning, span, message, help);
        } else {
            let help = "nothing to do if no listed sector and scenario fits".to_owned();
            self.add(linter, Severity::Note, span, message, help);
        }
    }

    /// Reports why a list that has the flow's scenario does not apply to it.
    fn check_listed(&self, linter: &mut Linter<'_>, route: &Route) {
        let by_list = route.tracks.iter().any(|track| track.below.edition.is_some());
        if by_list || !route.content.is_personal() {
            return;
        }
        let why = route.reasons.iter().find_map(|reason| match reason.code {
            ReasonCode::NotExportedFromZone => Some((
                "it does not state that the data leaves from the zone",
                "add `export_zone` if it does; nothing to do otherwise",
            )),
            ReasonCode::ExporterKindExcluded => {
                Some(("the list excludes its kind of exporter", "nothing to do if `kinds` of the exporter is right"))
            }
            ReasonCode::ModalityExcluded => {
                Some(("the list excludes data of its modality", "nothing to do if `modality` of its items is right"))
            }
            _ => None,
        });
        let Some((why, help)) = why else { return };
        let message = format!("no zone list applies to the flow `{}`: {why}", self.source.id.value.0);
        self.add(linter, Severity::Note, self.source.id.span, message, help.to_owned());
    }
}

/// Data that an exporter sends, and a list that makes large holdings of it important data.
#[derive(Clone, Copy)]
struct Sent<'s> {
    content: Content,
    list: &'s str,
}

/// Returns the data that exporters send abroad, for lists that depend on holdings.
fn sent(snapshot: &Snapshot, at: Moment) -> HashMap<ExporterId, Sent<'_>> {
    let counting =
        |edition: &&Edition| edition.quantities.is_some() && edition.interval.until.is_none_or(|until| at < until);
    let editions: Vec<&Edition> = snapshot.lists.editions.iter().filter(counting).collect();
    let segment = snapshot.segment_number(at);
    let mut sent: HashMap<ExporterId, Sent<'_>> = HashMap::new();
    for flow in snapshot.registry.flows.iter().filter(|flow| flow.statement.destination != Destination::Mainland) {
        let zones = flow.statement.facts.zones;
        let list = editions.iter().find(|edition| zones.contains(edition.zone));
        let route = flow.route_in(segment).and_then(|id| snapshot.route(id));
        let (Some(list), Some(route)) = (list, route) else { continue };
        let of_exporter = sent.entry(flow.exporter).or_insert(Sent { content: Content::default(), list: &list.id });
        of_exporter.content.general |= route.content.general;
        of_exporter.content.sensitive |= route.content.sensitive;
    }
    sent
}

/// P027: a list that makes large holdings important data depends on the size of the holdings.
fn holdings(linter: &mut Linter<'_>, path: &str, exporter: &file::Exporter, sent: &Sent<'_>) {
    let classes = [
        ("general", sent.content.general, exporter.held.general.0),
        ("sensitive", sent.content.sensitive, exporter.held.sensitive.0),
    ];
    for (class, is_sent, held) in classes {
        if !is_sent || held != Persons::ZERO {
            continue;
        }
        let message = format!(
            "`{}` states that it holds no {class} information, but one of its flows sends some",
            exporter.id.value.0
        );
        let list = sent.list;
        let help =
            format!("state the number of persons in `held.{class}`: `{list}` makes large holdings important data");
        linter.add((NOTHING_HELD, Severity::Warning), (path, exporter.held.span), (message, help));
    }
}
