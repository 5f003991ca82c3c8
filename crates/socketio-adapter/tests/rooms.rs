//! The behaviour of the room table that a server and its users see.

use socketio_adapter::rooms::{DenseHandle, JoinError, Recipients, RoomEvent, RoomIndex, RoomLimits};
use socketio_adapter::{BroadcastOptions, Room};

use RoomEvent::{Created, Deleted, Joined, Left};

/// A table with three sockets, 0 to 2, whose ids are `a`, `b` and `c`.
fn three_sockets() -> RoomIndex<u32> {
    let mut index = RoomIndex::default();
    for (slot, id) in [(0, "a"), (1, "b"), (2, "c")] {
        index.insert(slot, &id.into(), &mut Vec::new());
    }
    index
}

fn rooms<const N: usize>(names: [&str; N]) -> [Room; N] {
    names.map(Room::from)
}

fn join<const N: usize>(index: &mut RoomIndex<u32>, slot: u32, names: [&str; N]) -> Vec<RoomEvent<u32>> {
    let mut events = Vec::new();
    index.join(slot, &rooms(names), &mut events).expect("nothing stands against it");
    events
}

fn events(change: impl FnOnce(&mut Vec<RoomEvent<u32>>)) -> Vec<RoomEvent<u32>> {
    let mut events = Vec::new();
    change(&mut events);
    events
}

fn room(name: &str) -> Room {
    name.into()
}

#[track_caller]
fn check_members(index: &RoomIndex<u32>, room: &str, expected: &[u32]) {
    let mut members: Vec<u32> = index.members(room).collect();
    members.sort_unstable();
    assert_eq!(members, expected, "members of {room}");
}

#[track_caller]
fn check_rooms(index: &RoomIndex<u32>, slot: u32, expected: &[&str]) {
    let mut rooms: Vec<&str> = index.rooms_of(slot).map(Room::as_str).collect();
    rooms.sort_unstable();
    assert_eq!(rooms, expected, "rooms of {slot}");
}

#[track_caller]
fn check_selected(index: &RoomIndex<u32>, options: &BroadcastOptions, expected: &[u32]) {
    let mut recipients = Recipients::new();
    index.select(options, &mut recipients);
    let mut slots = recipients.slots().to_vec();
    slots.sort_unstable();
    assert_eq!(slots, expected, "{options:?}");
}

#[test]
fn a_socket_starts_in_its_own_room() {
    let mut index = RoomIndex::<u32>::default();
    let events = events(|events| index.insert(0, &"a".into(), events));
    assert_eq!(events, [Created { room: room("a") }, Joined { room: room("a"), slot: 0 }]);
    check_members(&index, "a", &[0]);
    check_rooms(&index, 0, &["a"]);
}

#[test]
fn rooms_and_members_agree_after_joining_and_leaving() {
    let mut index = three_sockets();
    join(&mut index, 0, ["r1", "r2"]);
    join(&mut index, 1, ["r2", "r3"]);
    check_members(&index, "r1", &[0]);
    check_members(&index, "r2", &[0, 1]);
    check_rooms(&index, 0, &["a", "r1", "r2"]);

    index.leave(0, "r2", &mut Vec::new());
    check_members(&index, "r2", &[1]);
    check_rooms(&index, 0, &["a", "r1"]);

    index.leave_all(1, &mut Vec::new());
    check_rooms(&index, 1, &[]);
    assert!(!index.has_room("r2"));
    assert!(!index.has_room("r3"));
    assert!(index.has_room("r1"));
}

#[test]
fn an_unknown_socket_has_no_rooms_and_an_unknown_room_no_members() {
    let index = three_sockets();
    check_rooms(&index, 7, &[]);
    check_members(&index, "nobody", &[]);
    assert!(!index.contains(7, "a"));
}

#[test]
fn a_room_is_created_by_its_first_member_only() {
    let mut index = three_sockets();
    assert_eq!(
        join(&mut index, 0, ["r"]),
        [Created { room: room("r") }, Joined { room: room("r"), slot: 0 }]
    );
    assert_eq!(join(&mut index, 1, ["r"]), [Joined { room: room("r"), slot: 1 }]);
}

#[test]
fn joining_twice_is_one_event() {
    let mut index = three_sockets();
    join(&mut index, 0, ["r"]);
    assert_eq!(join(&mut index, 0, ["r"]), []);
    let events = join(&mut index, 1, ["s", "s"]);
    assert_eq!(events, [Created { room: room("s") }, Joined { room: room("s"), slot: 1 }]);
    check_members(&index, "s", &[1]);
}

#[test]
fn a_room_is_deleted_when_its_last_member_leaves() {
    let mut index = three_sockets();
    join(&mut index, 0, ["r"]);
    join(&mut index, 1, ["r"]);
    assert_eq!(events(|events| index.leave(0, "r", events)), [Left { room: room("r"), slot: 0 }]);
    assert_eq!(
        events(|events| index.leave(1, "r", events)),
        [Left { room: room("r"), slot: 1 }, Deleted { room: room("r") }]
    );
    assert_eq!(index.n_rooms(), 3, "the own rooms stay");
}

#[test]
fn leaving_a_room_one_is_not_in_does_nothing() {
    let mut index = three_sockets();
    join(&mut index, 0, ["r"]);
    assert_eq!(events(|events| index.leave(1, "r", events)), []);
    assert_eq!(events(|events| index.leave(1, "nobody", events)), []);
    check_members(&index, "r", &[0]);
}

#[test]
fn a_socket_that_goes_leaves_every_room() {
    let mut index = three_sockets();
    join(&mut index, 0, ["r"]);
    join(&mut index, 1, ["r"]);
    let events = events(|events| index.remove(0, events));
    assert_eq!(
        events,
        [Left { room: room("r"), slot: 0 }, Left { room: room("a"), slot: 0 }, Deleted { room: room("a") },]
    );
    assert_eq!(index.sockets().len(), 2);
    assert!(!index.sockets().contains(&0));
}

#[test]
fn a_socket_that_left_all_rooms_still_hears_what_goes_to_everybody() {
    let mut index = three_sockets();
    index.leave_all(1, &mut Vec::new());
    check_selected(&index, &BroadcastOptions::new(), &[0, 1, 2]);
    check_selected(&index, &BroadcastOptions::new().to("b"), &[]);
}

#[test]
fn recipients_are_the_union_of_the_rooms_each_once() {
    let mut index = three_sockets();
    join(&mut index, 0, ["r", "s"]);
    join(&mut index, 1, ["s"]);
    check_selected(&index, &BroadcastOptions::new().to("r").to("s").to("nobody"), &[0, 1]);
}

#[test]
fn members_of_an_excepted_room_are_left_out() {
    let mut index = three_sockets();
    join(&mut index, 0, ["r", "muted"]);
    join(&mut index, 1, ["r"]);
    join(&mut index, 2, ["r", "quiet"]);
    check_selected(&index, &BroadcastOptions::new().to("r").except("muted").except("quiet"), &[1]);
    check_selected(&index, &BroadcastOptions::new().except("muted"), &[1, 2]);
    check_selected(&index, &BroadcastOptions::new().to("r").except("nobody"), &[0, 1, 2]);
    check_selected(&index, &BroadcastOptions::new().to("r").to("c").except("c"), &[0, 1]);
}

#[test]
fn a_selection_forgets_the_one_before() {
    let index = three_sockets();
    let mut recipients = Recipients::new();
    for _ in 0..3 {
        index.select(&BroadcastOptions::new().to("a").to("b").except("b"), &mut recipients);
        assert_eq!(recipients.slots(), [0]);
        index.select(&BroadcastOptions::new().to("b"), &mut recipients);
        assert_eq!(recipients.slots(), [1]);
    }
}

#[test]
fn another_sockets_own_room_is_private() {
    let mut index = three_sockets();
    let mut events = Vec::new();
    let refused = index.join(1, &rooms(["r", "a"]), &mut events);
    assert_eq!(refused, Err(JoinError::PrivateRoom { room: room("a") }));
    assert_eq!(events, [], "a call that fails changes nothing");
    check_rooms(&index, 1, &["b"]);
    assert!(!index.has_room("r"));
}

#[test]
fn an_own_room_stays_private_when_its_owner_has_left_it() {
    let mut index = three_sockets();
    index.leave(0, "a", &mut Vec::new());
    assert!(!index.has_room("a"));
    let refused = index.join(1, &rooms(["a"]), &mut Vec::new());
    assert_eq!(refused, Err(JoinError::PrivateRoom { room: room("a") }));
    join(&mut index, 0, ["a"]);
    check_members(&index, "a", &[0]);
}

#[test]
fn a_socket_is_addressed_alone_whether_or_not_it_is_in_its_own_room() {
    let mut limits = RoomLimits::default();
    limits.private_own_rooms = false;
    let mut index = RoomIndex::new(limits);
    for (slot, id) in [(0, "a"), (1, "b")] {
        index.insert(slot, &id.into(), &mut Vec::new());
    }
    join(&mut index, 1, ["a"]);
    index.leave(0, "a", &mut Vec::new());
    check_selected(&index, &BroadcastOptions::to_socket(&"a".into()), &[0]);
    check_selected(&index, &BroadcastOptions::to_socket(&"a".into()).except("b"), &[0]);
    check_selected(&index, &BroadcastOptions::to_socket(&"nobody".into()), &[]);
    let mut nobody = BroadcastOptions::new();
    nobody.flags_mut().direct = true;
    check_selected(&index, &nobody, &[]);
    assert_eq!((index.owner("a"), index.owner("room")), (Some(0), None));
    index.remove(0, &mut Vec::new());
    check_selected(&index, &BroadcastOptions::to_socket(&"a".into()), &[]);
}

#[test]
fn an_own_room_is_free_when_its_socket_is_gone() {
    let mut index = three_sockets();
    index.remove(0, &mut Vec::new());
    join(&mut index, 1, ["a"]);
    check_members(&index, "a", &[1]);
}

#[test]
fn whoever_waits_in_the_room_of_a_restored_session_is_put_out() {
    let mut index = three_sockets();
    index.remove(0, &mut Vec::new());
    join(&mut index, 1, ["a"]);
    join(&mut index, 2, ["a"]);
    let events = events(|events| index.insert(3, &"a".into(), events));
    check_members(&index, "a", &[3]);
    check_rooms(&index, 1, &["b"]);
    assert_eq!(events.iter().filter(|event| matches!(event, Left { .. })).count(), 2);
    assert_eq!(events.last(), Some(&Joined { room: room("a"), slot: 3 }));
}

#[test]
fn the_own_room_follows_the_later_of_two_sockets_with_one_id() {
    let mut index = three_sockets();
    index.insert(3, &"a".into(), &mut Vec::new());
    check_members(&index, "a", &[3]);
    index.remove(3, &mut Vec::new());
    join(&mut index, 1, ["r"]);
    index.remove(0, &mut Vec::new());
    check_members(&index, "r", &[1]);
    check_selected(&index, &BroadcastOptions::new(), &[1, 2]);
}

#[test]
fn the_own_room_stays_private_when_an_earlier_socket_with_its_id_goes() {
    let mut index = three_sockets();
    index.insert(3, &"a".into(), &mut Vec::new());
    index.remove(0, &mut Vec::new());
    let refused = index.join(1, &rooms(["a"]), &mut Vec::new());
    assert_eq!(refused, Err(JoinError::PrivateRoom { room: room("a") }));
    check_members(&index, "a", &[3]);
}

#[test]
fn own_rooms_can_be_opened_to_others() {
    let mut limits = RoomLimits::default();
    limits.private_own_rooms = false;
    let mut index = RoomIndex::<u32>::new(limits);
    index.insert(0, &"a".into(), &mut Vec::new());
    index.insert(1, &"b".into(), &mut Vec::new());
    join(&mut index, 1, ["a"]);
    check_members(&index, "a", &[0, 1]);
    index.remove(0, &mut Vec::new());
    check_members(&index, "a", &[1]);
}

#[test]
fn a_socket_can_be_in_as_many_rooms_as_the_limit_says() {
    let mut limits = RoomLimits::default();
    limits.max_rooms_per_socket = 3;
    let mut index = RoomIndex::<u32>::new(limits);
    index.insert(0, &"a".into(), &mut Vec::new());
    join(&mut index, 0, ["r", "s"]);
    assert_eq!(join(&mut index, 0, ["r", "s", "a"]), [], "rooms it is in do not count again");
    let refused = index.join(0, &rooms(["t"]), &mut Vec::new());
    assert_eq!(refused, Err(JoinError::TooManyRooms { max: 3 }));
    index.leave(0, "r", &mut Vec::new());
    join(&mut index, 0, ["t"]);
    check_rooms(&index, 0, &["a", "s", "t"]);
}

#[test]
fn ten_thousand_rooms_are_the_limit_unless_another_is_set() {
    let mut index = three_sockets();
    let names: Vec<Room> = (1..10_000).map(|n| n.to_string().into()).collect();
    index.join(0, &names, &mut Vec::new()).expect("with its own they are ten thousand");
    let refused = index.join(0, &rooms(["more"]), &mut Vec::new());
    assert_eq!(refused, Err(JoinError::TooManyRooms { max: 10_000 }));
}

#[test]
fn a_room_name_can_be_as_long_as_the_limit_says() {
    let mut index = three_sockets();
    join(&mut index, 0, [&"x".repeat(512)]);
    let refused = index.join(0, &[Room::from("x".repeat(513))], &mut Vec::new());
    assert_eq!(refused, Err(JoinError::NameTooLong { size: 513, max: 512 }));
}

#[test]
fn a_socket_that_is_gone_can_neither_join_nor_leave() {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Slot(u32, u32);

    impl DenseHandle for Slot {
        fn index(self) -> usize {
            self.0.index()
        }
    }

    let mut index = RoomIndex::default();
    let (old, new) = (Slot(0, 0), Slot(0, 1));
    index.insert(old, &"old".into(), &mut Vec::new());
    index.remove(old, &mut Vec::new());
    assert_eq!(index.join(old, &rooms(["r"]), &mut Vec::new()), Err(JoinError::Gone));

    index.insert(new, &"new".into(), &mut Vec::new());
    assert_eq!(index.join(old, &rooms(["r"]), &mut Vec::new()), Err(JoinError::Gone));
    let mut events = Vec::new();
    index.leave(old, "new", &mut events);
    index.leave_all(old, &mut events);
    index.remove(old, &mut events);
    assert_eq!(events, []);
    assert!(index.contains(new, "new"));
}

#[test]
fn a_hundred_thousand_rooms_and_a_thousand_per_socket() {
    let mut index = RoomIndex::<u32>::default();
    let mut events = Vec::new();
    for slot in 0..100 {
        index.insert(slot, &format!("id{slot}").into(), &mut events);
        let names: Vec<Room> = (0..1000).map(|n| format!("room {}", slot * 1000 + n).into()).collect();
        index.join(slot, &names, &mut events).expect("1000 rooms are within the limit");
    }
    assert_eq!(index.n_rooms(), 100_100);
    assert_eq!(events.len(), 2 * 100_100);

    // Every socket also joins the first thousand rooms, and then leaves them from the middle out.
    let shared: Vec<Room> = (0..1000).map(|n| format!("room {n}").into()).collect();
    for slot in 0..100 {
        index.join(slot, &shared, &mut events).expect("2000 rooms are within the limit");
    }
    assert_eq!(index.members("room 500").len(), 100);
    for slot in 1..100 {
        for room in &shared[250..750] {
            index.leave(slot, room, &mut events);
        }
    }
    check_members(&index, "room 500", &[0]);
    assert_eq!(index.members("room 249").len(), 100);
    assert_eq!(index.rooms_of(50).len(), 1501);

    for slot in 0..100 {
        index.remove(slot, &mut events);
    }
    assert_eq!(index.n_rooms(), 0);
    assert_eq!(index.rooms().count(), 0);
}
