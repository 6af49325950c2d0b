//! A transfer to decide, valid by construction: its codes exist, every fact that the rules need is
//! present, and the route of its static facts is built.
//!
//! Only [`super::resolve`] makes one.

use std::borrow::Cow;

use super::clearance::Clearance;
use super::reason::Outcome;
use super::route::{Needs, OwnCounter, Route};
use super::snapshot::Snapshot;
use super::units::{ClearanceId, ExporterId, Headcount, Moment, Persons, Year};

/// One export of data to decide, at one moment, under one snapshot.
#[derive(Debug, Clone)]
pub struct Transfer<'s> {
    /// The route of the registered facts, or of the stated facts if the exporter is not registered.
    pub route: Cow<'s, Route>,
    /// The route of the registered facts and the caller's claims about the exporter together. The
    /// stricter of the two routes applies.
    pub claimed: Option<Box<Route>>,
    /// The exporter, if it is registered.
    pub exporter: Option<ExporterId>,
    /// Persons that this transfer adds to the year's totals, as stated.
    pub persons: Headcount,
    /// The totals of the year that the caller states.
    pub stated: Totals,
    /// Clearances whose scope covers the transfer, regardless of their dates.
    pub clearances: Cow<'s, [ClearanceId]>,
    /// The moment to decide for.
    pub at: Moment,
    /// The calendar year in which it falls, in Asia/Shanghai.
    pub year: Year,
    /// First moment of the next year, or of the next segment if that is sooner.
    pub stable_until: Moment,
}

/// Totals since 1 January, without the transfer. `None`: not known.
///
/// Persons are distinct: if the transfer names persons, those counted before are left out of the
/// totals, because the transfer adds them again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// All countable exports of the exporter.
    pub national: Option<Headcount>,
    /// Exports in the scenario as the caller states them, if a list has separate counters for it.
    pub scenario: Option<Headcount>,
    /// Persons already exported under a clearance whose scope covers the transfer, as the caller states them; for several
    /// clearances the largest number.
    pub clearance: Option<Headcount>,
    /// The totals of scenarios that the ledger knows, counter by counter.
    pub scenarios: Vec<(OwnCounter, Headcount)>,
    /// Persons already exported under clearances whose scope covers the transfer, if the ledger knows them.
    ///
    /// Known only if no total is stated: a caller that states totals keeps the books itself, and the ledger may know of
    /// fewer exports. For a clearance without an entry here, an upper bound is compared with the cap: see
    /// [`Totals::bound_of`].
    pub under_clearances: Vec<(ClearanceId, Headcount)>,
}

impl Totals {
    /// Returns the totals of a scenario's own counters, from the ledger or else from the caller.
    pub fn of_scenario(&self, own: OwnCounter) -> Option<Headcount> {
        self.read_of_scenario(own).or(self.scenario)
    }

    /// Returns the persons already exported under a clearance, if the ledger or the caller states them.
    pub fn under_clearance(&self, id: ClearanceId) -> Option<Headcount> {
        let known = self.under_clearances.iter().find(|(clearance, _)| *clearance == id);
        known.map(|(_, persons)| *persons).or(self.clearance)
    }

    /// Returns an upper bound of the persons exported under a clearance. `counted_apart` are the scenario counters that may
    /// hold its exports besides the national counters. The bound is the sum of all totals, because an export may be in one
    /// of them only.
    ///
    /// An unknown total counts as above every line. A scenario total that the caller states counts once, even if several
    /// lists count the scenario.
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

    /// Returns the totals of a scenario's own counters, if the ledger knows them.
    pub fn read_of_scenario(&self, own: OwnCounter) -> Option<Headcount> {
        self.scenarios.iter().find(|(counter, _)| *counter == own).map(|(_, persons)| *persons)
    }

    /// Says whether the caller states a total of the year or of the scenario.
    pub const fn is_stated(&self) -> bool {
        self.national.is_some() || self.scenario.is_some()
    }
}

/// Used for a total that is needed but unknown: above every line.
pub(super) const BEYOND: Headcount = Headcount { general: Persons::MAX, sensitive: Persons::MAX };

impl Transfer<'_> {
    /// Returns which totals of the year the lines and group sizes are compared with.
    pub fn needs(&self) -> Needs {
        let mut needs = self.route.needs();
        if let Some(claimed) = &self.claimed {
            needs = needs.and(claimed.needs());
        }
        needs
    }

    /// Returns which totals of the year bound the use of capped clearances, if neither the ledger nor the caller states how
    /// many persons were exported under them.
    ///
    /// None if no capped clearance matters, and none for a clearance that the totals of this transfer cannot bound, because
    /// counters of other scenarios may hold its exports.
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

    /// Says whether a head-count under a clearance can matter: the transfer has persons, and a procedure may be required.
    pub fn may_use_a_cap(&self) -> bool {
        let has_persons = self.persons != Headcount::ZERO || self.routes().any(|route| route.content.is_personal());
        let may_require =
            |route: &Route| !route.tracks.is_empty() || route.required != Outcome::Allow || !route.groups.is_empty();
        has_persons && self.routes().any(may_require)
    }

    /// Says whether the totals of this transfer bound the exports under a clearance: this transfer has all the scenario
    /// counters that may hold them.
    pub fn is_bounded(&self, clearance: &Clearance) -> bool {
        let is_own = |counter: &OwnCounter| self.routes().any(|route| route.apart().any(|apart| apart.own == *counter));
        clearance.counted_apart.iter().all(is_own)
    }

    /// Returns the clearances with a cap of persons whose scope covers the transfer.
    pub fn capped_clearances<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a Clearance> {
        let covering = self.clearances.iter().filter_map(|id| snapshot.clearance(*id));
        covering.filter(|clearance| clearance.persons_per_year_max.is_some())
    }

    /// Returns the same transfer without borrowed parts, so that it can wait for the year's totals.
    /// Its numbers still refer to the snapshot it was resolved with.
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

    /// Returns the route, then the route with the caller's claims.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        std::iter::once(self.route.as_ref()).chain(self.claimed.as_deref())
    }
}
