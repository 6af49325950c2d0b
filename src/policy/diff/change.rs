//! A difference between two policy directories.

use super::direction::Direction;
use crate::domain::reason::Text;

/// The kind of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// An edition of the national rules.
    NationalList,
    /// An edition of a zone's list.
    ZoneList,
    /// A sector of a list.
    ListedSector,
    /// A scenario of a list.
    ListedScenario,
    /// Data that a list names.
    Entry,
    /// A zone.
    Zone,
    /// A city.
    City,
    /// A sector of the catalogue.
    Sector,
    /// A scenario of the catalogue.
    Scenario,
    /// A kind of exporter.
    ExporterKind,
    /// An attribute.
    Attribute,
    /// A kind of data.
    Item,
    /// A registered exporter.
    Exporter,
    /// A registered flow.
    Flow,
    /// A clearance.
    Clearance,
    /// Names of the label headers.
    LabelHeaders,
    /// A gateway rule, which labels requests.
    GatewayRule,
}

impl Area {
    /// Returns the noun.
    pub const fn noun(self) -> &'static str {
        match self {
            Area::NationalList => "national list",
            Area::ZoneList => "list",
            Area::ListedSector => "listed sector",
            Area::ListedScenario => "listed scenario",
            Area::Entry => "entry",
            Area::Zone => "zone",
            Area::City => "city",
            Area::Sector => "sector",
            Area::Scenario => "scenario",
            Area::ExporterKind => "kind of exporter",
            Area::Attribute => "attribute",
            Area::Item => "data item",
            Area::Exporter => "exporter",
            Area::Flow => "flow",
            Area::Clearance => "clearance",
            Area::LabelHeaders => "label headers",
            Area::GatewayRule => "gateway rule",
        }
    }
}

/// How a subject changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Some of its fields differ.
    Changed(Vec<FieldChange>),
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Its name, as in the file.
    pub field: String,
    /// Old value; `None` if the field was absent. Of a set: the members that it lost.
    pub old: Option<String>,
    /// New value; `None` if the field is absent. Of a set: the members that it gained.
    pub new: Option<String>,
    /// Whether the change shows whole values, or the members that a set lost and gained.
    pub extent: Extent,
    /// Direction of the change, if the field alone decides it.
    pub direction: Option<Direction>,
}

/// How much of a field a change shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The whole value.
    Value,
    /// Members that a set lost and gained.
    Members,
}

/// A subject that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its kind.
    pub area: Area,
    /// Its id. The id of a part of a list begins with the id of the list.
    pub id: String,
    /// Its name, where it has one.
    pub name: Option<Text>,
    /// Its file: the new one, or the old one if it was removed.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// How it changed.
    pub how: How,
    /// Direction of adding or removing it, if that is certain.
    pub direction: Option<Direction>,
}
