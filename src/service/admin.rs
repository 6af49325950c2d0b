//! The policy administration API. On the admin listener only.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::domain::clock::Clock;
use crate::domain::units::Moment;
use crate::live::digest::is_well_formed;
use crate::live::worker::{Policies, Validation};
use crate::wire::generated::v1;
use crate::wire::generated::v1::policy_service_server::PolicyService;
use crate::wire::policy_status::{self, EditionView, StatusView};
use crate::wire::refusal::{Refusal, Unavailable, call};

/// An answer goes out before the client's deadline, so that it arrives within it: a tenth of the
/// time earlier, and no more than this.
const ANSWER_MARGIN_MAX: Duration = Duration::from_millis(100);

/// Answers `neglist.v1.PolicyService`.
#[derive(Debug)]
pub struct AdminApi {
    policies: Arc<Policies>,
    clock: Arc<dyn Clock>,
    wait_for_digest_max: Duration,
    draining: watch::Receiver<bool>,
    retry_after_ms: u32,
}

impl AdminApi {
    /// Returns the service.
    ///
    /// `draining` turns true when the server stops: waits and streams end then. `retry_after_ms`:
    /// the delay after which a refused call may be repeated.
    pub fn new(
        policies: Arc<Policies>,
        clock: Arc<dyn Clock>,
        wait_for_digest_max: Duration,
        draining: watch::Receiver<bool>,
        retry_after_ms: u32,
    ) -> Self {
        Self { policies, clock, wait_for_digest_max, draining, retry_after_ms }
    }

    const fn refuse(&self, why: Unavailable) -> Refusal {
        Refusal::Unavailable(why, self.retry_after_ms)
    }

    /// Returns when the server stops, or the sender is dropped.
    async fn stopped(&self) {
        let _ = self.draining.clone().wait_for(|draining| *draining).await;
    }
}

#[tonic::async_trait]
impl PolicyService for AdminApi {
    type WatchStatusStream = ReceiverStream<Result<v1::WatchStatusResponse, Status>>;

    async fn get_status(
        &self,
        _request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let status = self.policies.status();
        Ok(Response::new(policy_status::get_status(view(&status, self.clock.now()))))
    }

    async fn reload(&self, _request: Request<v1::ReloadRequest>) -> Result<Response<v1::ReloadResponse>, Status> {
        let status = self.policies.reload().await.map_err(|_| self.refuse(Unavailable::Loading))?;
        Ok(Response::new(policy_status::reload(view(&status, self.clock.now()))))
    }

    async fn validate(&self, _request: Request<v1::ValidateRequest>) -> Result<Response<v1::ValidateResponse>, Status> {
        let Validation { diagnostics, digest } =
            self.policies.validate().await.map_err(|_| self.refuse(Unavailable::Loading))?;
        Ok(Response::new(policy_status::validate(&diagnostics, digest)))
    }

    async fn wait_for_digest(
        &self,
        request: Request<v1::WaitForDigestRequest>,
    ) -> Result<Response<v1::WaitForDigestResponse>, Status> {
        let wait = wait_time(policy_status::client_timeout(request.metadata()), self.wait_for_digest_max);
        let digest = policy_status::wanted_digest(request.into_inner());
        if !is_well_formed(&digest) {
            return Err(call::malformed_digest());
        }
        let mut statuses = self.policies.subscribe();
        let in_force = statuses.wait_for(|status| *status.digest == *digest);
        let waited = tokio::select! {
            waited = timeout_at(Instant::now() + wait, in_force) => waited,
            () = self.stopped() => return Err(self.refuse(Unavailable::Draining).into()),
        };
        match waited {
            Ok(Ok(status)) => Ok(Response::new(policy_status::wait_for_digest(view(&status, self.clock.now())))),
            Ok(Err(_)) => Err(self.refuse(Unavailable::Draining).into()),
            Err(_) => Err(call::digest_not_in_force(&digest, &self.policies.status().digest)),
        }
    }

    async fn watch_status(
        &self,
        _request: Request<v1::WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        let (messages, stream) = mpsc::channel(1);
        let (mut statuses, clock) = (self.policies.subscribe(), self.clock.clone());
        let mut draining = self.draining.clone();
        tokio::spawn(async move {
            statuses.mark_changed();
            let forward = async {
                // A slow client may miss statuses in between, never the last one.
                while statuses.changed().await.is_ok() {
                    let status = statuses.borrow_and_update().clone();
                    let message = policy_status::watch_status(view(&status, clock.now()));
                    if messages.send(Ok(message)).await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = forward => {}
                () = messages.closed() => {}
                _ = draining.wait_for(|draining| *draining) => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// Returns the longest wait for a client with this time-out.
fn wait_time(client: Option<Duration>, wait_max: Duration) -> Duration {
    let client = client.map(|timeout| timeout.saturating_sub((timeout / 10).min(ANSWER_MARGIN_MAX)));
    client.map_or(wait_max, |client| client.min(wait_max))
}

fn view(status: &crate::live::status::Status, now: Moment) -> StatusView<'_> {
    let editions = status.editions_in_force(now).map(|edition| EditionView {
        id: &edition.id,
        title: &edition.title,
        interval: edition.interval,
    });
    StatusView {
        files: status.files,
        revision: status.revision,
        digest: &status.digest,
        activated_at: status.activated_at,
        attempted_at: status.attempted_at,
        load_time: status.load_time,
        editions: editions.collect(),
        diagnostics: &status.diagnostics,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_before_the_deadline_of_the_client_and_at_the_limit_of_the_server() {
        let (ms, max) = (Duration::from_millis, Duration::from_mins(5));
        assert_eq!(wait_time(None, max), max);
        assert_eq!(wait_time(Some(ms(100)), max), ms(90));
        assert_eq!(wait_time(Some(ms(10_000)), max), ms(9_900));
        assert_eq!(wait_time(Some(Duration::from_hours(1)), max), max);
        assert_eq!(wait_time(Some(Duration::ZERO), max), Duration::ZERO);
    }
}
