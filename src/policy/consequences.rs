//! Leaves out findings that only follow from others.
//!
//! A file or a record that cannot be read takes its codes with it, and everything that refers
//! to them would be reported too: one slip, thirty findings. What is left out here comes back,
//! where it is real, as soon as the cause is mended; there is always an error that remains.

use super::diagnostic::{self, Diagnostic};
use super::source::Document;
use super::{PolicyFile, SourceFile};

/// A reference that leads nowhere.
const DANGLING: &str = "P011";
/// No national list.
const NO_NATIONAL_LIST: &str = "P016";

/// Removes findings that follow from files and records that could not be read.
///
/// `files` are those that `sources` were read from.
pub fn remove(files: &[PolicyFile], sources: &[SourceFile], diagnostics: &mut Vec<Diagnostic>) {
    if !diagnostic::has_errors(diagnostics) {
        return;
    }
    let lost_files: Vec<&PolicyFile> =
        files.iter().filter(|file| !sources.iter().any(|source| source.path == file.path)).collect();
    let mut kept = diagnostics.clone();
    kept.retain(|diagnostic| match diagnostic.code {
        NO_NATIONAL_LIST => lost_files.is_empty(),
        DANGLING => referred(files, diagnostic).is_none_or(|code| {
            let in_lost_record = sources.iter().any(|source| source.lost.iter().any(|lost| lost.as_ref() == code));
            let in_lost_file =
                lost_files.iter().any(|file| file.path != diagnostic.file && stands_in(&file.text, code));
            // A list that cannot be compiled, for instance because its zone is unknown, is there all the same.
            let is_list = sources
                .iter()
                .any(|source| matches!(&source.document, Document::Zone(list) if *list.id.value.0 == *code));
            !in_lost_record && !in_lost_file && !is_list
        }),
        _ => true,
    });
    // Whatever the reasoning above is worth: policies with errors must not come out without one.
    if diagnostic::has_errors(&kept) {
        *diagnostics = kept;
    }
}

/// Returns the word that a finding points at.
fn referred<'f>(files: &'f [PolicyFile], diagnostic: &Diagnostic) -> Option<&'f str> {
    let span = diagnostic.span?;
    let file = files.iter().find(|file| file.path == diagnostic.file)?;
    let from = span.offset as usize;
    let word = file.text.get(from..from.checked_add(span.length as usize)?)?;
    Some(word.trim().trim_matches(['"', '\'']))
}

/// Says whether a code stands in a text as a word of its own.
fn stands_in(text: &str, code: &str) -> bool {
    let is_inside = |character: char| character.is_alphanumeric() || matches!(character, '-' | '.' | '_');
    text.match_indices(code).any(|(index, _)| {
        let before = text.get(..index).and_then(|before| before.chars().next_back());
        let after = text.get(index + code.len()..).and_then(|after| after.chars().next());
        !code.is_empty() && !before.is_some_and(is_inside) && !after.is_some_and(is_inside)
    })
}
