//! `AuthZEN` Authorization API 1.0: evaluations in, decisions out.
//!
//! The standard tells two things apart. A request that is not well-formed is an error. One that is, and that nobody can
//! make a transfer of, is denied, and says what is missing. So reading has an error ([`JsonError`]), and mapping has not.
//!
//! Fields that the standard does not know are ignored, as it asks for. Keys that stand twice are not: what one reader
//! takes and another does not must not decide anything.

use serde_json::{Map, Value, json};

use super::described::{self, Said, Verdict};
use super::generated::v1;
use super::json::{self as proto_json, JsonError};
use super::status::{self, RpcStatus};
use super::unambiguous;

/// What a subject has to be, so that its id names an exporter.
const EXPORTER: &str = "exporter";
/// The action that is asked about.
const EXPORT: &str = "export";
/// A resource whose id names a registered flow.
const FLOW: &str = "flow";
/// A resource whose properties are a transfer.
const TRANSFER: &str = "transfer";

/// One well-formed evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Type of the subject.
    pub subject_type: String,
    /// Id of the subject.
    pub subject_id: String,
    /// Name of the action.
    pub action_name: String,
    /// Type of the resource.
    pub resource_type: String,
    /// Id of the resource.
    pub resource_id: String,
    /// All of it, with what it takes from the request around it: `subject`, `action`, `resource`, `context`.
    pub whole: Value,
}

/// What is asked in one request.
#[derive(Debug)]
pub enum Evaluations {
    /// One evaluation.
    One(Box<Evaluation>),
    /// Several, or why they are none, in order.
    Several {
        /// When to stop.
        semantic: Semantic,
        /// What is asked.
        evaluations: Vec<Result<Evaluation, JsonError>>,
    },
}

/// When the answer to several evaluations is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Semantic {
    /// When all are answered.
    ExecuteAll,
    /// With the first that is denied.
    DenyOnFirstDeny,
    /// With the first that is permitted.
    PermitOnFirstPermit,
}

impl Semantic {
    const ALL: [(&'static str, Semantic); 3] = [
        ("execute_all", Semantic::ExecuteAll),
        ("deny_on_first_deny", Semantic::DenyOnFirstDeny),
        ("permit_on_first_permit", Semantic::PermitOnFirstPermit),
    ];

    /// Says whether nothing more is answered after an evaluation that came to this.
    pub fn ends_after(self, verdict: Verdict) -> bool {
        match (self, verdict) {
            (Semantic::ExecuteAll, Verdict::Goes | Verdict::Stays)
            | (Semantic::DenyOnFirstDeny, Verdict::Goes)
            | (Semantic::PermitOnFirstPermit, Verdict::Stays) => false,
            (Semantic::DenyOnFirstDeny, Verdict::Stays) | (Semantic::PermitOnFirstPermit, Verdict::Goes) => true,
        }
    }
}

/// Reads a request for one evaluation.
///
/// # Errors
/// What is not well-formed: all of it, with its path.
pub fn evaluation(json: &[u8]) -> Result<Evaluation, JsonError> {
    let request = object(unambiguous::read(json)?)?;
    evaluation_of(&request, &Map::new())
}

/// Reads a request for several evaluations; without any of them it is a request for one.
///
/// # Errors
/// What is not well-formed in the request as a whole. What is wrong with one of several stands in its place.
pub fn evaluations(json: &[u8], evaluations_max: usize) -> Result<Evaluations, JsonError> {
    let mut request = object(unambiguous::read(json)?)?;
    let mut findings = Vec::new();
    let semantic = semantic(request.get("options"), &mut findings);
    let several = match request.remove("evaluations") {
        None => Vec::new(),
        Some(Value::Array(several)) => several,
        Some(_) => {
            findings.push("evaluations: not a list".to_owned());
            Vec::new()
        }
    };
    if evaluations_max < several.len() {
        let count = several.len();
        findings.push(format!(
            "evaluations: {count} of them: at most {evaluations_max} are allowed, send several requests"
        ));
    }
    if several.is_empty() && findings.is_empty() {
        return evaluation_of(&request, &Map::new()).map(|evaluation| Evaluations::One(Box::new(evaluation)));
    }
    check_defaults(&request, &mut findings);
    if !findings.is_empty() {
        return Err(JsonError { findings });
    }
    let evaluations = several.into_iter().map(|one| evaluation_of(&object(one)?, &request)).collect();
    Ok(Evaluations::Several { semantic, evaluations })
}

fn object(value: Value) -> Result<Map<String, Value>, JsonError> {
    match value {
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(JsonError { findings: vec!["not a JSON object".to_owned()] })
        }
    }
}

fn semantic(options: Option<&Value>, findings: &mut Vec<String>) -> Semantic {
    let wanted = match options {
        None => None,
        Some(Value::Object(options)) => options.get("evaluations_semantic"),
        Some(_) => {
            findings.push("options: not an object".to_owned());
            None
        }
    };
    let Some(wanted) = wanted else { return Semantic::ExecuteAll };
    let known = Semantic::ALL.iter().find(|(word, _)| wanted == word).map(|(_, semantic)| *semantic);
    known.unwrap_or_else(|| {
        let words = Semantic::ALL.map(|(word, _)| format!("`{word}`")).join(", ");
        findings.push(format!("options.evaluations_semantic: write one of {words}"));
        Semantic::ExecuteAll
    })
}

/// An entity, and the fields that it has to have.
const ENTITIES: [(&str, &[&str]); 3] =
    [("subject", &["type", "id"]), ("action", &["name"]), ("resource", &["type", "id"])];

/// What stands beside several evaluations may be incomplete, but nothing else than what it is.
fn check_defaults(request: &Map<String, Value>, findings: &mut Vec<String>) {
    for (name, fields) in ENTITIES {
        let Some(entity) = request.get(name) else { continue };
        let Value::Object(entity) = entity else {
            findings.push(format!("{name}: not an object"));
            continue;
        };
        let present = fields.iter().filter(|field| entity.contains_key(**field));
        present.for_each(|field| drop(text(entity, name, field, findings)));
        check_object(entity.get("properties"), &format!("{name}.properties"), findings);
    }
    check_object(request.get("context"), "context", findings);
}

fn check_object(value: Option<&Value>, path: &str, findings: &mut Vec<String>) {
    if value.is_some_and(|value| !value.is_object()) {
        findings.push(format!("{path}: not an object"));
    }
}

/// Reads one evaluation. An entity of its own replaces the one of the request around it; the latter only completes what
/// names it.
fn evaluation_of(one: &Map<String, Value>, around: &Map<String, Value>) -> Result<Evaluation, JsonError> {
    let mut findings = Vec::new();
    let mut whole = Map::new();
    let mut names = Vec::new();
    for (name, fields) in ENTITIES {
        let mut entity = match one.get(name).or_else(|| around.get(name)) {
            Some(Value::Object(entity)) => entity.clone(),
            Some(_) => {
                findings.push(format!("{name}: not an object"));
                continue;
            }
            None => {
                findings.push(format!("{name}: required"));
                continue;
            }
        };
        for field in fields {
            if let (None, Some(default)) = (entity.get(*field), around.get(name).and_then(|entity| entity.get(field))) {
                entity.insert((*field).to_owned(), default.clone());
            }
            names.push(text(&entity, name, field, &mut findings));
        }
        check_object(entity.get("properties"), &format!("{name}.properties"), &mut findings);
        whole.insert(name.to_owned(), Value::Object(entity));
    }
    let context = one.get("context").or_else(|| around.get("context"));
    check_object(context, "context", &mut findings);
    whole.extend(context.map(|context| ("context".to_owned(), context.clone())));
    match <[String; 5]>::try_from(names) {
        Ok([subject_type, subject_id, action_name, resource_type, resource_id]) if findings.is_empty() => {
            Ok(Evaluation {
                subject_type,
                subject_id,
                action_name,
                resource_type,
                resource_id,
                whole: Value::Object(whole),
            })
        }
        Ok(_) | Err(_) => Err(JsonError { findings }),
    }
}

fn text(entity: &Map<String, Value>, name: &str, field: &str, findings: &mut Vec<String>) -> String {
    match entity.get(field) {
        Some(Value::String(text)) => return text.clone(),
        Some(_) => findings.push(format!("{name}.{field}: not a text")),
        None => findings.push(format!("{name}.{field}: required")),
    }
    String::new()
}

/// What an evaluation comes to without any rule of a gateway.
#[derive(Debug)]
pub enum Mapped {
    /// It asks about this transfer.
    Transfer(Box<v1::DecideRequest>),
    /// Its resource is of another type: the rules of gateways say what it is.
    ByRules,
    /// It names a flow or a transfer, and something is missing or wrong.
    Unmapped(Vec<Said>),
}

/// Maps an evaluation whose resource is a flow or a transfer.
pub fn map(evaluation: &Evaluation) -> Mapped {
    let mut wrong = Vec::new();
    let transfer = match evaluation.resource_type.as_str() {
        FLOW => flow(evaluation, &mut wrong),
        TRANSFER => transfer(evaluation, &mut wrong),
        _ => return Mapped::ByRules,
    };
    let mut expect = |field: &str, found: &str, expected: &str| {
        if found != expected {
            let found = found.escape_debug();
            wrong.push(said(
                field,
                format!("`{found}`: a {} needs `{expected}` here", evaluation.resource_type),
                format!("`{found}`：资源类型为 `{}` 时此处应为 `{expected}`", evaluation.resource_type),
            ));
        }
    };
    expect("subject.type", &evaluation.subject_type, EXPORTER);
    expect("action.name", &evaluation.action_name, EXPORT);
    if !wrong.is_empty() {
        return Mapped::Unmapped(wrong);
    }
    Mapped::Transfer(Box::new(v1::DecideRequest { transfer: Some(transfer), detail: v1::Detail::Full.into() }))
}

fn said(field: &str, en: String, zh: String) -> Said {
    Said { field: field.to_owned(), reason: "NOT_MAPPED".to_owned(), en, zh }
}

fn flow(evaluation: &Evaluation, wrong: &mut Vec<Said>) -> v1::Transfer {
    v1::Transfer {
        flow: evaluation.resource_id.clone(),
        // A flow of another exporter is refused when the transfer is resolved.
        exporter: evaluation.subject_id.clone(),
        persons: persons(evaluation, wrong),
        ..v1::Transfer::default()
    }
}

/// Reads the numbers of persons. One that is left out must not count as nobody.
fn persons(evaluation: &Evaluation, wrong: &mut Vec<Said>) -> Option<v1::Persons> {
    let names = ["persons", "sensitive_persons"];
    let stated = names.map(|name| evaluation.whole.pointer(&format!("/context/{name}")));
    if stated.iter().all(Option::is_none) {
        return None;
    }
    let mut read = names.iter().zip(stated).map(|(name, stated)| {
        let number = stated.and_then(Value::as_u64);
        if number.is_none() {
            let field = format!("context.{name}");
            wrong.push(match stated {
                None => said(
                    &field,
                    "missing: state both numbers, 0 where nobody is concerned".to_owned(),
                    "缺少：两个人数均须填写，无人涉及时填 0".to_owned(),
                ),
                Some(_) => said(&field, "not a whole number of persons".to_owned(), "不是整数人数".to_owned()),
            });
        }
        number.unwrap_or_default()
    });
    let (general, sensitive) = (read.next().unwrap_or_default(), read.next().unwrap_or_default());
    Some(v1::Persons { general, sensitive })
}

fn transfer(evaluation: &Evaluation, wrong: &mut Vec<Said>) -> v1::Transfer {
    let place = "resource.properties";
    let Some(properties) = evaluation.whole.pointer("/resource/properties") else {
        let (en, zh) = ("missing: they are the transfer, as in the contract", "缺少：应为契约所定义的传输");
        wrong.push(said(place, en.to_owned(), zh.to_owned()));
        return v1::Transfer::default();
    };
    let mut transfer =
        proto_json::transfer_from_json(&properties.to_string()).unwrap_or_else(|JsonError { findings }| {
            let findings = findings.into_iter();
            wrong.extend(findings.map(|found| said(place, found.clone(), format!("不是契约所定义的传输：{found}"))));
            v1::Transfer::default()
        });
    if transfer.exporter.is_empty() {
        transfer.exporter.clone_from(&evaluation.subject_id);
    }
    if transfer.exporter != evaluation.subject_id {
        let (one, other) = (transfer.exporter.escape_debug(), evaluation.subject_id.escape_debug());
        wrong.push(said(
            "resource.properties.exporter",
            format!("`{one}` is not the subject `{other}`: let them say the same, or leave this one out"),
            format!("`{one}` 与主体 `{other}` 不一致：两者应一致，或去掉此项"),
        ));
    }
    transfer
}

/// Returns what is said of an evaluation that no rule is about.
pub fn unmapped(evaluation: &Evaluation) -> Vec<Said> {
    let Evaluation { subject_type, action_name, resource_type, .. } = evaluation;
    let [subject, action, resource] = [subject_type, action_name, resource_type].map(|text| text.escape_debug());
    vec![said(
        "resource.type",
        format!(
            "`{resource}` is neither `{FLOW}` nor `{TRANSFER}`, and no gateway rule is about subject type `{subject}`, action `{action}` and this resource: add a rule to the policies, or ask about a flow or a transfer"
        ),
        format!(
            "`{resource}` 既不是 `{FLOW}` 也不是 `{TRANSFER}`，且没有网关规则涉及主体类型 `{subject}`、操作 `{action}` 与该资源：请在政策中添加规则，或就数据流、传输提出询问"
        ),
    )]
}

/// Returns the answer to an evaluation that was decided. `rule`: the gateway's rule that made a transfer of it.
pub fn decided(decision: &v1::Decision, rule: Option<&str>) -> (Verdict, Value) {
    let verdict = described::verdict(decision);
    let mut context = described::members(decision);
    if let Some(rule) = rule {
        context.insert("gateway_rule".to_owned(), json!(rule));
    }
    let (en, zh) = described::strictest(decision);
    context.insert("reason_admin".to_owned(), json!({"en": en, "zh": zh}));
    let (en, zh) = described::for_users(decision);
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
    let (en, zh) = described::joined(said);
    let mut context = Map::new();
    let (outcome, status) = match why {
        Denied::NoTransfer => ("refused", None),
        Denied::Malformed => ("refused", Some(400)),
        Denied::Unanswered => ("unanswered", Some(503)),
    };
    context.insert("outcome".to_owned(), json!(outcome));
    context.insert("violations".to_owned(), described::said_members(said));
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
    let said = |finding: &String| {
        let (field, text) = finding.split_once(": ").unwrap_or(("", finding));
        Said {
            field: field.to_owned(),
            reason: "MALFORMED".to_owned(),
            en: text.to_owned(),
            zh: format!("格式不正确：{text}"),
        }
    };
    error.findings.iter().map(said).collect()
}

/// Refuses an evaluation of which a rule goes by a property that is neither text nor truth value.
pub fn unreadable_property(key: &str) -> RpcStatus {
    status::unreadable(
        key,
        "PROPERTY_OF_WRONG_KIND",
        "a gateway rule goes by this property, which is neither a text nor true or false: send it as one of these"
            .to_owned(),
        "有网关规则按该属性判断，但其值既不是文本也不是 true 或 false：请改用其中之一".to_owned(),
    )
}

/// Returns what a refusal says, in the words of this door.
pub fn refused(refusal: &RpcStatus, evaluation: &Evaluation) -> Vec<Said> {
    let said = described::said(refusal);
    // The rules of gateways speak of headers here, and an evaluation has none.
    if said.iter().any(|said| said.reason == NOTHING_MATCHES) { unmapped(evaluation) } else { said }
}

const NOTHING_MATCHES: &str = "NOTHING_MATCHES";

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

#[cfg(test)]
#[path = "authzen_tests.rs"]
mod tests;
