//! One member of a JSON text, by its RFC 6901 pointer, without building a tree; or one member of an existing tree.
//!
//! A text comes from a client of a gateway, and its contents decide whether data may leave. No key is picked among several:
//! see `keys`. The whole text is read, so that the text after the member is JSON too; only the
//! member is kept.

use std::borrow::Cow;

use super::keys::{Keys, Looked, Occurrence};
use super::reader::{Head, Reader};
use super::syntax::Syntax;
use super::tree::Tree;
use crate::domain::gateway::Body;

/// Most steps of a pointer: deeper than any body that labels are read from.
const STEPS_MAX: usize = 32;

/// Returns the member of `text` that `pointer` names.
///
/// A malformed pointer, or one with more than 32 steps, names nothing.
pub fn member<'t>(text: &'t [u8], pointer: &str) -> Body<'t> {
    let Some(steps) = steps(pointer) else { return Body::Absent };
    // The JSON reader does not look into strings that it skips.
    let Ok(text) = std::str::from_utf8(text) else { return Body::NotJson };
    let mut reader = Reader::new(text);
    let found = find(&mut reader, &steps);
    found.and_then(|found| reader.end().map(|()| found)).unwrap_or(Body::NotJson)
}

/// Returns the member of a tree that `pointer` names, by the rules for a text.
pub fn member_of<'t>(tree: &'t Tree, pointer: &str) -> Body<'t> {
    steps(pointer).map_or(Body::Absent, |steps| find_in(tree, &steps))
}

/// Splits a pointer into steps: `/a~1b/0` is `a/b`, then `0`.
fn steps(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let steps = pointer.strip_prefix('/')?.split('/');
    let steps: Vec<String> = steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    (steps.len() <= STEPS_MAX).then_some(steps)
}

/// Finds the member in a text.
fn find<'t>(reader: &mut Reader<'t>, steps: &[String]) -> Result<Body<'t>, Syntax> {
    let head = reader.value()?;
    match (head, steps.split_first()) {
        (Head::Object, None) => {
            reader.members(|reader, _| reader.skip())?;
            Ok(Body::Other)
        }
        (Head::List, None) => {
            let mut count = 0;
            reader.elements(|reader| {
                count += 1;
                reader.skip()
            })?;
            Ok(Body::Count(count))
        }
        (Head::Text(text), None) => Ok(Body::Text(text)),
        (Head::Number(number), None) => Ok(number.map_or(Body::Other, Body::Number)),
        (Head::Bool(_) | Head::Null, None) => Ok(Body::Other),
        (Head::Object, Some((step, rest))) => {
            let (mut keys, mut found) = (Keys::new(step), Body::Absent);
            reader.members(|reader, key| match keys.look(&key) {
                Looked::First | Looked::Again => find(reader, rest).map(|body| found = body),
                Looked::Other => reader.skip(),
            })?;
            Ok(picked(&keys, found))
        }
        (Head::List, Some((step, rest))) => {
            let (wanted, mut at, mut found) = (index(step), 0_usize, Body::Absent);
            reader.elements(|reader| {
                if wanted == Some(at) {
                    found = find(reader, rest)?;
                } else {
                    reader.skip()?;
                }
                at += 1;
                Ok(())
            })?;
            Ok(found)
        }
        (Head::Text(_) | Head::Number(_) | Head::Bool(_) | Head::Null, Some(_)) => Ok(Body::Absent),
    }
}

/// Finds the member in a tree.
fn find_in<'t>(tree: &'t Tree, steps: &[String]) -> Body<'t> {
    match (tree, steps.split_first()) {
        (Tree::List(values), None) => Body::Count(values.len()),
        (Tree::Text(text), None) => Body::Text(Cow::Borrowed(text)),
        (Tree::Number(number), None) => number.map_or(Body::Other, Body::Number),
        (Tree::Object(_) | Tree::Bool(_) | Tree::Null, None) => Body::Other,
        (Tree::Object(members), Some((step, rest))) => {
            let (mut keys, mut found) = (Keys::new(step), Body::Absent);
            for (key, value) in members {
                if keys.look(key) == Looked::First {
                    found = find_in(value, rest);
                }
            }
            picked(&keys, found)
        }
        (Tree::List(values), Some((step, rest))) => {
            index(step).and_then(|index| values.get(index)).map_or(Body::Absent, |value| find_in(value, rest))
        }
        (Tree::Text(_) | Tree::Number(_) | Tree::Bool(_) | Tree::Null, Some(_)) => Body::Absent,
    }
}

/// Returns the member of an object with a key, or why none is picked.
fn picked<'t>(keys: &Keys<'_>, found: Body<'t>) -> Body<'t> {
    match keys.occurrence() {
        Occurrence::Once => found,
        Occurrence::Absent => Body::Absent,
        Occurrence::Repeated => Body::Repeated,
        Occurrence::InOtherCapitals => Body::InOtherCapitals,
    }
}

/// Parses an array index of RFC 6901: decimal digits without a leading zero.
fn index(step: &str) -> Option<usize> {
    let is_index = step == "0" || (!step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit()));
    step.parse().ok().filter(|_| is_index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, pointer: &str, expected: &Body<'_>) {
        assert_eq!(&member(text.as_bytes(), pointer), expected, "{pointer} of {text}");
        // A tree gives the same result, if the text has a tree.
        if let Ok(tree) = Tree::read(text) {
            assert_eq!(&member_of(&tree, pointer), expected, "{pointer} of the tree of {text}");
        }
    }

    fn text(text: &str) -> Body<'_> {
        Body::Text(Cow::Borrowed(text))
    }

    #[test]
    fn members_are_found_by_their_pointers() {
        let json = r#"{"a": {"b": [10, {"c": "x"}], "": 1}, "m/n": 2, "m~n": 3, "t": "a\u00e9", "f": 1.0, "n": -1, "z": null}"#;
        check(json, "/a/b/0", &Body::Number(10));
        check(json, "/a/b/1/c", &text("x"));
        check(json, "/a/b", &Body::Count(2));
        check(json, "/a/", &Body::Number(1));
        check(json, "/m~1n", &Body::Number(2));
        check(json, "/m~0n", &Body::Number(3));
        check(json, "/t", &text("aé"));
        check(json, "/f", &Body::Number(1));
        for other in ["", "/a", "/n", "/z"] {
            check(json, other, &Body::Other);
        }
        for absent in ["/b", "/a/b/2", "/a/b/00", "/a/b/-", "/a/b/+1", "/a/b/0/x", "/t/0", "/z/a", "a", "/a/b/x"] {
            check(json, absent, &Body::Absent);
        }
        check("[]", "", &Body::Count(0));
        check("7", "", &Body::Number(7));
        check("18446744073709551616", "", &Body::Other);
        check("1e2", "", &Body::Number(100));
    }

    #[test]
    fn a_duplicate_key_on_the_way_is_reported() {
        check(r#"{"a": 1, "a": 1}"#, "/a", &Body::Repeated);
        check(r#"{"a": {"b": 1}, "a": {}}"#, "/a/b", &Body::Repeated);
        check(r#"{"a": {}, "a": {"b": 1}}"#, "/a/b", &Body::Repeated);
        check(r#"{"a": 1, "\u0061": 2}"#, "/a", &Body::Repeated);
        check(r#"{"a": 1, "a": 2, "a": 3}"#, "/a", &Body::Repeated);
        check(r#"{"a": {"b": 1, "b": 2}}"#, "/a/b", &Body::Repeated);
        // A duplicate key off the path is not reported.
        check(r#"{"x": 1, "x": 2, "a": 1}"#, "/a", &Body::Number(1));
    }

    #[test]
    fn a_key_in_other_capitals_is_the_same_to_some_servers() {
        check(r#"{"subjects": [], "Subjects": [1, 2, 3]}"#, "/subjects", &Body::Repeated);
        check(r#"{"SUBJECTS": [1], "subjects": []}"#, "/subjects", &Body::Repeated);
        check(r#"{"a": {"Subjects": [1]}}"#, "/a/subjects", &Body::InOtherCapitals);
        check(r#"{"A": {"subjects": [1]}}"#, "/a/subjects", &Body::InOtherCapitals);
        // The long s and the Kelvin sign share a capital, or a small letter, with s and k.
        check(r#"{"\u017fubjects": [1]}"#, "/subjects", &Body::InOtherCapitals);
        check(r#"{"\u212ay": [1]}"#, "/ky", &Body::InOtherCapitals);
        check(r#"{"subject": 1, "subjectss": 1}"#, "/subjects", &Body::Absent);
        check(r#"{"x": {"B": 1}, "a": {"b": 2}}"#, "/a/b", &Body::Number(2));
    }

    #[test]
    fn broken_json_yields_none_wherever_it_breaks() {
        for broken in ["", "{", r#"{"a": 1"#, r#"{"a": 1} {"a": 2}"#, r#"{"a": 01}"#, r#"{"a": 1, }"#, "a=1"] {
            check(broken, "/a", &Body::NotJson);
        }
        assert_eq!(member(b"{\"a\": \"\xff\"}", "/a"), Body::NotJson);
        assert_eq!(member(b"{\"b\": \"\xff\", \"a\": 1}", "/a"), Body::NotJson);
    }

    #[test]
    fn nesting_and_pointers_are_bounded() {
        let deep = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let steps = |count| "/0".repeat(count);
        check(&deep(STEPS_MAX), &steps(STEPS_MAX), &Body::Number(1));
        check(&deep(STEPS_MAX + 1), &steps(STEPS_MAX + 1), &Body::Absent);
        check(&deep(100_000), "/0", &Body::Count(1));
    }
}
