//! JSON that every reader reads alike: no object has a key twice.
//!
//! Readers differ in which of two equal keys they take. A gateway that read one must not get an answer about the other.

use std::collections::HashSet;

use crate::json::Tree;
use crate::wire::json::issues::{Issues, JsonError};
use crate::wire::json::message::text;
use crate::wire::refusal::labels::shown;

/// Reads JSON in UTF-8. Nesting is bounded by the reader.
///
/// # Errors
/// The text is not JSON, with line and column; or an object has a key twice, with its path.
pub(crate) fn read(json: &[u8]) -> Result<Tree, JsonError> {
    let tree = Tree::read(text(json)?).map_err(JsonError::syntax)?;
    let mut issues = Issues::default();
    repeated(&tree, "", &mut issues);
    issues.into_result().map(|()| tree)
}

fn repeated(tree: &Tree, path: &str, issues: &mut Issues) {
    if issues.is_full() {
        return;
    }
    match tree {
        Tree::Object(members) => {
            let mut seen = HashSet::with_capacity(members.len());
            for (key, value) in members {
                // A path costs as much as the tree is deep. It is written for an issue only.
                let place = || if path.is_empty() { shown(key) } else { format!("{path}.{}", shown(key)) };
                if !seen.insert(key.as_str()) {
                    issues.add_duplicate(place(), "key", "键");
                }
                if matches!(value, Tree::Object(_) | Tree::List(_)) {
                    repeated(value, &place(), issues);
                }
            }
        }
        Tree::List(values) => {
            for (index, value) in values.iter().enumerate() {
                if matches!(value, Tree::Object(_) | Tree::List(_)) {
                    repeated(value, &format!("{path}[{index}]"), issues);
                }
            }
        }
        Tree::Text(_) | Tree::Number(_) | Tree::Bool(_) | Tree::Null => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_json_is_refused() {
        for text in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": {"b": [{"c": 1, "c": 2}]}}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            "{} {}",
            "",
            "\u{feff}{}",
            "nan",
            "{'a': 1}",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(b"\"\xff\"").is_err());
        assert!(read("[".repeat(100_000).as_bytes()).is_err());
        let twice = read(br#"{"a": {"b": [{"c": 1, "c": 2}]}, "x": {"c": 1}, "x": 2}"#).unwrap_err().to_string();
        let expected = "duplicate key: keep one / 该键重复：请只保留一个";
        assert_eq!(twice, format!("a.b[0].c: {expected}\nx: {expected}"));
    }

    #[test]
    fn duplicate_keys_cost_little_and_have_a_short_report() {
        let many = format!("{{{}\"a\": 1}}", "\"a\": 1, ".repeat(100_000));
        let deep = format!("{}{{\"a\":1,\"a\":2}}{}", "{\"k\":".repeat(120), "}".repeat(120));
        for json in [many, deep] {
            assert!(read(json.as_bytes()).unwrap_err().to_string().len() < 16_384);
        }
    }
}
