//! Many transfers in one request, against one snapshot and at one moment.
//!
//! A batch in which nothing is out of the ordinary is read and written without copying a text. Any other is decoded
//! whole and decided transfer by transfer: one that makes no sense fails alone, and totals are read from the ledger once
//! for each account, so that transfers of one exporter are held against the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::Status;
use tonic::codegen::Bytes;

use crate::domain::asked::Violation;
use crate::domain::decision::Decision;
use crate::domain::units::Moment;
use crate::metrics::{Limit, Stopwatch, Tally};
use crate::service::decide::{Answered, DecisionApi, Lookup, Step};
use crate::service::totals::{Waiting, read_all, unread};
use crate::wire::decide::from_proto::Place;
use crate::wire::decide::raw::{Received, Reply};
use crate::wire::decide::to_proto::{self, Detail};
use crate::wire::decide::{decode, encode, from_proto};
use crate::wire::generated::v1;
use crate::wire::refusal::grpc::{self, RpcStatus};
use crate::wire::refusal::{Fault, Refusal};

/// After so many transfers a batch lets other requests run: some 10 to 100 µs of decisions.
const TRANSFERS_BETWEEN_YIELDS: usize = 32;

/// Lets other requests run, now and then.
async fn pause_after(index: usize) {
    if index % TRANSFERS_BETWEEN_YIELDS == TRANSFERS_BETWEEN_YIELDS - 1 {
        tokio::task::yield_now().await;
    }
}

impl DecisionApi {
    /// Answers a batch.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for what is no batch, too large a one, or one whose answer would be too large.
    pub(super) async fn answer_batch(
        &self,
        received: &Received<v1::DecideBatchRequest>,
    ) -> Result<Reply<v1::DecideBatchResponse>, Status> {
        let stopwatch = Stopwatch::start();
        let answer = if let Some(written) = self.batch_message(received.bytes()).await {
            written.map(Reply::Written)
        } else {
            let (request, unknown) = received.decode_batch().map_err(|undecoded| self.undecoded(undecoded))?;
            self.decide_all(&request, unknown).await.map(Reply::message)
        };
        self.metrics.took(self.door, stopwatch.elapsed());
        Ok(answer?)
    }

    /// Answers the message of a batch, in brief and without waiting; `None` where it takes [`Self::decide_all`]: where
    /// any of its transfers is refused or waits for the ledger, or details are asked for. Nothing was counted then.
    async fn batch_message(&self, message: &[u8]) -> Option<Result<Bytes, Refusal>> {
        // It may pause, so it owns the snapshot.
        let snapshot = Arc::clone(&self.inner.live.snapshot());
        let now = self.inner.clock.now();
        let (messages, Detail::Brief) = decode::batch(message, self.inner.settings.batch_transfers_max)? else {
            return None;
        };
        let (mut tally, mut batch) = (Tally::default(), encode::Batch::of(messages.len()));
        for (index, message) in messages.into_iter().enumerate() {
            let plain = self.plainly(&snapshot, &decode::asked(message)?, now, Lookup::Batched)?;
            let count = |decision: &Decision| count(&mut tally, decision);
            self.write(&snapshot, &plain, count, |decided, id| batch.put(decided, id));
            if self.inner.settings.answer_bytes_max < batch.bytes() {
                return Some(Err(self.large_answer()));
            }
            pause_after(index).await;
        }
        self.metrics.add(self.door, &tally);
        Some(Ok(batch.written()))
    }

    /// `unknown`: fields of transfers that the contract does not have, which keep these from being decided.
    async fn decide_all(
        &self,
        request: &v1::DecideBatchRequest,
        mut unknown: BTreeMap<usize, Vec<Violation>>,
    ) -> Result<v1::DecideBatchResponse, Refusal> {
        // The whole batch is one moment and one snapshot. It may pause, so it owns the snapshot.
        let snapshot = Arc::clone(&self.inner.live.snapshot());
        let now = self.inner.clock.now();
        let transfers_max = self.inner.settings.batch_transfers_max;
        let questions = from_proto::batch(request, transfers_max).map_err(|violations| self.invalid(violations))?;
        let mut answer = BatchAnswer::new(self.inner.settings.answer_bytes_max);
        let mut steps = Vec::with_capacity(questions.len());
        for (index, question) in questions.enumerate() {
            let question = match unknown.remove(&index) {
                Some(violations) => Err(Place::BatchTransfer(index).locate(violations)),
                None => question,
            };
            let count = |decision: &Decision| count(&mut answer.tally, decision);
            let step = match self.begin(&snapshot, question, now, Lookup::Batched, count) {
                Ok(Step::Decided(Answered { decision, volatility: _ })) => Known::Result(Ok(decision)),
                Ok(Step::Waits(waiting)) => Known::Waits(waiting),
                Err(violations) => {
                    // A refusal looks for the words that were meant, which takes far longer than a decision.
                    tokio::task::yield_now().await;
                    let refusal = Refusal::invalid(violations, self.inner.settings.retry_after_ms);
                    match refusal.fault() {
                        Fault::Caller => answer.tally.refused(),
                        Fault::Server => answer.tally.unanswered(),
                    }
                    Known::Result(Err(grpc::render(&refusal)))
                }
            };
            if let Known::Result(result) = &step {
                answer.make_room(result).map_err(|TooLarge| self.large_answer())?;
            }
            pause_after(index).await;
            steps.push(step);
        }
        self.finish_all(steps, answer, now).await
    }

    /// Answers transfers of a batch that wait, each account's totals read once.
    async fn finish_all(
        &self,
        steps: Vec<Known>,
        mut answer: BatchAnswer,
        now: Moment,
    ) -> Result<v1::DecideBatchResponse, Refusal> {
        let waiting = steps.iter().filter_map(|step| match step {
            Known::Waits(waiting) => Some(waiting.as_ref()),
            Known::Result(_) => None,
        });
        let before = match &self.inner.ledger {
            Some(ledger) => read_all(ledger.as_ref(), waiting, now).await,
            None => BTreeMap::new(),
        };
        let mut results = Vec::with_capacity(steps.len());
        for (index, step) in steps.into_iter().enumerate() {
            pause_after(index).await;
            let waiting = match step {
                Known::Result(result) => {
                    results.push(result);
                    continue;
                }
                Known::Waits(waiting) => waiting,
            };
            let result = if let Some(Ok(before)) = before.get(&waiting.account) {
                Ok(self.decide_waiting(&waiting, before, |decision| count(&mut answer.tally, decision)))
            } else {
                answer.tally.unanswered();
                Err(grpc::render(&unread(self.inner.settings.retry_after_ms)))
            };
            answer.make_room(&result).map_err(|TooLarge| self.large_answer())?;
            results.push(result);
        }
        self.metrics.add(self.door, &answer.tally);
        Ok(to_proto::batch(results))
    }

    /// Refuses a batch whose answer would be larger than clients take. None of its transfers was counted.
    fn large_answer(&self) -> Refusal {
        self.metrics.refused(self.door);
        self.metrics.limited(Limit::AnswerBytes);
        Refusal::AnswerTooLarge { bytes_max: self.inner.settings.answer_bytes_max }
    }
}

/// How far a transfer of a batch is.
#[expect(clippy::large_enum_variant, reason = "nearly all are decided at once: a box would cost each an allocation")]
enum Known {
    /// It is answered.
    Result(Result<v1::Decision, RpcStatus>),
    /// It waits for totals.
    Waits(Box<Waiting>),
}

/// What is known of the answer to a batch before it is written.
struct BatchAnswer {
    bytes: usize,
    bytes_max: usize,
    /// Counted once the batch is answered as a whole, so that one that is sent again in parts is counted once.
    tally: Tally,
}

/// An answer is larger than clients take.
struct TooLarge;

impl BatchAnswer {
    fn new(bytes_max: usize) -> Self {
        Self { bytes: 0, bytes_max, tally: Tally::default() }
    }

    /// Makes room for a result.
    fn make_room(&mut self, result: &Result<v1::Decision, RpcStatus>) -> Result<(), TooLarge> {
        self.bytes = self.bytes.saturating_add(to_proto::batch_result_bytes(result));
        if self.bytes_max < self.bytes { Err(TooLarge) } else { Ok(()) }
    }
}

fn count(tally: &mut Tally, decision: &Decision) {
    tally.decided(decision.outcome, decision.reasons.iter().map(|reason| reason.code));
}
