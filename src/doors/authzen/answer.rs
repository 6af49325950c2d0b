//! Answers: decisions, denials with their reasons, and the document that says where to ask.

use serde_json::{Map, Value, json};

use crate::domain::asked::{Problem, Violation};
use crate::domain::gateway::{LabelProblem, Origin, Unlabelled};
use crate::domain::path::{Counts, Field};
use crate::domain::units::CountedClass;
use crate::doors::authzen::map::{FLOW, TRANSFER, unmapped};
use crate::doors::authzen::read::Evaluation;
use crate::doors::render::{self, Verdict};
use crate::wire::generated::v1;
use crate::wire::refusal::{Issue, Refusal, Subject, joined};

/// Returns the answer to an evaluation that was decided. `rule`: the gateway rule that matched it.
pub fn decided(decision: &v1::Decision, rule: Option<&str>) -> (Verdict, Value) {
    let verdict = render::verdict(decision);
    let mut context = render::members(decision);
    if let Some(rule) = rule {
        context.insert("gateway_rule".to_owned(), json!(rule));
    }
    let (en, zh) = render::strictest(decision);
    context.insert("reason_admin".to_owned(), json!({"en": en, "zh": zh}));
    let (en, zh) = render::for_users(decision);
    context.insert("reason_user".to_owned(), json!({"en": en, "zh": zh}));
    (verdict, answer(verdict, context))
}

/// Why an evaluation is denied without a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It makes no transfer. That is a denial like any other.
    NoTransfer,
    /// One of several is not well-formed.
    Malformed,
    /// The server could not answer one of several.
    Unanswered,
}

/// Returns the answer to an evaluation that is denied without a decision.
pub fn denied(why: Denied, issues: &[Issue]) -> Value {
    let (en, zh) = joined(issues);
    let mut context = Map::new();
    let (outcome, status) = match why {
        Denied::NoTransfer => ("refused", None),
        Denied::Malformed => ("refused", Some(400)),
        Denied::Unanswered => ("unanswered", Some(503)),
    };
    context.insert("outcome".to_owned(), json!(outcome));
    context.insert("violations".to_owned(), render::issue_members(issues));
    if let Some(status) = status {
        context.insert("error".to_owned(), json!({"status": status, "message": format!("{en} / {zh}")}));
    }
    context.insert("reason_admin".to_owned(), json!({"en": en, "zh": zh}));
    let (en, zh) = ("The transfer could not be checked and may not go.", "无法核查该传输，不得放行。");
    context.insert("reason_user".to_owned(), json!({"en": en, "zh": zh}));
    answer(Verdict::Deny, context)
}

/// Returns the issue of an evaluation for whose answer there is no room.
pub fn too_much() -> Issue {
    let en = "the earlier evaluations fill the answer: send this one in a separate request".to_owned();
    let zh = "此前各项的答复已达容量上限：请另行请求".to_owned();
    Issue::new("evaluations", "TOO_MANY", (en, zh))
}

/// Refuses an evaluation in which a rule depends on a property that is neither text nor truth value.
pub fn unreadable_property(key: &str) -> Refusal {
    let en = "a gateway rule matches by this property, whose value is neither a text nor true or false: send it as one of these";
    let zh = "有网关规则按该属性判断，但其值既不是文本也不是 true 或 false：请改用其中之一";
    let issue = Issue::new(key, "PROPERTY_OF_WRONG_KIND", (en.to_owned(), zh.to_owned()));
    Refusal::unreadable(Subject::Request, issue)
}

/// Returns the issues of a refusal in the words of this door: by the names that the parts of an evaluation have.
pub fn refused(refusal: &Refusal, evaluation: &Evaluation) -> Vec<Issue> {
    let resource_type = evaluation.resource_type.as_str();
    // Only the properties of a transfer can state totals.
    if resource_type != TRANSFER && refusal.asks_for_totals() {
        return render::without_totals(refusal.clone()).issues();
    }
    let issues = refusal.issues();
    match refusal {
        Refusal::Invalid(violations) => {
            let renamed = |(violation, issue)| of_violation(violation, issue, resource_type);
            violations.iter().zip(issues).map(renamed).collect()
        }
        Refusal::Unlabelled(unlabelled) => match &**unlabelled {
            // The rules of gateways refer to headers here, and an evaluation has none.
            Unlabelled::NothingMatches(_) => unmapped(evaluation),
            Unlabelled::Wrong(problems) => problems.iter().zip(issues).map(of_label).collect(),
        },
        Refusal::Malformed(_)
        | Refusal::Unreadable(..)
        | Refusal::Uncounted(_)
        | Refusal::Unavailable(..)
        | Refusal::Exhausted(..)
        | Refusal::TooManyNewExporters { .. }
        | Refusal::AnswerTooLarge { .. }
        | Refusal::Late => issues,
    }
}

/// Returns the issue of a label as the issue of the evaluation.
pub(crate) fn of_label((problem, issue): (&LabelProblem, Issue)) -> Issue {
    match &problem.origin {
        Origin::Header(header) => Issue {
            en: format!(
                "no gateway rule states it, and an evaluation has no header `{header}`: state it in the rule, or take it from the context or the body of the evaluation"
            ),
            zh: format!(
                "网关规则未给出，而评估请求没有请求头 `{header}`：请在规则中填写，或取自评估请求的 context 或 body"
            ),
            field: "request".to_owned(),
            ..issue
        },
        Origin::Body(_)
        | Origin::Context(_)
        | Origin::Lines(_)
        | Origin::Csv(_)
        | Origin::Form(_)
        | Origin::Segment(_)
        | Origin::Query(_)
        | Origin::Host
        | Origin::Method
        | Origin::Path
        | Origin::Sni
        | Origin::Request => issue,
    }
}

/// Returns the issue of a transfer as the issue of the evaluation that the transfer comes from.
pub(crate) fn of_violation(Violation { path, problem }: &Violation, issue: Issue, resource_type: &str) -> Issue {
    if matches!(problem, Problem::OtherExportersFlow { .. }) && [FLOW, TRANSFER].contains(&resource_type) {
        let en = "the flow belongs to another exporter than the subject: make the subject its exporter, or name another flow";
        let zh = "该数据流属于主体以外的出口方：请以其出口方为主体，或指明其他数据流";
        return Issue { field: "subject.id".to_owned(), en: en.to_owned(), zh: zh.to_owned(), ..issue };
    }
    let field = match (resource_type, path.of_transfer()) {
        (FLOW | TRANSFER, Some(Field::Exporter)) => "subject.id".to_owned(),
        (FLOW, Some(Field::Flow)) => "resource.id".to_owned(),
        (FLOW, Some(Field::Counts(Counts::Persons) | Field::Count(Counts::Persons, CountedClass::General))) => {
            "context.persons".to_owned()
        }
        (FLOW, Some(Field::Count(Counts::Persons, CountedClass::Sensitive))) => "context.sensitive_persons".to_owned(),
        (TRANSFER, Some(field)) => format!("resource.properties.{field}"),
        _ => return issue,
    };
    Issue { field, ..issue }
}

fn answer(verdict: Verdict, context: Map<String, Value>) -> Value {
    json!({"decision": verdict == Verdict::Permit, "context": Value::Object(context)})
}

/// Returns the document that tells where evaluations are asked for. `url` ends without a slash.
pub fn configuration(url: &str) -> Value {
    json!({
        "policy_decision_point": url,
        "access_evaluation_endpoint": format!("{url}{EVALUATION_PATH}"),
        "access_evaluations_endpoint": format!("{url}{EVALUATIONS_PATH}"),
    })
}

/// Path of one evaluation.
pub const EVALUATION_PATH: &str = "/access/v1/evaluation";
/// Path of several evaluations.
pub const EVALUATIONS_PATH: &str = "/access/v1/evaluations";
/// Path of the configuration document, for a URL without a path of its own.
pub const CONFIGURATION_PATH: &str = "/.well-known/authzen-configuration";
