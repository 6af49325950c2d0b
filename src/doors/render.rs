//! Decisions in words for doors that do not speak `neglist.v1`: JSON members and headers with the same names at each.

use serde_json::{Map, Value, json};

use crate::domain::reason::Outcome;
use crate::domain::units::Moment;
use crate::wire::generated::v1;
use crate::wire::refusal::{Issue, Refusal, Subject};

/// Says whether a decision still holds: under the policies that made it, until it expires. A decision that names neither does
/// not.
pub fn holds(decision: &v1::Decision, digest: &str, now: Moment) -> bool {
    let is_in_force = decision.snapshot.as_ref().is_some_and(|snapshot| snapshot.digest == digest);
    is_in_force && decision.valid_until.as_ref().is_some_and(|until| now.seconds() < until.seconds)
}

/// Whether a gateway may let the request of a transfer pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may: the decision is ALLOW.
    Permit,
    /// It must not.
    Deny,
}

/// Returns the verdict of a decision. An unknown outcome is a denial.
pub fn verdict(decision: &v1::Decision) -> Verdict {
    match v1::Outcome::try_from(decision.outcome) {
        Ok(v1::Outcome::Allow) => Verdict::Permit,
        Ok(v1::Outcome::Unspecified | v1::Outcome::File | v1::Outcome::Contract | v1::Outcome::Assess) | Err(_) => {
            Verdict::Deny
        }
    }
}

/// Returns the word for the outcome of a decision.
pub fn outcome(decision: &v1::Decision) -> &'static str {
    word(decision.outcome)
}

/// Returns the word for an outcome; the strictest one for an unknown outcome.
pub fn word(outcome: i32) -> &'static str {
    match v1::Outcome::try_from(outcome) {
        Ok(v1::Outcome::Allow) => Outcome::Allow.name(),
        Ok(v1::Outcome::File) => Outcome::File.name(),
        Ok(v1::Outcome::Contract) => Outcome::Contract.name(),
        Ok(v1::Outcome::Assess | v1::Outcome::Unspecified) | Err(_) => Outcome::Assess.name(),
    }
}

/// Most reasons and counters that an answer explains, some 600 bytes each; the strictest come first.
const LISTED_MAX: usize = 64;

/// Returns the body of a denial: the members that describe a decision, and the gateway rule that matched the request.
pub fn body(decision: &v1::Decision, rule: Option<&str>) -> String {
    let mut members = members(decision);
    members.extend(rule.map(|rule| ("gateway_rule".to_owned(), json!(rule))));
    Value::Object(members).to_string()
}

/// Returns for how many whole seconds an answer holds from its moment, rounded down, less one for its way.
pub fn holds_for_seconds(decision: &v1::Decision) -> u32 {
    let (Some(from), Some(until)) = (&decision.evaluated_at, &decision.valid_until) else { return 0 };
    let whole = until.seconds.saturating_sub(from.seconds).saturating_sub(i64::from(until.nanos < from.nanos));
    u32::try_from(whole.saturating_sub(1).max(0)).unwrap_or(u32::MAX)
}

/// Returns the members that describe a decision, in English and Chinese.
pub fn members(decision: &v1::Decision) -> Map<String, Value> {
    let v1::Decision {
        decision_id,
        outcome,
        required,
        reasons,
        clearance,
        snapshot,
        evaluated_at,
        valid_until,
        headroom,
        next_step,
        alternative_next_steps,
    } = decision;
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("decision_id", json!(decision_id));
    put("outcome", json!(word(*outcome)));
    put("required", json!(word(*required)));
    put("reasons", reasons.iter().take(LISTED_MAX).map(reason).collect());
    if !clearance.is_empty() {
        put("clearance", json!(clearance));
    }
    if let Some(v1::Snapshot { revision, digest }) = snapshot {
        put("revision", json!(revision));
        put("digest", json!(digest));
    }
    if let Some(at) = evaluated_at {
        put("evaluated_at", json!(at.to_string()));
    }
    if let Some(until) = valid_until {
        put("valid_until", json!(until.to_string()));
    }
    if !headroom.is_empty() {
        put("headroom", headroom.iter().take(LISTED_MAX).map(headroom_of).collect());
    }
    if let Some(next_step) = next_step {
        put("next_step", step(next_step));
    }
    if !alternative_next_steps.is_empty() {
        put("alternative_next_steps", alternative_next_steps.iter().take(LISTED_MAX).map(step).collect());
    }
    members
}

fn step(step: &v1::NextStep) -> Value {
    let v1::NextStep { authority_zh, authority_en, procedure, text_zh, text_en } = step;
    json!({
        "procedure": procedure, "authority_zh": authority_zh, "authority_en": authority_en,
        "text_zh": text_zh, "text_en": text_en,
    })
}

fn headroom_of(headroom: &v1::Headroom) -> Value {
    let v1::Headroom { counter, projected, line, remaining, next } = headroom;
    json!({"counter": counter, "projected": projected, "line": line, "remaining": remaining, "next": word(*next)})
}

fn reason(reason: &v1::Reason) -> Value {
    let v1::Reason { code, rule, requires, text_zh, text_en, citation } = reason;
    json!({
        "code": code, "rule": rule, "requires": word(*requires),
        "text_zh": text_zh, "text_en": text_en, "citation": citation,
    })
}

/// Returns the strictest reason in English and Chinese, with its citation.
pub fn strictest(decision: &v1::Decision) -> (String, String) {
    let Some(v1::Reason { text_zh, text_en, citation, .. }) = decision.reasons.first() else {
        return (word(decision.outcome).to_owned(), word(decision.outcome).to_owned());
    };
    if citation.is_empty() {
        return (text_en.clone(), text_zh.clone());
    }
    (format!("{text_en} ({citation})"), format!("{text_zh}（{citation}）"))
}

/// Returns a text for the person whose request it was, in English and Chinese: it has no counts and no rules.
pub fn for_users(decision: &v1::Decision) -> (&'static str, &'static str) {
    match v1::Outcome::try_from(decision.outcome) {
        Ok(v1::Outcome::Allow) => ("The transfer may go.", "该传输可以出境。"),
        Ok(v1::Outcome::File) => ("The transfer has to be filed with the zone first.", "该传输须先向自贸区备案。"),
        Ok(v1::Outcome::Contract) => (
            "The transfer needs a standard contract or a certification first.",
            "该传输须先订立并备案标准合同，或者通过认证。",
        ),
        Ok(v1::Outcome::Assess | v1::Outcome::Unspecified) | Err(_) => {
            ("The transfer has to pass the security assessment first.", "该传输须先通过数据出境安全评估。")
        }
    }
}

/// Returns the issues of a part of a request, with paths from the root of the request.
pub(crate) fn within(place: &str, issues: &[Issue]) -> Vec<Issue> {
    let located = |issue: &Issue| {
        let dot = if issue.field.is_empty() { "" } else { "." };
        Issue { field: format!("{place}{dot}{}", issue.field), ..issue.clone() }
    };
    issues.iter().map(located).collect()
}

/// Returns the refusal of a question for doors whose callers cannot state totals: gateways know none.
pub fn without_totals(refusal: Refusal) -> Refusal {
    if !refusal.asks_for_totals() {
        return refusal;
    }
    let en = "the answer depends on the year's totals, which this server does not keep and a gateway cannot state: start the server with a ledger";
    let zh = "判定取决于本年度累计人数，而本服务器不计累计人数，网关亦无从填写：请为服务器配置台账";
    let issue = Issue::new("request", "NO_LEDGER", (en.to_owned(), zh.to_owned()));
    Refusal::unreadable(Subject::Request, issue)
}

/// Returns issues as JSON members.
pub fn issue_members(issues: &[Issue]) -> Value {
    let member =
        |Issue { field, code, en, zh }: &Issue| json!({"field": field, "reason": code, "text_zh": zh, "text_en": en});
    issues.iter().map(member).collect()
}

/// Names and values of the headers of an answer without a decision. `outcome`: `refused` or `unanswered`.
pub fn refusal_headers(outcome: &'static str, code: Option<&'static str>) -> Vec<(&'static str, &'static str)> {
    let code = code.map(|code| (HEADER_REASON, code));
    [(HEADER_OUTCOME, outcome)].into_iter().chain(code).collect()
}

/// Names and values of the headers that describe a decision. ASCII only.
pub fn headers(decision: &v1::Decision) -> Vec<(&'static str, String)> {
    let first = decision.reasons.first();
    let digest = decision.snapshot.as_ref().map(|snapshot| snapshot.digest.clone());
    let headers = [
        (HEADER_OUTCOME, Some(word(decision.outcome).to_owned())),
        (HEADER_DECISION_ID, Some(decision.decision_id.clone())),
        (HEADER_REASON, first.map(|reason| reason.code.clone())),
        (HEADER_RULE, first.map(|reason| reason.rule.clone())),
        (HEADER_CLEARANCE, Some(decision.clearance.clone()).filter(|clearance| !clearance.is_empty())),
        (HEADER_DIGEST, digest),
        (HEADER_VALID_UNTIL, decision.valid_until.map(|until| until.to_string())),
    ];
    let is_header_text = |text: &String| text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    headers.into_iter().filter_map(|(name, value)| Some((name, value.filter(is_header_text)?))).collect()
}

/// Whether the ledger has counted the transfer: `yes` or `no`.
pub const HEADER_COUNTED: &str = "x-neglist-counted";
/// The outcome, in lower case; `refused` and `no-transfer` where nothing was decided.
pub const HEADER_OUTCOME: &str = "x-neglist-outcome";
/// The id of the decision.
pub const HEADER_DECISION_ID: &str = "x-neglist-decision-id";
/// The code of the strictest reason.
pub const HEADER_REASON: &str = "x-neglist-reason";
/// Its rule.
pub const HEADER_RULE: &str = "x-neglist-rule";
/// The gateway rule that matched the request.
pub const HEADER_GATEWAY_RULE: &str = "x-neglist-gateway-rule";
/// The clearance that covers the transfer.
pub const HEADER_CLEARANCE: &str = "x-neglist-clearance";
/// The digest of the policies that decided.
pub const HEADER_DIGEST: &str = "x-neglist-digest";
/// Until when the answer holds.
pub const HEADER_VALID_UNTIL: &str = "x-neglist-valid-until";
