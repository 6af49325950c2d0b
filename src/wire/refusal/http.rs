//! Refusals as HTTP has them: a status code, and a body in both languages.
//!
//! The body is a `google.rpc.Status` in proto3 JSON, the same that gRPC clients get. A refusal never has a code of 2xx: its
//! reader must not let a transfer pass.

use tonic::Code;

use crate::wire::json::issues::JsonError;
use crate::wire::json::message;
use crate::wire::refusal::grpc::{self, RpcStatus, localized, rpc_status};
use crate::wire::refusal::{Refusal, joined};

const STATUS: &str = "google.rpc.Status";
const UNWRITABLE: &str =
    r#"{"code":13,"message":"the answer cannot be written: nothing may pass / 无法写出答复：不得放行"}"#;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Status code of HTTP; never 2xx.
    pub http_code: u16,
    /// The body: a `google.rpc.Status` in proto3 JSON.
    pub body: String,
    /// When to try again, in whole seconds.
    pub retry_after_seconds: Option<u64>,
}

impl Refused {
    /// Returns the refusal of a server that has an answer and cannot write it.
    pub fn broken() -> Self {
        Self { http_code: 500, body: UNWRITABLE.to_owned(), retry_after_seconds: None }
    }
}

/// Returns a refusal in the form of HTTP.
pub fn render(refusal: &Refusal) -> Refused {
    Refused {
        http_code: http_code(grpc::code(refusal)),
        body: body(&grpc::render(refusal)),
        retry_after_seconds: refusal.retry_after_ms().map(whole_seconds),
    }
}

/// Returns a delay in seconds, rounded up: zero would mean at once.
fn whole_seconds(delay_ms: u32) -> u64 {
    u64::from(delay_ms.div_ceil(1_000))
}

/// Why an HTTP request cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misread<'a> {
    /// There is nothing at that path.
    NoSuchPath,
    /// The readiness of an unknown service is asked for.
    NoSuchService,
    /// The path accepts other methods; the header `Allow` lists them.
    OtherMethod,
    /// The body is not declared as `application/json` in UTF-8.
    NotSaidToBeJson,
    /// The request at a gRPC address is not gRPC with protobuf.
    NotGrpc,
    /// The body is encoded, such as compressed.
    Encoded,
    /// The body is too large.
    TooLarge {
        /// Most bytes of a body.
        bytes_max: usize,
    },
    /// The body did not come in time.
    TooSlow {
        /// Time for a body, in seconds.
        seconds_max: u64,
    },
    /// Bodies of other requests take the room that there is.
    NoRoom {
        /// When to try again, in milliseconds.
        retry_after_ms: u32,
    },
    /// The body broke off.
    BrokenOff,
    /// The body is not the message that the path accepts.
    NotTheRequest {
        /// The message that the path accepts, such as `DecideRequest`.
        wanted: &'static str,
        /// Why the body is not that message.
        error: &'a JsonError,
    },
    /// The AuthZEN configuration document needs a setting that is missing.
    NoPublicUrl,
}

impl Misread<'_> {
    /// Returns the refusal.
    pub fn refused(&self) -> Refused {
        let (http_code, status) = match self {
            Misread::NoSuchPath => (
                404,
                words(
                    Code::NotFound,
                    "there is nothing at this path: docs/doors/README.md lists the paths",
                    "该路径不存在：路径见 docs/doors/README.md",
                ),
            ),
            Misread::NoSuchService => (404, no_such_service()),
            Misread::OtherMethod => (
                405,
                words(
                    Code::Unimplemented,
                    "this path takes other methods: see the header `Allow`",
                    "该路径不接受此方法：见响应头 `Allow`",
                ),
            ),
            Misread::NotSaidToBeJson => (
                415,
                words(
                    Code::InvalidArgument,
                    "the body has to be JSON in UTF-8: send `Content-Type: application/json`",
                    "正文应为 UTF-8 编码的 JSON：请发送 `Content-Type: application/json`",
                ),
            ),
            Misread::NotGrpc => (415, not_grpc()),
            Misread::Encoded => (
                415,
                words(
                    Code::InvalidArgument,
                    "the body may not be compressed or otherwise encoded: leave `Content-Encoding` out",
                    "正文不得压缩或另行编码：请勿发送 `Content-Encoding`",
                ),
            ),
            Misread::TooLarge { bytes_max } => (413, too_large(*bytes_max)),
            Misread::TooSlow { seconds_max } => (408, too_slow(*seconds_max)),
            Misread::NoRoom { retry_after_ms: _ } => (503, no_room()),
            Misread::BrokenOff => {
                (400, words(Code::InvalidArgument, "the body was cut off: send all of it", "正文中断：请完整发送"))
            }
            Misread::NotTheRequest { wanted, error } => (400, not_the_request(wanted, error)),
            Misread::NoPublicUrl => (
                404,
                words(
                    Code::NotFound,
                    "this document names the URL of this server, which is not configured: set `http_public_url`",
                    "该文档须写明本服务器的 URL，但尚未配置：请设置 `http_public_url`",
                ),
            ),
        };
        let retry_after_seconds =
            if let Misread::NoRoom { retry_after_ms } = self { Some(whole_seconds(*retry_after_ms)) } else { None };
        Refused { http_code, body: body(&status), retry_after_seconds }
    }

    /// Returns the refusal for a door whose standard has the code 400 only.
    pub fn refused_as_bad_request(&self) -> Refused {
        let refused = self.refused();
        let http_code = if refused.http_code == 415 { 400 } else { refused.http_code };
        Refused { http_code, ..refused }
    }
}

fn too_large(bytes_max: usize) -> RpcStatus {
    words(
        Code::InvalidArgument,
        &format!("the body has more than {bytes_max} bytes: send less at once, or raise `http_body_bytes_max`"),
        &format!("正文超过 {bytes_max} 字节：请减少单次内容，或提高 `http_body_bytes_max`"),
    )
}

fn too_slow(seconds_max: u64) -> RpcStatus {
    words(
        Code::DeadlineExceeded,
        &format!("the body did not come within {seconds_max} s: send it faster, or raise `http_body_seconds`"),
        &format!("正文未在 {seconds_max} 秒内到达：请加快发送，或提高 `http_body_seconds`"),
    )
}

fn no_room() -> RpcStatus {
    words(
        Code::ResourceExhausted,
        "bodies of other requests take all of `http_held_bytes_max`: nothing may pass, try again later",
        "其他请求的正文已占满 `http_held_bytes_max`：不得放行，请稍后重试",
    )
}

fn no_such_service() -> RpcStatus {
    words(
        Code::NotFound,
        "there is no such service: docs/reliability.md lists the names; or omit `service`",
        "没有该服务：服务名称见 docs/reliability.md，或不填 `service`",
    )
}

fn not_grpc() -> RpcStatus {
    words(
        Code::InvalidArgument,
        "this address speaks gRPC with protobuf (`Content-Type: application/grpc`), not gRPC-Web, Connect or JSON: send JSON to `/v1/decide` at the address of `http`, or put a translating proxy in between",
        "本地址仅支持以 protobuf 编码的 gRPC（`Content-Type: application/grpc`），不支持 gRPC-Web、Connect 与 JSON：JSON 请发送至 `http` 地址的 `/v1/decide`，或由代理转换",
    )
}

fn words(code: Code, en: &str, zh: &str) -> RpcStatus {
    rpc_status(code, en.to_owned(), vec![localized(zh)])
}

fn not_the_request(wanted: &str, JsonError { issues }: &JsonError) -> RpcStatus {
    let (en, zh) = joined(issues);
    words(
        Code::InvalidArgument,
        &format!("the body is not a valid {wanted} in JSON: {en}"),
        &format!("正文不是 JSON 形式的 {wanted}：{zh}"),
    )
}

/// Returns the HTTP status code of a gRPC code.
const fn http_code(code: Code) -> u16 {
    match code {
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        // An error with the code "ok" or "unknown" is a mistake of the server.
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::Unimplemented => 501,
        Code::Unavailable | Code::ResourceExhausted | Code::Cancelled => 503,
        Code::DeadlineExceeded => 504,
    }
}

fn body(status: &RpcStatus) -> String {
    // Fails only where the descriptors that are compiled in cannot be read, or a detail is of an unknown type.
    message::to_json_line(status, STATUS).unwrap_or_else(|_| UNWRITABLE.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::asked::{Need, Problem, Violation};
    use crate::domain::path::RequestField;
    use crate::wire::refusal::{Exhausted, Unavailable};

    fn all() -> Vec<Refused> {
        let error = message::decide_request(br#"{"transfer": {"persns": {}}}"#).unwrap_err();
        let misread = [
            Misread::NoSuchPath,
            Misread::NoSuchService,
            Misread::OtherMethod,
            Misread::NotSaidToBeJson,
            Misread::NotGrpc,
            Misread::Encoded,
            Misread::TooLarge { bytes_max: 7 },
            Misread::TooSlow { seconds_max: 7 },
            Misread::NoRoom { retry_after_ms: 1_500 },
            Misread::BrokenOff,
            Misread::NotTheRequest { wanted: "DecideRequest", error: &error },
            Misread::NoPublicUrl,
        ];
        let violation = Violation::new(RequestField::Transfer, Problem::Missing(Need::Transfer));
        let refusals = [
            Refusal::Invalid(vec![violation]),
            Refusal::Unavailable(Unavailable::Ledger, 1),
            Refusal::Exhausted(Exhausted::RequestsInFlight, 1_500),
        ];
        misread.iter().map(Misread::refused).chain(refusals.iter().map(render)).collect()
    }

    #[test]
    fn refusals_are_never_permits_and_speak_both_languages() {
        for Refused { http_code, body, retry_after_seconds: _ } in all() {
            assert!((400..600).contains(&http_code), "{http_code} {body}");
            let read: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_ne!(read["code"], 0, "{body}");
            assert!(read["message"].as_str().unwrap().is_ascii() || body.contains('`'), "{body}");
            assert!(!read["details"].to_string().is_ascii(), "no Chinese in {body}");
        }
    }

    #[test]
    fn the_time_to_wait_is_rounded_up() {
        let seconds = |ms| render(&Refusal::Exhausted(Exhausted::RequestsInFlight, ms)).retry_after_seconds;
        assert_eq!((seconds(1), seconds(1_000), seconds(1_001)), (Some(1), Some(1), Some(2)));
        assert_eq!(render(&Refusal::Late).retry_after_seconds, None);
    }

    #[test]
    fn a_standard_with_400_alone_gets_no_other_code_for_content() {
        let codes = [Misread::NotSaidToBeJson, Misread::Encoded, Misread::TooLarge { bytes_max: 1 }]
            .map(|misread| misread.refused_as_bad_request().http_code);
        assert_eq!(codes, [400, 400, 413]);
    }
}
