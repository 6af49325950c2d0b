//! The head of a file: its format version and its kind.

use serde_json::{Map, Value as Json, json};

use crate::policy::decode::{Context, Decode, words};
use crate::policy::yaml::{Node, Value};

words! {
    /// Kind of a file.
    pub enum Kind {
        /// Codes.
        Catalogue = "catalogue",
        /// National rules.
        NationalList = "national-list",
        /// A zone's list.
        ZoneList = "zone-list",
        /// The operator's own entries.
        Registry = "registry",
        /// Gateway rules, which label requests.
        Gateway = "gateway",
        /// Cases.
        Test = "test",
    }
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 6] =
        [Kind::Catalogue, Kind::NationalList, Kind::ZoneList, Kind::Registry, Kind::Gateway, Kind::Test];
}

/// The format version: 1.
#[derive(Debug, Clone, Copy)]
pub struct Format;

impl Decode for Format {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        if matches!(node.value, Value::Int(1)) {
            return Some(Format);
        }
        let help = "this release reads format 1: write `format: 1`".to_owned();
        cx.error("P007", node.span, "the format version is unknown".to_owned(), help);
        None
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "const": 1 })
    }
}
