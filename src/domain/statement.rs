//! The static facts of a transfer, resolved to numbers: everything apart from counts and the moment.
//!
//! A [`Statement`] is well-formed by construction: its codes exist, and every fact that the rules need
//! is present. Each flow has one; [`super::resolve`] makes one for a request without a flow.

use super::list::Scope;
use super::units::{
    AttributeSet, Class, Country, ExporterId, Ground, Headcount, ItemId, KindSet, Modality, Persons, RecipientId,
    ScenarioId, SectorId, ZoneSet,
};

/// Facts about an exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Facts {
    /// Whether it operates critical information infrastructure.
    pub ciio: Ciio,
    /// Zones in which it is registered, and the zones that contain them.
    pub zones: ZoneSet,
    /// Kinds that lists exclude.
    pub kinds: KindSet,
    /// Whether it is registered in a mainland city of the Greater Bay Area.
    pub in_greater_bay_area: bool,
    /// Persons whose data it holds (stock, not flow).
    pub held: Headcount,
    /// Persons of whom it holds specially sensitive information.
    pub held_specially_sensitive: Persons,
}

impl Facts {
    /// Adds a caller's claims to these registered facts: a fact holds if either side states it.
    ///
    /// Cities are the exception: registration in one can only open a mechanism, so a claim adds nothing.
    #[must_use]
    pub fn union(self, other: Facts) -> Facts {
        Facts {
            ciio: if self.ciio == Ciio::No { other.ciio } else { self.ciio },
            zones: self.zones.union(other.zones),
            kinds: self.kinds.union(other.kinds),
            in_greater_bay_area: self.in_greater_bay_area,
            held: self.held.max(other.held),
            held_specially_sensitive: self.held_specially_sensitive.max(other.held_specially_sensitive),
        }
    }
}

/// Whether an exporter operates critical information infrastructure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ciio {
    /// It does not.
    #[default]
    No,
    /// It does.
    Yes,
}

/// Where data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Mainland China: not an export.
    Mainland,
    /// Anywhere else, Hong Kong, Macao and Taiwan included.
    Abroad(Country),
}

/// A kind of data in a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Item {
    /// Number in the catalogue; `None` for a code of the caller's own.
    pub id: Option<ItemId>,
    /// The caller's own classification.
    ///
    /// INVARIANT (classed): present where `id` is `None`.
    pub declared: Option<Class>,
    /// Its modality, if stated.
    pub modality: Option<Modality>,
    /// Facts that entries and their exceptions refer to.
    pub attributes: AttributeSet,
}

/// The facts of a transfer that do not change from one transfer of a flow to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The exporter, if it is registered.
    pub exporter: Option<ExporterId>,
    /// Facts about the exporter.
    pub facts: Facts,
    /// The recipient; `None` if the request names none, or no flow or clearance names it.
    pub recipient: Option<RecipientId>,
    /// The destination.
    pub destination: Destination,
    /// The sector.
    pub sector: Option<SectorId>,
    /// The business scenario.
    pub scenario: Option<ScenarioId>,
    /// The items of data. Not empty.
    pub items: Vec<Item>,
    /// The ground of the transfer.
    pub ground: Option<Ground>,
    /// The zones that the data leaves from: the stated zone and the zones that contain it.
    pub export_zones: ZoneSet,
}

impl Statement {
    /// Returns sector and scenario.
    pub fn scope(&self) -> Scope {
        Scope { sector: self.sector, scenario: self.scenario }
    }
}
