//! The part of the decision that counts cannot change: steps 1 to 6 of the procedure, as far as
//! exporter, destination, items, ground, sector and scenario reach.
//!
//! A [`Route`] says either what is required whatever the counts, or which lines the counts have
//! to be held against. It is worked out once for each flow and stretch of time when policies
//! are compiled, and once for each request that names no flow. [`super::evaluate`] does the rest.

use super::list::{
    CiioCounts, CiioUse, Edition, ExportFrom, FilingMode, Line, LinePair, Lines, ListLine, National, PartOfHolding,
    Quantities, ScenariosKnown, SectorListing,
};
use super::reason::{Measured, Outcome, Reason, ReasonCode};
use super::snapshot::{Segment, Snapshot};
use super::statement::{Ciio, Destination, Facts, Item, Statement};
use super::units::{Class, CountedClass, EditionId, FamilyId, Persons, RuleId, ScenarioId, SectorId, StepId, ZoneSet};

/// What follows from a statement in one stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Route {
    /// What is required whatever the counts.
    pub required: Outcome,
    /// Why, and what else was found.
    pub reasons: Vec<Reason>,
    /// Next step in place of the usual one, or the report that follows an ALLOW.
    pub step: Option<StepId>,
    /// Editions under which data that is not personal has to be filed.
    pub filings: Vec<EditionId>,
    /// Head-counts from which on the data is important.
    pub groups: Vec<Group>,
    /// Lists whose lines the counts are held against; none where no count matters.
    pub tracks: Vec<Track>,
    /// What kinds of information the items are.
    pub content: Content,
    /// Next steps of the national procedures.
    pub steps: NationalSteps,
}

/// What kinds of information a transfer consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Content {
    /// Some item is personal information that is not sensitive.
    pub general: bool,
    /// Some item is sensitive personal information.
    pub sensitive: bool,
    /// Some item is important data by itself, whatever the head-counts.
    pub important: bool,
}

impl Content {
    /// Says whether there is personal information.
    pub const fn is_personal(self) -> bool {
        self.general || self.sensitive
    }
}

/// Next steps of the national procedures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NationalSteps {
    /// For CONTRACT.
    pub contract: Option<StepId>,
    /// For ASSESS.
    pub assess: Option<StepId>,
}

/// A number of persons from which on what is sent is important data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group {
    /// First head-count at which it is.
    pub from: Persons,
    /// Which persons are counted; `None`: both classes together.
    pub class: Option<CountedClass>,
    /// Reason to give.
    pub code: ReasonCode,
    /// The entry or rule.
    pub rule: RuleId,
    /// Next step in place of the usual one.
    pub step: Option<StepId>,
}

/// The lines of one list, and what it asks for below them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Track {
    /// The lines, each with the counter that it is held against.
    pub lines: Lines<TrackLine>,
    /// How lines that stand in for a list's own are held against the national counters.
    pub national_lines: NationalLines,
    /// What is asked for below the lines.
    pub below: Below,
    /// The scenario's own counters, where a list has a number of its own.
    pub own: Option<OwnCounter>,
    /// Art. 5(1)(4), where it frees from what is asked for below the lines: the contract line of
    /// the general national counter, and the rule.
    pub small_volume: Option<SmallVolume>,
}

/// The small volume of art. 5(1)(4): nothing sensitive, and a general total below the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SmallVolume {
    /// First general head-count of the year that is no longer a small volume.
    pub line: Persons,
    /// The rule.
    pub rule: RuleId,
}

/// A line and the counter that it is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TrackLine {
    /// The line.
    pub line: Line,
    /// The counter.
    pub counter: Counter,
}

/// A counter of persons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counter {
    /// All countable exports of the exporter in the year.
    National,
    /// Those in one scenario of a zone list.
    Scenario,
}

/// How national lines are applied on a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NationalLines {
    /// As the Provisions have them: none of them where nothing sensitive is sent and the general
    /// total is below the contract line, all of them otherwise.
    AsWritten,
    /// Beside lines of the list's own: each for the class of information that is sent.
    ByClass,
}

/// Whose counters a track has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnCounter {
    /// The family of editions.
    pub family: FamilyId,
    /// The sector.
    pub sector: SectorId,
    /// The scenario.
    pub scenario: ScenarioId,
}

/// What is asked for where no line is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Below {
    /// What is required.
    pub required: Outcome,
    /// Reason to give.
    pub code: ReasonCode,
    /// The list or rule.
    pub rule: RuleId,
    /// Next step.
    pub step: Option<StepId>,
    /// The edition that a zone filing has to name; `None` on the national track.
    pub edition: Option<EditionId>,
}

/// Works out what follows from a statement in a segment of time.
///
/// The order of the steps is the order of section 2 of the design; the first that settles the
/// transfer ends it.
pub fn route(snapshot: &Snapshot, statement: &Statement, segment: &Segment) -> Route {
    let Some(national) = segment.national.and_then(|id| snapshot.national(id)) else {
        return without_rules(statement);
    };
    let mut route = Route::empty(national);
    if statement.destination == Destination::Mainland {
        let reason = Reason::new(ReasonCode::NotAnExport, national.rules.not_an_export, Outcome::Allow);
        return route.settled(reason);
    }
    let in_force = in_force(segment, statement.facts.zones);
    classify(snapshot, statement, national, &in_force, &mut route);
    identify_holdings(snapshot, statement, &in_force, &mut route);
    let is_ciio = statement.facts.ciio == Ciio::Yes;
    let ciio_reason = Reason::new(ReasonCode::CriticalInformationInfrastructure, national.rules.ciio, Outcome::Assess);
    let important = route.required == Outcome::Assess;
    if important {
        // What is important anyway does not become so by the number of persons.
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
        return route.settled(Reason::new(code, national.rules.of_ground(ground), Outcome::Allow));
    }
    if is_ciio {
        return route.settled(ciio_reason);
    }
    for listing in &listings {
        add_listed_track(national, statement, listing, &mut route);
    }
    if listings.iter().all(|listing| listing.content == ListedContent::Part) {
        route.tracks.push(Track::national(national));
    }
    route
}

impl Route {
    fn empty(national: &National) -> Route {
        Route {
            required: Outcome::Allow,
            reasons: Vec::new(),
            step: None,
            filings: Vec::new(),
            groups: Vec::new(),
            tracks: Vec::new(),
            content: Content::default(),
            steps: NationalSteps { contract: Some(national.contract_step), assess: Some(national.assess_step) },
        }
    }

    fn settled(mut self, reason: Reason) -> Route {
        self.required = self.required.max(reason.requires);
        self.reasons.push(reason);
        self
    }

    fn require(&mut self, reason: Reason, step: Option<StepId>) {
        self.required = self.required.max(reason.requires);
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
        self.step = self.step.or(step);
    }

    fn note(&mut self, code: ReasonCode, rule: RuleId) {
        let reason = Reason::new(code, rule, Outcome::Allow);
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}

/// The strictest answer, for a moment at which no national rules are in force.
fn without_rules(statement: &Statement) -> Route {
    let general = statement.items.iter().any(|item| item.declared != Some(Class::NonPersonal));
    Route {
        required: Outcome::Assess,
        reasons: vec![Reason::new(ReasonCode::NoRulesInForce, RuleId(0), Outcome::Assess)],
        step: None,
        filings: Vec::new(),
        groups: Vec::new(),
        tracks: Vec::new(),
        content: Content { general, sensitive: false, important: true },
        steps: NationalSteps::default(),
    }
}

/// Editions in force in the zones of an exporter, each once.
fn in_force(segment: &Segment, zones: ZoneSet) -> Vec<EditionId> {
    let mut editions = Vec::new();
    for zone in zones.iter() {
        if let Some(edition) = segment.editions.get(zone.index()).copied().flatten() {
            editions.push(edition);
        }
    }
    editions
}

/// Step 2, as far as it looks at the items: what class each has, and why it is important.
fn classify(
    snapshot: &Snapshot,
    statement: &Statement,
    national: &National,
    in_force: &[EditionId],
    route: &mut Route,
) {
    let important = national.rules.important_data;
    for item in &statement.items {
        let catalogued = item.id.map(|id| snapshot.class_of(id));
        if item.declared == Some(Class::Important) {
            let reason = Reason::new(ReasonCode::ImportantDataDeclared, important, Outcome::Assess);
            route.require(reason, None);
        }
        if catalogued == Some(Class::Important) {
            let reason = Reason::new(ReasonCode::ImportantDataInCatalogue, important, Outcome::Assess);
            route.require(reason, None);
        }
        let mut classes = Classes::default();
        classes.add(item.declared.max(catalogued).unwrap_or(Class::Important));
        for class in [item.declared, catalogued].into_iter().flatten() {
            classes.add(class);
        }
        for edition in in_force {
            add_listed_classes(snapshot, statement, item, *edition, &mut classes, route);
        }
        route.content.important |= classes.important;
        route.content.sensitive |= classes.sensitive;
        // Sensitive takes the place of general, but of what is important every side counts.
        route.content.general |= classes.general && (classes.important || !classes.sensitive);
    }
}

/// The classes that anybody gives an item, besides that it is not personal.
#[derive(Default)]
struct Classes {
    general: bool,
    sensitive: bool,
    important: bool,
}

impl Classes {
    const fn add(&mut self, class: Class) {
        match class {
            Class::NonPersonal => {}
            Class::General => self.general = true,
            Class::Sensitive => self.sensitive = true,
            Class::Important => self.important = true,
        }
    }
}

/// What the entries of one edition make of an item. Entries that ask for a number of persons
/// become groups, because the number is not known yet.
fn add_listed_classes(
    snapshot: &Snapshot,
    statement: &Statement,
    item: &Item,
    edition: EditionId,
    classes: &mut Classes,
    route: &mut Route,
) {
    let Some(id) = item.id else { return };
    for named in snapshot.named(id, edition) {
        let Some(condition) = snapshot.lists.conditions.get(named.condition as usize) else { continue };
        if !condition.catches(statement.scope(), item.modality, item.attributes) {
            continue;
        }
        match condition.persons_at_least {
            Some(from) if condition.class == Class::Important => {
                let code = ReasonCode::ImportantDataGroupSize;
                let group = Group { from, class: None, code, rule: named.rule, step: condition.step };
                if !route.groups.contains(&group) {
                    route.groups.push(group);
                }
            }
            // A lesser class that depends on a head-count applies whatever the count: stricter, and one rule fewer.
            _ => {
                classes.add(condition.class);
                if condition.class == Class::Important {
                    let reason = Reason::new(ReasonCode::ImportantDataListed, named.rule, Outcome::Assess);
                    route.require(reason, condition.step);
                }
            }
        }
    }
}

/// Step 2, as far as it looks at the exporter's holdings.
fn identify_holdings(snapshot: &Snapshot, statement: &Statement, in_force: &[EditionId], route: &mut Route) {
    if !route.content.is_personal() {
        return;
    }
    for edition in in_force {
        let Some(quantities) = snapshot.edition(*edition).and_then(|edition| edition.quantities) else { continue };
        match quantities.part_of_large_holding {
            PartOfHolding::Important => hold_against_holdings(quantities, &statement.facts, route),
            PartOfHolding::NotImportant => hold_against_what_is_sent(quantities, &statement.facts, route),
        }
    }
}

fn hold_against_holdings(quantities: Quantities, facts: &Facts, route: &mut Route) {
    let ciio_held = match quantities.ciio_counts {
        CiioCounts::PersonalInformation => facts.held.total(),
        CiioCounts::Sensitive => facts.held.sensitive,
    };
    let ciio_line = quantities.ciio.filter(|_| facts.ciio == Ciio::Yes);
    let held = [
        (quantities.general, facts.held.general),
        (quantities.sensitive, facts.held.sensitive),
        (quantities.specially_sensitive, facts.held_specially_sensitive),
        (ciio_line, ciio_held),
    ];
    for (line, persons) in held {
        let Some(line) = line.filter(|line| line.from <= persons) else { continue };
        let measured = Some(Measured { persons, line: line.from });
        let code = ReasonCode::ImportantDataHeld;
        route.require(Reason { code, rule: line.rule, requires: Outcome::Assess, measured }, None);
        route.content.important = true;
    }
}

fn hold_against_what_is_sent(quantities: Quantities, facts: &Facts, route: &mut Route) {
    let ciio_class = match quantities.ciio_counts {
        CiioCounts::PersonalInformation => None,
        CiioCounts::Sensitive => Some(CountedClass::Sensitive),
    };
    let ciio_line = quantities.ciio.filter(|_| facts.ciio == Ciio::Yes);
    let sent = [
        (quantities.general, Some(CountedClass::General)),
        (quantities.sensitive, Some(CountedClass::Sensitive)),
        // What is sent is not counted by special sensitivity: all that is sensitive may be.
        (quantities.specially_sensitive, Some(CountedClass::Sensitive)),
        (ciio_line, ciio_class),
    ];
    for (line, class) in sent {
        let Some(line) = line else { continue };
        let code = ReasonCode::ImportantDataHeld;
        route.groups.push(Group { from: line.from, class, code, rule: line.rule, step: None });
    }
}

/// A list that applies to the exporter and lists the transfer's scenario.
struct Listing<'s> {
    id: EditionId,
    edition: &'s Edition,
    lines: Lines<ListLine>,
    rule: RuleId,
    content: ListedContent,
}

/// How much of what is sent a list covers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ListedContent {
    /// All of it.
    All,
    /// Not the items of a modality that the list excludes.
    Part,
}

/// Finds the lists under which the exporter may send in this scenario, and says why others do not apply.
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
        let Some(listing) = snapshot.sector(*id, sector) else { continue };
        let written = snapshot.scenario(*id, sector, scenario);
        let taken_as_listed = listing.scenarios == ScenariosKnown::NotAll && scenario != ScenarioId::OTHER;
        if written.is_none() && !taken_as_listed {
            continue;
        }
        let Some(content) = eligible(statement, edition, listing, route) else { continue };
        if written.is_none() {
            route.note(ReasonCode::ScenarioNotKnownToBeListed, listing.rule);
        }
        let (lines, rule) = written.map_or((listing.lines, listing.rule), |written| (written.lines, written.rule));
        found.push(Listing { id: *id, edition, lines, rule, content });
    }
    found
}

/// Says whether exporter and data may use a list that lists the scenario, and how much of the data.
fn eligible(
    statement: &Statement,
    edition: &Edition,
    listing: &SectorListing,
    route: &mut Route,
) -> Option<ListedContent> {
    if statement.facts.ciio == Ciio::Yes && edition.ciio == CiioUse::Excluded {
        return None;
    }
    if edition.export_from == ExportFrom::Zone && !statement.export_zones.contains(edition.zone) {
        route.note(ReasonCode::NotExportedFromZone, edition.rule);
        return None;
    }
    if listing.excluded_kinds.intersects(statement.facts.kinds) {
        route.note(ReasonCode::ExporterKindExcluded, listing.rule);
        return None;
    }
    let excluded = |item: &Item| item.modality.is_some_and(|m| listing.excluded_modalities.contains(m));
    if !statement.items.iter().any(excluded) {
        return Some(ListedContent::All);
    }
    route.note(ReasonCode::ModalityExcluded, listing.rule);
    if statement.items.iter().all(excluded) { None } else { Some(ListedContent::Part) }
}

/// Step 3: no personal information. A filing that covers such data is the only thing asked for.
fn non_personal(national: &National, listings: &[Listing<'_>], mut route: Route) -> Route {
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

/// Step 6: a listed scenario, with the list's lines or the national ones in their place.
fn add_listed_track(national: &National, statement: &Statement, listing: &Listing<'_>, route: &mut Route) {
    let (Some(sector), Some(scenario)) = (statement.sector, statement.scenario) else { return };
    let lines = Lines {
        general: pair(listing.lines.general, national.lines.general),
        sensitive: pair(listing.lines.sensitive, national.lines.sensitive),
    };
    let all = [lines.general.contract, lines.general.assess, lines.sensitive.contract, lines.sensitive.assess];
    let has_own = all.iter().any(|line| line.counter == Counter::Scenario);
    let written = listing.lines;
    let unknown =
        [written.general.contract, written.general.assess, written.sensitive.contract, written.sensitive.assess]
            .contains(&ListLine::Unknown);
    if unknown {
        route.note(ReasonCode::LineUnknown, listing.rule);
    }
    let own = has_own.then_some(OwnCounter { family: listing.edition.family, sector, scenario });
    let national_lines = if has_own { NationalLines::ByClass } else { NationalLines::AsWritten };
    let frees = SmallVolume { line: national.lines.general.contract.from, rule: national.rules.small_volume };
    let small_volume = listing.edition.small_volume_frees.then_some(frees);
    route.tracks.push(Track { lines, national_lines, below: below(listing), own, small_volume });
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

impl Track {
    /// Step 7: the national lines and counters.
    fn national(national: &National) -> Track {
        let line = |line: Line| TrackLine { line, counter: Counter::National };
        let pair = |pair: LinePair<Line>| LinePair { contract: line(pair.contract), assess: line(pair.assess) };
        let below = Below {
            required: Outcome::Allow,
            code: ReasonCode::SmallVolume,
            rule: national.rules.small_volume,
            step: None,
            edition: None,
        };
        Track {
            lines: Lines { general: pair(national.lines.general), sensitive: pair(national.lines.sensitive) },
            national_lines: NationalLines::AsWritten,
            below,
            own: None,
            small_volume: None,
        }
    }

    /// Returns the lines of one class.
    pub const fn lines_of(&self, class: CountedClass) -> LinePair<TrackLine> {
        match class {
            CountedClass::General => self.lines.general,
            CountedClass::Sensitive => self.lines.sensitive,
        }
    }

    /// Returns the four lines.
    fn all_lines(&self) -> [TrackLine; 4] {
        let Lines { general, sensitive } = self.lines;
        [general.contract, general.assess, sensitive.contract, sensitive.assess]
    }
}

/// Which of the year's totals a route is decided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Needs {
    /// The national counters.
    pub national: bool,
    /// The scenario's own counters.
    pub scenario: bool,
}

impl Route {
    /// Says which of the year's totals the lines and the sizes of groups are held against.
    pub fn needs(&self) -> Needs {
        let lines = self.tracks.iter().flat_map(Track::all_lines);
        let national = lines.clone().any(|line| line.counter == Counter::National)
            || self.tracks.iter().any(|track| track.small_volume.is_some())
            || !self.groups.is_empty();
        Needs { national, scenario: lines.into_iter().any(|line| line.counter == Counter::Scenario) }
    }
}
