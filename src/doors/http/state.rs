//! The state that the handlers of the HTTP doors share.

use std::fmt;
use std::sync::Arc;

use crate::config::public_url::PublicUrl;
use crate::doors::forward_auth::ForwardAuthSettings;
use crate::doors::http::body::BodyLimits;
use crate::doors::labelled::LabelledDoor;
use crate::metrics::Metrics;
use crate::metrics::standing::Standing;
use crate::service::DecisionApi;

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

    /// Returns how the server stands.
    pub(crate) fn standing(&self) -> Standing {
        (self.0)()
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
