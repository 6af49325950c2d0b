//! Values of JSON for the reader of proto3 JSON, as exact as they were read.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::json::Tree;

/// A value, handed to a reader.
#[derive(Clone, Copy)]
pub(crate) struct Value<'t>(pub(crate) &'t Tree);

impl IntoDeserializer<'_, serde_json::Error> for Value<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Tree::Object(members) => {
                let members = members.iter().map(|(key, value)| (key.as_str(), Value(value)));
                visitor.visit_map(MapDeserializer::new(members))
            }
            Tree::List(values) => visitor.visit_seq(SeqDeserializer::new(values.iter().map(Value))),
            Tree::Text(text) => visitor.visit_str(text),
            Tree::Number(Ok(number)) => visitor.visit_u64(*number),
            // Fields of the contract were checked before; none of them takes such a number.
            Tree::Number(Err(not_whole)) => Err(Self::Error::custom(not_whole.texts().0)),
            Tree::Bool(value) => visitor.visit_bool(*value),
            Tree::Null => visitor.visit_unit(),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Tree::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
