//! Payloads of protocol revision 4: text packets with U+001E between them.

use std::iter::FusedIterator;

use bytes::BufMut;
use memchr::memchr;

use crate::{DecodeError, EncodeError, Limits, PacketRef, SharedFrame};

const SEPARATOR: u8 = 0x1e;

/// Reads the packets of a payload one by one; nothing is allocated, however many there are.
///
/// It ends after the first error: the packets before it are good, what comes after it has no meaning.
///
/// ```
/// use engine_io_parser::{Limits, MessageRef, PacketRef, PayloadDecoder};
///
/// let mut packets = PayloadDecoder::new("2\u{1e}4hello", &Limits::default());
/// assert_eq!(packets.next(), Some(Ok(PacketRef::Ping(""))));
/// assert_eq!(packets.next(), Some(Ok(PacketRef::Message(MessageRef::Text("hello")))));
/// assert_eq!(packets.next(), None);
/// ```
#[derive(Debug, Clone)]
pub struct PayloadDecoder<'a> {
    /// What is still to be read; the empty rest after a last separator is yet an (erroneous) packet.
    rest: Option<&'a str>,
    too_large: Option<DecodeError>,
}

impl<'a> PayloadDecoder<'a> {
    /// A reader of one whole payload. If it is longer than [`Limits::max_payload_bytes`], its only item is
    /// [`DecodeError::TooLarge`].
    #[must_use]
    pub fn new(payload: &'a str, limits: &Limits) -> Self {
        Self { rest: Some(payload), too_large: limits.check_payload(payload.len()).err() }
    }
}

impl<'a> Iterator for PayloadDecoder<'a> {
    type Item = Result<PacketRef<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        if let Some(error) = self.too_large.take() {
            return Some(Err(error));
        }
        let (packet, rest) = match memchr(SEPARATOR, rest.as_bytes()) {
            Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..)),
            None => (rest, None),
        };
        let packet = PacketRef::decode_unlimited(packet);
        if packet.is_ok() {
            self.rest = rest;
        }
        Some(packet)
    }
}

impl FusedIterator for PayloadDecoder<'_> {}

/// Writes packets into one payload until its budget of bytes is spent.
///
/// ```
/// use engine_io_parser::{EncodeError, PacketRef, PayloadEncoder, SharedFrame};
///
/// let mut payload = PayloadEncoder::new(Vec::new(), 9);
/// payload.push(&PacketRef::Noop)?;
/// payload.push_frame(&SharedFrame::text("hello"))?;
/// assert_eq!(payload.push(&PacketRef::Close), Err(EncodeError::PayloadFull { size: 10, max: 9 }));
/// assert_eq!(payload.into_inner(), b"6\x1e4hello");
/// # Ok::<(), EncodeError>(())
/// ```
#[derive(Debug)]
pub struct PayloadEncoder<B> {
    buf: B,
    len: usize,
    max_payload_bytes: usize,
}

impl<B: BufMut> PayloadEncoder<B> {
    /// An empty payload that is written to the end of `buf` and shall not be longer than `max_payload_bytes`.
    ///
    /// The first packet is taken whatever its length, so that a long message is not stuck for ever.
    pub fn new(buf: B, max_payload_bytes: usize) -> Self {
        Self { buf, len: 0, max_payload_bytes }
    }

    /// Appends a packet.
    ///
    /// # Errors
    ///
    /// [`EncodeError::PayloadFull`] if it belongs into the next payload, [`EncodeError::SeparatorInText`] if no payload
    /// can carry it.
    ///
    /// # Panics
    ///
    /// As the methods of [`BufMut`], if the buffer cannot grow and has no room for the packet.
    pub fn push(&mut self, packet: &PacketRef<'_>) -> Result<(), EncodeError> {
        if let Some(at) = packet.find_in_text(SEPARATOR) {
            return Err(EncodeError::SeparatorInText { at });
        }
        self.begin(packet.encoded_len())?;
        packet.encode_into(&mut self.buf);
        Ok(())
    }

    /// Appends a message that is already encoded.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    pub fn push_frame(&mut self, frame: &SharedFrame) -> Result<(), EncodeError> {
        let packet = frame.packet();
        if !frame.is_binary()
            && let Some(at) = memchr(SEPARATOR, packet)
        {
            return Err(EncodeError::SeparatorInText { at });
        }
        self.begin(packet.len())?;
        self.buf.put_slice(packet);
        Ok(())
    }

    /// Length of the payload so far, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no packet yet; an empty payload is not valid and must not be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The buffer with the payload at its end.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.buf
    }

    /// Makes sure that a packet of `packet_len` bytes may follow, and separates it from the one before.
    fn begin(&mut self, packet_len: usize) -> Result<(), EncodeError> {
        if self.is_empty() {
            self.len = packet_len;
            return Ok(());
        }
        let (size, max) = (self.len.saturating_add(1).saturating_add(packet_len), self.max_payload_bytes);
        if size > max {
            return Err(EncodeError::PayloadFull { size, max });
        }
        self.buf.put_u8(SEPARATOR);
        self.len = size;
        Ok(())
    }
}
