//! proto3 JSON to messages and back, for the command line and for HTTP.
//!
//! People write these texts by hand, so the reader is stricter than proto3 JSON demands: an unknown field or value is refused
//! with the nearest known name, and so is a repeated field. A misspelt `ground` or a second `persons` must not change a
//! decision.
//!
//! The mapping itself is reflection over the descriptors of the contract; `check` reads the text first.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use prost_types::FileDescriptorSet;

use crate::json::Tree;
use crate::wire::generated::{DESCRIPTORS, v1};
use crate::wire::json::check;
pub use crate::wire::json::issues::JsonError;
use crate::wire::json::value::Value;

const DECIDE_REQUEST: &str = "neglist.v1.DecideRequest";
const DECIDE_RESPONSE: &str = "neglist.v1.DecideResponse";
const TRANSFER: &str = "neglist.v1.Transfer";

/// Reads a request from proto3 JSON: a `DecideRequest`, or a bare `Transfer`.
///
/// An object with a field `transfer` or `detail` is taken for a request.
///
/// # Errors
/// Text that is not JSON; unknown fields and values, with the nearest known name; repeated fields;
/// values of another type.
pub fn decide_request_from_json(json: &str) -> Result<v1::DecideRequest, JsonError> {
    let tree = tree(json, A_TRANSFER)?;
    let is_request =
        matches!(&tree, Tree::Object(fields) if fields.iter().any(|(name, _)| name == "transfer" || name == "detail"));
    if is_request {
        return read(&tree, DECIDE_REQUEST);
    }
    let transfer = read(&tree, TRANSFER)?;
    Ok(v1::DecideRequest { transfer: Some(transfer), detail: v1::Detail::Unspecified.into() })
}

/// Reads a `DecideRequest` from proto3 JSON, and nothing else.
///
/// # Errors
/// As [`decide_request_from_json`].
pub fn decide_request(json: &[u8]) -> Result<v1::DecideRequest, JsonError> {
    let tree = tree(text(json)?, "{\"transfer\": {\"flow\": \"…\", \"persons\": {…}}}")?;
    read(&tree, DECIDE_REQUEST)
}

/// Returns a text in UTF-8.
///
/// # Errors
/// The text is not UTF-8.
pub(crate) fn text(json: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(json).map_err(|error| {
        let from = error.valid_up_to();
        let (en, zh) = match json {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                (": it looks like UTF-16, save it as UTF-8", "，似为 UTF-16：请另存为 UTF-8")
            }
            _ => ("", ""),
        };
        JsonError::of_the_whole(
            format!("not UTF-8 from byte {from} on{en}"),
            format!("自第 {from} 字节起不是 UTF-8{zh}"),
        )
    })
}

/// Writes a `DecideResponse` as proto3 JSON on one line.
///
/// # Errors
/// The compiled descriptors cannot be read.
pub fn decide_response(response: &v1::DecideResponse) -> Result<String, JsonError> {
    to_json_line(response, DECIDE_RESPONSE)
}

/// Reads a `Transfer` from a value of proto3 JSON.
///
/// # Errors
/// As [`decide_request_from_json`].
pub fn transfer(json: &Tree) -> Result<v1::Transfer, JsonError> {
    read(json, TRANSFER)
}

/// A transfer, as an example in an error.
const A_TRANSFER: &str = "{\"flow\": \"…\", \"persons\": {…}}";

/// Reads an object. `example`: such an object.
fn tree(json: &str, example: &str) -> Result<Tree, JsonError> {
    let tree = Tree::read(json).map_err(JsonError::syntax)?;
    match tree {
        Tree::Object(_) => Ok(tree),
        _ => Err(JsonError::of_the_whole(
            format!("not a JSON object: write one such as {example}"),
            format!("不是 JSON 对象：请写作 {example}"),
        )),
    }
}

/// Writes a message as proto3 JSON on one line.
///
/// # Errors
/// As [`to_json`].
pub fn to_json_line(message: &impl Message, full_name: &str) -> Result<String, JsonError> {
    let dynamic = dynamic(message, full_name)?;
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut json);
    dynamic
        .serialize_with_options(&mut serializer, &SerializeOptions::new())
        .map_err(|error| JsonError::ours(&error))?;
    String::from_utf8(json).map_err(|error| JsonError::ours(&error))
}

/// Writes a message as proto3 JSON, over several lines, with the field names of the contract's JSON.
///
/// `full_name` is the message's name in the contract, such as `neglist.v1.DecideResponse`, or
/// `google.rpc.Status`, whose details are written out too.
///
/// # Errors
/// The name is not that of the message, or a detail is of an unknown type.
pub fn to_json(message: &impl Message, full_name: &str) -> Result<String, JsonError> {
    let dynamic = dynamic(message, full_name)?;
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::pretty(&mut json);
    dynamic
        .serialize_with_options(&mut serializer, &SerializeOptions::new())
        .map_err(|error| JsonError::ours(&error))?;
    String::from_utf8(json).map_err(|error| JsonError::ours(&error))
}

fn dynamic(message: &impl Message, full_name: &str) -> Result<DynamicMessage, JsonError> {
    let descriptor = descriptor(full_name)?;
    DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).map_err(|error| JsonError::ours(&error))
}

/// Reads a message.
fn read<M: Message + Default>(tree: &Tree, full_name: &str) -> Result<M, JsonError> {
    let descriptor = descriptor(full_name)?;
    check::check(tree, &descriptor).into_result()?;
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let dynamic = DynamicMessage::deserialize_with_options(descriptor, Value(tree), &options);
    dynamic.map_err(|error| JsonError::ours(&error))?.transcode_to().map_err(|error| JsonError::ours(&error))
}

fn descriptor(full_name: &str) -> Result<MessageDescriptor, JsonError> {
    let pool = POOL.as_ref().map_err(JsonError::ours)?;
    pool.get_message_by_name(full_name).ok_or_else(|| JsonError::ours(&format!("no message `{full_name}`")))
}

static POOL: LazyLock<Result<DescriptorPool, String>> = LazyLock::new(|| pool().map_err(|error| error.to_string()));

/// The contract, and the details of errors.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::asked::{Need, Problem, Violation};
    use crate::domain::path::RequestField;
    use crate::wire::refusal::{Issue, Refusal, grpc};

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
    fn an_unknown_name_is_refused_with_the_nearest_name() {
        let json = r#"{"transfer": {"secto": "x", "data": [{}, {"classs": 1, "data_class": "SENSITIVE"}]},
            "detail": "FUL", "zzzzzz": 1}"#;
        insta::assert_snapshot!(refused(json));
    }

    #[test]
    fn a_duplicate_name_is_refused() {
        let twice = "duplicate field: keep one / 该字段重复：请只保留一个";
        assert_eq!(refused(r#"{"flow": "a", "flow": "b"}"#), format!("flow: {twice}"));
        let alias = r#"{"year_to_date": {}, "yearToDate": {"general": 1, "general": 2}}"#;
        assert_eq!(refused(alias), format!("yearToDate: {twice}\nyearToDate.general: {twice}"));
    }

    #[test]
    fn broken_json_and_wrong_types_are_refused_with_their_place() {
        let cases = [
            "",
            "[1]",
            "7",
            "{\"flow\": }",
            "{} {}",
            "{\n  \"flow\": 7\n}",
            "{\"persons\": {\"general\": -1}}",
            "{\"persons\": {\"general\": 1.5, \"sensitive\": 18446744073709551616}}",
            "{\"persons\": {\"general\": \"+1\", \"sensitive\": \"\"}}",
            "{\"persons\": {\"general\": [1], \"sensitive\": true}}",
            "{\"persons\": 1, \"data\": {}, \"exporter_facts\": {\"ciio\": \"yes\", \"zones\": [1]}}",
            "{\"data\": [{\"data_class\": 1.5}, {\"code\": [\"a\"]}, 7]}",
            "{\"at\": \"yesterday\"}",
            "{\"at\": 7}",
        ];
        insta::assert_snapshot!(cases.map(refused).join("\n"));
        assert!(decide_request_from_json(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn null_is_refused_everywhere() {
        for (json, fields) in [
            (
                r#"{"transfer": {"persons": {"general": 1}, "yearToDate": {"general": null}}}"#,
                &["transfer.yearToDate.general"][..],
            ),
            (r#"{"persons": {"general": null, "sensitive": null}}"#, &["persons.general", "persons.sensitive"]),
            (r#"{"year_to_date": null}"#, &["year_to_date"]),
            (r#"{"transfer": null, "detail": null}"#, &["transfer", "detail"]),
            (r#"{"data": [null], "flow": null, "at": null, "ground": null}"#, &["data[0]", "flow", "at", "ground"]),
            (
                r#"{"data": null, "exporter_facts": {"zones": [null], "ciio": null}}"#,
                &["data", "exporter_facts.zones[0]", "exporter_facts.ciio"],
            ),
        ] {
            let error = decide_request_from_json(json).unwrap_err();
            let found: Vec<&str> = error.issues.iter().map(|issue| issue.field.as_str()).collect();
            assert_eq!(found, fields, "{json}: {error}");
            assert!(error.issues.iter().all(|issue| issue.en.starts_with("null is no value")), "{error}");
        }
        // A number that is left out is 0 and the caller's statement, as the contract says.
        let request =
            decide_request_from_json(r#"{"year_to_date": {}, "persons": {"general": 1.0, "sensitive": 1e2}}"#);
        let transfer = request.unwrap().transfer.unwrap();
        assert_eq!(transfer.year_to_date, Some(v1::Persons::default()));
        assert_eq!(transfer.persons, Some(v1::Persons { general: 1, sensitive: 100 }));
    }

    #[test]
    fn a8_numbers_of_persons_are_whole_as_they_are_written() {
        let general = |number: &str| {
            let request =
                decide_request(format!(r#"{{"transfer": {{"persons": {{"general": {number}}}}}}}"#).as_bytes());
            request.map(|request| request.transfer.unwrap().persons.unwrap().general)
        };
        for (text, number) in [
            ("1.0", 1),
            ("1e3", 1_000),
            ("1000e-3", 1),
            ("\"007\"", 7),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(general(text), Ok(number), "{text}");
        }
        for (text, en, zh) in [
            ("1e-400", "lies between two whole numbers", "介于两个整数之间"),
            ("0.99999999999999999999", "lies between two whole numbers", "介于两个整数之间"),
            ("0.5", "lies between two whole numbers", "介于两个整数之间"),
            ("9007199254740992.5", "lies between two whole numbers", "介于两个整数之间"),
            ("-0.0", "without a minus sign", "去掉负号"),
            ("-0", "without a minus sign", "去掉负号"),
            ("1e1000000000", "too large", "数值过大"),
            ("18446744073709551616", "too large", "数值过大"),
            ("\"1e3\"", "write decimal digits", "十进制数字"),
            ("\"0.0\"", "write decimal digits", "十进制数字"),
            ("\"-0\"", "write decimal digits", "十进制数字"),
        ] {
            let [Issue { field, code: _, en: said, zh: said_zh }] = &general(text).unwrap_err().issues[..] else {
                panic!("{text}")
            };
            assert_eq!(field, "transfer.persons.general");
            assert!(said.contains(en) && said_zh.contains(zh), "{text}: {said} / {said_zh}");
        }
        // Words of the contract may be given by their number; not by one that is near it.
        let class = |number: &str| decide_request_from_json(&format!(r#"{{"data": [{{"data_class": {number}}}]}}"#));
        assert_eq!(class("3.0").unwrap(), class("3").unwrap());
        assert!(class("3.0000000000000000000001").is_err() && class("-0").is_err());
    }

    #[test]
    fn c_a_text_with_a_byte_order_mark_or_in_utf_16_is_called_so() {
        let mark = decide_request("\u{feff}{}".as_bytes()).unwrap_err().to_string();
        assert!(mark.contains("byte order mark (U+FEFF): save it as UTF-8") && mark.contains("字节顺序标记"), "{mark}");
        assert_eq!(refused("\u{feff}{}"), mark);
        let wide: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let wide = decide_request(&wide).unwrap_err().to_string();
        assert!(wide.contains("looks like UTF-16") && wide.contains("似为 UTF-16"), "{wide}");
    }

    #[test]
    fn a_text_full_of_mistakes_has_a_short_report() {
        let many = (0..80_000).map(|number| format!("\"k{number}\": 1")).collect::<Vec<_>>().join(", ");
        let long = "x".repeat(1_000_000);
        for json in [
            format!("{{\"transfer\": {{{many}}}}}"),
            format!("{{\"{long}\": 1}}"),
            format!("{{\"ground\": \"{long}\"}}"),
            format!("{{\"flow\": [\"{long}\"], \"at\": \"{long}\", \"persons\": {{\"general\": \"{long}\"}}}}"),
            format!("{{\"data\": [{}null]}}", "null, ".repeat(80_000)),
            format!("{{\"transfer\": {{\"a\": \"{long}\", }}}}"),
        ] {
            let error = decide_request(json.as_bytes()).unwrap_err().to_string();
            assert!(error.len() < 16_384, "{} bytes", error.len());
            let error = decide_request_from_json(&json).unwrap_err().to_string();
            assert!(error.len() < 16_384, "{} bytes", error.len());
        }
    }

    #[test]
    fn messages_are_printed_with_their_error_details() {
        let violation = Violation::new(RequestField::Transfer, Problem::Missing(Need::Transfer));
        insta::assert_snapshot!(
            to_json(&grpc::render(&Refusal::Invalid(vec![violation])), "google.rpc.Status").unwrap()
        );
        let decision = v1::Decision { outcome: v1::Outcome::File.into(), ..v1::Decision::default() };
        let response = v1::DecideResponse { decision: Some(decision) };
        let json = to_json(&response, "neglist.v1.DecideResponse").unwrap();
        assert_eq!(json, "{\n  \"decision\": {\n    \"outcome\": \"OUTCOME_FILE\"\n  }\n}");
        assert!(to_json(&response, "neglist.v1.Nothing").is_err());
    }
}
