//! JSON numbers as whole numbers, exactly.

/// A number as a count: a whole number from 0 up, or the reason why it is not one.
pub type Number = Result<u64, NotWhole>;

/// Why a number is not a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotWhole {
    /// It has a minus sign. `-0` too: a count has no sign, and some readers accept `-0` as 0 and some do not.
    Minus,
    /// It lies between two whole numbers.
    Fraction,
    /// It is above 18,446,744,073,709,551,615.
    TooLarge,
}

impl NotWhole {
    /// Returns the fault and the fix, in English and Chinese.
    pub const fn texts(self) -> (&'static str, &'static str) {
        match self {
            NotWhole::Minus => (
                "not a whole number from 0 up: write it without a minus sign",
                "不是非负整数：请去掉负号（-0 也不接受）",
            ),
            NotWhole::Fraction => (
                "not a whole number from 0 up: it lies between two whole numbers, write decimal digits",
                "不是非负整数：该数介于两个整数之间，请填写十进制数字",
            ),
            NotWhole::TooLarge => {
                ("too large: the largest number is 18446744073709551615", "数值过大：最大为 18446744073709551615")
            }
        }
    }
}

/// Decimal digits of the largest number, 18,446,744,073,709,551,615.
const DIGITS_MAX: usize = 20;
/// Bound of exponents. No text has as many digits, so no digits can compensate for a larger exponent.
const EXPONENT_MAX: i64 = 1 << 48;

/// Returns the value of a JSON number that is exactly a whole number: `1.0`, `1e3` and `1000e-3` are whole, `1e-400` is
/// not.
///
/// `text` must be a JSON number. The work is proportional to its length, whatever its exponent.
pub(super) fn whole(text: &str) -> Number {
    if text.starts_with('-') {
        return Err(NotWhole::Minus);
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || integer.bytes().chain(fraction.bytes());
    let Some(last) = digits().rposition_of_nonzero() else { return Ok(0) };
    let trailing_zeros = integer.len() + fraction.len() - 1 - last;
    // The number is its digits up to the last digit that is not 0, times a power of ten.
    let power = self::exponent(exponent) - length(fraction.len()) + length(trailing_zeros);
    let Ok(power) = usize::try_from(power) else { return Err(NotWhole::Fraction) };
    let significant = digits().take(last + 1).skip_while(|digit| *digit == b'0');
    let mut number = 0_u64;
    for (index, digit) in significant.chain(std::iter::repeat_n(b'0', power.min(DIGITS_MAX))).enumerate() {
        if DIGITS_MAX <= index {
            return Err(NotWhole::TooLarge);
        }
        let digit = u64::from(digit.wrapping_sub(b'0'));
        let next = number.checked_mul(10).and_then(|number| number.checked_add(digit));
        number = next.ok_or(NotWhole::TooLarge)?;
    }
    Ok(number)
}

trait Digits {
    /// Returns the position of the last digit that is not 0.
    fn rposition_of_nonzero(self) -> Option<usize>;
}

impl<I: Iterator<Item = u8>> Digits for I {
    fn rposition_of_nonzero(self) -> Option<usize> {
        self.enumerate().filter(|(_, digit)| *digit != b'0').last().map(|(place, _)| place)
    }
}

/// Returns the exponent, limited to the bound.
fn exponent(text: &str) -> i64 {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = digits.bytes().fold(0_i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0'))).min(EXPONENT_MAX)
    });
    if is_negative { -value } else { value }
}

/// A length as a power of ten. No text in memory comes near the bound.
fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(EXPONENT_MAX).min(EXPONENT_MAX)
}
