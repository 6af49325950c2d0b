//! Runs the test cases of both directories against both.
//!
//! The expectations of a case do not matter here, only its result before and after.

use std::collections::HashMap;

use super::direction::Direction;
use crate::domain::reason::Outcome;
use crate::policy::verify::{self, CaseResult};
use crate::policy::{Limits, SourceFile};

/// A case with different results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseChange {
    /// File of the case.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Result under the old policies, in a few words.
    pub old: String,
    /// Result under the new policies.
    pub new: String,
    /// Direction of the change.
    pub direction: Option<Direction>,
}

/// Results of all cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cases {
    /// Number of cases that were run.
    pub run: usize,
    /// Cases with different results.
    pub changed: Vec<CaseChange>,
}

/// One side of the comparison: policies, and the test files beside them.
type Side<'s> = (&'s [SourceFile], &'s [SourceFile]);

/// Runs the cases of both sides against both policies.
///
/// A case that both sides have is taken from the new side.
pub fn cases((old, old_tests): Side<'_>, (new, new_tests): Side<'_>, limits: &Limits) -> Cases {
    let mut seen: Vec<(String, String)> = Vec::new();
    let mut cases = Cases { run: 0, changed: Vec::new() };
    for tests in [new_tests, old_tests] {
        let before = by_id(verify::run(old, tests, limits, &mut Vec::new()));
        let after = by_id(verify::run(new, tests, limits, &mut Vec::new()));
        let mut ids: Vec<&(String, String)> = before.keys().chain(after.keys()).collect();
        ids.sort();
        ids.dedup();
        ids.retain(|id| seen.binary_search(id).is_err());
        cases.run += ids.len();
        cases.changed.extend(ids.iter().filter_map(|id| compare(before.get(*id), after.get(*id))));
        let mut more: Vec<(String, String)> = ids.into_iter().cloned().collect();
        seen.append(&mut more);
        seen.sort();
    }
    cases
}

fn by_id(results: Vec<CaseResult>) -> HashMap<(String, String), CaseResult> {
    results.into_iter().map(|result| ((result.file.clone(), result.id.clone()), result)).collect()
}

fn compare(before: Option<&CaseResult>, after: Option<&CaseResult>) -> Option<CaseChange> {
    let case = after.or(before)?;
    let outcome = |result: Option<&CaseResult>| result.map(|result| result.outcome);
    if outcome(before) == outcome(after) {
        return None;
    }
    let got = |result: Option<&CaseResult>| {
        result.map_or_else(|| "cannot be run under these policies".to_owned(), |result| result.got.clone())
    };
    // A refusal lets nothing pass: it is stricter than every outcome.
    let strictness = |result: &CaseResult| result.outcome.map_or(Outcome::ALL.len(), |outcome| outcome as usize);
    let direction = match (before.map(strictness), after.map(strictness)) {
        (Some(old), Some(new)) if old < new => Some(Direction::Stricter),
        (Some(old), Some(new)) if new < old => Some(Direction::Looser),
        _ => None,
    };
    Some(CaseChange {
        file: case.file.clone(),
        line: case.span.line,
        id: case.id.clone(),
        title: case.title.clone(),
        old: got(before),
        new: got(after),
        direction,
    })
}
