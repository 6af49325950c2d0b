//! What is answered: decisions, denials and why, and where to ask.

use serde_json::{Map, Value, json};

use crate::doors::authzen::{Evaluation, FLOW, TRANSFER, unmapped};
use crate::wire::generated::v1;
use crate::wire::json::finding::JsonError;
use crate::wire::refusal::{About, Refusal, Said, grpc};
use crate::wire::render::{self, Verdict};

/// Returns the answer to an evaluation that was decided. `rule`: the gateway's rule that made a transfer of it.
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
    /// Nobody can make a transfer of it. That is a denial like any other.
    NoTransfer,
    /// It is not well-formed, one among several.
    Malformed,
    /// The server could not answer it, one among several.
    Unanswered,
}

/// Returns the answer to an evaluation that is denied without a decision.
pub fn denied(why: Denied, said: &[Said]) -> Value {
    let (en, zh) = render::joined(said);
    let mut context = Map::new();
    let (outcome, status) = match why {
        Denied::NoTransfer => ("refused", None),
        Denied::Malformed => ("refused", Some(400)),
        Denied::Unanswered => ("unanswered", Some(503)),
    };
    context.insert("outcome".to_owned(), json!(outcome));
    context.insert("violations".to_owned(), render::said_members(said));
    if let Some(status) = status {
        context.insert("error".to_owned(), json!({"status": status, "message": format!("{en} / {zh}")}));
    }
    context.insert("reason_admin".to_owned(), json!({"en": en, "zh": zh}));
    let (en, zh) = ("The transfer could not be checked and may not go.", "无法核查该传输，不得放行。");
    context.insert("reason_user".to_owned(), json!({"en": en, "zh": zh}));
    answer(Verdict::Stays, context)
}

/// Returns what is said of an evaluation that is not well-formed.
pub fn malformed(error: &JsonError) -> Vec<Said> {
    render::found(&error.findings, "")
}

/// Returns what is said of an evaluation for whose answer there is no room.
pub fn too_much() -> Said {
    Said {
        field: "evaluations".to_owned(),
        reason: "TOO_MANY".to_owned(),
        en: "the answers before it take all the room there is: ask about it in a request of its own".to_owned(),
        zh: "此前各项的答复已达容量上限：请另行请求".to_owned(),
        about: About::Other,
    }
}

/// Refuses an evaluation of which a rule goes by a property that is neither text nor truth value.
pub fn unreadable_property(key: &str) -> Refusal {
    grpc::unreadable(
        key,
        "PROPERTY_OF_WRONG_KIND",
        "a gateway rule goes by this property, which is neither a text nor true or false: send it as one of these"
            .to_owned(),
        "有网关规则按该属性判断，但其值既不是文本也不是 true 或 false：请改用其中之一".to_owned(),
    )
}

/// Returns what a refusal says, in the words of this door: by the names that the parts of an evaluation have.
pub fn refused(refusal: Refusal, evaluation: &Evaluation) -> Vec<Said> {
    let is_transfer = evaluation.resource_type == TRANSFER;
    let Refusal { status: _, said } = if is_transfer { refusal } else { render::without_totals(refusal) };
    // The rules of gateways speak of headers here, and an evaluation has none.
    if said.iter().any(|said| said.about == About::NothingMatches) {
        return unmapped(evaluation);
    }
    said.into_iter().map(|said| renamed(said, &evaluation.resource_type)).collect()
}

/// Returns what is said of a transfer as what is to be said of the evaluation that it was made of.
pub(crate) fn renamed(said: Said, resource_type: &str) -> Said {
    match &said.about {
        About::Header(header) => Said {
            en: format!(
                "no gateway rule says it, and an evaluation has no header `{header}`: state it in the rule, or take it from the context or the body of the evaluation"
            ),
            zh: format!(
                "网关规则未给出，而评估请求没有请求头 `{header}`：请在规则中填写，或取自评估请求的 context 或 body"
            ),
            field: "request".to_owned(),
            ..said
        },
        About::OtherExportersFlow if [FLOW, TRANSFER].contains(&resource_type) => {
            let en = "the flow belongs to another exporter than the subject: let the subject be its exporter, or name another flow";
            let zh = "该数据流属于主体以外的出口方：请以其出口方为主体，或指明其他数据流";
            Said { field: "subject.id".to_owned(), en: en.to_owned(), zh: zh.to_owned(), ..said }
        }
        About::Transfer(path) | About::Total(path) => {
            let field = match (resource_type, path.as_str()) {
                (FLOW | TRANSFER, "exporter") => "subject.id".to_owned(),
                (FLOW, "flow") => "resource.id".to_owned(),
                (FLOW, "persons" | "persons.general") => "context.persons".to_owned(),
                (FLOW, "persons.sensitive") => "context.sensitive_persons".to_owned(),
                (TRANSFER, path) => format!("resource.properties.{path}"),
                _ => return said,
            };
            Said { field, ..said }
        }
        About::NothingMatches | About::OtherExportersFlow | About::Other => said,
    }
}

fn answer(verdict: Verdict, context: Map<String, Value>) -> Value {
    json!({"decision": verdict == Verdict::Goes, "context": Value::Object(context)})
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
