//! The fields of a form: in one text, or in parts.

use std::borrow::Cow;

use super::media_type::MediaType;
use crate::domain::gateway::{BodyFault, Fault, query_values};

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
    if let Some(media_type) = media_type.filter(|media_type| media_type.is_multipart()) {
        return parts(bytes, field, media_type).ok_or_else(not_form)?;
    }
    let text = std::str::from_utf8(bytes).map_err(|_| not_form())?;
    // A form is one line of visible characters; anything else is the body of another type.
    if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(not_form());
    }
    query_values(text, field)
}

/// Returns the values of a field of `multipart/form-data` (RFC 7578); `None` if the body is malformed.
fn parts<'b>(bytes: &'b [u8], field: &str, media_type: MediaType<'_>) -> Option<Result<Vec<Cow<'b, str>>, Fault>> {
    let boundary = media_type.parameter("boundary").filter(|boundary| (1..=70).contains(&boundary.len()))?;
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter has no line before it.
    let mut rest = bytes.strip_prefix(delimiter.trim_start().as_bytes())?;
    let (mut found, mut is_similar) = (Vec::new(), false);
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            // Nothing follows the last delimiter but a line's end.
            let values = match (found.is_empty(), is_similar) {
                (_, true) => Err(Fault::Body(BodyFault::InOtherCapitals)),
                (true, false) => Err(Fault::Missing),
                (false, false) => Ok(found),
            };
            return end.trim_ascii().is_empty().then_some(values);
        }
        let part = rest.strip_prefix(b"\r\n")?;
        let end = position(part, delimiter.as_bytes())?;
        let (part, behind) = (part.get(..end)?, part.get(end + delimiter.len()..)?);
        let head_end = position(part, b"\r\n\r\n")?;
        let (head, content) = (std::str::from_utf8(part.get(..head_end)?).ok()?, part.get(head_end + 4..)?);
        let name = name_of(head)?;
        if name == field {
            found.push(Cow::Borrowed(std::str::from_utf8(content).ok()?));
        }
        let bare = name.split('[').next().unwrap_or_default();
        is_similar |= name != field && bare.to_lowercase() == field.to_lowercase();
        rest = behind;
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Returns the name that the head of a part states. `None` unless it states one, once, in quotes and without escapes: readers
/// differ in how they read others.
fn name_of(head: &str) -> Option<&str> {
    let mut disposition = None;
    for line in head.split("\r\n") {
        let (key, value) = line.split_once(':')?;
        match key.to_ascii_lowercase().as_str() {
            "content-disposition" if disposition.is_none() => disposition = Some(value.trim()),
            "content-type" => {}
            // Another one, and encodings that readers may undo.
            _ => return None,
        }
    }
    let parameters = disposition?.strip_prefix("form-data;")?;
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
