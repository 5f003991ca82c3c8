//! Socket.IO packets.
//!
//! Decoding starts from a borrowed text that is copied into an owned one, as a transport does, and ends with the event's
//! name and its argument. Encoding starts from the argument and ends with a frame that can be sent.

use std::hint::black_box;

use bytes::Bytes;
use engine_io_parser::Text;
use serde::{Deserialize, Serialize};
use socketio_parser::{Binary, Decoder, EncodedPacket, EventHeader, Packet, Parser};

/// The argument of an event.
#[derive(Debug, Serialize, Deserialize)]
pub struct Chat {
    id: u32,
    name: String,
    text: String,
    tags: Vec<String>,
    ok: bool,
}

/// The argument of an event with two attachments of 64 bytes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Files {
    a: Binary,
    b: Binary,
    n: u32,
}

/// A [`Chat`].
pub const CHAT: &str =
    r#"{"id":12345,"name":"Alice Example","text":"The quick brown fox","tags":["a","b"],"ok":true}"#;

/// An event with [`Files`], whose attachments follow.
const FILES: &str =
    r#"52-["message",{"a":{"_placeholder":true,"num":0},"b":{"_placeholder":true,"num":1},"n":1}]"#;

/// What stands before the arguments in the default namespace.
pub const PLAIN: &str = "2";

/// What stands before the arguments in another namespace, with an ack id.
pub const NAMESPACE_AND_ID: &str = "2/admin,17";

/// What [`CHAT`] stands for.
pub fn chat() -> Chat {
    serde_json::from_str(CHAT).expect("it is JSON")
}

/// An event with [`CHAT`].
pub fn packet(prefix: &str) -> String {
    format!(r#"{prefix}["message",{CHAT}]"#)
}

/// Reads an event with one object, into a struct or a tree.
pub fn decode<T: for<'de> Deserialize<'de>>(prefix: &str) -> impl FnMut() -> (Text, T) {
    let packet = packet(prefix);
    let mut decoder = Parser::default().decoder();
    move || event(decoder.decode_text(black_box(&*packet).into()).ok().flatten())
}

/// Writes an event with one object.
pub fn encode(header: EventHeader<'static>) -> impl FnMut() -> EncodedPacket {
    let parser = Parser::default();
    let chat = chat();
    move || parser.encode_event(&header, black_box(&chat)).expect("it can be written")
}

/// Reads an event with two attachments, into a struct or a tree.
pub fn decode_binary<T: for<'de> Deserialize<'de>>() -> impl FnMut() -> (Text, T) {
    fn decode(decoder: &mut Decoder, text: Text, attachments: &[Bytes; 2]) -> Option<Packet> {
        decoder.decode_text(text).ok()?;
        decoder.decode_binary(attachments[0].clone()).ok()?;
        decoder.decode_binary(attachments[1].clone()).ok()?
    }
    let attachments = attachments();
    let mut decoder = Parser::default().decoder();
    move || event(decode(&mut decoder, black_box(FILES).into(), &attachments))
}

/// Writes an event with two attachments.
pub fn encode_binary() -> impl FnMut() -> EncodedPacket {
    let parser = Parser::default();
    let [a, b] = attachments();
    let files = Files { a: Binary(a), b: Binary(b), n: 1 };
    let header = EventHeader::new("/", "message");
    move || parser.encode_event(&header, black_box(&files)).expect("it can be written")
}

fn attachments() -> [Bytes; 2] {
    [Bytes::from(vec![1; 64]), Bytes::from(vec![2; 64])]
}

fn event<T: for<'de> Deserialize<'de>>(packet: Option<Packet>) -> (Text, T) {
    let event = match packet {
        Some(Packet::Event { name, args, .. }) => Some((name, args)),
        _ => None,
    };
    let (name, args) = event.expect("the packet is an event");
    (name, args.get().expect("the argument fits"))
}
