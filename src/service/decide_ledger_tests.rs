//! Decisions that read the year's totals from a ledger, and never write.

use prost_types::Timestamp;
use tokio_stream::StreamExt as _;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::*;
use crate::domain::units::{CountedClass, Year};
use crate::ledger::{Account, Counter};
use crate::testing::ledger::MemoryLedger;
use crate::testing::{StandingClock, YEAR_END, cap, counting_snapshot, message_of, received, transfer, trial};
use crate::wire::generated::raw::decision_service_server::DecisionService as _;
use crate::wire::generated::v1::decide_result::Result as Answer;

fn api_over(snapshot: Snapshot) -> (DecisionApi, Arc<MemoryLedger>) {
    let ledger = Arc::new(MemoryLedger::default());
    let live = Arc::new(Live::new(snapshot));
    let settings = DecideSettings::default();
    (DecisionApi::new(live, Arc::new(StandingClock), settings, Some(ledger.clone())), ledger)
}

fn put(ledger: &MemoryLedger, exporter: &str, counter: &str, class: CountedClass, persons: u64) {
    let account = Account { exporter: exporter.to_owned(), year: Year(2026) };
    ledger.put(&account, Counter { name: counter.to_owned(), class }, persons);
}

/// Without the totals that the caller could state.
fn unstated(transfer: v1::Transfer) -> v1::Transfer {
    v1::Transfer { year_to_date: None, scenario_year_to_date: None, ..transfer }
}

async fn decide(api: &DecisionApi, transfer: v1::Transfer) -> Result<v1::Decision, Status> {
    let request = v1::DecideRequest { transfer: Some(transfer), detail: v1::Detail::Full.into() };
    api.decide(Request::new(received(&request))).await.map(|reply| message_of(reply.into_inner()).decision.unwrap())
}

async fn outcome(api: &DecisionApi, transfer: v1::Transfer) -> v1::Outcome {
    decide(api, transfer).await.unwrap().outcome()
}

#[tokio::test]
async fn missing_totals_are_read_and_never_written() {
    let (api, ledger) = api_over(counting_snapshot());
    put(&ledger, "city", "national", CountedClass::General, 99_998);
    for (persons, expected) in [(1, v1::Outcome::Allow), (2, v1::Outcome::Contract), (1, v1::Outcome::Allow)] {
        assert_eq!(outcome(&api, unstated(transfer(persons, 0))).await, expected, "{persons}");
    }
    let decision = decide(&api, unstated(transfer(1, 0))).await.unwrap();
    assert_eq!(
        (decision.headroom[0].projected, decision.headroom[0].counter.as_str()),
        (99_999, "national/general/2026")
    );
    assert_eq!((ledger.reads(), ledger.writes()), (4, 0));
}

#[tokio::test]
async fn stated_totals_are_not_read() {
    let (api, ledger) = api_over(counting_snapshot());
    put(&ledger, "city", "national", CountedClass::General, 500_000);
    assert_eq!(outcome(&api, transfer(1, 0)).await, v1::Outcome::Allow);
    assert_eq!(outcome(&api, trial(1, 0)).await, v1::Outcome::Allow);
    let abroad = |ground| v1::Transfer { ground, ..unstated(transfer(1, 0)) };
    assert_eq!(outcome(&api, abroad(2)).await, v1::Outcome::Allow);
    assert_eq!(outcome(&api, v1::Transfer { destination: "CN".into(), ..abroad(0) }).await, v1::Outcome::Allow);
    assert_eq!(ledger.reads(), 0);
}

#[tokio::test]
async fn a_scenario_is_compared_with_its_own_counters() {
    let (api, ledger) = api_over(counting_snapshot());
    put(&ledger, "zoned", "national", CountedClass::Sensitive, 9_000_000);
    put(&ledger, "zoned", "beijing/pharma/clinical-trial", CountedClass::Sensitive, 49_998);
    let decision = decide(&api, unstated(trial(1, 0))).await.unwrap();
    assert_eq!((decision.outcome(), decision.required()), (v1::Outcome::Allow, v1::Outcome::Contract));
    assert_eq!(outcome(&api, unstated(trial(2, 0))).await, v1::Outcome::Assess);
}

#[tokio::test]
async fn caps_are_compared_with_the_total_under_the_clearance() {
    let (api, ledger) = api_over(counting_snapshot());
    let of_grid = |persons| v1::Transfer { exporter: "grid".into(), recipient: "lab".into(), ..transfer(persons, 0) };
    put(&ledger, "grid", "national", CountedClass::General, 1_000);
    put(&ledger, "grid", "clearance/assessment-1", CountedClass::General, 3);
    assert_eq!(outcome(&api, unstated(of_grid(2))).await, v1::Outcome::Allow);
    assert_eq!(outcome(&api, unstated(of_grid(3))).await, v1::Outcome::Assess);
}

/// A caller that states the year's totals counts by itself. The ledger's total of a clearance is then too low, and
/// would allow a transfer that the stated total refuses.
#[tokio::test]
async fn a_cap_is_compared_with_stated_totals() {
    let mut snapshot = counting_snapshot();
    cap(&mut snapshot, 0, 150_000, 0);
    let (api, ledger) = api_over(snapshot);
    let to_lab = |year_to_date| v1::Transfer { recipient: "lab".into(), ..transfer(1, year_to_date) };
    assert_eq!(outcome(&api, to_lab(149_999)).await, v1::Outcome::Allow);
    assert_eq!(outcome(&api, to_lab(150_000)).await, v1::Outcome::Contract);
    assert_eq!(ledger.reads(), 0);
}

#[tokio::test]
async fn another_year_has_other_totals() {
    let (api, ledger) = api_over(counting_snapshot());
    put(&ledger, "city", "national", CountedClass::General, 100_000);
    for (seconds, expected) in [(-1, v1::Outcome::Contract), (0, v1::Outcome::Allow)] {
        let at = Some(Timestamp { seconds: YEAR_END.seconds() + seconds, nanos: 0 });
        assert_eq!(outcome(&api, v1::Transfer { at, ..unstated(transfer(1, 0)) }).await, expected, "{seconds}");
    }
}

#[tokio::test]
async fn a_ledger_that_is_down_refuses_transfers_that_depend_on_it() {
    let (api, ledger) = api_over(counting_snapshot());
    ledger.set_down(true);
    let status = decide(&api, unstated(transfer(1, 0))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_error_details().retry_info().is_some());
    assert_eq!(outcome(&api, transfer(1, 0)).await, v1::Outcome::Allow);
    let transfers = vec![unstated(transfer(1, 0)), transfer(1, 0), v1::Transfer::default(), unstated(trial(1, 0))];
    let request = v1::DecideBatchRequest { transfers, detail: 0 };
    let results = message_of(api.answer_batch(&received(&request)).await.unwrap()).results;
    let codes = results.into_iter().map(|result| match result.result.unwrap() {
        Answer::Decision(decision) => Err(decision.outcome()),
        Answer::Error(error) => Ok(Code::from_i32(error.code)),
    });
    let expected = [Ok(Code::Unavailable), Err(v1::Outcome::Allow), Ok(Code::InvalidArgument), Ok(Code::Unavailable)];
    assert_eq!(codes.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_batch_reads_each_account_once_and_its_transfers_do_not_see_each_other() {
    let (api, ledger) = api_over(counting_snapshot());
    put(&ledger, "city", "national", CountedClass::General, 99_998);
    let mut transfers = vec![unstated(transfer(1, 0)); 40];
    transfers.push(unstated(trial(1, 0)));
    transfers.push(unstated(transfer(2, 0)));
    let request = v1::DecideBatchRequest { transfers, detail: 0 };
    let results = message_of(api.answer_batch(&received(&request)).await.unwrap()).results;
    let outcomes = results.into_iter().map(|result| match result.result.unwrap() {
        Answer::Decision(decision) => decision.outcome(),
        Answer::Error(error) => panic!("{error:?}"),
    });
    let outcomes: Vec<_> = outcomes.collect();
    assert!(outcomes[..41].iter().all(|outcome| *outcome == v1::Outcome::Allow), "{outcomes:?}");
    assert_eq!(outcomes[41], v1::Outcome::Contract);
    assert_eq!((ledger.reads(), ledger.writes()), (2, 0));
}

#[tokio::test]
async fn a_stream_waits_for_totals_and_stays_in_order() {
    let (api, ledger) = api_over(counting_snapshot());
    put(&ledger, "city", "national", CountedClass::General, 99_999);
    let message = |sequence, transfer| v1::DecideStreamRequest { sequence, transfer: Some(transfer), detail: 0 };
    let inbound = [
        message(1, unstated(transfer(1, 0))),
        message(2, transfer(1, 0)),
        message(3, v1::Transfer::default()),
        message(4, unstated(transfer(0, 0))),
    ];
    let inbound = inbound.map(|message| Ok(received(&message)));
    let answers: Vec<_> = api.answers(tokio_stream::iter(inbound)).unwrap().collect().await;
    let answers = answers.into_iter().map(|answer| message_of(answer.unwrap())).map(|answer| {
        let outcome = match answer.result.unwrap().result.unwrap() {
            Answer::Decision(decision) => Some(decision.outcome()),
            Answer::Error(_) => None,
        };
        (answer.sequence, outcome)
    });
    let expected =
        [(1, Some(v1::Outcome::Contract)), (2, Some(v1::Outcome::Allow)), (3, None), (4, Some(v1::Outcome::Allow))];
    assert_eq!(answers.collect::<Vec<_>>(), expected);
    assert_eq!(ledger.reads(), 2);
}

#[tokio::test]
async fn a_call_without_a_wait_does_not_ask_the_ledger() {
    let (api, ledger) = api_over(counting_snapshot());
    let request = |transfer| v1::DecideRequest { transfer: Some(transfer), detail: 0 };
    assert!(matches!(api.decide_now(&request(unstated(transfer(1, 0)))), Err(Refusal::Invalid(_))));
    assert!(api.decide_now(&request(transfer(1, 0))).is_ok());
    assert_eq!(ledger.reads(), 0);
}

#[tokio::test]
async fn totals_in_memory_and_totals_after_a_wait_give_the_same_answer() {
    let (api, ledger) = api_over(counting_snapshot());
    put(&ledger, "city", "national", CountedClass::General, 99_998);
    put(&ledger, "zoned", "beijing/pharma/clinical-trial", CountedClass::Sensitive, 49_998);
    put(&ledger, "grid", "clearance/assessment-1", CountedClass::General, 3);
    let of_grid = |persons| v1::Transfer { exporter: "grid".into(), recipient: "lab".into(), ..transfer(persons, 0) };
    let transfers = [transfer(1, 0), transfer(2, 0), trial(1, 0), trial(2, 0), of_grid(2), of_grid(3)].map(unstated);
    let mut waited = Vec::new();
    for transfer in transfers.clone() {
        waited.push(decide(&api, transfer).await.unwrap());
    }
    assert_eq!(ledger.reads(), transfers.len());
    ledger.put_at_hand();
    for (transfer, waited) in transfers.into_iter().zip(waited) {
        let at_hand = decide(&api, transfer).await.unwrap();
        assert_eq!(v1::Decision { decision_id: waited.decision_id.clone(), ..at_hand }, waited);
    }
    assert_eq!(ledger.reads(), 6, "no transfer waited");
    ledger.set_down(true);
    assert_eq!(decide(&api, unstated(transfer(1, 0))).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn transfers_of_a_batch_keep_their_places_whether_they_wait_or_not() {
    let (api, ledger) = api_over(counting_snapshot());
    put(&ledger, "city", "national", CountedClass::General, 99_998);
    let (waits, waits_long) = (unstated(transfer(1, 0)), unstated(transfer(2, 0)));
    let (allowed, over, refused) = (transfer(1, 0), transfer(1, 99_999), v1::Transfer::default());
    let kinds = [waits, refused, allowed, waits_long, over];
    for detail in [v1::Detail::Unspecified, v1::Detail::Full] {
        // Each kind next to each other kind, first and last.
        let transfers: Vec<_> = (0..25).map(|number| kinds[(number / 5 + number % 5 * 2) % 5].clone()).collect();
        let request = v1::DecideBatchRequest { transfers: transfers.clone(), detail: detail.into() };
        let results = message_of(api.answer_batch(&received(&request)).await.unwrap()).results;
        assert_eq!(results.len(), transfers.len());
        for (index, (result, transfer)) in results.into_iter().zip(transfers).enumerate() {
            let request = v1::DecideRequest { transfer: Some(transfer), detail: detail.into() };
            match (result.result.unwrap(), api.decide_one(&request).await) {
                (Answer::Decision(decision), Ok(alone)) => {
                    let alone = alone.decision.unwrap();
                    let decision_id = alone.decision_id.clone();
                    assert_eq!(v1::Decision { decision_id, ..decision }, alone, "{index}");
                }
                (Answer::Error(error), Err(alone)) => {
                    assert_eq!(
                        error.message.replace(&format!("transfers[{index}]"), "transfer"),
                        Status::from(alone).message()
                    );
                }
                (result, alone) => panic!("{index}: {result:?} {alone:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_answer_to_a_batch_is_bounded_with_the_transfers_that_wait() {
    let live = Arc::new(Live::new(counting_snapshot()));
    let ledger = Arc::new(MemoryLedger::default());
    let of_bytes = |answer_bytes_max| {
        let settings = DecideSettings { answer_bytes_max, ..DecideSettings::default() };
        DecisionApi::new(live.clone(), Arc::new(StandingClock), settings, Some(ledger.clone()))
    };
    let transfers = vec![transfer(1, 0), unstated(transfer(1, 0)), transfer(1, 0), unstated(transfer(1, 0))];
    let request = received(&v1::DecideBatchRequest { transfers, detail: 0 });
    let bytes = of_bytes(usize::MAX).answer_batch(&request).await.unwrap().into_bytes().len();
    assert_eq!(of_bytes(bytes).answer_batch(&request).await.unwrap().into_bytes().len(), bytes);
    let refusal = of_bytes(bytes - 1).answer_batch(&request).await.unwrap_err();
    assert_eq!(refusal, Refusal::AnswerTooLarge { bytes_max: bytes - 1 });
}
