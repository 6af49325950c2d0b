//! The requests of clients, and how they read the answers.

use neglist::domain::asked::{Asked, AskedItem, AskedPersons};
use neglist::domain::units::{Class, Ground, Modality, Moment};
use neglist::wire::generated::v1;
use neglist::wire::generated::v1::decide_result::Result as Answer;
use prost::Message as _;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::StatusExt as _;

/// Returns a transfer of one name, to Germany, by an unregistered exporter: valid everywhere.
pub(crate) fn transfer(general: u64, year_to_date: u64) -> v1::Transfer {
    let persons = |general| Some(v1::Persons { general, sensitive: 0 });
    v1::Transfer {
        exporter: "somebody".into(),
        exporter_facts: Some(v1::ExporterFacts::default()),
        destination: "DE".into(),
        data: vec![item("contact.name")],
        persons: persons(general),
        year_to_date: persons(year_to_date),
        ..v1::Transfer::default()
    }
}

/// Returns a data item that says no more than its code.
pub(crate) fn item(code: &str) -> v1::DataItem {
    v1::DataItem { code: code.into(), ..v1::DataItem::default() }
}

/// Returns a request for one decision, with all details.
pub(crate) fn request(transfer: v1::Transfer) -> v1::DecideRequest {
    v1::DecideRequest { transfer: Some(transfer), detail: v1::Detail::Full.into() }
}

/// Returns a message of a stream.
pub(crate) fn message(sequence: u64, transfer: v1::Transfer) -> v1::DecideStreamRequest {
    v1::DecideStreamRequest { sequence, transfer: Some(transfer), detail: v1::Detail::Full.into() }
}

/// Returns the message with the content of a caller's words.
pub(crate) fn to_proto(asked: &Asked<'_>, at: Moment) -> v1::Transfer {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let persons = |asked: AskedPersons| v1::Persons { general: asked.general, sensitive: asked.sensitive };
    let exporter_facts = asked.exporter_facts.as_ref().map(|facts| v1::ExporterFacts {
        ciio: facts.ciio,
        zones: texts(&facts.zones),
        kinds: texts(&facts.kinds),
        cities: texts(&facts.cities),
        held: Some(persons(facts.held)),
        held_specially_sensitive: facts.held_specially_sensitive,
    });
    let ground = match asked.ground {
        None => v1::Ground::Unspecified,
        Some(Ground::Transit) => v1::Ground::Transit,
        Some(Ground::ContractNecessity) => v1::Ground::ContractNecessity,
        Some(Ground::HumanResources) => v1::Ground::HumanResources,
        Some(Ground::Emergency) => v1::Ground::Emergency,
    };
    v1::Transfer {
        flow: text(asked.flow),
        exporter: text(asked.exporter),
        exporter_facts,
        recipient: text(asked.recipient),
        destination: text(asked.destination),
        sector: text(asked.sector),
        scenario: text(asked.scenario),
        data: asked.data.iter().map(item_to_proto).collect(),
        persons: asked.persons.map(persons),
        year_to_date: asked.year_to_date.map(persons),
        scenario_year_to_date: asked.scenario_year_to_date.map(persons),
        ground: ground.into(),
        at: Some(prost_types::Timestamp { seconds: at.seconds(), nanos: i32::try_from(at.nanos()).unwrap() }),
        export_zone: text(asked.export_zone),
        clearance_year_to_date: asked.clearance_year_to_date.map(persons),
    }
}

fn item_to_proto(asked: &AskedItem<'_>) -> v1::DataItem {
    let data_class = match asked.class {
        None => v1::DataClass::Unspecified,
        Some(Class::NonPersonal) => v1::DataClass::NonPersonal,
        Some(Class::General) => v1::DataClass::General,
        Some(Class::Sensitive) => v1::DataClass::Sensitive,
        Some(Class::Important) => v1::DataClass::Important,
    };
    let modality = match asked.modality {
        None => v1::Modality::Unspecified,
        Some(Modality::Text) => v1::Modality::Text,
        Some(Modality::Audio) => v1::Modality::Audio,
        Some(Modality::Image) => v1::Modality::Image,
        Some(Modality::Video) => v1::Modality::Video,
    };
    v1::DataItem {
        code: asked.code.to_owned(),
        data_class: data_class.into(),
        modality: modality.into(),
        attributes: asked.attributes.iter().map(|attribute| (*attribute).to_owned()).collect(),
    }
}

/// A refusal: path of the field and reason, one for each violation.
pub(crate) type Refusal = Vec<(String, String)>;

/// Returns the violations of a refusal, and fails the test where the status is another one or says too little.
#[track_caller]
pub(crate) fn refusal(status: &Status) -> Refusal {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let violations = &details.bad_request().unwrap_or_else(|| panic!("no BadRequest: {status:?}")).field_violations;
    assert!(!violations.is_empty());
    for violation in violations {
        let (english, chinese) = violation.description.split_once(" / ").expect("both languages");
        assert!(english.is_ascii() || english.contains('`'), "{english}");
        assert!(!chinese.is_ascii(), "{chinese}");
        assert!(!violation.description.chars().any(char::is_control), "{violation:?}");
    }
    assert!(status.message().contains(&violations[0].field), "{}", status.message());
    violations.iter().map(|violation| (violation.field.clone(), violation.reason.clone())).collect()
}

/// Returns the decision of one item of a batch or stream, or its refusal.
#[track_caller]
pub(crate) fn answer(result: Option<v1::DecideResult>) -> Result<v1::Decision, Refusal> {
    match result.and_then(|result| result.result).expect("a decision or an error") {
        Answer::Decision(decision) => Ok(decision),
        Answer::Error(error) => {
            let details = error.encode_to_vec().into();
            #[expect(clippy::disallowed_methods, reason = "the status of one item is read as that of a call")]
            let status = Status::with_details(Code::from_i32(error.code), error.message, details);
            Err(refusal(&status))
        }
    }
}

/// Sends and receives bytes in place of messages, which no generated client would send.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        use prost::bytes::Buf as _;
        let mut bytes = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}

/// Calls a method with bytes in place of a message.
pub(crate) async fn call_raw(channel: Channel, path: &'static str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let response = client.unary(Request::new(message), PathAndQuery::from_static(path), Raw).await;
    response.map(Response::into_inner)
}

/// Calls a method with a stream of bytes in place of messages. The call begins before the first of
/// them is there, which is how a test keeps a request in flight for as long as it likes.
pub(crate) async fn stream_raw(
    channel: Channel,
    path: &'static str,
    messages: impl tokio_stream::Stream<Item = Vec<u8>> + Send + 'static,
) -> Result<Streaming<Vec<u8>>, Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let response = client.streaming(Request::new(messages), PathAndQuery::from_static(path), Raw).await;
    response.map(Response::into_inner)
}
