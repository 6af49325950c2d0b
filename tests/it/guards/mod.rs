//! The rules of the code and of its documents.

/// No import circle between files.
mod circles;
/// Links between documents, their index, and the length of the architecture page.
mod documents;
/// Which modules and crates each module may name.
mod edges;
/// The names in an item.
mod names;
/// No test waits for a fixed time.
mod sleeps;
/// The form of the code.
mod style;
/// Tables that have to name everything the code has.
mod tables;
/// The modules of the crate as a parser reads them.
mod tree;
