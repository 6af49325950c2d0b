//! Listeners, health, reflection, deadlines, and calls that are not requests of the contract.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prost::Message as _;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1 as reflection, v1alpha as reflection_alpha};

use crate::support::clients::{self, request, transfer};
use crate::support::server::{Directory, Process, connect};
use crate::support::wait::within;

const SERVICE: &str = "neglist.v1.DecisionService";

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

#[tokio::test]
async fn several_listeners_answer_at_once_on_tcp_and_on_unix_sockets() {
    let directory = Directory::small();
    let sockets = [directory.beside("a.sock"), directory.beside("b.sock")];
    let unix = sockets.each_ref().map(|path| format!("unix:{}", path.display()));
    let listen = ["127.0.0.1:0", &unix[0], "127.0.0.1:0", &unix[1]];
    let server = Process::start_with(&directory.policies(), &listen, &[]);
    let addresses = server.grpc();
    assert_eq!((addresses.len(), addresses[1], addresses[3]), (4, unix[0].as_str(), unix[1].as_str()));
    let mut clients = Vec::new();
    for address in addresses {
        let channel = connect(address).await;
        clients.push(crate::support::server::decisions_on(channel));
    }
    // All connections stay open, and each is asked in turn.
    for total in [99_998, 99_999] {
        let mut outcomes = Vec::new();
        for client in &mut clients {
            let response = within("an answer", client.decide(request(transfer(1, total)))).await.unwrap();
            outcomes.push(response.into_inner().decision.unwrap().outcome());
        }
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    }
    drop(clients);
    server.stop().await;
    assert!(sockets.iter().all(|socket| !socket.exists()));
}

#[tokio::test]
async fn health_tells_of_the_whole_and_of_each_service() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    for (address, service) in [(server.grpc()[0], SERVICE), (server.admin(), "neglist.v1.PolicyService")] {
        let mut client = HealthClient::new(connect(address).await);
        for service in ["", service] {
            let response = client.check(about(service)).await.unwrap().into_inner();
            assert_eq!(response.status(), ServingStatus::Serving, "{service}");
        }
        let unknown = client.check(about("neglist.v1.Nothing")).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);
    }
    // A watcher hears of the state at once, and of the end.
    let mut client = HealthClient::new(connect(server.grpc()[0]).await);
    let mut watches = Vec::new();
    for service in ["", SERVICE] {
        let mut watch = client.watch(about(service)).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
        watches.push(watch);
    }
    server.stop().await;
    for mut watch in watches {
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
        assert!(within("the end", watch.message()).await.unwrap().is_none());
    }
}

/// Names the services that a descriptor set has.
fn services_of(files: &[Vec<u8>]) -> Vec<String> {
    let files = files.iter().map(|file| prost_types::FileDescriptorProto::decode(file.as_slice()).unwrap());
    let services = files.flat_map(|file| {
        let package = file.package().to_owned();
        file.service.into_iter().map(move |service| format!("{package}.{}", service.name()))
    });
    services.collect()
}

macro_rules! reflection_answers {
    ($protocol:ident, $channel:expr, $request:ident($about:expr)) => {{
        use $protocol::server_reflection_client::ServerReflectionClient;
        use $protocol::server_reflection_request::MessageRequest;
        let message_request = Some(MessageRequest::$request($about.to_owned()));
        let request = $protocol::ServerReflectionRequest { host: String::new(), message_request };
        let mut client = ServerReflectionClient::new($channel.clone());
        let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
        answers.message().await.unwrap().unwrap().message_response.unwrap()
    }};
}

macro_rules! check_reflection {
    ($protocol:ident, $channel:expr) => {{
        use $protocol::server_reflection_response::MessageResponse;
        let MessageResponse::ListServicesResponse(list) = reflection_answers!($protocol, $channel, ListServices(""))
        else {
            panic!("no list of services")
        };
        let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
        assert_eq!(
            names,
            ["grpc.health.v1.Health", "envoy.service.auth.v3.Authorization", SERVICE, "neglist.v1.LedgerService"]
        );
        for symbol in [SERVICE, "neglist.v1.DecisionService.Decide", "neglist.v1.Transfer"] {
            let answer = reflection_answers!($protocol, $channel, FileContainingSymbol(symbol));
            let MessageResponse::FileDescriptorResponse(found) = answer else { panic!("{symbol}: {answer:?}") };
            assert_eq!(services_of(&found.file_descriptor_proto), [SERVICE], "{symbol}");
        }
        let of_envoy = ["envoy.service.auth.v3.Authorization", "envoy.service.auth.v3.CheckRequest"];
        for symbol in of_envoy {
            let answer = reflection_answers!($protocol, $channel, FileContainingSymbol(symbol));
            assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{symbol}: {answer:?}");
        }
        // The parts of the contract, and the details of refusals, for clients without protocol files.
        for symbol in ["google.protobuf.Timestamp", "google.rpc.Status", "google.rpc.BadRequest"] {
            let answer = reflection_answers!($protocol, $channel, FileContainingSymbol(symbol));
            assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{symbol}: {answer:?}");
        }
        for file in [
            "neglist/v1/decision.proto",
            "google/protobuf/timestamp.proto",
            "google/rpc/status.proto",
            "validate/validate.proto",
        ] {
            let answer = reflection_answers!($protocol, $channel, FileByFilename(file));
            assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{file}: {answer:?}");
        }
    }};
}

#[tokio::test]
async fn both_versions_of_reflection_describe_the_contract() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let channel = connect(server.grpc()[0]).await;
    check_reflection!(reflection, channel);
    check_reflection!(reflection_alpha, channel);
    drop(channel);
    server.stop().await;
}

#[tokio::test]
async fn unknown_methods_and_services_are_unimplemented() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let channel = connect(server.grpc()[0]).await;
    for path in [
        "/neglist.v1.DecisionService/Permit",
        "/neglist.v1.DecisionService/",
        "/neglist.v2.DecisionService/Decide",
        // Policy administration and counting are not for every client that may ask.
        "/neglist.v1.PolicyService/Reload",
        "/neglist.v1.LedgerService/Reserve",
        "/",
    ] {
        let refused = clients::call_raw(channel.clone(), path, Vec::new()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{path}: {refused:?}");
    }
    let admin = connect(server.admin()).await;
    let refused = clients::call_raw(admin, "/neglist.v1.DecisionService/Decide", Vec::new()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented, "{refused:?}");
    drop(channel);
    server.stop().await;
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_and_the_server_goes_on() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let channel = connect(server.grpc()[0]).await;
    // The message of the request never comes.
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let mut late = Request::new(tokio_stream::pending::<Vec<u8>>());
    late.set_timeout(std::time::Duration::from_millis(50));
    let path = "/neglist.v1.DecisionService/Decide".parse().unwrap();
    let ended = within("the deadline", client.streaming(late, path, clients::Raw)).await;
    let ended = ended.map(tonic::Response::into_inner).unwrap_err();
    assert!(matches!(ended.code(), Code::DeadlineExceeded | Code::Cancelled), "{ended:?}");
    let mut client = crate::support::server::decisions_on(channel);
    assert!(client.decide(request(transfer(1, 0))).await.is_ok());
    drop(client);
    server.stop().await;
}

/// Sends bytes to a port, and returns the answer until the server closes.
fn knock(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(crate::support::wait::DEADLINE)).unwrap();
    // A server that has seen enough closes before everything is sent.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[tokio::test]
async fn a_client_of_another_protocol_is_closed_and_disturbs_no_other() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let mut client = server.decisions().await;
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        &[0xff; 1 << 14],
    ] {
        let address = server.grpc()[0].to_owned();
        let sent = bytes.to_vec();
        tokio::task::spawn_blocking(move || knock(&address, &sent)).await.unwrap();
        assert!(client.decide(request(transfer(1, 0))).await.is_ok());
    }
    // Connections that say nothing do not keep a server from stopping.
    let silent = TcpStream::connect(server.grpc()[0]).unwrap();
    assert!(client.decide(request(transfer(1, 0))).await.is_ok());
    server.stop().await;
    drop(silent);
}

#[tokio::test]
async fn a_caller_that_reads_no_answers_delays_no_other() {
    let directory = Directory::small();
    let server = Process::start(&directory.policies());
    let mut slow = server.decisions().await;
    let enough = Arc::new(AtomicBool::new(false));
    let flag = enough.clone();
    let sequences = (0..u64::MAX).take_while(move |_| !flag.load(Ordering::SeqCst));
    let flood = tokio_stream::iter(sequences.map(|sequence| clients::message(sequence, transfer(1, 0))));
    let unread = slow.decide_stream(flood).await.unwrap();
    let mut other = server.decisions().await;
    for _ in 0..20 {
        assert!(within("an answer", other.decide(request(transfer(1, 0)))).await.is_ok());
    }
    // Read after all, they come in order.
    let mut answers = unread.into_inner();
    let mut sequence = 0;
    while let Some(answer) = within("an answer", answers.message()).await.unwrap() {
        assert_eq!(answer.sequence, sequence);
        sequence += 1;
        enough.store(1_000 <= sequence, Ordering::SeqCst);
    }
    assert!(1_000 <= sequence);
    server.stop().await;
}
