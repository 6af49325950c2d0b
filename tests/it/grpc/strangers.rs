//! Clients of other protocols at a gRPC address: logged, and refused with an explanation.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::clients;
use crate::support::server::{Directory, Process, connect};
use crate::support::wait::{until, within};

/// Sends bytes to an address and waits until it closes the connection; returns the port that they came from.
fn send(address: &str, bytes: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    let port = stream.local_addr().unwrap().port();
    stream.write_all(bytes).unwrap();
    // The answer is at most frames of HTTP/2; the close may be an error.
    drop(stream.read_to_end(&mut Vec::new()));
    port
}

#[tokio::test]
async fn c_a_client_of_another_protocol_is_logged_once_with_its_address() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let hello: &[u8] = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03tls tls tls tls tls tls";
    let get: &[u8] = b"GET /v1/decide HTTP/1.1\r\nhost: x\r\n\r\n";
    for (bytes, en, zh) in [
        (hello, "TLS came to a gRPC address", "收到 TLS 连接"),
        (get, "HTTP/1 came to a gRPC address", "收到 HTTP/1 请求"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nPRI * HTTP/2.0\r\n\r\n", "the PROXY protocol came", "收到 PROXY 协议"),
    ] {
        let port = send(server.grpc()[0], bytes);
        let line = until("a line", || {
            let log = server.stderr();
            log.lines().find(|line| line.contains(en)).map(str::to_owned)
        });
        let line = line.await;
        assert!(
            line.contains("WARN") && line.contains(&format!("peer=127.0.0.1:{port}")) && line.contains(zh),
            "{line}"
        );
        // However often it comes.
        for _ in 0..20 {
            send(server.grpc()[0], bytes);
        }
    }
    // Clients of HTTP/2 and silent ones are not logged.
    drop(TcpStream::connect(server.grpc()[0]).unwrap());
    server.decisions().await.decide(clients::request(clients::transfer(1, 0))).await.unwrap();
    let ended = server.stop().await;
    let lines = ended.stderr.lines().filter(|line| line.contains(" came to a gRPC address")).count();
    assert_eq!(lines, 3, "{}", ended.stderr);
}

#[tokio::test]
async fn c_a_method_that_is_not_served_is_answered_with_those_that_are() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let channel = connect(server.grpc()[0]).await;
    for path in [
        "/neglist.v1.DecisionService/Permit",
        "/neglist.v2.DecisionService/Decide",
        "/neglist.v1.PolicyService/Reload",
        "/",
    ] {
        let refused = clients::call_raw(channel.clone(), path, Vec::new()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{path}: {refused:?}");
        let zh = refused.get_details_localized_message().unwrap().message;
        for text in [refused.message(), zh.as_str()] {
            assert!(text.contains(&format!("`{path}`")) && text.contains("`neglist.v1.DecisionService`"), "{text}");
        }
    }
    let admin = connect(server.admin()).await;
    let refused = clients::call_raw(admin, "/neglist.v1.DecisionService/Decide", Vec::new()).await.unwrap_err();
    assert!(refused.message().contains("serves `neglist.v1.PolicyService`"), "{refused:?}");
    drop(channel);
    server.stop().await;
}

/// Sends one message; returns the status of HTTP, the headers, and the body.
async fn ask(server: &Process, headers: &[(&'static str, &str)]) -> (u16, HeaderMap, String) {
    let stream = tokio::net::TcpStream::connect(server.grpc()[0]).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let mut open = JoinSet::new();
    open.spawn(async move { drop(connection.await) });
    let message = clients::request(clients::transfer(1, 0)).encode_to_vec();
    let framed = [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), &message].concat();
    let mut request =
        Request::post("http://server/neglist.v1.DecisionService/Decide").body(Full::new(Bytes::from(framed))).unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let response = within("a response", sender.send_request(request)).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = within("a body", response.into_body().collect()).await.unwrap().to_bytes();
    (status, headers, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn c_other_content_types_are_415_and_compressed_bodies_have_their_own_answer() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    for ours in ["application/grpc", "application/grpc+proto", "Application/gRPC", "application/grpc; charset=utf-8"] {
        let (status, headers, body) = ask(&server, &[("content-type", ours)]).await;
        assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "application/grpc"), "{ours}");
        let message = body.as_bytes().get(5..);
        assert!(message.is_some(), "{ours}");
    }
    for other in [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "application/grpc+json",
        "application/json",
        "application/connect+proto",
        "application/proto",
        "text/plain",
        "",
    ] {
        let content_type: &[(&'static str, &str)] = if other.is_empty() { &[] } else { &[("content-type", other)] };
        let (status, headers, body) = ask(&server, content_type).await;
        assert_eq!((status, headers["content-type"].to_str().unwrap()), (415, "application/json"), "{other}");
        assert!(headers.get("grpc-status").is_none());
        assert!(
            body.contains("this address speaks gRPC with protobuf") && body.contains("本地址仅支持"),
            "{other}: {body}"
        );
    }
    for encoding in ["gzip", "deflate", "zstd"] {
        let (status, headers, _) =
            ask(&server, &[("content-type", "application/grpc"), ("grpc-encoding", encoding)]).await;
        let [code, taken] = ["grpc-status", "grpc-accept-encoding"].map(|name| headers[name].to_str().unwrap());
        assert_eq!((status, code, taken), (200, "12", "identity"));
        let message = headers["grpc-message"].to_str().unwrap();
        assert!(message.contains(encoding) && message.contains("identity"), "{message}");
    }
    server.stop().await;
}
