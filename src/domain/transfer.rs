//! A transfer that is asked about, valid by construction: its codes exist, what the rules need
//! is there, and what its static facts lead to is worked out.
//!
//! Only [`super::resolve`] makes one.

use std::borrow::Cow;

use super::clearance::Clearance;
use super::route::{Needs, OwnCounter, Route};
use super::snapshot::Snapshot;
use super::units::{ClearanceId, ExporterId, Headcount, Moment, Year};

/// One export of data that is asked about, at one moment, under one snapshot.
#[derive(Debug, Clone)]
pub struct Transfer<'s> {
    /// What follows from the facts as registered, or as stated where nothing is registered.
    pub route: Cow<'s, Route>,
    /// What follows where the caller's claims about a registered exporter are added. The stricter
    /// of the two counts.
    pub claimed: Option<Box<Route>>,
    /// The exporter, where it is registered.
    pub exporter: Option<ExporterId>,
    /// Persons that this transfer adds to the year's totals, as stated.
    pub persons: Headcount,
    /// The year's totals, as far as the caller states them.
    pub stated: Totals,
    /// Clearances whose scope covers the transfer, whatever their date.
    pub clearances: Cow<'s, [ClearanceId]>,
    /// The moment to decide for.
    pub at: Moment,
    /// The calendar year in which it falls, in Asia/Shanghai.
    pub year: Year,
    /// First moment of the next year, or of the next segment where that is sooner.
    pub stable_until: Moment,
}

/// Totals since 1 January, without the transfer. `None`: not known.
///
/// Persons are distinct: where it is known who is sent, those among them who were counted before
/// are left out here, because the transfer adds them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// All countable exports of the exporter.
    pub national: Option<Headcount>,
    /// Those in the scenario, where a list counts it apart, as the caller states them.
    pub scenario: Option<Headcount>,
    /// The same, counter by counter, where a ledger knows them.
    pub scenarios: Vec<(OwnCounter, Headcount)>,
    /// Persons that went out under clearances whose scope covers the transfer, where a ledger
    /// knows them. A clearance that is not named here is held against the year's totals.
    ///
    /// Known only where no total is stated. Whoever states totals keeps them, and what a ledger
    /// then knows of a clearance may be too little: its cap is held against the stated totals,
    /// which are never less than what went out under it.
    pub under_clearances: Vec<(ClearanceId, Headcount)>,
}

impl Totals {
    /// Returns the totals of a scenario's own counters.
    pub fn of_scenario(&self, own: OwnCounter) -> Option<Headcount> {
        let known = self.scenarios.iter().find(|(counter, _)| *counter == own);
        known.map(|(_, persons)| *persons).or(self.scenario)
    }

    /// Returns the persons that went out under a clearance.
    pub fn under_clearance(&self, id: ClearanceId) -> Option<Headcount> {
        self.under_clearances.iter().find(|(clearance, _)| *clearance == id).map(|(_, persons)| *persons)
    }
}

impl Transfer<'_> {
    /// Says which of the year's totals the answer depends on.
    ///
    /// The national ones are needed, too, where a number of persons would make the data important,
    /// and where a clearance with a cap could satisfy what is required whatever the counts.
    pub fn needs(&self, capped: CappedClearance) -> Needs {
        let mut needs = self.route.needs();
        if let Some(claimed) = &self.claimed {
            let more = claimed.needs();
            needs = Needs { national: needs.national || more.national, scenario: needs.scenario || more.scenario };
        }
        let has_persons = self.persons != Headcount::ZERO || self.routes().any(|route| route.content.is_personal());
        let settled = self.routes().any(|route| route.tracks.is_empty());
        let refused = self.routes().any(|route| route.required != super::reason::Outcome::Allow);
        needs.national |= has_persons
            && match capped {
                CappedClearance::Absent => false,
                CappedClearance::OfOneScenario => settled && refused,
                CappedClearance::Wide => !settled || refused,
            };
        needs
    }

    /// Says whether a clearance whose scope covers the transfer has a cap of persons.
    pub fn capped_clearance(&self, snapshot: &Snapshot) -> CappedClearance {
        let covering = self.clearances.iter().filter_map(|id| snapshot.clearance(*id));
        let capped = covering.filter(|clearance| clearance.persons_per_year_max.is_some());
        let kind = |clearance: &Clearance| {
            if clearance.is_of_one_scenario() { CappedClearance::OfOneScenario } else { CappedClearance::Wide }
        };
        capped.map(kind).max().unwrap_or(CappedClearance::Absent)
    }

    /// Returns the same transfer with everything it borrows from the snapshot of its own, so that
    /// it can wait for the year's totals. The numbers in it go on belonging to that snapshot.
    pub fn into_owned(self) -> Transfer<'static> {
        Transfer {
            route: Cow::Owned(self.route.into_owned()),
            claimed: self.claimed,
            exporter: self.exporter,
            persons: self.persons,
            stated: self.stated,
            clearances: Cow::Owned(self.clearances.into_owned()),
            at: self.at,
            year: self.year,
            stable_until: self.stable_until,
        }
    }

    /// Returns the route, and the one with the caller's claims.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        std::iter::once(self.route.as_ref()).chain(self.claimed.as_deref())
    }
}

/// Whether a clearance whose scope covers a transfer has a cap of persons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CappedClearance {
    /// None has.
    Absent,
    /// One has, and covers a single scenario.
    OfOneScenario,
    /// One has, and covers several: its cap is held against the national counters too.
    Wide,
}
