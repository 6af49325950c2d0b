//! The rules of the code and of its documents.

/// Links between documents, their index, and the length of the architecture page.
mod documents;
/// The rules that keep the code as the architecture says.
mod tidy;
