//! Places of identifiers in bodies.

use super::json_path::JsonPath;

/// The place of identifiers in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodySource {
    /// A JSON document.
    Json(JsonPath),
    /// A JSON document on each line.
    Lines(JsonPath),
    /// The column of a CSV table, by its header.
    Csv(Box<str>),
    /// A field of a form.
    Form(Box<str>),
}
