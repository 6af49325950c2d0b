//! The answers to the messages of a stream, one by one, each on the snapshot in force then.

use std::pin::Pin;

use crate::domain::decision::Decision;
use crate::metrics::Stopwatch;
use crate::service::decide::{DecisionApi, Lookup, Step};
use crate::wire::decide::encode;
use crate::wire::decide::raw::{Received, Reply};
use crate::wire::decide::read::{self, Scratch};
use crate::wire::decide::to_proto::{Decided, DecisionId, Detail};
use crate::wire::generated::v1;
use crate::wire::refusal::Refusal;

/// The answer to a message of a stream.
pub(super) enum Streamed {
    /// The answer is known.
    Now(Reply<v1::DecideStreamResponse>),
    /// The answer waits for totals.
    Later(Later),
}

/// An answer that waits for totals.
pub(super) type Later = Pin<Box<dyn Future<Output = Reply<v1::DecideStreamResponse>> + Send>>;

impl DecisionApi {
    /// Decides one message of a stream, on the snapshot in force now.
    ///
    /// # Errors
    /// The message is not protobuf, which ends the stream.
    pub(super) fn decide_streamed(&self, received: &Received<v1::DecideStreamRequest>) -> Result<Streamed, Refusal> {
        let stopwatch = Stopwatch::start();
        let mut scratch = Scratch::default();
        let (sequence, question) = read::stream(received.bytes(), &mut scratch).map_err(Refusal::Malformed)?;
        let now = self.inner.clock.now();
        let step = question.map_err(|violations| self.refusal(violations)).and_then(|question| {
            let write = written(question.detail, sequence);
            let count = |decision: &Decision| self.count(decision);
            self.step(&self.inner.live.snapshot(), &question, now, Lookup::Cached, count, write)
        });
        let answer = match step {
            Ok(Step::Decided(answer, _)) => answer,
            Err(refusal) => refused(sequence, &self.refused(refusal)),
            Ok(Step::Waits(waiting)) => {
                let api = self.clone();
                return Ok(Streamed::Later(Box::pin(async move {
                    let answer = api.finish(&waiting, now, written(waiting.detail, sequence)).await;
                    api.metrics.took(api.door, stopwatch.elapsed());
                    answer.unwrap_or_else(|refusal| refused(sequence, &refusal))
                })));
            }
        };
        self.metrics.took(self.door, stopwatch.elapsed());
        Ok(Streamed::Now(answer))
    }
}

/// Returns the function that writes a decision as the answer to a message.
fn written(detail: Detail, sequence: u64) -> impl FnOnce(&Decided<'_>, DecisionId) -> Reply<v1::DecideStreamResponse> {
    move |decided, id| Reply::new(encode::streamed(detail, sequence, decided, id))
}

fn refused(sequence: u64, refusal: &Refusal) -> Reply<v1::DecideStreamResponse> {
    Reply::new(encode::streamed_refusal(sequence, refusal))
}
