//! Diagnostics and results, in forms for people and for programs.
//!
//! Takes values, and writes text or JSON to any writer; opens no file, knows no terminal, and decides nothing. Text
//! from a user or a file cannot break out of its line: control characters are shown, not sent.

pub mod cases;
pub mod changes;
pub mod json;
pub mod text;

use crate::policy::diagnostic::Severity;
use crate::policy::{Diagnostic, PolicyFile};

/// Whether text carries colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// No colours: for a file, a pipe, or a user who disabled them.
    Plain,
    /// The colours of a terminal.
    Ansi,
}

/// Result of checking a policy directory.
#[derive(Debug, Clone, Copy)]
pub struct Checked<'a> {
    /// Diagnostics, errors first.
    pub diagnostics: &'a [Diagnostic],
    /// The files, for the lines that diagnostics point at.
    pub files: &'a [PolicyFile],
    /// Number of times that the files say `unknown`.
    pub unknown: usize,
    /// Content digest; `None` if the policies are refused.
    pub digest: Option<&'a str>,
}

impl Checked<'_> {
    /// Returns the number of diagnostics of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }
}

/// Returns a number with its noun: `1 error`, `2 errors`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests;
