//! The scalars of the file format: codes, texts, days, numbers of persons, evidence.

use jiff::civil::Date;
use serde_json::{Map, Value as Json, json};

use crate::domain::names::{NAME_BYTES_MAX, check_code, check_name};
use crate::domain::units::{self, Persons};
use crate::policy::decode::{Context, Decode, record, words};
use crate::policy::diagnostic::{Span, clip, duplicate};

use crate::policy::yaml::{Node, Value};

/// A value and its place.
#[derive(Debug, Clone)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T: Decode> Decode for At<T> {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        T::decode(node, cx).map(|value| At { value, span: node.span })
    }

    fn absent() -> Option<Self> {
        T::absent().map(|value| At { value, span: Span::default() })
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        T::schema(defs)
    }
}

/// Free text in one language.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Words(pub Box<str>);

impl Decode for Words {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Text(text) if !text.trim().is_empty() => Some(Words(text.trim().into())),
            Value::Text(_) => cx.wrong_kind(node, "a text that is not empty", None),
            Value::Int(_) | Value::Float(_) | Value::Bool(_) => {
                cx.wrong_kind(node, "a text", "put it in quotes".to_owned())
            }
            Value::Null | Value::Seq(_) | Value::Map(_) => cx.wrong_kind(node, "a text", None),
        }
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// A code: lower-case letters and digits, parts joined by `-`, `.` or `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Code(pub Box<str>);

impl Decode for Code {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let text = raw(node, cx)?;
        let Err(fault) = check_code(text) else { return Some(Code(text.into())) };
        cx.error("P006", node.span, format!("`{}` is not a code", clip(text)), fault.to_string());
        None
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "pattern": "^[a-z0-9]+([-._][a-z0-9]+)*$", "maxLength": NAME_BYTES_MAX })
    }
}

/// Returns a text as it was written, surrounding blanks included.
fn raw<'n>(node: &'n Node, cx: &mut Context<'_>) -> Option<&'n str> {
    // Reports anything but a text, and an empty text.
    Words::decode(node, cx)?;
    if let Value::Text(text) = &node.value { Some(text) } else { None }
}

/// A name that an operator or an authority chose: see [`crate::domain::names`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(pub Box<str>);

impl Decode for Name {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let text = raw(node, cx)?;
        let Err(fault) = check_name(text) else { return Some(Name(text.into())) };
        cx.error("P006", node.span, format!("`{}` is not a name", clip(text)), fault.to_string());
        None
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX })
    }
}

/// A day in Asia/Shanghai.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub Date);

impl Decode for Day {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let Value::Text(text) = &node.value else { return cx.wrong_kind(node, "a day such as 2026-05-11", None) };
        let parsed = if text.len() == 10 { text.parse::<Date>().ok() } else { None };
        let in_range = parsed.filter(|date| (FIRST_YEAR..=LAST_YEAR).contains(&date.year()));
        if in_range.is_none() {
            let help = format!("write year, month and day as 2026-05-11; years {FIRST_YEAR} to {LAST_YEAR}");
            cx.error("P006", node.span, format!("`{}` is not a day", clip(text)), help);
        }
        in_range.map(Day)
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "format": "date" })
    }
}

/// First year of the calendar: no rule on exports of data is older than the Cybersecurity Law of 2017.
pub const FIRST_YEAR: i16 = 2017;
/// Last year of the calendar.
pub const LAST_YEAR: i16 = 2199;

/// A number of persons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonCount(pub Persons);

impl Decode for PersonCount {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let Value::Int(number) = &node.value else {
            let help = "write a whole number without separators or quotes".to_owned();
            return cx.wrong_kind(node, "a number of persons such as 100000", help);
        };
        let persons = u64::try_from(*number).ok().and_then(Persons::new);
        if persons.is_none() {
            let message = format!("{number} is not a number of persons");
            cx.error("P006", node.span, message, format!("write a whole number from 0 to {}", Persons::MAX));
        }
        persons.map(PersonCount)
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "integer", "minimum": 0, "maximum": Persons::MAX.get() })
    }
}

/// A small whole number: days, years, sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Small(pub u32);

impl Decode for Small {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Int(number) => {
                u32::try_from(*number).ok().map(Small).or_else(|| cx.wrong_kind(node, "a small number", None))
            }
            _ => cx.wrong_kind(node, "a whole number", None),
        }
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
    }
}

/// A known value, or `unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known<T> {
    /// Could not be read.
    Unknown,
    /// The value.
    Known(T),
}

impl<T: Decode> Decode for Known<T> {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text.as_ref() == "unknown" => {
                cx.unknown.push(node.span);
                Some(Known::Unknown)
            }
            _ => T::decode(node, cx).map(Known::Known),
        }
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        json!({ "anyOf": [{ "const": "unknown" }, T::schema(defs)] })
    }
}

/// A value, or the word `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrNone<T> {
    /// Explicitly none.
    None,
    /// The value.
    Some(T),
}

impl<T: Decode> Decode for OrNone<T> {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text.as_ref() == "none" => Some(OrNone::None),
            Value::Null => cx.wrong_kind(node, "a value, or the word `none`", None),
            _ => T::decode(node, cx).map(OrNone::Some),
        }
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        json!({ "anyOf": [{ "const": "none" }, T::schema(defs)] })
    }
}

/// A value, or the word `any`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrAny<T> {
    /// Any value.
    Any,
    /// This value.
    Only(T),
}

impl<T: Decode> Decode for OrAny<T> {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text.as_ref() == "any" => Some(OrAny::Any),
            _ => T::decode(node, cx).map(OrAny::Only),
        }
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        json!({ "anyOf": [{ "const": "any" }, T::schema(defs)] })
    }
}

/// Names of sources: one, or a list.
///
/// The names are checked while the file is read and not kept: an answer quotes citations.
#[derive(Debug, Clone, Copy)]
pub struct Sources;

impl Decode for Sources {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let sources: Vec<At<Code>> = match &node.value {
            Value::Seq(nodes) if nodes.is_empty() => return cx.wrong_kind(node, "at least one source", None),
            Value::Seq(_) => Vec::decode(node, cx)?,
            _ => vec![At::decode(node, cx)?],
        };
        cx.sources.extend(sources.iter().map(|source| (source.value.0.clone(), source.span)));
        Some(Sources)
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        let one = Code::schema(defs);
        json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

/// A list that must be present: `[]` if it is empty.
///
/// A file that is cut off in the middle lacks one of these lists, and is refused.
#[derive(Debug, Clone)]
pub struct Rows<T>(pub Vec<T>);

impl<T> std::ops::Deref for Rows<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<'r, T> IntoIterator for &'r Rows<T> {
    type Item = &'r T;
    type IntoIter = std::slice::Iter<'r, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: Decode> Decode for Rows<T> {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        if matches!(node.value, Value::Null) {
            return cx.wrong_kind(node, "a list", "write `[]` where it is empty".to_owned());
        }
        Vec::decode(node, cx).map(Rows)
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        json!({ "type": "array", "items": T::schema(defs) })
    }
}

/// A table from names to values, in the order of the file.
#[derive(Debug, Clone)]
pub struct Table<T>(pub Vec<(At<Box<str>>, T)>);

impl<T: Decode> Decode for Table<T> {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let Value::Map(pairs) = &node.value else { return cx.wrong_kind(node, "a mapping", None) };
        let mut rows: Vec<(At<Box<str>>, T)> = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            if let Some((first, _)) = rows.iter().find(|(known, _)| known.value == key.name) {
                let line = first.span.line;
                let message = duplicate(format_args!("key `{}`", clip(&key.name)), format_args!("line {line}"));
                cx.error("P005", key.span, message, "keep one of the two".to_owned());
            }
            if let Some(value) = T::decode(value, cx) {
                rows.push((At { value: key.name.clone(), span: key.span }, value));
            }
        }
        Some(Table(rows))
    }

    fn absent() -> Option<Self> {
        Some(Table(Vec::new()))
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        json!({ "type": "object", "additionalProperties": T::schema(defs) })
    }
}

/// A note: free text in one language or both.
#[derive(Debug, Clone)]
pub struct Note;

impl Decode for Note {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Map(_) => Bilingual::decode(node, cx).map(|_| Note),
            _ => Words::decode(node, cx).map(|_| Note),
        }
    }

    fn schema(defs: &mut Map<String, Json>) -> Json {
        let text = Bilingual::schema(defs);
        json!({ "anyOf": [{ "type": "string", "minLength": 1 }, text] })
    }
}

record! {
    /// A text in both languages.
    pub struct Bilingual {
        /// Chinese.
        pub zh: Words,
        /// English.
        pub en: Words,
    }

    /// A source that numbers and entries refer to.
    pub struct Source {
        /// Its title.
        pub title: Bilingual,
        /// Where it can be read.
        pub url: Option<Words>,
        /// Day on which it was published, or on which its page is dated.
        pub published: Option<At<Day>>,
        /// Free text.
        pub note: Option<Note>,
    }
}

impl Bilingual {
    /// Returns the domain's text.
    pub fn to_text(&self) -> crate::domain::reason::Text {
        crate::domain::reason::Text { zh: self.zh.0.clone(), en: self.en.0.clone() }
    }
}

/// Returns a text in both languages.
pub fn both(text: &Bilingual) -> String {
    format!("{} / {}", text.zh.0, text.en.0)
}

words! {
    /// How reliable a number or a rule is.
    pub enum Confidence {
        /// The text, or a regulator's words, were read.
        Official = "official",
        /// Law firm or press.
        Press = "press",
        /// Second-hand, recalled, or contested.
        Unsure = "unsure",
    }

    /// Yes or no; absent: no.
    pub enum YesNo {
        /// Yes.
        Yes = "yes",
        /// No.
        No = "no",
    }
    absent = No;

    /// Yes, no, or `unknown`.
    pub enum YesNoUnknown {
        /// Yes.
        Yes = "yes",
        /// No.
        No = "no",
        /// Could not be read.
        Unknown = "unknown",
    }

    /// Class of a kind of data.
    pub enum Class {
        /// Neither personal nor important.
        NonPersonal = "non-personal",
        /// Personal, not sensitive.
        General = "general",
        /// Sensitive personal information.
        Sensitive = "sensitive",
        /// Important data.
        Important = "important",
    }

    /// Modality of data.
    pub enum Modality {
        /// Text.
        Text = "text",
        /// Sound.
        Audio = "audio",
        /// Still images.
        Image = "image",
        /// Moving images.
        Video = "video",
    }

    /// Ground of a transfer.
    pub enum Ground {
        /// None.
        None = "none",
        /// Art. 4.
        Transit = "transit",
        /// Art. 5(1)(1).
        ContractNecessity = "contract-necessity",
        /// Art. 5(1)(2).
        HumanResources = "human-resources",
        /// Art. 5(1)(3).
        Emergency = "emergency",
    }
    absent = None;
}

impl Class {
    /// Returns the domain's class.
    pub const fn to_class(self) -> units::Class {
        match self {
            Class::NonPersonal => units::Class::NonPersonal,
            Class::General => units::Class::General,
            Class::Sensitive => units::Class::Sensitive,
            Class::Important => units::Class::Important,
        }
    }
}

impl Modality {
    /// Returns the domain's modality.
    pub const fn to_modality(self) -> units::Modality {
        match self {
            Modality::Text => units::Modality::Text,
            Modality::Audio => units::Modality::Audio,
            Modality::Image => units::Modality::Image,
            Modality::Video => units::Modality::Video,
        }
    }
}

impl Ground {
    /// Returns the domain's ground.
    pub const fn to_ground(self) -> Option<units::Ground> {
        match self {
            Ground::None => None,
            Ground::Transit => Some(units::Ground::Transit),
            Ground::ContractNecessity => Some(units::Ground::ContractNecessity),
            Ground::HumanResources => Some(units::Ground::HumanResources),
            Ground::Emergency => Some(units::Ground::Emergency),
        }
    }
}
