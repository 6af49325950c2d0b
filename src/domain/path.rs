//! The place of a violation in a request, as a value.
//!
//! Code that branches on a place compares values. The text of a place is written here and nowhere else: for a person, or for
//! the field of an answer. No path is formatted for a valid request.

use std::fmt;

use super::units::CountedClass;

/// The place of a violation in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// A field of the one transfer of a request.
    Transfer(Field),
    /// A field of a transfer of a batch, by its index.
    Batch(usize, Field),
    /// A field of the request beside its transfer.
    Request(RequestField),
    /// A place that only the bytes of the message have, such as a field that the contract does not have.
    Message(Box<str>),
}

/// A field of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `flow`.
    Flow,
    /// `exporter`.
    Exporter,
    /// `recipient`.
    Recipient,
    /// `destination`.
    Destination,
    /// `sector`.
    Sector,
    /// `scenario`.
    Scenario,
    /// `ground`.
    Ground,
    /// `at`.
    At,
    /// `export_zone`.
    ExportZone,
    /// `data`.
    Data,
    /// A field of an item of `data`, by the index of the item.
    Item(usize, ItemField),
    /// A pair of head-counts.
    Counts(Counts),
    /// One number of a pair of head-counts.
    Count(Counts, CountedClass),
    /// A list of facts of the exporter.
    Facts(FactList),
    /// An entry of such a list.
    Fact(FactList, usize),
    /// `exporter_facts.held_specially_sensitive`.
    HeldSpeciallySensitive,
}

/// A field of an item of `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemField {
    /// `code`.
    Code,
    /// `data_class`.
    DataClass,
    /// `modality`.
    Modality,
    /// `attributes`.
    Attributes,
    /// An entry of `attributes`.
    Attribute(usize),
}

/// A pair of head-counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// `persons`.
    Persons,
    /// `year_to_date`.
    YearToDate,
    /// `scenario_year_to_date`.
    ScenarioYearToDate,
    /// `clearance_year_to_date`.
    ClearanceYearToDate,
    /// `exporter_facts.held`.
    Held,
}

/// A list of facts of the exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactList {
    /// `exporter_facts.zones`.
    Zones,
    /// `exporter_facts.cities`.
    Cities,
    /// `exporter_facts.kinds`.
    Kinds,
}

/// A field of a request beside its transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestField {
    /// `transfer` as a whole.
    Transfer,
    /// `transfers` as a whole.
    Transfers,
    /// `detail`.
    Detail,
    /// `transfer_id`.
    TransferId,
    /// The pseudonyms of a class.
    Subjects(CountedClass),
    /// One pseudonym of a class.
    Subject(CountedClass, usize),
    /// The identifiers of a class.
    SubjectIds(CountedClass),
    /// One identifier of a class.
    SubjectId(CountedClass, usize),
    /// `subject_kind`.
    SubjectKind,
    /// A step of `subject_normalise`.
    SubjectNormalise(usize),
    /// `time_to_live`.
    TimeToLive,
    /// `exporter` of a question about totals.
    Exporter,
    /// `year` of a question about totals.
    Year,
}

impl Path {
    /// Returns the place in a batch of a place in its transfer.
    #[must_use]
    pub fn in_batch(self, index: usize) -> Self {
        match self {
            Path::Transfer(field) => Path::Batch(index, field),
            Path::Batch(..) | Path::Request(_) | Path::Message(_) => self,
        }
    }

    /// Returns the field of the one transfer, where the place is one.
    pub const fn of_transfer(&self) -> Option<Field> {
        match self {
            Path::Transfer(field) => Some(*field),
            Path::Batch(..) | Path::Request(_) | Path::Message(_) => None,
        }
    }
}

impl From<Field> for Path {
    fn from(field: Field) -> Self {
        Path::Transfer(field)
    }
}

impl From<RequestField> for Path {
    fn from(field: RequestField) -> Self {
        Path::Request(field)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Transfer(field) => write!(f, "transfer.{field}"),
            Path::Batch(index, field) => write!(f, "transfers[{index}].{field}"),
            Path::Request(field) => field.fmt(f),
            Path::Message(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Flow => f.write_str("flow"),
            Field::Exporter => f.write_str("exporter"),
            Field::Recipient => f.write_str("recipient"),
            Field::Destination => f.write_str("destination"),
            Field::Sector => f.write_str("sector"),
            Field::Scenario => f.write_str("scenario"),
            Field::Ground => f.write_str("ground"),
            Field::At => f.write_str("at"),
            Field::ExportZone => f.write_str("export_zone"),
            Field::Data => f.write_str("data"),
            Field::Item(index, field) => write!(f, "data[{index}].{field}"),
            Field::Counts(counts) => f.write_str(counts.name()),
            Field::Count(counts, class) => write!(f, "{}.{}", counts.name(), class.name()),
            Field::Facts(list) => f.write_str(list.name()),
            Field::Fact(list, index) => write!(f, "{}[{index}]", list.name()),
            Field::HeldSpeciallySensitive => f.write_str("exporter_facts.held_specially_sensitive"),
        }
    }
}

impl fmt::Display for ItemField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ItemField::Code => f.write_str("code"),
            ItemField::DataClass => f.write_str("data_class"),
            ItemField::Modality => f.write_str("modality"),
            ItemField::Attributes => f.write_str("attributes"),
            ItemField::Attribute(index) => write!(f, "attributes[{index}]"),
        }
    }
}

impl Counts {
    const fn name(self) -> &'static str {
        match self {
            Counts::Persons => "persons",
            Counts::YearToDate => "year_to_date",
            Counts::ScenarioYearToDate => "scenario_year_to_date",
            Counts::ClearanceYearToDate => "clearance_year_to_date",
            Counts::Held => "exporter_facts.held",
        }
    }
}

impl FactList {
    const fn name(self) -> &'static str {
        match self {
            FactList::Zones => "exporter_facts.zones",
            FactList::Cities => "exporter_facts.cities",
            FactList::Kinds => "exporter_facts.kinds",
        }
    }
}

impl fmt::Display for RequestField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestField::Transfer => f.write_str("transfer"),
            RequestField::Transfers => f.write_str("transfers"),
            RequestField::Detail => f.write_str("detail"),
            RequestField::TransferId => f.write_str("transfer_id"),
            RequestField::Subjects(class) => write!(f, "{}_subjects", class.name()),
            RequestField::Subject(class, index) => write!(f, "{}_subjects[{index}]", class.name()),
            RequestField::SubjectIds(class) => write!(f, "{}_subject_ids", class.name()),
            RequestField::SubjectId(class, index) => write!(f, "{}_subject_ids[{index}]", class.name()),
            RequestField::SubjectKind => f.write_str("subject_kind"),
            RequestField::SubjectNormalise(index) => write!(f, "subject_normalise[{index}]"),
            RequestField::TimeToLive => f.write_str("time_to_live"),
            RequestField::Exporter => f.write_str("exporter"),
            RequestField::Year => f.write_str("year"),
        }
    }
}
