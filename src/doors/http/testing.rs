//! Doors without a listener, for unit tests.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::domain::clock::Clocking;
use crate::domain::gateway::Unmatched;
use crate::doors::http::{Believed, BodyLimits, Doors, ForwardAuthSettings, Observer, complete, decisions, probes};
use crate::doors::labelled::LabelledDoor;
use crate::live::Live;
use crate::metrics::Door;
use crate::metrics::standing::{Counting, Files, PoliciesStanding, Serving, Standing};
use crate::service::{DecideSettings, DecisionApi, LedgerApi, LedgerSettings};
use crate::testing::ledger::MemoryLedger;
use crate::testing::{StandingClock, snapshot};

/// A server at one moment.
pub(crate) fn standing(serving: Serving, counting: Counting) -> Standing {
    Standing {
        serving,
        policies: PoliciesStanding {
            files: Files::Current,
            revision: 7,
            digest: "blake3:00".into(),
            age_seconds: 1.0,
            load_seconds: 1.0,
            activations: 1,
            refusals: 0,
            unchanged: 0,
        },
        counting,
        ledger_calls_waiting: 0,
        ledger_oldest_call_seconds: 0.0,
        requests_in_flight: 0,
        connections_open: 0,
        clock: Clocking::Sound,
        log_lines_dropped: 0,
    }
}

/// All routes, around a ledger and a standing.
pub(crate) fn router(ledger: &Arc<MemoryLedger>, standing: Standing) -> Router {
    let (live, clock) = (Arc::new(Live::new(snapshot())), Arc::new(StandingClock));
    let api = DecisionApi::new(live.clone(), clock.clone(), DecideSettings::default(), Some(ledger.clone()));
    let counting = LedgerApi::new(live.clone(), clock, LedgerSettings::default(), Some(ledger.clone()));
    let door = |door| LabelledDoor::new(live.clone(), &api, &counting, Unmatched::Refuse, door);
    let doors = Arc::new(Doors {
        forward_auth: door(Door::ForwardAuth),
        forward_auth_settings: ForwardAuthSettings { believed: Believed::Either, cache_seconds_max: 60 },
        authzen: door(Door::Authzen),
        evaluations_max: 3,
        public_url: None,
        metrics: api.metrics().clone(),
        decisions: api,
        body: BodyLimits { bytes_max: 10_000, seconds_max: 1, retry_after_ms: 1_500 },
        standing: Observer::new(move || standing.clone()),
    });
    complete(decisions(&doors, |router, _| router).merge(probes(&doors)))
}

/// Asks; returns the status code and the body.
pub(crate) async fn ask(router: &Router, request: Request) -> (u16, serde_json::Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// A request with a body of JSON.
pub(crate) fn post(path: &str, body: &serde_json::Value) -> Request {
    let request = Request::post(path).header("content-type", "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}
