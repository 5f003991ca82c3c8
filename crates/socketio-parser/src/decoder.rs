//! From frames to packets: one decoder per connection.

use std::mem;

use bytes::Bytes;
use engine_io_parser::{Message, Text};
use serde::de::{Deserializer as _, Visitor};

use crate::args::{Args, Attachments, Payload};
use crate::custom::CustomDecoder;
use crate::header::Header;
use crate::json::{Fault, Scanner, Starts, plain_len, trim_element};
use crate::packet::{Packet, PacketType, is_reserved_event};
use crate::{DecodeError, Limits};

/// Puts packets together from the frames of one connection, of a server or a client.
///
/// ```text
///            text without attachments: packet            binary, not the last: keep
///                    ┌───┐                                       ┌───┐
///                    │   ▼       text with attachments           │   ▼
///                   Ready ──────────────────────────────────▶ Collecting
///                     ▲          binary, the last: packet        │
///                     └──────────────────────────────────────────┘
/// ```
///
/// Whatever else arrives is an error, after which the connection should be closed. How long a packet may wait for its
/// attachments is the caller's to bound; [`pending`](Self::pending) tells that one waits, and whose it is.
#[derive(Debug)]
pub struct Decoder(Kind);

#[derive(Debug)]
enum Kind {
    Json(JsonDecoder),
    #[cfg(feature = "msgpack")]
    Msgpack(Limits),
    Custom(Box<dyn CustomDecoder>),
}

/// A packet that waits for its attachments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pending<'a> {
    /// The namespace that the packet belongs to.
    pub namespace: &'a str,
    /// How many attachments are still to come.
    pub missing: usize,
}

impl Decoder {
    /// A decoder for the default format.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Kind::Json(JsonDecoder { limits, state: State::Ready }))
    }

    #[cfg(feature = "msgpack")]
    pub(crate) fn msgpack(limits: Limits) -> Self {
        Self(Kind::Msgpack(limits))
    }

    pub(crate) fn custom(decoder: Box<dyn CustomDecoder>) -> Self {
        Self(Kind::Custom(decoder))
    }

    /// Takes the next message; `None` means that the packet's attachments are awaited.
    ///
    /// # Errors
    ///
    /// A [`DecodeError`] if the peer broke the protocol.
    pub fn decode(&mut self, message: Message) -> Result<Option<Packet>, DecodeError> {
        match message {
            Message::Text(text) => self.decode_text(text),
            Message::Binary(bytes) => self.decode_binary(bytes),
        }
    }

    /// Takes the next message, which is a text; `None` means that the packet's attachments are awaited.
    ///
    /// # Errors
    ///
    /// A [`DecodeError`] if the peer broke the protocol.
    pub fn decode_text(&mut self, text: Text) -> Result<Option<Packet>, DecodeError> {
        match &mut self.0 {
            Kind::Json(decoder) => decoder.decode_text(text),
            #[cfg(feature = "msgpack")]
            Kind::Msgpack(_) => Err(DecodeError::TextInBinaryFormat),
            Kind::Custom(decoder) => checked(decoder.decode_text(text)),
        }
    }

    /// Takes the next message, which is binary; `None` means that further attachments are awaited.
    ///
    /// # Errors
    ///
    /// A [`DecodeError`] if the peer broke the protocol.
    pub fn decode_binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, DecodeError> {
        match &mut self.0 {
            Kind::Json(decoder) => decoder.decode_binary(bytes),
            #[cfg(feature = "msgpack")]
            Kind::Msgpack(limits) => crate::msgpack::decode_packet(&bytes, limits).map(Some),
            Kind::Custom(decoder) => checked(decoder.decode_binary(bytes)),
        }
    }

    /// The packet that waits for attachments, if one does.
    #[must_use]
    pub fn pending(&self) -> Option<Pending<'_>> {
        match &self.0 {
            Kind::Json(decoder) => decoder.pending(),
            #[cfg(feature = "msgpack")]
            Kind::Msgpack(_) => None,
            Kind::Custom(decoder) => decoder.pending(),
        }
    }

    /// Forgets a packet that waits for attachments, and those it has.
    pub fn reset(&mut self) {
        match &mut self.0 {
            Kind::Json(decoder) => decoder.state = State::Ready,
            // Every frame is a whole packet: nothing waits.
            #[cfg(feature = "msgpack")]
            Kind::Msgpack(_) => {}
            Kind::Custom(decoder) => decoder.reset(),
        }
    }
}

/// What must hold of a packet whatever parser decoded it.
fn checked(
    result: Result<Option<Packet>, Box<dyn std::error::Error + Send + Sync>>,
) -> Result<Option<Packet>, DecodeError> {
    let packet = result.map_err(DecodeError::Custom)?;
    if let Some(packet) = &packet {
        if !packet.namespace().starts_with('/') {
            return Err(DecodeError::InvalidNamespace);
        }
        if let Packet::Event { name, .. } = packet
            && is_reserved_event(name)
        {
            return Err(DecodeError::ReservedEvent);
        }
    }
    Ok(packet)
}

#[derive(Debug)]
struct JsonDecoder {
    limits: Limits,
    state: State,
}

#[derive(Debug)]
enum State {
    Ready,
    /// Boxed: connections are many, and hardly any is in this state.
    Collecting(Box<Collecting>),
}

#[derive(Debug)]
struct Collecting {
    packet: Packet,
    /// How many attachments are still to come; never zero.
    missing: usize,
    attachments: Attachments,
    /// Bytes of the attachments so far.
    size: usize,
}

impl JsonDecoder {
    fn decode_text(&mut self, text: Text) -> Result<Option<Packet>, DecodeError> {
        if let State::Collecting(_) = self.state {
            return Err(DecodeError::UnexpectedText);
        }
        let (packet, attachments) = decode_packet(text, &self.limits)?;
        Ok(match attachments {
            None => Some(packet),
            Some(missing) => {
                // Room is made as attachments come: their number is only what the peer says.
                let collecting = Collecting { packet, missing, attachments: Attachments::new(), size: 0 };
                self.state = State::Collecting(Box::new(collecting));
                None
            }
        })
    }

    fn decode_binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, DecodeError> {
        let mut collecting = match mem::replace(&mut self.state, State::Ready) {
            State::Ready => return Err(DecodeError::UnexpectedBinary),
            State::Collecting(collecting) => collecting,
        };
        let size = collecting.size.saturating_add(bytes.len());
        let max = self.limits.max_attachment_bytes_total;
        if size > max {
            return Err(DecodeError::AttachmentsTooLarge { size, max });
        }
        collecting.size = size;
        collecting.attachments.push(bytes);
        collecting.missing -= 1;
        if collecting.missing > 0 {
            self.state = State::Collecting(collecting);
            return Ok(None);
        }
        let Collecting { mut packet, attachments, .. } = *collecting;
        if let Packet::Event { args, .. } | Packet::Ack { args, .. } = &mut packet {
            args.attach(attachments);
        }
        Ok(Some(packet))
    }

    fn pending(&self) -> Option<Pending<'_>> {
        match &self.state {
            State::Ready => None,
            State::Collecting(collecting) => {
                Some(Pending { namespace: collecting.packet.namespace(), missing: collecting.missing })
            }
        }
    }
}

/// Decodes a text, whose attachments, if it says how many there are, are still to come.
fn decode_packet(text: Text, limits: &Limits) -> Result<(Packet, Option<usize>), DecodeError> {
    let header = Header::parse(&text, limits)?;
    let Header { packet_type, attachments, id, payload, .. } = header;
    let namespace = match header.namespace {
        "/" => Text::from_static("/"),
        name => text.slice_ref(name),
    };
    let packet = match packet_type {
        PacketType::Connect => {
            let auth = match payload.as_bytes() {
                [] => None,
                [b'{', ..] => Some(decode_payload(&text, payload, limits)?),
                _ => return Err(DecodeError::InvalidPayload),
            };
            Packet::Connect { namespace, auth }
        }
        PacketType::Disconnect if payload.is_empty() => Packet::Disconnect { namespace },
        PacketType::ConnectError if payload.starts_with(['{', '"']) => {
            Packet::ConnectError { namespace, data: decode_payload(&text, payload, limits)? }
        }
        PacketType::Event | PacketType::BinaryEvent => {
            let starts = decode_list(&text, payload, attachments, limits)?;
            let name = event_name(&text, &starts)?;
            Packet::Event { namespace, id, name, args: Args::json(text, starts, 1) }
        }
        PacketType::Ack | PacketType::BinaryAck => {
            let id = id.ok_or(DecodeError::MissingAckId)?;
            // An ack may come without any payload; a binary one needs a place for its attachments.
            let starts = match (payload, attachments) {
                ("", None) => Starts::new(),
                _ => decode_list(&text, payload, attachments, limits)?,
            };
            Packet::Ack { namespace, id, args: Args::json(text, starts, 0) }
        }
        PacketType::Disconnect | PacketType::ConnectError => return Err(DecodeError::InvalidPayload),
    };
    Ok((packet, attachments))
}

/// Checks a list of arguments and says where in `text` each of them starts.
fn decode_list(
    text: &Text,
    payload: &str,
    attachments: Option<usize>,
    limits: &Limits,
) -> Result<Starts, DecodeError> {
    if !payload.starts_with('[') {
        return Err(DecodeError::InvalidPayload);
    }
    let mut starts = Starts::new();
    Scanner::new(text, text.len() - payload.len())
        .check(limits.max_depth, attachments, &mut starts)
        .map_err(|fault| decode_error(fault, limits))?;
    Ok(starts)
}

/// Checks a value that stands alone. It may nest as deep as an argument.
fn decode_payload(text: &Text, payload: &str, limits: &Limits) -> Result<Payload, DecodeError> {
    Scanner::new(text, text.len() - payload.len())
        .check(limits.max_depth.min(128).saturating_sub(1), None, &mut Starts::new())
        .map_err(|fault| decode_error(fault, limits))?;
    Ok(Payload::json(text.slice_ref(payload)))
}

fn decode_error(fault: Fault, limits: &Limits) -> DecodeError {
    match fault {
        Fault::Malformed { at } => DecodeError::MalformedJson { at },
        Fault::TooDeep => DecodeError::TooDeep { max: limits.max_depth.min(128) },
        Fault::IllegalPlaceholder { at } => DecodeError::IllegalPlaceholder { at },
    }
}

/// The first element of an event, whose payload was checked: a string, or an integer whose digits are the name.
fn event_name(text: &Text, starts: &Starts) -> Result<Text, DecodeError> {
    let [start, end, ..] = starts[..] else { return Err(DecodeError::InvalidPayload) };
    let element = trim_element(text.get(start as usize..end as usize).unwrap_or_default());
    let name = match element.as_bytes() {
        [b'"', inner @ .., b'"'] if plain_len(inner) == inner.len() => {
            element.get(1..=inner.len()).unwrap_or_default()
        }
        [b'"', ..] => &*unescape(element).ok_or(DecodeError::InvalidPayload)?,
        [b'-' | b'0'..=b'9', ..] if !element.contains(['.', 'e', 'E']) => element,
        _ => return Err(DecodeError::InvalidPayload),
    };
    // Copied, not shared: a name that is kept must not keep a long message with it.
    if is_reserved_event(name) { Err(DecodeError::ReservedEvent) } else { Ok(name.into()) }
}

/// What a string with escapes says. Half a surrogate pair, which JavaScript may send, becomes U+FFFD.
fn unescape(string: &str) -> Option<String> {
    struct Lossy;

    impl Visitor<'_> for Lossy {
        type Value = String;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
    }

    // As bytes: as a string, `serde_json` refuses half a pair.
    serde_json::Deserializer::from_str(string).deserialize_bytes(Lossy).ok()
}
