//! Counters of an exporter in a year: the exports that each counts, and its name.
//!
//! The name outlives the snapshot: `national`, `<family>/<sector>/<scenario>`, `clearance/<id>`. Users
//! see it with class and year.

use std::borrow::Cow;

use super::route::OwnCounter;
use super::snapshot::Snapshot;
use super::units::{ClearanceId, CountedClass, FamilyId, ScenarioId, SectorId, Year};

/// A counter of one exporter in one year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey {
    /// The exports that it counts.
    pub counted: Counted,
    /// The class of information of its persons.
    pub class: CountedClass,
}

/// The exports that a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// All countable exports of the exporter.
    National,
    /// Exports in one scenario of a family of zone lists.
    Scenario(OwnCounter),
    /// Exports under one clearance.
    Clearance(ClearanceId),
}

/// Name of the national counters.
const NATIONAL: &str = "national";
/// Prefix of the names of clearance counters.
const CLEARANCE: &str = "clearance";

/// Reserved words that no family of editions may have as its name: the names of other counters begin with them.
pub const RESERVED_FAMILIES: [&str; 2] = [NATIONAL, CLEARANCE];

impl Counted {
    /// Returns the name of the counter, without class and year.
    ///
    /// ```
    /// # use std::path::Path;
    /// # use neglist::live::read::{ReadLimits, Selection, read};
    /// # use neglist::policy::{self, Limits};
    /// # let shipped = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/policies"));
    /// # let files = read(shipped, &ReadLimits::default(), Selection::Policies).unwrap().policies;
    /// # let snapshot = policy::compile(&files, &Limits { entries_max: 2_000_000, depth_max: 32 }).snapshot.unwrap();
    /// use neglist::domain::counter::Counted;
    ///
    /// let counted = Counted::parse(&snapshot, "clearance/filing-2026-001").unwrap();
    /// assert_eq!(counted.name(&snapshot), "clearance/filing-2026-001");
    /// assert_eq!(Counted::National.name(&snapshot), "national");
    /// ```
    pub fn name(self, snapshot: &Snapshot) -> Cow<'static, str> {
        let name = match self {
            Counted::National => return Cow::Borrowed(NATIONAL),
            Counted::Scenario(own) => {
                let codes = &snapshot.codes;
                let family = codes.families.word(own.family.0.into());
                let sector = codes.sectors.word(own.sector.0.into());
                let scenario = codes.scenarios.word(own.scenario.0.into());
                format!("{family}/{sector}/{scenario}")
            }
            Counted::Clearance(id) => {
                let id = snapshot.clearance(id).map_or("", |clearance| &clearance.id);
                format!("{CLEARANCE}/{id}")
            }
        };
        Cow::Owned(name)
    }

    /// Returns the exports of a counter by its name; `None` if the snapshot no longer knows them.
    pub fn parse(snapshot: &Snapshot, name: &str) -> Option<Counted> {
        if name == NATIONAL {
            return Some(Counted::National);
        }
        let (first, rest) = name.split_once('/')?;
        if first == CLEARANCE {
            let index = snapshot.registry.clearances.iter().position(|clearance| *clearance.id == *rest)?;
            return u32::try_from(index).ok().map(|number| Counted::Clearance(ClearanceId(number)));
        }
        let (sector, scenario) = rest.split_once('/')?;
        let codes = &snapshot.codes;
        Some(Counted::Scenario(OwnCounter {
            family: FamilyId(u16::try_from(codes.families.get(first)?).ok()?),
            sector: SectorId(u16::try_from(codes.sectors.get(sector)?).ok()?),
            scenario: ScenarioId(u16::try_from(codes.scenarios.get(scenario)?).ok()?),
        }))
    }
}

impl CounterKey {
    /// Returns the name that users see, such as `national/sensitive/2026`.
    pub fn in_year(self, snapshot: &Snapshot, year: Year) -> String {
        in_year(&self.counted.name(snapshot), self.class, year)
    }
}

/// Returns the name that users see for a counter with this name, class and year.
pub fn in_year(name: &str, class: CountedClass, year: Year) -> String {
    format!("{name}/{}/{year}", class.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::counting_snapshot;

    const SCENARIO: Counted =
        Counted::Scenario(OwnCounter { family: FamilyId(0), sector: SectorId(1), scenario: ScenarioId(1) });

    #[test]
    fn a_name_is_read_back_as_the_same_counter() {
        let snapshot = counting_snapshot();
        let all = [
            (Counted::National, "national"),
            (SCENARIO, "beijing/pharma/clinical-trial"),
            (Counted::Clearance(ClearanceId(1)), "clearance/filing-1"),
        ];
        for (counted, name) in all {
            assert_eq!(counted.name(&snapshot), *name);
            assert_eq!(Counted::parse(&snapshot, name), Some(counted));
        }
        for gone in
            ["", "national/", "beijing/pharma", "beijing/pharma/gone", "clearance/gone", "clearance/", "a/b/c/d"]
        {
            assert_eq!(Counted::parse(&snapshot, gone), None, "{gone}");
        }
        let key = CounterKey { counted: Counted::National, class: CountedClass::Sensitive };
        assert_eq!(key.in_year(&snapshot, Year(2026)), "national/sensitive/2026");
    }
}
