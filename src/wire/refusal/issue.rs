//! An issue: one fault in words, in the same shape for every answer.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The field concerned; empty for the request as a whole.
    pub field: String,
    /// Stable code in capitals, such as `UNKNOWN_CODE`; empty where there is none.
    pub code: &'static str,
    /// The fault and the fix, in English.
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
