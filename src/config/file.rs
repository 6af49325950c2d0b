//! Reads a configuration file: keys and their texts, each with its place.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::problem::Problem;
use crate::policy::yaml::{self, Node, Value};

/// Largest configuration file. One with every key and its comment is below 8 KiB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Deepest nesting: a key has a text or a list of texts.
const DEPTH_MAX: usize = 16;

/// A key as written in a file.
pub(super) struct Written {
    pub(super) key: String,
    /// Whether it is written as a list.
    pub(super) is_list: bool,
    /// Its texts, or the fault of the value.
    pub(super) values: Result<Vec<String>, String>,
    pub(super) line: u64,
    pub(super) column: u64,
}

/// Reads a file.
///
/// # Errors
/// The problem of the file as a whole, or the place at which it stops being YAML.
pub(super) fn read(path: &Path) -> Result<Vec<Written>, Problem> {
    let place = path.display().to_string();
    let problem = |message: String, help: &str| Problem { place: place.clone(), message, help: Some(help.to_owned()) };
    let unreadable = |error: std::io::Error| {
        problem(
            format!("cannot read the configuration file: {}", error.to_string().to_lowercase()),
            "name a file that exists and may be read, or leave `--config` and NEGLIST_CONFIG out",
        )
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if FILE_BYTES_MAX < bytes.len() as u64 {
        return Err(problem(
            format!("the configuration file has more than {FILE_BYTES_MAX} bytes"),
            "name a configuration file: `neglist serve --dump-config` prints one",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let byte = error.utf8_error().valid_up_to();
        problem(format!("byte {byte} is not UTF-8"), "save the file as UTF-8")
    })?;
    parse(&place, &text)
}

/// Parses the text of a file.
fn parse(place: &str, text: &str) -> Result<Vec<Written>, Problem> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Vec::new());
    }
    let help = || Some("the file is a list of `key: value` lines; `neglist serve --dump-config` prints one".to_owned());
    let node = yaml::parse(place, text, DEPTH_MAX).map_err(|diagnostic| {
        let span = diagnostic.span.map(|span| format!("{place}:{}:{}", span.line, span.column));
        // The parser may quote a password.
        let message =
            diagnostic.message.strip_prefix(yaml::UNREADABLE).map_or(&*diagnostic.message, |_| yaml::UNREADABLE);
        Problem { place: span.unwrap_or_else(|| place.to_owned()), message: message.to_owned(), help: help() }
    })?;
    let Value::Map(pairs) = &node.value else {
        let message = format!("the file is {} and not `key: value` lines", node.value.noun());
        return Err(Problem { place: place.to_owned(), message, help: help() });
    };
    let written = pairs.iter().map(|(key, value)| Written {
        key: key.name.to_string(),
        is_list: matches!(value.value, Value::Seq(_)),
        values: values(value, text),
        line: key.span.line.into(),
        column: key.span.column.into(),
    });
    Ok(written.collect())
}

/// Returns the texts of a value, or its fault. Never repeats the value, which may hold a password.
fn values(node: &Node, text: &str) -> Result<Vec<String>, String> {
    match &node.value {
        Value::Seq(nodes) => nodes.iter().map(|node| one(node, text)).collect(),
        _ => one(node, text).map(|text| vec![text]),
    }
}

fn one(node: &Node, text: &str) -> Result<String, String> {
    match &node.value {
        Value::Text(text) => Ok(text.to_string()),
        // As written: `0660` is not 660, and `1.0` is not a whole number.
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            let start = usize::try_from(node.span.offset).unwrap_or(usize::MAX);
            let end = start.saturating_add(usize::try_from(node.span.length).unwrap_or(usize::MAX));
            let written = text.get(start..end).map(str::trim).filter(|written| !written.is_empty() && 0 < start);
            written.map(str::to_owned).ok_or_else(|| "the value cannot be read: put it in quotes".to_owned())
        }
        Value::Null => {
            Err("the value is missing: write one (`none` turns an optional function off), or omit the key".to_owned())
        }
        Value::Seq(_) => Err("a list inside a list: write one text, or one list of texts".to_owned()),
        Value::Map(_) => Err("a mapping where one text should be: put a text with `: ` in it in quotes".to_owned()),
    }
}
