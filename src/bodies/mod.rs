//! Identifiers of persons in the bodies of requests: JSON, JSON lines, CSV, forms.
//!
//! A body decides how many persons are counted, so it is read in one way or not at all. The type that its header states has to
//! be the one that the rule reads; a body without a stated type is read as the rule says. A compressed body is not read.
//! Messages never repeat anything of a body.

mod csv;
mod form;
mod lines;
mod media_type;

use std::borrow::Cow;

use crate::domain::gateway::{BodyFault, BodySource, Fault, Header, Seen};
use crate::json;
use media_type::MediaType;

/// A body and what its headers say of it.
#[derive(Debug, Clone, Copy)]
pub struct WholeBody<'b> {
    bytes: &'b [u8],
    content_type: Header<'b>,
    content_encoding: Header<'b>,
}

impl<'b> WholeBody<'b> {
    /// Returns the body of a request, whole, with the request's own headers.
    pub fn of<S: Seen + ?Sized>(bytes: &'b [u8], seen: &'b S) -> Self {
        Self { bytes, content_type: seen.header("content-type"), content_encoding: seen.header("content-encoding") }
    }

    /// Returns the identifiers at a place, in the order of the body.
    ///
    /// # Errors
    /// The body has another type, is compressed or malformed, or an identifier is missing or ambiguous.
    pub fn identifiers(self, source: &BodySource) -> Result<Vec<Cow<'b, str>>, Fault> {
        match self.content_encoding {
            Header::Absent | Header::NotSeen => {}
            Header::Text(coding) if coding.eq_ignore_ascii_case("identity") || coding.is_empty() => {}
            Header::Text(_) | Header::Repeated | Header::NotText => return Err(Fault::Body(BodyFault::Compressed)),
        }
        let media_type = self.media_type(source)?;
        match source {
            BodySource::Json(path) => json::identifiers(self.bytes, path),
            BodySource::Lines(path) => lines::identifiers(self.bytes, path),
            BodySource::Csv(column) => csv::identifiers(self.bytes, column),
            BodySource::Form(field) => form::identifiers(self.bytes, field, media_type),
        }
    }

    /// Returns the stated type, which has to be one that the rule reads.
    fn media_type(self, source: &BodySource) -> Result<Option<MediaType<'b>>, Fault> {
        let other = || Fault::Body(BodyFault::OtherType);
        let text = match self.content_type {
            Header::Absent | Header::NotSeen => return Ok(None),
            Header::Text(text) => text,
            Header::Repeated | Header::NotText => return Err(other()),
        };
        let media_type = MediaType::parse(text).ok_or_else(other)?;
        if media_type.is_of(source) && media_type.is_utf8() { Ok(Some(media_type)) } else { Err(other()) }
    }
}

#[cfg(test)]
mod tests;
