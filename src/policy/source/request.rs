//! Requests in cases: a gateway's view of a request, as [`Seen`] has it.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::scalar::{PersonCount, Table};
use crate::bodies::WholeBody;
use crate::domain::gateway::{self, Body, BodyFault, BodySource, Fault, Header, HeaderValues, Seen};
use crate::json::{self, NotWhole, Tree};
use crate::policy::decode::{Context, Decode, record};
use crate::policy::yaml::{Node, Value};

record! {
    /// A request that a gateway asks about. The gateway does not see keys that are left out.
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
        /// Headers; a list where a header is sent several times.
        pub headers: Table<Sent>,
        /// JSON body, written as YAML.
        pub body: Option<CaseBody>,
        /// Body as text, instead of `body`.
        pub body_text: Option<Raw>,
    }

    /// Head-counts.
    pub struct CasePersons {
        /// General.
        pub general: PersonCount,
        /// Sensitive.
        pub sensitive: PersonCount,
    }

    /// Totals for a case about a request, if the answer depends on them.
    pub struct CaseTotals {
        /// Totals of the year.
        pub year_to_date: Option<CasePersons>,
        /// Totals of the year in the scenario.
        pub scenario_year_to_date: Option<CasePersons>,
        /// Totals of the year under the clearance.
        pub clearance_year_to_date: Option<CasePersons>,
    }
}

/// A text exactly as it was sent, blanks and empty text included.
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

/// The values of a header: one, or several if it was sent several times.
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
pub struct CaseBody(pub Tree);

impl Decode for CaseBody {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        tree(node, cx).map(CaseBody)
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({})
    }
}

fn tree(node: &Node, cx: &mut Context<'_>) -> Option<Tree> {
    Some(match &node.value {
        Value::Null => Tree::Null,
        Value::Bool(value) => Tree::Bool(*value),
        Value::Int(_) | Value::Float(_) => Tree::Number(number(node, cx)?),
        Value::Text(text) => Tree::Text(text.to_string()),
        Value::Seq(nodes) => Tree::List(nodes.iter().map(|node| tree(node, cx)).collect::<Option<_>>()?),
        Value::Map(pairs) => {
            let members = pairs.iter().map(|(key, value)| Some((key.name.to_string(), tree(value, cx)?)));
            Tree::Object(members.collect::<Option<_>>()?)
        }
    })
}

/// Reads a number as the doors do. A number that the YAML parser has rounded, or reads in its own way, is not accepted:
/// a case must not pass with another number than the one written in it.
fn number(node: &Node, cx: &mut Context<'_>) -> Option<json::Number> {
    match node.value {
        // One digit, or `-0`, `+0`, `0x0`.
        Value::Int(0) if 1 < node.span.length => {}
        Value::Int(value) if value < 0 => return Some(Err(NotWhole::Minus)),
        Value::Int(value) => return Some(u64::try_from(value).map_err(|_| NotWhole::TooLarge)),
        // A number that was rounded to a fraction is a fraction all the same: whole numbers are rounded to whole
        // numbers.
        Value::Float(value) if 0.0 < value && value.fract() != 0.0 => return Some(Err(NotWhole::Fraction)),
        _ => {}
    }
    let help = "write decimal digits; to send the number as it is written, write the body as `body_text`";
    cx.wrong_kind(node, "a number in decimal digits", help.to_owned())
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
            // A gateway that gives no context key at all may not be able to.
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
            return json::member_of(body, pointer);
        }
        self.body_text.as_ref().map_or(Body::NotThere, |text| json::member(text.0.as_bytes(), pointer))
    }

    fn header_values(&self, name: &str) -> HeaderValues<'_> {
        let of_name = self.headers.0.iter().filter(|(sent, _)| sent.value.eq_ignore_ascii_case(name));
        let texts: Vec<&str> = of_name.flat_map(|(_, sent)| &sent.0).map(|Raw(text)| text.as_ref()).collect();
        if texts.is_empty() { HeaderValues::Absent } else { HeaderValues::Texts(texts) }
    }

    fn identifiers(&self, source: &BodySource) -> Result<Vec<Cow<'_, str>>, Fault> {
        match (&self.body, &self.body_text, source) {
            (Some(CaseBody(body)), _, BodySource::Json(path)) => json::identifiers_of(body, path),
            // Written as YAML, it is a JSON document.
            (Some(_), _, BodySource::Lines(_) | BodySource::Csv(_) | BodySource::Form(_)) => {
                Err(Fault::Body(BodyFault::OtherType))
            }
            (None, Some(text), _) => WholeBody::of(text.0.as_bytes(), self).identifiers(source),
            (None, None, _) => Err(Fault::Body(BodyFault::NotThere)),
        }
    }
}
