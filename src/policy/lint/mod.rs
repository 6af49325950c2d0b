//! Diagnostics of `check` beyond errors: policies that expire soon, flows that no rule reaches, texts that could not be
//! read.
//!
//! No diagnostic here stops a server. A warning needs attention, a note is information. All of them are for one day,
//! given by the caller, and use the totals of the year if the caller has them.

mod answers;
mod area;
pub mod caps;
mod expiry;
mod gateway;
mod linter;
mod reach;

pub use linter::Horizon;

use self::linter::Linter;
use super::diagnostic::{Diagnostic, Severity, Span};
use super::source::{Document, SourceFile};
use super::time;
use crate::domain::snapshot::Snapshot;

/// Adds diagnostics about policies. `snapshot` is the compiled form of the policies; without it, diagnostics that need
/// it are left out.
pub fn find(sources: &[SourceFile], snapshot: Option<&Snapshot>, horizon: Horizon, diagnostics: &mut Vec<Diagnostic>) {
    let mut linter = Linter { diagnostics };
    unread(&mut linter, sources);
    answers::find(&mut linter, sources);
    expiry::find(&mut linter, sources, horizon);
    area::find(&mut linter, sources);
    if let (Some(snapshot), Some(noon)) = (snapshot, time::moment(horizon.day, 12)) {
        reach::find(&mut linter, sources, snapshot, noon);
    }
    if let Some(snapshot) = snapshot {
        gateway::find(&mut linter, sources, &snapshot.gateway);
    }
}

/// Returns the number of times that the files say `unknown`.
pub fn unknown(sources: &[SourceFile]) -> usize {
    sources.iter().map(|source| unread_places(source).len()).sum()
}

/// Returns the places where a file says `unknown`: as a value, or in its table of unread matters.
fn unread_places(source: &SourceFile) -> Vec<Span> {
    let table = match &source.document {
        Document::National(list) => list.unknown.as_slice(),
        Document::Zone(list) => list.unknown.as_slice(),
        Document::Catalogue(_) | Document::Registry(_) | Document::Gateway(_) | Document::Test(_) => &[],
    };
    let mut places = source.unknown.clone();
    places.extend(table.iter().map(|unread| unread.span));
    places.sort_unstable();
    places
}

/// P024: how much of a file could not be read.
fn unread(linter: &mut Linter<'_>, sources: &[SourceFile]) {
    for source in sources {
        let places = unread_places(source);
        let Some(first) = places.first() else { continue };
        let message = match places.len() {
            1 => "the file leaves one point `unknown`".to_owned(),
            count => format!("the file leaves {count} points `unknown`, the first of them here"),
        };
        linter.add(("P024", Severity::Note), (&source.path, *first), (message, String::new()));
    }
}
