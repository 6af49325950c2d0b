//! Lists as subjects: editions, sectors, scenarios, entries.

use super::change::Area;
use super::direction::Direction;
use super::subject::Subject;
use crate::domain::units::Persons;
use crate::policy::SourceFile;
use crate::policy::source::Document;
use crate::policy::source::list::{
    Admission, Boundary, CiioQuantity, ClassLines, Entry, Filing, FilingMode, FreesListed, Line, Lines, Mechanism,
    NationalList, Number, PartOfHolding, PersonInBothClasses, Requirement, Rule, Scenario, Sector, Settings, ZoneList,
};
use crate::policy::source::scalar::{At, Code, Day, Known, OrNone, Small, YesNoUnknown, both};

/// The four national head-counts: general before sensitive, and for each the contract before the assessment.
pub(super) type FourLines = [u64; 4];

/// The fields of the four lines.
const LINES: [&str; 4] = [
    "lines.general.contract_from",
    "lines.general.assess_from",
    "lines.sensitive.contract_from",
    "lines.sensitive.assess_from",
];

/// Returns the lines that replace unknown ones: those of the last national list.
pub(super) fn national_lines(sources: &[SourceFile]) -> FourLines {
    let lists = sources.iter().filter_map(|source| match &source.document {
        Document::National(list) => Some(list),
        Document::Catalogue(_)
        | Document::Zone(_)
        | Document::Registry(_)
        | Document::Gateway(_)
        | Document::Test(_) => None,
    });
    lists.max_by_key(|list| list.first_day.value).map_or([0; 4], |list| four_lines(list))
}

fn four_lines(list: &NationalList) -> FourLines {
    let (general, sensitive) = (&list.lines.general, &list.lines.sensitive);
    [&general.contract_from, &general.assess_from, &sensitive.contract_from, &sensitive.assess_from]
        .map(|line| line.persons.value.0.get())
}

fn dates(subject: &mut Subject, first: &At<Day>, last: Option<&At<Day>>) {
    subject.word("first_day", first.value.0.to_string());
    subject.word("last_day", last.map_or_else(|| "no end".to_owned(), |last| last.value.0.to_string()));
}

pub(super) fn national(path: &str, list: &NationalList) -> Subject {
    let id = list.id.value.0.to_string();
    let mut subject = Subject::new(Area::NationalList, id, Some(&list.title), path, list.id.span);
    subject.text("title", &list.title);
    dates(&mut subject, &list.first_day, list.last_day.as_ref());
    let rules = &list.rules;
    let rules: [(&str, &Rule); 9] = [
        ("not-an-export", &rules.not_an_export),
        ("important-data", &rules.important_data),
        ("no-personal-information", &rules.no_personal_information),
        ("transit", &rules.transit),
        ("contract-necessity", &rules.contract_necessity),
        ("human-resources", &rules.human_resources),
        ("emergency", &rules.emergency),
        ("small-volume", &rules.small_volume),
        ("ciio", &rules.ciio),
    ];
    for (name, rule) in rules {
        subject.word(format!("rules.{name}"), format!("{}: {}", rule.id.value.0, both(&rule.citation)));
    }
    for (name, persons) in LINES.into_iter().zip(four_lines(list)) {
        subject.ranked(name, persons.to_string(), persons);
    }
    let mechanisms = &list.mechanisms;
    let mechanisms: [(&str, &Mechanism); 3] = [
        ("assessment", &mechanisms.assessment),
        ("contract", &mechanisms.contract),
        ("certification", &mechanisms.certification),
    ];
    for (name, mechanism) in mechanisms {
        subject.word(format!("mechanisms.{name}.validity_years"), years(mechanism.validity_years));
    }
    if let Some(mechanism) = &list.mechanisms.gba_contract {
        subject.word("mechanisms.gba-contract.validity_years", years(mechanism.validity_years));
        subject.word("mechanisms.gba-contract.hong_kong_from", mechanism.hong_kong_from.value.0.to_string());
        subject.word("mechanisms.gba-contract.macao_from", mechanism.macao_from.value.0.to_string());
    }
    let procedures = [
        ("contract", Some(&list.procedures.contract)),
        ("assess", Some(&list.procedures.assess)),
        ("gba-contract", list.procedures.gba_contract.as_ref()),
    ];
    for (name, procedure) in procedures {
        let Some(procedure) = procedure else { continue };
        subject.word(format!("procedures.{name}.code"), procedure.code.value.0.to_string());
        subject.optional(format!("procedures.{name}.authority"), procedure.authority.as_ref().map(both));
        subject.text(format!("procedures.{name}.text"), &procedure.text);
    }
    let both = list.settings.as_ref().map_or(PersonInBothClasses::BothCounters, |known| known.person_in_both_classes);
    let is_lenient = u64::from(both == PersonInBothClasses::SensitiveOnly);
    subject.ranked("settings.person_in_both_classes", both.word(), is_lenient);
    let answers = list.official_answers.iter();
    let answers: Vec<String> =
        answers.map(|round| format!("{} (read: {})", round.date.value.0, round.read.word())).collect();
    subject.set("official_answers", answers.iter().map(String::as_str), None);
    subject
}

fn years(years: Known<OrNone<Small>>) -> String {
    match years {
        Known::Unknown => "unknown".to_owned(),
        Known::Known(OrNone::None) => "none".to_owned(),
        Known::Known(OrNone::Some(years)) => years.0.to_string(),
    }
}

pub(super) fn zone(path: &str, list: &ZoneList, unknown: usize, national: FourLines, subjects: &mut Vec<Subject>) {
    let id = &list.id.value.0;
    let mut subject = Subject::new(Area::ZoneList, id.to_string(), Some(&list.title), path, list.id.span);
    subject.word("zone", list.zone.value.0.to_string());
    subject.word("family", list.family.value.0.to_string());
    subject.text("title", &list.title);
    subject.text("citation", &list.citation);
    dates(&mut subject, &list.first_day, list.last_day.as_ref());
    subject.word("confidence", list.confidence.word());
    subject.word("coverage", list.coverage.word());
    let eligibility = &list.eligibility;
    let rank = match eligibility.export_from_zone {
        Requirement::Required | Requirement::Unknown => 0,
        Requirement::NotRequired => 1,
    };
    subject.ranked("eligibility.export_from_zone", eligibility.export_from_zone.word(), rank);
    let rank = match eligibility.ciio {
        Admission::Excluded | Admission::Unknown => 0,
        Admission::Included => 1,
    };
    subject.ranked("eligibility.ciio", eligibility.ciio.word(), rank);
    subject.word("adopts_other_lists", list.adopts_other_lists.value.word());
    filing(&mut subject, &list.filing);
    settings(&mut subject, list.settings.as_ref());
    quantities(&mut subject, list);
    subject.word("unknown", (unknown + list.unknown.len()).to_string());
    subjects.push(subject);
    for sector in &list.sectors {
        subjects.push(self::sector(path, id, sector, national));
        for scenario in &sector.scenarios {
            subjects.push(self::scenario(path, id, sector, scenario, national));
        }
    }
    subjects.extend(list.entries.iter().map(|entry| self::entry(path, id, entry)));
}

fn filing(subject: &mut Subject, filing: &Filing) {
    let rank = match filing.mode {
        FilingMode::BeforeExport | FilingMode::Unknown => 0,
        FilingMode::AfterExport | FilingMode::JudgeFirst => 1,
        FilingMode::None => 2,
    };
    subject.ranked("filing.mode", filing.mode.word(), rank);
    let rank = u64::from(filing.covers_non_personal == YesNoUnknown::No);
    subject.ranked("filing.covers_non_personal", filing.covers_non_personal.word(), rank);
    match filing.within_working_days {
        Some(Known::Known(days)) => {
            subject.ranked("filing.within_working_days", days.0.to_string(), u64::from(days.0));
        }
        Some(Known::Unknown) => subject.word("filing.within_working_days", "unknown"),
        None => {}
    }
    subject.optional("filing.procedure", filing.procedure.as_ref().map(|code| code.value.0.to_string()));
    subject.optional("filing.authority", filing.authority.as_ref().map(both));
    subject.optional("filing.text", filing.text.as_ref().map(both));
}

/// Settings that are left out have the conservative default: writing the default out is not a change.
fn settings(subject: &mut Subject, settings: Option<&Settings>) {
    let boundary = settings.map_or(Boundary::Inclusive, |settings| settings.quantitative_boundary);
    let part = settings.map_or(PartOfHolding::Important, |settings| settings.part_of_large_holding);
    let quantity = settings.map_or(CiioQuantity::PersonalInformation, |settings| settings.ciio_quantity);
    let frees = settings.map_or(FreesListed::No, |settings| settings.small_volume_frees_listed_scenario);
    let named = [
        ("quantitative_boundary", boundary.word(), boundary == Boundary::Exclusive),
        ("part_of_large_holding", part.word(), part == PartOfHolding::NotImportant),
        ("ciio_quantity", quantity.word(), quantity == CiioQuantity::Sensitive),
        ("small_volume_frees_listed_scenario", frees.word(), frees == FreesListed::Yes),
    ];
    for (name, word, is_lenient) in named {
        subject.ranked(format!("settings.{name}"), word, u64::from(is_lenient));
    }
}

fn quantities(subject: &mut Subject, list: &ZoneList) {
    let source = list.quantitative_identification.as_ref();
    let named: [(&str, Option<&Number>); 4] = [
        ("general", source.and_then(|source| source.general.as_ref())),
        ("sensitive", source.and_then(|source| source.sensitive.as_ref())),
        ("specially_sensitive", source.and_then(|source| source.specially_sensitive.as_ref())),
        ("ciio", source.and_then(|source| source.ciio.as_ref())),
    ];
    for (name, number) in named {
        let persons = number.map(|number| number.persons.value.0.get());
        let shown = persons.map_or_else(|| "none".to_owned(), |persons| persons.to_string());
        subject.ranked(format!("quantitative_identification.{name}"), shown, persons.unwrap_or(u64::MAX));
    }
    subject.optional("quantitative_identification.citation", source.map(|source| both(&source.citation)));
}

fn sector(path: &str, list: &str, source: &Sector, national: FourLines) -> Subject {
    let id = format!("{list}/{}", source.sector.value.0);
    let mut subject = Subject::new(Area::ListedSector, id, None, path, source.sector.span);
    subject.word("scenarios_known", source.scenarios_known.word());
    subject.set("excluded_exporter_kinds", codes(&source.excluded_exporter_kinds), None);
    subject.set("excluded_modalities", source.excluded_modalities.iter().map(|modality| modality.word()), None);
    lines(&mut subject, &source.lines, national);
    subject.word("confidence", source.confidence.word());
    subject
}

fn scenario(path: &str, list: &str, sector: &Sector, source: &Scenario, national: FourLines) -> Subject {
    let id = format!("{list}/{}/{}", sector.sector.value.0, source.scenario.value.0);
    let mut subject = Subject::new(Area::ListedScenario, id, None, path, source.scenario.span);
    lines(&mut subject, source.lines.as_ref().unwrap_or(&sector.lines), national);
    subject.word("confidence", source.confidence.word());
    subject
}

/// Adds the four lines. An unknown or national line ranks as the national line, which applies.
fn lines(subject: &mut Subject, lines: &Lines, national: FourLines) {
    let of_class = |class: &ClassLines| match class {
        ClassLines::Unknown => [None; 2].map(|_: Option<u64>| ("unknown".to_owned(), None)),
        ClassLines::National => [None; 2].map(|_: Option<u64>| ("national".to_owned(), None)),
        ClassLines::Pair(pair) => [line(&pair.contract_from), line(&pair.assess_from)],
    };
    let written: Vec<(String, Option<u64>)> = match lines {
        Lines::Unknown => of_class(&ClassLines::Unknown).into_iter().chain(of_class(&ClassLines::Unknown)).collect(),
        Lines::National => of_class(&ClassLines::National).into_iter().chain(of_class(&ClassLines::National)).collect(),
        Lines::Table(table) => of_class(&table.general).into_iter().chain(of_class(&table.sensitive)).collect(),
    };
    for ((name, (shown, own)), national) in LINES.into_iter().zip(written).zip(national) {
        subject.ranked(name, shown, own.unwrap_or(national));
    }
}

fn line(line: &Line) -> (String, Option<u64>) {
    match line {
        Line::Unknown => ("unknown".to_owned(), None),
        Line::National => ("national".to_owned(), None),
        Line::Own(number) => {
            let persons = number.persons.value.0.get();
            (persons.to_string(), Some(persons))
        }
    }
}

fn codes(codes: &[At<Code>]) -> impl Iterator<Item = &str> {
    codes.iter().map(|code| code.value.0.as_ref())
}

fn entry(path: &str, list: &str, source: &Entry) -> Subject {
    let id = format!("{list}/{}", source.id.value.0);
    let mut subject = Subject::new(Area::Entry, id, Some(&source.name), path, source.id.span);
    // An entry can only make a class stricter.
    subject.added = Some(Direction::Stricter);
    subject.text("name", &source.name);
    // The three classes that an entry can give are declared from the loosest to the strictest.
    subject.ranked("class", source.class.word(), 3 - source.class.to_class() as u64);
    subject.set("items", codes(&source.items), Some(Direction::Stricter));
    let confined = |codes: &[At<Code>]| match codes {
        [] => "any".to_owned(),
        codes => self::codes(codes).collect::<Vec<_>>().join(", "),
    };
    subject.word("sectors", confined(&source.sectors));
    subject.word("scenarios", confined(&source.scenarios));
    let modalities: Vec<&str> = source.modalities.iter().map(|modality| modality.word()).collect();
    subject.word("modalities", if modalities.is_empty() { "any".to_owned() } else { modalities.join(", ") });
    let (shown, persons) = match source.persons_at_least {
        None => ("any number".to_owned(), Persons::ZERO),
        Some(Known::Unknown) => ("unknown".to_owned(), Persons::ZERO),
        Some(Known::Known(persons)) => (persons.0.to_string(), persons.0),
    };
    subject.ranked("persons_at_least", shown, persons.get());
    let unless: Vec<String> = source.unless.iter().map(|all| codes(all).collect::<Vec<_>>().join(" and ")).collect();
    subject.set("unless", unless.iter().map(String::as_str), Some(Direction::Looser));
    if let Some(step) = &source.next_step {
        subject.word("next_step", format!("{}: {}", step.procedure.value.0, both(&step.text)));
    }
    subject.optional("citation", source.citation.as_ref().map(both));
    match &source.criteria {
        Some(Known::Known(criteria)) => subject.text("criteria", criteria),
        Some(Known::Unknown) => subject.word("criteria", "unknown"),
        None => {}
    }
    subject.word("confidence", source.confidence.word());
    subject
}
