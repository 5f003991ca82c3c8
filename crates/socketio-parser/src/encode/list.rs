//! How many arguments a value is shows in the first thing it asks of its serializer.

use serde::ser::{Serialize, SerializeTuple, Serializer};
use serde_json::Error;

use super::writer::JsonWriter;
use crate::EncodeError;

impl JsonWriter<'_> {
    /// Writes arguments into an open array: the elements of a tuple, nothing of a unit, one of anything else.
    pub(super) fn args<T: Serialize + ?Sized>(&mut self, args: &T) -> Result<(), EncodeError> {
        args.serialize(ListWriter(&mut *self)).map_err(|error| self.error(error))
    }

    /// Writes one more element into an open array.
    pub(super) fn arg<T: Serialize + ?Sized>(&mut self, arg: &T) -> Result<(), EncodeError> {
        self.separate();
        self.value(arg)
    }

    /// A comma, unless nothing stands in the array yet: no value ends with the bracket that opens one.
    fn separate(&mut self) {
        if self.out.as_bytes().last() != Some(&b'[') {
            self.out.push(b',');
        }
    }
}

struct ListWriter<'a, 'w>(&'w mut JsonWriter<'a>);

impl<'a, 'w> ListWriter<'a, 'w> {
    /// It is one argument.
    fn one(self) -> &'w mut JsonWriter<'a> {
        self.0.separate();
        self.0
    }
}

/// It is several arguments.
impl SerializeTuple for ListWriter<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.0.separate();
        value.serialize(&mut *self.0)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// Whatever else a value may be, it is one argument.
macro_rules! one {
    ($($method:ident($($arg:ident: $ty:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $($arg: $ty),*) -> Result<$ok, Error> {
            self.one().$method($($arg),*)
        }
    )*};
}

impl<'a, 'w> Serializer for ListWriter<'a, 'w> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = <&'w mut JsonWriter<'a> as Serializer>::SerializeSeq;
    type SerializeTuple = Self;
    type SerializeTupleStruct = <&'w mut JsonWriter<'a> as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <&'w mut JsonWriter<'a> as Serializer>::SerializeTupleVariant;
    type SerializeMap = <&'w mut JsonWriter<'a> as Serializer>::SerializeMap;
    type SerializeStruct = <&'w mut JsonWriter<'a> as Serializer>::SerializeStruct;
    type SerializeStructVariant = <&'w mut JsonWriter<'a> as Serializer>::SerializeStructVariant;

    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    one! {
        serialize_bool(value: bool) -> ();
        serialize_i8(value: i8) -> ();
        serialize_i16(value: i16) -> ();
        serialize_i32(value: i32) -> ();
        serialize_i64(value: i64) -> ();
        serialize_i128(value: i128) -> ();
        serialize_u8(value: u8) -> ();
        serialize_u16(value: u16) -> ();
        serialize_u32(value: u32) -> ();
        serialize_u64(value: u64) -> ();
        serialize_u128(value: u128) -> ();
        serialize_f32(value: f32) -> ();
        serialize_f64(value: f64) -> ();
        serialize_char(value: char) -> ();
        serialize_str(value: &str) -> ();
        serialize_bytes(value: &[u8]) -> ();
        serialize_none() -> ();
        serialize_unit_struct(name: &'static str) -> ();
        serialize_unit_variant(name: &'static str, idx: u32, variant: &'static str) -> ();
        serialize_seq(len: Option<usize>) -> Self::SerializeSeq;
        serialize_tuple_struct(name: &'static str, len: usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, idx: u32, variant: &'static str, len: usize)
            -> Self::SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> Self::SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> Self::SerializeStruct;
        serialize_struct_variant(name: &'static str, idx: u32, variant: &'static str, len: usize)
            -> Self::SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.one().serialize_some(value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.one().serialize_newtype_struct(name, value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        idx: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.one().serialize_newtype_variant(name, idx, variant, value)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.one().collect_str(value)
    }
}
