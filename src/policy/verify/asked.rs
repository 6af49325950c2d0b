//! The transfer of a case in the words of a caller.

use crate::domain::asked::{Asked, AskedFacts, AskedItem, AskedPersons};
use crate::policy::source::cases::{CaseItem, CaseTransfer};
use crate::policy::source::request::{CasePersons, Raw};
use crate::policy::source::scalar::{Class, Modality, YesNo};

/// Returns the transfer of a case in the words of a caller.
pub fn asked(transfer: &CaseTransfer) -> Asked<'_> {
    let facts = transfer.exporter_facts.as_ref().map(|facts| AskedFacts {
        ciio: facts.ciio == YesNo::Yes,
        zones: facts.zones.iter().map(|zone| zone.0.as_ref()).collect(),
        cities: facts.cities.iter().map(|city| city.0.as_ref()).collect(),
        kinds: facts.kinds.iter().map(|kind| kind.0.as_ref()).collect(),
        held: facts.held.as_ref().map(persons).unwrap_or_default(),
        held_specially_sensitive: facts.held_specially_sensitive.map_or(0, |persons| persons.0.get()),
    });
    Asked {
        flow: text(transfer.flow.as_ref()),
        exporter: text(transfer.exporter.as_ref()),
        exporter_facts: facts,
        recipient: text(transfer.recipient.as_ref()),
        destination: text(transfer.destination.as_ref()),
        sector: text(transfer.sector.as_ref()),
        scenario: text(transfer.scenario.as_ref()),
        data: transfer.data.iter().map(item).collect(),
        persons: transfer.persons.as_ref().map(persons),
        year_to_date: transfer.year_to_date.as_ref().map(persons),
        scenario_year_to_date: transfer.scenario_year_to_date.as_ref().map(persons),
        clearance_year_to_date: transfer.clearance_year_to_date.as_ref().map(persons),
        ground: transfer.ground.to_ground(),
        at: None,
        export_zone: text(transfer.export_zone.as_ref()),
    }
}

/// In the API, absent and empty are the same.
fn text(text: Option<&Raw>) -> Option<&str> {
    text.map(|text| text.0.as_ref()).filter(|text| !text.is_empty())
}

fn item(item: &CaseItem) -> AskedItem<'_> {
    AskedItem {
        code: &item.code.0,
        class: item.class.map(Class::to_class),
        modality: item.modality.map(Modality::to_modality),
        attributes: item.attributes.iter().map(|attribute| attribute.0.as_ref()).collect(),
    }
}

/// Returns numbers of persons in the words of a caller.
pub(super) const fn persons(persons: &CasePersons) -> AskedPersons {
    AskedPersons { general: persons.general.0.get(), sensitive: persons.sensitive.0.get() }
}
