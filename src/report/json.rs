//! Diagnostics as JSON, for editors and pipelines. Nothing is left out or shortened.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Checked;
use crate::policy::codes::explanation;
use crate::policy::diagnostic::Diagnostic;

/// Writes the result of a check: `diagnostics`, `unknown`, `files`, and `digest` if the policies are valid.
///
/// # Errors
/// Errors of the writer.
pub fn checked(checked: &Checked<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut value = json!({
        "diagnostics": checked.diagnostics.iter().map(diagnostic).collect::<Vec<_>>(),
        "unknown": checked.unknown,
        "files": checked.files.len(),
    });
    if let (Some(digest), Some(object)) = (checked.digest, value.as_object_mut()) {
        object.insert("digest".to_owned(), digest.into());
    }
    write(&value, out)
}

/// Returns a diagnostic as JSON. `problem_zh` and `fix_zh` are the text of its code in Chinese. `file`, `line`, `column` and `help` are absent if the diagnostic does not have them.
pub fn diagnostic(diagnostic: &Diagnostic) -> Value {
    let Diagnostic { code, severity, file, span, message, help } = diagnostic;
    let mut value = json!({ "code": code, "severity": severity.name(), "message": message });
    if let Some(object) = value.as_object_mut() {
        if !file.is_empty() {
            object.insert("file".to_owned(), file.as_str().into());
        }
        if let Some(span) = span {
            object.insert("line".to_owned(), span.line.into());
            object.insert("column".to_owned(), span.column.into());
        }
        if let Some(help) = help {
            object.insert("help".to_owned(), help.as_str().into());
        }
        if let Some(meaning) = explanation(code) {
            object.insert("problem_zh".to_owned(), meaning.problem_zh.into());
            object.insert("fix_zh".to_owned(), meaning.fix_zh.into());
        }
    }
    value
}

/// Writes a value over several lines, with a line feed at the end.
///
/// # Errors
/// Errors of the writer.
pub fn write(value: &Value, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}
