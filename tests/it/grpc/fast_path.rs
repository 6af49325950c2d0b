//! `Decide` as it comes in on the wire: in one frame, in pieces, compressed, late. Whatever its form, it is answered as
//! the generated services answer it, by a client that speaks HTTP/2 and nothing more.

use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::client::conn::http2::SendRequest;
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use neglist::wire::generated::v1;
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::clients;
use crate::support::raw_http2::{self, Raw, Then};
use crate::support::server::{Directory, Process};
use crate::support::wait::within;

/// How the generated services are asked: the short way knows only the plain content type.
const LONG: &str = "application/grpc+proto";
const SHORT: &str = "application/grpc";

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

/// A connection, closed where the caller is dropped, and what sends on it.
struct Caller {
    sender: SendRequest<Body>,
    _open: JoinSet<()>,
}

/// The answer: its message, if there is one, and the end of the call.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    decision: Option<v1::Decision>,
    code: i32,
}

impl Caller {
    async fn connect(server: &Process) -> Self {
        let address: SocketAddr = server.grpc()[0].parse().unwrap();
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        let mut open = JoinSet::new();
        open.spawn(async move { drop(connection.await) });
        Self { sender, _open: open }
    }

    async fn call(&mut self, headers: &[(&'static str, &str)], frames: Vec<Bytes>) -> Answer {
        let frames = frames.into_iter().map(|frame| Ok(Frame::data(frame)));
        let body = StreamBody::new(tokio_stream::iter(frames.collect::<Vec<_>>())).boxed();
        let mut request = Request::post("http://server/neglist.v1.DecisionService/Decide")
            .header("te", "trailers")
            .body(body)
            .unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let response = within("a response", self.sender.send_request(request)).await.unwrap();
        assert_eq!(response.status(), 200);
        let code = |headers: &HeaderMap| headers.get("grpc-status").map(|code| code.to_str().unwrap().parse().unwrap());
        let of_head = code(response.headers());
        let answer = within("a body", response.into_body().collect()).await.unwrap();
        let of_trailers = answer.trailers().and_then(code);
        let bytes = answer.to_bytes();
        let decision = (!bytes.is_empty()).then(|| {
            assert_eq!((bytes[0], bytes.len()), (0, 5 + u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize));
            v1::DecideResponse::decode(&bytes[5..]).unwrap().decision.unwrap()
        });
        Answer { decision, code: of_head.or(of_trailers).unwrap() }
    }

    /// Asks until a call ends so.
    async fn ask_until(&mut self, code: i32) {
        let frames = || vec![Bytes::from(framed(0, &request(7, 0)))];
        while self.ask(SHORT, frames()).await.code != code {}
    }

    async fn ask(&mut self, content_type: &str, frames: Vec<Bytes>) -> Answer {
        self.call(&[("content-type", content_type)], frames).await
    }
}

impl Answer {
    /// Without what differs from call to call.
    fn comparable(mut self) -> Self {
        if let Some(decision) = &mut self.decision {
            assert_eq!(decision.decision_id.len(), 32);
            decision.decision_id.clear();
            (decision.evaluated_at, decision.valid_until) = (None, None);
        }
        self
    }
}

fn framed(compressed: u8, message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[compressed][..], &len, message].concat()
}

fn request(general: u64, detail: i32) -> Vec<u8> {
    v1::DecideRequest { transfer: Some(clients::transfer(general, 0)), detail }.encode_to_vec()
}

/// Every form that a call may have: its name and its frames.
fn forms() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let plain = framed(0, &request(7, 0));
    let (head, tail) = plain.split_at(9);
    let transfer = v1::Transfer { destination: "Germany".into(), ..clients::transfer(7, 0) };
    let refused = v1::DecideRequest { transfer: Some(transfer), detail: 0 }.encode_to_vec();
    vec![
        ("one frame", vec![plain.clone()]),
        ("an empty frame at the end", vec![plain.clone(), Vec::new()]),
        ("an empty frame before", vec![Vec::new(), plain.clone()]),
        ("two frames", vec![head.to_vec(), tail.to_vec()]),
        ("a prefix of its own", vec![plain[..5].to_vec(), plain[5..].to_vec()]),
        ("byte by byte", plain.iter().map(|byte| vec![*byte]).collect()),
        ("all details", vec![framed(0, &request(7, 1))]),
        ("over a line", vec![framed(0, &request(100_000, 0))]),
        ("a refusal", vec![framed(0, &refused)]),
        ("marked as compressed", vec![framed(1, &request(7, 0))]),
        ("another mark", vec![framed(2, &request(7, 0))]),
        ("nothing at all", Vec::new()),
        ("an empty message", vec![framed(0, &[])]),
        ("no protobuf", vec![framed(0, &[0xff; 9])]),
        ("less than its prefix says", vec![plain[..plain.len() - 1].to_vec()]),
        ("longer than allowed", vec![framed(0, &vec![0; 5_000])]),
    ]
}

#[tokio::test]
async fn every_form_is_answered_as_the_generated_services_do() {
    let directory = Directory::small();
    let server = Process::start_with(&directory.policies(), &["127.0.0.1:0"], &[("NEGLIST_REQUEST_BYTES_MAX", "4096")]);
    let mut caller = Caller::connect(&server).await;
    let mut codes = Vec::new();
    for (form, frames) in forms() {
        let frames: Vec<Bytes> = frames.into_iter().map(Bytes::from).collect();
        let short = caller.ask(SHORT, frames.clone()).await.comparable();
        let long = caller.ask(LONG, frames).await.comparable();
        assert_eq!(short, long, "{form}");
        assert_eq!(short.decision.is_some(), short.code == 0, "{form}: {short:?}");
        codes.push(short.code);
    }
    assert!(codes[..8].iter().all(|code| *code == 0), "{codes:?}");
    assert!(codes[8..].iter().all(|code| *code != 0), "{codes:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_call_whose_time_is_over_is_not_decided() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let mut caller = Caller::connect(&server).await;
    let frames = || vec![Bytes::from(framed(0, &request(7, 0)))];
    let late = caller.call(&[("content-type", SHORT), ("grpc-timeout", "0n")], frames()).await;
    assert_eq!(late, Answer { decision: None, code: 4 });
    // A malformed deadline is refused: it does not tell how long the caller waits.
    for (timeout, code) in [("10S", 0), ("1H", 0), ("soon", 3), ("-1S", 3)] {
        let answer = caller.call(&[("content-type", SHORT), ("grpc-timeout", timeout)], frames()).await;
        assert_eq!(answer.code, code, "{timeout}");
    }
    server.stop().await;
}

/// A call is in flight once its message is whole; a stream is, as long as it is open.
#[tokio::test(flavor = "multi_thread")]
async fn b4_a_stream_holds_its_place_and_a_call_in_the_middle_of_its_message_holds_none() {
    let directory = Directory::small();
    let server =
        Process::start_with(&directory.policies(), &["127.0.0.1:0"], &[("NEGLIST_REQUESTS_IN_FLIGHT_MAX", "1")]);
    let frames = || vec![Bytes::from(framed(0, &request(7, 0)))];
    let mut caller = Caller::connect(&server).await;
    let mut stuck = Raw::connect(server.grpc()[0], &[]);
    for (method, stream) in [("Decide", 1), ("DecideStream", 3)] {
        let path = format!("/neglist.v1.DecisionService/{method}");
        stuck.send(&raw_http2::begin(stream, &path, &[], Then::More));
        stuck.send(&raw_http2::data(stream, &[0, 0, 0], Then::More));
    }
    // The stream is answered with its headers, and they are not its end.
    let answered = stuck.next().unwrap();
    assert_eq!((answered.stream, answered.is_end()), (3, false));
    assert_eq!(caller.ask(SHORT, frames()).await.code, 8);
    drop(stuck);
    within("an answer", caller.ask_until(0)).await;
    server.stop().await;
}
