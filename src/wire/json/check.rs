//! Compares JSON with a message of the contract, field by field, before it is read.
//!
//! The reader of proto3 JSON stops at the first mistake and does not say where it is. It also accepts too much for a decision:
//! `null` for a number, which is then a 0 that no caller stated. Each issue here has its path.

use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde::de::value::StrDeserializer;

use crate::json::Tree;
use crate::wire::json::issues::Issues;
use crate::wire::refusal::labels::shown;

/// Longest word that a nearest known one is looked for, in bytes. The longest of the contract has some 30.
const MISSPELT_BYTES_MAX: usize = 128;

/// Returns the issues of an object that should be a message.
pub(crate) fn check(tree: &Tree, descriptor: &MessageDescriptor) -> Issues {
    let mut issues = Issues::default();
    check_message(tree, descriptor, "", &mut issues);
    issues
}

fn check_message(tree: &Tree, descriptor: &MessageDescriptor, path: &str, issues: &mut Issues) {
    let Tree::Object(fields) = tree else {
        return issues.add(path, "not an object: write it in braces", "不是对象：请用花括号书写");
    };
    let mut seen: Vec<FieldDescriptor> = Vec::new();
    for (name, value) in fields {
        if issues.is_full() {
            return;
        }
        let place = if path.is_empty() { shown(name) } else { format!("{path}.{}", shown(name)) };
        let field = descriptor.get_field_by_name(name).or_else(|| descriptor.get_field_by_json_name(name));
        let Some(field) = field else {
            let (en, zh) = unknown_field(name, descriptor);
            issues.add(place, en, zh);
            continue;
        };
        if seen.contains(&field) {
            issues.add_duplicate(place.as_str(), "field", "字段");
        }
        check_value(value, &field, &place, issues);
        seen.push(field);
    }
}

fn check_value(tree: &Tree, field: &FieldDescriptor, path: &str, issues: &mut Issues) {
    match tree {
        Tree::List(values) if field.is_list() => {
            for (index, value) in values.iter().enumerate() {
                if issues.is_full() {
                    return;
                }
                check_single(value, &field.kind(), &format!("{path}[{index}]"), issues);
            }
        }
        Tree::Null => check_single(tree, &field.kind(), path, issues),
        _ if field.is_list() => issues.add(path, "not a list: write it in brackets", "不是列表：请用方括号书写"),
        _ => check_single(tree, &field.kind(), path, issues),
    }
}

fn check_single(tree: &Tree, kind: &Kind, path: &str, issues: &mut Issues) {
    match (tree, kind) {
        (Tree::Null, _) => issues.add(
            path,
            "null is no value: state it, or leave the field out where the contract allows that",
            "null 不是值：请填写，或在协议允许时去掉该字段",
        ),
        (_, Kind::Message(descriptor)) if descriptor.full_name() == "google.protobuf.Timestamp" => {
            if !is_time_stamp(tree, descriptor) {
                issues.add(
                    path,
                    "not a time stamp: write it as `2026-06-01T00:00:00+08:00`",
                    "不是时间戳：请写作 `2026-06-01T00:00:00+08:00`",
                );
            }
        }
        (_, Kind::Message(descriptor)) => check_message(tree, descriptor, path, issues),
        (Tree::Text(word), Kind::Enum(descriptor)) => {
            if descriptor.get_value_by_name(word).is_none() {
                let (en, zh) = unknown_value(word, descriptor);
                issues.add(path, en, zh);
            }
        }
        (Tree::Number(Ok(number)), Kind::Enum(_)) if i32::try_from(*number).is_ok() => {}
        (_, Kind::Enum(descriptor)) => {
            let known = known_values(descriptor).join("`, `");
            issues.add(
                path,
                format!("not a word of the contract: known are `{known}`"),
                format!("不是协议所列的值：可用 `{known}`"),
            );
        }
        (Tree::Text(_), Kind::String) | (Tree::Bool(_), Kind::Bool) => {}
        (_, Kind::String) => issues.add(path, "not a text: write it in quotation marks", "不是文本：请加引号"),
        (_, Kind::Bool) => {
            issues.add(path, "not a truth value: write true or false", "不是布尔值：请填写 true 或 false");
        }
        (Tree::Number(number), Kind::Uint64) => {
            if let Err(not_whole) = number {
                let (en, zh) = not_whole.texts();
                issues.add(path, en, zh);
            }
        }
        (Tree::Text(text), Kind::Uint64) if is_whole(text) => {}
        (_, Kind::Uint64) => {
            issues.add(path, "not a whole number from 0 up: write decimal digits", "不是非负整数：请填写十进制数字");
        }
        // The messages that are read have no fields of other kinds; the reader refuses what does not fit one.
        (_, _) => {}
    }
}

fn is_time_stamp(tree: &Tree, descriptor: &MessageDescriptor) -> bool {
    let Tree::Text(text) = tree else { return false };
    let text: StrDeserializer<'_, serde::de::value::Error> = StrDeserializer::new(text);
    DynamicMessage::deserialize(descriptor.clone(), text).is_ok()
}

/// Says whether a text is the decimal digits of a number of 64 bits.
fn is_whole(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok()
}

fn unknown_field(name: &str, descriptor: &MessageDescriptor) -> (String, String) {
    let known: Vec<String> = descriptor.fields().map(|field| field.name().to_owned()).collect();
    let (en, zh) = advice(name, &known);
    let name = shown(name);
    (format!("unknown field `{name}`: {en}"), format!("未知字段 `{name}`：{zh}"))
}

fn unknown_value(word: &str, descriptor: &EnumDescriptor) -> (String, String) {
    let (en, zh) = advice(word, &known_values(descriptor));
    let word = shown(word);
    (format!("unknown value `{word}`: {en}"), format!("未知取值 `{word}`：{zh}"))
}

fn known_values(descriptor: &EnumDescriptor) -> Vec<String> {
    descriptor.values().skip(1).map(|value| value.name().to_owned()).collect()
}

/// Names the known word that was probably meant, or else all of them.
fn advice(word: &str, known: &[String]) -> (String, String) {
    let normal = |word: &str| word.to_ascii_lowercase().replace(['_', '-'], "");
    let nearest = (word.len() <= MISSPELT_BYTES_MAX).then(|| {
        let wanted = normal(word);
        let distance = |candidate: &String| {
            let candidate = normal(candidate);
            // People write `FULL` for `DETAIL_FULL`.
            let is_tail = 3 <= wanted.len() && candidate.ends_with(&wanted);
            if is_tail { 0 } else { strsim::osa_distance(&candidate, &wanted) }
        };
        let nearest = known.iter().map(|candidate| (distance(candidate), candidate)).min();
        nearest.filter(|(slips, _)| *slips <= (wanted.len() / 3).max(1))
    });
    if let Some((_, nearest)) = nearest.flatten() {
        return (format!("did you mean `{nearest}`?"), format!("是否为 `{nearest}`？"));
    }
    let known = known.join("`, `");
    (format!("known are `{known}`"), format!("已知的有 `{known}`"))
}
