//! The lists, compiled: national rules, editions of zone lists, and the data that they name.
//!
//! Everything refers to everything by number. What is written in the files as `unknown` has
//! become the stricter of its possibilities here, once, in the compiler; the domain knows no
//! "unknown" but the line that the national one stands in for.

use super::reason::{PersonsOf, Text};
use super::units::{
    AttributeSet, Class, FamilyId, Ground, Headcount, Interval, KindSet, ModalitySet, Moment, Persons, RuleId,
    ScenarioId, SectorId, StepId, ZoneId,
};

/// A head-count from which on, itself included, a stricter outcome begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Line {
    /// First head-count on the line.
    pub from: Persons,
    /// The rule that draws it.
    pub rule: RuleId,
}

/// The two lines of one class of information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinePair<L> {
    /// From here on: contract or certification.
    pub contract: L,
    /// From here on: security assessment.
    pub assess: L,
}

/// The lines of both classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lines<L> {
    /// For persons whose general information is concerned.
    pub general: LinePair<L>,
    /// For persons whose sensitive information is concerned.
    pub sensitive: LinePair<L>,
}

impl Lines<ListLine> {
    /// Says whether any of the lines is the list's own.
    pub fn has_own(&self) -> bool {
        let Lines { general, sensitive } = self;
        let lines = [general.contract, general.assess, sensitive.contract, sensitive.assess];
        lines.iter().any(|line| matches!(line, ListLine::Own(_)))
    }

    /// Returns the most persons of each class that a list with these lines counts in the scenario's own counters alone:
    /// one fewer than its own lower line; zero where the lower line is a national one, whose counter counts everybody.
    pub fn alone_max(&self) -> Headcount {
        let of = |pair: LinePair<ListLine>| match pair.contract {
            ListLine::Own(line) => Persons::new(line.from.get().saturating_sub(1)).unwrap_or(Persons::MAX),
            ListLine::National | ListLine::Unknown => Persons::ZERO,
        };
        Headcount { general: of(self.general), sensitive: of(self.sensitive) }
    }
}

/// A line of a zone list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListLine {
    /// The list's own, held against the scenario's own counter.
    Own(Line),
    /// The list keeps the national line, held against the national counter.
    National,
    /// Nobody could read it: the national line stands in, held against the national counter.
    Unknown,
}

/// An edition of the national rules.
#[derive(Debug, Clone)]
pub struct National {
    /// Id, such as `national-2024`.
    pub id: Box<str>,
    /// Title of the instrument.
    pub title: Text,
    /// When it is in force.
    pub interval: Interval,
    /// What each rule is called in answers.
    pub rules: NationalRules,
    /// Head-counts since 1 January.
    pub lines: Lines<Line>,
    /// Next step where a contract or certification is required.
    pub contract_step: StepId,
    /// Next step where an assessment is required.
    pub assess_step: StepId,
    /// The contract of the Greater Bay Area; `None`: the edition does not know that mechanism.
    pub area_contract: Option<AreaContract>,
    /// Where a person of whom both classes of information are sent is counted. Contested; default: in both.
    pub person_in_both_classes: PersonInBothClasses,
}

/// The standard contract of the Greater Bay Area: how it is concluded, and since when with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AreaContract {
    /// Next step.
    pub step: StepId,
    /// First moment at which it can be concluded with a recipient registered in Hong Kong.
    pub hong_kong_from: Moment,
    /// The same for Macao.
    pub macao_from: Moment,
}

/// Where a person is counted of whom one transfer sends general and sensitive information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PersonInBothClasses {
    /// Among those of general and among those of sensitive information.
    #[default]
    BothCounters,
    /// Among those of sensitive information alone.
    SensitiveOnly,
}

/// The rules of a national edition that are not lines.
#[derive(Debug, Clone, Copy)]
pub struct NationalRules {
    /// The scope: data that leaves the mainland.
    pub not_an_export: RuleId,
    /// Important data.
    pub important_data: RuleId,
    /// Data that is neither personal nor important.
    pub no_personal_information: RuleId,
    /// Art. 4.
    pub transit: RuleId,
    /// Art. 5(1)(1).
    pub contract_necessity: RuleId,
    /// Art. 5(1)(2).
    pub human_resources: RuleId,
    /// Art. 5(1)(3).
    pub emergency: RuleId,
    /// Art. 5(1)(4).
    pub small_volume: RuleId,
    /// Operators of critical information infrastructure.
    pub ciio: RuleId,
}

impl NationalRules {
    /// Returns the rule of a ground.
    pub const fn of_ground(&self, ground: Ground) -> RuleId {
        match ground {
            Ground::Transit => self.transit,
            Ground::ContractNecessity => self.contract_necessity,
            Ground::HumanResources => self.human_resources,
            Ground::Emergency => self.emergency,
        }
    }
}

/// An edition of a zone's negative list.
#[derive(Debug, Clone)]
pub struct Edition {
    /// Id, such as `beijing-2025`.
    pub id: Box<str>,
    /// Title of the list.
    pub title: Text,
    /// Exporters registered here come under the list.
    pub zone: ZoneId,
    /// Editions of one family share their counters.
    pub family: FamilyId,
    /// When it is in force.
    pub interval: Interval,
    /// The list as a whole, as a rule.
    pub rule: RuleId,
    /// Where the data has to leave from.
    pub export_from: ExportFrom,
    /// Whether operators of critical information infrastructure may use the list.
    pub ciio: CiioUse,
    /// When the zone wants to hear of an export that is below the lines.
    pub filing: Filing,
    /// Whether art. 5(1)(4) frees a listed scenario from the filing. Contested; default: no.
    pub small_volume_frees: bool,
    /// Holdings that make personal information important data.
    pub quantities: Option<Quantities>,
}

/// Where the data has to leave from for a list to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFrom {
    /// Registration in the zone is enough.
    Anywhere,
    /// The data has to leave from the zone too.
    Zone,
    /// Nobody could read which.
    Unknown,
}

/// Whether operators of critical information infrastructure may use a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiioUse {
    /// They may not.
    Excluded,
    /// They may.
    Included,
}

/// What a zone asks for in a listed scenario that stays below the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filing {
    /// When.
    pub mode: FilingMode,
    /// Whether data that is not personal has to be filed too.
    pub covers_non_personal: bool,
    /// How.
    pub step: Option<StepId>,
}

/// When a zone wants to hear of an export that is below the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FilingMode {
    /// Before the export: the outcome is FILE.
    BeforeExport,
    /// After the export, or after judging first: the outcome is ALLOW, the report a next step.
    AfterExport,
    /// Not at all.
    Never,
}

/// Holdings from which on personal information counts as important data.
///
/// Numbers are the first head-count at which the rule holds: an exclusive reading ("more than")
/// has been compiled into one person more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantities {
    /// Persons with general information.
    pub general: Option<Line>,
    /// Persons with sensitive information.
    pub sensitive: Option<Line>,
    /// Persons with specially sensitive information.
    pub specially_sensitive: Option<Line>,
    /// Persons held by an operator of critical information infrastructure.
    pub ciio: Option<Line>,
    /// Which persons the last of these counts. Contested; default: all personal information.
    pub ciio_counts: CiioCounts,
    /// Whether a part of a large holding is important data. Contested; default: yes.
    pub part_of_large_holding: PartOfHolding,
}

/// Which persons the quantity for operators of critical information infrastructure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiioCounts {
    /// All persons whose personal information is held.
    PersonalInformation,
    /// Only persons whose sensitive information is held.
    Sensitive,
}

/// Whether a part of a large holding is important data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartOfHolding {
    /// What is held counts, however little of it is sent.
    Important,
    /// Only what is sent counts.
    NotImportant,
}

/// What a list says of one of its sectors.
#[derive(Debug, Clone)]
pub struct SectorListing {
    /// The sector's chapter, as a rule.
    pub rule: RuleId,
    /// Kinds of exporter that come under the national rules instead.
    pub excluded_kinds: KindSet,
    /// Modalities of data that come under the national rules instead.
    pub excluded_modalities: ModalitySet,
    /// Whether a scenario that is not written down may be listed all the same.
    pub scenarios: ScenariosKnown,
    /// Lines of listed scenarios that have none of their own.
    pub lines: Lines<ListLine>,
}

/// Whether all scenarios that a list has for a sector are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScenariosKnown {
    /// One that is not written down is not listed.
    All,
    /// One that is not written down may be listed: taken as listed.
    NotAll,
}

/// What a list says of one scenario of a sector.
#[derive(Debug, Clone)]
pub struct ScenarioListing {
    /// The scenario, as a rule.
    pub rule: RuleId,
    /// Its lines.
    pub lines: Lines<ListLine>,
}

/// When an entry of a list catches an item that it names, and what it makes of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Condition {
    /// The class that the item then has, unless it has a stricter one already.
    pub class: Class,
    /// Sectors that it is confined to; empty: none. A transfer of `other` or of no sector is caught too.
    pub sectors: Box<[SectorId]>,
    /// Scenarios that it is confined to; empty: none. `other` and none are caught too.
    pub scenarios: Box<[ScenarioId]>,
    /// Modalities that it is confined to; empty: none. An item that states none is caught too.
    pub modalities: ModalitySet,
    /// Persons that must be concerned.
    pub persons_at_least: Option<Persons>,
    /// Whose number that is: of sensitive information alone where all items of the entry are sensitive.
    pub persons_of: PersonsOf,
    /// Exceptions: met where the item has every attribute of one set.
    pub unless: Box<[AttributeSet]>,
    /// Next step in place of the usual one.
    pub step: Option<StepId>,
}

impl Condition {
    /// Says whether the entry catches an item of a transfer, head-counts apart.
    pub fn catches(&self, scope: Scope, modality: Option<super::units::Modality>, attributes: AttributeSet) -> bool {
        let sector = scope.sector.filter(|sector| *sector != SectorId::OTHER);
        let scenario = scope.scenario.filter(|scenario| *scenario != ScenarioId::OTHER);
        (self.sectors.is_empty() || sector.is_none_or(|sector| self.sectors.contains(&sector)))
            && (self.scenarios.is_empty() || scenario.is_none_or(|scenario| self.scenarios.contains(&scenario)))
            && (self.modalities.is_empty() || modality.is_none_or(|modality| self.modalities.contains(modality)))
            && !self.unless.iter().any(|exception| attributes.contains_all(*exception))
    }
}

/// Where a transfer stands in the lists: its sector and scenario, where it names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Sector; `None` where none was named.
    pub sector: Option<SectorId>,
    /// Scenario; `None` where none was named.
    pub scenario: Option<ScenarioId>,
}

/// An item that an entry of an edition names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// The edition, by its number.
    pub edition: super::units::EditionId,
    /// The entry, as a rule.
    pub rule: RuleId,
    /// When it applies: an index into the snapshot's conditions.
    pub condition: u32,
}
