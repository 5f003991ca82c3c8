//! The table of rooms and their members.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use smallvec::SmallVec;

use super::memberships::{Membership, Memberships, to_u32};
use super::{DenseHandle, JoinError, Recipients, RoomEvent, RoomLimits};
use crate::{BroadcastOptions, Room};

/// Who is in which room on this node; see the [module](crate::rooms).
///
/// `S` stands for a socket. A socket is known from [`insert`](Self::insert) to [`remove`](Self::remove); for a handle
/// that is not known (any more), changes do nothing. Events are appended to a list of the caller's.
///
/// Joining and leaving take constant time. A socket that is only in its own room costs about 150 bytes, each further
/// membership 20, each room 70 and its name.
///
/// ```
/// use socketio_adapter::rooms::{JoinError, Recipients, RoomIndex};
/// use socketio_adapter::BroadcastOptions;
///
/// # fn main() -> Result<(), JoinError> {
/// let mut index = RoomIndex::<u32>::default();
/// let mut events = Vec::new();
/// for (slot, id) in [(0, "alice"), (1, "bob"), (2, "carol")] {
///     index.insert(slot, &id.into(), &mut events);
/// }
/// index.join(0, &["news".into()], &mut events)?;
/// index.join(1, &["news".into(), "sports".into()], &mut events)?;
///
/// let mut recipients = Recipients::new();
/// index.select(&BroadcastOptions::new().to("news").to("sports").except("alice"), &mut recipients);
/// assert_eq!(recipients.slots(), [1]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RoomIndex<S> {
    limits: RoomLimits,
    /// Finds rooms by name; names come from clients, so the hash is seeded at random.
    names: HashTable<u32>,
    hasher: DefaultHashBuilder,
    rooms: Vec<Option<RoomEntry<S>>>,
    free: Vec<u32>,
    n_open: usize,
    sockets: Vec<SocketEntry<S>>,
    everybody: Vec<S>,
}

/// A room is kept while it has members or the socket that owns it is known; it is open while it has members.
#[derive(Debug)]
struct RoomEntry<S> {
    name: Room,
    members: SmallVec<[Member<S>; 1]>,
    owner: Option<S>,
}

#[derive(Debug, Clone, Copy)]
struct Member<S> {
    slot: S,
    /// Where the socket's list of rooms has this one.
    position: u32,
}

#[derive(Debug)]
struct SocketEntry<S> {
    slot: Option<S>,
    /// Index in the list of everybody.
    everybody_idx: u32,
    own_room: u32,
    rooms: Memberships,
}

impl<S: DenseHandle> RoomIndex<S> {
    /// A table without rooms.
    #[must_use]
    pub fn new(limits: RoomLimits) -> Self {
        Self {
            limits,
            names: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            rooms: Vec::new(),
            free: Vec::new(),
            n_open: 0,
            sockets: Vec::new(),
            everybody: Vec::new(),
        }
    }

    /// Makes a socket known and puts it into its own room, which is named by its id.
    ///
    /// If own rooms are private, sockets that joined this one while nobody owned it leave it: the id may be that of a
    /// client whose session was restored, and it is public.
    pub fn insert(&mut self, slot: S, own: &Room, events: &mut Vec<RoomEvent<S>>) {
        let at = slot.index();
        if let Some(previous) = self.sockets.get(at).and_then(|entry| entry.slot) {
            self.remove(previous, events);
        }
        if self.sockets.len() <= at {
            self.sockets.resize_with(at + 1, SocketEntry::vacant);
        }
        let room = self.find(own).unwrap_or_else(|| self.open(own));
        self.sockets[at] = SocketEntry {
            slot: Some(slot),
            everybody_idx: to_u32(self.everybody.len()),
            own_room: room,
            rooms: Memberships::default(),
        };
        self.everybody.push(slot);

        let entry = self.room_mut(room);
        entry.owner = Some(slot);
        if self.limits.private_own_rooms {
            while let Some(&intruder) = self.room(room).members.last() {
                self.part(intruder.slot, intruder.position as usize, events);
            }
        }
        self.add_member(room, slot, events);
    }

    /// Lets a socket leave all its rooms and forgets it.
    pub fn remove(&mut self, slot: S, events: &mut Vec<RoomEvent<S>>) {
        let Some(entry) = self.socket(slot) else { return };
        for position in (0..entry.rooms.len()).rev() {
            self.part(slot, position, events);
        }
        let gone = std::mem::replace(&mut self.sockets[slot.index()], SocketEntry::vacant());
        // The room may belong to a later socket with the same id by now, or be gone with it.
        if let Some(own) = &mut self.rooms[gone.own_room as usize]
            && own.owner == Some(slot)
        {
            own.owner = None;
            self.close_unused(gone.own_room);
        }
        let at = gone.everybody_idx as usize;
        self.everybody.swap_remove(at);
        if let Some(moved) = self.everybody.get(at) {
            self.sockets[moved.index()].everybody_idx = gone.everybody_idx;
        }
    }

    /// Lets a socket join rooms: all of them, or none if that fails. Rooms that it is in already make no events.
    ///
    /// # Errors
    ///
    /// [`JoinError`] says which rule or limit stands against it.
    pub fn join(&mut self, slot: S, rooms: &[Room], events: &mut Vec<RoomEvent<S>>) -> Result<(), JoinError> {
        let n_events = events.len();
        let n_rooms = self.socket(slot).ok_or(JoinError::Gone)?.rooms.len();
        for room in rooms {
            if let Err(error) = self.join_one(slot, room, events) {
                // What was joined by this call stands at the end of the list, in order.
                for position in (n_rooms..self.n_rooms_of(slot)).rev() {
                    self.part(slot, position, events);
                }
                events.truncate(n_events);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Lets a socket leave a room; if it is not in it, nothing happens.
    pub fn leave(&mut self, slot: S, room: &str, events: &mut Vec<RoomEvent<S>>) {
        if let Some(position) = self.position(slot, room) {
            self.part(slot, position, events);
        }
    }

    /// Lets a socket leave all its rooms, its own included; it stays known.
    pub fn leave_all(&mut self, slot: S, events: &mut Vec<RoomEvent<S>>) {
        for position in (0..self.n_rooms_of(slot)).rev() {
            self.part(slot, position, events);
        }
    }

    /// Collects the recipients that `options` address, each once.
    ///
    /// What was in `recipients` before is dropped. The order is that of the rooms and, within a room, none in particular.
    pub fn select(&self, options: &BroadcastOptions, recipients: &mut Recipients<S>) {
        let mut except = options.excepted().iter().flat_map(|room| self.excepted(room)).peekable();
        if options.flags().direct {
            recipients.begin(self.sockets.len());
            except.for_each(|slot| recipients.exclude(slot));
            options.rooms().iter().filter_map(|room| self.owner(room)).for_each(|slot| recipients.add(slot));
            return;
        }
        match options.rooms() {
            [] if except.peek().is_none() => {
                recipients.begin_unmarked();
                recipients.add_unmarked(self.everybody.iter().copied());
            }
            [room] if except.peek().is_none() => {
                recipients.begin_unmarked();
                recipients.add_unmarked(self.members(room));
            }
            rooms => {
                recipients.begin(self.sockets.len());
                except.for_each(|slot| recipients.exclude(slot));
                if rooms.is_empty() {
                    self.everybody.iter().for_each(|&slot| recipients.add(slot));
                }
                for room in rooms {
                    self.members(room).for_each(|slot| recipients.add(slot));
                }
            }
        }
    }

    /// The socket whose own room this is, whether or not it is in there.
    #[must_use]
    pub fn owner(&self, room: &str) -> Option<S> {
        self.room(self.find(room)?).owner
    }

    /// The sockets in a room.
    pub fn members(&self, room: &str) -> impl ExactSizeIterator<Item = S> + '_ {
        let members = self.find(room).map_or(&[][..], |room| &self.room(room).members);
        members.iter().map(|member| member.slot)
    }

    /// Whom a room stands for that is left out: its members, and the socket whose own room it is.
    fn excepted(&self, room: &str) -> impl Iterator<Item = S> + '_ {
        let entry = self.find(room).map(|room| self.room(room));
        let members = entry.map_or(&[][..], |entry| &entry.members);
        members.iter().map(|member| member.slot).chain(entry.and_then(|entry| entry.owner))
    }

    /// The rooms that a socket is in, its own included.
    pub fn rooms_of(&self, slot: S) -> impl ExactSizeIterator<Item = &Room> + '_ {
        static NONE: [Membership; 0] = [];
        let rooms = self.socket(slot).map_or(&NONE[..], |entry| entry.rooms.as_slice());
        rooms.iter().map(|membership| &self.room(membership.room).name)
    }

    /// Whether a socket is in a room.
    #[must_use]
    pub fn contains(&self, slot: S, room: &str) -> bool {
        self.position(slot, room).is_some()
    }

    /// Whether a room has members.
    #[must_use]
    pub fn has_room(&self, room: &str) -> bool {
        self.members(room).len() > 0
    }

    /// The rooms that have members, own rooms included.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> + '_ {
        self.rooms.iter().flatten().filter(|room| !room.members.is_empty()).map(|room| &room.name)
    }

    /// How many rooms have members, own rooms included.
    #[must_use]
    pub fn n_rooms(&self) -> usize {
        self.n_open
    }

    /// The sockets that are known.
    #[must_use]
    pub fn sockets(&self) -> &[S] {
        &self.everybody
    }

    fn join_one(&mut self, slot: S, name: &Room, events: &mut Vec<RoomEvent<S>>) -> Result<(), JoinError> {
        let found = self.find(name);
        if let Some(room) = found {
            let owner = self.room(room).owner;
            if self.limits.private_own_rooms && owner.is_some_and(|owner| owner != slot) {
                return Err(JoinError::PrivateRoom { room: name.clone() });
            }
            if self.socket(slot).is_some_and(|entry| entry.rooms.position(room).is_some()) {
                return Ok(());
            }
        }
        let RoomLimits { max_rooms_per_socket, max_room_name_bytes, .. } = self.limits;
        if self.n_rooms_of(slot) >= max_rooms_per_socket {
            return Err(JoinError::TooManyRooms { max: max_rooms_per_socket });
        }
        let room = match found {
            Some(room) => room,
            None if name.len() > max_room_name_bytes => {
                return Err(JoinError::NameTooLong { size: name.len(), max: max_room_name_bytes });
            }
            None => self.open(name),
        };
        self.add_member(room, slot, events);
        Ok(())
    }

    /// Adds a known socket to a room it is not in.
    fn add_member(&mut self, room: u32, slot: S, events: &mut Vec<RoomEvent<S>>) {
        let position = to_u32(self.n_rooms_of(slot));
        let entry = self.room_mut(room);
        let (name, member) = (entry.name.clone(), to_u32(entry.members.len()));
        entry.members.push(Member { slot, position });
        self.sockets[slot.index()].rooms.push(Membership { room, member });
        if member == 0 {
            self.n_open += 1;
            events.push(RoomEvent::Created { room: name.clone() });
        }
        events.push(RoomEvent::Joined { room: name, slot });
    }

    /// Ends the membership at this position of a known socket's list.
    fn part(&mut self, slot: S, position: usize, events: &mut Vec<RoomEvent<S>>) {
        let (ended, moved) = self.sockets[slot.index()].rooms.swap_remove(position);
        if let Some(moved) = moved {
            self.room_mut(moved.room).members[moved.member as usize].position = to_u32(position);
        }
        let entry = self.room_mut(ended.room);
        entry.members.swap_remove(ended.member as usize);
        let moved = entry.members.get(ended.member as usize).copied();
        let (name, is_empty) = (entry.name.clone(), entry.members.is_empty());
        if let Some(moved) = moved {
            self.sockets[moved.slot.index()].rooms.set_member(moved.position, ended.member);
        }
        events.push(RoomEvent::Left { room: name.clone(), slot });
        if is_empty {
            self.n_open -= 1;
            events.push(RoomEvent::Deleted { room: name });
            self.close_unused(ended.room);
        }
    }

    fn open(&mut self, name: &Room) -> u32 {
        let entry = RoomEntry { name: name.clone(), members: SmallVec::new(), owner: None };
        let room = match self.free.pop() {
            Some(room) => {
                self.rooms[room as usize] = Some(entry);
                room
            }
            None => {
                self.rooms.push(Some(entry));
                to_u32(self.rooms.len() - 1)
            }
        };
        let (rooms, hasher) = (&self.rooms, &self.hasher);
        self.names.insert_unique(hasher.hash_one(name.as_str()), room, |&room| {
            rooms[room as usize].as_ref().map_or(0, |entry| hasher.hash_one(entry.name.as_str()))
        });
        room
    }

    /// Forgets a room that has neither members nor an owner.
    fn close_unused(&mut self, room: u32) {
        if let Some(entry) = &self.rooms[room as usize]
            && entry.members.is_empty()
            && entry.owner.is_none()
        {
            let hash = self.hasher.hash_one(entry.name.as_str());
            if let Ok(found) = self.names.find_entry(hash, |&other| other == room) {
                found.remove();
            }
            self.rooms[room as usize] = None;
            self.free.push(room);
        }
    }

    fn find(&self, name: &str) -> Option<u32> {
        let is_named =
            |&room: &u32| self.rooms[room as usize].as_ref().is_some_and(|entry| entry.name == *name);
        self.names.find(self.hasher.hash_one(name), is_named).copied()
    }

    fn position(&self, slot: S, room: &str) -> Option<usize> {
        self.socket(slot)?.rooms.position(self.find(room)?)
    }

    fn n_rooms_of(&self, slot: S) -> usize {
        self.socket(slot).map_or(0, |entry| entry.rooms.len())
    }

    /// The entry of a known socket; none for a handle of another generation.
    fn socket(&self, slot: S) -> Option<&SocketEntry<S>> {
        self.sockets.get(slot.index()).filter(|entry| entry.slot == Some(slot))
    }

    fn room(&self, room: u32) -> &RoomEntry<S> {
        self.rooms[room as usize].as_ref().expect("a room is kept while a membership or its owner names it")
    }

    fn room_mut(&mut self, room: u32) -> &mut RoomEntry<S> {
        self.rooms[room as usize].as_mut().expect("a room is kept while a membership or its owner names it")
    }
}

impl<S: DenseHandle> Default for RoomIndex<S> {
    fn default() -> Self {
        Self::new(RoomLimits::default())
    }
}

impl<S> SocketEntry<S> {
    fn vacant() -> Self {
        Self { slot: None, everybody_idx: 0, own_room: 0, rooms: Memberships::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Index and generation, as a server's handle is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Slot(u32, u32);

    impl DenseHandle for Slot {
        fn index(self) -> usize {
            self.0.index()
        }
    }

    #[test]
    fn sockets_that_come_and_go_leave_nothing_behind() {
        let mut index = RoomIndex::default();
        let mut events = Vec::new();
        for n in 0..1000 {
            let (slot, own) = (Slot(n % 3, n), Room::from(format!("id{n}")));
            index.insert(slot, &own, &mut events);
            index
                .join(slot, &[format!("room{n}").into(), "shared".into()], &mut events)
                .expect("a few rooms");
            if n % 2 == 0 {
                index.leave_all(slot, &mut events);
            }
        }
        assert!(index.rooms.len() <= 8, "entries are used again: {}", index.rooms.len());
        for n in 997..1000 {
            index.remove(Slot(n % 3, n), &mut events);
        }
        assert_eq!(index.names.len(), 0);
        assert_eq!(index.free.len(), index.rooms.len());
        assert_eq!(index.sockets.len(), 3);
    }

    #[test]
    fn an_idle_socket_costs_what_the_documentation_says() {
        let in_hash_table = size_of::<u32>() + 1;
        let room = size_of::<Option<RoomEntry<Slot>>>() + in_hash_table;
        let socket = size_of::<SocketEntry<Slot>>() + size_of::<Slot>();
        let membership = size_of::<Member<Slot>>() + size_of::<Membership>();
        assert!(room <= 70, "a room: {room}");
        assert!(membership <= 20, "a membership: {membership}");
        assert!(socket + room <= 150, "a socket in its own room: {}", socket + room);
    }
}
