//! What follows from the static part of a transfer: what is required whatever the counts, or
//! which lines the counts have to be held against.
//!
//! Plain values, compared and hashed, so that the routes of many flows are kept once.

use super::list::{Line, LinePair, Lines, National};
use super::reason::{Outcome, PersonsOf, Reason, ReasonCode};
use super::units::{
    CountedClass, EditionId, FamilyId, Headcount, Persons, RuleId, ScenarioId, SectorId, StepId, ZoneSet,
};

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
    /// Scenario counters of a route without tracks: important data, what an operator of critical information infrastructure
    /// sends and what goes out on a ground belong to a scenario too.
    pub without_track: Vec<Apart>,
    /// Zones of the exporter, where the size of a group matters: persons whose data went out in another scenario of a list
    /// of these zones belong to the group too.
    pub group_zones: ZoneSet,
    /// The most persons that counters of such other scenarios may hold alone.
    pub elsewhere_alone_max: Headcount,
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
    /// The contract of the Greater Bay Area, where it is open to the exporter for this destination.
    pub area_contract: Option<StepId>,
}

/// A number of persons from which on what is sent is important data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group {
    /// First head-count at which it is.
    pub from: Persons,
    /// Which persons are counted.
    pub of: PersonsOf,
    /// Over which time they are counted.
    pub over: Over,
    /// Reason to give.
    pub code: ReasonCode,
    /// The entry or rule.
    pub rule: RuleId,
    /// Next step in place of the usual one.
    pub step: Option<StepId>,
}

/// Over which time the persons of a group are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Over {
    /// The year, with this transfer.
    Year,
    /// This transfer alone.
    Transfer,
}

/// The lines of one list, and what it asks for below them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Track {
    /// The lines, each with the counter that it is held against.
    pub lines: Lines<TrackLine>,
    /// The national contract line of general information: below it, and with nothing sensitive, no national line holds.
    pub national_general_contract: Persons,
    /// What is asked for below the lines.
    pub below: Below,
    /// The scenario's own counters; `None` on the national track.
    ///
    /// Kept even where all lines are national: a line that is filled in later finds its count.
    pub own: Option<Apart>,
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

/// A scenario's own counters, and how many persons they may hold that the national counters do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Apart {
    /// The counters.
    pub own: OwnCounter,
    /// The most persons of each class that may be in these counters alone: one fewer than the highest lower line that
    /// an edition of the family draws for the scenario. Zero where no edition draws one.
    ///
    /// An export is counted nationally too once it reaches a lower line. Source: CAC press questions and answers on the
    /// Provisions, question 11.
    pub alone_max: Headcount,
}

/// Whose counters a track has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
impl Route {
    pub(super) fn empty(national: &National) -> Route {
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
            steps: NationalSteps {
                contract: Some(national.contract_step),
                assess: Some(national.assess_step),
                area_contract: None,
            },
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
/// Which of the year's totals a route is decided by.
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

    /// Returns what either needs.
    #[must_use]
    pub const fn and(self, other: Needs) -> Needs {
        Needs { national: self.national || other.national, scenario: self.scenario || other.scenario }
    }
}

impl Route {
    /// Says which of the year's totals the lines and the sizes of groups are held against.
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

    /// Returns the scenario counters to which the transfer belongs, whether lines are held against them or not.
    pub fn apart(&self) -> impl Iterator<Item = Apart> {
        self.tracks.iter().filter_map(|track| track.own).chain(self.without_track.iter().copied())
    }

    /// Returns the same counters, each once.
    pub fn apart_once(&self) -> impl Iterator<Item = Apart> {
        let is_first = |index: usize, apart: &Apart| !self.apart().take(index).any(|earlier| earlier.own == apart.own);
        self.apart().enumerate().filter(move |(index, apart)| is_first(*index, apart)).map(|(_, apart)| apart)
    }

    /// Returns the persons whom the transfer is about: a sensitive item is about one person at least.
    pub fn persons_sent(&self, stated: Headcount) -> Headcount {
        let at_least = if self.content.sensitive { Persons::ONE } else { Persons::ZERO };
        Headcount { general: stated.general, sensitive: stated.sensitive.max(at_least) }
    }
}
