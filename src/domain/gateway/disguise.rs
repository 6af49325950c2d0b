//! Detects requests that a server may read with another method or path than the rules see: through headers that
//! override the method or the path, and through path suffixes that servers strip or add.
//!
//! Such a request is refused where rules differ by method or path. How the server behind the gateway reads it is not
//! known here, and a strict rule may match the reading that the rules do not see.

use std::borrow::Cow;

use super::labelled::{ChoiceFault, Fault, Origin, shown};
use super::place;
use super::seen::{Header, Seen};

/// Headers that make servers act on another method than the request's: Rails, Symfony, Laravel, ASP.NET, Express,
/// `OData`.
pub const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];
/// Headers that make servers act on another path than the request's: IIS, Symfony, Laminas.
pub const PATH_OVERRIDES: [&str; 2] = ["x-original-url", "x-rewrite-url"];

/// Checks that no header asks for another method than the request's.
///
/// # Errors
/// A header does, or it cannot be read.
pub(super) fn check_method<S: Seen + ?Sized>(seen: &S, method: &str) -> Result<(), (Origin, Fault)> {
    for header in METHOD_OVERRIDES {
        if let Some(text) = text(seen, header)?
            // Servers treat an empty value as absent.
            && !text.is_empty()
            && !text.eq_ignore_ascii_case(method)
        {
            let fault = ChoiceFault::MethodOverridden { header, says: shown(text) };
            return Err((Origin::Header(header.to_owned()), Fault::Choice(fault)));
        }
    }
    Ok(())
}

/// Checks that no header asks for another path than the request's, which is given in normal form.
///
/// # Errors
/// A header does, or it cannot be read.
pub(super) fn check_path<S: Seen + ?Sized>(seen: &S, path: &str) -> Result<(), (Origin, Fault)> {
    for header in PATH_OVERRIDES {
        if let Some(text) = text(seen, header)?
            && path_of(text).as_deref() != Some(path)
        {
            let fault = ChoiceFault::PathOverridden { header };
            return Err((Origin::Header(header.to_owned()), Fault::Choice(fault)));
        }
    }
    Ok(())
}

/// Returns the path that a header asks for, in normal form. The header may hold a path, or an HTTP URL with a
/// comparable host. `None` for any other text: servers may read any path in it.
fn path_of(text: &str) -> Option<Cow<'_, str>> {
    let path = if text.starts_with('/') {
        text
    } else {
        let (host, path) = place::host_and_path(text)?;
        place::host(host).ok()?;
        path
    };
    place::path(path).ok().flatten()
}

/// Returns the text of a header. A header that the door does not see is ignored: see `docs/doors/squid.md`.
fn text<'s, S: Seen + ?Sized>(seen: &'s S, name: &str) -> Result<Option<&'s str>, (Origin, Fault)> {
    match seen.header(name) {
        Header::Absent | Header::NotSeen => Ok(None),
        Header::Text(text) => Ok(Some(text)),
        Header::Repeated => Err((Origin::Header(name.to_owned()), Fault::Repeated)),
        Header::NotText => Err((Origin::Header(name.to_owned()), Fault::NotText)),
    }
}

/// Returns a path without the suffixes of its last segment and without a final slash, once for each way to cut it:
/// `/a/b.tar.gz` gives `/a/b.tar` and `/a/b`, `/a/.json` gives `/a`. Each result has at most `bytes_max` bytes.
///
/// Digits and dots alone after a dot are not a suffix, as in `/v1.2`. Neither is a segment that begins with a dot and
/// has more than letters and digits after it, as in `/.well-known`.
pub(super) fn stems(path: &str, bytes_max: usize) -> impl Iterator<Item = &str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let begin = path.rfind('/').map_or(0, |slash| slash + 1);
    let name = path.get(begin..).unwrap_or_default();
    let is_suffix_alone = name.strip_prefix('.').is_some_and(is_format) && begin.saturating_sub(1) <= bytes_max;
    let above = is_suffix_alone.then(|| path.get(..begin.saturating_sub(1))).flatten();
    // Any other leading dot belongs to the name.
    let dots = path.bytes().enumerate().skip(begin + 1).filter(|(_, byte)| *byte == b'.').map(|(dot, _)| dot);
    let is_suffix =
        move |dot: &usize| path.get(*dot..).is_some_and(|end| end.bytes().any(|byte| !is_of_a_number(byte)));
    let cut = dots.take_while(move |dot| *dot <= bytes_max).filter(is_suffix).filter_map(|dot| path.get(..dot));
    above.into_iter().chain(cut)
}

/// Says whether the text after a dot could name a format: letters and digits, and not digits alone.
fn is_format(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') && !text.bytes().all(is_of_a_number)
}

fn is_of_a_number(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

/// Says whether a stem is the path above a last segment that is nothing but a suffix.
pub(super) fn is_above(stem: &str, path: &str) -> bool {
    path.get(stem.len()..).is_some_and(|rest| rest.starts_with('/'))
}
