//! The services of each listener, and their shared parts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tonic::service::{Routes, RoutesBuilder};

use crate::app::settings::{SMALL_REQUEST_BYTES_MAX, forward_auth_settings};
use crate::app::standing::Observed;
use crate::app::start_error::StartError;
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::gateway::Unmatched;
use crate::doors::envoy::EnvoyApi;
use crate::doors::http::{BodyLimits, Doors, Observer};
use crate::doors::labelled::LabelledDoor;
use crate::live::worker::Policies;
use crate::metrics;
use crate::metrics::health::Part;
use crate::service::admin::AdminApi;
use crate::service::{DecisionApi, LedgerApi};
use crate::transport::admission::InFlightLimit;
use crate::transport::health::{Health, Pulse, WatchLimits};
use crate::transport::message_size::MessageSizes;
use crate::wire::generated::raw::decision_service_server::{self, DecisionServiceServer};
use crate::wire::generated::v1::ledger_service_server::{self, LedgerServiceServer};
use crate::wire::generated::v1::policy_service_server::{self, PolicyServiceServer};
use crate::wire::generated::vendor::envoy::service::auth::v3::authorization_server::{self, AuthorizationServer};
use crate::wire::generated::{DESCRIPTORS, ENVOY_DESCRIPTORS};

/// The parts that the services share.
pub(super) struct Parts<'p> {
    pub(super) config: &'p Config,
    pub(super) policies: &'p Arc<Policies>,
    pub(super) clock: &'p Arc<dyn Clock>,
    pub(super) draining: &'p watch::Receiver<bool>,
    pub(super) decisions: &'p DecisionApi,
    pub(super) counting: &'p LedgerApi,
    /// The limit on requests in flight on all listeners.
    pub(super) limit: &'p InFlightLimit,
    /// The limits on the size of messages.
    pub(super) sizes: &'p MessageSizes,
    pub(super) pulse: &'p Pulse,
}

/// Returns the doors of the HTTP listeners.
pub(super) fn http_doors(parts: &Parts<'_>, observed: Arc<Observed>) -> Arc<Doors> {
    let Parts { config, decisions, .. } = *parts;
    Arc::new(Doors {
        forward_auth: door(parts, &config.http_unlabelled, metrics::Door::ForwardAuth),
        forward_auth_settings: forward_auth_settings(config),
        // An unmatched evaluation is always denied, whatever the setting for other doors.
        authzen: door(parts, &Unmatched::Refuse, metrics::Door::Authzen),
        evaluations_max: config.authzen_evaluations_max,
        public_url: config.http_public_url.clone(),
        decisions: decisions.at(metrics::Door::HttpDecide),
        body: BodyLimits {
            bytes_max: config.http_body_bytes_max,
            seconds_max: config.http_body_seconds,
            retry_after_ms: config.retry_after_ms,
        },
        metrics: Arc::clone(decisions.metrics()),
        standing: Observer::new(move || observed.standing()),
    })
}

/// Returns a door that answers requests of gateways.
fn door(parts: &Parts<'_>, unmatched: &Unmatched, door: metrics::Door) -> LabelledDoor {
    LabelledDoor::new(parts.policies.live().clone(), parts.decisions, parts.counting, unmatched.clone(), door)
}

/// Returns the services of the gRPC listeners.
pub(super) fn grpc_services(parts: &Parts<'_>) -> Result<Routes, StartError> {
    let Parts { config, sizes, .. } = *parts;
    let service =
        DecisionServiceServer::new(parts.decisions.clone()).max_decoding_message_size(config.request_bytes_max);
    let mut routes = RoutesBuilder::default();
    routes.add_service(sizes.limit(service));
    let service = LedgerServiceServer::new(parts.counting.clone()).max_decoding_message_size(config.request_bytes_max);
    routes.add_service(sizes.limit(service));
    let envoy = EnvoyApi::new(door(parts, &config.listen_unlabelled, metrics::Door::Envoy));
    let service = AuthorizationServer::new(envoy).max_decoding_message_size(config.request_bytes_max);
    routes.add_service(sizes.limit(service));
    with_health_and_reflection(parts, routes, &GRPC_PARTS, &GRPC_SERVICES, &[DESCRIPTORS, ENVOY_DESCRIPTORS])
}

/// The services of the gRPC listeners, besides health and reflection.
pub(super) const GRPC_SERVICES: [&str; 3] =
    [authorization_server::SERVICE_NAME, decision_service_server::SERVICE_NAME, ledger_service_server::SERVICE_NAME];
/// The parts with a health check on the gRPC listeners.
const GRPC_PARTS: [Part; 4] = [Part::Server, Part::Gateways, Part::Decisions, Part::Ledger];
/// The services of the admin listener.
pub(super) const ADMIN_SERVICES: [&str; 1] = [policy_service_server::SERVICE_NAME];
/// The parts with a health check on the admin listener.
const ADMIN_PARTS: [Part; 2] = [Part::Server, Part::Policies];

/// Returns the services of the admin listener.
pub(super) fn admin_services(parts: &Parts<'_>) -> Result<Routes, StartError> {
    let wait_for_digest_max = Duration::from_secs(parts.config.wait_for_digest_seconds_max);
    let api = AdminApi::new(
        parts.policies.clone(),
        parts.clock.clone(),
        wait_for_digest_max,
        parts.draining.clone(),
        parts.config.retry_after_ms,
    );
    let mut routes = RoutesBuilder::default();
    let sizes = parts.sizes.with_requests(SMALL_REQUEST_BYTES_MAX);
    routes.add_service(sizes.limit(PolicyServiceServer::new(api)));
    with_health_and_reflection(parts, routes, &ADMIN_PARTS, &ADMIN_SERVICES, &[DESCRIPTORS])
}

fn with_health_and_reflection(
    parts: &Parts<'_>,
    mut routes: RoutesBuilder,
    health: &'static [Part],
    services: &[&'static str],
    descriptors: &[&'static [u8]],
) -> Result<Routes, StartError> {
    let Parts { config, pulse, .. } = *parts;
    let limits = WatchLimits {
        watches_max: config.health_watches_max,
        share_percent: config.connection_share_percent,
        retry_after_ms: config.retry_after_ms,
    };
    let health = Health::new(pulse.clone(), health, limits, Arc::clone(parts.decisions.metrics()));
    let sizes = parts.sizes.with_requests(SMALL_REQUEST_BYTES_MAX);
    routes.add_service(sizes.limit(health.service()));
    routes.add_service(sizes.limit(reflection(services, descriptors).build_v1()?));
    routes.add_service(sizes.limit(reflection(services, descriptors).build_v1alpha()?));
    Ok(routes.routes())
}

/// Describes the services of a listener to clients that have no protocol files.
fn reflection(services: &[&'static str], descriptors: &[&'static [u8]]) -> tonic_reflection::server::Builder<'static> {
    let builder = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        // The details of errors, so that clients without protocol files can show them.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .with_service_name("grpc.health.v1.Health");
    let described = |builder: tonic_reflection::server::Builder<'static>, set: &&'static [u8]| {
        builder.register_encoded_file_descriptor_set(set)
    };
    let builder = descriptors.iter().fold(builder, described);
    services.iter().fold(builder, |builder, service| builder.with_service_name(*service))
}
