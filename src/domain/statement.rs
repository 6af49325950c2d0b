//! What is said of a transfer, apart from counts and the moment: resolved to numbers.
//!
//! A [`Statement`] is well-formed by construction: its codes exist, and what the rules need is
//! there. Flows hold one each; other requests have one made in [`super::resolve`].

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
    /// Zones in which it is registered, with the zones that these lie within.
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
    /// Returns the facts of both, of which these are the registered ones: what either says is so.
    ///
    /// But for the cities: registration in one can only open a mechanism, so that a claim adds nothing.
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

/// A kind of data that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Item {
    /// The catalogue's number; `None` for a code of the caller's own.
    pub id: Option<ItemId>,
    /// The caller's own classification.
    ///
    /// INVARIANT (classed): present where `id` is `None`.
    pub declared: Option<Class>,
    /// Its modality, where stated.
    pub modality: Option<Modality>,
    /// Facts that entries and their exceptions refer to.
    pub attributes: AttributeSet,
}

/// Everything about a transfer that does not change from one to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The exporter, where it is registered.
    pub exporter: Option<ExporterId>,
    /// What is known of the exporter.
    pub facts: Facts,
    /// The recipient; `None` where none is named or no flow or clearance knows it.
    pub recipient: Option<RecipientId>,
    /// Where the data goes.
    pub destination: Destination,
    /// The sector.
    pub sector: Option<SectorId>,
    /// The business scenario.
    pub scenario: Option<ScenarioId>,
    /// What is sent. Not empty.
    pub items: Vec<Item>,
    /// The ground on which it is sent.
    pub ground: Option<Ground>,
    /// The zones from which it leaves: the one stated, with those that it lies within.
    pub export_zones: ZoneSet,
}

impl Statement {
    /// Returns sector and scenario.
    pub fn scope(&self) -> Scope {
        Scope { sector: self.sector, scenario: self.scenario }
    }
}
