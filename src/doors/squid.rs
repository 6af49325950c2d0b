//! From a line on which Squid asks its helper to the question that Envoy would ask, and from the answer to Squid's answer.
//!
//! A line is `<channel> METHOD URI DST PORT <header>… [-]`. Squid replaces characters that a line cannot carry by `%` and two
//! digits, but leaves a `%` of the client as it is. So a `%2F` of the client looks like one of Squid, and nothing is decoded
//! here: a path is compared as it is on the line, and the rules refuse a path that can be read in two ways. The brackets of an
//! IPv6 address are the exception, because a host has no `%` otherwise.
//!
//! Squid joins the values of a repeated header with commas. They are passed on as joined, so that a comma counts as
//! repetition.
//!
//! A request passes only where the server's answer permits it twice: by its code and by its kind.

use std::collections::HashMap;

use serde_json::Value;

use crate::doors::envoy::check::HEADERS_KEY;
use crate::doors::render;
use crate::wire::generated::vendor::envoy::config::core::v3::HeaderValueOption;
use crate::wire::generated::vendor::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use crate::wire::generated::vendor::envoy::service::auth::v3::check_response::HttpResponse;
use crate::wire::generated::vendor::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};

/// The mark of an absent value.
const ABSENT: &str = "-";
/// Most bytes of a text in an answer, three times as many once they are escaped: Squid reads answers of 32 KiB.
const TEXT_BYTES_MAX: usize = 1_536;
/// Most digits of a channel: Squid counts them in 32 bits.
const CHANNEL_DIGITS_MAX: usize = 10;

/// A line that asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The number of Squid's question; the answer has the same number.
    pub channel: u64,
    /// The question.
    pub request: CheckRequest,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbled {
    /// Its channel, where it has one.
    pub channel: Option<u64>,
    /// Why it cannot be read.
    pub why: String,
}

/// An answer of Squid's protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `OK`: the request may pass.
    Passes(Logged),
    /// `ERR`: it may not.
    Denied {
        /// Outcome, reason and text, for its client.
        message: String,
        /// The fields of the log.
        logged: Logged,
    },
    /// `BH`: there is no answer; Squid asks again and then refuses.
    Broken {
        /// Why.
        message: String,
    },
}

/// The fields of an answer for Squid's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The outcome: `allow`, `file`, `contract`, `assess`, `no-transfer`, `refused`.
    pub tag: String,
    /// Outcome, reason and id of the decision, as far as they are known, separated by slashes.
    pub log: String,
}

/// Returns the question of a line. `headers` are the names of the headers whose values are on it, in their order.
///
/// # Errors
/// The line cannot be read. Nothing on it is guessed.
pub fn question(line: &[u8], headers: &[String]) -> Result<Question, Garbled> {
    let channel = channel(line);
    let garbled = |why: &str| Garbled { channel, why: why.to_owned() };
    let Some(number) = channel else {
        return Err(garbled("the line begins with no channel: set concurrency=100 or so on external_acl_type"));
    };
    let text = std::str::from_utf8(line).ok().filter(|text| text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    let text = text.ok_or_else(|| garbled("the line has bytes that Squid would have encoded"))?;
    let mut values = text.split(' ').skip(1);
    let mut value = || values.next().filter(|value| !value.is_empty());
    let (Some(method), Some(uri), Some(dst), Some(port)) = (value(), value(), value(), value()) else {
        return Err(garbled(
            "the line is too short: its format is %METHOD %URI %DST %PORT and the headers of --headers",
        ));
    };
    let mut sent = HashMap::new();
    for name in headers {
        match value() {
            None => return Err(garbled("the line has fewer headers than --headers names, or an empty one")),
            Some(ABSENT) => {}
            Some(text) => {
                sent.insert(name.clone(), text.to_owned());
            }
        }
    }
    // Squid adds the arguments of the `acl` line, and `-` where it has none.
    if !matches!((values.next(), values.next()), (None | Some(ABSENT), None)) {
        return Err(garbled("the line has more values than the format %METHOD %URI %DST %PORT and --headers"));
    }
    let target = target(method, uri, dst, port).map_err(&garbled)?;
    let http = HttpRequest {
        method: method.to_owned(),
        scheme: target.scheme.to_owned(),
        host: target.host,
        path: target.path.to_owned(),
        headers: sent,
        ..HttpRequest::default()
    };
    let request = Some(Request { http: Some(http), ..Request::default() });
    // A header that is not on the line may have been sent by the client.
    let context_extensions = HashMap::from([(HEADERS_KEY.to_owned(), headers.join(","))]);
    let attributes = Some(AttributeContext { request, context_extensions, ..AttributeContext::default() });
    Ok(Question { channel: number, request: CheckRequest { attributes } })
}

/// Returns the channel at the beginning of a line, complete or not.
pub fn channel(line: &[u8]) -> Option<u64> {
    let end = line.iter().take(CHANNEL_DIGITS_MAX + 1).position(|byte| *byte == b' ')?;
    let digits = line.get(..end).filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The target of a request.
struct Target<'l> {
    scheme: &'l str,
    host: String,
    path: &'l str,
}

/// Splits a URI, and compares it with the host and the port that Squid will connect to.
fn target<'l>(method: &str, uri: &'l str, dst: &str, port: &str) -> Result<Target<'l>, &'static str> {
    if method == "CONNECT" {
        goes_to(uri, None, dst, port)?;
        return Ok(Target { scheme: "", host: with_brackets(uri), path: "" });
    }
    let (scheme, rest) = uri.split_once("://").ok_or("the URI has no scheme")?;
    let default_port = match scheme {
        "http" => "80",
        "https" => "443",
        "ftp" => "21",
        _ => return Err("the scheme of the URI is not http, https or ftp"),
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).ok_or("the URI cannot be parsed")?;
    if !path.starts_with('/') {
        return Err("the URI has no path");
    }
    goes_to(authority, Some(default_port), dst, port)?;
    Ok(Target { scheme, host: with_brackets(authority), path })
}

fn goes_to(authority: &str, default_port: Option<&str>, dst: &str, port: &str) -> Result<(), &'static str> {
    let authority = with_brackets(authority);
    // The colons of an IPv6 address are in brackets.
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    let colon = authority.get(after_address..).and_then(|rest| rest.find(':')).map(|colon| after_address + colon);
    let (host, own_port) = match colon.and_then(|colon| authority.split_at_checked(colon)) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => (authority.as_str(), default_port),
    };
    let dst = with_brackets(dst);
    let plain = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if host.is_empty() || plain(host) != plain(&dst) {
        return Err("the host of the URI differs from %DST");
    }
    if own_port != Some(port) || port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("the port of the URI differs from %PORT");
    }
    Ok(())
}

fn with_brackets(host: &str) -> String {
    host.replace("%5B", "[").replace("%5D", "]")
}

/// Returns the answer to Squid.
pub fn reply(response: &CheckResponse) -> Reply {
    let CheckResponse { status, http_response, dynamic_metadata: _ } = response;
    let Some(status) = status else { return broken("the server's answer has no status") };
    match (status.code, http_response) {
        (0, Some(HttpResponse::OkResponse(ok))) => Reply::Passes(logged(&ok.response_headers_to_add)),
        (1.., Some(HttpResponse::DeniedResponse(denied))) => {
            let logged = logged(&denied.headers);
            let code = value(&denied.headers, render::HEADER_REASON).unwrap_or_default();
            let why = why(&denied.body, &status.message);
            Reply::Denied { message: format!("{} {code}: {why}", logged.tag), logged }
        }
        (_, Some(HttpResponse::ErrorResponse(error))) => Reply::Broken { message: why(&error.body, &status.message) },
        (_, None | Some(HttpResponse::OkResponse(_) | HttpResponse::DeniedResponse(_))) => {
            broken("the code and the kind of the server's answer do not agree")
        }
    }
}

/// Returns the answer to a question that cannot be answered.
pub fn broken(why: &str) -> Reply {
    Reply::Broken { message: why.to_owned() }
}

/// Returns the line that answers a channel. Without one Squid does not run its helper with `concurrency`.
pub fn line(channel: Option<u64>, reply: &Reply) -> String {
    let answer = match reply {
        Reply::Passes(Logged { tag, log }) => format!("OK log={} tag={}", escaped(log), escaped(tag)),
        Reply::Denied { message, logged: Logged { tag, log } } => {
            format!("ERR message={} log={} tag={}", escaped(message), escaped(log), escaped(tag))
        }
        Reply::Broken { message } => format!("BH message={}", escaped(message)),
    };
    match channel {
        Some(channel) => format!("{channel} {answer}\n"),
        None => format!("{answer}\n"),
    }
}

fn logged(headers: &[HeaderValueOption]) -> Logged {
    let tag = value(headers, render::HEADER_OUTCOME);
    let parts = [render::HEADER_REASON, render::HEADER_DECISION_ID].map(|name| value(headers, name));
    let parts = [vec![tag.clone()], parts.to_vec()].concat();
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    Logged { tag: tag.unwrap_or_else(|| "unknown".to_owned()), log: parts.join("/") }
}

fn value(headers: &[HeaderValueOption], name: &str) -> Option<String> {
    let mut headers = headers.iter().filter_map(|option| option.header.as_ref());
    headers.find(|header| header.key == name).map(|header| header.value.clone())
}

/// Returns the reason of a denial, in English: the first reason of a decision, or the message of a refusal. Squid's pages show
/// each byte beyond ASCII as a character of its own, so that Chinese would be unreadable there.
fn why(body: &str, message: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    text("/reasons/0/text_en").or_else(|| text("/message")).unwrap_or_else(|| message.to_owned())
}

/// Escapes the UTF-8 bytes of a text as in RFC 1738, shortened to the room of an answer.
fn escaped(text: &str) -> String {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut escaped = String::new();
    for byte in text.bytes().take(end) {
        if byte.is_ascii_alphanumeric() || b"-._/:,".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.extend([byte >> 4, byte & 15].map(hexadecimal));
        }
    }
    // An empty value would end the line's keys.
    if escaped.is_empty() { ABSENT.to_owned() } else { escaped }
}

/// Returns the digit of a number below 16.
fn hexadecimal(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

#[cfg(test)]
#[path = "squid_tests.rs"]
mod tests;
