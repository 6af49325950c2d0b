//! The registry as subjects: exporters, flows, clearances.

use jiff::civil::Date;

use super::change::Area;
use super::direction::Direction;
use super::subject::Subject;
use crate::domain::units::Persons;
use crate::policy::source::registry::{Clearance, Exporter, Flow, RegistryFile};
use crate::policy::source::scalar::{Class, Modality, OrAny, OrNone, YesNo};

pub(super) fn registry(path: &str, file: &RegistryFile, subjects: &mut Vec<Subject>) {
    subjects.extend(file.exporters.iter().map(|exporter| self::exporter(path, exporter)));
    subjects.extend(file.flows.iter().map(|flow| self::flow(path, flow)));
    subjects.extend(file.clearances.iter().map(|clearance| self::clearance(path, clearance)));
}

fn exporter(path: &str, source: &Exporter) -> Subject {
    let id = source.id.value.0.to_string();
    let mut subject = Subject::new(Area::Exporter, id, Some(&source.name), path, source.id.span);
    subject.text("name", &source.name);
    subject.set("zones", source.zones.iter().map(|zone| zone.value.0.as_ref()), None);
    let cities = source.cities.iter().map(|city| city.value.0.as_ref());
    subject.set("cities", cities, Some(Direction::Looser));
    subject.ranked("ciio", source.ciio.word(), u64::from(source.ciio == YesNo::No));
    subject.set("kinds", source.kinds.iter().map(|kind| kind.value.0.as_ref()), None);
    let held = [
        ("held.general", source.held.general),
        ("held.sensitive", source.held.sensitive),
        ("held.specially_sensitive", source.held.specially_sensitive),
    ];
    for (name, persons) in held {
        // The more persons' data a company holds, the sooner it is important data.
        subject.ranked(name, persons.0.to_string(), u64::MAX - persons.0.get());
    }
    subject
}

fn flow(path: &str, source: &Flow) -> Subject {
    let mut subject = Subject::new(Area::Flow, source.id.value.0.to_string(), None, path, source.id.span);
    subject.word("exporter", source.exporter.value.0.to_string());
    subject.word("recipient", source.recipient.value.0.to_string());
    subject.word("destination", source.destination.value.0.to_string());
    subject.word("sector", source.sector.value.0.to_string());
    subject.word("scenario", source.scenario.value.0.to_string());
    let items: Vec<String> = source
        .items
        .iter()
        .map(|item| {
            let mut facts: Vec<&str> = item.attributes.iter().map(|attribute| attribute.value.0.as_ref()).collect();
            facts.extend(item.class.map(Class::word));
            facts.extend(item.modality.map(Modality::word));
            let code = &item.code.value.0;
            if facts.is_empty() { code.to_string() } else { format!("{code} ({})", facts.join(", ")) }
        })
        .collect();
    subject.set("items", items.iter().map(String::as_str), None);
    subject.word("ground", source.ground.word());
    subject.optional("export_zone", source.export_zone.as_ref().map(|zone| zone.value.0.to_string()));
    subject
}

fn clearance(path: &str, source: &Clearance) -> Subject {
    let mut subject = Subject::new(Area::Clearance, source.id.value.0.to_string(), None, path, source.id.span);
    subject.added = Some(Direction::Looser);
    subject.word("kind", source.kind.word());
    subject.optional("reference", source.reference.as_ref().map(|reference| reference.0.to_string()));
    subject.word("exporter", source.exporter.value.0.to_string());
    subject.word("recipient", source.recipient.value.0.to_string());
    for (name, scope) in [("sector", &source.sector), ("scenario", &source.scenario)] {
        match scope {
            OrAny::Any => subject.word(name, "any"),
            OrAny::Only(code) => subject.word(name, code.value.0.to_string()),
        }
    }
    subject.set("items", source.items.iter().map(|item| item.value.0.as_ref()), Some(Direction::Looser));
    let covers = source.covers_important_data;
    subject.ranked("covers_important_data", covers.word(), u64::from(covers == YesNo::Yes));
    subject.set("lists", source.lists.iter().map(|list| list.value.0.as_ref()), Some(Direction::Looser));
    let place = source.recipient_registered_in.as_ref().map(|place| place.value.word());
    subject.optional("recipient_registered_in", place.map(str::to_owned));
    let onward = source.no_onward_transfer.as_ref().map(|onward| onward.value.word());
    subject.optional("no_onward_transfer", onward.map(str::to_owned));
    subject.optional("extends", source.extends.as_ref().map(|extended| extended.value.0.to_string()));
    let caps = match &source.persons_per_year_max {
        OrNone::None => [None, None],
        OrNone::Some(cap) => [Some(cap.general.0), Some(cap.sensitive.0)],
    };
    for (name, cap) in ["persons_per_year_max.general", "persons_per_year_max.sensitive"].into_iter().zip(caps) {
        let shown = cap.map_or_else(|| "none".to_owned(), |cap| cap.to_string());
        subject.ranked(name, shown, cap.map_or(u64::MAX, Persons::get));
    }
    let (first, last) = (source.first_day.value.0, source.last_day.value.0);
    subject.ranked("first_day", first.to_string(), u64::MAX - days(first));
    subject.ranked("last_day", last.to_string(), days(last));
    subject
}

/// Returns a number that increases with the day. The days of the format are between 2017 and 2199.
fn days(day: Date) -> u64 {
    let (year, month, day) = (day.year().unsigned_abs(), day.month().unsigned_abs(), day.day().unsigned_abs());
    (u64::from(year) * 12 + u64::from(month)) * 31 + u64::from(day)
}
