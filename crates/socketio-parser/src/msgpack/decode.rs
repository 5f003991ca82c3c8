//! From a frame to a packet.
//!
//! The structure must be that of a packet, else the connection ends; what the values are only matters to whoever reads
//! them. `nil` and `undefined` stand for an `id` or `data` that was left out: official clients write the one, clients in
//! languages without it the other. A member that stands twice is an error, as two readers may take different ones.

use bytes::Bytes;
use engine_io_parser::Text;

use super::scan::{Fault, walk};
use super::token::{Token, read};
use crate::header::check_namespace;
use crate::json::Starts;
use crate::limits::MAX_ACK_ID;
use crate::{Args, DecodeError, Limits, Packet, PacketType, Payload, is_reserved_event};

/// Decodes a frame, which is a whole packet.
pub(crate) fn decode_packet(frame: &Bytes, limits: &Limits) -> Result<Packet, DecodeError> {
    let Members { packet_type, namespace, id, data } = Members::read(frame, limits)?;
    Ok(match packet_type {
        PacketType::Connect => {
            let auth = match data {
                Data::None => None,
                Data::Map(payload) => Some(Payload::msgpack(payload)),
                _ => return Err(DecodeError::InvalidPayload),
            };
            Packet::Connect { namespace, auth }
        }
        PacketType::Disconnect => match data {
            Data::None => Packet::Disconnect { namespace },
            _ => return Err(DecodeError::InvalidPayload),
        },
        PacketType::ConnectError => match data {
            Data::Map(payload) | Data::Text(payload) => {
                Packet::ConnectError { namespace, data: Payload::msgpack(payload) }
            }
            _ => return Err(DecodeError::InvalidPayload),
        },
        PacketType::Event => {
            let Data::Array(starts) = data else { return Err(DecodeError::InvalidPayload) };
            let name = event_name(frame, &starts)?;
            Packet::Event { namespace, id, name, args: Args::msgpack(frame.clone(), starts, 1) }
        }
        PacketType::Ack => {
            let id = id.ok_or(DecodeError::MissingAckId)?;
            let args = match data {
                // An ack may come without any payload.
                Data::None => Args::default(),
                Data::Array(starts) => Args::msgpack(frame.clone(), starts, 0),
                _ => return Err(DecodeError::InvalidPayload),
            };
            Packet::Ack { namespace, id, args }
        }
        // Attachments are this format's own affair: these types are never on the wire.
        PacketType::BinaryEvent | PacketType::BinaryAck => return Err(DecodeError::UnknownPacketType),
    })
}

/// What a packet's map holds.
struct Members {
    packet_type: PacketType,
    namespace: Text,
    id: Option<u64>,
    data: Data,
}

/// A payload that is whole and not too deep.
enum Data {
    None,
    Map(Bytes),
    Text(Bytes),
    /// Where in the frame the elements start, and last where the array ends.
    Array(Starts),
    /// Something else, which no packet has.
    Other,
}

impl Members {
    /// Reads the map, past members of other names: official clients send their `options` too.
    fn read(frame: &Bytes, limits: &Limits) -> Result<Self, DecodeError> {
        let (mut packet_type, mut namespace, mut id, mut data) = (None, None, None, None);
        let mut at = 0;
        let Some(Token::Map(n_members)) = read(frame, &mut at) else { return Err(malformed(0)) };
        for _ in 0..n_members {
            let start = at;
            let Some(Token::Text(key)) = read(frame, &mut at) else { return Err(malformed(start)) };
            let is_first = match key {
                b"type" => packet_type.replace(read_type(frame, &mut at)?).is_none(),
                b"nsp" => namespace.replace(read_namespace(frame, &mut at, limits)?).is_none(),
                b"id" => id.replace(read_id(frame, &mut at)?).is_none(),
                b"data" => data.replace(Data::read(frame, &mut at, limits)?).is_none(),
                _ => {
                    at = checked_walk(frame, at, max_depth(limits), limits, None)?;
                    true
                }
            };
            if !is_first {
                return Err(malformed(start));
            }
        }
        if at != frame.len() {
            return Err(malformed(at));
        }
        Ok(Self {
            packet_type: packet_type.ok_or(DecodeError::UnknownPacketType)?,
            namespace: namespace.ok_or(DecodeError::InvalidNamespace)?,
            id: id.flatten(),
            data: data.unwrap_or(Data::None),
        })
    }
}

fn read_type(frame: &Bytes, at: &mut usize) -> Result<PacketType, DecodeError> {
    match token(frame, at)? {
        Token::Unsigned(digit @ 0..=6) => u8::try_from(digit)
            .ok()
            .and_then(|digit| PacketType::from_digit(b'0' + digit))
            .ok_or(DecodeError::UnknownPacketType),
        _ => Err(DecodeError::UnknownPacketType),
    }
}

fn read_namespace(frame: &Bytes, at: &mut usize, limits: &Limits) -> Result<Text, DecodeError> {
    let name = match token(frame, at)? {
        Token::Text(b"/") => return Ok(Text::from_static("/")),
        Token::Text(name) => Text::from_utf8(frame.slice_ref(name)),
        _ => return Err(DecodeError::InvalidNamespace),
    };
    let name = name.map_err(|_| DecodeError::InvalidNamespace)?;
    check_namespace(&name, limits)?;
    // A comma would end the name in the default format, in which nodes speak to each other.
    if name.starts_with('/') && !name.contains(',') { Ok(name) } else { Err(DecodeError::InvalidNamespace) }
}

fn read_id(frame: &Bytes, at: &mut usize) -> Result<Option<u64>, DecodeError> {
    match token(frame, at)? {
        Token::Nil => Ok(None),
        Token::Unsigned(id) if id <= MAX_ACK_ID => Ok(Some(id)),
        Token::Unsigned(_) => Err(DecodeError::AckIdTooLarge),
        _ => Err(DecodeError::InvalidAckId),
    }
}

impl Data {
    fn read(frame: &Bytes, at: &mut usize, limits: &Limits) -> Result<Self, DecodeError> {
        let start = *at;
        Ok(match token(frame, at)? {
            Token::Nil => Self::None,
            Token::Text(_) => Self::Text(frame.slice(start..*at)),
            Token::Array(_) => {
                let mut starts = Starts::new();
                *at = checked_walk(frame, start, max_depth(limits), limits, Some(&mut starts))?;
                Self::Array(starts)
            }
            Token::Map(_) => {
                // It counts as if it stood in an array, so that it may nest as deep as an argument.
                *at = checked_walk(frame, start, max_depth(limits).saturating_sub(1), limits, None)?;
                Self::Map(frame.slice(start..*at))
            }
            _ => Self::Other,
        })
    }
}

/// The first element of an event: a string, or an integer whose digits are the name.
fn event_name(frame: &Bytes, starts: &Starts) -> Result<Text, DecodeError> {
    let [start, _, ..] = starts[..] else { return Err(DecodeError::InvalidPayload) };
    // Copied, not shared: a name that is kept must not keep a long message with it.
    let name = match token(frame, &mut (start as usize))? {
        Token::Text(name) => Text::from(std::str::from_utf8(name).map_err(|_| DecodeError::InvalidPayload)?),
        Token::Unsigned(number) => Text::from(number.to_string()),
        Token::Negative(number) => Text::from(number.to_string()),
        _ => return Err(DecodeError::InvalidPayload),
    };
    if is_reserved_event(&name) { Err(DecodeError::ReservedEvent) } else { Ok(name) }
}

fn token<'a>(frame: &'a Bytes, at: &mut usize) -> Result<Token<'a>, DecodeError> {
    let start = *at;
    read(frame, at).ok_or_else(|| malformed(start))
}

fn checked_walk(
    frame: &Bytes,
    at: usize,
    max_depth: usize,
    limits: &Limits,
    starts: Option<&mut Starts>,
) -> Result<usize, DecodeError> {
    walk(frame, at, max_depth, starts).map_err(|fault| match fault {
        Fault::Malformed { at } => malformed(at),
        Fault::TooDeep => DecodeError::TooDeep { max: self::max_depth(limits) },
    })
}

fn max_depth(limits: &Limits) -> usize {
    limits.max_depth.min(128)
}

fn malformed(at: usize) -> DecodeError {
    DecodeError::MalformedMsgpack { at }
}
