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

            /// Returns the word of the label.
            pub const fn name(self) -> &'static str {
                match self { $($name::$value => $word,)+ }
            }
        }
    };
}

labels! {
    /// The door of a request.
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
    /// The answer to a request.
    Answer {
        /// The transfer is allowed.
        Allow = "allow",
        /// A filing is needed first.
        File = "file",
        /// A contract is needed first.
        Contract = "contract",
        /// An assessment is needed first.
        Assess = "assess",
        /// The request is not a transfer, and the operator lets such requests pass.
        NoTransfer = "no-transfer",
        /// The request was refused because of violations.
        Refused = "refused",
        /// The server could not answer: ledger failure, overload or shutdown.
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
    /// Limits that refuse requests or close connections.
    Limit {
        /// `requests_in_flight_max`.
        RequestsInFlight = "requests-in-flight",
        /// `streams_open_max`.
        StreamsOpen = "streams-open",
        /// `health_watches_max`.
        HealthWatches = "health-watches",
        /// `connections_max` or `admin_connections_max`: a silent, idle or slow connection was closed to admit another.
        Connections = "connections",
        /// `grpc_idle_seconds`.
        GrpcIdleSeconds = "grpc-idle-seconds",
        /// `request_bytes_max`, over gRPC.
        RequestBytes = "request-bytes",
        /// `answer_bytes_max`.
        AnswerBytes = "answer-bytes",
        /// No setting: HTTP/1 that proxies may read differently.
        HttpForm = "http-form",
        /// `http_body_bytes_max`.
        HttpBodyBytes = "http-body-bytes",
        /// `http_held_bytes_max`.
        HttpHeldBytes = "http-held-bytes",
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
    /// Calls of the ledger.
    LedgerCall {
        /// Decides and adds.
        Reserve = "reserve",
        /// Looks up the first answer to a repeated request that the policies no longer accept.
        FindReplay = "find-replay",
        /// Keeps the persons of a reservation.
        Commit = "commit",
        /// Takes the persons of a reservation back.
        Release = "release",
        /// Reads totals for a decision.
        Read = "read",
        /// Reads all counters of an exporter.
        Usage = "usage",
    }
}

labels! {
    /// Results of a ledger call.
    LedgerResult {
        /// The call was carried out.
        Done = "done",
        /// The call was refused.
        Refused = "refused",
        /// The ledger did not answer.
        Failed = "failed",
    }
}
