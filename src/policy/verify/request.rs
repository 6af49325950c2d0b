//! Cases about requests of gateways: labelled as at a door, then decided.

use super::asked::persons;
use super::judge::{Came, judge, refused};
use crate::domain::asked::AskedPersons;
use crate::domain::gateway::{Labelled, label};
use crate::domain::snapshot::Snapshot;
use crate::policy::decode::Context;
use crate::policy::source::cases::Case;
use crate::policy::source::request::CaseRequest;
use crate::policy::source::scalar::OrNone;

/// Checks that a case has either a transfer or a request, and expects only results that it can have.
pub(super) fn check(cx: &mut Context<'_>, case: &Case) {
    if case.transfer.is_some() == case.request.is_some() {
        let help = "write one of `transfer: …` and `request: …`".to_owned();
        cx.error("P017", case.id.span, "a case asks about either a transfer or a request".to_owned(), help);
        return;
    }
    let Some(request) = &case.request else {
        let is_about_request = case.totals.is_some()
            || case.want.rule.is_some()
            || case.want.flow.is_some()
            || case.want.persons.is_some();
        if is_about_request {
            let help = "put totals into the transfer, and leave out `rule`, `flow` and `persons`".to_owned();
            let message = "`totals`, `rule`, `flow` and `persons` are for cases about a request".to_owned();
            cx.error("P017", case.want.span, message, help);
        }
        return;
    };
    if request.body.is_some() && request.body_text.is_some() {
        let help = "keep one of the two".to_owned();
        cx.error("P017", request.span, "`body` and `body_text` in one request".to_owned(), help);
    }
}

/// Runs a case about a request.
pub(super) fn run(snapshot: &Snapshot, request: &CaseRequest, case: &Case) -> Came {
    let labelled = match label(snapshot, request) {
        Ok(labelled) => labelled,
        Err(unlabelled) => {
            let codes = unlabelled.codes();
            let problems: Vec<String> = codes.iter().map(|(code, place)| format!("{code} at {place}")).collect();
            // A case may expect the code of a violation or its place.
            let fields: Vec<String> = codes.into_iter().flat_map(|(code, place)| [code.to_owned(), place]).collect();
            let (outcome, _, failures) = refused(&fields, &problems, case);
            return (outcome, format!("refused: {}", problems.join(", ")), failures);
        }
    };
    let mut asked = labelled.asked();
    if let Some(totals) = &case.totals {
        asked.year_to_date = totals.year_to_date.as_ref().map(persons);
        asked.scenario_year_to_date = totals.scenario_year_to_date.as_ref().map(persons);
        asked.clearance_year_to_date = totals.clearance_year_to_date.as_ref().map(persons);
    }
    let (outcome, got, mut failures) = judge(snapshot, &asked, case);
    failures.extend(compare(&labelled, case));
    let rule = labelled.rule.map_or_else(|| "label headers".to_owned(), |rule| format!("rule {rule}"));
    let flow = labelled.flow.as_ref().map(|flow| format!(", flow {flow}")).unwrap_or_default();
    (outcome, format!("{got}, by {rule}{flow}"), failures)
}

fn compare(labelled: &Labelled<'_>, case: &Case) -> Vec<String> {
    let mut failures = Vec::new();
    if let Some(wanted) = &case.want.rule {
        let wanted = match wanted {
            OrNone::None => None,
            OrNone::Some(rule) => Some(rule.0.as_ref()),
        };
        if wanted != labelled.rule {
            let (wanted, got) = (wanted.unwrap_or("none"), labelled.rule.unwrap_or("none"));
            failures.push(format!("wanted the rule {wanted}, got {got}"));
        }
    }
    if let Some(wanted) = &case.want.flow
        && labelled.flow.as_deref() != Some(wanted.0.as_ref())
    {
        let got = labelled.flow.as_deref().unwrap_or("none");
        failures.push(format!("wanted the flow {}, got {got}", wanted.0));
    }
    if let Some(wanted) = &case.want.persons {
        let (wanted, got) = (persons(wanted), labelled.persons.unwrap_or_default());
        if wanted != got {
            let words = |AskedPersons { general, sensitive }: AskedPersons| {
                format!("{general} general and {sensitive} sensitive")
            };
            failures.push(format!("wanted {} persons, got {}", words(wanted), words(got)));
        }
    }
    failures
}
