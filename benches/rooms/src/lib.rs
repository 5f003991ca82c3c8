//! Tables and measured closures of the room index' benches, which the count of instructions (`benches/instructions`)
//! repeats.
//!
//! `cargo bench -p bench-rooms`
// A case that goes wrong measures nothing: it ends the run.
#![allow(clippy::missing_panics_doc)]

use std::hint::black_box;

use socketio_adapter::rooms::{Recipients, RoomIndex};
use socketio_adapter::{BroadcastOptions, Room};

/// A table with this many sockets, each in its own room only.
pub fn table(n_sockets: u32) -> RoomIndex<u32> {
    let mut index = RoomIndex::default();
    for slot in 0..n_sockets {
        index.insert(slot, &format!("id{slot}").into(), &mut Vec::new());
    }
    index
}

/// Names of this many rooms.
pub fn names(n_rooms: u32) -> Vec<Room> {
    (0..n_rooms).map(|n| format!("room {n}").into()).collect()
}

/// Puts sockets into rooms.
pub fn join_all(index: &mut RoomIndex<u32>, slots: impl Iterator<Item = u32>, rooms: &[Room]) {
    for slot in slots {
        index.join(slot, rooms, &mut Vec::new()).expect("within the limits");
    }
}

/// A table with rooms `a` and `b` of so many members each; half of them are in both rooms.
pub fn two_rooms(n_members: u32) -> (RoomIndex<u32>, [Room; 2]) {
    let mut index = table(2 * n_members);
    let [a, b]: [Room; 2] = ["a".into(), "b".into()];
    join_all(&mut index, 0..n_members, std::slice::from_ref(&a));
    join_all(&mut index, n_members / 2..n_members / 2 * 3, std::slice::from_ref(&b));
    (index, [a, b])
}

/// The first socket joins each of these rooms and leaves it again.
pub fn churn(index: &mut RoomIndex<u32>, rooms: Vec<Room>) -> impl FnMut() {
    let mut events = Vec::new();
    move || {
        for room in black_box(&rooms) {
            index.join(0, std::slice::from_ref(room), &mut events).expect("within the limits");
            index.leave(0, room, &mut events);
            events.clear();
        }
    }
}

/// Finds the recipients of a broadcast.
pub fn select(index: &RoomIndex<u32>, options: BroadcastOptions) -> impl FnMut() -> usize {
    let mut recipients = Recipients::new();
    move || {
        index.select(black_box(&options), &mut recipients);
        recipients.slots().len()
    }
}
