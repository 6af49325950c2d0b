//! Probes and metrics. They answer whatever the load.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use super::{Doors, respond};
use crate::metrics;
use crate::metrics::standing::{Counting, Files, Serving};
use crate::wire::refused::Refused;

/// Says whether the policy files on disk are in force.
const POLICY_FILES: HeaderName = HeaderName::from_static("x-neglist-policy-files");

/// Says that the process runs.
pub(super) async fn livez() -> Response {
    respond::json(StatusCode::OK, "{\"status\":\"live\"}\n".to_owned())
}

/// Says whether requests may be sent here.
pub(super) async fn readyz(State(doors): State<Arc<Doors>>) -> Response {
    let standing = doors.standing.standing();
    let (code, status, en, zh) = match (standing.serving, standing.counting) {
        (Serving::Draining, _) => {
            (StatusCode::SERVICE_UNAVAILABLE, "stopping", "the server is stopping", "服务器正在停止")
        }
        (Serving::Ready, Counting::Closed) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "not-counting",
            "the ledger does not answer: what needs totals is refused",
            "台账无应答：凡须计数者一律拒绝",
        ),
        (Serving::Ready, Counting::None | Counting::Open) => match standing.policies.files {
            Files::Current => (StatusCode::OK, "ready", "policies are in force", "政策已生效"),
            Files::Stale => (
                StatusCode::OK,
                "ready",
                "the policy files on disk are refused: the last good ones are in force",
                "磁盘上的政策文件被拒绝：沿用最近一次有效的政策",
            ),
        },
    };
    let files = standing.policies.files.name();
    let body = serde_json::json!({
        "status": status, "policy_files": files, "revision": standing.policies.revision,
        "digest": standing.policies.digest.as_ref(), "text_en": en, "text_zh": zh,
    });
    let mut response = respond::json(code, format!("{body}\n"));
    response.headers_mut().insert(POLICY_FILES, HeaderValue::from_static(files));
    response
}

/// Writes all counts for Prometheus.
pub(super) async fn metrics(State(doors): State<Arc<Doors>>) -> Response {
    match metrics::render(&doors.metrics, doors.standing.standing()) {
        Ok(text) => respond::of_type(StatusCode::OK, metrics::CONTENT_TYPE, text),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            respond::refused(Refused::broken())
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;

    use super::super::testing::{ask, router, standing};
    use super::*;

    #[tokio::test]
    async fn a_server_is_ready_while_it_serves_and_can_count() {
        for (serving, counting, code, status) in [
            (Serving::Ready, Counting::None, 200, "ready"),
            (Serving::Ready, Counting::Open, 200, "ready"),
            (Serving::Ready, Counting::Closed, 503, "not-counting"),
            (Serving::Draining, Counting::Open, 503, "stopping"),
        ] {
            let router = router(&Arc::default(), standing(serving, counting));
            for (path, code, status) in [("/readyz", code, status), ("/livez", 200, "live")] {
                let (found, body) = ask(&router, Request::get(path).body(Body::empty()).unwrap()).await;
                assert_eq!((found, body["status"].as_str()), (code, Some(status)));
            }
        }
    }
}
