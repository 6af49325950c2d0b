//! Reads a JSON text value by value, without keeping any of it.
//!
//! The grammar is exactly that of RFC 8259. A skipped value is checked against the grammar. Its depth is not bounded,
//! and only one byte is kept for each open bracket.

use std::borrow::Cow;

use super::number::{self, Number};
use super::syntax::{Problem, Syntax};

/// Deepest nesting of values that are kept: each level takes a step of the stack.
const DEPTH_MAX: usize = 127;

/// A value, or the beginning of an object or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head<'t> {
    /// An object begins: [`Reader::members`] reads it.
    Object,
    /// A list begins: [`Reader::elements`] reads it.
    List,
    /// A string, without its escapes.
    Text(Cow<'t, str>),
    /// A number.
    Number(Number),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

/// A text that is being read.
#[derive(Debug)]
pub struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    /// Returns a reader at the beginning of a text.
    pub const fn new(text: &'t str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// Reads the next value, or the beginning of one.
    ///
    /// # Errors
    /// If there is none.
    pub fn value(&mut self) -> Result<Head<'t>, Syntax> {
        match self.peek() {
            Some(b'{') => self.open().map(|()| Head::Object),
            Some(b'[') => self.open().map(|()| Head::List),
            Some(b'"') => self.string().map(Head::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(|text| Head::Number(number::whole(text))),
            Some(b't') => self.word("true").map(|()| Head::Bool(true)),
            Some(b'f') => self.word("false").map(|()| Head::Bool(false)),
            Some(b'n') => self.word("null").map(|()| Head::Null),
            _ => Err(self.no_value()),
        }
    }

    /// Reads an object after its beginning: `member` reads or skips the one value of each key.
    ///
    /// # Errors
    /// If the object is malformed; the errors of `member`.
    pub fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'t, str>) -> Result<(), Syntax>,
    ) -> Result<(), Syntax> {
        let mut is_first = true;
        while self.goes_on(b'}', is_first)? {
            if self.peek() != Some(b'"') {
                return Err(self.fault(Problem::NoKey));
            }
            let key = self.string()?;
            self.colon()?;
            member(self, key)?;
            is_first = false;
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    /// Reads a list after its beginning: `element` reads or skips one value each time.
    ///
    /// # Errors
    /// As for [`Reader::members`].
    pub fn elements(&mut self, mut element: impl FnMut(&mut Self) -> Result<(), Syntax>) -> Result<(), Syntax> {
        let mut is_first = true;
        while self.goes_on(b']', is_first)? {
            element(self)?;
            is_first = false;
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    /// Skips the next value.
    ///
    /// # Errors
    /// If there is none.
    pub fn skip(&mut self) -> Result<(), Syntax> {
        // The closing brackets that are still expected.
        let mut open: Vec<u8> = Vec::new();
        loop {
            let closing = match self.peek() {
                Some(b'{') => Some(b'}'),
                Some(b'[') => Some(b']'),
                Some(b'"') => {
                    self.skip_string()?;
                    None
                }
                Some(b'-' | b'0'..=b'9') => {
                    self.number()?;
                    None
                }
                Some(b't') => self.word("true").map(|()| None)?,
                Some(b'f') => self.word("false").map(|()| None)?,
                Some(b'n') => self.word("null").map(|()| None)?,
                _ => return Err(self.no_value()),
            };
            let mut is_first = closing.is_some();
            if let Some(closing) = closing {
                self.at += 1;
                open.push(closing);
            }
            // Advances to the next value inside, past all brackets that close before it.
            loop {
                let Some(closing) = open.last().copied() else { return Ok(()) };
                if self.goes_on(closing, is_first)? {
                    if closing == b'}' {
                        if self.peek() != Some(b'"') {
                            return Err(self.fault(Problem::NoKey));
                        }
                        self.skip_string()?;
                        self.colon()?;
                    }
                    break;
                }
                open.pop();
                is_first = false;
            }
        }
    }

    /// Reads to the end of the text.
    ///
    /// # Errors
    /// If anything but blanks follows.
    pub fn end(&mut self) -> Result<(), Syntax> {
        if self.peek().is_some() { Err(self.fault(Problem::GoesOn)) } else { Ok(()) }
    }

    /// Returns the error for a problem at the current place.
    fn fault(&self, problem: Problem) -> Syntax {
        // At the end of the text, the text was cut, whatever is missing.
        let problem = match problem {
            Problem::TooDeep | Problem::Empty => problem,
            _ if self.at < self.text.len() => problem,
            _ => Problem::Cut,
        };
        Syntax::at(problem, self.text, self.at)
    }

    fn no_value(&self) -> Syntax {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let before = self.text.get(..self.at).unwrap_or_default().trim_end_matches(is_blank);
        match rest.chars().next() {
            None if before.is_empty() => self.fault(Problem::Empty),
            Some('\u{feff}') if before.is_empty() => self.fault(Problem::ByteOrderMark),
            _ => self.fault(Problem::NoValue),
        }
    }

    /// Returns the next byte that is not blank.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn open(&mut self) -> Result<(), Syntax> {
        if DEPTH_MAX <= self.depth {
            return Err(self.fault(Problem::TooDeep));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Reads the comma before the next value inside, or the closing bracket.
    fn goes_on(&mut self, closing: u8, is_first: bool) -> Result<bool, Syntax> {
        match self.peek() {
            Some(byte) if byte == closing => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if is_first => Ok(true),
            Some(b',') => {
                self.at += 1;
                match self.peek() {
                    Some(byte) if byte == closing => Err(self.fault(Problem::CommaAtTheEnd)),
                    _ => Ok(true),
                }
            }
            _ => Err(self.fault(Problem::NoComma)),
        }
    }

    fn colon(&mut self) -> Result<(), Syntax> {
        if self.peek() == Some(b':') {
            self.at += 1;
            return Ok(());
        }
        Err(self.fault(Problem::NoColon))
    }

    fn word(&mut self, word: &str) -> Result<(), Syntax> {
        if self.text.get(self.at..).unwrap_or_default().starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.fault(Problem::NoValue))
    }

    /// Reads a number and returns its text.
    fn number(&mut self) -> Result<&'t str, Syntax> {
        let start = self.at;
        self.take(|byte| byte == b'-');
        if !self.take(|byte| byte == b'0') && self.digits() == 0 {
            return Err(self.fault(Problem::BadNumber));
        }
        if self.take(|byte| byte == b'.') && self.digits() == 0 {
            return Err(self.fault(Problem::BadNumber));
        }
        if self.take(|byte| matches!(byte, b'e' | b'E')) {
            self.take(|byte| matches!(byte, b'+' | b'-'));
            if self.digits() == 0 {
                return Err(self.fault(Problem::BadNumber));
            }
        }
        // `01`, `0x10`, `1.2.3`, `5kg`.
        match self.text.as_bytes().get(self.at) {
            Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-' | b'_') => {
                Err(self.fault(Problem::BadNumber))
            }
            _ => Ok(self.text.get(start..self.at).unwrap_or_default()),
        }
    }

    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let is_there = self.text.as_bytes().get(self.at).is_some_and(|byte| wanted(*byte));
        self.at += usize::from(is_there);
        is_there
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.take(|byte| byte.is_ascii_digit()) {}
        self.at - start
    }

    /// Advances to the next special byte of a string: its end, or an escape.
    fn plain(&mut self) -> Result<(&'t str, u8), Syntax> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(byte @ (b'"' | b'\\')) => {
                    let plain = self.text.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok((plain, *byte));
                }
                Some(0..0x20) => return Err(self.fault(Problem::ControlCharacter)),
                Some(_) => self.at += 1,
                None => return Err(self.fault(Problem::Cut)),
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'t, str>, Syntax> {
        self.at += 1;
        let (plain, end) = self.plain()?;
        if end == b'"' {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            text.push(self.escape()?);
            let (plain, end) = self.plain()?;
            text.push_str(plain);
            if end == b'"' {
                return Ok(Cow::Owned(text));
            }
        }
    }

    /// Skips a string. Lone surrogates are accepted: the grammar allows them, and the string is not used.
    fn skip_string(&mut self) -> Result<(), Syntax> {
        self.at += 1;
        while self.plain()?.1 != b'"' {
            match self.text.as_bytes().get(self.at) {
                Some(b'u') => {
                    self.at += 1;
                    self.hexadecimal()?;
                }
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                _ => return Err(self.fault(Problem::BadEscape)),
            }
        }
        Ok(())
    }

    /// Reads an escape after its backslash.
    fn escape(&mut self) -> Result<char, Syntax> {
        let Some(byte) = self.text.as_bytes().get(self.at) else { return Err(self.fault(Problem::Cut)) };
        let character = match byte {
            b'"' | b'\\' | b'/' => char::from(*byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unit();
            }
            _ => return Err(self.fault(Problem::BadEscape)),
        };
        self.at += 1;
        Ok(character)
    }

    /// Reads the character of one `\u` escape, or of a surrogate pair.
    fn unit(&mut self) -> Result<char, Syntax> {
        let first = self.hexadecimal()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.fault(Problem::BadEscape));
        }
        if !(self.take(|byte| byte == b'\\') && self.take(|byte| byte == b'u')) {
            return Err(self.fault(Problem::BadEscape));
        }
        let second = self.hexadecimal()?;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400);
        let character = low.and_then(|low| char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low));
        character.ok_or_else(|| self.fault(Problem::BadEscape))
    }

    fn hexadecimal(&mut self) -> Result<u32, Syntax> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.text.as_bytes().get(self.at).and_then(|byte| char::from(*byte).to_digit(16));
            value = value * 16 + digit.ok_or_else(|| self.fault(Problem::BadEscape))?;
            self.at += 1;
        }
        Ok(value)
    }
}

/// Says whether JSON treats a character as blank.
const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
