//! The HTTP doors: routers and handlers. No rules, and nothing of protobuf.
//!
//! A handler reads its request within limits, asks a service, and writes what that says. Whatever goes wrong is an answer
//! with a code that no gateway takes for a permit, and a body in English and Chinese. Parsing is left to hyper, routing to
//! axum; connections, their limits and the requests in flight are the business of `transport`.

mod body;
mod decide;
mod overload;
mod probe;
mod request_id;
pub mod respond;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{any, get, post};

use crate::doors::authzen;
use crate::doors::authzen::{CONFIGURATION_PATH, EVALUATION_PATH, EVALUATIONS_PATH};
use crate::doors::forward_auth;
pub use crate::doors::forward_auth::forwarded::Believed;
pub use crate::doors::forward_auth::handler::ForwardAuthSettings;
pub use crate::doors::http::body::BodyLimits;
pub use crate::doors::http::overload::Overload;
use crate::doors::labelled::LabelledDoor;
use crate::metrics::standing::Standing;
use crate::metrics::{Door, Metrics};
use crate::service::DecisionApi;
use crate::wire::refusal::Refusal;
use crate::wire::refusal::http::Misread;

/// What the handlers share.
#[derive(Debug)]
pub struct Doors {
    /// Decides what is asked in the contract's own words.
    pub decisions: DecisionApi,
    /// Answers gateways that ask about one request of theirs.
    pub forward_auth: LabelledDoor,
    /// How it does.
    pub forward_auth_settings: ForwardAuthSettings,
    /// Answers `AuthZEN` evaluations.
    pub authzen: LabelledDoor,
    /// Most evaluations of one request.
    pub evaluations_max: usize,
    /// Where others reach this listener.
    pub public_url: Option<PublicUrl>,
    /// Limits of bodies.
    pub body: BodyLimits,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Looks at the server.
    pub standing: Look,
}

/// Where others reach this listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// Scheme, host and all, without a slash at the end.
    pub url: String,
    /// The path within it: empty, or from its slash on.
    pub path: String,
}

/// Looks at the server, for probes and scrapes.
#[derive(Clone)]
pub struct Look(Arc<dyn Fn() -> Standing + Send + Sync>);

impl Look {
    /// Returns a way to look.
    pub fn new(look: impl Fn() -> Standing + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    fn standing(&self) -> Standing {
        (self.0)()
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look")
    }
}

/// Returns the doors that decide. Requests to them are in flight until they are answered, and may be too many: `bounded` puts
/// a door under the limit, and lets it say by itself what it says beyond.
pub fn decisions(doors: &Arc<Doors>, bounded: impl Fn(Router, Overload) -> Router) -> Router {
    let one = |path, door, route, unanswered| {
        let router = Router::new().route(path, route).with_state(Arc::clone(doors));
        bounded(router, Overload { doors: Arc::clone(doors), door, unanswered })
    };
    let plain: fn(&Refusal) -> Response = respond::unanswered;
    one("/v1/decide", Door::HttpDecide, post(decide::decide), plain)
        // Some ask with GET, some with the method of the request that they ask about.
        .merge(one(
            "/v1/forward-auth",
            Door::ForwardAuth,
            any(forward_auth::handler::forward_auth),
            forward_auth::handler::unanswered,
        ))
        .merge(one(EVALUATION_PATH, Door::Authzen, post(authzen::handler::evaluation), plain))
        .merge(one(EVALUATIONS_PATH, Door::Authzen, post(authzen::handler::evaluations), plain))
}

/// Returns what answers whatever the load: probes, metrics, and where to ask.
pub fn probes(doors: &Arc<Doors>) -> Router {
    Router::new()
        .route("/livez", get(probe::livez))
        .route("/readyz", get(probe::readyz))
        .route("/metrics", get(probe::metrics))
        .route(CONFIGURATION_PATH, get(authzen::handler::configuration))
        .route(&format!("{CONFIGURATION_PATH}/{{*path}}"), get(authzen::handler::configuration))
        .with_state(Arc::clone(doors))
}

/// Completes a router: what is not there and what is not possible is said in words, and whoever numbers requests gets
/// the number back.
pub fn complete(router: Router) -> Router {
    router
        .fallback(async || respond::refused(Misread::NoSuchPath.refused()))
        .method_not_allowed_fallback(async || respond::refused(Misread::OtherMethod.refused()))
        .layer(axum::middleware::from_fn(request_id::echo))
}
