//! One message in the form each transport writes, made once and shared by all its recipients.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::text::PIECE;
use crate::{Message, MessageRef, PacketRef, Text, Utf8Error, v3};

/// An outgoing message together with its wire forms; a clone shares all of them.
///
/// A text message lies in memory once, as `[WebSocket header]['4'][text]`: the whole is the WebSocket frame, without
/// its header it is the packet of a polling payload. A binary message keeps the bytes it was given; its base64 form
/// is made when the first polling session asks for it, and then shared too. Server frames are not masked
/// ([RFC 6455, section 5.1](https://www.rfc-editor.org/rfc/rfc6455#section-5.1)), so the same bytes serve everybody.
///
/// ```
/// use engine_io_parser::SharedFrame;
///
/// let frame = SharedFrame::text("hello");
/// assert_eq!(frame.websocket(), [&b"\x81\x064hello"[..], b""]);
/// assert_eq!(frame.packet(), b"4hello");
/// ```
#[derive(Clone)]
pub struct SharedFrame(Form);

/// Two words: frames stand in many queues at once.
#[derive(Clone)]
enum Form {
    /// A short text: a byte that says whether it may be compressed, the WebSocket header, the type character, the text.
    Text(Arc<[u8]>),
    Other(Arc<Other>),
}

#[derive(Clone)]
enum Other {
    /// A long text in the memory where it was composed: header and all stand behind some headroom, from `start` on.
    Text { buf: Vec<u8>, start: usize, may_compress: bool },
    /// [`HEADROOM`] bytes that end with the WebSocket header, which begins at `start`.
    Binary {
        header: [u8; HEADROOM],
        start: usize,
        payload: Bytes,
        packet: OnceLock<Vec<u8>>,
        v3: OnceLock<Vec<u8>>,
        may_compress: bool,
    },
}

impl SharedFrame {
    /// A text message.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let mut buf = TextFrameBuf::with_capacity(text.len());
        buf.push_str(text);
        buf.take_checked()
    }

    /// A binary message; the bytes are shared, not copied.
    #[must_use]
    pub fn binary(payload: Bytes) -> Self {
        let mut header = [0; HEADROOM];
        let start = write_header(&mut header, OPCODE_BINARY, payload.len());
        let (packet, v3) = (OnceLock::new(), OnceLock::new());
        Self(Form::Other(Arc::new(Other::Binary { header, start, payload, packet, v3, may_compress: true })))
    }

    /// The same message, which no transport is to compress.
    ///
    /// It is said in the frame itself, so that it reaches whoever writes it; a frame that others share is copied for it.
    #[must_use]
    pub fn without_compression(mut self) -> Self {
        match &mut self.0 {
            Form::Text(frame) => {
                if let Some(flag) = Arc::make_mut(frame).first_mut() {
                    *flag = MAY_NOT_COMPRESS;
                }
            }
            Form::Other(other) => match Arc::make_mut(other) {
                Other::Text { may_compress, .. } | Other::Binary { may_compress, .. } => {
                    *may_compress = false
                }
            },
        }
        self
    }

    /// Whether a transport may compress the message. Default: yes.
    #[must_use]
    pub fn may_compress(&self) -> bool {
        match &self.0 {
            Form::Text(frame) => frame.first() == Some(&MAY_COMPRESS),
            Form::Other(other) => match &**other {
                Other::Text { may_compress, .. } | Other::Binary { may_compress, .. } => *may_compress,
            },
        }
    }

    /// The WebSocket frame (header included) in two parts to be written one after the other; the second may be empty.
    #[must_use]
    pub fn websocket(&self) -> [&[u8]; 2] {
        match &self.0 {
            Form::Text(frame) => [tail(frame, FLAG), &[]],
            Form::Other(other) => match &**other {
                Other::Text { buf, start, .. } => [tail(buf, *start), &[]],
                Other::Binary { header, start, payload, .. } => [tail(header, *start), payload],
            },
        }
    }

    /// The WebSocket frame for a client of protocol revision 3, in which a binary message has its type before it. It is made
    /// when the first such client asks for it, and then shared too.
    #[must_use]
    pub fn websocket_v3(&self) -> [&[u8]; 2] {
        let Form::Other(other) = &self.0 else { return self.websocket() };
        let Other::Binary { payload, v3, .. } = &**other else { return self.websocket() };
        let frame = v3.get_or_init(|| {
            let mut header = [0; HEADROOM];
            let start = write_header(&mut header, OPCODE_BINARY, 1 + payload.len());
            [tail(&header, start), &[v3::MESSAGE], payload].concat()
        });
        [frame, &[]]
    }

    /// The packet of an Engine.IO v4 payload: `4…`, or `b…` in base64 (also what a WebSocket client that asked for
    /// `b64=1` gets, as text).
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        match &self.0 {
            Form::Text(frame) => tail(frame, FLAG + header_len(frame)),
            Form::Other(other) => match &**other {
                Other::Text { buf, .. } => tail(buf, HEADROOM),
                Other::Binary { payload, packet, .. } => packet.get_or_init(|| {
                    let packet = PacketRef::Message(MessageRef::Binary(payload));
                    let mut buf = Vec::with_capacity(packet.encoded_len());
                    packet.encode_into(&mut buf);
                    buf
                }),
            },
        }
    }

    /// Length of the message in bytes, without type character and framing.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Text(frame) => frame.len() - FLAG - header_len(frame) - 1,
            Form::Other(other) => match &**other {
                Other::Text { buf, .. } => buf.len() - TEXT_START,
                Other::Binary { payload, .. } => payload.len(),
            },
        }
    }

    /// Whether the message is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the message is binary.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.as_binary().is_some()
    }

    /// The message as a receiver would see it. A text is copied.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the text was checked when the frame was made")]
    pub fn to_message(&self) -> Message {
        match self.as_binary() {
            Some(payload) => Message::Binary(payload.clone()),
            None => {
                let bytes = Bytes::copy_from_slice(tail(self.packet(), 1));
                Message::Text(Text::from_utf8(bytes).expect("a text frame is built from checked UTF-8"))
            }
        }
    }

    pub(crate) fn as_binary(&self) -> Option<&Bytes> {
        match &self.0 {
            Form::Text(_) => None,
            Form::Other(other) => match &**other {
                Other::Text { .. } => None,
                Other::Binary { payload, .. } => Some(payload),
            },
        }
    }
}

impl From<&Message> for SharedFrame {
    fn from(message: &Message) -> Self {
        match message {
            Message::Text(text) => Self::text(text),
            Message::Binary(bytes) => Self::binary(bytes.clone()),
        }
    }
}

impl fmt::Debug for SharedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedFrame").field("binary", &self.is_binary()).field("len", &self.len()).finish()
    }
}

/// Where the layer above composes text messages, one after the other.
///
/// A frame is one allocation, exactly as large as it must be. A long text is not copied into it: it takes the buffer's
/// memory along.
///
/// ```
/// use engine_io_parser::TextFrameBuf;
///
/// let mut buf = TextFrameBuf::new();
/// buf.push_str("2");
/// buf.push_bytes(br#"["hello"]"#);
/// let frame = buf.take_frame().expect("JSON is UTF-8");
/// assert_eq!(frame.packet(), br#"42["hello"]"#);
/// assert!(buf.is_empty());
/// ```
#[derive(Debug)]
pub struct TextFrameBuf {
    /// Headroom, the type character, the text.
    buf: Vec<u8>,
    /// All that was written is known to be UTF-8.
    is_text: bool,
}

impl TextFrameBuf {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// A buffer with room for a text of `capacity` bytes before it grows.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let mut buf = Vec::with_capacity(TEXT_START + capacity);
        buf.extend_from_slice(&[0; HEADROOM]);
        buf.push(MESSAGE);
        Self { buf, is_text: true }
    }

    /// Makes room for so many more bytes of text.
    pub fn reserve(&mut self, additional: usize) {
        self.buf.reserve(additional);
    }

    /// How many bytes of text there is room for before it grows.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buf.capacity() - TEXT_START
    }

    /// Appends text.
    #[inline]
    pub fn push_str(&mut self, text: &str) {
        self.append(text.as_bytes());
    }

    /// Appends bytes; [`take_frame`](Self::take_frame) checks what is not ASCII.
    #[inline]
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        self.is_text &= bytes.is_ascii();
        self.append(bytes);
    }

    /// Appends one byte; [`take_frame`](Self::take_frame) checks what is not ASCII.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.is_text &= byte.is_ascii();
        self.buf.push(byte);
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        if bytes.len() < PIECE {
            self.buf.extend_from_slice(bytes);
        } else {
            self.buf.reserve(bytes.len());
            bytes.chunks(PIECE).for_each(|piece| self.buf.extend_from_slice(piece));
        }
    }

    /// What was written.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        tail(&self.buf, TEXT_START)
    }

    /// Puts other bytes in the place of the first `n`.
    ///
    /// # Panics
    ///
    /// Panics if fewer were written.
    pub fn replace_start(&mut self, n: usize, bytes: &[u8]) {
        assert!(n <= self.len(), "no more can be replaced than was written");
        // What is cut off may have been a part of a character.
        self.is_text &= bytes.is_ascii() && self.as_bytes().get(..n).is_some_and(<[u8]>::is_ascii);
        self.buf.splice(TEXT_START..TEXT_START + n, bytes.iter().copied());
    }

    /// How many bytes of text were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buf.len() - TEXT_START
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets what was written, and keeps the memory.
    pub fn clear(&mut self) {
        self.buf.truncate(TEXT_START);
        self.is_text = true;
    }

    /// Makes a frame of what was written; then the buffer is empty again.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`] if what was written as bytes is not UTF-8; it stays in the buffer then.
    pub fn take_frame(&mut self) -> Result<SharedFrame, Utf8Error> {
        if !self.is_text
            && let Err(error) = std::str::from_utf8(self.as_bytes())
        {
            return Err(Utf8Error { valid_up_to: error.valid_up_to() });
        }
        Ok(self.take_checked())
    }

    fn take_checked(&mut self) -> SharedFrame {
        let payload_len = self.buf.len() - HEADROOM;
        let header: &mut [u8; HEADROOM] =
            self.buf.first_chunk_mut().expect("the buffer starts with its headroom and never shrinks");
        let start = write_header(header, OPCODE_TEXT, payload_len);
        // The header of a short text leaves room for what stands before it.
        if payload_len <= LONG
            && let Some(at) = start.checked_sub(FLAG)
            && let Some(flag) = header.get_mut(at)
        {
            *flag = MAY_COMPRESS;
            let frame = tail(&self.buf, at).into();
            self.clear();
            return SharedFrame(Form::Text(frame));
        }
        let mut buf = std::mem::take(self).buf;
        buf.shrink_to_fit();
        SharedFrame(Form::Other(Arc::new(Other::Text { buf, start, may_compress: true })))
    }
}

impl Default for TextFrameBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl io::Write for TextFrameBuf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push_bytes(bytes);
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.push_bytes(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The longest header of an unmasked frame: two bytes and a 64-bit length.
const HEADROOM: usize = 10;
/// How many bytes stand before the header of a short text, and what they can say.
const FLAG: usize = 1;
const MAY_COMPRESS: u8 = 0;
const MAY_NOT_COMPRESS: u8 = 1;
/// The type character of a message.
const MESSAGE: u8 = b'4';
/// Where the text starts in a buffer: behind the headroom and the type character.
const TEXT_START: usize = HEADROOM + 1;
/// From this length on a text is not copied once more to be a frame.
const LONG: usize = 8 << 10;
const OPCODE_TEXT: u8 = 0x1;
const OPCODE_BINARY: u8 = 0x2;
const FIN: u8 = 0x80;
/// The second byte of a header that is followed by a length of 16 bits, or of 64.
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// Writes the header of an unmasked, unfragmented frame to the end of `room` and returns where it starts.
#[expect(clippy::cast_possible_truncation, reason = "each arm has the range of its length in its pattern")]
fn write_header(room: &mut [u8; HEADROOM], opcode: u8, len: usize) -> usize {
    let [.., a, b] = room;
    match len {
        0..=125 => {
            (*a, *b) = (FIN | opcode, len as u8);
            HEADROOM - 2
        }
        126..=0xffff => {
            let [.., flags, kind, hi, lo] = room;
            (*flags, *kind) = (FIN | opcode, LENGTH_16);
            [*hi, *lo] = (len as u16).to_be_bytes();
            HEADROOM - 4
        }
        _ => {
            let [flags, kind, size @ ..] = room;
            (*flags, *kind) = (FIN | opcode, LENGTH_64);
            *size = (len as u64).to_be_bytes();
            0
        }
    }
}

/// How long the header is of a short text, which stands behind its flag.
#[inline]
fn header_len(frame: &[u8]) -> usize {
    match frame.get(FLAG + 1) {
        Some(&LENGTH_16) => 4,
        _ => 2,
    }
}

#[inline]
fn tail(bytes: &[u8], from: usize) -> &[u8] {
    bytes.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn websocket(frame: &SharedFrame) -> Vec<u8> {
        frame.websocket().concat()
    }

    #[test]
    fn headers_grow_with_the_length() {
        for (len, header) in [
            (0, &[0x81, 1][..]),
            (LONG - 1, &[0x81, 126, 0x20, 0]),
            (LONG, &[0x81, 126, 0x20, 1]),
            (124, &[0x81, 125]),
            (125, &[0x81, 126, 0, 126]),
            (65_534, &[0x81, 126, 0xff, 0xff]),
            (65_535, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = SharedFrame::text(&"x".repeat(len));
            assert!(websocket(&frame).starts_with(header), "{len}");
            assert_eq!(websocket(&frame).len(), header.len() + 1 + len);
            assert_eq!(frame.len(), len);
        }
    }

    #[test]
    fn a_binary_message_is_raw_on_websocket_and_base64_in_a_payload() {
        let frame = SharedFrame::binary(Bytes::from_static(&[1, 2, 3, 4]));
        assert_eq!(websocket(&frame), [0x82, 4, 1, 2, 3, 4]);
        assert_eq!(frame.packet(), b"bAQIDBA==");
        assert_eq!(frame.to_message(), Message::Binary(Bytes::from_static(&[1, 2, 3, 4])));
    }

    #[test]
    fn a_frame_that_is_not_to_be_compressed_is_the_same_otherwise() {
        let long = "x".repeat(LONG);
        for frame in [
            SharedFrame::text(""),
            SharedFrame::text(&long[..200]),
            SharedFrame::text(&long),
            SharedFrame::binary(Bytes::from_static(&[1, 2, 3])),
        ] {
            assert!(frame.may_compress());
            let plain = frame.clone().without_compression();
            assert!(!plain.may_compress() && !plain.clone().without_compression().may_compress());
            assert!(frame.may_compress(), "whoever shares the frame is not concerned");
            assert_eq!(websocket(&plain), websocket(&frame));
            assert_eq!(plain.packet(), frame.packet());
            assert_eq!((plain.len(), plain.to_message()), (frame.len(), frame.to_message()));
        }
    }

    #[test]
    fn a_frame_that_nobody_shares_is_marked_where_it_lies() {
        for text in ["x".to_owned(), "x".repeat(LONG)] {
            let frame = SharedFrame::text(&text);
            let at = frame.packet().as_ptr();
            assert_eq!(frame.without_compression().packet().as_ptr(), at);
        }
    }

    #[test]
    fn what_was_composed_before_in_a_buffer_marks_no_later_frame() {
        let mut buf = TextFrameBuf::new();
        for len in [LONG - 1, 1000, 3, 0, 200, 1] {
            buf.push_str(&"x".repeat(len));
            assert!(buf.take_frame().unwrap().may_compress(), "{len}");
        }
    }

    #[test]
    fn the_base64_form_is_made_once() {
        let frame = SharedFrame::binary(Bytes::from_static(&[1, 2, 3]));
        assert_eq!(frame.packet().as_ptr(), frame.clone().packet().as_ptr());
    }

    #[test]
    fn a_buffer_with_bad_utf8_is_refused() {
        let mut buf = TextFrameBuf::new();
        io::Write::write_all(&mut buf, b"ok\xff").unwrap();
        assert_eq!(buf.take_frame().unwrap_err(), Utf8Error { valid_up_to: 2 });
    }

    #[test]
    fn whatever_bytes_a_buffer_is_given_its_frame_is_text() {
        let euro = "€".as_bytes();
        for parts in [[&euro[..1], &euro[1..]], [&b"\xff"[..], b"x"], [b"x", &euro[..2]], [&b"\xe2"[..], b""]]
        {
            let whole = parts.concat();
            let mut buf = TextFrameBuf::new();
            buf.push_str("2");
            parts.iter().for_each(|part| buf.push_bytes(part));
            assert_eq!(buf.take_frame().is_ok(), std::str::from_utf8(&whole).is_ok(), "{whole:?}");
            let mut buf = TextFrameBuf::new();
            whole.iter().for_each(|byte| buf.push(*byte));
            assert_eq!(buf.take_frame().is_ok(), std::str::from_utf8(&whole).is_ok(), "{whole:?}");
        }
        let mut buf = TextFrameBuf::new();
        buf.push_str("€");
        buf.replace_start(1, b"x");
        assert!(buf.take_frame().is_err(), "the rest of a character is left");
    }

    #[test]
    fn a_buffer_that_is_used_again_keeps_nothing_of_what_it_held() {
        let mut buf = TextFrameBuf::new();
        buf.push_str(&"x".repeat(70_000));
        let long = buf.take_frame().unwrap();
        buf.push_str("short");
        assert_eq!(websocket(&buf.take_frame().unwrap()), b"\x81\x064short");
        assert!(buf.is_empty());
        assert_eq!(long.to_message(), Message::from("x".repeat(70_000)));
    }

    #[test]
    fn the_start_of_a_buffer_is_replaced_by_more_or_by_less() {
        let mut buf = TextFrameBuf::new();
        buf.push_str("2[]");
        buf.replace_start(1, b"51-");
        assert_eq!(buf.as_bytes(), b"51-[]");
        buf.replace_start(3, b"2");
        assert_eq!(buf.take_frame().unwrap().packet(), b"42[]");
    }

    #[test]
    fn a_frame_is_two_words_in_a_queue() {
        assert_eq!(size_of::<SharedFrame>(), 2 * size_of::<usize>());
    }
}
