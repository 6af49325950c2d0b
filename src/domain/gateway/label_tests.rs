//! The transfers that labels give, and every violation in labels.

use super::super::labelled::{BodyFault, ChoiceFault, LabelProblem};
use super::super::seen::Body;
use super::super::subjects::{PathTemplate, SubjectSource};
use super::super::table::{Conditions, Gateway, Given, GivenItem, HostPattern, PathPattern, Source};
use super::*;
use crate::domain::asked::CODE_BYTES_MAX;
use crate::domain::gateway::Record;
use crate::domain::persons::{Kind, Normalise};
use crate::domain::units::Ground;
use crate::testing::seen::{Request, request};
use crate::testing::snapshot;

const FLOW: &str = "x-neglist-flow";
const PERSONS: &str = "x-neglist-persons";
const SENSITIVE: &str = "x-neglist-sensitive-persons";
const TRANSFER_ID: &str = "x-neglist-transfer-id";

/// Flow `trial` of the snapshot sends sensitive information; `contact.name` is general, `machine.log` is not personal.
fn with(rules: Vec<Rule>) -> Snapshot {
    Snapshot { gateway: Gateway::new(LabelHeaders::default(), rules), ..snapshot() }
}

/// A rule for `POST a.b/x`.
fn rule(gives: Gives) -> Rule {
    Rule {
        id: "r".into(),
        host: HostPattern::Exact("a.b".into()),
        path: PathPattern::Exact("/x".into()),
        sni: HostPattern::Any,
        conditions: Conditions { methods: vec!["POST".into()], ..Conditions::default() },
        gives,
        record: Record::AskOnly,
    }
}

fn literal(text: &str) -> Given<Box<str>> {
    Given::Literal(text.into())
}

fn header<T>(name: &str) -> Given<T> {
    Given::From(Source::Header(name.into()))
}

fn body<T>(pointer: &str) -> Given<T> {
    Given::From(Source::Body(pointer.into()))
}

fn context<T>(key: &str) -> Given<T> {
    Given::From(Source::Context(key.into()))
}

fn post() -> Request {
    request("POST", "a.b/x")
}

/// Returns the violations: label, place, code.
#[track_caller]
fn wrong(snapshot: &Snapshot, request: &Request) -> Vec<(Label, String, &'static str)> {
    match label(snapshot, request) {
        Err(Unlabelled::Wrong(problems)) => {
            let short =
                |LabelProblem { label, origin, fault, .. }: &LabelProblem| (*label, origin.to_string(), fault.code());
            problems.iter().map(short).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn at(label: Label, header: &str, code: &'static str) -> (Label, String, &'static str) {
    (label, format!("header {header}"), code)
}

#[test]
fn without_rules_headers_name_the_transfer() {
    let snapshot = snapshot();
    let sent = post().header(FLOW, "trial").header(SENSITIVE, "12").header(TRANSFER_ID, "t-1");
    let labelled = label(&snapshot, &sent).unwrap();
    let expected = Labelled {
        flow: Some("trial".into()),
        persons: Some(AskedPersons { general: 0, sensitive: 12 }),
        transfer_id: Some("t-1".into()),
        ..Labelled::default()
    };
    assert_eq!(labelled, expected);
}

#[test]
fn a_request_without_any_label_matches_nothing() {
    let snapshot = snapshot();
    let nothing = Nothing {
        host: Some("a.b".into()),
        method: Some("POST".into()),
        path: Some("/x".into()),
        sni: None,
        flow_header: FLOW.into(),
    };
    assert_eq!(label(&snapshot, &request("POST", "a.b/x?name=secret")), Err(Unlabelled::NothingMatches(nothing)));
}

#[test]
fn a_path_that_may_have_an_identifier_is_not_repeated() {
    let in_path = GivenSubjects {
        source: SubjectSource::Path(PathTemplate::parse("/x/{}").unwrap()),
        kind: Kind::parse("patient").unwrap(),
        normalise: Normalise::NONE,
    };
    let gives = Gives { flow: Some(literal("trial")), sensitive_subjects: Some(in_path), ..Gives::default() };
    let snapshot = with(vec![Rule { path: PathPattern::Prefix("/x".into()), ..rule(gives) }]);
    for elsewhere in ["b.c/x/11010519491231002X", "a.b/y/11010519491231002X"] {
        let Err(Unlabelled::NothingMatches(nothing)) = label(&snapshot, &request("POST", elsewhere)) else { panic!() };
        assert_eq!((nothing.path, nothing.method.as_deref()), (None, Some("POST")), "{elsewhere}");
    }
}

#[test]
fn a_part_of_the_labels_is_wrong_and_not_nothing() {
    let snapshot = snapshot();
    let missing = [at(Label::Flow, FLOW, "LABEL_MISSING")];
    for name in [PERSONS, SENSITIVE, TRANSFER_ID] {
        assert_eq!(wrong(&snapshot, &post().header(name, "1")), missing, "{name}");
        assert_eq!(read(&snapshot, &post().header(name, "1"), &Unmatched::Allow), {
            let Err(unlabelled) = label(&snapshot, &post().header(name, "1")) else { panic!() };
            Reading::Refused(unlabelled)
        });
    }
    let twice = post().header(FLOW, "trial").header(FLOW, "trial").header(SENSITIVE, "1");
    assert_eq!(wrong(&snapshot, &twice), [at(Label::Flow, FLOW, "LABEL_REPEATED")]);
    let empty = post().header(FLOW, "");
    assert_eq!(wrong(&snapshot, &empty), [at(Label::Flow, FLOW, "LABEL_MISSING")]);
    let script = post().header(FLOW, "试验").header(SENSITIVE, "１");
    let expected = [at(Label::Flow, FLOW, "LABEL_NOT_TEXT"), at(Label::SensitivePersons, SENSITIVE, "LABEL_NOT_TEXT")];
    assert_eq!(wrong(&snapshot, &script), expected);
    let sent = post().header(FLOW, "trial").header(SENSITIVE, "1,2").header(PERSONS, "20000000000");
    let expected =
        [at(Label::Persons, PERSONS, "TOO_MANY_PERSONS"), at(Label::SensitivePersons, SENSITIVE, "LABEL_NOT_A_NUMBER")];
    assert_eq!(wrong(&snapshot, &sent), expected);
}

#[test]
fn each_class_that_is_sent_needs_its_own_number_of_persons() {
    let snapshot = snapshot();
    let missing = [at(Label::SensitivePersons, SENSITIVE, "LABEL_MISSING")];
    // 500 patients, none of whom would count as sensitive.
    assert_eq!(wrong(&snapshot, &post().header(FLOW, "trial").header(PERSONS, "500")), missing);
    assert_eq!(wrong(&snapshot, &post().header(FLOW, "trial")), missing);
    let item =
        |code: &str, class| GivenItem { code: Given::Literal(code.into()), class, modality: None, attributes: vec![] };
    let gives = |items, destination: &str| Gives {
        exporter: Some(literal("city")),
        destination: Some(literal(destination)),
        items,
        ..Gives::default()
    };
    let both = with(vec![rule(gives(vec![item("contact.name", None), item("health.diagnosis", None)], "DE"))]);
    assert_eq!(wrong(&both, &post()).len(), 2);
    assert!(label(&both, &post().header(PERSONS, "0").header(SENSITIVE, "3")).is_ok());
    let raised = with(vec![rule(gives(vec![item("own.code", Some(Class::Sensitive))], "DE"))]);
    assert_eq!(wrong(&raised, &post()), missing);
    let impersonal = with(vec![rule(gives(vec![item("machine.log", None)], "DE"))]);
    assert_eq!(label(&impersonal, &post()).unwrap().persons, None);
    let home = with(vec![rule(gives(vec![item("contact.name", None)], "CN"))]);
    assert!(label(&home, &post()).is_ok(), "what stays is not counted");
}

#[test]
fn what_nothing_matches_is_treated_as_the_operator_says() {
    let snapshot = with(vec![rule(Gives { flow: Some(literal("trial")), ..Gives::default() })]);
    let other = request("POST", "c.d/x");
    assert!(matches!(read(&snapshot, &other, &Unmatched::Refuse), Reading::Refused(Unlabelled::NothingMatches(_))));
    assert_eq!(read(&snapshot, &other, &Unmatched::Allow), Reading::NoTransfer);
    let by_default = Unmatched::Flow("logs".into());
    let Reading::Transfer(labelled) = read(&snapshot, &other, &by_default) else { panic!() };
    assert_eq!((labelled.rule, labelled.flow.as_deref()), (None, Some("logs")));
    // The default cannot know the number of persons.
    let by_default = Unmatched::Flow("trial".into());
    assert!(matches!(read(&snapshot, &other, &by_default), Reading::Refused(Unlabelled::Wrong(_))));
    // A rule for that path is not met, or cannot be compared: `allow` does not apply.
    for request in
        [request("GET", "a.b/x"), request("POST", "a.b/y/../x"), request("CONNECT", "a.b"), request("GET", "/x")]
    {
        let reading = read(&snapshot, &request, &Unmatched::Allow);
        assert!(matches!(reading, Reading::Refused(Unlabelled::Wrong(_))), "{request:?}");
        let named = read(&snapshot, &request, &Unmatched::Allow);
        assert!(matches!(named, Reading::Refused(_)), "{request:?}");
    }
}

#[test]
fn a_flow_header_does_not_lead_around_rules_that_are_written_for_the_place() {
    let snapshot = with(vec![rule(Gives { flow: Some(literal("trial")), ..Gives::default() })]);
    let labels = |request: Request| request.header(FLOW, "trial").header(SENSITIVE, "1");
    let problems = wrong(&snapshot, &labels(request("GET", "a.b/x")));
    assert_eq!(problems, [(Label::Rule, "request".to_owned(), "CONDITIONS_NOT_MET")]);
    assert!(label(&snapshot, &labels(request("GET", "c.d/x"))).is_ok(), "no rule is written for that host");
    assert!(label(&snapshot, &labels(request("GET", "a.b/y"))).is_ok(), "nor for that path");
}

#[test]
fn a_rule_gives_what_it_says_from_where_it_says() {
    let gives = Gives {
        exporter: Some(literal("city")),
        recipient: Some(context("subject.id")),
        destination: Some(header("x-country")),
        sector: Some(literal("pharma")),
        scenario: Some(body("/scenario")),
        export_zone: Some(literal("beijing-ftz")),
        ground: Some(Ground::Emergency),
        items: vec![GivenItem {
            code: Given::From(Source::Context("resource.type".into())),
            class: Some(Class::General),
            modality: None,
            attributes: vec!["miit-filed".into()],
        }],
        persons: Some(body("/patients")),
        sensitive_persons: Some(body("/count")),
        transfer_id: Some(Source::Header("x-request-id".into())),
        ..Gives::default()
    };
    let snapshot = with(vec![Rule { record: Record::Record, ..rule(gives) }]);
    let sent = post()
        .context("subject.id", "实验室")
        .context("resource.type", "contact.name")
        .header("x-country", "DE")
        .header("x-request-id", "7")
        .member("/scenario", Body::Text("other".into()))
        .member("/patients", Body::Count(3))
        .member("/count", Body::Number(2));
    let labelled = label(&snapshot, &sent).unwrap();
    let expected = Labelled {
        rule: Some("r"),
        flow: None,
        exporter: Some("city".into()),
        recipient: Some("实验室".into()),
        destination: Some("DE".into()),
        sector: Some("pharma".into()),
        scenario: Some("other".into()),
        export_zone: Some("beijing-ftz".into()),
        ground: Some(Ground::Emergency),
        items: vec![LabelledItem {
            code: "contact.name".into(),
            class: Some(Class::General),
            modality: None,
            attributes: vec!["miit-filed".into()],
        }],
        persons: Some(AskedPersons { general: 3, sensitive: 2 }),
        subjects: None,
        transfer_id: Some("7".into()),
        record: Record::Record,
    };
    assert_eq!(labelled, expected);
    // Every missing label at once.
    assert_eq!(wrong(&snapshot, &post()).len(), 7);
    let found = wrong(&snapshot, &post());
    assert!(found.contains(&(Label::Item(0), "context resource.type".to_owned(), "LABEL_NOT_SEEN")), "{found:?}");
    assert!(found.contains(&(Label::Persons, "body /patients".to_owned(), "BODY_NOT_THERE")), "{found:?}");
}

#[test]
fn what_the_request_and_the_rule_say_has_to_agree() {
    let gives = Gives {
        flow: Some(literal("trial")),
        sensitive_persons: Some(body("/count")),
        transfer_id: Some(Source::Header("x-request-id".into())),
        ..Gives::default()
    };
    let snapshot = with(vec![rule(gives)]);
    let sent = || post().member("/count", Body::Number(5)).header("x-request-id", "7");
    let same = sent().header(FLOW, "trial").header(SENSITIVE, "5").header(TRANSFER_ID, "7").header(PERSONS, "9");
    let labelled = label(&snapshot, &same).unwrap();
    assert_eq!(labelled.persons, Some(AskedPersons { general: 9, sensitive: 5 }));
    let other = sent().header(FLOW, "trials").header(SENSITIVE, "4").header(TRANSFER_ID, "8");
    let expected = [
        at(Label::Flow, FLOW, "LABELS_DISAGREE"),
        at(Label::TransferId, TRANSFER_ID, "LABELS_DISAGREE"),
        at(Label::SensitivePersons, SENSITIVE, "LABELS_DISAGREE"),
    ];
    assert_eq!(wrong(&snapshot, &other), expected);
}

#[test]
fn a_number_beside_persons_by_identifier_is_refused() {
    let at_ids = |name: &str| GivenSubjects {
        source: SubjectSource::Header(name.into()),
        kind: Kind::parse("patient").unwrap(),
        normalise: Normalise::NONE,
    };
    let by_name = |general: Option<&str>, sensitive: Option<&str>| {
        with(vec![rule(Gives {
            flow: Some(literal("trial")),
            subjects: general.map(at_ids),
            sensitive_subjects: sensitive.map(at_ids),
            ..Gives::default()
        })])
    };
    let sent = || post().header("x-ids", "a,b");
    // `trial` sends sensitive information, and the first rule does not say of whom: the ledger would count none.
    let snapshot = by_name(Some("x-ids"), None);
    let code = "NUMBER_BESIDE_IDENTIFIERS";
    for request in [sent(), sent().header(SENSITIVE, "0"), sent().header(SENSITIVE, "100000")] {
        assert_eq!(wrong(&snapshot, &request), [at(Label::SensitivePersons, SENSITIVE, code)]);
    }
    let snapshot = by_name(None, Some("x-ids"));
    assert_eq!(wrong(&snapshot, &sent().header(PERSONS, "9")), [at(Label::Persons, PERSONS, code)]);
    for request in [sent(), sent().header(PERSONS, "0"), sent().header(SENSITIVE, "2")] {
        let persons = label(&snapshot, &request).unwrap().persons;
        assert_eq!(persons, Some(AskedPersons { general: 0, sensitive: 2 }));
    }
    assert_eq!(
        wrong(&snapshot, &sent().header(SENSITIVE, "1")),
        [at(Label::SensitivePersons, SENSITIVE, "LABELS_DISAGREE")]
    );
}

#[test]
fn a_flow_header_beside_a_rule_that_describes_the_transfer_is_refused() {
    let item =
        GivenItem { code: Given::Literal("machine.log".into()), class: None, modality: None, attributes: vec![] };
    let gives = Gives {
        exporter: Some(literal("city")),
        destination: Some(literal("DE")),
        items: vec![item],
        ..Gives::default()
    };
    let snapshot = with(vec![rule(gives.clone())]);
    assert!(label(&snapshot, &post()).is_ok());
    assert_eq!(wrong(&snapshot, &post().header(FLOW, "trial"))[0], at(Label::Flow, FLOW, "FLOW_BESIDE_FIELDS"));
    let snapshot = with(vec![rule(Gives { flow: Some(header(FLOW)), ..gives })]);
    assert!(label(&snapshot, &post().header(FLOW, "trial")).is_ok());
    assert_eq!(wrong(&snapshot, &post()), [at(Label::Flow, FLOW, "LABEL_MISSING")]);
}

#[test]
fn a_rule_without_labels_leaves_them_to_the_headers() {
    let snapshot = with(vec![Rule { record: Record::Record, ..rule(Gives::default()) }]);
    let sent = post().header(FLOW, "trial").header(SENSITIVE, "1");
    // The door may supply an id of its own.
    let labelled = label(&snapshot, &sent).unwrap();
    assert_eq!((labelled.record, labelled.transfer_id), (Record::Record, None));
    let sent = sent.header(TRANSFER_ID, "t");
    assert_eq!(label(&snapshot, &sent).unwrap().transfer_id.as_deref(), Some("t"));
    assert_eq!(wrong(&snapshot, &post()), [at(Label::Flow, FLOW, "LABEL_MISSING")]);
}

#[test]
fn bodies_that_cannot_be_read_are_told_apart() {
    let counted = with(vec![rule(Gives {
        flow: Some(literal("trial")),
        sensitive_persons: Some(body("/n")),
        ..Gives::default()
    })]);
    let named = with(vec![rule(Gives { flow: Some(body("/n")), ..Gives::default() })]);
    let code = |fault: &Fault| fault.code();
    for (member, persons, text) in [
        (Body::NotThere, Some(Fault::Body(BodyFault::NotThere)), Some(Fault::Body(BodyFault::NotThere))),
        (Body::Partial, Some(Fault::Body(BodyFault::Partial)), Some(Fault::Body(BodyFault::Partial))),
        (Body::NotJson, Some(Fault::Body(BodyFault::NotJson)), Some(Fault::Body(BodyFault::NotJson))),
        (Body::Absent, Some(Fault::Missing), Some(Fault::Missing)),
        (Body::Repeated, Some(Fault::Repeated), Some(Fault::Repeated)),
        (Body::Other, Some(Fault::Body(BodyFault::WrongKind)), Some(Fault::Body(BodyFault::WrongKind))),
        (Body::Text("5".into()), Some(Fault::Body(BodyFault::WrongKind)), None),
        (Body::Number(5), None, Some(Fault::Body(BodyFault::WrongKind))),
        (Body::Count(5), None, Some(Fault::Body(BodyFault::WrongKind))),
        (
            Body::Number(u64::MAX),
            Some(Fault::TooManyPersons { count: u64::MAX }),
            Some(Fault::Body(BodyFault::WrongKind)),
        ),
    ] {
        let sent = post().body(member.clone());
        let found = |snapshot, label: Label| match super::label(snapshot, &sent) {
            Err(Unlabelled::Wrong(problems)) => {
                problems.iter().find(|problem| problem.label == label).map(|problem| problem.fault.code())
            }
            _ => None,
        };
        assert_eq!(found(&counted, Label::SensitivePersons), persons.as_ref().map(code), "{member:?}");
        assert_eq!(found(&named, Label::Flow), text.as_ref().map(code), "{member:?}");
    }
}

#[test]
fn labels_are_bounded() {
    let snapshot = snapshot();
    let long: &'static str = "x".repeat(CODE_BYTES_MAX + 1).leak();
    for name in [FLOW, TRANSFER_ID] {
        let found = wrong(&snapshot, &post().header(name, long));
        assert!(found.iter().any(|(_, place, code)| place.ends_with(name) && *code == "TOO_LONG"), "{found:?}");
    }
    let Err(Unlabelled::NothingMatches(nothing)) = label(&snapshot, &request("GET", "a.b/x").sni(long)) else {
        panic!()
    };
    assert_eq!(nothing.sni.unwrap().chars().count(), 65);
}

#[test]
fn problems_name_their_rule_once_it_is_known() {
    let snapshot = with(vec![rule(Gives { flow: Some(context("flow")), ..Gives::default() })]);
    let Err(Unlabelled::Wrong(problems)) = label(&snapshot, &post()) else { panic!() };
    assert_eq!(problems[0].rule.as_deref(), Some("r"));
    let Err(Unlabelled::Wrong(problems)) = label(&snapshot, &request("GET", "a.b/x")) else { panic!() };
    assert_eq!(problems[0].rule, None);
    assert!(matches!(&problems[0].fault, Fault::Choice(ChoiceFault::ConditionsNotMet { rules }) if *rules == ["r"]));
}
