//! A value of unknown type that keeps what is binary.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::Binary;
use crate::binary::claim;

/// Any value that can be sent, for those who pass on what they don't know the type of.
///
/// Unlike `serde_json::Value` it has a place for binary values, and it keeps the order of an object's members.
/// (Reading a binary value as `serde_json::Value` is an error, never another value.)
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A whole number above `i64::MAX`.
    Unsigned(u64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// A string.
    String(String),
    /// A list.
    Array(Vec<Self>),
    /// An object; its members in the order they were sent, also those that were sent twice.
    Object(Vec<(String, Self)>),
    /// A binary value.
    Binary(Bytes),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // As an argument it is a null; a unit would be none.
            Self::Null => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::String(value) => serializer.serialize_str(value),
            Self::Array(values) => serializer.collect_seq(values),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Binary(bytes) => Binary(bytes.clone()).serialize(serializer),
        }
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
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Unsigned(value), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(copy(value)))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Binary(claim(bytes)))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Binary(bytes.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = elements.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = entries.next_entry::<String, Self::Value>()? {
            if key == BIG_NUMBER
                && let Value::String(digits) = &value
            {
                return Ok(number(digits));
            }
            members.push((key, value));
        }
        Ok(Value::Object(members))
    }
}

/// How much is copied at once: a long copy can be very slow, for the reason that [`Text`](engine_io_parser::Text) copies
/// in pieces.
const PIECE: usize = 1 << 10;

fn copy(mut text: &str) -> String {
    let mut copy = String::with_capacity(text.len());
    while let Some(end) = (PIECE..PIECE + 4).find(|end| text.is_char_boundary(*end))
        && let Some((piece, rest)) = text.split_at_checked(end)
    {
        copy.push_str(piece);
        text = rest;
    }
    copy.push_str(text);
    copy
}

/// If any crate of the program enables `serde_json`'s feature `arbitrary_precision`, numbers come as objects with this key.
const BIG_NUMBER: &str = "$serde_json::private::Number";

fn number(digits: &str) -> Value {
    if let Ok(value) = digits.parse() {
        Value::Integer(value)
    } else if let Ok(value) = digits.parse() {
        Value::Unsigned(value)
    } else {
        digits.parse().map_or_else(|_| Value::String(digits.to_owned()), Value::Float)
    }
}
