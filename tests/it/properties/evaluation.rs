//! Properties of the evaluation, on random policies and random transfers.
//!
//! `NEGLIST_PROPERTY_CASES` sets how many transfers the comparison with the naive model takes; the other properties
//! take a share of it. `NEGLIST_PROPERTY_SEED` sets the seed of the first policies, so that a printed failure can be
//! run again alone.

use std::collections::BTreeMap;

use neglist::domain::reason::{Outcome, ReasonCode};
use neglist::domain::units::{Ground, Moment};
use neglist::policy::source::scalar::YesNo;

use crate::generate::dice::Dice;
use crate::generate::policy::{self, Policy};
use crate::generate::transfer::{self, Query, QueryItem};
use crate::model::law::{Answer, Law};
use crate::model::world::World;

/// Transfers decided under one set of policies: parsing costs as much as this many decisions.
const TRANSFERS_PER_POLICY: u64 = 100;
/// As many as a debug build does in half a minute, all properties together.
const CASES_DEFAULT: u64 = 20_000;

#[expect(clippy::disallowed_methods, reason = "tests have no configuration but the environment")]
fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a whole number"))
}

/// Draws policies and transfers and hands them to `check`, with the seed that gives them.
fn for_each(share: u64, mut check: impl FnMut(&mut Dice<'_>, &Policy, &World, &Query, &str)) {
    let cases = number_from_environment("NEGLIST_PROPERTY_CASES").unwrap_or(CASES_DEFAULT);
    let first = number_from_environment("NEGLIST_PROPERTY_SEED").unwrap_or(1);
    let policies = (cases / share).div_ceil(TRANSFERS_PER_POLICY);
    let policies = if number_from_environment("NEGLIST_PROPERTY_SEED").is_some() { 1 } else { policies };
    for seed in first..first + policies {
        let mut dice = Dice::Seed(seed.wrapping_mul(0x0100_0000_01B3));
        let policy = policy::policy(&mut dice);
        let world = World::new(policy.files());
        for transfer in 0..TRANSFERS_PER_POLICY {
            let query = transfer::query(&mut dice, &policy);
            check(&mut dice, &policy, &world, &query, &format!("{seed}, transfer {transfer}"));
        }
    }
}

/// Fails unless `second` is refused or at least as strict as `first`.
#[track_caller]
fn not_less_strict(world: &World, query: &Query, seed: &str, first: &Answer, changed: &Query, second: Option<Answer>) {
    let Some(second) = second else { return };
    if second.outcome < first.outcome || second.required < first.required {
        world.fail(query, seed, &format!("{first:#?}\nis stricter than\n{second:#?}\nfor\n{changed:#?}"));
    }
}

#[test]
fn the_compiled_evaluation_equals_the_naive_one() {
    let (mut answered, mut asked) = (0u64, 0u64);
    let mut outcomes = [0u64; 4];
    let mut alternatives = 0u64;
    let mut reasons: BTreeMap<&str, u64> = ReasonCode::ALL.iter().map(|code| (code.name(), 0)).collect();
    for_each(1, |_, _, world, query, seed| {
        world.check(query, seed);
        asked += 1;
        if let Some(answer) = world.compiled(&query.asked()) {
            answered += 1;
            outcomes[answer.outcome as usize] += 1;
            alternatives += u64::from(answer.alternative.is_some());
            for reason in answer.reasons {
                *reasons.entry(reason.name()).or_default() += 1;
            }
        }
    });
    println!("{asked} asked, {answered} answered; by outcome {outcomes:?}; by reason {reasons:#?}");
    if 10_000 <= asked {
        // A generator that never comes near a rule would prove nothing about it.
        assert!(asked < 2 * answered, "only {answered} of {asked} requests are well-formed");
        assert!(outcomes.iter().all(|count| asked < 200 * count), "{outcomes:?} of {asked}");
        assert!(asked < 1_000 * alternatives, "{alternatives} with an alternative of {asked}");
        assert!(reasons.values().all(|count| asked < 1_000 * count), "{reasons:#?} of {asked}");
    }
}

#[test]
fn adding_persons_never_makes_the_outcome_less_strict() {
    for_each(4, |dice, _, world, query, seed| {
        let Some(first) = world.compiled(&query.asked()) else { return };
        let mut changed = query.clone();
        let counts = [&mut changed.persons, &mut changed.year_to_date, &mut changed.scenario_year_to_date];
        for count in counts.into_iter().flatten() {
            for class in [&mut count.0, &mut count.1] {
                *class += *dice.pick(&[0, 0, 1, 2, 10, 100_000]);
            }
        }
        if let Some(facts) = &mut changed.facts {
            facts.held.0 += *dice.pick(&[0, 1, 1_000_000]);
            facts.held.1 += *dice.pick(&[0, 1, 1_000_000]);
            facts.specially += *dice.pick(&[0, 1, 1_000_000]);
        }
        not_less_strict(world, query, seed, &first, &changed, world.compiled(&changed.asked()));
    });
}

#[test]
fn leaving_something_out_is_refused_or_never_makes_the_outcome_less_strict() {
    for_each(4, |dice, _, world, query, seed| {
        let Some(first) = world.compiled(&query.asked()) else { return };
        // With a flow, omitted fields are those that were registered.
        if query.flow.is_some() {
            return;
        }
        let mut changed = query.clone();
        let left_out = dice.below(9);
        match left_out {
            0 => changed.persons = None,
            1 => changed.year_to_date = None,
            2 => changed.scenario_year_to_date = None,
            3 => changed.sector = None,
            4 => changed.scenario = None,
            5 => changed.recipient = None,
            6 => changed.ground = None,
            7 => changed.data.iter_mut().for_each(|item| item.modality = None),
            _ => changed.data.iter_mut().for_each(|item| item.attributes.clear()),
        }
        // An entry that catches an item may make sensitive of what was general, and each has lines of its own: less
        // said about an item may bring it under other lines, but never make important data less than that.
        let is_important = first.reasons.iter().any(|reason| reason.name().starts_with("IMPORTANT_DATA"));
        if 7 <= left_out && !is_important {
            return;
        }
        not_less_strict(world, query, seed, &first, &changed, world.compiled(&changed.asked()));
    });
}

#[test]
fn neither_the_order_of_files_nor_the_file_of_an_entry_matters() {
    let mut seen = None;
    for_each(4, |dice, policy, world, query, seed| {
        let (policy_seed, _) = seed.split_once(',').unwrap();
        let is_new = seen.as_ref().is_none_or(|(of, _): &(String, World)| of != policy_seed);
        if is_new {
            seen = Some((policy_seed.to_owned(), World::new(policy.files_dealt(dice))));
        }
        let Some((_, dealt)) = &seen else { return };
        let (first, second) = (world.in_full(&query.asked()), dealt.in_full(&query.asked()));
        if first != second {
            world.fail(query, seed, &format!("{first:#?}\n{second:#?}\n{}", crate::model::world::texts(&dealt.files)));
        }
    });
}

#[test]
fn claims_about_a_registered_exporter_never_make_the_outcome_less_strict() {
    for_each(4, |dice, policy, world, query, seed| {
        let registered = query.exporter.as_ref().is_none_or(|exporter| policy.exporters.contains(exporter));
        if !registered {
            return;
        }
        let plain = Query { facts: None, ..query.clone() };
        let Some(first) = world.compiled(&plain.asked()) else { return };
        let changed = Query { facts: Some(transfer::facts(dice, policy)), ..query.clone() };
        not_less_strict(world, &plain, seed, &first, &changed, world.compiled(&changed.asked()));
    });
}

#[test]
fn adding_an_entry_of_important_data_never_makes_the_outcome_less_strict() {
    let mut seen = None;
    for_each(4, |dice, policy, world, query, seed| {
        if policy.lists.is_empty() {
            return;
        }
        let (policy_seed, _) = seed.split_once(',').unwrap();
        let is_new = seen.as_ref().is_none_or(|(of, _): &(String, World)| of != policy_seed);
        if is_new {
            let mut more = policy.clone();
            let entry = more.entry(dice, "added", Some("important"));
            let list = dice.below(more.lists.len());
            more.lists[list].entries.push(entry);
            seen = Some((policy_seed.to_owned(), World::new(more.files())));
        }
        let Some((_, more)) = &seen else { return };
        let Some(first) = world.compiled(&query.asked()) else { return };
        not_less_strict(more, query, seed, &first, query, more.compiled(&query.asked()));
    });
}

#[test]
fn a_contract_of_the_greater_bay_area_frees_only_where_all_of_its_conditions_hold() {
    let mut seen = None;
    let mut freed = 0u64;
    for_each(4, |dice, policy, world, query, seed| {
        let (policy_seed, _) = seed.split_once(',').unwrap();
        let is_new = seen.as_ref().is_none_or(|(of, _): &(String, Option<World>)| of != policy_seed);
        if is_new {
            let mut more = policy.clone();
            let is_added = more.add_area_contracts(dice);
            seen = Some((policy_seed.to_owned(), is_added.then(|| World::new(more.files()))));
        }
        let Some((_, Some(more))) = &seen else { return };
        let (first, second) = (world.compiled(&query.asked()), more.compiled(&query.asked()));
        let (Some(first), Some(second)) = (&first, &second) else {
            // A contract without a cap asks for nothing that was not asked for before.
            assert_eq!(first.is_some(), second.is_some(), "{seed}");
            return;
        };
        let is_same = (first.outcome, first.required) == (second.outcome, second.required);
        if !is_same {
            freed += 1;
        }
        let holds = second.outcome == Outcome::Allow
            && first.required == second.required
            && second.clearance.as_ref().is_some_and(|id| may_be_freed(more, query, first, id));
        if !is_same && !holds {
            more.fail(query, seed, &format!("{first:#?}\n{second:#?}"));
        }
    });
    println!("{freed} freed");
    if number_from_environment("NEGLIST_PROPERTY_SEED").is_none() {
        assert!(20 < freed, "a generator that never comes near the mechanism proves nothing: {freed}");
    }
}

/// Says from the files alone whether a contract that was added is one for the transfer.
fn may_be_freed(world: &World, query: &Query, answer: &Answer, id: &str) -> bool {
    let law = Law(&world.sources);
    let flow = query.flow.as_ref().and_then(|flow| law.flow(flow));
    let said = |own: &Option<String>, of_flow: Option<&str>| own.as_deref().or(of_flow).map(str::to_owned);
    let exporter = said(&query.exporter, flow.map(|flow| &*flow.exporter.value.0));
    let destination = said(&query.destination, flow.map(|flow| &*flow.destination.value.0));
    let recipient = said(&query.recipient, flow.map(|flow| &*flow.recipient.value.0));
    let clearances = law.clearances();
    let added = clearances.iter().find(|clearance| &*clearance.id.value.0 == id).unwrap();
    let place = added.recipient_registered_in.as_ref().map(|place| place.value.word());
    let registered = exporter.as_deref().and_then(|exporter| law.exporter(exporter));
    let is_ciio = query.facts.as_ref().is_some_and(|facts| facts.ciio);
    id.starts_with("added")
        && exporter.as_deref() == Some(&*added.exporter.value.0)
        && recipient.as_deref() == Some(&*added.recipient.value.0)
        && destination.as_deref() == place
        && registered.is_some_and(|exporter| {
            exporter.ciio == YesNo::No && exporter.cities.iter().any(|city| &*city.value.0 == "city-0")
        })
        && !is_ciio
        && answer.reasons.iter().all(|reason| {
            let name = reason.name();
            !name.starts_with("IMPORTANT_DATA") && name != "CRITICAL_INFORMATION_INFRASTRUCTURE"
        })
}

#[test]
fn naming_a_flow_equals_spelling_it_out() {
    for_each(4, |dice, policy, world, query, seed| {
        let Some(name) = dice.pick_any(&policy.flows) else { return };
        let mut named = Query { at: query.at, flow: Some(name.clone()), ..Query::default() };
        named.persons = query.persons;
        named.year_to_date = query.year_to_date;
        named.scenario_year_to_date = query.scenario_year_to_date;
        let spelt = Query { flow: None, ..spelt_out(&Law(&world.sources), name, &named) };
        let (first, second) = (world.compiled(&named.asked()), world.compiled(&spelt.asked()));
        if first != second {
            world.fail(&named, seed, &format!("{first:#?}\n{second:#?}\nfor\n{spelt:#?}"));
        }
    });
}

fn spelt_out(law: &Law<'_>, name: &str, named: &Query) -> Query {
    let flow = law.flow(name).unwrap();
    let item = |item: &neglist::policy::source::registry::FlowItem| QueryItem {
        code: item.code.value.0.to_string(),
        class: item.class.map(neglist::policy::source::scalar::Class::to_class),
        modality: item.modality.map(neglist::policy::source::scalar::Modality::to_modality),
        attributes: item.attributes.iter().map(|attribute| attribute.value.0.to_string()).collect(),
    };
    Query {
        exporter: Some(flow.exporter.value.0.to_string()),
        recipient: Some(flow.recipient.value.0.to_string()),
        destination: Some(flow.destination.value.0.to_string()),
        sector: Some(flow.sector.value.0.to_string()),
        scenario: Some(flow.scenario.value.0.to_string()),
        data: flow.items.iter().map(item).collect(),
        ground: flow.ground.to_ground(),
        export_zone: flow.export_zone.as_ref().map(|zone| zone.value.0.to_string()),
        ..named.clone()
    }
}

#[test]
fn an_answer_holds_until_its_expiry() {
    for_each(4, |dice, _, world, query, seed| {
        let Some(first) = world.compiled(&query.asked()) else { return };
        let until = first.valid_until.seconds();
        let (from, span) = (query.at.0, until - query.at.0);
        let mut moments = vec![until - 1, from + 1, from + span / 2];
        moments.extend((0..3).map(|_| from + span / 256 * i64::try_from(dice.below(256)).unwrap()));
        for moment in moments.into_iter().filter(|moment| (from..until).contains(moment)) {
            let later = Query { at: (moment, 999_999_999), ..query.clone() };
            let second = world.compiled(&later.asked());
            if second.as_ref() != Some(&first) {
                world.fail(query, seed, &format!("{first:#?}\nand at {moment}\n{second:#?}"));
            }
        }
    });
}

#[test]
fn a_ground_leaves_only_allow_file_or_assess() {
    for_each(8, |_, _, world, query, seed| {
        let grounded = Query { ground: Some(Ground::Emergency), ..query.clone() };
        let Some(answer) = world.compiled(&grounded.asked()) else { return };
        if !matches!(answer.required, Outcome::Allow | Outcome::File | Outcome::Assess) {
            world.fail(&grounded, seed, &format!("{answer:#?}"));
        }
        assert!(Moment::from_seconds(grounded.at.0) < answer.valid_until, "an answer holds for a while");
    });
}
