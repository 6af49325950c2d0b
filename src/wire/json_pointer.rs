//! One member of a JSON text, by its RFC 6901 pointer, without a tree of the whole; or of a tree that is there already.
//!
//! A text comes from a client of a gateway, and what is read here decides whether data may leave:
//! a key that stands twice in its object is reported, never resolved by picking one, because the
//! server behind the gateway may pick the other. So is a key that differs from the wanted one in capitals
//! only: some servers, such as those that read JSON with the standard library of Go, take it for the same. The whole text is read, so that what follows the
//! member is JSON too; nothing but the member is kept. Nesting is bounded by the reader of JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::domain::gateway::Body;

/// Most steps of a pointer: deeper than any body that labels are read from.
const STEPS_MAX: usize = 32;

/// Returns the member of `text` that `pointer` names.
///
/// A pointer that is none, or has more than 32 steps, names nothing.
pub fn member<'t>(text: &'t [u8], pointer: &str) -> Body<'t> {
    let Some(steps) = steps(pointer) else { return Body::Absent };
    // The reader of JSON does not look into texts that it skips.
    let Ok(text) = std::str::from_utf8(text) else { return Body::NotJson };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let found = Step { steps: &steps }.deserialize(&mut deserializer);
    match found.and_then(|found| deserializer.end().map(|()| found)) {
        Ok(found) => found,
        Err(_) => Body::NotJson,
    }
}

/// Returns the member of a tree that `pointer` names, read as a text is.
pub fn member_of<'t>(tree: &'t Value, pointer: &str) -> Body<'t> {
    let Some(steps) = steps(pointer) else { return Body::Absent };
    // A tree has every key once, and nothing in it is no JSON.
    Step { steps: &steps }.deserialize(tree).unwrap_or(Body::NotJson)
}

/// Takes a pointer apart: `/a~1b/0` is `a/b`, then `0`.
fn steps(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let steps = pointer.strip_prefix('/')?.split('/');
    let steps: Vec<String> = steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    (steps.len() <= STEPS_MAX).then_some(steps)
}

/// Reads one value: the member where no steps are left, and otherwise what the next step leads to.
struct Step<'s> {
    steps: &'s [String],
}

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = Body<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Body<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Step<'_> {
    /// A value without members: the member itself, or there is none.
    fn leaf<'de>(&self, body: Body<'de>) -> Body<'de> {
        if self.steps.is_empty() { body } else { Body::Absent }
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Body<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Body<'de>, E> {
        Ok(self.leaf(Body::Other))
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Body<'de>, E> {
        // A number from 0 up is read as the next one.
        Ok(self.leaf(Body::Other))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Body<'de>, E> {
        Ok(self.leaf(Body::Number(value)))
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Body<'de>, E> {
        Ok(self.leaf(Body::Other))
    }

    fn visit_str<E>(self, value: &str) -> Result<Body<'de>, E> {
        Ok(self.leaf(Body::Text(Cow::Owned(value.to_owned()))))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Body<'de>, E> {
        Ok(self.leaf(Body::Text(Cow::Borrowed(value))))
    }

    fn visit_unit<E>(self) -> Result<Body<'de>, E> {
        Ok(self.leaf(Body::Other))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Body<'de>, A::Error> {
        let Some((step, rest)) = self.steps.split_first() else {
            let mut count = 0_usize;
            while elements.next_element::<IgnoredAny>()?.is_some() {
                count = count.checked_add(1).ok_or_else(|| A::Error::custom("too many elements"))?;
            }
            return Ok(Body::Count(count));
        };
        let wanted = index(step);
        let mut found = Body::Absent;
        for at in 0_usize.. {
            let is_there = if wanted == Some(at) {
                match elements.next_element_seed(Step { steps: rest })? {
                    Some(body) => {
                        found = body;
                        true
                    }
                    None => false,
                }
            } else {
                elements.next_element::<IgnoredAny>()?.is_some()
            };
            if !is_there {
                break;
            }
        }
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Body<'de>, A::Error> {
        let Some((step, rest)) = self.steps.split_first() else {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Body::Other);
        };
        let (mut found, mut is_in_other_capitals) = (None, false);
        while let Some(key) = members.next_key::<Cow<'de, str>>()? {
            if key == step.as_str() {
                let body = members.next_value_seed(Step { steps: rest })?;
                found = Some(if found.is_none() { body } else { Body::Repeated });
                continue;
            }
            is_in_other_capitals |= folded(&key).eq(folded(step));
            members.next_value::<IgnoredAny>()?;
        }
        match found {
            _ if !is_in_other_capitals => Ok(found.unwrap_or(Body::Absent)),
            Some(_) => Ok(Body::Repeated),
            None => Ok(Body::InOtherCapitals),
        }
    }
}

/// Returns a key without the difference between capitals and small letters. By way of the capitals, because `ſ` has the same
/// one as `s`.
fn folded(key: &str) -> impl Iterator<Item = char> {
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// An index of RFC 6901: decimal digits without a leading zero.
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
        // A tree says the same, where there can be one.
        if !matches!(expected, Body::NotJson | Body::Repeated)
            && let Ok(tree) = serde_json::from_str(text)
        {
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
        for other in ["", "/a", "/f", "/n", "/z"] {
            check(json, other, &Body::Other);
        }
        for absent in ["/b", "/a/b/2", "/a/b/00", "/a/b/-", "/a/b/+1", "/a/b/0/x", "/t/0", "/z/a", "a", "/a/b/x"] {
            check(json, absent, &Body::Absent);
        }
        check("[]", "", &Body::Count(0));
        check("7", "", &Body::Number(7));
        check("18446744073709551616", "", &Body::Other);
        check("1e2", "", &Body::Other);
    }

    #[test]
    fn a_key_that_stands_twice_on_the_way_is_reported() {
        check(r#"{"a": 1, "a": 1}"#, "/a", &Body::Repeated);
        check(r#"{"a": {"b": 1}, "a": {}}"#, "/a/b", &Body::Repeated);
        check(r#"{"a": {}, "a": {"b": 1}}"#, "/a/b", &Body::Repeated);
        check(r#"{"a": 1, "\u0061": 2}"#, "/a", &Body::Repeated);
        check(r#"{"a": 1, "a": 2, "a": 3}"#, "/a", &Body::Repeated);
        check(r#"{"a": {"b": 1, "b": 2}}"#, "/a/b", &Body::Repeated);
        // Apart from the way nobody reads it.
        check(r#"{"x": 1, "x": 2, "a": 1}"#, "/a", &Body::Number(1));
    }

    #[test]
    fn a_key_in_other_capitals_is_the_same_to_some_servers() {
        check(r#"{"subjects": [], "Subjects": [1, 2, 3]}"#, "/subjects", &Body::Repeated);
        check(r#"{"SUBJECTS": [1], "subjects": []}"#, "/subjects", &Body::Repeated);
        check(r#"{"a": {"Subjects": [1]}}"#, "/a/subjects", &Body::InOtherCapitals);
        check(r#"{"A": {"subjects": [1]}}"#, "/a/subjects", &Body::InOtherCapitals);
        // The long s and the sign of Kelvin have the same capital, or small letter, as s and k.
        check(r#"{"\u017fubjects": [1]}"#, "/subjects", &Body::InOtherCapitals);
        check(r#"{"\u212ay": [1]}"#, "/ky", &Body::InOtherCapitals);
        check(r#"{"subject": 1, "subjectss": 1}"#, "/subjects", &Body::Absent);
        check(r#"{"x": {"B": 1}, "a": {"b": 2}}"#, "/a/b", &Body::Number(2));
    }

    #[test]
    fn what_is_no_json_is_none_wherever_it_breaks() {
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
