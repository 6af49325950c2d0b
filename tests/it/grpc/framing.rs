//! Calls whose bytes are not the messages that their method takes: refused as the caller's fault, and nothing is decided.

use neglist::wire::generated::v1;
use prost::Message as _;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::http::{Method, Request, header};
use tonic::codegen::{Bytes, Service as _};
use tonic::transport::Channel;

use crate::support::clients;
use crate::support::raw_http2::framed;
use crate::support::server::{Directory, Process, connect};
use crate::support::wait::within;

const UNARY: [&str; 5] = [
    "/neglist.v1.DecisionService/Decide",
    "/neglist.v1.DecisionService/DecideBatch",
    "/neglist.v1.LedgerService/Reserve",
    "/envoy.service.auth.v3.Authorization/Check",
    "/grpc.health.v1.Health/Check",
];
const STREAM: &str = "/neglist.v1.DecisionService/DecideStream";

/// Sends bytes as the body of a call, in pieces; returns the codes of HTTP and gRPC, and the message.
async fn send(
    channel: &Channel,
    request: tonic::codegen::http::request::Builder,
    pieces: &[&[u8]],
) -> (u16, Option<Code>, String) {
    let frames: Vec<Result<_, std::convert::Infallible>> =
        pieces.iter().map(|piece| Ok(http_body::Frame::data(Bytes::copy_from_slice(piece)))).collect();
    let body = Body::new(http_body_util::StreamBody::new(tokio_stream::iter(frames)));
    let mut channel = channel.clone();
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let response = within("an answer", channel.call(request.body(body).unwrap())).await.unwrap();
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let collected = within("its end", http_body_util::BodyExt::collect(response.into_body())).await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let said = [trailers, headers].into_iter().find_map(|map| tonic::Status::from_header_map(&map));
    (status, said.as_ref().map(tonic::Status::code), said.map_or(String::new(), |status| status.message().to_owned()))
}

fn post(path: &str) -> tonic::codegen::http::request::Builder {
    Request::post(path).header(header::CONTENT_TYPE, "application/grpc")
}

#[tokio::test]
async fn a_unary_call_is_one_message() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let channel = connect(server.grpc()[0]).await;
    let one = framed(&[]);
    let cases: [(&str, Vec<&[u8]>, &str); 7] = [
        ("nothing", vec![], "no message"),
        ("a part of a prefix", vec![&[0, 0]], "3 bytes are missing"),
        ("a part of a message", vec![&[0, 0, 0, 0, 3], &[1]], "2 bytes are missing"),
        ("a byte behind it", vec![&one, &[0]], "1 bytes follow"),
        ("a byte behind it, in one piece", vec![&[0, 0, 0, 0, 0, 9]], "1 bytes follow"),
        ("two messages", vec![&one, &one], "5 bytes follow"),
        ("a message that is said to be compressed", vec![&[1, 0, 0, 0, 0]], "before the length"),
    ];
    for path in UNARY {
        for (name, pieces, says) in &cases {
            let (status, code, said) = send(&channel, post(path), pieces).await;
            assert_eq!((status, code), (200, Some(Code::InvalidArgument)), "{path}: {name}: {said}");
            assert!(said.contains(says), "{path}: {name}: {said}");
        }
    }
    // A message that is a decision, in as many pieces as bytes, is one.
    let request = v1::DecideRequest { transfer: Some(clients::transfer(1, 0)), detail: 0 };
    let bytes = framed(&request.encode_to_vec());
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(send(&channel, post(UNARY[0]), &pieces).await.1, Some(Code::Ok));
    server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_a_whole_message() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let channel = connect(server.grpc()[0]).await;
    let message = framed(&clients::message(7, clients::transfer(1, 0)).encode_to_vec());
    let cases: [(&str, Vec<&[u8]>, Code); 5] = [
        ("nothing", vec![], Code::Ok),
        ("two messages", vec![&message, &message], Code::Ok),
        ("a part of a message", vec![&message, &message[..9]], Code::InvalidArgument),
        ("a part of a prefix", vec![&message, &[0]], Code::InvalidArgument),
        ("a flag", vec![&message, &[2, 0, 0, 0, 0]], Code::InvalidArgument),
    ];
    for (name, pieces, expected) in cases {
        let (status, code, said) = send(&channel, post(STREAM), &pieces).await;
        assert_eq!((status, code), (200, Some(expected)), "{name}: {said}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_call_is_a_post_of_one_content_type() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let channel = connect(server.grpc()[0]).await;
    let request = v1::DecideRequest { transfer: Some(clients::transfer(1, 0)), detail: 0 };
    let bytes = framed(&request.encode_to_vec());
    for path in UNARY.iter().chain([&STREAM]) {
        for method in [Method::GET, Method::PUT, Method::HEAD] {
            let other = post(path).method(method.clone());
            assert_eq!(send(&channel, other, &[&bytes]).await.0, 405, "{method} {path}");
        }
        let twice = post(path).header(header::CONTENT_TYPE, "application/json");
        assert_eq!(send(&channel, twice, &[&bytes]).await.0, 415, "{path}");
    }
    assert_eq!(send(&channel, post(UNARY[0]), &[&bytes]).await.1, Some(Code::Ok));
    server.stop().await;
}
