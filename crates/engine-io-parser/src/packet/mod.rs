//! Packets: what they are, apart from how a protocol revision writes them.

mod v4;

use std::fmt;

use crate::{Base64, DecodeError, Handshake, Limits, Message, Text};

/// The seven packet types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PacketType {
    /// The server opens a session.
    Open,
    /// Either side ends it.
    Close,
    /// A heartbeat's question; also the first packet of a transport that is being probed.
    Ping,
    /// The answer to a ping.
    Pong,
    /// A message of the application.
    Message,
    /// The client moves to the transport it has probed.
    Upgrade,
    /// Nothing; it ends a poll that waits.
    Noop,
}

impl PacketType {
    /// The type that an ASCII digit stands for.
    #[must_use]
    pub const fn from_ascii(digit: u8) -> Option<Self> {
        match digit {
            b'0' => Some(Self::Open),
            b'1' => Some(Self::Close),
            b'2' => Some(Self::Ping),
            b'3' => Some(Self::Pong),
            b'4' => Some(Self::Message),
            b'5' => Some(Self::Upgrade),
            b'6' => Some(Self::Noop),
            _ => None,
        }
    }

    /// The ASCII digit that stands for it.
    #[must_use]
    pub const fn to_ascii(self) -> u8 {
        match self {
            Self::Open => b'0',
            Self::Close => b'1',
            Self::Ping => b'2',
            Self::Pong => b'3',
            Self::Message => b'4',
            Self::Upgrade => b'5',
            Self::Noop => b'6',
        }
    }

    /// The type's name in the protocol: `open`, `close` and so on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Close => "close",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Message => "message",
            Self::Upgrade => "upgrade",
            Self::Noop => "noop",
        }
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The data of the ping and the pong that test a transport before an upgrade (`2probe`, `3probe`).
pub const PROBE: &str = "probe";

/// A packet that owns its content; text shares the bytes it was decoded from.
///
/// ```
/// use engine_io_parser::{Limits, Message, Packet, Text};
///
/// let packet = Packet::decode(&Text::from("4hello"), &Limits::default())?;
/// assert_eq!(packet, Packet::Message(Message::from("hello")));
/// assert_eq!(packet.to_text(), "4hello");
/// # Ok::<(), engine_io_parser::DecodeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// A session begins.
    Open(Handshake),
    /// The session ends.
    Close,
    /// A ping with its data: empty in a heartbeat, [`PROBE`] in a probe.
    Ping(Text),
    /// A pong with the data of its ping.
    Pong(Text),
    /// A message of the application.
    Message(Message),
    /// The client moves to the probed transport.
    Upgrade,
    /// Nothing.
    Noop,
}

impl Packet {
    /// The packet's type.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Open(_) => PacketType::Open,
            Self::Close => PacketType::Close,
            Self::Ping(_) => PacketType::Ping,
            Self::Pong(_) => PacketType::Pong,
            Self::Message(_) => PacketType::Message,
            Self::Upgrade => PacketType::Upgrade,
            Self::Noop => PacketType::Noop,
        }
    }
}

impl From<Handshake> for Packet {
    fn from(handshake: Handshake) -> Self {
        Self::Open(handshake)
    }
}

impl From<Message> for Packet {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}

/// A packet that borrows from the bytes it was decoded from; it costs no allocation.
///
/// ```
/// use engine_io_parser::{Limits, MessageRef, PacketRef};
///
/// let packet = PacketRef::decode_text("4hello", &Limits::default())?;
/// assert_eq!(packet, PacketRef::Message(MessageRef::Text("hello")));
/// # Ok::<(), engine_io_parser::DecodeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketRef<'a> {
    /// A session begins: the JSON of the [`Handshake`], not checked. The other way, what a WebTransport client sends
    /// first, which is not a handshake.
    Open(&'a str),
    /// The session ends.
    Close,
    /// A ping with its data: empty in a heartbeat, [`PROBE`] in a probe.
    Ping(&'a str),
    /// A pong with the data of its ping.
    Pong(&'a str),
    /// A message of the application.
    Message(MessageRef<'a>),
    /// The client moves to the probed transport.
    Upgrade,
    /// Nothing.
    Noop,
}

impl PacketRef<'_> {
    /// The packet's type.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Open(_) => PacketType::Open,
            Self::Close => PacketType::Close,
            Self::Ping(_) => PacketType::Ping,
            Self::Pong(_) => PacketType::Pong,
            Self::Message(_) => PacketType::Message,
            Self::Upgrade => PacketType::Upgrade,
            Self::Noop => PacketType::Noop,
        }
    }

    /// A packet of its own, with its text and bytes copied.
    ///
    /// # Errors
    ///
    /// As [`Handshake::decode`] for an open packet and [`Base64::decode`] for a binary message in base64.
    pub fn to_packet(self, limits: &Limits) -> Result<Packet, DecodeError> {
        self.to_packet_with(limits, |part| part.into())
    }

    fn to_packet_with(self, limits: &Limits, text: impl Fn(&str) -> Text) -> Result<Packet, DecodeError> {
        Ok(match self {
            Self::Open(json) => Packet::Open(Handshake::decode(json, limits)?),
            Self::Close => Packet::Close,
            Self::Ping(data) => Packet::Ping(text(data)),
            Self::Pong(data) => Packet::Pong(text(data)),
            Self::Message(MessageRef::Text(data)) => Packet::Message(Message::Text(text(data))),
            Self::Message(message) => Packet::Message(message.to_message()?),
            Self::Upgrade => Packet::Upgrade,
            Self::Noop => Packet::Noop,
        })
    }
}

impl<'a> From<MessageRef<'a>> for PacketRef<'a> {
    fn from(message: MessageRef<'a>) -> Self {
        Self::Message(message)
    }
}

/// The content of a message packet, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageRef<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message as it is.
    Binary(&'a [u8]),
    /// A binary message that came in a text packet.
    Base64(Base64<'a>),
}

impl MessageRef<'_> {
    /// A message of its own, copied or decoded.
    ///
    /// # Errors
    ///
    /// As [`Base64::decode`]; text and plain bytes cannot fail.
    pub fn to_message(self) -> Result<Message, DecodeError> {
        match self {
            Self::Text(text) => Ok(Message::Text(text.into())),
            Self::Binary(bytes) => Ok(Message::Binary(bytes.to_vec().into())),
            Self::Base64(base64) => Ok(Message::Binary(base64.decode()?)),
        }
    }
}

impl<'a> From<&'a Message> for MessageRef<'a> {
    fn from(message: &'a Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text),
            Message::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_one_digit_and_nothing_else_has_a_type() {
        let names = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];
        let mut found = Vec::new();
        for byte in 0..=u8::MAX {
            if let Some(packet_type) = PacketType::from_ascii(byte) {
                assert_eq!(packet_type.to_ascii(), byte);
                found.push((byte, packet_type.to_string()));
            }
        }
        let expected: Vec<_> = (b'0'..=b'6').zip(names.map(String::from)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_probe_is_told_from_a_heartbeat_by_its_data() {
        let limits = Limits::default();
        assert_eq!(PacketRef::decode_text("2probe", &limits), Ok(PacketRef::Ping(PROBE)));
        assert_eq!(PacketRef::decode_text("2", &limits), Ok(PacketRef::Ping("")));
        assert_eq!(Packet::Pong(Text::from_static(PROBE)).to_text(), "3probe");
    }

    #[test]
    fn the_open_packet_of_a_webtransport_client_need_not_be_a_handshake() {
        let limits = Limits::default();
        assert_eq!(PacketRef::decode_text("0", &limits), Ok(PacketRef::Open("")));
        let upgrade = r#"0{"sid":"a"}"#;
        assert_eq!(PacketRef::decode_text(upgrade, &limits), Ok(PacketRef::Open(r#"{"sid":"a"}"#)));
    }
}
