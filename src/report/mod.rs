//! Findings and results in the words and forms that people and programs read.
//!
//! Takes values, writes text or JSON to whatever it is given; opens no file, knows no terminal,
//! and decides nothing. What a user or a file wrote cannot break out of its line: control
//! characters are shown, not sent.

pub mod cases;
pub mod changes;
pub mod json;
pub mod text;

use crate::policy::diagnostic::Severity;
use crate::policy::{Diagnostic, PolicyFile};

/// Whether text carries colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// None: a file, a pipe, or somebody who asked for none.
    Plain,
    /// Those of a terminal.
    Ansi,
}

/// What a check of a policy directory came to.
#[derive(Debug, Clone, Copy)]
pub struct Checked<'a> {
    /// Findings, errors first.
    pub diagnostics: &'a [Diagnostic],
    /// The files, for the lines that findings point at.
    pub files: &'a [PolicyFile],
    /// How often the files say `unknown`.
    pub unknown: usize,
    /// Content digest; `None` where the policies are refused.
    pub digest: Option<&'a str>,
}

impl Checked<'_> {
    /// Returns how many findings are of a severity.
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
