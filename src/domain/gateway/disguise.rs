//! What lets a server read another method or path than the one that rules see: headers that override them, and suffixes of
//! a path that servers take off or add.
//!
//! Such a request is refused where rules differ by method or path. What the server behind the gateway does with it is not
//! known here, and a strict rule may be about the reading that the rules do not see.

use std::borrow::Cow;

use super::labelled::{ChoiceFault, Fault, Origin};
use super::place;
use super::seen::{Header, Seen};
use super::value::shown;

/// Headers that let servers act by another method than the request's: Rails, Symfony, Laravel, ASP.NET, Express, `OData`.
pub const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];
/// Headers that let servers act on another path than the request's: IIS, Symfony, Laminas.
pub const PATH_OVERRIDES: [&str; 2] = ["x-original-url", "x-rewrite-url"];

/// Checks that no header asks for another method than that of the request.
///
/// # Errors
/// One does, or it cannot be told.
pub(super) fn check_method<S: Seen + ?Sized>(seen: &S, method: &str) -> Result<(), (Origin, Fault)> {
    for header in METHOD_OVERRIDES {
        if let Some(text) = text(seen, header)?
            // Servers take an empty one for absent.
            && !text.is_empty()
            && !text.eq_ignore_ascii_case(method)
        {
            let fault = ChoiceFault::MethodOverridden { header, says: shown(text) };
            return Err((Origin::Header(header.to_owned()), Fault::Choice(fault)));
        }
    }
    Ok(())
}

/// Checks that no header asks for another path than that of the request, which stands as it is compared.
///
/// # Errors
/// One does, or it cannot be told.
pub(super) fn check_path<S: Seen + ?Sized>(seen: &S, path: &str) -> Result<(), (Origin, Fault)> {
    for header in PATH_OVERRIDES {
        if let Some(text) = text(seen, header)?
            && path_of(text).as_deref() != Some(path)
        {
            let fault = ChoiceFault::PathOverridden { header, says: shown(text) };
            return Err((Origin::Header(header.to_owned()), Fault::Choice(fault)));
        }
    }
    Ok(())
}

/// Returns the path that a header asks for, as it is compared: of a path, or of a URL of HTTP with a host that can be
/// compared. `None`: the text is neither, and servers may read any path in it.
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

/// Returns the text of a header. One that the door does not see is not looked at: see `docs/doors.md`.
fn text<'s, S: Seen + ?Sized>(seen: &'s S, name: &str) -> Result<Option<&'s str>, (Origin, Fault)> {
    match seen.header(name) {
        Header::Absent | Header::NotSeen => Ok(None),
        Header::Text(text) => Ok(Some(text)),
        Header::Repeated => Err((Origin::Header(name.to_owned()), Fault::Repeated)),
        Header::NotText => Err((Origin::Header(name.to_owned()), Fault::NotText)),
    }
}

/// Returns a path without the suffixes of its last segment, and without a slash at its end, one for each way to cut it: of
/// `/a/b.tar.gz` it is `/a/b.tar` and `/a/b`, of `/a/.json` it is `/a`. At most `bytes_max` long.
///
/// What follows a dot is no suffix where it is digits and dots alone, as in `/v1.2`; nor is a segment that begins with a dot
/// where more than letters and digits follow, as in `/.well-known`.
pub(super) fn stems(path: &str, bytes_max: usize) -> impl Iterator<Item = &str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let begin = path.rfind('/').map_or(0, |slash| slash + 1);
    let name = path.get(begin..).unwrap_or_default();
    let is_suffix_alone = name.strip_prefix('.').is_some_and(is_format) && begin.saturating_sub(1) <= bytes_max;
    let above = is_suffix_alone.then(|| path.get(..begin.saturating_sub(1))).flatten();
    // Another dot at the beginning begins the name itself.
    let dots = path.bytes().enumerate().skip(begin + 1).filter(|(_, byte)| *byte == b'.').map(|(dot, _)| dot);
    let is_suffix =
        move |dot: &usize| path.get(*dot..).is_some_and(|end| end.bytes().any(|byte| !is_of_a_number(byte)));
    let cut = dots.take_while(move |dot| *dot <= bytes_max).filter(is_suffix).filter_map(|dot| path.get(..dot));
    above.into_iter().chain(cut)
}

/// Says whether what follows a dot could be the name of a format: letters and digits, and not digits alone.
fn is_format(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') && !text.bytes().all(is_of_a_number)
}

fn is_of_a_number(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

/// Says whether a stem is the path above the last segment, which is a suffix alone.
pub(super) fn is_above(stem: &str, path: &str) -> bool {
    path.get(stem.len()..).is_some_and(|rest| rest.starts_with('/'))
}
