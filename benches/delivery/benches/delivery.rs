//! What comes in, through a handler, and what goes out: turns of one client, and broadcasts to many.

use bench_delivery::{InMemory, Turn, WebSockets};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const CLIENTS: usize = 1000;

fn turns() -> [(&'static str, u64, Turn); 5] {
    [
        ("event", 1, Turn::event()),
        ("event_with_ack", 1, Turn::event_with_ack()),
        ("16_events", 16, Turn::sixteen_events()),
        ("64k_string", 1, Turn::long_event()),
        ("1k_attachment", 1, Turn::attachment()),
    ]
}

/// One client without a transport: its messages are decoded, handled and answered with frames.
fn session(c: &mut Criterion) {
    let mut group = c.benchmark_group("session");
    for (name, n_events, turn) in turns() {
        let mut memory = InMemory::connect(1);
        group.throughput(Throughput::Elements(n_events));
        group.bench_function(name, |b| b.iter(|| memory.turn(&turn)));
    }
    group.finish();
}

/// The same from one read to one write of a WebSocket.
fn websocket(c: &mut Criterion) {
    let mut group = c.benchmark_group("websocket");
    for (name, n_events, turn) in turns() {
        let sockets = WebSockets::connect(1);
        group.throughput(Throughput::Elements(n_events));
        group.bench_function(name, |b| b.iter(sockets.turn(&turn)));
    }
    group.finish();
}

fn broadcast(c: &mut Criterion) {
    let mut group = c.benchmark_group("broadcast");
    group.throughput(Throughput::Elements(CLIENTS as u64));
    let memory = InMemory::connect(CLIENTS);
    group.bench_function("emit_to_all_1000", |b| b.iter(|| memory.emit()));
    group.bench_function("emit_to_room_of_1000", |b| b.iter(|| memory.emit_to_room()));
    let sockets = WebSockets::connect(CLIENTS);
    group.bench_function("emit_to_1000_websockets", |b| b.iter(|| sockets.emit()));
    group.finish();
}

criterion_group!(benches, session, websocket, broadcast);
criterion_main!(benches);
