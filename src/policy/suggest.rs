//! Suggestions for a word that is not in a closed set of words.
//!
//! A suggestion must not invert the meaning: `on` resembles `no`, `unimportant` resembles `important`.

use super::diagnostic::clip;
use super::lookalikes;

/// Words that mean yes, from authors who do not know which word the format accepts.
const YES: &[&str] = &["y", "yes", "yep", "true", "t", "on", "1", "是", "对", "真", "有", "开"];
/// Words that mean no.
const NO: &[&str] = &["n", "no", "nope", "false", "f", "off", "0", "否", "不", "不是", "非", "假", "无", "没有", "关"];

/// Returns a suggestion for a word in place of `yes` or `no`, with the meaning of the word.
pub(super) fn yes_or_no(found: &str, words: &[&str]) -> String {
    let plain = lookalikes::corrected(lookalikes::without_full_stop(found)).trim().to_lowercase();
    let shown = clip(found);
    let meant = [("yes", YES), ("no", NO)].into_iter().find(|(_, same)| same.contains(&plain.as_str()));
    let (en, zh) = match meant {
        Some((word, _)) => (format!("write `{word}`"), format!("请写 `{word}`")),
        None if words.contains(&"unknown") => {
            ("write `yes`, `no` or `unknown`".to_owned(), "请写 `yes`、`no` 或 `unknown`".to_owned())
        }
        None => ("write `yes` or `no`".to_owned(), "请写 `yes` 或 `no`".to_owned()),
    };
    format!("{en}: `{shown}` is read as neither yes nor no / {zh}：`{shown}` 既不读作是，也不读作否")
}

/// Words that mean nothing, in place of a list or the word `none`.
const NOTHING: &[&str] = &["none", "nothing", "nil", "null", "n/a", "empty", "无", "没有", "空"];

/// Returns how the format writes nothing, for a word that means it.
pub(super) fn nothing(found: &str, written: &str) -> Option<String> {
    let plain = lookalikes::corrected(lookalikes::without_full_stop(found)).trim().to_lowercase();
    let (is_meant, shown) = (NOTHING.contains(&plain.as_str()), clip(found));
    is_meant.then(|| format!("write `{written}` in place of `{shown}` / 请写 `{written}`，而不是 `{shown}`"))
}

/// Returns a key and its value if the space after the colon between them is missing.
pub(super) fn missing_space(found: &str, keys: &[&str]) -> Option<String> {
    let (key, value) = found.split_once(':').filter(|(key, _)| keys.contains(key))?;
    let whole = clip(&format!("{key}: {}", value.trim()));
    Some(format!("a space is missing after `:`: write `{whole}` / `:` 之后缺少空格：请写 `{whole}`"))
}

/// Returns the keys that another key has swallowed because a colon is a look-alike: `general：1，sensitive：2`.
pub(super) fn swallowed(found: &str, keys: &[&'static str]) -> Vec<&'static str> {
    let plain = lookalikes::corrected(found);
    let mut parts: Vec<&str> = plain.split(':').collect();
    // The text after the last colon is a value.
    parts.pop();
    let last_word = |part: &str| part.rsplit([',', ' ', '{']).find(|word| !word.is_empty()).map(str::to_owned);
    let words: Vec<String> = parts.into_iter().filter_map(last_word).collect();
    keys.iter().copied().filter(|key| words.iter().any(|word| word == key)).collect()
}

/// Prefixes that turn a word into its opposite.
const NEGATIONS: &[&str] = &["non", "not", "no", "un", "in", "dis", "never", "without", "不", "非", "未", "无"];

/// Returns the word that is certainly meant: the only nearest one, and not an opposite.
pub(super) fn nearest<'w>(found: &str, words: &[&'w str]) -> Option<&'w str> {
    let slips_max = (found.chars().count() / 3).clamp(1, 4);
    let mut by_slips: Vec<(usize, &str)> =
        words.iter().map(|word| (strsim::osa_distance(word, found), *word)).collect();
    by_slips.sort_unstable();
    let (slips, nearest) = *by_slips.first()?;
    let is_only = by_slips.get(1).is_none_or(|(others, _)| slips < *others);
    (slips <= slips_max && is_only && !negates(found, nearest) && !negates(nearest, found)).then_some(nearest)
}

/// Says whether a word is another word, or nearly, after a negation.
fn negates(word: &str, other: &str) -> bool {
    let rests = NEGATIONS.iter().filter_map(|negation| word.strip_prefix(negation));
    let mut rests = rests.map(|rest| rest.trim_start_matches(['-', '_', ' '])).filter(|rest| !rest.is_empty());
    rests.any(|rest| strsim::osa_distance(rest, other) <= 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_words_for_yes_and_no_keep_their_meaning() {
        let words = ["yes", "no"];
        for found in
            ["y", "Y", "YES", "Yes", "true", "True", "on", "ON", "1", "是", "ｙｅｓ", "yes\u{a0}", " yes", "是。"]
        {
            assert!(yes_or_no(found, &words).starts_with("write `yes`: "), "{found}");
        }
        for found in ["n", "N", "NO", "No", "false", "off", "0", "否", "不", "ｎｏ", "no\u{3000}", "no。", "否。"]
        {
            assert!(yes_or_no(found, &words).starts_with("write `no`: "), "{found}");
        }
        for found in ["maybe", "ye", "yo", "none", "unknown", "", "oui"] {
            assert!(yes_or_no(found, &words).starts_with("write `yes` or `no`: "), "{found}");
            assert!(yes_or_no(found, &["yes", "no", "unknown"]).starts_with("write `yes`, `no` or `unknown`: "));
        }
    }

    #[test]
    fn f10_nothing_is_written_as_the_format_has_it() {
        for found in ["无", "没有", "无。", "None", "空"] {
            assert!(nothing(found, "[]").unwrap().starts_with("write `[]` in place of"), "{found}");
        }
        for found in ["无限", "no", "nonet", "", "[]"] {
            assert_eq!(nothing(found, "[]"), None, "{found}");
        }
    }

    #[test]
    fn f10_a_key_that_swallowed_others_names_them() {
        let keys = ["general", "sensitive", "specially_sensitive"];
        assert_eq!(swallowed("general：40000", &keys), ["general"]);
        assert_eq!(swallowed("general：40000，sensitive：1", &keys), ["general", "sensitive"]);
        assert_eq!(swallowed("general:40000", &keys), ["general"]);
        assert_eq!(swallowed("specially_sensitive：1", &keys), ["specially_sensitive"]);
        for found in ["generals：1", "x：general", "general", ""] {
            assert_eq!(swallowed(found, &keys), [""; 0], "{found}");
        }
        assert!(missing_space("general:40000", &keys).unwrap().contains("write `general: 40000`"));
        assert_eq!(missing_space("other:40000", &keys), None);
    }

    #[test]
    fn c_no_suggestion_turns_a_meaning_round() {
        let important = ["important", "not-important"];
        let required = ["required", "not-required", "unknown"];
        let classes = ["non-personal", "general", "sensitive", "important"];
        let boundary = ["inclusive", "exclusive"];
        let admission = ["excluded", "included", "unknown"];
        for (found, words) in [
            ("unimportant", &important[..]),
            ("non-important", &["important"]),
            ("noimportant", &important),
            ("unrequired", &required),
            ("known", &required),
            ("insensitive", &classes),
            ("non-sensitive", &classes),
            ("nonsensitive", &classes),
            ("unimportant", &classes),
            ("不important", &classes),
            ("enclusive", &boundary),
            ("encluded", &admission),
            ("personal", &classes),
        ] {
            assert_eq!(nearest(found, words), None, "{found}");
        }
        for (found, words, meant) in [
            ("importnt", &important[..], "important"),
            ("not_important", &important, "not-important"),
            ("notimportant", &important, "not-important"),
            ("inclusve", &boundary, "inclusive"),
            ("exclded", &admission, "excluded"),
            ("unknwon", &required, "unknown"),
            ("sensitiv", &classes, "sensitive"),
            ("nonpersonal", &classes, "non-personal"),
        ] {
            assert_eq!(nearest(found, words), Some(meant), "{found}");
        }
    }
}
