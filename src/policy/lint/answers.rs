//! Rounds of official answers that were not read, and the sources that are older than the newest of them.
//!
//! Answers of the regulator change how the rules are read. A rule in the files is as old as its sources are.

use jiff::civil::Date;

use super::linter::Linter;
use crate::policy::SourceFile;
use crate::policy::diagnostic::Severity;
use crate::policy::source::Document;
use crate::policy::source::list::OfficialAnswers;
use crate::policy::source::scalar::{Source, Table, YesNo, both};

/// Sources that are older than official answers that were not read.
const OLDER_SOURCES: &str = "P041";

pub(super) fn find(linter: &mut Linter<'_>, sources: &[SourceFile]) {
    let mut newest: Option<Date> = None;
    for source in sources {
        let Document::National(list) = &source.document else { continue };
        for round in list.official_answers.iter().filter(|round| round.read == YesNo::No) {
            not_read(linter, &source.path, round);
            newest = newest.max(Some(round.date.value.0));
        }
    }
    let Some(newest) = newest else { return };
    for source in sources {
        if let Some(table) = table(&source.document) {
            older(linter, &source.path, table, newest);
        }
    }
}

fn table(document: &Document) -> Option<&Table<Source>> {
    match document {
        Document::Catalogue(file) => Some(&file.sources),
        Document::National(file) => Some(&file.sources),
        Document::Zone(file) => Some(&file.sources),
        Document::Registry(_) | Document::Gateway(_) | Document::Test(_) => None,
    }
}

fn not_read(linter: &mut Linter<'_>, path: &str, round: &OfficialAnswers) {
    let message = format!("the official answers of {} are unread: {}", round.date.value.0, both(&round.title));
    let place = round.url.as_ref().map(|url| format!(" at {}", url.0)).unwrap_or_default();
    let help = format!("read them{place}, enter the changes, and write `read: yes`");
    linter.add((OLDER_SOURCES, Severity::Note), (path, round.date.span), (message, help));
}

/// Names the sources of a file that are older than a round, and counts those without a date.
fn older(linter: &mut Linter<'_>, path: &str, table: &Table<Source>, round: Date) {
    let dated = |source: &Source| source.published.as_ref().map(|day| day.value.0);
    let older: Vec<String> = table
        .0
        .iter()
        .filter_map(|(name, source)| {
            dated(source).filter(|day| *day < round).map(|day| format!("{} ({day})", name.value))
        })
        .collect();
    let undated = table.0.iter().filter(|(_, source)| source.published.is_none()).count();
    let Some((first, _)) = table.0.first().filter(|_| !older.is_empty() || 0 < undated) else { return };
    let undated = match undated {
        0 => String::new(),
        undated => format!("; without a date: {undated} of {} sources", table.0.len()),
    };
    let message = format!("the official answers of {round} are unread; older sources: {}{undated}", listed(&older));
    linter.add((OLDER_SOURCES, Severity::Note), (path, first.span), (message, String::new()));
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none of the dated ones".to_owned() } else { names.join(", ") }
}
