//! The answers to the messages of a stream, one by one, each on the snapshot in force then.

use std::pin::Pin;
use std::sync::Arc;

use tonic::Status;
use tonic::codegen::Bytes;

use crate::domain::asked::Violation;
use crate::domain::decision::Decision;
use crate::metrics::{Limit, Stopwatch};
use crate::service::answers::Answers;
use crate::service::decide::{Answered, DecisionApi, Lookup, Phase, Step};
use crate::wire::decide::from_proto::{self, Question};
use crate::wire::decide::raw::{Received, Reply, Undecoded};
use crate::wire::decide::to_proto::{self, Decided, Detail};
use crate::wire::decide::{decode, encode};
use crate::wire::generated::v1;
use crate::wire::refusal::{Exhausted, Refusal, Unavailable, grpc};

/// The answer to a message of a stream.
pub(super) enum Streamed {
    /// It is there.
    Now(Reply<v1::DecideStreamResponse>),
    /// It waits for totals.
    Later(Later),
}

/// An answer that waits for totals.
pub(super) type Later = Pin<Box<dyn Future<Output = Reply<v1::DecideStreamResponse>> + Send>>;

impl DecisionApi {
    /// Answers a stream of requests.
    pub(super) fn answers<S>(&self, inbound: S) -> Result<Answers<S>, Status> {
        let retry_after_ms = self.inner.settings.retry_after_ms;
        // Subscribed before the phase is read: a change in between is seen by one of the two.
        let phase = self.inner.phase.subscribe();
        if *self.inner.phase.borrow() == Phase::Draining {
            return Err(grpc::unavailable(Unavailable::Draining, retry_after_ms));
        }
        let place = Arc::clone(&self.inner.streams_free).try_acquire_owned();
        let place = place.map_err(|_| {
            self.metrics.limited(Limit::StreamsOpen);
            grpc::exhausted(Exhausted::OpenStreams, retry_after_ms)
        })?;
        Ok(Answers::new(inbound, self.clone(), phase, place))
    }

    /// Decides one message of a stream, on the snapshot in force now.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a message that is not protobuf, which ends the stream.
    pub(super) fn decide_streamed(&self, received: &Received<v1::DecideStreamRequest>) -> Result<Streamed, Status> {
        let stopwatch = Stopwatch::start();
        if let Some(written) = self.stream_message(received.bytes()) {
            self.metrics.took(self.door, stopwatch.elapsed());
            return Ok(Streamed::Now(Reply::Written(written)));
        }
        if let Some((sequence, question)) = decode::stream(received.bytes()) {
            return Ok(self.answer_streamed(sequence, Ok(question), stopwatch));
        }
        match received.decode() {
            Ok(request) => {
                let (sequence, question) = from_proto::stream(&request);
                Ok(self.answer_streamed(sequence, question, stopwatch))
            }
            Err(Undecoded::Malformed(malformed)) => Err(Refusal::Malformed(malformed).into()),
            Err(Undecoded::Fields(found)) => Ok(self.answer_streamed(received.sequence(), Err(found), stopwatch)),
        }
    }

    fn answer_streamed(
        &self,
        sequence: u64,
        question: Result<Question<'_>, Vec<Violation>>,
        stopwatch: Stopwatch,
    ) -> Streamed {
        let now = self.inner.clock.now();
        let count = |decision: &Decision| self.count(decision);
        let answer = match self.begin(&self.inner.live.snapshot(), question, now, Lookup::Cached, count) {
            Ok(Step::Decided(Answered { decision, volatility: _ })) => Ok(decision),
            Err(violations) => Err(self.invalid(violations)),
            Ok(Step::Waits(waiting)) => {
                let api = self.clone();
                return Streamed::Later(Box::pin(async move {
                    let answer = api.finish(*waiting, now).await;
                    api.metrics.took(api.door, stopwatch.elapsed());
                    Reply::message(to_proto::stream(sequence, answer.map_err(|refusal| grpc::render(&refusal))))
                }));
            }
        };
        self.metrics.took(self.door, stopwatch.elapsed());
        Streamed::Now(Reply::message(to_proto::stream(sequence, answer.map_err(|refusal| grpc::render(&refusal)))))
    }

    /// Answers a message of a stream; `None` as for [`DecisionApi::decide_message`].
    fn stream_message(&self, message: &[u8]) -> Option<Bytes> {
        let snapshot = &**self.inner.live.snapshot();
        let now = self.inner.clock.now();
        let (sequence, question) = decode::stream(message)?;
        let Question { asked, detail: Detail::Brief, place: _ } = question else { return None };
        let plain = self.plainly(snapshot, &asked, now, Lookup::Cached)?;
        let write = |decided: &Decided<'_>, id| encode::stream_response(sequence, decided, id);
        Some(self.write(snapshot, &plain, |decision| self.count(decision), write))
    }
}
