//! From typed arguments to a frame, in one pass.

use engine_io_parser::Message;
use serde::ser::Serialize;

use super::token::{Token, read};
use super::write::MsgpackWriter;
use crate::encode::{ArgList, EncodedPacket, Head};
use crate::{EncodeError, PacketType};

/// Encodes an event or an ack.
pub(crate) fn list_to_packet<T: Serialize + ?Sized>(
    head: &Head<'_>,
    list: &ArgList<'_, T>,
) -> Result<EncodedPacket, EncodeError> {
    Ok(to_packet(encode(head, Some(list))?.0))
}

/// Encodes a packet with a single value, or with none.
pub(crate) fn value_to_packet<T: Serialize + ?Sized>(
    head: &Head<'_>,
    value: Option<&T>,
) -> Result<EncodedPacket, EncodeError> {
    let (bytes, mut data_start) = encode(head, value)?;
    if head.packet_type == PacketType::Connect
        && value.is_some()
        && !matches!(read(&bytes, &mut data_start), Some(Token::Map(_)))
    {
        return Err(EncodeError::InvalidPayload);
    }
    Ok(to_packet(bytes))
}

/// The bytes of a packet, and where in them its data starts.
fn encode<T: Serialize + ?Sized>(head: &Head<'_>, data: Option<&T>) -> Result<(Vec<u8>, usize), EncodeError> {
    let mut bytes = Vec::with_capacity(128);
    let data_start = write(&mut bytes, head, data).map_err(|error| EncodeError::Serialize(error.into()))?;
    Ok((bytes, data_start))
}

/// Members that are not there are left out: official clients refuse a `null`.
fn write<T: Serialize + ?Sized>(
    bytes: &mut Vec<u8>,
    head: &Head<'_>,
    data: Option<&T>,
) -> Result<usize, serde_json::Error> {
    let mut writer = MsgpackWriter(bytes);
    writer.map_len(2 + usize::from(head.id.is_some()) + usize::from(data.is_some()))?;
    writer.str("type")?;
    writer.unsigned((head.packet_type as u8).into())?;
    writer.str("nsp")?;
    writer.str(head.namespace)?;
    if let Some(id) = head.id {
        writer.str("id")?;
        writer.unsigned(id)?;
    }
    let Some(data) = data else { return Ok(writer.0.len()) };
    writer.str("data")?;
    let start = writer.0.len();
    data.serialize(writer)?;
    Ok(start)
}

fn to_packet(bytes: Vec<u8>) -> EncodedPacket {
    EncodedPacket::new([Message::Binary(bytes.into())])
}
