//! Socket.IO packets, beside `serde_json` alone on the same data.
//!
//! Decoding starts from a borrowed text that is copied into an owned one, as a transport does, and ends with the event's
//! name and its argument. Encoding starts from the argument and ends with a frame that can be sent.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use engine_io_parser::Text;
use serde::{Deserialize, Serialize};
use socketio_parser::{Binary, Decoder, EventHeader, Limits, Packet, Parser, Value, encode_into};

#[derive(Serialize, Deserialize)]
struct Chat {
    id: u32,
    name: String,
    text: String,
    tags: Vec<String>,
    ok: bool,
}

#[derive(Serialize, Deserialize)]
struct Files {
    a: Binary,
    b: Binary,
    n: u32,
}

const CHAT: &str =
    r#"{"id":12345,"name":"Alice Example","text":"The quick brown fox","tags":["a","b"],"ok":true}"#;
const FILES: &str =
    r#"52-["message",{"a":{"_placeholder":true,"num":0},"b":{"_placeholder":true,"num":1},"n":1}]"#;

/// An event with one object, in the default namespace and in another with an ack id.
fn text(c: &mut Criterion) {
    let chat: Chat = serde_json::from_str(CHAT).expect("it is JSON");
    let parser = Parser::default();
    let mut group = c.benchmark_group("text");

    for (name, prefix) in [("plain", "2"), ("namespace_and_id", "2/admin,17")] {
        let packet = format!(r#"{prefix}["message",{CHAT}]"#);
        group.bench_function(format!("decode_{name}_to_struct"), |b| {
            let mut decoder = parser.decoder();
            b.iter(|| event::<Chat>(decoder.decode_text(black_box(&*packet).into()).ok().flatten()));
        });
        group.bench_function(format!("decode_{name}_to_value"), |b| {
            let mut decoder = parser.decoder();
            b.iter(|| event::<Value>(decoder.decode_text(black_box(&*packet).into()).ok().flatten()));
        });
        group.bench_function(format!("decode_{name}_unread"), |b| {
            let mut decoder = parser.decoder();
            b.iter(|| decoder.decode_text(black_box(&*packet).into()));
        });
    }
    group.bench_function("encode_plain", |b| {
        b.iter(|| parser.encode_event(&EventHeader::new("/", "message"), black_box(&chat)));
    });
    group.bench_function("encode_namespace_and_id", |b| {
        b.iter(|| parser.encode_event(&EventHeader::new("/admin", "message").id(17), black_box(&chat)));
    });
    group.bench_function("encode_plain_into", |b| {
        let mut buf = Vec::with_capacity(256);
        b.iter(|| {
            buf.clear();
            encode_into(&mut buf, &EventHeader::new("/", "message"), black_box(&chat), &Limits::default())
        });
    });
    group.bench_function("serde_json_decode", |b| {
        b.iter(|| {
            let owned = String::from(black_box(CHAT));
            serde_json::from_str::<Chat>(&owned)
        });
    });
    group.bench_function("serde_json_encode", |b| b.iter(|| serde_json::to_string(black_box(&chat))));
    group.finish();
}

/// An event with two attachments of 64 bytes.
fn binary(c: &mut Criterion) {
    let parser = Parser::default();
    let attachments = [Bytes::from(vec![1; 64]), Bytes::from(vec![2; 64])];
    let files = Files { a: Binary(attachments[0].clone()), b: Binary(attachments[1].clone()), n: 1 };
    let mut group = c.benchmark_group("binary");

    fn decode(decoder: &mut Decoder, text: Text, attachments: &[Bytes; 2]) -> Option<Packet> {
        decoder.decode_text(text).ok()?;
        decoder.decode_binary(attachments[0].clone()).ok()?;
        decoder.decode_binary(attachments[1].clone()).ok()?
    }
    group.bench_function("decode_to_struct", |b| {
        let mut decoder = parser.decoder();
        b.iter(|| event::<Files>(decode(&mut decoder, black_box(FILES).into(), &attachments)));
    });
    group.bench_function("decode_to_value", |b| {
        let mut decoder = parser.decoder();
        b.iter(|| event::<Value>(decode(&mut decoder, black_box(FILES).into(), &attachments)));
    });
    group.bench_function("encode", |b| {
        b.iter(|| parser.encode_event(&EventHeader::new("/", "message"), black_box(&files)));
    });
    group.finish();
}

fn event<T: for<'de> Deserialize<'de>>(packet: Option<Packet>) -> (Text, T) {
    let event = match packet {
        Some(Packet::Event { name, args, .. }) => Some((name, args)),
        _ => None,
    };
    let (name, args) = event.expect("the packet is an event");
    (name, args.get().expect("the argument fits"))
}

criterion_group!(benches, text, binary);
criterion_main!(benches);
