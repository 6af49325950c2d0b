//! The decision procedure, from where counts come in: lines, then clearances.
//!
//! A total function: no clock, no I/O, no lock, no error. What is missing or malformed was
//! refused before, in [`super::resolve`]; a total that is needed and absent counts as one
//! above every line.

use super::clearance::{Clearance, ClearanceKind, ImportantData};
use super::counting::{Counted, CounterKey};
use super::decision::{Decision, Headroom};
use super::reason::{Measured, Outcome, Reason, ReasonCode};
use super::route::{Content, Counter, Group, NationalLines, Over, Route, Track, TrackLine};
use super::snapshot::Snapshot;
use super::transfer::{Totals, Transfer};
use super::units::{ClearanceId, CountedClass, EditionId, Headcount, Persons, RuleId, StepId};

/// Decides a transfer against the year's totals.
pub fn evaluate(snapshot: &Snapshot, transfer: &Transfer<'_>, totals: &Totals) -> Decision {
    let mut verdict = settle(&transfer.route, transfer.persons, totals);
    if let Some(claimed) = &transfer.claimed {
        verdict = verdict.and(settle(claimed, transfer.persons, totals));
    }
    let mut valid_until = transfer.stable_until;
    let mut satisfied_by = None;
    for id in transfer.clearances.iter() {
        let Some(clearance) = snapshot.clearance(*id) else { continue };
        if let Some(bound) = clearance.interval.next_bound(transfer.at) {
            valid_until = valid_until.min(bound);
        }
        let in_force = clearance.interval.contains(transfer.at);
        if satisfied_by.is_none()
            && verdict.required != Outcome::Allow
            && in_force
            && verdict.is_covered_by(clearance, totals.under_clearance(*id))
        {
            satisfied_by = Some(*id);
        }
    }
    verdict.into_decision(snapshot, satisfied_by, transfer, valid_until)
}

/// Returns how far each counter that the transfer is held against is from its next line.
pub fn headroom(transfer: &Transfer<'_>, totals: &Totals) -> Vec<Headroom> {
    let mut found: Vec<Headroom> = Vec::new();
    for route in transfer.routes() {
        let counts = Counts::project(route, transfer.persons, totals);
        for track in &route.tracks {
            for class in CountedClass::ALL {
                let pair = track.lines_of(class);
                let lines = [(pair.contract, Outcome::Contract), (pair.assess, Outcome::Assess)];
                let next = lines.into_iter().find(|(line, _)| counts.of(track, line.counter, class) < line.line.from);
                let Some((line, next)) = next else { continue };
                let counted = match (line.counter, track.own) {
                    (Counter::National, _) => Counted::National,
                    (Counter::Scenario, Some(own)) => Counted::Scenario(own),
                    // A track with lines of its own has counters of its own.
                    (Counter::Scenario, None) => continue,
                };
                let key = CounterKey { counted, class };
                let projected = counts.of(track, line.counter, class);
                let found_here = Headroom { counter: key, year: transfer.year, projected, line: line.line.from, next };
                nearest(&mut found, found_here);
            }
        }
    }
    found
}

/// Adds what a counter is from a line, unless another of its lines is nearer.
fn nearest(found: &mut Vec<Headroom>, room: Headroom) {
    let order = |room: &Headroom| (room.line, std::cmp::Reverse(room.next));
    match found.iter_mut().find(|known| known.counter == room.counter) {
        Some(known) if order(&room) < order(known) => *known = room,
        Some(_) => {}
        None => found.push(room),
    }
}

/// The totals of the year with the transfer, and what the transfer is about.
pub(super) struct Counts<'t> {
    totals: &'t Totals,
    national: Headcount,
    pub(super) sent: Headcount,
    /// Persons concerned by the year's exports, as far as any counter knows of them.
    group: Headcount,
    content: Content,
}

/// Stands in for a total that is needed and not known: above every line.
const BEYOND: Headcount = Headcount { general: Persons::MAX, sensitive: Persons::MAX };

impl<'t> Counts<'t> {
    /// The projected total is what has been counted so far plus what this transfer adds. A
    /// transfer with a sensitive item counts as at least one sensitive person.
    pub(super) fn project(route: &Route, persons: Headcount, totals: &'t Totals) -> Self {
        let at_least = if route.content.sensitive { Persons::ONE } else { Persons::ZERO };
        let sent = Headcount { general: persons.general, sensitive: persons.sensitive.max(at_least) };
        let content = Content {
            general: route.content.general || persons.general != Persons::ZERO,
            sensitive: route.content.sensitive || persons.sensitive != Persons::ZERO,
            important: route.content.important,
        };
        let national = totals.national.unwrap_or(BEYOND);
        let mut group = national;
        // A listed scenario that stays below its own lines is counted by its own counters alone.
        for track in route.tracks.iter().filter(|track| track.national_lines == NationalLines::ByClass) {
            let apart = track.own.and_then(|own| totals.of_scenario(own)).unwrap_or(BEYOND);
            group = group.max(apart);
        }
        Counts { totals, national: national + sent, sent, group: group + sent, content }
    }

    /// The projected total of one of the counters that a track is held against.
    pub(super) fn of(&self, track: &Track, counter: Counter, class: CountedClass) -> Persons {
        match counter {
            Counter::National => self.national.of(class),
            Counter::Scenario => {
                let before = track.own.and_then(|own| self.totals.of_scenario(own)).unwrap_or(BEYOND);
                (before + self.sent).of(class)
            }
        }
    }

    /// The projected total of the scenario where the caller states one; else what is sent.
    fn stated_of_scenario(&self) -> Headcount {
        self.totals.scenario.unwrap_or(Headcount::ZERO) + self.sent
    }

    /// Persons concerned, for rules about the size of a group.
    fn group(&self, group: &Group) -> Persons {
        let persons = match group.over {
            Over::Year => self.group,
            Over::Transfer => self.sent,
        };
        group.class.map_or_else(|| persons.total(), |class| persons.of(class))
    }

    fn concerns(&self, class: CountedClass) -> bool {
        match class {
            CountedClass::General => self.content.general,
            CountedClass::Sensitive => self.content.sensitive,
        }
    }
}

/// What the rules require, before clearances.
struct Verdict {
    required: Outcome,
    reasons: Vec<Reason>,
    step: Option<StepId>,
    contract_step: Option<StepId>,
    assess_step: Option<StepId>,
    /// The contract of the Greater Bay Area, where exporter and destination are such that it is open.
    area_contract: Option<StepId>,
    /// Editions that a zone filing has to name.
    filings: Vec<EditionId>,
    /// Whether an assessment has to cover important data.
    is_important: bool,
    /// Persons of the year to hold against a cap where nobody knows how many went out under the
    /// clearance; classes that are not sent stand at zero.
    against_cap: Headcount,
    /// The same for a clearance that covers more than one scenario: the scenario's counters alone
    /// would leave out the others.
    against_wide_cap: Headcount,
    /// Persons that the transfer adds.
    sent: Headcount,
}

/// Room for the reasons that counts usually add: one for each class.
const REASONS_OF_COUNTS: usize = 2;

/// Holds the counts against the lines of a route.
fn settle(route: &Route, persons: Headcount, totals: &Totals) -> Verdict {
    let counts = Counts::project(route, persons, totals);
    let mut verdict = Verdict {
        required: route.required,
        reasons: Vec::with_capacity(route.reasons.len() + REASONS_OF_COUNTS),
        step: route.step,
        contract_step: route.steps.contract,
        assess_step: route.steps.assess,
        area_contract: route.steps.area_contract,
        filings: route.filings.clone(),
        is_important: route.content.important,
        against_cap: Headcount::ZERO,
        against_wide_cap: Headcount::ZERO,
        sent: counts.sent,
    };
    verdict.reasons.extend_from_slice(&route.reasons);
    for group in &route.groups {
        let persons = counts.group(group);
        if group.from <= persons {
            let measured = Some(Measured { persons, line: group.from });
            verdict.require(Reason { code: group.code, rule: group.rule, requires: Outcome::Assess, measured });
            verdict.step = group.step;
            verdict.is_important = true;
        }
    }
    if route.tracks.is_empty() {
        // No list's lines are looked at, but what a caller states of the scenario may have gone out under the clearance
        // as well as what is counted nationally.
        let Headcount { general, sensitive } = counts.national.max(counts.stated_of_scenario());
        verdict.raise_cap(&counts, [general, sensitive]);
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

    /// Steps 6 and 7: the strictest line that is reached in each class, else what is below.
    fn follow(&mut self, track: &Track, counts: &Counts<'_>) {
        let mut reached = false;
        for class in CountedClass::ALL {
            let pair = track.lines_of(class);
            let (contract, assess) = line_codes(class);
            let lines = [(pair.assess, Outcome::Assess, assess), (pair.contract, Outcome::Contract, contract)];
            for (line, requires, code) in lines {
                let persons = counts.of(track, line.counter, class);
                if line.line.from <= persons && applies(track, line, class, counts) {
                    let measured = Some(Measured { persons, line: line.line.from });
                    self.require(Reason { code, rule: line.line.rule, requires, measured });
                    reached = true;
                    break;
                }
            }
        }
        let persons = CountedClass::ALL.map(|class| counts.of(track, track.lines_of(class).contract.counter, class));
        self.raise_cap(counts, persons);
        if !reached {
            self.stay_below(track, counts);
        }
    }

    fn stay_below(&mut self, track: &Track, counts: &Counts<'_>) {
        let below = track.below;
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
            self.filings.extend(below.edition);
        }
    }

    fn raise_cap(&mut self, counts: &Counts<'_>, [general, sensitive]: [Persons; 2]) {
        let counted = |class, persons| if counts.concerns(class) { persons } else { Persons::ZERO };
        let persons = Headcount {
            general: counted(CountedClass::General, general),
            sensitive: counted(CountedClass::Sensitive, sensitive),
        };
        self.against_cap = self.against_cap.max(persons);
        let national = Headcount {
            general: counted(CountedClass::General, counts.national.general),
            sensitive: counted(CountedClass::Sensitive, counts.national.sensitive),
        };
        self.against_wide_cap = self.against_wide_cap.max(persons).max(national);
    }

    /// Joins the verdict on the registered facts and the one with the caller's claims: the
    /// stricter in every respect.
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
        self.filings.extend(other.filings);
        self.is_important |= other.is_important;
        self.against_cap = self.against_cap.max(other.against_cap);
        self.against_wide_cap = self.against_wide_cap.max(other.against_wide_cap);
        self.sent = self.sent.max(other.sent);
        self
    }

    /// Says whether a clearance in force satisfies what is required, head-counts included.
    ///
    /// `used`: persons that went out under it this year; `None` where nobody knows.
    fn is_covered_by(&self, clearance: &Clearance, used: Option<Headcount>) -> bool {
        let is_open = clearance.kind != ClearanceKind::AreaContract || self.area_step().is_some();
        let suffices = self.required <= clearance.kind.satisfies() && is_open;
        let of_year = if clearance.is_of_one_scenario() { self.against_cap } else { self.against_wide_cap };
        let persons = used.map_or(of_year, |used| used + self.sent);
        let within_cap = clearance
            .persons_per_year_max
            .is_none_or(|cap| persons.general <= cap.general && persons.sensitive <= cap.sensitive);
        let names_editions = clearance.kind != ClearanceKind::ZoneFiling
            || self.filings.iter().all(|edition| clearance.editions.contains(edition));
        let covers_importance = !self.is_important || clearance.important_data == ImportantData::Covered;
        suffices && within_cap && names_editions && covers_importance
    }

    /// The contract of the Greater Bay Area, where it may take the place of what is required.
    ///
    /// It has no limit of persons, so that it is open where the number of persons alone asks for an assessment, be it
    /// by a national line or by one of a zone list. It is closed to important data.
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
        clearance: Option<ClearanceId>,
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
        if clearance.is_some() {
            outcome = Outcome::Allow;
            (next_step, alternative_step) = (None, None);
            let rule = self.reasons.first().map_or(RuleId(0), |reason| reason.rule);
            self.reasons.push(Reason::new(ReasonCode::CoveredByClearance, rule, Outcome::Allow));
        }
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

/// Says whether a line of a track is held against the counts of this transfer at all.
fn applies(track: &Track, line: TrackLine, class: CountedClass, counts: &Counts<'_>) -> bool {
    match (line.counter, track.national_lines) {
        (Counter::Scenario, _) => true,
        (Counter::National, NationalLines::ByClass) => counts.concerns(class),
        (Counter::National, NationalLines::AsWritten) => {
            counts.content.sensitive || track.lines.general.contract.line.from <= counts.national.general
        }
    }
}

/// Reason codes of the contract and of the assessment line of a class.
const fn line_codes(class: CountedClass) -> (ReasonCode, ReasonCode) {
    match class {
        CountedClass::General => (ReasonCode::GeneralContractLine, ReasonCode::GeneralAssessmentLine),
        CountedClass::Sensitive => (ReasonCode::SensitiveContractLine, ReasonCode::SensitiveAssessmentLine),
    }
}
