//! Differences between two policy directories, rule by rule and case by case.
//!
//! Both sides become subjects (an edition, an entry, a flow) with fields. Subjects are compared by id, so moving an
//! entry to another file or line is not a change. The direction of a change, stricter or looser, is given only if the
//! field alone decides it.

mod catalogue;
mod direction;
mod gateway;
mod lists;
mod outcomes;
mod registry;

use super::SourceFile;
use super::diagnostic::Span;
use super::source::Document;
use super::source::scalar::Bilingual;
use crate::domain::reason::Text;

pub use direction::Direction;
pub use outcomes::{CaseChange, Cases, cases};

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

/// Compares two policy directories. The changes are in the order of [`Area`], then of ids.
pub fn changes(old: &[SourceFile], new: &[SourceFile]) -> Vec<Change> {
    let (old, new) = (subjects(old), subjects(new));
    let mut changes = Vec::new();
    let mut old = old.into_iter().peekable();
    let mut new = new.into_iter().peekable();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return changes,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(old), Some(new)) => old.key().cmp(&new.key()),
        };
        match order {
            std::cmp::Ordering::Less => changes.extend(old.next().map(|subject| subject.whole(How::Removed))),
            std::cmp::Ordering::Greater => changes.extend(new.next().map(|subject| subject.whole(How::Added))),
            std::cmp::Ordering::Equal => {
                if let (Some(old), Some(new)) = (old.next(), new.next()) {
                    changes.extend(compare(&old, new));
                }
            }
        }
    }
}

/// Collects everything that can change an answer, or that an answer quotes.
fn subjects(sources: &[SourceFile]) -> Vec<Subject> {
    let national = lists::national_lines(sources);
    let mut subjects = Vec::new();
    for source in sources {
        let path = source.path.as_str();
        match &source.document {
            Document::National(list) => subjects.push(lists::national(path, list)),
            Document::Zone(list) => lists::zone(path, list, source.unknown.len(), national, &mut subjects),
            Document::Catalogue(file) => catalogue::catalogue(path, file, &mut subjects),
            Document::Registry(file) => registry::registry(path, file, &mut subjects),
            Document::Gateway(file) => gateway::gateway(path, file, &mut subjects),
            Document::Test(_) => {}
        }
    }
    subjects.sort_by(|a, b| a.key().cmp(&b.key()));
    subjects
}

/// Something that has an id and fields.
#[derive(Debug)]
struct Subject {
    area: Area,
    id: String,
    name: Option<Text>,
    file: String,
    line: u32,
    fields: Vec<Field>,
    /// The direction of adding it.
    added: Option<Direction>,
}

impl Subject {
    fn new(area: Area, id: impl Into<String>, name: Option<&Bilingual>, file: &str, span: Span) -> Self {
        let name = name.map(Bilingual::to_text);
        Self { area, id: id.into(), name, file: file.to_owned(), line: span.line, fields: Vec::new(), added: None }
    }

    fn key(&self) -> (Area, &str) {
        (self.area, &self.id)
    }

    fn whole(self, how: How) -> Change {
        let direction = match how {
            How::Removed => self.added.map(Direction::reversed),
            How::Added | How::Changed(_) => self.added,
        };
        let Subject { area, id, name, file, line, .. } = self;
        Change { area, id, name, file, line, how, direction }
    }

    fn push(&mut self, name: impl Into<String>, value: Value, leniency: Leniency) {
        self.fields.push(Field { name: name.into(), value, leniency });
    }

    /// Adds a field that says nothing about strictness.
    fn word(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.push(name, Value::One(value.into()), Leniency::Unsaid);
    }

    /// Adds a field that may be absent.
    fn optional(&mut self, name: impl Into<String>, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.word(name, value);
        }
    }

    /// Adds a text in both languages.
    fn text(&mut self, name: impl Into<String>, text: &Bilingual) {
        self.word(name, both(text));
    }

    /// Adds a field whose value has a rank. A higher rank is looser.
    fn ranked(&mut self, name: impl Into<String>, value: impl Into<String>, rank: u64) {
        self.push(name, Value::One(value.into()), Leniency::Rank(rank));
    }

    /// Adds a set of words.
    fn set<'w>(&mut self, name: &str, words: impl IntoIterator<Item = &'w str>, more: Option<Direction>) {
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        words.sort();
        words.dedup();
        self.push(name, Value::Set(words), Leniency::More(more));
    }
}

#[derive(Debug)]
struct Field {
    name: String,
    value: Value,
    leniency: Leniency,
}

#[derive(Debug, PartialEq, Eq)]
enum Value {
    One(String),
    Set(Vec<String>),
}

/// How to determine the direction of a change.
#[derive(Debug, Clone, Copy)]
enum Leniency {
    /// The field alone does not decide it.
    Unsaid,
    /// A higher rank is looser.
    Rank(u64),
    /// More words in the set mean this direction.
    More(Option<Direction>),
}

fn both(text: &Bilingual) -> String {
    format!("{} / {}", text.zh.0, text.en.0)
}

fn compare(old: &Subject, new: Subject) -> Option<Change> {
    let mut changed: Vec<FieldChange> = new
        .fields
        .iter()
        .filter_map(|field| {
            let before = old.fields.iter().find(|before| before.name == field.name);
            field_change(before, field)
        })
        .collect();
    let gone = old.fields.iter().filter(|before| !new.fields.iter().any(|field| field.name == before.name));
    changed.extend(gone.map(|before| FieldChange {
        field: before.name.clone(),
        old: Some(shown(&before.value)),
        new: None,
        extent: Extent::Value,
        direction: None,
    }));
    if changed.is_empty() {
        return None;
    }
    let Subject { area, id, name, file, line, .. } = new;
    Some(Change { area, id, name, file, line, how: How::Changed(changed), direction: None })
}

fn field_change(before: Option<&Field>, field: &Field) -> Option<FieldChange> {
    let name = field.name.clone();
    let Some(before) = before else {
        return Some(FieldChange {
            field: name,
            old: None,
            new: Some(shown(&field.value)),
            extent: Extent::Value,
            direction: None,
        });
    };
    if before.value == field.value {
        return None;
    }
    let direction = match (before.leniency, field.leniency) {
        (Leniency::Rank(old), Leniency::Rank(new)) if old < new => Some(Direction::Looser),
        (Leniency::Rank(old), Leniency::Rank(new)) if new < old => Some(Direction::Stricter),
        _ => None,
    };
    if let (Value::Set(old), Value::Set(new), Leniency::More(more)) = (&before.value, &field.value, field.leniency) {
        let lost: Vec<&str> = old.iter().filter(|word| !new.contains(word)).map(String::as_str).collect();
        let gained: Vec<&str> = new.iter().filter(|word| !old.contains(word)).map(String::as_str).collect();
        let direction = match (lost.is_empty(), gained.is_empty()) {
            (true, false) => more,
            (false, true) => more.map(Direction::reversed),
            (true, true) | (false, false) => None,
        };
        let some = |words: Vec<&str>| (!words.is_empty()).then(|| words.join(", "));
        return Some(FieldChange {
            field: name,
            old: some(lost),
            new: some(gained),
            extent: Extent::Members,
            direction,
        });
    }
    Some(FieldChange {
        field: name,
        old: Some(shown(&before.value)),
        new: Some(shown(&field.value)),
        extent: Extent::Value,
        direction,
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::One(value) => value.clone(),
        Value::Set(words) if words.is_empty() => "none".to_owned(),
        Value::Set(words) => words.join(", "),
    }
}
