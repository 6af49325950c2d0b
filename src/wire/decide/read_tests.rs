//! A batch that is read transfer by transfer, against one that is decoded whole.

use proptest::prelude::*;

use super::*;

const TRANSFERS_MAX: usize = 4;

/// The result of a batch, transfer by transfer, or the refusal of the whole.
fn questions(batch: &Batch<'_>) -> Result<Vec<String>, Malformed> {
    let mut questions = Vec::new();
    for index in 0..batch.len() {
        let mut scratch = Scratch::default();
        match batch.question(index, &mut scratch).unwrap() {
            Ok(question) => questions.push(format!("{question:?}")),
            Err(Unread::Transfer(violations)) => questions.push(format!("{violations:?}")),
            Err(Unread::Batch(malformed)) => return Err(malformed),
        }
    }
    Ok(questions)
}

/// Says whether the batch was read transfer by transfer.
fn agree(message: &[u8]) -> bool {
    let (mut scratch, mut other) = (Scratch::default(), Scratch::default());
    let general = decoded_batch(message, TRANSFERS_MAX, &mut other);
    match batch(message, TRANSFERS_MAX, &mut scratch) {
        Ok(batch) => {
            let is_by_transfer = matches!(batch.transfers, Transfers::Messages(_));
            match (questions(&batch), general) {
                (Ok(found), Ok(general)) => {
                    assert_eq!(batch.detail(), general.detail());
                    assert_eq!(found, questions(&general).unwrap());
                }
                // Where a length is wrong, the two may stop at different bytes.
                (Err(_), Err(Refusal::Malformed(_))) => {}
                (found, general) => panic!("{found:?} {general:?} {message:?}"),
            }
            is_by_transfer
        }
        Err(refusal) => {
            assert_eq!(Some(refusal), general.err());
            false
        }
    }
}

fn transfer() -> impl Strategy<Value = v1::Transfer> {
    let word = || prop_oneof![Just(String::new()), "[a-z.-]{1,12}"];
    let item =
        (word(), 0..6_i32).prop_map(|(code, data_class)| v1::DataItem { code, data_class, ..Default::default() });
    let at = proptest::option::of((-2_i64..3, -1..3_i32));
    let at = at.prop_map(|at| at.map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos }));
    (word(), word(), proptest::collection::vec(item, 0..3), -1..6_i32, at).prop_map(
        |(exporter, sector, data, ground, at)| v1::Transfer {
            exporter,
            sector,
            data,
            ground,
            at,
            ..Default::default()
        },
    )
}

proptest! {
    #[test]
    fn damaged_batches_are_read_alike(
        transfers in proptest::collection::vec(transfer(), 0..6),
        detail in 0..3_i32,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut message = v1::DecideBatchRequest { transfers, detail }.encode_to_vec();
        agree(&message);
        for (place, byte) in damage {
            if !message.is_empty() {
                let place = place.index(message.len());
                message[place] = byte;
                agree(&message);
            }
        }
        if let Some(cut) = cut {
            message.truncate(cut.index(message.len() + 1));
            agree(&message);
        }
    }
}

#[test]
fn a_transfer_that_is_no_protobuf_makes_the_batch_malformed_and_an_unknown_field_does_not() {
    // Field 1, a transfer: its exporter is no UTF-8; it has field 99; it is empty.
    let (broken, unknown, empty) = (&[0x0a, 3, 0x12, 1, 0xff][..], &[0x0a, 3, 0x98, 0x06, 1][..], &[0x0a, 0][..]);
    for (parts, expected) in [
        (vec![empty, broken, unknown], Err("transfers.exporter".to_owned())),
        (vec![empty, unknown, empty], Ok(3)),
        (vec![unknown, broken], Err("transfers.exporter".to_owned())),
    ] {
        let message = parts.concat();
        assert!(agree(&message), "{message:?}");
        let mut scratch = Scratch::default();
        let found = questions(&batch(&message, TRANSFERS_MAX, &mut scratch).unwrap());
        let found = found.map(|found| found.len());
        assert_eq!(found.map_err(|malformed| Refusal::Malformed(malformed).issues()[0].field.clone()), expected);
    }
}
