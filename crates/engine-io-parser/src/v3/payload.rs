//! How revision 3 puts several packets into one HTTP body: as text, with the length of each before it, or as bytes, if one
//! of them is binary and the client can read that.

use std::iter::FusedIterator;

use bytes::BufMut;

use super::packet::{MESSAGE, Written, decode_binary_unlimited, decode_unlimited};
use crate::{DecodeError, EncodeError, Limits, MessageRef, PacketRef, SharedFrame};

/// Reads the packets of a text payload one by one: `6:4hello2:4€`, where a length counts the units of UTF-16.
///
/// It ends after the first error: the packets before it are good, what comes after it has no meaning. A payload without
/// packets is `0:`, as the official client writes it.
///
/// ```
/// use engine_io_parser::v3::PayloadDecoder;
/// use engine_io_parser::{Limits, MessageRef, PacketRef};
///
/// let mut packets = PayloadDecoder::new("1:26:4hello", &Limits::default());
/// assert_eq!(packets.next(), Some(Ok(PacketRef::Ping(""))));
/// assert_eq!(packets.next(), Some(Ok(PacketRef::Message(MessageRef::Text("hello")))));
/// assert_eq!(packets.next(), None);
/// ```
#[derive(Debug, Clone)]
pub struct PayloadDecoder<'a>(Rest<&'a str>);

/// Reads the packets of a binary payload one by one. Each has a byte that tells text (0) from binary (1), the digits of its
/// length in bytes as numbers, and the byte 255 before it.
///
/// It ends after the first error, as [`PayloadDecoder`] does.
///
/// ```
/// use engine_io_parser::v3::BinaryPayloadDecoder;
/// use engine_io_parser::{Limits, MessageRef, PacketRef};
///
/// let mut packets = BinaryPayloadDecoder::new(b"\0\x02\xff4a\x01\x03\xff\x04\x01\x02", &Limits::default());
/// assert_eq!(packets.next(), Some(Ok(PacketRef::Message(MessageRef::Text("a")))));
/// assert_eq!(packets.next(), Some(Ok(PacketRef::Message(MessageRef::Binary(&[1, 2])))));
/// assert_eq!(packets.next(), None);
/// ```
#[derive(Debug, Clone)]
pub struct BinaryPayloadDecoder<'a>(Rest<&'a [u8]>);

/// What is still to be read of a payload.
#[derive(Debug, Clone)]
struct Rest<T> {
    rest: T,
    /// What makes the whole invalid: its size, or that there is nothing.
    error: Option<DecodeError>,
    has_ended: bool,
}

impl<T> Rest<T> {
    fn new(rest: T, len: usize, limits: &Limits) -> Self {
        let empty = (len == 0).then_some(DecodeError::EmptyPacket);
        Self { rest, error: limits.check_payload(len).err().or(empty), has_ended: false }
    }

    /// The next packet, taken off the rest by `split` until that gives one; an empty one is passed over.
    fn next<'a>(
        &mut self,
        is_over: impl Fn(&T) -> bool,
        split: impl Fn(&T) -> Result<(Option<PacketRef<'a>>, T), DecodeError>,
    ) -> Option<Result<PacketRef<'a>, DecodeError>> {
        while !self.has_ended {
            if let Some(error) = self.error.take() {
                self.has_ended = true;
                return Some(Err(error));
            }
            if is_over(&self.rest) {
                self.has_ended = true;
                break;
            }
            match split(&self.rest) {
                Ok((packet, rest)) => {
                    self.rest = rest;
                    if let Some(packet) = packet {
                        return Some(Ok(packet));
                    }
                }
                Err(error) => self.error = Some(error),
            }
        }
        None
    }
}

impl<'a> PayloadDecoder<'a> {
    /// A reader of one whole payload. If it is longer than [`Limits::max_payload_bytes`], its only item is
    /// [`DecodeError::TooLarge`].
    #[must_use]
    pub fn new(payload: &'a str, limits: &Limits) -> Self {
        Self(Rest::new(payload, payload.len(), limits))
    }
}

impl<'a> Iterator for PayloadDecoder<'a> {
    type Item = Result<PacketRef<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next(
            |rest| rest.is_empty(),
            |rest| {
                let (digits, rest) = rest.split_once(':').ok_or(DecodeError::InvalidLength)?;
                let len = length(digits.bytes().map(|digit| digit.wrapping_sub(b'0')))?;
                let (packet, rest) = split_utf16(rest, len).ok_or(DecodeError::InvalidLength)?;
                let packet = if packet.is_empty() { None } else { Some(decode_unlimited(packet)?) };
                Ok((packet, rest))
            },
        )
    }
}

impl FusedIterator for PayloadDecoder<'_> {}

impl<'a> BinaryPayloadDecoder<'a> {
    /// A reader of one whole payload. If it is longer than [`Limits::max_payload_bytes`], its only item is
    /// [`DecodeError::TooLarge`].
    #[must_use]
    pub fn new(payload: &'a [u8], limits: &Limits) -> Self {
        Self(Rest::new(payload, payload.len(), limits))
    }
}

impl<'a> Iterator for BinaryPayloadDecoder<'a> {
    type Item = Result<PacketRef<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next(
            |rest| rest.is_empty(),
            |rest| {
                let (kind, rest) = rest.split_first().ok_or(DecodeError::InvalidLength)?;
                let end = rest.iter().take(MAX_DIGITS + 1).position(|byte| *byte == END_OF_LENGTH);
                let (digits, rest) =
                    end.and_then(|end| rest.split_at_checked(end)).ok_or(DecodeError::InvalidLength)?;
                let len = length(digits.iter().copied())?;
                let rest = rest.get(1..).unwrap_or_default();
                let (packet, rest) = rest.split_at_checked(len).ok_or(DecodeError::InvalidLength)?;
                let packet = match *kind {
                    _ if packet.is_empty() => None,
                    TEXT => {
                        let text = std::str::from_utf8(packet).map_err(|_| DecodeError::InvalidUtf8)?;
                        Some(decode_unlimited(text)?)
                    }
                    BINARY => Some(decode_binary_unlimited(packet)?),
                    _ => return Err(DecodeError::InvalidLength),
                };
                Ok((packet, rest))
            },
        )
    }
}

impl FusedIterator for BinaryPayloadDecoder<'_> {}

/// The number that decimal digits stand for, each given as a number.
fn length(digits: impl ExactSizeIterator<Item = u8>) -> Result<usize, DecodeError> {
    if digits.len() == 0 || digits.len() > MAX_DIGITS {
        return Err(DecodeError::InvalidLength);
    }
    let mut len = 0_usize;
    for digit in digits {
        if digit > 9 {
            return Err(DecodeError::InvalidLength);
        }
        len = len
            .checked_mul(10)
            .and_then(|len| len.checked_add(digit.into()))
            .ok_or(DecodeError::InvalidLength)?;
    }
    Ok(len)
}

/// Splits a text after so many units of UTF-16; `None` if it is shorter, or a character would be torn apart.
fn split_utf16(text: &str, mut units: usize) -> Option<(&str, &str)> {
    // Nearly all texts are ASCII, where units are bytes.
    if text.as_bytes().get(..units).is_some_and(<[u8]>::is_ascii) {
        return text.split_at_checked(units);
    }
    for (at, character) in text.char_indices() {
        if units == 0 {
            return text.split_at_checked(at);
        }
        units = units.checked_sub(character.len_utf16())?;
    }
    (units == 0).then_some((text, ""))
}

/// Which form a payload has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadForm {
    /// Text, with binary messages in base64: for clients that asked for it (`b64=1`), and whenever nothing is binary.
    Text,
    /// Bytes (`application/octet-stream`): for all others.
    Binary,
}

/// Writes packets into one payload until its budget of bytes is spent.
///
/// ```
/// use engine_io_parser::v3::{PayloadEncoder, PayloadForm};
/// use engine_io_parser::{EncodeError, PacketRef, SharedFrame};
///
/// let mut payload = PayloadEncoder::new(Vec::new(), 100, PayloadForm::Text);
/// payload.push(&PacketRef::Pong(""))?;
/// payload.push_frame(&SharedFrame::text("hello €"))?;
/// assert_eq!(payload.into_inner(), "1:38:4hello €".as_bytes());
/// # Ok::<(), EncodeError>(())
/// ```
#[derive(Debug)]
pub struct PayloadEncoder<B> {
    buf: B,
    len: usize,
    max_payload_bytes: usize,
    form: PayloadForm,
}

impl<B: BufMut> PayloadEncoder<B> {
    /// An empty payload that is written to the end of `buf` and shall not be longer than `max_payload_bytes`.
    ///
    /// The first packet is taken whatever its length, so that a long message is not stuck for ever.
    pub fn new(buf: B, max_payload_bytes: usize, form: PayloadForm) -> Self {
        Self { buf, len: 0, max_payload_bytes, form }
    }

    /// Appends a packet.
    ///
    /// # Errors
    ///
    /// [`EncodeError::PayloadFull`] if it belongs into the next payload.
    ///
    /// # Panics
    ///
    /// As the methods of [`BufMut`], if the buffer cannot grow and has no room for the packet.
    pub fn push(&mut self, packet: &PacketRef<'_>) -> Result<(), EncodeError> {
        match packet {
            PacketRef::Message(MessageRef::Binary(bytes)) => self.put(&Written::Binary(bytes)),
            PacketRef::Message(MessageRef::Base64(base64)) => {
                self.put(&Written::Text(["b4", base64.as_str()].concat().as_bytes()))
            }
            _ => {
                let mut text = Vec::with_capacity(packet.encoded_len());
                packet.encode_into(&mut text);
                self.put(&Written::Text(&text))
            }
        }
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
        match frame.as_binary() {
            Some(bytes) => self.put(&Written::Binary(bytes)),
            None => self.put(&Written::Text(frame.packet())),
        }
    }

    /// Length of the payload so far, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no packet yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The buffer with the payload at its end.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.buf
    }

    fn put(&mut self, packet: &Written<'_>) -> Result<(), EncodeError> {
        match (self.form, packet) {
            (PayloadForm::Text, packet) => {
                let (n_bytes, n_units) = packet.text_len();
                let header = format!("{n_units}:");
                self.begin(header.len() + n_bytes)?;
                self.buf.put_slice(header.as_bytes());
                packet.put_text(&mut self.buf);
            }
            (PayloadForm::Binary, Written::Text(text)) => {
                self.begin_binary(TEXT, text.len())?;
                self.buf.put_slice(text);
            }
            (PayloadForm::Binary, Written::Binary(bytes)) => {
                self.begin_binary(BINARY, 1 + bytes.len())?;
                self.buf.put_u8(MESSAGE);
                self.buf.put_slice(bytes);
            }
        }
        Ok(())
    }

    fn begin_binary(&mut self, kind: u8, len: usize) -> Result<(), EncodeError> {
        let digits = digits(len);
        self.begin(1 + digits.len() + 1 + len)?;
        self.buf.put_u8(kind);
        self.buf.put_slice(&digits);
        self.buf.put_u8(END_OF_LENGTH);
        Ok(())
    }

    /// Makes sure that so many bytes may follow.
    fn begin(&mut self, n_bytes: usize) -> Result<(), EncodeError> {
        let (size, max) = (self.len.saturating_add(n_bytes), self.max_payload_bytes);
        if size > max && !self.is_empty() {
            return Err(EncodeError::PayloadFull { size, max });
        }
        self.len = size;
        Ok(())
    }
}

/// The decimal digits of a number, as numbers.
fn digits(number: usize) -> Vec<u8> {
    number.to_string().bytes().map(|digit| digit - b'0').collect()
}

/// What tells the kinds of packets in a binary payload.
const TEXT: u8 = 0;
const BINARY: u8 = 1;
const END_OF_LENGTH: u8 = 255;
/// More digits than any payload's length has.
const MAX_DIGITS: usize = 16;
