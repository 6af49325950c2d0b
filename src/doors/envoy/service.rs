//! `envoy.service.auth.v3.Authorization`: Envoy asks whether a request may pass.
//!
//! The call is always answered with `OK`; whether the request may pass stands in the answer. What
//! fails before the handler is reached, such as the limit of requests in flight or a message
//! that is none, ends the call, which Envoy takes for an error of the server.

use tonic::{Request, Response, Status};

use crate::domain::gateway::{Record, STREAM_ID_PREFIX};
use crate::doors::envoy::answer::{self, Passage};
use crate::doors::envoy::check::{Check, Counting, RECORD_KEY};
use crate::doors::labelled::{Answer, Besides, DecidedTransfer, LabelledDoor};
use crate::service::deadline::Deadline;
use crate::wire::generated::vendor::envoy::service::auth::v3::authorization_server::Authorization;
use crate::wire::generated::vendor::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use crate::wire::refusal::grpc;

/// Answers Envoy. Clones share everything.
#[derive(Debug, Clone)]
pub struct EnvoyApi {
    door: LabelledDoor,
}

impl EnvoyApi {
    /// Returns a service that answers by labels.
    pub fn new(door: LabelledDoor) -> Self {
        Self { door }
    }

    /// Answers one request.
    pub async fn answer(&self, request: &CheckRequest) -> CheckResponse {
        let check = Check::new(request);
        let snapshot = self.door.snapshot();
        let wish = match check.counting() {
            Counting::ByRule => Ok(Record::AskOnly),
            Counting::Wanted => Ok(Record::Record),
            Counting::Unreadable(text) => Err(grpc::unreadable_record_wish(RECORD_KEY, &text)),
        };
        let answer = match wish {
            // A rule for all that no other is about would be about it, whatever leaves.
            _ if check.is_blank() => self.door.refuse(grpc::nothing_seen()),
            Ok(record) => {
                // The number alone could be the id of a transfer of somebody else's.
                let request_id = check.stream_id().map(|id| format!("{STREAM_ID_PREFIX}{id}"));
                self.door.answer_on(&snapshot, &check, &Besides { record, request_id }).await
            }
            Err(refusal) => self.door.refuse(refusal),
        };
        let labels = || check.label_headers(&snapshot.gateway.headers);
        match answer {
            Answer::Decided(decided) => {
                let DecidedTransfer { decision, rule, cacheable: _, transfer_id, counted } = *decided;
                answer::decided(&decision, Passage { labels: labels(), rule, transfer_id, counted: counted.name() })
            }
            Answer::NoTransfer { digest } => answer::no_transfer(digest, labels()),
            Answer::Refused(refusal) => answer::refused(&refusal),
            Answer::Unanswered(refusal) => answer::unanswered(&refusal),
        }
    }
}

#[tonic::async_trait]
impl Authorization for EnvoyApi {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        if request.extensions().get::<Deadline>().is_some_and(|deadline| deadline.is_over()) {
            return Err(grpc::too_late());
        }
        Ok(Response::new(self.answer(request.get_ref()).await))
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
