//! Compared with a reader that keeps unknown fields.

use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value as Field};

use super::*;
use crate::wire::generated::v1;

/// Says whether a message, or any inside it, has a field that its descriptor has not.
fn has_unknown(message: &DynamicMessage) -> bool {
    let inside = |value: &Field| match value {
        Field::Message(message) => has_unknown(message),
        Field::List(values) => {
            values.iter().any(|value| matches!(value, Field::Message(message) if has_unknown(message)))
        }
        _ => false,
    };
    message.unknown_fields().next().is_some() || message.fields().any(|(_, value)| inside(value))
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(DESCRIPTORS).unwrap()
}

#[track_caller]
fn agree(pool: &DescriptorPool, name: &str, bytes: &[u8]) {
    let found = fields(name, bytes);
    let Ok(message) = DynamicMessage::decode(pool.get_message_by_name(name).unwrap(), bytes) else {
        // The decoder refuses an unreadable message, whatever fields are found in it.
        return;
    };
    assert_eq!(!found.is_empty(), has_unknown(&message), "{bytes:02x?}: {found:?}\n{message:?}");
    let as_batch = batch(bytes);
    if name == "neglist.v1.DecideBatchRequest" {
        match as_batch {
            Err(_) => assert!(!found.is_empty()),
            Ok(Batch { message, found: of_transfers }) => {
                assert_eq!(found.is_empty(), of_transfers.is_empty());
                let [before, after] = [bytes, &*message].map(|bytes| v1::DecideBatchRequest::decode(bytes).unwrap());
                assert_eq!((before.transfers.len(), before.detail), (after.transfers.len(), after.detail));
                for (index, (before, after)) in before.transfers.iter().zip(&after.transfers).enumerate() {
                    let expected = if of_transfers.contains_key(&index) { &v1::Transfer::default() } else { before };
                    assert_eq!(after, expected);
                }
            }
        }
    }
}

fn persons() -> impl Strategy<Value = Option<v1::Persons>> {
    prop::option::of((0_u64..3, any::<u64>()).prop_map(|(general, sensitive)| v1::Persons { general, sensitive }))
}

fn transfer() -> impl Strategy<Value = v1::Transfer> {
    let item = ("[a-z]{0,3}", 0..6_i32, prop::collection::vec("[a-z]{0,2}", 0..3));
    let item =
        item.prop_map(|(code, data_class, attributes)| v1::DataItem { code, data_class, modality: 0, attributes });
    let facts = (any::<bool>(), persons(), 0_u64..3).prop_map(|(ciio, held, held_specially_sensitive)| {
        v1::ExporterFacts { ciio, held, held_specially_sensitive, ..v1::ExporterFacts::default() }
    });
    let at =
        prop::option::of((0_i64..3, 0..3_i32).prop_map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos }));
    (prop::collection::vec(item, 0..4), prop::option::of(facts), persons(), at, -1..6_i32).prop_map(
        |(data, exporter_facts, persons, at, ground)| v1::Transfer {
            data,
            exporter_facts,
            persons,
            at,
            ground,
            ..v1::Transfer::default()
        },
    )
}

proptest! {
    #[test]
    fn a10_the_unknown_fields_are_those_of_an_independent_reader(
        transfers in prop::collection::vec(transfer(), 0..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..3),
    ) {
        let pool = pool();
        let first = transfers.first().cloned();
        let reserve = v1::ReserveRequest {
            transfer_id: "t".into(),
            transfer: first.clone(),
            general_subjects: vec![vec![1; 8], vec![2; 8]],
            general_subject_ids: vec!["a".into(), String::new()],
            subject_kind: "customer".into(),
            subject_normalise: vec![1, 2, 9],
            time_to_live: Some(prost_types::Duration { seconds: 1, nanos: 1 }),
            commit: true,
            ..v1::ReserveRequest::default()
        };
        for (name, message) in [
            ("neglist.v1.DecideRequest", v1::DecideRequest { transfer: first.clone(), detail: 1 }.encode_to_vec()),
            ("neglist.v1.DecideStreamRequest", v1::DecideStreamRequest { sequence: 7, transfer: first, detail: 1 }.encode_to_vec()),
            ("neglist.v1.DecideBatchRequest", v1::DecideBatchRequest { transfers, detail: 1 }.encode_to_vec()),
            ("neglist.v1.ReserveRequest", reserve.encode_to_vec()),
        ] {
            prop_assert_eq!(fields(name, &message), []);
            let mut message = message;
            for (place, byte, how) in &changes {
                let place = place.index(message.len() + 1);
                match how {
                    0 if place < message.len() => message[place] = *byte,
                    1 => message.insert(place, *byte),
                    // A small field, at a place where one may begin.
                    _ => drop(message.splice(place..place, [byte & 0x78, 0x01])),
                }
            }
            agree(&pool, name, &message);
        }
    }
}

#[test]
fn the_table_has_every_request_of_the_contract_with_all_its_fields() {
    let pool = pool();
    let requests: Vec<MessageDescriptor> = pool
        .services()
        .filter(|service| service.package_name() == "neglist.v1")
        .flat_map(|service| service.methods().map(|method| method.input()).collect::<Vec<_>>())
        .collect();
    assert!(10 <= requests.len(), "{}", requests.len());
    for request in requests {
        // The codec knows requests by their name.
        assert!(request.name().ends_with("Request"), "{}", request.name());
        let index = SCHEMA.names[request.full_name()];
        for field in request.fields() {
            assert_eq!(&*SCHEMA.field(index, field.number()).unwrap().name, field.name());
        }
    }
}

#[test]
fn a_message_outside_the_contract_has_no_fields() {
    assert_eq!(fields("neglist.v1.Nothing", &[0x08, 0x01]).len(), 1);
    assert_eq!(fields("neglist.v1.CommitRequest", &[]), []);
    // However many there are, few are named.
    assert_eq!(fields("neglist.v1.CommitRequest", &[0x78, 0x01].repeat(100_000)).len(), NAMED_MAX);
    let batch_of_many = [0x0a, 2, 0x78, 0x01].repeat(1_000);
    assert_eq!(batch(&batch_of_many).unwrap().found.len(), 1_000);
}
