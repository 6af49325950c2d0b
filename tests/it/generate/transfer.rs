//! Random transfers, mostly well-formed, with counts and moments gathered at the boundaries.

use std::sync::LazyLock;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use neglist::domain::asked::{Asked, AskedFacts, AskedItem, AskedPersons};
use neglist::domain::units::{Class, Ground, Modality, Moment};

use super::dice::Dice;
use super::policy::{DAYS, Policy, word_or_other};

/// A transfer in a caller's words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    /// Registered flow.
    pub(crate) flow: Option<String>,
    /// Exporter.
    pub(crate) exporter: Option<String>,
    /// Facts about it.
    pub(crate) facts: Option<QueryFacts>,
    /// Recipient.
    pub(crate) recipient: Option<String>,
    /// Destination.
    pub(crate) destination: Option<String>,
    /// Sector.
    pub(crate) sector: Option<String>,
    /// Scenario.
    pub(crate) scenario: Option<String>,
    /// The data that is sent.
    pub(crate) data: Vec<QueryItem>,
    /// Persons added: general, sensitive.
    pub(crate) persons: Option<(u64, u64)>,
    /// Totals of the year.
    pub(crate) year_to_date: Option<(u64, u64)>,
    /// Totals of the year in the scenario.
    pub(crate) scenario_year_to_date: Option<(u64, u64)>,
    /// Totals of the year under the clearance.
    pub(crate) clearance_year_to_date: Option<(u64, u64)>,
    /// Ground.
    pub(crate) ground: Option<Ground>,
    /// Seconds and nanoseconds of the moment to decide for.
    pub(crate) at: (i64, u32),
    /// Zone that the data leaves from.
    pub(crate) export_zone: Option<String>,
}

/// Facts about an exporter.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueryFacts {
    /// Operator of critical information infrastructure.
    pub(crate) ciio: bool,
    /// Zones of registration.
    pub(crate) zones: Vec<String>,
    /// Cities of registration.
    pub(crate) cities: Vec<String>,
    /// Kinds.
    pub(crate) kinds: Vec<String>,
    /// Holdings: general, sensitive.
    pub(crate) held: (u64, u64),
    /// Holdings of specially sensitive information.
    pub(crate) specially: u64,
}

/// A kind of data.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueryItem {
    /// Code.
    pub(crate) code: String,
    /// The caller's classification.
    pub(crate) class: Option<Class>,
    /// Modality.
    pub(crate) modality: Option<Modality>,
    /// Attributes.
    pub(crate) attributes: Vec<String>,
}

const CLASSES: [Class; 4] = [Class::NonPersonal, Class::General, Class::Sensitive, Class::Important];

impl Query {
    /// Returns the request in the form of the domain.
    pub(crate) fn asked(&self) -> Asked<'_> {
        let persons = |(general, sensitive)| AskedPersons { general, sensitive };
        Asked {
            flow: self.flow.as_deref(),
            exporter: self.exporter.as_deref(),
            exporter_facts: self.facts.as_ref().map(|facts| AskedFacts {
                ciio: facts.ciio,
                zones: facts.zones.iter().map(String::as_str).collect(),
                cities: facts.cities.iter().map(String::as_str).collect(),
                kinds: facts.kinds.iter().map(String::as_str).collect(),
                held: persons(facts.held),
                held_specially_sensitive: facts.specially,
            }),
            recipient: self.recipient.as_deref(),
            destination: self.destination.as_deref(),
            sector: self.sector.as_deref(),
            scenario: self.scenario.as_deref(),
            data: self
                .data
                .iter()
                .map(|item| AskedItem {
                    code: &item.code,
                    class: item.class,
                    modality: item.modality,
                    attributes: item.attributes.iter().map(String::as_str).collect(),
                })
                .collect(),
            persons: self.persons.map(persons),
            year_to_date: self.year_to_date.map(persons),
            scenario_year_to_date: self.scenario_year_to_date.map(persons),
            clearance_year_to_date: self.clearance_year_to_date.map(persons),
            ground: self.ground,
            at: Some(self.moment()),
            export_zone: self.export_zone.as_deref(),
        }
    }

    /// Returns the moment to decide for.
    pub(crate) fn moment(&self) -> Moment {
        Moment::new(self.at.0, self.at.1).unwrap()
    }
}

/// Draws a transfer.
pub(crate) fn query(dice: &mut Dice<'_>, policy: &Policy) -> Query {
    let mut query = Query { at: moment(dice), ..Query::default() };
    if !policy.flows.is_empty() && dice.percent(35) {
        query.flow = Some(dice.pick(&policy.flows).clone());
    }
    // A flow supplies most omitted fields; now and then a field is stated all the same.
    let says = |dice: &mut Dice<'_>, query: &Query| query.flow.is_none() || dice.percent(8);
    if says(dice, &query) {
        exporter(dice, policy, &mut query);
    }
    if says(dice, &query) && dice.percent(80) {
        let strange = dice.percent(5);
        let known = dice.pick(&policy.recipients).clone();
        query.recipient = Some(if strange { changed(dice, "somebody") } else { known });
    }
    if says(dice, &query) && !dice.percent(1) {
        query.destination = Some(
            (*dice.pick(&[
                "CH", "DE", "FR", "GB", "HK", "HK", "IN", "JP", "HK", "MO", "MO", "NL", "SE", "SG", "TH", "TW", "US",
                "CN",
            ]))
            .to_owned(),
        );
    }
    if says(dice, &query) && dice.percent(95) {
        query.sector = Some(word_or_other(dice, &policy.sectors));
    }
    if says(dice, &query) && dice.percent(95) {
        query.scenario = Some(word_or_other(dice, &policy.scenarios));
    }
    if let Some((sector, scenario)) = dice.pick_any(&policy.listed[..policy.listed.len().min(256)])
        && query.sector.is_some()
        && query.scenario.is_some()
        && dice.percent(70)
    {
        (query.sector, query.scenario) = (Some(sector.clone()), Some(scenario.clone()));
    }
    if says(dice, &query) {
        query.data = (0..=dice.below(3)).map(|_| item(dice, policy)).collect();
    }
    if dice.percent(10) {
        query.ground = Some(*dice.pick(&Ground::ALL));
    }
    if says(dice, &query) && dice.percent(60) {
        query.export_zone = Some(dice.pick(&policy.zones).clone());
    }
    counts(dice, policy, &mut query);
    query
}

fn exporter(dice: &mut Dice<'_>, policy: &Policy, query: &mut Query) {
    let registered = dice.pick_any(&policy.exporters).cloned();
    query.exporter = match registered {
        Some(exporter) if dice.percent(55) => Some(exporter),
        // A name that resembles a registered one, in one way or another, or breaks the rule for names.
        Some(exporter) if dice.percent(15) => Some(changed(dice, &exporter)),
        _ if dice.percent(20) => Some("未登记的公司".to_owned()),
        _ => Some("unregistered".to_owned()),
    };
    let is_registered = query.exporter.as_ref().is_some_and(|exporter| policy.exporters.contains(exporter));
    if !is_registered || dice.percent(20) {
        query.facts = Some(facts(dice, policy));
    }
}

/// Draws facts about an exporter.
pub(crate) fn facts(dice: &mut Dice<'_>, policy: &Policy) -> QueryFacts {
    QueryFacts {
        ciio: dice.percent(8),
        zones: dice.some_of(&policy.zones, 60),
        cities: dice.some_of(&policy.cities, 50),
        kinds: dice.some_of(&policy.kinds, 20),
        held: (near_line(dice, policy, 15), near_line(dice, policy, 15)),
        specially: near_line(dice, policy, 10),
    }
}

/// Changes to a name or code: invisible characters, look-alikes and slips.
const CHANGES: [&str; 12] =
    ["\u{200b}", "\u{feff}", "\u{ad}", "\u{2060}", " ", "\u{3000}", "\n", "\u{308}", "1", "x", "-", "乙"];

/// Changes a name or a code in a place or two, or in none.
fn changed(dice: &mut Dice<'_>, word: &str) -> String {
    let mut characters: Vec<char> = word.chars().collect();
    for _ in 0..dice.below(3) {
        let place = dice.below(characters.len() + 1);
        let change = dice.pick::<&str>(&CHANGES).chars();
        match dice.below(5) {
            0 if place < characters.len() => drop(characters.remove(place)),
            1 if place < characters.len() => drop(characters.splice(place..=place, change)),
            2 if place + 1 < characters.len() => characters.swap(place, place + 1),
            3 => characters = characters.into_iter().flat_map(char::to_uppercase).collect(),
            _ => drop(characters.splice(place..place, change)),
        }
    }
    characters.into_iter().collect()
}

fn item(dice: &mut Dice<'_>, policy: &Policy) -> QueryItem {
    let own = dice.percent(6);
    let class = if own || dice.percent(8) { Some(*dice.pick(&CLASSES)) } else { None };
    let known = dice.pick(&policy.items).clone();
    QueryItem {
        // Far from every code of the catalogue, or near one, which is taken for a slip.
        code: match if own { dice.below(5) } else { 5 } {
            0 => changed(dice, &known),
            1 => {
                let field = format!("field_{}", dice.below(3));
                changed(dice, &field)
            }
            2..=4 => "callers.own.code".to_owned(),
            _ => known,
        },
        class,
        modality: if dice.percent(80) { Some(*dice.pick(&Modality::ALL)) } else { None },
        attributes: dice.some_of(&policy.attributes, 35),
    }
}

/// The number of one of the lines, one less or one more; with the chance given, else 0.
fn near_line(dice: &mut Dice<'_>, policy: &Policy, percent: usize) -> u64 {
    let lines = &policy.lines[..policy.lines.len().min(256)];
    match dice.pick_any(lines) {
        Some(line) if dice.percent(percent) => (line + dice.below(3) as u64).saturating_sub(1),
        _ => 0,
    }
}

/// Draws persons and totals whose sums lie just below, on or just above lines.
fn counts(dice: &mut Dice<'_>, policy: &Policy, query: &mut Query) {
    let mut sums = || [(); 3].map(|()| (near_line(dice, policy, 50), near_line(dice, policy, 30)));
    let [national, scenario, clearance] = sums();
    let share = |dice: &mut Dice<'_>, sum: u64| match dice.below(5) {
        0 | 1 => 0,
        2 => 1,
        3 => sum,
        _ => sum / 2,
    };
    let no_persons = dice.percent(25);
    let mut persons = (share(dice, national.0), share(dice, national.1));
    if no_persons {
        persons = (0, 0);
    }
    let without = |sum: (u64, u64)| (sum.0.saturating_sub(persons.0), sum.1.saturating_sub(persons.1));
    query.persons = if dice.percent(4) || no_persons && dice.percent(60) { None } else { Some(persons) };
    query.year_to_date = if dice.percent(96) { Some(without(national)) } else { None };
    query.scenario_year_to_date = if dice.percent(94) { Some(without(scenario)) } else { None };
    query.clearance_year_to_date = if dice.percent(30) { Some(without(clearance)) } else { None };
}

/// First seconds of the days, in Shanghai.
static MIDNIGHTS: LazyLock<Vec<i64>> = LazyLock::new(|| {
    let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
    let midnight = |day: &str| shanghai.to_timestamp(day.parse::<Date>().unwrap().at(0, 0, 0, 0)).unwrap().as_second();
    DAYS.iter().map(|day| midnight(day)).collect()
});

/// Draws a moment: around midnight of a day at which something happens, or some other one.
fn moment(dice: &mut Dice<'_>) -> (i64, u32) {
    let midnight = *dice.pick(&MIDNIGHTS);
    let day = 86_400;
    match dice.below(10) {
        0 => (midnight, 0),
        1 => (midnight - 1, 999_999_999),
        2 => (midnight + day, 0),
        3 => (midnight + day - 1, 999_999_999),
        4 => (midnight, 1),
        // Nothing is in force before the first day of all, and nothing is known beyond the calendar.
        5 if dice.percent(30) => (midnight - 3 * 365 * day, 0),
        5 if dice.percent(10) => (midnight - 10 * 365 * day, 0),
        5 if dice.percent(10) => (midnight + 200 * 365 * day, 0),
        _ => (midnight + day * i64::try_from(dice.below(250)).unwrap() + 3_600, 0),
    }
}
