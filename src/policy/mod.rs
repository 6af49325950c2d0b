//! Turns policy files into a snapshot: read, check, compile.
//!
//! Takes texts, not paths: [`crate::live`] reads the files. One run reports every diagnostic; a snapshot results only
//! if none of them is an error.

pub mod codes;
pub mod compile;
pub mod consequences;
pub mod decode;
pub mod diagnostic;
pub mod diff;
mod file;
pub mod lint;
mod lookalikes;
pub mod source;
mod suggest;
mod syntax;
pub mod time;
pub mod verify;
pub mod yaml;

pub use diagnostic::{Diagnostic, Severity, Span, shown};
pub use file::{Limits, PolicyFile};
pub use source::SourceFile;

use crate::domain::snapshot::Snapshot;

/// Result of compiling a policy directory.
#[derive(Debug)]
pub struct Compiled {
    /// The snapshot, with revision 0; `None` if a diagnostic is an error.
    pub snapshot: Option<Snapshot>,
    /// All diagnostics, errors first, then by file and position.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads files into their types. Adds its diagnostics to `diagnostics`.
pub fn read(files: &[PolicyFile], limits: &Limits, diagnostics: &mut Vec<Diagnostic>) -> Vec<SourceFile> {
    files.iter().filter_map(|file| source::read(file, limits.depth_max, diagnostics)).collect()
}

/// Compiles the files of a policy directory.
pub fn compile(files: &[PolicyFile], limits: &Limits) -> Compiled {
    let mut diagnostics = Vec::new();
    let sources = read(files, limits, &mut diagnostics);
    let snapshot = compile::compile(&sources, limits, &mut diagnostics);
    consequences::remove(files, &[&sources], &mut diagnostics);
    diagnostic::sort(&mut diagnostics);
    let snapshot = snapshot.filter(|_| !diagnostic::has_errors(&diagnostics));
    Compiled { snapshot, diagnostics }
}
