//! What a transfer that goes ahead adds, and to which counters.
//!
//! Counted is everything but exports on a ground (arts. 3, 4, 5(1)(1) to (3)) and zone-list
//! exports that stay below the list's own lower line; the latter are counted in the scenario's
//! counters alone. Small-volume, contract and assessment exports do count. Source: CAC press
//! questions and answers on the Provisions, question 11.

use super::decision::Decision;
use super::evaluate::Counts;
use super::reason::Outcome;
use super::route::{Counter, OwnCounter, Route};
use super::transfer::{Totals, Transfer};
use super::units::{ClearanceId, CountedClass};

/// A counter of one exporter in one year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey {
    /// Which exports it counts.
    pub counted: Counted,
    /// Persons of which class of information.
    pub class: CountedClass,
}

/// Which exports a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// All countable exports of the exporter.
    National,
    /// Those in one scenario of a family of zone lists.
    Scenario(OwnCounter),
    /// Those under one clearance.
    Clearance(ClearanceId),
}

/// Returns the counters that a transfer is counted in when it goes ahead, each once; none where
/// it may not go, or is not counted.
pub fn counters(transfer: &Transfer<'_>, totals: &Totals, decision: &Decision) -> Vec<CounterKey> {
    let mut found = Vec::new();
    if decision.outcome != Outcome::Allow {
        return found;
    }
    for route in transfer.routes() {
        of_route(route, transfer, totals, decision, &mut found);
    }
    if let Some(id) = decision.clearance.filter(|_| transfer.route.content.is_personal()) {
        found.extend(CountedClass::ALL.map(|class| CounterKey { counted: Counted::Clearance(id), class }));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Returns the counters that the answer may depend on: those to read before deciding.
pub fn counters_to_read(transfer: &Transfer<'_>) -> Vec<CounterKey> {
    let mut counted = vec![Counted::National];
    for track in transfer.routes().flat_map(|route| &route.tracks) {
        counted.extend(track.own.map(Counted::Scenario));
    }
    counted.extend(transfer.clearances.iter().map(|id| Counted::Clearance(*id)));
    counted.sort_unstable();
    counted.dedup();
    counted.into_iter().flat_map(|counted| CountedClass::ALL.map(|class| CounterKey { counted, class })).collect()
}

fn of_route(route: &Route, transfer: &Transfer<'_>, totals: &Totals, decision: &Decision, found: &mut Vec<CounterKey>) {
    let national = |class| CounterKey { counted: Counted::National, class };
    if route.tracks.is_empty() {
        // A ground, or nothing personal: free and not counted. What is free only by a clearance is
        // counted, a ground that important data took away included.
        if route.content.is_personal() && decision.required != Outcome::Allow {
            found.extend(CountedClass::ALL.map(national));
        }
        return;
    }
    let counts = Counts::project(route, transfer.persons, totals);
    for track in &route.tracks {
        for class in CountedClass::ALL {
            found.extend(track.own.map(|own| CounterKey { counted: Counted::Scenario(own), class }));
            let line = track.lines_of(class).contract;
            let is_national = match line.counter {
                Counter::National => true,
                Counter::Scenario => line.line.from <= counts.of(track, line.counter, class),
            };
            if is_national {
                found.push(national(class));
            }
        }
    }
}
