//! Names in the cells of a spreadsheet.
//!
//! A spreadsheet runs a cell that begins like a formula, and turns one that looks like a number or a day into one: the
//! exporter `914E15` becomes `9.14E+17`, and its totals those of an exporter that nothing asks about. An apostrophe before a
//! text says that it is text. So what a spreadsheet would take for something else is written with one, and the one at the
//! beginning is taken off again when it is read: [`written`] and [`read`] are inverse to each other.

use std::borrow::Cow;

use crate::domain::names::check_name;

/// Says that what follows is text.
const TEXT: char = '\'';
/// From so many digits on a spreadsheet keeps the first ones only, and writes zeros for the rest.
const DIGITS_KEPT: usize = 15;

/// Returns a name as it is written into a cell.
pub(super) fn written(name: &str) -> Cow<'_, str> {
    if is_taken_for_something_else(name) { Cow::Owned(format!("{TEXT}{name}")) } else { Cow::Borrowed(name) }
}

/// Returns a cell without the mark of a text.
pub(super) fn unmarked(cell: &str) -> &str {
    cell.strip_prefix(TEXT).unwrap_or(cell)
}

/// Reads a cell that holds a name.
///
/// # Errors
/// Why it is no name, or not the one that was meant.
pub(super) fn read(cell: &str) -> Result<&str, String> {
    let said_to_be_text = cell.strip_prefix(TEXT);
    let name = said_to_be_text.unwrap_or(cell);
    check_name(name).map_err(|fault| fault.to_string())?;
    if said_to_be_text.is_none() && is_changed(name) {
        return Err(format!(
            "a spreadsheet has made a number of it and lost digits: write the name once more, as text, `{TEXT}` before it"
        ));
    }
    Ok(name)
}

/// Says whether a spreadsheet would take a cell for a formula, a number, a day or a time, or for a text that was marked.
fn is_taken_for_something_else(name: &str) -> bool {
    let formula = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\n', TEXT];
    let of_a_number = |byte: u8| byte.is_ascii_digit() || b" .,:/-+eE%".contains(&byte);
    name.starts_with(formula) || name.starts_with(|first: char| first.is_ascii_digit()) && name.bytes().all(of_a_number)
}

/// Says whether a name looks like what a spreadsheet makes of a long number: `9.14E+17`, or zeros from the 16th digit on.
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
    fn c_what_a_spreadsheet_made_of_a_number_is_refused() {
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
