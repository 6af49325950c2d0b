//! Results of test cases, as text and as JSON.

use std::io::{self, Write};

use annotate_snippets::normalize_untrusted_str;
use serde_json::{Value, json};

use super::{counted, json};
use crate::policy::shown;
use crate::policy::verify::CaseResult;

/// Writes the failed cases, each with its place, then a summary line.
///
/// # Errors
/// Errors of the writer.
pub fn text(results: &[CaseResult], out: &mut dyn Write) -> io::Result<()> {
    for CaseResult { file, id, title, span, outcome: _, got, failures } in failed(results) {
        let first = format!("{file}:{}: case `{id}` failed: {title}", span.line);
        writeln!(out, "{}", normalize_untrusted_str(&shown(&first)))?;
        for failure in failures {
            writeln!(out, "    {}", normalize_untrusted_str(&shown(failure)))?;
        }
        writeln!(out, "    came out: {}\n", normalize_untrusted_str(&shown(got)))?;
    }
    let failed = failed(results).count();
    writeln!(out, "{}: {} passed, {failed} failed", counted(results.len(), "case"), results.len() - failed)
}

/// Writes the same as JSON: `cases`, `passed`, `failed`, and the cases that failed as `failures`.
///
/// # Errors
/// Errors of the writer.
pub fn json(results: &[CaseResult], out: &mut dyn Write) -> io::Result<()> {
    let failures: Vec<Value> = failed(results)
        .map(|result| {
            let CaseResult { file, id, title, span, outcome: _, got, failures } = result;
            json!({ "file": file, "line": span.line, "id": id, "title": title, "got": got, "problems": failures })
        })
        .collect();
    let failed = failures.len();
    let value = json!({
        "cases": results.len(),
        "passed": results.len() - failed,
        "failed": failed,
        "failures": failures,
    });
    json::write(&value, out)
}

fn failed(results: &[CaseResult]) -> impl Iterator<Item = &CaseResult> {
    results.iter().filter(|result| !result.failures.is_empty())
}
