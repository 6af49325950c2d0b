//! proto3 JSON to messages and back, for the command line and for HTTP.
//!
//! Reads what people write by hand, so it is stricter than proto3 JSON asks for: a field or a
//! value that is not known, or that stands twice, is refused with the nearest known name.
//! A misspelt `ground` or a second `persons` must not change what is decided.
//!
//! The mapping itself is reflection over the descriptors of the contract.

use std::fmt;
use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    SerializeOptions,
};
use prost_types::FileDescriptorSet;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::generated::{DESCRIPTORS, v1};

/// Why a text is not the message that it should be: every finding, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong, with the path of the field or the line and column.
    pub findings: Vec<String>,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.findings.join("\n"))
    }
}

impl std::error::Error for JsonError {}

impl JsonError {
    fn new(finding: impl fmt::Display) -> Self {
        Self { findings: vec![finding.to_string()] }
    }
}

const DECIDE_REQUEST: &str = "neglist.v1.DecideRequest";
const DECIDE_RESPONSE: &str = "neglist.v1.DecideResponse";
const TRANSFER: &str = "neglist.v1.Transfer";

/// Reads a request from proto3 JSON: a `DecideRequest`, or a `Transfer` by itself.
///
/// An object with a field `transfer` or `detail` is taken for a request.
///
/// # Errors
/// Text that is not JSON; fields and values that are not known, with the nearest known name;
/// fields that stand twice; values of another type.
pub fn decide_request_from_json(json: &str) -> Result<v1::DecideRequest, JsonError> {
    let tree: Tree = serde_json::from_str(json).map_err(JsonError::new)?;
    let Tree::Object(fields) = &tree else {
        return Err(JsonError::new("not a JSON object: write a transfer, such as {\"flow\": \"…\", \"persons\": {…}}"));
    };
    if fields.iter().any(|(name, _)| name == "transfer" || name == "detail") {
        return read(json, &tree, DECIDE_REQUEST);
    }
    Ok(v1::DecideRequest { transfer: Some(read(json, &tree, TRANSFER)?), detail: v1::Detail::Unspecified.into() })
}

/// Reads a `DecideRequest` from proto3 JSON, and nothing else.
///
/// # Errors
/// As [`decide_request_from_json`].
pub fn decide_request(json: &[u8]) -> Result<v1::DecideRequest, JsonError> {
    let json = std::str::from_utf8(json)
        .map_err(|error| JsonError::new(format!("not UTF-8 from byte {} on", error.valid_up_to())))?;
    read_object(json, DECIDE_REQUEST, "write a request, such as {\"transfer\": {\"flow\": \"…\", \"persons\": {…}}}")
}

/// Writes a `DecideResponse` as proto3 JSON on one line.
///
/// # Errors
/// Where the descriptors that are compiled in cannot be read.
pub fn decide_response(response: &v1::DecideResponse) -> Result<String, JsonError> {
    to_json_line(response, DECIDE_RESPONSE)
}

/// Reads a `Transfer` from proto3 JSON.
///
/// # Errors
/// As [`decide_request_from_json`].
pub fn transfer_from_json(json: &str) -> Result<v1::Transfer, JsonError> {
    read_object(json, TRANSFER, "write a transfer, such as {\"flow\": \"…\", \"persons\": {…}}")
}

fn read_object<M: Message + Default>(json: &str, full_name: &str, help: &str) -> Result<M, JsonError> {
    let tree: Tree = serde_json::from_str(json).map_err(JsonError::new)?;
    let Tree::Object(_) = &tree else { return Err(JsonError::new(format!("not a JSON object: {help}"))) };
    read(json, &tree, full_name)
}

/// Writes a message as proto3 JSON on one line.
///
/// # Errors
/// As [`to_json`].
pub fn to_json_line(message: &impl Message, full_name: &str) -> Result<String, JsonError> {
    let dynamic = dynamic(message, full_name)?;
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut json);
    dynamic.serialize_with_options(&mut serializer, &SerializeOptions::new()).map_err(JsonError::new)?;
    String::from_utf8(json).map_err(JsonError::new)
}

/// Writes a message as proto3 JSON, over several lines, with the field names of the contract's JSON.
///
/// `full_name` is the message's name in the contract, such as `neglist.v1.DecideResponse`, or
/// `google.rpc.Status`, whose details are written out too.
///
/// # Errors
/// A name that is not that of the message, or details of an unknown type.
pub fn to_json(message: &impl Message, full_name: &str) -> Result<String, JsonError> {
    let dynamic = dynamic(message, full_name)?;
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::pretty(&mut json);
    dynamic.serialize_with_options(&mut serializer, &SerializeOptions::new()).map_err(JsonError::new)?;
    String::from_utf8(json).map_err(JsonError::new)
}

fn dynamic(message: &impl Message, full_name: &str) -> Result<DynamicMessage, JsonError> {
    let descriptor = descriptor(full_name)?;
    DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).map_err(JsonError::new)
}

fn read<M: Message + Default>(json: &str, tree: &Tree, full_name: &str) -> Result<M, JsonError> {
    let descriptor = descriptor(full_name)?;
    let mut findings = Vec::new();
    check_message(tree, &descriptor, "", &mut findings);
    if !findings.is_empty() {
        return Err(JsonError { findings });
    }
    // Read a second time from the text, so that a value of another type is reported with its line.
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let dynamic = DynamicMessage::deserialize_with_options(descriptor, &mut deserializer, &options);
    dynamic.map_err(JsonError::new)?.transcode_to().map_err(JsonError::new)
}

fn descriptor(full_name: &str) -> Result<MessageDescriptor, JsonError> {
    let pool = POOL.as_ref().map_err(JsonError::new)?;
    pool.get_message_by_name(full_name).ok_or_else(|| JsonError::new(format!("no message `{full_name}`")))
}

static POOL: LazyLock<Result<DescriptorPool, String>> = LazyLock::new(|| pool().map_err(|error| error.to_string()));

/// The contract, and the details that errors carry.
fn pool() -> Result<DescriptorPool, Box<dyn std::error::Error>> {
    let mut pool = DescriptorPool::decode(DESCRIPTORS)?;
    let details = FileDescriptorSet::decode(tonic_types::pb::FILE_DESCRIPTOR_SET)?;
    // `google.rpc.Status` is in the contract's own set, under another file name.
    let is_new = |file: &prost_types::FileDescriptorProto| {
        let has_status = file.message_type.iter().any(|message| message.name() == "Status");
        !has_status && pool.get_file_by_name(file.name()).is_none()
    };
    let files: Vec<_> = details.file.into_iter().filter(is_new).collect();
    pool.add_file_descriptor_protos(files)?;
    Ok(pool)
}

fn check_message(tree: &Tree, descriptor: &MessageDescriptor, path: &str, findings: &mut Vec<String>) {
    // Time stamps and the like have JSON of their own.
    if descriptor.package_name() == "google.protobuf" {
        return;
    }
    let Tree::Object(fields) = tree else { return };
    let mut seen: Vec<FieldDescriptor> = Vec::new();
    for (name, value) in fields {
        let place = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let field = descriptor.get_field_by_name(name).or_else(|| descriptor.get_field_by_json_name(name));
        let Some(field) = field else {
            findings.push(unknown_field(&place, name, descriptor));
            continue;
        };
        if seen.contains(&field) {
            findings.push(format!("{place}: the field stands twice: keep one"));
        }
        check_value(value, &field, &place, findings);
        seen.push(field);
    }
}

fn check_value(tree: &Tree, field: &FieldDescriptor, path: &str, findings: &mut Vec<String>) {
    match (tree, field.kind()) {
        (Tree::List(values), _) if field.is_list() => {
            for (index, value) in values.iter().enumerate() {
                check_single(value, &field.kind(), &format!("{path}[{index}]"), findings);
            }
        }
        (value, kind) => check_single(value, &kind, path, findings),
    }
}

fn check_single(tree: &Tree, kind: &Kind, path: &str, findings: &mut Vec<String>) {
    match (tree, kind) {
        (Tree::Object(_), Kind::Message(descriptor)) => check_message(tree, descriptor, path, findings),
        (Tree::Text(word), Kind::Enum(descriptor)) if descriptor.get_value_by_name(word).is_none() => {
            findings.push(unknown_value(path, word, descriptor));
        }
        (Tree::Object(_) | Tree::List(_) | Tree::Text(_) | Tree::Scalar, _) => {}
    }
}

fn unknown_field(place: &str, name: &str, descriptor: &MessageDescriptor) -> String {
    let known: Vec<String> = descriptor.fields().map(|field| field.name().to_owned()).collect();
    let name = name.escape_debug();
    format!("{}: unknown field `{name}`: {}", place.escape_debug(), advice(&name.to_string(), &known))
}

fn unknown_value(path: &str, word: &str, descriptor: &EnumDescriptor) -> String {
    let known: Vec<String> = descriptor.values().skip(1).map(|value| value.name().to_owned()).collect();
    format!("{}: unknown value `{}`: {}", path.escape_debug(), word.escape_debug(), advice(word, &known))
}

/// Names the known word that was probably meant, or else all of them.
fn advice(word: &str, known: &[String]) -> String {
    let normal = |word: &str| word.to_ascii_lowercase().replace(['_', '-'], "");
    let wanted = normal(word);
    let distance = |candidate: &String| {
        let candidate = normal(candidate);
        // `FULL` for `DETAIL_FULL` is what people write.
        let is_tail = 3 <= wanted.len() && candidate.ends_with(&wanted);
        if is_tail { 0 } else { strsim::osa_distance(&candidate, &wanted) }
    };
    let nearest = known.iter().map(|candidate| (distance(candidate), candidate)).min();
    match nearest.filter(|(slips, _)| *slips <= (wanted.len() / 3).max(1)) {
        Some((_, nearest)) => format!("did you mean `{nearest}`?"),
        None => format!("known are `{}`", known.join("`, `")),
    }
}

/// JSON with its fields in order, those that stand twice included.
enum Tree {
    Object(Vec<(String, Tree)>),
    List(Vec<Tree>),
    Text(String),
    Scalar,
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Tree::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Tree::List(values))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::asked::{Need, Problem, Violation};
    use crate::wire::status;

    #[track_caller]
    fn refused(json: &str) -> String {
        decide_request_from_json(json).unwrap_err().to_string()
    }

    #[test]
    fn a_request_and_a_bare_transfer_are_read() {
        let transfer = r#"{"exporter": "acme", "yearToDate": {"general": "12000", "sensitive": 3},
            "data": [{"code": "a.b", "data_class": "DATA_CLASS_GENERAL"}], "at": "2026-01-01T00:00:00+08:00"}"#;
        let bare = decide_request_from_json(transfer).unwrap();
        let whole = format!(r#"{{"transfer": {transfer}, "detail": "DETAIL_FULL"}}"#);
        let whole = decide_request_from_json(&whole).unwrap();
        assert_eq!(whole.detail(), v1::Detail::Full);
        assert_eq!(bare.transfer, whole.transfer);
        let transfer = bare.transfer.unwrap();
        assert_eq!(transfer.year_to_date, Some(v1::Persons { general: 12_000, sensitive: 3 }));
        assert_eq!(transfer.at.unwrap().seconds, 1_767_196_800);
        assert_eq!(transfer.data[0].data_class(), v1::DataClass::General);
        assert_eq!(decide_request_from_json("{}").unwrap().transfer, Some(v1::Transfer::default()));
    }

    #[test]
    fn what_is_not_known_is_refused_with_the_nearest_name() {
        let json = r#"{"transfer": {"secto": "x", "data": [{}, {"classs": 1, "data_class": "SENSITIVE"}]},
            "detail": "FUL", "zzzzzz": 1}"#;
        insta::assert_snapshot!(refused(json));
    }

    #[test]
    fn what_stands_twice_is_refused() {
        assert_eq!(refused(r#"{"flow": "a", "flow": "b"}"#), "flow: the field stands twice: keep one");
        let alias = r#"{"year_to_date": {}, "yearToDate": {"general": 1, "general": 2}}"#;
        let expected = "yearToDate: the field stands twice: keep one\n\
            yearToDate.general: the field stands twice: keep one";
        assert_eq!(refused(alias), expected);
    }

    #[test]
    fn broken_json_and_wrong_types_are_refused_with_their_line() {
        let cases =
            ["", "[1]", "7", "{\"flow\": }", "{} {}", "{\n  \"flow\": 7\n}", "{\"persons\": {\"general\": -1}}"];
        insta::assert_snapshot!(cases.map(refused).join("\n"));
        assert!(decide_request_from_json(&"[".repeat(100_000)).is_err());
        assert!(decide_request_from_json("{\"at\": \"yesterday\"}").is_err());
    }

    #[test]
    fn messages_are_printed_with_their_error_details() {
        let violations = [Violation::new("transfer", Problem::Missing(Need::Transfer))];
        insta::assert_snapshot!(to_json(&status::invalid(&violations), "google.rpc.Status").unwrap());
        let decision = v1::Decision { outcome: v1::Outcome::File.into(), ..v1::Decision::default() };
        let response = v1::DecideResponse { decision: Some(decision) };
        let json = to_json(&response, "neglist.v1.DecideResponse").unwrap();
        assert_eq!(json, "{\n  \"decision\": {\n    \"outcome\": \"OUTCOME_FILE\"\n  }\n}");
        assert!(to_json(&response, "neglist.v1.Nothing").is_err());
    }
}
