//! Lines as Squid 5.7 writes them, lines that it does not write, and the answers.

use super::*;
use crate::domain::gateway::{Context, Header, Seen as _};
use crate::doors::envoy::check::Check;
use crate::wire::generated::vendor::envoy::config::core::v3::HeaderValue;
use crate::wire::generated::vendor::envoy::service::auth::v3::{DeniedHttpResponse, OkHttpResponse};
use crate::wire::refusal::grpc::RpcStatus;

fn labels() -> Vec<String> {
    ["x-neglist-flow", "x-neglist-persons"].map(str::to_owned).to_vec()
}

#[track_caller]
fn seen(line: &str) -> (String, String, String) {
    let question = question(line.as_bytes(), &[]).unwrap();
    let check = Check::new(&question.request);
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    (text(check.method()), text(check.host()), text(check.path()))
}

#[test]
fn lines_that_squid_writes_are_read() {
    for (line, method, host, path) in [
        ("0 GET http://example.com/ example.com 80 -", "GET", "example.com", "/"),
        ("1 POST http://example.com:8080/a?b=c/%23 example.com 8080", "POST", "example.com:8080", "/a?b=c/%23"),
        // What the client sent as `%2F` and what it sent as a quotation mark both stay as they are on the line.
        ("2 GET http://example.com/a%20b/%2F%22 example.com 80 -", "GET", "example.com", "/a%20b/%2F%22"),
        ("3 GET http://%5B::1%5D:81/a %5B::1%5D 81 -", "GET", "[::1]:81", "/a"),
        ("4 CONNECT example.com:443 example.com 443 -", "CONNECT", "example.com:443", ""),
        ("5 CONNECT %5B::1%5D:443 %5B::1%5D 443 -", "CONNECT", "[::1]:443", ""),
        ("6 GET ftp://example.com/a example.com 21 -", "GET", "example.com", "/a"),
        ("4294967295 GET https://example.com/x example.com 443 -", "GET", "example.com", "/x"),
    ] {
        assert_eq!(seen(line), (method.to_owned(), host.to_owned(), path.to_owned()), "{line}");
    }
}

#[test]
fn headers_stand_in_the_order_of_their_names() {
    let line = b"7 GET http://a.example/ a.example 80 trial 1,%202 -";
    let question = question(line, &labels()).unwrap();
    let check = Check::new(&question.request);
    assert_eq!(question.channel, 7);
    assert_eq!(check.header("x-neglist-flow"), Header::Text("trial"));
    assert_eq!(check.header("x-neglist-persons"), Header::Repeated);
    // Squid has no id of its own: a counted request needs one from a label.
    assert_eq!(check.stream_id(), None);
}

#[test]
fn a_header_that_was_not_sent_is_absent() {
    let line = b"7 GET http://a.example/ a.example 80 - - -";
    let question = question(line, &labels()).unwrap();
    let check = Check::new(&question.request);
    assert_eq!(check.header("x-neglist-flow"), Header::Absent);
    assert_eq!(check.header("x-data"), Header::NotSeen, "Squid does not put it on the line");
    assert_eq!((check.context("route"), check.sni()), (Context::NotSeen, None));
}

#[test]
fn lines_that_squid_does_not_write_are_garbled() {
    for (line, channel) in [
        (&b""[..], None),
        (b" ", None),
        (b"GET http://a.example/ a.example 80", None),
        (b"-1 GET http://a.example/ a.example 80", None),
        (b"99999999999 GET http://a.example/ a.example 80", None),
        (b"7", None),
        (b"7 ", Some(7)),
        (b"7 GET", Some(7)),
        (b"7 GET http://a.example/ a.example", Some(7)),
        (b"7  http://a.example/ a.example 80", Some(7)),
        (b"7 GET  http://a.example/ a.example 80", Some(7)),
        (b"7 GET http://a.example/ a.example 80 x", Some(7)),
        (b"7 GET http://a.example/ a.example 80 - -", Some(7)),
        (b"7 GET http://a.example/caf\xe9 a.example 80", Some(7)),
        (b"7 GET http://a.example/\x00 a.example 80", Some(7)),
        (b"7 GET http://a.example/\tx a.example 80", Some(7)),
        (b"7 GET http://a.example/\r a.example 80", Some(7)),
        ("7 GET http://a.example/中 a.example 80".as_bytes(), Some(7)),
        (b"7 GET /origin a.example 80", Some(7)),
        (b"7 GET http://a.example a.example 80", Some(7)),
        (b"7 GET http://a.example?x a.example 80", Some(7)),
        (b"7 GET http:/// - 80", Some(7)),
        (b"7 GET gopher://a.example/ a.example 70", Some(7)),
        // Decided on one host and sent to another.
        (b"7 GET http://a.example/ b.example 80", Some(7)),
        (b"7 GET http://a.example/ a.example 81", Some(7)),
        (b"7 GET http://a.example:80/ a.example 81", Some(7)),
        (b"7 GET http://user@a.example/ a.example 80", Some(7)),
        (b"7 CONNECT a.example:443 b.example 443", Some(7)),
        (b"7 CONNECT a.example a.example 443", Some(7)),
        (b"7 CONNECT a.example:443:443 a.example 443", Some(7)),
    ] {
        let garbled = question(line, &[]).unwrap_err();
        let shown = String::from_utf8_lossy(line);
        assert_eq!(garbled.channel, channel, "{shown}");
        let answer = super::line(garbled.channel, &broken(&garbled.why));
        assert!(answer.contains("BH message=") && !answer.contains("OK"), "{shown}: {answer}");
    }
    let too_few = question(b"7 GET http://a.example/ a.example 80 -", &labels()).unwrap_err();
    assert!(too_few.why.contains("--headers"), "{too_few:?}");
}

fn response(code: i32, http_response: Option<HttpResponse>) -> CheckResponse {
    let status = RpcStatus { code, message: "contract: A_REASON".into(), details: Vec::new() };
    CheckResponse { status: Some(status), http_response, dynamic_metadata: None }
}

fn header(name: &str, value: &str) -> HeaderValueOption {
    let header = HeaderValue { key: name.into(), value: value.into(), raw_value: Vec::new() };
    HeaderValueOption { header: Some(header), ..HeaderValueOption::default() }
}

fn headers(outcome: &str) -> Vec<HeaderValueOption> {
    [("x-neglist-outcome", outcome), ("x-neglist-reason", "A_REASON"), ("x-neglist-decision-id", "0f")]
        .map(|(name, value)| header(name, value))
        .to_vec()
}

fn passing() -> HttpResponse {
    HttpResponse::OkResponse(OkHttpResponse { response_headers_to_add: headers("allow"), ..OkHttpResponse::default() })
}

fn denying(body: &str) -> HttpResponse {
    let headers = headers("contract");
    HttpResponse::DeniedResponse(DeniedHttpResponse { headers, body: body.into(), ..DeniedHttpResponse::default() })
}

#[test]
fn only_a_code_and_a_kind_that_agree_let_pass() {
    let answer = line(Some(3), &reply(&response(0, Some(passing()))));
    assert_eq!(answer, "3 OK log=allow/A_REASON/0f tag=allow\n");
    let error = || HttpResponse::ErrorResponse(DeniedHttpResponse::default());
    for unclear in [
        CheckResponse::default(),
        CheckResponse { status: None, ..response(0, Some(passing())) },
        response(0, None),
        response(0, Some(denying(""))),
        response(0, Some(error())),
        response(7, None),
        response(7, Some(passing())),
        response(14, Some(error())),
        response(-1, Some(passing())),
        response(-1, Some(denying(""))),
    ] {
        assert!(matches!(reply(&unclear), Reply::Broken { .. }), "{unclear:?}");
    }
}

#[test]
fn a_denial_says_why() {
    let decision = r#"{"reasons": [{"code": "A_REASON", "text_zh": "须备案", "text_en": "file it"}]}"#;
    let refusal = r#"{"code": 3, "message": "file it", "details": [{"fieldViolations": []}, {"locale": "zh-CN", "message": "须备案"}]}"#;
    for body in [decision, refusal] {
        let answer = line(Some(3), &reply(&response(7, Some(denying(body)))));
        let message = "contract%20A_REASON:%20file%20it";
        assert_eq!(answer, format!("3 ERR message={message} log=contract/A_REASON/0f tag=contract\n"));
    }
    for body in ["", "[]", "{", "{\"reasons\": 1}"] {
        let Reply::Denied { message, .. } = reply(&response(7, Some(denying(body)))) else { panic!("{body}") };
        assert_eq!(message, "contract A_REASON: contract: A_REASON", "{body}");
    }
}

#[test]
fn an_answer_is_one_short_line() {
    let hostile = "x\nOK tag=allow \"\\%\u{0}".to_owned() + &"备".repeat(10_000);
    let answer = line(None, &Reply::Broken { message: hostile });
    assert_eq!(answer.matches('\n').count(), 1);
    assert!(answer.starts_with("BH message=x%0AOK%20tag%3Dallow%20%22%5C%25%00%E5%A4%87"), "{answer}");
    assert!(answer.len() < 3 * TEXT_BYTES_MAX + 100);
    assert_eq!(line(Some(1), &broken("")), "1 BH message=-\n");
}
