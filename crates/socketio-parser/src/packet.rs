//! Socket.IO packets as users see them.

use engine_io_parser::Text;

use crate::{Args, Payload};

/// A packet, received or to be looked at, with its attachments in place.
///
/// Its parts share the memory of the frames they arrived in.
///
/// ```
/// use socketio_parser::{Decoder, Limits, Packet};
///
/// let mut decoder = Decoder::new(Limits::default());
/// let Some(Packet::Event { namespace, id, name, args }) = decoder.decode_text(r#"2/chat,7["say","hello"]"#.into())? else {
///     panic!("an event");
/// };
/// assert_eq!((&*namespace, id, &*name), ("/chat", Some(7), "say"));
/// assert_eq!(args.get::<&str>()?, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub enum Packet {
    /// A client asks to enter a namespace, or a server says that it has.
    Connect {
        /// The namespace.
        namespace: Text,
        /// The client's credentials, or the server's answer.
        auth: Option<Payload>,
    },
    /// Either side leaves a namespace.
    Disconnect {
        /// The namespace.
        namespace: Text,
    },
    /// An event.
    Event {
        /// The namespace.
        namespace: Text,
        /// Present if the sender waits for an answer.
        id: Option<u64>,
        /// The name; of an integer, its decimal digits.
        name: Text,
        /// The arguments after the name.
        args: Args,
    },
    /// The answer to an event.
    Ack {
        /// The namespace.
        namespace: Text,
        /// The id of the event that is answered.
        id: u64,
        /// The arguments.
        args: Args,
    },
    /// The server refuses a client in a namespace.
    ConnectError {
        /// The namespace.
        namespace: Text,
        /// The reason: a string, or an object with a `message`.
        data: Payload,
    },
}

impl Packet {
    /// The namespace that the packet belongs to.
    #[must_use]
    pub fn namespace(&self) -> &Text {
        match self {
            Self::Connect { namespace, .. }
            | Self::Disconnect { namespace }
            | Self::Event { namespace, .. }
            | Self::Ack { namespace, .. }
            | Self::ConnectError { namespace, .. } => namespace,
        }
    }
}

/// The digit that a packet starts with; in MessagePack, its `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// `0`
    Connect = 0,
    /// `1`
    Disconnect = 1,
    /// `2`
    Event = 2,
    /// `3`
    Ack = 3,
    /// `4`
    ConnectError = 4,
    /// `5`: an event with attachments.
    BinaryEvent = 5,
    /// `6`: an ack with attachments.
    BinaryAck = 6,
}

impl PacketType {
    pub(crate) fn from_digit(digit: u8) -> Option<Self> {
        Some(match digit {
            b'0' => Self::Connect,
            b'1' => Self::Disconnect,
            b'2' => Self::Event,
            b'3' => Self::Ack,
            b'4' => Self::ConnectError,
            b'5' => Self::BinaryEvent,
            b'6' => Self::BinaryAck,
            _ => return None,
        })
    }
}

/// Whether a name has a meaning of its own for the receiver and can't name an event.
#[must_use]
pub fn is_reserved_event(name: &str) -> bool {
    matches!(
        name,
        "connect" | "connect_error" | "disconnect" | "disconnecting" | "newListener" | "removeListener"
    )
}
