//! Each kind of body with what is right, what is doubtful and what is broken.

use proptest::prelude::*;

use super::*;
use crate::domain::gateway::JsonPath;
use crate::testing::seen::Request;

const CAPITALS: Fault = Fault::Body(BodyFault::InOtherCapitals);
const NOT_CSV: Fault = Fault::Body(BodyFault::NotCsv);
const NOT_FORM: Fault = Fault::Body(BodyFault::NotForm);
const NOT_JSON: Fault = Fault::Body(BodyFault::NotJson);
const OTHER_TYPE: Fault = Fault::Body(BodyFault::OtherType);

/// Returns a request with the headers of a body.
fn typed(content_type: &'static str) -> Request {
    Request::default().header("content-type", content_type)
}

fn json_at(path: &str) -> BodySource {
    BodySource::Json(JsonPath::parse(path).unwrap())
}

fn lines_at(path: &str) -> BodySource {
    BodySource::Lines(JsonPath::parse(path).unwrap())
}

#[track_caller]
fn check_as(headers: &Request, source: &BodySource, body: impl AsRef<[u8]>, expected: Result<&[&str], Fault>) {
    let found = WholeBody::of(body.as_ref(), headers).identifiers(source);
    let found = found.map(|found| found.into_iter().map(Cow::into_owned).collect::<Vec<_>>());
    let expected = expected.map(|expected| expected.iter().map(|&id| id.to_owned()).collect::<Vec<_>>());
    assert_eq!(found, expected, "{source:?}: {}", String::from_utf8_lossy(body.as_ref()));
}

#[track_caller]
fn check(source: &BodySource, body: impl AsRef<[u8]>, expected: Result<&[&str], Fault>) {
    check_as(&Request::default(), source, body, expected);
}

#[test]
fn a_type_that_the_rule_does_not_read_is_refused() {
    let csv = BodySource::Csv("id".into());
    let form = BodySource::Form("id".into());
    for (source, body, right) in [
        (json_at("$.id"), r#"{"id": "7"}"#, &["application/json", "Application/JSON; charset=UTF-8", "a/b+json"][..]),
        (lines_at("$.id"), r#"{"id": "7"}"#, &["application/x-ndjson", "application/jsonl;charset=utf-8"]),
        (csv, "id\n7\n", &["text/csv", "text/csv; charset=\"utf-8\"; header=present"]),
        (form, "id=7", &["application/x-www-form-urlencoded"]),
    ] {
        for content_type in right {
            let headers = typed(content_type);
            check_as(&headers, &source, body, Ok(&["7"]));
        }
        for wrong in ["", "text/plain", "application/octet-stream", "application/json, text/csv", "a/b; charset=gbk"] {
            let headers = typed(wrong);
            check_as(&headers, &source, body, Err(OTHER_TYPE));
        }
    }
    let headers = typed("text/csv; header=absent");
    check_as(&headers, &BodySource::Csv("id".into()), "id\n7\n", Err(OTHER_TYPE));
    let headers = typed("application/json; charset=utf-16");
    check_as(&headers, &json_at("$.id"), r#"{"id": "7"}"#, Err(OTHER_TYPE));
}

#[test]
fn a_compressed_body_is_not_read() {
    for coding in ["gzip", "br", "identity, gzip", "x"] {
        let headers = Request::default().header("content-encoding", coding);
        check_as(&headers, &json_at("$.id"), r#"{"id": "7"}"#, Err(Fault::Body(BodyFault::Compressed)));
    }
    let headers = Request::default().header("content-encoding", "Identity");
    check_as(&headers, &json_at("$.id"), r#"{"id": "7"}"#, Ok(&["7"]));
}

#[test]
fn each_line_is_a_document() {
    let source = lines_at("$.id");
    check(&source, "{\"id\": 1}\n{\"id\": \"x\"}\r\n\n  \n{\"id\": 1}", Ok(&["1", "x", "1"]));
    check(&source, "", Ok(&[]));
    check(&source, "{\"id\": 1}\n{}\n", Err(Fault::Missing));
    check(&source, "{\"id\": 1}\n{\"id\": null}\n", Err(Fault::Missing));
    for body in ["{\"id\": 1} {\"id\": 2}\n", "{\"id\":\n1}\n", "{\"id\": 1}\r{\"id\": 2}\n", "\u{feff}{\"id\": 1}\n"] {
        check(&source, body, Err(NOT_JSON));
    }
    check(&lines_at("$.ids[*]"), "{\"ids\": [1, 2]}\n{\"ids\": []}\n", Ok(&["1", "2"]));
}

#[test]
fn a_column_is_found_by_its_header() {
    let source = BodySource::Csv("id".into());
    check(&source, "name,id\nA,1\r\nB,1\n\"C, D\",\"2\n3\"\"\"\n", Ok(&["1", "1", "2\n3\""]));
    check(&source, "\u{feff}id\n7", Ok(&["7"]));
    check(&source, "\u{feff}\"id\"\n7\n", Ok(&["7"]));
    check(&source, "id,name\n", Ok(&[]));
    check(&source, "id,name\n,A\n", Ok(&[""]));
    check(&source, "", Err(Fault::Missing));
    check(&source, "name\nA\n", Err(Fault::Missing));
    check(&source, "id;name\n1;A\n", Err(Fault::Missing));
    check(&source, "id,id\n1,2\n", Err(Fault::Repeated));
    check(&source, "id,ID\n1,2\n", Err(Fault::Repeated));
    check(&source, "Id,name\n1,2\n", Err(CAPITALS));
    check(&source, " id,name\n1,2\n", Err(CAPITALS));
}

#[test]
fn a_table_that_readers_repair_differently_is_refused() {
    let source = BodySource::Csv("id".into());
    for body in [
        "id\n\"1\n2\n3\n",
        "id\n1\"2\n",
        "id\n\"1\"2\n",
        "id\n1\r2\n",
        "id,name\n1\n",
        "id,name\n1,A,B\n",
        "id\n1\r",
        "id\n\"1\" \n",
        // A row with an empty cell, or no row.
        "id\n1\n\n2\n",
        "id\r\n\r\n2\r\n",
        "\nid\n1\n",
        "id,name\n1,A\n\n",
    ] {
        check(&source, body, Err(NOT_CSV));
    }
    check(&source, b"id\n\xff\n", Err(NOT_CSV));
}

#[test]
fn a_field_of_a_form_is_an_identifier_each_time() {
    let source = BodySource::Form("id".into());
    check(&source, "id=7&a=1&id=a%40b+c", Ok(&["7", "a@b c"]));
    check(&source, "a=1", Err(Fault::Missing));
    check(&source, "", Err(Fault::Missing));
    check(&source, "id=1&ID=2", Err(CAPITALS));
    for body in ["id=%", "id=1\r\n", "id=1 2", "id=甲", "{\"id\": 1}"] {
        check(&source, body, Err(NOT_FORM));
    }
    check(&source, b"id=\xff", Err(NOT_FORM));
}

fn multipart() -> Request {
    typed("multipart/form-data; boundary=\"--b\"")
}

fn part(head: &str, content: &str) -> String {
    format!("----b\r\n{head}\r\n\r\n{content}\r\n")
}

#[test]
fn parts_of_a_form_with_one_name_are_all_counted() {
    let source = BodySource::Form("id".into());
    let id = |content: &str| part("Content-Disposition: form-data; name=\"id\"", content);
    let file = part(
        "content-disposition: form-data; name=\"list\"; filename=\"a.csv\"\r\nContent-Type: text/csv",
        "id\r\n9\r\n--",
    );
    check_as(&multipart(), &source, format!("{}{file}{}----b--\r\n", id("7"), id("甲 8")), Ok(&["7", "甲 8"]));
    check_as(&multipart(), &source, format!("{file}----b--"), Err(Fault::Missing));
    let other = part("Content-Disposition: form-data; name=\"ID\"", "7");
    check_as(&multipart(), &source, format!("{}{other}----b--", id("7")), Err(CAPITALS));
}

#[test]
fn parts_that_readers_take_apart_differently_are_refused() {
    let source = BodySource::Form("id".into());
    let id = part("Content-Disposition: form-data; name=\"id\"", "7");
    for body in [
        String::new(),
        id.clone(),
        format!("{id}----b--\r\n{id}"),
        format!("preamble\r\n{id}----b--"),
        id.replace("\r\n", "\n") + "----b--",
        part("Content-Disposition: form-data; name=id", "7") + "----b--",
        part("Content-Disposition: form-data; name=\"id\"; name=\"x\"", "7") + "----b--",
        part("Content-Disposition: form-data; name*=utf-8''id", "7") + "----b--",
        part("Content-Disposition: form-data; name=\"x\"\r\nContent-Disposition: form-data; name=\"id\"", "7")
            + "----b--",
        part("Content-Disposition: form-data; name=\"i\\d\"", "7") + "----b--",
        part("Content-Disposition: form-data; name=\"id\"\r\nContent-Transfer-Encoding: base64", "Nw==") + "----b--",
        part("Content-Disposition: attachment; name=\"id\"", "7") + "----b--",
        part("Content-Disposition: form-data; name=\"id\"\r\nContent-Type: text/plain; charset=utf-16", "7")
            + "----b--",
        part("Content-Disposition: form-data; name=\"id\"\r\nContent-Type: multipart/mixed; boundary=c", "7")
            + "----b--",
        // Readers that end a line at a line feed, or at a carriage return, see another part or another name.
        part("Content-Disposition: form-data; name=\"id\"", &id.replace("\r\n", "\n")) + "----b--",
        part("Content-Disposition: form-data; name=\"id\"", &format!("7\n{}", id.replace("\r\n", "\n"))) + "----b--",
        part("Content-Disposition: form-data; name=\"id\"", &format!("7\r{}", id.replace("\r\n", "\r"))) + "----b--",
        part(
            "Content-Disposition: form-data; name=\"x\"\r\nContent-Type: a/b\nContent-Disposition: form-data; name=\"id\"",
            "7",
        ) + "----b--",
    ] {
        check_as(&multipart(), &source, body, Err(NOT_FORM));
    }
    let headers = typed("multipart/form-data");
    check_as(&headers, &source, format!("{id}----b--"), Err(NOT_FORM));
    let inside = part("Content-Disposition: form-data; name=\"id\"", "7 ----b 8");
    check_as(&multipart(), &source, format!("{inside}----b--"), Ok(&["7 ----b 8"]));
}

#[test]
fn a_type_that_readers_take_apart_differently_is_refused() {
    let source = BodySource::Form("id".into());
    let body = part("Content-Disposition: form-data; name=\"id\"", "7").replace("----b", "--b") + "--b--";
    for (parameters, is_read) in [
        ("boundary=b", true),
        ("Boundary=\"b\" ; charset=utf-8;", true),
        ("x=\"; boundary=c\"; boundary=b", true),
        ("boundary=b; boundary=c", false),
        ("boundary=b; Boundary=b", false),
        ("x=\"; boundary=b\"; boundary=c", false),
        ("boundary=b, multipart/form-data; boundary=c", false),
        ("boundary*=utf-8''b", false),
        ("boundary=b; boundary*0=c", false),
        ("boundary=\"\\b\"", false),
        ("boundary=\"b", false),
        ("boundary=b\"", false),
        ("boundary=\"b\"c", false),
        ("boundary=b c", false),
        ("boundary", false),
    ] {
        let content_type: &'static str = format!("multipart/form-data; {parameters}").leak();
        let headers = typed(content_type);
        let found = WholeBody::of(body.as_bytes(), &headers).identifiers(&source);
        assert_eq!(found.is_ok(), is_read, "{parameters}: {found:?}");
    }
    for parameters in ["charset=utf-8; charset=gbk", "charset=gbk; charset=utf-8", "x=\"; charset=utf-8"] {
        let content_type: &'static str = format!("application/json; {parameters}").leak();
        let headers = typed(content_type);
        check_as(&headers, &json_at("$.id"), r#"{"id": "7"}"#, Err(OTHER_TYPE));
    }
}

proptest! {
    /// The same identifiers, written in each way, are read as the same identifiers.
    #[test]
    fn every_kind_of_body_says_the_same(ids in prop::collection::vec("[ -~甲乙é\\n]{1,12}", 1..8)) {
        let expected: Vec<&str> = ids.iter().map(String::as_str).collect();
        let quoted: Vec<String> = ids.iter().map(|id| serde_json::to_string(id).unwrap()).collect();
        let list: Vec<String> = quoted.iter().map(|id| format!("{{\"id\": {id}}}")).collect();
        check(&json_at("$[*].id"), format!("[{}]", list.join(",")), Ok(&expected));
        check(&lines_at("$.id"), list.join("\n"), Ok(&expected));
        let cells: Vec<String> = ids.iter().map(|id| format!("\"{}\"", id.replace('"', "\"\""))).collect();
        check(&BodySource::Csv("id".into()), format!("id\n{}\n", cells.join("\n")), Ok(&expected));
        let encoded = |id: &String| id.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"));
        let pairs: Vec<String> = ids.iter().map(|id| format!("id={}", encoded(id))).collect();
        check(&BodySource::Form("id".into()), pairs.join("&"), Ok(&expected));
        let parts: String = ids.iter().map(|id| part("Content-Disposition: form-data; name=\"id\"", id)).collect();
        check_as(&multipart(), &BodySource::Form("id".into()), format!("{parts}----b--"), Ok(&expected));
    }
}
