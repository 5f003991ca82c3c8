//! What packets carry, read as whatever type the reader wants.
//!
//! A packet is checked when it arrives, but its values are only built when somebody asks for them, and then as the
//! type that was asked for, without a tree of generic values in between.

mod element;
mod list;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use engine_io_parser::Text;
use serde::de::Deserialize;
use serde::ser::{Error as _, Serialize, SerializeTuple, Serializer};
use smallvec::SmallVec;

use self::element::Element;
use self::list::ListDeserializer;
use crate::json::{Starts, trim_element};
use crate::{ArgsError, CustomValue, Value};

/// The attachments of a packet.
pub(crate) type Attachments = SmallVec<[Bytes; 1]>;

/// The arguments of an event or an ack.
///
/// A clone shares the memory of the received frames.
#[derive(Clone)]
pub struct Args(List);

#[derive(Clone)]
enum List {
    Json {
        /// The whole packet.
        text: Text,
        /// Where each argument starts, and last where the array ends.
        starts: Starts,
        /// How many elements stand before the first argument: one for an event, which is its name.
        skip: usize,
        attachments: Attachments,
    },
    #[cfg(feature = "msgpack")]
    Msgpack {
        /// The whole packet.
        frame: Bytes,
        /// As above.
        starts: Starts,
        /// As above.
        skip: usize,
    },
    Custom(Arc<[Arc<dyn CustomValue>]>),
}

/// No arguments.
impl Default for Args {
    fn default() -> Self {
        Self::json(Text::default(), Starts::new(), 0)
    }
}

impl Args {
    /// Arguments that a custom parser has decoded.
    #[must_use]
    pub fn custom(args: impl IntoIterator<Item = Arc<dyn CustomValue>>) -> Self {
        Self(List::Custom(args.into_iter().collect()))
    }

    pub(crate) fn json(text: Text, starts: Starts, skip: usize) -> Self {
        Self(List::Json { text, starts, skip, attachments: SmallVec::new() })
    }

    #[cfg(feature = "msgpack")]
    pub(crate) fn msgpack(frame: Bytes, starts: Starts, skip: usize) -> Self {
        Self(List::Msgpack { frame, starts, skip })
    }

    pub(crate) fn attach(&mut self, list: Attachments) {
        if let List::Json { attachments, .. } = &mut self.0 {
            *attachments = list;
        }
    }

    /// How many arguments there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            List::Json { starts, skip, .. } => starts.len().saturating_sub(1 + skip),
            #[cfg(feature = "msgpack")]
            List::Msgpack { starts, skip, .. } => starts.len().saturating_sub(1 + skip),
            List::Custom(list) => list.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the arguments as `T`.
    ///
    /// A tuple or an array `[T; N]` takes several arguments, `()` none, and any other type one. Surplus arguments are
    /// ignored; a missing one is `None` or `()` where the type allows it. `T` may borrow from the packet.
    ///
    /// ```
    /// # use socketio_parser::{Decoder, Limits, Packet};
    /// # let packet = Decoder::new(Limits::default()).decode_text(r#"2["move",3,4]"#.into())?;
    /// # let Some(Packet::Event { args, .. }) = packet else { panic!() };
    /// // From `2["move",3,4]`:
    /// assert_eq!(args.get::<(i32, i32)>()?, (3, 4));
    /// assert_eq!(args.get::<(u8, u8, Option<String>)>()?, (3, 4, None));
    /// assert_eq!(args.get::<f64>()?, 3.0);
    /// assert!(args.get::<String>().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ArgsError`] if they do not fit `T`.
    pub fn get<'de, T: Deserialize<'de>>(&'de self) -> Result<T, ArgsError> {
        T::deserialize(ListDeserializer(self)).map_err(ArgsError::new)
    }

    /// Reads all arguments, however many there are, each as `T`.
    ///
    /// # Errors
    ///
    /// [`ArgsError`] if one does not fit `T`.
    pub fn to_vec<'de, T: Deserialize<'de>>(&'de self) -> Result<Vec<T>, ArgsError> {
        (0..self.len()).map(|idx| T::deserialize(self.element(idx)).map_err(ArgsError::new)).collect()
    }

    /// The JSON text of each argument; with another parser than the default one there is none.
    ///
    /// Binary values stand in it as placeholders, whose `num` is an index into [`attachments`](Self::attachments).
    pub fn json_texts(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|idx| match self.element(idx) {
            Element::Json(text, _) => Some(trim_element(text)),
            #[cfg(feature = "msgpack")]
            Element::Msgpack(..) => None,
            Element::Custom(_) | Element::Missing(_) => None,
        })
    }

    /// The attachments that came with the packet; only the default parser has any.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        match &self.0 {
            List::Json { attachments, .. } => attachments,
            #[cfg(feature = "msgpack")]
            List::Msgpack { .. } => &[],
            List::Custom(_) => &[],
        }
    }

    fn element(&self, idx: usize) -> Element<'_> {
        match &self.0 {
            List::Json { text, starts, skip, attachments } => {
                let (Some(&start), Some(&end)) = (starts.get(skip + idx), starts.get(skip + idx + 1)) else {
                    return Element::Missing(idx);
                };
                let text = text.get(start as usize..end as usize).unwrap_or_default();
                Element::Json(text, attachments)
            }
            #[cfg(feature = "msgpack")]
            List::Msgpack { frame, starts, skip } => {
                match (starts.get(skip + idx), starts.get(skip + idx + 1)) {
                    (Some(&start), Some(_)) => Element::Msgpack(frame, start as usize),
                    _ => Element::Missing(idx),
                }
            }
            List::Custom(list) => {
                list.get(idx).map_or(Element::Missing(idx), |value| Element::Custom(&**value))
            }
        }
    }
}

/// Passes all arguments on, whatever they are and in whatever format: in an emit they are several.
impl Serialize for Args {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values: Vec<Value> = self.to_vec().map_err(|error| {
            S::Error::custom(error.source().map_or_else(|| error.to_string(), ToString::to_string))
        })?;
        let mut tuple = serializer.serialize_tuple(values.len())?;
        for value in &values {
            tuple.serialize_element(value)?;
        }
        tuple.end()
    }
}

impl fmt::Debug for Args {
    /// Shows no values: they may be secrets, and large.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Args")
            .field("len", &self.len())
            .field("attachments", &self.attachments().len())
            .finish()
    }
}

/// The single value that CONNECT and CONNECT_ERROR carry.
#[derive(Clone)]
pub struct Payload(Single);

#[derive(Clone)]
enum Single {
    Json(Text),
    #[cfg(feature = "msgpack")]
    Msgpack(Bytes),
    Custom(Arc<dyn CustomValue>),
}

impl Payload {
    /// A value that a custom parser has decoded.
    #[must_use]
    pub fn custom(value: Arc<dyn CustomValue>) -> Self {
        Self(Single::Custom(value))
    }

    pub(crate) fn json(text: Text) -> Self {
        Self(Single::Json(text))
    }

    #[cfg(feature = "msgpack")]
    pub(crate) fn msgpack(bytes: Bytes) -> Self {
        Self(Single::Msgpack(bytes))
    }

    /// Reads the value as `T`, which may borrow from the packet.
    ///
    /// # Errors
    ///
    /// [`ArgsError`] if it does not fit `T`.
    pub fn get<'de, T: Deserialize<'de>>(&'de self) -> Result<T, ArgsError> {
        T::deserialize(match &self.0 {
            Single::Json(text) => Element::Json(text, &[]),
            #[cfg(feature = "msgpack")]
            Single::Msgpack(bytes) => Element::Msgpack(bytes, 0),
            Single::Custom(value) => Element::Custom(&**value),
        })
        .map_err(ArgsError::new)
    }

    /// The JSON text; with another parser than the default one there is none.
    #[must_use]
    pub fn json_text(&self) -> Option<&Text> {
        match &self.0 {
            Single::Json(text) => Some(text),
            #[cfg(feature = "msgpack")]
            Single::Msgpack(_) => None,
            Single::Custom(_) => None,
        }
    }
}

impl fmt::Debug for Payload {
    /// Shows no value: it may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").finish_non_exhaustive()
    }
}
