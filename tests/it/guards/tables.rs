//! Tables that have to name everything the code has: reason codes in the cases, diagnostics and settings in the documents.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use neglist::config::keys::KEYS;
use neglist::domain::reason::ReasonCode;
use neglist::policy::codes::{EXPLANATIONS, Explanation};
use neglist::policy::source::Document;
use neglist::policy::source::cases::WantOutcome;

use super::tree::sources;
use crate::support::shipped;

/// A reason code without a case on both sides could be wrong unnoticed.
#[test]
fn each_reason_code_has_a_case_that_permits_and_one_that_refuses() {
    let mut permits = BTreeSet::new();
    let mut refuses = BTreeSet::new();
    for source in shipped::tests() {
        let Document::Test(file) = source.document else { continue };
        for case in file.cases {
            let Some(outcome) = case.want.outcome else { continue };
            let side = if outcome == WantOutcome::Allow { &mut permits } else { &mut refuses };
            side.extend(case.about.iter().map(|code| code.value.0.to_string()));
        }
    }
    // No list is in force before 2024: the moment is refused or the strictest outcome applies; see `policy::decisions`.
    let codes = ReasonCode::ALL.iter().filter(|code| **code != ReasonCode::NoRulesInForce);
    let missing: Vec<_> =
        codes.map(|code| code.name()).filter(|code| !permits.contains(*code) || !refuses.contains(*code)).collect();
    assert!(missing.is_empty(), "no case on both sides of {missing:?}");
}

/// Every code of a diagnostic, as the code writes it: a letter and three digits in quotes.
fn diagnostic_codes(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').filter(|word| {
        let digits = word.strip_prefix(['P', 'D']);
        digits.is_some_and(|digits| digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[test]
fn every_diagnostic_code_has_an_explanation() {
    let explained: Vec<String> = EXPLANATIONS.iter().map(|explanation| explanation.code.to_owned()).collect();
    let texts = sources();
    let texts = texts.iter().filter(|(name, _)| name.starts_with("policy/") || name.starts_with("live/"));
    // The table itself names every code.
    let texts = texts.filter(|(name, _)| name.as_str() != "policy/codes.rs");
    let used: BTreeSet<String> = texts.flat_map(|(_, text)| diagnostic_codes(text)).map(str::to_owned).collect();
    assert_eq!(used, explained.iter().cloned().collect());
    assert_eq!(used.len(), explained.len(), "a code has two explanations");
}

#[test]
fn every_explanation_is_in_both_languages() {
    let is_chinese = |text: &str| text.contains(|character| ('\u{4e00}'..='\u{9fff}').contains(&character));
    for Explanation { code, severities, problem_en, problem_zh, fix_en, fix_zh } in EXPLANATIONS {
        assert!(is_chinese(problem_zh) && is_chinese(fix_zh), "{code}");
        assert!(!is_chinese(problem_en) && !is_chinese(fix_en), "{code}");
        let mut ascending = severities.to_vec();
        ascending.sort_unstable();
        assert!(!severities.is_empty() && ascending == *severities, "{code}: {severities:?}");
        for text in [problem_en, problem_zh, fix_en, fix_zh] {
            assert!(
                !text.is_empty() && !text.ends_with(['.', '。', ' ']) && !text.contains(['|', '\n']),
                "{code}: {text}"
            );
        }
    }
}

#[test]
fn the_page_of_diagnostics_is_the_table_of_explanations() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/diagnostics.md");
    let page = fs::read_to_string(path).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| P") || line.starts_with("| D"));
    let expected = EXPLANATIONS.iter().map(|explanation| {
        let Explanation { code, severities, problem_en, problem_zh, fix_en, fix_zh } = explanation;
        let severities: Vec<&str> = severities.iter().map(|severity| severity.name()).collect();
        let severities = severities.join(", ");
        format!("| {code} | {severities} | {problem_en}<br>{problem_zh} | {fix_en}<br>{fix_zh} |")
    });
    for (row, expected) in rows.clone().zip(expected) {
        assert_eq!(row, expected, "docs/diagnostics.md is not the table in policy/codes.rs");
    }
    assert_eq!(rows.count(), EXPLANATIONS.len());
}

#[test]
fn every_setting_is_in_the_docs_with_its_default_and_its_meaning() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    let text = fs::read_to_string(path).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    for key in KEYS {
        let begin = format!("| `{}` | `{}` |", key.name, key.default);
        let found: Vec<_> = rows.iter().filter(|row| row.starts_with(&begin)).collect();
        let [row] = found.as_slice() else {
            panic!("docs/settings.md has no row, or several, that begin with {begin}")
        };
        let meaning = format!("| {} |", key.comment.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "));
        assert!(row.contains(&meaning), "docs/settings.md says of {} something else than\n{meaning}", key.name);
    }
    assert_eq!(rows.len(), KEYS.len(), "docs/settings.md has a setting that does not exist");
}
