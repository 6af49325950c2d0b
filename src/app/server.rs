//! A running server: policies, listeners, services, and how it stops.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::service::{Routes, RoutesBuilder};

use super::accept::{self, ConnectionLimit, Incoming};
use super::budget::{BudgetSettings, Budgets, Patience as CallPatience};
use super::clock_watch::LOOK_INTERVAL;
use super::connection::{Opening, Patience};
use super::connections::ConnectionRules;
use super::cores::Cores;
use super::grpc::{self, Http2};
use super::health::{Health, Pulse, WatchLimits};
use super::http::HttpServer;
use super::in_flight::InFlightLimit;
use super::ledger::{LedgerHealth, OpenLedger};
use super::ledger_meter::{MeteredLedger, Waiting};
use super::ledger_start;
use super::listen::{self, Bound, ListenError, Reach, SocketFile, Spread};
use super::message_size::MessageSizes;
use super::short::Services;
use super::standing::Observed;
use super::strangers::Strangers;
use crate::config::address::Address;
use crate::config::{self, Config, ConnectionSpread, ForwardedHeaders};
use crate::domain::clock::Clock;
use crate::domain::gateway::Unmatched;
use crate::http::{Believed, BodyLimits, Doors, ForwardAuthSettings, Look, PublicUrl};
use crate::ledger::{Ledger, LedgerError};
use crate::live::read::ReadLimits;
use crate::live::reload::{Compiler, Source};
use crate::live::worker::{self, Policies, Timing, Watching};
use crate::metrics::health::Part;
use crate::metrics::{self, Metrics};
use crate::policy::{self, Diagnostic};
use crate::service::admin::AdminApi;
use crate::service::labelled::LabelledDoor;
use crate::service::newcomers::{NewcomerLimits, Unregistered};
use crate::service::{DecideSettings, DecisionApi, EnvoyApi, LedgerApi, LedgerSettings};
use crate::wire::generated::raw::decision_service_server::{self, DecisionServiceServer};
use crate::wire::generated::v1::ledger_service_server::{self, LedgerServiceServer};
use crate::wire::generated::v1::policy_service_server::{self, PolicyServiceServer};
use crate::wire::generated::vendor::envoy::service::auth::v3::authorization_server::{self, AuthorizationServer};
use crate::wire::generated::{DESCRIPTORS, ENVOY_DESCRIPTORS};

/// Requests in flight on one admin connection.
const ADMIN_STREAMS_MAX: u32 = 64;
/// Largest request to the admin API, of which a digest is the largest part, and to health and reflection, of which a name is.
const SMALL_REQUEST_BYTES_MAX: usize = 64 << 10;
/// Bytes that calls on the admin listener hold together: as many calls as its connections can have, and 4 MiB for
/// messages. Apart from the other listeners, so that an admin is answered whatever is asked there.
const ADMIN_HELD_BYTES_MAX: usize = 36 << 20;

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Decisions.
    Grpc,
    /// Decisions, probes and metrics over HTTP.
    Http,
    /// Policy administration.
    Admin,
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Door::Grpc => "grpc",
            Door::Http => "http",
            Door::Admin => "admin",
        })
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The policies are refused.
    #[error("the policies are refused")]
    Policies(Vec<Diagnostic>),
    /// A listener cannot be bound.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The descriptors of the protocol cannot be served.
    #[error("cannot serve reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// How a server stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every request was answered.
    Fully,
    /// The time was up while requests were in flight.
    TimeUp,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    policies: Arc<Policies>,
    listening: Vec<(Door, Address)>,
    /// Tells those who watch how the server is.
    pulse: Pulse,
    /// Turns true when the server says that it stops, and still takes requests.
    leaving: watch::Sender<bool>,
    draining: watch::Sender<bool>,
    decisions: DecisionApi,
    serving: JoinSet<()>,
    /// What serves ends with them.
    cores: Cores,
    notice: Duration,
    drain: Duration,
    preface_max: Duration,
    /// Held so that the files go when the server goes.
    files: Vec<SocketFile>,
}

/// What the services share.
struct Parts<'p> {
    config: &'p Config,
    policies: &'p Arc<Policies>,
    clock: &'p Arc<dyn Clock>,
    draining: &'p watch::Receiver<bool>,
    decisions: &'p DecisionApi,
    counting: &'p LedgerApi,
    /// Requests that may be in flight on all listeners together.
    limit: &'p InFlightLimit,
    /// How large messages may be.
    sizes: &'p MessageSizes,
    pulse: &'p Pulse,
}

impl Server {
    /// Loads the policies, binds every listener, opens the ledger, and only then listens and serves.
    ///
    /// # Errors
    /// Where the policies are refused, a listener cannot be bound or the ledger cannot be opened; nothing has been served
    /// then, and no connection was accepted.
    pub async fn start(config: &Config, compiler: Compiler, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let policies = Arc::new(load(config, compiler, clock.clone()).await?);
        let cores = Cores::start(NonZeroUsize::new(config.serve_threads)).map_err(StartError::Thread)?;
        let bound = BoundAll::bind(config, cores.runtimes().len()).await?;
        let (draining, drains) = watch::channel(false);
        let (leaving, leaves) = watch::channel(false);
        let metrics = Arc::new(Metrics::default());
        let opened = super::ledger::open(config, &clock, drains.clone()).await?;
        if let Some(OpenLedger { ledger, .. }) = &opened {
            ledger_start::compare(ledger.as_ref(), clock.as_ref(), config).await?;
        }
        tokio::spawn(watch_clock(Arc::clone(&clock), drains.clone()));
        let (ledger, ledger_health, ledger_calls) = metered(opened, &metrics);
        let live = policies.live();
        let decisions = DecisionApi::new(live.clone(), clock.clone(), decide_settings(config), ledger.clone())
            .metered(Arc::clone(&metrics));
        let counting =
            LedgerApi::new(live.clone(), clock.clone(), ledger_settings(config), ledger).metered(Arc::clone(&metrics));
        // Decisions stand under this limit; health, reflection, probes and metrics answer whatever the load.
        let limit = in_flight_limit(config, &metrics);
        let connections = ConnectionLimit::new(connection_rules(config, config.connections_max), Arc::clone(&metrics));
        let observed = Arc::new(Observed {
            policies: policies.clone(),
            clock: clock.clone(),
            leaving: leaves,
            ledger: ledger_health,
            ledger_calls,
            ledger_stalled: Duration::from_millis(config.ledger_stalled_ms),
            requests: limit.clone(),
            connections: connections.clone(),
        });
        let looked = Arc::clone(&observed);
        let pulse = Pulse::new(move || looked.condition());
        let parts = Parts {
            config,
            policies: &policies,
            clock: &clock,
            draining: &drains,
            decisions: &decisions,
            counting: &counting,
            limit: &limit,
            sizes: &message_sizes(config, &metrics),
            pulse: &pulse,
        };
        let server = Self {
            policies: policies.clone(),
            listening: Vec::new(),
            pulse: pulse.clone(),
            leaving,
            draining,
            decisions: decisions.clone(),
            serving: JoinSet::new(),
            cores,
            notice: Duration::from_secs(config.drain_notice_seconds),
            drain: Duration::from_secs(config.drain_seconds),
            preface_max: Duration::from_secs(config.http2_preface_seconds),
            files: Vec::new(),
        };
        server.open(bound, &parts, observed, connections)
    }

    /// Listens, and begins to serve.
    fn open(
        mut self,
        bound: BoundAll,
        parts: &Parts<'_>,
        observed: Arc<Observed>,
        connections: ConnectionLimit,
    ) -> Result<Self, StartError> {
        let Parts { config, limit, .. } = *parts;
        let metrics = parts.decisions.metrics();
        let (grpc_routes, admin_routes) = (grpc_services(parts)?, admin_services(parts)?);
        let doors = http_doors(parts, observed);
        let budgets = Budgets::new(budget_settings(config), limit.clone(), Arc::clone(metrics));
        let short = Some(parts.decisions.clone());
        let grpc = Services::new(short, grpc_routes, &GRPC_SERVICES, config.request_bytes_max, budgets);
        let budgets = admin_budgets(config, metrics);
        let admin = Services::new(None, admin_routes, &ADMIN_SERVICES, SMALL_REQUEST_BYTES_MAX, budgets);
        let admin_rules = connection_rules(config, config.admin_connections_max);
        let admin_connections = ConnectionLimit::new(admin_rules, Arc::clone(metrics));
        let http = HttpServer::new(config, &doors, limit, parts.draining.clone());
        bound.listen()?;
        self.open_grpc(Door::Grpc, bound.grpc, &connections, http2(config, config.http2_streams_max), &grpc);
        self.open_http(bound.http, &connections, &http);
        self.open_grpc(Door::Admin, bound.admin, &admin_connections, http2(config, ADMIN_STREAMS_MAX), &admin);
        tokio::spawn(connections.watch());
        tokio::spawn(admin_connections.watch());
        tokio::spawn(self.pulse.clone().run(Duration::from_millis(config.health_watch_interval_ms)));
        Ok(self)
    }

    /// Returns the listeners that accept, each with the address that it got.
    pub fn listening(&self) -> &[(Door, Address)] {
        &self.listening
    }

    /// Returns the policies in force.
    pub fn policies(&self) -> &Arc<Policies> {
        &self.policies
    }

    /// Stops: says so to probes and health checks, gives those who send requests the time to notice, accepts nothing
    /// more, and finishes what is in flight while there is time.
    pub async fn drain(mut self) -> Drained {
        self.leaving.send_replace(true);
        self.pulse.beat();
        tokio::time::sleep(self.notice).await;
        self.draining.send_replace(true);
        self.decisions.drain();
        self.pulse.end();
        let serving = std::mem::take(&mut self.serving);
        // Dropping what still serves at the end of the time closes its connections.
        match tokio::time::timeout(self.drain, serving.join_all()).await {
            Ok(_) => Drained::Fully,
            Err(_) => Drained::TimeUp,
        }
    }

    fn open_grpc(&mut self, door: Door, bound: Vec<Bound>, limit: &ConnectionLimit, http2: Http2, services: &Services) {
        let draining = self.draining.subscribe();
        let patience = Patience { preface_max: self.preface_max, draining, strangers: Strangers::default() };
        for (runtime, incoming) in self.accept(door, bound, limit, &Opening::Http2(patience)) {
            let serving = grpc::serve(incoming, http2, services.clone(), self.draining.subscribe());
            self.serving.spawn_on(serving, &runtime);
        }
    }

    fn open_http(&mut self, bound: Vec<Bound>, limit: &ConnectionLimit, server: &HttpServer) {
        for (runtime, incoming) in self.accept(Door::Http, bound, limit, &Opening::Any) {
            self.serving.spawn_on(server.clone().serve(incoming), &runtime);
        }
    }

    /// Begins to accept: connections, and the runtime on which they are served.
    fn accept(
        &mut self,
        door: Door,
        bound: Vec<Bound>,
        limit: &ConnectionLimit,
        opening: &Opening,
    ) -> Vec<(Handle, Incoming)> {
        let runtimes: Vec<Handle> = match door {
            Door::Grpc | Door::Http => self.cores.runtimes().cloned().collect(),
            // Policies are read and compared there: that must not hold up a decision.
            Door::Admin => vec![Handle::current()],
        };
        let mut accepted = Vec::new();
        for Bound { sockets, address, file } in bound {
            self.listening.push((door, address));
            self.files.extend(file);
            accepted.extend(runtimes.iter().cloned().zip(accept::incoming(sockets, &runtimes, limit, opening)));
        }
        accepted
    }
}

/// Listeners that are bound, and do not listen yet.
struct BoundAll {
    grpc: Vec<Bound>,
    http: Vec<Bound>,
    admin: Vec<Bound>,
}

impl BoundAll {
    async fn bind(config: &Config, threads: usize) -> Result<Self, ListenError> {
        let mode = config.unix_socket_mode;
        let spread = match config.connection_spread {
            ConnectionSpread::Fewest => Spread::Fewest,
            ConnectionSpread::ReusePort => Spread::ReusePort(threads),
        };
        let (mut grpc, mut http, mut admin) = (Vec::new(), Vec::new(), Vec::new());
        for address in &config.listen {
            grpc.push(listen::bind(address, Reach::Anyone, spread, mode).await?);
        }
        if let Some(address) = &config.http {
            http.push(listen::bind(address, Reach::Anyone, spread, mode).await?);
        }
        if let Some(address) = &config.admin {
            admin.push(listen::bind(address, Reach::ThisMachine, Spread::Fewest, mode).await?);
        }
        Ok(Self { grpc, http, admin })
    }

    fn listen(&self) -> Result<(), ListenError> {
        [&self.grpc, &self.http, &self.admin].into_iter().flatten().try_for_each(Bound::listen)
    }
}

/// Looks at the clock until the server stops, so that a jump is seen while nobody asks.
async fn watch_clock(clock: Arc<dyn Clock>, mut draining: watch::Receiver<bool>) {
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => clock.look(),
            _ = draining.wait_for(|draining| *draining) => return,
        }
    }
}

/// Returns the ledger with its calls counted, how to tell how it is, and what waits for it.
fn metered(opened: Option<OpenLedger>, metrics: &Arc<Metrics>) -> (Option<Arc<dyn Ledger>>, LedgerHealth, Waiting) {
    match opened {
        None => (None, LedgerHealth::None, Waiting::default()),
        Some(OpenLedger { ledger, health, waiting }) => {
            (Some(Arc::new(MeteredLedger::new(ledger, Arc::clone(metrics), waiting.clone()))), health, waiting)
        }
    }
}

/// Loads the policies, off the threads that serve.
async fn load(config: &Config, compiler: Compiler, clock: Arc<dyn Clock>) -> Result<Policies, StartError> {
    let source = Source { directory: config.policies.clone(), limits: read_limits(config), compiler };
    let timing = Timing {
        poll_interval: Duration::from_millis(config.policy_poll_interval_ms),
        debounce: Duration::from_millis(config.policy_debounce_ms),
        changing_max: Duration::from_millis(config.policy_changing_max_ms),
        watching: Watching::On,
    };
    // What blocks here is only the wait; the work is done on the reload thread.
    let started = tokio::task::spawn_blocking(move || Policies::start(source, timing, clock)).await;
    match started {
        Ok(Ok(policies)) => Ok(policies),
        Ok(Err(worker::StartError::Refused(diagnostics))) => Err(StartError::Policies(diagnostics)),
        Ok(Err(worker::StartError::Thread(error))) => Err(StartError::Thread(error)),
        Err(error) => Err(StartError::Thread(io::Error::other(error))),
    }
}

/// Returns the limits on what is read from the policy directory.
pub fn read_limits(config: &Config) -> ReadLimits {
    ReadLimits {
        file_bytes_max: config.policy_file_bytes_max,
        files_max: config.policy_files_max,
        total_bytes_max: config.policy_total_bytes_max,
        directory_depth_max: config.policy_directory_depth_max,
    }
}

/// Returns the compiler of real policies, with the limits of the configuration.
pub fn compiler(config: &Config) -> Compiler {
    let limits = policy::Limits { entries_max: config.policy_entries_max, depth_max: config.policy_depth_max };
    Compiler::new(move |files| policy::compile(files, &limits))
}

fn decide_settings(config: &Config) -> DecideSettings {
    DecideSettings {
        batch_transfers_max: config.batch_transfers_max,
        answer_bytes_max: config.answer_bytes_max,
        streams_open_max: config.streams_open_max,
        stream_drain_transfers_max: config.stream_drain_transfers_max,
        valid_for_max_s: config.valid_until_ceiling_seconds,
        retry_after_ms: config.retry_after_ms,
    }
}

fn ledger_settings(config: &Config) -> LedgerSettings {
    LedgerSettings {
        subjects_max: config.ledger_subjects_max,
        time_to_live_default_s: config.ledger_time_to_live_default_seconds,
        time_to_live_max_s: config.ledger_time_to_live_max_seconds,
        at_age_max_s: config.ledger_at_age_max_seconds,
        at_ahead_max_s: config.ledger_at_ahead_max_seconds,
        valid_for_max_s: config.valid_until_ceiling_seconds,
        retry_after_ms: config.retry_after_ms,
        newcomers: NewcomerLimits {
            unregistered: match config.unregistered_exporters {
                config::Unregistered::Allow => Unregistered::Allow,
                config::Unregistered::Refuse => Unregistered::Refuse,
            },
            of_caller_per_hour_max: config.unregistered_exporters_new_per_hour_max,
            in_all_per_hour_max: config.unregistered_exporters_new_in_all_per_hour_max,
        },
    }
}

fn forward_auth_settings(config: &Config) -> ForwardAuthSettings {
    ForwardAuthSettings {
        believed: match config.forward_auth_headers {
            ForwardedHeaders::XForwarded => Believed::XForwarded,
            ForwardedHeaders::XOriginal => Believed::XOriginal,
            ForwardedHeaders::XOriginalUrl => Believed::XOriginalUrl,
            ForwardedHeaders::Either => Believed::Either,
        },
        cache_seconds_max: config.forward_auth_cache_seconds_max,
    }
}

fn in_flight_limit(config: &Config, metrics: &Arc<Metrics>) -> InFlightLimit {
    let (requests_max, percent) = (config.requests_in_flight_max, config.connection_share_percent);
    InFlightLimit::new(requests_max, percent, config.retry_after_ms, Arc::clone(metrics))
}

fn budget_settings(config: &Config) -> BudgetSettings {
    let idle = config.stream_idle_seconds;
    BudgetSettings {
        streams_max: config.streams_open_max,
        bytes_max: config.grpc_held_bytes_max,
        connection_bytes_min: config.grpc_connection_held_bytes_min,
        batches_max: config.batches_in_progress_max,
        share_percent: config.connection_share_percent,
        patience: CallPatience {
            receive: Duration::from_secs(config.grpc_receive_seconds),
            send: Duration::from_secs(config.grpc_send_seconds),
            idle: (0 < idle).then(|| Duration::from_secs(idle)),
        },
        retry_after_ms: config.retry_after_ms,
    }
}

/// Returns the budgets of the admin listener: its own, so that an admin is answered whatever is asked on the others.
fn admin_budgets(config: &Config, metrics: &Arc<Metrics>) -> Arc<Budgets> {
    let streams_max =
        config.admin_connections_max.saturating_mul(usize::try_from(ADMIN_STREAMS_MAX).unwrap_or(usize::MAX));
    let limit =
        InFlightLimit::new(streams_max, config.connection_share_percent, config.retry_after_ms, Arc::clone(metrics));
    let settings = BudgetSettings { streams_max, bytes_max: ADMIN_HELD_BYTES_MAX, ..budget_settings(config) };
    Budgets::new(settings, limit, Arc::clone(metrics))
}

/// Returns what a client may send on a stream before it is read: a part in 512 of the budget. Only streams leave anything
/// unread, so that the 256 that may be open by default leave half of the budget, 64 MiB, unread at most.
fn window_bytes(config: &Config) -> u32 {
    const LEAST: u32 = 64 << 10;
    const MOST: u32 = 1 << 20;
    u32::try_from(config.grpc_held_bytes_max / 512).unwrap_or(MOST).clamp(LEAST, MOST)
}

fn http2(config: &Config, streams_max: u32) -> Http2 {
    let seconds = config.http2_keepalive_interval_seconds;
    Http2 {
        window_bytes: window_bytes(config),
        resets_pending_max: config.http2_pending_resets_max,
        error_resets_max: config.http2_error_resets_max,
        streams_max,
        keepalive_interval: (0 < seconds).then(|| Duration::from_secs(seconds)),
        keepalive_timeout: Duration::from_secs(config.http2_keepalive_timeout_seconds),
    }
}

fn connection_rules(config: &Config, connections_max: usize) -> ConnectionRules {
    let seconds = config.grpc_idle_seconds;
    ConnectionRules {
        connections_max,
        reclaim_idle: Duration::from_millis(config.connection_reclaim_idle_ms),
        grpc_idle: (0 < seconds).then(|| Duration::from_secs(seconds)),
    }
}

fn message_sizes(config: &Config, metrics: &Arc<Metrics>) -> MessageSizes {
    let (request_bytes_max, answer_bytes_max) = (config.request_bytes_max, config.answer_bytes_max);
    MessageSizes { request_bytes_max, answer_bytes_max, metrics: Arc::clone(metrics) }
}

/// Returns what the HTTP listeners answer with.
fn http_doors(parts: &Parts<'_>, observed: Arc<Observed>) -> Arc<Doors> {
    let Parts { config, decisions, .. } = *parts;
    let public_url = config.http_public_url.as_ref();
    Arc::new(Doors {
        forward_auth: door(parts, &config.http_unlabelled, metrics::Door::ForwardAuth),
        forward_auth_settings: forward_auth_settings(config),
        // An evaluation that nothing matches is denied, whatever else may pass.
        authzen: door(parts, &Unmatched::Refuse, metrics::Door::Authzen),
        evaluations_max: config.authzen_evaluations_max,
        public_url: public_url.map(|url| PublicUrl { url: url.as_str().to_owned(), path: url.path().to_owned() }),
        decisions: decisions.at(metrics::Door::HttpDecide),
        body: BodyLimits { bytes_max: config.http_body_bytes_max, seconds_max: config.http_body_seconds },
        metrics: Arc::clone(decisions.metrics()),
        standing: Look::new(move || observed.standing()),
    })
}

/// Returns what answers requests of gateways at a door.
fn door(parts: &Parts<'_>, unmatched: &Unmatched, door: metrics::Door) -> LabelledDoor {
    LabelledDoor::new(parts.policies.live().clone(), parts.decisions, parts.counting, unmatched.clone(), door)
}

/// Returns the services of the gRPC listeners.
fn grpc_services(parts: &Parts<'_>) -> Result<Routes, StartError> {
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

/// The services of the gRPC listeners, beside health and reflection.
const GRPC_SERVICES: [&str; 3] =
    [authorization_server::SERVICE_NAME, decision_service_server::SERVICE_NAME, ledger_service_server::SERVICE_NAME];
/// What health can be asked of there.
const GRPC_PARTS: [Part; 4] = [Part::Server, Part::Gateways, Part::Decisions, Part::Ledger];
/// The services of the admin listener.
const ADMIN_SERVICES: [&str; 1] = [policy_service_server::SERVICE_NAME];
/// What health can be asked of there.
const ADMIN_PARTS: [Part; 2] = [Part::Server, Part::Policies];

/// Returns the services of the admin listener.
fn admin_services(parts: &Parts<'_>) -> Result<Routes, StartError> {
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
    let limits = WatchLimits { watches_max: config.health_watches_max, retry_after_ms: config.retry_after_ms };
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
