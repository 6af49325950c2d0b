//! Writes answers as the bytes that are sent.
//!
//! A brief answer is written straight from the snapshot. The general way, [`to_proto::decision`] and then the generated
//! encoder, copies each text of an answer twice; answers with details and refusals go that way.
//!
//! INVARIANT (brief): the bytes of a brief answer are those of the general way. `tests` compare them.

use std::ops::Range;

use bytes::Bytes;
use prost::Message;
use prost::encoding::encoded_len_varint;

use crate::domain::decision::Decision;
use crate::domain::reason::{Outcome, Reason};
use crate::domain::snapshot::Snapshot;
use crate::domain::units::Moment;
use crate::wire::decide::to_proto::{self, Decided, DecisionId, Detail};
use crate::wire::generated::v1;
use crate::wire::refusal::{Refusal, grpc};

/// Length of the prefix of each gRPC message, in bytes: whether it is compressed, and its length.
pub const PREFIX_BYTES: usize = 5;

/// Returns a `DecideResponse`, as gRPC frames it.
pub fn response(detail: Detail, decided: &Decided<'_>, id: DecisionId) -> Bytes {
    match detail {
        Detail::Brief => framed_response(decided, id),
        Detail::Full => framed(&to_proto::decide(full(decided, id))),
    }
}

fn full(decided: &Decided<'_>, id: DecisionId) -> v1::Decision {
    to_proto::decision(*decided, id.to_string(), Detail::Full)
}

fn framed(message: &impl Message) -> Bytes {
    let len = message.encoded_len();
    let mut buffer = Vec::with_capacity(PREFIX_BYTES + len);
    buffer.push(NOT_COMPRESSED);
    // An answer about one transfer has some kilobytes.
    buffer.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    // A vector grows as far as the message needs.
    message.encode_raw(&mut buffer);
    buffer.into()
}

/// Returns a brief `DecideResponse`, as gRPC frames it.
fn framed_response(decided: &Decided<'_>, id: DecisionId) -> Bytes {
    let decision_len = decision_len(decided);
    let len = nested_len(decision_len);
    let mut buffer = Vec::with_capacity(PREFIX_BYTES + len);
    buffer.push(NOT_COMPRESSED);
    // An answer is some hundred bytes.
    buffer.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    put_len(1, decision_len, &mut buffer);
    put_decision(decided, id, &mut buffer);
    buffer.into()
}

/// Returns a `DecideStreamResponse` with a decision.
pub fn streamed(detail: Detail, sequence: u64, decided: &Decided<'_>, id: DecisionId) -> Bytes {
    match detail {
        Detail::Brief => stream_response(sequence, decided, id),
        Detail::Full => to_proto::stream(sequence, to_proto::decided(full(decided, id))).encode_to_vec().into(),
    }
}

/// Returns a `DecideStreamResponse` with a refusal.
pub fn streamed_refusal(sequence: u64, refusal: &Refusal) -> Bytes {
    to_proto::stream(sequence, to_proto::refused(grpc::render(refusal))).encode_to_vec().into()
}

/// Returns a brief `DecideStreamResponse`.
fn stream_response(sequence: u64, decided: &Decided<'_>, id: DecisionId) -> Bytes {
    let decision_len = decision_len(decided);
    let result_len = nested_len(decision_len);
    let mut buffer = Vec::with_capacity(number_len(sequence) + nested_len(result_len));
    put_number(1, sequence, &mut buffer);
    put_len(2, result_len, &mut buffer);
    put_len(1, decision_len, &mut buffer);
    put_decision(decided, id, &mut buffer);
    buffer.into()
}

/// A `DecideBatchResponse` that is being written.
#[derive(Debug)]
pub struct Batch(Vec<u8>);

impl Batch {
    /// Bytes of a result with two reasons; most have one.
    const RESULT_BYTES: usize = 384;

    /// Returns an answer without results, with room for this number of them.
    pub fn of(results: usize) -> Self {
        Self(Vec::with_capacity(results * Self::RESULT_BYTES))
    }

    /// Adds a decision.
    pub fn put(&mut self, detail: Detail, decided: &Decided<'_>, id: DecisionId) {
        match detail {
            Detail::Brief => {
                let decision_len = decision_len(decided);
                put_len(1, nested_len(decision_len), &mut self.0);
                put_len(1, decision_len, &mut self.0);
                put_decision(decided, id, &mut self.0);
            }
            Detail::Full => self.put_result(&to_proto::decided(full(decided, id))),
        }
    }

    /// Adds a refusal.
    pub fn refuse(&mut self, refusal: &Refusal) {
        self.put_result(&to_proto::refused(grpc::render(refusal)));
    }

    fn put_result(&mut self, result: &v1::DecideResult) {
        put_len(1, result.encoded_len(), &mut self.0);
        // A vector grows as far as the message needs.
        result.encode_raw(&mut self.0);
    }

    /// Returns how many bytes it has.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Adds a part of another answer. The part begins and ends where a result of that answer does.
    pub fn copy(&mut self, other: &Batch, part: Range<usize>) {
        self.0.extend_from_slice(other.0.get(part).unwrap_or_default());
    }

    /// Returns its bytes.
    pub fn written(self) -> Bytes {
        self.0.into()
    }
}

/// Returns the message of a gRPC frame; `None` where the frame is not whole, holds more, or is compressed.
pub fn unframed(frame: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = frame.split_first_chunk::<PREFIX_BYTES>()?;
    let [compressed, len @ ..] = *prefix;
    let is_whole = u32::from_be_bytes(len) as usize == message.len();
    (compressed == NOT_COMPRESSED && is_whole).then_some(message)
}

/// Returns the message of a frame that this module wrote.
pub fn unframed_bytes(mut frame: Bytes) -> Bytes {
    frame.split_off(PREFIX_BYTES.min(frame.len()))
}

const NOT_COMPRESSED: u8 = 0;

fn put_decision(decided: &Decided<'_>, id: DecisionId, buffer: &mut Vec<u8>) {
    let Decided { snapshot, decision, .. } = *decided;
    put_text(1, id.text().as_bytes(), buffer);
    put_outcome(2, decision.outcome, buffer);
    put_outcome(3, decision.required, buffer);
    for reason in &decision.reasons {
        put_len(4, reason_len(snapshot, reason), buffer);
        put_text(1, reason.code.name().as_bytes(), buffer);
        put_text(2, snapshot.rule_id_bytes(reason.rule), buffer);
        put_outcome(3, reason.requires, buffer);
    }
    put_text(5, clearance(snapshot, decision).as_bytes(), buffer);
    put_len(6, snapshot_len(snapshot), buffer);
    put_number(1, snapshot.revision, buffer);
    put_text(2, snapshot.digest.as_bytes(), buffer);
    put_moment(7, decision.evaluated_at, buffer);
    put_moment(8, to_proto::valid_until(decided), buffer);
}

fn decision_len(decided: &Decided<'_>) -> usize {
    let Decided { snapshot, decision, .. } = *decided;
    let reasons = decision.reasons.iter().map(|reason| nested_len(reason_len(snapshot, reason)));
    text_len(DecisionId::BYTES)
        + number_len(number(decision.outcome))
        + number_len(number(decision.required))
        + reasons.sum::<usize>()
        + text_len(clearance(snapshot, decision).len())
        + nested_len(snapshot_len(snapshot))
        + nested_len(moment_len(decision.evaluated_at))
        + nested_len(moment_len(to_proto::valid_until(decided)))
}

fn reason_len(snapshot: &Snapshot, reason: &Reason) -> usize {
    let texts = text_len(reason.code.name().len()) + text_len(snapshot.rule_id_bytes(reason.rule).len());
    texts + number_len(number(reason.requires))
}

fn snapshot_len(snapshot: &Snapshot) -> usize {
    number_len(snapshot.revision) + text_len(snapshot.digest.len())
}

fn clearance<'s>(snapshot: &'s Snapshot, decision: &Decision) -> &'s str {
    decision.clearance.and_then(|id| snapshot.clearance(id)).map_or("", |clearance| &clearance.id)
}

fn number(outcome: Outcome) -> u64 {
    // Numbers of the contract are small and positive.
    u64::try_from(i32::from(to_proto::outcome(outcome))).unwrap_or_default()
}

// All tags of these messages are below 16, so that a key is one byte. Empty texts and zeros are not written.

fn text_len(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { nested_len(bytes) }
}

fn nested_len(bytes: usize) -> usize {
    1 + encoded_len_varint(bytes as u64) + bytes
}

fn number_len(number: u64) -> usize {
    if number == 0 { 0 } else { 1 + encoded_len_varint(number) }
}

fn moment_len(moment: Moment) -> usize {
    number_len(seconds(moment)) + number_len(u64::from(moment.nanos()))
}

/// Negative numbers are written as large ones.
const fn seconds(moment: Moment) -> u64 {
    moment.seconds().cast_unsigned()
}

fn put_text(tag: u8, text: &[u8], buffer: &mut Vec<u8>) {
    if !text.is_empty() {
        put_len(tag, text.len(), buffer);
        buffer.extend_from_slice(text);
    }
}

fn put_len(tag: u8, len: usize, buffer: &mut Vec<u8>) {
    const LENGTH_DELIMITED: u8 = 2;
    buffer.push(tag << 3 | LENGTH_DELIMITED);
    put_varint(len as u64, buffer);
}

/// Seven bits a byte, the low ones first; all but the last byte are marked.
fn put_varint(mut number: u64, buffer: &mut Vec<u8>) {
    const MARK: u8 = 0x80;
    while u64::from(MARK) <= number {
        let [low, ..] = number.to_le_bytes();
        buffer.push(low | MARK);
        number >>= 7;
    }
    let [last, ..] = number.to_le_bytes();
    buffer.push(last);
}

fn put_number(tag: u8, number: u64, buffer: &mut Vec<u8>) {
    if number != 0 {
        buffer.push(tag << 3);
        put_varint(number, buffer);
    }
}

fn put_outcome(tag: u8, outcome: Outcome, buffer: &mut Vec<u8>) {
    put_number(tag, number(outcome), buffer);
}

fn put_moment(tag: u8, moment: Moment, buffer: &mut Vec<u8>) {
    put_len(tag, moment_len(moment), buffer);
    put_number(1, seconds(moment), buffer);
    put_number(2, u64::from(moment.nanos()), buffer);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::evaluate::evaluate;
    use crate::domain::resolve::resolve;
    use crate::domain::units::Moment;
    use crate::testing::{counting_snapshot, transfer, trial};
    use crate::wire::decide::from_proto;
    use crate::wire::decide::to_proto::DecisionIds;

    fn check(transfer: v1::Transfer, now: Moment, valid_for_max_s: u32, revision: u64) {
        let mut snapshot = counting_snapshot();
        snapshot.revision = revision;
        let request = v1::DecideRequest { transfer: Some(transfer), detail: 0 };
        let question = from_proto::decide(&request).unwrap();
        let transfer = resolve(&snapshot, &question.asked, now).unwrap();
        let totals = &transfer.stated;
        let decision = &evaluate(&snapshot, &transfer, totals);
        let decided = Decided { snapshot: &snapshot, transfer: &transfer, totals, decision, valid_for_max_s };
        let id = DecisionIds::random().next();
        let refusal = Refusal::Late;
        let refused = to_proto::refused(grpc::render(&refusal));
        for detail in [Detail::Brief, Detail::Full] {
            let framed = response(detail, &decided, id);
            let bytes = unframed(&framed).unwrap();
            let decision = to_proto::decision(decided, id.to_string(), detail);
            assert_eq!(bytes, to_proto::decide(decision.clone()).encode_to_vec());
            let result = to_proto::decided(decision);
            for sequence in [0, 1, revision] {
                let general = to_proto::stream(sequence, result.clone()).encode_to_vec();
                assert_eq!(streamed(detail, sequence, &decided, id), general);
            }
            let mut first = Batch::of(1);
            (0..3).for_each(|_| first.put(detail, &decided, id));
            let half = first.bytes();
            first.refuse(&refusal);
            let mut batch = Batch::of(1);
            batch.copy(&first, half..first.bytes());
            batch.copy(&first, 0..half);
            assert_eq!(batch.bytes(), first.bytes());
            let results = vec![refused.clone(), result.clone(), result.clone(), result];
            assert_eq!(batch.written(), v1::DecideBatchResponse { results }.encode_to_vec());
        }
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_the_general_way(
            persons in prop_oneof![0_u64..3, 0..2_000_000_u64],
            year_to_date in 0..2_000_000_u64,
            seconds in prop_oneof![Just(0_i64), 0..86_400_i64],
            nanos in 0..1_000_000_000_u32,
            valid_for_max_s in 1..400_000_u32,
            revision in any::<u64>(),
        ) {
            let now = Moment::new(1_780_000_000 + seconds, nanos).unwrap();
            let to_lab = v1::Transfer { recipient: "lab".into(), ..transfer(persons, year_to_date) };
            let sensitive = v1::Transfer { exporter: "grid".into(), ..to_lab.clone() };
            let home = v1::Transfer { destination: "CN".into(), ..transfer(persons, year_to_date) };
            for asked in [transfer(persons, year_to_date), trial(persons, year_to_date), to_lab, sensitive, home] {
                check(asked, now, valid_for_max_s, revision);
            }
        }
    }
}
