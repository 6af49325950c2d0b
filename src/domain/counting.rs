//! Counting: the counters that a transfer is added to, and the counters to read before a decision.
//!
//! Two kinds of export are not counted nationally: exports on a ground (arts. 3, 4, 5(1)(1) to (3)),
//! which are not counted at all, and zone-list exports below the list's own lower line, which are
//! counted only in the scenario's counters. Small-volume, contract and assessment exports are counted.
//! Source: CAC press questions and answers on the Provisions, question 11.
//!
//! A transfer is one export: if either of its classes needs a contract or an assessment, its persons
//! of both classes are counted nationally. No official text says whether to leave out the class that
//! alone would stay below a zone's line; counting it can only lead to a stricter answer later.

use super::counter::{Counted, CounterKey};
use super::decision::Decision;
use super::list::PersonInBothClasses;
use super::named::Named;
use super::reason::Outcome;
use super::route::{Content, Counter, Route};
use super::snapshot::Snapshot;
use super::transfer::{Totals, Transfer};
use super::units::{ClearanceId, CountedClass, Headcount, Moment, Persons};

/// Returns the counters that a transfer is added to when it goes ahead, each once; none if the
/// transfer is not allowed or not counted.
pub fn counters(transfer: &Transfer<'_>, decision: &Decision) -> Vec<CounterKey> {
    let mut found = Vec::new();
    if decision.outcome != Outcome::Allow {
        return found;
    }
    for route in transfer.routes() {
        of_route(route, transfer, decision, &mut found);
    }
    if let Some(id) = decision.clearance.filter(|_| transfer.routes().any(|route| has_persons(route, transfer))) {
        found.extend(CountedClass::ALL.map(|class| CounterKey { counted: Counted::Clearance(id), class }));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Returns the counters to read before a reservation: all that the answer may depend on, regardless
/// of the totals that the caller states.
pub fn counters_to_read(snapshot: &Snapshot, transfer: &Transfer<'_>) -> Vec<CounterKey> {
    let counted = std::iter::once(Counted::National).chain(own_counters(transfer)).chain(clearances(transfer));
    both_classes(counted.chain(elsewhere(snapshot, transfer)).collect())
}

/// Returns the counters to read before a decision without a reservation: those that the answer depends
/// on and that the caller does not state. None if the caller states enough.
///
/// A caller that states a total keeps that total itself; nothing from the ledger is added to it. The cap of a clearance is
/// then compared with the stated totals, and with the ledger's totals in place of those that are left out. If the caller
/// states no total, the ledger knows how many persons were exported under the clearance.
pub fn counters_to_ask(snapshot: &Snapshot, transfer: &Transfer<'_>) -> Vec<CounterKey> {
    let stated = &transfer.stated;
    let mut needs = transfer.needs();
    let mut counted = Vec::new();
    if stated.is_stated() {
        needs = needs.and(transfer.needs_for_caps(snapshot));
    } else if stated.clearance.is_none() && transfer.may_use_a_cap() {
        let is_capped = |id: &&ClearanceId| {
            snapshot.clearance(**id).is_some_and(|clearance| clearance.persons_per_year_max.is_some())
        };
        counted.extend(transfer.clearances.iter().filter(is_capped).map(|id| Counted::Clearance(*id)));
    }
    if !stated.is_stated() {
        counted.extend(elsewhere(snapshot, transfer));
    }
    if needs.national && stated.national.is_none() {
        counted.push(Counted::National);
    }
    if needs.scenario && stated.scenario.is_none() {
        counted.extend(own_counters(transfer));
    }
    both_classes(counted)
}

fn own_counters(transfer: &Transfer<'_>) -> impl Iterator<Item = Counted> {
    transfer.routes().flat_map(|route| route.apart().map(|apart| Counted::Scenario(apart.own)))
}

/// Counters of other scenarios whose persons also belong to a group.
fn elsewhere(snapshot: &Snapshot, transfer: &Transfer<'_>) -> impl Iterator<Item = Counted> {
    let sized = transfer.routes().filter(|route| route.is_sized());
    sized.flat_map(|route| snapshot.counted_elsewhere(route)).map(Counted::Scenario)
}

fn clearances(transfer: &Transfer<'_>) -> impl Iterator<Item = Counted> {
    transfer.clearances.iter().map(|id| Counted::Clearance(*id))
}

fn both_classes(mut counted: Vec<Counted>) -> Vec<CounterKey> {
    counted.sort_unstable();
    counted.dedup();
    counted.into_iter().flat_map(|counted| CountedClass::ALL.map(|class| CounterKey { counted, class })).collect()
}

/// Returns the stated totals, completed with the counters that were read.
///
/// A counter with only one class read is unknown: it counts as above every line.
pub fn totals(stated: &Totals, read: &[(CounterKey, u64)]) -> Totals {
    let of = |counted, class| {
        let found = read.iter().find(|(key, _)| *key == CounterKey { counted, class })?;
        // An impossibly large number can only lead to a stricter outcome.
        Some(Persons::new(found.1).unwrap_or(Persons::MAX))
    };
    let headcount = |counted| {
        let (general, sensitive) = (of(counted, CountedClass::General)?, of(counted, CountedClass::Sensitive)?);
        Some(Headcount { general, sensitive })
    };
    let mut totals = stated.clone();
    totals.national = stated.national.or_else(|| headcount(Counted::National));
    for (key, _) in read.iter().filter(|(key, _)| key.class == CountedClass::General) {
        match key.counted {
            Counted::National => {}
            Counted::Scenario(own) => totals.scenarios.extend(headcount(key.counted).map(|persons| (own, persons))),
            Counted::Clearance(id) => {
                totals.under_clearances.extend(headcount(key.counted).map(|persons| (id, persons)));
            }
        }
    }
    totals
}

/// Returns the classes of which the transfer has information but names no person: someone would be
/// left uncounted.
///
/// A person with sensitive information may have general information in the transfer too. Under the
/// milder reading such a person need not be named twice.
pub fn classes_without_names<P>(
    transfer: &Transfer<'_>,
    named: &Named<P>,
    person_in_both_classes: PersonInBothClasses,
) -> Vec<CountedClass> {
    let sent = |of: fn(Content) -> bool| transfer.routes().any(|route| of(route.content));
    let mut classes = Vec::new();
    let counted_as_sensitive =
        person_in_both_classes == PersonInBothClasses::SensitiveOnly && !named.sensitive.is_empty();
    if sent(|content| content.general) && named.general.is_empty() && !counted_as_sensitive {
        classes.push(CountedClass::General);
    }
    if sent(|content| content.sensitive) && named.sensitive.is_empty() {
        classes.push(CountedClass::Sensitive);
    }
    classes
}

/// Returns the persons to count if none is named: the same number as in the decision, so a sensitive item counts as one
/// person even if the caller states none.
pub fn persons_counted(transfer: &Transfer<'_>) -> Headcount {
    transfer.routes().fold(transfer.persons, |persons, route| persons.max(route.persons_sent(transfer.persons)))
}

/// Returns how the national rules in force at a moment count a person in both classes.
pub fn person_in_both_classes(snapshot: &Snapshot, at: Moment) -> PersonInBothClasses {
    snapshot.national_at(at).map(|national| national.person_in_both_classes).unwrap_or_default()
}

/// Important data may be about persons without being classed as personal information.
fn has_persons(route: &Route, transfer: &Transfer<'_>) -> bool {
    route.content.is_personal() || transfer.persons != Headcount::ZERO
}

fn of_route(route: &Route, transfer: &Transfer<'_>, decision: &Decision, found: &mut Vec<CounterKey>) {
    let national = |class| CounterKey { counted: Counted::National, class };
    let scenario = |own| CountedClass::ALL.map(|class| CounterKey { counted: Counted::Scenario(own), class });
    if route.tracks.is_empty() {
        // On a ground, or not personal: exempt and not counted. An export that only a clearance permits is counted, even if
        // it has a ground that important data overrides, and it is counted in its scenario like any other export. Data that
        // is not personal but becomes important at some number of persons is counted for that number.
        let is_sized = route.is_sized() && !route.content.is_personal();
        if has_persons(route, transfer) && (decision.required != Outcome::Allow || is_sized) {
            found.extend(CountedClass::ALL.map(national));
            found.extend(route.apart().flat_map(|apart| scenario(apart.own)));
        }
        return;
    }
    // True for any line reached, in this scenario or another, by either class.
    let is_under_mechanism = Outcome::Contract <= decision.required;
    for track in &route.tracks {
        for class in CountedClass::ALL {
            found.extend(track.own.map(|apart| CounterKey { counted: Counted::Scenario(apart.own), class }));
            let is_national = match track.lines_of(class).contract.counter {
                Counter::National => true,
                Counter::Scenario => is_under_mechanism,
            };
            if is_national {
                found.push(national(class));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::asked::{Asked, AskedItem, AskedPersons};
    use crate::domain::evaluate::evaluate;
    use crate::domain::list::LinePair;
    use crate::domain::resolve::resolve;
    use crate::domain::route::{Group, OwnCounter, TrackLine};
    use crate::domain::units::{Class, FamilyId, Ground, RuleId, ScenarioId, SectorId};
    use crate::testing::{NOW, counting_snapshot};

    const SCENARIO: Counted =
        Counted::Scenario(OwnCounter { family: FamilyId(0), sector: SectorId(1), scenario: ScenarioId(1) });

    fn persons(general: u64, sensitive: u64) -> AskedPersons {
        AskedPersons { general, sensitive }
    }

    /// A transfer of the flow `trial`, and one of `city` of names.
    fn trial(sensitive: u64) -> Asked<'static> {
        Asked { flow: Some("trial"), persons: Some(persons(0, sensitive)), ..Asked::default() }
    }

    fn names(general: u64) -> Asked<'static> {
        Asked {
            exporter: Some("city"),
            recipient: Some("lab"),
            destination: Some("DE"),
            data: vec![AskedItem { code: "contact.name", ..AskedItem::default() }],
            persons: Some(persons(general, 0)),
            ..Asked::default()
        }
    }

    fn keys(counted: &[Counted]) -> Vec<CounterKey> {
        counted
            .iter()
            .flat_map(|counted| CountedClass::ALL.map(|class| CounterKey { counted: *counted, class }))
            .collect()
    }

    #[test]
    fn only_counters_that_matter_and_are_not_stated_are_read() {
        let mut snapshot = counting_snapshot();
        let ask =
            |snapshot: &Snapshot, asked: &Asked<'_>| counters_to_ask(snapshot, &resolve(snapshot, asked, NOW).unwrap());
        let zero = Some(persons(0, 0));
        assert_eq!(ask(&snapshot, &names(1)), keys(&[Counted::National]));
        assert_eq!(ask(&snapshot, &Asked { year_to_date: zero, ..names(1) }), []);
        assert_eq!(ask(&snapshot, &trial(1)), keys(&[SCENARIO]));
        assert_eq!(ask(&snapshot, &Asked { scenario_year_to_date: zero, ..trial(1) }), []);
        assert_eq!(ask(&snapshot, &Asked { ground: Some(Ground::HumanResources), ..names(1) }), []);
        // If no total is stated, the use of a capped clearance is read too.
        let contract = Counted::Clearance(ClearanceId(0));
        crate::testing::cap(&mut snapshot, 0, 1, 1);
        assert_eq!(ask(&snapshot, &names(1)), keys(&[Counted::National, contract]));
        assert_eq!(ask(&snapshot, &Asked { scenario_year_to_date: zero, ..names(1) }), keys(&[Counted::National]));
        assert_eq!(ask(&snapshot, &Asked { year_to_date: zero, ..names(1) }), []);
        // The size of a group counts over the year.
        let group = Group {
            from: Persons::ONE,
            of: crate::domain::reason::PersonsOf::BothClasses,
            over: crate::domain::route::Over::Year,
            code: crate::domain::reason::ReasonCode::ImportantDataGroupSize,
            rule: RuleId(1),
            step: None,
        };
        snapshot.registry.routes[0].groups.push(group);
        assert_eq!(ask(&snapshot, &trial(1)), keys(&[Counted::National, SCENARIO]));
    }

    #[test]
    fn a_counter_that_was_not_read_counts_as_above_every_line() {
        let snapshot = counting_snapshot();
        let transfer = resolve(&snapshot, &names(1), NOW).unwrap();
        let outcome =
            |read: &[(CounterKey, u64)]| evaluate(&snapshot, &transfer, &totals(&Totals::default(), read)).required;
        let [general, sensitive] = CountedClass::ALL.map(|class| CounterKey { counted: Counted::National, class });
        assert_eq!(outcome(&[(general, 0), (sensitive, 0)]), Outcome::Allow);
        assert_eq!(outcome(&[(general, u64::MAX), (sensitive, 0)]), Outcome::Assess);
        assert_eq!(outcome(&[(general, 0)]), Outcome::Assess);
        assert_eq!(outcome(&[]), Outcome::Assess);
    }

    #[test]
    fn stated_totals_are_not_mixed_with_read_ones() {
        let read: Vec<_> = keys(&[Counted::National, SCENARIO]).into_iter().map(|key| (key, 7)).collect();
        let stated = Totals { national: Some(Headcount::ZERO), ..Totals::default() };
        let totals = totals(&stated, &read);
        assert_eq!(totals.national, Some(Headcount::ZERO));
        let seven = Persons::new(7).unwrap();
        assert_eq!(totals.scenarios.len(), 1);
        assert_eq!(totals.scenarios[0].1, Headcount { general: seven, sensitive: seven });
    }

    #[test]
    fn a_transfer_that_is_not_allowed_is_not_counted() {
        let snapshot = counting_snapshot();
        let mut important = names(1);
        important.data[0].class = Some(Class::Important);
        for (asked, expected) in [(important, 0), (names(1), 2)] {
            let transfer = resolve(&snapshot, &asked, NOW).unwrap();
            let totals = Totals { national: Some(Headcount::ZERO), ..Totals::default() };
            let decision = evaluate(&snapshot, &transfer, &totals);
            assert_eq!(counters(&transfer, &decision).len(), expected, "{decision:?}");
        }
    }

    /// The counters of the flow `trial` with some persons, after others in its scenario.
    fn counted_of_trial(snapshot: &Snapshot, added: AskedPersons, before: AskedPersons) -> (Outcome, Vec<CounterKey>) {
        let asked = Asked { scenario_year_to_date: Some(before), persons: Some(added), ..trial(0) };
        let transfer = resolve(snapshot, &asked, NOW).unwrap();
        let totals = Totals { national: Some(Headcount::ZERO), ..transfer.stated.clone() };
        let decision = evaluate(snapshot, &transfer, &totals);
        assert_eq!(decision.outcome, Outcome::Allow);
        (decision.required, counters(&transfer, &decision))
    }

    #[test]
    fn a_transfer_that_needs_a_mechanism_counts_nationally_in_both_classes() {
        let snapshot = counting_snapshot();
        // Lower lines of the scenario: 1,000,000 general, 20,000 sensitive persons.
        let (filing, contract) = (Counted::Clearance(ClearanceId(1)), Counted::Clearance(ClearanceId(2)));
        for (added, before, required, counted) in [
            ((3, 1), (0, 19_998), Outcome::File, &[SCENARIO, filing][..]),
            ((3, 1), (0, 19_999), Outcome::Contract, &[Counted::National, SCENARIO, contract]),
            ((3, 1), (999_996, 0), Outcome::File, &[SCENARIO, filing]),
            ((3, 1), (999_997, 0), Outcome::Contract, &[Counted::National, SCENARIO, contract]),
        ] {
            let of = |(general, sensitive)| persons(general, sensitive);
            assert_eq!(counted_of_trial(&snapshot, of(added), of(before)), (required, keys(counted)), "{before:?}");
        }
    }

    #[test]
    fn a_national_line_beside_own_ones_counts_the_other_class_too() {
        let mut snapshot = counting_snapshot();
        for route in &mut snapshot.registry.routes {
            for track in &mut route.tracks {
                track.lines.general = LinePair {
                    contract: TrackLine { counter: Counter::National, ..track.lines.general.contract },
                    assess: TrackLine { counter: Counter::National, ..track.lines.general.assess },
                };
            }
        }
        let general = CounterKey { counted: Counted::National, class: CountedClass::General };
        let filing = Counted::Clearance(ClearanceId(1));
        let below = [&[general][..], &keys(&[SCENARIO, filing])].concat();
        let zero = Some(persons(0, 0));
        for (national, required, counted) in [
            (999_996, Outcome::File, below),
            (999_997, Outcome::Contract, keys(&[Counted::National, SCENARIO, Counted::Clearance(ClearanceId(2))])),
        ] {
            let asked = Asked {
                year_to_date: Some(persons(national, 0)),
                scenario_year_to_date: zero,
                persons: Some(persons(3, 1)),
                ..trial(0)
            };
            let transfer = resolve(&snapshot, &asked, NOW).unwrap();
            let decision = evaluate(&snapshot, &transfer, &transfer.stated);
            assert_eq!((decision.required, counters(&transfer, &decision)), (required, counted), "{decision:?}");
        }
    }

    #[test]
    fn named_persons_are_counted_once_a_list_and_as_the_rules_are_read() {
        let named = || Named::new(vec![3, 1, 3, 2], vec![2, 2]);
        assert_eq!(named().count(), (3, 1));
        assert_eq!(named().counted(PersonInBothClasses::BothCounters), named());
        assert_eq!(named().counted(PersonInBothClasses::SensitiveOnly).general, [1, 3]);
    }
}
