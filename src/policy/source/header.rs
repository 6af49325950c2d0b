//! Names of headers, and texts that have to be well-formed.

use serde_json::{Map, Value as Json, json};

use super::scalar::Words;
use crate::domain::asked::CODE_BYTES_MAX;
use crate::policy::decode::{Context, Decode};
use crate::policy::diagnostic::clip;
use crate::policy::yaml::Node;

/// Reads a well-formed text, or says how to write it.
pub(super) fn right(
    node: &Node,
    cx: &mut Context<'_>,
    noun: &str,
    help: impl Fn(&str) -> Option<String>,
) -> Option<Box<str>> {
    let Words(text) = Words::decode(node, cx)?;
    let Some(help) = help(&text) else { return Some(text) };
    cx.error("P006", node.span, format!("`{}` is not {noun}", clip(&text)), help);
    None
}

/// Name of a header, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderName(pub Box<str>);

/// Says whether a text is the name of a header in lower case.
pub fn is_header_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= CODE_BYTES_MAX && text.bytes().all(is_part)
}

/// Help text: how to write the name of a header.
pub const HEADER_NAME_HELP: &str = "write it in lower case: letters, digits, `-`, `_` and `.`";

impl Decode for HeaderName {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let help = |text: &str| (!is_header_name(text)).then(|| HEADER_NAME_HELP.to_owned());
        right(node, cx, "the name of a header", help).map(HeaderName)
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "pattern": "^[a-z0-9._-]+$", "maxLength": CODE_BYTES_MAX })
    }
}
