//! Whatever arrives as Socket.IO packets: nothing panics, and what is read can be written and read again.
//!
//! The input is a text, and behind the first zero byte what every attachment holds.

#![no_main]

use bytes::Bytes;
use engine_io_parser::Text;
use libfuzzer_sys::fuzz_target;
use serde::ser::{Serialize, SerializeTuple, Serializer};
use socketio_parser::{
    Args, DecodeError, Decoder, EncodeError, EncodedPacket, EventHeader, Header, Limits, Packet, Parser,
    Value,
};

fuzz_target!(|bytes: &[u8]| {
    let (text, attachment) = match bytes.iter().position(|byte| *byte == 0) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[][..]),
    };
    let Ok(text) = Text::from_utf8(Bytes::copy_from_slice(text)) else { return };
    let attachment = Bytes::copy_from_slice(attachment);

    let header = Header::parse(&text, &Limits::default());
    let Ok(packet) = decode(&text, &attachment) else { return };
    let header = header.expect("a packet has a header");
    assert_eq!(*packet.namespace(), header.namespace);

    // serde_json, which is another reader, must agree that it is JSON.
    if !header.payload.is_empty() {
        serde_json::from_str::<serde::de::IgnoredAny>(header.payload).expect("the payload is JSON");
    }
    if let Packet::Event { args, .. } | Packet::Ack { args, .. } = &packet {
        assert_eq!(args.json_texts().count(), args.len());
        let _ = args.get::<(Option<String>, Option<Vec<u8>>, Option<f64>)>();
    }
    written_and_read_again(&packet);
});

fn decode(text: &Text, attachment: &Bytes) -> Result<Packet, DecodeError> {
    let mut decoder = Decoder::new(Limits::default());
    let mut packet = decoder.decode_text(text.clone())?;
    for _ in 0..Limits::default().max_attachments_in {
        if let Some(packet) = packet {
            assert_eq!(decoder.pending(), None);
            return Ok(packet);
        }
        packet = decoder.decode_binary(attachment.clone())?;
    }
    Ok(packet.expect("no packet has more attachments than the limit"))
}

/// Values that this side can't hold (half a surrogate pair, 1e999) end it; else encode, decode, encode has a fixpoint.
fn written_and_read_again(packet: &Packet) {
    let Some(encoded) = encode(packet) else { return };
    let mut decoder = Decoder::new(Limits::default());
    let mut again = None;
    for frame in encoded.frames() {
        assert!(again.is_none(), "complete before its last frame");
        again = decoder.decode(frame.to_message()).expect("what we write can be read");
    }
    let again = again.expect("the packet is complete");
    let second = encode(&again).expect("what was encoded once can be encoded again");
    let bytes = |packet: &EncodedPacket| {
        packet.frames().iter().map(|frame| frame.websocket().concat()).collect::<Vec<_>>()
    };
    assert_eq!(bytes(&encoded), bytes(&second));
}

fn encode(packet: &Packet) -> Option<EncodedPacket> {
    let parser = Parser::Json(Limits::default().with_max_attachments_out(usize::MAX));
    let encoded = match packet {
        Packet::Connect { namespace, auth: None } => parser.encode_connect::<()>(namespace, None),
        Packet::Connect { namespace, auth: Some(auth) } => {
            parser.encode_connect(namespace, Some(&auth.get::<Value>().ok()?))
        }
        Packet::Disconnect { namespace } => parser.encode_disconnect(namespace),
        Packet::Event { namespace, id, name, args } => {
            let mut header = EventHeader::new(namespace, name);
            header.id = *id;
            parser.encode_event(&header, &Spread::of(args)?)
        }
        Packet::Ack { namespace, id, args } => parser.encode_ack(namespace, *id, &Spread::of(args)?),
        // It would be wrapped in another with every turn.
        Packet::ConnectError { .. } => return None,
    };
    match encoded {
        Ok(encoded) => Some(encoded),
        // An object with more members than a placeholder has: an ordinary value to us, but perhaps not to the receiver.
        Err(EncodeError::ForgedPlaceholder) => None,
        Err(error) => panic!("{error}"),
    }
}

/// As many arguments as there are values.
struct Spread(Vec<Value>);

impl Spread {
    fn of(args: &Args) -> Option<Self> {
        args.to_vec().ok().map(Self)
    }
}

impl Serialize for Spread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for value in &self.0 {
            tuple.serialize_element(value)?;
        }
        tuple.end()
    }
}
