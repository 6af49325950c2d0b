//! Head-room: how far the counters of an exporter are from their next lines, apart from any transfer.

use super::counter::{Counted, CounterKey};
use super::decision::Headroom;
use super::list::{LinePair, Lines, ListLine, ScenariosKnown};
use super::reason::Outcome;
use super::route::OwnCounter;
use super::snapshot::Snapshot;
use super::units::{ClearanceId, CountedClass, Moment, Persons, Year};

/// Share of a cap, in percent, from which the cap counts as nearly used.
///
/// Our choice, not the law's: a tenth of a yearly cap is some five weeks of an even flow. That is less
/// than the 45 working days of an assessment, and enough time to slow down.
pub const CAP_NEARLY_USED_PERCENT: u64 = 90;

/// The use of a clearance's cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapUse {
    /// The clearance.
    pub clearance: ClearanceId,
    /// The class of information of the persons.
    pub class: CountedClass,
    /// Persons exported under it this year.
    pub used: u64,
    /// The most persons that may be exported.
    pub cap: u64,
}

impl CapUse {
    /// Returns the use of a clearance's cap; `None` if the counter is not of a clearance, or the clearance has no cap.
    pub fn of(snapshot: &Snapshot, key: CounterKey, used: u64) -> Option<CapUse> {
        let Counted::Clearance(clearance) = key.counted else { return None };
        let cap = snapshot.clearance(clearance)?.persons_per_year_max?.of(key.class).get();
        Some(CapUse { clearance, class: key.class, used, cap })
    }

    /// Says whether the cap is nearly used. A cap of zero persons is never nearly used.
    pub fn is_nearly_used(self) -> bool {
        let used = u128::from(self.used) * 100;
        self.cap != 0 && u128::from(self.cap) * u128::from(CAP_NEARLY_USED_PERCENT) <= used
    }
}

/// Returns the caps of clearances in force that are nearly used, given the totals of their exporters.
pub fn caps_nearly_used(
    snapshot: &Snapshot,
    at: Moment,
    totals: impl IntoIterator<Item = (CounterKey, u64)>,
) -> Vec<CapUse> {
    let in_force = |id| snapshot.clearance(id).is_some_and(|clearance| clearance.interval.contains(at));
    let uses = totals.into_iter().filter_map(|(key, used)| CapUse::of(snapshot, key, used));
    uses.filter(|cap| in_force(cap.clearance) && cap.is_nearly_used()).collect()
}

/// Returns how far a counter is from the next line that applies at a moment of its year.
///
/// For a clearance the line is the first person beyond its cap, and the next outcome is the outcome
/// that the clearance satisfied, because that is required again. `None` if no stricter outcome
/// follows, if no list in force has a line for the counter, or if the clearance is not in force.
///
/// ```
/// # use std::path::Path;
/// # use neglist::live::read::{ReadLimits, Selection, read};
/// # use neglist::policy::{self, Limits};
/// # let shipped = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/policies"));
/// # let files = read(shipped, &ReadLimits::default(), Selection::Policies).unwrap().policies;
/// # let snapshot = policy::compile(&files, &Limits { entries_max: 2_000_000, depth_max: 32 }).snapshot.unwrap();
/// use neglist::domain::counter::{Counted, CounterKey};
/// use neglist::domain::headroom::headroom;
/// use neglist::domain::units::{CountedClass, Moment, Year};
///
/// // `snapshot` has the shipped policies; 2026-06-01T00:00:00Z.
/// let now = Moment::from_seconds(1_780_272_000);
/// let general = CounterKey { counted: Counted::National, class: CountedClass::General };
/// let room = headroom(&snapshot, now, Year(2026), general, 90_000).unwrap();
/// assert_eq!(room.remaining(), 9_999);
/// assert!(headroom(&snapshot, now, Year(2026), general, 1_000_000).is_none());
/// ```
pub fn headroom(snapshot: &Snapshot, at: Moment, year: Year, key: CounterKey, total: u64) -> Option<Headroom> {
    let projected = Persons::new(total).unwrap_or(Persons::MAX);
    let lines = match key.counted {
        Counted::National => {
            let lines = snapshot.national_at(at)?.lines;
            let LinePair { contract, assess } = of_class(lines, key.class);
            vec![(contract.from, Outcome::Contract), (assess.from, Outcome::Assess)]
        }
        Counted::Scenario(own) => own_lines(snapshot, at, own, key.class),
        Counted::Clearance(id) => {
            let clearance = snapshot.clearance(id).filter(|clearance| clearance.interval.contains(at))?;
            let beyond = clearance.persons_per_year_max?.of(key.class) + Persons::ONE;
            vec![(beyond, clearance.kind.satisfies())]
        }
    };
    let (line, next) = lines.into_iter().filter(|(line, _)| projected < *line).min()?;
    Some(Headroom { counter: key, year, projected, line, next })
}

/// The own lines of a family's lists for a scenario.
fn own_lines(snapshot: &Snapshot, at: Moment, own: OwnCounter, class: CountedClass) -> Vec<(Persons, Outcome)> {
    let mut found = Vec::new();
    let (Some(segment), _) = snapshot.segment(snapshot.segment_number(at)) else { return found };
    for id in segment.editions.iter().flatten() {
        if snapshot.edition(*id).is_none_or(|edition| edition.family != own.family) {
            continue;
        }
        let written = snapshot.scenario(*id, own.sector, own.scenario).map(|scenario| scenario.lines);
        let of_sector = || {
            let listing = snapshot.sector(*id, own.sector)?;
            (listing.scenarios == ScenariosKnown::NotAll).then_some(listing.lines)
        };
        let Some(lines) = written.or_else(of_sector) else { continue };
        let LinePair { contract, assess } = of_class(lines, class);
        for (line, next) in [(contract, Outcome::Contract), (assess, Outcome::Assess)] {
            match line {
                ListLine::Own(line) => found.push((line.from, next)),
                ListLine::National | ListLine::Unknown => {}
            }
        }
    }
    found
}

fn of_class<L: Copy>(lines: Lines<L>, class: CountedClass) -> LinePair<L> {
    match class {
        CountedClass::General => lines.general,
        CountedClass::Sensitive => lines.sensitive,
    }
}
