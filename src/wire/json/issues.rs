//! The issues of a JSON text: each with its place, in English and Chinese, and no more than a person reads.
//!
//! Texts come from strangers. However many mistakes a text has, and however long its names are, the answer stays short: see
//! [`Issues`].

use std::fmt;

use crate::json::Syntax;
use crate::wire::refusal::Issue;
use crate::wire::refusal::labels::shown;

/// The code of an issue of a text.
const CODE: &str = "MALFORMED";
/// Most issues of one text that are listed.
pub(crate) const ISSUES_MAX: usize = 32;
/// Bytes of issues after which no more are listed. One has some 300 to 1,000.
const ISSUES_BYTES_MAX: usize = 8_192;

/// Issues, up to a number and a size. The last says whether there are more.
#[derive(Debug, Default)]
pub(crate) struct Issues {
    listed: Vec<Issue>,
    bytes: usize,
    is_full: bool,
}

impl Issues {
    /// Adds an issue, where there is room for it.
    pub(crate) fn add(&mut self, field: impl Into<String>, en: impl Into<String>, zh: impl Into<String>) {
        if self.is_full {
            return;
        }
        if self.listed.len() < ISSUES_MAX && self.bytes < ISSUES_BYTES_MAX {
            let issue = Issue::new(field, CODE, (en.into(), zh.into()));
            self.bytes += issue.field.len() + issue.en.len() + issue.zh.len();
            self.listed.push(issue);
        } else {
            self.is_full = true;
            self.listed.push(Issue::of_the_whole(
                CODE,
                "there are more faults that are not listed: correct these first",
                "还有其他问题未列出：请先修正以上各项",
            ));
        }
    }

    /// Adds the issue of a name that an object has twice; the name's path is the field.
    pub(crate) fn add_duplicate(&mut self, field: impl Into<String>, noun_en: &str, noun_zh: &str) {
        self.add(field, format!("duplicate {noun_en}: keep one"), format!("该{noun_zh}重复：请只保留一个"));
    }

    /// Says whether no more issues are listed, so that the search can end.
    pub(crate) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Says whether nothing is wrong.
    pub(crate) const fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Returns the issues as an error, if there are any.
    pub(crate) fn into_result(self) -> Result<(), JsonError> {
        if self.listed.is_empty() { Ok(()) } else { Err(JsonError { issues: self.listed }) }
    }
}

/// Why a text is not the message that it should be. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// The issues of the text.
    pub issues: Vec<Issue>,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, issue) in self.issues.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{issue}")?;
        }
        Ok(())
    }
}

impl std::error::Error for JsonError {}

impl JsonError {
    /// Returns the error of a text with one issue as a whole.
    pub(crate) fn of_the_whole(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { issues: vec![Issue::of_the_whole(CODE, en, zh)] }
    }

    /// Returns the error of a text that is not JSON.
    pub(crate) fn syntax(syntax: Syntax) -> Self {
        let (en, zh) = syntax.texts();
        Self::of_the_whole(en, zh)
    }

    /// Returns the error of a fault of the program, not of a text.
    pub(crate) fn ours(error: &impl fmt::Display) -> Self {
        let error = shown(&error.to_string());
        Self::of_the_whole(
            format!("the contract's JSON cannot be handled: {error}"),
            format!("无法处理契约的 JSON：{error}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_short_for_any_faults() {
        let mut many = Issues::default();
        for _ in 0..100_000 {
            many.add("a", "b", "c");
        }
        let JsonError { issues } = many.into_result().unwrap_err();
        assert_eq!(issues.len(), ISSUES_MAX + 1);
        assert!(issues.last().unwrap().en.contains("not listed"));

        let mut long = Issues::default();
        for _ in 0..ISSUES_MAX {
            long.add("a", "b".repeat(1_000), "c");
        }
        assert!(long.is_full());
        assert!(long.into_result().unwrap_err().to_string().len() < ISSUES_BYTES_MAX + 2_000);
        assert_eq!(Issues::default().into_result(), Ok(()));
    }
}
