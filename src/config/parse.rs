//! Parses the text of a value.

use std::fmt::Display;
use std::path::PathBuf;

use super::address::Address;
use super::ledger_place::{self, is_like_none};
use super::public_url::PublicUrl;
use super::values::{ConnectionSpread, ForwardedHeaders, LedgerPlace, LogFormat, SideFile, Unregistered};
use crate::domain::asked::CODE_BYTES_MAX;
use crate::domain::gateway::Unmatched;

/// Parses the texts of a key. Most keys take exactly one.
pub(super) trait Parse<T>: Fn(&[String]) -> Result<T, String> {}

impl<T, F: Fn(&[String]) -> Result<T, String>> Parse<T> for F {}

fn one(texts: &[String]) -> Result<&str, String> {
    match texts {
        [text] if !text.is_empty() => Ok(text),
        [_] => Err("the value is empty".into()),
        [] => Err("the value is missing".into()),
        [..] => Err("takes one value, not several".into()),
    }
}

/// A whole number within bounds; `_` may separate digits.
pub(super) fn number<T: TryFrom<u64>>(least: u64, most: u64) -> impl Parse<T> {
    move |texts| {
        let text = one(texts)?;
        let number = text.replace('_', "").parse::<u64>().ok().filter(|number| (least..=most).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("`{text}` is not a whole number from {least} to {most}"))
    }
}

/// File permissions in octal.
pub(super) fn octal(most: u32) -> impl Parse<u32> {
    move |texts| {
        let text = one(texts)?;
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= most);
        mode.ok_or_else(|| format!("`{text}` is not a permission mode in octal, such as 0660"))
    }
}

/// One address.
pub(super) fn address(texts: &[String]) -> Result<Address, String> {
    Address::parse(one(texts)?)
}

/// The URL at which others reach a listener.
pub(super) fn public_url(texts: &[String]) -> Result<PublicUrl, String> {
    PublicUrl::parse(one(texts)?)
}

/// Addresses, at least one.
pub(super) fn addresses(texts: &[String]) -> Result<Vec<Address>, String> {
    if texts.is_empty() {
        return Err("at least one address is needed".into());
    }
    texts.iter().map(|text| Address::parse(text)).collect()
}

/// The value of another parser, or `None` for `none`.
pub(super) fn or_none<T>(parse: impl Parse<T>) -> impl Parse<Option<T>> {
    move |texts| match texts {
        [text] if text == "none" => Ok(None),
        [text] if is_like_none(text) => Err(format!("to turn it off write `none`, not `{text}`")),
        texts => parse(texts).map(Some),
    }
}

/// A path.
pub(super) fn path(texts: &[String]) -> Result<PathBuf, String> {
    one(texts).map(PathBuf::from)
}

/// The place of the ledger: a path, the URL of a database, or `none`.
pub(super) fn ledger(texts: &[String]) -> Result<LedgerPlace, String> {
    ledger_place::parse(one(texts)?)
}

/// The place of a small file of the ledger: `beside`, or a text that looks like a path. `name`: of the file, in an example.
pub(super) fn side_file(name: &'static str) -> impl Parse<SideFile> {
    move |texts| match one(texts)? {
        "beside" => Ok(SideFile::Beside),
        text => match ledger_place::parse(text) {
            Ok(LedgerPlace::File(path)) => Ok(SideFile::At(path)),
            _ => Err(format!("write `beside`, or a file as `/var/lib/neglist/{name}`")),
        },
    }
}

/// `yes` or `no`.
pub(super) fn yes_or_no(texts: &[String]) -> Result<bool, String> {
    word(one(texts)?, &[("yes", true), ("no", false)])
}

/// Treatment of a request that no rule matches: `refuse`, `allow` or `flow:<id>`.
pub(super) fn unmatched(texts: &[String]) -> Result<Unmatched, String> {
    let text = one(texts)?;
    match (text, text.strip_prefix("flow:")) {
        ("refuse", _) => Ok(Unmatched::Refuse),
        ("allow", _) => Ok(Unmatched::Allow),
        (_, Some(flow)) if (1..=CODE_BYTES_MAX).contains(&flow.len()) => Ok(Unmatched::Flow(flow.into())),
        (_, Some(_)) => Err(format!("`{text}` names no flow: write its id, of at most {CODE_BYTES_MAX} bytes")),
        (_, None) => Err(format!("`{text}` is not one of `refuse`, `allow`, `flow:<id>`")),
    }
}

/// The headers that carry the request that a gateway asks about.
pub(super) fn forwarded_headers(texts: &[String]) -> Result<ForwardedHeaders, String> {
    let words = [
        ("either", ForwardedHeaders::Either),
        ("x-forwarded", ForwardedHeaders::XForwarded),
        ("x-original", ForwardedHeaders::XOriginal),
        ("x-original-url", ForwardedHeaders::XOriginalUrl),
    ];
    word(one(texts)?, &words)
}

/// The format of log lines.
pub(super) fn log_format(texts: &[String]) -> Result<LogFormat, String> {
    word(one(texts)?, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
}

/// Distribution of connections over threads.
pub(super) fn connection_spread(texts: &[String]) -> Result<ConnectionSpread, String> {
    word(one(texts)?, &[("fewest", ConnectionSpread::Fewest), ("reuse-port", ConnectionSpread::ReusePort)])
}

/// Treatment of unregistered exporters.
pub(super) fn unregistered(texts: &[String]) -> Result<Unregistered, String> {
    word(one(texts)?, &[("allow", Unregistered::Allow), ("refuse", Unregistered::Refuse)])
}

/// The level of log lines.
pub(super) fn log_level(texts: &[String]) -> Result<tracing::Level, String> {
    use tracing::Level;
    let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
    word(one(texts)?, &levels.map(|level| (level.as_str().to_lowercase(), level)))
}

fn word<W: AsRef<str> + Display, T: Copy>(text: &str, words: &[(W, T)]) -> Result<T, String> {
    words.iter().find(|(word, _)| word.as_ref() == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        format!("`{text}` is not one of {}", words.join(", "))
    })
}
