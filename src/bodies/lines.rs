//! A JSON document on each line.

use std::borrow::Cow;

use crate::domain::gateway::{BodyFault, Fault, JsonPath};
use crate::json;

/// Returns the identifiers of all lines. Blank lines have no document.
///
/// # Errors
/// As for a JSON document, for any line.
pub(super) fn identifiers<'b>(bytes: &'b [u8], path: &JsonPath) -> Result<Vec<Cow<'b, str>>, Fault> {
    // A carriage return that ends no line would hide a document from readers that split there.
    if bytes.windows(2).any(|pair| matches!(pair, [b'\r', other] if *other != b'\n')) {
        return Err(Fault::Body(BodyFault::NotJson));
    }
    let mut found = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        found.append(&mut json::identifiers(line, path)?);
    }
    Ok(found)
}
