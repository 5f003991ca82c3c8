//! One message in the form each transport writes, made once and shared by all its recipients.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::{Message, MessageRef, PacketRef, Text, Utf8Error};

/// An outgoing message together with its wire forms; a clone is one pointer.
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
pub struct SharedFrame(Arc<Inner>);

enum Inner {
    Text {
        /// [`HEADROOM`] bytes that end with the WebSocket header, the type character, the text.
        buf: Vec<u8>,
        /// Where the header starts.
        start: usize,
    },
    Binary {
        header: [u8; HEADROOM],
        start: usize,
        payload: Bytes,
        packet: OnceLock<Vec<u8>>,
    },
}

impl SharedFrame {
    /// A text message.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let mut buf = TextFrameBuf::with_capacity(text.len());
        buf.push_str(text);
        Self::from_checked(buf)
    }

    /// A binary message; the bytes are shared, not copied.
    #[must_use]
    pub fn binary(payload: Bytes) -> Self {
        let mut header = [0; HEADROOM];
        let start = write_header(&mut header, OPCODE_BINARY, payload.len());
        Self(Arc::new(Inner::Binary { header, start, payload, packet: OnceLock::new() }))
    }

    /// The WebSocket frame (header included) in two parts to be written one after the other; the second may be empty.
    #[must_use]
    pub fn websocket(&self) -> [&[u8]; 2] {
        match &*self.0 {
            Inner::Text { buf, start } => [tail(buf, *start), &[]],
            Inner::Binary { header, start, payload, .. } => [tail(header, *start), payload],
        }
    }

    /// The packet of an Engine.IO v4 payload: `4…`, or `b…` in base64 (also what a WebSocket client that asked for
    /// `b64=1` gets, as text).
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        match &*self.0 {
            Inner::Text { buf, .. } => tail(buf, HEADROOM),
            Inner::Binary { payload, packet, .. } => packet.get_or_init(|| {
                let packet = PacketRef::Message(MessageRef::Binary(payload));
                let mut buf = Vec::with_capacity(packet.encoded_len());
                packet.encode_into(&mut buf);
                buf
            }),
        }
    }

    /// Length of the message in bytes, without type character and framing.
    #[must_use]
    pub fn len(&self) -> usize {
        match &*self.0 {
            Inner::Text { buf, .. } => buf.len() - HEADROOM - 1,
            Inner::Binary { payload, .. } => payload.len(),
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
        matches!(&*self.0, Inner::Binary { .. })
    }

    /// The message as a receiver would see it. A text is copied.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the text was checked when the frame was made")]
    pub fn to_message(&self) -> Message {
        match &*self.0 {
            Inner::Text { buf, .. } => {
                let bytes = Bytes::copy_from_slice(tail(buf, HEADROOM + 1));
                Message::Text(Text::from_utf8(bytes).expect("a text frame is built from checked UTF-8"))
            }
            Inner::Binary { payload, .. } => Message::Binary(payload.clone()),
        }
    }

    fn from_checked(TextFrameBuf(mut buf): TextFrameBuf) -> Self {
        let payload_len = buf.len() - HEADROOM;
        let header: &mut [u8; HEADROOM] =
            buf.first_chunk_mut().expect("the buffer starts with its headroom and never shrinks");
        let start = write_header(header, OPCODE_TEXT, payload_len);
        Self(Arc::new(Inner::Text { buf, start }))
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

/// Where the layer above writes a text message straight into its frame, without a copy.
///
/// ```
/// use std::io::Write;
///
/// use engine_io_parser::TextFrameBuf;
///
/// let mut buf = TextFrameBuf::with_capacity(16);
/// buf.push_str("2");
/// buf.write_all(br#"["hello"]"#).expect("memory is written without errors");
/// let frame = buf.finish().expect("JSON is UTF-8");
/// assert_eq!(frame.packet(), br#"42["hello"]"#);
/// ```
#[derive(Debug)]
pub struct TextFrameBuf(Vec<u8>);

impl TextFrameBuf {
    /// A buffer with room for a text of `capacity` bytes before it grows.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let mut buf = Vec::with_capacity(HEADROOM + 1 + capacity);
        buf.extend_from_slice(&[0; HEADROOM]);
        buf.push(b'4');
        Self(buf)
    }

    /// Appends text.
    pub fn push_str(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// How many bytes of text were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() - HEADROOM - 1
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks what was written and makes it a frame.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`] if what was written through [`io::Write`] is not UTF-8.
    pub fn finish(self) -> Result<SharedFrame, Utf8Error> {
        match std::str::from_utf8(tail(&self.0, HEADROOM + 1)) {
            Ok(_) => Ok(SharedFrame::from_checked(self)),
            Err(error) => Err(Utf8Error { valid_up_to: error.valid_up_to() }),
        }
    }
}

impl io::Write for TextFrameBuf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The longest header of an unmasked frame: two bytes and a 64-bit length.
const HEADROOM: usize = 10;
const OPCODE_TEXT: u8 = 0x1;
const OPCODE_BINARY: u8 = 0x2;
const FIN: u8 = 0x80;

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
            (*flags, *kind) = (FIN | opcode, 126);
            [*hi, *lo] = (len as u16).to_be_bytes();
            HEADROOM - 4
        }
        _ => {
            let [flags, kind, size @ ..] = room;
            (*flags, *kind) = (FIN | opcode, 127);
            *size = (len as u64).to_be_bytes();
            0
        }
    }
}

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
    fn the_base64_form_is_made_once() {
        let frame = SharedFrame::binary(Bytes::from_static(&[1, 2, 3]));
        assert_eq!(frame.packet().as_ptr(), frame.clone().packet().as_ptr());
    }

    #[test]
    fn a_buffer_with_bad_utf8_is_refused() {
        let mut buf = TextFrameBuf::with_capacity(0);
        io::Write::write_all(&mut buf, b"ok\xff").unwrap();
        assert_eq!(buf.finish().unwrap_err(), Utf8Error { valid_up_to: 2 });
    }
}
