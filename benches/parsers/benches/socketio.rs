//! Socket.IO packets, beside `serde_json` alone on the same data.

use std::hint::black_box;

use bench_parsers::socketio::{
    CHAT, Chat, Files, NAMESPACE_AND_ID, PLAIN, chat, decode, decode_binary, encode, encode_binary, packet,
};
use criterion::{Criterion, criterion_group, criterion_main};
use socketio_parser::{EventHeader, Limits, Parser, Value, encode_into};

/// An event with one object, in the default namespace and in another with an ack id.
fn text(c: &mut Criterion) {
    let chat = chat();
    let parser = Parser::default();
    let mut group = c.benchmark_group("text");

    for (name, prefix) in [("plain", PLAIN), ("namespace_and_id", NAMESPACE_AND_ID)] {
        group.bench_function(format!("decode_{name}_to_struct"), |b| b.iter(decode::<Chat>(prefix)));
        group.bench_function(format!("decode_{name}_to_value"), |b| b.iter(decode::<Value>(prefix)));
        group.bench_function(format!("decode_{name}_unread"), |b| {
            let packet = packet(prefix);
            let mut decoder = parser.decoder();
            b.iter(|| decoder.decode_text(black_box(&*packet).into()));
        });
    }
    group.bench_function("encode_plain", |b| b.iter(encode(EventHeader::new("/", "message"))));
    group.bench_function("encode_namespace_and_id", |b| {
        b.iter(encode(EventHeader::new("/admin", "message").id(17)));
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
    let mut group = c.benchmark_group("binary");

    group.bench_function("decode_to_struct", |b| b.iter(decode_binary::<Files>()));
    group.bench_function("decode_to_value", |b| b.iter(decode_binary::<Value>()));
    group.bench_function("encode", |b| b.iter(encode_binary()));
    group.finish();
}

criterion_group!(benches, text, binary);
criterion_main!(benches);
