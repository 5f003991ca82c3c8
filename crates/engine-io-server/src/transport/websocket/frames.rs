//! WebSocket frames in and out: bytes to messages, pure and without a buffer while nothing is half-read.
//!
//! The header itself is read and written by tungstenite; what stands here is what a server with many idle connections
//! needs around it: payloads are unmasked where they lie, and memory is taken for bytes that arrived, never for a
//! length that was announced.

use std::borrow::Cow;
use std::io::Cursor;

use tungstenite::Error as HeaderError;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// The read half of a connection.
#[derive(Debug)]
pub(super) struct FrameReader {
    max_message_bytes: usize,
    /// The first bytes of a header whose rest has not arrived.
    header: Vec<u8>,
    /// A frame whose payload has not arrived in full.
    partial: Option<Partial>,
    /// A message whose last fragment has not arrived.
    fragments: Option<Fragments>,
    /// The peer broke the rules: where its next frame starts is not known.
    is_broken: bool,
}

#[derive(Debug)]
struct Partial {
    header: FrameHeader,
    len: usize,
    payload: Vec<u8>,
}

#[derive(Debug)]
struct Fragments {
    is_text: bool,
    payload: Vec<u8>,
}

/// A header and the payload, unmasked.
type Frame<'a> = (FrameHeader, Cow<'a, [u8]>);

/// Something complete that the peer sent: borrowed from the read buffer if it arrived in one piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inbound<'a> {
    Text(Cow<'a, str>),
    Binary(Cow<'a, [u8]>),
    Ping(Cow<'a, [u8]>),
    Pong,
    /// The peer closes; what it gave as its code has been checked.
    Close(Option<u16>),
}

/// How the peer broke the rules of RFC 6455, and the code that the connection is closed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a frame without mask")]
    Unmasked,
    #[error("a reserved bit is set")]
    ReservedBit,
    #[error("a reserved opcode or an invalid header")]
    InvalidHeader,
    #[error("a control frame of {size} bytes, or in fragments")]
    BadControl { size: u64 },
    #[error("a continuation without a message to continue")]
    StrayContinuation,
    #[error("a new message while the one before is not complete")]
    InterruptedMessage,
    #[error("a close frame with an invalid code or reason")]
    BadClose,
    #[error("a text that is not UTF-8")]
    NotUtf8,
    #[error("a message of {size} bytes, max_http_buffer_size allows {max}")]
    TooLarge { size: u64, max: usize },
}

impl FrameError {
    pub(super) fn close_code(self) -> CloseCode {
        match self {
            Self::NotUtf8 => CloseCode::Invalid,
            Self::TooLarge { .. } => CloseCode::Size,
            _ => CloseCode::Protocol,
        }
    }
}

impl FrameReader {
    pub(super) fn new(max_message_bytes: usize) -> Self {
        Self { max_message_bytes, header: Vec::new(), partial: None, fragments: None, is_broken: false }
    }

    /// Takes the next message from the front of `input`, which is unmasked in place; `None` needs more bytes and has
    /// used up all there were.
    ///
    /// # Errors
    ///
    /// [`FrameError`] if the peer breaks the rules; the connection is then to be closed, and all that still comes in is
    /// thrown away.
    pub(super) fn next<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Inbound<'a>>, FrameError> {
        if self.is_broken {
            *input = &mut [];
            return Ok(None);
        }
        self.next_message(input).inspect_err(|_| self.is_broken = true)
    }

    /// Whether the peer has broken the rules.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn next_message<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Inbound<'a>>, FrameError> {
        loop {
            let Some((header, payload)) = self.next_frame(input)? else { return Ok(None) };
            if let Some(inbound) = self.assemble(&header, payload)? {
                return Ok(Some(inbound));
            }
        }
    }

    fn next_frame<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Frame<'a>>, FrameError> {
        if self.partial.is_none() {
            let Some((header, len)) = self.next_header(input)? else { return Ok(None) };
            if let Some(payload) = split_off_front(input, len) {
                unmask(payload, header.mask);
                return Ok(Some((header, Cow::Borrowed(payload))));
            }
            // The buffer grows with what arrives: an announced length alone costs the peer nothing.
            self.partial = Some(Partial { header, len, payload: Vec::new() });
        }
        let Some(partial) = &mut self.partial else { return Ok(None) };
        let missing = partial.len - partial.payload.len();
        let n = missing.min(input.len());
        let arrived = split_off_front(input, n).unwrap_or_default();
        if n == missing {
            // The last piece: from here on the size is known and paid for.
            partial.payload.reserve_exact(n);
        }
        // In pieces, for the reason that [`Text`](engine_io_parser::Text) copies in pieces: a long copy can be very slow.
        arrived.chunks(PIECE).for_each(|piece| partial.payload.extend_from_slice(piece));
        if n < missing {
            return Ok(None);
        }
        let Some(Partial { header, mut payload, .. }) = self.partial.take() else { return Ok(None) };
        unmask(&mut payload, header.mask);
        Ok(Some((header, Cow::Owned(payload))))
    }

    /// Reads and checks a header, from `input` and what is left of the read before.
    fn next_header(&mut self, input: &mut &mut [u8]) -> Result<Option<(FrameHeader, usize)>, FrameError> {
        let carried = self.header.len();
        let (parsed, header_len) = if carried == 0 {
            parse_header(input)?
        } else {
            let more = input.len().min(MAX_HEADER - carried);
            self.header.extend_from_slice(input.get(..more).unwrap_or_default());
            parse_header(&self.header)?
        };
        let Some((header, len)) = parsed else {
            if carried == 0 {
                self.header.extend_from_slice(input);
            }
            *input = &mut [];
            return Ok(None);
        };
        self.header = Vec::new();
        let used = header_len.saturating_sub(carried);
        split_off_front(input, used);
        let len = self.check_header(&header, len)?;
        Ok(Some((header, len)))
    }

    fn check_header(&self, header: &FrameHeader, len: u64) -> Result<usize, FrameError> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(FrameError::ReservedBit);
        }
        if header.mask.is_none() {
            return Err(FrameError::Unmasked);
        }
        let before = match header.opcode {
            OpCode::Control(_) if !header.is_final || len > MAX_CONTROL => {
                return Err(FrameError::BadControl { size: len });
            }
            OpCode::Control(_) => 0,
            OpCode::Data(Data::Continue) => match &self.fragments {
                Some(fragments) => fragments.payload.len(),
                None => return Err(FrameError::StrayContinuation),
            },
            OpCode::Data(_) if self.fragments.is_some() => return Err(FrameError::InterruptedMessage),
            OpCode::Data(_) => 0,
        };
        let max = self.max_message_bytes;
        match usize::try_from(len) {
            Ok(len) if len <= max - before => Ok(len),
            _ => Err(FrameError::TooLarge { size: len.saturating_add(before as u64), max }),
        }
    }

    fn assemble<'a>(
        &mut self,
        header: &FrameHeader,
        payload: Cow<'a, [u8]>,
    ) -> Result<Option<Inbound<'a>>, FrameError> {
        match header.opcode {
            OpCode::Control(Control::Ping) => Ok(Some(Inbound::Ping(payload))),
            OpCode::Control(Control::Pong) => Ok(Some(Inbound::Pong)),
            OpCode::Control(Control::Close) => check_close(&payload).map(Inbound::Close).map(Some),
            OpCode::Data(Data::Text) if header.is_final => text(payload).map(Some),
            OpCode::Data(Data::Binary) if header.is_final => Ok(Some(Inbound::Binary(payload))),
            OpCode::Data(kind @ (Data::Text | Data::Binary)) => {
                self.fragments =
                    Some(Fragments { is_text: kind == Data::Text, payload: payload.into_owned() });
                Ok(None)
            }
            OpCode::Data(Data::Continue) => {
                let Some(fragments) = &mut self.fragments else { return Err(FrameError::StrayContinuation) };
                fragments.payload.extend_from_slice(&payload);
                if !header.is_final {
                    return Ok(None);
                }
                let Some(Fragments { is_text, payload }) = self.fragments.take() else { return Ok(None) };
                let payload = Cow::Owned(payload);
                if is_text { text(payload).map(Some) } else { Ok(Some(Inbound::Binary(payload))) }
            }
            OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => {
                Err(FrameError::InvalidHeader)
            }
        }
    }
}

/// Appends a whole control or text frame as a server sends it.
pub(super) fn write_frame(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) {
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    out.reserve(MAX_HEADER + payload.len());
    let written = header.format(payload.len() as u64, out);
    debug_assert!(written.is_ok(), "a vector takes all bytes");
    out.extend_from_slice(payload);
}

/// Appends a close frame; its reason is always empty.
pub(super) fn write_close(out: &mut Vec<u8>, code: Option<CloseCode>) {
    let body = code.map(|code| u16::from(code).to_be_bytes());
    write_frame(out, OpCode::Control(Control::Close), body.as_ref().map_or(&[], |body| body));
}

/// How much of a payload is copied at once.
const PIECE: usize = 1 << 10;
/// Two bytes, a 64-bit length and a mask.
const MAX_HEADER: usize = 14;
const MAX_CONTROL: u64 = 125;

/// A header, if it is complete, and how many bytes it takes.
fn parse_header(bytes: &[u8]) -> Result<(Option<(FrameHeader, u64)>, usize), FrameError> {
    let mut cursor = Cursor::new(bytes);
    match FrameHeader::parse(&mut cursor) {
        Ok(Some((header, len))) => {
            let used = usize::try_from(cursor.position()).unwrap_or(bytes.len());
            Ok((Some((header, len)), used))
        }
        Ok(None) => Ok((None, 0)),
        Err(HeaderError::Protocol(_) | _) => Err(FrameError::InvalidHeader),
    }
}

fn split_off_front<'a>(input: &mut &'a mut [u8], n: usize) -> Option<&'a mut [u8]> {
    input.split_off_mut(..n)
}

fn unmask(payload: &mut [u8], mask: Option<[u8; 4]>) {
    let Some(mask) = mask else { return };
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask) {
        *byte ^= key;
    }
}

fn text(payload: Cow<'_, [u8]>) -> Result<Inbound<'_>, FrameError> {
    match payload {
        Cow::Borrowed(bytes) => {
            std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| FrameError::NotUtf8)
        }
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| FrameError::NotUtf8),
    }
    .map(Inbound::Text)
}

fn check_close(body: &[u8]) -> Result<Option<u16>, FrameError> {
    let Some((code, reason)) = body.split_first_chunk() else {
        return if body.is_empty() { Ok(None) } else { Err(FrameError::BadClose) };
    };
    let code = CloseCode::from(u16::from_be_bytes(*code));
    if !code.is_allowed() {
        return Err(FrameError::BadClose);
    }
    match std::str::from_utf8(reason) {
        Ok(_) => Ok(Some(code.into())),
        Err(_) => Err(FrameError::NotUtf8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// A masked frame as a client sends it, with the first byte as given.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "each arm has the range of its length in its pattern"
    )]
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            len @ 0..126 => bytes.push(0x80 | len as u8),
            len @ 126..0x1_0000 => {
                bytes.push(0x80 | 126);
                bytes.extend((len as u16).to_be_bytes());
            }
            len => {
                bytes.push(0x80 | 127);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        bytes.extend(MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }

    /// Everything in `bytes`, given to the reader in pieces of `step` bytes, or the error that ends it.
    fn read(bytes: &[u8], step: usize, max: usize) -> Result<Vec<String>, FrameError> {
        let mut reader = FrameReader::new(max);
        let mut read = Vec::new();
        for piece in bytes.chunks(step) {
            let mut piece = piece.to_vec();
            let mut input = &mut piece[..];
            while let Some(inbound) = reader.next(&mut input)? {
                read.push(match inbound {
                    Inbound::Text(text) => format!("text {text}"),
                    Inbound::Binary(bytes) => format!("binary {bytes:?}"),
                    Inbound::Ping(bytes) => format!("ping {bytes:?}"),
                    Inbound::Pong => "pong".to_owned(),
                    Inbound::Close(code) => format!("close {code:?}"),
                });
            }
            assert!(input.is_empty(), "the reader takes all there is before it asks for more");
        }
        Ok(read)
    }

    #[track_caller]
    fn check(bytes: &[u8], wanted: &Result<Vec<&str>, FrameError>) {
        for step in [1, 2, 3, 7, bytes.len()] {
            let read = read(bytes, step, 1000);
            let read =
                read.as_ref().map(|read| read.iter().map(String::as_str).collect()).map_err(|error| *error);
            assert_eq!(read, *wanted, "in pieces of {step}");
        }
    }

    #[test]
    fn messages_arrive_whole_however_they_are_split() {
        let bytes =
            [frame(0x81, b"4hello"), frame(0x82, &[1, 2]), frame(0x89, b"x"), frame(0x8a, b"")].concat();
        check(&bytes, &Ok(vec!["text 4hello", "binary [1, 2]", "ping [120]", "pong"]));
    }

    #[test]
    fn long_lengths_are_read() {
        let text = "x".repeat(900);
        check(&frame(0x81, text.as_bytes()), &Ok(vec![&format!("text {text}")]));
        let big = vec![b'y'; 70_000];
        let read = read(&frame(0x82, &big), 4096, 70_000).unwrap();
        assert_eq!(read, [format!("binary {big:?}")]);
    }

    #[test]
    fn fragments_are_joined_and_control_frames_may_come_between_them() {
        let euro = "€".as_bytes();
        let bytes =
            [frame(0x01, &euro[..1]), frame(0x89, b""), frame(0x00, b""), frame(0x80, &euro[1..])].concat();
        check(&bytes, &Ok(vec!["ping []", "text €"]));
    }

    #[test]
    fn an_unmasked_frame_is_refused() {
        check(&[0x81, 1, b'4'], &Err(FrameError::Unmasked));
    }

    #[test]
    fn reserved_bits_and_opcodes_are_refused() {
        for rsv in [0x40, 0x20, 0x10] {
            check(&frame(0x81 | rsv, b"4"), &Err(FrameError::ReservedBit));
        }
        for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
            check(&frame(0x80 | opcode, b""), &Err(FrameError::InvalidHeader));
        }
    }

    #[test]
    fn control_frames_are_short_and_whole() {
        check(&frame(0x89, &[0; 125]), &Ok(vec![&format!("ping {:?}", [0; 125])]));
        check(&frame(0x89, &[0; 126]), &Err(FrameError::BadControl { size: 126 }));
        check(&frame(0x09, b""), &Err(FrameError::BadControl { size: 0 }));
    }

    #[test]
    fn continuations_need_a_message_and_messages_are_not_interrupted() {
        check(&frame(0x80, b"x"), &Err(FrameError::StrayContinuation));
        check(&[frame(0x01, b"x"), frame(0x81, b"y")].concat(), &Err(FrameError::InterruptedMessage));
    }

    #[test]
    fn texts_are_utf8() {
        check(&frame(0x81, b"4\xff"), &Err(FrameError::NotUtf8));
        check(&[frame(0x01, b"4\xe2"), frame(0x80, b"x")].concat(), &Err(FrameError::NotUtf8));
    }

    #[test]
    fn close_codes_and_reasons_are_checked() {
        check(&frame(0x88, b""), &Ok(vec!["close None"]));
        check(&frame(0x88, &[3, 0xe8, b'b', b'y', b'e']), &Ok(vec!["close Some(1000)"]));
        check(&frame(0x88, &[3]), &Err(FrameError::BadClose));
        check(&frame(0x88, &[3, 0xed]), &Err(FrameError::BadClose));
        check(&frame(0x88, &[3, 0xe8, 0xff]), &Err(FrameError::NotUtf8));
    }

    #[test]
    fn the_size_limit_holds_for_frames_and_for_the_sum_of_fragments() {
        let at = frame(0x82, &[0; 1000]);
        assert!(read(&at, 64, 1000).is_ok());
        check(&frame(0x82, &[0; 1001]), &Err(FrameError::TooLarge { size: 1001, max: 1000 }));
        let sum = |n| [frame(0x02, &[0; 600]), frame(0x80, &vec![0; n])].concat();
        assert!(read(&sum(400), 64, 1000).is_ok());
        check(&sum(401), &Err(FrameError::TooLarge { size: 1001, max: 1000 }));
    }

    #[test]
    fn a_giant_length_is_refused_by_its_header_alone() {
        let header = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4];
        check(&header, &Err(FrameError::TooLarge { size: i64::MAX as u64, max: 1000 }));
    }

    #[test]
    fn what_follows_a_broken_rule_is_thrown_away() {
        let mut reader = FrameReader::new(10);
        let mut bytes = [frame(0x82, &[0; 11]), frame(0x81, b"4x")].concat();
        let mut input = &mut bytes[..];
        assert_eq!(reader.next(&mut input), Err(FrameError::TooLarge { size: 11, max: 10 }));
        assert_eq!(reader.next(&mut input), Ok(None));
        assert!(input.is_empty() && reader.is_broken());
    }

    #[test]
    fn a_hundred_thousand_empty_fragments_cost_nothing() {
        let mut bytes = frame(0x02, b"");
        for _ in 0..100_000 {
            bytes.extend(frame(0x00, b""));
        }
        bytes.extend(frame(0x80, b"x"));
        assert_eq!(read(&bytes, 65_536, 1000).unwrap(), ["binary [120]"]);
    }

    #[test]
    fn nothing_is_kept_between_whole_frames() {
        let mut reader = FrameReader::new(1000);
        let mut bytes = frame(0x81, b"4hello");
        let (head, tail) = bytes.split_at_mut(1);
        assert_eq!(reader.next(&mut &mut *head).unwrap(), None);
        assert!(reader.next(&mut &mut *tail).unwrap().is_some());
        assert_eq!((reader.header.capacity(), reader.partial.is_none()), (0, true));
    }

    #[test]
    fn server_frames_are_plain() {
        let mut out = Vec::new();
        write_frame(&mut out, OpCode::Data(Data::Text), b"2");
        write_close(&mut out, None);
        write_close(&mut out, Some(CloseCode::Size));
        assert_eq!(out, [0x81, 1, b'2', 0x88, 0, 0x88, 2, 0x03, 0xf1]);
    }
}
