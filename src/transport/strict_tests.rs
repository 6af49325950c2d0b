//! Tests of what HTTP/1 is refused.

use super::*;

/// Looks at bytes in pieces of every size; fails where the size matters.
#[track_caller]
fn look(bytes: impl AsRef<[u8]>) -> Result<(), (usize, Ambiguity)> {
    let bytes = bytes.as_ref();
    let in_pieces = |size: usize| {
        let mut strict = Strict::new();
        let mut passed = 0;
        for piece in bytes.chunks(size) {
            strict.look(piece).map_err(|(at, found)| (passed + at, found))?;
            passed += piece.len();
        }
        Ok(())
    };
    let whole = in_pieces(bytes.len().max(1));
    for size in 1..bytes.len() {
        assert_eq!(in_pieces(size), whole, "pieces of {size}");
    }
    whole
}

const GET: &str = "GET /readyz HTTP/1.1\r\nhost: a\r\n";
const POST: &str = "POST /v1/decide HTTP/1.1\r\nhost: a\r\n";

#[test]
fn b20_unambiguous_requests_pass() {
    let chunked = format!("{POST}transfer-encoding: chunked\r\n\r\n");
    for request in [
        format!("{GET}\r\n"),
        format!("\r\n{GET}\r\n"),
        format!("{POST}content-length: 3\r\n\r\na\nb"),
        format!("{POST}Content-Length:\t03 \r\n\r\n\r\n\0"),
        format!("{chunked}3\r\na\nb\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"),
        format!("{chunked}3;name=\"value\"\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"),
        format!("{POST}Transfer-Encoding: CHUNKED\r\n\r\n000\r\n\r\n"),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        "POST / HTTP/1.0\r\ncontent-length: 1\r\n\r\nx".to_owned(),
        "GET http://a.example/x HTTP/1.1\r\nHost: A.example:80\r\n\r\n".to_owned(),
        "GET https://[::1]:8443?x HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n".to_owned(),
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a:8080\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a:65535\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a:\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n".to_owned(),
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n".to_owned(),
        format!("{GET}x-forwarded-uri: /\u{4e2d}?a=b c\r\nx:\r\nX-Y:y\t\r\n\r\n"),
    ] {
        // On one connection, one after the other.
        assert_eq!(look(request.repeat(2)), Ok(()), "{request:?}");
        let after = format!("{request}GET / HTTP/1.1\n");
        assert_eq!(look(&after), Err((after.len() - 1, Ambiguity::BareLineFeed)), "{request:?}");
    }
}

#[test]
fn hosts_that_are_missing_doubled_or_no_hosts_do_not_pass() {
    let head = |headers: &str| format!("{POST}{headers}\r\n\r\n");
    for (request, expected) in [
        (head("host: a"), Ambiguity::Host),
        (head("Host: b"), Ambiguity::Host),
        ("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n".to_owned(), Ambiguity::Host),
        ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n".to_owned(), Ambiguity::Host),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), Ambiguity::NoHost),
        ("GET / HTTP/1.0\r\nhost: a\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::Host),
        ("GET / HTTP/1.1\r\nhost: a, b\r\n\r\n".to_owned(), Ambiguity::Host),
        ("GET / HTTP/1.1\r\nhost: x:abc\r\n\r\n".to_owned(), Ambiguity::Host),
        ("GET / HTTP/1.1\r\nhost: x:8_0\r\n\r\n".to_owned(), Ambiguity::Host),
        ("GET / HTTP/1.1\r\nhost: x:80:81\r\n\r\n".to_owned(), Ambiguity::Host),
        ("GET / HTTP/1.1\r\nhost: [::1]80\r\n\r\n".to_owned(), Ambiguity::Host),
        ("GET / HTTP/1.1\r\nhost: [::1\r\n\r\n".to_owned(), Ambiguity::Host),
        ("GET / HTTP/1.1\r\nhost: :80\r\n\r\n".to_owned(), Ambiguity::Host),
        ("GET / HTTP/1.1\r\nhost:\r\n\r\n".to_owned(), Ambiguity::Host),
        ("OPTIONS * HTTP/1.1\r\nhost: \r\n\r\n".to_owned(), Ambiguity::Host),
        ("GET http://a:b/ HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::Target),
        ("CONNECT a:b HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::Target),
        ("GET / HTTP/1.1\r\nhost: u@a\r\n\r\n".to_owned(), Ambiguity::Host),
        ("GET / HTTP/1.1\r\nhost: a/b\r\n\r\n".to_owned(), Ambiguity::Host),
        ("GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n".to_owned(), Ambiguity::OtherHost),
        ("GET http://a:81/ HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::OtherHost),
        ("GET http://a/ HTTP/1.1\r\n\r\n".to_owned(), Ambiguity::NoHost),
        ("CONNECT a:443 HTTP/1.1\r\nhost: b:443\r\n\r\n".to_owned(), Ambiguity::OtherHost),
    ] {
        assert_eq!(look(&request).map_err(|(_, found)| found), Err(expected), "{request:?}");
    }
}

#[test]
fn b20_ambiguous_requests_do_not_pass() {
    let head = |headers: &str| format!("{POST}{headers}\r\n\r\n");
    for (request, expected) in [
        // Line ends.
        ("GET / HTTP/1.1\nhost: a\n\n".to_owned(), Ambiguity::BareLineFeed),
        ("GET / HTTP/1.1\r\nhost: a\n\r\n".to_owned(), Ambiguity::BareLineFeed),
        (format!("{GET}\n"), Ambiguity::BareLineFeed),
        ("\nGET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::BareLineFeed),
        (head("x: y\rz: 1"), Ambiguity::ControlCharacter),
        (head("x: y\0"), Ambiguity::ControlCharacter),
        (head("x: \u{7f}"), Ambiguity::ControlCharacter),
        ("GET /\0 HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::ControlCharacter),
        // The first line.
        ("GET  / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::RequestLine),
        ("GET\t/\tHTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::RequestLine),
        ("GET / HTTP/1.1 \r\nhost: a\r\n\r\n".to_owned(), Ambiguity::RequestLine),
        ("GET /\r\n\r\n".to_owned(), Ambiguity::RequestLine),
        ("GET / HTTP/1.2\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::RequestLine),
        ("GET / http/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::RequestLine),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), Ambiguity::RequestLine),
        ("G(T / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::RequestLine),
        ("GET x HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::Target),
        ("GET * HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::Target),
        ("GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::Target),
        ("GET http:///a HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::Target),
        ("GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::Target),
        ("GET ftp://a/ HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), Ambiguity::Target),
        // Headers.
        (head("x : y"), Ambiguity::HeaderLine),
        (head("x\t: y"), Ambiguity::HeaderLine),
        (head(": y"), Ambiguity::HeaderLine),
        (head("x"), Ambiguity::HeaderLine),
        (head("x: y\r\n folded: z"), Ambiguity::HeaderLine),
        (head("x: y\r\n\tfolded"), Ambiguity::HeaderLine),
        (" x: y\r\n\r\n".replacen(' ', "GET / HTTP/1.1\r\n ", 1), Ambiguity::HeaderLine),
        // Lengths.
        (head("content-length: +3"), Ambiguity::ContentLength),
        (head("content-length: -3"), Ambiguity::ContentLength),
        (head("content-length: 3, 3"), Ambiguity::ContentLength),
        (head("content-length: 3\r\ncontent-length: 3"), Ambiguity::ContentLength),
        (head("content-length: 0x3"), Ambiguity::ContentLength),
        (head("content-length: 3.0"), Ambiguity::ContentLength),
        (head("content-length:"), Ambiguity::ContentLength),
        (head("content-length: 18446744073709551616"), Ambiguity::ContentLength),
        (head("content-length: 3\r\ntransfer-encoding: chunked"), Ambiguity::TwoLengths),
        (head("transfer-encoding: chunked\r\ncontent-length: 3"), Ambiguity::TwoLengths),
        (head("transfer-encoding: chunked, chunked"), Ambiguity::TransferEncoding),
        (head("transfer-encoding: chunked\r\ntransfer-encoding: chunked"), Ambiguity::TransferEncoding),
        (head("transfer-encoding: gzip, chunked"), Ambiguity::TransferEncoding),
        (head("transfer-encoding: identity"), Ambiguity::TransferEncoding),
        (head("transfer-encoding: xchunked"), Ambiguity::TransferEncoding),
        (head("transfer-encoding: \"chunked\""), Ambiguity::TransferEncoding),
        (head("transfer-encoding:\u{b}chunked"), Ambiguity::ControlCharacter),
        ("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(), Ambiguity::TransferEncoding),
    ] {
        let (at, found) = look(&request).expect_err(&request);
        assert_eq!(found, expected, "{request:?}");
        assert_eq!(request.as_bytes()[at], b'\n', "{request:?}");
        // hyper has no whole head then.
        let passed = &request.as_bytes()[..at];
        let has_ended = passed.windows(4).any(|end| end == b"\r\n\r\n") || passed.windows(2).any(|end| end == b"\n\n");
        assert!(!has_ended, "{request:?}");
    }
}

#[test]
fn b20_chunks_have_one_size() {
    let chunked = format!("{POST}transfer-encoding: chunked\r\n\r\n");
    for (body, expected) in [
        ("3\nabc\r\n0\r\n\r\n", Ambiguity::BareLineFeed),
        ("3\r\nabc\n0\r\n\r\n", Ambiguity::BareLineFeed),
        ("3\r\nabcd\r\n0\r\n\r\n", Ambiguity::Chunk),
        ("+3\r\nabc\r\n0\r\n\r\n", Ambiguity::Chunk),
        ("0x3\r\nabc\r\n0\r\n\r\n", Ambiguity::Chunk),
        ("3 \r\nabc\r\n0\r\n\r\n", Ambiguity::Chunk),
        ("\r\n", Ambiguity::Chunk),
        (";x\r\n", Ambiguity::Chunk),
        ("10000000000000000\r\n", Ambiguity::Chunk),
        ("3;a\0\r\nabc\r\n0\r\n\r\n", Ambiguity::ControlCharacter),
        ("0\r\nhost: b\r\n\r\n", Ambiguity::Trailer),
        ("0\r\nContent-Length: 3\r\n\r\n", Ambiguity::Trailer),
        ("0\r\nx : y\r\n\r\n", Ambiguity::HeaderLine),
        ("0\r\nx: y\n\r\n", Ambiguity::BareLineFeed),
        ("0\r\n\n", Ambiguity::BareLineFeed),
    ] {
        assert_eq!(look(format!("{chunked}{body}")).map_err(|(_, found)| found), Err(expected), "{body:?}");
    }
}
