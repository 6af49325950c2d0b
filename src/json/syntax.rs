//! JSON syntax errors, with their place.

use std::fmt;

/// Kind of a syntax error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The text has nothing but blanks.
    Empty,
    /// It begins with a byte order mark.
    ByteOrderMark,
    /// It ends in the middle of a value.
    Cut,
    /// A value is missing.
    NoValue,
    /// Nothing follows a comma.
    CommaAtTheEnd,
    /// A key in quotation marks is missing.
    NoKey,
    /// The colon after a key is missing.
    NoColon,
    /// Between two values, there is neither a comma nor a closing bracket.
    NoComma,
    /// A malformed number.
    BadNumber,
    /// A control character inside a string.
    ControlCharacter,
    /// An invalid escape.
    BadEscape,
    /// Nested too deeply.
    TooDeep,
    /// Something follows the value.
    GoesOn,
}

impl Problem {
    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Problem::Empty => ("the text is empty: JSON is expected", "内容为空：应为 JSON"),
            Problem::ByteOrderMark => (
                "the text begins with a byte order mark (U+FEFF): save it as UTF-8 without one",
                "文本以字节顺序标记（U+FEFF）开头：请另存为不带 BOM 的 UTF-8",
            ),
            Problem::Cut => {
                ("the text ends too early: a value or a closing bracket is missing", "文本不完整：缺少值或右括号")
            }
            Problem::NoValue => (
                "expected a value: an object, a list, a text in double quotation marks, a number, true, false or null",
                "此处应为值：对象、列表、双引号内的文本、数字、true、false 或 null",
            ),
            Problem::CommaAtTheEnd => ("a comma with nothing after it: remove it", "逗号之后没有内容：请去掉该逗号"),
            Problem::NoKey => ("expected a key in double quotation marks", "此处应为双引号内的键"),
            Problem::NoColon => ("expected a colon after the key", "键之后应为英文冒号"),
            Problem::NoComma => ("expected a comma or the closing bracket", "此处应为英文逗号或右括号"),
            Problem::BadNumber => (
                "not a number of JSON: write decimal digits, without a zero in front",
                "不是 JSON 数字：请填写十进制数字，且不以 0 开头",
            ),
            Problem::ControlCharacter => (
                "a control character inside a text: write it as an escape, such as \\n",
                "文本中有控制字符：请写作转义，例如 \\n",
            ),
            Problem::BadEscape => ("not an escape of JSON", "不是 JSON 的转义写法"),
            Problem::TooDeep => ("too many nested brackets", "括号嵌套过深"),
            Problem::GoesOn => ("something follows the value: send one value", "值之后还有内容：只能有一个值"),
        }
    }
}

/// Why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    /// Kind of the error.
    pub problem: Problem,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Syntax {
    /// Returns the error at a byte offset of the text.
    pub(super) fn at(problem: Problem, text: &str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |line_end| line_end + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Self { problem, line, column }
    }

    /// Returns the fault, its place and the fix, in English and Chinese.
    pub fn texts(self) -> (String, String) {
        let Self { problem, line, column } = self;
        let (en, zh) = problem.texts();
        (
            format!("not JSON, line {line}, column {column}: {en}"),
            format!("不是有效的 JSON，第 {line} 行第 {column} 列：{zh}"),
        )
    }
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().0)
    }
}

impl std::error::Error for Syntax {}
