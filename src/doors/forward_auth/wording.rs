//! Violations of a forward-auth question before its labels are read, in words.

use crate::wire::refusal::{Issue, Refusal, Subject};

/// Why a question cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unforwarded {
    /// The gateway does not say a part of the request.
    NotSaid {
        /// The part.
        part: Part,
        /// The headers of that part, such as `x-forwarded-uri`.
        headers: Vec<&'static str>,
    },
    /// A header is repeated. The server does not pick one of its values.
    Repeated {
        /// Its name.
        header: &'static str,
    },
    /// A header is no visible ASCII text.
    NotText {
        /// Its name.
        header: &'static str,
    },
    /// A header is not the URL that it has to be, with host and path.
    NotAUrl {
        /// Its name.
        header: &'static str,
    },
    /// Headers of two families disagree. One of the two may be the client's.
    Disagree {
        /// The one.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
}

/// A part of a request that a gateway has to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its method.
    Method,
    /// Its host.
    Host,
    /// Its path, with the query.
    Path,
}

/// Refuses such a question.
pub fn refusal(unforwarded: &Unforwarded) -> Refusal {
    Refusal::unreadable(Subject::Request, issue(unforwarded))
}

fn issue(unforwarded: &Unforwarded) -> Issue {
    match unforwarded {
        Unforwarded::NotSaid { part, headers } => {
            let (code, en, zh) = match part {
                Part::Method => ("METHOD_NOT_FORWARDED", "the method of the request", "请求的方法"),
                Part::Host => ("HOST_NOT_FORWARDED", "the host of the request", "请求的主机"),
                Part::Path => ("URI_NOT_FORWARDED", "the path of the request", "所请求的路径"),
            };
            let field = format!("header {}", headers.first().copied().unwrap_or_default());
            let (en_names, zh_names) = (headers.join("` or `"), headers.join("` 或 `"));
            Issue::new(
                field,
                code,
                (
                    format!("the gateway does not provide {en}: let it send `{en_names}`"),
                    format!("网关未说明{zh}：请由网关发送 `{zh_names}`"),
                ),
            )
        }
        Unforwarded::Repeated { header } => Issue::new(
            format!("header {header}"),
            "LABEL_REPEATED",
            (
                format!(
                    "`{header}` occurs several times, and none of the values is chosen: let the gateway replace the values of clients"
                ),
                format!("`{header}` 出现多次，不作取舍：请由网关替换客户端所发送的值"),
            ),
        ),
        Unforwarded::NotText { header } => Issue::new(
            format!("header {header}"),
            "LABEL_NOT_TEXT",
            (
                format!("`{header}` is not visible ASCII text: let the gateway send it encoded"),
                format!("`{header}` 不是可见的 ASCII 文本：请由网关编码后发送"),
            ),
        ),
        Unforwarded::NotAUrl { header } => Issue::new(
            format!("header {header}"),
            "NOT_A_URL",
            (
                format!(
                    "`{header}` is not an HTTP URL with a host and a path: let the gateway send it as `https://host/path`, and set `forward_auth_headers` to the family that it sends"
                ),
                format!(
                    "`{header}` 不是含主机与路径的 HTTP URL：请由网关按 `https://host/path` 的形式发送，并将 `forward_auth_headers` 设为网关所发送的一组"
                ),
            ),
        ),
        Unforwarded::Disagree { one, other } => Issue::new(
            format!("header {one}"),
            "FORWARDED_HEADERS_DISAGREE",
            (
                format!(
                    "`{one}` and `{other}` disagree, and one of them may be the client's: let the gateway remove the other families, or set `forward_auth_headers` to the one that it sends"
                ),
                format!(
                    "`{one}` 与 `{other}` 不一致，其中之一可能来自客户端：请由网关去掉其他各组请求头，或将 `forward_auth_headers` 设为网关所发送的一组"
                ),
            ),
        ),
    }
}
