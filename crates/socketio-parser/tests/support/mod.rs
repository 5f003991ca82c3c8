//! What the tests share: messages as data, and decoding them in one call.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "no test file uses all of this, and all are tests"
)]

use bytes::Bytes;
use engine_io_parser::Message;
use serde::Deserialize;
use socketio_parser::{Args, DecodeError, Decoder, EncodedPacket, Limits, Packet};

/// A message as a data file has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Frame {
    Text(String),
    Binary { hex: String },
}

impl Frame {
    fn to_message(&self) -> Message {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Binary { hex } => from_hex(hex).into(),
        }
    }
}

pub(crate) fn from_hex(hex: &str) -> Bytes {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The packet that the last of `frames` completes, if it does.
pub(crate) fn decode(frames: &[Frame]) -> Result<Option<Packet>, DecodeError> {
    let mut decoder = Decoder::new(Limits::default());
    let mut packet = None;
    for frame in frames {
        packet = decoder.decode(frame.to_message())?;
    }
    Ok(packet)
}

pub(crate) fn frames_of(packet: &EncodedPacket) -> Vec<Frame> {
    let frames = packet.frames().iter();
    frames
        .map(|frame| match frame.to_message() {
            Message::Text(text) => Frame::Text(text.to_string()),
            Message::Binary(bytes) => {
                Frame::Binary { hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
            }
        })
        .collect()
}

/// The text of a packet without attachments.
pub(crate) fn text_of(packet: &EncodedPacket) -> String {
    match &frames_of(packet)[..] {
        [Frame::Text(text)] => text.clone(),
        other => panic!("one text: {other:?}"),
    }
}

/// The arguments of an event or ack.
pub(crate) fn args(text: &str, attachments: &[&'static [u8]]) -> Args {
    let mut decoder = Decoder::new(Limits::default());
    let mut packet = decoder.decode_text(text.into()).unwrap();
    for attachment in attachments {
        packet = decoder.decode_binary(Bytes::from_static(attachment)).unwrap();
    }
    match packet {
        Some(Packet::Event { args, .. } | Packet::Ack { args, .. }) => args,
        other => panic!("no arguments: {other:?}"),
    }
}
