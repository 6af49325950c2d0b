//! Values of the ledger commands: how they are read from flags and CSV, and how messages and tables show them.

use crate::domain::names::{NameFault, check_name};
use crate::domain::units::Year;
use crate::policy::source::scalar::{FIRST_YEAR, LAST_YEAR};

/// Returns a number of counters in words.
pub(super) fn counters(count: u64) -> String {
    format!("{count} counter{}", if count == 1 { "" } else { "s" })
}

/// Parses the year of a flag or a CSV file.
pub(super) fn parse_year(text: &str) -> Result<Year, String> {
    let years = FIRST_YEAR.unsigned_abs()..=LAST_YEAR.unsigned_abs();
    let digits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let year = if digits { text.parse().ok().filter(|year| years.contains(year)) } else { None };
    year.map(Year).ok_or_else(|| format!("write a year from {FIRST_YEAR} to {LAST_YEAR}"))
}

pub(super) fn parse_import_id(text: &str) -> Result<String, String> {
    check_name(text).map(|()| text.to_owned()).map_err(|fault| fault.to_string())
}

/// Returns a text as messages show it, in quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

/// Returns a text as tables and messages show it: on one line and with invisible characters escaped, so that no name forges a
/// line, and different names look different.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    // Otherwise it would look like the text in normalization form C.
    let is_normal = !matches!(check_name(text), Err(NameFault::NotNormal { .. }));
    for character in text.chars() {
        if !is_normal && !character.is_ascii() {
            shown.extend(character.escape_unicode());
            continue;
        }
        match check_name(character.encode_utf8(&mut [0; 4])) {
            Err(NameFault::Unseen { .. }) => shown.extend(character.escape_unicode()),
            Err(NameFault::BlankAtEnd { .. }) if character != ' ' => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    // A blank at an end is invisible in a table.
    if shown.ends_with(' ') {
        shown.pop();
        shown.push('␠');
    }
    if let Some(rest) = shown.strip_prefix(' ') {
        shown = format!("␠{rest}");
    }
    shown
}
