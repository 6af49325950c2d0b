//! Characters that look like characters of the format but are others: those that an input method types in Chinese mode,
//! and blanks that are not visible.
//!
//! They are correct inside texts. If something cannot be read because of one, the diagnostic names the character, its
//! place and the replacement, because an editor shows no difference.

use std::collections::HashMap;

use super::diagnostic::{Diagnostic, Span, clip};

/// A character, its name, and its replacement in the format; no replacement if it must be deleted.
struct Lookalike {
    character: char,
    en: &'static str,
    zh: &'static str,
    instead: Option<char>,
}

/// Characters with a name of their own. Other full-width forms of ASCII, and other blanks, follow from their numbers.
const NAMED: &[(char, &str, &str, char)] = &[
    ('：', "a full-width colon", "全角冒号", ':'),
    ('，', "a full-width comma", "全角逗号", ','),
    ('、', "an enumeration comma", "顿号", ','),
    ('；', "a full-width semicolon", "全角分号", ';'),
    ('。', "an ideographic full stop", "句号", '.'),
    ('“', "a curly quote", "弯引号", '"'),
    ('”', "a curly quote", "弯引号", '"'),
    ('„', "a curly quote", "弯引号", '"'),
    ('‘', "a curly quote", "弯引号", '\''),
    ('’', "a curly quote", "弯引号", '\''),
    ('（', "a full-width bracket", "全角括号", '('),
    ('）', "a full-width bracket", "全角括号", ')'),
    ('【', "a lenticular bracket", "方头括号", '['),
    ('】', "a lenticular bracket", "方头括号", ']'),
    ('［', "a full-width bracket", "全角括号", '['),
    ('］', "a full-width bracket", "全角括号", ']'),
    ('｛', "a full-width bracket", "全角括号", '{'),
    ('｝', "a full-width bracket", "全角括号", '}'),
    ('–', "a dash", "连接号", '-'),
    ('—', "a dash", "破折号", '-'),
    ('‑', "a no-break hyphen", "不换行连字符", '-'),
    ('\u{a0}', "a no-break space", "不换行空格", ' '),
    ('\u{3000}', "an ideographic space", "全角空格", ' '),
];

impl Lookalike {
    fn of(character: char) -> Option<Self> {
        if let Some((_, en, zh, instead)) = NAMED.iter().find(|(named, ..)| *named == character) {
            return Some(Self { character, en, zh, instead: Some(*instead) });
        }
        match character {
            // The full-width forms of `!` to `~` have the order of ASCII.
            '\u{ff01}'..='\u{ff5e}' => {
                let instead = char::from_u32(u32::from(character) - 0xfee0);
                Some(Self { character, en: "a full-width character", zh: "全角字符", instead })
            }
            '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => {
                Some(Self { character, en: "a blank that is no space", zh: "特殊空格", instead: Some(' ') })
            }
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
                Some(Self { character, en: "an invisible character", zh: "不可见字符", instead: None })
            }
            _ => None,
        }
    }

    fn is_blank(&self) -> bool {
        self.instead.is_none_or(|instead| instead == ' ')
    }
}

/// Returns a text with each look-alike replaced by the character of the format.
pub(super) fn corrected(text: &str) -> String {
    text.chars()
        .filter_map(|character| Lookalike::of(character).map_or(Some(character), |found| found.instead))
        .collect()
}

/// Returns a word without a full stop at its end: no word of the format ends with one.
pub(super) fn without_full_stop(word: &str) -> &str {
    word.trim_end_matches(|character| {
        character == '。' || Lookalike::of(character).is_some_and(|found| found.is_blank())
    })
}

/// Adds an explanation to each diagnostic in a text whose cause is a look-alike.
///
/// Call it once: an explained diagnostic points at the character.
pub(super) fn explain(texts: &HashMap<&str, &str>, diagnostics: &mut [Diagnostic]) {
    for diagnostic in diagnostics {
        let Some(text) = texts.get(diagnostic.file.as_str()) else { continue };
        let Some(span) = diagnostic.span else { continue };
        let place = match diagnostic.code {
            "P001" => in_lines(text, span),
            "P002" | "P003" | "P006" | "P007" | "P011" => in_scalar(text, span),
            // The whole last line, which contains only characters of the format.
            "P050" => in_line(text, span),
            _ => None,
        };
        if let Some(place) = place {
            name_it(text, place, span, diagnostic);
        }
    }
}

/// Names the character and its replacement or, for a word or key, the whole corrected form.
fn name_it(text: &str, place: usize, scalar: Span, diagnostic: &mut Diagnostic) {
    let Some(found) = text.get(place..).and_then(|rest| Lookalike::of(rest.chars().next()?)) else { return };
    let Lookalike { character, en, zh, instead } = found;
    let number = format!("U+{:04X}", u32::from(character));
    let (shown_en, shown_zh) = if found.is_blank() {
        (number.clone(), number)
    } else {
        (format!("`{character}`, {number}"), format!("`{character}`，{number}"))
    };
    let end = (scalar.offset as usize).saturating_add(scalar.length as usize);
    let whole =
        text.get(scalar.offset as usize..end).filter(|whole| diagnostic.code != "P001" && !whole.contains('\n'));
    let (write_en, write_zh) = match (whole, instead) {
        (Some(whole), _) => {
            let whole = clip(&in_full(whole));
            (format!("write `{whole}`"), format!("请写 `{whole}`"))
        }
        (None, None) => ("delete it".to_owned(), "请删除".to_owned()),
        (None, Some(' ')) => ("type an ordinary space".to_owned(), "请改用普通空格".to_owned()),
        (None, Some(':')) => ("type `:` and a space".to_owned(), "请改用半角 `:` 加空格".to_owned()),
        (None, Some(instead)) => (format!("type `{instead}`"), format!("请改用半角 `{instead}`")),
    };
    diagnostic.help =
        Some(format!("{en} ({shown_en}) is written here: {write_en} / 此处是{zh}（{shown_zh}）：{write_zh}"));
    diagnostic.span = Some(span_of(text, scalar, place, character));
}

/// Returns the corrected form of a word, a key or a number.
fn in_full(scalar: &str) -> String {
    let scalar = without_full_stop(scalar);
    let plain = corrected(scalar);
    let digits: String = plain.chars().filter(|character| !matches!(character, ',' | ' ' | '_')).collect();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits;
    }
    // YAML needs the space after a colon, and readers the one after a comma.
    corrected(&scalar.replace("： ", ": ").replace('：', ": ").replace(['，', '、'], ", ")).trim().to_owned()
}

/// Returns the span of a character that was found after a span or, once in a file, before it. Only the text between the
/// two is read, so many diagnostics in a large file cost no more than a few.
fn span_of(text: &str, from: Span, place: usize, character: char) -> Span {
    let size = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let start = from.offset as usize;
    let (line, column, way) = match text.get(start..place) {
        Some(way) => (from.line, from.column, way),
        None => (1, 1, text.get(..place).unwrap_or("")),
    };
    let lines = size(way.bytes().filter(|byte| *byte == b'\n').count());
    let (column, in_line) = way.rsplit_once('\n').map_or((column, way), |(_, in_line)| (1, in_line));
    let column = column.saturating_add(size(in_line.chars().count()));
    Span { line: line.saturating_add(lines), column, offset: size(place), length: size(character.len_utf8()) }
}

/// Searches a word or key that cannot be read, but not a mapping or a list. In several lines, only characters outside
/// texts count.
fn in_scalar(text: &str, span: Span) -> Option<usize> {
    let start = span.offset as usize;
    let scalar = text.get(start..start.checked_add(span.length as usize)?)?;
    if scalar.contains('\n') {
        return structural(text, start, start + scalar.len());
    }
    if scalar.starts_with(['{', '[']) || scalar.contains(": ") {
        return None;
    }
    scalar.char_indices().find(|(_, character)| Lookalike::of(*character).is_some()).map(|(index, _)| start + index)
}

/// Searches a line, for a look-alike in any position.
fn in_line(text: &str, span: Span) -> Option<usize> {
    let start = span.offset as usize;
    let line = text.get(start..start.checked_add(span.length as usize)?)?;
    line.char_indices().find(|(_, character)| Lookalike::of(*character).is_some()).map(|(index, _)| start + index)
}

/// Searches the line in which the parser failed and the one before it, for look-alikes outside texts.
fn in_lines(text: &str, span: Span) -> Option<usize> {
    let offset = (span.offset as usize).min(text.len());
    let line_start = text.get(..offset)?.rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text.get(offset..)?.find('\n').map_or(text.len(), |length| offset + length);
    let before = text.get(..line_start)?.trim_end();
    let from = before.rfind('\n').map_or(0, |newline| newline + 1);
    structural(text, from, line_end)
}

/// Returns the place of the first look-alike in a range that cannot be part of a text.
fn structural(text: &str, from: usize, to: usize) -> Option<usize> {
    let mut start = from;
    for line in text.get(from..to)?.split('\n') {
        // Lines typed by hand are shorter; each character is checked against the whole line.
        if LINE_BYTES_MAX < line.len() {
            start += line.len() + 1;
            continue;
        }
        let places = line.char_indices().take_while(|(index, _)| !is_comment(line, *index));
        let mut found = places.filter(|(index, character)| is_structural(line, *index, *character));
        if let Some((index, _)) = found.next() {
            return Some(start + index);
        }
        start += line.len() + 1;
    }
    None
}

fn is_comment(line: &str, index: usize) -> bool {
    let (before, from) = (line.get(..index).unwrap_or(""), line.get(index..).unwrap_or(""));
    from.starts_with('#') && (before.is_empty() || before.ends_with([' ', '\t']))
}

/// Longest line that is searched for look-alikes outside texts, in bytes.
const LINE_BYTES_MAX: usize = 4_096;

/// Characters after which a key, an element or a value begins.
const OPENS: [char; 10] = [':', '：', ',', '，', '[', '【', '［', '{', '｛', '-'];

fn is_structural(line: &str, index: usize, character: char) -> bool {
    let Some(found) = Lookalike::of(character) else { return false };
    let before = line.get(..index).unwrap_or("");
    let after = line.get(index + character.len_utf8()..).unwrap_or("");
    // Everything in quotes is text.
    if before.matches('"').count() % 2 == 1 {
        return false;
    }
    let begins = corrected(before).trim_end().chars().next_back().is_none_or(|last| OPENS.contains(&last));
    match found.instead {
        Some(':') => ends_key(before),
        Some(',') => begins_key(after),
        // A closing quote or bracket is never the first error; round brackets are not part of YAML.
        None | Some(' ' | '"' | '\'' | '[' | '{' | '-') => begins,
        Some(_) => false,
    }
}

/// Says whether a key ends here. Keys of the format are ASCII words.
fn ends_key(before: &str) -> bool {
    let key = corrected(before);
    let key = key.rsplit(['{', ',']).next().unwrap_or("").trim().trim_start_matches("- ").trim();
    !key.is_empty() && key.bytes().all(is_key_byte)
}

fn begins_key(after: &str) -> bool {
    let rest = after.trim_start();
    let key: &str = rest.split([':', '：']).next().unwrap_or("");
    key.len() < rest.len() && !key.is_empty() && key.bytes().all(is_key_byte)
}

const fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

#[cfg(test)]
mod tests {
    use super::super::diagnostic::Severity;
    use super::*;

    fn explained(text: &str, code: &'static str, scalar: &str) -> Option<(Span, String)> {
        let offset = text.find(scalar).unwrap();
        let (before, small) = (text.get(..offset).unwrap(), |number: usize| u32::try_from(number).unwrap());
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        let span =
            Span { line: small(line), column: small(column), offset: small(offset), length: small(scalar.len()) };
        let mut found = [Diagnostic {
            code,
            severity: Severity::Error,
            file: "a".to_owned(),
            span: Some(span),
            message: String::new(),
            help: None,
        }];
        explain(&HashMap::from([("a", text)]), &mut found);
        let [Diagnostic { span, help, .. }] = found;
        Some((span?, help?))
    }

    #[test]
    fn c_the_character_is_named_with_its_place_in_characters() {
        let text = "# 说明\nnote: 甲：乙\nwords: {zh: 文, kind: ab，cd}\n";
        let (span, help) = explained(text, "P006", "ab，cd").unwrap();
        assert_eq!((span.line, span.column, span.length), (3, 24, 3));
        assert_eq!(span.offset as usize, text.find('，').unwrap());
        assert!(
            help.starts_with("a full-width comma (`，`, U+FF0C) is written here: write `ab, cd` / 此处是全角逗号"),
            "{help}"
        );
        // Before the place where the parser fails, in the line above.
        let text = "a: 甲：乙\nciio：no\nb: c\n";
        let (span, help) = explained(text, "P001", "b: c").unwrap();
        assert_eq!((span.line, span.column), (2, 5), "{help}");
    }

    #[test]
    fn c_correct_texts_and_comments_are_not_reported() {
        for (text, code, scalar) in [
            ("a: 甲：乙，丙（丁）\nb\n", "P001", "b"),
            ("zh: \"“甲”：乙，b: c\"\nb\n", "P001", "b"),
            ("# ciio：no\nb\n", "P001", "b"),
            ("a: b # ciio：no，x\nb\n", "P001", "b"),
            ("a: {zh: 甲，乙, en: x}\n", "P002", "{zh: 甲，乙, en: x}"),
            ("a: {zh: 甲，乙}\n", "P004", "{zh: 甲，乙}"),
        ] {
            assert_eq!(explained(text, code, scalar), None, "{text}");
        }
    }

    #[test]
    fn c_every_full_width_form_has_its_ascii_character() {
        let full: String = ('\u{ff01}'..='\u{ff5e}').collect();
        let ascii: String = ('!'..='~').collect();
        assert_eq!(corrected(&full), ascii);
        assert_eq!(corrected("a\u{a0}b\u{3000}c\u{200b}d\u{feff}"), "a b cd");
        assert_eq!(corrected("“x” ‘y’ 【z】"), "\"x\" 'y' [z]");
    }
}
