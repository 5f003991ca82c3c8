//! Writes values as JSON, and keeps binary ones aside.

use std::cell::Cell;
use std::io;

use serde::ser::{Serialize, Serializer};
use serde_json::Error;
use serde_json::ser::Formatter;

use crate::EncodeError;
use crate::args::Attachments;
use crate::binary::claim;

/// How many arguments a value turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    None,
    One,
    Several,
}

/// Appends JSON to a buffer.
pub(super) struct JsonWriter<'a> {
    pub(super) out: &'a mut Vec<u8>,
    binaries: Binaries,
}

impl<'a> JsonWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, max_attachments: usize) -> Self {
        Self { out, binaries: Binaries { list: Attachments::new(), max: max_attachments, is_over: false } }
    }

    pub(super) fn into_attachments(self) -> Attachments {
        self.binaries.list
    }

    /// Writes one value.
    pub(super) fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let formatter = PlaceholderFormatter(&mut self.binaries);
        let mut serializer = serde_json::Serializer::with_formatter(&mut *self.out, formatter);
        value.serialize(&mut serializer).map_err(|error| self.binaries.error(error))
    }

    /// Writes arguments: of several an array, of none nothing.
    pub(super) fn args<T: Serialize + ?Sized>(&mut self, args: &T) -> Result<Shape, EncodeError> {
        let shape = Cell::new(Shape::One);
        let formatter = PlaceholderFormatter(&mut self.binaries);
        let mut serializer = serde_json::Serializer::with_formatter(&mut *self.out, formatter);
        match args.serialize(RootSerializer { inner: &mut serializer, shape: &shape }) {
            Ok(()) => Ok(shape.get()),
            Err(error) => Err(self.binaries.error(error)),
        }
    }
}

/// The binary values that were met.
struct Binaries {
    list: Attachments,
    max: usize,
    is_over: bool,
}

impl Binaries {
    fn error(&self, error: Error) -> EncodeError {
        if self.is_over {
            EncodeError::TooManyAttachments { max: self.max }
        } else {
            EncodeError::Serialize(error.into())
        }
    }
}

/// Writes binary values as placeholders.
struct PlaceholderFormatter<'a>(&'a mut Binaries);

impl Formatter for PlaceholderFormatter<'_> {
    fn write_byte_array<W: io::Write + ?Sized>(&mut self, out: &mut W, bytes: &[u8]) -> io::Result<()> {
        let Binaries { list, max, is_over } = &mut *self.0;
        if list.len() >= *max {
            *is_over = true;
            return Err(io::Error::other("too many attachments"));
        }
        write!(out, r#"{{"_placeholder":true,"num":{}}}"#, list.len())?;
        list.push(claim(bytes));
        Ok(())
    }
}

/// Notes by the first thing that is asked of it how many arguments there are; the rest is `serde_json`'s.
struct RootSerializer<'a, S> {
    inner: S,
    shape: &'a Cell<Shape>,
}

macro_rules! forward {
    ($($method:ident($($arg:ident: $ty:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $($arg: $ty),*) -> Result<$ok, S::Error> {
            self.inner.$method($($arg),*)
        }
    )*};
}

impl<S: Serializer<Ok = ()>> Serializer for RootSerializer<'_, S> {
    type Ok = ();
    type Error = S::Error;
    type SerializeSeq = S::SerializeSeq;
    type SerializeTuple = S::SerializeTuple;
    type SerializeTupleStruct = S::SerializeTupleStruct;
    type SerializeTupleVariant = S::SerializeTupleVariant;
    type SerializeMap = S::SerializeMap;
    type SerializeStruct = S::SerializeStruct;
    type SerializeStructVariant = S::SerializeStructVariant;

    fn serialize_unit(self) -> Result<(), S::Error> {
        self.shape.set(Shape::None);
        Ok(())
    }

    fn serialize_tuple(self, len: usize) -> Result<S::SerializeTuple, S::Error> {
        self.shape.set(Shape::Several);
        self.inner.serialize_tuple(len)
    }

    forward! {
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
        serialize_seq(len: Option<usize>) -> S::SerializeSeq;
        serialize_tuple_struct(name: &'static str, len: usize) -> S::SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, idx: u32, variant: &'static str, len: usize)
            -> S::SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> S::SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> S::SerializeStruct;
        serialize_struct_variant(name: &'static str, idx: u32, variant: &'static str, len: usize)
            -> S::SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), S::Error> {
        self.inner.serialize_some(value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        self.inner.serialize_newtype_struct(name, value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        idx: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        self.inner.serialize_newtype_variant(name, idx, variant, value)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<(), S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
