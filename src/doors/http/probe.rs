//! Probes and metrics. They answer whatever the load.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use crate::doors::http::{Doors, respond};
use crate::metrics;
use crate::metrics::health::{Condition, Health, Part, Why, health};
use crate::metrics::standing::{Counting, Files};
use crate::repeated::Repeated;
use crate::wire::refusal::http::{Misread, Refused};

/// Scrapes come every few seconds.
static UNWRITABLE: Repeated = Repeated::new();

/// Says whether the policy files on disk are in force.
const POLICY_FILES: HeaderName = HeaderName::from_static("x-neglist-policy-files");

/// Says that the process runs.
pub(crate) async fn livez() -> Response {
    respond::json(StatusCode::OK, "{\"status\":\"live\"}\n".to_owned())
}

/// Says whether requests may be sent here; with `?service=NAME` whether those of one service may. The same that
/// `grpc.health.v1.Health` says.
pub(crate) async fn readyz(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let standing = doors.standing.standing();
    let mut pairs = request.uri().query().unwrap_or_default().split('&');
    let Some(part) = Part::named(pairs.find_map(|pair| pair.strip_prefix("service=")).unwrap_or_default()) else {
        return respond::refused(Misread::NoSuchService.refused());
    };
    let condition = standing.condition();
    let (code, status, en, zh) = match health(part, condition) {
        Health::Serving => ready(condition),
        Health::NotServing(why) => {
            let (status, en, zh) = not_ready(why);
            (StatusCode::SERVICE_UNAVAILABLE, status, en, zh)
        }
    };
    let files = standing.policies.files.name();
    let body = serde_json::json!({
        "status": status, "service": part.name(), "policy_files": files, "ledger": condition.counting.name(),
        "revision": standing.policies.revision, "digest": standing.policies.digest.as_ref(), "text_en": en, "text_zh": zh,
    });
    let mut response = respond::json(code, format!("{body}\n"));
    response.headers_mut().insert(POLICY_FILES, HeaderValue::from_static(files));
    response
}

/// A code, a word for programs, and a text in English and Chinese.
type Said = (StatusCode, &'static str, &'static str, &'static str);

const fn ready(condition: Condition) -> Said {
    let (en, zh) = match (condition.files, condition.counting) {
        (Files::Stale, _) => (
            "the policy files on disk are refused: the last good ones are in force",
            "磁盘上的政策文件被拒绝：沿用最近一次有效的政策",
        ),
        (Files::Current, Counting::Open | Counting::None) => ("policies are in force", "政策已生效"),
        (Files::Current, Counting::Full) => (
            "policies are in force; the disk of the ledger is nearly full: nothing more is reserved",
            "政策已生效；台账所在磁盘即将写满：不再受理新的预留",
        ),
        (Files::Current, Counting::Closed | Counting::Stalled) => (
            "policies are in force; the ledger does not answer: requests that need totals without stating them are refused",
            "政策已生效；台账无应答：未填写所需累计人数的请求一律拒绝",
        ),
    };
    (StatusCode::OK, "ready", en, zh)
}

const fn not_ready(why: Why) -> (&'static str, &'static str, &'static str) {
    match why {
        Why::Stopping => ("stopping", "the server is stopping", "服务器正在停止"),
        Why::ClockUnusable => (
            "clock-unusable",
            "the clock of the server is wrong: requests that depend on it are refused",
            "服务器时钟有误：凡以其为据者一律拒绝",
        ),
        Why::ClockJumped => (
            "clock-jumped",
            "the clock of the server was set while it ran: requests that need totals are refused",
            "服务器运行期间时钟被改动：凡须计数者一律拒绝",
        ),
        Why::NoLedger => ("not-counting", "the server keeps no totals", "服务器不计累计人数"),
        Why::LedgerFull => (
            "not-counting",
            "the disk of the ledger is nearly full: nothing more is reserved; `Decide`, `Commit` and `Release` still work",
            "台账所在磁盘即将写满：不再受理新的预留；`Decide`、`Commit`、`Release` 照常",
        ),
        Why::LedgerClosed => (
            "not-counting",
            "the ledger does not answer: requests that need totals are refused",
            "台账无应答：凡须计数者一律拒绝",
        ),
        Why::LedgerStalled => (
            "not-counting",
            "a call has waited for the ledger longer than `ledger_stalled_ms`: requests that need totals wait or are refused",
            "等候台账的调用已超过 `ledger_stalled_ms`：凡须计数者须等候或被拒绝",
        ),
    }
}

/// Writes all counts for Prometheus.
pub(crate) async fn metrics(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    match metrics::render(&doors.metrics, doors.standing.standing()) {
        Ok(text) if wants_plain(request.headers()) => {
            respond::of_type(StatusCode::OK, metrics::PLAIN_CONTENT_TYPE, metrics::plain(&text))
        }
        Ok(text) => respond::of_type(StatusCode::OK, metrics::CONTENT_TYPE, text),
        Err(error) => {
            if let Some(others) = UNWRITABLE.happened() {
                tracing::error!(%error, others, "the metrics cannot be written");
            }
            respond::refused(Refused::broken())
        }
    }
}

/// Says whether the client prefers the older format to `OpenMetrics`: RFC 9110, section 12.5.1. A client without a preference
/// gets the newer one.
fn wants_plain(headers: &HeaderMap) -> bool {
    let ranges = || {
        headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok()).flat_map(|accept| accept.split(','))
    };
    // The most specific range counts.
    let weight = |wanted: [&str; 3]| {
        wanted.iter().find_map(|wanted| ranges().find_map(|range| weight_of(range, wanted))).unwrap_or_default()
    };
    let plain = weight(["text/plain", "text/*", "*/*"]);
    weight(["application/openmetrics-text", "application/*", "*/*"]) < plain
}

/// Returns the weight of a range of media types in thousandths, where it is the one that is wanted.
fn weight_of(range: &str, wanted: &str) -> Option<u32> {
    let mut parts = range.split(';').map(str::trim);
    let is_wanted = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    is_wanted.then(|| weight.map_or(1_000, thousandths))
}

/// Reads a weight, `0` to `1` with at most three decimals; a malformed weight is zero.
fn thousandths(weight: &str) -> u32 {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    let is_weight = matches!(whole, "0" | "1") && decimals.len() <= 3;
    let digits = format!("{whole}{decimals:0<3}").parse::<u32>();
    digits.ok().filter(|thousandths| is_weight && *thousandths <= 1_000).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::http::header::CONTENT_TYPE;
    use tower::ServiceExt as _;

    use axum::body::Body;

    use super::*;
    use crate::domain::clock::Clocking;
    use crate::doors::http::testing::{ask, router, standing};
    use crate::metrics::standing::{Serving, Standing};

    #[tokio::test]
    async fn a_server_is_ready_while_it_serves_and_can_count() {
        for (serving, counting, code, status) in [
            (Serving::Ready, Counting::None, 200, "ready"),
            (Serving::Ready, Counting::Open, 200, "ready"),
            (Serving::Ready, Counting::Full, 503, "not-counting"),
            (Serving::Ready, Counting::Closed, 503, "not-counting"),
            (Serving::Ready, Counting::Stalled, 503, "not-counting"),
            (Serving::Draining, Counting::Open, 503, "stopping"),
        ] {
            let router = router(&Arc::default(), standing(serving, counting));
            for (path, code, status) in [("/readyz", code, status), ("/livez", 200, "live")] {
                let (found, body) = ask(&router, Request::get(path).body(Body::empty()).unwrap()).await;
                assert_eq!((found, body["status"].as_str()), (code, Some(status)));
            }
        }
    }

    #[tokio::test]
    async fn b16_a_full_disk_is_told_apart_from_a_ledger_that_does_not_answer() {
        let router = router(&Arc::default(), standing(Serving::Ready, Counting::Full));
        for path in ["/readyz", "/readyz?service=neglist.v1.DecisionService"] {
            let (_, body) = ask(&router, Request::get(path).body(Body::empty()).unwrap()).await;
            assert_eq!(body["ledger"].as_str(), Some("full"), "{body}");
            assert!(body["text_en"].as_str().unwrap().contains("nearly full"), "{body}");
            assert!(body["text_zh"].as_str().unwrap().contains("即将写满"), "{body}");
        }
    }

    #[tokio::test]
    async fn b10_a_server_whose_clock_is_in_doubt_is_not_ready_and_lives() {
        for (clock, status) in [(Clocking::Jumped, "clock-jumped"), (Clocking::Unusable, "clock-unusable")] {
            let standing = Standing { clock, ..standing(Serving::Ready, Counting::Closed) };
            let router = router(&Arc::default(), standing);
            for (path, code, status) in [("/readyz", 503, status), ("/livez", 200, "live")] {
                let (found, body) = ask(&router, Request::get(path).body(Body::empty()).unwrap()).await;
                assert_eq!((found, body["status"].as_str()), (code, Some(status)));
            }
        }
    }

    #[tokio::test]
    async fn b6_readiness_of_a_service_is_what_health_says_of_it() {
        for counting in [Counting::None, Counting::Open, Counting::Full, Counting::Closed, Counting::Stalled] {
            let standing = standing(Serving::Ready, counting);
            let router = router(&Arc::default(), standing.clone());
            for part in Part::ALL {
                let path = format!("/readyz?x=1&service={}", part.name());
                let (code, body) = ask(&router, Request::get(path).body(Body::empty()).unwrap()).await;
                let expected = if health(part, standing.condition()) == Health::Serving { 200 } else { 503 };
                assert_eq!((code, body["service"].as_str()), (expected, Some(part.name())), "{counting:?} {body}");
            }
            let unknown = Request::get("/readyz?service=neglist.v1.Nothing").body(Body::empty()).unwrap();
            assert_eq!(ask(&router, unknown).await.0, 404);
        }
    }

    #[tokio::test]
    async fn c_metrics_come_in_the_format_that_is_asked_for() {
        let router = router(&Arc::default(), standing(Serving::Ready, Counting::Open));
        for (accept, is_plain) in [
            (None, false),
            (Some("*/*"), false),
            (Some("text/plain"), true),
            (Some("text/plain;version=0.0.4"), true),
            (Some("text/*"), true),
            (Some("application/openmetrics-text"), false),
            (Some("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"), false),
            (Some("application/openmetrics-text;q=0.1, text/plain;q=0.9"), true),
            (Some("application/openmetrics-text;q=0, */*"), true),
            (Some("text/plain;q=0"), false),
            (Some("application/json"), false),
            (Some("text/plain;q=nonsense"), false),
        ] {
            let mut request = Request::get("/metrics");
            if let Some(accept) = accept {
                request = request.header(ACCEPT, accept);
            }
            let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let expected = if is_plain { metrics::PLAIN_CONTENT_TYPE } else { metrics::CONTENT_TYPE };
            assert_eq!(response.headers()[CONTENT_TYPE], expected, "{accept:?}");
        }
    }
}
