//! The reader that does not copy, against the ordinary decoder.

use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::wire::decide::from_proto;
use crate::wire::decide::read::Scratch;
use crate::wire::generated::v1;

/// Decodes a plain message again: it has only fields of the contract.
fn decoded<T: prost::Message + prost::Name + Default + Clone>(bytes: &[u8]) -> T {
    Scratch::default().decode(bytes).cloned().expect("a plain message can be decoded")
}

/// Says whether the two readers agree, and whether the short way was taken.
fn agree(bytes: &[u8]) -> bool {
    let Some(plain) = decide(bytes) else { return false };
    let request = decoded::<v1::DecideRequest>(bytes);
    let ordinary = from_proto::decide(&request).expect("a plain message is well-formed");
    assert_eq!(format!("{plain:?}"), format!("{ordinary:?}"));
    true
}

/// The same of a message of a stream.
fn agree_in_streams(bytes: &[u8]) -> bool {
    let Some((sequence, plain)) = stream(bytes) else { return false };
    let request = decoded::<v1::DecideStreamRequest>(bytes);
    let (expected, ordinary) = from_proto::stream(&request);
    assert_eq!(sequence, expected);
    assert_eq!(format!("{plain:?}"), format!("{:?}", ordinary.expect("a plain message is well-formed")));
    true
}

/// The same of a batch, as far as it is read: all transfers, or one that is left to the ordinary decoder.
fn agree_in_batches(bytes: &[u8]) -> bool {
    const TRANSFERS_MAX: usize = 3;
    let Some((messages, detail)) = batch(bytes, TRANSFERS_MAX) else { return false };
    let plain: Option<Vec<_>> = messages.into_iter().map(asked).collect();
    let Some(plain) = plain else { return false };
    let request = decoded::<v1::DecideBatchRequest>(bytes);
    assert_eq!(from_proto::batch_detail(&request, TRANSFERS_MAX), Ok(detail));
    let well_formed = |transfer| from_proto::asked(transfer).expect("a plain message is well-formed");
    let ordinary: Vec<_> = request.transfers.iter().map(well_formed).collect();
    assert_eq!(format!("{plain:?}"), format!("{ordinary:?}"));
    true
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z.-]{1,12}", "\\PC{1,4}"]
}

fn persons() -> impl Strategy<Value = Option<v1::Persons>> {
    proptest::option::of((number(), number()).prop_map(|(general, sensitive)| v1::Persons { general, sensitive }))
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1_u64..300, any::<u64>()]
}

fn transfer() -> impl Strategy<Value = v1::Transfer> {
    let item = (word(), 0..6_i32, -1..6_i32, proptest::collection::vec(word(), 0..3));
    let item = item.prop_map(|(code, data_class, modality, attributes)| v1::DataItem {
        code,
        data_class,
        modality,
        attributes,
    });
    let facts = (any::<bool>(), proptest::collection::vec(word(), 0..3), persons(), number());
    let facts = facts.prop_map(|(ciio, zones, held, held_specially_sensitive)| v1::ExporterFacts {
        ciio,
        kinds: zones.clone(),
        cities: zones.clone(),
        zones,
        held,
        held_specially_sensitive,
    });
    let at = (-2_i64..3_000_000_000, -1..1_000_000_001_i32);
    let at = proptest::option::of(at.prop_map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos }));
    let words = (word(), word(), word(), word(), word(), word());
    let data = proptest::collection::vec(item, 0..4);
    (words, proptest::option::of(facts), data, (persons(), persons(), persons(), persons()), -1..6_i32, at).prop_map(
        |(words, exporter_facts, data, persons, ground, at)| {
            let (flow, exporter, recipient, destination, sector, scenario) = words;
            let (persons, year_to_date, scenario_year_to_date, clearance_year_to_date) = persons;
            let export_zone = sector.clone();
            v1::Transfer {
                flow,
                exporter,
                exporter_facts,
                recipient,
                destination,
                sector,
                scenario,
                data,
                persons,
                year_to_date,
                scenario_year_to_date,
                ground,
                at,
                export_zone,
                clearance_year_to_date,
            }
        },
    )
}

proptest! {
    #[test]
    fn generated_messages_are_read_alike(transfer in transfer(), detail in 0..3_i32) {
        let request = v1::DecideRequest { transfer: Some(transfer), detail };
        let was_plain = agree(&request.encode_to_vec());
        let is_well_formed = from_proto::decide(&request).is_ok();
        let transfer = request.transfer.as_ref().unwrap();
        let is_negative = transfer.at.is_some_and(|at| at.seconds < 0);
        prop_assert_eq!(was_plain, is_well_formed && !is_negative);
    }

    #[test]
    fn damaged_messages_are_read_alike_or_left(
        transfer in transfer(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let request = v1::DecideRequest { transfer: Some(transfer), detail: 1 };
        let mut bytes = request.encode_to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        agree(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        agree(&bytes);
    }

    #[test]
    fn streams_and_batches_are_read_alike(
        transfers in proptest::collection::vec(transfer(), 0..5),
        sequence in number(),
        detail in 0..3_i32,
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let is_plain = |transfer: &v1::Transfer| {
            from_proto::asked(transfer).is_ok() && transfer.at.is_none_or(|at| 0 <= at.seconds)
        };
        let message = v1::DecideStreamRequest { sequence, transfer: transfers.first().cloned(), detail };
        let expected = transfers.first().is_some_and(is_plain) && detail < 2;
        let mut bytes = message.encode_to_vec();
        prop_assert_eq!(agree_in_streams(&bytes), expected);
        if !bytes.is_empty() {
            let place = place.index(bytes.len());
            bytes[place] = byte;
            agree_in_streams(&bytes);
        }
        let expected = transfers.len() <= 3 && transfers.iter().all(is_plain) && detail < 2;
        let mut bytes = v1::DecideBatchRequest { transfers, detail }.encode_to_vec();
        prop_assert_eq!(agree_in_batches(&bytes), expected);
        if !bytes.is_empty() {
            let place = place.index(bytes.len());
            bytes[place] = byte;
            agree_in_batches(&bytes);
        }
    }

    #[test]
    fn random_bytes_are_read_alike_or_left(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        agree(&bytes);
        agree_in_streams(&bytes);
        agree_in_batches(&bytes);
    }
}

#[test]
fn a_request_that_names_a_flow_is_plain() {
    let persons = Some(v1::Persons { general: 3, sensitive: 0 });
    let transfer = v1::Transfer { flow: "payroll-to-basel".into(), persons, ..v1::Transfer::default() };
    let request = v1::DecideRequest { transfer: Some(transfer), detail: 0 };
    assert!(agree(&request.encode_to_vec()));
}

#[test]
fn a_repeated_field_is_left_to_the_ordinary_decoder() {
    let transfer = v1::Transfer { flow: "a".into(), ..v1::Transfer::default() };
    let once = v1::DecideRequest { transfer: Some(transfer), detail: 0 }.encode_to_vec();
    assert!(agree(&once));
    assert!(!agree(&[once.clone(), once].concat()));
    assert!(decide(&[]).is_none());
}

#[test]
fn items_beyond_the_limit_are_left_to_the_ordinary_decoder() {
    let request = |count| {
        let item = v1::DataItem { code: "a".into(), ..v1::DataItem::default() };
        let transfer = v1::Transfer { data: vec![item; count], ..v1::Transfer::default() };
        v1::DecideRequest { transfer: Some(transfer), detail: 0 }.encode_to_vec()
    };
    assert!(agree(&request(ITEMS_MAX)));
    assert!(!agree(&request(ITEMS_MAX + 1)));
}
