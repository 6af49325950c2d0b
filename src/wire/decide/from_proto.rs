//! From protobuf requests to questions of the domain.
//!
//! Borrows every text from the message. Knows no list and no code: it turns numbers into enumerations, time stamps into
//! moments and empty texts into "not stated". Values that are none of these are violations. Messages are destructured field by
//! field, so that a new field of the contract does not build until its meaning is decided.

use crate::domain::asked::{Asked, AskedFacts, AskedItem, AskedPersons, ITEMS_MAX, Need, Problem, Violation};
use crate::domain::path::{Field, ItemField, RequestField};
use crate::domain::units::{Class, Ground, Modality, Moment};
use crate::wire::decide::to_proto::Detail;
use crate::wire::generated::v1;

/// One transfer to decide, in its caller's words.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The transfer.
    pub asked: Asked<'a>,
    /// How much the answer says.
    pub detail: Detail,
    /// The location of the transfer in its request.
    pub location: Location,
}

impl<'a> Question<'a> {
    /// Returns the question about the one transfer of a request.
    pub const fn of_one(asked: Asked<'a>, detail: Detail) -> Self {
        Self { asked, detail, location: Location::Transfer }
    }
}

/// The location of a transfer in its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// `transfer`, the only one of its message.
    Transfer,
    /// `transfers[index]` of a batch.
    BatchTransfer(usize),
}

impl Location {
    /// Returns the violations of the transfer with this location.
    pub fn locate(self, violations: Vec<Violation>) -> Vec<Violation> {
        match self {
            // The domain places them there.
            Location::Transfer => violations,
            Location::BatchTransfer(index) => {
                let locate = |Violation { path, problem }| Violation { path: path.in_batch(index), problem };
                violations.into_iter().map(locate).collect()
            }
        }
    }
}

/// Reads a request for one decision.
///
/// # Errors
/// The violations of the message.
pub fn decide(request: &v1::DecideRequest) -> Result<Question<'_>, Vec<Violation>> {
    let v1::DecideRequest { transfer, detail } = request;
    one(transfer.as_ref(), *detail)
}

/// Reads a message of a stream: its sequence number, and its question.
///
/// # Errors
/// The inner result: the violations of the message.
pub fn stream(request: &v1::DecideStreamRequest) -> (u64, Result<Question<'_>, Vec<Violation>>) {
    let v1::DecideStreamRequest { sequence, transfer, detail } = request;
    (*sequence, one(transfer.as_ref(), *detail))
}

/// Reads the part of a batch beside its transfers: how much the answers say.
///
/// # Errors
/// More than `transfers_max` transfers, or a detail that the contract does not have.
pub fn batch_detail(request: &v1::DecideBatchRequest, transfers_max: usize) -> Result<Detail, Vec<Violation>> {
    let v1::DecideBatchRequest { transfers, detail } = request;
    let mut violations = Vec::new();
    if transfers_max < transfers.len() {
        let problem = Problem::TooMany { count: transfers.len(), max: transfers_max };
        violations.push(Violation::new(RequestField::Transfers, problem));
    }
    let detail = read_detail(*detail).map_err(|violation| violations.push(violation));
    match detail {
        Ok(detail) if violations.is_empty() => Ok(detail),
        Ok(_) | Err(()) => Err(violations),
    }
}

fn one(transfer: Option<&v1::Transfer>, detail: i32) -> Result<Question<'_>, Vec<Violation>> {
    let location = Location::Transfer;
    let asked = match transfer {
        Some(transfer) => asked(transfer).map_err(|violations| location.locate(violations)),
        None => Err(vec![Violation::new(RequestField::Transfer, Problem::Missing(Need::Transfer))]),
    };
    match (asked, read_detail(detail)) {
        (Ok(asked), Ok(detail)) => Ok(Question { asked, detail, location }),
        (Err(violations), Ok(_)) => Err(violations),
        (Ok(_), Err(violation)) => Err(vec![violation]),
        (Err(mut violations), Err(violation)) => {
            violations.push(violation);
            Err(violations)
        }
    }
}

pub(crate) fn read_detail(number: i32) -> Result<Detail, Violation> {
    match v1::Detail::try_from(number) {
        Ok(v1::Detail::Unspecified) => Ok(Detail::Brief),
        Ok(v1::Detail::Full) => Ok(Detail::Full),
        Err(_) => Err(Violation::new(RequestField::Detail, Problem::UnknownNumber { number, name: "Detail" })),
    }
}

/// Reads a transfer.
///
/// # Errors
/// Numbers without a value, a malformed time stamp, more than [`ITEMS_MAX`] items.
pub fn asked(transfer: &v1::Transfer) -> Result<Asked<'_>, Vec<Violation>> {
    let v1::Transfer {
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
    } = transfer;
    // A message of a few megabytes holds millions of empty items: they are counted before they are read.
    if ITEMS_MAX < data.len() {
        return Err(vec![Violation::new(Field::Data, Problem::TooMany { count: data.len(), max: ITEMS_MAX })]);
    }
    let mut violations = Vec::new();
    let asked = Asked {
        flow: said(flow),
        exporter: said(exporter),
        exporter_facts: exporter_facts.as_ref().map(facts),
        recipient: said(recipient),
        destination: said(destination),
        sector: said(sector),
        scenario: said(scenario),
        data: data.iter().enumerate().map(|(index, data_item)| item(index, data_item, &mut violations)).collect(),
        persons: persons.as_ref().map(persons_of),
        year_to_date: year_to_date.as_ref().map(persons_of),
        scenario_year_to_date: scenario_year_to_date.as_ref().map(persons_of),
        clearance_year_to_date: clearance_year_to_date.as_ref().map(persons_of),
        ground: read_ground(*ground, &mut violations),
        at: at.as_ref().and_then(|timestamp| read_moment(*timestamp, &mut violations)),
        export_zone: said(export_zone),
    };
    if violations.is_empty() { Ok(asked) } else { Err(violations) }
}

/// Absent and empty are the same in proto3.
fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn facts(facts: &v1::ExporterFacts) -> AskedFacts<'_> {
    let v1::ExporterFacts { ciio, zones, kinds, held, held_specially_sensitive, cities } = facts;
    AskedFacts {
        ciio: *ciio,
        zones: zones.iter().map(String::as_str).collect(),
        cities: cities.iter().map(String::as_str).collect(),
        kinds: kinds.iter().map(String::as_str).collect(),
        held: held.as_ref().map(persons_of).unwrap_or_default(),
        held_specially_sensitive: *held_specially_sensitive,
    }
}

fn persons_of(persons: &v1::Persons) -> AskedPersons {
    let v1::Persons { general, sensitive } = persons;
    AskedPersons { general: *general, sensitive: *sensitive }
}

fn item<'a>(index: usize, item: &'a v1::DataItem, violations: &mut Vec<Violation>) -> AskedItem<'a> {
    let v1::DataItem { code, data_class, modality, attributes } = item;
    let mut unknown = |field: ItemField, number: i32, name: &'static str| {
        let problem = Problem::UnknownNumber { number, name };
        violations.push(Violation::new(Field::Item(index, field), problem));
    };
    let class = match v1::DataClass::try_from(*data_class) {
        Ok(v1::DataClass::Unspecified) => None,
        Ok(v1::DataClass::NonPersonal) => Some(Class::NonPersonal),
        Ok(v1::DataClass::General) => Some(Class::General),
        Ok(v1::DataClass::Sensitive) => Some(Class::Sensitive),
        Ok(v1::DataClass::Important) => Some(Class::Important),
        Err(_) => {
            unknown(ItemField::DataClass, *data_class, "DataClass");
            None
        }
    };
    let modality = match v1::Modality::try_from(*modality) {
        Ok(v1::Modality::Unspecified) => None,
        Ok(v1::Modality::Text) => Some(Modality::Text),
        Ok(v1::Modality::Audio) => Some(Modality::Audio),
        Ok(v1::Modality::Image) => Some(Modality::Image),
        Ok(v1::Modality::Video) => Some(Modality::Video),
        Err(_) => {
            unknown(ItemField::Modality, *modality, "Modality");
            None
        }
    };
    AskedItem { code, class, modality, attributes: attributes.iter().map(String::as_str).collect() }
}

fn read_ground(number: i32, violations: &mut Vec<Violation>) -> Option<Ground> {
    match v1::Ground::try_from(number) {
        Ok(v1::Ground::Unspecified) => None,
        Ok(v1::Ground::Transit) => Some(Ground::Transit),
        Ok(v1::Ground::ContractNecessity) => Some(Ground::ContractNecessity),
        Ok(v1::Ground::HumanResources) => Some(Ground::HumanResources),
        Ok(v1::Ground::Emergency) => Some(Ground::Emergency),
        Err(_) => {
            violations.push(Violation::new(Field::Ground, Problem::UnknownNumber { number, name: "Ground" }));
            None
        }
    }
}

/// First second of a `google.protobuf.Timestamp`: 0001-01-01T00:00:00Z.
const TIMESTAMP_SECONDS_MIN: i64 = -62_135_596_800;
/// Last second of a `google.protobuf.Timestamp`: 9999-12-31T23:59:59Z.
pub(crate) const TIMESTAMP_SECONDS_MAX: i64 = 253_402_300_799;

fn read_moment(timestamp: prost_types::Timestamp, violations: &mut Vec<Violation>) -> Option<Moment> {
    let prost_types::Timestamp { seconds, nanos } = timestamp;
    let in_range = (TIMESTAMP_SECONDS_MIN..=TIMESTAMP_SECONDS_MAX).contains(&seconds);
    let nanos = u32::try_from(nanos).ok().filter(|_| in_range);
    let moment = nanos.and_then(|nanos| Moment::new(seconds, nanos));
    if moment.is_none() {
        violations.push(Violation::new(Field::At, Problem::NotATimestamp));
    }
    moment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(violations: &[Violation]) -> Vec<String> {
        violations.iter().map(|violation| violation.path.to_string()).collect()
    }

    #[test]
    fn an_empty_field_is_not_stated() {
        let transfer = v1::Transfer::default();
        let asked = asked(&transfer).unwrap();
        assert_eq!((asked.flow, asked.exporter, asked.sector, asked.at), (None, None, None, None));
        assert!(asked.persons.is_none() && asked.exporter_facts.is_none() && asked.ground.is_none());
    }

    #[test]
    fn numbers_and_names_arrive_in_their_places() {
        let persons = |general, sensitive| Some(v1::Persons { general, sensitive });
        let transfer = v1::Transfer {
            flow: "f".into(),
            exporter: "e".into(),
            exporter_facts: Some(v1::ExporterFacts {
                ciio: true,
                zones: vec!["z".into()],
                kinds: vec!["k".into()],
                held: persons(7, 8),
                held_specially_sensitive: 9,
                cities: vec!["y".into()],
            }),
            recipient: "r".into(),
            destination: "d".into(),
            sector: "s".into(),
            scenario: "c".into(),
            data: vec![v1::DataItem { code: "i".into(), data_class: 3, modality: 4, attributes: vec!["a".into()] }],
            persons: persons(1, 2),
            year_to_date: persons(3, 4),
            scenario_year_to_date: persons(5, 6),
            ground: 2,
            at: Some(prost_types::Timestamp { seconds: 10, nanos: 11 }),
            export_zone: "x".into(),
            clearance_year_to_date: persons(7, 8),
        };
        insta::assert_debug_snapshot!(asked(&transfer).unwrap());
    }

    #[test]
    fn numbers_that_are_no_value_are_named_with_their_path() {
        let item = v1::DataItem { data_class: 9, modality: -1, ..v1::DataItem::default() };
        let transfer = v1::Transfer { data: vec![v1::DataItem::default(), item], ground: 5, ..v1::Transfer::default() };
        let request = v1::DecideRequest { transfer: Some(transfer), detail: 2 };
        let violations = decide(&request).unwrap_err();
        let expected = ["transfer.data[1].data_class", "transfer.data[1].modality", "transfer.ground", "detail"];
        assert_eq!(fields(&violations), expected);
        assert_eq!(violations[1].problem, Problem::UnknownNumber { number: -1, name: "Modality" });
    }

    #[test]
    fn a_missing_transfer_is_named() {
        let violations = decide(&v1::DecideRequest::default()).unwrap_err();
        assert_eq!(violations, [Violation::new(RequestField::Transfer, Problem::Missing(Need::Transfer))]);
        let request = v1::DecideStreamRequest { sequence: 7, ..v1::DecideStreamRequest::default() };
        let (sequence, question) = stream(&request);
        assert_eq!((sequence, fields(&question.unwrap_err())), (7, vec!["transfer".to_owned()]));
    }

    #[test]
    fn time_stamps_have_a_first_and_a_last_instant() {
        let at = |seconds, nanos| {
            let at = Some(prost_types::Timestamp { seconds, nanos });
            asked(&v1::Transfer { at, ..v1::Transfer::default() }).map(|asked| asked.at.unwrap())
        };
        let (min, max) = (TIMESTAMP_SECONDS_MIN, TIMESTAMP_SECONDS_MAX);
        assert_eq!(at(min, 0).unwrap(), Moment::from_seconds(min));
        assert_eq!(at(max, 999_999_999).unwrap(), Moment::new(max, 999_999_999).unwrap());
        for (seconds, nanos) in [(min - 1, 0), (max + 1, 0), (0, -1), (0, 1_000_000_000), (i64::MIN, i32::MIN)] {
            let expected = vec![Violation::new(Field::At, Problem::NotATimestamp)];
            assert_eq!(at(seconds, nanos).unwrap_err(), expected, "{seconds} {nanos}");
        }
    }

    #[test]
    fn items_are_counted_before_they_are_read() {
        let item = v1::DataItem { data_class: 9, ..v1::DataItem::default() };
        let transfer = |count| v1::Transfer { data: vec![item.clone(); count], ..v1::Transfer::default() };
        assert_eq!(asked(&transfer(ITEMS_MAX)).unwrap_err().len(), ITEMS_MAX);
        let problem = Problem::TooMany { count: ITEMS_MAX + 1, max: ITEMS_MAX };
        assert_eq!(asked(&transfer(ITEMS_MAX + 1)).unwrap_err(), [Violation::new(Field::Data, problem)]);
    }

    #[test]
    fn a_batch_is_bounded() {
        let mut request = v1::DecideBatchRequest { transfers: vec![v1::Transfer::default(); 3], detail: 1 };
        assert_eq!(batch_detail(&request, 3), Ok(Detail::Full));
        request.detail = -1;
        let violations = batch_detail(&request, 2).unwrap_err();
        assert_eq!(fields(&violations), ["transfers", "detail"]);
        assert_eq!(violations[0].problem, Problem::TooMany { count: 3, max: 2 });
    }
}
