//! Identifiers in the head of a request.

use super::*;
use crate::domain::persons::Step;
use crate::testing::seen::{Request, connection, request};

fn given(source: SubjectSource) -> GivenSubjects {
    GivenSubjects { source, kind: Kind::parse("patient").unwrap(), normalise: Normalise::NONE.with(Step::Trim) }
}

fn subjects(texts: &[&str]) -> Vec<Subject> {
    let kind = Kind::parse("patient").unwrap();
    let subject =
        |text: &&str| Subject { kind: kind.clone(), identifier: Identifier::new(text, Normalise::NONE).unwrap() };
    texts.iter().map(subject).collect()
}

#[track_caller]
fn in_path(template: &str, path: &'static str, expected: Result<&[&str], Fault>) {
    let template = PathTemplate::parse(template).unwrap();
    assert_eq!(given(SubjectSource::Path(template)).read(&request("GET", path)), expected.map(subjects), "{path}");
}

#[test]
fn a_segment_of_the_path_is_an_identifier() {
    in_path("/v1/patients/{}/records", "a.b/v1/patients/7/records", Ok(&["7"]));
    in_path("/v1/patients/{}/records", "a.b/v1/patients/7/records/x?q=1", Ok(&["7"]));
    in_path("/v1/patients/{}", "a.b/v1/patients/7", Ok(&["7"]));
    in_path("/v1/patients/{}", "a.b/v1/patients/7/records", Ok(&["7"]));
    in_path("/{}", "a.b/a%20b+c", Ok(&["a b+c"]));
    in_path("/{}", "a.b/%E7%94%B2", Ok(&["甲"]));
    for path in ["a.b/v1/patients", "a.b/v1/patientsx/7/records", "a.b/v1/patients/7", "a.b/v1/patients/7/recordsx"] {
        in_path("/v1/patients/{}/records", path, Err(Fault::Missing));
    }
    in_path("/v1/patients/{}", "a.b/v1/patients/", Err(Fault::Empty));
    in_path("/v1/patients/{}", "a.b/v1/patients/%20", Err(Fault::Path(PathFault::DotOrBlankAtEnd)));
    in_path("/v1/patients/{}", "a.b/v1//patients/7", Err(Fault::Path(PathFault::EmptySegment)));
    let template = PathTemplate::parse("/{}").unwrap();
    assert_eq!(given(SubjectSource::Path(template)).read(&connection("s.t")), Err(Fault::NotSeen));
}

#[test]
fn a_template_has_one_open_segment() {
    for text in ["/{}", "/a/{}", "/{}/b", "/v1/patients/{}/records"] {
        assert_eq!(PathTemplate::parse(text).map(|template| template.to_string()).as_deref(), Some(text));
    }
    for text in
        ["", "/", "/a", "{}", "a/{}", "/{}/{}", "/a{}", "/{}a", "/a//{}", "/../{}", "/{}/", "/a b/{}", "/{}/../b"]
    {
        assert_eq!(PathTemplate::parse(text), None, "{text}");
    }
}

#[track_caller]
fn check(source: &SubjectSource, seen: &Request, expected: Result<&[&str], Fault>) {
    assert_eq!(given(source.clone()).read(seen), expected.map(subjects), "{seen:?}");
}

#[test]
fn each_parameter_of_a_name_is_an_identifier() {
    let query = SubjectSource::Query("id".into());
    check(&query, &request("GET", "a.b/x?id=7&a=1&id=+8+"), Ok(&["7", "8"]));
    check(&query, &request("GET", "a.b/x"), Err(Fault::Missing));
    check(&query, &request("GET", "a.b/x?id="), Err(Fault::Empty));
    check(&query, &request("GET", "a.b/x?id=1&id="), Err(Fault::Empty));
    check(&query, &connection("s.t"), Err(Fault::NotSeen));
}

#[test]
fn a_header_has_identifiers_with_commas() {
    let header = SubjectSource::Header("x-ids".into());
    let sent = |value| request("GET", "a.b/x").header("x-ids", value);
    check(&header, &sent("7"), Ok(&["7"]));
    check(&header, &sent("7, 8,9"), Ok(&["7", "8", "9"]));
    for value in ["", "7,", ",7", "7,,8"] {
        check(&header, &sent(value), Err(Fault::Empty));
    }
    check(&header, &sent("\"7,8\""), Err(Fault::NotText));
    check(&header, &sent("甲"), Err(Fault::NotText));
    check(&header, &sent("7").header("x-ids", "8"), Err(Fault::Repeated));
    check(&header, &request("GET", "a.b/x"), Err(Fault::Missing));
    check(&header, &request("GET", "a.b/x").without_sight_of("x-ids"), Err(Fault::NotSeen));
}

#[test]
fn a_key_of_the_context_is_one_identifier() {
    let context = SubjectSource::Context("subject.id".into());
    check(&context, &request("GET", "a.b/x").context("subject.id", "7,8"), Ok(&["7,8"]));
    check(&context, &request("GET", "a.b/x").context("subject.id", ""), Err(Fault::Empty));
    check(&context, &request("GET", "a.b/x").context("other", "7"), Err(Fault::Missing));
    check(&context, &request("GET", "a.b/x"), Err(Fault::NotSeen));
}

#[test]
fn an_identifier_is_normalised_and_bounded() {
    let read = |steps: &[Step], value| {
        let normalise = steps.iter().copied().collect();
        let given = GivenSubjects { normalise, ..given(SubjectSource::Context("k".into())) };
        given.read(&request("GET", "a.b/x").context("k", value))
    };
    assert_eq!(read(&[Step::Digits], "+86 138"), Ok(subjects(&["86138"])));
    assert_eq!(read(&[Step::Digits], "none"), Err(Fault::Empty));
    assert_eq!(read(&[Step::Digits], "\u{661}"), Err(Fault::OtherDigit));
    let long: &'static str = "x".repeat(1_025).leak();
    assert_eq!(read(&[], long), Err(Fault::TooLong { bytes: 1_025, max: 1_024 }));
}
