//! Reads one label: a text or a number of persons.

use std::borrow::Cow;

use super::labelled::{BodyFault, Fault, LABEL_ID_PREFIX, Label, LabelProblem, Origin, shown};
use super::seen::{Body, Context, Header, Seen};
use super::table::{Given, Source};
use crate::domain::asked::CODE_BYTES_MAX;
use crate::domain::names::check_name;
use crate::domain::units::Persons;

/// Every violation in the labels of a request. Bounded: each label adds one at most.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// The rule that matched.
    pub(super) rule: Option<String>,
    /// The violations found.
    pub(super) found: Vec<LabelProblem>,
}

impl Problems {
    pub(super) fn add(&mut self, label: Label, origin: Origin, fault: Fault) {
        self.found.push(LabelProblem { rule: self.rule.clone(), label, origin, fault });
    }

    /// Says whether a label has a violation.
    pub(super) fn has(&self, label: Label) -> bool {
        self.found.iter().any(|problem| problem.label == label)
    }

    /// Returns the text that a rule gives; `None` if it gives none, or if the value is wrong.
    pub(super) fn text<'a, S: Seen + ?Sized>(
        &mut self,
        seen: &'a S,
        given: Option<&'a Given<Box<str>>>,
        label: Label,
    ) -> Option<Cow<'a, str>> {
        let source = match given? {
            Given::Literal(text) => return Some(Cow::Borrowed(text)),
            Given::From(source) => source,
        };
        let text = text_at(seen, source, label);
        text.map_err(|fault| self.add(label, origin(source), fault)).ok()
    }

    /// Returns the number of persons that a rule gives; `None` if it gives none, or if the value is wrong.
    pub(super) fn persons<S: Seen + ?Sized>(
        &mut self,
        seen: &S,
        given: Option<&Given<u64>>,
        label: Label,
    ) -> Option<u64> {
        let source = match given? {
            Given::Literal(count) => return Some(*count),
            Given::From(source) => source,
        };
        let count = match source {
            Source::Body(pointer) => persons_in_body(seen.body(pointer)),
            Source::Header(_) | Source::Context(_) => text_at(seen, source, label).and_then(|text| persons(&text)),
        };
        count.map_err(|fault| self.add(label, origin(source), fault)).ok()
    }
}

/// Returns the text of a header; `None` if it was not sent, or if the gateway does not pass it on.
pub(super) fn header<'a, S: Seen + ?Sized>(
    seen: &'a S,
    name: &str,
    label: Label,
) -> Result<Option<Cow<'a, str>>, Fault> {
    match seen.header(name) {
        Header::Absent | Header::NotSeen => Ok(None),
        Header::Repeated => Err(Fault::Repeated),
        Header::NotText => Err(Fault::NotText),
        Header::Text(text) if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => Err(Fault::NotText),
        Header::Text(text) => word(Cow::Borrowed(text), label).map(Some),
    }
}

/// Returns the place that a source names.
pub(super) fn origin(source: &Source) -> Origin {
    match source {
        Source::Header(name) => Origin::Header(name.to_string()),
        Source::Body(pointer) => Origin::Body(pointer.to_string()),
        Source::Context(key) => Origin::Context(key.to_string()),
    }
}

/// Returns the text at the place where a rule looks for it.
pub(super) fn text_at<'a, S: Seen + ?Sized>(seen: &'a S, source: &Source, label: Label) -> Result<Cow<'a, str>, Fault> {
    match source {
        Source::Header(name) if seen.header(name) == Header::NotSeen => Err(Fault::NotSeen),
        Source::Header(name) => header(seen, name, label)?.ok_or(Fault::Missing),
        Source::Context(key) => match seen.context(key) {
            Context::Absent => Err(Fault::Missing),
            Context::NotSeen => Err(Fault::NotSeen),
            Context::Text(text) => word(Cow::Borrowed(text), label),
        },
        Source::Body(pointer) => match seen.body(pointer) {
            Body::Text(text) => word(text, label),
            Body::Number(_) | Body::Count(_) | Body::Other => Err(Fault::Body(BodyFault::WrongKind)),
            other => Err(no_member(&other)),
        },
    }
}

/// Returns the number of persons in a body: a number, or an array with one element for each person.
fn persons_in_body(body: Body<'_>) -> Result<u64, Fault> {
    match body {
        Body::Number(count) => bounded(count),
        Body::Count(count) => bounded(u64::try_from(count).unwrap_or(u64::MAX)),
        Body::Text(_) | Body::Other => Err(Fault::Body(BodyFault::WrongKind)),
        other => Err(no_member(&other)),
    }
}

/// Returns why a body does not have the member.
const fn no_member(body: &Body<'_>) -> Fault {
    match body {
        Body::Absent => Fault::Missing,
        Body::Repeated => Fault::Repeated,
        Body::InOtherCapitals => Fault::Body(BodyFault::InOtherCapitals),
        Body::NotThere => Fault::Body(BodyFault::NotThere),
        Body::Partial => Fault::Body(BodyFault::Partial),
        Body::NotJson => Fault::Body(BodyFault::NotJson),
        // Callers handle these values before; here they give no label.
        Body::Text(_) | Body::Number(_) | Body::Count(_) | Body::Other => Fault::Body(BodyFault::WrongKind),
    }
}

/// Checks the length of a text that is a code or a name, and the form of a name.
fn word(text: Cow<'_, str>, label: Label) -> Result<Cow<'_, str>, Fault> {
    // The ledger knows the transfer by this id with a prefix, which distinguishes it from ids of other origin.
    let max = if label == Label::TransferId { CODE_BYTES_MAX - LABEL_ID_PREFIX.len() } else { CODE_BYTES_MAX };
    match text.len() {
        0 => Err(Fault::Empty),
        bytes if max < bytes => Err(Fault::TooLong { bytes, max }),
        _ => match (label, check_name(&text)) {
            (Label::Flow | Label::Exporter | Label::Recipient | Label::TransferId, Err(fault)) => {
                Err(Fault::NotAName(fault))
            }
            _ => Ok(text),
        },
    }
}

/// Parses a number of persons: decimal digits and nothing else.
pub(super) fn persons(text: &str) -> Result<u64, Fault> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    // `parse` accepts a sign too, and rejects an empty text.
    let number = text.parse::<u64>().ok().filter(|_| is_plain);
    number.ok_or_else(|| Fault::NotANumber { text: shown(text) }).and_then(bounded)
}

/// Checks a number of persons against its bound.
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
        assert_eq!(word("".into(), Label::Flow), Err(Fault::Empty));
        for (label, max) in [(Label::Flow, CODE_BYTES_MAX), (Label::TransferId, CODE_BYTES_MAX - 8)] {
            assert!(word("x".repeat(max).into(), label).is_ok());
            assert_eq!(word("x".repeat(max + 1).into(), label), Err(Fault::TooLong { bytes: max + 1, max }));
        }
    }

    #[test]
    fn a4_names_keep_the_rule_for_names() {
        for label in [Label::Flow, Label::Exporter, Label::Recipient, Label::TransferId] {
            for name in ["acme ", " acme", "acme\n", "acme\u{200b}", "Zu\u{308}rich", "acme\u{3000}"] {
                assert!(matches!(word(name.into(), label), Err(Fault::NotAName(_))), "{name:?}");
            }
            assert!(word("Zürich 甲".into(), label).is_ok());
        }
    }
}
