//! Numbers against exact arithmetic, texts against another parser.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::super::{NotWhole, Tree, member};
use super::*;
use crate::domain::gateway::Body;

/// Cases of each property; `NEGLIST_PROPERTY_CASES` sets more.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration but the environment")]
fn cases() -> u32 {
    std::env::var("NEGLIST_PROPERTY_CASES").map_or(512, |cases| cases.parse().expect("a whole number"))
}

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: cases(), failure_persistence: None, ..Config::default() })
}

#[track_caller]
fn number(text: &str) -> Number {
    match Tree::read(text) {
        Ok(Tree::Number(number)) => number,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a8_numbers_are_taken_only_where_they_are_whole_as_they_are_written() {
    for (text, expected) in [
        ("1e-400", Err(NotWhole::Fraction)),
        ("0.5", Err(NotWhole::Fraction)),
        ("0.99999999999999999999", Err(NotWhole::Fraction)),
        ("-0.0", Err(NotWhole::Minus)),
        ("-0", Err(NotWhole::Minus)),
        ("-1", Err(NotWhole::Minus)),
        ("-1e-400", Err(NotWhole::Minus)),
        ("9007199254740993.0", Ok(9_007_199_254_740_993)),
        ("9007199254740992.5", Err(NotWhole::Fraction)),
        ("1.0", Ok(1)),
        ("1e3", Ok(1_000)),
        ("1E+3", Ok(1_000)),
        ("1000e-3", Ok(1)),
        ("0.0000120e6", Ok(12)),
        ("1001e-3", Err(NotWhole::Fraction)),
        ("0e-999999999999999999999", Ok(0)),
        ("0.000", Ok(0)),
        ("18446744073709551615", Ok(u64::MAX)),
        ("1844674407370955161.5e1", Ok(u64::MAX)),
        ("18446744073709551615.0000", Ok(u64::MAX)),
        ("18446744073709551616", Err(NotWhole::TooLarge)),
        ("18446744073709551615.1", Err(NotWhole::Fraction)),
        ("1e19", Ok(10_000_000_000_000_000_000)),
        ("1e20", Err(NotWhole::TooLarge)),
        ("1e1000000000", Err(NotWhole::TooLarge)),
        ("1e99999999999999999999999999", Err(NotWhole::TooLarge)),
        ("1e-99999999999999999999999999", Err(NotWhole::Fraction)),
        ("1e-9223372036854775808", Err(NotWhole::Fraction)),
        ("1e00000000000000000000000002", Ok(100)),
    ] {
        assert_eq!(number(text), expected, "{text}");
        let expected = expected.map_or(Body::Other, Body::Number);
        assert_eq!(member(format!("{{\"a\": {text}}}").as_bytes(), "/a"), expected, "{text}");
    }
}

#[test]
fn a8_the_work_follows_the_length_and_not_the_exponent() {
    let zeros = "0".repeat(1_000_000);
    for (text, expected) in [
        (format!("1{zeros}e-1000000"), Ok(1)),
        (format!("0.{zeros}1e1000001"), Ok(1)),
        (format!("0.{zeros}1e1000000"), Err(NotWhole::Fraction)),
        (format!("1{zeros}"), Err(NotWhole::TooLarge)),
        (format!("1e{zeros}1"), Ok(10)),
        (format!("1.{zeros}1"), Err(NotWhole::Fraction)),
    ] {
        assert_eq!(number(&text), expected, "{}…", text.chars().take(8).collect::<String>());
    }
    // Many of the costliest numbers: if the work grew with the exponent, this would not end.
    let many = format!("[{}0]", "1e1000000000, 1e-1000000000, ".repeat(30_000));
    assert!(Tree::read(&many).is_ok());
}

/// The same with decimal numbers of any length, written out. A fraction is not a whole number, however large it is.
fn oracle(is_negative: bool, integer: &str, fraction: &str, exponent: i32) -> Number {
    if is_negative {
        return Err(NotWhole::Minus);
    }
    let mut digits: Vec<u8> = format!("{integer}{fraction}").into_bytes();
    let shift = exponent - i32::try_from(fraction.len()).unwrap();
    digits.extend(std::iter::repeat_n(b'0', usize::try_from(shift).unwrap_or(0)));
    for _ in shift..0 {
        if digits.pop().is_some_and(|digit| digit != b'0') {
            return Err(NotWhole::Fraction);
        }
    }
    let written: String = digits.iter().map(|digit| char::from(*digit)).collect();
    let written = written.trim_start_matches('0');
    let max = u64::MAX.to_string();
    if max.len() < written.len() || (max.len() == written.len() && max.as_str() < written) {
        return Err(NotWhole::TooLarge);
    }
    let mut number = 0_u128;
    for digit in written.chars() {
        number = number * 10 + u128::from(digit.to_digit(10).unwrap());
    }
    Ok(u64::try_from(number).unwrap())
}

/// Numbers, many of them at the edges: many zeros, 2⁵³, 2⁶⁴, exponents that exactly compensate for the fraction.
fn numbers() -> impl Strategy<Value = (bool, String, String, Option<i32>)> {
    let integer = prop_oneof![
        3 => "0|[1-9][0-9]{0,4}",
        2 => "[1-9][0-9]{0,25}",
        2 => "[1-9]0{0,25}",
        1 => Just("18446744073709551615".to_owned()),
        1 => Just("18446744073709551616".to_owned()),
        1 => Just("9007199254740993".to_owned()),
        1 => (0_u64..40).prop_map(|below| (u64::MAX - below).to_string()),
    ];
    let fraction = prop_oneof![3 => Just(String::new()), 2 => "0{1,25}", 2 => "[0-9]{1,25}", 1 => "[0-9]{1,3}0{1,25}", 1 => "9{1,25}"];
    let exponent = prop_oneof![2 => Just(None), 3 => (-30..30_i32).prop_map(Some), 1 => (-400..400_i32).prop_map(Some)];
    (prop::bool::weighted(0.1), integer, fraction, exponent)
}

#[test]
fn a8_numbers_agree_with_exact_arithmetic() {
    let spelt = (numbers(), any::<bool>(), prop_oneof![Just(""), Just("+")], 0..3_usize);
    let told = runner().run(&spelt, |((is_negative, integer, fraction, exponent), is_capital, plus, zeros)| {
        let sign = if is_negative { "-" } else { "" };
        let point = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
        let power = exponent.map_or(String::new(), |exponent| {
            let (sign, zeros) = (if exponent < 0 { "-" } else { plus }, "0".repeat(zeros));
            format!("{}{sign}{zeros}{}", if is_capital { 'E' } else { 'e' }, exponent.unsigned_abs())
        });
        let text = format!("{sign}{integer}{point}{power}");
        let expected = oracle(is_negative, &integer, &fraction, exponent.unwrap_or(0));
        prop_assert_eq!(number(&text), expected, "{}", text);
        // Blanks and neighbours change nothing; another digit does.
        let list = format!("[7,\t{text}\r\n,{text}]");
        prop_assert_eq!(member(list.as_bytes(), "/1"), expected.map_or(Body::Other, Body::Number));
        let longer = format!("0{text}");
        prop_assert!(Tree::read(&longer).is_err());
        Ok(())
    });
    told.unwrap();
}

/// Says whether a tree equals that of another parser, which keeps the last of two duplicate keys. Of numbers, only
/// those written in digits are compared; the others have a property of their own.
fn is_alike(tree: &Tree, other: &Value) -> bool {
    match (tree, other) {
        (Tree::Object(members), Value::Object(others)) => {
            let last = |key: &str| members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value);
            members.iter().all(|(key, _)| others.contains_key(key))
                && others.iter().all(|(key, value)| last(key).is_some_and(|tree| is_alike(tree, value)))
        }
        (Tree::List(values), Value::Array(others)) => {
            values.len() == others.len() && values.iter().zip(others).all(|(tree, other)| is_alike(tree, other))
        }
        (Tree::Text(text), Value::String(other)) => text == other,
        (Tree::Number(number), Value::Number(other)) => other.as_u64().is_none_or(|other| *number == Ok(other)),
        (Tree::Bool(truth), Value::Bool(other)) => truth == other,
        (Tree::Null, Value::Null) => true,
        _ => false,
    }
}

#[test]
fn texts_are_json_exactly_if_another_reader_accepts_them() {
    let piece = prop_oneof![
        3 => prop::sample::select(vec!["{", "}", "[", "]", ",", ":", " ", "\n", "\t", "\"a\"", "\"\"", "\"b\":1", "null", "true", "false"]),
        2 => prop::sample::select(vec!["0", "-", "1", "12", "-0", "1.5", "e", "E+2", ".", "01", "1e5", "-7", "18446744073709551615"]),
        2 => prop::sample::select(vec![
            "\"", "\\", "\"\\u00e9\"", "\"\\ud83d\\ude00\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\n\\/\\b\"", "\"\\x\"", "\"\u{1}\"", "\"\u{7f}\"",
            "\"中\"", "\u{feff}", "\u{a0}", "nul", "tru", "NaN", "'", "/", "\"\\u12\"", "\"\\ud83d\\u0041\"",
        ]),
    ];
    let wild = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    let leaf = prop_oneof![
        Just("1".to_owned()),
        Just("\"a\\u0062\"".to_owned()),
        Just("null".to_owned()),
        Just("0.5".to_owned()),
        "[0-9]{1,3}",
    ];
    let grown = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| format!("[ {} ]", values.join(" ,"))),
            prop::collection::vec((prop::sample::select(vec!["a", "b", "\\u0061", ""]), inner), 0..4).prop_map(
                |members| {
                    let members: Vec<String> =
                        members.iter().map(|(key, value)| format!("\"{key}\" :{value}")).collect();
                    format!("{{{}}}", members.join(", "))
                }
            ),
        ]
    });
    let damaged = (grown, any::<prop::sample::Index>(), "[\\[\\]{},:\"0-9a-e. ]?").prop_map(|(text, at, put)| {
        let at = at.index(text.len() + 1);
        let before: String = text.chars().take(at).collect();
        let after: String = text.chars().skip(at + usize::from(put.is_empty())).collect();
        format!("{before}{put}{after}")
    });
    let told = runner().run(&prop_oneof![wild, damaged], |text| {
        let skipped = {
            let mut reader = Reader::new(&text);
            reader.skip().and_then(|()| reader.end())
        };
        prop_assert_eq!(skipped.is_ok(), serde_json::from_str::<IgnoredAny>(&text).is_ok(), "skipped: {:?}", text);
        match (Tree::read(&text), serde_json::from_str::<Value>(&text)) {
            (Ok(tree), Ok(other)) => prop_assert!(is_alike(&tree, &other), "{text:?}: {tree:?}"),
            // The other parser cannot represent large numbers.
            (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("out of range"), "{text:?}: {error}"),
            (Err(error), Ok(_)) => prop_assert!(false, "{text:?}: {error}"),
            (Err(error), Err(_)) => prop_assert!(1 <= error.line && 1 <= error.column, "{text:?}: {error}"),
        }
        Ok(())
    });
    told.unwrap();
}

#[test]
fn a_fault_of_json_is_named_with_its_place() {
    let texts = [
        "",
        "  ",
        "\u{feff}{}",
        "{",
        "{\"a\"",
        "{\"a\" 1}",
        "{\"a\": 1, }",
        "{'a': 1}",
        "{\"a\": 1 \"b\": 2}",
        "[1,\n 2 3]",
        "[1,]",
        "01",
        "1.",
        "5kg",
        "\"a\n\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "{} {}",
        "nul",
        "{\"a\"：1}",
        "[，]",
    ];
    let said = texts.map(|text| {
        let (en, zh) = Tree::read(text).unwrap_err().texts();
        format!("{text:?}\n  {en}\n  {zh}")
    });
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn depth_is_bounded_where_it_is_kept() {
    let deep = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Tree::read(&deep(DEPTH_MAX)).is_ok());
    assert_eq!(Tree::read(&deep(DEPTH_MAX + 1)).unwrap_err().problem, Problem::TooDeep);
    assert_eq!(Tree::read(&"[".repeat(1_000_000)).unwrap_err().problem, Problem::TooDeep);
    let mut reader = Reader::new(&deep(1_000_000)).skip();
    assert_eq!(reader, Ok(()));
    reader = Reader::new(&"[".repeat(1_000_000)).skip();
    assert!(reader.is_err());
    // Siblings are not nested.
    assert!(Tree::read(&format!("[{}[]]", "[[]], ".repeat(1_000))).is_ok());
}
