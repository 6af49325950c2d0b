//! References from one record to another, by code.

use crate::domain::asked::{Problem, parse_country};
use crate::domain::units::Country;
use crate::domain::vocabulary::Vocabulary;
use crate::policy::decode::Context;
use crate::policy::diagnostic::{Span, clip};
use crate::policy::source::scalar::{At, Words};

/// Resolves a reference to a code; reports a dangling one.
pub(super) fn follow(cx: &mut Context<'_>, vocabulary: &Vocabulary, code: &str, span: Span, noun: &str) -> Option<u32> {
    let known = vocabulary.get(code);
    if known.is_none() {
        let nearest = vocabulary.nearest(code).map(|number| vocabulary.word(number));
        dangling(cx, span, code, noun, nearest);
    }
    known
}

/// Returns the country of a code; reports a code that is not a country.
pub(super) fn country(cx: &mut Context<'_>, code: &At<Words>) -> Option<Country> {
    let word = &code.value.0;
    match parse_country(word) {
        Ok(country) => return Some(country),
        Err(problem) => {
            let help = match problem {
                Problem::NotACountry { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
                _ => "write a code of ISO 3166-1 in two capital letters, such as DE \
                    / 请写 ISO 3166-1 的两位大写字母代码，如 DE"
                    .to_owned(),
            };
            cx.error("P006", code.span, format!("`{}` is not a country code", clip(word)), help);
        }
    }
    None
}

/// Reports a dangling reference.
pub(super) fn dangling(cx: &mut Context<'_>, span: Span, code: &str, noun: &str, nearest: Option<&str>) {
    let help = nearest.map_or_else(
        || "no policy file defines it: correct the word, or add it".to_owned(),
        |nearest| format!("did you mean `{nearest}`?"),
    );
    cx.error("P011", span, format!("unknown {noun} `{code}`"), help);
}
