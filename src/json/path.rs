//! The identifiers at a place of a JSON document, without building a tree; or in a tree.
//!
//! An identifier is a string or a whole number; a number has the identifier of its digits, however it is written. Everything
//! else on the way or at the place is a violation: a person would be left out. The rule for keys is that of
//! pointers: see `keys`.

use std::borrow::Cow;

use super::keys::{Keys, Looked, Occurrence};
use super::reader::{Head, Reader};
use super::syntax::Syntax;
use super::tree::Tree;
use crate::domain::gateway::{BodyFault, Fault, JsonPath, Step};

/// Returns the identifiers in a text, in its order.
///
/// # Errors
/// The text is not JSON, or a value on the way or at the place is missing, ambiguous or of another type.
pub fn identifiers<'t>(text: &'t [u8], path: &JsonPath) -> Result<Vec<Cow<'t, str>>, Fault> {
    let not_json = Fault::Body(BodyFault::NotJson);
    let Ok(text) = std::str::from_utf8(text) else { return Err(not_json) };
    let (mut reader, mut found) = (Reader::new(text), Found::default());
    let read = found.walk(&mut reader, path.steps()).and_then(|()| reader.end());
    match (read, found.fault) {
        (Err(_), _) => Err(not_json),
        (Ok(()), Some(fault)) => Err(fault),
        (Ok(()), None) => Ok(found.identifiers),
    }
}

/// Returns the identifiers in a tree, by the rules for a text.
///
/// # Errors
/// As for a text.
pub fn identifiers_of<'t>(tree: &'t Tree, path: &JsonPath) -> Result<Vec<Cow<'t, str>>, Fault> {
    let mut found = Found::default();
    found.walk_tree(tree, path.steps());
    found.fault.map_or(Ok(found.identifiers), Err)
}

/// The identifiers, and the first violation.
#[derive(Default)]
struct Found<'t> {
    identifiers: Vec<Cow<'t, str>>,
    fault: Option<Fault>,
}

impl<'t> Found<'t> {
    fn refuse(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    fn wrong_kind(&mut self) {
        self.refuse(Fault::Body(BodyFault::WrongKind));
    }

    /// Reads the next value, to its end whatever is wrong with it: what follows has to be JSON too.
    fn walk(&mut self, reader: &mut Reader<'t>, steps: &[Step]) -> Result<(), Syntax> {
        match (reader.value()?, steps.split_first()) {
            (Head::Text(text), None) => self.identifiers.push(text),
            (Head::Number(Ok(number)), None) => self.identifiers.push(Cow::Owned(number.to_string())),
            (Head::Object, Some((Step::Member(name), rest))) => {
                let mut keys = Keys::new(name);
                reader.members(|reader, key| match keys.look(&key) {
                    Looked::First => self.walk(reader, rest),
                    Looked::Again | Looked::Other => reader.skip(),
                })?;
                check(&keys).unwrap_or_else(|fault| self.refuse(fault));
            }
            (Head::List, Some((Step::Each, rest))) => reader.elements(|reader| self.walk(reader, rest))?,
            (Head::Null, _) => self.refuse(Fault::Missing),
            (Head::Object, _) => {
                reader.members(|reader, _| reader.skip())?;
                self.wrong_kind();
            }
            (Head::List, _) => {
                reader.elements(Reader::skip)?;
                self.wrong_kind();
            }
            (Head::Text(_) | Head::Number(_) | Head::Bool(_), _) => self.wrong_kind(),
        }
        Ok(())
    }

    fn walk_tree(&mut self, tree: &'t Tree, steps: &[Step]) {
        match (tree, steps.split_first()) {
            (Tree::Text(text), None) => self.identifiers.push(Cow::Borrowed(text)),
            (Tree::Number(Ok(number)), None) => self.identifiers.push(Cow::Owned(number.to_string())),
            (Tree::Object(members), Some((Step::Member(name), rest))) => {
                let mut keys = Keys::new(name);
                for (key, value) in members {
                    if keys.look(key) == Looked::First {
                        self.walk_tree(value, rest);
                    }
                }
                check(&keys).unwrap_or_else(|fault| self.refuse(fault));
            }
            (Tree::List(values), Some((Step::Each, rest))) => {
                for value in values {
                    self.walk_tree(value, rest);
                }
            }
            (Tree::Null, _) => self.refuse(Fault::Missing),
            (Tree::Object(_) | Tree::List(_) | Tree::Text(_) | Tree::Number(_) | Tree::Bool(_), _) => self.wrong_kind(),
        }
    }
}

/// Checks that a key occurs once.
const fn check(keys: &Keys<'_>) -> Result<(), Fault> {
    match keys.occurrence() {
        Occurrence::Once => Ok(()),
        Occurrence::Absent => Err(Fault::Missing),
        Occurrence::Repeated => Err(Fault::Repeated),
        Occurrence::InOtherCapitals => Err(Fault::Body(BodyFault::InOtherCapitals)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, path: &str, expected: Result<&[&str], Fault>) {
        let path = JsonPath::parse(path).unwrap();
        let plain = |found: Result<Vec<Cow<'_, str>>, Fault>| {
            found.map(|found| found.into_iter().map(Cow::into_owned).collect::<Vec<_>>())
        };
        let expected = expected.map(|expected| expected.iter().map(|&id| id.to_owned()).collect::<Vec<_>>());
        assert_eq!(plain(identifiers(text.as_bytes(), &path)), expected, "{path} of {text}");
        if let Ok(tree) = Tree::read(text) {
            assert_eq!(plain(identifiers_of(&tree, &path)), expected, "{path} of the tree of {text}");
        }
    }

    const WRONG_KIND: Fault = Fault::Body(BodyFault::WrongKind);
    const CAPITALS: Fault = Fault::Body(BodyFault::InOtherCapitals);
    const NOT_JSON: Fault = Fault::Body(BodyFault::NotJson);

    #[test]
    fn identifiers_are_strings_and_whole_numbers() {
        check(r#"{"a": [{"id": "x"}, {"id": 7}, {"id": "x"}]}"#, "$.a[*].id", Ok(&["x", "7", "x"]));
        check(r#"{"id": 9007199254740993}"#, "$.id", Ok(&["9007199254740993"]));
        check("[7.0, 7e0, 70e-1]", "$[*]", Ok(&["7", "7", "7"]));
        check(r#"["\u0078", ""]"#, "$[*]", Ok(&["x", ""]));
        check(r#""x""#, "$", Ok(&["x"]));
        check(r#"{"a": [[{"b": ["x"]}, {"b": []}], []]}"#, "$.a[*][*].b[*]", Ok(&["x"]));
        check("[]", "$[*].id", Ok(&[]));
    }

    #[test]
    fn no_person_is_left_out() {
        check(r#"[{"id": "x"}, {}]"#, "$[*].id", Err(Fault::Missing));
        check(r#"[{"id": "x"}, {"id": null}]"#, "$[*].id", Err(Fault::Missing));
        check(r#"{"a": null}"#, "$.a[*].id", Err(Fault::Missing));
        check(r#"{"b": []}"#, "$.a[*].id", Err(Fault::Missing));
        for value in ["true", "1.5", "-1", "18446744073709551616", "[1]", r#"{"x": 1}"#] {
            check(&format!(r#"[{{"id": {value}}}]"#), "$[*].id", Err(WRONG_KIND));
        }
        check(r#"{"a": {"id": 1}}"#, "$.a[*].id", Err(WRONG_KIND));
        check(r#"{"a": [{"id": 1}]}"#, "$.a.id", Err(WRONG_KIND));
        check(r#"["x"]"#, "$[*].id", Err(WRONG_KIND));
    }

    #[test]
    fn a_key_is_there_once_and_in_no_other_capitals() {
        check(r#"{"id": 1, "id": 1}"#, "$.id", Err(Fault::Repeated));
        check(r#"{"a": [], "a": [{"id": 1}]}"#, "$.a[*].id", Err(Fault::Repeated));
        check(r#"{"id": 1, "ID": 2}"#, "$.id", Err(Fault::Repeated));
        check(r#"{"Id": 1}"#, "$.id", Err(CAPITALS));
        check(r#"{"id": 1, "\u0069d": 2}"#, "$.id", Err(Fault::Repeated));
    }

    #[test]
    fn broken_json_is_refused_wherever_it_breaks() {
        for text in ["", "{", r#"{"id": 1} {"id": 2}"#, r#"{"id": 1"#, r#"{"id": 01}"#, "\u{feff}{\"id\": 1}"] {
            check(text, "$.id", Err(NOT_JSON));
        }
        check(r#"[{"id": true}, {"id": 1}, }"#, "$[*].id", Err(NOT_JSON));
        let path = JsonPath::parse("$.id").unwrap();
        assert_eq!(identifiers(b"{\"id\": \"\xff\"}", &path), Err(NOT_JSON));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        check(&deep, "$[*]", Err(WRONG_KIND));
    }
}
