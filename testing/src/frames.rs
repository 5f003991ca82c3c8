//! A WebSocket client that writes any frame, legal or not, and reads the server's frames as they are.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::{HttpConnection, Request};
use crate::io::read_more;
use crate::{wait, ws};

/// An open WebSocket, frame by frame. It answers nothing by itself.
#[derive(Debug)]
pub struct RawWebSocket<S = TcpStream> {
    stream: S,
    unread: BytesMut,
}

/// A frame that is to be written. It starts out legal; each method breaks one rule.
#[derive(Clone, Debug)]
pub struct Frame {
    fin: bool,
    rsv: u8,
    opcode: u8,
    mask: Option<[u8; 4]>,
    announced: Option<u64>,
    longest_form: bool,
    payload: Vec<u8>,
}

/// A frame that the server wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFrame {
    /// Whether it ends its message.
    pub fin: bool,
    /// The three reserved bits, as a number from 0 to 7.
    pub rsv: u8,
    /// The opcode, 0 to 15.
    pub opcode: u8,
    /// The payload.
    pub payload: Bytes,
}

/// Opcode of a frame that continues a message.
pub const CONTINUATION: u8 = 0;
/// Opcode of a text message.
pub const TEXT: u8 = 1;
/// Opcode of a binary message.
pub const BINARY: u8 = 2;
/// Opcode of a close frame.
pub const CLOSE: u8 = 8;
/// Opcode of a ping.
pub const PING: u8 = 9;
/// Opcode of a pong.
pub const PONG: u8 = 10;

impl RawWebSocket {
    /// Connects and asks for an upgrade; `target` is path and query.
    pub async fn connect(server: SocketAddr, target: &str) -> Self {
        Self::upgrade(HttpConnection::open(server).await, Request::upgrade(target)).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> RawWebSocket<S> {
    /// Asks for an upgrade on a connection that stands, with a request that may carry more headers.
    pub async fn upgrade(connection: HttpConnection<S>, request: Request) -> Self {
        let (stream, unread) = ws::handshake(connection, request).await;
        Self { stream, unread }
    }

    /// Writes a frame. A server that has closed the connection meanwhile is no error here: its answer may still be read.
    pub async fn write(&mut self, frame: &Frame) {
        self.write_bytes(&frame.to_bytes()).await;
    }

    /// Writes any bytes: several frames at once, or part of one.
    pub async fn write_bytes(&mut self, bytes: &[u8]) {
        let _gone = wait::soon("the server to read", self.stream.write_all(bytes)).await;
    }

    /// The next frame, or none at the end of the connection; either must come within [`wait::PATIENCE`].
    pub async fn read(&mut self) -> Option<ServerFrame> {
        loop {
            if let Some(frame) = ServerFrame::take(&mut self.unread) {
                return Some(frame);
            }
            if !read_more(&mut self.stream, &mut self.unread, "a WebSocket frame").await {
                assert!(self.unread.is_empty(), "the connection ended within a frame: {:?}", self.unread);
                return None;
            }
        }
    }

    /// The next frame, which must be a whole text message.
    pub async fn text(&mut self) -> String {
        let frame = self.read().await;
        match frame {
            Some(ServerFrame { fin: true, rsv: 0, opcode: TEXT, payload }) => {
                String::from_utf8(payload.into())
                    .unwrap_or_else(|e| panic!("a text message that is no text: {e}"))
            }
            other => panic!("expected a text message, got {other:?}"),
        }
    }

    /// Asserts that the server sends a close frame with `code` (none: an empty one) and no reason, then ends the connection.
    pub async fn closes_with(&mut self, code: Option<u16>) {
        let payload = code.map_or(Bytes::new(), |code| Bytes::copy_from_slice(&code.to_be_bytes()));
        let expected = ServerFrame { fin: true, rsv: 0, opcode: CLOSE, payload };
        assert_eq!(self.read().await, Some(expected), "the close frame");
        assert_eq!(self.read().await, None, "after the close frame");
    }
}

impl Frame {
    /// A whole masked frame.
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            fin: true,
            rsv: 0,
            opcode,
            mask: Some([0x6d, 0x61, 0x73, 0x6b]),
            announced: None,
            longest_form: false,
            payload: payload.into(),
        }
    }

    /// A whole text message.
    pub fn text(text: &str) -> Self {
        Self::new(TEXT, text)
    }

    /// A close frame with a code and a reason.
    pub fn close(code: u16, reason: &str) -> Self {
        Self::new(CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat())
    }

    /// The message goes on in the next frame.
    #[must_use]
    pub fn unfinished(self) -> Self {
        Self { fin: false, ..self }
    }

    /// Sets the three reserved bits, as a number from 0 to 7: 4 is RSV1, "compressed".
    #[must_use]
    pub fn reserved(self, rsv: u8) -> Self {
        Self { rsv, ..self }
    }

    /// Leaves the payload unmasked, which a client must not.
    #[must_use]
    pub fn unmasked(self) -> Self {
        Self { mask: None, ..self }
    }

    /// States another length than the payload has.
    #[must_use]
    pub fn announcing(self, length: u64) -> Self {
        Self { announced: Some(length), ..self }
    }

    /// Writes the length in eight bytes, however small it is.
    #[must_use]
    pub fn in_longest_form(self) -> Self {
        Self { longest_form: true, ..self }
    }

    /// The bytes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = self.announced.unwrap_or(self.payload.len() as u64);
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        let mut bytes = vec![u8::from(self.fin) << 7 | self.rsv << 4 | self.opcode];
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..=125), _) if !self.longest_form => bytes.push(masked | short),
            (_, Ok(medium)) if !self.longest_form => {
                bytes.push(masked | 126);
                bytes.extend_from_slice(&medium.to_be_bytes());
            }
            _ => {
                bytes.push(masked | 127);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
        match self.mask {
            None => bytes.extend_from_slice(&self.payload),
            Some(key) => {
                bytes.extend_from_slice(&key);
                bytes.extend(self.payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
            }
        }
        bytes
    }
}

impl ServerFrame {
    /// Takes a whole frame off the front of `unread`.
    fn take(unread: &mut BytesMut) -> Option<Self> {
        let (&first, &second) = (unread.first()?, unread.get(1)?);
        assert!(second < 0x80, "a server must not mask its frames");
        let (header, length) = match second {
            126 => (4, u64::from(u16::from_be_bytes(unread.get(2..4)?.try_into().unwrap()))),
            127 => (10, u64::from_be_bytes(unread.get(2..10)?.try_into().unwrap())),
            short => (2, u64::from(short)),
        };
        let end = header + usize::try_from(length).unwrap();
        if unread.len() < end {
            return None;
        }
        let payload = unread.split_to(end).split_off(header).freeze();
        Some(Self { fin: first >> 7 == 1, rsv: first >> 4 & 7, opcode: first & 15, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_break_only_the_rule_they_are_told_to() {
        let text = || Frame::new(TEXT, "ab");
        assert_eq!(text().to_bytes(), [0x81, 0x82, 0x6d, 0x61, 0x73, 0x6b, b'a' ^ 0x6d, b'b' ^ 0x61]);
        assert_eq!(text().unmasked().to_bytes(), b"\x81\x02ab");
        assert_eq!(text().unmasked().unfinished().to_bytes(), b"\x01\x02ab");
        assert_eq!(text().unmasked().reserved(4).to_bytes(), b"\xc1\x02ab");
        assert_eq!(text().unmasked().announcing(300).to_bytes(), b"\x81\x7e\x01\x2cab");
        assert_eq!(text().unmasked().in_longest_form().to_bytes(), b"\x81\x7f\0\0\0\0\0\0\0\x02ab");
        assert_eq!(Frame::close(1000, "x").unmasked().to_bytes(), b"\x88\x03\x03\xe8x");
    }

    #[test]
    fn reads_a_server_frame_only_when_it_is_whole() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let bytes = Frame::new(BINARY, vec![7; length]).unmasked().to_bytes();
            let mut unread = BytesMut::from(&bytes[..bytes.len() - 1]);
            assert_eq!(ServerFrame::take(&mut unread), None, "{length}");
            unread.extend_from_slice(&bytes[bytes.len() - 1..]);
            unread.extend_from_slice(b"\x8a");
            let frame = ServerFrame::take(&mut unread).unwrap();
            assert_eq!((frame.fin, frame.rsv, frame.opcode, frame.payload.len()), (true, 0, BINARY, length));
            assert_eq!(&unread[..], b"\x8a");
        }
    }
}
