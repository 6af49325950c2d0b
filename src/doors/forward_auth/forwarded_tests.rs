//! Which headers are trusted, and which ones are required.

use axum::http::HeaderValue;

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn read(pairs: &[(&'static str, &str)], believed: Believed) -> Result<[Option<String>; 3], Unforwarded> {
    let headers = headers(pairs);
    let forwarded = Forwarded::read(&headers, believed)?;
    let text = |text: Option<&str>| text.map(str::to_owned);
    Ok([text(forwarded.method()), text(forwarded.host()), text(forwarded.path())])
}

#[track_caller]
fn reads(pairs: &[(&'static str, &str)], believed: Believed, expected: [Option<&str>; 3]) {
    assert_eq!(read(pairs, believed), Ok(expected.map(|text| text.map(str::to_owned))));
}

const FORWARDED: [(&str, &str); 3] =
    [("x-forwarded-method", "POST"), ("x-forwarded-host", "a.example"), ("x-forwarded-uri", "/a?b=c")];
const ORIGINAL: [(&str, &str); 3] =
    [("x-original-method", "GET"), ("x-original-host", "b.example"), ("x-original-uri", "/b")];

#[test]
fn either_family_says_what_is_asked_for() {
    let forwarded = [Some("POST"), Some("a.example"), Some("/a?b=c")];
    let original = [Some("GET"), Some("b.example"), Some("/b")];
    reads(&FORWARDED, Believed::Either, forwarded);
    reads(&ORIGINAL, Believed::Either, original);
    let both = [FORWARDED, ORIGINAL].concat();
    reads(&both, Believed::XForwarded, forwarded);
    reads(&both, Believed::XOriginal, original);
    let nginx = [&ORIGINAL[..], &[("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https")]].concat();
    reads(&nginx, Believed::Either, original);
    let same = [("x-forwarded-method", "GET"), ("x-forwarded-host", "b.example"), ("x-forwarded-uri", "/b")];
    reads(&[ORIGINAL, same].concat(), Believed::Either, original);
}

/// What ingress-nginx sends beside the headers of its client, which it lets through.
const INGRESS: [(&str, &str); 6] = [
    ("x-request-id", "4d7f2f3a"),
    ("x-original-url", "https://c.example:8443/c?d=e"),
    ("x-original-method", "PUT"),
    ("x-sent-from", "nginx-ingress-controller"),
    ("x-real-ip", "192.0.2.7"),
    ("x-auth-request-redirect", "/c?d=e"),
];

#[test]
fn c_ingress_nginx_says_a_whole_url() {
    let said = [Some("PUT"), Some("c.example:8443"), Some("/c?d=e")];
    for believed in [Believed::Either, Believed::XOriginalUrl] {
        reads(&INGRESS, believed, said);
    }
    // What its client sends of other families.
    for forged in [("x-forwarded-host", "evil.example"), ("x-original-host", "evil.example"), ("x-forwarded-uri", "/")]
    {
        let pairs = [&INGRESS[..], &[forged]].concat();
        let refused = read(&pairs, Believed::Either).unwrap_err();
        assert!(matches!(refused, Unforwarded::Disagree { .. }), "{forged:?}: {refused:?}");
        reads(&pairs, Believed::XOriginalUrl, said);
    }
    // With the annotation `auth-method` it sends this too, and the host in the URL alone.
    let with_uri = [&INGRESS[..], &[("x-original-uri", "/c?d=e")]].concat();
    let disagree = Unforwarded::Disagree { one: "x-original-host", other: "x-original-url" };
    assert_eq!(read(&with_uri, Believed::Either), Err(disagree));
    reads(&with_uri, Believed::XOriginalUrl, said);
    // Another gateway that says the same in its own way.
    let same = [("x-original-host", "c.example:8443"), ("x-original-uri", "/c?d=e")];
    reads(&[&INGRESS[..], &same].concat(), Believed::Either, said);
}

#[test]
fn c_a_client_of_another_gateway_adds_no_url() {
    let of_client = ("x-original-url", "https://evil.example/b");
    let pairs = [&ORIGINAL[..], &[of_client]].concat();
    let disagree = Unforwarded::Disagree { one: "x-original-host", other: "x-original-url" };
    assert_eq!(read(&pairs, Believed::Either), Err(disagree));
    // A header that the gateway omits is not taken from the client.
    let without_host = [ORIGINAL[0], ORIGINAL[2], of_client];
    assert!(matches!(read(&without_host, Believed::Either), Err(Unforwarded::Disagree { .. })));
    let pairs = [&FORWARDED[..], &[of_client]].concat();
    assert!(matches!(read(&pairs, Believed::Either), Err(Unforwarded::Disagree { .. })));
    reads(&pairs, Believed::XForwarded, [Some("POST"), Some("a.example"), Some("/a?b=c")]);
}

#[test]
fn c_what_is_no_url_is_refused() {
    let method = ("x-original-method", "GET");
    for url in
        ["/c", "c.example/c", "https://c.example", "https://c.example?x/c", "https://c.example#/c", "ftp://c.example/c"]
    {
        let not_a_url = Err(Unforwarded::NotAUrl { header: "x-original-url" });
        assert_eq!(read(&[method, ("x-original-url", url)], Believed::XOriginalUrl), not_a_url, "{url}");
    }
    let part = |pairs: &[(&'static str, &str)]| match read(pairs, Believed::XOriginalUrl) {
        Err(Unforwarded::NotSaid { part, .. }) => part,
        other => panic!("{other:?}"),
    };
    assert_eq!(part(&[method, ("x-original-url", "http:///c")]), Part::Host);
    assert_eq!(part(&[method, ("x-original-url", "")]), Part::Path);
    assert_eq!(part(&[method]), Part::Path);
    assert_eq!(part(&[("x-original-url", "http://c.example/c")]), Part::Method);
    let twice = [method, ("x-original-url", "http://a/"), ("x-original-url", "http://a/")];
    assert_eq!(read(&twice, Believed::XOriginalUrl), Err(Unforwarded::Repeated { header: "x-original-url" }));
    reads(
        &[method, ("x-original-url", "HTTP://a/u?v=http://b/")],
        Believed::Either,
        [Some("GET"), Some("a"), Some("/u?v=http://b/")],
    );
}

#[test]
fn a_tunnel_has_no_path() {
    for method in ["CONNECT", "connect"] {
        let said = [("x-forwarded-method", method), ("x-forwarded-host", "a.example:443"), ("x-forwarded-uri", "/")];
        reads(&said, Believed::XForwarded, [Some(method), Some("a.example:443"), None]);
    }
}

#[test]
fn two_families_that_do_not_say_the_same_are_not_weighed() {
    for (one, pairs) in [
        ("x-forwarded-method", [FORWARDED, ORIGINAL].concat()),
        ("x-forwarded-uri", vec![("x-forwarded-uri", "/a"), ("x-original-uri", "/b")]),
        // A header that the gateway omits from its family must not come from the client.
        ("x-forwarded-host", vec![("x-forwarded-host", "a.example"), ("x-original-uri", "/b")]),
        ("x-forwarded-method", vec![("x-original-method", "GET"), ("x-original-uri", "/b"), ("x-forwarded-uri", "/b")]),
    ] {
        let refused = read(&pairs, Believed::Either).unwrap_err();
        assert!(matches!(refused, Unforwarded::Disagree { one: found, .. } if found == one), "{refused:?}");
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    let repeated = [("x-forwarded-uri", "/a"), ("x-forwarded-uri", "/a")];
    assert_eq!(read(&repeated, Believed::Either), Err(Unforwarded::Repeated { header: "x-forwarded-uri" }));
    let not_text = [("x-original-uri", "/b"), ("x-original-host", "\u{4e2d}")];
    assert_eq!(read(&not_text, Believed::Either), Err(Unforwarded::NotText { header: "x-original-host" }));
    // The headers of a family that is not trusted do not matter.
    reads(&[&repeated[..], &ORIGINAL].concat(), Believed::XOriginal, [Some("GET"), Some("b.example"), Some("/b")]);
}

#[test]
fn what_the_gateway_does_not_say_is_not_made_up() {
    for believed in [Believed::Either, Believed::XForwarded] {
        let (path, method, host) = (Part::Path, Part::Method, Part::Host);
        for (left_out, part) in [(2, path), (0, method), (1, host)] {
            let mut pairs = FORWARDED.to_vec();
            let (name, _) = pairs.remove(left_out);
            let is_not_said = |pairs: &[(&'static str, &str)]| match read(pairs, believed) {
                Err(Unforwarded::NotSaid { part: found, headers }) => found == part && headers.contains(&name),
                _ => false,
            };
            assert!(is_not_said(&pairs), "{name}");
            // Said and empty is not said.
            pairs.push((name, ""));
            assert!(is_not_said(&pairs), "{name}");
        }
    }
    let names = |believed| match read(&[], believed) {
        Err(Unforwarded::NotSaid { headers, .. }) => headers,
        other => panic!("{other:?}"),
    };
    assert_eq!(names(Believed::Either), ["x-forwarded-uri", "x-original-uri", "x-original-url"]);
    assert_eq!(names(Believed::XOriginalUrl), ["x-original-url"]);
    assert_eq!(names(Believed::XForwarded), ["x-forwarded-uri"]);
    assert_eq!(read(&FORWARDED, Believed::XOriginal).unwrap_err(), read(&[], Believed::XOriginal).unwrap_err());
}
