//! Violations of calls of the ledger, field by field, and which transfers are the same.

use super::*;
use crate::domain::persons::IdentifierFault;

const LIMITS: ReserveLimits = ReserveLimits { subjects_max: 3, time_to_live_default_s: 600, time_to_live_max_s: 3_600 };

fn request() -> v1::ReserveRequest {
    v1::ReserveRequest {
        transfer_id: "t-1".into(),
        transfer: Some(crate::testing::transfer(1, 0)),
        ..v1::ReserveRequest::default()
    }
    .without_totals()
}

impl v1::ReserveRequest {
    fn without_totals(mut self) -> Self {
        self.transfer.as_mut().unwrap().year_to_date = None;
        self
    }

    fn of_persons(mut self, general: u64, sensitive: u64) -> Self {
        self.transfer.as_mut().unwrap().persons = Some(v1::Persons { general, sensitive });
        self
    }

    fn naming(mut self, general: &[&[u8]], sensitive: &[&[u8]]) -> Self {
        self.general_subjects = general.iter().map(|person| person.to_vec()).collect();
        self.sensitive_subjects = sensitive.iter().map(|person| person.to_vec()).collect();
        self.transfer.as_mut().unwrap().persons = None;
        self
    }

    fn living(mut self, seconds: i64, nanos: i32) -> Self {
        self.time_to_live = Some(prost_types::Duration { seconds, nanos });
        self
    }
}

fn wrong(request: &v1::ReserveRequest) -> Vec<(String, Problem)> {
    let violations = reserve(request, LIMITS, None).unwrap_err();
    violations.into_iter().map(|Violation { path, problem }| (path.to_string(), problem)).collect()
}

fn counting(field: &str, problem: CountingProblem) -> (String, Problem) {
    (field.to_owned(), Problem::Counting(problem))
}

const A: &[u8] = b"person-a";
const B: &[u8] = b"person-b";

#[test]
fn everything_that_is_wrong_is_named_in_one_go() {
    let mut request = crate::testing::transfer(1, 0);
    request.scenario_year_to_date = Some(v1::Persons::default());
    let request = v1::ReserveRequest {
        transfer_id: String::new(),
        transfer: Some(request),
        general_subjects: vec![A.to_vec(), B.to_vec()],
        sensitive_subjects: vec![A.to_vec(), b"short".to_vec(), vec![0; 33]],
        time_to_live: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        detail: 7,
        ..v1::ReserveRequest::default()
    };
    let expected = [
        ("transfer_id".to_owned(), Problem::Missing(Need::TransferId)),
        counting("sensitive_subjects[1]", CountingProblem::PseudonymLength { bytes: 5 }),
        counting("sensitive_subjects[2]", CountingProblem::PseudonymLength { bytes: 33 }),
        counting("transfer.persons.general", CountingProblem::NotAsManyAsNamed { stated: 1, named: 2 }),
        counting("transfer.persons.sensitive", CountingProblem::NotAsManyAsNamed { stated: 0, named: 1 }),
        counting("transfer.year_to_date", CountingProblem::TotalsKeptByLedger),
        counting("transfer.scenario_year_to_date", CountingProblem::TotalsKeptByLedger),
        counting("time_to_live", CountingProblem::TimeToLive { max_s: 3_600 }),
        ("detail".to_owned(), Problem::UnknownNumber { number: 7, name: "Detail" }),
    ];
    assert_eq!(wrong(&request), expected);
    let missing = v1::ReserveRequest { transfer: None, ..self::request() };
    assert_eq!(wrong(&missing), [("transfer".to_owned(), Problem::Missing(Need::Transfer))]);
}

#[test]
fn an_id_has_1_to_128_bytes() {
    let of = |transfer_id: String| v1::ReserveRequest { transfer_id, ..request() };
    assert!(reserve(&of("x".repeat(128)), LIMITS, None).is_ok());
    assert_eq!(wrong(&of("x".repeat(129))), [("transfer_id".to_owned(), Problem::TooLong { bytes: 129 })]);
    assert_eq!(
        wrong(&of("a\0".into())),
        [("transfer_id".to_owned(), Problem::NotAName(NameFault::Unseen { character: '\0', byte: 1 }))]
    );
    assert!(commit(&v1::CommitRequest { transfer_id: "a\0".into() }).is_err());
    assert!(commit(&v1::CommitRequest::default()).is_err() && release(&v1::ReleaseRequest::default()).is_err());
    assert_eq!(commit(&v1::CommitRequest { transfer_id: "中".into() }), Ok("中"));
}

#[test]
fn a_time_to_live_is_positive_and_bounded_and_rounded_up() {
    let keep = |request: v1::ReserveRequest| reserve(&request, LIMITS, None).map(|reserve| reserve.keep).ok();
    assert_eq!(keep(request()), Some(Keep::ForSeconds(600)));
    let cases = [
        ((0, 1), Some(1)),
        ((1, 0), Some(1)),
        ((1, 1), Some(2)),
        ((3_600, 0), Some(3_600)),
        ((0, 0), None),
        ((3_600, 1), None),
        ((-1, 0), None),
        ((1, -1), None),
        ((0, 1_000_000_000), None),
        ((i64::MAX, 999_999_999), None),
    ];
    for ((seconds, nanos), expected) in cases {
        assert_eq!(keep(request().living(seconds, nanos)), expected.map(Keep::ForSeconds), "{seconds} {nanos}");
    }
    assert_eq!(keep(v1::ReserveRequest { commit: true, ..request() }), Some(Keep::Commit));
}

#[test]
fn a_person_named_twice_is_one_and_numbers_have_to_agree() {
    let named = request().naming(&[B, A, B], &[]);
    let read = reserve(&named, LIMITS, None).unwrap();
    let wanted = Named { general: vec![A.into(), B.into()], sensitive: vec![] };
    assert_eq!(read.named, Some(NamedPersons::ByPseudonym(wanted)));
    assert_eq!(read.asked.persons.map(|persons| (persons.general, persons.sensitive)), Some((2, 0)));
    assert!(reserve(&named.clone().of_persons(2, 0), LIMITS, None).is_ok());
    let expected = counting("transfer.persons.general", CountingProblem::NotAsManyAsNamed { stated: 3, named: 2 });
    assert_eq!(wrong(&named.of_persons(3, 0)), [expected]);
    let many = request().naming(&[A, B, A, B], &[]);
    assert_eq!(wrong(&many), [("general_subjects".to_owned(), Problem::TooMany { count: 4, max: 3 })]);
}

#[test]
fn the_same_transfer_is_the_same_words_and_persons() {
    let fingerprint = |request: &v1::ReserveRequest| reserve(request, LIMITS, None).unwrap().fingerprint;
    let named = request().naming(&[A, B], &[A]);
    let same = [
        (request(), v1::ReserveRequest { detail: 1, ..request() }),
        (request(), v1::ReserveRequest { commit: true, ..request() }),
        (request(), request().living(5, 0)),
        (request(), v1::ReserveRequest { transfer_id: "t-2".into(), ..request() }),
        (named.clone(), request().naming(&[B, A, B], &[A])),
        (named.clone(), named.clone().of_persons(2, 1)),
    ];
    for (one, other) in &same {
        assert_eq!(fingerprint(one), fingerprint(other), "{one:?} {other:?}");
    }
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let moved = |seconds| {
        let transfer = v1::Transfer { at: at(seconds), ..request().transfer.unwrap() };
        v1::ReserveRequest { transfer: Some(transfer), ..request() }
    };
    let all = [
        request(),
        request().of_persons(2, 0),
        request().of_persons(0, 1),
        named,
        request().naming(&[A], &[A, B]),
        request().naming(&[A, B, b"person-c"], &[]),
        request().naming(&[A], &[]),
        moved(1),
        moved(2),
    ];
    for (index, one) in all.iter().enumerate() {
        for other in &all[..index] {
            assert_ne!(fingerprint(one), fingerprint(other), "{one:?} {other:?}");
        }
    }
}

#[test]
fn fingerprints_do_not_change_between_releases() {
    // A ledger keeps them: another value here makes retries across an upgrade other transfers.
    let fingerprint = reserve(&request().naming(&[A], &[B]), LIMITS, None).unwrap().fingerprint;
    insta::assert_snapshot!(blake3::Hash::from(fingerprint).to_hex().as_str());
}

#[test]
fn a_question_about_totals_names_somebody_and_a_year() {
    let ask = |exporter: &str, year| {
        let request = v1::GetUsageRequest { exporter: exporter.into(), year };
        get_usage(&request)
            .map(|question| question.year)
            .map_err(|found| found.into_iter().map(|violation| violation.path.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(ask("city", 0), Ok(None));
    assert_eq!(ask("city", 2025), Ok(Some(Year(2025))));
    assert_eq!(ask("city", 10_000), Err(vec!["year".to_owned()]));
    assert_eq!(ask("", u32::MAX), Err(vec!["exporter".to_owned(), "year".to_owned()]));
    assert_eq!(ask(&"x".repeat(129), 0), Err(vec!["exporter".to_owned()]));
    assert_eq!(ask("ci\0ty", 0), Err(vec!["exporter".to_owned()]));
}

#[test]
fn an_answer_that_says_no_outcome_is_not_read() {
    let evaluated_at = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
    let decision = v1::Decision { outcome: 1, evaluated_at, ..v1::Decision::default() };
    assert!(from_answer(&to_answer(&decision)).is_ok());
    let unsaid = v1::Decision { outcome: 0, ..decision.clone() };
    let timeless = v1::Decision { evaluated_at: None, ..decision };
    for bytes in [vec![], vec![0xff], to_answer(&unsaid), to_answer(&timeless)] {
        assert_eq!(from_answer(&bytes).err(), Some(Unreadable), "{bytes:?}");
    }
}

fn key(byte: u8) -> SubjectKey {
    SubjectKey::from_bytes([byte; 32])
}

/// A request that names persons by identifier.
fn identifying(general: &[&str], sensitive: &[&str]) -> v1::ReserveRequest {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    v1::ReserveRequest {
        general_subject_ids: owned(general),
        sensitive_subject_ids: owned(sensitive),
        subject_kind: "customer".into(),
        ..request().naming(&[], &[])
    }
}

#[test]
fn a_person_identified_twice_is_one_after_normalisation() {
    let trim = [v1::SubjectNormalisation::Lowercase as i32, v1::SubjectNormalisation::Trim as i32];
    let twice = identifying(&[" Ann@example.com", "ann@EXAMPLE.com "], &[]);
    let count = |request: &v1::ReserveRequest| reserve(request, LIMITS, Some(&key(1))).unwrap().asked.persons.unwrap();
    assert_eq!(count(&twice), AskedPersons { general: 2, sensitive: 0 });
    let normalised = v1::ReserveRequest { subject_normalise: trim.into(), ..twice };
    assert_eq!(count(&normalised), AskedPersons { general: 1, sensitive: 0 });
    assert_eq!(count(&normalised.clone().of_persons(1, 0)), AskedPersons { general: 1, sensitive: 0 });
    let expected = counting("transfer.persons.general", CountingProblem::NotAsManyAsNamed { stated: 2, named: 1 });
    assert_eq!(wrong(&normalised.of_persons(2, 0)), [expected]);
}

#[test]
fn identifiers_are_refused_with_their_place_and_without_their_text() {
    let of = |request: v1::ReserveRequest| wrong(&request);
    let fault = |field: &str, fault| counting(field, CountingProblem::Identifier(fault));
    let long = "secret-4711".repeat(100);
    assert_eq!(
        of(identifying(&["a", ""], &[&long])),
        [
            fault("general_subject_ids[1]", IdentifierFault::Empty),
            fault("sensitive_subject_ids[0]", IdentifierFault::TooLong { bytes: 1_100 }),
        ]
    );
    let digits = vec![v1::SubjectNormalisation::Digits as i32];
    let other = v1::ReserveRequest { subject_normalise: digits, ..identifying(&["secret-\u{664}711"], &[]) };
    assert_eq!(of(other), [fault("general_subject_ids[0]", IdentifierFault::OtherDigit)]);
    let many = identifying(&["a", "b", "c", "d"], &[]);
    assert_eq!(of(many), [("general_subject_ids".to_owned(), Problem::TooMany { count: 4, max: 3 })]);
    let no_kind = v1::ReserveRequest { subject_kind: String::new(), ..identifying(&["a"], &[]) };
    assert_eq!(of(no_kind), [("subject_kind".to_owned(), Problem::Missing(Need::SubjectKind))]);
    let blank = v1::ReserveRequest { subject_kind: "customer ".into(), ..identifying(&["a"], &[]) };
    let fault = NameFault::BlankAtEnd { blank: ' ', byte: 8 };
    assert_eq!(of(blank), [("subject_kind".to_owned(), Problem::NotAName(fault))]);
    let both = v1::ReserveRequest { general_subjects: vec![A.to_vec()], ..identifying(&[], &["a"]) };
    assert_eq!(of(both), [counting("sensitive_subject_ids", CountingProblem::PseudonymsAndIdentifiers)]);
    assert_eq!(of(identifying(&[], &[])), [counting("general_subject_ids", CountingProblem::NoIdentifier)]);
    for number in [0, 9] {
        let unknown = v1::ReserveRequest { subject_normalise: vec![1, number], ..identifying(&["a"], &[]) };
        let problem = Problem::UnknownNumber { number, name: "SubjectNormalisation" };
        assert_eq!(of(unknown), [("subject_normalise[1]".to_owned(), problem)]);
    }
    assert_eq!(of(identifying(&["a"], &[])), [counting("general_subject_ids", CountingProblem::NoSubjectKey)]);
}

#[test]
fn the_fingerprint_is_that_of_the_identifiers_under_the_key() {
    let fingerprint =
        |request: &v1::ReserveRequest, byte| reserve(request, LIMITS, Some(&key(byte))).unwrap().fingerprint;
    let first = identifying(&["a", "b"], &["c"]);
    assert_eq!(fingerprint(&first, 1), fingerprint(&identifying(&["b", "a", "b"], &["c"]), 1));
    assert_eq!(fingerprint(&first, 1), fingerprint(&first.clone().of_persons(2, 1), 1));
    let others = [
        fingerprint(&first, 1),
        fingerprint(&first, 2),
        fingerprint(&identifying(&["a"], &["c"]), 1),
        fingerprint(&identifying(&["a", "c"], &["b"]), 1),
        fingerprint(&v1::ReserveRequest { subject_kind: "patient".into(), ..first }, 1),
        fingerprint(&request().naming(&[A], &[B]), 1),
    ];
    for (index, one) in others.iter().enumerate() {
        assert!(!others[..index].contains(one), "{index}");
    }
}

#[test]
fn a_request_is_shown_without_its_persons() {
    let shown = format!("{:?}", identifying(&["secret-4711"], &["secret-4712"]));
    assert!(shown.contains("t-1") && !shown.contains("secret"), "{shown}");
}
