//! Requests in cases: what a gateway says of one, as [`Seen`] has it.

use serde_json::{Map, Value as Json, json};

use super::cases::CasePersons;
use super::scalar::Table;
use crate::domain::gateway::{self, Body, Header, Seen};
use crate::policy::decode::{Context, Decode, record};
use crate::policy::yaml::{Node, Value};

record! {
    /// A request of which a gateway asks; what is left out the gateway does not say.
    pub struct CaseRequest {
        /// Host, with or without a port.
        pub host: Option<Raw>,
        /// Method.
        pub method: Option<Raw>,
        /// Path, with or without a query.
        pub path: Option<Raw>,
        /// TLS server name.
        pub sni: Option<Raw>,
        /// Keys of the gateway's context.
        pub context: Table<Raw>,
        /// Headers; a list where one is sent several times.
        pub headers: Table<Sent>,
        /// JSON body, written as YAML.
        pub body: Option<CaseBody>,
        /// Body as text, in place of `body`.
        pub body_text: Option<Raw>,
    }

    /// Totals for a case about a request, where the answer depends on them.
    pub struct CaseTotals {
        /// Totals of the year.
        pub year_to_date: Option<CasePersons>,
        /// Totals of the year in the scenario.
        pub scenario_year_to_date: Option<CasePersons>,
        /// Totals of the year under the clearance.
        pub clearance_year_to_date: Option<CasePersons>,
    }
}

/// A text exactly as it was sent: blanks and emptiness included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw(pub Box<str>);

impl Decode for Raw {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Text(text) => Some(Raw(text.clone())),
            _ => cx.wrong_kind(node, "a text", "put it in quotes".to_owned()),
        }
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string" })
    }
}

/// The values of a header: one, or several where it was sent several times.
#[derive(Debug, Clone)]
pub struct Sent(pub Vec<Raw>);

impl Decode for Sent {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Seq(_) => Vec::decode(node, cx).map(Sent),
            _ => Raw::decode(node, cx).map(|text| Sent(vec![text])),
        }
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        let one = Raw::schema(defs);
        json!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// A JSON value.
#[derive(Debug, Clone)]
pub struct CaseBody(pub Json);

impl Decode for CaseBody {
    fn decode(node: &Node, _: &mut Context<'_>) -> Option<Self> {
        Some(CaseBody(to_json(node)))
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({})
    }
}

fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => match (u64::try_from(*value), i64::try_from(*value)) {
            (Ok(value), _) => value.into(),
            (Err(_), Ok(value)) => value.into(),
            // What JSON readers make of it too.
            (Err(_), Err(_)) => value.to_string().parse::<f64>().map_or(Json::Null, Json::from),
        },
        Value::Float(value) => (*value).into(),
        Value::Text(text) => text.as_ref().into(),
        Value::Seq(nodes) => nodes.iter().map(to_json).collect(),
        Value::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| (key.name.to_string(), to_json(value)));
            pairs.collect::<Map<_, _>>().into()
        }
    }
}

fn text(raw: Option<&Raw>) -> Option<&str> {
    raw.map(|raw| raw.0.as_ref())
}

impl Seen for CaseRequest {
    fn host(&self) -> Option<&str> {
        text(self.host.as_ref())
    }

    fn method(&self) -> Option<&str> {
        text(self.method.as_ref())
    }

    fn path(&self) -> Option<&str> {
        text(self.path.as_ref())
    }

    fn sni(&self) -> Option<&str> {
        text(self.sni.as_ref())
    }

    fn context(&self, key: &str) -> gateway::Context<'_> {
        let found = self.context.0.iter().find(|(name, _)| name.value.as_ref() == key);
        match found {
            Some((_, value)) => gateway::Context::Text(&value.0),
            // A gateway that says nothing under any key may not be able to.
            None if self.context.0.is_empty() => gateway::Context::NotSeen,
            None => gateway::Context::Absent,
        }
    }

    fn header(&self, name: &str) -> Header<'_> {
        let of_name = self.headers.0.iter().filter(|(sent, _)| sent.value.eq_ignore_ascii_case(name));
        let mut values = of_name.flat_map(|(_, sent)| &sent.0);
        match (values.next(), values.next()) {
            (None, _) => Header::Absent,
            (Some(_), Some(_)) => Header::Repeated,
            (Some(Raw(text)), None) if text.is_ascii() => Header::Text(text),
            (Some(_), None) => Header::NotText,
        }
    }

    fn body(&self, pointer: &str) -> Body<'_> {
        if let Some(CaseBody(body)) = &self.body {
            return member(body.pointer(pointer));
        }
        let Some(text) = &self.body_text else { return Body::NotThere };
        let Ok(body) = serde_json::from_str::<Json>(&text.0) else { return Body::NotJson };
        member(body.pointer(pointer))
    }
}

fn member(value: Option<&Json>) -> Body<'static> {
    match value {
        None => Body::Absent,
        Some(Json::String(text)) => Body::Text(text.clone().into()),
        Some(Json::Array(values)) => Body::Count(values.len()),
        Some(Json::Number(number)) => number.as_u64().map_or(Body::Other, Body::Number),
        Some(Json::Null | Json::Bool(_) | Json::Object(_)) => Body::Other,
    }
}
