//! The question, completed from the registry; `None` where a request has to be refused.

use std::collections::BTreeSet;

use neglist::domain::asked::{Asked, AskedFacts, AskedItem, AskedPersons};
use neglist::domain::units::{Class, Country, Ground, Modality, Persons};
use neglist::policy::source::registry::Flow;
use neglist::policy::source::scalar::{self, YesNo};

use super::law::Law;
use super::names::{is_code, is_name, resembles_a_stricter_code, resembles_an_exporter};

/// Known facts of an exporter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts<'p> {
    /// Operator of critical information infrastructure.
    pub(crate) ciio: bool,
    /// Zones, with those around them.
    pub(crate) zones: BTreeSet<&'p str>,
    /// Registered in a mainland city of the Greater Bay Area.
    pub(crate) in_area: bool,
    /// Kinds.
    pub(crate) kinds: Vec<String>,
    /// Holdings.
    pub(crate) held: Count,
    /// Holdings of specially sensitive information.
    pub(crate) specially: u64,
}

/// Persons, by class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// General.
    pub(crate) general: u64,
    /// Sensitive.
    pub(crate) sensitive: u64,
}

impl Count {
    /// Adds up class by class.
    pub(crate) fn plus(self, other: Count) -> Count {
        Count { general: self.general + other.general, sensitive: self.sensitive + other.sensitive }
    }

    /// The smaller, class by class.
    pub(crate) fn min(self, other: Count) -> Count {
        Count { general: self.general.min(other.general), sensitive: self.sensitive.min(other.sensitive) }
    }

    /// The larger, class by class.
    pub(crate) fn max(self, other: Count) -> Count {
        Count { general: self.general.max(other.general), sensitive: self.sensitive.max(other.sensitive) }
    }
}

/// A kind of data that is sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent<'a> {
    /// Code.
    pub(crate) code: &'a str,
    /// The statements of the caller or the flow.
    pub(crate) class: Option<Class>,
    /// Modality.
    pub(crate) modality: Option<Modality>,
    /// Attributes.
    pub(crate) attributes: Vec<&'a str>,
}

/// A request that can be decided, unless the lists in force ask for more.
#[derive(Debug, Clone)]
pub(crate) struct Said<'a> {
    /// A registered exporter.
    pub(crate) exporter: Option<&'a str>,
    /// Known facts of the exporter.
    pub(crate) facts: Facts<'a>,
    /// These and the caller's claims, if it is registered.
    pub(crate) claimed: Option<Facts<'a>>,
    /// To whom.
    pub(crate) recipient: Option<&'a str>,
    /// Where the data goes.
    pub(crate) destination: &'a str,
    /// Whether the data leaves the mainland.
    pub(crate) abroad: bool,
    /// Sector.
    pub(crate) sector: Option<&'a str>,
    /// Scenario.
    pub(crate) scenario: Option<&'a str>,
    /// The data that is sent.
    pub(crate) items: Vec<Sent<'a>>,
    /// Ground.
    pub(crate) ground: Option<Ground>,
    /// The zone that it leaves from, and those around it.
    pub(crate) export_zones: BTreeSet<&'a str>,
    /// Persons added.
    pub(crate) persons: Option<Count>,
    /// Totals of the year.
    pub(crate) national: Option<Count>,
    /// Totals of the year in the scenario.
    pub(crate) scenario_total: Option<Count>,
    /// Totals of the year under the clearance.
    pub(crate) clearance_total: Option<Count>,
}

/// Completes a request. `None`: it has to be refused.
pub(crate) fn said<'a>(law: &Law<'a>, asked: &'a Asked<'a>) -> Option<Said<'a>> {
    let flow = match asked.flow {
        Some(id) => Some(law.flow(id)?),
        None => None,
    };
    let (exporter, facts, claimed) = exporter(law, asked, flow)?;
    let destination = asked.destination.or(flow.map(|flow| &*flow.destination.value.0))?;
    Country::parse(destination)?;
    let sector = asked.sector.or(flow.map(|flow| &*flow.sector.value.0));
    let scenario = asked.scenario.or(flow.map(|flow| &*flow.scenario.value.0));
    if !asked.recipient.is_none_or(is_name) {
        return None;
    }
    let recipient = asked.recipient.or(flow.map(|flow| &*flow.recipient.value.0));
    let is_known = sector.is_none_or(|sector| law.knows_sector(sector))
        && scenario.is_none_or(|scenario| law.knows_scenario(scenario));
    if !is_known {
        return None;
    }
    let items = if asked.data.is_empty() { of_flow(flow?) } else { of_caller(law, &asked.data)? };
    let export_zone = asked.export_zone.or(flow.and_then(|flow| flow.export_zone.as_ref()).map(|zone| &*zone.value.0));
    let export_zones = match export_zone {
        Some(zone) => law.zone_and_around(zone)?,
        None => BTreeSet::new(),
    };
    let abroad = destination != "CN";
    let mut ground = asked.ground;
    if let (None, Some(flow)) = (ground, flow)
        && let Some(registered) = flow.ground.to_ground()
    {
        let same = recipient == Some(&*flow.recipient.value.0)
            && destination == &*flow.destination.value.0
            && sector == Some(&*flow.sector.value.0)
            && scenario == Some(&*flow.scenario.value.0)
            && items.iter().all(|item| flow.items.iter().any(|known| &*known.code.value.0 == item.code));
        if abroad && !same {
            return None;
        }
        ground = Some(registered);
    }
    let persons = |asked: Option<AskedPersons>| match asked {
        Some(asked) => count(asked).map(Some),
        None => Some(None),
    };
    Some(Said {
        exporter,
        facts,
        claimed,
        recipient,
        destination,
        abroad,
        sector,
        scenario,
        items,
        ground,
        export_zones,
        persons: persons(asked.persons)?,
        national: persons(asked.year_to_date)?,
        scenario_total: persons(asked.scenario_year_to_date)?,
        clearance_total: persons(asked.clearance_year_to_date)?,
    })
}

fn count(asked: AskedPersons) -> Option<Count> {
    let AskedPersons { general, sensitive } = asked;
    let most = Persons::MAX.get();
    (general <= most && sensitive <= most).then_some(Count { general, sensitive })
}

type Exporter<'a> = (Option<&'a str>, Facts<'a>, Option<Facts<'a>>);

fn exporter<'a>(law: &Law<'a>, asked: &'a Asked<'a>, flow: Option<&'a Flow>) -> Option<Exporter<'a>> {
    let stated = match &asked.exporter_facts {
        Some(facts) => Some(stated(law, facts)?),
        None => None,
    };
    let id = asked.exporter.or(flow.map(|flow| &*flow.exporter.value.0))?;
    if flow.is_some_and(|flow| &*flow.exporter.value.0 != id) {
        return None;
    }
    let Some(registered) = law.exporter(id) else {
        let is_new = is_name(id) && !resembles_an_exporter(law, id);
        return if is_new { Some((None, stated?, None)) } else { None };
    };
    let mut facts = Facts {
        ciio: registered.ciio == YesNo::Yes,
        zones: BTreeSet::new(),
        in_area: registered.cities.iter().any(|city| law.city(&city.value.0) == Some(true)),
        kinds: registered.kinds.iter().map(|kind| kind.value.0.to_string()).collect(),
        held: Count { general: registered.held.general.0.get(), sensitive: registered.held.sensitive.0.get() },
        specially: registered.held.specially_sensitive.0.get(),
    };
    for zone in &registered.zones {
        facts.zones.extend(law.zone_and_around(&zone.value.0)?);
    }
    let claimed = stated.map(|stated| Facts {
        ciio: facts.ciio || stated.ciio,
        zones: facts.zones.union(&stated.zones).copied().collect(),
        // A caller's claim about the cities of a registered exporter has no effect.
        in_area: facts.in_area,
        kinds: facts.kinds.iter().chain(&stated.kinds).cloned().collect(),
        held: facts.held.max(stated.held),
        specially: facts.specially.max(stated.specially),
    });
    Some((Some(id), facts, claimed))
}

fn stated<'a>(law: &Law<'a>, facts: &AskedFacts<'_>) -> Option<Facts<'a>> {
    let mut zones = BTreeSet::new();
    for zone in &facts.zones {
        zones.extend(law.zone_and_around(zone)?);
    }
    let known =
        facts.kinds.iter().all(|kind| law.knows_kind(kind)) && facts.cities.iter().all(|city| law.city(city).is_some());
    let specially = facts.held_specially_sensitive;
    (known && specially <= Persons::MAX.get()).then_some(Facts {
        ciio: facts.ciio,
        zones,
        in_area: facts.cities.iter().any(|city| law.city(city) == Some(true)),
        kinds: facts.kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        held: count(facts.held)?,
        specially,
    })
}

fn of_caller<'a>(law: &Law<'_>, items: &'a [AskedItem<'a>]) -> Option<Vec<Sent<'a>>> {
    let sent = |item: &'a AskedItem<'a>| {
        let is_own = |class| is_code(item.code) && !resembles_a_stricter_code(law, item.code, class);
        let can_be_classed = law.item(item.code).is_some() || item.class.is_some_and(is_own);
        let attributes_known = item.attributes.iter().all(|attribute| law.knows_attribute(attribute));
        (can_be_classed && attributes_known).then(|| Sent {
            code: item.code,
            class: item.class,
            modality: item.modality,
            attributes: item.attributes.clone(),
        })
    };
    items.iter().map(sent).collect()
}

fn of_flow(flow: &Flow) -> Vec<Sent<'_>> {
    let mut items = Vec::new();
    for item in &flow.items {
        items.push(Sent {
            code: &item.code.value.0,
            class: item.class.map(scalar::Class::to_class),
            modality: item.modality.map(scalar::Modality::to_modality),
            attributes: item.attributes.iter().map(|attribute| &*attribute.value.0).collect(),
        });
    }
    items
}
