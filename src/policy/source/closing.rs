//! The last line of every file: `complete: yes`.
//!
//! A file that is still being written, or was truncated, may well be valid: nothing else shows a missing rule, or a
//! number that lost its last digits. So each file states at its end that it is complete.
//!
//! INVARIANT (whole): if a file is accepted, no proper prefix of it is accepted, unless the prefix lacks only blanks
//! and comments after the last line. An accepted prefix ends with the last line, and the parser reads from left to
//! right: after that line the whole file has only blanks and comments, or content that makes the whole file fail here.
//!
//! The invariant holds for prefixes. A file that is overwritten in place without truncation has a new beginning and the
//! old end, which brings its own last line: nothing within the file distinguishes such a mix from a version. Programs
//! that write in this way are not suitable; `policies/README.md` says so.

use serde_json::{Map, Value as Json, json};

use crate::policy::decode::{Context, Decode};
use crate::policy::diagnostic::{Span, clip};

use crate::policy::yaml::{Node, Value};

/// The last line.
pub const LAST_LINE: &str = "complete: yes";
/// Its key.
const KEY: &str = "complete";
/// Its value.
const VALUE: &str = "yes";

/// The value of the last key. [`check`] reports a wrong value, with the line to add.
#[derive(Debug, Clone, Copy)]
pub struct Complete;

impl Decode for Complete {
    fn decode(_: &Node, _: &mut Context<'_>) -> Option<Self> {
        Some(Complete)
    }

    fn absent() -> Option<Self> {
        Some(Complete)
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "const": VALUE })
    }
}

/// Reports a file that does not end with [`LAST_LINE`], both as text and as the last key.
pub(super) fn check(node: &Node, text: &str, cx: &mut Context<'_>) {
    // An empty file has a diagnostic of its own.
    let keys = match &node.value {
        Value::Map(pairs) => pairs.as_slice(),
        Value::Null => return,
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Seq(_) => &[],
    };
    if let Some((key, _)) = keys.iter().rev().skip(1).find(|(key, _)| key.name.as_ref() == KEY) {
        report(key.span, "`complete: yes` is not the last line of the file", MOVE_IT, cx);
        return;
    }
    let is_last_key = keys.last().is_some_and(|(key, value)| {
        key.name.as_ref() == KEY && matches!(&value.value, Value::Text(text) if text.as_ref() == VALUE)
    });
    if !is_last_key || !ends_with_it(text) {
        missing(text, cx);
    }
}

/// Reports a text that does not end with [`LAST_LINE`], even if it is not YAML.
pub(super) fn check_text(text: &str, cx: &mut Context<'_>) {
    if !ends_with_it(text) {
        missing(text, cx);
    }
}

const MOVE_IT: &str = "move that line to the end of the file: a truncation after it would go unnoticed \
    / 请将该行移到文件末尾：其后的内容被截断时无法察觉";
const ADD_IT: &str = "wait until the file is complete; if it is, add this last line, in the first column: `complete: yes` / 请等文件写完；如文件完整，请在末尾顶格加上一行：`complete: yes`";

fn missing(text: &str, cx: &mut Context<'_>) {
    let message = "the file does not end with the line `complete: yes`: it is truncated, or still being written \
        / 文件末尾没有 `complete: yes` 一行：文件被截断，或尚未写完";
    if let Some((span, value)) = nearly(text) {
        let message = "the last line must be exactly `complete: yes` / 最后一行须写作 `complete: yes`，不得有异";
        let help = if value == VALUE {
            "write `complete: yes`: one space after `:`, and nothing after `yes` \
                / 请写 `complete: yes`：`:` 之后一个空格，`yes` 之后没有其他字符"
                .to_owned()
        } else {
            let value = clip(value);
            format!(
                "if the file is complete, write `complete: yes` in place of `{value}` \
                / 如文件完整，请写 `complete: yes`，而不是 `{value}`"
            )
        };
        return report(span, message, &help, cx);
    }
    report(last_line(text), message, ADD_IT, cx);
}

fn report(span: Span, message: &str, help: &str, cx: &mut Context<'_>) {
    cx.error("P050", span, message.to_owned(), help.to_owned());
}

/// Says whether [`LAST_LINE`] is the last line, apart from blanks and comments. A text without it is always refused.
pub fn ends_with_it(text: &str) -> bool {
    last_with_content(text).1.strip_prefix(LAST_LINE).is_some_and(|rest| {
        let after_blanks = rest.trim_start_matches(is_blank);
        after_blanks.is_empty() || after_blanks.len() < rest.len() && after_blanks.starts_with('#')
    })
}

/// Returns the last line that is not only blanks and comments, and its offset.
fn last_with_content(text: &str) -> (usize, &str) {
    let says_something = |line: &str| !line.trim_matches(is_blank).is_empty() && !line.trim_start().starts_with('#');
    let mut end = text.len();
    for line in text.rsplit('\n') {
        let start = end.saturating_sub(line.len());
        if says_something(line) {
            return (start, line);
        }
        end = start.saturating_sub(1);
    }
    (0, "")
}

/// Returns the place of the last line, without its comment, and its value, if a person could take it for [`LAST_LINE`].
/// A prefix of that line does not count: it is truncated.
fn nearly(text: &str) -> Option<(Span, &str)> {
    let size = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let (offset, whole) = last_with_content(text);
    let line = whole.split(" #").next().unwrap_or(whole).trim_end_matches(is_blank);
    let (key, value) = line.split_once([':', '：'])?;
    let value = value.trim_matches(is_blank);
    if key != KEY || value != VALUE && VALUE.starts_with(value) {
        return None;
    }
    let before = text.get(..offset)?;
    let number = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
    Some((Span { line: size(number), column: 1, offset: size(offset), length: size(line.len()) }, value))
}

const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r')
}

/// Returns the place of the last line that is not blank.
fn last_line(text: &str) -> Span {
    let size = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let written = text.trim_end();
    let offset = written.rfind('\n').map_or(0, |newline| newline + 1);
    let line = 1 + written.bytes().filter(|byte| *byte == b'\n').count();
    Span { line: size(line), column: 1, offset: size(offset), length: size(written.len() - offset).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Limits, PolicyFile, compile, yaml};

    const HEAD: &str = "format: 1\nkind: registry\n";

    fn codes(text: &str) -> Vec<(&'static str, u32)> {
        let mut diagnostics = Vec::new();
        let node = yaml::parse("a.yaml", text, 32).unwrap();
        check(&node, text, &mut Context::new("a.yaml", &mut diagnostics));
        diagnostics.iter().map(|found| (found.code, found.span.unwrap().line)).collect()
    }

    #[test]
    fn a6_the_last_line_may_have_blanks_and_comments_after_it_and_nothing_else() {
        for end in ["complete: yes", "complete: yes\n", "complete: yes \t\r\n\r\n", "complete: yes # all of it\n# end"]
        {
            assert_eq!(codes(&format!("{HEAD}{end}")), [], "{end}");
        }
        for end in [
            "",
            "complete:",
            "complete: y",
            "complete: ye",
            "complete: yess",
            "complete: yes#",
            "complete: no",
            "complete: 'yes'",
            "complete: true",
            "complete: yes\n...\n",
            "complete: yes\n  or no",
            "# complete: yes",
            "note: |\n  complete: yes",
            "note: |\n  a\n  complete: yes\n",
            "note: 'a\n  complete: yes'",
        ] {
            assert_eq!(codes(&format!("{HEAD}{end}")).len(), 1, "{end}");
        }
        // An indented line may be a key of any mapping.
        assert_eq!(codes("  format: 1\n  complete: yes\n").len(), 1);
        assert_eq!(codes("{format: 1, complete: yes}").len(), 1);
    }

    #[test]
    fn f10_a_nearly_correct_last_line_is_reported_as_such() {
        let found = |end: &str| {
            let file = PolicyFile { path: "a.yaml".to_owned(), text: format!("{HEAD}exporters: []\n{end}") };
            let limits = Limits { entries_max: 10, depth_max: 32 };
            let found = compile(&[file], &limits).diagnostics;
            let found = found.into_iter().find(|found| found.code == "P050").unwrap();
            (found.message, found.help.unwrap(), found.span.unwrap().line)
        };
        for (end, named) in [
            ("complete: yes\u{a0}", "U+00A0"),
            ("complete: yes\u{3000}\n\n", "U+3000"),
            ("complete: yes\u{200b}\n# end\n", "U+200B"),
            ("complete: yes。", "句号（`。`"),
            ("complete:\u{a0}yes", "U+00A0"),
            ("complete： yes", "全角冒号"),
            ("complete: ｙｅｓ", "全角字符"),
            ("complete: 是", "in place of `是`"),
            ("complete: YES # all", "in place of `YES`"),
            ("complete: true", "in place of `true`"),
            ("complete: 'yes'", "in place of `'yes'`"),
            ("complete:  yes\n", "one space after `:`"),
            ("complete:yes\n", "one space after `:`"),
        ] {
            let (message, help, line) = found(end);
            assert!(message.starts_with("the last line must be exactly"), "{end:?}: {message}");
            assert!(help.contains(named) && help.contains("请写 `complete: yes`"), "{end:?}: {help}");
            assert_eq!(line, 4, "{end:?}");
        }
        for end in ["complete: ye", "complete:", "complete", "", "note: x"] {
            assert!(found(end).0.starts_with("the file does not end with"), "{end:?}");
        }
    }

    #[test]
    fn a6_the_place_is_the_last_line_or_the_key_that_is_not_last() {
        assert_eq!(codes(&format!("{HEAD}exporters: []\n\n")), [("P050", 3)]);
        assert_eq!(codes(&format!("{HEAD}complete: yes\nexporters: []\n")), [("P050", 3)]);
        // Of two such lines the first is not the last; the duplicate has a diagnostic of its own.
        assert_eq!(codes(&format!("{HEAD}complete: yes\ncomplete: yes\n")), [("P050", 3)]);
    }
}
