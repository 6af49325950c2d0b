//! Policy files as texts, and the limits for reading them.

/// A policy file.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// Path relative to the policy directory, with `/` between its parts.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Limits that are checked before or during parsing.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most entries (items, list entries, exporters, flows, clearances) of all files together.
    pub entries_max: usize,
    /// Deepest nesting of a file.
    pub depth_max: usize,
}
