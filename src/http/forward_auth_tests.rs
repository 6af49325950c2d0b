//! Which headers are believed, and what of an answer may be kept.

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
    let nginx = [("x-original-uri", "/b"), ("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https")];
    reads(&nginx, Believed::Either, [None, None, Some("/b")]);
    let same = [("x-original-uri", "/b"), ("x-forwarded-uri", "/b")];
    reads(&same, Believed::Either, [None, None, Some("/b")]);
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
    for (pairs, believed, names) in [
        (&[][..], Believed::Either, vec!["x-forwarded-uri", "x-original-uri"]),
        (&[("x-forwarded-method", "GET")], Believed::XForwarded, vec!["x-forwarded-uri"]),
        (&FORWARDED, Believed::XOriginal, vec!["x-original-uri"]),
        (&[("x-original-uri", "")], Believed::XOriginal, vec!["x-original-uri"]),
    ] {
        assert_eq!(read(pairs, believed), Err(Unforwarded::NoUri { headers: names }));
    }
}

#[test]
fn every_refusal_speaks_both_languages() {
    for unforwarded in [
        Unforwarded::NoUri { headers: vec!["x-forwarded-uri", "x-original-uri"] },
        Unforwarded::Repeated { header: "x-forwarded-uri" },
        Unforwarded::NotText { header: "x-forwarded-uri" },
        Unforwarded::Disagree { one: "x-forwarded-uri", other: "x-original-uri" },
    ] {
        let response = denied_without_decision(&forwarded::refusal(&unforwarded));
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()[HEADER_OUTCOME], "refused");
        assert!(response.headers().contains_key(HEADER_REASON));
        let said = described::said(&forwarded::refusal(&unforwarded));
        assert!(said.iter().all(|said| said.en.is_ascii() && !said.zh.is_ascii()), "{said:?}");
    }
}

mod answers {
    use axum::body::Body as RequestBody;
    use tower::ServiceExt as _;

    use super::super::super::testing::{router, standing};
    use super::*;
    use crate::metrics::standing::{Counting, Serving};
    use crate::testing::ledger::MemoryLedger;

    async fn ask(ledger: &Arc<MemoryLedger>, pairs: &[(&'static str, &str)]) -> Response {
        let mut request = Request::get("/v1/forward-auth").body(RequestBody::empty()).unwrap();
        *request.headers_mut() = headers(pairs);
        router(ledger, standing(Serving::Ready, Counting::Open)).oneshot(request).await.unwrap()
    }

    const TRIAL: [(&str, &str); 2] = [("x-original-uri", "/"), ("x-neglist-flow", "trial")];

    #[tokio::test]
    async fn what_rests_on_totals_is_not_kept() {
        let ledger = Arc::new(MemoryLedger::default());
        let response = ask(&ledger, &[&TRIAL[..], &[("x-neglist-sensitive-persons", "5")]].concat()).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[HEADER_OUTCOME], "file");
        assert!(!response.headers().contains_key(VARY));
    }

    #[tokio::test]
    async fn a_ledger_that_does_not_answer_is_an_outage() {
        let ledger = Arc::new(MemoryLedger::default());
        ledger.set_down(true);
        let response = ask(&ledger, &[&TRIAL[..], &[("x-neglist-sensitive-persons", "5")]].concat()).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[HEADER_OUTCOME], "unanswered");
        assert!(response.headers().contains_key("retry-after"));
    }
}
