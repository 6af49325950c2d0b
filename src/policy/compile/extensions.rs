//! Extensions of assessments: each must extend an assessment, and its cap must not have grown too far.
//!
//! An assessment can be extended without a new assessment only if, among other conditions, the parties are the same and
//! the persons of the next three years are at most 20 % more than those allowed for the past three. Source: CAC
//! questions and answers on data export, July 2026, question 2.

use super::builder::Builder;
use crate::domain::units::Persons;
use crate::policy::decode::did_you_mean;
use crate::policy::diagnostic::clip;
use crate::policy::source::registry::{Cap, Clearance, ClearanceKind, RegistryFile};
use crate::policy::source::scalar::OrNone;

/// Growth up to which an assessment can be extended, in percent of the cap that was allowed.
const GROWTH_MAX_PERCENT: u64 = 20;

/// Checks every clearance that extends another.
pub(super) fn check(builder: &mut Builder<'_>, files: &[(&str, &RegistryFile)]) {
    let all: Vec<&Clearance> = files.iter().flat_map(|(_, file)| &file.clearances).collect();
    for (path, file) in files {
        for clearance in &file.clearances {
            let Some(extends) = &clearance.extends else { continue };
            if let Some(extended) = all.iter().find(|known| known.id.value == extends.value) {
                check_extension(builder, path, clearance, extended);
                continue;
            }
            let known = all.iter().map(|known| known.id.value.0.as_ref());
            let help = did_you_mean(&extends.value.0, known).unwrap_or_else(|| {
                "no file defines such a clearance: correct the word, or leave `extends` out".to_owned()
            });
            let message = format!("unknown clearance `{}`", clip(&extends.value.0));
            builder.cx(path).error("P011", extends.span, message, help);
        }
    }
}

fn check_extension(builder: &mut Builder<'_>, path: &str, clearance: &Clearance, extended: &Clearance) {
    let Some(span) = clearance.extends.as_ref().map(|extends| extends.span) else { return };
    let id = &extended.id.value.0;
    let mut cx = builder.cx(path);
    let is_assessment = |clearance: &Clearance| clearance.kind == ClearanceKind::Assessment;
    let problem = if clearance.id.value == extended.id.value {
        Some(("the clearance extends itself".to_owned(), "name the earlier assessment in `extends`"))
    } else if !is_assessment(clearance) || !is_assessment(extended) {
        let help = "contract, certification and filing are renewed, not extended: remove `extends`";
        Some(("only an assessment extends an assessment".to_owned(), help))
    } else if clearance.exporter.value != extended.exporter.value
        || clearance.recipient.value != extended.recipient.value
    {
        let help = "an extension has the parties of the extended assessment; other parties need their own assessment";
        Some((format!("the assessment `{id}` is between other parties"), help))
    } else {
        None
    };
    if let Some((message, help)) = problem {
        cx.error("P017", span, message, help.to_owned());
        return;
    }
    for (class, before, after) in growth(&extended.persons_per_year_max, &clearance.persons_per_year_max) {
        let (before, after) = (before.to_string(), after.map_or("no cap".to_owned(), |after| after.to_string()));
        let message = format!(
            "the cap of {class} persons grows by more than {GROWTH_MAX_PERCENT} % over that of `{id}`: {before} to {after}"
        );
        let help = "an assessment cannot be extended beyond that: apply for a new one".to_owned();
        cx.warning("P029", span, message, help);
    }
}

/// Returns the classes in which the cap has grown too far, each with the cap before and after; `None` for no cap.
fn growth(before: &OrNone<Cap>, after: &OrNone<Cap>) -> Vec<(&'static str, Persons, Option<Persons>)> {
    let OrNone::Some(before) = before else { return Vec::new() };
    let after = match after {
        OrNone::Some(after) => Some(after),
        OrNone::None => None,
    };
    let classes = [
        ("general", before.general.0, after.map(|after| after.general.0)),
        ("sensitive", before.sensitive.0, after.map(|after| after.sensitive.0)),
    ];
    let too_far = |(_, before, after): &(&str, Persons, Option<Persons>)| {
        // Both are at most ten billion, so the products stay far below the largest `u64`.
        let allowed = before.get() * (100 + GROWTH_MAX_PERCENT);
        after.is_none_or(|after| allowed < after.get() * 100)
    };
    classes.into_iter().filter(too_far).collect()
}
