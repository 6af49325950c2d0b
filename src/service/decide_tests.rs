//! The three calls against a small snapshot.

use std::pin::pin;
use std::task::Poll;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Code, Status};
use tonic_types::{RpcStatusExt as _, StatusExt as _};

use super::*;
use crate::service::streamed::Streamed;
use crate::testing::{NOW, StandingClock, message_of, received, snapshot, transfer, trial};
use crate::wire::decide::raw::Received;
use crate::wire::generated::raw::decision_service_server::DecisionServiceServer;
use crate::wire::generated::v1::decide_result::Result as Answer;
use crate::wire::refusal::call;

fn api_with(settings: DecideSettings) -> (DecisionApi, Arc<Live>) {
    let live = Arc::new(Live::new(snapshot()));
    (DecisionApi::new(Arc::clone(&live), Arc::new(StandingClock), settings, None), live)
}

fn api() -> DecisionApi {
    api_with(DecideSettings::default()).0
}

fn decide(transfer: v1::Transfer, detail: v1::Detail) -> Result<v1::Decision, Status> {
    let request = v1::DecideRequest { transfer: Some(transfer), detail: detail.into() };
    api().decide_now(&request).map(|response| response.decision.unwrap()).map_err(Status::from)
}

fn outcome(transfer: v1::Transfer) -> v1::Outcome {
    decide(transfer, v1::Detail::Unspecified).unwrap().outcome()
}

#[track_caller]
fn refused(answer: Result<v1::Decision, Status>) -> Vec<(String, String)> {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    violations.iter().map(|violation| (violation.field.clone(), violation.reason.clone())).collect()
}

#[test]
fn the_national_line_has_its_neighbours() {
    let cases = [(99_999, v1::Outcome::Allow), (100_000, v1::Outcome::Contract), (100_001, v1::Outcome::Contract)];
    for (total, expected) in cases {
        assert_eq!(outcome(transfer(1, total - 1)), expected, "{total}");
    }
}

#[test]
fn a_brief_answer_has_codes_and_no_texts() {
    let mut decision = decide(transfer(1, 99_999), v1::Detail::Unspecified).unwrap();
    assert_eq!(decision.decision_id.len(), 32);
    decision.decision_id.clear();
    insta::assert_debug_snapshot!(decision);
}

#[test]
fn a_full_answer_has_texts_citations_headroom_and_next_step() {
    let mut decision = decide(trial(1, 19_999), v1::Detail::Full).unwrap();
    decision.decision_id.clear();
    insta::assert_debug_snapshot!(decision);
}

#[test]
fn a_clearance_in_force_is_named() {
    let cleared = v1::Transfer { recipient: "lab".into(), ..transfer(1, 99_999) };
    let decision = decide(cleared, v1::Detail::Unspecified).unwrap();
    assert_eq!((decision.outcome(), decision.required()), (v1::Outcome::Allow, v1::Outcome::Contract));
    assert_eq!(decision.clearance, "contract-1");
}

#[test]
fn an_answer_may_be_kept_no_longer_than_the_ceiling_and_the_year() {
    let kept_s = |valid_for_max_s| {
        let (api, _) = api_with(DecideSettings { valid_for_max_s, ..DecideSettings::default() });
        let request = v1::DecideRequest { transfer: Some(transfer(1, 1)), detail: 0 };
        let decision = api.decide_now(&request).unwrap().decision.unwrap();
        assert_eq!(decision.evaluated_at.unwrap().seconds, NOW.seconds());
        decision.valid_until.unwrap().seconds - NOW.seconds()
    };
    assert_eq!(kept_s(60), 60);
    assert_eq!(kept_s(u32::MAX), 1_798_732_800 - NOW.seconds());
}

#[test]
fn missing_totals_are_asked_for() {
    let national = v1::Transfer { year_to_date: None, ..transfer(1, 0) };
    let expected = ("transfer.year_to_date".to_owned(), "MISSING".to_owned());
    assert_eq!(refused(decide(national, v1::Detail::Full)), [expected]);
    let scenario = v1::Transfer { scenario_year_to_date: None, ..trial(1, 0) };
    let expected = ("transfer.scenario_year_to_date".to_owned(), "MISSING".to_owned());
    assert_eq!(refused(decide(scenario, v1::Detail::Full)), [expected]);
}

#[test]
fn all_violations_are_named_at_once() {
    let mut wrong = v1::Transfer { sector: "farma".into(), destination: "de".into(), ..transfer(1, 0) };
    wrong.data.push(v1::DataItem { code: "health.diagnossis".into(), ..v1::DataItem::default() });
    let expected = [
        ("transfer.destination", "NOT_A_COUNTRY"),
        ("transfer.sector", "UNKNOWN_CODE"),
        ("transfer.data[1].code", "UNKNOWN_CODE"),
    ];
    let expected = expected.map(|(field, reason)| (field.to_owned(), reason.to_owned()));
    assert_eq!(refused(decide(wrong, v1::Detail::Unspecified)), expected);
}

#[tokio::test]
async fn a_batch_answers_in_order_and_a_malformed_item_fails_alone() {
    let transfers = vec![transfer(1, 0), v1::Transfer::default(), transfer(1, 99_999)];
    let request = v1::DecideBatchRequest { transfers, detail: 0 };
    let results = message_of(api().answer_batch(&received(&request)).await.unwrap()).results;
    let results: Vec<_> = results.into_iter().map(|result| result.result.unwrap()).collect();
    let [Answer::Decision(first), Answer::Error(second), Answer::Decision(third)] = &results[..] else {
        panic!("{results:?}");
    };
    assert_eq!((first.outcome(), third.outcome()), (v1::Outcome::Allow, v1::Outcome::Contract));
    assert_eq!(second.code, i32::from(Code::InvalidArgument));
    let details = second.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    assert!(violations.iter().all(|violation| violation.field.starts_with("transfers[1].")), "{violations:?}");
}

/// One call with a frame of bytes in place of a message, through the generated server.
async fn send(method: &str, message: &str) -> Status {
    let length = char::from(u8::try_from(message.len()).unwrap());
    let request = tonic::codegen::http::Request::post(format!("/neglist.v1.DecisionService/{method}"))
        .header("content-type", "application/grpc")
        .body(format!("\0\0\0\0{length}{message}"));
    let mut server = DecisionServiceServer::new(api());
    let response = tonic::codegen::Service::call(&mut server, request.unwrap()).await.unwrap();
    Status::from_header_map(response.headers()).unwrap()
}

#[tokio::test]
async fn a_message_that_is_not_protobuf_is_the_callers_fault() {
    for (method, field) in [("Decide", "transfer"), ("DecideBatch", "transfers")] {
        // Field 1, 5 bytes, of which only one comes.
        let status = send(method, "\u{0a}\u{05}\u{12}").await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let details = status.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, field);
    }
}

#[tokio::test]
async fn a_batch_is_bounded() {
    let (api, _) = api_with(DecideSettings { batch_transfers_max: 2, ..DecideSettings::default() });
    for (count, expected) in [(0, None), (2, None), (3, Some(Code::InvalidArgument))] {
        let request = v1::DecideBatchRequest { transfers: vec![transfer(1, 0); count], detail: 0 };
        let answer = api.answer_batch(&received(&request)).await;
        let answer = answer.map_err(Status::from);
        assert_eq!(answer.as_ref().err().map(Status::code), expected, "{count}");
        assert_eq!(answer.map_or(count, |reply| message_of(reply).results.len()), count);
    }
}

/// The answer without its ids, and the number of counted decisions.
async fn comparable(api: &DecisionApi, request: &v1::DecideBatchRequest) -> (Vec<v1::Decision>, u64) {
    let before = api.metrics.answers(api.door, crate::metrics::Answer::Allow);
    let reply = api.answer_batch(&received(request)).await.unwrap();
    let decisions = message_of(reply).results.into_iter().filter_map(|result| match result.result.unwrap() {
        Answer::Decision(decision) => Some(v1::Decision { decision_id: String::new(), ..decision }),
        Answer::Error(_) => None,
    });
    (decisions.collect(), api.metrics.answers(api.door, crate::metrics::Answer::Allow) - before)
}

#[tokio::test]
async fn a_batch_with_a_refused_transfer_answers_like_any_other_and_is_counted_once() {
    let api = api();
    let mut transfers: Vec<_> = (0..70).map(|number| transfer(1, 99_998 - number % 2)).collect();
    let plain = v1::DecideBatchRequest { transfers: transfers.clone(), detail: 0 };
    // The last transfer is refused, after all others were decided.
    transfers.push(v1::Transfer::default());
    let odd = v1::DecideBatchRequest { transfers, detail: 0 };
    let (plain, plain_count) = comparable(&api, &plain).await;
    assert_eq!((plain.len(), plain_count), (70, 70));
    assert_eq!(comparable(&api, &odd).await, (plain, 70));
}

#[tokio::test]
async fn a_brief_answer_of_a_stream_equals_one_with_details() {
    let api = api();
    for asked in [transfer(1, 0), transfer(1, 99_999), trial(1, 0), v1::Transfer::default()] {
        let mut answers = Vec::new();
        // The details are removed again.
        for detail in [0, 1] {
            let request = v1::DecideStreamRequest { sequence: 7, transfer: Some(asked.clone()), detail };
            let Ok(Streamed::Now(reply)) = api.decide_streamed(&received(&request)) else { panic!("it waits") };
            let mut answer = message_of(reply);
            if let Some(Answer::Decision(decision)) = answer.result.as_mut().and_then(|result| result.result.as_mut()) {
                decision.decision_id.clear();
                (decision.headroom, decision.next_step) = (Vec::new(), None);
                for reason in &mut decision.reasons {
                    (reason.text_zh, reason.text_en, reason.citation) = Default::default();
                }
            }
            answers.push(answer);
        }
        assert_eq!(answers[0], answers[1]);
    }
}

type Inbound = Result<Received<v1::DecideStreamRequest>, Status>;

fn message(sequence: u64, transfer: v1::Transfer) -> Received<v1::DecideStreamRequest> {
    received(&v1::DecideStreamRequest { sequence, transfer: Some(transfer), detail: 0 })
}

/// The result of one poll: `None` if it has to wait.
async fn ready<S: Stream>(mut stream: std::pin::Pin<&mut S>) -> Option<Option<S::Item>> {
    std::future::poll_fn(|context| {
        Poll::Ready(match stream.as_mut().poll_next(context) {
            Poll::Ready(item) => Some(item),
            Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn a_stream_answers_in_order_and_goes_on_after_a_malformed_item() {
    let inbound = [message(5, transfer(1, 0)), message(5, v1::Transfer::default()), message(3, transfer(1, 99_999))];
    let answers: Vec<_> = api().answers(tokio_stream::iter(inbound.map(Ok))).unwrap().collect().await;
    let answers: Vec<_> = answers.into_iter().map(|answer| message_of(answer.unwrap())).collect();
    assert_eq!(answers.iter().map(|answer| answer.sequence).collect::<Vec<_>>(), [5, 5, 3]);
    let results: Vec<_> = answers.into_iter().map(|answer| answer.result.unwrap().result.unwrap()).collect();
    let [Answer::Decision(first), Answer::Error(second), Answer::Decision(third)] = &results[..] else {
        panic!("{results:?}");
    };
    assert_eq!((first.outcome(), third.outcome()), (v1::Outcome::Allow, v1::Outcome::Contract));
    assert_eq!(second.code, i32::from(Code::InvalidArgument));
}

#[tokio::test]
async fn a_broken_message_ends_a_stream() {
    // Field 2, 5 bytes, of which only one comes; and an error of the transport about a frame.
    for broken in [Ok(Received::new("\u{12}\u{05}\u{12}".into())), Err(call::malformed_digest())] {
        let inbound = [Ok(message(1, transfer(1, 0))), broken, Ok(message(2, transfer(1, 0)))];
        let answers: Vec<_> = api().answers(tokio_stream::iter(inbound)).unwrap().collect().await;
        assert_eq!(answers.len(), 2);
        assert_eq!(answers[1].as_ref().unwrap_err().code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_draining_stream_answers_arrived_requests_and_gives_its_reason() {
    let api = api();
    let (sender, receiver) = mpsc::channel(8);
    let mut answers = pin!(api.answers(ReceiverStream::new(receiver)).unwrap());
    assert!(ready(answers.as_mut()).await.is_none());
    for sequence in [1, 2] {
        sender.send(Ok(message(sequence, transfer(1, 0)))).await.unwrap();
    }
    api.drain();
    for sequence in [1, 2] {
        assert_eq!(message_of(answers.next().await.unwrap().unwrap()).sequence, sequence);
    }
    assert_eq!(answers.next().await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert!(answers.next().await.is_none());
    let refused = Status::from(api.answers(tokio_stream::empty::<Inbound>()).unwrap_err());
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_stream_that_never_pauses_drains_too() {
    let (api, _) = api_with(DecideSettings { stream_drain_transfers_max: 3, ..DecideSettings::default() });
    let inbound = std::iter::repeat_with(|| Ok(message(1, transfer(1, 0))));
    let mut answers = api.answers(tokio_stream::iter(inbound)).unwrap();
    assert!(answers.next().await.unwrap().is_ok());
    api.drain();
    for _ in 0..3 {
        assert!(answers.next().await.unwrap().is_ok());
    }
    assert_eq!(answers.next().await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn a_stream_that_waits_wakes_up_to_drain() {
    let api = api();
    let (_sender, receiver) = mpsc::channel::<Inbound>(1);
    let mut answers = api.answers(ReceiverStream::new(receiver)).unwrap();
    let waiting = tokio::spawn(async move { answers.next().await });
    tokio::task::yield_now().await;
    api.drain();
    assert_eq!(waiting.await.unwrap().unwrap().unwrap_err().code(), Code::Unavailable);
}
