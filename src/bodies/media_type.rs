//! The type of a body as its header states it (RFC 9110, section 8.3).

use crate::domain::gateway::BodySource;

/// A media type with its parameters, as sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct MediaType<'h> {
    /// Type and subtype.
    essence: &'h str,
    /// Parameters.
    parameters: &'h str,
}

impl<'h> MediaType<'h> {
    /// Reads a header; `None` for a text with several types.
    pub(super) fn parse(text: &'h str) -> Option<Self> {
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        let essence = essence.trim();
        (!essence.is_empty() && !essence.contains(',')).then_some(Self { essence, parameters })
    }

    /// Says whether a rule reads bodies of this type at a place.
    pub(super) fn is_of(self, source: &BodySource) -> bool {
        let is_one = |types: &[&str]| types.iter().any(|name| self.essence.eq_ignore_ascii_case(name));
        match source {
            BodySource::Json(_) => {
                is_one(&["application/json", "text/json"]) || self.essence.to_ascii_lowercase().ends_with("+json")
            }
            BodySource::Lines(_) => is_one(&[
                "application/x-ndjson",
                "application/ndjson",
                "application/jsonl",
                "application/x-jsonlines",
                "application/jsonlines",
            ]),
            BodySource::Csv(_) => is_one(&["text/csv", "application/csv"]),
            BodySource::Form(_) => is_one(&["application/x-www-form-urlencoded"]) || self.is_multipart(),
        }
    }

    /// Says whether the body has several parts.
    pub(super) fn is_multipart(self) -> bool {
        self.essence.eq_ignore_ascii_case("multipart/form-data")
    }

    /// Says whether the body is UTF-8 as far as the header tells.
    pub(super) fn is_utf8(self) -> bool {
        let charset = self.parameter("charset");
        charset.is_none_or(|name| ["utf-8", "utf8", "us-ascii"].iter().any(|known| name.eq_ignore_ascii_case(known)))
    }

    /// Returns the value of a parameter, without quotes.
    pub(super) fn parameter(self, name: &str) -> Option<&'h str> {
        let parameters = self.parameters.split(';').filter_map(|parameter| parameter.split_once('='));
        let mut values = parameters.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim().trim_matches('"'))
    }
}
