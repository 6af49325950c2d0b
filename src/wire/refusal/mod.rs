//! Refusals: why a request has no decision, as values.
//!
//! Code branches on the values. An answer is rendered once, at the edge, in both languages: [`grpc`] writes a status, [`http`]
//! a response, and the doors their own forms from [`Refusal::issues`]. No code reads a text that it wrote: a word of the
//! caller in such a text may look like anything.
//!
//! INVARIANT (refusal): data must not leave on a refusal, whatever it says.

pub mod call;
pub mod framing;
pub mod grpc;
pub mod http;
mod issue;
pub mod labels;
mod server;
mod wording;

use prost::DecodeError;

pub use self::issue::{Issue, joined};
pub use self::wording::issue;
use crate::domain::asked::{Need, Problem, Violation};
use crate::domain::clock::Clocking;
use crate::domain::gateway::Unlabelled;

/// Why a request has no decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The request has violations.
    Invalid(Vec<Violation>),
    /// The message is not protobuf.
    Malformed(Malformed),
    /// The labels of a gateway make no transfer.
    Unlabelled(Box<Unlabelled>),
    /// The door cannot read the question of its gateway. It says so in its own words.
    Unreadable(Subject, Box<Issue>),
    /// The ledger does not do what the call asks for.
    Uncounted(Uncounted),
    /// The server cannot answer now. The delay tells when to try again, in milliseconds.
    Unavailable(Unavailable, u32),
    /// A limit of the server is reached. The delay tells when to try again, in milliseconds.
    Exhausted(Exhausted, u32),
    /// The exporter is not registered and new to the ledger, and too many such exporters have begun within the hour.
    TooManyNewExporters {
        /// Most exporters in an hour.
        per_hour_max: u32,
        /// Seconds until the hour is over.
        seconds: u32,
    },
    /// The answer to a batch would be larger than clients accept.
    AnswerTooLarge {
        /// Most bytes of an answer.
        bytes_max: usize,
    },
    /// The deadline of the caller has passed.
    Late,
}

/// The part of a gateway's question that a door cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The request.
    Request,
    /// Its labels.
    Labels,
}

/// Why a message is not protobuf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Names of the fields from the outermost message to the one that is malformed.
    fields: Vec<String>,
    problem: String,
}

impl Malformed {
    /// Returns the reason for an error of the decoder.
    pub fn new(error: &DecodeError) -> Self {
        let text = error.to_string();
        let text = text.strip_prefix("failed to decode Protobuf message: ").unwrap_or(&text);
        // prost lists `Message.field: ` from the innermost message to the outermost, before the problem.
        let mut fields = Vec::new();
        let mut problem = text;
        while let Some((step, rest)) = problem.split_once(": ") {
            let Some((_, field)) = step.split_once('.').filter(|_| !step.contains(' ')) else { break };
            fields.insert(0, field.to_owned());
            problem = rest;
        }
        Self { fields, problem: problem.to_owned() }
    }

    /// Returns the same reason in a message that has the malformed one in this field.
    #[must_use]
    pub fn within(mut self, field: &str) -> Self {
        self.fields.insert(0, field.to_owned());
        self
    }
}

/// Why the ledger does not do what a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncounted {
    /// The transfer id was used for another transfer.
    OtherTransfer,
    /// No transfer has that id.
    TransferNotFound,
    /// The transfer went ahead, and cannot be released.
    Committed,
    /// The transfer was released, and its id cannot be used again.
    Released,
    /// The reservation expired, and its id cannot be used again.
    Expired,
    /// The transfer was not allowed to go.
    Refused,
    /// No exporter of that name is registered, and the ledger has counted nothing for it.
    ExporterNotFound,
    /// The server has no ledger.
    NoLedger,
    /// The first answer that the ledger keeps cannot be read.
    Unreadable,
    /// The door never counts, and the rule wants the transfer counted.
    NotHere,
}

/// Why a server does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// It has no valid policies yet.
    NoSnapshot,
    /// It is stopping.
    Draining,
    /// It is loading the policies, and the queue for the next load is full.
    Loading,
    /// It cannot read or write the year's totals now.
    Ledger,
    /// Its clock cannot be relied on.
    Clock(Clocking),
}

/// The limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// Requests in flight.
    RequestsInFlight,
    /// Open `DecideStream` calls.
    OpenStreams,
    /// Open `Watch` calls of health.
    HealthWatches,
    /// Bytes that are being received or wait to be sent.
    HeldBytes,
}

/// Whose fault a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller's: the same request would be refused again.
    Caller,
    /// The server's.
    Server,
}

impl Refusal {
    /// Returns the refusal of a request with violations. Where the clock of the server is in doubt, and not the request, the
    /// server is unavailable.
    pub fn invalid(violations: Vec<Violation>, retry_after_ms: u32) -> Self {
        let clocking = violations.iter().find_map(|violation| match violation.problem {
            Problem::Clock(clocking) => Some(clocking),
            _ => None,
        });
        match clocking {
            Some(clocking) => Refusal::Unavailable(Unavailable::Clock(clocking), retry_after_ms),
            None => Refusal::Invalid(violations),
        }
    }

    /// Returns the refusal of labels that make no transfer.
    pub fn unlabelled(unlabelled: Unlabelled) -> Self {
        Refusal::Unlabelled(Box::new(unlabelled))
    }

    /// Returns the refusal of a question that a door cannot read, for one issue.
    pub fn unreadable(subject: Subject, issue: Issue) -> Self {
        Refusal::Unreadable(subject, Box::new(issue))
    }

    /// Says whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            // The domain refused without a reason.
            Refusal::Invalid(violations) if violations.is_empty() => Fault::Server,
            Refusal::Unlabelled(unlabelled) if labels::is_empty(unlabelled) => Fault::Server,
            Refusal::Invalid(_)
            | Refusal::Malformed(_)
            | Refusal::Unlabelled(_)
            | Refusal::Unreadable(..)
            | Refusal::AnswerTooLarge { .. } => Fault::Caller,
            Refusal::Uncounted(why) => why.fault(),
            Refusal::Unavailable(..) | Refusal::Exhausted(..) | Refusal::TooManyNewExporters { .. } | Refusal::Late => {
                Fault::Server
            }
        }
    }

    /// Returns its issues, as many as a status has room for. Never empty.
    pub fn issues(&self) -> Vec<Issue> {
        let issues = match self {
            Refusal::Invalid(violations) => issue::listed(violations.iter().map(wording::issue)),
            Refusal::Unlabelled(unlabelled) => issue::listed(labels::explain(unlabelled).into_iter()),
            Refusal::Malformed(malformed) => vec![server::malformed(malformed)],
            Refusal::Unreadable(_, issue) => vec![(**issue).clone()],
            Refusal::Uncounted(why) => vec![server::uncounted(*why)],
            Refusal::Unavailable(why, _) => vec![server::unavailable(*why)],
            Refusal::Exhausted(what, _) => vec![server::exhausted(*what)],
            Refusal::TooManyNewExporters { per_hour_max, seconds: _ } => {
                vec![server::too_many_new_exporters(*per_hour_max)]
            }
            Refusal::AnswerTooLarge { bytes_max } => vec![server::answer_too_large(*bytes_max)],
            Refusal::Late => vec![server::late()],
        };
        if issues.is_empty() { vec![server::unresolved()] } else { issues }
    }

    /// Returns the stable code of its first issue, where that has one.
    pub fn code(&self) -> Option<&'static str> {
        let code = match self {
            Refusal::Invalid(violations) => violations.first().map(|violation| wording::code(&violation.problem)),
            Refusal::Unlabelled(_)
            | Refusal::Malformed(_)
            | Refusal::Unreadable(..)
            | Refusal::Uncounted(_)
            | Refusal::Unavailable(..)
            | Refusal::Exhausted(..)
            | Refusal::TooManyNewExporters { .. }
            | Refusal::AnswerTooLarge { .. }
            | Refusal::Late => self.issues().first().map(|issue| issue.code),
        };
        code.filter(|code| !code.is_empty())
    }

    /// Returns when to try again, in milliseconds, where trying again helps.
    pub const fn retry_after_ms(&self) -> Option<u32> {
        match self {
            Refusal::Unavailable(_, retry_after_ms) | Refusal::Exhausted(_, retry_after_ms) => Some(*retry_after_ms),
            Refusal::TooManyNewExporters { per_hour_max: _, seconds } => Some(seconds.saturating_mul(1_000)),
            Refusal::Invalid(_)
            | Refusal::Malformed(_)
            | Refusal::Unlabelled(_)
            | Refusal::Unreadable(..)
            | Refusal::Uncounted(_)
            | Refusal::AnswerTooLarge { .. }
            | Refusal::Late => None,
        }
    }

    /// Says whether it asks for totals of the year, because the server has no ledger.
    pub fn asks_for_totals(&self) -> bool {
        let is_total = |violation: &Violation| {
            matches!(violation.problem, Problem::Missing(Need::NoLedger | Need::NoLedgerForScenario))
        };
        matches!(self, Refusal::Invalid(violations) if violations.iter().any(is_total))
    }
}

impl Uncounted {
    const fn fault(self) -> Fault {
        match self {
            Uncounted::OtherTransfer
            | Uncounted::TransferNotFound
            | Uncounted::Committed
            | Uncounted::Released
            | Uncounted::Expired
            | Uncounted::Refused
            | Uncounted::ExporterNotFound
            | Uncounted::NotHere => Fault::Caller,
            Uncounted::NoLedger | Uncounted::Unreadable => Fault::Server,
        }
    }
}
