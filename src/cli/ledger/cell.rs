//! Names in the cells of a spreadsheet.
//!
//! A spreadsheet runs a cell that begins like a formula, and converts a cell that looks like a number or a day. The exporter
//! `914E15` becomes `9.14E+17`, and its totals belong to an exporter that no request names. An apostrophe marks a cell as text.
//! So a name that a spreadsheet would convert is written with an apostrophe, and reading removes it: [`written`] and [`read`]
//! are inverse to each other.

use std::borrow::Cow;

use crate::domain::names::check_name;

/// Marks a cell as text.
const TEXT: char = '\'';
/// Fewest digits of a number that a spreadsheet rounds: it replaces the digits beyond its precision by zeros.
const DIGITS_KEPT: usize = 15;

/// Returns the cell for a name.
pub(super) fn written(name: &str) -> Cow<'_, str> {
    if would_be_converted(name) { Cow::Owned(format!("{TEXT}{name}")) } else { Cow::Borrowed(name) }
}

/// Returns a cell without its text mark.
pub(super) fn unmarked(cell: &str) -> &str {
    cell.strip_prefix(TEXT).unwrap_or(cell)
}

/// Reads the name in a cell.
///
/// # Errors
/// The reason why the cell is not a name, or not the name that was written.
pub(super) fn read(cell: &str) -> Result<&str, String> {
    let said_to_be_text = cell.strip_prefix(TEXT);
    let name = said_to_be_text.unwrap_or(cell);
    check_name(name).map_err(|fault| fault.to_string())?;
    if said_to_be_text.is_none() && is_changed(name) {
        return Err(format!(
            "a spreadsheet has converted it to a number and lost digits: write the name again as text, with `{TEXT}` before it"
        ));
    }
    Ok(name)
}

/// Says whether a spreadsheet would read a cell as a formula, a number, a day, a time or a marked text.
fn would_be_converted(name: &str) -> bool {
    let formula = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\n', TEXT];
    let of_a_number = |byte: u8| byte.is_ascii_digit() || b" .,:/-+eE%".contains(&byte);
    name.starts_with(formula) || name.starts_with(|first: char| first.is_ascii_digit()) && name.bytes().all(of_a_number)
}

/// Says whether a name looks like a long number that a spreadsheet has rounded: `9.14E+17`, or zeros from the 16th digit.
fn is_changed(name: &str) -> bool {
    let is_number = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','))
    };
    let is_scientific = name.split_once(['E', 'e']).is_some_and(|(number, power)| {
        let power = power.strip_prefix(['+', '-']).unwrap_or(power);
        is_number(number) && !power.is_empty() && power.bytes().all(|byte| byte.is_ascii_digit())
    });
    let is_cut = name.bytes().all(|byte| byte.is_ascii_digit())
        && name.get(DIGITS_KEPT..).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte == b'0'));
    is_scientific || is_cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_names_come_back_as_they_were_and_run_nothing() {
        for name in [
            "acme",
            "91110000EXAMPLE001",
            "=cmd|' /C calc'!A0",
            "+1",
            "-1",
            "@sum",
            "＝甲",
            "'acme",
            "''",
            "914403001922038216",
            "914E15",
            "9.14E+17",
            "2026-05",
            "3/4",
            "北京某某",
        ] {
            let cell = written(name);
            assert!(!cell.starts_with(['=', '+', '-', '@', '＝']), "{cell}");
            assert_eq!(read(&cell), Ok(name), "{cell}");
        }
        assert_eq!(written("=1"), "'=1");
        assert_eq!(written("91110000EXAMPLE001"), "91110000EXAMPLE001");
    }

    #[test]
    fn c_a_number_rounded_by_a_spreadsheet_is_refused() {
        for cell in ["9.14E+17", "9,14E+17", "914E15", "9.14e17", "914403001922038000", "9144030019220380"] {
            assert!(read(cell).unwrap_err().contains("spreadsheet"), "{cell}");
        }
        for cell in ["914403001922038216", "100000", "EXAMPLE", "9E", "E+17", "91110000E001X"] {
            assert_eq!(read(cell), Ok(cell));
        }
    }

    #[test]
    fn a4_cells_keep_the_rule_for_names() {
        for (cell, wanted) in [
            ("acme\u{200b}", "U+200B at byte 4"),
            (" acme", "U+0020 at byte 0"),
            ("acme\n", "U+000A at byte 4"),
            ("'", "empty"),
        ] {
            assert!(read(cell).unwrap_err().contains(wanted), "{cell:?}");
        }
    }
}
