//! What is wrong with a question of forward-auth before any label is looked at, in words.

use super::status::{self, RpcStatus};

/// What cannot be made sense of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unforwarded {
    /// The gateway does not say which path is asked for.
    NoUri {
        /// The headers that would say so, such as `x-forwarded-uri`.
        headers: Vec<&'static str>,
    },
    /// A header that is there several times. Nobody picks one of them.
    Repeated {
        /// Its name.
        header: &'static str,
    },
    /// A header that is no visible ASCII text.
    NotText {
        /// Its name.
        header: &'static str,
    },
    /// Headers of both families are there, and they do not say the same. One of the two may be the client's.
    Disagree {
        /// The one.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
}

/// Refuses such a question.
pub fn refusal(unforwarded: &Unforwarded) -> RpcStatus {
    match unforwarded {
        Unforwarded::NoUri { headers } => {
            let names = headers.join("`, `");
            status::unreadable(
                &format!("header {}", headers.first().copied().unwrap_or_default()),
                "URI_NOT_FORWARDED",
                format!("the gateway does not say which path is asked for: let it send `{names}`"),
                format!("网关未说明所请求的路径：请由网关发送 `{names}`"),
            )
        }
        Unforwarded::Repeated { header } => status::unreadable(
            &format!("header {header}"),
            "LABEL_REPEATED",
            format!(
                "`{header}` is there several times, and none of them is picked: let the gateway replace what clients send"
            ),
            format!("`{header}` 出现多次，不作取舍：请由网关替换客户端所发送的值"),
        ),
        Unforwarded::NotText { header } => status::unreadable(
            &format!("header {header}"),
            "LABEL_NOT_TEXT",
            format!("`{header}` is no visible ASCII text: let the gateway send it encoded"),
            format!("`{header}` 不是可见的 ASCII 文本：请由网关编码后发送"),
        ),
        Unforwarded::Disagree { one, other } => status::unreadable(
            &format!("header {one}"),
            "FORWARDED_HEADERS_DISAGREE",
            format!(
                "`{one}` and `{other}` do not say the same, and one of them may be the client's: let the gateway remove the other family, or set `forward_auth_headers` to the one that it sends"
            ),
            format!(
                "`{one}` 与 `{other}` 不一致，其中之一可能来自客户端：请由网关去掉另一组请求头，或将 `forward_auth_headers` 设为网关所发送的一组"
            ),
        ),
    }
}
