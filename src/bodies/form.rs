//! The fields of a form: in one text, or in parts.

use std::borrow::Cow;

use super::media_type::MediaType;
use crate::domain::gateway::{BodyFault, Fault, FieldValues, query_values};

/// Returns the values of a field, each time that it is there.
///
/// # Errors
/// The form is malformed, or the field is missing.
pub(super) fn identifiers<'b>(
    bytes: &'b [u8],
    field: &str,
    media_type: Option<MediaType<'_>>,
) -> Result<Vec<Cow<'b, str>>, Fault> {
    let not_form = || Fault::Body(BodyFault::NotForm);
    if let Some(media_type) = media_type.filter(MediaType::is_multipart) {
        return parts(bytes, field, &media_type).ok_or_else(not_form)?;
    }
    let text = std::str::from_utf8(bytes).map_err(|_| not_form())?;
    // A form is one line of visible characters; anything else is the body of another type.
    if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(not_form());
    }
    query_values(text, field)
}

/// Returns the values of a field of `multipart/form-data` (RFC 7578); `None` if the body is malformed.
fn parts<'b>(bytes: &'b [u8], field: &str, media_type: &MediaType<'_>) -> Option<Result<Vec<Cow<'b, str>>, Fault>> {
    let boundary = media_type.parameter("boundary").filter(|boundary| (1..=70).contains(&boundary.len()))?;
    let delimiter = format!("--{boundary}");
    let mut rest = bytes.strip_prefix(delimiter.as_bytes())?;
    let mut values = FieldValues::of(field);
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            // Nothing follows the last delimiter but a line's end.
            return end.trim_ascii().is_empty().then(|| values.found());
        }
        let part = rest.strip_prefix(b"\r\n")?;
        let (part, behind) = split(part, delimiter.as_bytes())?;
        let head_end = position(part, b"\r\n\r\n")?;
        let (head, content) = (std::str::from_utf8(part.get(..head_end)?).ok()?, part.get(head_end + 4..)?);
        let Head { name, content_type } = Head::read(head)?;
        if values.is_of(name) {
            if content_type.is_some_and(|content_type| !content_type.is_one_text()) {
                return None;
            }
            values.add(Cow::Borrowed(std::str::from_utf8(content).ok()?));
        }
        rest = behind;
    }
}

/// Splits the rest of a body at the next delimiter. `None` if there is none, and if one follows a line's end other than CR LF:
/// some readers end a part there.
fn split<'b>(bytes: &'b [u8], delimiter: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let mut from = 0;
    loop {
        let at = from + position(bytes.get(from..)?, delimiter)?;
        let before = bytes.get(..at)?;
        if let Some(part) = before.strip_suffix(b"\r\n") {
            return Some((part, bytes.get(at + delimiter.len()..)?));
        }
        if matches!(before.last(), None | Some(b'\r' | b'\n')) {
            return None;
        }
        from = at + 1;
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The head of a part.
struct Head<'b> {
    name: &'b str,
    content_type: Option<MediaType<'b>>,
}

impl<'b> Head<'b> {
    /// Reads a head. `None` unless it states a name, once, in quotes and without escapes: readers differ in how they read
    /// others.
    fn read(head: &'b str) -> Option<Self> {
        let (mut disposition, mut content_type) = (None, None);
        for line in head.split("\r\n") {
            // Some readers end a line at a line feed alone.
            if line.bytes().any(|byte| byte.is_ascii_control()) {
                return None;
            }
            let (key, value) = line.split_once(':')?;
            match key.to_ascii_lowercase().as_str() {
                "content-disposition" if disposition.is_none() => disposition = Some(value.trim()),
                "content-type" if content_type.is_none() => content_type = Some(MediaType::parse(value)?),
                // Another one, and encodings that readers may undo.
                _ => return None,
            }
        }
        let name = name_of(disposition?)?;
        Some(Self { name, content_type })
    }
}

/// Returns the name that the disposition of a part states.
fn name_of(disposition: &str) -> Option<&str> {
    let parameters = disposition.strip_prefix("form-data;")?;
    let mut name = None;
    for parameter in parameters.split(';') {
        let (key, value) = parameter.trim().split_once("=\"")?;
        let value = value.strip_suffix('"').filter(|value| !value.contains(['"', '\\', '%']))?;
        match key.to_ascii_lowercase().as_str() {
            "name" if name.is_none() => name = Some(value),
            "filename" => {}
            _ => return None,
        }
    }
    name
}
