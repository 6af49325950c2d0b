//! Reads a configuration file: keys and texts, each with its place.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::Problem;
use super::keys::KEYS;

/// Largest configuration file. One with every key and its comment is below 8 KiB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A key as written in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) key: String,
    pub(super) values: Vec<String>,
    pub(super) line: u64,
    pub(super) column: u64,
}

/// Reads a file.
///
/// # Errors
/// What is wrong with the file as a whole, or where it stops being YAML.
pub(super) fn read(path: &Path) -> Result<Vec<Written>, Problem> {
    let place = path.display().to_string();
    let problem = |message: String, help: &str| Problem { place: place.clone(), message, help: Some(help.to_owned()) };
    let unreadable = |error: std::io::Error| {
        problem(
            format!("cannot read the configuration file: {}", error.to_string().to_lowercase()),
            "name a file that exists and may be read, or leave `--config` and NEGLIST_CONFIG out",
        )
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if FILE_BYTES_MAX < bytes.len() as u64 {
        return Err(problem(
            format!("the configuration file has more than {FILE_BYTES_MAX} bytes"),
            "name a configuration file: `neglist serve --dump-config` prints one",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let byte = error.utf8_error().valid_up_to();
        problem(format!("byte {byte} is not UTF-8"), "save the file as UTF-8")
    })?;
    parse(&text).map_err(|(location, message)| Problem {
        place: location.map_or(place.clone(), |(line, column)| format!("{place}:{line}:{column}")),
        message,
        help: Some("the file is a list of `key: value` lines; `neglist serve --dump-config` prints one".into()),
    })
}

type ParseError = (Option<(u64, u64)>, String);

/// Parses the text of a file.
fn parse(text: &str) -> Result<Vec<Written>, ParseError> {
    let options = serde_saphyr::options! { with_snippet: false };
    let file: Pairs = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let error = error.without_snippet();
        let place = error.location().map(|location| (location.line(), location.column()));
        // The place is told apart from the message; the library writes it behind.
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().trim_end_matches([',', ' ']).to_owned();
        (place, message)
    })?;
    Ok(file.0)
}

struct Pairs(Vec<Written>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`key: value` lines")
    }

    fn visit_unit<E>(self) -> Result<Pairs, E> {
        Ok(Pairs(Vec::new()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some(Spanned { value: key, referenced, defined: _ }) = map.next_key::<Spanned<String>>()? {
            // What a key takes is known only by its name; the value of an unknown one is passed over.
            let known = KEYS.iter().find(|known| known.name == key);
            let values = match known {
                Some(known) if known.is_list() => map.next_value::<OneOrMany>()?.0,
                Some(_) => vec![map.next_value::<String>()?],
                None => {
                    map.next_value::<IgnoredAny>()?;
                    Vec::new()
                }
            };
            let at: Location = referenced;
            pairs.push(Written { key, values, line: at.line(), column: at.column() });
        }
        Ok(Pairs(pairs))
    }
}

struct OneOrMany(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<OneOrMany, A::Error> {
        let mut all = Vec::new();
        while let Some(text) = texts.next_element()? {
            all.push(text);
        }
        Ok(OneOrMany(all))
    }
}
