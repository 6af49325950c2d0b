//! The HTTP doors: routers and handlers. They know no rules and no protobuf.
//!
//! A handler reads its request within limits, asks a service, and writes the answer. Each failure is an answer with a code that
//! no gateway takes for a permit, and a body in English and Chinese. hyper parses and axum routes; `transport` has the
//! connections, their limits and the requests in flight.

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

use crate::config::public_url::PublicUrl;
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

/// The state that the handlers share.
#[derive(Debug)]
pub struct Doors {
    /// Decides questions in the words of the contract.
    pub decisions: DecisionApi,
    /// Answers gateways that ask about one of their requests.
    pub forward_auth: LabelledDoor,
    /// Settings of that door.
    pub forward_auth_settings: ForwardAuthSettings,
    /// Answers `AuthZEN` evaluations.
    pub authzen: LabelledDoor,
    /// Most evaluations of one request.
    pub evaluations_max: usize,
    /// The public URL of this listener.
    pub public_url: Option<PublicUrl>,
    /// Limits of bodies.
    pub body: BodyLimits,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Observes the server.
    pub standing: Observer,
}

/// Observes the server, for probes and scrapes.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn() -> Standing + Send + Sync>);

impl Observer {
    /// Returns an observer.
    pub fn new(observe: impl Fn() -> Standing + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    fn standing(&self) -> Standing {
        (self.0)()
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

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
