//! The labels of the counts: closed sets of words, each with a number.

use crate::domain::reason::Outcome;

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
    /// Returns the answer of an outcome.
    pub(super) const fn of(outcome: Outcome) -> Self {
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
