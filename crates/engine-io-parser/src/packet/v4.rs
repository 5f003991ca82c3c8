//! How protocol revision 4 writes one packet.
//!
//! A text packet is a type digit and its data, or `b` and base64 for a binary message. Where the transport has binary
//! frames, such a frame is a binary message and nothing else.

use bytes::BufMut;
use memchr::memchr;

use super::{MessageRef, Packet, PacketRef, PacketType};
use crate::base64;
use crate::{Base64, DecodeError, Limits, Text};

/// What stands in the type's place before a binary message in base64.
const BASE64: u8 = b'b';

impl<'a> PacketRef<'a> {
    /// Reads a text packet: a WebSocket text frame, or one packet of a payload.
    ///
    /// Data after the digit of a close, upgrade or noop packet means nothing and is passed over, as in the official
    /// server.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLarge`] past [`Limits::max_payload_bytes`], [`DecodeError::EmptyPacket`] and
    /// [`DecodeError::UnknownType`].
    pub fn decode_text(text: &'a str, limits: &Limits) -> Result<Self, DecodeError> {
        limits.check_payload(text.len())?;
        Self::decode_unlimited(text)
    }

    /// Reads a WebSocket binary frame: the whole is a message.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLarge`] past [`Limits::max_payload_bytes`].
    pub fn decode_binary(bytes: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        limits.check_payload(bytes.len())?;
        Ok(Self::Message(MessageRef::Binary(bytes)))
    }

    /// Length of the text packet in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        match self.written() {
            Written::Text(_, data) => 1 + data.len(),
            Written::Binary(bytes) => 1 + base64::encoded_len(bytes.len()),
        }
    }

    /// Writes the text packet; a binary message is written in base64.
    ///
    /// # Panics
    ///
    /// As the methods of [`BufMut`], if `buf` cannot grow and has less room than [`encoded_len`](Self::encoded_len).
    pub fn encode_into(&self, buf: &mut impl BufMut) {
        match self.written() {
            Written::Text(first, data) => {
                buf.put_u8(first);
                buf.put_slice(data.as_bytes());
            }
            Written::Binary(bytes) => {
                buf.put_u8(BASE64);
                base64::put(bytes, buf);
            }
        }
    }

    /// Where `byte` stands in the text packet; base64 made here is not searched.
    pub(crate) fn find_in_text(&self, byte: u8) -> Option<usize> {
        match self.written() {
            Written::Text(_, data) => Some(1 + memchr(byte, data.as_bytes())?),
            Written::Binary(_) => None,
        }
    }

    /// Reads a text packet that is part of something whose length was checked.
    pub(crate) fn decode_unlimited(text: &'a str) -> Result<Self, DecodeError> {
        let Some(first) = text.chars().next() else { return Err(DecodeError::EmptyPacket) };
        let data = text.get(first.len_utf8()..).unwrap_or_default();
        if first == char::from(BASE64) {
            return Ok(Self::Message(MessageRef::Base64(Base64::new(data))));
        }
        match u8::try_from(first).ok().and_then(PacketType::from_ascii) {
            Some(PacketType::Open) => Ok(Self::Open(data)),
            Some(PacketType::Close) => Ok(Self::Close),
            Some(PacketType::Ping) => Ok(Self::Ping(data)),
            Some(PacketType::Pong) => Ok(Self::Pong(data)),
            Some(PacketType::Message) => Ok(Self::Message(MessageRef::Text(data))),
            Some(PacketType::Upgrade) => Ok(Self::Upgrade),
            Some(PacketType::Noop) => Ok(Self::Noop),
            None => Err(DecodeError::UnknownType { found: first }),
        }
    }

    fn written(&self) -> Written<'a> {
        let data = match *self {
            Self::Message(MessageRef::Binary(bytes)) => return Written::Binary(bytes),
            Self::Message(MessageRef::Base64(base64)) => return Written::Text(BASE64, base64.as_str()),
            Self::Open(data) | Self::Ping(data) | Self::Pong(data) => data,
            Self::Message(MessageRef::Text(data)) => data,
            Self::Close | Self::Upgrade | Self::Noop => "",
        };
        Written::Text(self.packet_type().to_ascii(), data)
    }
}

/// The two ways in which the data of a text packet is at hand.
enum Written<'a> {
    /// The first character and what follows it as it is.
    Text(u8, &'a str),
    /// Bytes that are yet to become base64.
    Binary(&'a [u8]),
}

impl Packet {
    /// Reads a text packet; its text shares the bytes of `text`.
    ///
    /// # Errors
    ///
    /// As [`PacketRef::decode_text`] and [`PacketRef::to_packet`].
    pub fn decode(text: &Text, limits: &Limits) -> Result<Self, DecodeError> {
        PacketRef::decode_text(text, limits)?.to_packet_with(limits, |part| text.slice_ref(part))
    }

    /// Writes the text packet; a binary message is written in base64.
    ///
    /// # Panics
    ///
    /// As the methods of [`BufMut`], if `buf` cannot grow and has less room than the packet needs.
    pub fn encode_into(&self, buf: &mut impl BufMut) {
        self.with_view(|packet| packet.encode_into(buf));
    }

    /// The text packet as a string; a binary message is written in base64.
    ///
    /// A transport with binary frames sends the bytes of a binary message as they are instead.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "what is written is UTF-8")]
    pub fn to_text(&self) -> Text {
        self.with_view(|packet| {
            let mut buf = Vec::with_capacity(packet.encoded_len());
            packet.encode_into(&mut buf);
            Text::from_utf8(buf.into()).expect("type characters, base64 and text are UTF-8")
        })
    }

    fn with_view<T>(&self, run: impl FnOnce(PacketRef<'_>) -> T) -> T {
        match self {
            Self::Open(handshake) => run(PacketRef::Open(&handshake.to_json())),
            Self::Close => run(PacketRef::Close),
            Self::Ping(data) => run(PacketRef::Ping(data)),
            Self::Pong(data) => run(PacketRef::Pong(data)),
            Self::Message(message) => run(PacketRef::Message(message.into())),
            Self::Upgrade => run(PacketRef::Upgrade),
            Self::Noop => run(PacketRef::Noop),
        }
    }
}
