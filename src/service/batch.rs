//! Many transfers in one request, against one snapshot and at one moment.
//!
//! Each transfer is read, decided and written once, in order. A transfer with violations fails alone. Those that wait for the
//! ledger are decided last: totals are read once for each account, so that transfers of one exporter are compared with the
//! same.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::codegen::Bytes;

use crate::domain::decision::Decision;
use crate::domain::units::Moment;
use crate::metrics::{Limit, Stopwatch, Tally};
use crate::service::decide::{DecisionApi, Lookup, Step};
use crate::service::totals::{Waiting, read_all};
use crate::wire::decide::encode;
use crate::wire::decide::raw::{Received, Reply};
use crate::wire::decide::read::{self, Scratch, Unread};
use crate::wire::decide::to_proto::{Decided, DecisionId};
use crate::wire::generated::v1;
use crate::wire::refusal::{Fault, Refusal};

/// Transfers of a batch between two yields to other requests: some 10 to 100 µs of decisions.
const TRANSFERS_BETWEEN_YIELDS: usize = 32;

/// Yields to other requests after every [`TRANSFERS_BETWEEN_YIELDS`] transfers.
async fn pause_after(index: usize) {
    if index % TRANSFERS_BETWEEN_YIELDS == TRANSFERS_BETWEEN_YIELDS - 1 {
        tokio::task::yield_now().await;
    }
}

impl DecisionApi {
    /// Answers a batch.
    ///
    /// # Errors
    /// The message is no batch, the batch is too large, or its answer would be.
    pub(super) async fn answer_batch(
        &self,
        received: &Received<v1::DecideBatchRequest>,
    ) -> Result<Reply<v1::DecideBatchResponse>, Refusal> {
        let stopwatch = Stopwatch::start();
        let answer = self.decide_batch_message(received.bytes()).await;
        match &answer {
            // A message that is not protobuf is no request: no door counts it.
            Err(Refusal::Malformed(_)) => {}
            Ok(_) | Err(_) => self.metrics.took(self.door, stopwatch.elapsed()),
        }
        answer.map(Reply::new)
    }

    async fn decide_batch_message(&self, message: &[u8]) -> Result<Bytes, Refusal> {
        // The whole batch is one moment and one snapshot. It may pause, so it owns the snapshot.
        let snapshot = Arc::clone(&self.inner.live.snapshot());
        let now = self.inner.clock.now();
        let mut scratch = Scratch::default();
        let batch = match read::batch(message, self.inner.settings.batch_transfers_max, &mut scratch) {
            Ok(batch) => batch,
            Err(refusal @ Refusal::Malformed(_)) => return Err(refusal),
            Err(refusal) => return Err(self.refused(refusal)),
        };
        let detail = batch.detail();
        let mut answer = BatchAnswer::with_room_for(batch.len());
        for index in 0..batch.len() {
            let mut scratch = Scratch::default();
            let step = match batch.question(index, &mut scratch) {
                Some(Ok(question)) => {
                    let BatchAnswer { results, tally, .. } = &mut answer;
                    let count = |decision: &Decision| count(tally, decision);
                    let write = |decided: &Decided<'_>, id: DecisionId| results.put(detail, decided, id);
                    self.step(&snapshot, &question, now, Lookup::Batched, count, write)
                }
                Some(Err(Unread::Transfer(violations))) => Err(self.refusal(violations)),
                Some(Err(Unread::Batch(malformed))) => return Err(Refusal::Malformed(malformed)),
                None => break,
            };
            match step {
                Ok(Step::Decided((), _)) => {}
                Ok(Step::Waits(waiting)) => answer.waits.push((answer.results.bytes(), waiting)),
                Err(refusal) => {
                    // A refusal suggests known words for misspelt ones. The search takes far longer than a decision.
                    tokio::task::yield_now().await;
                    answer.refuse(&refusal);
                }
            }
            self.check_room(answer.results.bytes())?;
            pause_after(index).await;
        }
        let BatchAnswer { results, tally, .. } = self.finish_all(answer, now).await?;
        self.metrics.add(self.door, &tally);
        Ok(results.written())
    }

    /// Answers the transfers of a batch that wait. The totals of each account are read once.
    async fn finish_all(&self, answer: BatchAnswer, now: Moment) -> Result<BatchAnswer, Refusal> {
        if answer.waits.is_empty() {
            return Ok(answer);
        }
        let BatchAnswer { results: known, tally, waits } = answer;
        let before = match &self.inner.ledger {
            Some(ledger) => read_all(ledger.as_ref(), waits.iter().map(|(_, waiting)| &**waiting), now).await,
            None => BTreeMap::new(),
        };
        let mut answer = BatchAnswer { tally, ..BatchAnswer::with_room_for(waits.len()) };
        let mut copied = 0;
        // INVARIANT (order): each transfer that waits adds one result here, between those that were known before.
        for (index, (offset, waiting)) in waits.into_iter().enumerate() {
            pause_after(index).await;
            answer.results.copy(&known, copied..offset);
            copied = offset;
            if let Some(Ok(before)) = before.get(&waiting.account) {
                let BatchAnswer { results, tally, .. } = &mut answer;
                let write = |decided: &Decided<'_>, id: DecisionId| results.put(waiting.detail, decided, id);
                self.decide_waiting(&waiting, before, |decision| count(tally, decision), write);
            } else {
                answer.refuse(&self.unread());
            }
            self.check_room(answer.results.bytes().saturating_add(known.bytes() - copied))?;
        }
        answer.results.copy(&known, copied..known.bytes());
        Ok(answer)
    }

    /// Refuses a batch whose answer would be larger than clients accept. None of its transfers was counted.
    fn check_room(&self, bytes: usize) -> Result<(), Refusal> {
        let bytes_max = self.inner.settings.answer_bytes_max;
        if bytes <= bytes_max {
            return Ok(());
        }
        self.metrics.limited(Limit::AnswerBytes);
        Err(self.refused(Refusal::AnswerTooLarge { bytes_max }))
    }
}

/// The part of the answer to a batch that is known.
struct BatchAnswer {
    results: encode::Batch,
    /// Added to the metrics once the whole batch is answered, so that a refused batch that is repeated in parts is counted once.
    tally: Tally,
    /// The transfers that wait, each with its offset in the results, in bytes.
    waits: Vec<(usize, Box<Waiting>)>,
}

impl BatchAnswer {
    fn with_room_for(results: usize) -> Self {
        Self { results: encode::Batch::of(results), tally: Tally::default(), waits: Vec::new() }
    }

    /// Adds the refusal of a transfer.
    fn refuse(&mut self, refusal: &Refusal) {
        match refusal.fault() {
            Fault::Caller => self.tally.refused(),
            Fault::Server => self.tally.unanswered(),
        }
        self.results.refuse(refusal);
    }
}

fn count(tally: &mut Tally, decision: &Decision) {
    tally.decided(decision.outcome, decision.reasons.iter().map(|reason| reason.code));
}
