//! Compiles national lists and zone lists: dates, rules, lines, eligibility, filing.

use std::collections::{BTreeMap, HashMap};

use super::builder::Builder;
use super::terms::AreaDays;
use crate::domain::counter::RESERVED_FAMILIES;
use crate::domain::list::{
    AreaContract, CiioCounts, CiioUse, Edition, ExportFrom, Filing, FilingMode, Line, LinePair, Lines, ListLine,
    National, NationalRules, PartOfHolding, PersonInBothClasses, Quantities, ScenarioListing, ScenariosKnown,
    SectorListing,
};
use crate::domain::route::OwnCounter;
use crate::domain::snapshot::{AreaSteps, Lists as DomainLists, Segment};
use crate::domain::units::{
    EditionId, FamilyId, Headcount, Interval, KindId, KindSet, ModalitySet, Moment, NationalId, Persons, ScenarioId,
    SectorId, ZoneId,
};
use crate::policy::SourceFile;
use crate::policy::diagnostic::{Span, duplicate};
use crate::policy::source::list::{self, NationalList, ZoneList};
use crate::policy::source::scalar::{At, Code, Day, Known, OrNone, Small, YesNoUnknown};
use crate::policy::source::{Document, list as file};
use crate::policy::time;

/// An edition: its file, its place in the file, when it is in force, and for a zone list its zone and family.
type Dated<'f> = (&'f str, Span, Interval, Option<(ZoneId, FamilyId)>);

/// The ids of the lists, each with its file and line.
type Ids<'f> = HashMap<&'f str, (&'f str, u32)>;

/// Compiles all lists.
pub(super) fn compile(builder: &mut Builder<'_>, sources: &[SourceFile]) {
    let mut dated: Vec<Dated<'_>> = Vec::new();
    let mut ids = Ids::new();
    for SourceFile { path, document, .. } in sources {
        if let Document::National(list) = document
            && is_new(builder, path, &list.id, &mut ids)
            && let Some(interval) = interval(builder, path, &list.first_day, list.last_day.as_ref())
        {
            dated.push((path, list.id.span, interval, None));
            national(builder, path, list, interval);
        }
    }
    let lines = builder.lists.nationals.first().map(|national| national.lines);
    for SourceFile { path, document, .. } in sources {
        if let Document::Zone(list) = document
            && is_new(builder, path, &list.id, &mut ids)
            && let Some(interval) = interval(builder, path, &list.first_day, list.last_day.as_ref())
            && let Some(zone) = zone_list(builder, path, list, interval, lines)
        {
            dated.push((path, list.id.span, interval, Some(zone)));
        }
    }
    overlaps(builder, &dated);
    segments(builder);
    builder.lists.sectors.sort_by_key(|(key, _)| *key);
    builder.lists.scenarios.sort_by_key(|(key, _)| *key);
    alone(&mut builder.lists);
}

/// Computes the most persons that a scenario's counters may hold alone. Editions of a family share their counters, so
/// the highest line counts: an edition that has ended may have drawn it earlier in the year.
fn alone(lists: &mut DomainLists) {
    let mut written: BTreeMap<OwnCounter, Headcount> = BTreeMap::new();
    let mut unwritten: BTreeMap<(FamilyId, SectorId), Headcount> = BTreeMap::new();
    let family = |id: &EditionId| lists.editions.get(id.index()).map(|edition| edition.family);
    for ((id, sector, scenario), listing) in &lists.scenarios {
        let Some(family) = family(id) else { continue };
        let own = OwnCounter { family, sector: *sector, scenario: *scenario };
        let known = written.entry(own).or_default();
        *known = known.max(listing.lines.alone_max());
    }
    for ((id, sector), listing) in lists.sectors.iter().filter(|(_, one)| one.scenarios == ScenariosKnown::NotAll) {
        let Some(family) = family(id) else { continue };
        let known = unwritten.entry((family, *sector)).or_default();
        *known = known.max(listing.lines.alone_max());
    }
    let (alone, alone_unwritten) = (written.into_iter(), unwritten.into_iter());
    lists.alone = alone.filter(|(_, most)| *most != Headcount::ZERO).collect();
    lists.alone_unwritten = alone_unwritten.filter(|(_, most)| *most != Headcount::ZERO).collect();
}

/// Reports a list whose id another list already has. The rest of the list would only repeat the diagnostic.
fn is_new<'f>(builder: &mut Builder<'_>, path: &'f str, id: &'f At<Code>, ids: &mut Ids<'f>) -> bool {
    let code = &*id.value.0;
    if let Some((first, line)) = ids.get(code) {
        let message = duplicate(format_args!("list `{code}`"), format_args!("{first}:{line}"));
        let help = "each edition needs its own id: rename or remove one of the two".to_owned();
        builder.cx(path).error("P010", id.span, message, help);
        return false;
    }
    ids.insert(code, (path, id.span.line));
    true
}

fn interval(builder: &mut Builder<'_>, path: &str, first: &At<Day>, last: Option<&At<Day>>) -> Option<Interval> {
    if let Some(last) = last.filter(|last| last.value < first.value) {
        let help = "both days are included: `last_day` is the same day as `first_day`, or a later one".to_owned();
        builder.cx(path).error("P014", last.span, "the last day is before the first".to_owned(), help);
    }
    time::days(first.value.0, last.map(|last| last.value.0))
}

fn national(builder: &mut Builder<'_>, path: &str, list: &NationalList, interval: Interval) {
    let id = &list.id.value.0;
    let mut rule = |rule: &list::Rule| {
        let name = format!("{id}/{}", rule.id.value.0);
        builder.rule_at(path, rule.id.span, &name, &rule.citation)
    };
    let source = &list.rules;
    let rules = NationalRules {
        not_an_export: rule(&source.not_an_export),
        important_data: rule(&source.important_data),
        no_personal_information: rule(&source.no_personal_information),
        transit: rule(&source.transit),
        contract_necessity: rule(&source.contract_necessity),
        human_resources: rule(&source.human_resources),
        emergency: rule(&source.emergency),
        small_volume: rule(&source.small_volume),
        ciio: rule(&source.ciio),
    };
    let mut pair = |pair: &list::NationalPair| {
        let mut line = |line: &list::NationalLine| {
            let name = format!("{id}/{}", line.id.value.0);
            Line { from: line.persons.value.0, rule: builder.rule_at(path, line.id.span, &name, &line.citation) }
        };
        let lines = LinePair { contract: line(&pair.contract_from), assess: line(&pair.assess_from) };
        check_order(builder, path, lines, pair.contract_from.persons.span);
        lines
    };
    let lines = Lines { general: pair(&list.lines.general), sensitive: pair(&list.lines.sensitive) };
    let mut step = |step: &list::Procedure| builder.step(&step.code.value.0, step.authority.as_ref(), &step.text);
    let contract_step = step(&list.procedures.contract);
    let assess_step = step(&list.procedures.assess);
    let area_contract = area_contract(builder, path, list);
    let years = |years: Known<OrNone<Small>>| match years {
        Known::Known(OrNone::Some(years)) => Some(years.0),
        Known::Known(OrNone::None) | Known::Unknown => None,
    };
    builder.validity_years.assessment = years(list.mechanisms.assessment.validity_years);
    builder.validity_years.contract = years(list.mechanisms.contract.validity_years);
    builder.validity_years.certification = years(list.mechanisms.certification.validity_years);
    let of_area = list.mechanisms.gba_contract.as_ref();
    builder.validity_years.area_contract = of_area.and_then(|mechanism| years(mechanism.validity_years));
    let person_in_both_classes = match list.settings.as_ref().map(|settings| settings.person_in_both_classes) {
        Some(file::PersonInBothClasses::SensitiveOnly) => PersonInBothClasses::SensitiveOnly,
        Some(file::PersonInBothClasses::BothCounters) | None => PersonInBothClasses::BothCounters,
    };
    let title = list.title.to_text();
    builder.lists.nationals.push(National {
        id: id.clone(),
        title,
        interval,
        rules,
        lines,
        contract_step,
        assess_step,
        area_contract,
        person_in_both_classes,
    });
}

fn check_order(builder: &mut Builder<'_>, path: &str, lines: LinePair<Line>, span: Span) {
    if lines.assess.from < lines.contract.from {
        let message =
            format!("the contract line {} is above the assessment line {}", lines.contract.from, lines.assess.from);
        let help = "`contract_from` is the lower of the two: were they exchanged?".to_owned();
        builder.cx(path).error("P013", span, message, help);
    }
}

fn zone_list(
    builder: &mut Builder<'_>,
    path: &str,
    list: &ZoneList,
    interval: Interval,
    national: Option<Lines<Line>>,
) -> Option<(ZoneId, FamilyId)> {
    let id = &list.id.value.0;
    let zone = builder.follow(path, &list.zone, |codes| &codes.zones, "zone")?;
    let zone = ZoneId(u8::try_from(zone).ok()?);
    let edition = EditionId(u16::try_from(builder.lists.editions.len()).ok()?);
    let rule = builder.rule_at(path, list.id.span, id, &list.citation);
    let named_twice = builder.editions.insert(id).is_err();
    debug_assert!(!named_twice, "a duplicate list is not compiled");
    if RESERVED_FAMILIES.contains(&list.family.value.0.as_ref()) {
        let message = format!("`{}` cannot be the name of a family", list.family.value.0);
        let help = "the names of other counters begin with this word: choose another".to_owned();
        builder.cx(path).error("P017", list.family.span, message, help);
    }
    let family = builder.codes.families.insert(&list.family.value.0).unwrap_or_else(|known| known);
    let family = FamilyId(u16::try_from(family).ok()?);
    let quantities = quantities(builder, path, list);
    let filing = filing(builder, path, list);
    for sector in &list.sectors {
        self::sector(builder, path, list, edition, sector, national);
    }
    let export_from = match list.eligibility.export_from_zone {
        file::Requirement::NotRequired => ExportFrom::Anywhere,
        file::Requirement::Required => ExportFrom::Zone,
        file::Requirement::Unknown => ExportFrom::Unknown,
    };
    let ciio = match list.eligibility.ciio {
        // Personal information needs the assessment either way; data that is not personal may need the filing.
        file::Admission::Included | file::Admission::Unknown => CiioUse::Included,
        file::Admission::Excluded => CiioUse::Excluded,
    };
    let frees = list.settings.as_ref().map(|settings| settings.small_volume_frees_listed_scenario);
    builder.lists.editions.push(Edition {
        id: id.clone(),
        title: list.title.to_text(),
        zone,
        family,
        interval,
        rule,
        export_from,
        ciio,
        filing,
        small_volume_frees: frees == Some(file::FreesListed::Yes),
        quantities,
    });
    Some((zone, family))
}

fn filing(builder: &mut Builder<'_>, path: &str, list: &ZoneList) -> Filing {
    let source = &list.filing;
    let mode = match source.mode {
        file::FilingMode::BeforeExport | file::FilingMode::Unknown => FilingMode::BeforeExport,
        file::FilingMode::AfterExport | file::FilingMode::JudgeFirst => FilingMode::AfterExport,
        file::FilingMode::None => FilingMode::Never,
    };
    if source.within_working_days.is_some() && source.mode != file::FilingMode::AfterExport {
        let message = "`within_working_days` is for `mode: after-export` only".to_owned();
        builder.cx(path).error("P017", source.span, message, "remove it, or correct `mode`".to_owned());
    }
    if mode != FilingMode::Never && source.text.is_none() {
        let help = "state in both languages the duty of the exporter, or the office to ask".to_owned();
        builder.cx(path).error("P004", source.span, "the filing or report needs a `text`".to_owned(), help);
    }
    let step = source.text.as_ref().map(|text| {
        let fallback = format!("{}-filing", list.id.value.0);
        let procedure = source.procedure.as_ref().map_or(fallback.as_str(), |code| &code.value.0);
        builder.step(procedure, source.authority.as_ref(), text)
    });
    Filing { mode, covers_non_personal: source.covers_non_personal != YesNoUnknown::No, step }
}

fn quantities(builder: &mut Builder<'_>, path: &str, list: &ZoneList) -> Option<Quantities> {
    let source = list.quantitative_identification.as_ref()?;
    let settings = list.settings.as_ref();
    let exclusive = settings.is_some_and(|settings| settings.quantitative_boundary == file::Boundary::Exclusive);
    let more = if exclusive { Persons::ONE } else { Persons::ZERO };
    let mut line = |number: Option<&list::Number>, class: &str| {
        let number = number?;
        let name = format!("{}/{}-{class}", list.id.value.0, source.id.value.0);
        let rule = builder.rule_at(path, number.span, &name, &source.citation);
        Some(Line { from: number.persons.value.0 + more, rule })
    };
    let sensitive_only = settings.is_some_and(|settings| settings.ciio_quantity == file::CiioQuantity::Sensitive);
    let parts = settings.is_some_and(|s| s.part_of_large_holding == file::PartOfHolding::NotImportant);
    Some(Quantities {
        general: line(source.general.as_ref(), "general"),
        sensitive: line(source.sensitive.as_ref(), "sensitive"),
        specially_sensitive: line(source.specially_sensitive.as_ref(), "specially-sensitive"),
        ciio: line(source.ciio.as_ref(), "ciio"),
        ciio_counts: if sensitive_only { CiioCounts::Sensitive } else { CiioCounts::PersonalInformation },
        part_of_large_holding: if parts { PartOfHolding::NotImportant } else { PartOfHolding::Important },
    })
}

fn sector(
    builder: &mut Builder<'_>,
    path: &str,
    list: &ZoneList,
    edition: EditionId,
    source: &list::Sector,
    national: Option<Lines<Line>>,
) {
    if list.coverage == file::Coverage::Catalogue {
        let message = "a list with `coverage: catalogue` has no sectors: it only names data".to_owned();
        let help = "remove `sectors`, or write `coverage: scenarios`".to_owned();
        builder.cx(path).error("P017", source.span, message, help);
    }
    let code = &source.sector.value.0;
    let Some(number) = builder.follow(path, &source.sector, |codes| &codes.sectors, "sector") else { return };
    let Some(id) = u16::try_from(number).ok().map(SectorId) else { return };
    if id == SectorId::OTHER {
        let help = "`other` means the sectors that no list regulates: remove it here".to_owned();
        builder.cx(path).error("P017", source.sector.span, "a list cannot list `other`".to_owned(), help);
    }
    let prefix = format!("{}/{code}", list.id.value.0);
    let rule = builder.rule_at(path, source.sector.span, &prefix, &list.citation);
    let mut excluded_kinds = KindSet::default();
    for kind in &source.excluded_exporter_kinds {
        let number = builder.follow(path, kind, |codes| &codes.kinds, "kind of exporter");
        if let Some(number) = number.and_then(|number| u8::try_from(number).ok()).filter(|number| *number < 64) {
            excluded_kinds.insert(KindId(number));
        }
    }
    let mut excluded_modalities = ModalitySet::default();
    for modality in &source.excluded_modalities {
        excluded_modalities.insert(modality.to_modality());
    }
    let scenarios = match source.scenarios_known {
        file::ScenariosKnown::All => ScenariosKnown::All,
        file::ScenariosKnown::Partial | file::ScenariosKnown::None => ScenariosKnown::NotAll,
    };
    let lines = self::lines(builder, path, list, &source.lines, &prefix, national);
    for scenario in &source.scenarios {
        self::scenario(builder, path, list, (edition, id), scenario, &prefix, lines, national);
    }
    let listing = SectorListing { rule, excluded_kinds, excluded_modalities, scenarios, lines };
    builder.lists.sectors.push(((edition, id), listing));
}

#[expect(clippy::too_many_arguments, reason = "a scenario is compiled in the frame of its list, sector and lines")]
fn scenario(
    builder: &mut Builder<'_>,
    path: &str,
    list: &ZoneList,
    (edition, sector): (EditionId, SectorId),
    source: &list::Scenario,
    prefix: &str,
    of_sector: Lines<ListLine>,
    national: Option<Lines<Line>>,
) {
    let code = &source.scenario.value.0;
    let Some(number) = builder.follow(path, &source.scenario, |codes| &codes.scenarios, "scenario") else { return };
    let Some(id) = u16::try_from(number).ok().map(ScenarioId) else { return };
    if id == ScenarioId::OTHER {
        let help = "`other` means the scenarios that no list regulates: remove it here".to_owned();
        builder.cx(path).error("P017", source.scenario.span, "a list cannot list `other`".to_owned(), help);
    }
    let prefix = format!("{prefix}/{code}");
    let rule = builder.rule_at(path, source.scenario.span, &prefix, &list.citation);
    let lines = match &source.lines {
        Some(lines) => self::lines(builder, path, list, lines, &prefix, national),
        None => of_sector,
    };
    builder.lists.scenarios.push(((edition, sector, id), ScenarioListing { rule, lines }));
}

fn lines(
    builder: &mut Builder<'_>,
    path: &str,
    list: &ZoneList,
    source: &list::Lines,
    prefix: &str,
    national: Option<Lines<Line>>,
) -> Lines<ListLine> {
    let both = |line: ListLine| LinePair { contract: line, assess: line };
    match source {
        file::Lines::Unknown => Lines { general: both(ListLine::Unknown), sensitive: both(ListLine::Unknown) },
        file::Lines::National => Lines { general: both(ListLine::National), sensitive: both(ListLine::National) },
        file::Lines::Table(table) => {
            let mut of_class = |source: &file::ClassLines, class: &str, national: Option<LinePair<Line>>| match source {
                file::ClassLines::Unknown => both(ListLine::Unknown),
                file::ClassLines::National => both(ListLine::National),
                file::ClassLines::Pair(pair) => {
                    let prefix = format!("{prefix}/{class}");
                    class_pair(builder, path, list, pair, &prefix, national)
                }
            };
            Lines {
                general: of_class(&table.general, "general", national.map(|lines| lines.general)),
                sensitive: of_class(&table.sensitive, "sensitive", national.map(|lines| lines.sensitive)),
            }
        }
    }
}

fn class_pair(
    builder: &mut Builder<'_>,
    path: &str,
    list: &ZoneList,
    pair: &list::LinePair,
    prefix: &str,
    national: Option<LinePair<Line>>,
) -> LinePair<ListLine> {
    let mut line = |source: &file::Line, name: &str, national: Option<Line>| match source {
        file::Line::Unknown => ListLine::Unknown,
        file::Line::National => ListLine::National,
        file::Line::Own(number) => {
            let rule = builder.rule_at(path, number.span, &format!("{prefix}-{name}"), &list.citation);
            let line = Line { from: number.persons.value.0, rule };
            check_plausible(builder, path, number, national);
            ListLine::Own(line)
        }
    };
    let lines = LinePair {
        contract: line(&pair.contract_from, "contract", national.map(|lines| lines.contract)),
        assess: line(&pair.assess_from, "assess", national.map(|lines| lines.assess)),
    };
    // The national line replaces a line that the list does not draw itself.
    let drawn = |line: ListLine, national: Option<Line>| match line {
        ListLine::Own(line) => Some(line),
        ListLine::National | ListLine::Unknown => national,
    };
    let contract = drawn(lines.contract, national.map(|lines| lines.contract));
    let assess = drawn(lines.assess, national.map(|lines| lines.assess));
    if let (Some(contract), Some(assess)) = (contract, assess) {
        check_order(builder, path, LinePair { contract, assess }, pair.span);
    }
    lines
}

/// The mechanism and its procedure require each other.
fn area_contract(builder: &mut Builder<'_>, path: &str, list: &NationalList) -> Option<AreaContract> {
    let (mechanism, procedure) = (list.mechanisms.gba_contract.as_ref(), list.procedures.gba_contract.as_ref());
    let (Some(mechanism), Some(procedure)) = (mechanism, procedure) else {
        let alone = mechanism.map(|mechanism| mechanism.span).or(procedure.map(|procedure| procedure.span));
        if let Some(span) = alone {
            let message =
                "the contract of the Greater Bay Area is in only one of `mechanisms` and `procedures`".to_owned();
            let help = "add `gba-contract` to the other, or remove it".to_owned();
            builder.cx(path).error("P017", span, message, help);
        }
        return None;
    };
    let days = AreaDays { hong_kong: mechanism.hong_kong_from.value.0, macao: mechanism.macao_from.value.0 };
    builder.area_contracts_from = Some(builder.area_contracts_from.map_or(days, |known| known.earliest(days)));
    let step = builder.step(&procedure.code.value.0, procedure.authority.as_ref(), &procedure.text);
    Some(AreaContract {
        step,
        hong_kong_from: time::moment(days.hong_kong, 0)?,
        macao_from: time::moment(days.macao, 0)?,
    })
}

/// The drafters of the first lists relaxed the national lines five to ten times. A number far outside that range is
/// more likely a slip of the pen than a rule.
fn check_plausible(builder: &mut Builder<'_>, path: &str, number: &list::Number, national: Option<Line>) {
    // The national sensitive contract line is the first person: no multiple of it means anything.
    let Some(national) = national.map(|line| line.from.get()).filter(|from| 1 < *from) else { return };
    let own = number.persons.value.0.get();
    if own < national || national.saturating_mul(10) < own {
        let message = format!("the line {own} is outside 1 to 10 times the national line {national}");
        let help = "check the source: is there a zero too few or too many?".to_owned();
        builder.cx(path).warning("P021", number.persons.span, message, help);
    }
}

/// Reports two editions for the same exporter at the same time, which would leave open which one applies.
fn overlaps(builder: &mut Builder<'_>, dated: &[Dated<'_>]) {
    for (index, (path, span, interval, zone)) in dated.iter().enumerate() {
        for (other_path, _, other, other_zone) in dated.iter().take(index) {
            let same_exporters = match (zone, other_zone) {
                (None, None) => true,
                (Some((a, family)), Some((b, other_family))) => {
                    let closure =
                        |zone: &ZoneId| builder.lists.zone_closure.get(zone.index()).copied().unwrap_or_default();
                    let related = closure(a).contains(*b) || closure(b).contains(*a);
                    if related && family != other_family {
                        let message =
                            format!("the list in `{other_path}` is for the same exporters and has another family");
                        let help = "give both the same `family`: lists of two families share no counters, so the count of the year begins again";
                        builder.cx(path).warning("P031", *span, message, help.to_owned());
                    }
                    related
                }
                (None, Some(_)) | (Some(_), None) => false,
            };
            if same_exporters && interval.overlaps(*other) {
                let message = format!("the edition is in force at the same time as the one in `{other_path}`");
                let help = "give the earlier one a `last_day`: the day before the later one begins".to_owned();
                builder.cx(path).error("P012", *span, message, help);
            }
        }
    }
}

/// Divides time into segments, at each begin and end of an edition.
fn segments(builder: &mut Builder<'_>) {
    let lists = &mut builder.lists;
    let mut bounds = vec![Moment::from_seconds(i64::MIN)];
    let nationals = lists.nationals.iter().map(|national| national.interval);
    for interval in nationals.chain(lists.editions.iter().map(|edition| edition.interval)) {
        bounds.push(interval.from);
        bounds.extend(interval.until);
    }
    for contract in lists.nationals.iter().filter_map(|national| national.area_contract) {
        bounds.extend([contract.hong_kong_from, contract.macao_from]);
    }
    bounds.sort_unstable();
    bounds.dedup();
    let number = |index: usize| u16::try_from(index).ok();
    for from in bounds {
        let national = lists.nationals.iter().position(|national| national.interval.contains(from));
        let mut editions = vec![None; lists.zone_closure.len()];
        for (index, edition) in lists.editions.iter().enumerate() {
            if edition.interval.contains(from)
                && let Some(slot) = editions.get_mut(edition.zone.index())
            {
                *slot = number(index).map(EditionId);
            }
        }
        let contract = national.and_then(|index| lists.nationals.get(index)?.area_contract);
        let since = |day: fn(AreaContract) -> Moment| contract.filter(|contract| day(*contract) <= from);
        let area = AreaSteps {
            hong_kong: since(|contract| contract.hong_kong_from).map(|contract| contract.step),
            macao: since(|contract| contract.macao_from).map(|contract| contract.step),
        };
        let national = national.and_then(number).map(NationalId);
        lists.segments.push(Segment { from, national, editions, area });
    }
}
