//! The wire vectors of `tests/data`, read and written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

use std::time::Duration;

use bytes::Bytes;
use engine_io_parser::{
    DecodeError, Handshake, Limits, Message, Packet, PacketRef, PayloadDecoder, PayloadEncoder, Text,
};
use serde::Deserialize;

#[test]
fn good_packets_decode_and_encode() {
    for case in packets().good {
        let (name, text) = (&case.name, Text::from(case.text));
        let expected = case.packet.into_packet();

        let owned =
            Packet::decode(&text, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(owned, expected, "{name}");
        let view = PacketRef::decode_text(&text, &Limits::default()).unwrap();
        assert_eq!(view.packet_type(), expected.packet_type(), "{name}");
        assert_eq!(view.to_packet(&Limits::default()).unwrap(), expected, "{name}");

        let encoded = case.encodes_as.map_or_else(|| text.clone(), Text::from);
        assert_eq!(expected.to_text(), encoded, "{name}");
        let mut buf = Vec::new();
        expected.encode_into(&mut buf);
        assert_eq!(buf, encoded.as_bytes(), "{name}");
    }
}

#[test]
fn bad_packets_are_refused_with_the_reason() {
    for BadPacket { name, text, error } in packets().bad {
        let refused = Packet::decode(&Text::from(text), &Limits::default()).expect_err(&name);
        assert_eq!(refused.to_string(), error, "{name}");
    }
}

#[test]
fn good_payloads_decode_and_encode() {
    for GoodPayload { name, payload, packets } in payloads().good {
        assert_eq!(decode(&payload), (packets.clone(), None), "{name}");

        let mut encoder = PayloadEncoder::new(Vec::new(), payload.len());
        for packet in &packets {
            encoder.push(&PacketRef::decode_text(packet, &Limits::default()).unwrap()).expect(&name);
        }
        assert_eq!(encoder.len(), payload.len(), "{name}");
        assert_eq!(encoder.into_inner(), payload.as_bytes(), "{name}");
    }
}

#[test]
fn bad_payloads_end_after_what_is_good() {
    for BadPayload { name, payload, before, error } in payloads().bad {
        let (packets, refused) = decode(&payload);
        assert_eq!(packets, before, "{name}");
        assert_eq!(refused.expect(&name).to_string(), error, "{name}");
    }
}

/// The packets of a payload in their text form, and the error it ends with.
fn decode(payload: &str) -> (Vec<String>, Option<DecodeError>) {
    let mut packets = Vec::new();
    let mut decoder = PayloadDecoder::new(payload, &Limits::default());
    while let Some(packet) = decoder.next() {
        match packet {
            Ok(packet) => {
                let mut text = Vec::new();
                packet.encode_into(&mut text);
                assert_eq!(text.len(), packet.encoded_len());
                packets.push(String::from_utf8(text).unwrap());
            }
            Err(error) => {
                assert_eq!(decoder.next(), None, "nothing comes after an error");
                return (packets, Some(error));
            }
        }
    }
    (packets, None)
}

fn packets() -> Cases<GoodPacket, BadPacket> {
    serde_json::from_str(include_str!("data/v4/packets.json")).unwrap()
}

fn payloads() -> Cases<GoodPayload, BadPayload> {
    serde_json::from_str(include_str!("data/v4/payloads.json")).unwrap()
}

#[derive(Deserialize)]
struct Cases<G, B> {
    good: Vec<G>,
    bad: Vec<B>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GoodPacket {
    name: String,
    text: String,
    /// What it becomes when it is written again, if not the same text.
    encodes_as: Option<String>,
    packet: Description,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BadPacket {
    name: String,
    text: String,
    error: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GoodPayload {
    name: String,
    payload: String,
    packets: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BadPayload {
    name: String,
    payload: String,
    before: Vec<String>,
    error: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Description {
    Open { sid: String, upgrades: Vec<String>, interval: u64, timeout: u64, max: Option<u64> },
    Close,
    Ping { data: String },
    Pong { data: String },
    Message { data: Option<String>, hex: Option<String> },
    Upgrade,
    Noop,
}

impl Description {
    fn into_packet(self) -> Packet {
        match self {
            Self::Open { sid, upgrades, interval, timeout, max } => {
                let mut handshake = Handshake::new(sid);
                handshake.upgrades = upgrades.into_iter().map(Text::from).collect();
                handshake.ping_interval = Duration::from_millis(interval);
                handshake.ping_timeout = Duration::from_millis(timeout);
                handshake.max_payload_bytes = max;
                Packet::Open(handshake)
            }
            Self::Close => Packet::Close,
            Self::Ping { data } => Packet::Ping(data.into()),
            Self::Pong { data } => Packet::Pong(data.into()),
            Self::Message { data: Some(data), hex: None } => Packet::Message(data.into()),
            Self::Message { data: None, hex: Some(hex) } => Packet::Message(Message::Binary(unhex(&hex))),
            Self::Message { .. } => panic!("a message is either text or binary"),
            Self::Upgrade => Packet::Upgrade,
            Self::Noop => Packet::Noop,
        }
    }
}

fn unhex(hex: &str) -> Bytes {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
