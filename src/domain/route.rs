//! The route: everything that follows from the static facts of a transfer. It holds the outcome that is
//! required regardless of counts, and the lines to compare the counts with.
//!
//! Routes are plain values that can be compared and hashed, so equal routes of many flows are stored once.

pub mod build;

use super::list::{Line, LinePair, Lines, National};
use super::reason::{Outcome, PersonsOf, Reason, ReasonCode};
use super::units::{
    CountedClass, EditionId, FamilyId, Headcount, Persons, RuleId, ScenarioId, SectorId, StepId, ZoneSet,
};

/// The consequences of a statement in one stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Route {
    /// The outcome that is required regardless of counts.
    pub required: Outcome,
    /// Reasons for it, and other facts found.
    pub reasons: Vec<Reason>,
    /// Next step instead of the usual one, or the report that follows an ALLOW.
    pub step: Option<StepId>,
    /// Editions that require a filing for data that is not personal.
    pub filings: Vec<EditionId>,
    /// Head-counts from which the data is important.
    pub groups: Vec<Group>,
    /// Lists whose lines the counts are compared with; none if no count matters.
    pub tracks: Vec<Track>,
    /// Scenario counters of a route without tracks: important data, exports of an operator of critical information
    /// infrastructure, and exports on a ground belong to a scenario too.
    pub without_track: Vec<Apart>,
    /// Zones of the exporter, if the size of a group matters: persons exported in other scenarios of the lists of these zones
    /// belong to the group too.
    pub group_zones: ZoneSet,
    /// The most persons that the counters of those other scenarios alone may hold.
    pub elsewhere_alone_max: Headcount,
    /// The kinds of information of the items.
    pub content: Content,
    /// Next steps of the national procedures.
    pub steps: NationalSteps,
}

/// The kinds of information in a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Content {
    /// Some item is personal information that is not sensitive.
    pub general: bool,
    /// Some item is sensitive personal information.
    pub sensitive: bool,
    /// Some item is important data, regardless of head-counts.
    pub important: bool,
}

impl Content {
    /// Says whether there is personal information.
    pub const fn is_personal(self) -> bool {
        self.general || self.sensitive
    }

    /// Says whether there is personal information of a class.
    pub const fn concerns(self, class: CountedClass) -> bool {
        match class {
            CountedClass::General => self.general,
            CountedClass::Sensitive => self.sensitive,
        }
    }
}

/// Next steps of the national procedures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NationalSteps {
    /// For CONTRACT.
    pub contract: Option<StepId>,
    /// For ASSESS.
    pub assess: Option<StepId>,
    /// The contract of the Greater Bay Area, if it is open to the exporter for this destination.
    pub area_contract: Option<StepId>,
}

/// A number of persons from which the data of a transfer is important.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group {
    /// First such head-count.
    pub from: Persons,
    /// The persons that are counted.
    pub of: PersonsOf,
    /// The period over which they are counted.
    pub over: Over,
    /// The reason.
    pub code: ReasonCode,
    /// The entry or rule.
    pub rule: RuleId,
    /// Next step instead of the usual one.
    pub step: Option<StepId>,
}

/// The period over which the persons of a group are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Over {
    /// The year, with this transfer.
    Year,
    /// This transfer alone.
    Transfer,
}

/// The lines of one list, and its rule below them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Track {
    /// The lines, each with its counter.
    pub lines: Lines<TrackLine>,
    /// The national contract line for general information. Below it, and without sensitive information, no national line applies.
    pub national_general_contract: Persons,
    /// The rule below the lines.
    pub below: Below,
    /// The scenario's own counters; `None` on the national track.
    ///
    /// Kept even if all lines are national, so that a line that is added later has its count.
    pub own: Option<Apart>,
    /// Art. 5(1)(4), if it exempts from the rule below the lines: the national contract line for general
    /// information, and the rule of the article.
    pub small_volume: Option<SmallVolume>,
}

/// The small volume of art. 5(1)(4): no sensitive information, and a general total below the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SmallVolume {
    /// First general head-count of the year that is no longer a small volume.
    pub line: Persons,
    /// The rule.
    pub rule: RuleId,
}

/// A line and its counter.
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
    /// Exports in one scenario of a zone list.
    Scenario,
}

/// A scenario's own counters, and the number of persons that they may hold and the national counters do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Apart {
    /// The counters.
    pub own: OwnCounter,
    /// The most persons of each class that may be only in these counters: one fewer than the highest lower line of the
    /// scenario in any edition of the family. Zero if no edition has such a line.
    ///
    /// An export is counted nationally too once it reaches a lower line. Source: CAC press questions and answers on the
    /// Provisions, question 11.
    pub alone_max: Headcount,
}

/// Identifies the own counters of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnCounter {
    /// The family of editions.
    pub family: FamilyId,
    /// The sector.
    pub sector: SectorId,
    /// The scenario.
    pub scenario: ScenarioId,
}

/// The rule that applies if no line is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Below {
    /// The required outcome.
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

impl Route {
    /// Returns the route that requires nothing, with the next steps of the national rules.
    pub(super) fn empty(national: &National) -> Route {
        Route::of_steps(NationalSteps {
            contract: Some(national.contract_step),
            assess: Some(national.assess_step),
            area_contract: None,
        })
    }

    /// Returns the route that requires nothing, with these next steps.
    pub(super) fn of_steps(steps: NationalSteps) -> Route {
        Route {
            required: Outcome::Allow,
            reasons: Vec::new(),
            step: None,
            filings: Vec::new(),
            groups: Vec::new(),
            tracks: Vec::new(),
            without_track: Vec::new(),
            group_zones: ZoneSet::EMPTY,
            elsewhere_alone_max: Headcount::ZERO,
            content: Content::default(),
            steps,
        }
    }

    pub(super) fn settled(mut self, reason: Reason) -> Route {
        self.required = self.required.max(reason.requires);
        self.reasons.push(reason);
        self
    }

    pub(super) fn require(&mut self, reason: Reason, step: Option<StepId>) {
        self.required = self.required.max(reason.requires);
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
        self.step = self.step.or(step);
    }

    pub(super) fn note(&mut self, code: ReasonCode, rule: RuleId) {
        let reason = Reason::new(code, rule, Outcome::Allow);
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}
impl Track {
    /// Step 7: the national lines and counters.
    pub(super) fn national(national: &National) -> Track {
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
            national_general_contract: national.lines.general.contract.from,
            below,
            own: None,
            small_volume: None,
        }
    }

    /// Returns the lines of one class.
    pub const fn lines_of(&self, class: CountedClass) -> &LinePair<TrackLine> {
        match class {
            CountedClass::General => &self.lines.general,
            CountedClass::Sensitive => &self.lines.sensitive,
        }
    }

    /// Returns the four lines.
    fn all_lines(&self) -> [TrackLine; 4] {
        let Lines { general, sensitive } = self.lines;
        [general.contract, general.assess, sensitive.contract, sensitive.assess]
    }
}
/// The totals of the year that a decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Needs {
    /// The national counters.
    pub national: bool,
    /// The scenario's own counters.
    pub scenario: bool,
}

impl Needs {
    /// None of them.
    pub const NONE: Needs = Needs { national: false, scenario: false };

    /// Returns the totals that either needs.
    #[must_use]
    pub const fn and(self, other: Needs) -> Needs {
        Needs { national: self.national || other.national, scenario: self.scenario || other.scenario }
    }
}

impl Route {
    /// Returns which totals of the year the lines and group sizes are compared with.
    pub fn needs(&self) -> Needs {
        let lines = self.tracks.iter().flat_map(Track::all_lines);
        let is_sized = self.is_sized();
        let national = lines.clone().any(|line| line.counter == Counter::National)
            || self.tracks.iter().any(|track| track.small_volume.is_some())
            || is_sized;
        let scenario = lines.into_iter().any(|line| line.counter == Counter::Scenario)
            || is_sized && self.apart().any(|apart| apart.alone_max != Headcount::ZERO);
        Needs { national, scenario }
    }

    /// Says whether the size of a group over the year matters.
    pub fn is_sized(&self) -> bool {
        self.groups.iter().any(|group| group.over == Over::Year)
    }

    /// Returns the scenario counters to which the transfer belongs, with or without lines.
    pub fn apart(&self) -> impl Iterator<Item = Apart> {
        self.tracks.iter().filter_map(|track| track.own).chain(self.without_track.iter().copied())
    }

    /// Returns the same counters, each once.
    pub fn apart_once(&self) -> impl Iterator<Item = Apart> {
        let is_first = |index: usize, apart: &Apart| !self.apart().take(index).any(|earlier| earlier.own == apart.own);
        self.apart().enumerate().filter(move |(index, apart)| is_first(*index, apart)).map(|(_, apart)| apart)
    }

    /// Returns the persons in the transfer: at least one where an item is sensitive.
    pub fn persons_sent(&self, stated: Headcount) -> Headcount {
        let at_least = if self.content.sensitive { Persons::ONE } else { Persons::ZERO };
        Headcount { general: stated.general, sensitive: stated.sensitive.max(at_least) }
    }
}
