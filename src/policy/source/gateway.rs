//! `kind: gateway`: rules that label the requests of gateways.

use serde_json::{Map, Value as Json, json};

use super::closing::Complete;
use super::header::{HeaderName, right};
use super::scalar::{At, Class, Code, Ground, Modality, Name, Note, PersonCount, Rows, Table, Words, YesNo};
use super::subjects::Subjects;
use super::{Format, Kind};
use crate::domain::gateway::{self, HOST_PARTS_MAX, HostPattern, PATH_SEGMENTS_MAX};
use crate::policy::decode::{Context, Decode, Fields, record};
use crate::policy::yaml::{Node, Value};

/// Longest path in a rule, in bytes.
const RULE_PATH_BYTES_MAX: usize = 1_024;
/// Longest JSON pointer, in bytes.
const POINTER_BYTES_MAX: usize = 256;
/// Longest method, in bytes.
const METHOD_BYTES_MAX: usize = 32;
/// Characters of globs and route patterns. A path that contains one of them is written with the character encoded.
const PATTERN_CHARACTERS: [char; 7] = ['*', '{', '}', '<', '>', '[', ']'];

record! {
    /// A gateway file. Rules may be spread over any number of files.
    pub struct GatewayFile {
        /// Format version: 1.
        pub format: Format,
        /// `gateway`.
        pub kind: Kind,
        /// Names of the label headers. Stated in one file at most.
        pub headers: Option<LabelHeaderNames>,
        /// Rules; `[]` where there are none.
        pub rules: Rows<GatewayRule>,
        /// Free text.
        pub note: Option<Note>,
        /// `yes`, as the last line of the file: a truncated file lacks it.
        pub complete: Complete,
    }

    /// Names of the label headers. A name that is left out keeps its default.
    pub struct LabelHeaderNames {
        /// Names the flow. Usually `x-neglist-flow`.
        pub flow: Option<At<HeaderName>>,
        /// Says how many persons' general information is sent. Usually `x-neglist-persons`.
        pub persons: Option<At<HeaderName>>,
        /// Says how many persons' sensitive information is sent. Usually `x-neglist-sensitive-persons`.
        pub sensitive_persons: Option<At<HeaderName>>,
        /// Is the gateway's id of the transfer. Usually `x-neglist-transfer-id`.
        pub transfer_id: Option<At<HeaderName>>,
    }

    /// A rule: the requests that it matches, and their transfer.
    pub struct GatewayRule {
        /// Its id, which answers quote.
        pub id: At<Name>,
        /// The requests that it matches. `{}`: every request that no rule for a more specific place matches.
        pub matching ["match"]: GatewayMatch,
        /// Registered flow.
        pub flow: Option<Given<At<Name>>>,
        /// Exporter.
        pub exporter: Option<Given<At<Name>>>,
        /// Recipient.
        pub recipient: Option<Given<At<Name>>>,
        /// Destination.
        pub destination: Option<Given<At<Words>>>,
        /// Sector.
        pub sector: Option<Given<At<Code>>>,
        /// Scenario.
        pub scenario: Option<Given<At<Code>>>,
        /// Zone that the data leaves from.
        pub export_zone: Option<Given<At<Code>>>,
        /// Ground. A request cannot state one.
        pub ground: Ground,
        /// Data that is sent.
        pub items: Vec<GatewayItem>,
        /// Persons whose general information is sent.
        pub persons: Option<Given<PersonCount>>,
        /// Persons whose sensitive information is sent.
        pub sensitive_persons: Option<Given<PersonCount>>,
        /// Who the persons are whose general information is sent; instead of `persons`.
        pub subjects: Option<At<Subjects>>,
        /// Who the persons are whose sensitive information is sent; instead of `sensitive_persons`.
        pub sensitive_subjects: Option<At<Subjects>>,
        /// Where the request has the gateway's id of the transfer.
        pub transfer_id: Option<ValueSource>,
        /// Whether the door also counts the transfer, under its id.
        pub record: YesNo,
        /// Free text.
        pub note: Option<Note>,
    }

    /// The requests that a rule matches. All conditions must hold.
    pub struct GatewayMatch {
        /// Host: a name, or `*.` and a name for every host below it.
        pub host: Option<At<HostText>>,
        /// Methods, in capitals; one of them must match.
        pub methods: Every<Method>,
        /// The path.
        pub path: Option<At<PathText>>,
        /// Prefix of the path, in whole segments.
        pub path_prefix: Option<At<PrefixText>>,
        /// TLS server name, written like a host.
        pub sni: Option<At<HostText>>,
        /// Keys of the gateway's context, each with its value.
        pub context: Table<Words>,
        /// Headers in lower case, each with its value.
        pub headers: Table<Words>,
    }

    /// A kind of data that is sent.
    pub struct GatewayItem {
        /// Its code.
        pub code: Given<At<Code>>,
        /// A class stricter than the catalogue's.
        pub class: Option<Class>,
        /// Its modality.
        pub modality: Option<Modality>,
        /// Facts about it.
        pub attributes: Vec<At<Code>>,
    }
}

/// A value in the rule, or the place in the request to read it from.
#[derive(Debug, Clone)]
pub enum Given<T> {
    /// The value.
    Literal(T),
    /// The place in the request.
    From(ValueSource),
}

/// A place in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueSource {
    /// A header.
    Header(HeaderName),
    /// A member of the JSON body.
    Body(Pointer),
    /// A key of the gateway's context.
    Context(Name),
}

impl Decode for ValueSource {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let mut fields = Fields::open(node, &["header", "body", "context"], cx)?;
        let header: Option<Option<HeaderName>> = fields.take("header", cx);
        let body: Option<Option<Pointer>> = fields.take("body", cx);
        let context: Option<Option<Name>> = fields.take("context", cx);
        if !fields.is_complete(cx) {
            return None;
        }
        match (header?, body?, context?) {
            (Some(name), None, None) => Some(ValueSource::Header(name)),
            (None, Some(pointer), None) => Some(ValueSource::Body(pointer)),
            (None, None, Some(key)) => Some(ValueSource::Context(key)),
            _ => {
                let help = "write one of `{header: name}`, `{body: /pointer}`, `{context: key}`".to_owned();
                cx.error("P017", node.span, "a label has exactly one source".to_owned(), help);
                None
            }
        }
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        json!({
            "type": "object",
            "properties": {
                "header": HeaderName::schema(defs),
                "body": Pointer::schema(defs),
                "context": Name::schema(defs),
            },
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false,
        })
    }
}

impl<T: Decode> Decode for Given<T> {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Map(_) => ValueSource::decode(node, cx).map(Given::From),
            _ => T::decode(node, cx).map(Given::Literal),
        }
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        json!({ "anyOf": [T::schema(defs), ValueSource::schema(defs)] })
    }
}

/// A list whose elements must all be readable; absent: empty. With an element left out it would be another list.
#[derive(Debug, Clone)]
pub struct Every<T>(pub Vec<T>);

impl<T: Decode> Decode for Every<T> {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let count = if let Value::Seq(nodes) = &node.value { nodes.len() } else { 0 };
        Vec::decode(node, cx).filter(|read: &Vec<T>| read.len() == count).map(Every)
    }

    fn absent() -> Option<Self> {
        Some(Every(Vec::new()))
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        Vec::<T>::schema(defs)
    }
}

/// An RFC 6901 pointer; empty: the whole body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(pub Box<str>);

impl Decode for Pointer {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        if matches!(&node.value, Value::Text(text) if text.is_empty()) {
            return Some(Pointer("".into()));
        }
        let is_pointer = |text: &str| {
            let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
            text.starts_with('/') && escapes && text.len() <= POINTER_BYTES_MAX
        };
        let help = |text: &str| {
            let help = "write the keys of the way, each after a slash: `/patients` or `/batch/count`";
            (!is_pointer(text)).then(|| help.to_owned())
        };
        right(node, cx, "a pointer into a JSON body", help).map(Pointer)
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "pattern": "^(/([^~]|~[01])*)?$", "maxLength": POINTER_BYTES_MAX })
    }
}

/// A method, in capitals.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Method(pub Box<str>);

impl Decode for Method {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let is_part = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        let help = |text: &str| {
            let is_method = text.len() <= METHOD_BYTES_MAX && text.bytes().all(is_part);
            (!is_method).then(|| "write it in capitals, such as `POST`".to_owned())
        };
        right(node, cx, "a method", help).map(Method)
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "pattern": "^[A-Z0-9_-]+$", "maxLength": METHOD_BYTES_MAX })
    }
}

/// A host, or `*.` and a host.
#[derive(Debug, Clone)]
pub struct HostText(pub HostPattern);

impl HostText {
    /// Returns the text in the form of the file.
    pub fn text(&self) -> String {
        match &self.0 {
            HostPattern::Any => "*".to_owned(),
            HostPattern::Exact(host) => host.to_string(),
            HostPattern::Below(suffix) => format!("*.{suffix}"),
        }
    }
}

impl Decode for HostText {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let host = |text: &str| text.strip_prefix("*.").unwrap_or(text).to_owned();
        let text = right(node, cx, "a host", |text| {
            let bare = host(text);
            match gateway::host(&bare) {
                Ok(compared) if HOST_PARTS_MAX < compared.split('.').count() => {
                    Some(format!("a host in a rule has at most {HOST_PARTS_MAX} parts"))
                }
                Ok(compared) if compared == bare.as_str() => None,
                Ok(compared) => {
                    Some(format!("write it in the form in which it is compared: `{}`", text.replace(&bare, &compared)))
                }
                Err(_) => Some(
                    "write a name in lower case and without a port, such as `api.example.com`; `*.example.com` for \
                     every host below it"
                        .to_owned(),
                ),
            }
        })?;
        Some(HostText(match text.strip_prefix("*.") {
            Some(suffix) => HostPattern::Below(suffix.into()),
            None => HostPattern::Exact(text),
        }))
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "pattern": "^(\\*\\.)?[a-z0-9:_.-]+$" })
    }
}

/// Returns how to write a path that is not in normal form.
fn path_help(text: &str) -> Option<String> {
    if RULE_PATH_BYTES_MAX < text.len() || PATH_SEGMENTS_MAX < gateway::segments(text) {
        return Some(format!("at most {RULE_PATH_BYTES_MAX} bytes and {PATH_SEGMENTS_MAX} segments are allowed"));
    }
    if text.contains(['?', '#']) {
        return Some("write the path without its query".to_owned());
    }
    if let Some(help) = pattern_help(text) {
        return Some(help);
    }
    match gateway::path(text) {
        Ok(Some(compared)) if compared == text.replace("%2A", "*").replace("%3A", ":") => None,
        Ok(Some(compared)) => {
            let written = compared.replace('*', "%2A").replace("/:", "/%3A");
            Some(format!("write it in the form in which it is compared: `{written}`"))
        }
        Ok(None) | Err(_) => Some(
            "begin it with a slash; write no `.`, `..` or empty segment, no dot at the end of a segment and no blank at either end of one; percent-encode all but plain characters; an example is `/v1/patients`"
                .to_owned(),
        ),
    }
}

/// Returns how to write a path that uses the pattern syntax of another tool: a glob or a route pattern.
fn pattern_help(text: &str) -> Option<String> {
    let is_pattern = |segment: &&str| segment.starts_with(':') || segment.contains(PATTERN_CHARACTERS);
    let before = text.split('/').take_while(|segment| !is_pattern(segment)).collect::<Vec<_>>().join("/");
    if !text.split('/').any(|segment| is_pattern(&segment)) {
        return None;
    }
    let prefix = if before.starts_with('/') { before.as_str() } else { "/" };
    Some(format!(
        "patterns are not supported: use `path_prefix: {prefix}`; a literal `*` is written `%2A`, a `:` that begins a segment \
         `%3A`, `{{` and `}}` are written `%7B` and `%7D` / 不支持通配模式：请用 `path_prefix: {prefix}`；字面的 `*` 写作 `%2A`，\
         段首的 `:` 写作 `%3A`，`{{` 和 `}}` 写作 `%7B` 和 `%7D`"
    ))
}

/// Returns a path in normal form.
fn as_compared(text: Box<str>) -> Box<str> {
    match gateway::path(&text) {
        Ok(Some(compared)) if *compared != *text => compared.into(),
        Ok(_) | Err(_) => text,
    }
}

/// A path.
#[derive(Debug, Clone)]
pub struct PathText(pub Box<str>);

impl Decode for PathText {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        right(node, cx, "a path", path_help).map(as_compared).map(PathText)
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "pattern": "^/[^?#;\\\\\\s]*$", "maxLength": RULE_PATH_BYTES_MAX })
    }
}

/// The prefix of a path, in whole segments.
#[derive(Debug, Clone)]
pub struct PrefixText(pub Box<str>);

impl Decode for PrefixText {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let help = |text: &str| match text.strip_suffix('/') {
            Some(without) if !without.is_empty() => {
                Some(format!("write `{without}`: it covers this path and every path below it"))
            }
            Some(_) | None => path_help(text),
        };
        right(node, cx, "the beginning of a path", help).map(as_compared).map(PrefixText)
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "pattern": "^/([^?#;\\\\\\s]*[^?#;\\\\\\s/])?$", "maxLength": RULE_PATH_BYTES_MAX })
    }
}
