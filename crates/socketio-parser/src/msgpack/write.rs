//! Writes values as MessagePack.
//!
//! Types choose the form that they have in JSON (a number where JSON has a number, an enum's variant by its name, and the
//! keys of objects as strings whatever the map's keys are), so that a client sees the same with either format. What JSON has no
//! form for has one here: bytes stay bytes, and a number need not be finite.

use std::fmt;

use serde::ser::{
    Error as _, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Error;

use crate::Value;

/// Appends MessagePack to a buffer.
pub(super) struct MsgpackWriter<'a>(pub(super) &'a mut Vec<u8>);

impl<'a> MsgpackWriter<'a> {
    pub(super) fn str(&mut self, text: &str) -> Result<(), Error> {
        rmp::encode::write_str_len(self.0, to_u32(text.len())?).map_err(Error::custom)?;
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    pub(super) fn unsigned(&mut self, value: u64) -> Result<(), Error> {
        rmp::encode::write_uint(self.0, value).map(drop).map_err(Error::custom)
    }

    pub(super) fn map_len(&mut self, len: usize) -> Result<(), Error> {
        rmp::encode::write_map_len(self.0, to_u32(len)?).map(drop).map_err(Error::custom)
    }

    fn array_len(&mut self, len: usize) -> Result<(), Error> {
        rmp::encode::write_array_len(self.0, to_u32(len)?).map(drop).map_err(Error::custom)
    }

    fn signed(&mut self, value: i64) -> Result<(), Error> {
        match u64::try_from(value) {
            Ok(value) => self.unsigned(value),
            Err(_) => rmp::encode::write_sint(self.0, value).map(drop).map_err(Error::custom),
        }
    }

    fn open(mut self, shape: Shape, len: Option<usize>) -> Result<Compound<'a>, Error> {
        let start = self.0.len();
        match (shape, len) {
            (Shape::Array, Some(len)) => self.array_len(len)?,
            (Shape::Map, Some(len)) => self.map_len(len)?,
            // The longest form leaves room for every length.
            (Shape::Array, None) => self.0.extend([ARRAY_32, 0, 0, 0, 0]),
            (Shape::Map, None) => self.0.extend([MAP_32, 0, 0, 0, 0]),
        }
        Ok(Compound { out: self.0, start, len, count: 0 })
    }

    /// A variant with content: a map with one member.
    fn variant(&mut self, variant: &str) -> Result<(), Error> {
        self.map_len(1)?;
        self.str(variant)
    }
}

fn to_u32(len: usize) -> Result<u32, Error> {
    u32::try_from(len).map_err(|_| Error::custom("longer than MessagePack can say"))
}

#[derive(Clone, Copy)]
enum Shape {
    Array,
    Map,
}

const ARRAY_32: u8 = 0xdd;
const MAP_32: u8 = 0xdf;

macro_rules! integers {
    ($($method:ident($ty:ty) $write:ident)*) => {$(
        fn $method(mut self, value: $ty) -> Result<(), Error> {
            self.$write(value.into())
        }
    )*};
}

impl<'a> Serializer for MsgpackWriter<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Struct<'a>;
    type SerializeStructVariant = Compound<'a>;

    integers! {
        serialize_i8(i8) signed serialize_i16(i16) signed serialize_i32(i32) signed serialize_i64(i64) signed
        serialize_u8(u8) unsigned serialize_u16(u16) unsigned serialize_u32(u32) unsigned serialize_u64(u64) unsigned
    }

    fn serialize_i128(mut self, value: i128) -> Result<(), Error> {
        match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => self.unsigned(value),
            (_, Ok(value)) => self.signed(value),
            _ => Err(Error::custom("MessagePack has no integers of more than 64 bits")),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        // What does not fit has no form anyway.
        self.serialize_i128(i128::try_from(value).unwrap_or(i128::MAX))
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        rmp::encode::write_bool(self.0, value).map_err(Error::custom)
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        rmp::encode::write_f32(self.0, value).map_err(Error::custom)
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        rmp::encode::write_f64(self.0, value).map_err(Error::custom)
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(mut self, value: &str) -> Result<(), Error> {
        self.str(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        rmp::encode::write_bin_len(self.0, to_u32(value.len())?).map_err(Error::custom)?;
        self.0.extend_from_slice(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        rmp::encode::write_nil(self.0).map_err(Error::custom)
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
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.variant(variant)?;
        value.serialize(self)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Compound<'a>, Error> {
        self.open(Shape::Array, len)
    }

    fn serialize_tuple(self, len: usize) -> Result<Compound<'a>, Error> {
        self.open(Shape::Array, Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Compound<'a>, Error> {
        self.open(Shape::Array, Some(len))
    }

    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'a>, Error> {
        self.variant(variant)?;
        self.open(Shape::Array, Some(len))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Compound<'a>, Error> {
        self.open(Shape::Map, len)
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Struct<'a>, Error> {
        Ok(if name.starts_with(JSON_TEXT) {
            Struct::JsonText(self.0)
        } else {
            Struct::Map(self.open(Shape::Map, Some(len))?)
        })
    }

    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'a>, Error> {
        self.variant(variant)?;
        self.open(Shape::Map, Some(len))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.serialize_str(&value.to_string())
    }
}

/// An array or a map that is being written.
pub(super) struct Compound<'a> {
    out: &'a mut Vec<u8>,
    /// Where its header stands.
    start: usize,
    /// The length that the header says, if it was known.
    len: Option<usize>,
    /// How many elements or members there are so far.
    count: usize,
}

impl Compound<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.count += 1;
        value.serialize(MsgpackWriter(self.out))
    }

    fn member<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Error> {
        MsgpackWriter(self.out).str(key)?;
        self.element(value)
    }

    /// A wrong length would make something else of the whole packet.
    fn close(self) -> Result<(), Error> {
        match self.len {
            Some(len) if len == self.count => Ok(()),
            Some(_) => Err(Error::custom("a value has another length than it said")),
            None => {
                let count = to_u32(self.count)?.to_be_bytes();
                if let Some(header) = self.out.get_mut(self.start + 1..self.start + 5) {
                    header.copy_from_slice(&count);
                }
                Ok(())
            }
        }
    }
}

macro_rules! arrays {
    ($($kind:ident: $method:ident)*) => {$(
        impl $kind for Compound<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

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

impl SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        key.serialize(KeyWriter(self.out))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl SerializeStructVariant for Compound<'_> {
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
pub(super) enum Struct<'a> {
    Map(Compound<'a>),
    JsonText(&'a mut Vec<u8>),
}

/// How the names of the structs begin whose only field is JSON text: a `RawValue`, and numbers with the feature
/// `arbitrary_precision`.
const JSON_TEXT: &str = "$serde_json::private::";

impl SerializeStruct for Struct<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        match self {
            Self::Map(map) => map.member(key, value),
            Self::JsonText(out) => {
                let serde_json::Value::String(text) = serde_json::to_value(value)? else {
                    return Err(Error::custom("expected JSON text"));
                };
                serde_json::from_str::<Value>(&text)?.serialize(MsgpackWriter(out))
            }
        }
    }

    fn end(self) -> Result<(), Error> {
        match self {
            Self::Map(map) => map.close(),
            Self::JsonText(_) => Ok(()),
        }
    }
}

/// Writes the key of a member: a string, as in JSON.
struct KeyWriter<'a>(&'a mut Vec<u8>);

fn not_a_key<T>() -> Result<T, Error> {
    Err(Error::custom("key must be a string"))
}

macro_rules! scalar_keys {
    ($($method:ident($ty:ty))*) => {$(
        fn $method(self, value: $ty) -> Result<(), Error> {
            self.serialize_str(&serde_json::to_string(&value)?)
        }
    )*};
}

macro_rules! float_keys {
    ($($method:ident($ty:ty))*) => {$(
        fn $method(self, value: $ty) -> Result<(), Error> {
            if !value.is_finite() {
                return Err(Error::custom("float key must be finite"));
            }
            self.serialize_str(&serde_json::to_string(&value)?)
        }
    )*};
}

macro_rules! no_keys {
    ($($method:ident($($ty:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $(_: $ty),*) -> Result<$ok, Error> {
            not_a_key()
        }
    )*};
}

impl Serializer for KeyWriter<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Impossible<(), Error>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStruct = Impossible<(), Error>;
    type SerializeStructVariant = Impossible<(), Error>;

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        MsgpackWriter(self.0).str(value)
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
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

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    scalar_keys! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128) serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_u128(u128)
    }

    float_keys! { serialize_f32(f32) serialize_f64(f64) }

    no_keys! {
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        not_a_key()
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.serialize_str(&value.to_string())
    }
}
