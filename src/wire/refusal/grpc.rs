//! Refusals as gRPC has them: the only place that builds a status, together with [`crate::wire::refusal::call`].
//!
//! A request that cannot be understood is `INVALID_ARGUMENT` with `google.rpc.BadRequest`, one violation for each field. A
//! denial is no error: it is `OK` with a decision.

use prost::{DecodeError, Message as _};
use prost_types::Any;
use tonic::{Code, Status};
/// A status with its details, as a message.
pub use tonic_types::Status as RpcStatus;
use tonic_types::{BadRequest, ErrorInfo, LocalizedMessage, RetryInfo, pb};

use crate::domain::gateway::Unlabelled;
use crate::wire::refusal::field_violation::field_violation;
use crate::wire::refusal::{Exhausted, Issue, Malformed, Refusal, Subject, Unavailable, Uncounted};

/// Returns a refusal in the form that is part of a batch or a stream.
pub fn render(refusal: &Refusal) -> RpcStatus {
    let issues = refusal.issues();
    let code = code(refusal);
    let Some(first) = issues.first() else { return rpc_status(code, String::new(), Vec::new()) };
    match refusal {
        // A refusal without a reason.
        _ if code == Code::Internal => rpc_status(code, first.en.clone(), Vec::new()),
        Refusal::Invalid(violations) => {
            let (count, listed, first) = (violations.len(), issues.len(), first.located_en());
            let message = match count {
                1 => format!("invalid request: {first}"),
                _ if listed < count => {
                    format!("invalid request, {count} violations of which {listed} are listed, the first {first}")
                }
                _ => format!("invalid request, {count} violations, the first {first}"),
            };
            bad_request(message, &issues)
        }
        Refusal::Unlabelled(_) | Refusal::Unreadable(Subject::Labels, _) => {
            bad_request(format!("invalid labels: {}", first.located_en()), &issues)
        }
        Refusal::Malformed(_) | Refusal::Unreadable(Subject::Request, _) | Refusal::AnswerTooLarge { .. } => {
            bad_request(format!("invalid request: {}", first.located_en()), &issues)
        }
        Refusal::Uncounted(_)
        | Refusal::Unavailable(..)
        | Refusal::Exhausted(..)
        | Refusal::TooManyNewExporters { .. }
        | Refusal::Late => {
            let mut details = Vec::new();
            details.extend((!first.code.is_empty()).then(|| error_info(first.code)));
            details.extend(refusal.retry_after_ms().map(retry));
            details.push(localized(&first.zh));
            rpc_status(code, first.en.clone(), details)
        }
    }
}

/// Returns a refusal as the status that ends a call.
pub fn status(refusal: &Refusal) -> Status {
    to_status(&render(refusal))
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        status(&refusal)
    }
}

/// Returns the code of a refusal.
pub fn code(refusal: &Refusal) -> Code {
    match refusal {
        // The domain refused without a reason. That cannot happen; if it does, nothing may pass.
        Refusal::Invalid(violations) if violations.is_empty() => Code::Internal,
        Refusal::Unlabelled(unlabelled) if matches!(&**unlabelled, Unlabelled::Wrong(found) if found.is_empty()) => {
            Code::Internal
        }
        Refusal::Invalid(_)
        | Refusal::Malformed(_)
        | Refusal::Unlabelled(_)
        | Refusal::Unreadable(..)
        | Refusal::AnswerTooLarge { .. } => Code::InvalidArgument,
        Refusal::Uncounted(why) => match why {
            Uncounted::OtherTransfer => Code::AlreadyExists,
            Uncounted::TransferNotFound | Uncounted::ExporterNotFound => Code::NotFound,
            Uncounted::Committed
            | Uncounted::Released
            | Uncounted::Expired
            | Uncounted::Refused
            | Uncounted::NotHere => Code::FailedPrecondition,
            Uncounted::NoLedger => Code::Unimplemented,
            Uncounted::Unreadable => Code::DataLoss,
        },
        Refusal::Unavailable(..) => Code::Unavailable,
        Refusal::Exhausted(..) | Refusal::TooManyNewExporters { .. } => Code::ResourceExhausted,
        Refusal::Late => Code::DeadlineExceeded,
    }
}

/// Refuses a message that is not protobuf.
pub fn malformed(error: &DecodeError) -> Status {
    status(&Refusal::Malformed(Malformed::new(error)))
}

/// Refuses a call because a limit of the server is reached, and says when to try again.
pub fn exhausted(what: Exhausted, retry_after_ms: u32) -> Status {
    status(&Refusal::Exhausted(what, retry_after_ms))
}

/// Refuses a call that another server, or this one later, can answer.
pub fn unavailable(why: Unavailable, retry_after_ms: u32) -> Status {
    status(&Refusal::Unavailable(why, retry_after_ms))
}

/// Returns the status that ends a call.
#[expect(clippy::disallowed_methods, reason = "refusals are rendered here")]
pub(super) fn to_status(rpc: &RpcStatus) -> Status {
    Status::with_details(Code::from_i32(rpc.code), rpc.message.clone(), rpc.encode_to_vec().into())
}

pub(super) fn bad_request(message: String, issues: &[Issue]) -> RpcStatus {
    let value = pb::BadRequest { field_violations: issues.iter().map(field_violation).collect() }.encode_to_vec();
    let details = vec![Any { type_url: BadRequest::TYPE_URL.to_owned(), value }];
    rpc_status(Code::InvalidArgument, message, details)
}

fn retry(after_ms: u32) -> Any {
    let seconds = i64::from(after_ms / 1_000);
    // Below one second, so that it always fits.
    let nanos = i32::try_from(after_ms % 1_000 * 1_000_000).unwrap_or_default();
    let retry_delay = Some(prost_types::Duration { seconds, nanos });
    Any { type_url: RetryInfo::TYPE_URL.to_owned(), value: pb::RetryInfo { retry_delay }.encode_to_vec() }
}

/// The message once more in Chinese.
pub(super) fn localized(zh: &str) -> Any {
    let value = pb::LocalizedMessage { locale: "zh-CN".to_owned(), message: zh.to_owned() }.encode_to_vec();
    Any { type_url: LocalizedMessage::TYPE_URL.to_owned(), value }
}

/// A stable code for programs.
pub(super) fn error_info(reason: &str) -> Any {
    let value = pb::ErrorInfo { reason: reason.to_owned(), domain: "neglist.v1".to_owned(), ..Default::default() };
    Any { type_url: ErrorInfo::TYPE_URL.to_owned(), value: value.encode_to_vec() }
}

pub(super) fn rpc_status(code: Code, message: String, details: Vec<Any>) -> RpcStatus {
    RpcStatus { code: code.into(), message, details }
}

#[cfg(test)]
#[path = "grpc_tests.rs"]
mod tests;
