//! Writes values as JSON, and keeps binary ones aside.
//!
//! What is written is `serde_json`'s compact form to the byte; numbers are left to it. Strings, which are most of what
//! is sent, are copied block by block instead of looked at byte by byte, and binary values become placeholders.

use std::fmt;

use engine_io_parser::TextFrameBuf;
use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Error;

use super::key::KeyWriter;
use super::string;
use crate::EncodeError;
use crate::args::Attachments;
use crate::binary::claim;

/// Appends JSON to a buffer.
pub(super) struct JsonWriter<'a> {
    pub(super) out: &'a mut TextFrameBuf,
    attachments: Attachments,
    max_attachments: usize,
    /// A binary value was met that was one too many.
    is_over: bool,
    /// Something else than a binary value may have been written that reads like one's placeholder.
    may_be_forged: bool,
}

impl<'a> JsonWriter<'a> {
    pub(super) fn new(out: &'a mut TextFrameBuf, max_attachments: usize) -> Self {
        Self { out, attachments: Attachments::new(), max_attachments, is_over: false, may_be_forged: false }
    }

    /// The binary values, and whether the text must be searched for forged placeholders.
    pub(super) fn into_attachments(self) -> (Attachments, bool) {
        (self.attachments, self.may_be_forged)
    }

    /// The key of an object's member.
    #[inline]
    pub(super) fn key(&mut self, key: &str) {
        self.may_be_forged |= key == "_placeholder";
        string::write(self.out, key);
    }

    /// Writes one value.
    pub(super) fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(&mut *self).map_err(|error| self.error(error))
    }

    pub(super) fn error(&self, error: Error) -> EncodeError {
        if self.is_over {
            EncodeError::TooManyAttachments { max: self.max_attachments }
        } else {
            EncodeError::Serialize(error.into())
        }
    }

    /// A number or another value that is never quoted, as `serde_json` writes it.
    #[inline]
    pub(super) fn scalar<T: Serialize>(&mut self, value: T) -> Result<(), Error> {
        serde_json::to_writer(&mut *self.out, &value)
    }

    fn placeholder(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.attachments.len() >= self.max_attachments {
            self.is_over = true;
            return Err(Error::custom("too many attachments"));
        }
        self.out.push_str(r#"{"_placeholder":true,"num":"#);
        self.scalar(self.attachments.len())?;
        self.out.push(b'}');
        self.attachments.push(claim(bytes));
        Ok(())
    }

    #[inline]
    fn open<'w>(&'w mut self, bracket: u8, closing: &'static str) -> Compound<'a, 'w> {
        self.out.push(bracket);
        Compound { writer: self, closing, is_first: true }
    }

    /// A variant with content: an object with one member.
    fn open_variant<'w>(&'w mut self, variant: &str, bracket: u8, closing: &'static str) -> Compound<'a, 'w> {
        self.out.push(b'{');
        string::write(self.out, variant);
        self.out.push(b':');
        self.open(bracket, closing)
    }
}

macro_rules! scalars {
    ($($method:ident($ty:ty))*) => {$(
        #[inline]
        fn $method(self, value: $ty) -> Result<(), Error> {
            self.scalar(value)
        }
    )*};
}

impl<'a, 'w> Serializer for &'w mut JsonWriter<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'a, 'w>;
    type SerializeTuple = Compound<'a, 'w>;
    type SerializeTupleStruct = Compound<'a, 'w>;
    type SerializeTupleVariant = Compound<'a, 'w>;
    type SerializeMap = Compound<'a, 'w>;
    type SerializeStruct = Struct<'a, 'w>;
    type SerializeStructVariant = Compound<'a, 'w>;

    scalars! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128) serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_u128(u128) serialize_f32(f32) serialize_f64(f64)
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Error> {
        string::write(self.out, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.placeholder(value)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.out.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut object = self.open(b'{', "}");
        object.member(variant, value)?;
        object.close()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Ok(self.open_variant(variant, b'[', "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        Ok(self.open(b'{', "}"))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeStruct, Error> {
        Ok(if name.starts_with(PRIVATE) {
            Struct::Private { writer: self, name }
        } else {
            Struct::Object(self.open(b'{', "}"))
        })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Ok(self.open_variant(variant, b'{', "}}"))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        string::write_display(self.out, value).map_err(Error::custom)
    }
}

/// An array or object that is being written.
pub(super) struct Compound<'a, 'w> {
    writer: &'w mut JsonWriter<'a>,
    closing: &'static str,
    is_first: bool,
}

impl Compound<'_, '_> {
    #[inline]
    fn separate(&mut self) {
        if !self.is_first {
            self.writer.out.push(b',');
        }
        self.is_first = false;
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.separate();
        value.serialize(&mut *self.writer)
    }

    #[inline]
    fn member<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Error> {
        self.separate();
        self.writer.key(key);
        self.writer.out.push(b':');
        value.serialize(&mut *self.writer)
    }

    #[inline]
    fn close(self) -> Result<(), Error> {
        self.writer.out.push_str(self.closing);
        Ok(())
    }
}

macro_rules! arrays {
    ($($kind:ident: $method:ident)*) => {$(
        impl $kind for Compound<'_, '_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            #[inline]
            fn end(self) -> Result<(), Error> {
                self.close()
            }
        }
    )*};
}

arrays! {
    SerializeSeq: serialize_element
    SerializeTuple: serialize_element
    SerializeTupleStruct: serialize_field
    SerializeTupleVariant: serialize_field
}

impl SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.separate();
        key.serialize(KeyWriter(&mut *self.writer))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.writer.out.push(b':');
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl SerializeStructVariant for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.member(key, value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

/// A struct, or what `serde_json` passes off as one.
pub(super) enum Struct<'a, 'w> {
    Object(Compound<'a, 'w>),
    Private { writer: &'w mut JsonWriter<'a>, name: &'static str },
}

/// How the names of the structs begin by which `serde_json` tells itself that it is handed JSON text: a `RawValue`, and
/// numbers with its feature `arbitrary_precision`. It is asked to write them itself.
const PRIVATE: &str = "$serde_json::private::";

impl SerializeStruct for Struct<'_, '_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        match self {
            Self::Object(object) => object.member(key, value),
            Self::Private { writer, name } => {
                writer.may_be_forged = true;
                writer.scalar(Private { name, key, value })
            }
        }
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        match self {
            Self::Object(object) => object.close(),
            Self::Private { .. } => Ok(()),
        }
    }
}

struct Private<'v, T: ?Sized> {
    name: &'static str,
    key: &'static str,
    value: &'v T,
}

impl<T: Serialize + ?Sized> Serialize for Private<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut private = serializer.serialize_struct(self.name, 1)?;
        private.serialize_field(self.key, self.value)?;
        private.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Serialize;
    use serde_json::value::RawValue;

    use super::*;

    fn written<T: Serialize + ?Sized>(value: &T) -> String {
        let mut buf = TextFrameBuf::new();
        JsonWriter::new(&mut buf, 0).value(value).unwrap();
        String::from_utf8(buf.as_bytes().to_vec()).unwrap()
    }

    #[track_caller]
    fn check<T: Serialize + ?Sized>(value: &T) {
        assert_eq!(written(value), serde_json::to_string(value).unwrap());
    }

    #[derive(Serialize)]
    enum Shape {
        Unit,
        Newtype(u8),
        Tuple(u8, &'static str),
        #[serde(rename = "with \"quotes\"")]
        Struct {
            a: Option<bool>,
            b: (),
        },
    }

    #[test]
    fn every_kind_of_value_is_written_as_serde_json_does() {
        #[derive(Serialize)]
        struct Unit;
        #[derive(Serialize)]
        struct Newtype(f32);
        #[derive(Serialize)]
        struct Pair(i8, u16);

        check(&[
            Shape::Unit,
            Shape::Newtype(1),
            Shape::Tuple(2, "x"),
            Shape::Struct { a: Some(true), b: () },
            Shape::Struct { a: None, b: () },
        ]);
        check(&(Unit, Newtype(0.1), Pair(-1, 2), 'x', '\n', "", [(); 0], [1; 3]));
        check(&(i128::MIN, u128::MAX, i64::MIN, u64::MAX, 1_i16, 1_u32));
        check(&(f64::MIN_POSITIVE, f64::NAN, f64::INFINITY, -0.0, 1e300, f32::MAX));
        check(&(vec![vec![1], vec![]], BTreeMap::<u8, u8>::new()));
        check(&format_args!("{} \"and\" {}", 1, '\u{1}'));
        let raw = RawValue::from_string(r#"{"a" : [1 , 2.50]}"#.to_owned()).unwrap();
        check(&[&raw, &raw]);
    }

    #[test]
    fn keys_are_written_as_serde_json_does() {
        check(&BTreeMap::from([("a\"b", 1), ("é", 2)]));
        check(&BTreeMap::from([(-1_i64, 'x'), (5, 'y')]));
        check(&BTreeMap::from([(true, 1), (false, 0)]));
        check(&BTreeMap::from([('c', 1), ('"', 2)]));
        check(&BTreeMap::from([(u128::MAX, 1)]));
        #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
        struct Wrapped(u8);
        #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
        enum Name {
            A,
        }
        check(&BTreeMap::from([(Wrapped(3), 1)]));
        check(&BTreeMap::from([(Name::A, 1)]));
        check(&BTreeMap::from([(Some("x"), 1)]));
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_as_serde_json_does() {
        let mut buf = TextFrameBuf::new();
        let mut refuse = |value: &dyn erased_serde::Serialize| {
            assert!(serde_json::to_string(value).is_err());
            assert!(JsonWriter::new(&mut buf, 0).value(value).is_err());
        };
        refuse(&BTreeMap::from([((1, 2), 1)]));
        refuse(&BTreeMap::from([([1], 1)]));
        refuse(&BTreeMap::from([((), 1)]));
        refuse(&BTreeMap::from([(None::<u8>, 1)]));
    }

    proptest! {
        #[test]
        fn any_value_is_written_as_serde_json_does(value in crate::testing::any_json()) {
            prop_assert_eq!(written(&value), serde_json::to_string(&value).unwrap());
        }
    }
}
