//! The part of a text packet before its payload: `<type>[<attachments>-][<namespace>,][<ack id>]`.

use crate::limits::MAX_ACK_ID;
use crate::{DecodeError, Limits, PacketType};

/// A borrowed view of a text packet, for those who route packets without looking inside.
///
/// The payload is not checked.
///
/// ```
/// use socketio_parser::{Header, Limits, PacketType};
///
/// let header = Header::parse(r#"51-/admin,12["image",{"_placeholder":true,"num":0}]"#, &Limits::default())?;
/// assert_eq!(header.packet_type, PacketType::BinaryEvent);
/// assert_eq!(header.attachments, Some(1));
/// assert_eq!(header.namespace, "/admin");
/// assert_eq!(header.id, Some(12));
/// assert_eq!(header.payload, r#"["image",{"_placeholder":true,"num":0}]"#);
/// # Ok::<(), socketio_parser::DecodeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header<'a> {
    /// The type.
    pub packet_type: PacketType,
    /// How many attachments follow; only binary packets have a count, and it is never zero.
    pub attachments: Option<usize>,
    /// The namespace, `/` if the packet names none.
    pub namespace: &'a str,
    /// The ack id; only events and acks have one.
    pub id: Option<u64>,
    /// The rest: JSON, or nothing.
    pub payload: &'a str,
}

impl<'a> Header<'a> {
    /// Reads the header of `text`.
    ///
    /// # Errors
    ///
    /// A [`DecodeError`] if it breaks the grammar or a limit.
    pub fn parse(text: &'a str, limits: &Limits) -> Result<Self, DecodeError> {
        let packet_type =
            text.bytes().next().and_then(PacketType::from_digit).ok_or(DecodeError::UnknownPacketType)?;
        let mut rest = text.get(1..).unwrap_or_default();
        let mut attachments = None;
        if let PacketType::BinaryEvent | PacketType::BinaryAck = packet_type {
            let (count, after) = digits(rest);
            rest = after.strip_prefix('-').ok_or(DecodeError::IllegalAttachments)?;
            attachments = Some(attachment_count(count, limits)?);
        }
        let mut namespace = "/";
        if rest.starts_with('/') {
            (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
            check_namespace(namespace, limits)?;
        }
        let mut id = None;
        if has_id(packet_type) {
            let (number, after) = digits(rest);
            rest = after;
            if !number.is_empty() {
                id = Some(ack_id(number)?);
            }
        }
        Ok(Self { packet_type, attachments, namespace, id, payload: rest })
    }
}

fn has_id(packet_type: PacketType) -> bool {
    use PacketType::{Ack, BinaryAck, BinaryEvent, Event};
    matches!(packet_type, Event | Ack | BinaryEvent | BinaryAck)
}

/// Splits after the leading ASCII digits.
fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn attachment_count(digits: &str, limits: &Limits) -> Result<usize, DecodeError> {
    let max = limits.max_attachments_in;
    match digits.trim_start_matches('0') {
        "" => Err(DecodeError::IllegalAttachments),
        // Only a number that is too large can fail to parse.
        significant => match significant.parse() {
            Ok(count) if count <= max => Ok(count),
            _ => Err(DecodeError::TooManyAttachments { max }),
        },
    }
}

pub(crate) fn check_namespace(namespace: &str, limits: &Limits) -> Result<(), DecodeError> {
    if namespace.len() > limits.max_namespace_bytes {
        return Err(DecodeError::NamespaceTooLong { len: namespace.len(), max: limits.max_namespace_bytes });
    }
    if namespace.chars().any(char::is_control) {
        return Err(DecodeError::InvalidNamespace);
    }
    Ok(())
}

fn ack_id(digits: &str) -> Result<u64, DecodeError> {
    match digits.parse() {
        Ok(id) if id <= MAX_ACK_ID => Ok(id),
        _ => Err(DecodeError::AckIdTooLarge),
    }
}
