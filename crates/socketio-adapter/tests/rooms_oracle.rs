//! The room table against one made of hash maps, over any sequence of changes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;
use socketio_adapter::rooms::{DenseHandle, JoinError, Recipients, RoomEvent, RoomIndex, RoomLimits};
use socketio_adapter::{BroadcastOptions, Room};

const N_SOCKETS: u32 = 6;
const N_ROOMS: u32 = 60;
const MAX_ROOMS_PER_SOCKET: usize = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    index: u32,
    generation: u32,
}

impl DenseHandle for Slot {
    fn index(self) -> usize {
        self.index.index()
    }
}

#[derive(Debug, Clone)]
enum Change {
    /// A new socket takes the place; it has the same id as the one before, as after a restored session.
    Insert(u32),
    Remove(u32),
    Join(u32, Vec<u32>),
    Leave(u32, u32),
    LeaveAll(u32),
}

/// The same table in the plainest form.
struct Oracle {
    limits: RoomLimits,
    rooms: BTreeMap<String, BTreeSet<Slot>>,
    live: BTreeMap<u32, Slot>,
    n_inserted: u32,
}

/// Rooms past the ordinary ones are the own rooms of the sockets.
fn name(room: u32) -> String {
    match room.checked_sub(N_ROOMS) {
        Some(socket) => format!("id{socket}"),
        None => format!("room{room}"),
    }
}

fn owner(room: u32) -> Option<u32> {
    room.checked_sub(N_ROOMS)
}

impl Oracle {
    fn rooms_of(&self, slot: Slot) -> BTreeSet<&str> {
        let is_in = |(_, members): &(&String, &BTreeSet<Slot>)| members.contains(&slot);
        self.rooms.iter().filter(is_in).map(|(room, _)| room.as_str()).collect()
    }

    fn drop_from_all(&mut self, slot: Slot) {
        self.rooms.values_mut().for_each(|members| {
            members.remove(&slot);
        });
        self.rooms.retain(|_, members| !members.is_empty());
    }

    fn join(&mut self, slot: Slot, rooms: &[u32]) -> bool {
        let mut after = self.rooms.clone();
        for &room in rooms {
            let is_foreign =
                owner(room).is_some_and(|owner| self.live.get(&owner).is_some_and(|&o| o != slot));
            if self.limits.private_own_rooms && is_foreign {
                return false;
            }
            after.entry(name(room)).or_default().insert(slot);
            if after.values().filter(|members| members.contains(&slot)).count() > MAX_ROOMS_PER_SOCKET {
                return false;
            }
        }
        self.rooms = after;
        true
    }

    fn apply(&mut self, change: &Change, index: &mut RoomIndex<Slot>, events: &mut Vec<RoomEvent<Slot>>) {
        match change {
            &Change::Insert(socket) => {
                if let Some(old) = self.live.remove(&socket) {
                    self.drop_from_all(old);
                }
                let slot = Slot { index: socket, generation: self.n_inserted };
                self.n_inserted += 1;
                let own = name(N_ROOMS + socket);
                let members = self.rooms.entry(own.clone()).or_default();
                if self.limits.private_own_rooms {
                    members.clear();
                }
                members.insert(slot);
                self.live.insert(socket, slot);
                index.insert(slot, &own.into(), events);
            }
            &Change::Remove(socket) => {
                if let Some(slot) = self.live.remove(&socket) {
                    self.drop_from_all(slot);
                    index.remove(slot, events);
                }
            }
            Change::Join(socket, rooms) => {
                if let Some(&slot) = self.live.get(socket) {
                    let names: Vec<Room> = rooms.iter().map(|&room| name(room).into()).collect();
                    let joined = index.join(slot, &names, events);
                    assert_eq!(joined.is_ok(), self.join(slot, rooms), "{joined:?}");
                }
            }
            &Change::Leave(socket, room) => {
                if let Some(&slot) = self.live.get(&socket) {
                    if let Some(members) = self.rooms.get_mut(&name(room)) {
                        members.remove(&slot);
                    }
                    self.rooms.retain(|_, members| !members.is_empty());
                    index.leave(slot, &name(room), events);
                }
            }
            Change::LeaveAll(socket) => {
                if let Some(&slot) = self.live.get(socket) {
                    self.drop_from_all(slot);
                    index.leave_all(slot, events);
                }
            }
        }
    }

    fn check_table(&self, index: &RoomIndex<Slot>) {
        assert_eq!(index.n_rooms(), self.rooms.len());
        let open: BTreeSet<&str> = index.rooms().map(Room::as_str).collect();
        assert_eq!(open, self.rooms.keys().map(String::as_str).collect());
        for (room, expected) in &self.rooms {
            let members: Vec<Slot> = index.members(room).collect();
            assert_eq!(members.len(), expected.len(), "each member of {room} is there once");
            assert_eq!(&BTreeSet::from_iter(members), expected, "members of {room}");
        }
        for &slot in self.live.values() {
            assert_eq!(index.rooms_of(slot).map(Room::as_str).collect::<BTreeSet<_>>(), self.rooms_of(slot));
        }
        assert_eq!(
            index.sockets().iter().collect::<BTreeSet<_>>(),
            self.live.values().collect::<BTreeSet<_>>()
        );
    }

    fn check_selection(
        &self,
        index: &RoomIndex<Slot>,
        rooms: &[u32],
        except: &[u32],
        buf: &mut Recipients<Slot>,
    ) {
        let union = |rooms: &[u32]| -> BTreeSet<Slot> {
            rooms.iter().filter_map(|&room| self.rooms.get(&name(room))).flatten().copied().collect()
        };
        let addressed = if rooms.is_empty() { self.live.values().copied().collect() } else { union(rooms) };
        let owners = |rooms: &[u32]| -> BTreeSet<Slot> {
            rooms.iter().filter_map(|&room| self.live.get(&owner(room)?)).copied().collect()
        };
        let excepted = &union(except) | &owners(except);
        let expected = &addressed - &excepted;
        let names = |rooms: &[u32]| rooms.iter().map(|&room| name(room)).collect::<Vec<_>>();
        let mut options = BroadcastOptions::new().to_all(names(rooms)).except_all(names(except));
        index.select(&options, buf);
        assert_eq!(buf.slots().len(), expected.len(), "each recipient once");
        assert_eq!(buf.slots().iter().copied().collect::<BTreeSet<_>>(), expected);

        let expected = &owners(rooms) - &excepted;
        options.flags_mut().direct = true;
        index.select(&options, buf);
        assert_eq!(buf.slots().len(), expected.len(), "each socket once");
        assert_eq!(buf.slots().iter().copied().collect::<BTreeSet<_>>(), expected);
    }
}

/// Rebuilds the rooms from nothing but the events.
fn replay(events: Vec<RoomEvent<Slot>>, rooms: &mut BTreeMap<String, BTreeSet<Slot>>) {
    for event in events {
        match event {
            RoomEvent::Created { room } => {
                assert!(rooms.insert(room.to_string(), BTreeSet::new()).is_none(), "{room} is new");
            }
            RoomEvent::Joined { room, slot } => {
                assert!(rooms.get_mut(room.as_str()).expect("it was created").insert(slot), "joined once");
            }
            RoomEvent::Left { room, slot } => {
                assert!(rooms.get_mut(room.as_str()).expect("it was created").remove(&slot), "it was in");
            }
            RoomEvent::Deleted { room } => {
                assert_eq!(rooms.remove(room.as_str()), Some(BTreeSet::new()), "{room} is empty");
            }
            other => assert_eq!(format!("{other:?}"), "", "an event this test does not know"),
        }
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    let socket = || 0..N_SOCKETS;
    let room = || 0..N_ROOMS + N_SOCKETS;
    prop_oneof![
        2 => socket().prop_map(Change::Insert),
        1 => socket().prop_map(Change::Remove),
        // Few and many: a list of more than 32 rooms is kept in another form.
        4 => (socket(), vec(room(), 0..4)).prop_map(|(socket, rooms)| Change::Join(socket, rooms)),
        2 => (socket(), vec(0..N_ROOMS, 20..50)).prop_map(|(socket, rooms)| Change::Join(socket, rooms)),
        6 => (socket(), room()).prop_map(|(socket, room)| Change::Leave(socket, room)),
        1 => socket().prop_map(Change::LeaveAll),
    ]
}

proptest! {
    #![proptest_config(Config { cases: 128, ..Config::default() })]

    #[test]
    fn the_table_agrees_with_the_oracle(
        private_own_rooms in any::<bool>(),
        changes in vec(any_change(), 0..80),
        selections in vec((vec(0..N_ROOMS + N_SOCKETS, 0..4), vec(0..N_ROOMS + N_SOCKETS, 0..3)), 1..20),
    ) {
        let mut limits = RoomLimits::default();
        limits.private_own_rooms = private_own_rooms;
        limits.max_rooms_per_socket = MAX_ROOMS_PER_SOCKET;
        let mut index = RoomIndex::new(limits);
        let mut oracle = Oracle { limits, rooms: BTreeMap::new(), live: BTreeMap::new(), n_inserted: 0 };
        let mut from_events = BTreeMap::new();
        let mut recipients = Recipients::new();
        for socket in 0..N_SOCKETS {
            oracle.apply(&Change::Insert(socket), &mut index, &mut Vec::new());
        }
        from_events.clone_from(&oracle.rooms);
        for (change, (rooms, except)) in changes.iter().zip(selections.iter().cycle()) {
            let mut events = Vec::new();
            oracle.apply(change, &mut index, &mut events);
            replay(events, &mut from_events);
            assert_eq!(from_events, oracle.rooms, "the events tell the whole story of {change:?}");
            oracle.check_table(&index);
            oracle.check_selection(&index, rooms, except, &mut recipients);
        }
    }
}

#[test]
fn a_stale_handle_is_refused_by_name() {
    let mut index = RoomIndex::default();
    let old = Slot { index: 0, generation: 0 };
    index.insert(old, &"id0".into(), &mut Vec::new());
    index.insert(Slot { index: 0, generation: 1 }, &"id0".into(), &mut Vec::new());
    assert_eq!(index.join(old, &["room".into()], &mut Vec::new()), Err(JoinError::Gone));
}
