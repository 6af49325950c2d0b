//! YAML text as a tree of values, each with its place.
//!
//! The parser stops at the first syntax error. All other errors are found on the tree by [`super::decode`], which
//! continues after each diagnostic; that is why files are not deserialised directly into their types.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::diagnostic::{Diagnostic, Span};
use super::syntax;
use super::syntax::NODE_BYTES_MIN;
pub use super::syntax::UNREADABLE;

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Its place.
    pub span: Span,
}

/// A YAML value.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`. Words such as `yes` are texts.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(Box<str>),
    /// A list.
    Seq(Vec<Node>),
    /// Keys and values in the order of the text, repeated keys included.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and its place.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key.
    pub name: Box<str>,
    /// Its place.
    pub span: Span,
}

impl Value {
    /// Returns the type of the value, for messages.
    pub const fn noun(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Values and keys that every text may have: the average of a small one says little.
const NODES_SPARE: usize = 10_000;

/// Parses a YAML text.
///
/// # Errors
/// The first syntax error, or a limit of depth or density, as a diagnostic of the file.
pub fn parse(file: &str, text: &str, depth_max: usize) -> Result<Node, Box<Diagnostic>> {
    let budget = serde_saphyr::budget! {
        max_depth: depth_max,
        max_nodes: NODES_SPARE.saturating_add(text.len() / NODE_BYTES_MIN),
        max_events: usize::MAX,
        max_total_scalar_bytes: usize::MAX,
        max_documents: 1,
        max_anchors: 0,
        max_aliases: 0,
        flow_nesting_limit: depth_max,
    };
    let options = serde_saphyr::options! {
        budget: budget,
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::PassThrough,
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    let parsed: Result<Node, serde_saphyr::Error> = serde_saphyr::from_str_with_options(text, options);
    parsed.map_err(|error| Box::new(syntax::diagnostic(file, text, depth_max, &error)))
}

fn span(location: &serde_saphyr::Location) -> Option<Span> {
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    if location.line() == 0 {
        return None;
    }
    let span = location.span();
    let (offset, length) = (span.byte_offset().unwrap_or(0), span.byte_len().unwrap_or(0));
    Some(Span {
        line: small(location.line()),
        column: small(location.column()),
        offset: small(offset),
        length: small(length).max(1),
    })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Node { value: spanned.value, span: span(&spanned.referenced).unwrap_or_default() })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Box<str>>::deserialize(deserializer)?;
        Ok(Key { name: spanned.value, span: span(&spanned.referenced).unwrap_or_default() })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Int(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = access.next_element()? {
            nodes.push(node);
        }
        Ok(Value::Seq(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Map(entries))
    }
}
