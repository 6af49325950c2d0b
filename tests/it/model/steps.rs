//! The seven steps of section 2, for one set of facts about the exporter.

use std::collections::BTreeSet;

use jiff::civil::Date;
use neglist::domain::reason::{Outcome, ReasonCode};
use neglist::domain::units::{Class, Ground};
use neglist::policy::source::list::{
    Admission, Boundary, CiioQuantity, ClassLines, Entry, FilingMode, FreesListed, Line, Lines, NationalList,
    NationalPair, Number, PartOfHolding, Requirement, ScenariosKnown, Sector, ZoneList,
};
use neglist::policy::source::scalar::{Known, Modality, YesNoUnknown};

use super::law::Law;
use super::said::{Count, Facts, Said, Sent};

/// The outcome that the rules require before clearances, and the facts that they need for it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that are found one after the other, in any combination")]
pub(crate) struct Verdict {
    /// The required outcome.
    pub(crate) required: Outcome,
    /// Why, and what else was found.
    pub(crate) reasons: BTreeSet<ReasonCode>,
    /// The outcome required for any counts.
    pub(crate) whatever: Outcome,
    /// Important by itself.
    pub(crate) important: bool,
    /// Important because of a number of persons.
    pub(crate) important_by_size: bool,
    /// Some item is general personal information.
    pub(crate) general: bool,
    /// Some item is sensitive personal information.
    pub(crate) sensitive: bool,
    /// A number of persons decides whether the data is important.
    pub(crate) asks_for_size: bool,
    /// A national total decides.
    pub(crate) asks_for_national: bool,
    /// A total of the scenario decides.
    pub(crate) asks_for_scenario: bool,
    /// A number of persons decides whether the data is important, the year's or this transfer's.
    pub(crate) has_sizes: bool,
    /// No line is looked at.
    pub(crate) no_lines: bool,
    /// Editions that a filing has to name.
    pub(crate) filings: BTreeSet<String>,
    /// Scenarios that are counted apart, by the name of their counter.
    pub(crate) counted_apart: BTreeSet<String>,
    /// Classes whose lower line is compared with a national total.
    pub(crate) held_against_national: BTreeSet<&'static str>,
    /// Persons that are sent: one at least of whom sensitive information is.
    pub(crate) sent: Count,
    /// Some person's general information is sent, by the items or by the numbers.
    pub(crate) concerns_general: bool,
    /// Some person's sensitive information is sent, by the items or by the numbers.
    pub(crate) concerns_sensitive: bool,
}

impl Verdict {
    fn add(&mut self, outcome: Outcome, reason: ReasonCode) {
        self.required = self.required.max(outcome);
        self.reasons.insert(reason);
    }

    fn note(&mut self, reason: ReasonCode) {
        self.add(Outcome::Allow, reason);
    }

    fn is_personal(&self) -> bool {
        self.general || self.sensitive
    }
}

/// A number of persons from which on the data is important.
struct Size {
    from: u64,
    of: fn(Count) -> u64,
    reason: ReasonCode,
    /// Of this transfer alone, not of the year.
    alone: bool,
}

const fn both(count: Count) -> u64 {
    count.general + count.sensitive
}

const fn general(count: Count) -> u64 {
    count.general
}

const fn sensitive(count: Count) -> u64 {
    count.sensitive
}

/// Steps 1 to 7.
pub(crate) fn judge(law: &Law<'_>, today: Date, said: &Said<'_>, facts: &Facts<'_>) -> Verdict {
    let mut verdict = Verdict {
        required: Outcome::Allow,
        reasons: BTreeSet::new(),
        whatever: Outcome::Allow,
        important: false,
        important_by_size: false,
        general: false,
        sensitive: false,
        asks_for_size: false,
        asks_for_national: false,
        asks_for_scenario: false,
        no_lines: true,
        filings: BTreeSet::new(),
        counted_apart: BTreeSet::new(),
        held_against_national: BTreeSet::new(),
        has_sizes: false,
        sent: Count::default(),
        concerns_general: false,
        concerns_sensitive: false,
    };
    let Some(national) = law.national(today) else {
        verdict.add(Outcome::Assess, ReasonCode::NoRulesInForce);
        verdict.general = said.items.iter().any(|item| item.class != Some(Class::NonPersonal));
        verdict.important = true;
        verdict.whatever = Outcome::Assess;
        Counts::of(said, &mut verdict);
        return verdict;
    };
    // 1. Not an export.
    if !said.abroad {
        verdict.note(ReasonCode::NotAnExport);
        return verdict;
    }
    let lists = law.lists(today, &facts.zones);
    // 2. Important data: by its kind, and by its number of persons.
    let mut sizes = Vec::new();
    for item in &said.items {
        classify(law, &lists, said, item, &mut verdict, &mut sizes);
    }
    if verdict.is_personal() {
        for list in &lists {
            quantities(list, facts, &mut verdict, &mut sizes);
        }
    }
    let counts = Counts::of(said, &mut verdict);
    let is_sized = sizes.iter().any(|size| !size.alone);
    settle(national, &lists, said, facts, &counts, is_sized, &mut verdict);
    // Data that is important anyway does not become so by its size.
    let important = verdict.important;
    for size in sizes.into_iter().filter(|_| !important) {
        verdict.has_sizes = true;
        verdict.asks_for_size |= !size.alone;
        // An export of a listed scenario that stays below the list's lower line is in the scenario's counters alone.
        let (mut sum, mut largest) = (counts.national, Count::default());
        for counter in verdict.counted_apart.union(&apart_of(law, &facts.zones)) {
            let alone = alone_max(law, counter);
            if alone != Count::default() && verdict.counted_apart.contains(counter) {
                verdict.asks_for_scenario |= !size.alone;
                sum = sum.plus(counts.stated_of_scenario.min(alone));
                largest = largest.max(counts.scenario);
            } else {
                // Of another scenario no total is stated.
                sum = sum.plus(alone);
                largest = largest.max(alone.plus(counts.sent));
            }
        }
        let total = sum.max(largest);
        if size.from <= (size.of)(if size.alone { counts.sent } else { total }) {
            verdict.important_by_size = true;
            verdict.add(Outcome::Assess, size.reason);
        }
    }
    verdict
}

/// Steps 3 to 7, and 5 beside 2.
fn settle(
    national: &NationalList,
    lists: &[&ZoneList],
    said: &Said<'_>,
    facts: &Facts<'_>,
    counts: &Counts,
    is_sized: bool,
    verdict: &mut Verdict,
) {
    let personal = verdict.is_personal();
    let mut listings = Vec::new();
    if verdict.important {
        // Counted in its scenario, and the lists give no reason.
        let reasons = verdict.reasons.clone();
        listings.extend(lists.iter().filter_map(|list| listing(list, said, facts, verdict)));
        verdict.reasons = reasons;
    } else {
        listings.extend(lists.iter().filter_map(|list| listing(list, said, facts, verdict)));
    }
    if personal || verdict.important || is_sized {
        verdict.counted_apart.extend(listings.iter().map(|listing| listing.counter.clone()));
    }
    if verdict.important {
        if facts.ciio && personal && said.ground.is_none() {
            verdict.add(Outcome::Assess, ReasonCode::CriticalInformationInfrastructure);
        }
    } else if !personal {
        // 3. No personal information.
        verdict.note(ReasonCode::NoPersonalInformation);
        for Listing { list, .. } in listings {
            let before = matches!(list.filing.mode, FilingMode::BeforeExport | FilingMode::Unknown);
            if before && list.filing.covers_non_personal != YesNoUnknown::No {
                verdict.add(Outcome::File, ReasonCode::NonPersonalDataInListedScenario);
                verdict.filings.insert(list.id.value.0.to_string());
            }
        }
    } else if let Some(ground) = said.ground {
        // 4. Ground.
        verdict.note(match ground {
            Ground::Transit => ReasonCode::GroundTransit,
            Ground::ContractNecessity => ReasonCode::GroundContractNecessity,
            Ground::HumanResources => ReasonCode::GroundHumanResources,
            Ground::Emergency => ReasonCode::GroundEmergency,
        });
    } else if facts.ciio {
        // 5. Operators of critical information infrastructure.
        verdict.add(Outcome::Assess, ReasonCode::CriticalInformationInfrastructure);
    } else {
        verdict.no_lines = false;
        // 6. Zone lists, 7. national lines for data that no list covers.
        for listing in &listings {
            zone_lines(national, listing, counts, verdict);
        }
        if !listings.iter().any(|listing| listing.covers_everything) {
            verdict.asks_for_national = true;
            verdict.held_against_national.extend(CLASSES);
            if !national_lines(national, counts, verdict) {
                verdict.note(ReasonCode::SmallVolume);
            }
        }
        return;
    }
    verdict.whatever = verdict.required;
}

/// The counts of the year, with the transfer.
struct Counts {
    sent: Count,
    national: Count,
    scenario: Count,
    stated_of_scenario: Count,
    sensitive: bool,
}

impl Counts {
    fn of(said: &Said<'_>, verdict: &mut Verdict) -> Counts {
        let stated = said.persons.unwrap_or_default();
        let mut sent = stated;
        if verdict.sensitive {
            sent.sensitive = sent.sensitive.max(1);
        }
        let (national, scenario) = (said.national.unwrap_or_default(), said.scenario_total.unwrap_or_default());
        verdict.sent = sent;
        verdict.concerns_general = verdict.general || 0 < stated.general;
        verdict.concerns_sensitive = verdict.sensitive || 0 < stated.sensitive;
        Counts {
            sent,
            national: national.plus(sent),
            scenario: scenario.plus(sent),
            stated_of_scenario: scenario,
            sensitive: verdict.concerns_sensitive,
        }
    }
}

/// The names of all scenario counters of the families of lists, whatever their date, of exporters in some zones.
pub(crate) fn apart_of(law: &Law<'_>, zones: &BTreeSet<&str>) -> BTreeSet<String> {
    let lists = law.zone_lists();
    let of_zones = lists.iter().filter(|list| zones.contains(&*list.zone.value.0));
    let families: BTreeSet<&str> = of_zones.map(|list| &*list.family.value.0).collect();
    let mut counters = BTreeSet::new();
    for list in lists.iter().filter(|list| families.contains(&*list.family.value.0)) {
        for sector in list.sectors.iter().map(|sector| &*sector.sector.value.0) {
            let name = |scenario: &str| format!("{}/{sector}/{scenario}", list.family.value.0);
            counters.extend(law.scenarios().into_iter().map(name));
        }
    }
    counters.retain(|counter| alone_max(law, counter) != Count::default());
    counters
}

/// The most persons that a scenario's counters may hold which the national ones do not: one fewer than the highest
/// lower line that any edition of the family has of its own for the scenario.
pub(crate) fn alone_max(law: &Law<'_>, counter: &str) -> Count {
    let mut names = counter.split('/');
    let (family, sector, scenario) = (names.next().unwrap(), names.next().unwrap(), names.next().unwrap());
    let mut most = Count::default();
    for list in law.zone_lists().into_iter().filter(|list| &*list.family.value.0 == family) {
        for chapter in list.sectors.iter().filter(|chapter| &*chapter.sector.value.0 == sector) {
            if chapter.scenarios_known != ScenariosKnown::All {
                most = most.max(below_lower_lines(&chapter.lines));
            }
            for written in chapter.scenarios.iter().filter(|written| &*written.scenario.value.0 == scenario) {
                most = most.max(below_lower_lines(written.lines.as_ref().unwrap_or(&chapter.lines)));
            }
        }
    }
    most
}

/// One fewer than a list's own lower lines; zero if it has none.
fn below_lower_lines(lines: &Lines) -> Count {
    let below = |lines: &ClassLines| match lines {
        ClassLines::Pair(pair) => match &pair.contract_from {
            Line::Own(number) => number.persons.value.0.get().saturating_sub(1),
            Line::National | Line::Unknown => 0,
        },
        ClassLines::National | ClassLines::Unknown => 0,
    };
    match lines {
        Lines::Table(table) => Count { general: below(&table.general), sensitive: below(&table.sensitive) },
        Lines::National | Lines::Unknown => Count::default(),
    }
}

/// Step 2 for one item: the strictest class that anybody gives it.
fn classify(
    law: &Law<'_>,
    lists: &[&ZoneList],
    said: &Said<'_>,
    item: &Sent<'_>,
    verdict: &mut Verdict,
    sizes: &mut Vec<Size>,
) {
    let mut classes: Vec<Class> = Vec::new();
    if let Some(declared) = item.class {
        classes.push(declared);
        if declared == Class::Important {
            verdict.add(Outcome::Assess, ReasonCode::ImportantDataDeclared);
        }
    }
    if let Some(known) = law.item(item.code) {
        classes.push(known.class.to_class());
        if known.class.to_class() == Class::Important {
            verdict.add(Outcome::Assess, ReasonCode::ImportantDataInCatalogue);
        }
        for entry in lists.iter().flat_map(|list| &list.entries).filter(|entry| catches(entry, said, item)) {
            match entry.persons_at_least {
                Some(Known::Known(persons)) => {
                    let reason = ReasonCode::ImportantDataGroupSize;
                    // Sensitive items concern no more persons than the sensitive ones.
                    let is_sensitive = |code: &str| law.item(code).unwrap().class.to_class() == Class::Sensitive;
                    let all_sensitive = entry.items.iter().all(|item| is_sensitive(&item.value.0));
                    let of = if all_sensitive { sensitive } else { both };
                    sizes.push(Size { from: persons.0.get(), of, reason, alone: false });
                }
                Some(Known::Unknown) | None => {
                    classes.push(entry.class.to_class());
                    if entry.class.to_class() == Class::Important {
                        verdict.add(Outcome::Assess, ReasonCode::ImportantDataListed);
                    }
                }
            }
        }
    }
    if classes.contains(&Class::Important) {
        // Personal information too, of each class that anybody gives it besides.
        verdict.important = true;
        verdict.general |= classes.contains(&Class::General);
        verdict.sensitive |= classes.contains(&Class::Sensitive);
    } else {
        verdict.sensitive |= classes.iter().max() == Some(&Class::Sensitive);
        verdict.general |= classes.iter().max() == Some(&Class::General);
    }
}

fn catches(entry: &Entry, said: &Said<'_>, item: &Sent<'_>) -> bool {
    let within = |codes: Vec<&str>, word: Option<&str>| {
        codes.is_empty() || word.is_none_or(|word| word == "other" || codes.contains(&word))
    };
    let has = |attribute: &str| item.attributes.contains(&attribute);
    let mut modalities = entry.modalities.iter().copied().map(Modality::to_modality);
    entry.items.iter().any(|code| &*code.value.0 == item.code)
        && within(entry.sectors.iter().map(|code| &*code.value.0).collect(), said.sector)
        && within(entry.scenarios.iter().map(|code| &*code.value.0).collect(), said.scenario)
        && (entry.modalities.is_empty() || item.modality.is_none_or(|modality| modalities.any(|one| one == modality)))
        && !entry.unless.iter().any(|exception| exception.iter().all(|attribute| has(&attribute.value.0)))
}

/// A number of the quantitative identification, the persons held, and the counts that it concerns.
type Row<'q> = (&'q Option<Number>, u64, fn(Count) -> u64);

/// Step 2: the quantitative identification of a list.
fn quantities(list: &ZoneList, facts: &Facts<'_>, verdict: &mut Verdict, sizes: &mut Vec<Size>) {
    let Some(quantities) = &list.quantitative_identification else { return };
    let settings = list.settings.as_ref();
    let exclusive = settings.is_some_and(|settings| settings.quantitative_boundary == Boundary::Exclusive);
    let only_sent = settings.is_some_and(|settings| settings.part_of_large_holding == PartOfHolding::NotImportant);
    let only_sensitive = settings.is_some_and(|settings| settings.ciio_quantity == CiioQuantity::Sensitive);
    let of_ciio: fn(Count) -> u64 = if only_sensitive { sensitive } else { both };
    let none = None;
    let ciio = if facts.ciio { &quantities.ciio } else { &none };
    let rows: [Row<'_>; 4] = [
        (&quantities.general, facts.held.general, general),
        (&quantities.sensitive, facts.held.sensitive, sensitive),
        (&quantities.specially_sensitive, facts.specially, sensitive),
        (ciio, of_ciio(facts.held), of_ciio),
    ];
    // An exporter holds at least as many persons as it sends. The number of specially sensitive ones is not stated.
    for (number, _, of) in rows.iter().enumerate().filter(|(row, _)| *row != 2 && !only_sent).map(|(_, row)| row) {
        let Some(number) = number else { continue };
        let from = number.persons.value.0.get() + u64::from(exclusive);
        sizes.push(Size { from, of: *of, reason: ReasonCode::ImportantDataHeld, alone: true });
    }
    for (number, held, of) in rows {
        let Some(number) = number else { continue };
        let from = number.persons.value.0.get() + u64::from(exclusive);
        if only_sent {
            sizes.push(Size { from, of, reason: ReasonCode::ImportantDataHeld, alone: false });
        } else if from <= held {
            verdict.important = true;
            verdict.add(Outcome::Assess, ReasonCode::ImportantDataHeld);
        }
    }
}

/// A list that the exporter may use, and that lists the scenario.
struct Listing<'p> {
    list: &'p ZoneList,
    lines: &'p Lines,
    covers_everything: bool,
    /// The name of the counters of the scenario.
    counter: String,
}

/// The classes that are counted, as names of counters have them.
pub(crate) const CLASSES: [&str; 2] = ["general", "sensitive"];

/// Returns the sector of a list that lists the scenario, and the lines; written down or not.
pub(crate) fn listed<'p>(list: &'p ZoneList, said: &Said<'_>) -> Option<(&'p Sector, Option<&'p Lines>)> {
    let sector = list.sectors.iter().find(|sector| said.sector == Some(&*sector.sector.value.0))?;
    let written = sector.scenarios.iter().find(|scenario| said.scenario == Some(&*scenario.scenario.value.0));
    match written {
        Some(scenario) => Some((sector, Some(scenario.lines.as_ref().unwrap_or(&sector.lines)))),
        None if sector.scenarios_known != ScenariosKnown::All && said.scenario.is_some_and(|word| word != "other") => {
            Some((sector, None))
        }
        None => None,
    }
}

fn listing<'p>(list: &'p ZoneList, said: &Said<'_>, facts: &Facts<'_>, verdict: &mut Verdict) -> Option<Listing<'p>> {
    let (sector, lines) = listed(list, said)?;
    if facts.ciio && list.eligibility.ciio == Admission::Excluded {
        return None;
    }
    let zone: &str = &list.zone.value.0;
    let leaves_from_zone = said.export_zones.contains(zone);
    let requirement = list.eligibility.export_from_zone;
    if requirement == Requirement::Required && !said.export_zones.is_empty() && !leaves_from_zone {
        verdict.note(ReasonCode::NotExportedFromZone);
        return None;
    }
    if sector.excluded_exporter_kinds.iter().any(|kind| facts.kinds.iter().any(|known| **known == *kind.value.0)) {
        verdict.note(ReasonCode::ExporterKindExcluded);
        return None;
    }
    let is_unclear = requirement != Requirement::NotRequired && !leaves_from_zone;
    if is_unclear {
        verdict.note(ReasonCode::ExportFromZoneUnclear);
    }
    let excluded = |item: &&Sent<'_>| {
        let mut modalities = sector.excluded_modalities.iter().copied().map(Modality::to_modality);
        modalities.any(|modality| item.modality == Some(modality))
    };
    let left_out = said.items.iter().filter(excluded).count();
    if 0 < left_out {
        verdict.note(ReasonCode::ModalityExcluded);
    }
    if left_out == said.items.len() {
        return None;
    }
    if lines.is_none() {
        verdict.note(ReasonCode::ScenarioNotKnownToBeListed);
    }
    Some(Listing {
        list,
        lines: lines.unwrap_or(&sector.lines),
        covers_everything: left_out == 0 && !is_unclear && (lines.is_some() || !has_own_lines(&sector.lines)),
        counter: format!("{}/{}/{}", list.family.value.0, said.sector?, said.scenario?),
    })
}

/// Says whether a list has its own lines here. For an unwritten scenario they hold beside the national ones.
fn has_own_lines(lines: &Lines) -> bool {
    let Lines::Table(table) = lines else { return false };
    [&table.general, &table.sensitive].into_iter().any(|lines| match lines {
        ClassLines::Pair(pair) => {
            [&pair.contract_from, &pair.assess_from].iter().any(|line| matches!(line, Line::Own(_)))
        }
        ClassLines::National | ClassLines::Unknown => false,
    })
}

/// A line of a list, with the national one where it has none.
#[derive(Clone, Copy)]
enum From {
    Own(u64),
    National(u64),
    Unknown(u64),
}

/// Step 6: the lines of a list.
fn zone_lines(national: &NationalList, listing: &Listing<'_>, counts: &Counts, verdict: &mut Verdict) {
    let (of_general, of_sensitive) = match listing.lines {
        Lines::Unknown => (&ClassLines::Unknown, &ClassLines::Unknown),
        Lines::National => (&ClassLines::National, &ClassLines::National),
        Lines::Table(table) => (&table.general, &table.sensitive),
    };
    let classes = [
        (pair(of_general, &national.lines.general), general as fn(Count) -> u64, GENERAL),
        (pair(of_sensitive, &national.lines.sensitive), sensitive, SENSITIVE),
    ];
    let lines: Vec<From> = classes.iter().flat_map(|(lines, ..)| *lines).collect();
    let has_own = lines.iter().any(|line| matches!(line, From::Own(_)));
    let frees = listing
        .list
        .settings
        .as_ref()
        .is_some_and(|settings| settings.small_volume_frees_listed_scenario == FreesListed::Yes);
    if lines.iter().any(|line| matches!(line, From::Unknown(_))) {
        verdict.note(ReasonCode::LineUnknown);
    }
    verdict.counted_apart.insert(listing.counter.clone());
    for (([contract, _], ..), class) in classes.iter().zip(CLASSES) {
        if !matches!(contract, From::Own(_)) {
            verdict.held_against_national.insert(class);
        }
    }
    verdict.asks_for_scenario |= has_own;
    verdict.asks_for_national |= frees || !lines.iter().all(|line| matches!(line, From::Own(_)));
    let mut reached = false;
    if has_own {
        // National lines hold as they are written: none of them for a small volume of general information.
        let small = national.lines.general.contract_from.persons.value.0.get();
        let is_small = !counts.sensitive && counts.national.general < small;
        for ([contract, assess], of, (contract_reason, assess_reason)) in classes {
            let is_reached = |line: From| match line {
                From::Own(number) => number <= of(counts.scenario),
                From::National(number) | From::Unknown(number) => !is_small && number <= of(counts.national),
            };
            if is_reached(assess) {
                verdict.add(Outcome::Assess, assess_reason);
            } else if is_reached(contract) {
                verdict.add(Outcome::Contract, contract_reason);
            }
            reached |= is_reached(assess) || is_reached(contract);
        }
    } else {
        reached = national_lines(national, counts, verdict);
    }
    if reached {
        return;
    }
    let line = national.lines.general.contract_from.persons.value.0.get();
    if frees && !counts.sensitive && counts.national.general < line {
        verdict.note(ReasonCode::SmallVolume);
        return;
    }
    match listing.list.filing.mode {
        FilingMode::BeforeExport | FilingMode::Unknown => {
            verdict.add(Outcome::File, ReasonCode::BelowListLines);
            verdict.filings.insert(listing.list.id.value.0.to_string());
        }
        FilingMode::AfterExport | FilingMode::JudgeFirst => verdict.note(ReasonCode::BelowListLinesReportAfterExport),
        FilingMode::None => verdict.note(ReasonCode::BelowListLinesNoReport),
    }
}

fn pair(lines: &ClassLines, national: &NationalPair) -> [From; 2] {
    let number = |line: &neglist::policy::source::list::NationalLine| line.persons.value.0.get();
    let (contract, assess) = (number(&national.contract_from), number(&national.assess_from));
    let one = |line: &Line, national: u64| match line {
        Line::Own(number) => From::Own(number.persons.value.0.get()),
        Line::National => From::National(national),
        Line::Unknown => From::Unknown(national),
    };
    match lines {
        ClassLines::Unknown => [From::Unknown(contract), From::Unknown(assess)],
        ClassLines::National => [From::National(contract), From::National(assess)],
        ClassLines::Pair(pair) => [one(&pair.contract_from, contract), one(&pair.assess_from, assess)],
    }
}

const GENERAL: (ReasonCode, ReasonCode) = (ReasonCode::GeneralContractLine, ReasonCode::GeneralAssessmentLine);
const SENSITIVE: (ReasonCode, ReasonCode) = (ReasonCode::SensitiveContractLine, ReasonCode::SensitiveAssessmentLine);

/// Step 7: the national lines. Says whether one is reached.
fn national_lines(national: &NationalList, counts: &Counts, verdict: &mut Verdict) -> bool {
    let lines = &national.lines;
    if !counts.sensitive && counts.national.general < lines.general.contract_from.persons.value.0.get() {
        return false;
    }
    let mut reached = false;
    let classes =
        [(&lines.general, counts.national.general, GENERAL), (&lines.sensitive, counts.national.sensitive, SENSITIVE)];
    for (pair, persons, (contract, assess)) in classes {
        if pair.assess_from.persons.value.0.get() <= persons {
            verdict.add(Outcome::Assess, assess);
            reached = true;
        } else if pair.contract_from.persons.value.0.get() <= persons {
            verdict.add(Outcome::Contract, contract);
            reached = true;
        }
    }
    reached
}
