//! Whatever is encoded is decoded again, with binary values anywhere; and nothing that arrives panics.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod support;

use bytes::Bytes;
use engine_io_parser::Message;
use proptest::prelude::*;
use socketio_parser::{Decoder, EventHeader, Header, Limits, Packet, Parser, Value, is_reserved_event};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        (1 + i64::MAX as u64..).prop_map(Value::Unsigned),
        (-1e9..1e9_f64).prop_map(|number| Value::Float(number.trunc() + 0.5)),
        ".{0,12}".prop_map(Value::String),
        proptest::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| Value::Binary(bytes.into())),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        // A member `_placeholder` is another test's.
        let key = "[a-z\"\\\\é\\n]{0,6}";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((key, inner), 0..4).prop_map(Value::Object),
        ]
    })
}

fn parser() -> Parser {
    Parser::Json(Limits::default().with_max_attachments_out(100))
}

fn decode(messages: impl IntoIterator<Item = Message>) -> Option<Packet> {
    let mut decoder = Decoder::new(Limits::default());
    let mut packet = None;
    for message in messages {
        assert!(packet.is_none(), "complete before its last message");
        packet = decoder.decode(message).unwrap();
    }
    packet
}

proptest! {
    #[test]
    fn events(
        namespace in "/[^,\\p{Cc}]{0,8}",
        id in proptest::option::of(0..1_u64 << 53),
        name in ".{0,10}",
        first in value(),
        second in value(),
    ) {
        prop_assume!(!is_reserved_event(&name));
        let mut header = EventHeader::new(&namespace, &name);
        header.id = id;
        let sent = (first, second);
        let packet = parser().encode_event(&header, &sent).unwrap();
        let frames = packet.frames().iter().map(|frame| frame.to_message());
        let Some(Packet::Event { namespace: to, id: answer, name: called, args }) = decode(frames) else {
            panic!("no event")
        };
        prop_assert_eq!((&*to, answer, &*called), (&*namespace, id, &*name));
        prop_assert_eq!(args.get::<(Value, Value)>().unwrap(), sent);
    }

    #[test]
    fn acks(id in 0..1_u64 << 53, arg in value()) {
        let packet = parser().encode_ack("/", id, &arg).unwrap();
        let frames = packet.frames().iter().map(|frame| frame.to_message());
        let Some(Packet::Ack { id: of, args, .. }) = decode(frames) else { panic!("no ack") };
        prop_assert_eq!(of, id);
        prop_assert_eq!(args.get::<Value>().unwrap(), arg);
    }

    /// Texts out of the protocol's own characters, with attachments if they ask for some.
    #[test]
    fn nothing_that_arrives_panics(
        text in r#"[0-6]([0-9]{0,2}-)?(/[a-z?]{0,3},)?[0-9]{0,3}[\[\]{}":,0-9a-z\\_ ]{0,24}"#,
        attachment in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let _ = Header::parse(&text, &Limits::default());
        let mut decoder = Decoder::new(Limits::default());
        let mut packet = decoder.decode_text(text.as_str().into());
        while let Ok(None) = packet {
            packet = decoder.decode_binary(Bytes::from(attachment.clone()));
        }
        if let Ok(Some(Packet::Event { args, .. } | Packet::Ack { args, .. })) = packet {
            let _ = args.to_vec::<Value>();
            prop_assert_eq!(args.json_texts().count(), args.len());
        }
    }
}

#[cfg(feature = "msgpack")]
mod msgpack {
    use super::*;

    fn parser() -> Parser {
        Parser::Msgpack(Limits::default())
    }

    fn decode(packet: &socketio_parser::EncodedPacket) -> Packet {
        let [frame] = packet.frames() else { panic!("one frame") };
        parser().decoder().decode(frame.to_message()).unwrap().unwrap()
    }

    proptest! {
        #[test]
        fn events(
            namespace in "/[^,\\p{Cc}]{0,8}",
            id in proptest::option::of(0..1_u64 << 53),
            name in ".{0,10}",
            first in value(),
            second in value(),
        ) {
            prop_assume!(!is_reserved_event(&name));
            let mut header = EventHeader::new(&namespace, &name);
            header.id = id;
            let sent = (first, second);
            let packet = parser().encode_event(&header, &sent).unwrap();
            let Packet::Event { namespace: to, id: answer, name: called, args } = decode(&packet) else {
                panic!("no event")
            };
            prop_assert_eq!((&*to, answer, &*called), (&*namespace, id, &*name));
            prop_assert_eq!(args.get::<(Value, Value)>().unwrap(), sent);
        }

        #[test]
        fn acks(id in 0..1_u64 << 53, arg in value()) {
            let packet = parser().encode_ack("/", id, &arg).unwrap();
            let Packet::Ack { id: of, args, .. } = decode(&packet) else { panic!("no ack") };
            prop_assert_eq!(of, id);
            prop_assert_eq!(args.get::<Value>().unwrap(), arg);
        }

        /// The payload of an event out of any bytes: it is read, or refused.
        #[test]
        fn nothing_that_arrives_panics(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0x80..0xa4_u8, 0xc0..0xe0_u8], 0..40),
        ) {
            let head = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e";
            let frame = [&head[..], &bytes[..]].concat();
            let _ = parser().decoder().decode_binary(Bytes::from(bytes));
            if let Ok(Some(Packet::Event { args, .. })) = parser().decoder().decode_binary(frame.into()) {
                let _ = args.get::<(Option<String>, Option<Vec<u8>>, Option<f64>)>();
                if let Ok(values) = args.to_vec::<Value>() {
                    let again = parser().encode_event(&EventHeader::new("/", "e"), &args).unwrap();
                    let Packet::Event { args, .. } = decode(&again) else { panic!("no event") };
                    // Compared as text: a NaN equals nothing.
                    prop_assert_eq!(format!("{:?}", args.to_vec::<Value>().unwrap()), format!("{values:?}"));
                }
            }
        }
    }
}
