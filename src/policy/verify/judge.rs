//! The decision of a case, compared with the expected one.

use crate::domain::asked::{Asked, Problem, Violation};
use crate::domain::decision::Decision;
use crate::domain::evaluate::evaluate;
use crate::domain::reason::Outcome;
use crate::domain::resolve::{missing_totals, resolve};
use crate::domain::snapshot::Snapshot;
use crate::domain::units::Moment;
use crate::policy::source::cases::{Case, WantOutcome};

/// Result of a case: the outcome, the result in a few words, and the differences from the expected result.
pub(super) type Came = (Option<Outcome>, String, Vec<String>);

/// Decides the transfer of a case, and compares the result.
pub(super) fn judge(snapshot: &Snapshot, asked: &Asked<'_>, case: &Case) -> Came {
    match decide(snapshot, asked, case.at.0) {
        Ok(decision) => (Some(decision.outcome), in_words(&decision), compare(snapshot, &decision, case)),
        Err(violations) => {
            let fields: Vec<String> = violations.iter().map(|violation| violation.path.to_string()).collect();
            let problems: Vec<String> = violations.iter().map(in_short).collect();
            refused(&fields, &problems, case)
        }
    }
}

/// Compares a refusal with the expected one. `fields` are its places and reasons.
pub(super) fn refused(fields: &[String], problems: &[String], case: &Case) -> Came {
    let failures = match &case.want.error {
        Some(field) if fields.iter().any(|found| *found == *field.0) => Vec::new(),
        Some(field) => vec![format!("wanted an error at `{}`", field.0)],
        None => vec![format!("wanted an answer, and the request is refused: {}", problems.join("; "))],
    };
    (None, format!("refused at {}", fields.join(", ")), failures)
}

fn decide(snapshot: &Snapshot, asked: &Asked<'_>, at: Moment) -> Result<Decision, Vec<Violation>> {
    let transfer = resolve(snapshot, asked, at)?;
    let missing = missing_totals(snapshot, &transfer);
    if missing.is_empty() { Ok(evaluate(snapshot, &transfer, &transfer.stated)) } else { Err(missing) }
}

/// Describes a violation briefly, for the author of a case; the answer to a caller says more.
fn in_short(violation: &Violation) -> String {
    let problem = match &violation.problem {
        Problem::Missing(_) => "has to be stated".to_owned(),
        Problem::UnknownCode { kind, code, nearest } => {
            let nearest = nearest.as_ref().map(|nearest| format!(", did you mean `{nearest}`?")).unwrap_or_default();
            format!("unknown {} `{code}`{nearest}", kind.nouns().1)
        }
        Problem::NearExporter { code, nearest } => {
            format!("`{code}` is not registered and resembles the registered `{nearest}`")
        }
        Problem::NearMiss { code, nearest } => format!("`{code}` resembles the stricter `{nearest}`"),
        Problem::NotACountry { code, .. } => format!("`{code}` is not a country code"),
        Problem::TooLong { bytes } => format!("{bytes} bytes are too many"),
        Problem::NotAName(fault) => format!("not a name: {fault}"),
        Problem::NotACode(fault) => format!("not a code: {fault}"),
        Problem::TooMany { count, max } => format!("{count} entries, and at most {max} are allowed"),
        Problem::TooManyPersons { count } => format!("{count} persons are too many"),
        Problem::PersonsWithoutPersonalInformation => "persons, and no personal information is sent".to_owned(),
        Problem::OtherExportersFlow { registered } => format!("the flow belongs to `{registered}`"),
        Problem::GroundNotInherited { flow } => format!("the ground of the flow `{flow}` is for other data"),
        // A case states its moment.
        Problem::OutOfCalendar | Problem::Clock(_) => "outside the calendar".to_owned(),
        Problem::UnknownField { number } => format!("the contract has no field {number}"),
        Problem::WrongWireType { number } => format!("field {number} is of another type"),
        Problem::UnknownNumber { number, name } => format!("{number} is not a value of `{name}`"),
        Problem::NotATimestamp => "not a time stamp".to_owned(),
        // A case only asks; this violation occurs only when counting.
        Problem::Counting(_) => "cannot be counted".to_owned(),
    };
    format!("{}: {problem}", violation.path)
}

fn in_words(decision: &Decision) -> String {
    let codes: Vec<&str> = decision.reasons.iter().map(|reason| reason.code.name()).collect();
    format!("{} ({})", decision.outcome.name(), codes.join(", "))
}

fn compare(snapshot: &Snapshot, decision: &Decision, case: &Case) -> Vec<String> {
    let want = &case.want;
    let mut failures = Vec::new();
    if let Some(field) = &want.error {
        failures.push(format!("wanted an error at `{}`", field.0));
    }
    let outcomes = [("outcome", want.outcome, decision.outcome), ("required", want.required, decision.required)];
    for (name, wanted, got) in outcomes {
        if let Some(wanted) = wanted.filter(|wanted| outcome(*wanted) != got) {
            failures.push(format!("wanted {name} {}, got {}", wanted.word(), got.name()));
        }
    }
    for code in &want.reasons {
        if !decision.reasons.iter().any(|reason| reason.code.name() == code.value.0.as_ref()) {
            failures.push(format!("wanted the reason {}", code.value.0));
        }
    }
    if let Some(wanted) = &want.alternatives {
        let got: Vec<&str> = decision
            .alternative_step
            .iter()
            .filter_map(|step| snapshot.step(*step))
            .map(|step| step.procedure.as_ref())
            .collect();
        let wanted: Vec<&str> = wanted.iter().map(|procedure| procedure.0.as_ref()).collect();
        if got != wanted {
            failures.push(format!("wanted the alternatives [{}], got [{}]", wanted.join(", "), got.join(", ")));
        }
    }
    if let Some(wanted) = &want.clearance {
        let got = decision.clearance.and_then(|id| snapshot.clearance(id)).map(|clearance| clearance.id.as_ref());
        if got != Some(wanted.0.as_ref()) {
            failures.push(format!("wanted the clearance {}, got {}", wanted.0, got.unwrap_or("none")));
        }
    }
    failures
}

/// Returns the outcome that a case expects.
pub const fn outcome(wanted: WantOutcome) -> Outcome {
    match wanted {
        WantOutcome::Allow => Outcome::Allow,
        WantOutcome::File => Outcome::File,
        WantOutcome::Contract => Outcome::Contract,
        WantOutcome::Assess => Outcome::Assess,
    }
}
