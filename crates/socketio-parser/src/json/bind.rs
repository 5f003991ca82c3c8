//! Reads JSON whose placeholders stand for attachments.
//!
//! Because it sees an object before any visitor does, an attachment may stand wherever a value may: in options,
//! newtypes, enum variants, ignored fields and values of unknown type alike.

use bytes::Bytes;
use serde::de::value::SeqDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde_json::Error;

use super::placeholder::{self, Placeholder};
use super::scan::{Malformed, Scanner};
use crate::binary::offer;

/// Reads one value of a text that was checked; numbers and strings are left to `serde_json`.
pub(crate) struct BindDeserializer<'de> {
    text: &'de str,
    scanner: Scanner<'de>,
    attachments: &'de [Bytes],
}

impl<'de> BindDeserializer<'de> {
    pub(crate) fn new(text: &'de str, attachments: &'de [Bytes]) -> Self {
        Self { text, scanner: Scanner::new(text, 0), attachments }
    }

    fn next(&mut self) -> Result<Next<'de>, Error> {
        self.scanner.skip_blanks();
        Ok(match self.scanner.peek() {
            Some(b'{') => match placeholder::read(self.text.as_bytes(), self.scanner.at()) {
                Placeholder::None => Next::Object,
                Placeholder::Found { num, end } => {
                    let attachment =
                        self.attachments.get(num).ok_or_else(|| Error::custom("attachment is missing"))?;
                    Next::Attachment { attachment, end }
                }
                Placeholder::Illegal => return Err(Error::custom("illegal placeholder")),
            },
            Some(b'[') => Next::Array,
            _ => Next::Scalar,
        })
    }

    /// The text of the next value, which is stepped over.
    fn take_text(&mut self) -> Result<&'de str, Error> {
        self.scanner.skip_blanks();
        let start = self.scanner.at();
        self.scanner.skip_value().map_err(malformed)?;
        self.text.get(start..self.scanner.at()).ok_or_else(|| Error::custom("malformed JSON"))
    }

    fn take_scalar(&mut self) -> Result<serde_json::Deserializer<serde_json::de::StrRead<'de>>, Error> {
        Ok(serde_json::Deserializer::from_str(self.take_text()?))
    }

    fn visit_attachment<V: Visitor<'de>>(
        &mut self,
        attachment: &'de Bytes,
        end: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.scanner.set(end);
        offer(attachment, |bytes| visitor.visit_borrowed_bytes(bytes))
    }

    fn visit_array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.scanner.expect(b'[').map_err(malformed)?;
        let mut elements = Elements { de: self, is_first: true };
        let value = visitor.visit_seq(&mut elements)?;
        elements.end(b']')?;
        Ok(value)
    }

    fn visit_object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.scanner.expect(b'{').map_err(malformed)?;
        let mut members = Elements { de: self, is_first: true };
        let value = visitor.visit_map(&mut members)?;
        members.end(b'}')?;
        Ok(value)
    }
}

enum Next<'de> {
    Attachment { attachment: &'de Bytes, end: usize },
    Object,
    Array,
    Scalar,
}

macro_rules! forward_scalars {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.next()? {
                Next::Scalar => self.take_scalar()?.$method(visitor),
                // A `String` would take bytes that happen to be UTF-8: what was binary would come out as text.
                Next::Attachment { attachment, .. } => {
                    Err(Error::invalid_type(Unexpected::Bytes(attachment), &visitor))
                }
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

macro_rules! forward_bytes {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.next()? {
                Next::Scalar => self.take_scalar()?.$method(visitor),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut BindDeserializer<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.next()? {
            Next::Attachment { attachment, end } => self.visit_attachment(attachment, end, visitor),
            Next::Object => self.visit_object(visitor),
            Next::Array => self.visit_array(visitor),
            Next::Scalar => self.take_scalar()?.deserialize_any(visitor),
        }
    }

    forward_scalars! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_unit deserialize_identifier
    }

    forward_bytes! { deserialize_bytes deserialize_byte_buf }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.scanner.skip_blanks();
        if self.scanner.peek() == Some(b'n') {
            self.take_text()?;
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
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == RAW_VALUE {
            return self.take_scalar()?.deserialize_newtype_struct(name, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.next()? {
            // What reads a list, such as `Vec<u8>`, gets the bytes as numbers.
            Next::Attachment { attachment, end } => {
                self.scanner.set(end);
                visitor.visit_seq(SeqDeserializer::new(attachment.iter().copied()))
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
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.next()? {
            Next::Scalar => self.take_scalar()?.deserialize_enum(name, variants, visitor),
            Next::Object => {
                self.scanner.expect(b'{').map_err(malformed)?;
                let value = visitor.visit_enum(Variant { de: self })?;
                self.scanner.skip_blanks();
                self.scanner
                    .expect(b'}')
                    .map_err(|_| Error::custom("expected an object with one variant"))?;
                Ok(value)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.take_text()?;
        visitor.visit_unit()
    }
}

/// The elements of an array, or the members of an object.
struct Elements<'a, 'de> {
    de: &'a mut BindDeserializer<'de>,
    is_first: bool,
}

impl Elements<'_, '_> {
    /// Whether there is one more before the `closing` bracket, stepping over the comma before it.
    fn has_next(&mut self, closing: u8) -> Result<bool, Error> {
        self.de.scanner.skip_blanks();
        if self.de.scanner.peek() == Some(closing) {
            return Ok(false);
        }
        if !self.is_first {
            self.de.scanner.expect(b',').map_err(malformed)?;
        }
        self.is_first = false;
        Ok(true)
    }

    fn end(&mut self, closing: u8) -> Result<(), Error> {
        self.de.scanner.skip_blanks();
        self.de.scanner.expect(closing).map_err(|_| Error::custom("more elements than expected"))
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.has_next(b']')? { seed.deserialize(&mut *self.de).map(Some) } else { Ok(None) }
    }
}

impl<'de> MapAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.has_next(b'}')? {
            let text = self.de.take_text()?;
            seed.deserialize(Key { text }).map(Some)
        } else {
            Ok(None)
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.de.colon()?;
        seed.deserialize(&mut *self.de)
    }
}

impl BindDeserializer<'_> {
    fn colon(&mut self) -> Result<(), Error> {
        self.scanner.skip_blanks();
        self.scanner.expect(b':').map_err(malformed)
    }
}

/// The key of a member, with its quotes.
struct Key<'de> {
    text: &'de str,
}

macro_rules! forward_keys {
    ($($method:ident)*) => {$(
        /// A key is a string, whatever the map's keys are: what it holds is read.
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let inner = self.text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default();
            let mut de = serde_json::Deserializer::from_str(inner);
            let value = de.$method(visitor)?;
            de.end()?;
            Ok(value)
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        serde_json::Deserializer::from_str(self.text).deserialize_str(visitor)
    }

    forward_keys! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64
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

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        serde_json::Deserializer::from_str(self.text).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        serde_json::Deserializer::from_str(self.text).deserialize_bytes(visitor)
    }

    serde::forward_to_deserialize_any! {
        char str string byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// `{"name":content}`: an enum's variant that has a content.
struct Variant<'a, 'de> {
    de: &'a mut BindDeserializer<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        self.de.scanner.skip_blanks();
        if self.de.scanner.peek() != Some(b'"') {
            return Err(Error::custom("expected the name of a variant"));
        }
        let variant = seed.deserialize(Key { text: self.de.take_text()? })?;
        self.de.colon()?;
        Ok((variant, self))
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

/// By this name `serde_json::value::RawValue` asks for the text of a value; placeholders in it stay as they are.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

fn malformed(_: Malformed) -> Error {
    Error::custom("malformed JSON")
}
