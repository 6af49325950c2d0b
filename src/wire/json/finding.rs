//! What is wrong with a text of JSON: each finding with its place, in English and Chinese, and not more than anybody reads.
//!
//! Texts come from strangers. However many mistakes one has, and however long its names are, what is said of them stays
//! short: see [`Findings`].

use std::fmt;

use crate::json::Syntax;
use crate::wire::refusal::labels::shown;

/// Most findings of one text that are listed.
pub(crate) const FINDINGS_MAX: usize = 32;
/// Bytes of findings after which no more are listed. One has some 300 to 1,000.
const FINDINGS_BYTES_MAX: usize = 8_192;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The path of the field, such as `persons.general`; empty for the text as a whole.
    pub field: String,
    /// What is wrong and what to do, in English.
    pub en: String,
    /// The same in Chinese.
    pub zh: String,
}

impl Finding {
    /// Returns what is wrong with the text as a whole.
    pub(crate) fn of_the_whole(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { field: String::new(), en: en.into(), zh: zh.into() }
    }
}

/// Findings, up to a number and a size. The last says whether there are more.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    listed: Vec<Finding>,
    bytes: usize,
    is_full: bool,
}

impl Findings {
    /// Adds a finding, where there is room for it.
    pub(crate) fn add(&mut self, field: impl Into<String>, en: impl Into<String>, zh: impl Into<String>) {
        if self.is_full {
            return;
        }
        if self.listed.len() < FINDINGS_MAX && self.bytes < FINDINGS_BYTES_MAX {
            let finding = Finding { field: field.into(), en: en.into(), zh: zh.into() };
            self.bytes += finding.field.len() + finding.en.len() + finding.zh.len();
            self.listed.push(finding);
        } else {
            self.is_full = true;
            self.listed.push(Finding::of_the_whole(
                "more is wrong and not listed: mend this first",
                "还有其他问题未列出：请先修正以上各项",
            ));
        }
    }

    /// Says whether nothing more is listed, so that nobody need look any further.
    pub(crate) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Says whether nothing is wrong.
    pub(crate) const fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Returns the error that they are, if there are any.
    pub(crate) fn into_result(self) -> Result<(), JsonError> {
        if self.listed.is_empty() { Ok(()) } else { Err(JsonError { findings: self.listed }) }
    }
}

/// Why a text is not the message that it should be. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Finding { field, en, zh }) in self.findings.iter().enumerate() {
            let (line_end, colon) = (if index == 0 { "" } else { "\n" }, if field.is_empty() { "" } else { ": " });
            write!(f, "{line_end}{field}{colon}{en} / {zh}")?;
        }
        Ok(())
    }
}

impl std::error::Error for JsonError {}

impl JsonError {
    /// Returns the error of a text of which one thing is wrong as a whole.
    pub(crate) fn of_the_whole(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { findings: vec![Finding::of_the_whole(en, zh)] }
    }

    /// Returns the error of a text that is not JSON.
    pub(crate) fn syntax(syntax: Syntax) -> Self {
        let (en, zh) = syntax.texts();
        Self::of_the_whole(en, zh)
    }

    /// Returns the error of what is wrong with the program, not with a text.
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
    fn whatever_is_wrong_little_is_said() {
        let mut many = Findings::default();
        for _ in 0..100_000 {
            many.add("a", "b", "c");
        }
        let JsonError { findings } = many.into_result().unwrap_err();
        assert_eq!(findings.len(), FINDINGS_MAX + 1);
        assert!(findings.last().unwrap().en.contains("not listed"));

        let mut long = Findings::default();
        for _ in 0..FINDINGS_MAX {
            long.add("a", "b".repeat(1_000), "c");
        }
        assert!(long.is_full());
        assert!(long.into_result().unwrap_err().to_string().len() < FINDINGS_BYTES_MAX + 2_000);
        assert_eq!(Findings::default().into_result(), Ok(()));
    }
}
