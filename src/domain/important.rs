//! Step 2 of the procedure: important data, apart from head-counts of the year.
//!
//! Considers each item (the caller's classification, the catalogue, the entries of the lists in force in
//! the exporter's zones) and the exporter's holdings. Entries that depend on a number of persons become
//! groups of the route; [`super::evaluate`] compares those with the counts.

use super::list::{CiioCounts, National, PartOfHolding, Quantities};
use super::reason::{Measured, Outcome, PersonsOf, Reason, ReasonCode};
use super::route::{Group, Over, Route};
use super::snapshot::Snapshot;
use super::statement::{Ciio, Facts, Item, Statement};
use super::units::{Class, CountedClass, EditionId};

/// Step 2 for the items: the classes of each item, and the reasons why it is important.
pub(super) fn classify(
    snapshot: &Snapshot,
    statement: &Statement,
    national: &National,
    in_force: &[EditionId],
    route: &mut Route,
) {
    let important = national.rules.important_data;
    for item in &statement.items {
        let catalogued = item.id.map(|id| snapshot.class_of(id));
        if item.declared == Some(Class::Important) {
            let reason = Reason::new(ReasonCode::ImportantDataDeclared, important, Outcome::Assess);
            route.require(reason, None);
        }
        if catalogued == Some(Class::Important) {
            let reason = Reason::new(ReasonCode::ImportantDataInCatalogue, important, Outcome::Assess);
            route.require(reason, None);
        }
        let mut classes = Classes::default();
        classes.add(item.declared.max(catalogued).unwrap_or(Class::Important));
        for class in [item.declared, catalogued].into_iter().flatten() {
            classes.add(class);
        }
        for edition in in_force {
            add_listed_classes(snapshot, statement, item, *edition, &mut classes, route);
        }
        route.content.important |= classes.important;
        route.content.sensitive |= classes.sensitive;
        // A sensitive item is not general as well, unless it is important: then every class counts.
        route.content.general |= classes.general && (classes.important || !classes.sensitive);
    }
}

/// The classes of an item from all sources, except non-personal.
#[derive(Default)]
struct Classes {
    general: bool,
    sensitive: bool,
    important: bool,
}

impl Classes {
    const fn add(&mut self, class: Class) {
        match class {
            Class::NonPersonal => {}
            Class::General => self.general = true,
            Class::Sensitive => self.sensitive = true,
            Class::Important => self.important = true,
        }
    }
}

/// Adds the classes that the entries of one edition give an item. An entry that depends on a number of
/// persons becomes a group, because the number is not known yet.
fn add_listed_classes(
    snapshot: &Snapshot,
    statement: &Statement,
    item: &Item,
    edition: EditionId,
    classes: &mut Classes,
    route: &mut Route,
) {
    let Some(id) = item.id else { return };
    for named in snapshot.named(id, edition) {
        let Some(condition) = snapshot.lists.conditions.get(named.condition as usize) else { continue };
        if !condition.catches(statement.scope(), item.modality, item.attributes) {
            continue;
        }
        match condition.persons_at_least {
            Some(from) if condition.class == Class::Important => {
                let code = ReasonCode::ImportantDataGroupSize;
                let of = condition.persons_of;
                let group = Group { from, of, over: Over::Year, code, rule: named.rule, step: condition.step };
                if !route.groups.contains(&group) {
                    route.groups.push(group);
                }
            }
            // A class below important that depends on a head-count applies at any count: stricter, and one rule fewer.
            _ => {
                classes.add(condition.class);
                if condition.class == Class::Important {
                    let reason = Reason::new(ReasonCode::ImportantDataListed, named.rule, Outcome::Assess);
                    route.require(reason, condition.step);
                }
            }
        }
    }
}

/// Step 2 for the exporter's holdings.
pub(super) fn identify_holdings(snapshot: &Snapshot, statement: &Statement, in_force: &[EditionId], route: &mut Route) {
    if !route.content.is_personal() {
        return;
    }
    for edition in in_force {
        let Some(quantities) = snapshot.edition(*edition).and_then(|edition| edition.quantities) else { continue };
        match quantities.part_of_large_holding {
            PartOfHolding::Important => {
                compare_holdings(quantities, &statement.facts, route);
                // An exporter that sends this many persons holds at least as many, regardless of the stated holdings.
                compare_sent(quantities, &statement.facts, Over::Transfer, route);
            }
            PartOfHolding::NotImportant => {
                compare_sent(quantities, &statement.facts, Over::Year, route);
            }
        }
    }
}

const GENERAL: PersonsOf = PersonsOf::Class(CountedClass::General);
const SENSITIVE: PersonsOf = PersonsOf::Class(CountedClass::Sensitive);

/// The persons that the quantity for operators of critical information infrastructure counts.
const fn persons_of_ciio(quantities: Quantities) -> PersonsOf {
    match quantities.ciio_counts {
        CiioCounts::PersonalInformation => PersonsOf::BothClasses,
        CiioCounts::Sensitive => SENSITIVE,
    }
}

fn compare_holdings(quantities: Quantities, facts: &Facts, route: &mut Route) {
    let of_ciio = persons_of_ciio(quantities);
    let ciio_line = quantities.ciio.filter(|_| facts.ciio == Ciio::Yes);
    let held = [
        (quantities.general, facts.held.general, Some(GENERAL)),
        (quantities.sensitive, facts.held.sensitive, Some(SENSITIVE)),
        // The rule itself says that it counts specially sensitive information.
        (quantities.specially_sensitive, facts.held_specially_sensitive, None),
        (ciio_line, of_ciio.among(facts.held), Some(of_ciio)),
    ];
    for (line, persons, of) in held {
        let Some(line) = line.filter(|line| line.from <= persons) else { continue };
        let measured = Some(Measured { persons, line: line.from, of });
        let code = ReasonCode::ImportantDataHeld;
        route.require(Reason { code, rule: line.rule, requires: Outcome::Assess, measured }, None);
        route.content.important = true;
    }
}

fn compare_sent(quantities: Quantities, facts: &Facts, over: Over, route: &mut Route) {
    let ciio_line = quantities.ciio.filter(|_| facts.ciio == Ciio::Yes);
    // Exports are not counted by special sensitivity. Over a year, all sensitive information may be specially sensitive.
    let specially_sensitive = quantities.specially_sensitive.filter(|_| over == Over::Year);
    let sent = [
        (quantities.general, GENERAL),
        (quantities.sensitive, SENSITIVE),
        (specially_sensitive, SENSITIVE),
        (ciio_line, persons_of_ciio(quantities)),
    ];
    for (line, of) in sent {
        let Some(line) = line else { continue };
        let code = ReasonCode::ImportantDataHeld;
        route.groups.push(Group { from: line.from, of, over, code, rule: line.rule, step: None });
    }
}
