//! Differences between two policy directories, rule by rule and case by case.
//!
//! Both sides become subjects (an edition, an entry, a flow) with fields. Subjects are compared by id, so moving an
//! entry to another file or line is not a change. The direction of a change, stricter or looser, is given only if the
//! field alone decides it.

mod catalogue;
mod change;
mod direction;
mod gateway;
mod lists;
mod outcomes;
mod registry;
mod subject;

use self::subject::{Field, Leniency, Subject, Value};
use super::source::{Document, SourceFile};

pub use change::{Area, Change, Extent, FieldChange, How};
pub use direction::Direction;
pub use outcomes::{CaseChange, Cases, cases};

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
