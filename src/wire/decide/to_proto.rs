//! From decisions of the domain to protobuf answers.
//!
//! Numbers become codes again, in the words of the snapshot that decided. This module decides
//! nothing: an answer gives the decision in more or fewer words.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

use tonic_types::Status as RpcStatus;

use crate::domain::decision::{Decision, Headroom};
use crate::domain::evaluate;
use crate::domain::reason::{Measured, Outcome, PersonsOf, Reason, Text};
use crate::domain::snapshot::{NextStep, Snapshot};
use crate::domain::transfer::{Totals, Transfer};
use crate::domain::units::{CountedClass, Moment, StepId};
use crate::wire::generated::v1;

/// How much an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Outcome, reason codes and rule ids.
    Brief,
    /// The same, plus texts in Chinese and English, citations, head-room and next step.
    Full,
}

/// Gives out the ids of decisions: unique across servers and restarts.
///
/// An id is 64 random bits, drawn when the server starts, and a count: 32 hex digits. Two of a
/// million starts share their random bits with a chance of 1 in 37 million.
#[derive(Debug)]
pub struct DecisionIds {
    start: u64,
    next: AtomicU64,
}

impl DecisionIds {
    /// Draws the random bits.
    pub fn random() -> Self {
        // The keys of the standard hasher come from the operating system's source of randomness.
        Self { start: RandomState::new().build_hasher().finish(), next: AtomicU64::new(0) }
    }

    /// Returns the next id.
    pub fn next(&self) -> DecisionId {
        DecisionId { start: self.start, count: self.next.fetch_add(1, Ordering::Relaxed) }
    }

    /// Returns the next id as text.
    pub fn next_id(&self) -> String {
        self.next().to_string()
    }
}

/// The id of a decision: written as 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionId {
    start: u64,
    count: u64,
}

impl DecisionId {
    /// Bytes of its text.
    pub const BYTES: usize = 32;

    /// Returns its text, without an allocation.
    pub fn text(self) -> DecisionIdText {
        let mut text = [0; Self::BYTES];
        let number = u128::from(self.start) << 64 | u128::from(self.count);
        let (pairs, _) = text.as_chunks_mut();
        for (digits, byte) in pairs.iter_mut().zip(number.to_be_bytes()) {
            *digits = *HEX.get(usize::from(byte)).unwrap_or(&[b'0'; 2]);
        }
        DecisionIdText(text)
    }
}

/// The two digits of each byte.
const HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [[0; 2]; 256];
    let mut byte = 0;
    #[expect(clippy::indexing_slicing, reason = "evaluated when the program is built")]
    while byte < 256 {
        hex[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0xf]];
        byte += 1;
    }
    hex
};

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The text of an id.
#[derive(Debug, Clone, Copy)]
pub struct DecisionIdText([u8; DecisionId::BYTES]);

impl DecisionIdText {
    /// Returns its digits.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for DecisionIdText {
    type Target = str;

    fn deref(&self) -> &str {
        // Hex digits are always text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// A decision with its snapshot, transfer and totals.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// The snapshot that decided.
    pub snapshot: &'a Snapshot,
    /// The transfer.
    pub transfer: &'a Transfer<'a>,
    /// The totals that it was compared with.
    pub totals: &'a Totals,
    /// The decision.
    pub decision: &'a Decision,
    /// The longest time for which the answer may be cached, in seconds.
    pub valid_for_max_s: u32,
}

/// Returns the answer. `decision_id` is one that [`DecisionIds`] gave out.
pub fn decision(decided: Decided<'_>, decision_id: String, detail: Detail) -> v1::Decision {
    let Decided { snapshot, transfer, totals, decision, valid_for_max_s: _ } = decided;
    let Decision { outcome, required, reasons, clearance, evaluated_at, valid_until: _, next_step, alternative_step } =
        decision;
    let clearance = clearance.and_then(|id| snapshot.clearance(id)).map(|clearance| clearance.id.to_string());
    let (headroom, next_step, alternative_next_steps) = match detail {
        Detail::Brief => (Vec::new(), None, Vec::new()),
        Detail::Full => {
            let headroom = evaluate::headroom(transfer, totals);
            let headroom = headroom.iter().map(|headroom| headroom_of(snapshot, headroom)).collect();
            let step = |id: &StepId| snapshot.step(*id).map(step);
            (headroom, next_step.as_ref().and_then(step), alternative_step.iter().filter_map(step).collect())
        }
    };
    v1::Decision {
        decision_id,
        outcome: outcome_number(*outcome),
        required: outcome_number(*required),
        reasons: reasons.iter().map(|reason| reason_of(snapshot, reason, detail)).collect(),
        clearance: clearance.unwrap_or_default(),
        snapshot: Some(v1::Snapshot { revision: snapshot.revision, digest: snapshot.digest.to_string() }),
        evaluated_at: Some(timestamp(*evaluated_at)),
        valid_until: Some(timestamp(valid_until(&decided))),
        headroom,
        next_step,
        alternative_next_steps,
    }
}

/// Returns until when the answer may be cached.
pub fn valid_until(decided: &Decided<'_>) -> Moment {
    let Decided { decision, valid_for_max_s, .. } = decided;
    decision.valid_until.min(decision.evaluated_at.plus_seconds(i64::from(*valid_for_max_s)))
}

/// Returns the response to a request for one decision.
pub fn decide(decision: v1::Decision) -> v1::DecideResponse {
    v1::DecideResponse { decision: Some(decision) }
}

/// Returns the answer to one message of a stream.
pub fn stream(sequence: u64, result: v1::DecideResult) -> v1::DecideStreamResponse {
    v1::DecideStreamResponse { sequence, result: Some(result) }
}

/// Returns the result of a transfer that was decided.
pub fn decided(decision: v1::Decision) -> v1::DecideResult {
    v1::DecideResult { result: Some(v1::decide_result::Result::Decision(decision)) }
}

/// Returns the result of a transfer that was refused.
pub fn refused(refusal: RpcStatus) -> v1::DecideResult {
    v1::DecideResult { result: Some(v1::decide_result::Result::Error(refusal)) }
}

/// Returns the outcome as the contract has it.
pub const fn outcome(outcome: Outcome) -> v1::Outcome {
    match outcome {
        Outcome::Allow => v1::Outcome::Allow,
        Outcome::File => v1::Outcome::File,
        Outcome::Contract => v1::Outcome::Contract,
        Outcome::Assess => v1::Outcome::Assess,
    }
}

fn outcome_number(of: Outcome) -> i32 {
    i32::from(outcome(of))
}

/// Returns the moment as a protobuf time stamp.
pub fn timestamp(moment: Moment) -> prost_types::Timestamp {
    // Below one second by construction of `Moment`, so that it always fits.
    let nanos = i32::try_from(moment.nanos()).unwrap_or_default();
    prost_types::Timestamp { seconds: moment.seconds(), nanos }
}

fn reason_of(snapshot: &Snapshot, reason: &Reason, detail: Detail) -> v1::Reason {
    let Reason { code, rule, requires, measured } = reason;
    let (text_zh, text_en, citation) = match detail {
        Detail::Brief => (String::new(), String::new(), String::new()),
        Detail::Full => (
            format!("{}{}", code.text_zh(), measured.map(measured_zh).unwrap_or_default()),
            format!("{}{}", code.text_en(), measured.map(measured_en).unwrap_or_default()),
            snapshot.citation(*rule).map(both).unwrap_or_default(),
        ),
    };
    v1::Reason {
        code: code.name().to_owned(),
        rule: snapshot.rule_id(*rule).to_owned(),
        requires: outcome_number(*requires),
        text_zh,
        text_en,
        citation,
    }
}

fn measured_zh(measured: Measured) -> String {
    let Measured { persons, line, of } = measured;
    let of = match of {
        None => "",
        Some(PersonsOf::Class(CountedClass::General)) => "一般个人信息",
        Some(PersonsOf::Class(CountedClass::Sensitive)) => "敏感个人信息",
        Some(PersonsOf::BothClasses) => "一般与敏感个人信息合计",
    };
    format!("（{of}{}人，线{}人）", grouped(persons.get()), grouped(line.get()))
}

fn measured_en(measured: Measured) -> String {
    let Measured { persons, line, of } = measured;
    let noun = if persons.get() == 1 { "person" } else { "persons" };
    let of = match of {
        None => "",
        Some(PersonsOf::Class(CountedClass::General)) => " with general information",
        Some(PersonsOf::Class(CountedClass::Sensitive)) => " with sensitive information",
        Some(PersonsOf::BothClasses) => " with general or sensitive information, added up",
    };
    format!(" ({} {noun}{of}, line {})", grouped(persons.get()), grouped(line.get()))
}

/// Writes a number with a comma between every three digits: `12,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Joins both languages in one string; once where they are equal.
fn both(text: &Text) -> String {
    let Text { zh, en } = text;
    if zh == en { zh.to_string() } else { format!("{zh} / {en}") }
}

/// Returns how far a counter is from the next line.
pub(crate) fn headroom_of(snapshot: &Snapshot, headroom: &Headroom) -> v1::Headroom {
    let Headroom { counter, year, projected, line, next } = headroom;
    v1::Headroom {
        counter: counter.in_year(snapshot, *year),
        projected: projected.get(),
        line: line.get(),
        remaining: headroom.remaining(),
        next: outcome_number(*next),
    }
}

fn step(step: &NextStep) -> v1::NextStep {
    let NextStep { procedure, authority, text } = step;
    let (authority_zh, authority_en) =
        authority.as_ref().map(|authority| (authority.zh.to_string(), authority.en.to_string())).unwrap_or_default();
    v1::NextStep {
        authority_zh,
        authority_en,
        procedure: procedure.to_string(),
        text_zh: text.zh.to_string(),
        text_en: text.en.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::units::Persons;

    #[test]
    fn numbers_are_grouped_by_threes() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (12_000, "12,000"), (100_000, "100,000")];
        for (number, expected) in cases {
            assert_eq!(grouped(number), expected);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn counts_are_named_in_both_languages() {
        let measured = |persons, line| Measured {
            persons: Persons::new(persons).unwrap(),
            line: Persons::new(line).unwrap(),
            of: None,
        };
        assert_eq!(measured_en(measured(12_000, 10_000)), " (12,000 persons, line 10,000)");
        assert_eq!(measured_en(measured(1, 1)), " (1 person, line 1)");
        assert_eq!(measured_zh(measured(12_000, 10_000)), "（12,000人，线10,000人）");
        let sensitive = Some(PersonsOf::Class(CountedClass::Sensitive));
        let group = Measured { of: sensitive, ..measured(100_000, 100_000) };
        assert_eq!(measured_en(group), " (100,000 persons with sensitive information, line 100,000)");
        assert_eq!(measured_zh(group), "（敏感个人信息100,000人，线100,000人）");
    }

    #[test]
    fn an_id_is_written_in_lower_case_with_all_its_digits() {
        let id = DecisionId { start: 0x0123_4567_89ab_cdef, count: 0xfe };
        assert_eq!(id.to_string(), "0123456789abcdef00000000000000fe");
    }

    #[test]
    fn ids_are_32_hex_digits_and_differ_within_and_between_servers() {
        let (here, there) = (DecisionIds::random(), DecisionIds::random());
        let mut ids = vec![here.next_id(), here.next_id(), there.next_id(), there.next_id()];
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 4);
    }

    #[test]
    fn equal_texts_appear_once() {
        let text = |zh: &str, en: &str| both(&Text { zh: zh.into(), en: en.into() });
        assert_eq!(text("第七条", "art. 7"), "第七条 / art. 7");
        assert_eq!(text("GB/T 45574", "GB/T 45574"), "GB/T 45574");
    }
}
