//! Changes between two policy directories, as text and as JSON.

use std::io::{self, Write};

use annotate_snippets::normalize_untrusted_str;
use serde_json::{Value, json};

use super::{counted, json};
use crate::policy::diff::{CaseChange, Cases, Change, Direction, Extent, FieldChange, How};
use crate::policy::shown;

/// Writes the changes, then the cases with different results, then a summary line.
///
/// # Errors
/// Errors of the writer.
pub fn text(changes: &[Change], cases: &Cases, out: &mut dyn Write) -> io::Result<()> {
    for change in changes {
        self::change(change, out)?;
    }
    if !changes.is_empty() {
        writeln!(out)?;
    }
    for case in &cases.changed {
        self::case(case, out)?;
    }
    if !cases.changed.is_empty() {
        writeln!(out)?;
    }
    let count = |wanted: fn(&How) -> bool| changes.iter().filter(|change| wanted(&change.how)).count();
    writeln!(
        out,
        "{} added, {} removed, {} changed; {} of {} with another outcome",
        count(|how| matches!(how, How::Added)),
        count(|how| matches!(how, How::Removed)),
        count(|how| matches!(how, How::Changed(_))),
        cases.changed.len(),
        counted(cases.run, "case"),
    )
}

fn change(change: &Change, out: &mut dyn Write) -> io::Result<()> {
    let sign = match change.how {
        How::Added => '+',
        How::Removed => '-',
        How::Changed(_) => '~',
    };
    let name = change.name.as_ref().map(|name| format!(" ({} / {})", name.zh, name.en)).unwrap_or_default();
    let line = format!(
        "{} `{}`{name}{}  {}:{}",
        change.area.noun(),
        change.id,
        effect(change.direction),
        change.file,
        change.line
    );
    writeln!(out, "{sign} {}", normalize_untrusted_str(&shown(&line)))?;
    let How::Changed(fields) = &change.how else { return Ok(()) };
    for field in fields {
        writeln!(out, "    {}", normalize_untrusted_str(&shown(&field_line(field))))?;
    }
    Ok(())
}

fn field_line(field: &FieldChange) -> String {
    let FieldChange { field, old, new, extent, direction } = field;
    let effect = effect(*direction);
    match (extent, old, new) {
        (Extent::Value, Some(old), Some(new)) => format!("{field}: {old} -> {new}{effect}"),
        (Extent::Value, Some(old), None) => format!("{field}: {old} -> absent{effect}"),
        (Extent::Value, None, Some(new)) => format!("{field}: absent -> {new}{effect}"),
        (Extent::Members, Some(old), Some(new)) => format!("{field}: without {old}; with {new}{effect}"),
        (Extent::Members, Some(old), None) => format!("{field}: without {old}{effect}"),
        (Extent::Members, None, Some(new)) => format!("{field}: with {new}{effect}"),
        (Extent::Value | Extent::Members, None, None) => format!("{field}: changed{effect}"),
    }
}

fn effect(direction: Option<Direction>) -> String {
    direction.map(|direction| format!(" [{}]", direction.word())).unwrap_or_default()
}

fn case(case: &CaseChange, out: &mut dyn Write) -> io::Result<()> {
    let CaseChange { file, line, id, title, old, new, direction } = case;
    let first = format!("case `{id}`{}  {file}:{line}: {title}", effect(*direction));
    writeln!(out, "! {}", normalize_untrusted_str(&shown(&first)))?;
    writeln!(out, "    {}", normalize_untrusted_str(&shown(&format!("{old} -> {new}"))))
}

/// Writes the same as JSON: `changes`, `cases` and `cases_run`.
///
/// # Errors
/// Errors of the writer.
pub fn json(changes: &[Change], cases: &Cases, out: &mut dyn Write) -> io::Result<()> {
    let value = json!({
        "changes": changes.iter().map(change_value).collect::<Vec<_>>(),
        "cases": cases.changed.iter().map(case_value).collect::<Vec<_>>(),
        "cases_run": cases.run,
    });
    json::write(&value, out)
}

fn change_value(change: &Change) -> Value {
    let (how, fields) = match &change.how {
        How::Added => ("added", None),
        How::Removed => ("removed", None),
        How::Changed(fields) => ("changed", Some(fields.iter().map(field_value).collect::<Vec<_>>())),
    };
    let name = change.name.as_ref().map(|name| json!({ "zh": name.zh, "en": name.en }));
    let value = json!({
        "change": how,
        "kind": change.area.noun(),
        "id": change.id,
        "name": name,
        "file": change.file,
        "line": change.line,
        "fields": fields,
        "effect": change.direction.map(Direction::word),
    });
    without_nulls(value)
}

fn field_value(field: &FieldChange) -> Value {
    let FieldChange { field, old, new, extent, direction } = field;
    let effect = direction.map(Direction::word);
    without_nulls(match extent {
        Extent::Value => json!({ "field": field, "old": old, "new": new, "effect": effect }),
        Extent::Members => json!({ "field": field, "removed": old, "added": new, "effect": effect }),
    })
}

fn case_value(case: &CaseChange) -> Value {
    let CaseChange { file, line, id, title, old, new, direction } = case;
    let effect = direction.map(Direction::word);
    without_nulls(json!({
        "file": file, "line": line, "id": id, "title": title, "old": old, "new": new, "effect": effect,
    }))
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    value
}
