//! `grpc.health.v1.Health` on one listener, by the table of [`crate::metrics::health`].
//!
//! A check reads the condition of the server at that moment, as `/readyz` does. A task reads it every
//! `health_watch_interval_ms`, and at once when the server begins to stop, and reports changes to open watches. A watch holds
//! no permit for a request; a limit on watches bounds their number.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Sleep;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthProtocol, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::metrics::health::{self, Condition, Part};
use crate::metrics::{Limit, Metrics};
use crate::service::deadline::Deadline;
use crate::transport::budget::Share;
use crate::transport::pool::Pool;
use crate::wire::refusal::{Exhausted, call, grpc};

/// Reads the condition of the server.
#[derive(Clone)]
pub(crate) struct ConditionSource(Arc<dyn Fn() -> Condition + Send + Sync>);

impl fmt::Debug for ConditionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConditionSource")
    }
}

/// Reports the condition of the server to the open watches of all listeners. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    look: ConditionSource,
    /// `None` once the server has stopped.
    told: watch::Sender<Option<Condition>>,
}

impl Pulse {
    /// Returns a pulse that has read the condition once.
    pub(crate) fn new(look: impl Fn() -> Condition + Send + Sync + 'static) -> Self {
        let look = ConditionSource(Arc::new(look));
        let (told, _) = watch::channel(Some((look.0)()));
        Self { look, told }
    }

    /// Reads the condition, and reports a change. Says whether the server still runs.
    pub(crate) fn beat(&self) -> bool {
        // Read under the lock of the channel, so that an older condition never replaces a newer one.
        self.told.send_if_modified(|told| match told {
            None => false,
            Some(before) => {
                let now = (self.look.0)();
                std::mem::replace(before, now) != now
            }
        });
        self.told.borrow().is_some()
    }

    /// Reads the condition at intervals, until the server has stopped.
    pub(crate) async fn run(self, interval: Duration) {
        while self.beat() {
            tokio::time::sleep(interval).await;
        }
    }

    /// Ends open watches, which would keep the server from stopping.
    pub(crate) fn end(&self) {
        self.told.send_replace(None);
    }
}

/// The health of one listener. Clones share it.
#[derive(Debug, Clone)]
pub struct Health {
    pulse: Pulse,
    /// The parts that this listener reports on, the whole server included.
    parts: &'static [Part],
    watches: Arc<Pool>,
    retry_after_ms: u32,
    metrics: Arc<Metrics>,
}

/// Limits of the health of a listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WatchLimits {
    /// Most `Watch` calls that are open at once.
    pub(crate) watches_max: usize,
    /// The part of them that one connection may take when it is alone, in percent.
    pub(crate) share_percent: u32,
    /// The delay after which a refused caller may try again, in milliseconds.
    pub(crate) retry_after_ms: u32,
}

impl Health {
    /// Returns the health of a listener with these parts.
    pub(crate) fn new(pulse: Pulse, parts: &'static [Part], limits: WatchLimits, metrics: Arc<Metrics>) -> Self {
        let WatchLimits { watches_max, share_percent, retry_after_ms } = limits;
        let watches = Arc::new(Pool::new(watches_max, share_percent, 0));
        Self { pulse, parts, watches, retry_after_ms, metrics }
    }

    /// Returns the health of a listener whose server is ready, for tests.
    #[cfg(test)]
    pub async fn serving(_names: &[&'static str]) -> Self {
        use crate::domain::clock::Clocking;
        use crate::metrics::standing::{Counting, Files, Serving};

        let condition = Condition {
            serving: Serving::Ready,
            files: Files::Current,
            clock: Clocking::Sound,
            counting: Counting::Open,
        };
        let limits = WatchLimits { watches_max: 8, share_percent: 90, retry_after_ms: 1_000 };
        std::future::ready(Self::new(Pulse::new(move || condition), &Part::ALL, limits, Arc::default())).await
    }

    /// Returns the service that answers with it.
    pub fn service(&self) -> HealthServer<impl HealthProtocol> {
        HealthServer::new(self.clone())
    }

    fn part(&self, name: &str) -> Option<Part> {
        Part::named(name).filter(|part| self.parts.contains(part))
    }
}

fn status_of(part: Part, condition: Condition) -> ServingStatus {
    match health::health(part, condition) {
        health::Health::Serving => ServingStatus::Serving,
        health::Health::NotServing(_) => ServingStatus::NotServing,
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl HealthProtocol for Health {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let name = &request.get_ref().service;
        let names: Vec<&str> = self.parts.iter().map(|part| part.name()).collect();
        let part = self.part(name).ok_or_else(|| call::no_such_service(name, &names))?;
        Ok(Response::new(response(status_of(part, (self.pulse.look.0)()))))
    }

    type WatchStream = Watch;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Watch>, Status> {
        let permit = WatchPermit::take(&self.watches, request.extensions().get()).ok_or_else(|| {
            self.metrics.limited(Limit::HealthWatches);
            grpc::exhausted(Exhausted::HealthWatches, self.retry_after_ms)
        })?;
        let deadline = request.extensions().get().copied();
        let end = deadline.map(|deadline: Deadline| Box::pin(tokio::time::sleep_until(deadline.at())));
        let part = self.part(&request.get_ref().service);
        let changes = WatchStream::new(self.pulse.told.subscribe());
        Ok(Response::new(Watch { part, changes, told: None, end, _permit: permit }))
    }
}

/// The permit of an open watch; given back when it is dropped.
struct WatchPermit {
    pool: Arc<Pool>,
    /// The share of the connection; `None` for a call without a connection.
    share: Option<Arc<Share>>,
}

impl WatchPermit {
    fn take(pool: &Arc<Pool>, share: Option<&Arc<Share>>) -> Option<Self> {
        let taken = match share {
            Some(share) => pool.take(share.watches(), 1),
            None => pool.reserve(0, 1),
        };
        taken.then(|| Self { pool: Arc::clone(pool), share: share.cloned() })
    }
}

impl Drop for WatchPermit {
    fn drop(&mut self) {
        match &self.share {
            Some(share) => self.pool.give_back(share.watches(), 1),
            None => self.pool.free(1),
        }
    }
}

/// The answers to a watch: the health of a part now, and each change.
///
/// For an unknown name the answer is `SERVICE_UNKNOWN`, and the stream stays open as the protocol demands: another server at
/// this address may have that service later.
pub struct Watch {
    part: Option<Part>,
    changes: WatchStream<Option<Condition>>,
    told: Option<ServingStatus>,
    /// The deadline of the caller; `None` if it set none.
    end: Option<Pin<Box<Sleep>>>,
    _permit: WatchPermit,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("part", &self.part).finish_non_exhaustive()
    }
}

impl Stream for Watch {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.end.as_mut().is_some_and(|end| end.as_mut().poll(context).is_ready()) {
            this.end = None;
            // The next poll ends the stream.
            this.part = None;
            this.told = Some(ServingStatus::ServiceUnknown);
            this.changes = WatchStream::new(watch::channel(None).1);
            return Poll::Ready(Some(Err(call::late())));
        }
        loop {
            let condition = ready!(Pin::new(&mut this.changes).poll_next(context)).flatten();
            let status = match (this.part, condition) {
                (None, Some(_)) => ServingStatus::ServiceUnknown,
                (Some(part), Some(condition)) => status_of(part, condition),
                // A slow reader must not miss the end.
                (Some(_), None) if this.told != Some(ServingStatus::NotServing) => ServingStatus::NotServing,
                (None | Some(_), None) => return Poll::Ready(None),
            };
            if this.told.replace(status) != Some(status) {
                if condition.is_none() {
                    // The next poll has to end the stream: the value that says so has been taken.
                    this.part = None;
                    this.changes = WatchStream::new(watch::channel(None).1);
                }
                return Poll::Ready(Some(Ok(response(status))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio_stream::StreamExt as _;
    use tonic::Code;

    use super::*;
    use crate::domain::clock::Clocking;
    use crate::metrics::standing::{Counting, Files, Serving};
    use crate::wire::generated::raw::decision_service_server;
    use crate::wire::generated::v1::{ledger_service_server, policy_service_server};
    use crate::wire::generated::vendor::envoy::service::auth::v3::authorization_server;

    fn condition(serving: Serving, counting: Counting) -> Condition {
        Condition { serving, files: Files::Current, clock: Clocking::Sound, counting }
    }

    fn health(watches_max: usize) -> (Health, Arc<Mutex<Condition>>) {
        let now = Arc::new(Mutex::new(condition(Serving::Ready, Counting::Open)));
        let looked = Arc::clone(&now);
        let pulse = Pulse::new(move || *looked.lock().unwrap());
        let limits = WatchLimits { watches_max, share_percent: 90, retry_after_ms: 1_000 };
        (Health::new(pulse, &[Part::Server, Part::Decisions, Part::Ledger], limits, Arc::default()), now)
    }

    fn about(name: &str) -> Request<HealthCheckRequest> {
        Request::new(HealthCheckRequest { service: name.to_owned() })
    }

    async fn watch(health: &Health, name: &str) -> Watch {
        health.watch(about(name)).await.unwrap().into_inner()
    }

    async fn next(watch: &mut Watch) -> Option<ServingStatus> {
        watch.next().await.map(|told| told.unwrap().status())
    }

    #[test]
    fn b6_parts_have_the_names_of_the_services() {
        assert_eq!(Part::Decisions.name(), decision_service_server::SERVICE_NAME);
        assert_eq!(Part::Ledger.name(), ledger_service_server::SERVICE_NAME);
        assert_eq!(Part::Gateways.name(), authorization_server::SERVICE_NAME);
        assert_eq!(Part::Policies.name(), policy_service_server::SERVICE_NAME);
    }

    #[tokio::test]
    async fn b6_a_check_reports_each_part_and_unknown_names() {
        let (health, now) = health(1);
        *now.lock().unwrap() = condition(Serving::Ready, Counting::Closed);
        for (part, expected) in [
            (Part::Server, ServingStatus::NotServing),
            (Part::Decisions, ServingStatus::Serving),
            (Part::Ledger, ServingStatus::NotServing),
        ] {
            assert_eq!(health.check(about(part.name())).await.unwrap().into_inner().status(), expected);
        }
        for unknown in ["neglist.v1.Nothing", Part::Policies.name(), "\n"] {
            let refused = health.check(about(unknown)).await.unwrap_err();
            assert_eq!(refused.code(), Code::NotFound);
            assert!(refused.message().contains("neglist.v1.LedgerService"), "{refused}");
        }
    }

    #[tokio::test]
    async fn b6_watches_report_each_change_once_and_the_end() {
        let (health, now) = health(8);
        let (mut whole, mut decisions) = (watch(&health, "").await, watch(&health, Part::Decisions.name()).await);
        assert_eq!(next(&mut whole).await, Some(ServingStatus::Serving));
        assert_eq!(next(&mut decisions).await, Some(ServingStatus::Serving));
        for (counting, expected) in
            [(Counting::Stalled, ServingStatus::NotServing), (Counting::Open, ServingStatus::Serving)]
        {
            *now.lock().unwrap() = condition(Serving::Ready, counting);
            assert!(health.pulse.beat());
            assert_eq!(next(&mut whole).await, Some(expected));
        }
        // A watch of an unaffected service reports nothing, and a slow watch reports at least the end.
        health.pulse.end();
        assert!(!health.pulse.beat());
        for watch in [&mut whole, &mut decisions] {
            assert_eq!(next(watch).await, Some(ServingStatus::NotServing));
            assert_eq!(next(watch).await, None);
        }
    }

    #[tokio::test]
    async fn b6_a_watch_of_an_unknown_name_stays_open() {
        let (health, now) = health(8);
        let mut unknown = watch(&health, "neglist.v1.Nothing").await;
        assert_eq!(next(&mut unknown).await, Some(ServingStatus::ServiceUnknown));
        *now.lock().unwrap() = condition(Serving::Ready, Counting::Closed);
        health.pulse.beat();
        let waits = tokio::time::timeout(Duration::from_millis(20), next(&mut unknown)).await;
        assert!(waits.is_err(), "{waits:?}");
        health.pulse.end();
        assert_eq!(next(&mut unknown).await, None);
    }

    #[tokio::test]
    async fn b6_watches_are_bounded() {
        let (health, _) = health(1);
        let first = watch(&health, "").await;
        let refused = health.watch(about("")).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert_eq!(health.metrics.limit_refusals(Limit::HealthWatches), 1);
        // Checks are not watches.
        assert!(health.check(about("")).await.is_ok());
        drop(first);
        assert!(health.watch(about("")).await.is_ok());
    }
}
