//! Writes a brief answer straight into the bytes that are sent.
//!
//! The long way, [`to_proto::decision`] and then the generated encoder, copies every text of the
//! answer twice. Here each goes from the snapshot into the message once.
//!
//! INVARIANT (brief): the bytes are those of the long way. `tests` compare them.

use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{encode_varint, encoded_len_varint};

use super::to_proto::{self, Decided, DecisionId};
use crate::domain::decision::Decision;
use crate::domain::reason::{Outcome, Reason};
use crate::domain::snapshot::Snapshot;
use crate::domain::units::Moment;

/// Bytes that gRPC puts before each message: whether it is compressed, and its length.
pub const PREFIX_BYTES: usize = 5;

/// Returns a `DecideResponse` with everything but details, as gRPC frames it.
pub fn framed_response(decided: &Decided<'_>, id: DecisionId) -> Bytes {
    let len = response_len(decided);
    let mut buffer = BytesMut::with_capacity(PREFIX_BYTES + len);
    buffer.put_u8(NOT_COMPRESSED);
    // An answer is some hundred bytes.
    buffer.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
    put_response(decided, id, &mut buffer);
    buffer.freeze()
}

/// Returns the message of a gRPC frame; `None` where the frame is not whole, holds more, or is compressed.
pub fn unframed(frame: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = frame.split_first_chunk::<PREFIX_BYTES>()?;
    let [compressed, len @ ..] = *prefix;
    let is_whole = u32::from_be_bytes(len) as usize == message.len();
    (compressed == NOT_COMPRESSED && is_whole).then_some(message)
}

const NOT_COMPRESSED: u8 = 0;

fn response_len(decided: &Decided<'_>) -> usize {
    nested_len(decision_len(decided))
}

fn put_response(decided: &Decided<'_>, id: DecisionId, buffer: &mut impl BufMut) {
    put_len(1, decision_len(decided), buffer);
    let Decided { snapshot, decision, .. } = *decided;
    put_text(1, &id.text(), buffer);
    put_outcome(2, decision.outcome, buffer);
    put_outcome(3, decision.required, buffer);
    for reason in &decision.reasons {
        put_len(4, reason_len(snapshot, reason), buffer);
        put_text(1, reason.code.name(), buffer);
        put_text(2, snapshot.rule_id(reason.rule), buffer);
        put_outcome(3, reason.requires, buffer);
    }
    put_text(5, clearance(snapshot, decision), buffer);
    put_len(6, snapshot_len(snapshot), buffer);
    put_number(1, snapshot.revision, buffer);
    put_text(2, &snapshot.digest, buffer);
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
    let texts = text_len(reason.code.name().len()) + text_len(snapshot.rule_id(reason.rule).len());
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

// All tags of these messages are below 16, so that a key is one byte. What is empty or 0 is not written.

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

fn put_text(tag: u8, text: &str, buffer: &mut impl BufMut) {
    if !text.is_empty() {
        put_len(tag, text.len(), buffer);
        buffer.put_slice(text.as_bytes());
    }
}

fn put_len(tag: u8, len: usize, buffer: &mut impl BufMut) {
    const LENGTH_DELIMITED: u8 = 2;
    buffer.put_u8(tag << 3 | LENGTH_DELIMITED);
    encode_varint(len as u64, buffer);
}

fn put_number(tag: u8, number: u64, buffer: &mut impl BufMut) {
    if number != 0 {
        buffer.put_u8(tag << 3);
        encode_varint(number, buffer);
    }
}

fn put_outcome(tag: u8, outcome: Outcome, buffer: &mut impl BufMut) {
    put_number(tag, number(outcome), buffer);
}

fn put_moment(tag: u8, moment: Moment, buffer: &mut impl BufMut) {
    put_len(tag, moment_len(moment), buffer);
    put_number(1, seconds(moment), buffer);
    put_number(2, u64::from(moment.nanos()), buffer);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::domain::evaluate::evaluate;
    use crate::domain::resolve::resolve;
    use crate::domain::units::Moment;
    use crate::testing::{counting_snapshot, transfer, trial};
    use crate::wire::from_proto;
    use crate::wire::generated::v1;
    use crate::wire::to_proto::{DecisionIds, Detail};

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
        let framed = framed_response(&decided, id);
        let bytes = unframed(&framed).unwrap();
        let long = to_proto::decide(to_proto::decision(decided, id.to_string(), Detail::Brief)).encode_to_vec();
        assert_eq!(bytes, long);
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_the_long_way(
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
