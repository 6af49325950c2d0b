//! `envoy.service.auth.v3.Authorization`: Envoy asks whether a request may pass.
//!
//! The call is always answered with `OK`; the answer says whether the request may pass. A failure
//! before the handler, such as the limit of requests in flight or a malformed message, ends the
//! call, and Envoy takes that for an error of the server.

use tonic::{Request, Response, Status};

use crate::domain::gateway::{Record, STREAM_ID_PREFIX};
use crate::doors::envoy::answer::{self, Passage};
use crate::doors::envoy::check::{Check, Counting, RECORD_KEY};
use crate::doors::labelled::{Answer, Besides, DecidedTransfer, LabelledDoor};
use crate::service::deadline::Deadline;
use crate::wire::generated::vendor::envoy::service::auth::v3::authorization_server::Authorization;
use crate::wire::generated::vendor::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use crate::wire::refusal::{Issue, Refusal, Subject, call};

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
            Counting::Unreadable(text) => Err(unreadable_record_wish(&text)),
        };
        let answer = match wish {
            // A catch-all rule would match a blank request, so refuse those first.
            _ if check.is_blank() => self.door.refuse(nothing_seen()),
            Ok(record) => {
                // The number alone could be the id of another caller's transfer.
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

/// Most characters of the gateway's words that a text repeats.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// Refuses a question that says nothing about its request.
fn nothing_seen() -> Refusal {
    let en = "the gateway provides neither host, method, path nor TLS server name: let it send the request, or for a connection the server name (Envoy: `include_tls_session` and the TLS inspector)";
    let zh = "网关未提供主机名、请求方法、路径或 TLS 服务器名称：请让网关提供请求内容，连接则提供服务器名称（Envoy：`include_tls_session` 与 TLS inspector）";
    let issue = Issue::new("request", "NOTHING_SEEN", (en.to_owned(), zh.to_owned()));
    Refusal::unreadable(Subject::Labels, issue)
}

/// Refuses a request whose gateway states about counting something that is neither `yes` nor `no`.
fn unreadable_record_wish(text: &str) -> Refusal {
    let text: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    let text = text.escape_debug();
    let en = format!(
        "`{RECORD_KEY}` of the gateway's context is `{text}`: write `yes` to count the transfer, or leave it out"
    );
    let zh = format!("网关上下文的 `{RECORD_KEY}` 为 `{text}`：需计数请填 `yes`，否则不填");
    let issue = Issue::new(format!("context {RECORD_KEY}"), "LABEL_OF_WRONG_KIND", (en, zh));
    Refusal::unreadable(Subject::Labels, issue)
}

#[tonic::async_trait]
impl Authorization for EnvoyApi {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        if request.extensions().get::<Deadline>().is_some_and(|deadline| deadline.is_over()) {
            return Err(call::too_late());
        }
        Ok(Response::new(self.answer(request.get_ref()).await))
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
