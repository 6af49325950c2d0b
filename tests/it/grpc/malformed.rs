//! Every kind of malformed request: refused with the path of the field, and nothing else suffers.
//!
//! One server for all of them, so that damage by one request shows in the next.

use neglist::wire::generated::v1;
use prost::Message as _;
use prost_types::Timestamp;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::clients::{self, Refusal, answer, item, message, refusal, transfer};
use crate::support::server::{Directory, Process, connect};
use crate::support::wait::within;

const DECIDE: &str = "/neglist.v1.DecisionService/Decide";
const DECIDE_BATCH: &str = "/neglist.v1.DecisionService/DecideBatch";
const DECIDE_STREAM: &str = "/neglist.v1.DecisionService/DecideStream";

/// A malformed transfer and its expected violations: path within the transfer, and reason.
struct Row {
    name: &'static str,
    transfer: v1::Transfer,
    expected: Vec<(String, &'static str)>,
}

fn row(name: &'static str, expected: &[(&str, &'static str)], change: impl FnOnce(&mut v1::Transfer)) -> Row {
    let mut transfer = transfer(1, 0);
    change(&mut transfer);
    let expected = expected.iter().map(|(field, reason)| ((*field).to_owned(), *reason)).collect();
    Row { name, transfer, expected }
}

fn persons(general: u64, sensitive: u64) -> v1::Persons {
    v1::Persons { general, sensitive }
}

fn facts(change: impl FnOnce(&mut v1::ExporterFacts)) -> v1::ExporterFacts {
    let mut facts = v1::ExporterFacts::default();
    change(&mut facts);
    facts
}

/// One more than the people that a head-count may have.
const PERSONS_TOO_MANY: u64 = neglist::domain::units::Persons::MAX.get() + 1;

fn numbers() -> Vec<Row> {
    let unknown = "UNKNOWN_NUMBER";
    let mut rows = vec![
        row("classes", &[("data[0].data_class", unknown), ("data[1].data_class", unknown)], |transfer| {
            transfer.data = vec![item("contact.name"); 2];
            transfer.data[0].data_class = 5;
            transfer.data[1].data_class = -1;
        }),
        row("a modality", &[("data[0].modality", unknown)], |transfer| transfer.data[0].modality = 5),
        row("a ground", &[("ground", unknown)], |transfer| transfer.ground = i32::MAX),
        row("persons", &[("persons.general", "TOO_MANY_PERSONS")], |transfer| {
            transfer.persons = Some(persons(PERSONS_TOO_MANY, 0));
        }),
        row("sensitive persons", &[("persons.sensitive", "TOO_MANY_PERSONS")], |transfer| {
            transfer.persons = Some(persons(0, u64::MAX));
        }),
        row(
            "totals",
            &[("year_to_date.general", "TOO_MANY_PERSONS"), ("scenario_year_to_date.sensitive", "TOO_MANY_PERSONS")],
            |transfer| {
                transfer.year_to_date = Some(persons(u64::MAX, 0));
                transfer.scenario_year_to_date = Some(persons(0, PERSONS_TOO_MANY));
            },
        ),
        row(
            "holdings",
            &[
                ("exporter_facts.held.general", "TOO_MANY_PERSONS"),
                ("exporter_facts.held_specially_sensitive", "TOO_MANY_PERSONS"),
            ],
            |transfer| {
                transfer.exporter_facts = Some(facts(|facts| {
                    facts.held = Some(persons(u64::MAX, 0));
                    facts.held_specially_sensitive = u64::MAX;
                }));
            },
        ),
    ];
    for (name, seconds, nanos) in [
        ("negative nanos", 0, -1),
        ("nanos of a whole second", 0, 1_000_000_000),
        ("before the year 1", -62_135_596_801, 0),
        ("after the year 9999", 253_402_300_800, 0),
        ("the first second of all", i64::MIN, i32::MIN),
    ] {
        rows.push(row(name, &[("at", "NOT_A_TIMESTAMP")], |transfer| transfer.at = Some(Timestamp { seconds, nanos })));
    }
    for (name, seconds) in [("1970", 0), ("the last second of all", 253_402_300_799)] {
        let at = Timestamp { seconds, nanos: 0 };
        rows.push(row(name, &[("at", "OUT_OF_CALENDAR")], |transfer| transfer.at = Some(at)));
    }
    rows
}

fn sizes() -> Vec<Row> {
    let long = || "x".repeat(129);
    vec![
        row("257 items", &[("data", "TOO_MANY")], |transfer| transfer.data = vec![item("contact.name"); 257]),
        row("many empty items", &[("data", "TOO_MANY")], |transfer| {
            transfer.data = vec![v1::DataItem::default(); 100_000];
        }),
        row("17 attributes", &[("data[1].attributes", "TOO_MANY")], |transfer| {
            transfer.data.push(v1::DataItem { attributes: vec!["encrypted".into(); 17], ..item("geo.map") });
        }),
        row("65 zones", &[("exporter_facts.zones", "TOO_MANY")], |transfer| {
            transfer.exporter_facts = Some(facts(|facts| facts.zones = vec!["port".into(); 65]));
        }),
        row("65 cities", &[("exporter_facts.cities", "TOO_MANY")], |transfer| {
            transfer.exporter_facts = Some(facts(|facts| facts.cities = vec!["harbour".into(); 65]));
        }),
        row("65 kinds", &[("exporter_facts.kinds", "TOO_MANY")], |transfer| {
            transfer.exporter_facts = Some(facts(|facts| facts.kinds = vec!["pharmacy".into(); 65]));
        }),
        row(
            "long codes",
            &[
                ("flow", "TOO_LONG"),
                ("exporter", "TOO_LONG"),
                ("recipient", "TOO_LONG"),
                ("destination", "TOO_LONG"),
                ("sector", "TOO_LONG"),
                ("scenario", "TOO_LONG"),
                ("export_zone", "TOO_LONG"),
                ("data[0].code", "TOO_LONG"),
                ("data[1].attributes[0]", "TOO_LONG"),
            ],
            |transfer| {
                transfer.flow = long();
                transfer.exporter = long();
                transfer.recipient = long();
                transfer.destination = long();
                transfer.sector = long();
                transfer.scenario = long();
                transfer.export_zone = long();
                transfer.data = vec![item(&long()), item("contact.name")];
                transfer.data[1].attributes = vec![long()];
            },
        ),
        row(
            "long codes of facts",
            &[
                ("exporter_facts.zones[0]", "TOO_LONG"),
                ("exporter_facts.cities[0]", "TOO_LONG"),
                ("exporter_facts.kinds[0]", "TOO_LONG"),
            ],
            |transfer| {
                transfer.exporter_facts = Some(facts(|facts| {
                    (facts.zones, facts.cities, facts.kinds) = (vec![long()], vec![long()], vec![long()]);
                }));
            },
        ),
    ]
}

fn words() -> Vec<Row> {
    vec![
        row(
            "nothing at all",
            &[("exporter", "MISSING"), ("destination", "MISSING"), ("data", "MISSING")],
            |transfer| *transfer = v1::Transfer::default(),
        ),
        row("no code", &[("data[0].code", "MISSING")], |transfer| transfer.data[0].code.clear()),
        row("no persons", &[("persons", "MISSING")], |transfer| transfer.persons = None),
        row("no totals", &[("year_to_date", "MISSING")], |transfer| transfer.year_to_date = None),
        row("no sector", &[("sector", "MISSING"), ("scenario", "MISSING")], |transfer| {
            transfer.exporter = "acme".into();
        }),
        row("an exporter", &[("exporter", "UNKNOWN_CODE")], |transfer| {
            (transfer.exporter, transfer.exporter_facts) = ("acne".into(), None);
        }),
        row("a flow", &[("flow", "UNKNOWN_CODE")], |transfer| transfer.flow = "trail".into()),
        // Fields that the flow would supply are not asked for: only its name is wrong.
        row("a flow and no more", &[("flow", "UNKNOWN_CODE")], |transfer| {
            *transfer = v1::Transfer { flow: "trail".into(), ..v1::Transfer::default() };
        }),
        row(
            "an exporter among others",
            &[("exporter", "UNKNOWN_CODE"), ("destination", "NOT_A_COUNTRY")],
            |transfer| {
                (transfer.exporter, transfer.exporter_facts) = ("acne".into(), None);
                transfer.destination = "D".into();
            },
        ),
        row("a flow of another", &[("exporter", "OTHER_EXPORTERS_FLOW")], |transfer| transfer.flow = "trial".into()),
        row("a country", &[("destination", "NOT_A_COUNTRY")], |transfer| transfer.destination = "de".into()),
        row(
            "codes",
            &[
                ("sector", "UNKNOWN_CODE"),
                ("scenario", "UNKNOWN_CODE"),
                ("export_zone", "UNKNOWN_CODE"),
                ("exporter_facts.zones[1]", "UNKNOWN_CODE"),
                ("exporter_facts.cities[0]", "UNKNOWN_CODE"),
                ("exporter_facts.kinds[0]", "UNKNOWN_CODE"),
                ("data[1].code", "UNKNOWN_CODE"),
                ("data[1].attributes[1]", "UNKNOWN_CODE"),
            ],
            |transfer| {
                transfer.sector = "farma".into();
                transfer.scenario = "clinical-trail".into();
                transfer.export_zone = "prot".into();
                transfer.exporter_facts = Some(facts(|facts| {
                    facts.zones = vec!["port".into(), "harbour".into()];
                    facts.cities = vec!["shenzen".into()];
                    facts.kinds = vec!["farmacy".into()];
                }));
                let attributes = vec!["encrypted".into(), "encripted".into()];
                transfer.data.push(v1::DataItem { attributes, ..item("contact.nmae") });
            },
        ),
        // Misspelt is not missing, also where the exporter's zone asks for it.
        row("a sector", &[("sector", "UNKNOWN_CODE"), ("scenario", "MISSING")], |transfer| {
            (transfer.exporter, transfer.sector) = ("acme".into(), "farma".into());
        }),
        row("a near miss", &[("data[0].code", "NEAR_MISS")], |transfer| {
            transfer.data[0] = v1::DataItem { data_class: v1::DataClass::General.into(), ..item("health.diagnossis") };
        }),
        row("persons of no personal information", &[("persons", "PERSONS_WITHOUT_PERSONAL_INFORMATION")], |transfer| {
            transfer.data = vec![item("geo.map")];
        }),
        row("controls", &[("sector", "UNKNOWN_CODE"), ("data[0].code", "UNKNOWN_CODE")], |transfer| {
            transfer.sector = "a\nb\0\u{1b}[31m".into();
            transfer.data[0].code = "\u{202e}x\r\n".into();
        }),
    ]
}

#[track_caller]
fn compare(name: &str, got: &Refusal, expected: &[(String, &str)], root: &str) {
    let mut got: Vec<_> = got.iter().map(|(field, reason)| (field.as_str(), reason.as_str())).collect();
    let expected: Vec<_> = expected.iter().map(|(field, reason)| (format!("{root}.{field}"), *reason)).collect();
    let mut expected: Vec<_> = expected.iter().map(|(field, reason)| (field.as_str(), *reason)).collect();
    got.sort_unstable();
    expected.sort_unstable();
    assert_eq!(got, expected, "{name}");
}

#[tokio::test]
async fn a_malformed_transfer_is_refused_with_its_field_and_fails_alone() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let mut client = server.decisions().await;
    let rows: Vec<Row> = [numbers(), sizes(), words()].into_iter().flatten().collect();
    let allow = |decision: Option<v1::Decision>| assert_eq!(decision.unwrap().outcome(), v1::Outcome::Allow);
    for Row { name, transfer: malformed, expected } in &rows {
        let refused = within(name, client.decide(clients::request(malformed.clone()))).await.unwrap_err();
        compare(name, &refusal(&refused), expected, "transfer");

        let transfers = vec![transfer(1, 0), malformed.clone(), transfer(1, 0)];
        let batch = v1::DecideBatchRequest { transfers, detail: 0 };
        let results = within(name, client.decide_batch(batch)).await.unwrap().into_inner().results;
        let [first, second, third] = results.try_into().unwrap();
        compare(name, &answer(Some(second)).unwrap_err(), expected, "transfers[1]");
        allow(answer(Some(first)).ok());
        allow(answer(Some(third)).ok());
    }
    // All of them in one stream, each after a good one.
    let pairs = rows.iter().flat_map(|row| [transfer(1, 0), row.transfer.clone()]).collect::<Vec<_>>();
    let messages = pairs.into_iter().zip(0..).map(|(transfer, sequence)| message(sequence, transfer));
    let mut answers = client.decide_stream(tokio_stream::iter(messages)).await.unwrap().into_inner();
    for (Row { name, transfer: _, expected }, index) in rows.iter().zip(0..) {
        let good = within(name, answers.message()).await.unwrap().unwrap();
        allow(answer(good.result).ok());
        let refused = within(name, answers.message()).await.unwrap().unwrap();
        assert_eq!(refused.sequence, 2 * index + 1);
        compare(name, &answer(refused.result).unwrap_err(), expected, "transfer");
    }
    assert!(within("the end", answers.message()).await.unwrap().is_none());
    server.stop().await;
}

#[tokio::test]
async fn a_fault_of_the_whole_request_refuses_the_whole_request() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let mut client = server.decisions().await;
    let pair = |field: &str, reason: &str| (field.to_owned(), reason.to_owned());

    let refused = client.decide(v1::DecideRequest::default()).await.unwrap_err();
    assert_eq!(refusal(&refused), [pair("transfer", "MISSING")]);
    let unknown_detail = v1::DecideRequest { transfer: Some(transfer(1, 0)), detail: 2 };
    assert_eq!(refusal(&client.decide(unknown_detail).await.unwrap_err()), [pair("detail", "UNKNOWN_NUMBER")]);

    let batch = |count, detail| v1::DecideBatchRequest { transfers: vec![transfer(1, 0); count], detail };
    assert_eq!(client.decide_batch(batch(0, 0)).await.unwrap().into_inner().results.len(), 0);
    let thousand = client.decide_batch(batch(1_000, 1)).await.unwrap().into_inner().results;
    assert!(thousand.len() == 1_000 && thousand.into_iter().all(|result| answer(Some(result)).is_ok()));
    assert_eq!(refusal(&client.decide_batch(batch(1_001, 0)).await.unwrap_err()), [pair("transfers", "TOO_MANY")]);
    let both = refusal(&client.decide_batch(batch(1_001, -1)).await.unwrap_err());
    assert_eq!(both, [pair("transfers", "TOO_MANY"), pair("detail", "UNKNOWN_NUMBER")]);

    // The limit on a message comes before anything of it is read.
    let large = v1::Transfer { recipient: "x".repeat(4 << 20), ..transfer(1, 0) };
    let refused = within("a refusal", client.decide(clients::request(large.clone()))).await.unwrap_err();
    assert_eq!(refusal(&refused), [pair("", "REQUEST_TOO_LARGE")]);
    let messages = tokio_stream::iter([message(1, transfer(1, 0)), message(2, large), message(3, transfer(1, 0))]);
    let mut answers = client.decide_stream(messages).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 1);
    assert_eq!(answers.message().await.unwrap_err().code(), Code::InvalidArgument);
    // Below it everything is read, and answered within the size that clients accept of headers.
    let many = v1::Transfer { data: vec![item(&"y".repeat(128)); 256], ..transfer(1, 0) };
    let refused = within("a refusal", client.decide(clients::request(many))).await.unwrap_err();
    assert!(refused.message().contains("256 violations"), "{}", refused.message());
    assert!(refused.details().len() < 5_000);
    assert!(client.decide(clients::request(transfer(1, 0))).await.is_ok());
    server.stop().await;
}

/// Returns a field of a message on the wire: number, and bytes with their length before them.
fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    prost::encoding::encode_varint(u64::from(number << 3 | 2), &mut field);
    prost::encode_length_delimiter(bytes.len(), &mut field).unwrap();
    field.extend(bytes);
    field
}

/// Bytes that are no message of the contract, and the field where that shows.
fn garbage() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let transfer = |bytes: &[u8]| field(1, bytes);
    let not_utf8 = [0xe4, 0xb8, 0x28];
    vec![
        ("ones", vec![0xff; 64], ""),
        ("an end without a beginning", vec![0x0c], ""),
        ("a field of the number 0", vec![0x02, 0x00], ""),
        ("a message that ends early", vec![0x0a, 0x05, 0x12], "transfer"),
        ("a message of an exabyte", vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], "transfer"),
        (
            "a number that does not end",
            vec![0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            "detail",
        ),
        ("an exporter that is not UTF-8", transfer(&field(2, &not_utf8)), "transfer.exporter"),
        ("a flow that is not UTF-8", transfer(&field(1, &not_utf8)), "transfer.flow"),
        ("a code that is not UTF-8", transfer(&field(8, &field(1, &not_utf8))), "transfer.data.code"),
        ("a zone that is not UTF-8", transfer(&field(3, &field(2, &not_utf8))), "transfer.exporter_facts.zones"),
        ("text in place of a time stamp", transfer(&field(13, b"today")), "transfer.at"),
    ]
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_fault() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let channel = connect(server.grpc()[0]).await;
    let good = clients::request(transfer(1, 0)).encode_to_vec();
    for (name, bytes, expected) in garbage() {
        let refused = within(name, clients::call_raw(channel.clone(), DECIDE, bytes.clone())).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{name}: {refused:?}");
        let details = refused.get_error_details();
        let violation = &details.bad_request().unwrap().field_violations[0];
        let reason = (violation.field.as_str(), violation.reason.as_str());
        assert!(reason.0.starts_with(expected) && reason.1 == "MALFORMED", "{name}: {violation:?}");

        // A batch has its transfers in the same place. It is one message: nothing of it can be read.
        let refused = within(name, clients::call_raw(channel.clone(), DECIDE_BATCH, bytes.clone())).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{name}: {refused:?}");
        // In a stream it ends the stream, after the answers to earlier messages.
        let before = message(7, transfer(1, 0)).encode_to_vec();
        // There the transfer is field 2.
        let broken = if bytes[0] >> 3 == 1 { [vec![bytes[0] + 8], bytes[1..].to_vec()].concat() } else { bytes };
        let messages = tokio_stream::iter([before, broken, message(8, transfer(1, 0)).encode_to_vec()]);
        let mut answers = clients::stream_raw(channel.clone(), DECIDE_STREAM, messages).await.unwrap();
        let first = within(name, answers.message()).await.unwrap().unwrap();
        assert_eq!(v1::DecideStreamResponse::decode(first.as_slice()).unwrap().sequence, 7);
        let end = within(name, answers.message()).await.unwrap_err();
        assert_eq!(end.code(), Code::InvalidArgument, "{name}: {end:?}");
        // And the connection goes on.
        let response = clients::call_raw(channel.clone(), DECIDE, good.clone()).await.unwrap();
        assert!(v1::DecideResponse::decode(response.as_slice()).unwrap().decision.is_some());
    }
    server.stop().await;
}

#[tokio::test]
async fn repeated_fields_are_merged() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let channel = connect(server.grpc()[0]).await;
    // As protobuf has it: of a number the last counts, lists grow.
    let [once, twice] = [transfer(1, 99_999), transfer(2, 0)].map(|transfer| field(1, &transfer.encode_to_vec()));
    let bytes = [twice, once].concat();
    let sent = v1::DecideRequest::decode(bytes.as_slice()).unwrap().transfer.unwrap();
    assert_eq!(sent.data.len(), 2);
    let response = clients::call_raw(channel.clone(), DECIDE, bytes).await.unwrap();
    let decision = v1::DecideResponse::decode(response.as_slice()).unwrap().decision.unwrap();
    assert_eq!(decision.outcome(), v1::Outcome::Contract);
    server.stop().await;
}

/// Paths within the transfer, each with its reason.
type Said = Vec<(&'static str, &'static str)>;

/// Transfers with fields that the contract does not have, or has with another type, and the expected violations.
fn fields_of_another_contract() -> Vec<(&'static str, Vec<u8>, Said)> {
    let inner = transfer(1, 0).encode_to_vec();
    let with = |more: &[u8]| [inner.as_slice(), more].concat();
    let later = field(19, b"more sensitive than you know");
    let mut groups = vec![0xa3, 0x06];
    groups.extend(vec![0x0b; 100_000]);
    groups.extend(vec![0x0c; 100_000]);
    let item = [field(1, b"contact.name"), later.clone()].concat();
    let (unknown, wrong) = ("UNKNOWN_FIELD", "WRONG_WIRE_TYPE");
    vec![
        ("behind the others", with(&later), vec![("<unknown field 19>", unknown)]),
        ("before the others", [later.clone(), inner.clone()].concat(), vec![("<unknown field 19>", unknown)]),
        ("a number of two bytes", with(&[0x98, 0x06, 0x01]), vec![("<unknown field 99>", unknown)]),
        ("eight bytes", with(&[0x99, 0x01, 1, 2, 3, 4, 5, 6, 7, 8]), vec![("<unknown field 19>", unknown)]),
        ("four bytes", with(&[0x9d, 0x01, 1, 2, 3, 4]), vec![("<unknown field 19>", unknown)]),
        ("empty", with(&field(19, b"")), vec![("<unknown field 19>", unknown)]),
        ("groups in groups", with(&groups), vec![("<unknown field 100>", unknown)]),
        ("in persons", with(&field(9, &[0x18, 0x01])), vec![("persons.<unknown field 3>", unknown)]),
        (
            "in the holdings",
            with(&field(3, &field(4, &later))),
            vec![("exporter_facts.held.<unknown field 19>", unknown)],
        ),
        ("in the time stamp", with(&field(13, &[0x18, 0x01])), vec![("at.<unknown field 3>", unknown)]),
        (
            "in an item, in the exporter's facts",
            with(&[field(8, &item), field(3, &later)].concat()),
            vec![("data[1].<unknown field 19>", unknown), ("exporter_facts.<unknown field 19>", unknown)],
        ),
        ("a number in place of a text", with(&[0x10, 0x01]), vec![("exporter", wrong)]),
        ("a number in place of a message", with(&[0x48, 0x01]), vec![("persons", wrong)]),
        ("a text in place of a number", with(&field(9, &field(1, b"1"))), vec![("persons.general", wrong)]),
        ("a group in place of a message", with(&[0x4b, 0x4c]), vec![("persons", wrong)]),
    ]
}

#[tokio::test]
async fn a10_fields_that_the_contract_does_not_have_are_refused_and_fail_alone() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let channel = connect(server.grpc()[0]).await;
    let good = transfer(1, 0).encode_to_vec();
    let allow = |decision: Option<v1::Decision>| assert_eq!(decision.unwrap().outcome(), v1::Outcome::Allow);
    let rows = fields_of_another_contract();
    for (name, wrong, expected) in &rows {
        let expected: Vec<(String, &'static str)> =
            expected.iter().map(|(field, reason)| ((*field).to_owned(), *reason)).collect();
        let refused = clients::call_raw(channel.clone(), DECIDE, field(1, wrong)).await.unwrap_err();
        compare(name, &refusal(&refused), &expected, "transfer");
        for language in ["contract", "协议"] {
            let texts = format!("{} {:?}", refused.message(), refused.get_error_details());
            assert!(texts.contains(language), "{name}: {texts}");
        }
        let batch = [field(1, &good), field(1, wrong), field(1, &good), vec![0x10, 0x01]].concat();
        let response = clients::call_raw(channel.clone(), DECIDE_BATCH, batch).await.unwrap();
        let results = v1::DecideBatchResponse::decode(response.as_slice()).unwrap().results;
        let [first, second, third] = results.try_into().unwrap();
        compare(name, &answer(Some(second)).unwrap_err(), &expected, "transfers[1]");
        allow(answer(Some(first)).ok());
        allow(answer(Some(third)).ok());
    }
    let message = |(index, (_, wrong, _)): (u8, &(_, Vec<u8>, _))| {
        [[0x08, 2 * index + 1].to_vec(), field(2, wrong), [0x08, 2 * index].to_vec(), field(2, &good)]
            .chunks(2)
            .map(<[Vec<u8>]>::concat)
            .collect::<Vec<_>>()
    };
    let messages: Vec<Vec<u8>> = (0_u8..).zip(&rows).flat_map(message).collect();
    let mut answers = clients::stream_raw(channel.clone(), DECIDE_STREAM, tokio_stream::iter(messages)).await.unwrap();
    for ((name, _, expected), index) in rows.iter().zip(0..) {
        let mut next =
            async || v1::DecideStreamResponse::decode(answers.message().await.unwrap().unwrap().as_slice()).unwrap();
        let expected: Vec<(String, &'static str)> =
            expected.iter().map(|(field, reason)| ((*field).to_owned(), *reason)).collect();
        let refused = next().await;
        assert_eq!(refused.sequence, 2 * index + 1, "{name}");
        compare(name, &answer(refused.result).unwrap_err(), &expected, "transfer");
        allow(answer(next().await.result).ok());
    }
    server.stop().await;
}

#[tokio::test]
async fn a10_requests_of_every_service_have_the_fields_of_the_contract() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let channel = connect(server.grpc()[0]).await;
    let inner = transfer(1, 0).encode_to_vec();
    let later = || field(19, b"later");
    let ledger = |method: &str| format!("/neglist.v1.LedgerService/{method}");
    for (path, bytes, expected) in [
        (DECIDE.to_owned(), [field(1, &inner), later()].concat(), "<unknown field 19>"),
        (DECIDE_BATCH.to_owned(), [later(), field(1, &inner)].concat(), "<unknown field 19>"),
        (DECIDE_BATCH.to_owned(), vec![0x08, 0x01], "transfers"),
        (ledger("Reserve"), [field(1, b"t"), field(2, &inner), later()].concat(), "<unknown field 19>"),
        (
            ledger("Reserve"),
            [field(1, b"t"), field(2, &[inner.clone(), later()].concat())].concat(),
            "transfer.<unknown field 19>",
        ),
        (ledger("Reserve"), field(5, &later()), "time_to_live.<unknown field 19>"),
        (ledger("Commit"), [field(1, b"t"), later()].concat(), "<unknown field 19>"),
        (ledger("Release"), [field(1, b"t"), later()].concat(), "<unknown field 19>"),
        (ledger("GetUsage"), [field(1, b"acme"), later()].concat(), "<unknown field 19>"),
        (ledger("GetUsage"), field(2, b"2026"), "year"),
    ] {
        let refused = clients::call_raw(channel.clone(), path.leak(), bytes).await.unwrap_err();
        let [(field, reason)] = &refusal(&refused)[..] else { panic!("{refused:?}") };
        assert!(field == expected && (reason == "UNKNOWN_FIELD" || reason == "WRONG_WIRE_TYPE"), "{field} {reason}");
    }
    // In a stream, the refusal of a message keeps its sequence number.
    let messages = tokio_stream::iter([[vec![0x08, 0x07], later()].concat()]);
    let mut answers = clients::stream_raw(channel.clone(), DECIDE_STREAM, messages).await.unwrap();
    let refused = v1::DecideStreamResponse::decode(answers.message().await.unwrap().unwrap().as_slice()).unwrap();
    assert_eq!((refused.sequence, answer(refused.result).unwrap_err()[0].1.as_str()), (7, "UNKNOWN_FIELD"));
    server.stop().await;
}
