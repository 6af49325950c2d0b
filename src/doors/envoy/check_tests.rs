//! The view of a message, field by field.

use super::*;
use crate::wire::generated::vendor::envoy::config::core::v3::HeaderMap;
use crate::wire::generated::vendor::envoy::service::auth::v3::AttributeContext;
use crate::wire::generated::vendor::envoy::service::auth::v3::attribute_context::{Request, TlsSession};

fn request(http: HttpRequest) -> CheckRequest {
    let request = Some(Request { http: Some(http), ..Request::default() });
    CheckRequest { attributes: Some(AttributeContext { request, ..AttributeContext::default() }) }
}

fn raw_headers(headers: &[(&str, &[u8])]) -> HeaderMap {
    let header = |(key, value): &(&str, &[u8])| HeaderValue {
        key: (*key).to_owned(),
        value: String::new(),
        raw_value: value.to_vec(),
    };
    HeaderMap { headers: headers.iter().map(header).collect() }
}

#[test]
fn a_tunnel_has_an_authority_and_no_path() {
    let http = HttpRequest {
        method: "CONNECT".into(),
        host: "partner.example:443".into(),
        path: String::new(),
        ..HttpRequest::default()
    };
    let request = request(http);
    let check = Check::new(&request);
    assert_eq!((check.method(), check.host(), check.path()), (Some("CONNECT"), Some("partner.example:443"), None));
}

#[test]
fn a_connection_has_at_most_a_server_name() {
    let tls = |sni: &str| AttributeContext {
        tls_session: Some(TlsSession { sni: sni.into() }),
        ..AttributeContext::default()
    };
    for (attributes, sni) in
        [(AttributeContext::default(), None), (tls(""), Some("")), (tls("partner.example"), Some("partner.example"))]
    {
        let request = CheckRequest { attributes: Some(attributes) };
        let check = Check::new(&request);
        assert_eq!(check.is_blank(), sni.is_none_or(str::is_empty));
        assert_eq!((check.host(), check.method(), check.path(), check.sni()), (None, None, None, sni));
        assert_eq!((check.header("host"), check.body("/a"), check.stream_id()), (Header::Absent, Body::NotThere, None));
    }
}

#[test]
fn a_number_that_a_header_repeats_is_not_envoys_own() {
    let id = |header: (&str, &[u8])| {
        let header_map = Some(raw_headers(&[header]));
        let request = request(HttpRequest { id: "78".into(), header_map, ..HttpRequest::default() });
        Check::new(&request).stream_id()
    };
    assert_eq!(id(("x-request-id", b"79")), Some(78));
    assert_eq!(id(("x-request-id", b"178,780")), Some(78));
    for header in [
        ("x-request-id", &b"78"[..]),
        ("x-correlation-id", b"78"),
        ("X-Request-Id", b"78,79"),
        ("x-trace", b"77, 78 "),
        ("x-trace", b"\xff,78"),
    ] {
        assert_eq!(id(header), None, "{header:?}");
    }
    let headers = std::collections::HashMap::from([("x-joined".to_owned(), "1, 78".to_owned())]);
    let request = request(HttpRequest { id: "78".into(), headers, ..HttpRequest::default() });
    assert_eq!(Check::new(&request).stream_id(), None);
}

#[test]
fn what_is_not_handed_on_is_not_seen() {
    let mut request = request(HttpRequest { host: "a.b".into(), ..HttpRequest::default() });
    assert_eq!(Check::new(&request).context("route"), Context::NotSeen);
    let mut say = |key: &str, value: &str| {
        let context = &mut request.attributes.as_mut().unwrap().context_extensions;
        context.insert(key.to_owned(), value.to_owned());
        request.clone()
    };
    let request = say(HEADERS_KEY, "x-a,x-b");
    let check = Check::new(&request);
    assert_eq!((check.header("x-a"), check.header("x-b")), (Header::Absent, Header::Absent));
    assert_eq!((check.header("x-c"), check.header("")), (Header::NotSeen, Header::NotSeen));
    assert_eq!(check.context("route"), Context::NotSeen, "our own keys say nothing of the request");
    assert_eq!(Check::new(&say(HEADERS_KEY, "")).header("x-a"), Header::NotSeen);
    let request = say("route", "r");
    let check = Check::new(&request);
    assert_eq!((check.context("route"), check.context("other")), (Context::Text("r"), Context::Absent));
}

#[test]
fn headers_are_visible_ascii_and_there_once() {
    let long = vec![b'x'; 100_000];
    let headers = raw_headers(&[
        ("x-once", b"a b"),
        ("x-twice", b"a"),
        ("x-twice", b"a"),
        ("X-Mixed", b"m"),
        ("x-bytes", b"caf\xe9"),
        ("x-utf8", "caf\u{e9}".as_bytes()),
        ("x-control", b"a\x01"),
        ("x-empty", b""),
        ("x-long", &long),
        ("x-comma", b"a, b"),
    ]);
    let request = request(HttpRequest { header_map: Some(headers), ..HttpRequest::default() });
    let check = Check::new(&request);
    let cases = [
        ("x-once", Header::Text("a b")),
        ("x-twice", Header::Repeated),
        ("x-mixed", Header::Text("m")),
        ("x-bytes", Header::NotText),
        ("x-utf8", Header::NotText),
        ("x-control", Header::NotText),
        ("x-empty", Header::Text("")),
        ("x-comma", Header::Text("a, b")),
        ("x-none", Header::Absent),
    ];
    for (name, expected) in cases {
        assert_eq!(check.header(name), expected, "{name}");
    }
    assert!(matches!(check.header("x-long"), Header::Text(text) if text.len() == 100_000));
}

#[test]
fn a_body_is_read_only_where_envoy_says_that_it_is_whole() {
    let body = br#"{"count": 3}"#.to_vec();
    let with = |raw_body: &[u8], body: &str, said: &[(&str, &[u8])]| {
        let http = HttpRequest {
            raw_body: raw_body.to_vec(),
            body: body.to_owned(),
            header_map: Some(raw_headers(said)),
            ..HttpRequest::default()
        };
        let request = request(http);
        let check = Check::new(&request);
        match check.body("/count") {
            Body::Number(number) => Ok(number),
            Body::NotThere => Err("not there"),
            Body::Partial => Err("partial"),
            other => panic!("{other:?}"),
        }
    };
    let whole: &[(&str, &[u8])] = &[(PARTIAL_BODY, b"false")];
    let text = std::str::from_utf8(&body).unwrap();
    assert_eq!(with(&body, "", whole), Ok(3));
    assert_eq!(with(b"", text, whole), Ok(3));
    assert_eq!(with(b"", "", whole), Err("not there"));
    let others: [&[(&str, &[u8])]; 5] = [
        &[],
        &[(PARTIAL_BODY, b"true")],
        &[(PARTIAL_BODY, b"")],
        // A client says so too.
        &[(PARTIAL_BODY, b"false"), (PARTIAL_BODY, b"true")],
        &[(PARTIAL_BODY, b"false"), (PARTIAL_BODY, b"false")],
    ];
    for said in others {
        assert_eq!(with(&body, "", said), Err("partial"), "{said:?}");
    }
    assert_eq!(with(&body, text, whole), Err("partial"), "two bodies");
    assert_eq!(with(&body, "", &[(PARTIAL_BODY, b"false"), ("content-length", b"12")]), Ok(3));
    for length in [&b"999999"[..], b"11", b"", b"12, 12", b"+12", b"012"] {
        let said: &[(&str, &[u8])] = &[(PARTIAL_BODY, b"false"), ("Content-Length", length)];
        assert_eq!(with(&body, "", said), Err("partial"), "{length:?}");
    }
}
