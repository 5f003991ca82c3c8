//! One argument, whatever it is read from.

use bytes::Bytes;
use serde::de::{Deserializer, Error as _, Visitor};
use serde_json::Error;

use crate::CustomValue;
use crate::json::{BindDeserializer, trim_element};
#[cfg(feature = "msgpack")]
use crate::msgpack::MsgpackDeserializer;

/// Where one argument is read from.
pub(super) enum Element<'de> {
    /// JSON whose placeholders, if there are attachments, stand for them. What follows the value is not looked at.
    Json(&'de str, &'de [Bytes]),
    /// What stands at this place of a frame.
    #[cfg(feature = "msgpack")]
    Msgpack(&'de Bytes, usize),
    Custom(&'de dyn CustomValue),
    /// The argument of this index was not sent: `undefined` in JavaScript.
    Missing(usize),
}

impl<'de> Element<'de> {
    /// What a string says that has no escapes: the text was checked when it came, and need not be read once more.
    fn plain_string(&self) -> Option<&'de str> {
        let Self::Json(text, _) = *self else { return None };
        let inner = trim_element(text.strip_prefix('"')?).strip_suffix('"')?;
        memchr::memchr(b'\\', inner.as_bytes()).is_none().then_some(inner)
    }
}

/// Passes a call on to the deserializer of each kind, unless `$string` has what is asked for at hand.
macro_rules! forward {
    ($string:expr; $($method:ident($($arg:ident: $ty:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($arg: $ty,)* visitor: V) -> Result<V::Value, Error> {
            if let Some(string) = $string(&self) {
                return visitor.visit_borrowed_str(string);
            }
            match self {
                Self::Json(text, attachments) => {
                    BindDeserializer::new(text, attachments).$method($($arg,)* visitor)
                }
                #[cfg(feature = "msgpack")]
                Self::Msgpack(frame, at) => {
                    MsgpackDeserializer::new(frame, at).$method($($arg,)* visitor)
                }
                Self::Custom(value) => {
                    let mut visitor = Some(visitor);
                    let mut out = None;
                    value
                        .deserialize(&mut |de| {
                            if let Some(visitor) = visitor.take() {
                                out = Some(de.$method($($arg,)* visitor)?);
                            }
                            Ok(())
                        })
                        .map_err(Error::custom)?;
                    out.ok_or_else(|| Error::custom("the parser gave no value"))
                }
                Self::Missing(idx) => Missing(idx).$method($($arg,)* visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Element<'de> {
    type Error = Error;

    forward! { Self::plain_string; deserialize_any() deserialize_str() deserialize_string() }

    forward! { |_: &Self| None;
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char()
        deserialize_bytes() deserialize_byte_buf() deserialize_option() deserialize_unit()
        deserialize_unit_struct(name: &'static str) deserialize_newtype_struct(name: &'static str)
        deserialize_seq() deserialize_tuple(len: usize) deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_map() deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_identifier() deserialize_ignored_any()
    }
}

/// An argument that was not sent: `None`, `()` or a generic null; anything else needs it.
struct Missing(usize);

impl Missing {
    fn error<T>(&self) -> Result<T, Error> {
        Err(Error::custom(format_args!("argument {} is missing", self.0 + 1)))
    }
}

macro_rules! needed {
    ($($method:ident($($ty:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $ty,)* _: V) -> Result<V::Value, Error> {
            self.error()
        }
    )*};
}

impl<'de> Deserializer<'de> for Missing {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_none()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    needed! {
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128() deserialize_f32()
        deserialize_f64() deserialize_char() deserialize_str() deserialize_string() deserialize_bytes()
        deserialize_byte_buf() deserialize_seq() deserialize_tuple(usize)
        deserialize_tuple_struct(&'static str, usize) deserialize_map()
        deserialize_struct(&'static str, &'static [&'static str])
        deserialize_enum(&'static str, &'static [&'static str]) deserialize_identifier()
    }
}
