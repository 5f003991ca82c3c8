//! What is written reads back the same, and nothing that is read panics.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

use std::time::Duration;

use bytes::Bytes;
use engine_io_parser::{
    DecodeError, Handshake, Limits, Message, MessageRef, Packet, PacketRef, PayloadDecoder, PayloadEncoder,
    SharedFrame, Text, TextFrameBuf,
};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_packet_reads_back_as_it_was_written(packet in any_packet(any_text())) {
        let text = packet.to_text();
        prop_assert_eq!(Packet::decode(&text, &Limits::default()), Ok(packet));
    }

    #[test]
    fn an_announced_length_is_the_written_one(packet in any_packet(any_text())) {
        let text = packet.to_text();
        let view = PacketRef::decode_text(&text, &Limits::default()).unwrap();
        prop_assert_eq!(view.encoded_len(), text.len());
        if let Packet::Message(message) = &packet {
            let view = PacketRef::Message(message.into());
            prop_assert_eq!(view.encoded_len(), text.len());
        }
    }

    #[test]
    fn a_payload_reads_back_as_it_was_written(packets in any_payload()) {
        let payload = encode(&packets);
        prop_assert_eq!(decode(&payload), (packets, None));
    }

    #[test]
    fn a_payload_cut_anywhere_loses_nothing_before_the_cut(packets in any_payload(), cut in any::<prop::sample::Index>()) {
        let payload = encode(&packets);
        let cut = boundary_below(&payload, cut);
        let whole = payload[..cut].matches('\u{1e}').count();
        let (read, _) = decode(&payload[..cut]);
        prop_assert!(read.len() >= whole, "{} packets of {whole}", read.len());
        prop_assert_eq!(&read[..whole], &packets[..whole]);
    }

    #[test]
    fn a_mutated_payload_never_yields_more_than_it_holds(
        packets in any_payload(), at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let mut payload = encode(&packets).into_bytes();
        let at = at.index(payload.len());
        payload[at] = byte;
        if let Ok(payload) = Text::from_utf8(payload.into()) {
            check_bounded(&payload);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in any_text()) {
        check_bounded(&text);
        check_first_byte(text.as_bytes());
    }

    #[test]
    fn a_frame_and_a_packet_say_the_same(message in any_message(any_text())) {
        let frame = SharedFrame::from(&message);
        prop_assert_eq!(frame.len(), message.len());
        let packet = Packet::Message(message.clone()).to_text();
        prop_assert_eq!(frame.packet(), packet.as_bytes());
        prop_assert_eq!(frame.to_message(), message);
    }

    #[test]
    fn a_frame_written_in_parts_is_the_frame_written_at_once(text in any_text(), cut in any::<prop::sample::Index>()) {
        let (a, b) = text.split_at(boundary_below(&text, cut));
        let mut buf = TextFrameBuf::with_capacity(0);
        buf.push_str(a);
        buf.push_str(b);
        prop_assert_eq!(buf.len(), text.len());
        let frame = buf.take_frame().unwrap();
        prop_assert_eq!(frame.websocket().concat(), SharedFrame::text(&text).websocket().concat());
    }
}

#[test]
fn every_input_of_two_bytes_is_read_or_refused() {
    for bytes in 0..=u16::MAX {
        check_first_byte(&bytes.to_be_bytes());
    }
}

#[test]
fn inputs_of_one_to_six_bytes_with_every_first_byte_are_read_or_refused() {
    let tails: [&[u8]; 9] = [
        b"\x9f\x98\x80ab",
        b"\x9f\x98\x80\xf0\x9f",
        b"\x80\x80\x80\x80\x80",
        b"\xa9\xe2\x82\xac4",
        b"\x1e\x1e\x1e\x1e\x1e",
        b"\x1e4\x1eb\x1e",
        b"=====",
        b"AQID\x00",
        b"\xff\xfe{}\"",
    ];
    for first in 0..=u8::MAX {
        for tail in tails {
            for len in 0..=tail.len() {
                check_first_byte(&[&[first], &tail[..len]].concat());
            }
        }
    }
}

#[test]
fn a_view_borrows_from_the_input() {
    let text = Text::from("4a text that is too long to be copied");
    let Ok(PacketRef::Message(MessageRef::Text(view))) = PacketRef::decode_text(&text, &Limits::default())
    else {
        panic!("a text message")
    };
    assert!(std::ptr::eq(view, &text[1..]));
    let Ok(Packet::Message(Message::Text(owned))) = Packet::decode(&text, &Limits::default()) else {
        panic!("a text message")
    };
    assert!(std::ptr::eq(owned.as_str(), &text[1..]), "an owned packet shares the bytes");
    let Ok(Packet::Message(Message::Text(copied))) =
        PacketRef::from(MessageRef::Text(view)).to_packet(&Limits::default())
    else {
        panic!("a text message")
    };
    assert!(!std::ptr::eq(copied.as_str(), &text[1..]), "a copy does not keep the input alive");
}

/// A text packet is read if its first byte is a type, and refused with that byte's character otherwise; as a binary
/// frame the same bytes are always a message.
#[track_caller]
fn check_first_byte(bytes: &[u8]) {
    let limits = Limits::default();
    let binary = PacketRef::decode_binary(bytes, &limits).unwrap();
    assert_eq!(binary, PacketRef::Message(MessageRef::Binary(bytes)));

    let Ok(text) = Text::from_utf8(Bytes::copy_from_slice(bytes)) else {
        assert!(std::str::from_utf8(bytes).is_err());
        return;
    };
    check_bounded(&text);
    match (bytes.first(), PacketRef::decode_text(&text, &limits)) {
        (Some(b'0'..=b'6' | b'b'), Ok(packet)) => {
            assert!(packet.encoded_len() <= text.len());
            assert_eq!(packet.to_packet(&limits), Packet::decode(&text, &limits), "borrowed and owned agree");
        }
        (Some(_), Err(error)) => {
            let found = text.chars().next().unwrap();
            assert!(!matches!(found, '0'..='6' | 'b'));
            assert_eq!(error, DecodeError::UnknownType { found });
        }
        (None, Err(error)) => assert_eq!(error, DecodeError::EmptyPacket),
        (_, packet) => panic!("{text:?} is {packet:?}"),
    }
}

/// A payload yields at most its own bytes, and one error at most, as its last item.
#[track_caller]
fn check_bounded(payload: &str) {
    let items: Vec<_> = PayloadDecoder::new(payload, &Limits::default()).collect();
    let encoded: usize = items.iter().flatten().map(PacketRef::encoded_len).sum();
    assert!(encoded + items.len() - 1 <= payload.len());
    assert!(items.iter().rev().skip(1).all(Result::is_ok));
    for packet in items.iter().flatten() {
        if let Ok(packet) = packet.to_packet(&Limits::default()) {
            assert_eq!(Packet::decode(&packet.to_text(), &Limits::default()), Ok(packet));
        }
    }
}

fn boundary_below(text: &str, cut: prop::sample::Index) -> usize {
    let cut = cut.index(text.len() + 1);
    (0..=cut).rfind(|&at| text.is_char_boundary(at)).expect("zero is a boundary")
}

fn encode(packets: &[Packet]) -> String {
    let mut payload = PayloadEncoder::new(Vec::new(), usize::MAX);
    for packet in packets {
        let text = packet.to_text();
        payload.push(&PacketRef::decode_text(&text, &Limits::default()).unwrap()).unwrap();
    }
    String::from_utf8(payload.into_inner()).unwrap()
}

fn decode(payload: &str) -> (Vec<Packet>, Option<DecodeError>) {
    let mut packets = Vec::new();
    for packet in PayloadDecoder::new(payload, &Limits::default()) {
        match packet.and_then(|packet| packet.to_packet(&Limits::default())) {
            Ok(packet) => packets.push(packet),
            Err(error) => return (packets, Some(error)),
        }
    }
    (packets, None)
}

/// Characters that mean something to the parser are as frequent as all others together.
fn any_text() -> impl Strategy<Value = String> + Clone {
    let special = prop::sample::select("0123456789b\u{1e}=+/{}\"€😀\0".chars().collect::<Vec<_>>());
    prop::collection::vec(prop_oneof![special, any::<char>()], 0..40)
        .prop_map(|characters| characters.into_iter().collect())
}

fn any_message(text: impl Strategy<Value = String>) -> impl Strategy<Value = Message> {
    prop_oneof![
        text.prop_map(Message::from),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Message::Binary(bytes.into())),
    ]
}

fn any_handshake() -> impl Strategy<Value = Handshake> {
    let sid = any_text().prop_filter("an id is not empty", |sid| !sid.is_empty());
    (sid, prop::collection::vec(any_text(), 0..3), any::<[u64; 2]>(), any::<Option<u64>>()).prop_map(
        |(sid, upgrades, [interval, timeout], max)| {
            let mut handshake = Handshake::new(sid);
            handshake.upgrades = upgrades.into_iter().map(Text::from).collect();
            handshake.ping_interval = Duration::from_millis(interval);
            handshake.ping_timeout = Duration::from_millis(timeout);
            handshake.max_payload_bytes = max;
            handshake
        },
    )
}

fn any_packet(text: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = Packet> {
    prop_oneof![
        any_handshake().prop_map(Packet::Open),
        Just(Packet::Close),
        text.clone().prop_map(|data| Packet::Ping(data.into())),
        text.clone().prop_map(|data| Packet::Pong(data.into())),
        any_message(text).prop_map(Packet::Message),
        Just(Packet::Upgrade),
        Just(Packet::Noop),
    ]
}

/// Packets whose texts have no separator in them.
fn any_payload() -> impl Strategy<Value = Vec<Packet>> {
    let text = any_text().prop_map(|text| text.replace('\u{1e}', "")).boxed();
    prop::collection::vec(any_packet(text), 1..8)
}
