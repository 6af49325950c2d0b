//! Which headers are believed, and what has to be said.

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
        // What the gateway leaves out of its family must not come out of the client's.
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
    // A family that is not believed may say what it likes.
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
    assert_eq!(names(Believed::Either), ["x-forwarded-uri", "x-original-uri"]);
    assert_eq!(names(Believed::XForwarded), ["x-forwarded-uri"]);
    assert_eq!(read(&FORWARDED, Believed::XOriginal).unwrap_err(), read(&[], Believed::XOriginal).unwrap_err());
}
