//! HTTP/1 that can be read in two ways, and messages that are too large.

use std::path::Path;

use neglist::wire::generated::v1;
use prost::Message as _;
use tonic::Code;
use tonic::transport::Channel;
use tonic_types::StatusExt as _;

use crate::http::doors::{NOW, start};
use crate::process::health::Addresses;
use crate::support::clients::{self, item, message, request, transfer};
use crate::support::http_client::{self, Client, get};
use crate::support::server::{self, Directory, SetClock, connect, decisions_on};

#[tokio::test(flavor = "multi_thread")]
async fn b20_ambiguous_requests_are_refused_before_any_decision() {
    let directory = Directory::small();
    let (_server, http) = start(&directory, &[]).await;
    let body =
        neglist::wire::json::message::to_json_line(&request(transfer(1, 0)), "neglist.v1.DecideRequest").unwrap();
    let length = body.len();
    let post = "POST /v1/decide HTTP/1.1\r\ncontent-type: application/json\r\n";
    let chunk = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    let whole = format!("host: a\r\ncontent-length: {length}\r\n");
    let refused = [
        format!("{post}{whole}\r\n{body}").replace("\r\n", "\n"),
        format!("{post}{whole}\n{body}"),
        format!("{post}host: b\r\n{whole}\r\n{body}"),
        format!("{post}host: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n{chunk}"),
        format!("{post}host: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n{chunk}"),
        format!("{post}host: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n{chunk}"),
        format!("{post}{whole}transfer-encoding: chunked\r\n\r\n{chunk}"),
        format!("{post}transfer-encoding: chunked\r\n{whole}\r\n{chunk}"),
        format!("{post}host: a\r\ncontent-length: +{length}\r\n\r\n{body}"),
        format!("{post}host: a\r\ncontent-length: {length}, {length}\r\n\r\n{body}"),
        format!("{post}{whole}content-length: {length}\r\n\r\n{body}"),
        format!("{post}host : a\r\ncontent-length: {length}\r\n\r\n{body}"),
        format!("{post}{whole}x: y\r\n folded\r\n\r\n{body}"),
        format!("{post}{whole}x: \0\r\n\r\n{body}"),
        format!("{post}{whole}x: a\rb\r\n\r\n{body}"),
        format!("{post}content-length: {length}\r\n\r\n{body}"),
        format!("{post}{whole}\r\n{body}").replace("POST /", "POST http://b/"),
        format!("{post}{whole}\r\n{body}").replace("/v1/decide", "/v1/decide#x"),
        format!("{post}host: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}").replace("HTTP/1.1", "HTTP/1.0"),
    ];
    for request in &refused {
        let mut client = Client::connect(&http);
        client.send(request);
        let answer = client.receive().unwrap_or_else(|| panic!("no answer to {request:?}"));
        assert_eq!(answer.status, 400, "{request:?}");
        assert!(client.is_closed(), "{request:?}");
        // As the second on a connection, and byte by byte.
        let mut client = Client::connect(&http);
        client.send(http_client::request("GET", "/livez", &[], ""));
        request.as_bytes().chunks(7).for_each(|piece| client.send(piece));
        assert_eq!(client.receive().unwrap().status, 200);
        assert!(client.receive().is_none_or(|answer| answer.status == 400), "{request:?}");
        assert!(client.is_closed(), "{request:?}");
    }
    let metrics = get(&http, "/metrics").body;
    for outcome in ["allow", "file", "contract", "assess", "refused"] {
        let line = format!("neglist_decisions_total{{door=\"http-decide\",outcome=\"{outcome}\"}} 0\n");
        assert!(metrics.contains(&line), "{outcome}");
    }
    let counted = format!("neglist_limit_refusals_total{{limit=\"http-form\"}} {}\n", 2 * refused.len());
    assert!(metrics.contains(&counted), "{counted}{metrics}");
    // A chunk that does not have the size that it says ends the request as well.
    let mut client = Client::connect(&http);
    client.send(format!("{post}host: a\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\n{body}\r\n0\r\n\r\n"));
    assert!(client.receive().is_none_or(|answer| answer.status == 400));
    assert!(client.is_closed());
    // Unambiguous requests are answered, on one connection.
    let mut client = Client::connect(&http);
    let chunked = format!("{post}host: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
    for request in [format!("{post}{whole}\r\n{body}"), chunked.replace("POST /", "POST http://A:80/"), chunked] {
        client.send(&request);
        assert_eq!(client.receive().unwrap().status, 200, "{request:?}");
    }
}

/// A batch with all details about 31 items of the shipped catalogue.
fn batch(transfers: usize, detail: v1::Detail) -> v1::DecideBatchRequest {
    let codes = ["contact.name", "health.diagnosis", "genetic.data"].into_iter().cycle().take(31);
    let large = v1::Transfer {
        data: codes.map(item).collect(),
        persons: Some(v1::Persons { general: 1, sensitive: 1 }),
        year_to_date: Some(v1::Persons { general: 2_000_000, sensitive: 20_000 }),
        ..transfer(1, 0)
    };
    v1::DecideBatchRequest { transfers: vec![large; transfers], detail: detail.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn b9_an_answer_that_clients_do_not_take_is_refused_and_counted_once() {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let start = async |answer_bytes_max: &str| {
        let settings = [("http", "127.0.0.1:0"), ("answer_bytes_max", answer_bytes_max)];
        let server = server::start(&policies, SetClock::at(NOW), &settings).await;
        let (grpc, http) = (server::address(&server, "grpc"), server::address(&server, "http"));
        (server, connect(&grpc).await, http)
    };
    let (_server, channel, _) = start("67108864").await;
    let all = decisions_on(channel).decide_batch(batch(1_000, v1::Detail::Full)).await.unwrap().into_inner();
    let one = v1::DecideBatchResponse { results: vec![all.results[0].clone()] }.encoded_len();
    // Far more than fit, so that the result does not depend on the words of the lists.
    let max = (1 << 20).max(all.encoded_len() / 2);
    let fitting = max / one;
    assert!((10..1_000).contains(&fitting), "{one}");

    let (_server, channel, http) = start(&max.to_string()).await;
    let mut client = decisions_on(channel);
    let refused = client.decide_batch(batch(1_000, v1::Detail::Full)).await.unwrap_err();
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    assert_eq!((refused.code(), violations[0].reason.as_str()), (Code::InvalidArgument, "ANSWER_TOO_LARGE"));
    assert!(refused.message().contains("smaller batches"), "{refused:?}");
    assert!(!violations[0].description.is_ascii(), "{violations:?}");
    let counted = |outcome: &str| -> u64 {
        let series = format!("neglist_decisions_total{{door=\"decide-batch\",outcome=\"{outcome}\"}} ");
        get(&http, "/metrics").body.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap()
    };
    assert_eq!(["allow", "file", "contract", "assess"].map(counted), [0; 4]);
    assert_eq!(counted("refused"), 1);
    // What fits is answered, and one more is not.
    let answers = client.decide_batch(batch(fitting, v1::Detail::Full)).await.unwrap().into_inner();
    assert!(answers.encoded_len() <= max, "{}", answers.encoded_len());
    assert!(client.decide_batch(batch(fitting + 1, v1::Detail::Full)).await.is_err());
    assert!(client.decide_batch(batch(1_000, v1::Detail::Unspecified)).await.is_ok());
    let decided: u64 = ["allow", "file", "contract", "assess"].map(counted).into_iter().sum();
    assert_eq!((decided, counted("refused")), (fitting as u64 + 1_000, 2));
    let metrics = get(&http, "/metrics").body;
    assert!(metrics.contains("neglist_limit_refusals_total{limit=\"answer-bytes\"} 2\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b9_requests_that_are_too_large_are_refused_in_our_words_everywhere() {
    let directory = Directory::small();
    let (server, http) = start(&directory, &[("request_bytes_max", "4096")]).await;
    let addresses = Addresses::of(&server);
    let (grpc, admin) = (connect(&addresses.grpc).await, connect(&addresses.admin).await);
    let mut count = 0;
    let mut refuses = async |channel: &Channel, path: &'static str, bytes: usize, bytes_max: usize| {
        let refused = clients::call_raw(channel.clone(), path, vec![0; bytes]).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{path}: {refused:?}");
        for words in [format!("{bytes} bytes"), format!("may have {bytes_max}")] {
            assert!(refused.message().contains(&words), "{path}: {refused:?}");
        }
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].reason, "REQUEST_TOO_LARGE", "{path}");
        count += 1;
    };
    for path in [
        "/neglist.v1.DecisionService/Decide",
        "/neglist.v1.DecisionService/DecideBatch",
        "/neglist.v1.DecisionService/DecideStream",
        "/neglist.v1.LedgerService/Reserve",
        "/neglist.v1.LedgerService/Commit",
        "/neglist.v1.LedgerService/Release",
        "/neglist.v1.LedgerService/GetUsage",
        "/envoy.service.auth.v3.Authorization/Check",
    ] {
        refuses(&grpc, path, 4_097, 4_096).await;
        refuses(&grpc, path, 5 << 20, 4_096).await;
    }
    for channel in [&grpc, &admin] {
        for path in [
            "/grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ] {
            refuses(channel, path, 65_537, 65_536).await;
        }
    }
    for path in [
        "/neglist.v1.PolicyService/GetStatus",
        "/neglist.v1.PolicyService/Reload",
        "/neglist.v1.PolicyService/Validate",
        "/neglist.v1.PolicyService/WaitForDigest",
        "/neglist.v1.PolicyService/WatchStatus",
    ] {
        refuses(&admin, path, 65_537, 65_536).await;
    }
    let counted = format!("neglist_limit_refusals_total{{limit=\"request-bytes\"}} {count}\n");
    let metrics = get(&http, "/metrics").body;
    assert!(metrics.contains(&counted), "{counted}{metrics}");
    // A stream has the answers to earlier messages, and the connection goes on.
    let large = v1::Transfer { recipient: "x".repeat(5_000), ..transfer(1, 0) };
    let messages = tokio_stream::iter([message(1, transfer(1, 0)), message(2, large), message(3, transfer(1, 0))]);
    let mut answers = decisions_on(grpc.clone()).decide_stream(messages).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 1);
    assert_eq!(answers.message().await.unwrap_err().code(), Code::InvalidArgument);
    assert!(decisions_on(grpc).decide(request(transfer(1, 0))).await.is_ok());
}
