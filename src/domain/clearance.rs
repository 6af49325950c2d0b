//! Clearances: proof that a mechanism was completed, with a scope and a validity.

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
    /// Which mechanism was completed.
    pub kind: ClearanceKind,
    /// Who may send.
    pub exporter: ExporterId,
    /// To whom.
    pub recipient: RecipientId,
    /// In which sector; `None`: any.
    pub sector: Option<SectorId>,
    /// In which scenario; `None`: any.
    pub scenario: Option<ScenarioId>,
    /// What may be sent, ascending.
    pub items: Box<[ItemId]>,
    /// Whether important data was assessed too.
    pub important_data: ImportantData,
    /// For a zone filing: the editions under which it was accepted.
    pub editions: Box<[EditionId]>,
    /// For a contract of the Greater Bay Area: where the recipient is registered. The data may go there alone.
    pub destination: Option<Country>,
    /// Persons of a calendar year; `None`: no cap.
    pub persons_per_year_max: Option<Headcount>,
    /// Scenario counters that may hold exports under it which the national counters do not, ascending.
    ///
    /// What went out under it is at most what these counters and the national ones hold together.
    pub counted_apart: Box<[OwnCounter]>,
    /// When it is in force.
    pub interval: Interval,
}

/// Which mechanism was completed.
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
    /// Returns the strictest outcome that the mechanism satisfies: an assessment satisfies all,
    /// a contract or certification CONTRACT and FILE, a filing FILE.
    ///
    /// A contract of the Greater Bay Area has no limit of persons: it satisfies an ASSESS that the
    /// number of persons alone requires, and no other.
    pub const fn satisfies(self) -> Outcome {
        match self {
            ClearanceKind::Assessment | ClearanceKind::AreaContract => Outcome::Assess,
            ClearanceKind::Contract | ClearanceKind::Certification => Outcome::Contract,
            ClearanceKind::ZoneFiling => Outcome::File,
        }
    }

    /// Returns a number that grows with what the mechanism satisfies. Where several suffice, the least is named.
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
    /// It was.
    Covered,
    /// It was not, or does not say so.
    NotCovered,
}

/// What a clearance is held against, apart from dates and head-counts.
#[derive(Debug, Clone, Copy)]
pub struct Sought<'a> {
    /// To whom the data goes.
    pub recipient: RecipientId,
    /// Where the data goes.
    pub destination: Destination,
    /// Sector of the transfer.
    pub sector: Option<SectorId>,
    /// Scenario of the transfer.
    pub scenario: Option<ScenarioId>,
    /// Items of the transfer; `None` for one that the catalogue does not know.
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
