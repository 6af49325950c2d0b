//! From policy files to a snapshot: read, check, compile.
//!
//! Takes texts, not paths: [`crate::live`] reads the files. Reports every finding in one run;
//! a snapshot comes out only where none of them is an error.

pub mod compile;
pub mod diagnostic;

pub use diagnostic::{Diagnostic, Severity, Span};

use crate::domain::snapshot::Snapshot;

/// A policy file, as read.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// Path relative to the policy directory, with `/` between its parts.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Limits that are checked before or while files are parsed.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most entries (items, list entries, exporters, flows, clearances) of all files together.
    pub entries_max: usize,
    /// Deepest nesting of a file.
    pub depth_max: usize,
}

/// What a policy directory came to.
#[derive(Debug)]
pub struct Compiled {
    /// The snapshot, with revision 0; `None` where a finding is an error.
    pub snapshot: Option<Snapshot>,
    /// Everything that was found, errors first, then by file and position.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles the files of a policy directory.
pub fn compile(files: &[PolicyFile], limits: &Limits) -> Compiled {
    compile::compile(files, limits)
}
