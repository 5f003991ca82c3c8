//! Joining, leaving, and finding the recipients of a broadcast.

use std::hint::black_box;

use bench_rooms::{churn, join_all, names, select as select_from, table, two_rooms};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use socketio_adapter::rooms::RoomIndex;
use socketio_adapter::{BroadcastOptions, Room};

/// One socket joins a room and leaves it again; the time must not depend on what else there is.
fn join_and_leave(c: &mut Criterion) {
    let mut group = c.benchmark_group("join_and_leave");
    let rooms = names(100_000);
    let churned = Room::from("the room that is joined and left");

    let mut bench = |name: &str, index: &mut RoomIndex<u32>| {
        group.bench_function(name, |b| b.iter(churn(index, vec![churned.clone()])));
    };
    bench("small_table", &mut table(1));

    let mut index = table(100);
    for slot in 0..100 {
        join_all(&mut index, slot..=slot, &rooms[slot as usize * 1000..][..1000]);
    }
    bench("100k_rooms_1k_per_socket", &mut index);

    let mut index = table(10_000);
    join_all(&mut index, 1..10_000, std::slice::from_ref(&churned));
    bench("10k_members", &mut index);
    group.finish();
}

/// A socket comes, joins three rooms, and goes.
fn connect_and_disconnect(c: &mut Criterion) {
    let mut index = table(1_000);
    let rooms = names(3);
    let id = Room::from("lv_VI97HAXpY6yYWAAAC");
    let mut events = Vec::new();
    c.bench_function("connect_join_3_disconnect", |b| {
        b.iter(|| {
            index.insert(1_000, black_box(&id), &mut events);
            index.join(1_000, &rooms, &mut events).expect("within the limits");
            index.remove(1_000, &mut events);
            events.clear();
        });
    });
}

fn select(c: &mut Criterion) {
    let mut group = c.benchmark_group("select");
    for n_members in [1_000_u32, 10_000] {
        let (index, [a, b]) = two_rooms(n_members);
        group.throughput(Throughput::Elements(u64::from(n_members)));
        for (name, options) in [
            ("one_room", BroadcastOptions::new().to(&a)),
            ("one_room_but_the_sender", BroadcastOptions::new().to(&a).except("id7")),
            ("union_of_two", BroadcastOptions::new().to(&a).to(&b)),
            ("one_room_but_another", BroadcastOptions::new().to(&a).except(&b)),
        ] {
            group.bench_function(BenchmarkId::new(name, n_members), |b| {
                b.iter(select_from(&index, options.clone()));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, join_and_leave, connect_and_disconnect, select);
criterion_main!(benches);
