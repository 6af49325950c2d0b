//! The decision service: one transfer, for every door.
//!
//! Each transfer takes one step, [`DecisionApi::step`], whatever the door. A request takes the snapshot in force once
//! and is answered from it alone; a stream takes the current one for each of its transfers.
//!
//! A question counts nothing. If the answer depends on totals that the caller does not state, the service reads the ledger;
//! transfers of a batch do not see each other. Without a ledger such a transfer is refused, never decided on a guess. All
//! others are decided without a wait.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;
use tonic::codegen::Bytes;

use crate::domain::asked::{Asked, Problem, Violation};
use crate::domain::clock::{Clock, Clocking};
use crate::domain::counter::CounterKey;
use crate::domain::counting::counters_to_ask;
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
use crate::service::totals::{Waiting, at_hand, unread};
use crate::wire::decide::encode;
use crate::wire::decide::from_proto::{self, Question};
use crate::wire::decide::read::{self, Scratch};
use crate::wire::decide::to_proto::{self, Decided, DecisionId, DecisionIds, Detail};
use crate::wire::generated::v1;
use crate::wire::refusal::{Fault, Refusal};

/// Limits of the decision service.
#[derive(Debug, Clone)]
pub struct DecideSettings {
    /// Most transfers of one batch. The contract promises no more than 1,000.
    pub batch_transfers_max: usize,
    /// Largest answer to a batch, in bytes: as much as clients accept.
    pub answer_bytes_max: usize,
    /// Most transfers that one stream still answers after the server has begun to stop, out of those that have arrived.
    pub stream_drain_transfers_max: usize,
    /// Longest time for which an answer may be kept, in seconds.
    pub valid_for_max_s: u32,
    /// The delay after which a caller may repeat a request that was refused for a limit, in milliseconds.
    pub retry_after_ms: u32,
}

impl Default for DecideSettings {
    fn default() -> Self {
        Self {
            batch_transfers_max: 1_000,
            // The default limit of gRPC clients.
            answer_bytes_max: 4 << 20,
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
    /// It serves.
    Serving,
    /// It is stopping.
    Draining,
}

/// Answers the calls of the decision service. Clones share everything.
#[derive(Debug, Clone)]
pub struct DecisionApi {
    pub(super) inner: Arc<Inner>,
    pub(super) metrics: Arc<Metrics>,
    /// The door under which its decisions are counted.
    pub(super) door: Door,
}

/// A decision, and whether it can be cached.
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
    pub(super) phase: watch::Sender<Phase>,
}

impl DecisionApi {
    /// Returns a service that answers from the snapshot in force, and reads totals that callers
    /// omit from the ledger; `None`: callers have to state them.
    pub fn new(
        live: Arc<Live>,
        clock: Arc<dyn Clock>,
        settings: DecideSettings,
        ledger: Option<Arc<dyn Ledger>>,
    ) -> Self {
        let (phase, _) = watch::channel(Phase::Serving);
        let ids = DecisionIds::random();
        let inner = Arc::new(Inner { live, clock, settings, ledger, ids, phase });
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

    /// Returns the metrics of this service.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Ends open streams: each answers the requests that have arrived and then ends with
    /// `UNAVAILABLE`. New streams are refused. Single requests and batches are still answered.
    ///
    /// Called when the server begins to stop. Otherwise an open stream would keep it from stopping.
    pub fn drain(&self) {
        self.inner.phase.send_replace(Phase::Draining);
    }

    /// Decides one transfer without waiting: no ledger is asked, and the caller has to state the totals that the answer
    /// depends on.
    ///
    /// # Errors
    /// The request has violations.
    pub fn decide_now(&self, request: &v1::DecideRequest) -> Result<v1::DecideResponse, Refusal> {
        let question = from_proto::decide(request).map_err(Refusal::Invalid)?;
        let now = self.inner.clock.now();
        let write = as_message(question.detail);
        let step = self.step(&self.inner.live.snapshot(), &question, now, Lookup::None, |made| self.count(made), write);
        match step? {
            Step::Decided(decision, _) => Ok(to_proto::decide(decision)),
            // Without a lookup there is no wait. If there is one, nothing may pass.
            Step::Waits(_) => Err(self.unread()),
        }
    }

    /// Decides one transfer. Reads the ledger if the answer depends on totals that the request does not state.
    ///
    /// # Errors
    /// The request has violations, or the ledger does not answer.
    pub async fn decide_one(&self, request: &v1::DecideRequest) -> Result<v1::DecideResponse, Refusal> {
        let stopwatch = Stopwatch::start();
        // INVARIANT (guard): the guard of the snapshot is dropped at the end of this statement. No wait for the ledger holds it.
        let answered = match from_proto::decide(request) {
            Ok(question) => {
                let begun = self.begin(&self.inner.live.snapshot(), &question);
                self.finish_message(begun).await
            }
            Err(violations) => Err(self.invalid(violations)),
        };
        self.metrics.took(self.door, stopwatch.elapsed());
        answered.map(|answered| to_proto::decide(answered.decision))
    }

    /// Decides one transfer on a snapshot that the caller has used already. The caller counts the time.
    ///
    /// # Errors
    /// As [`DecisionApi::decide_one`].
    pub async fn decide_on(&self, snapshot: &Arc<Snapshot>, question: Question<'_>) -> Result<Answered, Refusal> {
        let begun = self.begin(snapshot, &question);
        self.finish_message(begun).await
    }

    /// Takes the first step of a question that is answered with a message.
    fn begin(&self, snapshot: &Arc<Snapshot>, question: &Question<'_>) -> Begun<v1::Decision> {
        let now = self.inner.clock.now();
        let write = as_message(question.detail);
        let step = self.step(snapshot, question, now, Lookup::Cached, |decision| self.count(decision), write);
        Begun { step: step.map_err(|refusal| self.refused(refusal)), now }
    }

    async fn finish_message(&self, Begun { step, now }: Begun<v1::Decision>) -> Result<Answered, Refusal> {
        match step? {
            Step::Decided(decision, volatility) => Ok(Answered { decision, volatility }),
            Step::Waits(waiting) => {
                let decision = self.finish(&waiting, now, as_message(waiting.detail)).await?;
                Ok(Answered { decision, volatility: Volatility::DependsOnTotals })
            }
        }
    }

    /// Answers the message of a `Decide` call with its framed answer.
    pub fn answer(&self, message: &[u8]) -> Answer {
        let stopwatch = Stopwatch::start();
        let mut scratch = Scratch::default();
        match read::decide(message, &mut scratch) {
            Ok(question) => self.answer_question(&question, stopwatch),
            Err(refusal) => self.refuse_unread(refusal, stopwatch),
        }
    }

    /// Answers the message of a `Decide` call with its framed answer; `None` if it asks for details.
    ///
    /// An answer with details may be larger than a caller of this function has room for. Nothing is decided then.
    pub fn answer_brief(&self, message: &[u8]) -> Option<Answer> {
        let stopwatch = Stopwatch::start();
        let mut scratch = Scratch::default();
        match read::decide(message, &mut scratch) {
            Ok(Question { detail: Detail::Full, .. }) => None,
            Ok(question) => Some(self.answer_question(&question, stopwatch)),
            Err(refusal) => Some(self.refuse_unread(refusal, stopwatch)),
        }
    }

    #[cold]
    fn refuse_unread(&self, refusal: Refusal, stopwatch: Stopwatch) -> Answer {
        match refusal {
            // A message that is not protobuf is no request: no door counts it.
            Refusal::Malformed(_) => Answer::Now(Err(refusal)),
            refusal => self.took(stopwatch, Err(self.refused(refusal))),
        }
    }

    #[inline]
    fn answer_question(&self, question: &Question<'_>, stopwatch: Stopwatch) -> Answer {
        let now = self.inner.clock.now();
        let detail = question.detail;
        let write = move |decided: &Decided<'_>, id| encode::response(detail, decided, id);
        let snapshot = self.inner.live.snapshot();
        let step = self.step(&snapshot, question, now, Lookup::Cached, |decision| self.count(decision), write);
        match step {
            Ok(Step::Decided(answer, _)) => self.took(stopwatch, Ok(answer)),
            Err(refusal) => self.took(stopwatch, Err(self.refused(refusal))),
            Ok(Step::Waits(waiting)) => {
                let api = self.clone();
                Answer::Later(Box::pin(async move {
                    let answer = api.finish(&waiting, now, write).await;
                    api.metrics.took(api.door, stopwatch.elapsed());
                    answer
                }))
            }
        }
    }

    fn took(&self, stopwatch: Stopwatch, answer: Result<Bytes, Refusal>) -> Answer {
        self.metrics.took(self.door, stopwatch.elapsed());
        Answer::Now(answer)
    }

    /// Returns the moment by the clock of this service.
    pub(crate) fn now(&self) -> Moment {
        self.inner.clock.now()
    }

    /// Refuses a request with violations, and counts it.
    pub(crate) fn invalid(&self, violations: Vec<Violation>) -> Refusal {
        self.refused(self.refusal(violations))
    }

    /// Returns the refusal of a request with violations, or of one that depends on a clock in doubt.
    pub(super) fn refusal(&self, violations: Vec<Violation>) -> Refusal {
        Refusal::invalid(violations, self.inner.settings.retry_after_ms)
    }

    /// Counts a refusal.
    pub(super) fn refused(&self, refusal: Refusal) -> Refusal {
        match refusal.fault() {
            Fault::Caller => self.metrics.refused(self.door),
            Fault::Server => self.metrics.unanswered(self.door),
        }
        refusal
    }

    /// Returns the limits.
    pub(super) fn settings(&self) -> &DecideSettings {
        &self.inner.settings
    }

    /// Takes the one step of a question: resolves its transfer, looks its totals up, decides it and has the decision counted
    /// and written; or returns the wait for its totals. No other function resolves a transfer in order to decide it.
    ///
    /// # Errors
    /// The refusal of the question. The caller counts it.
    #[inline]
    pub(super) fn step<W>(
        &self,
        snapshot: &Arc<Snapshot>,
        question: &Question<'_>,
        now: Moment,
        lookup: Lookup,
        count: impl FnOnce(&Decision),
        write: impl FnOnce(&Decided<'_>, DecisionId) -> W,
    ) -> Result<Step<W>, Refusal> {
        let Question { asked, detail, location } = question;
        let refuse = |found| self.refusal(location.locate(found));
        let clocking = self.inner.clock.clocking(now);
        let transfer = resolve(snapshot, asked, now).map_err(refuse)?;
        if clocking != Clocking::Sound && !self.stands_without(clocking, snapshot, asked, &transfer) {
            return Err(refuse(vec![Violation::new(Field::At, Problem::Clock(clocking))]));
        }
        let (totals, volatility) = match self.known(snapshot, asked, &transfer, lookup) {
            Known::Stated => (None, Volatility::Stable),
            Known::Cached(totals) => (Some(totals), Volatility::DependsOnTotals),
            Known::Missing(violations) => return Err(refuse(violations)),
            Known::Waits(keys) => {
                return Ok(Step::Waits(Box::new(Waiting::new(snapshot, asked, transfer, keys, *detail))));
            }
        };
        let totals = totals.as_ref().unwrap_or(&transfer.stated);
        Ok(Step::Decided(self.settle(snapshot, &transfer, totals, count, write), volatility))
    }

    /// Decides a transfer with its totals. The only place where a decision is made, counted and given its id.
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

    /// Says whether a decision does not depend on a clock in doubt: it reads no total, and either the caller states the moment,
    /// or the outcome is the same at the moment that the clock would tell had it not been set.
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

    /// Looks up the totals that the answer depends on.
    fn known(&self, snapshot: &Snapshot, asked: &Asked<'_>, transfer: &Transfer<'_>, lookup: Lookup) -> Known {
        let ledger = match (&self.inner.ledger, lookup) {
            (Some(ledger), Lookup::Cached | Lookup::Batched) => ledger,
            (None, _) | (Some(_), Lookup::None) => {
                let missing = missing_totals(snapshot, transfer);
                return if missing.is_empty() { Known::Stated } else { Known::Missing(missing) };
            }
        };
        let keys = counters_to_ask(snapshot, transfer);
        if keys.is_empty() {
            return Known::Stated;
        }
        let totals = match lookup {
            Lookup::Cached => at_hand(ledger.as_ref(), snapshot, asked, transfer, &keys),
            Lookup::Batched | Lookup::None => None,
        };
        totals.map_or(Known::Waits(keys), Known::Cached)
    }

    /// Decides a transfer that waits.
    ///
    /// # Errors
    /// The ledger does not answer. That is counted.
    pub(super) async fn finish<W>(
        &self,
        waiting: &Waiting,
        now: Moment,
        write: impl FnOnce(&Decided<'_>, DecisionId) -> W,
    ) -> Result<W, Refusal> {
        let before = match &self.inner.ledger {
            Some(ledger) => waiting.read(ledger.as_ref(), now).await,
            None => Err(no_ledger()),
        };
        let before = before.map_err(|_| self.refused(self.unread()))?;
        Ok(self.decide_waiting(waiting, &before, |decision| self.count(decision), write))
    }

    /// Decides a transfer whose totals have been read, and has it counted and written.
    pub(super) fn decide_waiting<W>(
        &self,
        waiting: &Waiting,
        before: &Before,
        count: impl FnOnce(&Decision),
        write: impl FnOnce(&Decided<'_>, DecisionId) -> W,
    ) -> W {
        self.settle(&waiting.snapshot, &waiting.transfer, &waiting.totals(before), count, write)
    }

    /// Returns the refusal of a transfer whose totals cannot be read.
    pub(super) fn unread(&self) -> Refusal {
        unread(self.inner.settings.retry_after_ms)
    }

    pub(super) fn count(&self, decision: &Decision) {
        self.metrics.decided(self.door, decision.outcome, decision.reasons.iter().map(|reason| reason.code));
    }
}

/// Returns the function that writes a decision as a message.
pub(super) fn as_message(detail: Detail) -> impl FnOnce(&Decided<'_>, DecisionId) -> v1::Decision {
    move |decided, id| to_proto::decision(*decided, id.to_string(), detail)
}

/// Without a ledger there is no wait. If there is one, nothing may pass.
fn no_ledger() -> LedgerError {
    LedgerError::Unavailable("there is none".to_owned())
}

/// The totals that an answer depends on.
enum Known {
    /// The caller states them, or there are none.
    Stated,
    /// The ledger has them in memory.
    Cached(Totals),
    /// The caller does not state them, and there is no ledger.
    Missing(Vec<Violation>),
    /// The ledger has to read these.
    Waits(Vec<CounterKey>),
}

/// The lookup of totals that the caller does not state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// No lookup: the caller has to state them.
    None,
    /// A lookup in the memory of the ledger, and a wait for totals that are not in memory.
    Cached,
    /// One lookup for all transfers of a batch, so that transfers of one exporter are compared with the same totals.
    Batched,
}

/// The result of a step.
#[derive(Debug)]
pub(super) enum Step<W> {
    /// The transfer is decided, and the decision is written.
    Decided(W, Volatility),
    /// The transfer waits for totals.
    Waits(Box<Waiting>),
}

/// The first step of a question, and its moment.
struct Begun<W> {
    step: Result<Step<W>, Refusal>,
    now: Moment,
}

/// The answer to a `Decide` call: its frame, or the refusal that ends the call.
pub enum Answer {
    /// The answer is known.
    Now(Result<Bytes, Refusal>),
    /// The answer waits for totals.
    Later(Later),
}

/// An answer that waits for totals.
pub type Later = Pin<Box<dyn Future<Output = Result<Bytes, Refusal>> + Send>>;

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Now(answer) => f.debug_tuple("Now").field(answer).finish(),
            Answer::Later(_) => f.write_str("Later"),
        }
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "decide_ledger_tests.rs"]
mod ledger_tests;
