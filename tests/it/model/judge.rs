//! From the question to the answer: the required fields, the outcome of the steps, the cover of clearances.

use std::collections::BTreeSet;

use jiff::civil::Date;
use neglist::domain::asked::Asked;
use neglist::domain::reason::{Outcome, ReasonCode};
use neglist::domain::units::Moment;
use neglist::policy::source::list::ZoneList;
use neglist::policy::source::registry::{Clearance, ClearanceKind};
use neglist::policy::source::scalar::{At, Code, OrAny, OrNone, YesNo};

use super::law::{Answer, Law, day, is_between};
use super::said::{Count, Said, Sent, said};
use super::steps::{CLASSES, Verdict, apart_of, judge, listed};

/// Decides. `None`: the request has to be refused.
pub(crate) fn decide(law: &Law<'_>, asked: &Asked<'_>, now: Moment) -> Option<Answer> {
    let today = day(asked.at.unwrap_or(now))?;
    let said = said(law, asked)?;
    let widest = said.claimed.as_ref().unwrap_or(&said.facts);
    if !states_all_facts_of_lists(&said, &law.lists(today, &widest.zones)) {
        return None;
    }
    let mut verdicts = vec![judge(law, today, &said, &said.facts)];
    verdicts.extend(said.claimed.as_ref().map(|facts| judge(law, today, &said, facts)));
    let covering: Vec<&Clearance> = law.clearances().into_iter().filter(|one| covers(one, &said)).collect();
    if !says_its_counts(law, &said, &verdicts, &covering) {
        return None;
    }
    let required = verdicts.iter().map(|verdict| verdict.required).max().unwrap();
    let mut reasons: BTreeSet<ReasonCode> = verdicts.iter().flat_map(|verdict| verdict.reasons.clone()).collect();
    let area = area_contract(law, today, &said, &verdicts, required);
    let but_for_persons = covering.iter().filter(|clearance| {
        required != Outcome::Allow
            && is_between(today, &clearance.first_day, Some(&clearance.last_day))
            && (clearance.kind != ClearanceKind::GbaContract || area.is_some())
            && verdicts.iter().all(|verdict| satisfies(clearance, required, verdict))
    });
    let held: Vec<_> =
        but_for_persons.map(|clearance| (clearance, exceeds_cap(law, clearance, &said, &verdicts))).collect();
    let clearance = held.iter().find(|(_, exceeds)| exceeds.is_none()).map(|(clearance, _)| *clearance);
    if clearance.is_some() {
        reasons.insert(ReasonCode::CoveredByClearance);
    } else if let Some((_, exceeds)) = held.first() {
        reasons.extend(exceeds);
    }
    Some(Answer {
        outcome: if clearance.is_some() { Outcome::Allow } else { required },
        required,
        reasons,
        clearance: clearance.map(|clearance| clearance.id.value.0.to_string()),
        alternative: area.filter(|_| Outcome::File < required && clearance.is_none()),
        valid_until: law.valid_until(today, &covering),
        counted: match (required, clearance) {
            (Outcome::Allow, _) | (_, Some(_)) => counted(&said, &verdicts, required, clearance.copied()),
            (Outcome::File | Outcome::Contract | Outcome::Assess, None) => BTreeSet::new(),
        },
    })
}

/// Returns the procedure of the Greater Bay Area's contract, where it is open for the transfer.
fn area_contract(
    law: &Law<'_>,
    today: Date,
    said: &Said<'_>,
    verdicts: &[Verdict],
    required: Outcome,
) -> Option<String> {
    let national = law.national(today)?;
    let mechanism = national.mechanisms.gba_contract.as_ref()?;
    let since = match said.destination {
        "HK" => &mechanism.hong_kong_from,
        "MO" => &mechanism.macao_from,
        _ => return None,
    };
    let is_ciio = said.facts.ciio || said.claimed.as_ref().is_some_and(|facts| facts.ciio);
    let is_important = verdicts.iter().any(|verdict| verdict.important || verdict.important_by_size);
    // The assessment then depends only on the number of persons.
    let is_open = said.facts.in_area && !is_ciio && !is_important && since.value.0 <= today;
    let procedure = national.procedures.gba_contract.as_ref()?.code.value.0.to_string();
    (is_open && required != Outcome::Allow).then_some(procedure)
}

/// Returns the counters that a transfer adds to which goes ahead.
fn counted(
    said: &Said<'_>,
    verdicts: &[Verdict],
    required: Outcome,
    clearance: Option<&Clearance>,
) -> BTreeSet<String> {
    let names_somebody = said.persons.unwrap_or_default() != Count::default();
    let mut names = BTreeSet::new();
    for verdict in verdicts {
        let about_persons = verdict.general || verdict.sensitive || names_somebody;
        let mut national = verdict.held_against_national.clone();
        let mut with_both_classes = verdict.counted_apart.clone();
        if verdict.no_lines {
            // Grounds are free and not counted; so is what concerns no person, and what stays at home. Data that
            // becomes important by its number of persons is counted for that.
            let is_sized = verdict.asks_for_size && !verdict.general && !verdict.sensitive;
            if about_persons && (required != Outcome::Allow || is_sized) {
                national.extend(CLASSES);
            } else {
                with_both_classes.clear();
            }
        } else if matches!(required, Outcome::Contract | Outcome::Assess) {
            // The transfer goes out under a contract or an assessment, with all of its persons.
            national.extend(CLASSES);
        }
        names.extend(national.into_iter().map(|class| format!("national/{class}")));
        with_both_classes
            .extend(clearance.filter(|_| about_persons).map(|one| format!("clearance/{}", one.id.value.0)));
        for name in with_both_classes {
            names.extend(CLASSES.map(|class| format!("{name}/{class}")));
        }
    }
    names
}

fn states_all_facts_of_lists(said: &Said<'_>, lists: &[&ZoneList]) -> bool {
    let tells_modalities_apart =
        |list: &&ZoneList| listed(list, said).is_some_and(|(sector, _)| !sector.excluded_modalities.is_empty());
    lists.is_empty()
        || said.sector.is_some()
            && said.scenario.is_some()
            && (said.items.iter().all(|item| item.modality.is_some()) || !lists.iter().any(tells_modalities_apart))
}

fn says_its_counts(law: &Law<'_>, said: &Said<'_>, verdicts: &[Verdict], covering: &[&Clearance]) -> bool {
    let any = |of: fn(&Verdict) -> bool| verdicts.iter().any(of);
    let personal = any(|verdict| verdict.general || verdict.sensitive);
    let sized = any(|verdict| verdict.asks_for_size);
    let persons = said.persons.unwrap_or_default();
    let no_persons = persons == Count::default();
    let important = any(|verdict| verdict.important);
    let capped = covering.iter().any(|clearance| matches!(clearance.persons_per_year_max, OrNone::Some(_)));
    if said.abroad && (personal || sized || important && capped) && said.persons.is_none() {
        return false;
    }
    if said.abroad && !personal && !sized && !important && !no_persons {
        return false;
    }
    let is_capped = |clearance: &&&Clearance| matches!(clearance.persons_per_year_max, OrNone::Some(_));
    let may_be_required = any(|verdict| !verdict.no_lines || verdict.whatever != Outcome::Allow || verdict.has_sizes);
    let mut asks_for_national = any(|verdict| verdict.asks_for_national) || sized;
    let mut asks_for_scenario = any(|verdict| verdict.asks_for_scenario);
    if may_be_required && (personal || !no_persons) && said.clearance_total.is_none() {
        for clearance in covering.iter().filter(is_capped) {
            let elsewhere = counted_apart(law, clearance, said);
            if is_bounded(&elsewhere, verdicts) {
                asks_for_national = true;
                asks_for_scenario |= !elsewhere.is_empty();
            }
        }
    }
    (!asks_for_national || said.national.is_some()) && (!asks_for_scenario || said.scenario_total.is_some())
}

fn covers(clearance: &Clearance, said: &Said<'_>) -> bool {
    let sector = match &clearance.sector {
        OrAny::Any => true,
        OrAny::Only(code) => said.sector == Some(&*code.value.0),
    };
    let scenario = match &clearance.scenario {
        OrAny::Any => true,
        OrAny::Only(code) => said.scenario == Some(&*code.value.0),
    };
    let names = |item: &Sent<'_>| clearance.items.iter().any(|code| &*code.value.0 == item.code);
    said.exporter == Some(&*clearance.exporter.value.0)
        && said.recipient == Some(&*clearance.recipient.value.0)
        && clearance.recipient_registered_in.as_ref().is_none_or(|place| place.value.word() == said.destination)
        && sector
        && scenario
        && said.items.iter().all(names)
}

/// The scenario counters that may hold exports under a clearance which the national ones do not.
fn counted_apart(law: &Law<'_>, clearance: &Clearance, said: &Said<'_>) -> BTreeSet<String> {
    let is_of = |scope: &OrAny<_>, word: &str| match scope {
        OrAny::Any => true,
        OrAny::Only(code) => is_code(code, word),
    };
    let mut counters = apart_of(law, &said.facts.zones);
    counters.retain(|counter| {
        let mut words = counter.split('/').skip(1);
        is_of(&clearance.sector, words.next().unwrap()) && is_of(&clearance.scenario, words.next().unwrap())
    });
    counters
}

fn is_code(code: &At<Code>, word: &str) -> bool {
    *code.value.0 == *word
}

/// Says whether the totals that a caller states of the transfer hold all that may have gone out under a clearance.
fn is_bounded(elsewhere: &BTreeSet<String>, verdicts: &[Verdict]) -> bool {
    elsewhere.iter().all(|counter| verdicts.iter().any(|verdict| verdict.counted_apart.contains(counter)))
}

/// Says why the year's persons are too many for the cap of a clearance.
fn exceeds_cap(law: &Law<'_>, clearance: &Clearance, said: &Said<'_>, verdicts: &[Verdict]) -> Option<ReasonCode> {
    let OrNone::Some(cap) = &clearance.persons_per_year_max else { return None };
    let sent = verdicts.iter().map(|verdict| verdict.sent).fold(Count::default(), Count::max);
    let exceeds = |persons: Count, general: bool, sensitive: bool| {
        general && cap.general.0.get() < persons.general || sensitive && cap.sensitive.0.get() < persons.sensitive
    };
    if let Some(used) = said.clearance_total {
        return exceeds(used.plus(sent), true, true).then_some(ReasonCode::ClearanceCapReached);
    }
    let general = verdicts.iter().any(|verdict| verdict.concerns_general);
    let sensitive = verdicts.iter().any(|verdict| verdict.concerns_sensitive);
    if !general && !sensitive {
        return None;
    }
    let elsewhere = counted_apart(law, clearance, said);
    if !is_bounded(&elsewhere, verdicts) {
        return Some(ReasonCode::ClearanceUseNotKnown);
    }
    let mut persons = said.national.unwrap().plus(sent);
    if !elsewhere.is_empty() {
        persons = persons.plus(said.scenario_total.unwrap());
    }
    exceeds(persons, general, sensitive).then_some(ReasonCode::ClearanceCapReached)
}

fn satisfies(clearance: &Clearance, required: Outcome, verdict: &Verdict) -> bool {
    let kind = match clearance.kind {
        // Whether the contract of the Greater Bay Area is open is looked at apart.
        ClearanceKind::Assessment | ClearanceKind::GbaContract => true,
        ClearanceKind::Contract | ClearanceKind::Certification => required != Outcome::Assess,
        ClearanceKind::ZoneFiling => {
            let names = |list: &String| clearance.lists.iter().any(|code| *code.value.0 == **list);
            required == Outcome::File && verdict.filings.iter().all(names)
        }
    };
    kind && (!(verdict.important || verdict.important_by_size) || clearance.covers_important_data == YesNo::Yes)
}
