//! A refusal as a value: its cause, whose fault it is, its issues and codes.

use crate::domain::asked::{Need, Problem, Violation};
use crate::domain::gateway::Unlabelled;
use crate::wire::refusal::cause::{Exhausted, Fault, Malformed, Subject, Unavailable, Uncounted};
use crate::wire::refusal::field_violation::listed;
use crate::wire::refusal::issue::Issue;
use crate::wire::refusal::{labels, server, wording};

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
    /// The ledger does not carry the call out.
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
            Refusal::Invalid(violations) => listed(violations.iter().map(wording::issue)),
            Refusal::Unlabelled(unlabelled) => listed(labels::explain(unlabelled).into_iter()),
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
