//! A part of the policies that has an id and fields, as it is compared.

use super::change::{Area, Change, How};
use super::direction::Direction;
use crate::domain::reason::Text;
use crate::policy::diagnostic::Span;
use crate::policy::source::scalar::{Bilingual, both};

/// Something that has an id and fields.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) area: Area,
    pub(super) id: String,
    pub(super) name: Option<Text>,
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) fields: Vec<Field>,
    /// The direction of adding it.
    pub(super) added: Option<Direction>,
}

impl Subject {
    pub(super) fn new(area: Area, id: impl Into<String>, name: Option<&Bilingual>, file: &str, span: Span) -> Self {
        let name = name.map(Bilingual::to_text);
        Self { area, id: id.into(), name, file: file.to_owned(), line: span.line, fields: Vec::new(), added: None }
    }

    pub(super) fn key(&self) -> (Area, &str) {
        (self.area, &self.id)
    }

    pub(super) fn whole(self, how: How) -> Change {
        let direction = match how {
            How::Removed => self.added.map(Direction::reversed),
            How::Added | How::Changed(_) => self.added,
        };
        let Subject { area, id, name, file, line, .. } = self;
        Change { area, id, name, file, line, how, direction }
    }

    pub(super) fn push(&mut self, name: impl Into<String>, value: Value, leniency: Leniency) {
        self.fields.push(Field { name: name.into(), value, leniency });
    }

    /// Adds a field that says nothing about strictness.
    pub(super) fn word(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.push(name, Value::One(value.into()), Leniency::Unsaid);
    }

    /// Adds a field that may be absent.
    pub(super) fn optional(&mut self, name: impl Into<String>, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.word(name, value);
        }
    }

    /// Adds a text in both languages.
    pub(super) fn text(&mut self, name: impl Into<String>, text: &Bilingual) {
        self.word(name, both(text));
    }

    /// Adds a field whose value has a rank. A higher rank is looser.
    pub(super) fn ranked(&mut self, name: impl Into<String>, value: impl Into<String>, rank: u64) {
        self.push(name, Value::One(value.into()), Leniency::Rank(rank));
    }

    /// Adds a set of words.
    pub(super) fn set<'w>(&mut self, name: &str, words: impl IntoIterator<Item = &'w str>, more: Option<Direction>) {
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        words.sort();
        words.dedup();
        self.push(name, Value::Set(words), Leniency::More(more));
    }
}

/// A field of a subject.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) leniency: Leniency,
}

/// The value of a field.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    One(String),
    Set(Vec<String>),
}

/// How to determine the direction of a change.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leniency {
    /// The field alone does not decide it.
    Unsaid,
    /// A higher rank is looser.
    Rank(u64),
    /// More words in the set mean this direction.
    More(Option<Direction>),
}
