//! Reserving, committing, releasing and asking for totals, with a ledger in memory.

use prost_types::Timestamp;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::*;
use crate::domain::list::PersonInBothClasses;
use crate::testing::ledger::MemoryLedger;
use crate::testing::{MovableClock, NOW, YEAR_END, cap, counting_snapshot, transfer, trial};

const A: &[u8] = b"person-a";
const B: &[u8] = b"person-b";

struct Server {
    api: LedgerApi,
    ledger: Arc<MemoryLedger>,
    clock: Arc<MovableClock>,
}

fn server_with(snapshot: Snapshot) -> Server {
    server_on(snapshot, Arc::new(MemoryLedger::default()))
}

fn server_on(snapshot: Snapshot, ledger: Arc<MemoryLedger>) -> Server {
    let clock = Arc::new(MovableClock::at(NOW));
    let live = Arc::new(Live::new(snapshot));
    let api = LedgerApi::new(live, clock.clone(), LedgerSettings::default(), Some(ledger.clone()));
    Server { api, ledger, clock }
}

fn server() -> Server {
    server_with(counting_snapshot())
}

fn of_2026(exporter: &str) -> Account {
    Account { exporter: exporter.to_owned(), year: crate::domain::units::Year(2026) }
}

fn general(name: &str) -> Counter {
    Counter { name: name.to_owned(), class: CountedClass::General }
}

fn sensitive(name: &str) -> Counter {
    Counter { name: name.to_owned(), class: CountedClass::Sensitive }
}

/// Persons of `city` to Germany, without totals.
fn names(persons: u64) -> v1::Transfer {
    v1::Transfer { year_to_date: None, ..transfer(persons, 0) }
}

/// The same to `lab`, which `contract-1` covers.
fn names_to_lab(persons: u64) -> v1::Transfer {
    v1::Transfer { recipient: "lab".into(), ..names(persons) }
}

/// Names of persons of `grid`, which `assessment-1` covers.
fn names_of_grid(persons: u64) -> v1::Transfer {
    v1::Transfer { exporter: "grid".into(), ..names_to_lab(persons) }
}

/// Persons of the flow `trial`, without totals.
fn diagnoses(persons: u64) -> v1::Transfer {
    v1::Transfer { scenario_year_to_date: None, ..trial(persons, 0) }
}

/// Names and diagnoses of `city` to `lab`, with pseudonyms of the persons.
fn of_named(id: &str, general: &[&[u8]], sensitive: &[&[u8]]) -> v1::ReserveRequest {
    let mut transfer = v1::Transfer { persons: None, ..names_to_lab(0) };
    if !sensitive.is_empty() {
        transfer.data.push(v1::DataItem { code: "health.diagnosis".into(), ..v1::DataItem::default() });
    }
    let owned = |persons: &[&[u8]]| persons.iter().map(|person| person.to_vec()).collect();
    v1::ReserveRequest {
        general_subjects: owned(general),
        sensitive_subjects: owned(sensitive),
        ..request(id, transfer)
    }
}

fn request(id: &str, transfer: v1::Transfer) -> v1::ReserveRequest {
    v1::ReserveRequest { transfer_id: id.into(), transfer: Some(transfer), ..v1::ReserveRequest::default() }
}

/// The result of a reservation: its outcome, and the persons added to each counter.
type Outcome = (v1::Outcome, Vec<(String, u64, u64)>);

impl Server {
    async fn send(&self, request: v1::ReserveRequest) -> Result<v1::ReserveResponse, Status> {
        self.api.reserve(Request::new(request)).await.map(Response::into_inner)
    }

    async fn reserve(&self, id: &str, transfer: v1::Transfer) -> Outcome {
        let response = self.send(request(id, transfer)).await.unwrap();
        let changes = response.changes.into_iter().map(|change| (change.counter, change.before, change.added));
        (response.decision.unwrap().outcome(), changes.collect())
    }

    async fn commit(&self, id: &str) -> Result<(), Status> {
        self.api.commit(Request::new(v1::CommitRequest { transfer_id: id.into() })).await.map(|_| ())
    }

    async fn release(&self, id: &str) -> Result<(), Status> {
        self.api.release(Request::new(v1::ReleaseRequest { transfer_id: id.into() })).await.map(|_| ())
    }

    async fn usage_of(&self, exporter: &str, year: u32) -> Result<Vec<v1::CounterUsage>, Status> {
        let request = v1::GetUsageRequest { exporter: exporter.into(), year };
        self.api.get_usage(Request::new(request)).await.map(|response| response.into_inner().counters)
    }

    /// Committed and reserved persons of a counter.
    async fn count(&self, exporter: &str, counter: &str) -> (u64, u64) {
        let year = counter.rsplit('/').next().unwrap().parse().unwrap();
        let counters = self.usage_of(exporter, year).await.unwrap();
        let found = counters.iter().find(|usage| usage.counter == counter);
        found.map(|usage| (usage.committed, usage.reserved)).unwrap_or_default()
    }
}

fn added(changes: &[(&str, u64, u64)]) -> Vec<(String, u64, u64)> {
    changes.iter().map(|(counter, before, added)| ((*counter).to_owned(), *before, *added)).collect()
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, reason: &str) {
    let status = answer.unwrap_err();
    let details = status.get_error_details();
    let reasons: Vec<String> = match details.bad_request() {
        Some(bad) => bad.field_violations.iter().map(|found| format!("{} {}", found.field, found.reason)).collect(),
        None => details.error_info().iter().map(|info| info.reason.clone()).collect(),
    };
    assert_eq!((status.code(), reasons.join(", ").as_str()), (code, reason), "{status:?}");
}

#[tokio::test]
async fn the_last_place_under_a_line_is_taken_by_one_of_two() {
    let server = server();
    server.ledger.put(&of_2026("city"), general("national"), 99_998);
    let (one, other) = tokio::join!(server.reserve("one", names(1)), server.reserve("other", names(1)));
    let taken = added(&[("national/general/2026", 99_998, 1)]);
    assert_eq!([one, other], [(v1::Outcome::Allow, taken), (v1::Outcome::Contract, Vec::new())]);
    assert_eq!(server.count("city", "national/general/2026").await, (99_998, 1));
}

#[tokio::test]
async fn a_refused_transfer_adds_nothing_and_is_answered_again() {
    let server = server();
    server.ledger.put(&of_2026("city"), general("national"), 99_999);
    let first = server.send(request("t", names(1))).await.unwrap();
    assert!(first.changes.is_empty() && first.expires_at.is_none() && !first.replayed);
    let again = server.send(request("t", names(1))).await.unwrap();
    assert_eq!((again.decision, again.replayed), (first.decision, true));
    assert_refused(server.commit("t").await, Code::FailedPrecondition, "TRANSFER_NOT_ALLOWED");
    server.release("t").await.unwrap();
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_and_another_transfer_none() {
    let server = server();
    let first = server.send(v1::ReserveRequest { detail: 1, ..request("t", names(3)) }).await.unwrap();
    assert_eq!(first.expires_at.unwrap().seconds, NOW.seconds() + 600);
    assert_eq!(first.decision.clone().unwrap().headroom[0].projected, 3);
    server.ledger.put(&of_2026("city"), general("national"), 200_000);
    server.clock.set(NOW.plus_seconds(30));
    let again = server.send(v1::ReserveRequest { detail: 0, ..request("t", names(3)) }).await.unwrap();
    assert_eq!(again, v1::ReserveResponse { replayed: true, ..first });
    assert_refused(server.send(request("t", names(4))).await, Code::AlreadyExists, "OTHER_TRANSFER");
    assert_eq!(server.count("city", "national/general/2026").await, (200_000, 3));
}

#[tokio::test]
async fn an_expired_reservation_is_released() {
    let server = server();
    let of_a_minute = |id| v1::ReserveRequest {
        time_to_live: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        ..request(id, names(1))
    };
    server.send(of_a_minute("kept")).await.unwrap();
    server.send(of_a_minute("lost")).await.unwrap();
    server.clock.set(NOW.plus_seconds(59));
    server.commit("kept").await.unwrap();
    assert_eq!(server.count("city", "national/general/2026").await, (1, 1));
    server.clock.set(NOW.plus_seconds(60));
    assert_refused(server.commit("lost").await, Code::FailedPrecondition, "RESERVATION_EXPIRED");
    assert_refused(server.send(of_a_minute("lost")).await, Code::FailedPrecondition, "RESERVATION_EXPIRED");
    assert_eq!(server.count("city", "national/general/2026").await, (1, 0));
}

#[tokio::test]
async fn commit_and_release_can_be_repeated_and_exclude_each_other() {
    let server = server();
    server.reserve("gone", names(2)).await;
    server.reserve("back", names(3)).await;
    for _ in 0..2 {
        server.commit("gone").await.unwrap();
        server.release("back").await.unwrap();
    }
    assert_refused(server.release("gone").await, Code::FailedPrecondition, "TRANSFER_COMMITTED");
    assert_refused(server.commit("back").await, Code::FailedPrecondition, "TRANSFER_RELEASED");
    assert_refused(server.send(request("back", names(3))).await, Code::FailedPrecondition, "TRANSFER_RELEASED");
    assert_refused(server.commit("never").await, Code::NotFound, "TRANSFER_NOT_FOUND");
    assert_refused(server.release("").await, Code::InvalidArgument, "transfer_id MISSING");
    // A caller that could use the id of a gateway's request could count in its place, or release it.
    for id in ["gateway:t-1", "envoy:8314148428928157450"] {
        assert_refused(server.commit(id).await, Code::InvalidArgument, "transfer_id ID_OF_A_DOOR");
        assert_refused(server.release(id).await, Code::InvalidArgument, "transfer_id ID_OF_A_DOOR");
        assert_refused(server.send(request(id, names(1))).await, Code::InvalidArgument, "transfer_id ID_OF_A_DOOR");
    }
    assert_eq!(server.count("city", "national/general/2026").await, (2, 0));
}

#[tokio::test]
async fn a_caller_that_cannot_come_back_commits_in_the_same_step() {
    let server = server();
    let response = server.send(v1::ReserveRequest { commit: true, ..request("at-once", names(2)) }).await.unwrap();
    assert!(response.expires_at.is_none());
    server.reserve("later", names(3)).await;
    let response = server.send(v1::ReserveRequest { commit: true, ..request("later", names(3)) }).await.unwrap();
    assert!(response.replayed && response.expires_at.is_none());
    assert_eq!(server.count("city", "national/general/2026").await, (5, 0));
}

#[tokio::test]
async fn grounds_are_not_counted() {
    let server = server();
    for (number, ground) in [1, 2, 3, 4].into_iter().enumerate() {
        let transfer = v1::Transfer { ground, ..names(1_000_000) };
        assert_eq!(server.reserve(&format!("t-{number}"), transfer).await, (v1::Outcome::Allow, Vec::new()));
    }
    assert_eq!(server.count("city", "national/general/2026").await, (0, 0));
}

#[tokio::test]
async fn below_its_own_lower_line_a_scenario_is_counted_separately() {
    let server = server();
    let expected =
        [("beijing/pharma/clinical-trial/sensitive/2026", 0, 7), ("clearance/filing-1/sensitive/2026", 0, 7)];
    assert_eq!(server.reserve("t", diagnoses(7)).await, (v1::Outcome::Allow, added(&expected)));
    assert_eq!(server.count("zoned", "national/sensitive/2026").await, (0, 0));
}

#[tokio::test]
async fn from_its_own_lower_line_on_a_scenario_is_counted_nationally_too() {
    let server = server();
    server.ledger.put(&of_2026("zoned"), sensitive("beijing/pharma/clinical-trial"), 19_998);
    let (outcome, changes) = server.reserve("below", diagnoses(1)).await;
    assert_eq!((outcome, changes.len()), (v1::Outcome::Allow, 2));
    let expected = [
        ("national/sensitive/2026", 0, 1),
        ("beijing/pharma/clinical-trial/sensitive/2026", 19_999, 1),
        ("clearance/contract-2/sensitive/2026", 0, 1),
    ];
    assert_eq!(server.reserve("on", diagnoses(1)).await, (v1::Outcome::Allow, added(&expected)));
}

#[tokio::test]
async fn a_contract_export_of_a_scenario_is_counted_nationally_in_both_classes() {
    let server = server();
    server.ledger.put(&of_2026("zoned"), sensitive("beijing/pharma/clinical-trial"), 19_999);
    let both = v1::Transfer { persons: Some(v1::Persons { general: 4, sensitive: 1 }), ..diagnoses(0) };
    let expected = [
        ("national/general/2026", 0, 4),
        ("national/sensitive/2026", 0, 1),
        ("beijing/pharma/clinical-trial/general/2026", 0, 4),
        ("beijing/pharma/clinical-trial/sensitive/2026", 19_999, 1),
        ("clearance/contract-2/general/2026", 0, 4),
        ("clearance/contract-2/sensitive/2026", 0, 1),
    ];
    assert_eq!(server.reserve("both", both).await, (v1::Outcome::Allow, added(&expected)));
}

#[tokio::test]
async fn small_volumes_contracts_and_assessments_are_counted() {
    let server = server();
    let small = added(&[("national/general/2026", 0, 9)]);
    assert_eq!(server.reserve("small", names(9)).await, (v1::Outcome::Allow, small));
    server.ledger.put(&of_2026("city"), general("national"), 99_991);
    let contract = added(&[("national/general/2026", 100_000, 2), ("clearance/contract-1/general/2026", 0, 2)]);
    assert_eq!(server.reserve("contract", names_to_lab(2)).await, (v1::Outcome::Allow, contract));
    let assessed = added(&[("national/general/2026", 0, 3), ("clearance/assessment-1/general/2026", 0, 3)]);
    assert_eq!(server.reserve("assessed", names_of_grid(3)).await, (v1::Outcome::Allow, assessed));
}

#[tokio::test]
async fn a_cap_is_used_up_by_transfers_under_it() {
    let server = server();
    // The 5 under `assessment-1`, whatever else its exporter sends.
    server.ledger.put(&of_2026("grid"), general("national"), 1_000);
    assert_eq!(server.reserve("four", names_of_grid(4)).await.0, v1::Outcome::Allow);
    assert_eq!(server.reserve("two", names_of_grid(2)).await, (v1::Outcome::Assess, Vec::new()));
    assert_eq!(server.reserve("one", names_of_grid(1)).await.0, v1::Outcome::Allow);
    assert_eq!(server.reserve("more", names_of_grid(1)).await.0, v1::Outcome::Assess);
    server.release("four").await.unwrap();
    assert_eq!(server.reserve("again", names_of_grid(4)).await.0, v1::Outcome::Allow);
    assert_eq!(server.count("grid", "clearance/assessment-1/general/2026").await, (0, 5));
}

#[tokio::test]
async fn important_data_about_persons_uses_up_a_cap() {
    let mut snapshot = counting_snapshot();
    snapshot.registry.clearances[3].items = Box::new([crate::domain::units::ItemId(2)]);
    snapshot.registry.clearances[3].important_data = crate::domain::clearance::ImportantData::Covered;
    let server = server_with(snapshot);
    let logs = |persons| {
        let data_class = v1::DataClass::Important.into();
        let item = v1::DataItem { code: "machine.log".into(), data_class, ..v1::DataItem::default() };
        v1::Transfer { data: vec![item], ..names_of_grid(persons) }
    };
    let expected = [("national/general/2026", 0, 4), ("clearance/assessment-1/general/2026", 0, 4)];
    assert_eq!(server.reserve("four", logs(4)).await, (v1::Outcome::Allow, added(&expected)));
    assert_eq!(server.reserve("two", logs(2)).await, (v1::Outcome::Assess, Vec::new()));
    assert_eq!(server.reserve("none", logs(0)).await, (v1::Outcome::Allow, Vec::new()));
}

#[tokio::test]
async fn a_cap_holds_for_contracts_over_the_line() {
    let mut snapshot = counting_snapshot();
    cap(&mut snapshot, 0, 3, 0);
    let server = server_with(snapshot);
    server.ledger.put(&of_2026("city"), general("national"), 100_000);
    for (id, persons, expected) in
        [("a", 3, v1::Outcome::Allow), ("b", 1, v1::Outcome::Contract), ("c", 0, v1::Outcome::Allow)]
    {
        assert_eq!(server.reserve(id, names_to_lab(persons)).await.0, expected, "{id}");
    }
}

#[tokio::test]
async fn the_year_turns_at_midnight_in_shanghai() {
    let server = server();
    server.clock.set(YEAR_END.plus_seconds(-1));
    assert_eq!(server.reserve("old", names(2)).await.1, added(&[("national/general/2026", 0, 2)]));
    server.clock.set(YEAR_END);
    assert_eq!(server.reserve("new", names(3)).await.1, added(&[("national/general/2027", 0, 3)]));
    // A retry after midnight is still the transfer of December.
    let (_, changes) = server.reserve("old", names(2)).await;
    assert_eq!(changes, added(&[("national/general/2026", 0, 2)]));
    // So is one that was decided in December, within the hour.
    let at = Some(Timestamp { seconds: YEAR_END.seconds() - 1, nanos: 0 });
    let late = server.reserve("late", v1::Transfer { at, ..names(4) }).await;
    assert_eq!(late.1, added(&[("national/general/2026", 2, 4)]));
}

#[tokio::test]
async fn a_clock_that_is_ahead_does_not_open_the_next_year() {
    let server = server();
    let eve = YEAR_END.plus_seconds(-10);
    server.clock.set(eve);
    server.ledger.put(&of_2026("city"), general("national"), 99_999);
    let at = Some(Timestamp { seconds: YEAR_END.seconds() + 5, nanos: 0 });
    let answer = server.send(request("t", v1::Transfer { at, ..names(1) })).await.unwrap();
    let decision = answer.decision.unwrap();
    assert_eq!(decision.outcome(), v1::Outcome::Contract);
    assert_eq!(decision.evaluated_at.unwrap().seconds, eve.seconds());
}

#[tokio::test]
async fn a_moment_other_than_now_is_not_counted() {
    let server = server();
    for (offset, is_now) in [(-3_601, false), (-3_600, true), (60, true), (61, false)] {
        let at = Some(Timestamp { seconds: NOW.seconds() + offset, nanos: 0 });
        let answer = server.send(request(&format!("t{offset}"), v1::Transfer { at, ..names(1) })).await;
        if is_now {
            assert!(answer.is_ok(), "{offset}");
        } else {
            assert_refused(answer, Code::InvalidArgument, "transfer.at NOT_NOW");
        }
    }
}

#[tokio::test]
async fn totals_come_from_the_ledger_and_violations_are_named() {
    let server = server();
    let answer = server.send(request("t", transfer(1, 0))).await;
    assert_refused(answer, Code::InvalidArgument, "transfer.year_to_date TOTALS_KEPT_BY_LEDGER");
    let answer = server.send(request("t", v1::Transfer { sector: "farma".into(), ..names(1) })).await;
    assert_refused(answer, Code::InvalidArgument, "transfer.sector UNKNOWN_CODE");
    let asked = (server.ledger.writes(), server.ledger.reads());
    assert_eq!(asked, (0, 1), "where the words make no sense a first answer is looked for, and nothing else");
}

#[tokio::test]
async fn a_transfer_that_is_no_longer_accepted_gets_its_first_answer() {
    let server = server();
    let first = server.send(request("t", diagnoses(7))).await.unwrap();
    let at = Some(Timestamp { seconds: NOW.seconds(), nanos: 0 });
    let timed = v1::ReserveRequest { commit: true, ..request("timed", v1::Transfer { at, ..names(2) }) };
    let of_then = server.send(timed.clone()).await.unwrap();
    // The same ledger behind policies without the flow, two hours later.
    let mut snapshot = counting_snapshot();
    snapshot.codes.flows = crate::domain::vocabulary::Vocabulary::default();
    let later = server_on(snapshot, Arc::clone(&server.ledger));
    let again = later.send(request("t", diagnoses(7))).await.unwrap();
    assert_eq!(again, v1::ReserveResponse { replayed: true, ..first });
    assert_refused(later.send(request("t", diagnoses(8))).await, Code::AlreadyExists, "OTHER_TRANSFER");
    let unknown = "transfer.flow UNKNOWN_CODE";
    assert_refused(later.send(request("new", diagnoses(7))).await, Code::InvalidArgument, unknown);
    later.clock.set(NOW.plus_seconds(7_200));
    assert_eq!(later.send(timed.clone()).await.unwrap(), v1::ReserveResponse { replayed: true, ..of_then });
    let new = v1::ReserveRequest { transfer_id: "new".into(), ..timed };
    assert_refused(later.send(new).await, Code::InvalidArgument, "transfer.at NOT_NOW");
    assert_refused(later.send(request("t", diagnoses(7))).await, Code::FailedPrecondition, "RESERVATION_EXPIRED");
    assert_eq!(later.count("city", "national/general/2026").await, (2, 0));
    // It is unknown whether there was an answer: the caller asks again.
    later.ledger.set_down(true);
    assert_refused(later.send(request("t", diagnoses(7))).await, Code::Unavailable, "");
}

#[tokio::test]
async fn a_person_counts_once_a_year_and_counter() {
    let server = server();
    let changes = |response: v1::ReserveResponse| {
        response.changes.into_iter().map(|change| (change.counter, change.before, change.added)).collect::<Vec<_>>()
    };
    let first = server.send(of_named("one", &[A, B, A], &[])).await.unwrap();
    assert_eq!(changes(first), added(&[("national/general/2026", 0, 2)]));
    let second = server.send(of_named("two", &[B, b"person-c"], &[])).await.unwrap();
    assert_eq!(changes(second), added(&[("national/general/2026", 2, 1)]));
    let none = server.send(of_named("three", &[A, B], &[])).await.unwrap();
    assert_eq!(changes(none), []);
    server.ledger.put(&of_2026("city"), general("national"), 99_996);
    // 99,999 with the three that are known; a fourth would be on the line.
    let known = v1::Transfer { recipient: String::new(), ..of_named("", &[], &[]).transfer.unwrap() };
    let known = v1::ReserveRequest { transfer: Some(known), ..of_named("four", &[A, B], &[]) };
    assert_eq!(server.send(known.clone()).await.unwrap().decision.unwrap().outcome(), v1::Outcome::Allow);
    let unknown = v1::ReserveRequest { transfer_id: "five".into(), ..known };
    let unknown = v1::ReserveRequest { general_subjects: vec![b"person-d".to_vec()], ..unknown };
    assert_eq!(server.send(unknown).await.unwrap().decision.unwrap().outcome(), v1::Outcome::Contract);
}

#[tokio::test]
async fn a_person_in_both_classes_is_counted_as_the_list_is_read() {
    for (reading, expected) in [(PersonInBothClasses::BothCounters, 2), (PersonInBothClasses::SensitiveOnly, 1)] {
        let mut snapshot = counting_snapshot();
        snapshot.lists.nationals[0].person_in_both_classes = reading;
        let server = server_with(snapshot);
        let response = server.send(of_named("t", &[A, B], &[B])).await.unwrap();
        assert_eq!(response.decision.unwrap().outcome(), v1::Outcome::Allow);
        assert_eq!(server.count("city", "national/general/2026").await, (0, expected));
        assert_eq!(server.count("city", "national/sensitive/2026").await, (0, 1));
        assert_eq!(server.count("city", "clearance/contract-1/general/2026").await, (0, expected));
        let only_sensitive = server.send(of_named("u", &[], &[B])).await;
        match reading {
            PersonInBothClasses::SensitiveOnly => assert!(only_sensitive.is_ok()),
            PersonInBothClasses::BothCounters => {
                assert_refused(only_sensitive, Code::InvalidArgument, "general_subjects NOBODY_NAMED");
            }
        }
    }
}

#[tokio::test]
async fn sensitive_information_concerns_at_least_one_person() {
    let server = server();
    let mut request = of_named("t", &[A], &[B]);
    request.sensitive_subjects.clear();
    assert_refused(server.send(request).await, Code::InvalidArgument, "sensitive_subjects NOBODY_NAMED");
}

#[tokio::test]
async fn persons_by_identifier_are_named_for_each_class_and_read_by_the_list() {
    for (reading, expected) in [(PersonInBothClasses::BothCounters, 2), (PersonInBothClasses::SensitiveOnly, 1)] {
        let mut snapshot = counting_snapshot();
        snapshot.lists.nationals[0].person_in_both_classes = reading;
        let mut server = server_with(snapshot);
        let identified = |id: &str, sensitive: &[&str]| v1::ReserveRequest {
            general_subjects: vec![],
            sensitive_subjects: vec![],
            general_subject_ids: vec!["a".into(), "b".into()],
            sensitive_subject_ids: sensitive.iter().map(|text| (*text).to_owned()).collect(),
            subject_kind: "patient".into(),
            ..of_named(id, &[A], &[B])
        };
        let keyless = server.send(identified("keyless", &["b"])).await;
        assert_refused(keyless, Code::InvalidArgument, "general_subject_ids NO_SUBJECT_KEY");
        let key = crate::domain::persons::SubjectKey::from_bytes([1; 32]);
        server.api = server.api.with_subject_key(Some(key));
        let missing = server.send(identified("missing", &[])).await;
        assert_refused(missing, Code::InvalidArgument, "sensitive_subject_ids NOBODY_NAMED");
        server.send(identified("t", &["b"])).await.unwrap();
        assert_eq!(server.count("city", "national/general/2026").await, (0, expected));
        assert_eq!(server.count("city", "national/sensitive/2026").await, (0, 1));
    }
}

#[tokio::test]
async fn a_ledger_that_is_down_refuses_every_transfer() {
    let server = server();
    server.reserve("t", names(1)).await;
    server.ledger.set_down(true);
    let answers = [
        server.send(request("u", names(1))).await.map(|_| ()),
        server.send(request("t", names(1))).await.map(|_| ()),
        server.commit("t").await,
        server.release("t").await,
        server.usage_of("city", 0).await.map(|_| ()),
    ];
    for answer in answers {
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.get_error_details().retry_info().unwrap().retry_delay.unwrap().as_millis(), 1_000);
    }
}

#[tokio::test]
async fn without_a_ledger_every_call_is_refused_with_that_reason() {
    let live = Arc::new(Live::new(counting_snapshot()));
    let api = LedgerApi::new(live, Arc::new(MovableClock::at(NOW)), LedgerSettings::default(), None);
    let reserve = api.reserve(Request::new(request("t", names(1)))).await;
    assert_refused(reserve, Code::Unimplemented, "NO_LEDGER");
    let usage = api.get_usage(Request::new(v1::GetUsageRequest { exporter: "city".into(), year: 0 })).await;
    assert_refused(usage, Code::Unimplemented, "NO_LEDGER");
}

#[tokio::test]
async fn usage_has_totals_and_headroom_and_caps() {
    let server = server();
    server.ledger.put(&of_2026("zoned"), sensitive("beijing/pharma/clinical-trial"), 20_000);
    server.ledger.put(&of_2026("grid"), general("clearance/assessment-1"), 4);
    server.ledger.put(&of_2026("grid"), general("gone/with/the-list"), 2);
    server.reserve("t", names(9)).await;
    server.commit("t").await.unwrap();
    server.reserve("u", names(1)).await;
    let mut shown = Vec::new();
    for exporter in ["city", "zoned", "grid"] {
        for usage in server.usage_of(exporter, 0).await.unwrap() {
            let headroom = usage.headroom.map(|headroom| {
                assert_eq!(headroom.counter, usage.counter);
                let next = headroom.next();
                format!(
                    " {} of {}, {} left, then {}",
                    headroom.projected,
                    headroom.line,
                    headroom.remaining,
                    next.as_str_name()
                )
            });
            let v1::CounterUsage { counter, committed, reserved, .. } = usage;
            shown.push(format!("{exporter}: {counter} {committed}+{reserved}{}", headroom.unwrap_or_default()));
        }
    }
    insta::assert_snapshot!(shown.join("\n"));
}

#[tokio::test]
async fn usage_of_another_year_and_of_an_unknown_exporter() {
    let server = server();
    let past = Account { year: crate::domain::units::Year(2025), ..of_2026("stranger") };
    server.ledger.put(&past, general("national"), 3);
    let [only] = &server.usage_of("stranger", 2025).await.unwrap()[..] else { panic!() };
    assert_eq!((only.counter.as_str(), only.committed, &only.headroom), ("national/general/2025", 3, &None));
    assert_refused(server.usage_of("stranger", 0).await, Code::NotFound, "EXPORTER_NOT_FOUND");
    assert_eq!(server.usage_of("city", 2024).await.unwrap(), []);
    assert_refused(server.usage_of("", 0).await, Code::InvalidArgument, "exporter MISSING");
}

#[tokio::test]
async fn an_exporter_that_is_not_registered_is_counted_under_its_name() {
    let server = server();
    let facts = Some(v1::ExporterFacts::default());
    let transfer = v1::Transfer { exporter: "stranger".into(), exporter_facts: facts, ..names(2) };
    assert_eq!(server.reserve("t", transfer.clone()).await.0, v1::Outcome::Allow);
    assert_eq!(server.count("stranger", "national/general/2026").await, (0, 2));
    // A database could not keep that name.
    let strange = v1::Transfer { exporter: "stran\0ger".into(), ..transfer };
    assert_refused(server.send(request("u", strange)).await, Code::InvalidArgument, "transfer.exporter NOT_A_NAME");
}

#[tokio::test]
async fn a4_names_that_look_alike_are_not_counted_apart() {
    let server = server();
    let facts = Some(v1::ExporterFacts::default());
    let of = |exporter: &str, persons| v1::Transfer {
        exporter: exporter.into(),
        exporter_facts: facts.clone(),
        ..names(persons)
    };
    assert_eq!(server.reserve("t", of("stranger", 99_999)).await.0, v1::Outcome::Allow);
    assert_eq!(server.reserve("u", of("stranger", 1)).await.0, v1::Outcome::Contract);
    for name in ["stranger ", "stranger\n", "stranger\u{200b}", "stra\u{308}nger"] {
        let sent = server.send(request("v", of(name, 1))).await;
        assert_refused(sent, Code::InvalidArgument, "transfer.exporter NOT_A_NAME");
        assert_refused(server.usage_of(name, 2026).await, Code::InvalidArgument, "exporter NOT_A_NAME");
        // Ids of transfers are names too: two that look alike would be two transfers.
        assert_refused(
            server.send(request(name, of("stranger", 1))).await,
            Code::InvalidArgument,
            "transfer_id NOT_A_NAME",
        );
    }
    // A reservation from before the rule can still be committed.
    assert_refused(server.commit("older\u{200b}").await, Code::NotFound, "TRANSFER_NOT_FOUND");
}
