//! The same twenty questions to Cerbos: twenty rules that say where a filing is enough, as our twenty lists do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use prost::Message;
use prost_types::Value;
use prost_types::value::Kind;

use crate::Res;
use crate::contract::neglist::v1::{Outcome, Transfer};
use crate::payloads::{BATCH, Shape, line, lines};
use crate::questions::{self, Question};

/// Requests to Cerbos.
const ACTION: &str = "file";
/// Its answers.
const EFFECT_ALLOW: u64 = 1;
const EFFECT_DENY: u64 = 2;

/// `cerbos.request.v1.CheckResourcesRequest`, as far as it is used here.
#[derive(Message)]
struct CheckResourcesRequest {
    #[prost(message, optional, tag = "3")]
    principal: Option<Principal>,
    #[prost(message, repeated, tag = "4")]
    resources: Vec<ResourceEntry>,
}

/// `cerbos.engine.v1.Principal`.
#[derive(Message)]
struct Principal {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, repeated, tag = "3")]
    roles: Vec<String>,
}

/// `cerbos.request.v1.CheckResourcesRequest.ResourceEntry`.
#[derive(Message)]
struct ResourceEntry {
    #[prost(string, repeated, tag = "1")]
    actions: Vec<String>,
    #[prost(message, optional, tag = "2")]
    resource: Option<Resource>,
}

/// `cerbos.engine.v1.Resource`.
#[derive(Message)]
struct Resource {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "3")]
    id: String,
    #[prost(btree_map = "string, message", tag = "4")]
    attr: BTreeMap<String, Value>,
}

/// Writes the rules, and the questions to both servers.
pub fn write(entries: usize, directory: &Path) -> Res<()> {
    let questions = questions::filings(entries);
    let policies = directory.join("cerbos-policies");
    fs::create_dir_all(&policies)?;
    fs::write(policies.join("transfer.yaml"), rules(&questions))?;
    for shape in [Shape::Unary, Shape::Batch] {
        let name = |server: &str| directory.join(format!("{server}-{}.hex", shape.name()));
        fs::write(name("neglist"), lines(&questions, shape, Question::stated))?;
        fs::write(name("cerbos"), requests(&questions, shape))?;
    }
    Ok(())
}

/// Twenty rules, one for each list: a filing is enough in its scenario below its line.
fn rules(questions: &[Question]) -> String {
    let mut text = "# Invented.\napiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  version: default\n  resource: transfer\n  rules:\n"
        .to_owned();
    for (zone, question) in questions.iter().enumerate() {
        let Transfer { sector, scenario, .. } = question.stated();
        let _ = write!(
            text,
            "    - name: zone-{zone}\n      actions: [\"{ACTION}\"]\n      effect: EFFECT_ALLOW\n      roles: [\"gateway\"]\n      \
             condition:\n        match:\n          all:\n            of:\n              \
             - expr: '\"zone-{zone}\" in R.attr.zones'\n              \
             - expr: R.attr.sector == \"{sector}\"\n              \
             - expr: R.attr.scenario == \"{scenario}\"\n              \
             - expr: R.attr.persons + R.attr.year_to_date < 500000.0\n"
        );
    }
    text
}

fn requests(questions: &[Question], shape: Shape) -> String {
    let mut text = String::new();
    let (requests, count) = match shape {
        Shape::Unary | Shape::Stream => (questions.len(), 1),
        Shape::Batch => (1, BATCH),
    };
    for first in 0..requests {
        let asked: Vec<&Question> = questions.iter().cycle().skip(first).take(count).collect();
        let request = CheckResourcesRequest {
            principal: Some(Principal { id: "egress-1".to_owned(), roles: vec!["gateway".to_owned()] }),
            resources: asked.iter().enumerate().map(|(index, question)| entry(index, question)).collect(),
        };
        let effect = |question: &&Question| match question.outcome {
            Outcome::File => EFFECT_ALLOW.to_string(),
            _ => EFFECT_DENY.to_string(),
        };
        let effects: Vec<String> = asked.iter().map(effect).collect();
        line(&mut text, &request.encode_to_vec(), &format!("2.2.2={}", effects.join(",")));
    }
    text
}

fn entry(index: usize, question: &Question) -> ResourceEntry {
    let text = |text: &str| Kind::StringValue(text.to_owned());
    let Transfer { exporter_facts, recipient, destination, sector, scenario, data, persons, year_to_date, .. } =
        question.stated();
    let list = |words: Vec<String>| {
        let values = words.iter().map(|word| Value { kind: Some(text(word)) }).collect();
        Kind::ListValue(prost_types::ListValue { values })
    };
    let number = |persons: Option<crate::contract::neglist::v1::Persons>| {
        // Persons are far below 2^52.
        Kind::NumberValue(persons.unwrap_or_default().general as f64)
    };
    let attributes = [
        ("zones", list(exporter_facts.unwrap_or_default().zones)),
        ("recipient", text(&recipient)),
        ("destination", text(&destination)),
        ("sector", text(&sector)),
        ("scenario", text(&scenario)),
        ("data", list(data.into_iter().map(|item| item.code).collect())),
        ("persons", number(persons)),
        ("year_to_date", number(year_to_date)),
    ];
    let attr = attributes.map(|(name, kind)| (name.to_owned(), Value { kind: Some(kind) }));
    let resource = Resource { kind: "transfer".to_owned(), id: format!("transfer-{index}"), attr: attr.into() };
    ResourceEntry { actions: vec![ACTION.to_owned()], resource: Some(resource) }
}
