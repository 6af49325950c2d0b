//! The last line of every file: `complete: yes`.
//!
//! A file that is being written, or was cut off, may well be valid: rules that are missing, and a number that lost
//! its last digits, show in nothing else. No beginning of a file has this line at its end.

use serde_json::{Map, Value as Json, json};

use crate::policy::decode::{Context, Decode};
use crate::policy::yaml::Node;

/// The last line.
pub const LAST_LINE: &str = "complete: yes";

/// The value of the last key.
#[derive(Debug, Clone, Copy)]
pub struct Complete;

impl Decode for Complete {
    fn decode(_: &Node, _: &mut Context<'_>) -> Option<Self> {
        Some(Complete)
    }

    fn absent() -> Option<Self> {
        Some(Complete)
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "const": "yes" })
    }
}
