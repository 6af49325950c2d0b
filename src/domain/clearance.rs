//! Clearances: proofs that a mechanism was completed, each with a scope and a validity.

use super::reason::Outcome;
use super::route::OwnCounter;
use super::statement::Destination;
use super::units::{
    ClearanceId, Country, EditionId, ExporterId, Headcount, Interval, ItemId, RecipientId, ScenarioId, SectorId,
};

/// A clearance of the registry.
#[derive(Debug, Clone)]
pub struct Clearance {
    /// Id in the registry.
    pub id: Box<str>,
    /// The completed mechanism.
    pub kind: ClearanceKind,
    /// The party that may send.
    pub exporter: ExporterId,
    /// The party that may receive.
    pub recipient: RecipientId,
    /// The sector; `None` for any.
    pub sector: Option<SectorId>,
    /// The scenario; `None` for any.
    pub scenario: Option<ScenarioId>,
    /// The items that may be sent, ascending.
    pub items: Box<[ItemId]>,
    /// Whether the clearance covers important data.
    pub important_data: ImportantData,
    /// For a zone filing, the editions under which it was accepted.
    pub editions: Box<[EditionId]>,
    /// For a contract of the Greater Bay Area, where the recipient is registered: the only permitted destination.
    pub destination: Option<Country>,
    /// Cap of persons in a calendar year; `None` if there is no cap.
    pub persons_per_year_max: Option<Headcount>,
    /// Scenario counters that may hold exports under this clearance that the national counters do not hold, ascending.
    ///
    /// The exports under the clearance are at most the sum of these counters and the national ones.
    pub counted_apart: Box<[OwnCounter]>,
    /// The time in which it is in force.
    pub interval: Interval,
}

/// A mechanism that can be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClearanceKind {
    /// A security assessment was passed.
    Assessment,
    /// A standard contract was concluded and filed.
    Contract,
    /// A certification is held.
    Certification,
    /// A standard contract of the Greater Bay Area was concluded and filed.
    AreaContract,
    /// A zone accepted a filing.
    ZoneFiling,
}

impl ClearanceKind {
    /// Returns the strictest outcome that the mechanism satisfies. An assessment satisfies all outcomes, a
    /// contract or certification satisfies CONTRACT and FILE, a filing satisfies FILE.
    ///
    /// A contract of the Greater Bay Area has no limit of persons. It satisfies an ASSESS only if the
    /// number of persons is the only reason for it.
    pub const fn satisfies(self) -> Outcome {
        match self {
            ClearanceKind::Assessment | ClearanceKind::AreaContract => Outcome::Assess,
            ClearanceKind::Contract | ClearanceKind::Certification => Outcome::Contract,
            ClearanceKind::ZoneFiling => Outcome::File,
        }
    }

    /// Returns the order of the mechanisms by strictness. If several suffice, the decision names the lowest.
    pub const fn rank(self) -> u8 {
        match self {
            ClearanceKind::ZoneFiling => 0,
            ClearanceKind::Contract | ClearanceKind::Certification => 1,
            ClearanceKind::AreaContract => 2,
            ClearanceKind::Assessment => 3,
        }
    }

    /// Returns the word for the kind in policy files and messages.
    pub const fn name(self) -> &'static str {
        match self {
            ClearanceKind::Assessment => "assessment",
            ClearanceKind::Contract => "contract",
            ClearanceKind::Certification => "certification",
            ClearanceKind::AreaContract => "gba-contract",
            ClearanceKind::ZoneFiling => "zone-filing",
        }
    }
}

/// Whether a clearance was given for important data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportantData {
    /// The clearance covers important data.
    Covered,
    /// It does not, or does not say that it does.
    NotCovered,
}

/// The facts of a transfer that the scope of a clearance must cover. Dates and head-counts are checked elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Sought<'a> {
    /// Recipient of the transfer.
    pub recipient: RecipientId,
    /// Where the data goes.
    pub destination: Destination,
    /// Sector of the transfer.
    pub sector: Option<SectorId>,
    /// Scenario of the transfer.
    pub scenario: Option<ScenarioId>,
    /// Items of the transfer; `None` for an item that is not in the catalogue.
    pub items: &'a [Option<ItemId>],
}

impl Clearance {
    /// Says whether recipient, destination, sector, scenario and every item lie within the scope.
    pub fn covers(&self, sought: Sought<'_>) -> bool {
        self.recipient == sought.recipient
            && self.destination.is_none_or(|place| sought.destination == Destination::Abroad(place))
            && self.sector.is_none_or(|sector| sought.sector == Some(sector))
            && self.scenario.is_none_or(|scenario| sought.scenario == Some(scenario))
            && sought.items.iter().all(|item| item.is_some_and(|item| self.items.binary_search(&item).is_ok()))
    }
}

/// Clearances of one exporter to one recipient.
pub type ClearanceKey = (ExporterId, RecipientId, ClearanceId);
