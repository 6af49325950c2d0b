//! Requests of gateways: which pass, which are refused, and which are counted.

use std::collections::BTreeMap;

use super::*;
use crate::domain::gateway::{Body, Context, Header};
use crate::metrics;
use crate::service::{DecideSettings, LedgerSettings};
use crate::testing::ledger::MemoryLedger;
use crate::testing::{StandingClock, counting_snapshot, snapshot};
use crate::wire::refusal::Unavailable;

/// A request with some headers.
#[derive(Default)]
struct Request(BTreeMap<&'static str, &'static str>);

impl Seen for Request {
    fn host(&self) -> Option<&str> {
        Some("api.example.com")
    }

    fn method(&self) -> Option<&str> {
        Some("POST")
    }

    fn path(&self) -> Option<&str> {
        Some("/export")
    }

    fn sni(&self) -> Option<&str> {
        None
    }

    fn context(&self, _key: &str) -> Context<'_> {
        Context::NotSeen
    }

    fn header(&self, name: &str) -> Header<'_> {
        self.0.get(name).map_or(Header::Absent, |text| Header::Text(text))
    }

    fn body(&self, _pointer: &str) -> Body<'_> {
        Body::NotThere
    }
}

fn request(headers: &[(&'static str, &'static str)]) -> Request {
    Request(headers.iter().copied().collect())
}

const TRIAL: (&str, &str) = ("x-neglist-flow", "trial");

fn door(unmatched: Unmatched) -> (LabelledDoor, Arc<MemoryLedger>) {
    let (live, ledger) = (Arc::new(Live::new(snapshot())), Arc::new(MemoryLedger::default()));
    let clock = Arc::new(StandingClock);
    let decisions = DecisionApi::new(live.clone(), clock.clone(), DecideSettings::default(), Some(ledger.clone()));
    let counting = LedgerApi::new(live.clone(), clock, LedgerSettings::default(), Some(ledger.clone()))
        .metered(decisions.metrics().clone());
    (LabelledDoor::new(live, &decisions, &counting, unmatched, Door::ForwardAuth), ledger)
}

#[tokio::test]
async fn labels_are_decided_and_nothing_is_counted() {
    let (door, ledger) = door(Unmatched::Refuse);
    let answer = door.answer(&request(&[TRIAL, ("x-neglist-sensitive-persons", "5")])).await;
    let Answer::Decided(decided) = answer else { panic!("{answer:?}") };
    assert_eq!(decided.decision.outcome(), v1::Outcome::File);
    assert_eq!((decided.cacheable, decided.rule), (Cacheable::Never, None));
    assert_eq!((ledger.reads(), ledger.writes()), (1, 0));
    assert_eq!(door.metrics.answers(Door::ForwardAuth, metrics::Answer::File), 1);
    // Totals that are at hand may change at any moment as well.
    ledger.put_at_hand();
    let answer = door.answer(&request(&[TRIAL, ("x-neglist-sensitive-persons", "5")])).await;
    let Answer::Decided(decided) = answer else { panic!("{answer:?}") };
    assert_eq!((decided.cacheable, ledger.reads()), (Cacheable::Never, 1));
}

#[tokio::test]
async fn labels_that_make_no_transfer_are_refused() {
    let (door, ledger) = door(Unmatched::Refuse);
    for headers in [
        &[][..],
        &[TRIAL],
        &[("x-neglist-sensitive-persons", "5")],
        &[("x-neglist-flow", "trail"), ("x-neglist-sensitive-persons", "5")],
        &[TRIAL, ("x-neglist-sensitive-persons", "many")],
    ] {
        let answer = door.answer(&request(headers)).await;
        let Answer::Refused(refusal) = answer else { panic!("{headers:?}: {answer:?}") };
        assert_eq!(refusal.fault(), refusal::Fault::Caller, "{refusal:?}");
    }
    assert_eq!((ledger.reads(), ledger.writes()), (0, 0));
    assert_eq!(door.metrics.answers(Door::ForwardAuth, metrics::Answer::Refused), 5);
}

#[tokio::test]
async fn the_operator_says_what_passes_without_a_label() {
    let (allowing, _) = door(Unmatched::Allow);
    let Answer::NoTransfer { digest } = allowing.answer(&request(&[])).await else { panic!() };
    assert_eq!(digest, "blake3:00");
    assert_eq!(allowing.metrics.answers(Door::ForwardAuth, metrics::Answer::NoTransfer), 1);
    // A wrong label is not a missing one.
    let wrong = allowing.answer(&request(&[("x-neglist-sensitive-persons", "5")])).await;
    assert!(matches!(wrong, Answer::Refused(_)), "{wrong:?}");

    // The flow sends personal information, but the number of persons is not stated.
    let (as_flow, _) = door(Unmatched::Flow("trial".into()));
    let answer = as_flow.answer(&request(&[])).await;
    assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
}

fn labelled(transfer_id: Option<&'static str>) -> Labelled<'static> {
    Labelled {
        rule: Some("trial-upload"),
        flow: Some("trial".into()),
        persons: Some(crate::domain::asked::AskedPersons { general: 0, sensitive: 5 }),
        transfer_id: transfer_id.map(Into::into),
        record: Record::Record,
        ..Labelled::default()
    }
}

#[tokio::test]
async fn what_is_to_be_recorded_is_counted_once_under_its_id() {
    let (door, ledger) = door(Unmatched::Refuse);
    let snapshot = Arc::clone(&door.live.snapshot());
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = door.decide(&snapshot, &labelled(Some("t-1")), &Besides::default()).await;
        let Answer::Decided(decided) = answer else { panic!("{answer:?}") };
        assert_eq!((decided.cacheable, decided.rule.as_deref()), (Cacheable::Never, Some("trial-upload")));
        ids.push(decided.decision.decision_id);
    }
    assert_eq!(ids[0], ids[1], "a retry gets the first answer");
    assert_eq!(ledger.writes(), 2);
    let other = Labelled { persons: None, ..labelled(Some("t-1")) };
    let answer = door.decide(&snapshot, &other, &Besides::default()).await;
    assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
}

#[tokio::test]
async fn without_an_id_nothing_is_recorded_and_nothing_passes() {
    let (door, ledger) = door(Unmatched::Refuse);
    let snapshot = Arc::clone(&door.live.snapshot());
    let answer = door.decide(&snapshot, &labelled(None), &Besides::default()).await;
    let Answer::Refused(refusal) = answer else { panic!("{answer:?}") };
    assert_eq!(refusal.issues()[0].field, "header x-neglist-transfer-id");
    assert_eq!(ledger.writes(), 0);
}

#[tokio::test]
async fn a_ledger_that_does_not_answer_lets_nothing_pass() {
    let (door, ledger) = door(Unmatched::Allow);
    ledger.set_down(true);
    let snapshot = Arc::clone(&door.live.snapshot());
    for record in [Record::AskOnly, Record::Record] {
        let answer = door.decide(&snapshot, &Labelled { record, ..labelled(Some("t-2")) }, &Besides::default()).await;
        let Answer::Unanswered(refusal) = answer else { panic!("{answer:?}") };
        assert!(matches!(refusal, Refusal::Unavailable(Unavailable::Ledger, _)), "{refusal:?}");
    }
    assert_eq!(door.metrics.answers(Door::ForwardAuth, metrics::Answer::Unanswered), 2);
}

/// Asks on a snapshot to count the transfer, and returns the decision.
async fn recorded(door: &LabelledDoor, snapshot: Snapshot) -> DecidedTransfer {
    let answer = door.decide(&Arc::new(snapshot), &labelled(Some("t-3")), &Besides::default()).await;
    let Answer::Decided(decided) = answer else { panic!("{answer:?}") };
    *decided
}

/// For a caller of the ledger a retry gets its first answer; here it would let one more request pass.
#[tokio::test]
async fn what_the_policies_forbid_now_does_not_pass_under_an_old_id() {
    let (door, _) = door(Unmatched::Refuse);
    let first = recorded(&door, counting_snapshot()).await;
    assert_eq!((first.decision.outcome(), first.counted), (v1::Outcome::Allow, Counted::Yes));
    let retry = recorded(&door, counting_snapshot()).await;
    assert_eq!((retry.decision.decision_id, retry.counted), (first.decision.decision_id.clone(), Counted::Yes));
    let stricter = recorded(&door, Snapshot { digest: "blake3:01".into(), ..snapshot() }).await;
    assert_eq!((stricter.decision.outcome(), stricter.counted), (v1::Outcome::File, Counted::Yes));
    // Policies that allow it still leave the first answer as it is.
    let other = recorded(&door, Snapshot { digest: "blake3:02".into(), ..counting_snapshot() }).await;
    assert_eq!(other.decision.decision_id, first.decision.decision_id);
}

#[tokio::test]
async fn what_is_only_asked_about_or_may_not_go_is_not_counted() {
    let (door, _) = door(Unmatched::Refuse);
    assert_eq!(recorded(&door, snapshot()).await.counted, Counted::No);
    // An id without `record` counts nothing, and the answer says so.
    let labels = [TRIAL, ("x-neglist-sensitive-persons", "5"), ("x-neglist-transfer-id", "t-4")];
    let on = Arc::new(counting_snapshot());
    let answer = door.answer_on(&on, &request(&labels), &Besides::default()).await;
    let Answer::Decided(decided) = answer else { panic!("{answer:?}") };
    assert_eq!((decided.decision.outcome(), decided.counted), (v1::Outcome::Allow, Counted::No));
}

#[tokio::test]
async fn what_is_no_transfer_does_not_pass_where_everything_is_counted() {
    let (door, _) = door(Unmatched::Allow);
    let besides = Besides { record: Record::Record, request_id: Some("envoy:1".into()) };
    let answer = door.answer_on(&door.snapshot(), &request(&[]), &besides).await;
    let Answer::Refused(refusal) = answer else { panic!("{answer:?}") };
    let expected = matches!(&refusal, Refusal::Unlabelled(why) if matches!(**why, Unlabelled::NothingMatches(_)));
    assert!(expected, "{refusal:?}");
}
