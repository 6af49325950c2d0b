//! Places in a JSON document: the part of `JSONPath` (RFC 9535) that names each value in one way.
//!
//! ```text
//! $.subjects[*].id      the member `id` of each element of the list `subjects`
//! $['person id']        a member whose name is no word
//! $[*]                  each element of the document
//! ```
//!
//! Filters, slices, indices, `..` and `.*` are not known: which values they name depends on the document.

use std::fmt;

/// Most steps of a path.
pub const JSON_PATH_STEPS_MAX: usize = 32;

/// A place in a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

/// A step from a value to those in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The member of an object.
    Member(Box<str>),
    /// Each element of a list.
    Each,
}

impl JsonPath {
    /// Reads a path; `None` for any other text, and for one with more than [`JSON_PATH_STEPS_MAX`] steps.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let step;
            (step, rest) = if let Some(behind) = rest.strip_prefix("[*]") {
                (Step::Each, behind)
            } else if let Some(behind) = rest.strip_prefix('[') {
                quoted(behind)?
            } else {
                word(rest.strip_prefix('.')?)?
            };
            steps.push(step);
        }
        (steps.len() <= JSON_PATH_STEPS_MAX).then_some(Self { steps })
    }

    /// Returns the steps from the document on.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

/// Reads a name after its dot.
fn word(text: &str) -> Option<(Step, &str)> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_' || !character.is_ascii();
    let end = text.find(|character| !is_part(character)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let begins_well = name.starts_with(|character: char| is_part(character) && !character.is_ascii_digit());
    begins_well.then(|| (Step::Member(name.into()), rest))
}

/// Reads a name in quotes after its bracket.
fn quoted(text: &str) -> Option<(Step, &str)> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let (mut name, mut characters) = (String::new(), text.char_indices().skip(1));
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next()?.1 {
                escaped @ ('\\' | '\'' | '"') => name.push(escaped),
                _ => return None,
            },
            _ if character == quote => {
                let rest = text.get(at + 1..)?.strip_prefix(']')?;
                return Some((Step::Member(name.into()), rest));
            }
            '\0'..='\u{1f}' => return None,
            _ => name.push(character),
        }
    }
    None
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in &self.steps {
            match step {
                Step::Each => f.write_str("[*]")?,
                Step::Member(name) if word(name).is_some_and(|(_, rest)| rest.is_empty()) => write!(f, ".{name}")?,
                Step::Member(name) => write!(f, "['{}']", name.replace('\\', "\\\\").replace('\'', "\\'"))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_and_written() {
        for text in ["$", "$.id", "$[*]", "$.subjects[*].id", "$.a[*].b_1[*]", "$['a b'].c", "$['a\\'b\\\\']", "$.甲"]
        {
            assert_eq!(JsonPath::parse(text).map(|path| path.to_string()).as_deref(), Some(text));
        }
        for (text, written) in [("$['id']", "$.id"), ("$[\"a\\\"b\"]", "$['a\"b']")] {
            assert_eq!(JsonPath::parse(text).unwrap().to_string(), written);
        }
        assert_eq!(
            JsonPath::parse("$.a[*]['b c']").unwrap().steps(),
            [Step::Member("a".into()), Step::Each, Step::Member("b c".into())]
        );
    }

    #[test]
    fn what_names_values_in_another_way_is_refused() {
        for text in [
            "",
            "id",
            ".id",
            "/id",
            "$id",
            "$.",
            "$..id",
            "$.*",
            "$[0]",
            "$[-1]",
            "$[1:2]",
            "$[?@.a]",
            "$.a.",
            "$['a'",
            "$['a]",
            "$[a]",
            "$.1a",
            "$.a b",
            "$.a-b",
            "$[*",
            "$ ",
            "$['\\u0061']",
        ] {
            assert_eq!(JsonPath::parse(text), None, "{text}");
        }
        assert!(JsonPath::parse(&format!("${}", ".a".repeat(JSON_PATH_STEPS_MAX))).is_some());
        assert!(JsonPath::parse(&format!("${}", ".a".repeat(JSON_PATH_STEPS_MAX + 1))).is_none());
    }
}
