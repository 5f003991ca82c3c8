//! Whatever arrives as a frame or as a polling body: nothing panics, and what is read can be written and read again.

#![no_main]

use engine_io_parser::{
    DecodeError, EncodeError, Limits, Message, MessageRef, Packet, PacketRef, PayloadDecoder, PayloadEncoder,
    SharedFrame, Text, v3,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default().with_max_payload_bytes(4_096);
    binary_frame(bytes, &limits);
    payload_of_revision_3(v3::BinaryPayloadDecoder::new(bytes, &limits));
    if let Ok(text) = Text::from_utf8(bytes.to_vec().into()) {
        text_frame(&text, &limits);
        payload(&text, &limits);
        payload_of_revision_3(v3::PayloadDecoder::new(&text, &limits));
    }
});

/// The packets of a payload survive being written in both forms and read again; after an error nothing follows.
fn payload_of_revision_3<'a>(mut packets: impl Iterator<Item = Result<PacketRef<'a>, DecodeError>>) {
    let limits = Limits::default();
    let read: Vec<_> = packets.by_ref().map_while(Result::ok).collect();
    assert_eq!(packets.next(), None, "an error is the last item");
    let owned: Vec<_> = read.iter().map(|packet| packet.to_packet(&limits)).collect();
    let write = |form| {
        let mut payload = v3::PayloadEncoder::new(Vec::new(), usize::MAX, form);
        read.iter().for_each(|packet| payload.push(packet).expect("the budget is endless"));
        payload.into_inner()
    };
    let check = |again: Vec<Result<PacketRef<'_>, DecodeError>>| {
        let again = again.into_iter().map(|packet| packet.and_then(|packet| packet.to_packet(&limits)));
        assert!(read.is_empty() || again.eq(owned.iter().cloned()));
    };
    let text = String::from_utf8(write(v3::PayloadForm::Text)).expect("it is text");
    check(v3::PayloadDecoder::new(&text, &limits).collect());
    check(v3::BinaryPayloadDecoder::new(&write(v3::PayloadForm::Binary), &limits).collect());
}

/// A binary frame is a message of just these bytes, unless it is too long.
fn binary_frame(bytes: &[u8], limits: &Limits) {
    match PacketRef::decode_binary(bytes, limits) {
        Ok(packet) => {
            assert_eq!(packet, PacketRef::Message(MessageRef::Binary(bytes)));
            through_text(&packet.to_packet(limits).expect("a copy of bytes cannot fail"));
        }
        Err(error) => assert_too_large(&error, bytes.len(), limits),
    }
}

/// Borrowed and owned agree, and decode, encode, decode ends where it began.
fn text_frame(text: &Text, limits: &Limits) {
    let owned = Packet::decode(text, limits);
    let borrowed = PacketRef::decode_text(text, limits);
    assert_eq!(borrowed.clone().and_then(|packet| packet.to_packet(limits)), owned);

    match borrowed {
        Ok(packet) => {
            let first = text.chars().next().expect("an empty packet is refused");
            assert!(matches!(first, '0'..='6' | 'b'));
            let mut encoded = Vec::new();
            packet.encode_into(&mut encoded);
            assert_eq!(encoded.len(), packet.encoded_len());
            assert!(text.as_bytes().starts_with(&encoded), "a view is written as it was received");
        }
        Err(error) if text.len() > limits.max_payload_bytes => assert_too_large(&error, text.len(), limits),
        Err(DecodeError::EmptyPacket) => assert!(text.is_empty()),
        Err(DecodeError::UnknownType { found }) => assert!(!matches!(found, '0'..='6' | 'b')),
        Err(error) => panic!("{error} in a view, which checks only size and type"),
    }
    if let Ok(packet) = owned {
        through_text(&packet);
    }
}

/// The items of a payload are its parts, in order, up to the first error.
fn payload(text: &Text, limits: &Limits) {
    let mut again = PayloadEncoder::new(Vec::new(), usize::MAX);
    let mut parts = text.split('\u{1e}');
    let mut decoder = PayloadDecoder::new(text, limits);
    while let Some(item) = decoder.next() {
        if text.len() > limits.max_payload_bytes {
            assert_too_large(&item.expect_err("the payload is too long"), text.len(), limits);
            assert_eq!(decoder.next(), None);
            return;
        }
        let part = parts.next().expect("there are no more packets than parts");
        assert_eq!(item, PacketRef::decode_text(part, limits));
        let Ok(packet) = item else {
            assert_eq!(decoder.next(), None, "an error is the last item");
            break;
        };
        again.push(&packet).expect("a part contains no separator, and the budget is endless");
    }
    assert!(again.len() <= text.len());
    assert_eq!(again.len(), again.into_inner().len());
}

/// An owned packet survives being written and read; a message does so as a frame too.
fn through_text(packet: &Packet) {
    // What is written may be longer than what was read: base64 of a frame, padding, escapes in JSON.
    let limits = Limits::default().with_max_handshake_bytes(usize::MAX);
    let text = packet.to_text();
    assert_eq!(Packet::decode(&text, &limits).as_ref(), Ok(packet));

    if let Packet::Message(message) = packet {
        let frame = SharedFrame::from(message);
        assert_eq!(frame.packet(), text.as_bytes());
        assert_eq!(&frame.to_message(), message);
        check_websocket(&frame, message);

        let mut payload = PayloadEncoder::new(Vec::new(), 0);
        match payload.push_frame(&frame) {
            Ok(()) => assert_eq!(payload.into_inner(), text.as_bytes()),
            Err(EncodeError::SeparatorInText { at }) => assert_eq!(text.as_bytes()[at], 0x1e),
            Err(error) => panic!("{error} for the first packet"),
        }
    }
}

/// The WebSocket frame is final, not masked, and as long as its header says.
fn check_websocket(frame: &SharedFrame, message: &Message) {
    let bytes = frame.websocket().concat();
    let (opcode, content) = match message {
        Message::Text(text) => (0x81, [b"4", text.as_bytes()].concat()),
        Message::Binary(bytes) => (0x82, bytes.to_vec()),
    };
    assert_eq!(bytes[0], opcode);
    let (header, len) = match bytes[1] {
        126 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
        len => (2, usize::from(len)),
    };
    assert_eq!(len, content.len());
    assert_eq!(&bytes[header..], content);
}

fn assert_too_large(error: &DecodeError, size: usize, limits: &Limits) {
    let max = limits.max_payload_bytes;
    assert!(size > max);
    assert_eq!(error, &DecodeError::TooLarge { size, max });
}
