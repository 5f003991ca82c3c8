//! Whatever arrives as a packet in MessagePack: nothing panics, and what is read can be written and read again.

#![no_main]

use bytes::Bytes;
use engine_io_parser::Message;
use libfuzzer_sys::fuzz_target;
use socketio_parser::{Args, EncodedPacket, EventHeader, Limits, Packet, Parser, Value};

fuzz_target!(|bytes: &[u8]| {
    let parser = Parser::Msgpack(Limits::default());
    let Ok(packet) = decode(&parser, Bytes::copy_from_slice(bytes)) else { return };
    if let Packet::Event { args, .. } | Packet::Ack { args, .. } = &packet {
        let _ = args.get::<(Option<String>, Option<Vec<u8>>, Option<f64>)>();
        let _ = args.get::<(&str, i64, ())>();
    }
    // Values that this side can't hold (unknown extensions, broken UTF-8) end it.
    let Some(encoded) = encode(&parser, &packet) else { return };
    let again = decode(&parser, frame(&encoded)).expect("what we write can be read");
    let second = encode(&parser, &again).expect("what was encoded once can be encoded again");
    assert_eq!(frame(&encoded), frame(&second));

    if let Packet::Event { args, .. } = &packet {
        through_json(args);
    }
});

fn decode(parser: &Parser, frame: Bytes) -> Result<Packet, socketio_parser::DecodeError> {
    Ok(parser.decoder().decode_binary(frame)?.expect("every frame is a packet"))
}

fn frame(packet: &EncodedPacket) -> Bytes {
    match packet.frames() {
        [frame] => match frame.to_message() {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => panic!("a text: {text}"),
        },
        frames => panic!("{} frames", frames.len()),
    }
}

fn encode(parser: &Parser, packet: &Packet) -> Option<EncodedPacket> {
    let encoded = match packet {
        Packet::Connect { namespace, auth: None } => parser.encode_connect::<()>(namespace, None),
        Packet::Connect { namespace, auth: Some(auth) } => {
            parser.encode_connect(namespace, Some(&auth.get::<Value>().ok()?))
        }
        Packet::Disconnect { namespace } => parser.encode_disconnect(namespace),
        Packet::Event { namespace, id, name, args } => {
            args.to_vec::<Value>().ok()?;
            let mut header = EventHeader::new(namespace, name);
            header.id = *id;
            parser.encode_event(&header, args)
        }
        Packet::Ack { namespace, id, args } => {
            args.to_vec::<Value>().ok()?;
            parser.encode_ack(namespace, *id, args)
        }
        // It would be wrapped in another with every turn.
        Packet::ConnectError { .. } => return None,
    };
    Some(encoded.expect("what was read can be written"))
}

/// Values that JSON has a form for, and that no receiver would take for something else, come back from it unchanged.
fn through_json(args: &Args) {
    let Ok(values) = args.to_vec::<Value>() else { return };
    if !values.iter().all(has_json_form) {
        return;
    }
    let parser = Parser::Json(Limits::default().with_max_attachments_out(usize::MAX));
    let encoded = parser.encode_event(&EventHeader::new("/", "e"), args).expect("a form was found");
    let mut decoder = Parser::Json(Limits::default().with_max_attachments_in(usize::MAX)).decoder();
    let mut packet = None;
    for frame in encoded.frames() {
        packet = decoder.decode(frame.to_message()).expect("what we write can be read");
    }
    let Some(Packet::Event { args, .. }) = packet else { panic!("no event") };
    assert_eq!(args.to_vec::<Value>().expect("values came out of these"), values);
}

fn has_json_form(value: &Value) -> bool {
    match value {
        Value::Float(number) => number.is_finite(),
        Value::Array(values) => values.iter().all(has_json_form),
        Value::Object(members) => members
            .iter()
            .all(|(key, value)| key != "_placeholder" && !key.starts_with('$') && has_json_form(value)),
        _ => true,
    }
}
