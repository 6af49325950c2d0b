//! Which evaluations are well-formed, and which transfer each becomes.

use serde_json::{Map, Value, json};

use super::*;
use crate::domain::asked::{Need, Problem, Violation};
use crate::domain::gateway::{Fault, Label, LabelProblem, Origin};
use crate::domain::path::{Counts, Field, ItemField};
use crate::domain::units::CountedClass;
use crate::doors::authzen::answer::{of_label, of_violation};
use crate::doors::authzen::map::{FLOW, TRANSFER};
use crate::doors::render::Verdict;
use crate::json::Tree;
use crate::wire::generated::v1;
use crate::wire::json::issues::JsonError;
use crate::wire::refusal::{Issue, Refusal};

const WHOLE: &str = r#"{"subject": {"type": "exporter", "id": "acme"}, "action": {"name": "export"},
    "resource": {"type": "flow", "id": "trial"}, "context": {"persons": 0, "sensitive_persons": 5}}"#;

/// Returns a tree with its keys in no order.
fn value(tree: &Tree) -> Value {
    match tree {
        Tree::Object(members) => members.iter().map(|(key, member)| (key.clone(), value(member))).collect(),
        Tree::List(values) => values.iter().map(value).collect(),
        Tree::Text(text) => text.as_str().into(),
        Tree::Number(number) => number.unwrap().into(),
        Tree::Bool(truth) => (*truth).into(),
        Tree::Null => Value::Null,
    }
}

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
        Mapped::Unmapped(wrong) => wrong.into_iter().map(|issue| issue.to_string()).collect(),
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
    let issues = [
        with(&resource(r#"{"exporter": "somebody"}"#)),
        with(&resource(r#"{"destnation": "DE", "ground": "NONE"}"#)),
        with(&resource(r#"{"destination": 7}"#)),
        with(r#"{"resource": {"type": "transfer", "id": "t-1"}}"#),
    ];
    insta::assert_snapshot!(issues.iter().flat_map(wrong).collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_is_missing_for_a_transfer_is_named() {
    let issues = [
        with(r#"{"subject": {"type": "user", "id": "alice"}, "action": {"name": "read"}}"#),
        with(r#"{"context": {"persons": 1}}"#),
        with(r#"{"context": {"persons": "1", "sensitive_persons": -1}}"#),
        with(r#"{"context": {"persons": 1.5, "sensitive_persons": null}}"#),
    ];
    insta::assert_snapshot!(issues.iter().flat_map(wrong).collect::<Vec<_>>().join("\n"));
    assert!(matches!(map(&with(r#"{"resource": {"type": "record", "id": "1"}}"#)), Mapped::ByRules));
}

#[test]
fn a8_numbers_of_persons_are_whole_as_they_are_written() {
    let context = |number: &str| with_text(&format!(r#"{{"persons": {number}, "sensitive_persons": 0}}"#));
    for (text, number) in [("1.0", 1), ("1e3", 1_000), ("1000e-3", 1), ("9007199254740993", 9_007_199_254_740_993)] {
        assert_eq!(mapped(&context(text)).persons.unwrap().general, number, "{text}");
    }
    for text in ["1e-400", "0.99999999999999999999", "-0.0", "-0", "1e1000000000", "9007199254740992.5"] {
        assert!(wrong(&context(text))[0].starts_with("context.persons: "), "{text}");
        let transfer = format!(
            r#"{{"subject": {{"type": "exporter", "id": "acme"}}, "action": {{"name": "export"}}, "resource": {{"type": "transfer",
                "id": "t", "properties": {{"year_to_date": {{"sensitive": {text}}}}}}}}}"#
        );
        assert!(wrong(&read(&transfer))[0].starts_with("resource.properties.year_to_date.sensitive: "), "{text}");
    }
}

/// Returns the whole evaluation with another context, as it is written.
fn with_text(context: &str) -> Evaluation {
    let (before, _) = WHOLE.split_once(r#"{"persons""#).unwrap();
    read(&format!("{before}{context}}}"))
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
    let said = requests.map(|json| evaluation(json.as_bytes()).unwrap_err().to_string().replace('\n', "; "));
    insta::assert_snapshot!(said.join("\n"));
}

fn several(json: &str) -> (Semantic, Vec<Result<Evaluation, JsonError>>) {
    match evaluations(json.as_bytes(), 3).unwrap() {
        Evaluations::Several { semantic, evaluations } => (semantic, evaluations.collect()),
        Evaluations::One(one) => panic!("{one:?}"),
    }
}

#[test]
fn an_evaluation_takes_what_it_does_not_say_from_the_request_around_it() {
    let (semantic, evaluations) = several(
        r#"{"subject": {"type": "user", "id": "alice", "properties": {"role": "admin"}}, "action": {"name": "write"},
            "resource": {"type": "record"}, "context": {"time": "1"},
            "options": {"evaluations_semantic": "deny_on_first_deny", "other": 1},
            "evaluations": [
                {"resource": {"id": "record-1", "properties": {"status": "active"}}},
                {"resource": {"type": "file", "id": "2"}, "subject": {"type": "user", "id": "bob"}, "context": {"source": "x"}},
                {"action": {}, "resource": {}}
            ]}"#,
    );
    assert_eq!(semantic, Semantic::DenyOnFirstDeny);
    let first = evaluations[0].as_ref().unwrap();
    assert_eq!((first.resource_type.as_str(), first.resource_id.as_str()), ("record", "record-1"));
    let expected = json!({
        "subject": {"type": "user", "id": "alice", "properties": {"role": "admin"}},
        "action": {"name": "write"},
        "resource": {"type": "record", "id": "record-1", "properties": {"status": "active"}},
        "context": {"time": "1"},
    });
    assert_eq!(value(&first.whole), expected);
    // An entity of its own replaces the other whole.
    let second = evaluations[1].as_ref().unwrap();
    assert_eq!((second.subject_type.as_str(), second.subject_id.as_str()), ("user", "bob"));
    assert_eq!(value(&second.whole)["subject"], json!({"type": "user", "id": "bob"}));
    assert_eq!(value(&second.whole)["context"], json!({"source": "x"}));
    assert_eq!(evaluations[2].as_ref().unwrap_err().to_string(), "resource.id: required / 必填");
}

#[test]
fn an_entity_is_not_made_of_two_halves() {
    // Readers would differ in whether a property of one entity holds for the other.
    let (_, evaluations) = several(
        r#"{"subject": {"type": "user", "id": "u", "properties": {"role": "doctor"}},
            "action": {"name": "read", "properties": {"soft": true}}, "resource": {"type": "record", "id": "1", "x": 1},
            "evaluations": [
                {"subject": {"id": "u2"}},
                {"subject": {"id": "u2", "properties": {}}, "action": {"properties": {"soft": false}}},
                {"resource": {"id": "2"}}
            ]}"#,
    );
    let said = evaluations.into_iter().map(|one| one.unwrap_err().to_string()).collect::<Vec<_>>();
    let expected = [
        "subject.type: required / 必填",
        "subject.type: required / 必填\naction.name: required / 必填",
        "resource.type: required / 必填",
    ];
    assert_eq!(said, expected);
}

#[test]
fn what_stands_around_many_is_bounded_as_it_counts_for_each() {
    let of = |bytes: usize, count: usize| {
        let around = json!({"subject": {"type": "user", "id": "u", "properties": {"p": "x".repeat(bytes)}}});
        let mut request = around.as_object().unwrap().clone();
        request.insert("evaluations".to_owned(), vec![json!({}); count].into());
        evaluations(Value::Object(request).to_string().as_bytes(), 100)
    };
    assert!(matches!(of(40_000, 100), Ok(Evaluations::Several { evaluations, .. }) if evaluations.len() == 100));
    let error = of(50_000, 100).unwrap_err().to_string();
    assert!(error.starts_with("evaluations: the defaults around them have 500"), "{error}");
    assert!(of(50_000, 1).is_ok());
}

#[test]
fn of_many_mistakes_little_is_said() {
    let properties: Map<String, Value> = (0..8_000).map(|number| (format!("k{number}"), json!(1))).collect();
    let evaluation = with(&json!({"resource": {"type": "transfer", "id": "x", "properties": properties}}).to_string());
    let Mapped::Unmapped(said) = map(&evaluation) else { panic!("{evaluation:?}") };
    let answer = denied(Denied::NoTransfer, &said).to_string();
    assert!(answer.len() < 32_768, "{} bytes", answer.len());
}

#[test]
fn refusals_name_the_parts_of_an_evaluation() {
    let fields = [
        Field::Flow,
        Field::Exporter,
        Field::Counts(Counts::Persons),
        Field::Count(Counts::Persons, CountedClass::Sensitive),
        Field::Item(0, ItemField::Code),
    ];
    let mut lines = Vec::new();
    for resource_type in [FLOW, TRANSFER, "record"] {
        let issue = |field: String| Issue::new(field, "MISSING", ("e".to_owned(), "z".to_owned()));
        for field in fields {
            let violation = Violation::new(field, Problem::NotATimestamp);
            let issue = of_violation(&violation, issue(violation.path.to_string()), resource_type);
            lines.push(format!("{resource_type}: {issue}"));
        }
        let problem = LabelProblem {
            rule: None,
            label: Label::Persons,
            origin: Origin::Header("x-neglist-persons".to_owned()),
            fault: Fault::Missing,
        };
        let issue = of_label((&problem, issue(problem.origin.to_string())));
        lines.push(format!("{resource_type}: {issue}"));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

/// The properties of a transfer can state totals; a flow has no place for them.
#[test]
fn totals_are_asked_for_where_an_evaluation_can_state_them() {
    let refusal = || {
        let violation = Violation::new(Field::Counts(Counts::YearToDate), Problem::Missing(Need::NoLedger));
        Refusal::Invalid(vec![violation])
    };
    let transfer = with(r#"{"resource": {"type": "transfer", "id": "t-1", "properties": {}}}"#);
    let issues = refused(&refusal(), &transfer);
    assert_eq!((issues[0].field.as_str(), issues[0].code), ("resource.properties.year_to_date", "MISSING"));
    let issues = refused(&refusal(), &with("{}"));
    assert_eq!((issues[0].field.as_str(), issues[0].code), ("request", "NO_LEDGER"));
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
    let said = requests.map(|json| evaluations(json.as_bytes(), 3).unwrap_err().to_string().replace('\n', "; "));
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn orders_stop_after_the_first_that_settles_them() {
    use Verdict::{Deny, Permit};

    let ends = |semantic: Semantic| [semantic.ends_after(Permit), semantic.ends_after(Deny)];
    assert_eq!(ends(Semantic::ExecuteAll), [false, false]);
    assert_eq!(ends(Semantic::DenyOnFirstDeny), [false, true]);
    assert_eq!(ends(Semantic::PermitOnFirstPermit), [true, false]);
}

#[test]
fn only_allow_is_a_permit() {
    for outcome in -1..9 {
        let (verdict, answer) = decided(&v1::Decision { outcome, ..v1::Decision::default() }, Some("rule"));
        let is_allow = outcome == i32::from(v1::Outcome::Allow);
        assert_eq!((verdict == Verdict::Permit, answer["decision"].as_bool()), (is_allow, Some(is_allow)), "{outcome}");
        assert_eq!(answer["context"]["gateway_rule"], "rule");
        assert_eq!(answer["context"]["outcome"] == "allow", is_allow);
    }
    for why in [Denied::NoTransfer, Denied::Malformed, Denied::Unanswered] {
        assert_eq!(denied(why, &[])["decision"], false);
    }
}
