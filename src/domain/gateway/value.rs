//! Reads one label: a text or a number of persons.

use std::borrow::Cow;

use super::labelled::{Fault, Label, LabelProblem, Origin};
use super::seen::{Header, Seen};
use crate::domain::asked::CODE_BYTES_MAX;
use crate::domain::units::Persons;

/// Most characters of what a request says that a message repeats.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// Everything that is wrong with the labels of a request. Bounded: each label adds one problem at most.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// The rule that matched.
    pub(super) rule: Option<String>,
    /// What was found.
    pub(super) found: Vec<LabelProblem>,
}

impl Problems {
    pub(super) fn add(&mut self, label: Label, origin: Origin, fault: Fault) {
        self.found.push(LabelProblem { rule: self.rule.clone(), label, origin, fault });
    }
}

/// Shortens what a request says, for a message.
pub(super) fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let mut short: String = characters.by_ref().take(SHOWN_CHARACTERS_MAX).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

/// Returns the text of a header; `None` where it was not sent.
pub(super) fn header<'a, S: Seen + ?Sized>(seen: &'a S, name: &str) -> Result<Option<Cow<'a, str>>, Fault> {
    match seen.header(name) {
        Header::Absent => Ok(None),
        Header::Repeated => Err(Fault::Repeated),
        Header::NotText => Err(Fault::NotText),
        Header::Text(text) if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => Err(Fault::NotText),
        Header::Text(text) => word(Cow::Borrowed(text)).map(Some),
    }
}

/// Bounds a text that stands for a code or a name.
pub(super) fn word(text: Cow<'_, str>) -> Result<Cow<'_, str>, Fault> {
    match text.len() {
        0 => Err(Fault::Empty),
        1..=CODE_BYTES_MAX => Ok(text),
        bytes => Err(Fault::TooLong { bytes }),
    }
}

/// Returns the number of persons that a text writes: decimal digits and nothing else.
pub(super) fn persons(text: &str) -> Result<u64, Fault> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    // `parse` takes a sign too, and nothing for an empty text.
    let number = text.parse::<u64>().ok().filter(|_| is_plain);
    number.ok_or_else(|| Fault::NotANumber { text: shown(text) }).and_then(bounded)
}

/// Bounds a number of persons.
pub(super) fn bounded(count: u64) -> Result<u64, Fault> {
    Persons::new(count).map(Persons::get).ok_or(Fault::TooManyPersons { count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_are_plain_decimal_digits_within_bounds() {
        assert_eq!(persons("0"), Ok(0));
        assert_eq!(persons("10000000000"), Ok(10_000_000_000));
        assert_eq!(persons("10000000001"), Err(Fault::TooManyPersons { count: 10_000_000_001 }));
        for text in
            ["", "+1", "-1", " 1", "1 ", "1,000", "1_000", "0x1", "1.0", "1e3", "一", "１", "99999999999999999999"]
        {
            assert!(matches!(persons(text), Err(Fault::NotANumber { .. })), "{text}");
        }
    }

    #[test]
    fn words_have_a_first_and_a_last_length() {
        assert_eq!(word("".into()), Err(Fault::Empty));
        assert!(word("x".repeat(CODE_BYTES_MAX).into()).is_ok());
        let long = "x".repeat(CODE_BYTES_MAX + 1);
        assert_eq!(word(long.into()), Err(Fault::TooLong { bytes: CODE_BYTES_MAX + 1 }));
    }
}
