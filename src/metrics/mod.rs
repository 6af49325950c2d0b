//! What the server counts, and how a scrape sees it.
//!
//! Counting is for the request path: an addition to a cell of the thread's own shard, whose place follows from the
//! arguments alone. No lock, no look-up of a label, no allocation. A scrape adds the shards up and puts beside them what
//! can be read at that moment, such as the snapshot in force ([`standing::Standing`]), which nobody has to count.
//!
//! Knows neither the services nor the protocols: whoever answers a request says what became of it. Labels are words of
//! this module and of the domain, never a party or a code of a caller.

mod cells;
mod exposition;
pub mod health;
pub mod standing;
mod stopwatch;

use std::time::Duration;

use self::cells::{Cell, Cells};
pub use self::exposition::{CONTENT_TYPE, PLAIN_CONTENT_TYPE, plain, render};
pub use self::stopwatch::Stopwatch;
use crate::domain::reason::{Outcome, ReasonCode};

/// Declares an enumeration of labels: its values, all of them, and their words.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$value_doc])* $value,)+
        }

        impl $name {
            /// All values, in the order in which they are counted.
            pub const ALL: &[$name] = &[$($name::$value,)+];

            /// Returns the word that stands in the label.
            pub const fn name(self) -> &'static str {
                match self { $($name::$value => $word,)+ }
            }
        }
    };
}

labels! {
    /// Through which door a transfer is asked about.
    Door {
        /// `DecisionService.Decide`.
        Decide = "decide",
        /// `DecisionService.DecideBatch`.
        DecideBatch = "decide-batch",
        /// `DecisionService.DecideStream`.
        DecideStream = "decide-stream",
        /// `LedgerService.Reserve`.
        Reserve = "reserve",
        /// `POST /v1/decide`.
        HttpDecide = "http-decide",
        /// `/v1/forward-auth`.
        ForwardAuth = "forward-auth",
        /// AuthZEN evaluations.
        Authzen = "authzen",
        /// Envoy's `Authorization.Check`.
        Envoy = "envoy",
    }
}

labels! {
    /// What became of a transfer that was asked about.
    Answer {
        /// It may go.
        Allow = "allow",
        /// A filing is needed first.
        File = "file",
        /// A contract is needed first.
        Contract = "contract",
        /// An assessment is needed first.
        Assess = "assess",
        /// It is no transfer, and the operator lets such requests pass.
        NoTransfer = "no-transfer",
        /// The request made no sense.
        Refused = "refused",
        /// The server could not answer: its ledger, its load, its end.
        Unanswered = "unanswered",
    }
}

impl Answer {
    const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Allow => Answer::Allow,
            Outcome::File => Answer::File,
            Outcome::Contract => Answer::Contract,
            Outcome::Assess => Answer::Assess,
        }
    }
}

labels! {
    /// Limits for which requests are refused.
    Limit {
        /// `requests_in_flight_max`.
        RequestsInFlight = "requests-in-flight",
        /// `streams_open_max`.
        StreamsOpen = "streams-open",
        /// `health_watches_max`.
        HealthWatches = "health-watches",
        /// `connections_max` or `admin_connections_max`: a connection that was silent, without a call for the longest time
        /// or slow was closed to admit another.
        Connections = "connections",
        /// `grpc_idle_seconds`.
        GrpcIdleSeconds = "grpc-idle-seconds",
        /// `request_bytes_max`, over gRPC.
        RequestBytes = "request-bytes",
        /// `answer_bytes_max`.
        AnswerBytes = "answer-bytes",
        /// No setting: HTTP/1 that proxies read in different ways.
        HttpForm = "http-form",
        /// `http_body_bytes_max`.
        HttpBodyBytes = "http-body-bytes",
        /// `http_body_seconds`.
        HttpBodySeconds = "http-body-seconds",
        /// `http_head_bytes_max` or `http_headers_max`.
        HttpHeadBytes = "http-head-bytes",
        /// `http_head_seconds`.
        HttpHeadSeconds = "http-head-seconds",
        /// `http_send_seconds`.
        HttpSendSeconds = "http-send-seconds",
        /// `unregistered_exporters_new_per_hour_max`, or that of all callers.
        NewExporters = "new-exporters",
        /// `grpc_receive_seconds`.
        GrpcReceiveSeconds = "grpc-receive-seconds",
        /// `grpc_send_seconds`.
        GrpcSendSeconds = "grpc-send-seconds",
        /// `stream_idle_seconds`.
        StreamIdleSeconds = "stream-idle-seconds",
        /// `grpc_held_bytes_max`.
        GrpcHeldBytes = "grpc-held-bytes",
    }
}

labels! {
    /// What is asked of the ledger.
    LedgerCall {
        /// To decide and to add.
        Reserve = "reserve",
        /// For the first answer to a repeated request that the policies do not accept any more.
        Recall = "recall",
        /// To keep what a reservation added.
        Commit = "commit",
        /// To take it back.
        Release = "release",
        /// Totals for a decision.
        Read = "read",
        /// All counters of an exporter.
        Usage = "usage",
    }
}

labels! {
    /// What came of it.
    LedgerResult {
        /// It was done.
        Done = "done",
        /// The caller asked for what cannot be done.
        Refused = "refused",
        /// The ledger did not answer.
        Failed = "failed",
    }
}

/// Decisions that are counted together, or not at all.
#[derive(Debug)]
pub struct Tally {
    answers: [u64; Answer::ALL.len()],
    reasons: [u64; ReasonCode::ALL.len()],
}

impl Default for Tally {
    fn default() -> Self {
        Self { answers: [0; Answer::ALL.len()], reasons: [0; ReasonCode::ALL.len()] }
    }
}

impl Tally {
    /// Adds a transfer that was decided, and the reasons for it.
    pub fn decided(&mut self, outcome: Outcome, reasons: impl Iterator<Item = ReasonCode>) {
        self.answer(Answer::of(outcome));
        for reason in reasons {
            if let Some(count) = self.reasons.get_mut(reason as usize) {
                *count += 1;
            }
        }
    }

    /// Adds a transfer that nobody could make sense of.
    pub fn refused(&mut self) {
        self.answer(Answer::Refused);
    }

    /// Adds a transfer that the server could not answer.
    pub fn unanswered(&mut self) {
        self.answer(Answer::Unanswered);
    }

    fn answer(&mut self, answer: Answer) {
        // There is a place for each: answers and reasons are numbered in the order of `ALL`.
        if let Some(count) = self.answers.get_mut(answer as usize) {
            *count += 1;
        }
    }
}

/// Counts of the whole server. Only ever grows.
#[derive(Debug, Default)]
pub struct Metrics {
    cells: Cells,
}

impl Metrics {
    /// Counts a transfer that was decided, and the reasons for it.
    pub fn decided(&self, door: Door, outcome: Outcome, reasons: impl Iterator<Item = ReasonCode>) {
        self.cells.add(Cell::Answer(door, Answer::of(outcome)), 1);
        for reason in reasons {
            self.cells.add(Cell::Reason(reason), 1);
        }
    }

    /// Counts decisions of a door that were kept apart.
    pub fn add(&self, door: Door, tally: &Tally) {
        let answers = Answer::ALL.iter().map(|answer| Cell::Answer(door, *answer)).zip(tally.answers);
        let reasons = ReasonCode::ALL.iter().map(|reason| Cell::Reason(*reason)).zip(tally.reasons);
        for (cell, count) in answers.chain(reasons).filter(|(_, count)| *count != 0) {
            self.cells.add(cell, count);
        }
    }

    /// Counts a request that is no transfer and may pass.
    pub fn unlabelled(&self, door: Door) {
        self.cells.add(Cell::Answer(door, Answer::NoTransfer), 1);
    }

    /// Counts a transfer that nobody could make sense of.
    pub fn refused(&self, door: Door) {
        self.cells.add(Cell::Answer(door, Answer::Refused), 1);
    }

    /// Counts a transfer that the server could not answer.
    pub fn unanswered(&self, door: Door) {
        self.cells.add(Cell::Answer(door, Answer::Unanswered), 1);
    }

    /// Counts how long a call took: a batch is one call, and so is each message of a stream.
    pub fn took(&self, door: Door, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.cells.add(Cell::Bucket(door, cells::bucket(nanoseconds)), 1);
        self.cells.add(Cell::TookNanoseconds(door), nanoseconds);
    }

    /// Counts a request that was refused, or a connection that was cut off, for a limit.
    pub fn limited(&self, limit: Limit) {
        self.cells.add(Cell::Limit(limit), 1);
    }

    /// Counts a call of the ledger.
    pub fn ledger(&self, call: LedgerCall, result: LedgerResult) {
        self.cells.add(Cell::Ledger(call, result), 1);
    }

    /// Returns how often the ledger was called with this result.
    pub fn ledger_calls(&self, call: LedgerCall, result: LedgerResult) -> u64 {
        self.cells.sum(Cell::Ledger(call, result))
    }

    /// Returns how often requests were refused for a limit.
    pub fn limit_refusals(&self, limit: Limit) -> u64 {
        self.cells.sum(Cell::Limit(limit))
    }

    /// Returns how often transfers were answered so at a door.
    pub fn answers(&self, door: Door, answer: Answer) -> u64 {
        self.cells.sum(Cell::Answer(door, answer))
    }
}
