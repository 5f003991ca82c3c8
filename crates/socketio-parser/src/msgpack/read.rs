//! Reads MessagePack that was checked: whole, and not too deep.
//!
//! What a type asks for is read as it would be from JSON, so that a handler need not know which format a client speaks:
//! keys of maps are strings whatever the map's keys are, and a date is the string that it is in JSON, unless a number is
//! asked for, which JSON does not offer.

use bytes::Bytes;
use serde::de::value::SeqDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde_json::Error;

use super::scan::walk;
use super::token::{Token, read};
use crate::binary::offer_part;
use crate::json::Key;

/// Reads one value of a frame.
pub(crate) struct MsgpackDeserializer<'de> {
    /// What a binary value is a part of.
    frame: &'de Bytes,
    at: usize,
}

impl<'de> MsgpackDeserializer<'de> {
    pub(crate) fn new(frame: &'de Bytes, at: usize) -> Self {
        Self { frame, at }
    }

    /// What comes next, which is stepped over, but for the contents of an array or a map.
    fn take(&mut self) -> Result<Token<'de>, Error> {
        read(self.frame, &mut self.at).ok_or_else(malformed)
    }

    fn peek(&self) -> Result<Token<'de>, Error> {
        read(self.frame, &mut self.at.clone()).ok_or_else(malformed)
    }

    fn skip(&mut self) -> Result<(), Error> {
        self.at = walk(self.frame, self.at, usize::MAX, None).map_err(|_| malformed())?;
        Ok(())
    }

    fn visit_array<V: Visitor<'de>>(&mut self, len: u32, visitor: V) -> Result<V::Value, Error> {
        let mut elements = Elements { de: self, left: len };
        let value = visitor.visit_seq(&mut elements)?;
        elements.end()?;
        Ok(value)
    }

    fn visit_map<V: Visitor<'de>>(&mut self, len: u32, visitor: V) -> Result<V::Value, Error> {
        let mut members = Elements { de: self, left: len };
        let value = visitor.visit_map(&mut members)?;
        members.end()?;
        Ok(value)
    }
}

/// Cannot be, of what was checked.
fn malformed() -> Error {
    Error::custom("malformed MessagePack")
}

/// A string that is not UTF-8 is its reader's concern, like any value of a wrong type.
fn utf8(text: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(text).map_err(|_| Error::invalid_value(Unexpected::Bytes(text), &"a string of UTF-8"))
}

macro_rules! scalars {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.peek()? {
                // A `String` would take bytes that happen to be UTF-8: what was binary would come out as text.
                Token::Binary(bytes) => Err(Error::invalid_type(Unexpected::Bytes(bytes), &visitor)),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.peek()? {
                Token::Time(time) => {
                    self.skip()?;
                    visitor.visit_i64(time.as_millis())
                }
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

macro_rules! bytes {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.peek()? {
                Token::Text(text) => {
                    self.skip()?;
                    visitor.visit_borrowed_bytes(text)
                }
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut MsgpackDeserializer<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.take()? {
            Token::Nil => visitor.visit_unit(),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Unsigned(value) => visitor.visit_u64(value),
            Token::Negative(value) => visitor.visit_i64(value),
            Token::Float(value) => visitor.visit_f64(value),
            Token::Text(text) => visitor.visit_borrowed_str(utf8(text)?),
            Token::Binary(bytes) => {
                offer_part(self.frame, bytes, |bytes| visitor.visit_borrowed_bytes(bytes))
            }
            Token::Array(len) => self.visit_array(len, visitor),
            Token::Map(len) => self.visit_map(len, visitor),
            Token::Time(time) => visitor.visit_string(time.to_string()),
            Token::Extension(kind) => {
                Err(Error::custom(format_args!("extension of type {kind} that is not known")))
            }
        }
    }

    scalars! {
        deserialize_bool deserialize_char deserialize_str deserialize_string deserialize_identifier deserialize_unit
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    }

    bytes! { deserialize_bytes deserialize_byte_buf }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.peek()? == Token::Nil {
            self.skip()?;
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek()? {
            // What reads a list, such as `Vec<u8>`, gets the bytes as numbers.
            Token::Binary(bytes) => {
                self.skip()?;
                visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied()))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.peek()? {
            Token::Text(variant) => {
                self.skip()?;
                visitor.visit_enum(utf8(variant)?.into_deserializer())
            }
            Token::Map(1) => {
                self.take()?;
                visitor.visit_enum(Variant { de: self })
            }
            Token::Map(_) => Err(Error::custom("expected an object with one variant")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip()?;
        visitor.visit_unit()
    }
}

/// The elements of an array, or the members of a map.
struct Elements<'a, 'de> {
    de: &'a mut MsgpackDeserializer<'de>,
    left: u32,
}

impl Elements<'_, '_> {
    fn end(&self) -> Result<(), Error> {
        if self.left == 0 { Ok(()) } else { Err(Error::custom("more elements than expected")) }
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.de).map(Some)
    }

    /// So many there are: the length was checked.
    fn size_hint(&self) -> Option<usize> {
        usize::try_from(self.left).ok()
    }
}

impl<'de> MapAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        match self.de.take()? {
            Token::Text(key) => seed.deserialize(Key::Plain(utf8(key)?)),
            Token::Unsigned(key) => seed.deserialize(NumberKey::Unsigned(key)),
            Token::Negative(key) => seed.deserialize(NumberKey::Negative(key)),
            _ => Err(Error::custom("key must be a string")),
        }
        .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.de)
    }

    fn size_hint(&self) -> Option<usize> {
        usize::try_from(self.left).ok()
    }
}

/// A key that is a number, which JavaScript does not send but others may; to JavaScript it is a string.
enum NumberKey {
    Unsigned(u64),
    Negative(i64),
}

impl NumberKey {
    fn to_text(&self) -> String {
        match self {
            Self::Unsigned(value) => value.to_string(),
            Self::Negative(value) => value.to_string(),
        }
    }
}

macro_rules! number_keys {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self {
                Self::Unsigned(value) => visitor.visit_u64(value),
                Self::Negative(value) => visitor.visit_i64(value),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for NumberKey {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.to_text())
    }

    number_keys! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

/// `{"name":content}`: an enum's variant that has a content.
struct Variant<'a, 'de> {
    de: &'a mut MsgpackDeserializer<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let Token::Text(variant) = self.de.take()? else {
            return Err(Error::custom("expected the name of a variant"));
        };
        Ok((seed.deserialize(Key::Plain(utf8(variant)?))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Deserialize::deserialize(self.de)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.de)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.de.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.de.deserialize_struct("", fields, visitor)
    }
}
