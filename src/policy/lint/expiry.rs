//! Expiry: editions of lists, clearances, and filings whose edition has ended.

use jiff::civil::Date;

use super::linter::{Horizon, Linter};
use crate::policy::SourceFile;
use crate::policy::diagnostic::{Severity, Span};
use crate::policy::source::Document;
use crate::policy::source::registry::{Clearance, ClearanceKind};
use crate::policy::source::scalar::{Bilingual, both};

/// Something that expires.
const ENDS: &str = "P020";
/// Days without an edition, between two editions.
const GAP: &str = "P026";
/// A filing under editions that have ended.
const FILING_WITHOUT_EDITION: &str = "P028";

/// The national rules succeed one another, like the editions of a family.
const NATIONAL: &str = "national rules";

/// The dates of an edition.
struct Edition<'s> {
    path: &'s str,
    id: &'s str,
    title: &'s Bilingual,
    family: &'s str,
    first: Date,
    last: Option<Date>,
    /// Place of the last day, or else of the id.
    span: Span,
}

pub(super) fn find(linter: &mut Linter<'_>, sources: &[SourceFile], horizon: Horizon) {
    let editions = editions(sources);
    for edition in &editions {
        let Some(last) = edition.last else { continue };
        let later = editions.iter().filter(|other| other.family == edition.family && last < other.first);
        match later.min_by_key(|other| other.first) {
            Some(next) => succeeded(linter, edition, last, next, horizon),
            None => ended(linter, edition, last, horizon),
        }
    }
    for source in sources {
        let Document::Registry(file) = &source.document else { continue };
        for clearance in &file.clearances {
            clearance_ends(linter, &source.path, clearance, horizon);
            filing_without_edition(linter, &source.path, clearance, &editions, horizon);
        }
    }
}

fn editions(sources: &[SourceFile]) -> Vec<Edition<'_>> {
    let mut editions = Vec::new();
    for SourceFile { path, document, .. } in sources {
        let (id, title, family, first, last) = match document {
            Document::National(list) => (&list.id, &list.title, NATIONAL, &list.first_day, &list.last_day),
            Document::Zone(list) => {
                (&list.id, &list.title, list.family.value.0.as_ref(), &list.first_day, &list.last_day)
            }
            Document::Catalogue(_) | Document::Registry(_) | Document::Gateway(_) | Document::Test(_) => continue,
        };
        editions.push(Edition {
            path,
            id: &id.value.0,
            title,
            family,
            first: first.value.0,
            last: last.as_ref().map(|last| last.value.0),
            span: last.as_ref().map_or(id.span, |last| last.span),
        });
    }
    editions
}

/// Returns how many days are left until the end of a day, if it is within the period looked at.
fn days_left(last: Date, horizon: Horizon) -> Option<i32> {
    let left = (last - horizon.day).get_days();
    (0..=i32::from(horizon.expires_within_days)).contains(&left).then_some(left)
}

fn in_days(left: i32) -> String {
    match left {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        left => format!("in {left} days"),
    }
}

fn succeeded(linter: &mut Linter<'_>, edition: &Edition<'_>, last: Date, next: &Edition<'_>, horizon: Horizon) {
    let (Ok(gap_first), Ok(gap_last)) = (last.tomorrow(), next.first.yesterday()) else { return };
    if gap_first <= gap_last {
        let family = edition.family;
        let message = format!("no edition of `{family}` is in force from {gap_first} to {gap_last}");
        let help = format!(
            "if `{}` began when `{}` ended, make `last_day` {gap_last}; on the days between them no list applies",
            next.id, edition.id
        );
        let severity = if gap_last < horizon.day { Severity::Note } else { Severity::Warning };
        linter.add((GAP, severity), (edition.path, edition.span), (message, help));
    } else if let Some(left) = days_left(last, horizon) {
        let message = format!("the list `{}` ends on {last}, {}: {}", edition.id, in_days(left), both(edition.title));
        let help = format!("`{}` follows on {}; new filings may be needed", next.id, next.first);
        linter.add((ENDS, Severity::Note), (edition.path, edition.span), (message, help));
    }
}

fn ended(linter: &mut Linter<'_>, edition: &Edition<'_>, last: Date, horizon: Horizon) {
    let title = both(edition.title);
    if last < horizon.day {
        let message = format!("the list `{}` ended on {last}, and no edition follows: {title}", edition.id);
        let help = "add the edition that follows, if there is one".to_owned();
        linter.add((ENDS, Severity::Note), (edition.path, edition.span), (message, help));
    } else if let Some(left) = days_left(last, horizon) {
        let message =
            format!("the list `{}` ends on {last}, {}, and no edition follows: {title}", edition.id, in_days(left));
        let help = "add the edition that follows, or remove `last_day` if the list goes on".to_owned();
        linter.add((ENDS, Severity::Warning), (edition.path, edition.span), (message, help));
    }
}

fn clearance_ends(linter: &mut Linter<'_>, path: &str, clearance: &Clearance, horizon: Horizon) {
    let (last, span) = (clearance.last_day.value.0, clearance.last_day.span);
    let (id, kind) = (&clearance.id.value.0, clearance.kind.word());
    if last < horizon.day {
        let message = format!("the {kind} `{id}` ended on {last}");
        let help = "register its extension as a separate entry, or remove this one".to_owned();
        linter.add((ENDS, Severity::Note), (path, span), (message, help));
    } else if let Some(left) = days_left(last, horizon) {
        let message = format!("the {kind} `{id}` ends on {last}, {}", in_days(left));
        let help = "have it extended: from the next day it covers no transfer".to_owned();
        linter.add((ENDS, Severity::Warning), (path, span), (message, help));
    }
}

/// Reports filings whose editions have ended. A filing counts only under the editions that it names.
fn filing_without_edition(
    linter: &mut Linter<'_>,
    path: &str,
    clearance: &Clearance,
    editions: &[Edition<'_>],
    horizon: Horizon,
) {
    let in_force = clearance.first_day.value.0 <= horizon.day && horizon.day <= clearance.last_day.value.0;
    let has_ended = |id: &str| {
        editions.iter().any(|edition| edition.id == id && edition.last.is_some_and(|last| last < horizon.day))
    };
    if clearance.kind != ClearanceKind::ZoneFiling || !in_force || clearance.lists.is_empty() {
        return;
    }
    if clearance.lists.iter().all(|list| has_ended(&list.value.0)) {
        let names: Vec<&str> = clearance.lists.iter().map(|list| list.value.0.as_ref()).collect();
        let message =
            format!("the filing `{}` was accepted under {}, which has ended", clearance.id.value.0, names.join(", "));
        let help = "file under the edition in force and add its id to `lists`; until then the filing covers nothing";
        let span = clearance.lists.first().map_or(clearance.span, |list| list.span);
        linter.add((FILING_WITHOUT_EDITION, Severity::Warning), (path, span), (message, help.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::*;

    #[test]
    fn days_are_counted_up_to_the_last() {
        let day = Date::constant(2026, 6, 1);
        let horizon = Horizon { day, expires_within_days: 60 };
        let left = |days: i32| days_left(day.checked_add(days.days()).unwrap(), horizon);
        assert_eq!([-1, 0, 1, 60, 61, 400].map(left), [None, Some(0), Some(1), Some(60), None, None]);
        assert_eq!([0, 1, 60].map(in_days), ["today", "tomorrow", "in 60 days"]);
    }
}
