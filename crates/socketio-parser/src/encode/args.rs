//! Arguments as a list, for formats that know nothing of emitting.

use std::fmt;

use serde::ser::{Error, Impossible, Serialize, SerializeSeq, SerializeTuple, Serializer};

/// The payload of an event or an ack; it serializes as the list that the protocol's documents describe.
#[derive(Debug)]
pub(crate) struct ArgList<'a, T: ?Sized> {
    pub(crate) name: Option<&'a str>,
    pub(crate) args: &'a T,
    pub(crate) offset: Option<&'a str>,
}

impl<T: Serialize + ?Sized> Serialize for ArgList<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The length must be known before the first element; asking costs the start of a serialization.
        let count = match self.args.serialize(Probe) {
            Ok(count) | Err(Probed(count)) => count,
        };
        let len = count.unwrap_or(1) + usize::from(self.name.is_some()) + usize::from(self.offset.is_some());
        let mut list = serializer.serialize_seq(Some(len))?;
        if let Some(name) = self.name {
            list.serialize_element(name)?;
        }
        match count {
            Some(0) => {}
            Some(_) => self.args.serialize(Spread(&mut list))?,
            None => list.serialize_element(self.args)?,
        }
        if let Some(offset) = self.offset {
            list.serialize_element(offset)?;
        }
        list.end()
    }
}

/// Finds out how many arguments a value is, and stops there: `None` is one that is no tuple.
struct Probe;

#[derive(Debug)]
struct Probed(Option<usize>);

impl fmt::Display for Probed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("probed")
    }
}

impl std::error::Error for Probed {}

impl Error for Probed {
    /// The error will come again when the value is written.
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(None)
    }
}

macro_rules! each_is {
    ($result:expr; $($method:ident($($ty:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $(_: $ty),*) -> Result<$ok, Self::Error> {
            $result
        }
    )*};
}

/// Everything but `serialize_unit` and `serialize_tuple`, with the same outcome.
macro_rules! all_others {
    ($result:expr) => {
        each_is! { $result;
            serialize_bool(bool) -> Self::Ok;
            serialize_i8(i8) -> Self::Ok;
            serialize_i16(i16) -> Self::Ok;
            serialize_i32(i32) -> Self::Ok;
            serialize_i64(i64) -> Self::Ok;
            serialize_i128(i128) -> Self::Ok;
            serialize_u8(u8) -> Self::Ok;
            serialize_u16(u16) -> Self::Ok;
            serialize_u32(u32) -> Self::Ok;
            serialize_u64(u64) -> Self::Ok;
            serialize_u128(u128) -> Self::Ok;
            serialize_f32(f32) -> Self::Ok;
            serialize_f64(f64) -> Self::Ok;
            serialize_char(char) -> Self::Ok;
            serialize_str(&str) -> Self::Ok;
            serialize_bytes(&[u8]) -> Self::Ok;
            serialize_none() -> Self::Ok;
            serialize_unit_struct(&'static str) -> Self::Ok;
            serialize_unit_variant(&'static str, u32, &'static str) -> Self::Ok;
            serialize_seq(Option<usize>) -> Self::SerializeSeq;
            serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
            serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
            serialize_map(Option<usize>) -> Self::SerializeMap;
            serialize_struct(&'static str, usize) -> Self::SerializeStruct;
            serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
        }

        fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Self::Ok, Self::Error> {
            $result
        }

        fn serialize_newtype_struct<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: &T,
        ) -> Result<Self::Ok, Self::Error> {
            $result
        }

        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<Self::Ok, Self::Error> {
            $result
        }

        fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Result<Self::Ok, Self::Error> {
            $result
        }
    };
}

impl Serializer for Probe {
    type Ok = Option<usize>;
    type Error = Probed;
    type SerializeSeq = Impossible<Option<usize>, Probed>;
    type SerializeTuple = Impossible<Option<usize>, Probed>;
    type SerializeTupleStruct = Impossible<Option<usize>, Probed>;
    type SerializeTupleVariant = Impossible<Option<usize>, Probed>;
    type SerializeMap = Impossible<Option<usize>, Probed>;
    type SerializeStruct = Impossible<Option<usize>, Probed>;
    type SerializeStructVariant = Impossible<Option<usize>, Probed>;

    fn serialize_unit(self) -> Result<Self::Ok, Probed> {
        Ok(Some(0))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, Probed> {
        Err(Probed(Some(len)))
    }

    all_others!(Err(Probed(None)));
}

/// Adds the elements of a tuple to a list.
struct Spread<'a, L>(&'a mut L);

impl<L: SerializeSeq> Serializer for Spread<'_, L> {
    type Ok = ();
    type Error = L::Error;
    type SerializeSeq = Impossible<(), L::Error>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Impossible<(), L::Error>;
    type SerializeTupleVariant = Impossible<(), L::Error>;
    type SerializeMap = Impossible<(), L::Error>;
    type SerializeStruct = Impossible<(), L::Error>;
    type SerializeStructVariant = Impossible<(), L::Error>;

    fn serialize_unit(self) -> Result<(), L::Error> {
        Ok(())
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, L::Error> {
        Ok(self)
    }

    all_others!(Err(L::Error::custom("a value serialized differently the second time")));
}

impl<L: SerializeSeq> SerializeTuple for Spread<'_, L> {
    type Ok = ();
    type Error = L::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), L::Error> {
        self.0.serialize_element(value)
    }

    fn end(self) -> Result<(), L::Error> {
        Ok(())
    }
}
