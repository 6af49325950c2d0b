//! The text of a key, as its file has it: three lines.
//!
//! ```text
//! neglist subject key 1
//! <the key: 64 hexadecimal digits>
//! <a checksum: the first 16 hexadecimal digits of SHA-256 over the two lines above, each with its line end>
//! ```
//!
//! The checksum finds a text that was cut or mistyped, so that no server counts under half a key.

use std::fmt;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::key::{KEY_BYTES, SubjectKey};

/// The first line.
const HEADER: &str = "neglist subject key 1";
/// Begins the first line of every version.
const HEADER_OF_ANY_VERSION: &str = "neglist subject key ";
/// Digits of the checksum.
const SUM_DIGITS: usize = 16;

/// Why a text is no key. Says nothing of the key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTextFault {
    /// It does not begin as a key does.
    NotAKey,
    /// It is of another version.
    OtherVersion,
    /// It was cut or changed: a line is missing or has another length, or the checksum differs.
    Damaged,
}

impl KeyTextFault {
    /// Returns the fault and the fix in Chinese.
    pub const fn chinese(self) -> &'static str {
        match self {
            KeyTextFault::NotAKey => "该文件不是化名密钥：请指定正确的文件",
            KeyTextFault::OtherVersion => "该密钥由其他版本的程序写入：请使用相应版本的程序",
            KeyTextFault::Damaged => "密钥文件被截断或改动：请从备份恢复",
        }
    }
}

/// The fault and the fix in English.
impl fmt::Display for KeyTextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyTextFault::NotAKey => "the file is not a subject key: name the right file",
            KeyTextFault::OtherVersion => "the key was written by another version of the program: start that version",
            KeyTextFault::Damaged => "the file of the key was cut or changed: restore it from a backup",
        })
    }
}

/// Returns the text of a key. It is secret.
pub fn write_key(key: &SubjectKey) -> String {
    let mut text = format!("{HEADER}\n{}\n", hexadecimal(key.secret()));
    let sum = sum(&text);
    text.push_str(&sum);
    text.push('\n');
    text
}

/// Reads the text of a key.
///
/// # Errors
/// It is not exactly what [`write_key`] returns.
pub fn parse_key(text: &str) -> Result<SubjectKey, KeyTextFault> {
    let Some(rest) = text.strip_prefix(HEADER) else {
        return Err(if HEADER.starts_with(text) {
            KeyTextFault::Damaged
        } else if text.starts_with(HEADER_OF_ANY_VERSION) {
            KeyTextFault::OtherVersion
        } else {
            KeyTextFault::NotAKey
        });
    };
    if rest.starts_with(|next: char| next.is_ascii_digit()) {
        return Err(KeyTextFault::OtherVersion);
    }
    let rest = rest.strip_prefix('\n').ok_or(KeyTextFault::Damaged)?;
    let digits = rest.get(..KEY_BYTES * 2).ok_or(KeyTextFault::Damaged)?;
    let key = SubjectKey::from_bytes(bytes(digits).ok_or(KeyTextFault::Damaged)?);
    // The key and its checksum have one spelling, so that a text with anything behind or between them is found.
    if write_key(&key).as_bytes() == text.as_bytes() { Ok(key) } else { Err(KeyTextFault::Damaged) }
}

fn sum(lines: &str) -> String {
    let mut sum = hexadecimal(&Sha256::digest(lines));
    sum.truncate(SUM_DIGITS);
    sum
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // A string takes everything.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn bytes(digits: &str) -> Option<[u8; KEY_BYTES]> {
    let mut bytes = [0; KEY_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let pair = str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SubjectKey {
        let mut bytes = [0; KEY_BYTES];
        for (byte, number) in bytes.iter_mut().zip(0..) {
            *byte = number;
        }
        SubjectKey::from_bytes(bytes)
    }

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let text = write_key(&key());
        assert!(
            text.starts_with(
                "neglist subject key 1\n000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
            ),
            "{text}"
        );
        assert_eq!(text.lines().count(), 3);
        assert_eq!(parse_key(&text), Ok(key()));
    }

    #[test]
    fn a_key_that_was_cut_or_changed_is_refused() {
        let text = write_key(&key());
        for end in 0..text.len() {
            assert_eq!(parse_key(text.get(..end).unwrap()), Err(KeyTextFault::Damaged), "{end}");
        }
        for place in HEADER.len() + 1..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(parse_key(&changed), Err(KeyTextFault::Damaged), "{place}");
        }
        for changed in [format!("{text}\n"), text.replace('\n', "\r\n"), text.replace('a', "A")] {
            assert!(parse_key(&changed).is_err(), "{changed}");
        }
        assert_eq!(parse_key("-----BEGIN PRIVATE KEY-----\n"), Err(KeyTextFault::NotAKey));
        for other in ["neglist subject key 2\nab", "neglist subject key 10\nab"] {
            assert_eq!(parse_key(other), Err(KeyTextFault::OtherVersion), "{other}");
        }
    }
}
