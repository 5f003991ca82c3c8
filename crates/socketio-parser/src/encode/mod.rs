//! From typed arguments to frames, in one pass over the arguments.
//!
//! Only after it is known how many attachments there are, and with them the packet's type. So the arguments are
//! written into scratch memory of the thread first; then the frame is allocated once, exactly as large as it must be.

mod args;
mod json;

use std::cell::Cell;
use std::io::Write;

use engine_io_parser::{Message, SharedFrame, TextFrameBuf};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use smallvec::SmallVec;

pub(crate) use self::args::ArgList;
use self::json::{JsonWriter, Shape};
use crate::args::Attachments;
use crate::json::count_placeholders;
use crate::{EncodeError, Limits, PacketType};

/// An encoded packet, ready to be sent to any number of peers; a clone is cheap.
#[derive(Debug, Clone)]
pub struct EncodedPacket {
    frames: SmallVec<[SharedFrame; 1]>,
}

impl EncodedPacket {
    /// A packet made of these messages, for custom parsers.
    #[must_use]
    pub fn new(messages: impl IntoIterator<Item = Message>) -> Self {
        Self { frames: messages.into_iter().map(|message| SharedFrame::from(&message)).collect() }
    }

    /// The frames in the order they must be sent; none of another packet may come between them.
    #[must_use]
    pub fn frames(&self) -> &[SharedFrame] {
        &self.frames
    }

    /// The frames in the order they must be sent, to be kept.
    pub fn into_frames(self) -> impl ExactSizeIterator<Item = SharedFrame> {
        self.frames.into_iter()
    }
}

/// A packet's header but for the number of attachments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    /// As if there were no attachments.
    pub(crate) packet_type: PacketType,
    pub(crate) namespace: &'a str,
    pub(crate) id: Option<u64>,
}

impl Head<'_> {
    fn write(&self, attachments: usize, out: &mut Vec<u8>) {
        match (self.packet_type, attachments) {
            (packet_type, 0) => push_number(out, packet_type as u64),
            (packet_type, count) => {
                push_number(out, packet_type as u64 + BINARY_OFFSET);
                push_number(out, count as u64);
                out.push(b'-');
            }
        }
        if self.namespace != "/" {
            out.extend_from_slice(self.namespace.as_bytes());
            out.push(b',');
        }
        if let Some(id) = self.id {
            push_number(out, id);
        }
    }
}

/// From an event's or an ack's type to that with attachments.
const BINARY_OFFSET: u64 = PacketType::BinaryEvent as u64 - PacketType::Event as u64;

fn push_number(out: &mut Vec<u8>, number: u64) {
    // Most numbers here have one digit.
    if let digit @ 0..=9 = number {
        #[expect(clippy::cast_possible_truncation, reason = "it is one digit")]
        out.push(b'0' + digit as u8);
        return;
    }
    push_number(out, number / 10);
    push_number(out, number % 10);
}

/// Encodes an event or an ack; `finish` gets the text in parts, and the attachments.
pub(crate) fn json_list<T: Serialize + ?Sized, R>(
    head: &Head<'_>,
    list: &ArgList<'_, T>,
    limits: &Limits,
    finish: impl FnOnce(&[&[u8]], Attachments) -> R,
) -> Result<R, EncodeError> {
    with_scratch(|scratch| {
        head.write(0, scratch);
        let head_end = scratch.len();
        scratch.push(b'[');
        let mut writer = JsonWriter::new(scratch, limits.max_attachments_out);
        if let Some(name) = list.name {
            writer.value(name)?;
        }
        let name_end = writer.out.len();
        if list.name.is_some() {
            writer.out.push(b',');
        }
        let front_end = writer.out.len();
        let mut back_start = front_end;
        let mut shape = writer.args(list.args)?;
        if shape == Shape::Several {
            // They stand in an array now: its first bracket is left out, and its last is written when all is there.
            back_start += 1;
            writer.out.pop();
            if writer.out.len() == back_start {
                shape = Shape::None;
            }
        }
        if shape == Shape::None {
            writer.out.truncate(name_end);
        }
        if let Some(offset) = list.offset {
            if list.name.is_some() || shape != Shape::None {
                writer.out.push(b',');
            }
            writer.value(offset)?;
        }
        writer.out.push(b']');
        let attachments = writer.into_attachments();

        let text_end = scratch.len();
        let is_binary = !attachments.is_empty();
        if is_binary {
            if count_placeholders(scratch.get(head_end..).unwrap_or_default()) != attachments.len() {
                return Err(EncodeError::ForgedPlaceholder);
            }
            head.write(attachments.len(), scratch);
        }
        let (text, new_head) = scratch.split_at_checked(text_end).unwrap_or((scratch, &[]));
        let (front, back) = if shape == Shape::Several {
            (text.get(..front_end).unwrap_or_default(), text.get(back_start..).unwrap_or_default())
        } else {
            (text, &[][..])
        };
        let front = if is_binary { front.get(head_end..).unwrap_or_default() } else { front };
        Ok(finish(&[new_head, front, back], attachments))
    })
}

/// Encodes a packet with a single value, or with none; it can't have attachments.
pub(crate) fn json_value<T: Serialize + ?Sized, R>(
    head: &Head<'_>,
    value: Option<&T>,
    finish: impl FnOnce(&[&[u8]], Attachments) -> R,
) -> Result<R, EncodeError> {
    with_scratch(|scratch| {
        head.write(0, scratch);
        let head_end = scratch.len();
        if let Some(value) = value {
            JsonWriter::new(scratch, 0).value(value)?;
            if head.packet_type == PacketType::Connect && scratch.get(head_end) != Some(&b'{') {
                return Err(EncodeError::InvalidPayload);
            }
        }
        Ok(finish(&[scratch], Attachments::new()))
    })
}

/// Makes frames of a packet's parts.
pub(crate) fn to_frames(parts: &[&[u8]], attachments: Attachments) -> Result<EncodedPacket, EncodeError> {
    let mut buf = TextFrameBuf::with_capacity(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        buf.write_all(part).map_err(|error| EncodeError::Serialize(error.into()))?;
    }
    let text = buf.finish().map_err(|error| EncodeError::Serialize(error.into()))?;
    let mut frames = SmallVec::with_capacity(1 + attachments.len());
    frames.push(text);
    frames.extend(attachments.into_iter().map(SharedFrame::binary));
    Ok(EncodedPacket { frames })
}

/// Adds one argument to the end of an encoded event in the default format; what else it is given it refuses.
pub(crate) fn append_arg(packet: &EncodedPacket, arg: &str) -> Option<EncodedPacket> {
    let (text, attachments) = packet.frames.split_first()?;
    let text = text.packet().strip_prefix(b"4")?.strip_suffix(b"]")?;
    if !text.starts_with(b"2") && !text.starts_with(b"5") {
        return None;
    }
    with_scratch(|scratch| {
        JsonWriter::new(scratch, 0).value(arg).ok()?;
        let mut packet = to_frames(&[text, b",", scratch, b"]"], Attachments::new()).ok()?;
        packet.frames.extend(attachments.iter().cloned());
        Some(packet)
    })
}

/// Why a CONNECT is refused.
pub(crate) struct Refusal<'a, T: ?Sized> {
    pub(crate) message: &'a str,
    pub(crate) data: Option<&'a T>,
}

impl<T: Serialize + ?Sized> Serialize for Refusal<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Refusal", 1 + usize::from(self.data.is_some()))?;
        object.serialize_field("message", self.message)?;
        if let Some(data) = self.data {
            object.serialize_field("data", data)?;
        }
        object.end()
    }
}

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What a thread keeps between two packets.
const MAX_KEPT_BYTES: usize = 256 << 10;

/// Lends an empty buffer. It is out of its slot meanwhile: a `Serialize` implementation may encode packets, too.
fn with_scratch<R>(work: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut scratch = SCRATCH.take();
    scratch.clear();
    let result = work(&mut scratch);
    if scratch.capacity() <= MAX_KEPT_BYTES {
        SCRATCH.set(scratch);
    }
    result
}
