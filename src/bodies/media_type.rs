//! The type of a body as its header states it (RFC 9110, section 8.3).

use crate::domain::gateway::BodySource;

/// A media type with its parameters, as sent.
pub(super) struct MediaType<'h> {
    /// Type and subtype.
    essence: &'h str,
    /// Names and values, without quotes. No name is there twice.
    parameters: Vec<(&'h str, &'h str)>,
}

impl<'h> MediaType<'h> {
    /// Reads a header; `None` for a text with several types, and for parameters that readers take apart differently: of two
    /// boundaries, each divides the body into other parts.
    pub(super) fn parse(text: &'h str) -> Option<Self> {
        let end = text.find(';').unwrap_or(text.len());
        let (essence, mut rest) = text.split_at_checked(end)?;
        let essence = essence.trim();
        if essence.is_empty() || essence.contains(',') {
            return None;
        }
        let mut parameters: Vec<(&str, &str)> = Vec::new();
        while let Some(parameter) = rest.strip_prefix(';').map(str::trim_start) {
            if parameter.is_empty() || parameter.starts_with(';') {
                rest = parameter;
                continue;
            }
            let (name, value, behind) = self::parameter(parameter)?;
            if parameters.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                return None;
            }
            parameters.push((name, value));
            rest = behind;
        }
        rest.is_empty().then_some(Self { essence, parameters })
    }

    /// Says whether a rule reads bodies of this type at a place.
    pub(super) fn is_of(&self, source: &BodySource) -> bool {
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
            // Without a header, the first row is a person.
            BodySource::Csv(_) => {
                let has_header = self.parameter("header").is_none_or(|word| word.eq_ignore_ascii_case("present"));
                is_one(&["text/csv", "application/csv"]) && has_header
            }
            BodySource::Form(_) => is_one(&["application/x-www-form-urlencoded"]) || self.is_multipart(),
        }
    }

    /// Says whether the body has several parts.
    pub(super) fn is_multipart(&self) -> bool {
        self.essence.eq_ignore_ascii_case("multipart/form-data")
    }

    /// Says whether the body is UTF-8 as far as the header tells.
    pub(super) fn is_utf8(&self) -> bool {
        let charset = self.parameter("charset");
        charset.is_none_or(|name| ["utf-8", "utf8", "us-ascii"].iter().any(|known| name.eq_ignore_ascii_case(known)))
    }

    /// Says whether it is text in one part, as far as the header tells.
    pub(super) fn is_one_text(&self) -> bool {
        self.is_utf8() && !self.essence.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
    }

    /// Returns the value of a parameter, without quotes.
    pub(super) fn parameter(&self, name: &str) -> Option<&'h str> {
        self.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// Reads a parameter: its name, its value, and the text behind it. `None` for escapes in quotes, and for a name with a `*`,
/// which has its value in another encoding (RFC 2231).
fn parameter(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
    if name.is_empty() || !name.bytes().all(is_name) {
        return None;
    }
    if let Some(quoted) = rest.strip_prefix('"') {
        let (value, behind) = quoted.split_once('"')?;
        return (!value.contains('\\')).then_some((name, value, behind.trim_start()));
    }
    let (value, behind) = rest.split_at_checked(rest.find(';').unwrap_or(rest.len()))?;
    let value = value.trim_end();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b'\\');
    (!value.is_empty() && value.bytes().all(is_plain)).then_some((name, value, behind))
}
