//! `neglist.v1.DecisionService`: one transfer, a batch, a stream.
//!
//! All three end in [`DecisionApi::decide_one`]. A request takes the snapshot in force once and
//! is answered from it alone; a stream takes it anew for each of its transfers. Nothing is
//! counted and nothing waits, so a decision is over before anybody could cancel it.
//!
//! No ledger exists here: a transfer whose answer depends on totals that the caller does not
//! state is refused, never decided on a guess.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tonic::{Request, Response, Status, Streaming};

use super::answers::Answers;
use crate::domain::asked::Violation;
use crate::domain::clock::Clock;
use crate::domain::evaluate::evaluate;
use crate::domain::resolve::{missing_totals, resolve};
use crate::domain::snapshot::Snapshot;
use crate::domain::units::Moment;
use crate::live::Live;
use crate::wire::from_proto::{self, Question};
use crate::wire::generated::v1;
use crate::wire::generated::v1::decision_service_server::DecisionService;
use crate::wire::status::{self, Exhausted, Unavailable};
use crate::wire::to_proto::{self, Decided, DecisionIds};

/// Limits of the decision service.
#[derive(Debug, Clone)]
pub struct DecideSettings {
    /// Most transfers of one batch. The contract promises no more than 1,000.
    pub batch_transfers_max: usize,
    /// Most `DecideStream` calls that are open at once.
    pub streams_open_max: usize,
    /// Most transfers that one stream still answers after the server has begun to stop, of those
    /// that have arrived already.
    pub stream_drain_transfers_max: usize,
    /// Longest time for which an answer may be kept, in seconds.
    pub valid_for_max_s: u32,
    /// When a caller that was refused for a limit may try again, in milliseconds.
    pub retry_after_ms: u32,
}

impl Default for DecideSettings {
    fn default() -> Self {
        Self {
            batch_transfers_max: 1_000,
            // Each holds one message that is being read, 4 MiB at the transport's default: 1 GiB
            // together in the worst case.
            streams_open_max: 256,
            stream_drain_transfers_max: 1_024,
            // A day: lists and clearances change at midnight, totals with each transfer.
            valid_for_max_s: 86_400,
            retry_after_ms: 1_000,
        }
    }
}

/// After so many transfers a batch lets other requests run: some 100 µs of decisions.
const BATCH_TRANSFERS_BETWEEN_YIELDS: usize = 32;

/// Whether the server is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is not.
    Serving,
    /// It is.
    Draining,
}

/// Answers the calls of the decision service. Clones share everything.
#[derive(Debug, Clone)]
pub struct DecisionApi {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    live: Arc<Live>,
    clock: Arc<dyn Clock>,
    settings: DecideSettings,
    ids: DecisionIds,
    streams_free: Arc<Semaphore>,
    phase: watch::Sender<Phase>,
}

impl DecisionApi {
    /// Returns a service that answers from whatever snapshot `live` has in force.
    pub fn new(live: Arc<Live>, clock: Arc<dyn Clock>, settings: DecideSettings) -> Self {
        let streams_free = Arc::new(Semaphore::new(settings.streams_open_max.min(Semaphore::MAX_PERMITS)));
        let (phase, _) = watch::channel(Phase::Serving);
        let ids = DecisionIds::random();
        Self { inner: Arc::new(Inner { live, clock, settings, ids, streams_free, phase }) }
    }

    /// Ends open streams: each answers what has arrived and then ends with `UNAVAILABLE`. New
    /// streams are refused. Single requests and batches go on being answered.
    ///
    /// Called when the server begins to stop; without it an open stream would keep it from stopping.
    pub fn drain(&self) {
        self.inner.phase.send_replace(Phase::Draining);
    }

    /// Decides one transfer, without a server around it.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with everything that is wrong with the request.
    pub fn decide_now(&self, request: &v1::DecideRequest) -> Result<v1::DecideResponse, Status> {
        self.decide_here(request).map_err(|violations| status::to_status(&status::invalid(&violations)))
    }

    /// Decides one transfer and keeps everything that is wrong with it, for whoever is not bound by the size of a status.
    ///
    /// # Errors
    /// Everything that is wrong, with paths from the root of the request.
    pub fn decide_here(&self, request: &v1::DecideRequest) -> Result<v1::DecideResponse, Vec<Violation>> {
        let snapshot = self.inner.live.snapshot();
        let decision = self.decide_one(&snapshot, from_proto::decide(request), self.inner.clock.now());
        decision.map(to_proto::decide)
    }

    /// Decides one message of a stream, on the snapshot in force now.
    pub(super) fn decide_streamed(&self, request: &v1::DecideStreamRequest) -> v1::DecideStreamResponse {
        let snapshot = self.inner.live.snapshot();
        let (sequence, question) = from_proto::stream(request);
        let answer = self.decide_one(&snapshot, question, self.inner.clock.now());
        to_proto::stream(sequence, answer.map_err(|violations| status::invalid(&violations)))
    }

    /// Returns the limits.
    pub(super) fn settings(&self) -> &DecideSettings {
        &self.inner.settings
    }

    fn decide_one(
        &self,
        snapshot: &Snapshot,
        question: Result<Question<'_>, Vec<Violation>>,
        now: Moment,
    ) -> Result<v1::Decision, Vec<Violation>> {
        let Question { asked, detail, place } = question?;
        let transfer = resolve(snapshot, &asked, now).map_err(|violations| place.locate(violations))?;
        let missing = missing_totals(snapshot, &transfer);
        if !missing.is_empty() {
            return Err(place.locate(missing));
        }
        let totals = &transfer.stated;
        let decision = &evaluate(snapshot, &transfer, totals);
        let valid_for_max_s = self.inner.settings.valid_for_max_s;
        let decided = Decided { snapshot, transfer: &transfer, totals, decision, valid_for_max_s };
        Ok(to_proto::decision(decided, self.inner.ids.next_id(), detail))
    }
}

#[tonic::async_trait]
impl DecisionService for DecisionApi {
    type DecideStreamStream = Answers<Streaming<v1::DecideStreamRequest>>;

    async fn decide(&self, request: Request<v1::DecideRequest>) -> Result<Response<v1::DecideResponse>, Status> {
        self.decide_now(request.get_ref()).map(Response::new)
    }

    async fn decide_batch(
        &self,
        request: Request<v1::DecideBatchRequest>,
    ) -> Result<Response<v1::DecideBatchResponse>, Status> {
        // The whole batch is one moment and one snapshot. It may pause, so it owns the snapshot.
        let snapshot = Arc::clone(&self.inner.live.snapshot());
        let now = self.inner.clock.now();
        let transfers_max = self.inner.settings.batch_transfers_max;
        let questions = from_proto::batch(request.get_ref(), transfers_max)
            .map_err(|violations| status::to_status(&status::invalid(&violations)))?;
        let mut results = Vec::with_capacity(questions.len());
        for (index, question) in questions.enumerate() {
            let result = self.decide_one(&snapshot, question, now);
            // A refusal looks for the words that were meant, which takes far longer than a decision.
            if result.is_err() || index % BATCH_TRANSFERS_BETWEEN_YIELDS == BATCH_TRANSFERS_BETWEEN_YIELDS - 1 {
                tokio::task::yield_now().await;
            }
            results.push(result.map_err(|violations| status::invalid(&violations)));
        }
        Ok(Response::new(to_proto::batch(results)))
    }

    async fn decide_stream(
        &self,
        request: Request<Streaming<v1::DecideStreamRequest>>,
    ) -> Result<Response<Self::DecideStreamStream>, Status> {
        self.answers(request.into_inner()).map(Response::new)
    }
}

impl DecisionApi {
    /// Answers a stream of requests.
    fn answers<S>(&self, inbound: S) -> Result<Answers<S>, Status> {
        let retry_after_ms = self.inner.settings.retry_after_ms;
        // Subscribed before the phase is read: a change in between is seen by one of the two.
        let phase = self.inner.phase.subscribe();
        if *self.inner.phase.borrow() == Phase::Draining {
            return Err(status::unavailable(Unavailable::Draining, retry_after_ms));
        }
        let place = Arc::clone(&self.inner.streams_free).try_acquire_owned();
        let place = place.map_err(|_| status::exhausted(Exhausted::OpenStreams, retry_after_ms))?;
        Ok(Answers::new(inbound, self.clone(), phase, place))
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
