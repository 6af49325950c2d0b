//! A JSON text as a tree.

use super::number::Number;
use super::reader::{Head, Reader};
use super::syntax::Syntax;

/// A value. Keys are in the order of the text, duplicates included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// Keys, each with its value.
    Object(Vec<(String, Tree)>),
    /// Values.
    List(Vec<Tree>),
    /// A string.
    Text(String),
    /// A number.
    Number(Number),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

impl Tree {
    /// Reads a text, which must be one value.
    ///
    /// # Errors
    /// The syntax error, with its place.
    pub fn read(text: &str) -> Result<Self, Syntax> {
        let mut reader = Reader::new(text);
        let tree = Self::next(&mut reader)?;
        reader.end()?;
        Ok(tree)
    }

    fn next(reader: &mut Reader<'_>) -> Result<Self, Syntax> {
        Ok(match reader.value()? {
            Head::Object => {
                let mut members = Vec::new();
                reader.members(|reader, key| {
                    members.push((key.into_owned(), Self::next(reader)?));
                    Ok(())
                })?;
                Tree::Object(members)
            }
            Head::List => {
                let mut values = Vec::new();
                reader.elements(|reader| {
                    values.push(Self::next(reader)?);
                    Ok(())
                })?;
                Tree::List(values)
            }
            Head::Text(text) => Tree::Text(text.into_owned()),
            Head::Number(number) => Tree::Number(number),
            Head::Bool(value) => Tree::Bool(value),
            Head::Null => Tree::Null,
        })
    }

    /// Returns the first member of an object with a key; `None` also if the value is not an object.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        match self {
            Tree::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            Tree::List(_) | Tree::Text(_) | Tree::Number(_) | Tree::Bool(_) | Tree::Null => None,
        }
    }

    /// Returns the value as a whole number; `None` for any other value.
    pub fn whole(&self) -> Option<u64> {
        match self {
            Tree::Number(number) => number.ok(),
            Tree::Object(_) | Tree::List(_) | Tree::Text(_) | Tree::Bool(_) | Tree::Null => None,
        }
    }

    /// Returns the approximate length of the value as a text, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Tree::Object(members) => {
                2 + members.iter().map(|(key, value)| key.len() + 4 + value.bytes()).sum::<usize>()
            }
            Tree::List(values) => 2 + values.iter().map(|value| 1 + value.bytes()).sum::<usize>(),
            Tree::Text(text) => 2 + text.len(),
            Tree::Number(number) => number.ok().and_then(u64::checked_ilog10).map_or(1, |power| power as usize + 1),
            Tree::Bool(_) | Tree::Null => 5,
        }
    }
}
