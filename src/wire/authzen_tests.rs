//! What is a well-formed evaluation, and what transfer it comes to.

use super::*;

const WHOLE: &str = r#"{"subject": {"type": "exporter", "id": "acme"}, "action": {"name": "export"},
    "resource": {"type": "flow", "id": "trial"}, "context": {"persons": 0, "sensitive_persons": 5}}"#;

fn read(json: &str) -> Evaluation {
    evaluation(json.as_bytes()).unwrap()
}

/// Returns the whole evaluation with the members of a JSON object in place of its own.
fn with(changes: &str) -> Evaluation {
    let mut whole: Map<String, Value> = serde_json::from_str(WHOLE).unwrap();
    whole.extend(serde_json::from_str::<Map<String, Value>>(changes).unwrap());
    read(&Value::Object(whole).to_string())
}

#[track_caller]
fn mapped(evaluation: &Evaluation) -> v1::Transfer {
    match map(evaluation) {
        Mapped::Transfer(request) => request.transfer.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn wrong(evaluation: &Evaluation) -> Vec<String> {
    match map(evaluation) {
        Mapped::Unmapped(wrong) => {
            wrong.into_iter().map(|said| format!("{}: {} / {}", said.field, said.en, said.zh)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_flow_is_a_transfer_of_its_subject() {
    let expected = v1::Transfer {
        flow: "trial".into(),
        exporter: "acme".into(),
        persons: Some(v1::Persons { general: 0, sensitive: 5 }),
        ..v1::Transfer::default()
    };
    assert_eq!(mapped(&read(WHOLE)), expected);
    assert_eq!(mapped(&with(r#"{"context": {"time": "now"}}"#)).persons, None);
}

#[test]
fn properties_are_a_transfer_in_the_words_of_the_contract() {
    let properties = r#"{"destination": "DE", "data": [{"code": "contact.name"}], "persons": {"general": "7"}}"#;
    let resource = |properties: &str| {
        format!(r#"{{"resource": {{"type": "transfer", "id": "t-1", "properties": {properties}}}}}"#)
    };
    let transfer = mapped(&with(&resource(properties)));
    assert_eq!((transfer.exporter.as_str(), transfer.destination.as_str()), ("acme", "DE"));
    assert_eq!(transfer.persons, Some(v1::Persons { general: 7, sensitive: 0 }));
    assert_eq!(mapped(&with(&resource(r#"{"exporter": "acme"}"#))).exporter, "acme");
    let findings = [
        with(&resource(r#"{"exporter": "somebody"}"#)),
        with(&resource(r#"{"destnation": "DE", "ground": "NONE"}"#)),
        with(&resource(r#"{"destination": 7}"#)),
        with(r#"{"resource": {"type": "transfer", "id": "t-1"}}"#),
    ];
    insta::assert_snapshot!(findings.iter().flat_map(wrong).collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_is_missing_for_a_transfer_is_named() {
    let findings = [
        with(r#"{"subject": {"type": "user", "id": "alice"}, "action": {"name": "read"}}"#),
        with(r#"{"context": {"persons": 1}}"#),
        with(r#"{"context": {"persons": "1", "sensitive_persons": -1}}"#),
        with(r#"{"context": {"persons": 1.0, "sensitive_persons": null}}"#),
    ];
    insta::assert_snapshot!(findings.iter().flat_map(wrong).collect::<Vec<_>>().join("\n"));
    assert!(matches!(map(&with(r#"{"resource": {"type": "record", "id": "1"}}"#)), Mapped::ByRules));
}

#[test]
fn what_is_not_well_formed_is_named_all_of_it() {
    let requests = [
        "[]",
        "{}",
        r#"{"subject": "alice", "action": {"name": 123}, "resource": {"type": "record"}}"#,
        r#"{"subject": {"type": "user", "id": "a", "properties": []}, "action": {"name": "r"}, "resource": {"type": "r", "id": "1"}, "context": "x"}"#,
        r#"{"subject": {"type": "user", "id": "a", "id": "b"}}"#,
        "{",
        "",
    ];
    let said = requests.map(|json| evaluation(json.as_bytes()).unwrap_err().findings.join("; "));
    insta::assert_snapshot!(said.join("\n"));
}

fn several(json: &str) -> (Semantic, Vec<Result<Evaluation, JsonError>>) {
    match evaluations(json.as_bytes(), 3).unwrap() {
        Evaluations::Several { semantic, evaluations } => (semantic, evaluations),
        Evaluations::One(one) => panic!("{one:?}"),
    }
}

#[test]
fn an_evaluation_takes_what_it_does_not_say_from_the_request_around_it() {
    let (semantic, evaluations) = several(
        r#"{"subject": {"type": "user", "id": "alice", "properties": {"role": "admin"}}, "action": {"name": "write"},
            "resource": {"type": "record", "properties": {"status": "active"}}, "context": {"time": "1"},
            "options": {"evaluations_semantic": "deny_on_first_deny", "other": 1},
            "evaluations": [
                {"resource": {"id": "record-1"}},
                {"resource": {"type": "file", "id": "2"}, "subject": {"id": "bob"}, "context": {"source": "x"}},
                {"action": {}, "resource": {}}
            ]}"#,
    );
    assert_eq!(semantic, Semantic::DenyOnFirstDeny);
    let first = evaluations[0].as_ref().unwrap();
    assert_eq!((first.resource_type.as_str(), first.resource_id.as_str()), ("record", "record-1"));
    // An entity of its own replaces the other whole; only what names it is completed.
    let expected = json!({
        "subject": {"type": "user", "id": "alice", "properties": {"role": "admin"}},
        "action": {"name": "write"},
        "resource": {"type": "record", "id": "record-1"},
        "context": {"time": "1"},
    });
    assert_eq!(first.whole, expected);
    let second = evaluations[1].as_ref().unwrap();
    assert_eq!((second.subject_type.as_str(), second.subject_id.as_str()), ("user", "bob"));
    assert_eq!(second.whole["subject"], json!({"type": "user", "id": "bob"}));
    assert_eq!(second.whole["context"], json!({"source": "x"}));
    assert_eq!(evaluations[2].as_ref().unwrap_err().findings, ["resource.id: required"]);
}

#[test]
fn without_several_there_is_one() {
    for json in [WHOLE.to_owned(), WHOLE.replacen('{', r#"{"evaluations": [], "#, 1)] {
        assert!(matches!(evaluations(json.as_bytes(), 3), Ok(Evaluations::One(_))), "{json}");
    }
    let (semantic, evaluations) = several(&WHOLE.replacen('{', r#"{"evaluations": [{}, 7, {"subject": 1}], "#, 1));
    assert_eq!(semantic, Semantic::ExecuteAll);
    assert!(evaluations[0].is_ok() && evaluations[1].is_err() && evaluations[2].is_err());
}

#[test]
fn a_request_for_several_that_is_not_well_formed_is_refused_whole() {
    let requests = [
        r#"{"evaluations": {}}"#,
        r#"{"evaluations": [{}, {}, {}, {}]}"#,
        r#"{"evaluations": [{}], "options": {"evaluations_semantic": "any"}}"#,
        r#"{"evaluations": [{}], "options": "execute_all"}"#,
        r#"{"evaluations": [{}], "subject": "alice", "resource": {"type": 1}, "context": []}"#,
        r#"{"evaluations": []}"#,
        r#"{"evaluations": null}"#,
    ];
    let said = requests.map(|json| evaluations(json.as_bytes(), 3).unwrap_err().findings.join("; "));
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn orders_stop_after_the_first_that_settles_them() {
    use Verdict::{Goes, Stays};

    let ends = |semantic: Semantic| [semantic.ends_after(Goes), semantic.ends_after(Stays)];
    assert_eq!(ends(Semantic::ExecuteAll), [false, false]);
    assert_eq!(ends(Semantic::DenyOnFirstDeny), [false, true]);
    assert_eq!(ends(Semantic::PermitOnFirstPermit), [true, false]);
}

#[test]
fn only_allow_is_a_permit() {
    for outcome in -1..9 {
        let (verdict, answer) = decided(&v1::Decision { outcome, ..v1::Decision::default() }, Some("rule"));
        let is_allow = outcome == i32::from(v1::Outcome::Allow);
        assert_eq!((verdict == Verdict::Goes, answer["decision"].as_bool()), (is_allow, Some(is_allow)), "{outcome}");
        assert_eq!(answer["context"]["gateway_rule"], "rule");
        assert_eq!(answer["context"]["outcome"] == "allow", is_allow);
    }
    for why in [Denied::NoTransfer, Denied::Malformed, Denied::Unanswered] {
        assert_eq!(denied(why, &[])["decision"], false);
    }
}
