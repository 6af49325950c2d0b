//! Compiles source files into a snapshot: the only constructor of [`Snapshot`].
//!
//! Codes become numbers, days become moments, `unknown` becomes the stricter of its possibilities, and every reference
//! is resolved. Compiling continues after each diagnostic; the snapshot is used only if none of them is an error.

mod builder;
mod entries;
mod extensions;
mod gateway;
mod lists;
mod names;
mod reference;
mod registry;
mod terms;

use self::builder::Builder;
use super::diagnostic::Diagnostic;
use super::file::Limits;
use super::source::SourceFile;
use crate::domain::snapshot::Snapshot;

/// Compiles source files. Adds its diagnostics to `diagnostics`; use the snapshot only if none of them is an error.
pub fn compile(sources: &[SourceFile], limits: &Limits, diagnostics: &mut Vec<Diagnostic>) -> Option<Snapshot> {
    let mut builder = Builder::new(diagnostics);
    builder.check_size(sources, limits);
    builder.check_kinds(sources);
    names::collect(&mut builder, sources);
    lists::compile(&mut builder, sources);
    entries::compile(&mut builder, sources);
    builder.freeze();
    let mut snapshot = builder.snapshot();
    snapshot.sum_up_alone();
    registry::compile(&mut builder, sources, &mut snapshot);
    gateway::compile(&mut builder, sources, &mut snapshot);
    let usable = !snapshot.lists.nationals.is_empty();
    if !usable {
        builder.directory_error(
            "P016",
            "no national list: there is no file of `kind: national-list`",
            "keep `lists/national/` of the policies that ship with neglist",
        );
    }
    usable.then_some(snapshot)
}
