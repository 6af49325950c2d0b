//! The rules of the code and of its documents.

/// No import circle between files.
mod circles;
/// Links between documents, their index, and the length of the architecture page.
mod documents;
/// The names in an item.
mod names;
/// The rules that keep the code as the architecture says.
mod tidy;
/// The modules of the crate as a parser reads them.
mod tree;
