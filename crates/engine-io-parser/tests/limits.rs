//! Each limit of the decoders and the encoder, at its value and one past it.

use engine_io_parser::{
    DecodeError, EncodeError, Handshake, Limits, Message, MessageRef, PacketRef, PayloadDecoder,
    PayloadEncoder, SharedFrame, Text,
};

const MAX: usize = 1_000_000;

#[test]
fn a_text_packet_may_be_as_long_as_the_limit() {
    let text = format!("4{}", "x".repeat(MAX));
    let limits = Limits::default();
    assert!(PacketRef::decode_text(&text[..MAX], &limits).is_ok());
    assert_eq!(PacketRef::decode_text(&text, &limits), Err(too_large(MAX + 1, MAX)));
}

#[test]
fn a_binary_frame_may_be_as_long_as_the_limit() {
    let bytes = vec![0; MAX + 1];
    let limits = Limits::default();
    assert!(PacketRef::decode_binary(&bytes[..MAX], &limits).is_ok());
    assert_eq!(PacketRef::decode_binary(&bytes, &limits), Err(too_large(MAX + 1, MAX)));
}

#[test]
fn base64_counts_as_it_was_sent() {
    let limits = Limits::default().with_max_payload_bytes(9);
    let packet = PacketRef::decode_text("bAAAAAAAA", &limits).unwrap();
    assert_eq!(packet.to_packet(&limits).unwrap(), Message::from(bytes::Bytes::from_static(&[0; 6])).into());
    // Seven bytes would be within the limit, their base64 is not.
    assert_eq!(PacketRef::decode_text("bAAAAAAAAAA", &limits), Err(too_large(11, 9)));
}

#[test]
fn a_payload_may_be_as_long_as_the_limit() {
    let limits = Limits::default().with_max_payload_bytes(5);
    assert_eq!(PayloadDecoder::new("4a\u{1e}4b", &limits).filter_map(Result::ok).count(), 2);
    let one_past: Vec<_> = PayloadDecoder::new("4a\u{1e}4bc", &limits).collect();
    assert_eq!(one_past, [Err(too_large(6, 5))]);
}

#[test]
fn ten_thousands_of_packets_are_within_the_limits() {
    let payload = vec!["2"; MAX / 2].join("\u{1e}");
    assert_eq!(PayloadDecoder::new(&payload, &Limits::default()).filter_map(Result::ok).count(), MAX / 2);
}

#[test]
fn a_handshake_may_be_as_long_as_its_limit() {
    let mut handshake = Handshake::new("a");
    handshake.upgrades = vec![Text::from("websocket")];
    let json = handshake.to_json();
    let at = Limits::default().with_max_handshake_bytes(json.len());
    assert_eq!(Handshake::decode(&json, &at), Ok(handshake));
    let below = Limits::default().with_max_handshake_bytes(json.len() - 1);
    assert_eq!(Handshake::decode(&json, &below), Err(too_large(json.len(), json.len() - 1)));
}

#[test]
fn the_default_limit_of_a_handshake_holds_in_a_packet() {
    let text = format!("0{{\"x\":\"{}\"}}", "x".repeat(8_192));
    let packet = PacketRef::decode_text(&text, &Limits::default()).unwrap();
    assert_eq!(packet.to_packet(&Limits::default()), Err(too_large(text.len() - 1, 8_192)));
}

#[test]
fn deep_json_in_a_handshake_is_not_recursed_into() {
    let depth = 4_000;
    let json = format!(
        r#"{{"x":{}{},"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":2}}"#,
        "[".repeat(depth),
        "]".repeat(depth)
    );
    // On a stack that would not hold one frame per level.
    let decode = move || Handshake::decode(&json, &Limits::default().with_max_handshake_bytes(MAX)).is_ok();
    let thread = std::thread::Builder::new().stack_size(64 * 1024).spawn(decode).unwrap();
    assert!(thread.join().unwrap());
}

#[test]
fn a_payload_is_filled_up_to_its_budget() {
    let mut payload = PayloadEncoder::new(Vec::new(), 8);
    payload.push(&PacketRef::Noop).unwrap();
    payload.push_frame(&SharedFrame::text("hello")).unwrap();
    assert_eq!(payload.len(), 8);

    let mut payload = PayloadEncoder::new(Vec::new(), 7);
    payload.push(&PacketRef::Noop).unwrap();
    let full = EncodeError::PayloadFull { size: 8, max: 7 };
    assert_eq!(payload.push_frame(&SharedFrame::text("hello")), Err(full));
    assert_eq!(payload.into_inner(), b"6", "a packet that does not fit leaves nothing behind");
}

#[test]
fn the_first_packet_always_fits() {
    let mut payload = PayloadEncoder::new(Vec::new(), 1);
    assert!(payload.is_empty());
    payload.push_frame(&SharedFrame::binary(bytes::Bytes::from_static(b"abc"))).unwrap();
    let full = EncodeError::PayloadFull { size: 7, max: 1 };
    assert_eq!(payload.push(&PacketRef::Noop), Err(full));
    assert_eq!(payload.into_inner(), b"bYWJj");
}

#[test]
fn a_payload_is_written_behind_what_the_buffer_holds() {
    let mut buf = b"head ".to_vec();
    let mut payload = PayloadEncoder::new(&mut buf, 3);
    payload.push(&PacketRef::Ping("")).unwrap();
    payload.push(&PacketRef::Noop).unwrap();
    assert_eq!(buf, b"head 2\x1e6");
}

#[test]
fn a_packet_needs_no_more_room_than_it_announces() {
    let packet = PacketRef::from(MessageRef::Binary(b"abcd"));
    let mut room = vec![0; packet.encoded_len()];
    let mut buf = &mut room[..];
    packet.encode_into(&mut buf);
    assert!(buf.is_empty());
    assert_eq!(room, b"bYWJjZA==");
}

#[test]
fn a_separator_in_a_text_is_refused_before_the_receiver_sees_two_packets() {
    let mut payload = PayloadEncoder::new(Vec::new(), MAX);
    let refused = Err(EncodeError::SeparatorInText { at: 2 });
    assert_eq!(payload.push_frame(&SharedFrame::text("a\u{1e}b")), refused);
    assert_eq!(payload.push(&PacketRef::Ping("a\u{1e}")), refused);
    assert!(payload.is_empty());
    payload.push_frame(&SharedFrame::binary(bytes::Bytes::from_static(b"a\x1eb"))).unwrap();
    assert_eq!(payload.into_inner(), b"bYR5i");
}

fn too_large(size: usize, max: usize) -> DecodeError {
    DecodeError::TooLarge { size, max }
}
