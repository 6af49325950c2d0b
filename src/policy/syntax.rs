//! YAML syntax errors in our words, at their place.
//!
//! The parser's own texts speak of events, budgets and block mappings. The author of a policy file needs to know what
//! to change.

use serde_saphyr::budget::BudgetBreach;

use super::diagnostic::{Diagnostic, Severity, Span};

/// Returns the diagnostic for an error of the parser.
pub(super) fn diagnostic(file: &str, text: &str, depth_max: usize, error: &serde_saphyr::Error) -> Diagnostic {
    let location = error.location().filter(|location| location.line() != 0);
    let Wording { message, help } = wording(error, depth_max);
    Diagnostic {
        code: "P001",
        severity: Severity::Error,
        file: file.to_owned(),
        span: location.map(|location| place(text, location.line(), location.column())),
        message,
        help: Some(help.to_owned()),
    }
}

struct Wording {
    message: String,
    help: &'static str,
}

fn wording(error: &serde_saphyr::Error, depth_max: usize) -> Wording {
    let fixed = |message: &str, help| Wording { message: message.to_owned(), help };
    let too_deep = || Wording {
        message: format!("the file is nested more than {depth_max} deep"),
        help: "files of this format are a few levels deep; `policy_depth_max` is the limit",
    };
    match error {
        serde_saphyr::Error::Budget { breach, .. } => match breach {
            BudgetBreach::Depth { .. } => too_deep(),
            BudgetBreach::Anchors { .. } => fixed("anchors (`&name`) are not part of the format", WRITE_IT_OUT),
            BudgetBreach::Aliases { .. } => fixed("aliases (`*name`) are not part of the format", WRITE_IT_OUT),
            BudgetBreach::MergeKeys { .. } => fixed(MERGE_KEY, WRITE_IT_OUT),
            BudgetBreach::Nodes { .. } => Wording {
                message: format!("the file has more than one value for each {NODE_BYTES_MIN} bytes"),
                help: "lists of lists and values of one letter are not part of the format: follow the examples in `policies/README.md`",
            },
            BudgetBreach::Documents { .. } => fixed("the file has more than one document", ONE_DOCUMENT),
            _ => fixed("the file exceeds a limit of the YAML parser", "split it into several files"),
        },
        serde_saphyr::Error::UnknownAnchor { .. } | serde_saphyr::Error::AliasError { .. } => {
            fixed("aliases (`*name`) are not part of the format", WRITE_IT_OUT)
        }
        serde_saphyr::Error::MergeKeyNotAllowed { .. } => fixed(MERGE_KEY, WRITE_IT_OUT),
        serde_saphyr::Error::MultipleDocuments { .. } => fixed("the file has more than one document", ONE_DOCUMENT),
        serde_saphyr::Error::Eof { .. } => {
            fixed("the file is empty", "begin it with `format: 1` and `kind: …`, or remove the file")
        }
        other => of_text(&bare(other), too_deep),
    }
}

const WRITE_IT_OUT: &str = "write the value out wherever it is needed";
const MERGE_KEY: &str = "merge keys (`<<`) are not part of the format";
const ONE_DOCUMENT: &str = "remove the line `---`, or put what follows it into a file of its own";
const QUOTES: &str = "put a text with `: `, `, `, `#` or brackets in it in quotes; close every bracket";
const INDENTATION: &str = "indent with two spaces a level; keys of one mapping begin in one column";

/// Part of the scanner's message, our message, and the fix. The first match counts.
const WORDINGS: &[(&str, &str, &str)] = &[
    ("tabs disallowed", "there is a tab where spaces are needed", NO_TABS),
    ("tab cannot be used", "there is a tab where spaces are needed", NO_TABS),
    ("cannot start with a tab", "there is a tab where spaces are needed", NO_TABS),
    ("expected ',' or '}'", "a `,` or `}` is missing here or just before", QUOTES),
    ("expected ',' or ']'", "a `,` or `]` is missing here or just before", QUOTES),
    ("illegal placement of ':'", "a `,` or `]` is missing here or just before", QUOTES),
    ("unclosed bracket", "a bracket is opened here and never closed", QUOTES),
    ("mismatched bracket", "a bracket is closed by one of another kind", QUOTES),
    ("misplaced bracket", "a bracket is closed that was never opened", QUOTES),
    ("non-finite float", "a number is too large, or is not a number", PLAIN_NUMBER),
    ("unclosed quote", "a quote is opened here and never closed", CLOSE_QUOTE),
    ("invalid trailing content after", "there is text after the closing quote", CLOSE_QUOTE),
    ("unknown escape character", "a backslash in double quotes precedes a character that it cannot escape", ESCAPE),
    ("did not find expected key", "the line does not fit the mapping around it", INDENTATION),
    ("did not find expected '-'", "the line does not fit the list around it", INDENTATION),
    ("invalid indentation", "the indentation does not fit the lines above", INDENTATION),
    ("block sequence entries are not allowed", "there is a list element (`- `) where none is allowed", INDENTATION),
    ("simple key", "a line is neither `key: value` nor part of the text above it", KEY_AND_VALUE),
    ("mapping values are not allowed", "there is a `:` where no key is allowed", QUOTES),
    ("mapping keys are not allowed", "there is a key where none is allowed", INDENTATION),
    ("expected node content", "a value is missing or begins with a character that YAML reserves", QUOTES),
    ("unexpected character", "a value begins with a character that YAML reserves", QUOTES),
];

const NO_TABS: &str = "indent with spaces: YAML does not allow tabs there";
const PLAIN_NUMBER: &str = "write a number in decimal digits, and put a text in quotes";
const CLOSE_QUOTE: &str = "close the quote; a quote within a text in single quotes is written twice";
const KEY_AND_VALUE: &str = "put `: ` between key and value, and a text over several lines in quotes";
const ESCAPE: &str = "put the text in single quotes, or write the backslash twice";

/// Bytes of text for each value or key: files of the format have ten and more. A value takes a hundred bytes of memory, so
/// that a text of nothing but commas would take fifty times its size.
pub(super) const NODE_BYTES_MIN: usize = 4;

/// Beginning of a message that continues in the scanner's words, which may quote the file.
pub const UNREADABLE: &str = "cannot be read as YAML";

/// Translates the scanner's message into our words; the scanner distinguishes its errors by text only.
fn of_text(text: &str, too_deep: impl FnOnce() -> Wording) -> Wording {
    if text.contains("recursion limit") {
        return too_deep();
    }
    let known = WORDINGS.iter().find(|(theirs, _, _)| text.contains(theirs));
    let (message, help) = known.map_or_else(
        || {
            let help = "check indentation (two spaces a level), quotes and brackets at this place and just before it";
            (format!("{UNREADABLE}: {text}"), help)
        },
        |(_, ours, help)| ((*ours).to_owned(), *help),
    );
    Wording { message, help }
}

/// Returns the first line of the parser's text, without its place.
fn bare(error: &serde_saphyr::Error) -> String {
    let full = error.to_string();
    let line = full.lines().next().unwrap_or("").trim_start_matches("error: ");
    let Some(location) = error.location() else { return line.to_owned() };
    let (row, column) = (location.line(), location.column());
    let line = line.strip_suffix(&format!(" at line {row}, column {column}")).unwrap_or(line);
    line.strip_prefix(&format!("line {row} column {column}: ")).unwrap_or(line).to_owned()
}

/// Returns the span of the character at a line and column, both from 1. The parser's errors have no offset.
fn place(text: &str, line: u64, column: u64) -> Span {
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let size = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let lines_before = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(lines_before).map(str::len).sum();
    let rest = text.get(start..).unwrap_or("");
    let rest = rest.split('\n').next().unwrap_or("");
    let characters_before = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
    let (within, length) = match rest.char_indices().nth(characters_before) {
        Some((index, character)) => (index, character.len_utf8()),
        None => (rest.len(), 1),
    };
    Span { line: small(line), column: small(column), offset: size(start + within), length: size(length) }
}
