//! What Squid asks its helper on a line, as the question that Envoy would ask; and the answer as Squid reads it.
//!
//! A line is `<channel> METHOD URI DST PORT <header>… [-]`. Squid writes values with `%` and two digits in the place of
//! what a line cannot carry, but leaves a `%` that was there as it is. So nobody can tell a `%2F` of the client's from
//! one of Squid's, and nothing is decoded here: a path is compared as it stands on the line, and the rules refuse what could be
//! read in two ways. The brackets of an IPv6 address are the exception, because a host has no `%` otherwise.
//!
//! Of a header that was sent several times Squid writes the values with commas between. They are handed on as joined, so
//! that a comma counts as repetition.
//!
//! An answer lets pass only where the server's answer says so twice: by its code and by its kind.

use std::collections::HashMap;

use serde_json::Value;

use crate::doors::envoy::check::HEADERS_KEY;
use crate::doors::render;
use crate::wire::generated::vendor::envoy::config::core::v3::HeaderValueOption;
use crate::wire::generated::vendor::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use crate::wire::generated::vendor::envoy::service::auth::v3::check_response::HttpResponse;
use crate::wire::generated::vendor::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};

/// What stands for a value that is not there.
const ABSENT: &str = "-";
/// Most bytes of a text in an answer, three times as many once they are escaped: Squid reads answers of 32 KiB.
const TEXT_BYTES_MAX: usize = 1_536;
/// Most digits of a channel: Squid counts them in 32 bits.
const CHANNEL_DIGITS_MAX: usize = 10;

/// A line that asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Which of Squid's questions it is; the answer bears the same number.
    pub channel: u64,
    /// What it asks.
    pub request: CheckRequest,
}

/// A line that asks nothing that can be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbled {
    /// Its channel, where it has one.
    pub channel: Option<u64>,
    /// What is wrong with it.
    pub why: String,
}

/// An answer, as Squid tells them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `OK`: the request may pass.
    Passes(Said),
    /// `ERR`: it may not.
    Denied {
        /// Outcome, reason and text, for its client.
        message: String,
        /// What the log gets.
        said: Said,
    },
    /// `BH`: nobody knows; Squid asks again and then refuses.
    Broken {
        /// Why.
        message: String,
    },
}

/// What a log gets to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The outcome: `allow`, `file`, `contract`, `assess`, `no-transfer`, `refused`.
    pub tag: String,
    /// Outcome, reason and id of the decision, as far as they are there, with slashes between.
    pub log: String,
}

/// Returns what a line asks. `headers` are the names of the headers whose values stand on it, in their order.
///
/// # Errors
/// Where it is no such line. Nothing on it is guessed.
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
    // A header that does not stand on the line was not necessarily left out by the client.
    let context_extensions = HashMap::from([(HEADERS_KEY.to_owned(), headers.join(","))]);
    let attributes = Some(AttributeContext { request, context_extensions, ..AttributeContext::default() });
    Ok(Question { channel: number, request: CheckRequest { attributes } })
}

/// Returns the channel that a line begins with, complete or not.
pub fn channel(line: &[u8]) -> Option<u64> {
    let end = line.iter().take(CHANNEL_DIGITS_MAX + 1).position(|byte| *byte == b' ')?;
    let digits = line.get(..end).filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Where a request goes.
struct Target<'l> {
    scheme: &'l str,
    host: String,
    path: &'l str,
}

/// Takes a URI apart, and holds it against the host and the port that Squid will connect to.
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
        _ => return Err("the scheme of the URI is none of http, https and ftp"),
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).ok_or("the URI cannot be taken apart")?;
    if !path.starts_with('/') {
        return Err("the URI has no path");
    }
    goes_to(authority, Some(default_port), dst, port)?;
    Ok(Target { scheme, host: with_brackets(authority), path })
}

fn goes_to(authority: &str, default_port: Option<&str>, dst: &str, port: &str) -> Result<(), &'static str> {
    let authority = with_brackets(authority);
    // The colons of an IPv6 address stand in brackets.
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    let colon = authority.get(after_address..).and_then(|rest| rest.find(':')).map(|colon| after_address + colon);
    let (host, own_port) = match colon.and_then(|colon| authority.split_at_checked(colon)) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => (authority.as_str(), default_port),
    };
    let dst = with_brackets(dst);
    let plain = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if host.is_empty() || plain(host) != plain(&dst) {
        return Err("the host of the URI is not the one of %DST");
    }
    if own_port != Some(port) || port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("the port of the URI is not the one of %PORT");
    }
    Ok(())
}

fn with_brackets(host: &str) -> String {
    host.replace("%5B", "[").replace("%5D", "]")
}

/// Returns how Squid is answered.
pub fn reply(response: &CheckResponse) -> Reply {
    let CheckResponse { status, http_response, dynamic_metadata: _ } = response;
    let Some(status) = status else { return broken("the server's answer has no status") };
    match (status.code, http_response) {
        (0, Some(HttpResponse::OkResponse(ok))) => Reply::Passes(said(&ok.response_headers_to_add)),
        (1.., Some(HttpResponse::DeniedResponse(denied))) => {
            let said = said(&denied.headers);
            let code = value(&denied.headers, render::HEADER_REASON).unwrap_or_default();
            let why = why(&denied.body, &status.message);
            Reply::Denied { message: format!("{} {code}: {why}", said.tag), said }
        }
        (_, Some(HttpResponse::ErrorResponse(error))) => Reply::Broken { message: why(&error.body, &status.message) },
        (_, None | Some(HttpResponse::OkResponse(_) | HttpResponse::DeniedResponse(_))) => {
            broken("the code and the kind of the server's answer do not agree")
        }
    }
}

/// Returns the answer to a question that nobody can answer.
pub fn broken(why: &str) -> Reply {
    Reply::Broken { message: why.to_owned() }
}

/// Returns the line that answers a channel. Without one Squid does not run its helper with `concurrency`.
pub fn line(channel: Option<u64>, reply: &Reply) -> String {
    let answer = match reply {
        Reply::Passes(Said { tag, log }) => format!("OK log={} tag={}", escaped(log), escaped(tag)),
        Reply::Denied { message, said: Said { tag, log } } => {
            format!("ERR message={} log={} tag={}", escaped(message), escaped(log), escaped(tag))
        }
        Reply::Broken { message } => format!("BH message={}", escaped(message)),
    };
    match channel {
        Some(channel) => format!("{channel} {answer}\n"),
        None => format!("{answer}\n"),
    }
}

fn said(headers: &[HeaderValueOption]) -> Said {
    let tag = value(headers, render::HEADER_OUTCOME);
    let parts = [render::HEADER_REASON, render::HEADER_DECISION_ID].map(|name| value(headers, name));
    let parts = [vec![tag.clone()], parts.to_vec()].concat();
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    Said { tag: tag.unwrap_or_else(|| "unknown".to_owned()), log: parts.join("/") }
}

fn value(headers: &[HeaderValueOption], name: &str) -> Option<String> {
    let mut headers = headers.iter().filter_map(|option| option.header.as_ref());
    headers.find(|header| header.key == name).map(|header| header.value.clone())
}

/// Returns why not, in English: the first reason of a decision, or the message of a refusal. Squid's pages show each byte beyond
/// ASCII as a character of its own, so that Chinese would not be readable there.
fn why(body: &str, message: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    text("/reasons/0/text_en").or_else(|| text("/message")).unwrap_or_else(|| message.to_owned())
}

/// Escapes a text as RFC 1738 has it, in its UTF-8 bytes, shortened to what an answer may carry.
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
