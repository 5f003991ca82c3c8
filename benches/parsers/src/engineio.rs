//! Engine.IO packets and payloads.

use std::hint::black_box;

use engine_io_parser::{Limits, Packet, PacketRef, PayloadDecoder, PayloadEncoder, SharedFrame};

/// A short event as the layer above sends it.
pub const MESSAGE: &str = r#"2["message","Hello, everybody!",{"id":12345,"room":"lobby"}]"#;

/// How many packets a payload has.
pub const PACKETS: usize = 16;

/// Reads the packet that carries [`MESSAGE`], and copies the message out of it.
pub fn decode_text_to_owned() -> impl FnMut() -> Packet {
    let limits = Limits::default();
    let text = format!("4{MESSAGE}");
    move || {
        PacketRef::decode_text(black_box(&text), &limits)
            .and_then(|packet| packet.to_packet(&limits))
            .expect("it is a packet")
    }
}

/// Splits a payload into its packets and reads them.
pub fn decode_payload() -> impl FnMut() -> usize {
    let limits = Limits::default();
    let payload = vec![format!("4{MESSAGE}"); PACKETS].join("\u{1e}");
    move || PayloadDecoder::new(black_box(&payload), &limits).filter(Result::is_ok).count()
}

/// Writes a payload into a buffer that is there.
pub fn encode_payload() -> impl FnMut() -> usize {
    let limits = Limits::default();
    let frames = vec![SharedFrame::text(MESSAGE); PACKETS];
    let mut buf = Vec::new();
    move || {
        buf.clear();
        let mut payload = PayloadEncoder::new(&mut buf, limits.max_payload_bytes);
        for frame in black_box(&frames) {
            payload.push_frame(frame).expect("the frames are within the budget");
        }
        payload.len()
    }
}
