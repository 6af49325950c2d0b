//! Normalisation of identifiers: what makes two spellings the same person.
//!
//! The steps always run in the order of [`Step::ALL`], whatever the order in which they are written. Otherwise two rules with
//! the same steps in another order would count one person twice. Each step is defined character by character, so that a caller
//! in any language can repeat it.
//!
//! INVARIANT (settled): a normalised text does not change when it is normalised again.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// A step of the normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// `trim`: no blanks at the ends, that is no characters of the Unicode property `White_Space`.
    Trim,
    /// `lowercase`: each character is replaced by its lower-case mapping, regardless of its neighbours.
    Lowercase,
    /// `nfc`: Unicode normalization form C.
    Nfc,
    /// `digits`: only the digits 0 to 9 remain. The full-width digits U+FF10 to U+FF19 become these.
    Digits,
}

impl Step {
    /// All steps, in the order in which they run.
    pub const ALL: [Step; 4] = [Step::Trim, Step::Lowercase, Step::Nfc, Step::Digits];

    /// Returns the word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Step::Trim => "trim",
            Step::Lowercase => "lowercase",
            Step::Nfc => "nfc",
            Step::Digits => "digits",
        }
    }

    /// Returns the step of a word; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == word)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A decimal digit of another script. Its value is not guessed, and leaving it out could make two persons one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherDigit;

/// The steps that make two spellings of an identifier the same. None by default: identifiers are compared byte for byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Normalise(u8);

impl Normalise {
    /// No step.
    pub const NONE: Self = Self(0);

    /// Returns these steps and another one.
    #[must_use]
    pub const fn with(self, step: Step) -> Self {
        Self(self.0 | step.bit())
    }

    /// Says whether a step is among them.
    pub const fn has(self, step: Step) -> bool {
        self.0 & step.bit() != 0
    }

    /// Returns the steps in the order in which they run.
    pub fn steps(self) -> impl Iterator<Item = Step> {
        Step::ALL.into_iter().filter(move |step| self.has(*step))
    }

    /// Returns the normalised text. It has at most three times the bytes of `text`.
    ///
    /// # Errors
    /// `digits` is a step, and the text has a decimal digit that is neither ASCII nor full-width.
    pub fn apply(self, text: &str) -> Result<Cow<'_, str>, OtherDigit> {
        let mut text = Cow::Borrowed(text);
        for step in self.steps() {
            text = match (step, text) {
                (Step::Trim, Cow::Borrowed(text)) => Cow::Borrowed(text.trim()),
                (Step::Trim, Cow::Owned(text)) => Cow::Owned(text.trim().to_owned()),
                (Step::Lowercase, text) if is_lowercase_ascii(&text) => text,
                (Step::Lowercase, text) => Cow::Owned(text.chars().flat_map(char::to_lowercase).collect()),
                (Step::Nfc, text) if text.is_ascii() => text,
                (Step::Nfc, text) => Cow::Owned(text.nfc().collect()),
                (Step::Digits, text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text,
                (Step::Digits, text) => Cow::Owned(digits(&text)?),
            };
        }
        Ok(text)
    }
}

impl FromIterator<Step> for Normalise {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        steps.into_iter().fold(Self::NONE, Self::with)
    }
}

fn is_lowercase_ascii(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
}

fn digits(text: &str) -> Result<String, OtherDigit> {
    let mut digits = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '0'..='9' => digits.push(character),
            '\u{ff10}'..='\u{ff19}' => digits.extend(char::from_digit(u32::from(character) - 0xff10, 10)),
            _ if character.general_category() == GeneralCategory::DecimalNumber => return Err(OtherDigit),
            _ => {}
        }
    }
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all_but_digits() -> Normalise {
        [Step::Nfc, Step::Lowercase, Step::Trim].into_iter().collect()
    }

    #[track_caller]
    fn check(steps: &[Step], text: &str, wanted: Result<&str, OtherDigit>) {
        let normalise: Normalise = steps.iter().copied().collect();
        assert_eq!(normalise.apply(text).as_deref().map_err(|fault| *fault), wanted, "{steps:?} {text:?}");
    }

    #[test]
    fn each_step_does_as_its_name_says() {
        check(&[], " Ａ\u{3000}", Ok(" Ａ\u{3000}"));
        check(&[Step::Trim], "\u{3000} \u{85}a b\t\u{a0}\n", Ok("a b"));
        // Neither is a blank.
        check(&[Step::Trim], "\u{feff}a\u{200b}", Ok("\u{feff}a\u{200b}"));
        check(&[Step::Lowercase], "Ann.Müller@EXAMPLE.com", Ok("ann.müller@example.com"));
        // Character by character: a sigma at the end of a word is no special case, and ß has no capital.
        check(&[Step::Lowercase], "ΟΔΟΣ İ ẞ", Ok("οδοσ i\u{307} ß"));
        check(&[Step::Nfc], "Zu\u{308}rich \u{212b}", Ok("Zürich Å"));
        check(&[Step::Digits], "+86 138-0013-8000", Ok("8613800138000"));
        check(&[Step::Digits], "１３８ 0013 8000", Ok("13800138000"));
        check(&[Step::Digits], "none", Ok(""));
        check(&[Step::Digits], "1\u{661}", Err(OtherDigit));
        check(&[Step::Digits], "1\u{1d7ce}", Err(OtherDigit));
        check(&[Step::Trim, Step::Lowercase], " A ", Ok("a"));
    }

    #[test]
    fn steps_are_a_set_with_one_order() {
        let one: Normalise = [Step::Trim, Step::Lowercase].into_iter().collect();
        let other: Normalise = [Step::Lowercase, Step::Trim, Step::Trim].into_iter().collect();
        assert_eq!(one, other);
        assert_eq!(other.steps().collect::<Vec<_>>(), [Step::Trim, Step::Lowercase]);
        assert!(one.has(Step::Trim) && !one.has(Step::Digits));
        assert_eq!(Normalise::default(), Normalise::NONE);
        for step in Step::ALL {
            assert_eq!(Step::parse(step.name()), Some(step));
        }
        assert_eq!(Step::parse("Trim"), None);
    }

    #[test]
    fn every_character_is_settled_after_one_pass() {
        for character in '\0'..=char::MAX {
            let text = character.to_string();
            let once = all_but_digits().apply(&text).unwrap();
            assert_eq!(all_but_digits().apply(&once).unwrap(), once, "U+{:04X}", u32::from(character));
            let digits = Normalise::NONE.with(Step::Digits).apply(&text);
            assert!(digits.is_err() || digits.unwrap().bytes().all(|byte| byte.is_ascii_digit()));
        }
    }

    proptest! {
        #[test]
        fn a_normalised_text_is_settled_and_bounded(text in "\\PC{0,40}", bits in 0_u8..16) {
            let normalise: Normalise = Step::ALL.into_iter().filter(|step| bits & step.bit() != 0).collect();
            if let Ok(once) = normalise.apply(&text) {
                prop_assert!(once.len() <= text.len() * 3);
                prop_assert_eq!(normalise.apply(&once).unwrap(), once.as_ref());
            }
        }
    }
}
