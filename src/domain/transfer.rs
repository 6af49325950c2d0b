//! A transfer that is asked about, valid by construction: its codes exist, what the rules need
//! is there, and what its static facts lead to is worked out.
//!
//! Only [`super::resolve`] makes one.

use std::borrow::Cow;

use super::clearance::Clearance;
use super::reason::Outcome;
use super::route::{Needs, OwnCounter, Route};
use super::snapshot::Snapshot;
use super::units::{ClearanceId, ExporterId, Headcount, Moment, Persons, Year};

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
    /// Persons that went out under a clearance whose scope covers the transfer, as the caller states them; of several
    /// clearances the largest number.
    pub clearance: Option<Headcount>,
    /// The totals of scenarios, counter by counter, where a ledger knows them.
    pub scenarios: Vec<(OwnCounter, Headcount)>,
    /// Persons that went out under clearances whose scope covers the transfer, where a ledger knows them.
    ///
    /// Known only where no total is stated: a caller that states totals keeps them, and the ledger may have heard of
    /// fewer exports. The cap of a clearance that is not named here is held against a bound: see
    /// [`Totals::bound_of`].
    pub under_clearances: Vec<(ClearanceId, Headcount)>,
}

impl Totals {
    /// Returns the totals of a scenario's own counters.
    pub fn of_scenario(&self, own: OwnCounter) -> Option<Headcount> {
        self.read_of_scenario(own).or(self.scenario)
    }

    /// Returns the persons that went out under a clearance, where the ledger or the caller says so.
    pub fn under_clearance(&self, id: ClearanceId) -> Option<Headcount> {
        let known = self.under_clearances.iter().find(|(clearance, _)| *clearance == id);
        known.map(|(_, persons)| *persons).or(self.clearance)
    }

    /// Returns the most persons that may have gone out under a clearance, given the counters that may hold its exports
    /// besides the national ones: the sum of all of them, because an export may be in either alone.
    ///
    /// A total that is not known counts as above every line. The scenario's total as a caller states it counts once,
    /// however many lists count the scenario.
    pub fn bound_of(&self, counted_apart: &[OwnCounter]) -> Headcount {
        let mut bound = self.national.unwrap_or(BEYOND);
        let mut stated = Headcount::ZERO;
        for own in counted_apart {
            match self.read_of_scenario(*own) {
                Some(read) => bound = bound + read,
                None => stated = self.scenario.unwrap_or(BEYOND),
            }
        }
        bound + stated
    }

    /// Returns the totals of a scenario's own counters, where a ledger knows them.
    pub fn read_of_scenario(&self, own: OwnCounter) -> Option<Headcount> {
        self.scenarios.iter().find(|(counter, _)| *counter == own).map(|(_, persons)| *persons)
    }

    /// Says whether the caller states a total of the year or of the scenario.
    pub const fn is_stated(&self) -> bool {
        self.national.is_some() || self.scenario.is_some()
    }
}

/// The value of a total that is needed and not known: above every line.
pub(super) const BEYOND: Headcount = Headcount { general: Persons::MAX, sensitive: Persons::MAX };

impl Transfer<'_> {
    /// Says which of the year's totals the lines and sizes of groups are held against.
    pub fn needs(&self) -> Needs {
        let mut needs = self.route.needs();
        if let Some(claimed) = &self.claimed {
            needs = needs.and(claimed.needs());
        }
        needs
    }

    /// Says which of the year's totals bound the use of clearances with a cap, where neither the ledger nor the caller
    /// says how many persons went out under them.
    ///
    /// None where no capped clearance can matter, and none for a clearance that totals of this transfer cannot bound:
    /// its exports may be in counters of other scenarios.
    pub fn needs_for_caps(&self, snapshot: &Snapshot) -> Needs {
        let mut needs = Needs::NONE;
        if self.clearances.is_empty() || self.stated.clearance.is_some() || !self.may_use_a_cap() {
            return needs;
        }
        for clearance in self.capped_clearances(snapshot) {
            if self.is_bounded(clearance) {
                needs = needs.and(Needs { national: true, scenario: !clearance.counted_apart.is_empty() });
            }
        }
        needs
    }

    /// Says whether a head-count under a clearance can matter: persons are sent, and something may be required.
    pub fn may_use_a_cap(&self) -> bool {
        let has_persons = self.persons != Headcount::ZERO || self.routes().any(|route| route.content.is_personal());
        let may_require =
            |route: &Route| !route.tracks.is_empty() || route.required != Outcome::Allow || !route.groups.is_empty();
        has_persons && self.routes().any(may_require)
    }

    /// Says whether totals of this transfer bound what went out under a clearance: all scenario counters that may hold
    /// its exports are those of this transfer.
    pub fn is_bounded(&self, clearance: &Clearance) -> bool {
        let is_own = |counter: &OwnCounter| self.routes().any(|route| route.apart().any(|apart| apart.own == *counter));
        clearance.counted_apart.iter().all(is_own)
    }

    /// Returns the clearances with a cap of persons whose scope covers the transfer.
    pub fn capped_clearances<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a Clearance> {
        let covering = self.clearances.iter().filter_map(|id| snapshot.clearance(*id));
        covering.filter(|clearance| clearance.persons_per_year_max.is_some())
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
