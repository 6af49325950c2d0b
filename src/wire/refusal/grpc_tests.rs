//! Every problem in words, and every status with its code and details.

use prost::bytes::Bytes;
use tonic_types::StatusExt as _;

use super::*;
use crate::domain::asked::{CODE_BYTES_MAX, CodeKind, CountingProblem, Need, Problem, Violation};
use crate::domain::names::NameFault;
use crate::domain::path::{Counts, Field, ItemField, Path};
use crate::domain::persons::IdentifierFault;
use crate::domain::units::{CountedClass, Moment};
use crate::wire::generated::v1;
use crate::wire::refusal::Fault;

const KINDS: [CodeKind; 9] = [
    CodeKind::Zone,
    CodeKind::City,
    CodeKind::Sector,
    CodeKind::Scenario,
    CodeKind::Item,
    CodeKind::Attribute,
    CodeKind::ExporterKind,
    CodeKind::Exporter,
    CodeKind::Flow,
];

const NEEDS: [Need; 11] = [
    Need::Transfer,
    Need::UnlessFlow,
    Need::ZoneHasList,
    Need::PersonalInformation,
    Need::NoLedger,
    Need::NoLedgerForScenario,
    Need::ListExcludesModalities,
    Need::ItemCode,
    Need::TransferId,
    Need::SubjectKind,
    Need::UsageExporter,
];

fn unknown(kind: CodeKind, code: &str, nearest: Option<&str>) -> Problem {
    Problem::UnknownCode { kind, code: code.to_owned(), nearest: nearest.map(str::to_owned) }
}

fn problems() -> Vec<Problem> {
    let country = |code: &str, nearest: Option<&str>| Problem::NotACountry {
        code: code.to_owned(),
        nearest: nearest.map(str::to_owned),
    };
    let mut problems: Vec<Problem> = NEEDS.map(Problem::Missing).into();
    problems.extend(KINDS.map(|kind| unknown(kind, "farma", Some("pharma"))));
    problems.extend([
        unknown(CodeKind::Sector, "quite\nelse", None),
        unknown(CodeKind::Exporter, "quite-else", None),
        unknown(CodeKind::Flow, "quite-else", None),
        Problem::NearMiss { code: "health.diagnossis".to_owned(), nearest: "health.diagnosis".to_owned() },
        Problem::NearExporter { code: "acme-1 ".to_owned(), nearest: "acme-1".to_owned() },
        country("de", Some("DE")),
        country("Germany", None),
        Problem::TooLong { bytes: 129 },
        Problem::NotAName(NameFault::Unseen { character: '\0', byte: 1 }),
        Problem::NotACode(NameFault::NotOfACode { character: 'H', byte: 0 }),
        Problem::TooMany { count: 1_001, max: 1_000 },
        Problem::TooManyPersons { count: u64::MAX },
        Problem::PersonsWithoutPersonalInformation,
        Problem::OtherExportersFlow { registered: "acme".to_owned() },
        Problem::GroundNotInherited { flow: "payroll".to_owned() },
        Problem::OutOfCalendar,
        Problem::UnknownNumber { number: -7, name: "Ground" },
        Problem::NotATimestamp,
    ]);
    let counting = [
        CountingProblem::TotalsKeptByLedger,
        CountingProblem::PseudonymLength { bytes: 7 },
        CountingProblem::Identifier(IdentifierFault::Empty),
        CountingProblem::Identifier(IdentifierFault::TooLong { bytes: 1_025 }),
        CountingProblem::Identifier(IdentifierFault::OtherDigit),
        CountingProblem::PseudonymsAndIdentifiers,
        CountingProblem::NoIdentifier,
        CountingProblem::NoSubjectKey,
        CountingProblem::NotAsManyAsNamed { stated: 3, named: 2 },
        CountingProblem::NoPersonNamed { class: CountedClass::General },
        CountingProblem::NoPersonNamed { class: CountedClass::Sensitive },
        CountingProblem::TimeToLive { max_s: 86_400 },
        CountingProblem::NotNow {
            age_max_s: 3_600,
            ahead_max_s: 60,
            at: Moment::from_seconds(1_780_186_400),
            now: Moment::from_seconds(1_780_272_000),
        },
        CountingProblem::ExporterNotRegistered,
        CountingProblem::NotAYear,
        CountingProblem::IdOfADoor { prefix: "gateway:" },
    ];
    problems.extend(counting.map(Problem::Counting));
    problems
}

fn path() -> Path {
    Path::Message("transfer.field".into())
}

fn invalid(violations: Vec<Violation>) -> Status {
    status(&Refusal::Invalid(violations))
}

#[test]
fn every_problem_names_the_fault_and_the_fix() {
    let lines = problems().into_iter().map(|problem| {
        let status = invalid(vec![Violation::new(path(), problem)]);
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with("invalid request: transfer.field: "), "{}", status.message());
        assert!(!status.message().contains('\n'), "{}", status.message());
        let details = status.get_error_details();
        let [violation] = &details.bad_request().unwrap().field_violations[..] else { panic!("{details:?}") };
        assert_eq!(violation.field, "transfer.field");
        format!("{:<36} {}", violation.reason, violation.description)
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_message_names_the_first_violation_and_how_many_there_are() {
    let violations = [
        Violation::new(Field::Sector, unknown(CodeKind::Sector, "farma", Some("pharma"))),
        Violation::new(Field::Counts(Counts::Persons), Problem::Missing(Need::PersonalInformation)),
    ];
    let expected =
        "invalid request, 2 violations, the first transfer.sector: unknown sector `farma`: did you mean `pharma`?";
    assert_eq!(invalid(violations.to_vec()).message(), expected);
    assert_eq!(
        invalid(violations[..1].to_vec()).message().len(),
        expected.len() - ", 2 violations, the first".len() + 1
    );
}

#[test]
fn a_status_fits_into_the_headers_that_clients_accept() {
    for code in ["\0".repeat(CODE_BYTES_MAX), "中".repeat(CODE_BYTES_MAX / 3), "x".repeat(CODE_BYTES_MAX)] {
        let problem = || unknown(CodeKind::Attribute, &code, Some(&"n".repeat(CODE_BYTES_MAX)));
        let violations: Vec<_> =
            (0..4_096).map(|index| Violation::new(Field::Item(255, ItemField::Attribute(index)), problem())).collect();
        let status = invalid(violations);
        let listed = status.get_error_details().bad_request().unwrap().field_violations.len();
        assert!(0 < listed && status.message().contains(&format!("4096 violations of which {listed} are listed")));
        let response = status.into_http::<()>();
        let bytes: usize = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        assert!(bytes <= 8_192, "{bytes} bytes of headers for {code:?}");
    }
}

#[test]
fn a_message_that_is_not_protobuf_names_the_field() {
    let cases: [(&[u8], &str); 4] = [
        // DecideRequest.transfer (field 1, 3 bytes) with exporter (field 2, 1 byte) 0xff.
        (&[0x0a, 0x03, 0x12, 0x01, 0xff], "transfer.exporter"),
        // The same in data[0].code.
        (&[0x0a, 0x05, 0x42, 0x03, 0x0a, 0x01, 0xff], "transfer.data.code"),
        // A message that ends within a field.
        (&[0x0a, 0x05, 0x12], "transfer"),
        (&[0xff; 12], ""),
    ];
    for (bytes, field) in cases {
        let error = v1::DecideRequest::decode(Bytes::from_static(bytes)).unwrap_err();
        let status = malformed(&error);
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        let [violation] = &details.bad_request().unwrap().field_violations[..] else { panic!("{details:?}") };
        assert_eq!((violation.field.as_str(), violation.reason.as_str()), (field, "MALFORMED"), "{error}");
    }
}

#[test]
fn limits_and_unavailability_say_when_to_try_again() {
    let cases = [
        (exhausted(Exhausted::RequestsInFlight, 1_250), Code::ResourceExhausted),
        (exhausted(Exhausted::OpenStreams, 1_250), Code::ResourceExhausted),
        (exhausted(Exhausted::HeldBytes, 1_250), Code::ResourceExhausted),
        (unavailable(Unavailable::NoSnapshot, 1_250), Code::Unavailable),
        (unavailable(Unavailable::Draining, 1_250), Code::Unavailable),
        (unavailable(Unavailable::Ledger, 1_250), Code::Unavailable),
    ];
    for (status, code) in cases {
        assert_eq!(status.code(), code);
        let delay = status.get_error_details().retry_info().unwrap().retry_delay;
        assert_eq!(delay.unwrap().as_millis(), 1_250);
    }
    let status = status(&Refusal::TooManyNewExporters { per_hour_max: 1_000, seconds: 3_600 });
    let delay = status.get_error_details().retry_info().unwrap().retry_delay;
    assert_eq!((status.code(), delay.unwrap().as_secs()), (Code::ResourceExhausted, 3_600));
}

#[test]
fn a_refusal_of_the_ledger_gives_its_reason_in_both_languages() {
    let all = [
        (Uncounted::OtherTransfer, Code::AlreadyExists),
        (Uncounted::TransferNotFound, Code::NotFound),
        (Uncounted::Committed, Code::FailedPrecondition),
        (Uncounted::Released, Code::FailedPrecondition),
        (Uncounted::Expired, Code::FailedPrecondition),
        (Uncounted::Refused, Code::FailedPrecondition),
        (Uncounted::ExporterNotFound, Code::NotFound),
        (Uncounted::NoLedger, Code::Unimplemented),
        (Uncounted::Unreadable, Code::DataLoss),
        (Uncounted::NotHere, Code::FailedPrecondition),
    ];
    let mut reasons = Vec::new();
    for (why, code) in all {
        let refusal = Refusal::Uncounted(why);
        let is_callers = !matches!(code, Code::Unimplemented | Code::DataLoss);
        assert_eq!(refusal.fault() == Fault::Caller, is_callers, "{why:?}");
        let status = super::status(&refusal);
        assert_eq!(status.code(), code, "{why:?}");
        let details = status.get_error_details();
        let localized = details.localized_message().unwrap();
        assert!(localized.locale == "zh-CN" && !localized.message.is_ascii(), "{localized:?}");
        reasons.push(details.error_info().unwrap().reason.clone());
    }
    reasons.sort();
    reasons.dedup();
    assert_eq!(reasons.len(), all.len());
}

#[test]
fn a_refusal_without_a_reason_is_not_the_callers_fault() {
    for refusal in [Refusal::Invalid(Vec::new()), Refusal::unlabelled(Unlabelled::Wrong(Vec::new()))] {
        assert_eq!((status(&refusal).code(), refusal.fault()), (Code::Internal, Fault::Server));
        assert_eq!(refusal.issues().len(), 1);
    }
}
