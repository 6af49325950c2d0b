//! Diagnostics of policy files. A diagnostic is a value, not an error, because one run may produce many.

use std::borrow::Cow;
use std::fmt;

/// How severe a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The policies are refused.
    Error,
    /// The policies are in force, but the operator should check them.
    Warning,
    /// Information only.
    Note,
}

impl Severity {
    /// Returns the name of the severity.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// Place of a diagnostic in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Byte offset of the first byte.
    pub offset: u32,
    /// Length in bytes; at least 1 where there is text.
    pub length: u32,
}

/// One diagnostic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, such as `P012`.
    pub code: &'static str,
    /// How severe it is.
    pub severity: Severity,
    /// File, relative to the policy directory; empty if it concerns the directory.
    pub file: String,
    /// Place in the file; `None` if it concerns the whole file.
    pub span: Option<Span>,
    /// The fault: one line, lower case, no full stop.
    pub message: String,
    /// How to fix it.
    pub help: Option<String>,
}

/// Returns the message for a name that must be unique and is not: ``duplicate flow `acme`; first at own.yaml:12``.
pub fn duplicate(named: impl fmt::Display, first: impl fmt::Display) -> String {
    format!("duplicate {named}; first at {first}")
}

/// Returns a name or a text in a form that is safe to show. Characters that end a line, move the cursor or are not
/// visible are escaped, so that the name of a file cannot write a line of its own.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_unseen(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Sorts diagnostics: errors first, then by file and place.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|a, b| {
        let key = |d: &Diagnostic| (d.severity, d.span, d.code);
        a.severity.cmp(&b.severity).then_with(|| a.file.cmp(&b.file)).then_with(|| key(a).cmp(&key(b)))
    });
}

/// Says whether any diagnostic is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// Returns the first 60 characters of a user's text at most, on one line.
pub fn clip(text: &str) -> String {
    let mut short: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
