//! Shared by all lints: the day, and the list of diagnostics.

use jiff::civil::Date;

use crate::policy::diagnostic::{Diagnostic, Severity, Span};

/// The day to look at, and how far ahead.
#[derive(Debug, Clone, Copy)]
pub struct Horizon {
    /// The day, in Asia/Shanghai.
    pub day: Date,
    /// Everything that expires within this many days is reported.
    pub expires_within_days: u16,
}

/// Collects the diagnostics of a lint.
pub(super) struct Linter<'d> {
    pub(super) diagnostics: &'d mut Vec<Diagnostic>,
}

impl Linter<'_> {
    /// Adds a diagnostic. An empty help text means no help.
    pub(super) fn add(
        &mut self,
        (code, severity): (&'static str, Severity),
        (file, span): (&str, Span),
        text: (String, String),
    ) {
        let (file, span, (message, help)) = (file.to_owned(), Some(span), text);
        let help = Some(help).filter(|help| !help.is_empty());
        self.diagnostics.push(Diagnostic { code, severity, file, span, message, help });
    }
}
