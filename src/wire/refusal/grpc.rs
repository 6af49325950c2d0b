//! Refusals: the only place that builds a gRPC status.
//!
//! A request that cannot be understood is `INVALID_ARGUMENT` with `google.rpc.BadRequest`, one
//! violation for each field. A denial is no error: it is `OK` with a decision. Whoever reads an
//! error must not let the transfer pass.
//!
//! A status travels in HTTP/2 headers, which many clients and proxies bound to 8 KiB together:
//! see [`VIOLATIONS_BYTES_MAX`].

use std::time::Duration;

use prost::{DecodeError, Message as _};
use prost_types::Any;
use tonic::{Code, Status};
/// A status with its details, as a message.
pub use tonic_types::Status as RpcStatus;
use tonic_types::pb::bad_request::FieldViolation;
use tonic_types::{BadRequest, ErrorInfo, LocalizedMessage, RetryInfo, pb};

use crate::domain::asked::{Need, Problem, Violation};
use crate::domain::clock::Clocking;
use crate::domain::gateway::Unlabelled;
use crate::wire::refusal::labels::{self, Explained};
use crate::wire::refusal::wording::{self, Wording};
use crate::wire::refusal::{About, Refusal, Said};

/// Most bytes of violations that one status lists; the first is listed whatever its size.
///
/// Headers encode the details in base64, 4 bytes for 3, and percent-encode the message. The
/// message is one English text, at most 900 bytes as worst case (a code of 128 control
/// characters and its escapes), and stands in the details a second time:
/// (3,072 + 900) · 4/3 + 900 · 1.7 ≈ 6,900, which leaves a margin of a kibibyte for the rest.
pub const VIOLATIONS_BYTES_MAX: usize = 3_072;

/// Most characters of what a gateway says that a message repeats.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// Refuses a request that is malformed, given paths from the root of the request.
///
/// This is the form that stands inside a batch or a stream; [`to_status`] makes one of it that
/// ends a call.
pub fn invalid(violations: &[Violation]) -> RpcStatus {
    refuse(violations).into_status()
}

/// The same, with what it says beside the status.
pub fn refuse(violations: &[Violation]) -> Refusal {
    let listed = listed(violations.iter().map(said));
    let Some(first) = listed.first() else { return unresolved() };
    let first = format!("{}: {}", first.field, first.en);
    let message = match violations.len() {
        1 => format!("invalid request: {first}"),
        count if listed.len() < count => {
            format!("invalid request, {count} violations of which {} are listed, the first {first}", listed.len())
        }
        count => format!("invalid request, {count} violations, the first {first}"),
    };
    bad_request(message, listed)
}

fn said(Violation { field, problem }: &Violation) -> Said {
    let Wording { reason, en, zh } = wording::wording(problem);
    let about = match (problem, field.strip_prefix("transfer.")) {
        (Problem::OtherExportersFlow { .. }, _) => About::OtherExportersFlow,
        (_, None) => About::Other,
        (Problem::Missing(Need::NoLedger | Need::NoLedgerForScenario), Some(path)) => About::Total(path.to_owned()),
        (_, Some(path)) => About::Transfer(path.to_owned()),
    };
    Said { field: field.clone(), reason: reason.to_owned(), en, zh, about }
}

/// Returns the first of what is wrong, as much as a status has room for.
fn listed(all: impl Iterator<Item = Said>) -> Vec<Said> {
    let mut listed: Vec<Said> = Vec::new();
    let mut bytes = 0;
    for said in all {
        bytes += field_violation(&said).encoded_len();
        if !listed.is_empty() && VIOLATIONS_BYTES_MAX < bytes {
            break;
        }
        listed.push(said);
    }
    listed
}

/// Refuses a request of a gateway whose labels are no transfer.
pub fn unlabelled(unlabelled: &Unlabelled) -> Refusal {
    let said =
        |Explained { code, field, en, zh, about }: Explained| Said { field, reason: code.to_owned(), en, zh, about };
    let listed = listed(labels::explain(unlabelled).into_iter().map(said));
    let Some(first) = listed.first() else { return unresolved() };
    bad_request(format!("invalid labels: {}: {}", first.field, first.en), listed)
}

/// Refuses a question that says nothing of what it is about.
pub fn nothing_seen() -> Refusal {
    let wording = Wording {
        reason: "NOTHING_SEEN",
        en: "the gateway says neither host, method, path nor TLS server name: let it send the request, or of a connection the server name (Envoy: `include_tls_session` and the TLS inspector)".to_owned(),
        zh: "网关未提供主机名、请求方法、路径或 TLS 服务器名称：请让网关提供请求内容，连接则提供服务器名称（Envoy：`include_tls_session` 与 TLS inspector）".to_owned(),
    };
    one("invalid labels", "request", wording)
}

/// Refuses a request whose gateway says of counting what is neither `yes` nor `no`.
pub fn unreadable_record_wish(key: &str, text: &str) -> Refusal {
    let text: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    let text = text.escape_debug();
    let wording = Wording {
        reason: "LABEL_OF_WRONG_KIND",
        en: format!("`{key}` of the gateway's context is `{text}`: write `yes` to count the transfer, or leave it out"),
        zh: format!("网关上下文的 `{key}` 为 `{text}`：需计数请填 `yes`，否则不填"),
    };
    one("invalid labels", &format!("context {key}"), wording)
}

/// Returns a violation on a line, in both languages.
pub fn line(violation: &Violation) -> String {
    let Wording { reason: _, en, zh } = wording::wording(&violation.problem);
    format!("{}: {en} / {zh}", violation.field)
}

/// Refuses a message that is not valid protobuf.
pub fn malformed(error: &DecodeError) -> Status {
    let text = error.to_string();
    let text = text.strip_prefix("failed to decode Protobuf message: ").unwrap_or(&text);
    // prost lists `Message.field: ` from the innermost message outwards, before what is wrong.
    let mut path: Vec<&str> = Vec::new();
    let mut problem = text;
    while let Some((step, rest)) = problem.split_once(": ") {
        let Some((_, field)) = step.split_once('.').filter(|_| !step.contains(' ')) else { break };
        path.insert(0, field);
        problem = rest;
    }
    let field = path.join(".");
    let wording = Wording {
        reason: "MALFORMED",
        en: format!("not a valid protobuf message: {problem}: encode it from the contract of the service"),
        zh: format!("不是有效的 protobuf 消息（{problem}）：请按该服务的协议编码"),
    };
    one("invalid request", &field, wording).to_status()
}

/// What there is too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// Requests that are being answered.
    RequestsInFlight,
    /// `DecideStream` calls that are open.
    OpenStreams,
    /// `Watch` calls of health that are open.
    HealthWatches,
    /// Bytes that are being received or wait to be sent.
    HeldBytes,
}

/// Refuses a call because a limit of the server is reached, and says when to try again.
pub fn exhausted(what: Exhausted, retry_after_ms: u32) -> Status {
    let (en, zh) = match what {
        Exhausted::RequestsInFlight => (
            "too many requests in flight: try again after the delay in RetryInfo",
            "正在处理的请求过多：请按 RetryInfo 所示时间后重试",
        ),
        Exhausted::OpenStreams => (
            "too many open streams: close one, or try again after the delay in RetryInfo",
            "打开的流过多：请关闭其一，或按 RetryInfo 所示时间后重试",
        ),
        Exhausted::HealthWatches => (
            "too many watches of health are open: close one, use `Check`, or try again after the delay in RetryInfo",
            "打开的健康状态监听过多：请关闭其一、改用 `Check`，或按 RetryInfo 所示时间后重试",
        ),
        Exhausted::HeldBytes => (
            "too many bytes are being received or wait to be taken: nothing may pass, send less at once and take the answers, or try again after the delay in RetryInfo",
            "正在接收或等待取走的数据过多：不得放行，请减少同时发送的数据并及时取走答复，或按 RetryInfo 所示时间后重试",
        ),
    };
    to_status(&rpc_status(Code::ResourceExhausted, en.to_owned(), vec![retry(retry_after_ms), localized(zh)]))
}

/// Refuses a reservation of an exporter that is not registered and new to the ledger, where as many as may have begun
/// within the hour. `seconds`: until the hour is over.
pub fn too_many_new_exporters(per_hour_max: u32, seconds: u32) -> Refusal {
    let en = format!(
        "the exporter is not registered and new to the ledger, and {per_hour_max} such exporters may begin within an hour, \
        as many as have: register the exporter, or try again after the delay in RetryInfo"
    );
    let zh = format!(
        "该出口方未登记且台账中尚无其记录，一小时内可新增的此类出口方（{per_hour_max} 个）已满：请登记该出口方，或按 RetryInfo 所示时间后重试"
    );
    let reason = "TOO_MANY_NEW_EXPORTERS";
    let details = vec![error_info(reason), retry(seconds.saturating_mul(1_000)), localized(&zh)];
    whole(rpc_status(Code::ResourceExhausted, en.clone(), details), reason, &en, &zh)
}

/// A message that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooLarge {
    /// A request of so many bytes, where so many are taken.
    Request {
        /// Its bytes.
        bytes: usize,
        /// Most bytes of one.
        bytes_max: usize,
    },
    /// An answer of so many bytes, where clients take so many.
    Answer {
        /// Its bytes.
        bytes: usize,
        /// Most bytes of one.
        bytes_max: usize,
    },
}

/// Refuses what is too large.
///
/// Not with `RESOURCE_EXHAUSTED`: with that code other refusals of this server say that the same request may be tried again.
pub fn too_large(what: TooLarge) -> Status {
    match what {
        TooLarge::Request { bytes, bytes_max } => {
            let wording = Wording {
                reason: "REQUEST_TOO_LARGE",
                en: format!(
                    "the message has {bytes} bytes, and may have {bytes_max}: send less in one, such as smaller batches"
                ),
                zh: format!("消息为 {bytes} 字节，上限为 {bytes_max} 字节：请减少单次发送的内容，如拆分批量"),
            };
            one("invalid request", "", wording).to_status()
        }
        TooLarge::Answer { bytes, bytes_max } => {
            let en = format!(
                "the answer has {bytes} bytes, and may have {bytes_max} (`answer_bytes_max`): ask for less at once"
            );
            let zh =
                format!("答复为 {bytes} 字节，上限为 {bytes_max} 字节（`answer_bytes_max`）：请减少单次请求的内容");
            let details = vec![error_info("ANSWER_TOO_LARGE"), localized(&zh)];
            to_status(&rpc_status(Code::FailedPrecondition, en, details))
        }
    }
}

/// Refuses a batch whose answer would be too large, before all of it is made.
pub fn large_answer(bytes_max: usize) -> Refusal {
    let wording = Wording {
        reason: "ANSWER_TOO_LARGE",
        en: format!(
            "the answer would have more than {bytes_max} bytes, which is the most that clients take: ask in smaller batches, or without details; nothing of this batch was answered"
        ),
        zh: format!("答复将超过客户端可接收的 {bytes_max} 字节：请拆分批量，或不要求详情；本批次未作任何答复"),
    };
    one("invalid request", "", wording)
}

/// Why a server does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// It has no valid policies yet.
    NoSnapshot,
    /// It is stopping.
    Draining,
    /// The policies are being loaded, and as many as may wait already do.
    Loading,
    /// The year's totals cannot be read or written now.
    Ledger,
    /// The server's clock cannot be relied on.
    Clock(Clocking),
}

/// Refuses a call that another server, or this one later, can answer.
pub fn unavailable(why: Unavailable, retry_after_ms: u32) -> Status {
    unanswered(why, retry_after_ms).to_status()
}

/// The same in the form that stands inside a batch or a stream.
pub fn unanswered(why: Unavailable, retry_after_ms: u32) -> Refusal {
    let (en, zh) = match why {
        Unavailable::NoSnapshot => ("no valid policies are loaded: try again later", "尚未加载有效政策：请稍后重试"),
        Unavailable::Draining => (
            "the server is stopping: send what is not answered in a new call",
            "服务器正在停止：未答复的请求请重新发起",
        ),
        Unavailable::Loading => (
            "the policies are being loaded, and others wait already: try again later",
            "正在加载政策，且已有其他请求等候：请稍后重试",
        ),
        Unavailable::Ledger => (
            "the year's totals cannot be read or written now: nothing may pass, try again after the delay in RetryInfo",
            "目前无法读写累计人数：不得放行，请按 RetryInfo 所示时间后重试",
        ),
        Unavailable::Clock(clocking) => wording::clock(clocking),
    };
    let status = rpc_status(Code::Unavailable, en.to_owned(), vec![retry(retry_after_ms), localized(zh)]);
    whole(status, "", en, zh)
}

/// Refuses a call whose caller has stopped waiting.
pub fn late() -> Status {
    let en = "the deadline of the call passed before it was answered: nothing may pass, try again with more time";
    let zh = "请求在答复前已超时：不得放行，请延长时限后重试";
    to_status(&rpc_status(Code::DeadlineExceeded, en.to_owned(), vec![localized(zh)]))
}

/// Refuses a call whose `grpc-timeout` is no time.
pub fn malformed_timeout(sent: &str) -> Status {
    let sent = labels::shown(sent);
    let en = format!(
        "grpc-timeout `{sent}` is no time: nothing may pass, send one to eight digits and a unit (H, M, S, m, u, n), such \
         as `500m`"
    );
    let zh = format!(
        "grpc-timeout `{sent}` 不是有效时长：不得放行，请发送一至八位数字加单位（H、M、S、m、u、n），例如 `500m`"
    );
    to_status(&rpc_status(Code::InvalidArgument, en, vec![localized(&zh)]))
}

/// Refuses a message that did not come whole in time.
pub fn slow_message(receive_max: Duration) -> Status {
    let seconds = receive_max.as_secs();
    let en =
        format!("the message did not come whole within {seconds} seconds: nothing may pass, send it again, and faster");
    let zh = format!("消息未在 {seconds} 秒内完整到达：不得放行，请重新并更快地发送");
    to_status(&rpc_status(Code::DeadlineExceeded, en, vec![localized(&zh)]))
}

/// Ends a stream on which no message comes.
pub fn idle(idle_max: Duration) -> Status {
    let seconds = idle_max.as_secs();
    let en = format!("no message came on the stream for {seconds} seconds: open another one for the next message");
    let zh = format!("流上 {seconds} 秒内没有消息：请为下一条消息重新打开流");
    to_status(&rpc_status(Code::Unavailable, en, vec![localized(&zh)]))
}

/// Ends a call whose client has gone away in the middle of its message.
pub fn cut_off() -> Status {
    let en = "the client went away before its message was whole: nothing may pass";
    let zh = "客户端在消息完整到达前已断开：不得放行";
    to_status(&rpc_status(Code::Cancelled, en.to_owned(), vec![localized(zh)]))
}

/// Why the ledger does not do what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncounted {
    /// The transfer id was used for another transfer.
    OtherTransfer,
    /// No transfer has that id.
    TransferNotFound,
    /// The transfer went ahead, and cannot be taken back.
    Committed,
    /// The transfer was taken back, and its id cannot be used again.
    Released,
    /// The reservation ran out, and its id cannot be used again.
    Expired,
    /// The transfer was not allowed to go.
    Refused,
    /// No exporter of that name is registered, and nothing was counted for it.
    ExporterNotFound,
    /// The server was started without a ledger.
    NoLedger,
    /// What the ledger kept of the first answer cannot be read.
    Unreadable,
    /// The door never counts, and the rule wants the transfer counted.
    NotHere,
}

/// Refuses a call of the ledger that is well-formed. Whoever reads it must not let a transfer pass.
pub fn uncounted(why: Uncounted) -> Refusal {
    let (code, reason, en, zh) = match why {
        Uncounted::OtherTransfer => (
            Code::AlreadyExists,
            "OTHER_TRANSFER",
            "the transfer id was used for another transfer: choose a new id, or repeat the first request as it was",
            "该传输编号已用于另一次传输：请更换编号，或按原样重发首次请求",
        ),
        Uncounted::TransferNotFound => (
            Code::NotFound,
            "TRANSFER_NOT_FOUND",
            "no transfer with that id was reserved: reserve it first",
            "没有该编号的传输：请先预留",
        ),
        Uncounted::Committed => (
            Code::FailedPrecondition,
            "TRANSFER_COMMITTED",
            "the transfer was committed and cannot be taken back: what was sent stays counted",
            "该传输已确认，不能撤回：已出境的人数保留计数",
        ),
        Uncounted::Released => (
            Code::FailedPrecondition,
            "TRANSFER_RELEASED",
            "the transfer was taken back: reserve it again under a new id",
            "该传输已撤回：请以新编号重新预留",
        ),
        Uncounted::Expired => (
            Code::FailedPrecondition,
            "RESERVATION_EXPIRED",
            "the reservation ran out and its persons are no longer counted: reserve again under a new id",
            "预留已过期，其人数不再计入：请以新编号重新预留",
        ),
        Uncounted::Refused => (
            Code::FailedPrecondition,
            "TRANSFER_NOT_ALLOWED",
            "the transfer was not allowed to go: complete the mechanism that its decision names, then use a new id",
            "该传输未获放行：请先完成判定所列程序，再使用新编号",
        ),
        Uncounted::ExporterNotFound => (
            Code::NotFound,
            "EXPORTER_NOT_FOUND",
            "no exporter of that name is registered, and nothing was counted for it in that year: check the name",
            "该出口方未登记，且该年度无任何计数：请核对名称",
        ),
        Uncounted::NoLedger => (
            Code::Unimplemented,
            "NO_LEDGER",
            "this server keeps no totals: state them in Decide, or ask a server that has a ledger",
            "本服务器不计累计人数：请在 Decide 中填写，或使用有台账的服务器",
        ),
        Uncounted::NotHere => (
            Code::FailedPrecondition,
            "NOT_COUNTED_HERE",
            "the gateway rule wants the transfer counted, and this door never counts: ask through another door, or take `record` out of the rule",
            "网关规则要求对该传输计数，而此入口从不计数：请改用其他入口，或从规则中去掉 `record`",
        ),
        Uncounted::Unreadable => (
            Code::DataLoss,
            "ANSWER_UNREADABLE",
            "the ledger's record of the first answer cannot be read: nothing may pass, report this to the operator of the server",
            "台账中首次答复的记录无法读取：不得放行，请告知服务器运维人员",
        ),
    };
    whole(rpc_status(code, en.to_owned(), vec![error_info(reason), localized(zh)]), reason, en, zh)
}

/// Ends a wait for a digest that has not come into force.
pub fn digest_not_in_force(wanted: &str, in_force: &str) -> Status {
    let message = format!("`{wanted}` is not in force: `{in_force}` is");
    to_status(&rpc_status(Code::DeadlineExceeded, message, Vec::new()))
}

/// Ends a call whose caller has stopped waiting.
pub fn too_late() -> Status {
    let message = "the caller's deadline is over: nothing was decided";
    to_status(&rpc_status(Code::DeadlineExceeded, message.to_owned(), Vec::new()))
}

/// Refuses a digest without the form of one.
pub fn malformed_digest() -> Status {
    let wording = Wording {
        reason: "MALFORMED",
        en: "not a digest: write `blake3:` and 64 lower-case hexadecimal digits".to_owned(),
        zh: "不是有效的摘要：应为 `blake3:` 加64位小写十六进制数字".to_owned(),
    };
    one("invalid request", "digest", wording).to_status()
}

/// Refuses a call of a method that is not served at this address; `services` are.
pub fn no_such_method(path: &str, services: &[&str]) -> Status {
    let path = labels::shown(path);
    let names = services.join("`, `");
    let en = format!(
        "`{path}` is no method of this address, which serves `{names}`: server reflection lists their methods, and what is not there may be served at the other address (`listen`, `admin`)"
    );
    let zh = format!(
        "`{path}` 不是本地址提供的方法，本地址提供 `{names}`：方法可由服务器反射列出；其他服务可能在另一地址（`listen`、`admin`）"
    );
    to_status(&rpc_status(Code::Unimplemented, en, vec![localized(&zh)]))
}

/// Refuses a check of the health of a service that there is not at this address; `services` are.
pub fn no_such_service(name: &str, services: &[&str]) -> Status {
    let name = labels::shown(name);
    let names = services.join("`, `");
    let en = format!("`{name}` is no service of this address, which has `{names}`; the empty name is the whole server");
    let zh = format!("`{name}` 不是本地址的服务，本地址有 `{names}`；空名称指整个服务器");
    to_status(&rpc_status(Code::NotFound, en, vec![localized(&zh)]))
}

/// Refuses a call whose messages are compressed.
pub fn compressed(encoding: &str) -> Status {
    let encoding = labels::shown(encoding);
    let en = format!(
        "messages compressed with `{encoding}` are not taken: send them as they are (grpc-encoding `identity`)"
    );
    let zh = format!("不接受以 `{encoding}` 压缩的消息：请不经压缩发送（grpc-encoding 为 `identity`）");
    to_status(&rpc_status(Code::Unimplemented, en, vec![localized(&zh)]))
}

/// Refuses a request for what only HTTP can get wrong, or finds nothing at, in both languages.
pub fn in_words(code: Code, en: &str, zh: &str) -> RpcStatus {
    rpc_status(code, en.to_owned(), vec![localized(zh)])
}

/// Refuses a request for one field that cannot be made sense of.
pub fn unreadable(field: &str, reason: &'static str, en: String, zh: String) -> Refusal {
    one("invalid request", field, Wording { reason, en, zh })
}

/// Returns the status that ends a call.
pub fn to_status(rpc: &RpcStatus) -> Status {
    Status::with_details(Code::from_i32(rpc.code), rpc.message.clone(), rpc.encode_to_vec().into())
}

/// Returns a status with its details as a message, for printing.
pub fn to_rpc_status(status: &Status) -> RpcStatus {
    let plain = || rpc_status(status.code(), status.message().to_owned(), Vec::new());
    match RpcStatus::decode(status.details()) {
        Ok(rpc) if rpc.code == i32::from(status.code()) => rpc,
        Ok(_) | Err(_) => plain(),
    }
}

/// The domain refused and said no reason. That cannot happen; if it does, nothing may pass.
fn unresolved() -> Refusal {
    let message = "the request could not be resolved against the policies: report this to the operator of the server";
    whole(rpc_status(Code::Internal, message.to_owned(), Vec::new()), "", message, message)
}

/// A refusal that says one thing, of the request as a whole.
fn whole(status: RpcStatus, reason: &str, en: &str, zh: &str) -> Refusal {
    let [field, reason, en, zh] = ["", reason, en, zh].map(str::to_owned);
    Refusal { status, said: vec![Said { field, reason, en, zh, about: About::Other }] }
}

/// A refusal for one field; empty: for the message.
fn one(what: &str, field: &str, Wording { reason, en, zh }: Wording) -> Refusal {
    let place = if field.is_empty() { String::new() } else { format!("{field}: ") };
    let message = format!("{what}: {place}{en}");
    let (field, reason) = (field.to_owned(), reason.to_owned());
    bad_request(message, vec![Said { field, reason, en, zh, about: About::Other }])
}

fn field_violation(Said { field, reason, en, zh, about: _ }: &Said) -> FieldViolation {
    FieldViolation {
        field: field.clone(),
        description: format!("{en} / {zh}"),
        reason: reason.clone(),
        localized_message: None,
    }
}

fn bad_request(message: String, said: Vec<Said>) -> Refusal {
    let value = pb::BadRequest { field_violations: said.iter().map(field_violation).collect() }.encode_to_vec();
    let details = vec![Any { type_url: BadRequest::TYPE_URL.to_owned(), value }];
    Refusal { status: rpc_status(Code::InvalidArgument, message, details), said }
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
fn error_info(reason: &str) -> Any {
    let value = pb::ErrorInfo { reason: reason.to_owned(), domain: "neglist.v1".to_owned(), ..Default::default() };
    Any { type_url: ErrorInfo::TYPE_URL.to_owned(), value: value.encode_to_vec() }
}

pub(super) fn rpc_status(code: Code, message: String, details: Vec<Any>) -> RpcStatus {
    RpcStatus { code: code.into(), message, details }
}

#[cfg(test)]
#[path = "grpc_tests.rs"]
mod tests;
