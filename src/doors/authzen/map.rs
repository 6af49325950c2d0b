//! From an evaluation whose resource is a flow or a transfer to its question.

use crate::doors::authzen::read::Evaluation;
use crate::doors::render;
use crate::json::Tree;
use crate::wire::generated::v1;
use crate::wire::json::issues::JsonError;
use crate::wire::json::message;
use crate::wire::refusal::Issue;
use crate::wire::refusal::labels::shown;

/// The type of a subject whose id names an exporter.
const EXPORTER: &str = "exporter";
/// The name of the action.
const EXPORT: &str = "export";
/// The type of a resource whose id names a registered flow.
pub(super) const FLOW: &str = "flow";
/// The type of a resource whose properties are a transfer.
pub(super) const TRANSFER: &str = "transfer";

/// The meaning of an evaluation without any rule of a gateway.
#[derive(Debug)]
pub enum Mapped {
    /// It asks about this transfer.
    Transfer(Box<v1::DecideRequest>),
    /// Its resource is of another type: the gateway rules decide its meaning.
    ByRules,
    /// It names a flow or a transfer, and something is missing or wrong.
    Unmapped(Vec<Issue>),
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
            let found = shown(found);
            wrong.push(not_mapped(
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

fn not_mapped(field: &str, en: String, zh: String) -> Issue {
    Issue::new(field, "NOT_MAPPED", (en, zh))
}

fn flow(evaluation: &Evaluation, wrong: &mut Vec<Issue>) -> v1::Transfer {
    v1::Transfer {
        flow: evaluation.resource_id.clone(),
        // A flow of another exporter is refused when the transfer is resolved.
        exporter: evaluation.subject_id.clone(),
        persons: persons(evaluation, wrong),
        ..v1::Transfer::default()
    }
}

/// Reads the numbers of persons. An omitted number must not count as zero.
fn persons(evaluation: &Evaluation, wrong: &mut Vec<Issue>) -> Option<v1::Persons> {
    let names = ["persons", "sensitive_persons"];
    let context = evaluation.whole.get("context");
    let stated = names.map(|name| context.and_then(|context| context.get(name)));
    if stated.iter().all(Option::is_none) {
        return None;
    }
    let mut read = names.iter().zip(stated).map(|(name, stated)| {
        let number = stated.and_then(Tree::whole);
        if number.is_none() {
            let field = format!("context.{name}");
            wrong.push(match stated {
                None => not_mapped(
                    &field,
                    "missing: state both numbers, 0 if no persons are concerned".to_owned(),
                    "缺少：两个人数均须填写，无人涉及时填 0".to_owned(),
                ),
                Some(Tree::Number(Err(not_whole))) => {
                    let (en, zh) = not_whole.texts();
                    not_mapped(&field, en.to_owned(), zh.to_owned())
                }
                Some(_) => not_mapped(&field, "not a whole number of persons".to_owned(), "不是整数人数".to_owned()),
            });
        }
        number.unwrap_or_default()
    });
    let (general, sensitive) = (read.next().unwrap_or_default(), read.next().unwrap_or_default());
    Some(v1::Persons { general, sensitive })
}

fn transfer(evaluation: &Evaluation, wrong: &mut Vec<Issue>) -> v1::Transfer {
    let place = "resource.properties";
    let Some(properties) = evaluation.whole.get("resource").and_then(|resource| resource.get("properties")) else {
        let (en, zh) = ("missing: they are the transfer, as in the contract", "缺少：应为契约所定义的传输");
        wrong.push(not_mapped(place, en.to_owned(), zh.to_owned()));
        return v1::Transfer::default();
    };
    let mut transfer = message::transfer(properties).unwrap_or_else(|JsonError { issues }| {
        wrong.extend(render::within(place, &issues));
        v1::Transfer::default()
    });
    if transfer.exporter.is_empty() {
        transfer.exporter.clone_from(&evaluation.subject_id);
    }
    if transfer.exporter != evaluation.subject_id {
        let (one, other) = (shown(&transfer.exporter), shown(&evaluation.subject_id));
        wrong.push(not_mapped(
            "resource.properties.exporter",
            format!("`{one}` is not the subject `{other}`: make them agree, or omit this one"),
            format!("`{one}` 与主体 `{other}` 不一致：两者应一致，或去掉此项"),
        ));
    }
    transfer
}

/// Returns the issue of an evaluation that no rule matches.
pub fn unmapped(evaluation: &Evaluation) -> Vec<Issue> {
    let Evaluation { subject_type, action_name, resource_type, .. } = evaluation;
    let [subject, action, resource] = [subject_type, action_name, resource_type].map(|text| shown(text));
    vec![not_mapped(
        "resource.type",
        format!(
            "`{resource}` is neither `{FLOW}` nor `{TRANSFER}`, and no gateway rule matches subject type `{subject}`, action `{action}` and this resource: add a rule to the policies, or ask about a flow or a transfer"
        ),
        format!(
            "`{resource}` 既不是 `{FLOW}` 也不是 `{TRANSFER}`，且没有网关规则涉及主体类型 `{subject}`、操作 `{action}` 与该资源：请在政策中添加规则，或就数据流、传输提出询问"
        ),
    )]
}
