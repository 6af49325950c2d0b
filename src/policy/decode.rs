//! Typed decoding of a tree of values, which continues after each diagnostic.
//!
//! A type of the file format implements [`Decode`], which reads it and gives its JSON Schema from the same declaration,
//! so that the two cannot drift apart. The macros `record!` and `words!` implement it for mappings and for enumerations
//! of words.

use serde_json::{Map, Value as Json, json};

use super::diagnostic::{Diagnostic, Severity, Span, clip, duplicate};
use super::suggest;
use super::yaml::{Node, Value};

/// A type that can be read from a policy file.
pub trait Decode: Sized {
    /// Reads a value; `None` if a diagnostic says why it cannot be read.
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self>;

    /// Returns the value of an absent key; `None` if the key is required.
    fn absent() -> Option<Self> {
        None
    }

    /// Returns the JSON Schema. Named types are added to `$defs` once.
    fn schema(defs: &mut Map<String, Json>) -> Json;
}

/// The file being read, and the results so far.
#[derive(Debug)]
pub struct Context<'a> {
    /// The file, relative to the policy directory.
    pub file: &'a str,
    /// Diagnostics so far.
    pub diagnostics: &'a mut Vec<Diagnostic>,
    /// Names of sources that the file refers to, and their places.
    pub sources: Vec<(Box<str>, Span)>,
    /// Places where the file says `unknown`.
    pub unknown: Vec<Span>,
    /// Codes and ids of records that could not be read. A reference to one of them is not an error.
    pub lost: Vec<Box<str>>,
    /// Errors that were found, the listed ones and the rest.
    errors: usize,
    /// Warnings, likewise.
    warnings: usize,
}

/// Most errors, and most warnings, that are listed of one file. A file that is wrong throughout would take a hundred times its
/// size in memory for diagnostics that no one reads to the end.
const FILE_DIAGNOSTICS_MAX: usize = 2_000;

impl<'a> Context<'a> {
    /// Returns a context for a file.
    pub const fn new(file: &'a str, diagnostics: &'a mut Vec<Diagnostic>) -> Self {
        Self { file, diagnostics, sources: Vec::new(), unknown: Vec::new(), lost: Vec::new(), errors: 0, warnings: 0 }
    }

    /// Lists a finding, as long as there are not too many of its kind: the last says that there are more. An error is
    /// never lost altogether.
    fn report(&mut self, mut found: Diagnostic) {
        let count = match found.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning | Severity::Note => &mut self.warnings,
        };
        *count = count.saturating_add(1);
        if FILE_DIAGNOSTICS_MAX < *count {
            return;
        }
        if *count == FILE_DIAGNOSTICS_MAX {
            found.message.push_str("; the remaining ones in this file are not listed");
        }
        self.diagnostics.push(found);
    }

    /// Reports something that the author of the file should check.
    pub fn warning(&mut self, code: &'static str, span: Span, message: String, help: impl Into<Option<String>>) {
        let (file, help) = (self.file.to_owned(), help.into());
        let span = Some(span);
        self.report(Diagnostic { code, severity: Severity::Warning, file, span, message, help });
    }

    /// Reports an error at a place.
    pub fn error(&mut self, code: &'static str, span: Span, message: String, help: impl Into<Option<String>>) {
        let (file, help) = (self.file.to_owned(), help.into());
        let span = Some(span);
        self.report(Diagnostic { code, severity: Severity::Error, file, span, message, help });
    }

    /// Reports a value of the wrong type.
    pub fn wrong_kind<T>(&mut self, node: &Node, wanted: &str, help: impl Into<Option<String>>) -> Option<T> {
        let message = match &node.value {
            Value::Text(text) => format!("expected {wanted}, found `{}`", clip(text)),
            other => format!("expected {wanted}, found {}", other.noun()),
        };
        self.error("P002", node.span, message, help);
        None
    }

    /// Remembers the code or id of a record that could not be read.
    pub fn lose(&mut self, record: &Node) {
        let Value::Map(pairs) = &record.value else { return };
        let names = pairs.iter().filter(|(key, _)| matches!(key.name.as_ref(), "code" | "id"));
        self.lost.extend(names.filter_map(|(_, value)| word(value)).map(Box::from));
    }
}

/// Returns "did you mean" with the word of `known` that is nearest to `word`.
pub fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let slips_max = (word.chars().count() / 3).clamp(1, 4);
    let nearest = known.into_iter().map(|candidate| (strsim::osa_distance(candidate, word), candidate)).min()?;
    (nearest.0 <= slips_max).then(|| format!("did you mean `{}`?", nearest.1))
}

/// The entries of a mapping, taken key by key.
#[derive(Debug)]
pub struct Fields<'n> {
    node: &'n Node,
    entries: Vec<(&'n str, &'n Node)>,
    complete: bool,
    /// Keys that an unknown key contains. That they are missing is only a consequence.
    swallowed: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Opens a mapping; reports unknown and duplicate keys.
    pub fn open(node: &'n Node, keys: &[&'static str], cx: &mut Context<'_>) -> Option<Self> {
        let Value::Map(pairs) = &node.value else {
            let spaced = word(node).and_then(|text| suggest::missing_space(text, keys));
            let help = spaced.unwrap_or_else(|| format!("write `key: value`; the keys here are: {}", keys.join(", ")));
            return cx.wrong_kind(node, "a mapping", help);
        };
        let mut swallowed = Vec::new();
        let mut entries: Vec<(&str, &Node)> = Vec::with_capacity(pairs.len());
        // The line of each entry's key.
        let mut lines: Vec<u32> = Vec::with_capacity(pairs.len());
        let mut complete = true;
        for (key, value) in pairs {
            let name = key.name.as_ref();
            if !keys.contains(&name) {
                cx.error("P003", key.span, format!("unknown key `{}`", clip(name)), help_for_key(name, keys));
                swallowed.extend(suggest::swallowed(name, keys));
                complete = false;
            } else if let Some((_, first)) = entries.iter().zip(&lines).find(|((known, _), _)| *known == name) {
                let message = duplicate(format_args!("key `{name}`"), format_args!("line {first}"));
                cx.error("P005", key.span, message, "keep one of the two".to_owned());
                complete = false;
            } else {
                entries.push((name, value));
                lines.push(key.span.line);
            }
        }
        Some(Self { node, entries, complete, swallowed })
    }

    /// Reads the value of a key; reports a required key that is absent.
    pub fn take<T: Decode>(&mut self, key: &str, cx: &mut Context<'_>) -> Option<T> {
        let found = match self.entries.iter().find(|(name, _)| *name == key) {
            Some((_, node)) => T::decode(node, cx),
            None => T::absent().or_else(|| {
                if self.swallowed.contains(&key) {
                    return None;
                }
                let message = format!("the key `{key}` is missing");
                let help = "add it to this mapping; `policies/README.md` shows the format".to_owned();
                cx.error("P004", self.node.span, message, help);
                None
            }),
        };
        self.complete &= found.is_some();
        found
    }

    /// Says whether every key was known, unique and readable. Remembers the record otherwise.
    pub fn is_complete(&self, cx: &mut Context<'_>) -> bool {
        if !self.complete {
            cx.lose(self.node);
        }
        self.complete
    }
}

fn help_for_key(name: &str, keys: &[&str]) -> String {
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return "write numbers without separators: 1000000".to_owned();
    }
    let near = suggest::missing_space(name, keys).or_else(|| did_you_mean(name, keys.iter().copied()));
    near.unwrap_or_else(|| format!("the keys here are: {}", keys.join(", ")))
}

/// Declares a mapping of the file format: a struct, its decoder, and its JSON Schema.
///
/// A key is named like its field, or like the string in brackets. A field is required unless its type has a value for
/// an absent key.
macro_rules! record {
    ($(
        $(#[$doc:meta])*
        pub struct $name:ident {
            $($(#[doc = $field_doc:literal])* pub $field:ident $([$key:literal])?: $ty:ty,)*
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            /// Where the mapping begins.
            pub span: $crate::policy::diagnostic::Span,
            $($(#[doc = $field_doc])* pub $field: $ty,)*
        }

        impl $crate::policy::decode::Decode for $name {
            fn decode(
                node: &$crate::policy::yaml::Node,
                cx: &mut $crate::policy::decode::Context<'_>,
            ) -> Option<Self> {
                const KEYS: &[&str] = &[$($crate::policy::decode::key!($field $($key)?),)*];
                let mut fields = $crate::policy::decode::Fields::open(node, KEYS, cx)?;
                $(let $field = fields.take::<$ty>($crate::policy::decode::key!($field $($key)?), cx);)*
                if !fields.is_complete(cx) {
                    return None;
                }
                Some(Self { span: node.span, $($field: $field?,)* })
            }

            fn schema(
                defs: &mut serde_json::Map<String, serde_json::Value>,
            ) -> serde_json::Value {
                let name = stringify!($name);
                if !defs.contains_key(name) {
                    defs.insert(name.to_owned(), serde_json::Value::Null);
                    let mut properties = serde_json::Map::new();
                    let mut required: Vec<serde_json::Value> = Vec::new();
                    $({
                        let key = $crate::policy::decode::key!($field $($key)?);
                        let lines: &[&str] = &[$($field_doc),*];
                        let schema = <$ty as $crate::policy::decode::Decode>::schema(defs);
                        properties.insert(key.to_owned(), $crate::policy::decode::described(schema, lines));
                        if <$ty as $crate::policy::decode::Decode>::absent().is_none() {
                            required.push(key.into());
                        }
                    })*
                    defs.insert(name.to_owned(), serde_json::json!({
                        "type": "object",
                        "properties": properties,
                        "required": required,
                        "additionalProperties": false,
                    }));
                }
                serde_json::json!({ "$ref": format!("#/$defs/{name}") })
            }
        }
    )*};
}

/// The key of a field: its name, or the string in brackets.
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

/// Declares an enumeration of words: an enum, its decoder, and its JSON Schema.
macro_rules! words {
    ($(
        $(#[$doc:meta])*
        pub enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }
        $(absent = $absent:ident;)?
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Returns the word.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }

        impl $crate::policy::decode::Decode for $name {
            fn decode(
                node: &$crate::policy::yaml::Node,
                cx: &mut $crate::policy::decode::Context<'_>,
            ) -> Option<Self> {
                const WORDS: &[&str] = &[$($word,)*];
                if WORDS.contains(&"unknown") && $crate::policy::decode::word(node) == Some("unknown") {
                    cx.unknown.push(node.span);
                }
                match $crate::policy::decode::word(node) {
                    $(Some($word) => Some($name::$variant),)*
                    _ => $crate::policy::decode::unknown_word(node, WORDS, cx),
                }
            }

            $(fn absent() -> Option<Self> {
                Some($name::$absent)
            })?

            fn schema(_: &mut serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
                serde_json::json!({ "enum": [$($word,)*] })
            }
        }
    )*};
}

pub(crate) use {key, record, words};

/// Returns the text of a scalar that may be one of several words.
pub fn word(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// Reports a word that is not among the words allowed here.
pub fn unknown_word<T>(node: &Node, words: &[&str], cx: &mut Context<'_>) -> Option<T> {
    let choice = format!("one of {}", words.join(", "));
    let is_yes_or_no = words.contains(&"yes") && words.contains(&"no");
    let found = match &node.value {
        Value::Text(text) => text.as_ref(),
        Value::Bool(true) if is_yes_or_no => "true",
        Value::Bool(false) if is_yes_or_no => "false",
        Value::Int(1) if is_yes_or_no => "1",
        Value::Int(0) if is_yes_or_no => "0",
        _ => return cx.wrong_kind(node, &choice, None),
    };
    let help = if is_yes_or_no {
        Some(suggest::yes_or_no(found, words))
    } else {
        let nothing = words.contains(&"none").then(|| suggest::nothing(found, "none")).flatten();
        nothing.or_else(|| suggest::nearest(found, words).map(|nearest| format!("did you mean `{nearest}`?")))
    };
    cx.error("P006", node.span, format!("expected {choice}, found `{}`", clip(found)), help);
    None
}

/// Adds the documentation of a field to its schema.
pub fn described(mut schema: Json, lines: &[&str]) -> Json {
    let text = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    if schema.get("$ref").is_some() {
        return json!({ "allOf": [schema], "description": text });
    }
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".to_owned(), text.into());
    }
    schema
}

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        T::decode(node, cx).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        T::schema(defs)
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        T::decode(node, cx).map(Box::new)
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        T::schema(defs)
    }
}

/// A list; absent: empty. A key without a value is not a list. An element that cannot be read is reported and left out.
impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Seq(nodes) => Some(nodes.iter().filter_map(|node| T::decode(node, cx)).collect()),
            // A list that was deleted, or is still to be written, is not an empty list.
            Value::Null => cx.wrong_kind(node, "a list", "write `[]` where there is none / 没有时请写 `[]`".to_owned()),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Map(_) => {
                let help = match &node.value {
                    Value::Map(_) => "begin each element with `- `".to_owned(),
                    Value::Text(text) => suggest::nothing(text, "[]")
                        .unwrap_or_else(|| format!("put it in brackets: `[{}]`", clip(text))),
                    _ => "put it in brackets, or begin each element with `- `".to_owned(),
                };
                cx.wrong_kind(node, "a list", help)
            }
        }
    }

    fn absent() -> Option<Self> {
        Some(Vec::new())
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        json!({ "type": "array", "items": T::schema(defs) })
    }
}
