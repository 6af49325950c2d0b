//! Calls of the decision service over HTTP/2, within the process: each is read and resolved once.

use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use tonic::Code;
use tonic::codegen::http::HeaderMap;

use super::*;
use crate::domain::clock::Clock;
use crate::domain::counter::Counted;
use crate::domain::units::{CountedClass, Moment, Year};
use crate::ledger::{Account, Counter};
use crate::live::Live;
use crate::service::DecideSettings;
use crate::testing::ledger::MemoryLedger;
use crate::testing::{NOW, counting_snapshot, transfer};
use crate::transport::budget::tests::{budgets, in_flight};
use crate::wire::generated::raw::decision_service_server::DecisionServiceServer;
use crate::wire::generated::v1;

/// A clock that stands still, and counts how often a request takes the moment: once for each time that it is resolved.
#[derive(Debug, Default)]
struct CountingClock(AtomicUsize);

impl Clock for CountingClock {
    fn now(&self) -> Moment {
        self.0.fetch_add(1, Ordering::Relaxed);
        NOW
    }
}

/// Turns of the tasks in which a client writes a request.
const CLIENT_STEPS: usize = 64;

/// A server of the decision service alone.
struct Server {
    services: Services,
    clock: Arc<CountingClock>,
    ledger: Arc<MemoryLedger>,
    budgets: Arc<Budgets>,
}

/// The end of a call.
#[derive(Debug, PartialEq)]
struct Ended {
    code: Code,
    message: Bytes,
}

impl Server {
    fn start() -> Self {
        let (clock, ledger) = (Arc::new(CountingClock::default()), Arc::new(MemoryLedger::default()));
        let live = Arc::new(Live::new(counting_snapshot()));
        let api = DecisionApi::new(live, clock.clone(), DecideSettings::default(), Some(ledger.clone()));
        let routes = Routes::new(DecisionServiceServer::new(api.clone()));
        let budgets = budgets(1 << 20, 0);
        let services = Services::new(Some(api), routes, &["neglist.v1.DecisionService"], 1 << 20, Arc::clone(&budgets));
        Self { services, clock, ledger, budgets }
    }

    async fn call(&self, path: &str, content_type: &str, message: &[u8]) -> Ended {
        self.call_within("1H", path, content_type, message).await
    }

    async fn call_within(&self, timeout: &str, path: &str, content_type: &str, message: &[u8]) -> Ended {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let client = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(ours));
        let (mut sender, connection) = client.await.unwrap();
        let connected = tokio::spawn(connection);
        let len = u32::try_from(message.len()).unwrap().to_be_bytes();
        let frame = Bytes::from([&[0], &len[..], message].concat());
        let request = Request::post(format!("http://server/neglist.v1.DecisionService/{path}"))
            .header("content-type", content_type)
            .header("grpc-timeout", timeout)
            .body(Full::new(frame))
            .unwrap();
        let response = tokio::spawn(async move { sender.send_request(request).await });
        // The whole request waits in the pipe before the server reads any of it, as the request of an ordinary client does.
        for _ in 0..CLIENT_STEPS {
            tokio::task::yield_now().await;
        }
        let (services, _share) = self.services.on_connection(Caller::Unknown);
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let serving = tokio::spawn(server.serve_connection(TokioIo::new(theirs), services));
        let response = response.await.unwrap().unwrap();
        let code = |headers: &HeaderMap| headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()));
        let of_head = code(response.headers());
        let answer = response.into_body().collect().await.unwrap();
        let of_trailers = answer.trailers().and_then(code);
        serving.abort();
        connected.abort();
        let frame = answer.to_bytes();
        let message = if frame.is_empty() { frame } else { frame.slice(5..) };
        Ended { code: of_head.or(of_trailers).unwrap(), message }
    }

    /// Asks about a transfer, and returns the outcome or the code of the refusal.
    async fn decide(&self, content_type: &str, transfer: v1::Transfer) -> Result<v1::Outcome, Code> {
        let request = v1::DecideRequest { transfer: Some(transfer), detail: 0 };
        let Ended { code, message } = self.call("Decide", content_type, &request.encode_to_vec()).await;
        match code {
            Code::Ok => Ok(v1::DecideResponse::decode(message).unwrap().decision.unwrap().outcome()),
            code => Err(code),
        }
    }

    /// Returns how often a request was resolved since the last call.
    fn resolved(&self) -> usize {
        self.clock.0.swap(0, Ordering::Relaxed)
    }
}

const PLAIN: &str = "application/grpc";
/// The fast path leaves this one to the generated services.
const OTHER: &str = "application/grpc+proto";

fn unstated() -> v1::Transfer {
    v1::Transfer { year_to_date: None, ..transfer(1, 0) }
}

fn misspelt() -> v1::Transfer {
    v1::Transfer { sector: "farma".into(), ..transfer(1, 0) }
}

#[tokio::test]
async fn a_refused_request_is_resolved_once() {
    let server = Server::start();
    for content_type in [PLAIN, OTHER] {
        assert_eq!(server.decide(content_type, misspelt()).await, Err(Code::InvalidArgument));
        assert_eq!(server.resolved(), 1, "{content_type}");
    }
}

#[tokio::test]
async fn a_waiting_request_is_resolved_once_and_looked_up_once() {
    let server = Server::start();
    let account = Account { exporter: "city".to_owned(), year: Year(2026) };
    let counter =
        Counter { name: Counted::National.name(&counting_snapshot()).into_owned(), class: CountedClass::General };
    server.ledger.put(&account, counter, 99_999);
    for (round, content_type) in [PLAIN, OTHER].into_iter().enumerate() {
        assert_eq!(server.decide(content_type, unstated()).await, Ok(v1::Outcome::Contract));
        let seen = (server.resolved(), server.ledger.lookups(), server.ledger.reads());
        assert_eq!(seen, (1, round + 1, round + 1), "{content_type}");
    }
    server.ledger.set_down(true);
    assert_eq!(server.decide(PLAIN, unstated()).await, Err(Code::Unavailable));
    assert_eq!(server.resolved(), 1);
    assert_eq!(in_flight(&server.budgets), 0);
}

/// A wait for the ledger is a request in flight, on either path, and ends with the deadline of its caller.
#[tokio::test]
async fn a_waiting_request_holds_a_permit_until_its_deadline() {
    let server = Server::start();
    server.ledger.get_stuck();
    let request = v1::DecideRequest { transfer: Some(unstated()), detail: 0 }.encode_to_vec();
    for (waits, content_type) in [PLAIN, OTHER].into_iter().enumerate() {
        let call = server.call_within("300m", "Decide", content_type, &request);
        let mut call = std::pin::pin!(call);
        let mut held = 0;
        let ended = std::future::poll_fn(|context| {
            let ended = call.as_mut().poll(context);
            held = held.max(in_flight(&server.budgets));
            if ended.is_pending() && held == 0 {
                context.waker().wake_by_ref();
            }
            ended
        });
        assert_eq!(ended.await.code, Code::DeadlineExceeded, "{content_type}");
        assert_eq!((held, in_flight(&server.budgets), server.ledger.reads()), (1, 0, waits + 1), "{content_type}");
    }
}

/// Returns the number of a decision, as the service counts them.
fn number(decision: &v1::Decision) -> u64 {
    u64::from_str_radix(decision.decision_id.get(16..).unwrap(), 16).unwrap()
}

#[tokio::test]
async fn a_batch_whose_last_transfer_is_refused_is_decided_once() {
    let server = Server::start();
    for (last, code) in
        [(misspelt(), Code::InvalidArgument), (v1::Transfer { ground: 77, ..unstated() }, Code::InvalidArgument)]
    {
        let mut transfers = vec![transfer(1, 0); 70];
        transfers.push(last);
        let request = v1::DecideBatchRequest { transfers, detail: 0 };
        let Ended { code: ended, message } = server.call("DecideBatch", PLAIN, &request.encode_to_vec()).await;
        assert_eq!((ended, server.resolved()), (Code::Ok, 1));
        let results = v1::DecideBatchResponse::decode(message).unwrap().results;
        let mut numbers = Vec::new();
        for result in results {
            match result.result.unwrap() {
                v1::decide_result::Result::Decision(decision) => numbers.push(number(&decision)),
                v1::decide_result::Result::Error(error) => assert_eq!(error.code, i32::from(code)),
            }
        }
        // The next decision has the next number: none was made and thrown away.
        let next = v1::DecideRequest { transfer: Some(transfer(1, 0)), detail: 0 }.encode_to_vec();
        let Ended { message, .. } = server.call("Decide", PLAIN, &next).await;
        let next = v1::DecideResponse::decode(message).unwrap().decision.unwrap();
        numbers.push(number(&next));
        assert_eq!(numbers.len(), 71);
        assert!(numbers.is_sorted() && numbers[70] - numbers[0] == 70, "{numbers:?}");
        server.resolved();
    }
}
