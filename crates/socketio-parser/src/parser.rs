//! The formats that packets may have, behind one type without parameters.

use std::sync::Arc;

use bytes::BufMut;
use bytes::Bytes;
use serde::ser::Serialize;

use crate::custom::{CustomPacket, CustomParser};
use crate::encode::{self, ArgList, EncodedPacket, Head};
use crate::limits::MAX_ACK_ID;
#[cfg(feature = "msgpack")]
use crate::msgpack;
use crate::packet::is_reserved_event;
use crate::{Decoder, EncodeError, Limits, PacketType};

/// A packet format.
///
/// ```
/// use socketio_parser::{EventHeader, Parser};
///
/// let parser = Parser::default();
/// let packet = parser.encode_event(&EventHeader::new("/chat", "say"), &("hello", 3))?;
/// assert_eq!(packet.frames()[0].to_message(), r#"2/chat,["say","hello",3]"#.into());
/// # Ok::<(), socketio_parser::EncodeError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Parser {
    /// The default: JSON in text frames, and binary values in frames of their own.
    Json(Limits),
    /// MessagePack, as the npm package `socket.io-msgpack-parser` speaks it: one binary frame per packet.
    ///
    /// Values read and write as they do in JSON, with these differences: binary values and numbers that are not finite stand
    /// in the packet itself, `undefined` is `None` or `()`, and a date can also be read as a number, its milliseconds since
    /// 1970. Read as anything else, a date is the string that it is in JSON: then a handler does not depend on the format.
    /// An extension of another type can only be ignored. Integers have at most 64 bits, of which JavaScript counts 53
    /// exactly.
    #[cfg(feature = "msgpack")]
    #[cfg_attr(docsrs, doc(cfg(feature = "msgpack")))]
    Msgpack(Limits),
    /// Somebody's own.
    Custom(Arc<dyn CustomParser>),
}

impl Default for Parser {
    fn default() -> Self {
        Self::Json(Limits::default())
    }
}

/// All of an event but its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventHeader<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
    /// Present if an answer is expected; at most 2⁵³ − 1.
    pub id: Option<u64>,
    /// Where the event stands in the log of missed events; sent as a last argument.
    pub offset: Option<&'a str>,
}

impl<'a> EventHeader<'a> {
    /// An event that expects no answer.
    #[must_use]
    pub const fn new(namespace: &'a str, name: &'a str) -> Self {
        Self { namespace, name, id: None, offset: None }
    }

    /// Sets the ack id.
    #[must_use]
    pub const fn id(self, id: u64) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Sets the position in the log of missed events.
    #[must_use]
    pub const fn offset(self, offset: &'a str) -> Self {
        Self { offset: Some(offset), ..self }
    }
}

impl Parser {
    /// Changes the bounds on packets; `None` for a custom parser, which has its own.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Option<Self> {
        match self {
            Self::Json(_) => Some(Self::Json(limits)),
            #[cfg(feature = "msgpack")]
            Self::Msgpack(_) => Some(Self::Msgpack(limits)),
            Self::Custom(_) => None,
        }
    }

    /// A decoder for one connection.
    #[must_use]
    pub fn decoder(&self) -> Decoder {
        match self {
            Self::Json(limits) => Decoder::new(*limits),
            #[cfg(feature = "msgpack")]
            Self::Msgpack(limits) => Decoder::msgpack(*limits),
            Self::Custom(parser) => Decoder::custom(parser.decoder()),
        }
    }

    /// Encodes an event.
    ///
    /// A tuple or an array `[T; N]` is several arguments, `()` is none, anything else is one. Binary values may stand
    /// anywhere in them (see [`Binary`](crate::Binary)).
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the name is reserved, the arguments can't be serialized or hold too many binary values, or the
    /// header is not valid.
    pub fn encode_event<T: Serialize + ?Sized>(
        &self,
        event: &EventHeader<'_>,
        args: &T,
    ) -> Result<EncodedPacket, EncodeError> {
        let (head, list) = event_parts(event, args)?;
        self.encode_list(&head, &list)
    }

    /// Adds a string to the arguments of an encoded event, and shares its attachments: a position in the log of missed
    /// events that was not known when the event was encoded (see [`EventHeader::offset`]).
    ///
    /// `None` if the packet is no event of the default format, or the format is another: it must then be encoded again.
    #[must_use]
    pub fn append_offset(&self, event: &EncodedPacket, offset: &str) -> Option<EncodedPacket> {
        match self {
            Self::Json(_) => encode::append_arg(event, offset),
            #[cfg(feature = "msgpack")]
            Self::Msgpack(_) => None,
            Self::Custom(_) => None,
        }
    }

    /// Encodes the answer to the event `id`; the arguments are read as those of an event.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the arguments can't be serialized or hold too many binary values, or the header is not valid.
    pub fn encode_ack<T: Serialize + ?Sized>(
        &self,
        namespace: &str,
        id: u64,
        args: &T,
    ) -> Result<EncodedPacket, EncodeError> {
        let (head, list) = ack_parts(namespace, id, args)?;
        self.encode_list(&head, &list)
    }

    /// Encodes a CONNECT: a client's request with its credentials, or a server's answer.
    ///
    /// The payload must serialize as an object (a struct or a map).
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the payload can't be serialized or is no object, or holds binary values in the default format, or
    /// the namespace is not valid.
    pub fn encode_connect<T: Serialize + ?Sized>(
        &self,
        namespace: &str,
        auth: Option<&T>,
    ) -> Result<EncodedPacket, EncodeError> {
        self.encode_value(PacketType::Connect, namespace, auth)
    }

    /// Encodes a server's refusal of a CONNECT; the payload is an object with a `message`, and `data` if there is any.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the data can't be serialized, or holds binary values in the default format, or the namespace is not
    /// valid.
    pub fn encode_connect_error<T: Serialize + ?Sized>(
        &self,
        namespace: &str,
        message: &str,
        data: Option<&T>,
    ) -> Result<EncodedPacket, EncodeError> {
        self.encode_value(PacketType::ConnectError, namespace, Some(&encode::Refusal { message, data }))
    }

    /// Encodes a server's refusal as clients before Socket.IO 3 get it (an ERROR packet): the value alone, mostly a text.
    ///
    /// # Errors
    ///
    /// As [`encode_connect_error`](Self::encode_connect_error).
    pub fn encode_error<T: Serialize + ?Sized>(
        &self,
        namespace: &str,
        error: &T,
    ) -> Result<EncodedPacket, EncodeError> {
        self.encode_value(PacketType::ConnectError, namespace, Some(error))
    }

    /// Encodes a DISCONNECT.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the namespace is not valid.
    pub fn encode_disconnect(&self, namespace: &str) -> Result<EncodedPacket, EncodeError> {
        self.encode_value::<()>(PacketType::Disconnect, namespace, None)
    }

    fn encode_list<T: Serialize + ?Sized>(
        &self,
        head: &Head<'_>,
        list: &ArgList<'_, T>,
    ) -> Result<EncodedPacket, EncodeError> {
        match self {
            Self::Json(limits) => encode::json_list(head, list, limits, encode::to_frames),
            #[cfg(feature = "msgpack")]
            Self::Msgpack(_) => msgpack::list_to_packet(head, list),
            Self::Custom(parser) => custom(&**parser, head, Some(&list)),
        }
    }

    fn encode_value<T: Serialize + ?Sized>(
        &self,
        packet_type: PacketType,
        namespace: &str,
        value: Option<&T>,
    ) -> Result<EncodedPacket, EncodeError> {
        let head = Head { packet_type, namespace: check_namespace(namespace)?, id: None };
        match self {
            Self::Json(_) => encode::json_value(&head, value),
            #[cfg(feature = "msgpack")]
            Self::Msgpack(_) => msgpack::value_to_packet(&head, value),
            Self::Custom(parser) => match &value {
                Some(value) => custom(&**parser, &head, Some(value)),
                None => custom(&**parser, &head, None),
            },
        }
    }
}

fn custom(
    parser: &dyn CustomParser,
    head: &Head<'_>,
    data: Option<&dyn erased_serde::Serialize>,
) -> Result<EncodedPacket, EncodeError> {
    let Head { packet_type, namespace, id } = *head;
    parser.encode(&CustomPacket { packet_type, namespace, id, data }).map_err(EncodeError::Custom)
}

/// Writes an event in the default format into a buffer, for those who need no frames, and returns its attachments.
///
/// Arguments are as in [`Parser::encode_event`].
///
/// ```
/// use socketio_parser::{EventHeader, Limits, encode_into};
///
/// let mut text = Vec::new();
/// let attachments = encode_into(&mut text, &EventHeader::new("/", "add").id(1), &[1, 2], &Limits::default())?;
/// assert_eq!(text, br#"21["add",1,2]"#);
/// assert!(attachments.is_empty());
/// # Ok::<(), socketio_parser::EncodeError>(())
/// ```
///
/// # Errors
///
/// [`EncodeError`] as in [`Parser::encode_event`]; nothing is written then.
///
/// # Panics
///
/// Panics if the buffer can't grow and has no room.
pub fn encode_into<T: Serialize + ?Sized>(
    buf: &mut impl BufMut,
    event: &EventHeader<'_>,
    args: &T,
    limits: &Limits,
) -> Result<Vec<Bytes>, EncodeError> {
    let (head, list) = event_parts(event, args)?;
    encode::json_list(&head, &list, limits, |text, attachments| {
        buf.put_slice(text.as_bytes());
        Ok(attachments.into_vec())
    })
}

/// Writes the answer to an event in the default format into a buffer; see [`encode_into`].
///
/// # Errors
///
/// [`EncodeError`] as in [`Parser::encode_ack`]; nothing is written then.
///
/// # Panics
///
/// Panics if the buffer can't grow and has no room.
pub fn encode_ack_into<T: Serialize + ?Sized>(
    buf: &mut impl BufMut,
    namespace: &str,
    id: u64,
    args: &T,
    limits: &Limits,
) -> Result<Vec<Bytes>, EncodeError> {
    let (head, list) = ack_parts(namespace, id, args)?;
    encode::json_list(&head, &list, limits, |text, attachments| {
        buf.put_slice(text.as_bytes());
        Ok(attachments.into_vec())
    })
}

fn event_parts<'a, T: ?Sized>(
    event: &EventHeader<'a>,
    args: &'a T,
) -> Result<(Head<'a>, ArgList<'a, T>), EncodeError> {
    let EventHeader { namespace, name, id, offset } = *event;
    if is_reserved_event(name) {
        return Err(EncodeError::ReservedEvent { name: name.to_owned() });
    }
    let head =
        Head { packet_type: PacketType::Event, namespace: check_namespace(namespace)?, id: check_id(id)? };
    Ok((head, ArgList { name: Some(name), args, offset }))
}

fn ack_parts<'a, T: ?Sized>(
    namespace: &'a str,
    id: u64,
    args: &'a T,
) -> Result<(Head<'a>, ArgList<'a, T>), EncodeError> {
    let head = Head {
        packet_type: PacketType::Ack,
        namespace: check_namespace(namespace)?,
        id: check_id(Some(id))?,
    };
    Ok((head, ArgList { name: None, args, offset: None }))
}

fn check_namespace(namespace: &str) -> Result<&str, EncodeError> {
    let is_valid = namespace == "/"
        || namespace.starts_with('/') && !namespace.chars().any(|char| char == ',' || char.is_control());
    if is_valid {
        Ok(namespace)
    } else {
        Err(EncodeError::InvalidNamespace { namespace: namespace.to_owned() })
    }
}

fn check_id(id: Option<u64>) -> Result<Option<u64>, EncodeError> {
    match id {
        Some(id) if id > MAX_ACK_ID => Err(EncodeError::AckIdTooLarge { id }),
        id => Ok(id),
    }
}
