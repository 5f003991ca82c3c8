//! Reads JSON that was checked, and whose placeholders may stand for attachments.
//!
//! What was checked need not be looked at so closely again: plain strings and small integers are taken as they stand,
//! and only what is left goes to `serde_json`. Because it sees an object before any visitor does, an attachment may stand wherever a value may: in options,
//! newtypes, enum variants, ignored fields and values of unknown type alike.

use bytes::Bytes;
use serde::de::value::SeqDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde_json::Error;

use super::placeholder::{self, Placeholder};
use super::scan::{Malformed, Scanner};
use crate::binary::offer;

/// Reads one value of a text that was checked.
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
            Some(b'{') if self.attachments.is_empty() => Next::Object,
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

    /// A string without escapes, which is stepped over.
    #[inline]
    fn take_plain_string(&mut self) -> Option<&'de str> {
        let (start, end) = self.scanner.plain_string()?;
        self.text.get(start..end)
    }

    /// Hands over a small integer; gives the visitor back if the value is none.
    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<Result<V::Value, Error>, V> {
        match self.scanner.small_integer() {
            // As `serde_json` does: what is not negative is unsigned.
            Some(number) => Ok(match u64::try_from(number) {
                Ok(number) => visitor.visit_u64(number),
                Err(_) => visitor.visit_i64(number),
            }),
            None => Err(visitor),
        }
    }

    /// Hands over a plain string; gives the visitor back if the value is none.
    fn string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<Result<V::Value, Error>, V> {
        match self.take_plain_string() {
            Some(string) => Ok(visitor.visit_borrowed_str(string)),
            None => Err(visitor),
        }
    }

    /// Hands over `true` or `false`; gives the visitor back if the value is neither.
    fn boolean<V: Visitor<'de>>(&mut self, visitor: V) -> Result<Result<V::Value, Error>, V> {
        if self.scanner.literal(b"true").is_ok() {
            Ok(visitor.visit_bool(true))
        } else if self.scanner.literal(b"false").is_ok() {
            Ok(visitor.visit_bool(false))
        } else {
            Err(visitor)
        }
    }

    /// Leaves all that it is asked for to `serde_json`.
    fn nothing<V: Visitor<'de>>(&mut self, visitor: V) -> Result<Result<V::Value, Error>, V> {
        Err(visitor)
    }

    /// The key of a member.
    #[inline]
    fn take_key(&mut self) -> Result<Key<'de>, Error> {
        self.scanner.skip_blanks();
        match self.take_plain_string() {
            Some(key) => Ok(Key::Plain(key)),
            None => Ok(Key::Escaped(self.take_text()?)),
        }
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

/// What is a scalar is read by `$fast`, or if that gives the visitor back, by `serde_json`.
macro_rules! forward_scalars {
    ($fast:expr; $($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.next()? {
                Next::Scalar => match $fast(&mut *self, visitor) {
                    Ok(value) => value,
                    Err(visitor) => {
                        let mut de = self.take_scalar()?;
                        let value = de.$method(visitor)?;
                        // A large integer is read without a look at what follows: `1.5` is none.
                        de.end().map(|()| value)
                    }
                },
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
            Next::Scalar => match self
                .string(visitor)
                .or_else(|visitor| self.number(visitor))
                .or_else(|visitor| self.boolean(visitor))
            {
                Ok(value) => value,
                Err(visitor) => self.take_scalar()?.deserialize_any(visitor),
            },
        }
    }

    forward_scalars! { BindDeserializer::nothing;
        deserialize_i128 deserialize_u128 deserialize_char deserialize_unit
    }

    forward_scalars! { BindDeserializer::boolean; deserialize_bool }

    forward_scalars! { BindDeserializer::number;
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_f32 deserialize_f64
    }

    forward_scalars! { BindDeserializer::string; deserialize_str deserialize_string deserialize_identifier }

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
            let key = self.de.take_key()?;
            seed.deserialize(key).map(Some)
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

/// The key of a member.
pub(crate) enum Key<'de> {
    /// What it says.
    Plain(&'de str),
    /// With its quotes and escapes.
    Escaped(&'de str),
}

impl<'de> Key<'de> {
    /// What stands between the quotes.
    fn inner(&self) -> &'de str {
        match self {
            Self::Plain(inner) => inner,
            Self::Escaped(text) => {
                text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default()
            }
        }
    }
}

macro_rules! forward_keys {
    ($($method:ident)*) => {$(
        /// A key is a string, whatever the map's keys are: what it holds is read.
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let mut de = serde_json::Deserializer::from_str(self.inner());
            let value = de.$method(visitor)?;
            de.end()?;
            Ok(value)
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Plain(key) => visitor.visit_borrowed_str(key),
            Self::Escaped(text) => serde_json::Deserializer::from_str(text).deserialize_str(visitor),
        }
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
        match self {
            Self::Plain(key) => key.into_deserializer().deserialize_enum(name, variants, visitor),
            Self::Escaped(text) => {
                serde_json::Deserializer::from_str(text).deserialize_enum(name, variants, visitor)
            }
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Plain(key) => visitor.visit_borrowed_bytes(key.as_bytes()),
            Self::Escaped(text) => serde_json::Deserializer::from_str(text).deserialize_bytes(visitor),
        }
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
        let variant = seed.deserialize(self.de.take_key()?)?;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    use super::*;

    fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
        T::deserialize(&mut BindDeserializer::new(text, &[])).ok()
    }

    /// What `serde_json` makes of a text is what is made of it here, errors included.
    #[track_caller]
    fn check<T: DeserializeOwned + PartialEq + Debug>(text: &str) {
        assert_eq!(
            read::<T>(text),
            serde_json::from_str(text).ok(),
            "{text} as {}",
            std::any::type_name::<T>()
        );
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: Option<i64>,
        #[serde(default)]
        y: f32,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Shape {
        Unit,
        Newtype(u8),
        Tuple(i8, String),
        Struct { a: bool },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Any {
        Number(i64),
        Text(String),
        List(Vec<Self>),
    }

    /// Reads a text as everything there is.
    fn check_all(text: &str) {
        check::<Value>(text);
        check::<bool>(text);
        check::<(i8, u8)>(&format!("[{text}, {text}]"));
        check::<i8>(text);
        check::<u8>(text);
        check::<i32>(text);
        check::<u32>(text);
        check::<i64>(text);
        check::<u64>(text);
        check::<i128>(text);
        check::<u128>(text);
        check::<f32>(text);
        check::<f64>(text);
        check::<char>(text);
        check::<String>(text);
        check::<()>(text);
        check::<Option<String>>(text);
        check::<Vec<Value>>(text);
        check::<[u8; 2]>(text);
        check::<BTreeMap<String, Value>>(text);
        check::<BTreeMap<i32, Value>>(text);
        check::<BTreeMap<bool, Value>>(text);
        check::<Point>(text);
        check::<Shape>(text);
        check::<Any>(text);
    }

    #[test]
    fn scalars_are_read_as_serde_json_does() {
        for text in [
            "0",
            "-0",
            "7",
            "-7",
            "127",
            "128",
            "-128",
            "255",
            "256",
            "999999999999999999",
            "-999999999999999999",
            "1000000000000000000",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "-18446744073709551616",
            "1.0",
            "-1.5",
            "1e2",
            "1E-2",
            "0.1",
            "-0.0",
            "1e400",
            "true",
            "false",
            "null",
            r#""""#,
            r#""x""#,
            r#""é""#,
            r#""Unit""#,
            r#""7""#,
            r#""a\"b\\\n\u00e9\ud83d\ude00""#,
            r#""\ud800""#,
            r#""longer than one word, and than a block of thirty-two bytes, \" and on""#,
        ] {
            check_all(text);
            check_all(&format!(" {text} "));
        }
    }

    #[test]
    fn compounds_are_read_as_serde_json_does() {
        for text in [
            "[]",
            "{}",
            "[ ]",
            "{ }",
            "[1,2]",
            "[1 , 2 ]",
            "[1,2,3]",
            r#"["a",[1,["b"]]]"#,
            r#"{"x":5}"#,
            r#"{ "x" : null , "y" : 2 }"#,
            r#"{"x":1,"x":2}"#,
            r#"{"x":1,"z":[{"a":[]}],"y":0.5}"#,
            r#"{"\u0078":1}"#,
            r#"{"1":1,"-2":2}"#,
            r#"{"true":1}"#,
            r#"{"01":1}"#,
            r#"{"Newtype":7}"#,
            r#"{"Newtype":700}"#,
            r#"{"Tuple":[1,"a"]}"#,
            r#"{"Struct":{"a":true}}"#,
            r#"{"Unit":null}"#,
            r#"{"_placeholder":true,"num":0}"#,
        ] {
            check_all(text);
        }
    }

    proptest! {
        #[test]
        fn any_value_is_read_as_serde_json_does(value in crate::testing::any_json()) {
            check::<Value>(&value.to_string());
            check::<Value>(&serde_json::to_string_pretty(&value).unwrap());
            check::<Any>(&value.to_string());
        }
    }
}
