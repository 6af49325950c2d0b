//! The rule for names and codes. It is the same everywhere: requests, gateways, policy files, CSV files, the command line.
//!
//! Totals are kept under names. Two names that look alike but differ would have two totals, and a transfer beyond a line
//! would pass under the second name. So every character of a name must be visible:
//!
//! * A **name** (exporter, recipient, flow, clearance, transfer, import) has 1 to [`NAME_BYTES_MAX`] bytes of UTF-8 in
//!   Unicode normalization form C and only visible characters. U+0020 is the only blank, and not at either end.
//! * A **code** (sector, scenario, zone, kind of data, …) has lower-case ASCII letters and digits in parts joined by `-`,
//!   `.` or `_`, and the same limit of bytes.
//!
//! Knows no list: a name that follows the rule may still be unknown.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::{IsNormalized, is_nfc_quick};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

use super::eight::{TOP, between, each_eight, equal};

/// Most bytes of a name or a code.
pub const NAME_BYTES_MAX: usize = 128;

/// A way in which a text breaks the rule, with its place: bytes count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameFault {
    /// The text is empty.
    Empty,
    /// It has more than [`NAME_BYTES_MAX`] bytes.
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// A blank at one of its ends.
    BlankAtEnd {
        /// The blank.
        blank: char,
        /// Its first byte.
        byte: usize,
    },
    /// A blank other than U+0020 inside the text, such as a no-break or an ideographic space.
    OtherBlank {
        /// The blank.
        blank: char,
        /// Its first byte.
        byte: usize,
    },
    /// A character that is invisible or not the same everywhere: a control or format character, a line end, a character for
    /// private use, or one that Unicode has not assigned.
    Unseen {
        /// The character.
        character: char,
        /// Its first byte.
        byte: usize,
    },
    /// It is not in normalization form C.
    NotNormal {
        /// The first character that normalization changes.
        character: char,
        /// Its first byte.
        byte: usize,
    },
    /// A character that is not allowed in codes.
    NotOfACode {
        /// The character.
        character: char,
        /// Its first byte.
        byte: usize,
    },
    /// An empty part of a code: a separator at one of its ends, or two in a row.
    EmptyPart {
        /// Its place.
        byte: usize,
    },
}

/// Checks a name.
///
/// # Errors
/// The first way in which it breaks the rule.
///
/// ```
/// use neglist::domain::names::{NameFault, check_name};
///
/// assert_eq!(check_name("91110000EXAMPLE001"), Ok(()));
/// assert_eq!(check_name("acme\u{200b}"), Err(NameFault::Unseen { character: '\u{200b}', byte: 4 }));
/// ```
pub fn check_name(name: &str) -> Result<(), NameFault> {
    let bytes = name.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return Err(NameFault::Empty) };
    if NAME_BYTES_MAX < bytes.len() {
        return Err(NameFault::TooLong { bytes: bytes.len() });
    }
    // Nearly all names: visible ASCII, with blanks inside. No branch for each character.
    if bytes.iter().fold(true, |all, byte| all & matches!(byte, b' '..=b'~')) && *first != b' ' && *last != b' ' {
        return Ok(());
    }
    check_characters(name)
}

fn check_characters(name: &str) -> Result<(), NameFault> {
    let is_inner = |byte: usize, character: char| byte != 0 && byte + character.len_utf8() != name.len();
    for (byte, character) in name.char_indices() {
        if !is_seen(character) {
            return Err(NameFault::Unseen { character, byte });
        }
        if character.is_whitespace() && !is_inner(byte, character) {
            return Err(NameFault::BlankAtEnd { blank: character, byte });
        }
        if character.is_whitespace() && character != ' ' {
            return Err(NameFault::OtherBlank { blank: character, byte });
        }
    }
    if is_nfc_quick(name.chars()) == IsNormalized::Yes {
        return Ok(());
    }
    let mut normal = name.nfc();
    let changed = name.char_indices().find(|(_, character)| normal.next() != Some(*character));
    match changed {
        Some((byte, character)) => Err(NameFault::NotNormal { character, byte }),
        // Normalization form C never adds characters behind an unchanged text.
        None => Ok(()),
    }
}

/// Says whether a character is visible or a blank.
pub(super) fn is_seen(character: char) -> bool {
    match character.general_category() {
        GeneralCategory::Control
        | GeneralCategory::Format
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator
        | GeneralCategory::PrivateUse
        | GeneralCategory::Surrogate
        | GeneralCategory::Unassigned => false,
        _ => !is_ignorable(character),
    }
}

/// Says whether a letter, mark or symbol is invisible on its own: the characters of `Default_Ignorable_Code_Point` that the
/// general category does not reveal, and the empty Braille pattern.
const fn is_ignorable(character: char) -> bool {
    matches!(
        character,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

/// Checks a code.
///
/// # Errors
/// The first way in which it breaks the rule.
///
/// ```
/// use neglist::domain::names::{NameFault, check_code};
///
/// assert_eq!(check_code("health.diagnosis"), Ok(()));
/// assert_eq!(check_code("Health"), Err(NameFault::NotOfACode { character: 'H', byte: 0 }));
/// ```
pub fn check_code(code: &str) -> Result<(), NameFault> {
    if code.is_empty() {
        return Err(NameFault::Empty);
    }
    if NAME_BYTES_MAX < code.len() {
        return Err(NameFault::TooLong { bytes: code.len() });
    }
    if is_plain_code(code.as_bytes()) {
        return Ok(());
    }
    let mut after_part = false;
    for (byte, character) in code.char_indices() {
        match character {
            'a'..='z' | '0'..='9' => after_part = true,
            '-' | '.' | '_' if after_part => after_part = false,
            '-' | '.' | '_' => return Err(NameFault::EmptyPart { byte }),
            _ => return Err(NameFault::NotOfACode { character, byte }),
        }
    }
    if after_part { Ok(()) } else { Err(NameFault::EmptyPart { byte: code.len() }) }
}

/// Says whether a text certainly follows the rule for codes, apart from its length. Checks eight bytes at a time: no branch for
/// each character. It misses a few whose last eight bytes overlap those before.
fn is_plain_code(code: &[u8]) -> bool {
    let is_joint = |byte: &u8| matches!(byte, b'-' | b'.' | b'_');
    let (mut known, mut empty, mut joint_before) = (TOP, 0, 0);
    // The filler is no joint, so it ends no part.
    each_eight(code, b'0', |eight| {
        let bytes = eight & !TOP;
        let joints = between(bytes, b'-', b'.') | equal(bytes, b'_');
        known &= (joints | between(bytes, b'a', b'z') | between(bytes, b'0', b'9')) & !eight;
        // A joint behind a joint: in the same eight bytes, or at the end of those before.
        empty |= joints & (joints << 8 | joint_before);
        joint_before = joints >> 56;
    });
    known == TOP && empty == 0 && !code.first().is_none_or(is_joint) && !code.last().is_none_or(is_joint)
}

/// Says whether a text follows the rule for codes.
pub fn is_code(text: &str) -> bool {
    check_code(text).is_ok()
}

/// Returns a character as messages show it: its number, and the character itself if it is visible.
fn shown(character: char) -> String {
    let number = format!("U+{:04X}", u32::from(character));
    if is_seen(character) && !character.is_whitespace() { format!("{number} `{character}`") } else { number }
}

impl NameFault {
    /// Returns the fault and the fix in Chinese.
    pub fn chinese(self) -> String {
        match self {
            NameFault::Empty => "为空：请填写".to_owned(),
            NameFault::TooLong { bytes } => format!("长 {bytes} 字节：最多 {NAME_BYTES_MAX} 字节"),
            NameFault::BlankAtEnd { blank, byte } => {
                format!("第 {byte} 字节处的空白 {} 位于首尾：请去掉首尾空白", shown(blank))
            }
            NameFault::OtherBlank { blank, byte } => {
                format!("第 {byte} 字节处的空白 {} 与普通空格看似相同：请改用 U+0020", shown(blank))
            }
            NameFault::Unseen { character, byte } => {
                format!("第 {byte} 字节处的 {} 为不可见字符：请删除", shown(character))
            }
            NameFault::NotNormal { character, byte } => {
                format!("自第 {byte} 字节处的 {} 起不是 Unicode 规范形式 C：请以 NFC 发送", shown(character))
            }
            NameFault::NotOfACode { character, byte } => {
                format!("第 {byte} 字节处的 {} 不能用于代码：请用小写字母与数字，以 `-`、`.` 连接", shown(character))
            }
            NameFault::EmptyPart { byte } => {
                format!("代码在第 {byte} 字节处有空的部分：`-`、`.`、`_` 两侧应为小写字母或数字")
            }
        }
    }
}

/// The fault and the fix in English.
impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            NameFault::Empty => write!(f, "empty: write it"),
            NameFault::TooLong { bytes } => {
                write!(f, "{bytes} bytes long: at most {NAME_BYTES_MAX} are allowed")
            }
            NameFault::BlankAtEnd { blank, byte } => {
                write!(f, "the blank {} at byte {byte} is at an end: remove blanks at the ends", shown(blank))
            }
            NameFault::OtherBlank { blank, byte } => {
                write!(f, "the blank {} at byte {byte} looks like an ordinary one: write U+0020", shown(blank))
            }
            NameFault::Unseen { character, byte } => {
                write!(f, "{} at byte {byte} cannot be seen: remove it", shown(character))
            }
            NameFault::NotNormal { character, byte } => write!(
                f,
                "not in Unicode normalization form C from {} at byte {byte} on: send it in NFC",
                shown(character)
            ),
            NameFault::NotOfACode { character, byte } => write!(
                f,
                "{} at byte {byte} is not allowed in a code: write lower-case letters and digits, joined by `-` or `.`",
                shown(character)
            ),
            NameFault::EmptyPart { byte } => write!(
                f,
                "a part of the code is empty at byte {byte}: write lower-case letters or digits on both sides of `-`, `.` and `_`"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unambiguous_names_pass() {
        for name in [
            "a",
            "91110000EXAMPLE001",
            "Acme (Beijing) Co., Ltd.",
            "北京某某科技有限公司",
            "Zürich",
            "=cmd|x",
            "'a",
            "ﻻ",
        ] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        assert_eq!(check_name(&"x".repeat(NAME_BYTES_MAX)), Ok(()));
    }

    #[test]
    fn a4_look_alike_names_are_reported_with_the_place_of_the_difference() {
        let unseen = |character, byte| Err(NameFault::Unseen { character, byte });
        for (name, wanted) in [
            ("", Err(NameFault::Empty)),
            ("acme ", Err(NameFault::BlankAtEnd { blank: ' ', byte: 4 })),
            (" acme", Err(NameFault::BlankAtEnd { blank: ' ', byte: 0 })),
            ("acme\u{a0}", Err(NameFault::BlankAtEnd { blank: '\u{a0}', byte: 4 })),
            ("\u{3000}甲", Err(NameFault::BlankAtEnd { blank: '\u{3000}', byte: 0 })),
            ("甲\u{3000}乙", Err(NameFault::OtherBlank { blank: '\u{3000}', byte: 3 })),
            ("acme\n", unseen('\n', 4)),
            ("a\tb", unseen('\t', 1)),
            ("a\0b", unseen('\0', 1)),
            ("acme\u{200b}", unseen('\u{200b}', 4)),
            ("\u{feff}acme", unseen('\u{feff}', 0)),
            ("ac\u{ad}me", unseen('\u{ad}', 2)),
            ("ac\u{2060}me", unseen('\u{2060}', 2)),
            ("ac\u{202e}me", unseen('\u{202e}', 2)),
            ("ac\u{2028}me", unseen('\u{2028}', 2)),
            ("ac\u{e000}me", unseen('\u{e000}', 2)),
            ("ac\u{378}me", unseen('\u{378}', 2)),
            ("ac\u{3164}me", unseen('\u{3164}', 2)),
            ("甲\u{fe0f}", unseen('\u{fe0f}', 3)),
            ("甲\u{e0100}", unseen('\u{e0100}', 3)),
            ("Zu\u{308}rich", Err(NameFault::NotNormal { character: 'u', byte: 1 })),
            ("\u{212b}ngstrom", Err(NameFault::NotNormal { character: '\u{212b}', byte: 0 })),
        ] {
            assert_eq!(check_name(name), wanted, "{name:?}");
        }
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        assert_eq!(check_name(&long), Err(NameFault::TooLong { bytes: NAME_BYTES_MAX + 1 }));
    }

    /// All texts of few characters at each place of a longer one.
    #[test]
    fn a_code_is_checked_the_same_eight_bytes_at_a_time_and_one_by_one() {
        let by_characters = |code: &str| {
            code.split(['-', '.', '_']).all(|part| {
                !part.is_empty() && part.chars().all(|character| matches!(character, 'a'..='z' | '0'..='9'))
            })
        };
        let pieces = ["-", ".", "_", "a", "z", "0", "9", "`", "{", "/", ":", "A", "^", ",", "\u{7f}", "\u{e9}"];
        for (before, behind) in (0..18).flat_map(|before| (0..18).map(move |behind| (before, behind))) {
            for (one, other) in pieces.iter().flat_map(|one| pieces.iter().map(move |other| (one, other))) {
                let code = format!("{}{one}{other}{}", "x".repeat(before), "y".repeat(behind));
                assert_eq!(is_code(&code), by_characters(&code), "{code:?}");
            }
        }
    }

    #[test]
    fn codes_are_lower_case_parts() {
        for code in ["a", "health.diagnosis", "auto.ota-type", "ota_type", "9a.b-c_d"] {
            assert_eq!(check_code(code), Ok(()), "{code}");
        }
        for (code, wanted) in [
            ("", NameFault::Empty),
            ("Health", NameFault::NotOfACode { character: 'H', byte: 0 }),
            ("a b", NameFault::NotOfACode { character: ' ', byte: 1 }),
            ("\u{feff}health.diagnosis", NameFault::NotOfACode { character: '\u{feff}', byte: 0 }),
            ("a\u{ff11}", NameFault::NotOfACode { character: '\u{ff11}', byte: 1 }),
            ("-a", NameFault::EmptyPart { byte: 0 }),
            ("a..b", NameFault::EmptyPart { byte: 2 }),
            ("a-", NameFault::EmptyPart { byte: 2 }),
        ] {
            assert_eq!(check_code(code), Err(wanted), "{code:?}");
        }
    }

    #[test]
    fn a_fault_names_the_character_and_its_place_in_both_languages() {
        let fault = check_name("acme\u{200b}").unwrap_err();
        assert_eq!(fault.to_string(), "U+200B at byte 4 cannot be seen: remove it");
        assert_eq!(fault.chinese(), "第 4 字节处的 U+200B 为不可见字符：请删除");
        let fault = check_code("a/b").unwrap_err();
        assert!(fault.to_string().starts_with("U+002F `/` at byte 1 is not allowed in a code"), "{fault}");
    }
}
