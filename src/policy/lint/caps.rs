//! Caps of clearances that are nearly used, if the totals of the year are known.

use super::linter::Linter;
use crate::domain::counter::CounterKey;
use crate::domain::headroom::{CapUse, caps_nearly_used};
use crate::domain::snapshot::Snapshot;
use crate::domain::units::{Moment, Year};
use crate::policy::SourceFile;
use crate::policy::diagnostic::{Diagnostic, Severity, Span};
use crate::policy::source::Document;
use crate::policy::source::registry::{Clearance, Exporter};
use crate::policy::source::scalar::{OrNone, both};

/// A cap that is nearly used, or used up.
const NEARLY_USED: &str = "P040";

/// The totals of a year in a ledger.
#[derive(Debug)]
pub struct Counted<'t> {
    /// The moment at which clearances must be in force.
    pub at: Moment,
    /// The year in which it falls.
    pub year: Year,
    /// Persons by counter. For a clearance, the counters of its exporter.
    pub totals: &'t [(CounterKey, u64)],
}

/// Adds a diagnostic for each cap that the totals have nearly used.
pub fn find(sources: &[SourceFile], snapshot: &Snapshot, counted: &Counted<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut linter = Linter { diagnostics };
    for cap in caps_nearly_used(snapshot, counted.at, counted.totals.iter().copied()) {
        let Some(clearance) = snapshot.clearance(cap.clearance) else { continue };
        let Some((path, written)) = clearance_of(sources, &clearance.id) else { continue };
        report(&mut linter, path, written, exporter_of(sources, written), &cap, counted.year);
    }
}

fn report(
    linter: &mut Linter<'_>,
    path: &str,
    clearance: &Clearance,
    exporter: Option<&Exporter>,
    cap: &CapUse,
    year: Year,
) {
    let span: Span = match &clearance.persons_per_year_max {
        OrNone::Some(written) => written.span,
        OrNone::None => clearance.span,
    };
    let CapUse { clearance: _, class, used, cap: most } = *cap;
    let how = if used < most { "nearly used" } else { "used up" };
    let name = exporter.map_or_else(String::new, |exporter| format!(" ({})", both(&exporter.name)));
    let (id, exporter, class) = (&clearance.id.value.0, &clearance.exporter.value.0, class.name());
    let message =
        format!("the cap of `{id}` is {how}: `{exporter}`{name} sent {used} of {most} {class} persons in {year}");
    let kind = clearance.kind.word();
    let help = format!(
        "beyond its cap the {kind} covers nothing: send less until the end of the year, or have the cap raised"
    );
    linter.add((NEARLY_USED, Severity::Warning), (path, span), (message, help));
}

fn clearance_of<'s>(sources: &'s [SourceFile], id: &str) -> Option<(&'s str, &'s Clearance)> {
    sources.iter().find_map(|SourceFile { path, document, .. }| {
        let Document::Registry(file) = document else { return None };
        let clearance = file.clearances.iter().find(|clearance| *clearance.id.value.0 == *id)?;
        Some((path.as_str(), clearance))
    })
}

fn exporter_of<'s>(sources: &'s [SourceFile], clearance: &Clearance) -> Option<&'s Exporter> {
    sources.iter().find_map(|source| {
        let Document::Registry(file) = &source.document else { return None };
        file.exporters.iter().find(|exporter| exporter.id.value == clearance.exporter.value)
    })
}
