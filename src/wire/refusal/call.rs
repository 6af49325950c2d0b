//! Statuses that end a gRPC call before it is a request, or independently of any request.

use std::time::Duration;

use tonic::{Code, Status};

use crate::wire::refusal::grpc::{self, error_info, localized, rpc_status, to_status};
use crate::wire::refusal::labels::shown;
use crate::wire::refusal::{Issue, Refusal, Subject};

/// Refuses a call whose deadline has passed.
pub fn late() -> Status {
    grpc::status(&Refusal::Late)
}

/// A message that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooLarge {
    /// A request.
    Request {
        /// Its length, in bytes.
        bytes: usize,
        /// The greatest length, in bytes.
        bytes_max: usize,
    },
    /// An answer.
    Answer {
        /// Its length, in bytes.
        bytes: usize,
        /// The greatest length, in bytes.
        bytes_max: usize,
    },
}

/// Refuses a message that is too large.
///
/// The code is not `RESOURCE_EXHAUSTED`: other refusals of this server use that one for requests that may be tried again.
pub fn too_large(what: TooLarge) -> Status {
    match what {
        TooLarge::Request { bytes, bytes_max } => {
            let en = format!(
                "the message has {bytes} bytes, and may have {bytes_max}: send less in one, such as smaller batches"
            );
            let zh = format!("消息为 {bytes} 字节，上限为 {bytes_max} 字节：请减少单次发送的内容，如拆分批量");
            unreadable(Issue::of_the_whole("REQUEST_TOO_LARGE", en, zh))
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

/// Refuses a call whose `grpc-timeout` is malformed.
pub fn malformed_timeout(sent: &str) -> Status {
    let sent = shown(sent);
    let en = format!(
        "grpc-timeout `{sent}` is not a valid time: nothing may pass, send one to eight digits and a unit (H, M, S, m, u, n), such \
         as `500m`"
    );
    let zh = format!(
        "grpc-timeout `{sent}` 不是有效时长：不得放行，请发送一至八位数字加单位（H、M、S、m、u、n），例如 `500m`"
    );
    to_status(&rpc_status(Code::InvalidArgument, en, vec![localized(&zh)]))
}

/// Refuses a message that was not complete in time.
pub fn slow_message(receive_max: Duration) -> Status {
    let seconds = receive_max.as_secs();
    let en =
        format!("the message was not complete within {seconds} seconds: nothing may pass, send it again, and faster");
    let zh = format!("消息未在 {seconds} 秒内完整到达：不得放行，请重新并更快地发送");
    to_status(&rpc_status(Code::DeadlineExceeded, en, vec![localized(&zh)]))
}

/// Ends an idle stream.
pub fn idle(idle_max: Duration) -> Status {
    let seconds = idle_max.as_secs();
    let en = format!("no message came on the stream for {seconds} seconds: open another one for the next message");
    let zh = format!("流上 {seconds} 秒内没有消息：请为下一条消息重新打开流");
    to_status(&rpc_status(Code::Unavailable, en, vec![localized(&zh)]))
}

/// Ends a call whose client has gone away in the middle of its message.
pub fn cut_off() -> Status {
    let en = "the client disconnected before its message was complete: nothing may pass";
    let zh = "客户端在消息完整到达前已断开：不得放行";
    to_status(&rpc_status(Code::Cancelled, en.to_owned(), vec![localized(zh)]))
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

/// Refuses a malformed digest.
pub fn malformed_digest() -> Status {
    let en = "not a digest: write `blake3:` and 64 lower-case hexadecimal digits".to_owned();
    let zh = "不是有效的摘要：应为 `blake3:` 加64位小写十六进制数字".to_owned();
    unreadable(Issue::new("digest", "MALFORMED", (en, zh)))
}

/// Refuses a call of a method that this address does not serve. `services`: those that it serves.
pub fn no_such_method(path: &str, services: &[&str]) -> Status {
    let path = shown(path);
    let names = services.join("`, `");
    let en = format!(
        "`{path}` is not a method of this address, which serves `{names}`: server reflection lists their methods, and the other address (`listen`, `admin`) may serve the method"
    );
    let zh = format!(
        "`{path}` 不是本地址提供的方法，本地址提供 `{names}`：方法可由服务器反射列出；其他服务可能在另一地址（`listen`、`admin`）"
    );
    to_status(&rpc_status(Code::Unimplemented, en, vec![localized(&zh)]))
}

/// Refuses a health check of a service that this address does not serve. `services`: those that it serves.
pub fn no_such_service(name: &str, services: &[&str]) -> Status {
    let name = shown(name);
    let names = services.join("`, `");
    let en = format!(
        "`{name}` is not a service of this address, which has `{names}`; the empty name means the whole server"
    );
    let zh = format!("`{name}` 不是本地址的服务，本地址有 `{names}`；空名称指整个服务器");
    to_status(&rpc_status(Code::NotFound, en, vec![localized(&zh)]))
}

/// Refuses a call whose messages are compressed.
pub fn compressed(encoding: &str) -> Status {
    let encoding = shown(encoding);
    let en = format!(
        "messages compressed with `{encoding}` are not accepted: send them uncompressed (grpc-encoding `identity`)"
    );
    let zh = format!("不接受以 `{encoding}` 压缩的消息：请不经压缩发送（grpc-encoding 为 `identity`）");
    to_status(&rpc_status(Code::Unimplemented, en, vec![localized(&zh)]))
}

fn unreadable(issue: Issue) -> Status {
    grpc::status(&Refusal::unreadable(Subject::Request, issue))
}
