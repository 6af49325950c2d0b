//! The routes of the HTTP doors: each path with its handler.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{any, get, post};

use crate::doors::authzen;
use crate::doors::authzen::{CONFIGURATION_PATH, EVALUATION_PATH, EVALUATIONS_PATH};
use crate::doors::forward_auth;
use crate::doors::http::overload::Overload;
use crate::doors::http::state::Doors;
use crate::doors::http::{decide, probe, request_id, respond};
use crate::metrics::Door;
use crate::wire::refusal::Refusal;
use crate::wire::refusal::http::Misread;

/// Returns the doors that decide. Their requests are in flight until they are answered: `bounded` puts a door under the limit,
/// with the door's own answer beyond it.
pub fn decisions(doors: &Arc<Doors>, bounded: impl Fn(Router, Overload) -> Router) -> Router {
    let one = |path, door, route, unanswered| {
        let router = Router::new().route(path, route).with_state(Arc::clone(doors));
        bounded(router, Overload { doors: Arc::clone(doors), door, unanswered })
    };
    let plain: fn(&Refusal) -> Response = respond::unanswered;
    one("/v1/decide", Door::HttpDecide, post(decide::decide), plain)
        // Some gateways ask with GET, some with the method of the request that they ask about.
        .merge(one(
            "/v1/forward-auth",
            Door::ForwardAuth,
            any(forward_auth::handler::forward_auth),
            forward_auth::handler::unanswered,
        ))
        .merge(one(EVALUATION_PATH, Door::Authzen, post(authzen::handler::evaluation), plain))
        .merge(one(EVALUATIONS_PATH, Door::Authzen, post(authzen::handler::evaluations), plain))
}

/// Returns the routes that answer whatever the load: probes, metrics, and the configuration document.
pub fn probes(doors: &Arc<Doors>) -> Router {
    Router::new()
        .route("/livez", get(probe::livez))
        .route("/readyz", get(probe::readyz))
        .route("/metrics", get(probe::metrics))
        .route(CONFIGURATION_PATH, get(authzen::handler::configuration))
        .route(&format!("{CONFIGURATION_PATH}/{{*path}}"), get(authzen::handler::configuration))
        .with_state(Arc::clone(doors))
}

/// Completes a router: unknown paths and methods have answers in words, and a caller that numbers its requests gets the number
/// back.
pub fn complete(router: Router) -> Router {
    router
        .fallback(async || respond::refused(Misread::NoSuchPath.refused()))
        .method_not_allowed_fallback(async || respond::refused(Misread::OtherMethod.refused()))
        .layer(axum::middleware::from_fn(request_id::echo))
}
