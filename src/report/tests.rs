//! Output for people, and text that must not reach their terminal.

use super::{Checked, Colour, text};
use crate::policy::diagnostic::Span;
use crate::policy::{Diagnostic, PolicyFile, Severity};

fn file(text: &str) -> PolicyFile {
    PolicyFile { path: "lists/a.yaml".to_owned(), text: text.to_owned() }
}

/// Returns a diagnostic at a piece of the text.
fn finding(file: &PolicyFile, place: &str) -> Diagnostic {
    let offset = file.text.find(place).unwrap();
    let (before, _) = file.text.split_at(offset);
    let line = 1 + before.matches('\n').count();
    let column = 1 + before.rsplit('\n').next().unwrap().chars().count();
    let number = |count: usize| u32::try_from(count).unwrap();
    Diagnostic {
        code: "P006",
        severity: Severity::Error,
        file: file.path.clone(),
        span: Some(Span {
            line: number(line),
            column: number(column),
            offset: number(offset),
            length: number(place.len()),
        }),
        message: "`CH` is not a code".to_owned(),
        help: Some("write it in lower case".to_owned()),
    }
}

#[track_caller]
fn rendered(files: &[PolicyFile], diagnostics: &[Diagnostic], colour: Colour) -> String {
    let checked = Checked { diagnostics, files, unknown: 3, digest: None };
    let mut out = Vec::new();
    text::checked(&checked, colour, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_finding_shows_file_line_column_and_the_line_itself() {
    let file = file("format: 1\nzones:\n  - {name: 临床试验, code: CH, en: x}\n");
    let found = finding(&file, "CH");
    insta::assert_snapshot!(rendered(&[file], &[found], Colour::Plain));
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let text = format!("a: 1\nb: [{}CH{}]\n", "临床试验, ".repeat(100), ", x".repeat(10_000));
    let file = file(&text);
    let found = finding(&file, "CH");
    let longer = self::file(&text.replace("临床试验, ", &"x, ".repeat(50)));
    let in_longer = finding(&longer, "CH");
    let text = rendered(&[file], &[found], Colour::Plain);
    insta::assert_snapshot!(format!("{text}\n{}", rendered(&[longer], &[in_longer], Colour::Plain)));
}

#[test]
fn colours_only_where_they_are_asked_for() {
    let file = file("code: CH\n");
    let found = finding(&file, "CH");
    assert!(rendered(std::slice::from_ref(&file), std::slice::from_ref(&found), Colour::Ansi).contains('\u{1b}'));
    assert!(!rendered(&[file], &[found], Colour::Plain).contains('\u{1b}'));
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let file = file("code: \"\u{1b}[2JCH\"\n");
    let mut found = finding(&file, "CH");
    found.message = "unknown \u{1b}[31m".to_owned();
    found.help = Some("see \u{1b}[0m".to_owned());
    found.file = "lists/\u{7}.yaml".to_owned();
    let note = Diagnostic { severity: Severity::Note, ..found.clone() };
    let all = rendered(&[file], &[found, note], Colour::Plain);
    assert!(!all.chars().any(|c| c.is_control() && c != '\n'), "{all:?}");
}

#[test]
fn places_that_do_not_fit_the_text_do_no_harm() {
    let file = file("临");
    for (offset, length) in [(0, 0), (1, 1), (2, 5), (3, 1), (3, 0), (4, 1), (u32::MAX, u32::MAX), (0, u32::MAX)] {
        let mut found = finding(&file, "临");
        found.span = Some(Span { line: 1, column: 1, offset, length });
        assert!(rendered(std::slice::from_ref(&file), &[found], Colour::Plain).contains("lists/a.yaml:1:"));
    }
}

#[test]
fn the_length_of_a_report_is_limited() {
    let file = file("code: CH\n");
    let found = finding(&file, "CH");
    let many = vec![found; text::SHOWN_MAX + 12];
    let text = rendered(&[file], &many, Colour::Plain);
    assert!(text.ends_with("and 12 more\n112 errors, 0 warnings, 3 unknown in 1 file\n"), "{text}");
}
