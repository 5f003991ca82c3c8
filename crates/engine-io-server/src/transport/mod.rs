//! The ways over which a session's packets travel.

pub(crate) mod polling;
pub(crate) mod websocket;

use engine_io_parser::{DecodeError, Message, MessageRef, PROBE, PacketRef, Text};

use crate::session::Input;

/// What a packet is to the session, and the message that it carries, made its own by `own`.
fn unpack(
    packet: PacketRef<'_>,
    own: impl FnOnce(&str) -> Text,
) -> Result<(Input, Option<Message>), DecodeError> {
    let input = match packet {
        PacketRef::Open(_) => Input::Open,
        PacketRef::Close => Input::Close,
        PacketRef::Ping(PROBE) => Input::Probe,
        PacketRef::Ping(_) => Input::Ping,
        PacketRef::Pong(_) => Input::Pong,
        PacketRef::Upgrade => Input::Upgrade,
        PacketRef::Noop => Input::Noop,
        PacketRef::Message(MessageRef::Text(text)) => {
            return Ok((Input::Message, Some(Message::Text(own(text)))));
        }
        PacketRef::Message(message) => return Ok((Input::Message, Some(message.to_message()?))),
    };
    Ok((input, None))
}
