//! Engine.IO packets, payloads and frames.

use std::hint::black_box;

use bench_parsers::engineio::{MESSAGE, PACKETS, decode_payload, decode_text_to_owned, encode_payload};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine_io_parser::{Handshake, Limits, MessageRef, Packet, PacketRef, SharedFrame, Text};

fn packets(c: &mut Criterion) {
    let limits = Limits::default();
    let text = format!("4{MESSAGE}");
    let binary = [7; 1024];
    let base64 = Packet::Message(Bytes::copy_from_slice(&binary).into()).to_text();
    let mut group = c.benchmark_group("packet");

    group.bench_function("decode_text", |b| {
        b.iter(|| PacketRef::decode_text(black_box(&text), black_box(&limits)));
    });
    group.bench_function("decode_text_to_owned", |b| b.iter(decode_text_to_owned()));
    group.bench_function("decode_pong", |b| {
        b.iter(|| PacketRef::decode_text(black_box("3"), black_box(&limits)));
    });
    group.bench_function("decode_base64_1k", |b| {
        b.iter(|| {
            PacketRef::decode_text(black_box(&base64), &limits).and_then(|packet| packet.to_packet(&limits))
        });
    });
    group.bench_function("encode_base64_1k", |b| {
        let mut buf = Vec::with_capacity(base64.len());
        b.iter(|| {
            buf.clear();
            PacketRef::Message(MessageRef::Binary(black_box(&binary))).encode_into(&mut buf);
            buf.len()
        });
    });
    group.bench_function("encode_open", |b| {
        let mut handshake = Handshake::new("lv_VI97HAXpY6yYWAAAC");
        handshake.upgrades = vec![Text::from_static("websocket")];
        let open = Packet::Open(handshake);
        b.iter(|| black_box(&open).to_text());
    });
    group.finish();
}

fn payloads(c: &mut Criterion) {
    let mut group = c.benchmark_group("payload");
    group.throughput(Throughput::Elements(PACKETS as u64));

    group.bench_function("decode_16", |b| b.iter(decode_payload()));
    group.bench_function("encode_16_frames", |b| b.iter(encode_payload()));
    group.finish();
}

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame");

    group.bench_function("text", |b| b.iter(|| SharedFrame::text(black_box(MESSAGE))));
    group.bench_function("binary_1k", |b| {
        let bytes = Bytes::from_static(&[7; 1024]);
        b.iter(|| SharedFrame::binary(black_box(&bytes).clone()));
    });
    group.bench_function("clone_and_write", |b| {
        let frame = SharedFrame::text(MESSAGE);
        let mut out = Vec::with_capacity(128);
        b.iter(|| {
            out.clear();
            for part in black_box(&frame).clone().websocket() {
                out.extend_from_slice(part);
            }
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, packets, payloads, frames);
criterion_main!(benches);
