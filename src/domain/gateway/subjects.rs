//! Persons of a request: where a rule finds their identifiers, and how it reads them.
//!
//! A person without an identifier would be left out of the count, so nothing is skipped: an identifier that is missing, empty
//! or unreadable is a violation. A list without elements names no person.

use std::borrow::Cow;
use std::fmt;

use super::body_source::BodySource;
use super::labelled::{Fault, Origin, PathFault};
use super::place;
use super::query;
use super::seen::{Context, HeaderValues, Seen};
use crate::domain::persons::{IDENTIFIER_BYTES_MAX, Identifier, IdentifierFault, Kind, Normalise, Subject};

/// Where a rule finds persons, and what makes two of them the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenSubjects {
    /// The place in the request.
    pub source: SubjectSource,
    /// Kind of the identifiers.
    pub kind: Kind,
    /// Normalisation of the identifiers.
    pub normalise: Normalise,
}

/// The place of identifiers in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectSource {
    /// The body.
    Body(BodySource),
    /// A segment of the path.
    Path(PathTemplate),
    /// A parameter of the query, each time it is there.
    Query(Box<str>),
    /// A header by its name in lower case: one identifier, or several with commas between them.
    Header(Box<str>),
    /// A key of the context.
    Context(Box<str>),
}

/// A path with one segment left open: `/v1/patients/{}/records`. It fits each path that begins with it, in whole segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate {
    /// Segments before the open one, each with its slash in front.
    before: Box<str>,
    /// Segments behind it, likewise.
    behind: Box<str>,
}

impl PathTemplate {
    /// Reads a template; `None` for a text without exactly one segment `{}`, or whose other segments are no path in the normal
    /// form of [`super::path`].
    pub fn parse(text: &str) -> Option<Self> {
        let (before, behind) = text.split_once("/{}")?;
        let is_path = |part: &str| part.is_empty() || place::path(part).is_ok_and(|path| path.as_deref() == Some(part));
        let has_slash_at_end = before.ends_with('/') || behind.ends_with('/');
        let is_template = is_path(before) && is_path(behind) && !behind.contains("{}") && !has_slash_at_end;
        is_template.then(|| Self { before: before.into(), behind: behind.into() })
    }

    /// Returns the open segment of a path, without its encoding.
    fn segment<'p>(&self, path: &'p str) -> Result<Cow<'p, str>, Fault> {
        let rest = path.strip_prefix(&*self.before).and_then(|rest| rest.strip_prefix('/')).ok_or(Fault::Missing)?;
        let (segment, behind) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let fits = behind.strip_prefix(&*self.behind).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if !fits {
            return Err(Fault::Missing);
        }
        query::decoded(segment, query::Plus::IsPlus).ok_or(Fault::Path(PathFault::Encoding))
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{{}}{}", self.before, self.behind)
    }
}

impl GivenSubjects {
    /// Returns the persons that a request names, in the order of the request.
    ///
    /// # Errors
    /// The request does not name them readably.
    pub(super) fn read<S: Seen + ?Sized>(&self, seen: &S) -> Result<Vec<Subject>, Fault> {
        let texts = self.source.texts(seen)?;
        let subject = |text: &Cow<'_, str>| {
            let identifier = Identifier::new(text, self.normalise).map_err(identifier_fault)?;
            Ok(Subject { kind: self.kind.clone(), identifier })
        };
        texts.iter().map(subject).collect()
    }
}

impl SubjectSource {
    /// Returns the place as messages name it.
    pub fn origin(&self) -> Origin {
        match self {
            Self::Body(BodySource::Json(path)) => Origin::Body(path.to_string()),
            Self::Body(BodySource::Lines(path)) => Origin::Lines(path.to_string()),
            Self::Body(BodySource::Csv(column)) => Origin::Csv(column.to_string()),
            Self::Body(BodySource::Form(field)) => Origin::Form(field.to_string()),
            Self::Path(template) => Origin::Segment(template.to_string()),
            Self::Query(name) => Origin::Query(name.to_string()),
            Self::Header(name) => Origin::Header(name.to_string()),
            Self::Context(key) => Origin::Context(key.to_string()),
        }
    }

    fn texts<'s, S: Seen + ?Sized>(&self, seen: &'s S) -> Result<Vec<Cow<'s, str>>, Fault> {
        match self {
            Self::Body(source) => seen.identifiers(source),
            Self::Path(template) => {
                let path = place::path(seen.path().unwrap_or_default()).map_err(Fault::Path)?;
                let path = path.ok_or(Fault::NotSeen)?;
                Ok(vec![Cow::Owned(template.segment(&path)?.into_owned())])
            }
            Self::Query(name) => {
                let path = seen.path().filter(|path| !path.is_empty()).ok_or(Fault::NotSeen)?;
                let query = path.split_once('?').map_or("", |(_, query)| query);
                query::values(query, name)
            }
            Self::Header(name) => in_header(seen, name),
            Self::Context(key) => match seen.context(key) {
                Context::Absent => Err(Fault::Missing),
                Context::NotSeen => Err(Fault::NotSeen),
                Context::Text(text) => Ok(vec![Cow::Borrowed(text)]),
            },
        }
    }
}

/// Returns the values of a header, one for each part between commas (RFC 9110, section 5.3).
fn in_header<'s, S: Seen + ?Sized>(seen: &'s S, name: &str) -> Result<Vec<Cow<'s, str>>, Fault> {
    let values = match seen.header_values(name) {
        HeaderValues::Absent => return Err(Fault::Missing),
        HeaderValues::NotSeen => return Err(Fault::NotSeen),
        HeaderValues::NotText => return Err(Fault::NotText),
        HeaderValues::Repeated => return Err(Fault::Repeated),
        HeaderValues::Texts(values) => values,
    };
    // A list in quotes has commas of its own, and which of them separate is not guessed.
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"';
    if !values.iter().all(|value| value.bytes().all(is_plain)) {
        return Err(Fault::NotText);
    }
    Ok(values
        .into_iter()
        .flat_map(|value| value.split(','))
        .map(|part| Cow::Borrowed(part.trim_matches(' ')))
        .collect())
}

fn identifier_fault(fault: IdentifierFault) -> Fault {
    match fault {
        IdentifierFault::Empty => Fault::Empty,
        IdentifierFault::TooLong { bytes } => Fault::TooLong { bytes, max: IDENTIFIER_BYTES_MAX },
        IdentifierFault::OtherDigit => Fault::OtherDigit,
    }
}

#[cfg(test)]
#[path = "subjects_tests.rs"]
mod tests;
