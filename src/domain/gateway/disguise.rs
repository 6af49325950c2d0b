//! What lets a server read another method or path than the one that rules see: headers that override them, and suffixes of
//! a path that servers take off or add.
//!
//! Such a request is refused where rules differ by method or path. What the server behind the gateway does with it is not
//! known here, and a strict rule may be about the reading that the rules do not see.

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
            && !matches!(place::path(without_authority(text)), Ok(Some(other)) if other == path)
        {
            let fault = ChoiceFault::PathOverridden { header, says: shown(text) };
            return Err((Origin::Header(header.to_owned()), Fault::Choice(fault)));
        }
    }
    Ok(())
}

/// Returns the path of a URL; a text that is none stays as it is.
fn without_authority(text: &str) -> &str {
    let rest = text.split_once("://").filter(|(scheme, _)| !scheme.contains('/')).map(|(_, rest)| rest);
    rest.and_then(|rest| rest.get(rest.find('/')?..)).unwrap_or(text)
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
/// `/a/b.tar.gz` it is `/a/b.tar` and `/a/b`. At most `bytes_max` long.
pub(super) fn stems(path: &str, bytes_max: usize) -> impl Iterator<Item = &str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let begin = path.rfind('/').map_or(0, |slash| slash + 1);
    // A dot at the beginning begins the name itself.
    let dots = path.bytes().enumerate().skip(begin + 1).filter(|(_, byte)| *byte == b'.');
    dots.take_while(move |(dot, _)| *dot <= bytes_max).filter_map(|(dot, _)| path.get(..dot))
}
