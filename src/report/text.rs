//! Diagnostics as text: file, line, column, the line itself, the fix, and the meaning of the code in Chinese.
//!
//! Only the line that a diagnostic points at is read, and of a long line only the surroundings of the place. So the
//! cost of a report does not depend on the size of the file.

use std::io::{self, Write};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet, normalize_untrusted_str};

use super::{Checked, Colour, counted};
use crate::policy::codes::explanation;
use crate::policy::diagnostic::{Diagnostic, Severity, Span, shown};

/// Most diagnostics that are shown with their line; the number of further ones is stated.
pub const SHOWN_MAX: usize = 100;

/// Before the fault in Chinese.
const PROBLEM_ZH: &str = "说明";
/// Before the fix in Chinese.
const FIX_ZH: &str = "处理";

/// Bytes before the place of a diagnostic up to which a line is kept whole.
const BEFORE_BYTES_MAX: usize = 4_096;
/// Bytes that are kept after the place, and before it in a longer line: more than a terminal shows.
const AFTER_BYTES_MAX: usize = 240;
/// Most bytes of the place that are underlined.
const PLACE_BYTES_MAX: usize = 160;

/// Writes the diagnostics and a summary line.
///
/// # Errors
/// Errors of the writer.
pub fn checked(checked: &Checked<'_>, colour: Colour, out: &mut dyn Write) -> io::Result<()> {
    diagnostics(checked, colour, out)?;
    writeln!(
        out,
        "{}, {}, {} unknown in {}",
        counted(checked.count(Severity::Error), "error"),
        counted(checked.count(Severity::Warning), "warning"),
        checked.unknown,
        counted(checked.files.len(), "file"),
    )?;
    checked.digest.map_or(Ok(()), |digest| writeln!(out, "digest {digest}"))
}

/// Writes the diagnostics: errors and warnings with their line, notes in one line each. The Chinese text of a code is at each
/// error and warning, and at the first note of the code.
///
/// # Errors
/// Errors of the writer.
pub fn diagnostics(checked: &Checked<'_>, colour: Colour, out: &mut dyn Write) -> io::Result<()> {
    let mut noted: Vec<&str> = Vec::new();
    for diagnostic in checked.diagnostics.iter().take(SHOWN_MAX) {
        match diagnostic.severity {
            Severity::Error | Severity::Warning => {
                let text = checked.files.iter().find(|file| file.path == diagnostic.file);
                let text = text.map(|file| file.text.as_str());
                writeln!(out, "{}\n", with_its_line(diagnostic, text, colour))?;
            }
            Severity::Note => {
                writeln!(out, "{}", on_a_line(diagnostic))?;
                if !noted.contains(&diagnostic.code) {
                    noted.push(diagnostic.code);
                    in_chinese(diagnostic.code, out)?;
                }
            }
        }
    }
    let more = checked.diagnostics.len().saturating_sub(SHOWN_MAX);
    if 0 < more {
        writeln!(out, "and {more} more")?;
    }
    if checked.diagnostics.last().is_some_and(|last| last.severity == Severity::Note) {
        writeln!(out)?;
    }
    Ok(())
}

fn on_a_line(diagnostic: &Diagnostic) -> String {
    let Diagnostic { code, severity, file, span, message, help } = diagnostic;
    let (file, message) = (shown(file), shown(message));
    let place = match span {
        Some(Span { line, column, .. }) => format!("{file}:{line}:{column}: "),
        None if file.is_empty() => String::new(),
        None => format!("{file}: "),
    };
    let help = help.as_deref().map(|help| format!("\n  = help: {}", shown(help))).unwrap_or_default();
    let line = normalize_untrusted_str(&format!("{place}{message}"));
    format!("{}[{code}]: {line}{}", severity.name(), normalize_lines(&help))
}

/// Writes the Chinese text of a code below a note.
fn in_chinese(code: &str, out: &mut dyn Write) -> io::Result<()> {
    let Some(meaning) = explanation(code) else { return Ok(()) };
    writeln!(out, "  = {PROBLEM_ZH}: {}\n  = {FIX_ZH}: {}", meaning.problem_zh, meaning.fix_zh)
}

/// Makes control characters visible, except our own line feeds.
fn normalize_lines(text: &str) -> String {
    text.split('\n').map(normalize_untrusted_str).collect::<Vec<_>>().join("\n")
}

fn with_its_line(diagnostic: &Diagnostic, text: Option<&str>, colour: Colour) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let message = normalize_untrusted_str(&shown(&diagnostic.message));
    let title = level.primary_title(message).id(diagnostic.code);
    let mut group = annotate_snippets::Group::with_title(title);
    let path = normalize_untrusted_str(&shown(&diagnostic.file));
    let excerpt = diagnostic.span.and_then(|span| excerpt(text?, span).map(|excerpt| (span, excerpt)));
    group = match (excerpt, diagnostic.span) {
        (Some((span, Excerpt { line, place, is_whole })), _) => {
            let snippet = Snippet::source(line).line_start(span.line as usize);
            let snippet = snippet.annotation(AnnotationKind::Primary.span(place));
            // The renderer counts the column in the line that it receives; a partial line would give another column.
            if is_whole {
                group.element(snippet.path(path))
            } else {
                group.element(origin(path, span)).element(snippet)
            }
        }
        (None, Some(span)) => group.element(origin(path, span)),
        (None, None) if path.is_empty() => group,
        (None, None) => group.element(Origin::path(path)),
    };
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(normalize_untrusted_str(&shown(help))));
    }
    if let Some(meaning) = explanation(diagnostic.code) {
        group = group.element(Level::NOTE.with_name(PROBLEM_ZH).message(meaning.problem_zh));
        group = group.element(Level::HELP.with_name(FIX_ZH).message(meaning.fix_zh));
    }
    let renderer = match colour {
        Colour::Plain => Renderer::plain(),
        Colour::Ansi => Renderer::styled(),
    };
    renderer.render(&[group])
}

fn origin<'a>(path: String, span: Span) -> Origin<'a> {
    Origin::path(path).line(span.line as usize).char_column(span.column as usize)
}

/// The line of a file that a diagnostic points at, and the place within it in bytes.
#[derive(Debug, PartialEq, Eq)]
struct Excerpt {
    line: String,
    place: Range<usize>,
    /// Whether the line is complete before the place.
    is_whole: bool,
}

/// Returns the line in which a span begins; `None` if the span is not in this text.
fn excerpt(text: &str, span: Span) -> Option<Excerpt> {
    let (before, after) = text.split_at_checked(span.offset as usize)?;
    let lead = before.rsplit_once('\n').map_or(before, |(_, line)| line);
    let line_after = after.split(['\n', '\r']).next().unwrap_or("");
    let place_end = (span.length as usize).clamp(1, PLACE_BYTES_MAX).min(line_after.len());
    let (place, rest) = line_after.split_at_checked(boundary_after(line_after, place_end))?;
    let rest = rest.get(..boundary_after(rest, AFTER_BYTES_MAX)).unwrap_or(rest);
    let is_whole = lead.len() <= BEFORE_BYTES_MAX;
    let lead = if is_whole { lead.to_owned() } else { tail(lead) };
    let start = lead.len();
    Some(Excerpt { line: format!("{lead}{place}{rest}"), place: start..start + place.len(), is_whole })
}

/// Returns the first character boundary at or after a number of bytes.
fn boundary_after(text: &str, bytes: usize) -> usize {
    (bytes..text.len()).find(|index| text.is_char_boundary(*index)).unwrap_or(text.len())
}

/// Returns the end of the text before the place, with a mark for the omitted part.
fn tail(lead: &str) -> String {
    let from = boundary_after(lead, lead.len().saturating_sub(AFTER_BYTES_MAX));
    format!("…{}", lead.get(from..).unwrap_or(lead))
}
