//! Which answers may be cached, and that every refusal states a reason.

use axum::http::HeaderMap;

use super::*;
use crate::doors::forward_auth::wording::{Part, Unforwarded};

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

#[test]
fn every_refusal_speaks_both_languages() {
    for unforwarded in [
        Unforwarded::NotSaid { part: Part::Method, headers: vec!["x-forwarded-method", "x-original-method"] },
        Unforwarded::NotSaid { part: Part::Host, headers: vec!["x-forwarded-host"] },
        Unforwarded::NotSaid { part: Part::Path, headers: vec!["x-forwarded-uri", "x-original-uri"] },
        Unforwarded::Repeated { header: "x-forwarded-uri" },
        Unforwarded::NotText { header: "x-forwarded-uri" },
        Unforwarded::NotAUrl { header: "x-original-url" },
        Unforwarded::Disagree { one: "x-forwarded-uri", other: "x-original-uri" },
    ] {
        let response = denied_without_decision(&wording::refusal(&unforwarded));
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()[HEADER_OUTCOME], "refused");
        assert!(response.headers().contains_key(render::HEADER_REASON));
        let issues = wording::refusal(&unforwarded).issues();
        assert!(issues.iter().all(|issue| issue.en.is_ascii() && !issue.zh.is_ascii()), "{issues:?}");
    }
}

mod answers {
    use axum::body::Body as RequestBody;
    use tower::ServiceExt as _;

    use super::*;
    use crate::doors::http::testing::{router, standing};
    use crate::metrics::standing::{Counting, Serving};
    use crate::testing::ledger::MemoryLedger;

    async fn ask(ledger: &Arc<MemoryLedger>, pairs: &[(&'static str, &str)]) -> Response {
        let mut request = Request::get("/v1/forward-auth").body(RequestBody::empty()).unwrap();
        *request.headers_mut() = headers(pairs);
        router(ledger, standing(Serving::Ready, Counting::Open)).oneshot(request).await.unwrap()
    }

    const TRIAL: [(&str, &str); 4] = [
        ("x-original-method", "POST"),
        ("x-original-host", "a.example"),
        ("x-original-uri", "/"),
        ("x-neglist-flow", "trial"),
    ];

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
