//! The compiled lists: national rules, editions of zone lists, and the data that they name.
//!
//! All references are numbers. The compiler has replaced each `unknown` of the files by the strictest
//! value that it can have. One kind of unknown is left: a line that the national line replaces.

use super::reason::{PersonsOf, Text};
use super::units::{
    AttributeSet, Class, FamilyId, Ground, Headcount, Interval, KindSet, ModalitySet, Moment, Persons, RuleId,
    ScenarioId, SectorId, StepId, ZoneId,
};

/// A head-count at which a stricter outcome begins; the number itself is on the line.
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
    /// Line for a contract or certification.
    pub contract: L,
    /// Line for a security assessment.
    pub assess: L,
}

/// The lines of both classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lines<L> {
    /// For persons with general information.
    pub general: LinePair<L>,
    /// For persons with sensitive information.
    pub sensitive: LinePair<L>,
}

impl Lines<ListLine> {
    /// Says whether the list has a line of its own.
    pub fn has_own(&self) -> bool {
        let Lines { general, sensitive } = self;
        let lines = [general.contract, general.assess, sensitive.contract, sensitive.assess];
        lines.iter().any(|line| matches!(line, ListLine::Own(_)))
    }

    /// Returns the most persons of each class that a list with these lines counts only in the scenario's own counters: one
    /// fewer than its own lower line, or zero if the lower line is national, because the national counter counts all persons.
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
    /// The list's own line, compared with the scenario's own counter.
    Own(Line),
    /// The list keeps the national line, compared with the national counter.
    National,
    /// The line of the list is unknown. The national line replaces it, compared with the national counter.
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
    /// The rules that answers name.
    pub rules: NationalRules,
    /// Head-counts since 1 January.
    pub lines: Lines<Line>,
    /// Next step if a contract or certification is required.
    pub contract_step: StepId,
    /// Next step if an assessment is required.
    pub assess_step: StepId,
    /// The contract of the Greater Bay Area; `None` if the edition has no such mechanism.
    pub area_contract: Option<AreaContract>,
    /// The counters of a person with information of both classes. Contested; default: both counters.
    pub person_in_both_classes: PersonInBothClasses,
}

/// The standard contract of the Greater Bay Area: how to conclude it, and from which date for each destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AreaContract {
    /// Next step.
    pub step: StepId,
    /// First moment at which it is open to a recipient registered in Hong Kong.
    pub hong_kong_from: Moment,
    /// The same for Macao.
    pub macao_from: Moment,
}

/// The counters of a person with general and sensitive information in one transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PersonInBothClasses {
    /// The general and the sensitive counter.
    #[default]
    BothCounters,
    /// Only the sensitive counter.
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
    /// The zone. The list applies to exporters that are registered there.
    pub zone: ZoneId,
    /// Editions of one family share their counters.
    pub family: FamilyId,
    /// The time in which it is in force.
    pub interval: Interval,
    /// The rule for the list as a whole.
    pub rule: RuleId,
    /// Where the data has to leave from.
    pub export_from: ExportFrom,
    /// Whether operators of critical information infrastructure may use the list.
    pub ciio: CiioUse,
    /// The filing for an export below the lines.
    pub filing: Filing,
    /// Whether art. 5(1)(4) exempts a listed scenario from the filing. Contested; default: no.
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
    /// Unknown.
    Unknown,
}

/// Whether operators of critical information infrastructure may use a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiioUse {
    /// They may not use it.
    Excluded,
    /// They may use it.
    Included,
}

/// The filing that a zone requires for a listed scenario below the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filing {
    /// When to file.
    pub mode: FilingMode,
    /// Whether data that is not personal has to be filed too.
    pub covers_non_personal: bool,
    /// How to file.
    pub step: Option<StepId>,
}

/// When an export below the lines is filed or reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FilingMode {
    /// Before the export: the outcome is FILE.
    BeforeExport,
    /// After the export, or after the exporter has judged for itself: the outcome is ALLOW, and the report is the next step.
    AfterExport,
    /// Not at all.
    Never,
}

/// Sizes of holdings from which personal information counts as important data.
///
/// Each number is the first head-count at which the rule applies: the compiler adds one person for an
/// exclusive reading ("more than").
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
    /// The persons that `ciio` counts. Contested; default: all personal information.
    pub ciio_counts: CiioCounts,
    /// Whether a part of a large holding is important data. Contested; default: yes.
    pub part_of_large_holding: PartOfHolding,
}

/// The persons that the quantity for operators of critical information infrastructure counts.
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
    /// The whole holding counts, however small the transfer.
    Important,
    /// Only the persons in the transfers count.
    NotImportant,
}

/// The rules of a list for one of its sectors.
#[derive(Debug, Clone)]
pub struct SectorListing {
    /// The rule for the sector's chapter.
    pub rule: RuleId,
    /// Kinds of exporter to which the national rules apply instead.
    pub excluded_kinds: KindSet,
    /// Modalities of data to which the national rules apply instead.
    pub excluded_modalities: ModalitySet,
    /// Whether a scenario that the file does not write down may still be listed.
    pub scenarios: ScenariosKnown,
    /// Lines of listed scenarios without lines of their own.
    pub lines: Lines<ListLine>,
}

/// Whether the file writes down all scenarios of a list for a sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScenariosKnown {
    /// It does: no other scenario is listed.
    All,
    /// It does not: another scenario may be listed, and counts as listed.
    NotAll,
}

/// The rules of a list for one scenario of a sector.
#[derive(Debug, Clone)]
pub struct ScenarioListing {
    /// The rule for the scenario.
    pub rule: RuleId,
    /// Its lines.
    pub lines: Lines<ListLine>,
}

/// When an entry of a list applies to an item that it names, and the class that it gives the item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Condition {
    /// The class that the item then has, unless it already has a stricter one.
    pub class: Class,
    /// The only sectors to which it applies; empty if it applies to all. It also applies to `other` and to no sector.
    pub sectors: Box<[SectorId]>,
    /// The only scenarios to which it applies; empty if it applies to all. It also applies to `other` and to no scenario.
    pub scenarios: Box<[ScenarioId]>,
    /// The only modalities to which it applies; empty if it applies to all. It also applies to an item without a modality.
    pub modalities: ModalitySet,
    /// Fewest persons at which it applies.
    pub persons_at_least: Option<Persons>,
    /// The persons that this number counts: only those with sensitive information if all items of the entry are sensitive.
    pub persons_of: PersonsOf,
    /// Exceptions: one is met if the item has every attribute of the set.
    pub unless: Box<[AttributeSet]>,
    /// Next step in place of the usual one.
    pub step: Option<StepId>,
}

impl Condition {
    /// Says whether the entry applies to an item of a transfer, apart from head-counts.
    pub fn catches(&self, scope: Scope, modality: Option<super::units::Modality>, attributes: AttributeSet) -> bool {
        let sector = scope.sector.filter(|sector| *sector != SectorId::OTHER);
        let scenario = scope.scenario.filter(|scenario| *scenario != ScenarioId::OTHER);
        (self.sectors.is_empty() || sector.is_none_or(|sector| self.sectors.contains(&sector)))
            && (self.scenarios.is_empty() || scenario.is_none_or(|scenario| self.scenarios.contains(&scenario)))
            && (self.modalities.is_empty() || modality.is_none_or(|modality| self.modalities.contains(modality)))
            && !self.unless.iter().any(|exception| attributes.contains_all(*exception))
    }
}

/// Sector and scenario of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Sector; `None` if the transfer names none.
    pub sector: Option<SectorId>,
    /// Scenario; `None` if the transfer names none.
    pub scenario: Option<ScenarioId>,
}

/// An item that an entry of an edition names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// The edition, by its number.
    pub edition: super::units::EditionId,
    /// The rule for the entry.
    pub rule: RuleId,
    /// When it applies: an index into the snapshot's conditions.
    pub condition: u32,
}
