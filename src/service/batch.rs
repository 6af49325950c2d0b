//! Many transfers in one request, against one snapshot and at one moment.
//!
//! A batch in which nothing is out of the ordinary is read and written without copying a text. Any other is decoded
//! whole and decided transfer by transfer: one that makes no sense fails alone, and totals are read from the ledger once
//! for each account, so that transfers of one exporter are held against the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::Status;
use tonic::codegen::Bytes;

use super::decide::{Answered, DecisionApi, Look, Step};
use super::totals::read_all;
use crate::domain::asked::Violation;
use crate::domain::decision::Decision;
use crate::domain::units::Moment;
use crate::metrics::{Stopwatch, Tally};
use crate::wire::from_proto::Place;
use crate::wire::generated::v1;
use crate::wire::raw::{Received, Reply};
use crate::wire::refusal::Refusal;
use crate::wire::status::RpcStatus;
use crate::wire::to_proto::{self, Detail};
use crate::wire::{brief, from_proto, plain};

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
    /// `INVALID_ARGUMENT` for what is no batch, or too large a one.
    pub(super) async fn answer_batch(
        &self,
        received: &Received<v1::DecideBatchRequest>,
    ) -> Result<Reply<v1::DecideBatchResponse>, Status> {
        let stopwatch = Stopwatch::start();
        let answer = if let Some(written) = self.batch_message(received.bytes()).await {
            Ok(Reply::Written(written))
        } else {
            let (request, unknown) = received.decode_batch().map_err(|undecoded| self.undecoded(undecoded))?;
            self.decide_all(&request, unknown).await.map(Reply::message)
        };
        self.metrics.took(self.door, stopwatch.elapsed());
        answer.map_err(|refusal| refusal.to_status())
    }

    /// Answers the message of a batch, in brief and without waiting; `None` where it takes [`Self::decide_all`]: where
    /// any of its transfers is refused or waits for the ledger, or details are asked for. Nothing was counted then.
    async fn batch_message(&self, message: &[u8]) -> Option<Bytes> {
        // It may pause, so it owns the snapshot.
        let snapshot = Arc::clone(&self.inner.live.snapshot());
        let now = self.inner.clock.now();
        let (messages, Detail::Brief) = plain::batch(message, self.inner.settings.batch_transfers_max)? else {
            return None;
        };
        let (mut tally, mut batch) = (Tally::default(), brief::Batch::of(messages.len()));
        for (index, message) in messages.into_iter().enumerate() {
            let plain = self.plainly(&snapshot, &plain::asked(message)?, now, Look::Together)?;
            let count = |decision: &Decision| {
                tally.decided(decision.outcome, decision.reasons.iter().map(|reason| reason.code));
            };
            self.write(&snapshot, &plain, count, |decided, id| batch.put(decided, id));
            pause_after(index).await;
        }
        self.metrics.add(self.door, &tally);
        Some(batch.written())
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
        let questions = from_proto::batch(request, transfers_max).map_err(|violations| self.invalid(&violations))?;
        let mut steps = Vec::with_capacity(questions.len());
        for (index, question) in questions.enumerate() {
            let question = match unknown.remove(&index) {
                Some(violations) => Err(Place::BatchTransfer(index).locate(violations)),
                None => question,
            };
            let step = self.begin(&snapshot, question, now, Look::Together);
            // A refusal looks for the words that were meant, which takes far longer than a decision.
            if step.is_err() {
                tokio::task::yield_now().await;
            }
            pause_after(index).await;
            steps.push(step.map_err(|violations| self.invalid(&violations)));
        }
        Ok(to_proto::batch(self.finish_all(steps, now).await))
    }

    /// Answers transfers of a batch that wait, each account's totals read once.
    async fn finish_all(&self, steps: Vec<Result<Step, Refusal>>, now: Moment) -> Vec<Result<v1::Decision, RpcStatus>> {
        let waiting = steps.iter().filter_map(|step| match step {
            Ok(Step::Waits(waiting)) => Some(waiting.as_ref()),
            Ok(Step::Decided(_)) | Err(_) => None,
        });
        let before = match &self.inner.ledger {
            Some(ledger) => read_all(ledger.as_ref(), waiting, now).await,
            None => BTreeMap::new(),
        };
        let mut results = Vec::with_capacity(steps.len());
        for (index, step) in steps.into_iter().enumerate() {
            pause_after(index).await;
            results.push(match step {
                Ok(Step::Decided(Answered { decision, rests: _ })) => Ok(decision),
                Ok(Step::Waits(waiting)) => match before.get(&waiting.account) {
                    Some(before) => self.decide_waiting(&waiting, before.as_ref()).map_err(Refusal::into_status),
                    None => Err(self.unread().into_status()),
                },
                Err(refusal) => Err(refusal.into_status()),
            });
        }
        results
    }
}
