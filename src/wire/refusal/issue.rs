//! One thing that is wrong, in words: the one shape for every answer that says so.

use std::fmt;

use crate::wire::refusal::grpc;

/// Most bytes of issues that one refusal lists; the first is listed whatever its size.
///
/// A status travels in HTTP/2 headers, which many clients and proxies bound to 8 KiB together. Headers encode the details in
/// base64, 4 bytes for 3, and percent-encode the message. The message is one English text, at most 900 bytes as worst case
/// (a code of 128 control characters and its escapes), and the details repeat it: (3,072 + 900) · 4/3 + 900 · 1.7 ≈ 6,900,
/// which leaves a margin of a kibibyte for the rest.
pub(crate) const ISSUES_BYTES_MAX: usize = 3_072;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The field concerned; empty for the request as a whole.
    pub field: String,
    /// Stable code in capitals, such as `UNKNOWN_CODE`; empty where there is none.
    pub code: &'static str,
    /// What is wrong and what to do, in English.
    pub en: String,
    /// The same in Chinese.
    pub zh: String,
}

impl Issue {
    /// Returns an issue with a field.
    pub fn new(field: impl Into<String>, code: &'static str, (en, zh): (String, String)) -> Self {
        Self { field: field.into(), code, en, zh }
    }

    /// Returns an issue with the request as a whole.
    pub(crate) fn of_the_whole(code: &'static str, en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { field: String::new(), code, en: en.into(), zh: zh.into() }
    }

    /// Returns the English text, after the field where there is one.
    pub(crate) fn located_en(&self) -> String {
        located(&self.field, &self.en)
    }
}

/// On one line, in both languages.
impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, code: _, en, zh } = self;
        let colon = if field.is_empty() { "" } else { ": " };
        write!(f, "{field}{colon}{en} / {zh}")
    }
}

fn located(field: &str, text: &str) -> String {
    if field.is_empty() { text.to_owned() } else { format!("{field}: {text}") }
}

/// Returns the first issues, as many as a status has room for.
pub(super) fn listed(all: impl Iterator<Item = Issue>) -> Vec<Issue> {
    let mut listed: Vec<Issue> = Vec::new();
    let mut bytes = 0;
    for issue in all {
        bytes += grpc::encoded_len(&issue);
        if !listed.is_empty() && ISSUES_BYTES_MAX < bytes {
            break;
        }
        listed.push(issue);
    }
    listed
}

/// Most issues on one line.
const JOINED_MAX: usize = 8;

/// Returns issues on one line, in English and in Chinese: the first few of many.
pub fn joined(issues: &[Issue]) -> (String, String) {
    let line = |text: fn(&Issue) -> &str, separator: &str| {
        let parts = issues.iter().take(JOINED_MAX).map(|issue| located(&issue.field, text(issue)));
        let more = (JOINED_MAX < issues.len()).then(|| "…".to_owned());
        parts.chain(more).collect::<Vec<_>>().join(separator)
    };
    (line(|issue| &issue.en, "; "), line(|issue| &issue.zh, "；"))
}
