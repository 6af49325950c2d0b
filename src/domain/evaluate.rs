//! The decision procedure from the point where counts matter: lines, then clearances.
//!
//! A total function: no clock, no I/O, no lock, no error. [`super::resolve`] has refused every request
//! that is incomplete or malformed. A total that is needed but unknown counts as above every line.

use super::clearance::{Clearance, ClearanceKind, ImportantData};
use super::counter::{Counted, CounterKey};
use super::decision::{Decision, Headroom};
use super::reason::{Measured, Outcome, PersonsOf, Reason, ReasonCode};
use super::route::{Content, Counter, Over, Route, Track, TrackLine};
use super::snapshot::Snapshot;
use super::transfer::{BEYOND, Totals, Transfer};
use super::units::{ClearanceId, CountedClass, EditionId, Headcount, Persons, RuleId, StepId};

/// Decides a transfer with the totals of the year.
///
/// ```
/// # use std::path::Path;
/// # use neglist::live::read::{ReadLimits, Selection, read};
/// # use neglist::policy::{self, Limits};
/// # let shipped = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/policies"));
/// # let files = read(shipped, &ReadLimits::default(), Selection::Policies).unwrap().policies;
/// # let snapshot = policy::compile(&files, &Limits { entries_max: 2_000_000, depth_max: 32 }).snapshot.unwrap();
/// use neglist::domain::asked::{Asked, AskedItem, AskedPersons};
/// use neglist::domain::evaluate::{evaluate, headroom};
/// use neglist::domain::reason::Outcome;
/// use neglist::domain::resolve::resolve;
/// use neglist::domain::transfer::Totals;
/// use neglist::domain::units::{Headcount, Moment, Persons};
///
/// // `snapshot` has the shipped policies; 2026-06-01T00:00:00Z.
/// let now = Moment::from_seconds(1_780_272_000);
/// let asked = Asked {
///     exporter: Some("91440000EXAMPLE004"),
///     destination: Some("DE"),
///     data: vec![AskedItem { code: "contact.name", ..AskedItem::default() }],
///     persons: Some(AskedPersons { general: 500, sensitive: 0 }),
///     ..Asked::default()
/// };
/// let transfer = resolve(&snapshot, &asked, now).unwrap();
/// let after = |general| {
///     let national = Headcount { general: Persons::new(general).unwrap(), ..Headcount::ZERO };
///     Totals { national: Some(national), ..Totals::default() }
/// };
/// // The contract line is at 100,000 persons, and the number itself is on the line.
/// assert_eq!(evaluate(&snapshot, &transfer, &after(99_499)).outcome, Outcome::Allow);
/// assert_eq!(evaluate(&snapshot, &transfer, &after(99_500)).outcome, Outcome::Contract);
/// // An unknown total counts as above every line.
/// assert_eq!(evaluate(&snapshot, &transfer, &Totals::default()).outcome, Outcome::Assess);
///
/// let rooms = headroom(&transfer, &after(90_000));
/// assert_eq!((rooms[0].line.get(), rooms[0].remaining(), rooms[0].next), (100_000, 9_499, Outcome::Contract));
/// ```
pub fn evaluate(snapshot: &Snapshot, transfer: &Transfer<'_>, totals: &Totals) -> Decision {
    let mut verdict = settle(snapshot, &transfer.route, transfer.persons, totals);
    if let Some(claimed) = &transfer.claimed {
        verdict = verdict.and(settle(snapshot, claimed, transfer.persons, totals));
    }
    let mut valid_until = transfer.stable_until;
    let mut cover = Cover::None;
    for id in transfer.clearances.iter() {
        let Some(clearance) = snapshot.clearance(*id) else { continue };
        if let Some(bound) = clearance.interval.next_bound(transfer.at) {
            valid_until = valid_until.min(bound);
        }
        let in_force = clearance.interval.contains(transfer.at);
        if verdict.required != Outcome::Allow
            && in_force
            && !matches!(cover, Cover::By(_))
            && verdict.is_covered_but_for_persons(clearance)
        {
            cover = cover.or(verdict.within_cap(*id, clearance, transfer, totals));
        }
    }
    verdict.into_decision(snapshot, cover, transfer, valid_until)
}

/// Whether a clearance covers a transfer.
#[derive(Debug, Clone, Copy)]
enum Cover {
    /// No clearance does.
    None,
    /// A clearance would cover it but for the persons of the year, for this reason.
    ButForPersons(ReasonCode, Option<Measured>),
    /// This clearance covers it.
    By(ClearanceId),
}

impl Cover {
    /// Returns the cover that says more. Of several clearances that do not cover the transfer, the first is reported.
    fn or(self, other: Cover) -> Cover {
        match (self, other) {
            (Cover::None, other) | (Cover::ButForPersons(..), other @ Cover::By(_)) => other,
            (first, _) => first,
        }
    }
}

/// Returns the head-room of each counter that the lines of the transfer are compared with.
pub fn headroom(transfer: &Transfer<'_>, totals: &Totals) -> Vec<Headroom> {
    let mut found: Vec<Headroom> = Vec::new();
    for route in transfer.routes() {
        let counts = Counts::project(route, transfer.persons, totals);
        for track in &route.tracks {
            for class in CountedClass::ALL {
                let pair = track.lines_of(class);
                let lines = [(pair.contract, Outcome::Contract), (pair.assess, Outcome::Assess)];
                let projected = counts.on(track);
                let next = lines.into_iter().find(|(line, _)| projected.of(line.counter, class) < line.line.from);
                let Some((line, next)) = next else { continue };
                let counted = match (line.counter, track.own) {
                    (Counter::National, _) => Counted::National,
                    (Counter::Scenario, Some(apart)) => Counted::Scenario(apart.own),
                    // A track with its own lines has its own counters.
                    (Counter::Scenario, None) => continue,
                };
                let key = CounterKey { counted, class };
                let projected = projected.of(line.counter, class);
                let found_here = Headroom { counter: key, year: transfer.year, projected, line: line.line.from, next };
                nearest(&mut found, found_here);
            }
        }
    }
    found
}

/// Adds the head-room of a counter, unless another of its lines is nearer.
fn nearest(found: &mut Vec<Headroom>, room: Headroom) {
    let order = |room: &Headroom| (room.line, std::cmp::Reverse(room.next));
    match found.iter_mut().find(|known| known.counter == room.counter) {
        Some(known) if order(&room) < order(known) => *known = room,
        Some(_) => {}
        None => found.push(room),
    }
}

/// The totals of the year with the transfer, and the content of the transfer.
pub(super) struct Counts<'t> {
    totals: &'t Totals,
    national: Headcount,
    pub(super) sent: Headcount,
    content: Content,
}

impl<'t> Counts<'t> {
    /// Projects the totals: the persons counted so far plus those of this transfer. A transfer with a
    /// sensitive item counts as at least one sensitive person.
    pub(super) fn project(route: &Route, persons: Headcount, totals: &'t Totals) -> Self {
        let sent = route.persons_sent(persons);
        let content = Content {
            general: route.content.general || persons.general != Persons::ZERO,
            sensitive: route.content.sensitive || persons.sensitive != Persons::ZERO,
            important: route.content.important,
        };
        let national = totals.national.unwrap_or(BEYOND);
        Counts { totals, national: national + sent, sent, content }
    }

    /// Returns the projected totals that the lines of a track are compared with.
    pub(super) fn on(&self, track: &Track) -> Projected {
        let before = track.own.as_ref().and_then(|apart| self.totals.of_scenario(apart.own));
        Projected { national: self.national, scenario: before.unwrap_or(BEYOND) + self.sent }
    }
}

/// The projected totals that the lines of a track are compared with.
pub(super) struct Projected {
    national: Headcount,
    /// Total of the track's own scenario.
    scenario: Headcount,
}

impl Projected {
    pub(super) const fn of(&self, counter: Counter, class: CountedClass) -> Persons {
        match counter {
            Counter::National => self.national.of(class),
            Counter::Scenario => self.scenario.of(class),
        }
    }
}

/// Returns an upper bound of the persons in the exports of the year, over all scenarios. An export in a listed scenario below
/// the list's own lower line is only in the scenario's counters. A caller states no totals of other scenarios; unless the
/// ledger knows such a total, the bound takes the most persons that its counters alone may hold.
fn group_of_year(snapshot: &Snapshot, route: &Route, totals: &Totals) -> Headcount {
    let (mut sum, mut largest) = (totals.national.unwrap_or(BEYOND), Headcount::ZERO);
    for apart in route.apart_once().filter(|apart| apart.alone_max != Headcount::ZERO) {
        let total = totals.of_scenario(apart.own).unwrap_or(BEYOND);
        sum = sum + total.min(apart.alone_max);
        largest = largest.max(total);
    }
    if totals.scenarios.is_empty() {
        return (sum + route.elsewhere_alone_max).max(largest);
    }
    for own in snapshot.counted_elsewhere(route) {
        let alone_max = snapshot.alone_max(own);
        let total = totals.read_of_scenario(own).unwrap_or(alone_max);
        sum = sum + total.min(alone_max);
        largest = largest.max(total);
    }
    sum.max(largest)
}

/// The outcome that the rules require before clearances, with its reasons.
struct Verdict {
    required: Outcome,
    reasons: Vec<Reason>,
    step: Option<StepId>,
    contract_step: Option<StepId>,
    assess_step: Option<StepId>,
    /// The contract of the Greater Bay Area, if it is open to the exporter for the destination.
    area_contract: Option<StepId>,
    /// Editions that a zone filing has to name.
    filings: Filings,
    /// Whether an assessment has to cover important data.
    is_important: bool,
    /// Content of the transfer. If the persons under a clearance are unknown, only the caps of classes that are sent apply.
    content: Content,
    /// Persons that the transfer adds.
    sent: Headcount,
}

/// Editions of zone lists. There is nearly always at most one, so the first needs no allocation.
#[derive(Default)]
struct Filings {
    first: Option<EditionId>,
    more: Vec<EditionId>,
}

impl Filings {
    fn add(&mut self, edition: EditionId) {
        match self.first {
            None => self.first = Some(edition),
            Some(_) => self.more.push(edition),
        }
    }

    fn add_all(&mut self, editions: impl IntoIterator<Item = EditionId>) {
        editions.into_iter().for_each(|edition| self.add(edition));
    }

    fn iter(&self) -> impl Iterator<Item = EditionId> {
        self.first.into_iter().chain(self.more.iter().copied())
    }
}

/// Capacity for the reasons that counts usually add: one for each class.
const REASONS_OF_COUNTS: usize = 2;

/// Compares the counts with the lines of a route.
fn settle(snapshot: &Snapshot, route: &Route, persons: Headcount, totals: &Totals) -> Verdict {
    let counts = Counts::project(route, persons, totals);
    let mut verdict = Verdict {
        required: route.required,
        reasons: Vec::with_capacity(route.reasons.len() + REASONS_OF_COUNTS),
        step: route.step,
        contract_step: route.steps.contract,
        assess_step: route.steps.assess,
        area_contract: route.steps.area_contract,
        filings: Filings::default(),
        is_important: route.content.important,
        content: counts.content,
        sent: counts.sent,
    };
    verdict.reasons.extend_from_slice(&route.reasons);
    verdict.filings.add_all(route.filings.iter().copied());
    let of_year = if route.is_sized() { group_of_year(snapshot, route, totals) + counts.sent } else { counts.sent };
    for group in &route.groups {
        let persons = group.of.among(match group.over {
            Over::Year => of_year,
            Over::Transfer => counts.sent,
        });
        if group.from <= persons {
            let measured = Some(Measured { persons, line: group.from, of: Some(group.of) });
            verdict.require(Reason { code: group.code, rule: group.rule, requires: Outcome::Assess, measured });
            verdict.step = group.step;
            verdict.is_important = true;
        }
    }
    for track in &route.tracks {
        verdict.follow(track, &counts);
    }
    verdict
}

impl Verdict {
    fn require(&mut self, reason: Reason) {
        if self.required < reason.requires {
            self.required = reason.requires;
            self.step = None;
        }
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    /// Steps 6 and 7: the strictest line that is reached in each class, or else the rule below the lines.
    fn follow(&mut self, track: &Track, counts: &Counts<'_>) {
        let projected = counts.on(track);
        let mut reached = false;
        for class in CountedClass::ALL {
            let pair = track.lines_of(class);
            let (contract, assess) = line_codes(class);
            let is_reached =
                |line: &TrackLine| line.line.from <= projected.of(line.counter, class) && applies(track, line, counts);
            let (line, requires, code) = if is_reached(&pair.assess) {
                (&pair.assess, Outcome::Assess, assess)
            } else if is_reached(&pair.contract) {
                (&pair.contract, Outcome::Contract, contract)
            } else {
                continue;
            };
            let persons = projected.of(line.counter, class);
            let measured = Some(Measured { persons, line: line.line.from, of: None });
            self.require(Reason { code, rule: line.line.rule, requires, measured });
            reached = true;
        }
        if !reached {
            self.stay_below(track, counts);
        }
    }

    fn stay_below(&mut self, track: &Track, counts: &Counts<'_>) {
        let below = &track.below;
        let frees =
            track.small_volume.filter(|small| !counts.content.sensitive && counts.national.general < small.line);
        if let Some(small) = frees {
            self.require(Reason::new(ReasonCode::SmallVolume, small.rule, Outcome::Allow));
            return;
        }
        self.require(Reason::new(below.code, below.rule, below.required));
        if self.required == below.required {
            self.step = self.step.or(below.step);
        }
        if below.required == Outcome::File {
            self.filings.add_all(below.edition);
        }
    }

    /// Joins the verdict on the registered facts with the verdict on the caller's claims. The result is
    /// the stricter of the two in every respect.
    fn and(mut self, other: Verdict) -> Verdict {
        if self.required < other.required {
            self.step = other.step;
        }
        self.required = self.required.max(other.required);
        for reason in other.reasons {
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
        }
        self.area_contract = self.area_contract.and(other.area_contract);
        self.filings.add_all(other.filings.iter());
        self.is_important |= other.is_important;
        self.content.general |= other.content.general;
        self.content.sensitive |= other.content.sensitive;
        self.sent = self.sent.max(other.sent);
        self
    }

    /// Says whether a clearance in force satisfies the required outcome, apart from head-counts.
    fn is_covered_but_for_persons(&self, clearance: &Clearance) -> bool {
        let is_open = clearance.kind != ClearanceKind::AreaContract || self.area_step().is_some();
        let suffices = self.required <= clearance.kind.satisfies() && is_open;
        let names_editions = clearance.kind != ClearanceKind::ZoneFiling
            || self.filings.iter().all(|edition| clearance.editions.contains(&edition));
        let covers_importance = !self.is_important || clearance.important_data == ImportantData::Covered;
        suffices && names_editions && covers_importance
    }

    /// Compares the persons of the year with the cap of a clearance.
    ///
    /// The number of persons exported under the clearance applies if the ledger or the caller states it. Otherwise the totals
    /// that bound it apply. A clearance that the totals of the transfer do not bound does not cover the transfer.
    fn within_cap(&self, id: ClearanceId, clearance: &Clearance, transfer: &Transfer<'_>, totals: &Totals) -> Cover {
        let Some(cap) = clearance.persons_per_year_max else { return Cover::By(id) };
        let used = totals.under_clearance(id);
        let is_held = |class: &CountedClass| used.is_some() || self.content.concerns(*class);
        let mut classes = CountedClass::ALL.into_iter().filter(is_held).peekable();
        if classes.peek().is_none() {
            return Cover::By(id);
        }
        if used.is_none() && !transfer.is_bounded(clearance) {
            return Cover::ButForPersons(ReasonCode::ClearanceUseNotKnown, None);
        }
        let persons = used.unwrap_or_else(|| totals.bound_of(&clearance.counted_apart)) + self.sent;
        let Some(class) = classes.find(|class| cap.of(*class) < persons.of(*class)) else { return Cover::By(id) };
        let of = Some(PersonsOf::Class(class));
        let measured = Measured { persons: persons.of(class), line: cap.of(class) + Persons::ONE, of };
        Cover::ButForPersons(ReasonCode::ClearanceCapReached, Some(measured))
    }

    /// Returns the step of the Greater Bay Area contract, if that contract may replace the required procedure.
    ///
    /// The contract has no limit of persons. It is open if the number of persons is the only reason for an assessment, by a
    /// national line or by a line of a zone list. It is closed to important data.
    fn area_step(&self) -> Option<StepId> {
        let by_number = |reason: &Reason| {
            matches!(reason.code, ReasonCode::GeneralAssessmentLine | ReasonCode::SensitiveAssessmentLine)
        };
        let asks = |reason: &&Reason| reason.requires == Outcome::Assess;
        self.area_contract.filter(|_| !self.is_important && self.reasons.iter().filter(asks).all(by_number))
    }

    fn into_decision(
        mut self,
        snapshot: &Snapshot,
        cover: Cover,
        transfer: &Transfer<'_>,
        valid_until: super::units::Moment,
    ) -> Decision {
        let usual_step = match self.required {
            Outcome::Allow | Outcome::File => None,
            Outcome::Contract => self.contract_step,
            Outcome::Assess => self.assess_step,
        };
        self.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.requires));
        let mut outcome = self.required;
        let mut next_step = self.step.or(usual_step);
        let mut alternative_step = match self.required {
            Outcome::Allow | Outcome::File => None,
            Outcome::Contract | Outcome::Assess => self.area_step(),
        };
        let strictest = self.reasons.first().map_or(RuleId(0), |reason| reason.rule);
        let clearance = match cover {
            Cover::None => None,
            Cover::ButForPersons(code, measured) => {
                self.reasons.push(Reason { measured, ..Reason::new(code, strictest, Outcome::Allow) });
                None
            }
            Cover::By(id) => {
                outcome = Outcome::Allow;
                (next_step, alternative_step) = (None, None);
                self.reasons.push(Reason::new(ReasonCode::CoveredByClearance, strictest, Outcome::Allow));
                Some(id)
            }
        };
        debug_assert!(!self.reasons.is_empty(), "a decision has a reason");
        debug_assert!(snapshot.step(StepId(0)).is_some() || next_step.is_none(), "a next step exists");
        Decision {
            outcome,
            required: self.required,
            reasons: self.reasons,
            clearance,
            evaluated_at: transfer.at,
            valid_until,
            next_step,
            alternative_step,
        }
    }
}

/// Says whether a line of a track applies to this transfer at all.
///
/// National lines apply as in the Provisions, even beside lines of a list's own. None of them applies if the transfer has no
/// sensitive information and the general total is below the national contract line; otherwise all of them apply.
fn applies(track: &Track, line: &TrackLine, counts: &Counts<'_>) -> bool {
    match line.counter {
        Counter::Scenario => true,
        Counter::National => counts.content.sensitive || track.national_general_contract <= counts.national.general,
    }
}

/// Returns the reason codes of the contract line and the assessment line of a class.
const fn line_codes(class: CountedClass) -> (ReasonCode, ReasonCode) {
    match class {
        CountedClass::General => (ReasonCode::GeneralContractLine, ReasonCode::GeneralAssessmentLine),
        CountedClass::Sensitive => (ReasonCode::SensitiveContractLine, ReasonCode::SensitiveAssessmentLine),
    }
}
