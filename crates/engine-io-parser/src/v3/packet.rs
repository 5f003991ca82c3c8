//! How revision 3 writes one packet.

use bytes::BufMut;

use crate::base64;
use crate::{Base64, DecodeError, Limits, MessageRef, PacketRef, PacketType};

/// What stands before the type of a packet whose data is base64.
pub(super) const BASE64: u8 = b'b';
/// The type of a message as the first byte of a binary packet: not a digit, the number itself.
pub(crate) const MESSAGE: u8 = 4;

/// Reads a text packet: a WebSocket text frame, or one packet of a payload. A binary message in base64 is written `b4…`.
///
/// # Errors
///
/// [`DecodeError::TooLarge`] past [`Limits::max_payload_bytes`], [`DecodeError::EmptyPacket`] and
/// [`DecodeError::UnknownType`]; of other packets than messages none may be binary.
///
/// ```
/// use engine_io_parser::{Limits, MessageRef, PacketRef, v3};
///
/// let packet = v3::decode_text("4hello", &Limits::default())?;
/// assert_eq!(packet, PacketRef::Message(MessageRef::Text("hello")));
/// # Ok::<(), engine_io_parser::DecodeError>(())
/// ```
pub fn decode_text<'a>(text: &'a str, limits: &Limits) -> Result<PacketRef<'a>, DecodeError> {
    limits.check_payload(text.len())?;
    decode_unlimited(text)
}

/// Reads a binary packet: a WebSocket binary frame, or a binary part of a payload. Its first byte is the type, of which
/// only the message's (4) can be binary.
///
/// # Errors
///
/// As [`decode_text`].
pub fn decode_binary<'a>(bytes: &'a [u8], limits: &Limits) -> Result<PacketRef<'a>, DecodeError> {
    limits.check_payload(bytes.len())?;
    decode_binary_unlimited(bytes)
}

pub(super) fn decode_unlimited(text: &str) -> Result<PacketRef<'_>, DecodeError> {
    let Some(binary) = text.strip_prefix(char::from(BASE64)) else {
        return PacketRef::decode_unlimited(text);
    };
    match binary.strip_prefix(char::from(PacketType::Message.to_ascii())) {
        Some(base64) => Ok(PacketRef::Message(MessageRef::Base64(Base64::new(base64)))),
        None => match binary.chars().next() {
            Some(found) => Err(DecodeError::UnknownType { found }),
            None => Err(DecodeError::EmptyPacket),
        },
    }
}

pub(super) fn decode_binary_unlimited(bytes: &[u8]) -> Result<PacketRef<'_>, DecodeError> {
    match bytes.split_first() {
        Some((&MESSAGE, message)) => Ok(PacketRef::Message(MessageRef::Binary(message))),
        Some((&other, _)) => Err(DecodeError::UnknownType { found: char::from(other) }),
        None => Err(DecodeError::EmptyPacket),
    }
}

/// A packet as a payload carries it: what stands before its data, and the data.
pub(super) enum Written<'a> {
    Text(&'a [u8]),
    /// A binary message, which is base64 where only text is possible.
    Binary(&'a [u8]),
}

impl Written<'_> {
    /// Length in bytes and in the units of UTF-16, in which clients of this revision count, as text.
    pub(super) fn text_len(&self) -> (usize, usize) {
        match self {
            Self::Text(text) => (text.len(), utf16_len(text)),
            Self::Binary(bytes) => {
                let len = 2 + base64::encoded_len(bytes.len());
                (len, len)
            }
        }
    }

    /// Writes it as text.
    pub(super) fn put_text(&self, buf: &mut impl BufMut) {
        match self {
            Self::Text(text) => buf.put_slice(text),
            Self::Binary(bytes) => {
                buf.put_slice(&[BASE64, PacketType::Message.to_ascii()]);
                base64::put(bytes, buf);
            }
        }
    }
}

/// How many units of UTF-16 a text has: one for each character, and one more for those that take four bytes in UTF-8.
fn utf16_len(text: &[u8]) -> usize {
    text.iter().map(|byte| usize::from(byte & 0xc0 != 0x80) + usize::from(*byte >= 0xf0)).sum()
}
