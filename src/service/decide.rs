//! `neglist.v1.DecisionService`: one transfer, a batch, a stream.
//!
//! All three go through [`DecisionApi::begin`], or where nothing is out of the ordinary through [`DecisionApi::plainly`],
//! which reads and writes without copying a text. A request takes the snapshot in force once and is answered from it
//! alone; a stream takes it anew for each of its transfers.
//!
//! Asking never counts. Where the answer depends on totals that the caller does not state, the
//! ledger is read; transfers of a batch do not see each other. Without a ledger such a transfer
//! is refused, never decided on a guess. All others are decided without waiting for anything.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tonic::codegen::Bytes;
use tonic::{Request, Response, Status, Streaming};

use crate::domain::asked::{Asked, Problem, Violation};
use crate::domain::clock::{Clock, Clocking};
use crate::domain::counting::{CounterKey, counters_to_ask};
use crate::domain::decision::Decision;
use crate::domain::evaluate::evaluate;
use crate::domain::path::Field;
use crate::domain::resolve::{missing_totals, resolve};
use crate::domain::snapshot::Snapshot;
use crate::domain::transfer::{Totals, Transfer};
use crate::domain::units::Moment;
use crate::ledger::{Before, Ledger, LedgerError};
use crate::live::Live;
use crate::metrics::{Door, Metrics, Stopwatch};
use crate::service::answers::Answers;
use crate::service::totals::{Waiting, at_hand, unread};
use crate::wire::decide::from_proto::{self, Question};
use crate::wire::decide::raw::{Received, Reply, Undecoded};
use crate::wire::decide::to_proto::{self, Decided, DecisionId, DecisionIds, Detail};
use crate::wire::decide::{decode, encode};
use crate::wire::generated::raw::decision_service_server::DecisionService;
use crate::wire::generated::v1;
use crate::wire::refusal::{Fault, Refusal};

/// Limits of the decision service.
#[derive(Debug, Clone)]
pub struct DecideSettings {
    /// Most transfers of one batch. The contract promises no more than 1,000.
    pub batch_transfers_max: usize,
    /// Largest answer to a batch, in bytes: what clients take.
    pub answer_bytes_max: usize,
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
            // What clients of gRPC take where they are not told otherwise.
            answer_bytes_max: 4 << 20,
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
    pub(super) inner: Arc<Inner>,
    pub(super) metrics: Arc<Metrics>,
    /// Which door it is counted under.
    pub(super) door: Door,
}

/// A decision, and how long it can be relied on.
#[derive(Debug)]
pub struct Answered {
    /// The decision.
    pub decision: v1::Decision,
    /// Whether it can change before it expires.
    pub volatility: Volatility,
}

/// Whether a decision can change before it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volatility {
    /// It cannot: it depends on lists and facts alone. The same question has the same answer until the answer expires or the
    /// lists change.
    Stable,
    /// It can: it depends on totals, which any other transfer may change at any moment.
    DependsOnTotals,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) live: Arc<Live>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: DecideSettings,
    pub(super) ledger: Option<Arc<dyn Ledger>>,
    pub(super) ids: DecisionIds,
    pub(super) streams_free: Arc<Semaphore>,
    pub(super) phase: watch::Sender<Phase>,
}

impl DecisionApi {
    /// Returns a service that answers from whatever snapshot `live` has in force, and reads the
    /// totals that callers do not state from the ledger; `None`: they have to state them.
    pub fn new(
        live: Arc<Live>,
        clock: Arc<dyn Clock>,
        settings: DecideSettings,
        ledger: Option<Arc<dyn Ledger>>,
    ) -> Self {
        let streams_free = Arc::new(Semaphore::new(settings.streams_open_max.min(Semaphore::MAX_PERMITS)));
        let (phase, _) = watch::channel(Phase::Serving);
        let ids = DecisionIds::random();
        let inner = Arc::new(Inner { live, clock, settings, ledger, ids, streams_free, phase });
        Self { inner, metrics: Arc::default(), door: Door::Decide }
    }

    /// Returns the same service, counted in `metrics`.
    #[must_use]
    pub fn metered(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    /// Returns the same service, counted under another door.
    #[must_use]
    pub fn at(&self, door: Door) -> Self {
        Self { door, ..self.clone() }
    }

    /// Returns what this service is counted in.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Ends open streams: each answers what has arrived and then ends with `UNAVAILABLE`. New
    /// streams are refused. Single requests and batches go on being answered.
    ///
    /// Called when the server begins to stop; without it an open stream would keep it from stopping.
    pub fn drain(&self) {
        self.inner.phase.send_replace(Phase::Draining);
    }

    /// Decides one transfer, without waiting: no ledger is asked, and totals that the answer
    /// depends on have to be stated.
    ///
    /// # Errors
    /// The violations of the request.
    pub fn decide_now(&self, request: &v1::DecideRequest) -> Result<v1::DecideResponse, Vec<Violation>> {
        let (snapshot, now) = (self.inner.live.snapshot(), self.inner.clock.now());
        let Question { asked, detail, place } = from_proto::decide(request)?;
        let transfer = resolve(&snapshot, &asked, now).map_err(|found| place.locate(found))?;
        let missing = missing_totals(&snapshot, &transfer);
        if !missing.is_empty() {
            return Err(place.locate(missing));
        }
        let count = |decision: &Decision| self.count(decision);
        Ok(to_proto::decide(self.decide_with(&snapshot, &transfer, &transfer.stated, detail, count)))
    }

    /// Decides one transfer; reads the ledger where the answer depends on totals that are not stated.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with everything that is wrong with the request; `UNAVAILABLE` where the
    /// ledger does not answer.
    pub async fn decide_one(&self, request: &v1::DecideRequest) -> Result<v1::DecideResponse, Refusal> {
        self.decide_question(from_proto::decide(request)).await
    }

    async fn decide_question(
        &self,
        question: Result<Question<'_>, Vec<Violation>>,
    ) -> Result<v1::DecideResponse, Refusal> {
        let stopwatch = Stopwatch::start();
        let now = self.inner.clock.now();
        // The guard must not be held while the ledger is read.
        let step = {
            let snapshot = self.inner.live.snapshot();
            self.begin(&snapshot, question, now, Lookup::Cached, |decision| self.count(decision))
        };
        let answer = match step {
            Ok(Step::Decided(Answered { decision, volatility: _ })) => Ok(decision),
            Ok(Step::Waits(waiting)) => self.finish(*waiting, now).await,
            Err(violations) => Err(self.invalid(violations)),
        };
        self.metrics.took(self.door, stopwatch.elapsed());
        answer.map(to_proto::decide)
    }

    /// Answers the message of a `Decide` call with the framed message of its answer, in brief and without waiting.
    ///
    /// `None` where it takes the ordinary way, [`DecisionApi::decide_one`], to answer: a request that is refused, asks
    /// for details, or waits for the ledger. Nothing was counted then.
    pub fn decide_message(&self, message: &[u8]) -> Option<Bytes> {
        let stopwatch = Stopwatch::start();
        let snapshot = &**self.inner.live.snapshot();
        let now = self.inner.clock.now();
        let Question { asked, detail: Detail::Brief, place: _ } = decode::decide(message)? else { return None };
        let plain = self.plainly(snapshot, &asked, now, Lookup::Cached)?;
        let answer = self.write(snapshot, &plain, |decision| self.count(decision), encode::framed_response);
        self.metrics.took(self.door, stopwatch.elapsed());
        Some(answer)
    }

    /// Returns a transfer and its totals, where it makes sense and nothing has to be waited for.
    pub(super) fn plainly<'s>(
        &self,
        snapshot: &'s Snapshot,
        asked: &Asked<'_>,
        now: Moment,
        lookup: Lookup,
    ) -> Option<Plain<'s>> {
        // What the clock leaves in doubt is looked at on the ordinary way.
        if self.inner.clock.clocking(now) != Clocking::Sound {
            return None;
        }
        let transfer = resolve(snapshot, asked, now).ok()?;
        let at_hand = match self.known(snapshot, asked, &transfer, lookup) {
            Known::Stated => None,
            Known::AtHand(totals) => Some(totals),
            Known::Missing(_) | Known::Waits(_) => return None,
        };
        Some(Plain { transfer, at_hand })
    }

    /// Decides such a transfer, and has the decision counted and written.
    pub(super) fn write<W>(
        &self,
        snapshot: &Snapshot,
        Plain { transfer, at_hand }: &Plain<'_>,
        count: impl FnOnce(&Decision),
        write: impl FnOnce(&Decided<'_>, DecisionId) -> W,
    ) -> W {
        self.settle(snapshot, transfer, at_hand.as_ref().unwrap_or(&transfer.stated), count, write)
    }

    /// Decides a transfer against totals. The one place where a decision is made, counted and given its id.
    fn settle<W>(
        &self,
        snapshot: &Snapshot,
        transfer: &Transfer<'_>,
        totals: &Totals,
        count: impl FnOnce(&Decision),
        write: impl FnOnce(&Decided<'_>, DecisionId) -> W,
    ) -> W {
        let decision = &evaluate(snapshot, transfer, totals);
        count(decision);
        let valid_for_max_s = self.inner.settings.valid_for_max_s;
        write(&Decided { snapshot, transfer, totals, decision, valid_for_max_s }, self.inner.ids.next())
    }

    /// Decides one transfer on a snapshot that the caller has read other things from already. The caller counts the time.
    ///
    /// # Errors
    /// As [`DecisionApi::decide_one`].
    pub async fn decide_on(&self, snapshot: &Arc<Snapshot>, question: Question<'_>) -> Result<Answered, Refusal> {
        let now = self.inner.clock.now();
        let count = |decision: &Decision| self.count(decision);
        match self.begin(snapshot, Ok(question), now, Lookup::Cached, count) {
            Ok(Step::Decided(answered)) => Ok(answered),
            Ok(Step::Waits(waiting)) => self
                .finish(*waiting, now)
                .await
                .map(|decision| Answered { decision, volatility: Volatility::DependsOnTotals }),
            Err(violations) => Err(self.invalid(violations)),
        }
    }

    /// Returns the moment by the clock of this service.
    pub(crate) fn now(&self) -> Moment {
        self.inner.clock.now()
    }

    /// Refuses a request that is malformed, or that rests on a clock in doubt, and counts it.
    pub(crate) fn invalid(&self, violations: Vec<Violation>) -> Refusal {
        let refusal = Refusal::invalid(violations, self.inner.settings.retry_after_ms);
        match refusal.fault() {
            Fault::Caller => self.metrics.refused(self.door),
            Fault::Server => self.metrics.unanswered(self.door),
        }
        refusal
    }

    /// Refuses a request that cannot be read.
    pub(super) fn undecoded(&self, undecoded: Undecoded) -> Refusal {
        match undecoded {
            Undecoded::Malformed(malformed) => Refusal::Malformed(malformed),
            Undecoded::Fields(found) => self.invalid(found),
        }
    }

    /// Returns the limits.
    pub(super) fn settings(&self) -> &DecideSettings {
        &self.inner.settings
    }

    /// Decides a transfer and has it counted, or says what it waits for.
    pub(super) fn begin(
        &self,
        snapshot: &Arc<Snapshot>,
        question: Result<Question<'_>, Vec<Violation>>,
        now: Moment,
        lookup: Lookup,
        count: impl FnOnce(&Decision),
    ) -> Result<Step, Vec<Violation>> {
        let Question { asked, detail, place } = question?;
        let clocking = self.inner.clock.clocking(now);
        let transfer = resolve(snapshot, &asked, now).map_err(|found| place.locate(found))?;
        if clocking != Clocking::Sound && !self.stands_without(clocking, snapshot, &asked, &transfer) {
            return Err(place.locate(vec![Violation::new(Field::At, Problem::Clock(clocking))]));
        }
        let at_hand = match self.known(snapshot, &asked, &transfer, lookup) {
            Known::Stated => None,
            Known::AtHand(totals) => Some(totals),
            Known::Missing(violations) => return Err(place.locate(violations)),
            Known::Waits(keys) => {
                return Ok(Step::Waits(Box::new(Waiting::new(snapshot, &asked, transfer, keys, detail))));
            }
        };
        let volatility = if at_hand.is_some() { Volatility::DependsOnTotals } else { Volatility::Stable };
        let totals = at_hand.as_ref().unwrap_or(&transfer.stated);
        let decision = self.decide_with(snapshot, &transfer, totals, detail, count);
        Ok(Step::Decided(Answered { decision, volatility }))
    }

    /// Says whether a decision is the same whatever the clock tells, which cannot be relied on: it reads no total, and rests
    /// on the caller's moment, or comes out the same at the moment that the clock would tell had it not been set.
    fn stands_without(
        &self,
        clocking: Clocking,
        snapshot: &Snapshot,
        asked: &Asked<'_>,
        transfer: &Transfer<'_>,
    ) -> bool {
        if self.inner.ledger.is_some() && !counters_to_ask(snapshot, transfer).is_empty() {
            return false;
        }
        if asked.at.is_some() {
            return true;
        }
        let Ok(undisturbed) = resolve(snapshot, asked, self.inner.clock.undisturbed()) else { return false };
        let outcome = |transfer: &Transfer<'_>| evaluate(snapshot, transfer, &transfer.stated).outcome;
        clocking == Clocking::Jumped
            && (self.inner.ledger.is_none() || counters_to_ask(snapshot, &undisturbed).is_empty())
            && missing_totals(snapshot, &undisturbed).is_empty()
            && outcome(&undisturbed) == outcome(transfer)
    }

    /// Returns what is known of the totals that the answer depends on.
    fn known(&self, snapshot: &Snapshot, asked: &Asked<'_>, transfer: &Transfer<'_>, lookup: Lookup) -> Known {
        let Some(ledger) = &self.inner.ledger else {
            let missing = missing_totals(snapshot, transfer);
            return if missing.is_empty() { Known::Stated } else { Known::Missing(missing) };
        };
        let keys = counters_to_ask(snapshot, transfer);
        if keys.is_empty() {
            return Known::Stated;
        }
        let totals = match lookup {
            Lookup::Cached => at_hand(ledger.as_ref(), snapshot, asked, transfer, &keys),
            Lookup::Batched => None,
        };
        totals.map_or(Known::Waits(keys), Known::AtHand)
    }

    /// Decides a transfer that waits.
    pub(super) async fn finish(&self, waiting: Waiting, now: Moment) -> Result<v1::Decision, Refusal> {
        let before = match &self.inner.ledger {
            Some(ledger) => waiting.read(ledger.as_ref(), now).await,
            None => Err(no_ledger()),
        };
        let before = before.map_err(|_| self.unread())?;
        Ok(self.decide_waiting(&waiting, &before, |decision| self.count(decision)))
    }

    /// Decides a transfer whose totals have been read, and has it counted.
    pub(super) fn decide_waiting(
        &self,
        waiting: &Waiting,
        before: &Before,
        count: impl FnOnce(&Decision),
    ) -> v1::Decision {
        let totals = waiting.totals(before);
        self.decide_with(&waiting.snapshot, &waiting.transfer, &totals, waiting.detail, count)
    }

    /// Refuses a transfer whose totals cannot be read, and counts it.
    fn unread(&self) -> Refusal {
        self.metrics.unanswered(self.door);
        unread(self.inner.settings.retry_after_ms)
    }

    fn decide_with(
        &self,
        snapshot: &Snapshot,
        transfer: &Transfer<'_>,
        totals: &Totals,
        detail: Detail,
        count: impl FnOnce(&Decision),
    ) -> v1::Decision {
        let write = |decided: &Decided<'_>, id: DecisionId| to_proto::decision(*decided, id.to_string(), detail);
        self.settle(snapshot, transfer, totals, count, write)
    }

    pub(super) fn count(&self, decision: &Decision) {
        self.metrics.decided(self.door, decision.outcome, decision.reasons.iter().map(|reason| reason.code));
    }
}

/// Nothing waits where there is no ledger. That cannot happen; if it does, nothing may pass.
fn no_ledger() -> LedgerError {
    LedgerError::Unavailable("there is none".to_owned())
}

/// What is known of the totals that an answer depends on.
enum Known {
    /// The caller states them, or there are none.
    Stated,
    /// The ledger has them at hand.
    AtHand(Totals),
    /// The caller does not state them, and there is no ledger.
    Missing(Vec<Violation>),
    /// The ledger has to be asked for these.
    Waits(Vec<CounterKey>),
}

/// A transfer that can be decided as it is.
#[derive(Debug)]
pub(super) struct Plain<'s> {
    transfer: Transfer<'s>,
    /// Totals of the ledger; `None`: the transfer's own.
    at_hand: Option<Totals>,
}

/// How totals are looked up that the caller does not state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// At once, where the ledger has them at hand.
    Cached,
    /// Once for all transfers of a batch, so that those of one exporter are held against the same totals.
    Batched,
}

/// How far a transfer is decided.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are decided at once: a box would cost each an allocation")]
pub(super) enum Step {
    /// It is.
    Decided(Answered),
    /// It waits for totals.
    Waits(Box<Waiting>),
}

#[tonic::async_trait]
impl DecisionService for DecisionApi {
    type DecideStreamStream = Answers<Streaming<Received<v1::DecideStreamRequest>>>;

    async fn decide(
        &self,
        request: Request<Received<v1::DecideRequest>>,
    ) -> Result<Response<Reply<v1::DecideResponse>>, Status> {
        let received = request.get_ref();
        // What is read plainly has no field that the contract does not have, and need not be copied.
        let answer = if let Some(question) = decode::decide(received.bytes()) {
            self.decide_question(Ok(question)).await
        } else {
            let request = received.decode().map_err(|undecoded| self.undecoded(undecoded))?;
            self.decide_one(&request).await
        };
        Ok(Response::new(Reply::message(answer?)))
    }

    async fn decide_batch(
        &self,
        request: Request<Received<v1::DecideBatchRequest>>,
    ) -> Result<Response<Reply<v1::DecideBatchResponse>>, Status> {
        self.at(Door::DecideBatch).answer_batch(request.get_ref()).await.map(Response::new)
    }

    async fn decide_stream(
        &self,
        request: Request<Streaming<Received<v1::DecideStreamRequest>>>,
    ) -> Result<Response<Self::DecideStreamStream>, Status> {
        self.at(Door::DecideStream).answers(request.into_inner()).map(Response::new)
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "decide_ledger_tests.rs"]
mod ledger_tests;
