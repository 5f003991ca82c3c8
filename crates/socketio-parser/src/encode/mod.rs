//! From typed arguments to frames, in one pass over the arguments.
//!
//! Only after it is known how many attachments there are, and with them the packet's type. So a packet is composed in
//! scratch memory of the thread first; then its frame is allocated once, exactly as large as it must be.

mod args;
mod key;
mod list;
mod string;
mod writer;

use std::cell::Cell;

use engine_io_parser::{Message, SharedFrame, TextFrameBuf, Utf8Error};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use smallvec::SmallVec;

pub(crate) use self::args::ArgList;
use self::writer::JsonWriter;
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

    /// The same packet, which no transport is to compress; see [`SharedFrame::without_compression`].
    #[must_use]
    pub fn without_compression(self) -> Self {
        Self { frames: self.frames.into_iter().map(SharedFrame::without_compression).collect() }
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
    fn write(&self, out: &mut TextFrameBuf) {
        push_digit(out, self.packet_type as u8);
        if self.namespace != "/" {
            out.push_str(self.namespace);
            out.push(b',');
        }
        if let Some(id) = self.id {
            push_number(out, id);
        }
    }

    /// Changes the type that was written to that of a packet with so many attachments, and says how many.
    fn make_binary(&self, n_attachments: usize, out: &mut TextFrameBuf) {
        let mut start = TextFrameBuf::with_capacity(8);
        push_digit(&mut start, self.packet_type as u8 + BINARY_OFFSET);
        push_number(&mut start, n_attachments as u64);
        start.push(b'-');
        out.replace_start(1, start.as_bytes());
    }
}

/// From an event's or an ack's type to that with attachments.
const BINARY_OFFSET: u8 = PacketType::BinaryEvent as u8 - PacketType::Event as u8;

fn push_digit(out: &mut TextFrameBuf, digit: u8) {
    out.push(b'0' + digit);
}

fn push_number(out: &mut TextFrameBuf, number: u64) {
    if number > 9 {
        push_number(out, number / 10);
    }
    push_digit(out, (number % 10) as u8);
}

/// Encodes an event or an ack; `finish` gets the text and the attachments.
pub(crate) fn json_list<T: Serialize + ?Sized, R>(
    head: &Head<'_>,
    list: &ArgList<'_, T>,
    limits: &Limits,
    finish: impl FnOnce(&mut TextFrameBuf, Attachments) -> Result<R, EncodeError>,
) -> Result<R, EncodeError> {
    with_scratch(|scratch| {
        head.write(scratch);
        let head_end = scratch.len();
        scratch.push(b'[');
        let mut writer = JsonWriter::new(scratch, limits.max_attachments_out);
        if let Some(name) = list.name {
            writer.arg(name)?;
        }
        writer.args(list.args)?;
        if let Some(offset) = list.offset {
            writer.arg(offset)?;
        }
        writer.out.push(b']');
        let (attachments, may_be_forged) = writer.into_attachments();
        if !attachments.is_empty() {
            let text = scratch.as_bytes().get(head_end..).unwrap_or_default();
            if may_be_forged && count_placeholders(text) != attachments.len() {
                return Err(EncodeError::ForgedPlaceholder);
            }
            head.make_binary(attachments.len(), scratch);
        }
        finish(scratch, attachments)
    })
}

/// Encodes a packet with a single value, or with none; it can't have attachments.
pub(crate) fn json_value<T: Serialize + ?Sized>(
    head: &Head<'_>,
    value: Option<&T>,
) -> Result<EncodedPacket, EncodeError> {
    with_scratch(|scratch| {
        head.write(scratch);
        let head_end = scratch.len();
        if let Some(value) = value {
            JsonWriter::new(scratch, 0).value(value)?;
            if head.packet_type == PacketType::Connect && scratch.as_bytes().get(head_end) != Some(&b'{') {
                return Err(EncodeError::InvalidPayload);
            }
        }
        to_frames(scratch, Attachments::new())
    })
}

/// Makes frames of a packet's text and its attachments.
pub(crate) fn to_frames(
    text: &mut TextFrameBuf,
    attachments: Attachments,
) -> Result<EncodedPacket, EncodeError> {
    let text = text.take_frame().map_err(|error: Utf8Error| EncodeError::Serialize(error.into()))?;
    let mut frames = SmallVec::from_buf([text]);
    if !attachments.is_empty() {
        frames.reserve_exact(attachments.len());
        attachments.into_iter().for_each(|attachment| frames.push(SharedFrame::binary(attachment)));
    }
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
        scratch.push_bytes(text);
        JsonWriter::new(scratch, 0).arg(arg).ok()?;
        scratch.push(b']');
        let mut packet = to_frames(scratch, Attachments::new()).ok()?;
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
    static SCRATCH: Cell<Option<TextFrameBuf>> = const { Cell::new(None) };
}

/// What a thread keeps between two packets.
const MAX_KEPT_BYTES: usize = 256 << 10;

/// Lends an empty buffer. It is out of its slot meanwhile: a `Serialize` implementation may encode packets, too.
fn with_scratch<R>(work: impl FnOnce(&mut TextFrameBuf) -> R) -> R {
    let mut scratch = SCRATCH.take().unwrap_or_default();
    scratch.clear();
    let result = work(&mut scratch);
    if scratch.capacity() <= MAX_KEPT_BYTES {
        SCRATCH.set(Some(scratch));
    }
    result
}
