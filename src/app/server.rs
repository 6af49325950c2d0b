//! A running server: its start, its listeners and services, and its end.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::clock_watch::LOOK_INTERVAL;
use crate::app::ledger::{LedgerHealth, OpenLedger};
use crate::app::ledger_meter::{MeteredLedger, Waiting};
use crate::app::ledger_start;
use crate::app::services::{ADMIN_SERVICES, GRPC_SERVICES, Parts, admin_services, grpc_services, http_doors};
use crate::app::settings::{
    ADMIN_STREAMS_MAX, SMALL_REQUEST_BYTES_MAX, admin_budgets, budget_settings, connection_rules, decide_settings,
    http2, in_flight_limit, ledger_settings, message_sizes,
};
pub use crate::app::settings::{compiler, read_limits};
use crate::app::standing::Observed;
pub use crate::app::start_error::StartError;
use crate::config::address::Address;
use crate::config::{Config, ConnectionSpread};
use crate::domain::clock::Clock;
use crate::ledger::Ledger;
use crate::live::reload::{Compiler, Source};
use crate::live::worker::{self, Policies, Timing, Watching};
use crate::metrics::Metrics;
use crate::service::{DecisionApi, LedgerApi};
use crate::transport::accept::{self, ConnectionLimit, Incoming};
use crate::transport::budget::Budgets;
use crate::transport::connection::{Opening, PrefaceWait};
use crate::transport::fast_path::Services;
use crate::transport::health::Pulse;
use crate::transport::http1::HttpServer;
use crate::transport::http2::{self, Http2};
use crate::transport::listen::{self, Bound, ListenError, Reach, SocketFile, Spread};
use crate::transport::worker_threads::Cores;
use crate::transport::wrong_protocol::{Port, Strangers};

/// The purpose of a listener.
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

/// The result of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every request was answered.
    Fully,
    /// The time was over while requests were in flight or answers were not read.
    TimeUp,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    policies: Arc<Policies>,
    listening: Vec<(Door, Address)>,
    /// Reports the condition of the server to watches.
    pulse: Pulse,
    /// Turns true when the server announces its end. It still accepts requests then.
    leaving: watch::Sender<bool>,
    draining: watch::Sender<bool>,
    decisions: DecisionApi,
    serving: JoinSet<()>,
    /// The tasks that check its clock, its ledger and its health. They end before the server does, so that nothing holds the
    /// ledger afterwards.
    upkeep: JoinSet<()>,
    /// The threads that serve. Tasks on them end with them.
    cores: Cores,
    notice: Duration,
    drain: Duration,
    preface_max: Duration,
    /// The files of unix sockets, which are removed with the server.
    files: Vec<SocketFile>,
}

impl Server {
    /// Loads the policies, binds every listener, opens the ledger, and only then listens and serves.
    ///
    /// # Errors
    /// The policies are refused, a listener cannot be bound or the ledger cannot be opened. No connection was accepted then.
    pub async fn start(config: &Config, compiler: Compiler, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let policies = Arc::new(load(config, compiler, clock.clone()).await?);
        let cores = Cores::start(NonZeroUsize::new(config.serve_threads)).map_err(StartError::Thread)?;
        let bound = BoundAll::bind(config, cores.runtimes().len()).await?;
        let (draining, drains) = watch::channel(false);
        let (leaving, leaves) = watch::channel(false);
        let metrics = Arc::new(Metrics::default());
        let mut upkeep = JoinSet::new();
        let opened = crate::app::ledger::open(config, &clock, drains.clone(), &mut upkeep).await?;
        if let Some(OpenLedger { ledger, .. }) = &opened {
            ledger_start::compare(ledger.as_ref(), clock.as_ref(), config).await?;
        }
        upkeep.spawn(watch_clock(Arc::clone(&clock), drains.clone()));
        let subject_key = opened.as_ref().and_then(|opened| opened.subject_key.clone());
        let (ledger, ledger_health, ledger_calls) = metered(opened, &metrics);
        let live = policies.live();
        let decisions = DecisionApi::new(live.clone(), clock.clone(), decide_settings(config), ledger.clone())
            .metered(Arc::clone(&metrics));
        let counting = LedgerApi::new(live.clone(), clock.clone(), ledger_settings(config), ledger)
            .metered(Arc::clone(&metrics))
            .with_subject_key(subject_key);
        // The limit applies to decisions. Health, reflection, probes and metrics answer under any load.
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
            upkeep,
            cores,
            notice: Duration::from_secs(config.drain_notice_seconds),
            drain: Duration::from_secs(config.drain_seconds),
            preface_max: Duration::from_secs(config.http2_preface_seconds),
            files: Vec::new(),
        };
        server.open(bound, &parts, observed, connections)
    }

    /// Begins to listen and to serve.
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
        self.upkeep.spawn(connections.watch());
        self.upkeep.spawn(admin_connections.watch());
        self.upkeep.spawn(self.pulse.clone().run(Duration::from_millis(config.health_watch_interval_ms)));
        Ok(self)
    }

    /// Returns the listeners, each with its address.
    pub fn listening(&self) -> &[(Door, Address)] {
        &self.listening
    }

    /// Returns the policies in force.
    pub fn policies(&self) -> &Arc<Policies> {
        &self.policies
    }

    /// Stops the server. Probes and health checks learn it first, and clients have the time of the notice to react. Then the
    /// server accepts no connection, and finishes requests in flight until the time to drain is over.
    pub async fn drain(mut self) -> Drained {
        self.leaving.send_replace(true);
        self.pulse.beat();
        tokio::time::sleep(self.notice).await;
        self.draining.send_replace(true);
        self.decisions.drain();
        self.pulse.end();
        let serving = std::mem::take(&mut self.serving);
        // At the end of the time the tasks that still serve are dropped, which closes their connections.
        let drained = match tokio::time::timeout(self.drain, serving.join_all()).await {
            Ok(_) => Drained::Fully,
            Err(_) => Drained::TimeUp,
        };
        self.upkeep.shutdown().await;
        drained
    }

    fn open_grpc(&mut self, door: Door, bound: Vec<Bound>, limit: &ConnectionLimit, http2: Http2, services: &Services) {
        let draining = self.draining.subscribe();
        let wait = PrefaceWait { preface_max: self.preface_max, draining, strangers: Strangers::at(Port::Grpc) };
        for (runtime, incoming) in self.accept(door, bound, limit, &Opening::Http2(wait)) {
            let serving = http2::serve(incoming, http2, services.clone(), self.draining.subscribe());
            self.serving.spawn_on(serving, &runtime);
        }
    }

    fn open_http(&mut self, bound: Vec<Bound>, limit: &ConnectionLimit, server: &HttpServer) {
        for (runtime, incoming) in self.accept(Door::Http, bound, limit, &Opening::Any) {
            self.serving.spawn_on(server.clone().serve(incoming), &runtime);
        }
    }

    /// Begins to accept. Returns streams of connections, each with its runtime.
    fn accept(
        &mut self,
        door: Door,
        bound: Vec<Bound>,
        limit: &ConnectionLimit,
        opening: &Opening,
    ) -> Vec<(Handle, Incoming)> {
        let runtimes: Vec<Handle> = match door {
            Door::Grpc | Door::Http => self.cores.runtimes().cloned().collect(),
            // Its calls read and compare policies, which must not delay decisions.
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

/// Listeners that are bound and do not listen yet.
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

/// Checks the clock until the server stops, so that a jump is noticed even without requests.
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

/// Returns the ledger with counted calls, its health, and the calls that wait for it.
fn metered(opened: Option<OpenLedger>, metrics: &Arc<Metrics>) -> (Option<Arc<dyn Ledger>>, LedgerHealth, Waiting) {
    match opened {
        None => (None, LedgerHealth::None, Waiting::default()),
        Some(OpenLedger { ledger, health, waiting, subject_key: _ }) => {
            (Some(Arc::new(MeteredLedger::new(ledger, Arc::clone(metrics), waiting.clone()))), health, waiting)
        }
    }
}

/// Loads the policies, on another thread than those that serve.
async fn load(config: &Config, compiler: Compiler, clock: Arc<dyn Clock>) -> Result<Policies, StartError> {
    let source = Source { directory: config.policies.clone(), limits: read_limits(config), compiler };
    let timing = Timing {
        poll_interval: Duration::from_millis(config.policy_poll_interval_ms),
        debounce: Duration::from_millis(config.policy_debounce_ms),
        changing_max: Duration::from_millis(config.policy_changing_max_ms),
        watching: Watching::On,
    };
    // Only the wait blocks here: the reload thread does the work.
    let started = tokio::task::spawn_blocking(move || Policies::start(source, timing, clock)).await;
    match started {
        Ok(Ok(policies)) => Ok(policies),
        Ok(Err(worker::StartError::Refused(diagnostics))) => Err(StartError::Policies(diagnostics)),
        Ok(Err(worker::StartError::Thread(error))) => Err(StartError::Thread(error)),
        Err(error) => Err(StartError::Thread(io::Error::other(error))),
    }
}
