//! The sockets of one namespace on this node, and their rooms.

use std::sync::Arc;

use smallvec::SmallVec;
use socketio_adapter::rooms::{DenseHandle, JoinError, Recipients, RoomEvent, RoomIndex, RoomLimits};
use socketio_adapter::{Adapter, BroadcastOptions, Receipt, Room, SocketId};

use crate::namespace::room_events::{self, RoomEvents, RoomFeed};
use crate::socket::SocketInner;

/// Where a socket stands in the table; outdated once it has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    index: u32,
    generation: u32,
}

impl DenseHandle for Slot {
    fn index(self) -> usize {
        // Lossless: no supported target has a `usize` of fewer than 32 bits.
        usize::try_from(self.index).unwrap_or(usize::MAX)
    }
}

/// The table behind the namespace's lock: short operations only, and no user code.
pub(super) struct Local {
    entries: Vec<Entry>,
    free: Vec<u32>,
    rooms: RoomIndex<Slot>,
    recipients: Recipients<Slot>,
    events: Vec<RoomEvent<Slot>>,
    n_sockets: usize,
    feed: RoomFeed,
}

struct Entry {
    generation: u32,
    socket: Option<Arc<SocketInner>>,
}

/// Rooms that a socket has joined (true) or left, in this order.
pub(crate) type RoomsChanged = SmallVec<[(Room, bool); 1]>;

/// The subscriptions that joining has caused, if the adapter has to make any.
pub(crate) type Receipts = SmallVec<[Receipt; 1]>;

impl Local {
    pub(super) fn new(limits: RoomLimits) -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            rooms: RoomIndex::new(limits),
            recipients: Recipients::new(),
            events: Vec::new(),
            n_sockets: 0,
            feed: RoomFeed::default(),
        }
    }

    pub(super) fn n_sockets(&self) -> usize {
        self.n_sockets
    }

    /// Enters a socket and puts it into its own room. `None` if 2³² sockets are here already.
    pub(super) fn insert(&mut self, socket: Arc<SocketInner>, adapter: &dyn Adapter) -> Option<Slot> {
        let own = Room::from(socket.id());
        let slot = match self.free.pop() {
            Some(index) => {
                let entry = self.entries.get_mut(index as usize)?;
                entry.socket = Some(socket);
                Slot { index, generation: entry.generation }
            }
            None => {
                let index = u32::try_from(self.entries.len()).ok().filter(|index| *index < u32::MAX)?;
                self.entries.push(Entry { generation: 0, socket: Some(socket) });
                Slot { index, generation: 0 }
            }
        };
        self.n_sockets += 1;
        self.rooms.insert(slot, &own, &mut self.events);
        self.tell(adapter, None, |_| ());
        Some(slot)
    }

    /// Takes a socket out of the table and of all its rooms, which are returned.
    pub(super) fn remove(&mut self, slot: Slot, adapter: &dyn Adapter) -> Vec<Room> {
        let Some(entry) =
            self.entries.get_mut(slot.index()).filter(|entry| entry.generation == slot.generation)
        else {
            return Vec::new();
        };
        let Some(socket) = entry.socket.take() else { return Vec::new() };
        self.n_sockets -= 1;
        let rooms = self.rooms.rooms_of(slot).cloned().collect();
        self.rooms.remove(slot, &mut self.events);
        // A place whose generations are used up is given up: 2³² sockets were in it.
        if let Some(next) = entry.generation.checked_add(1) {
            entry.generation = next;
            self.free.push(slot.index);
        }
        self.tell(adapter, Some(socket.id()), |_| ());
        rooms
    }

    pub(super) fn join(
        &mut self,
        slot: Slot,
        rooms: &[Room],
        adapter: &dyn Adapter,
        changed: Option<&mut RoomsChanged>,
    ) -> Result<Receipts, JoinError> {
        self.rooms.join(slot, rooms, &mut self.events)?;
        self.note(changed);
        let mut receipts = Receipts::new();
        self.tell(adapter, None, |receipt| receipts.push(receipt));
        Ok(receipts)
    }

    pub(super) fn leave(
        &mut self,
        slot: Slot,
        rooms: &[Room],
        adapter: &dyn Adapter,
        changed: Option<&mut RoomsChanged>,
    ) {
        for room in rooms {
            self.rooms.leave(slot, room, &mut self.events);
        }
        self.note(changed);
        self.tell(adapter, None, |_| ());
    }

    pub(super) fn rooms_of(&self, slot: Slot) -> Vec<Room> {
        self.rooms.rooms_of(slot).cloned().collect()
    }

    pub(super) fn has_room(&self, room: &str) -> bool {
        self.rooms.has_room(room)
    }

    pub(super) fn open_rooms(&self) -> Vec<Room> {
        self.rooms.rooms().cloned().collect()
    }

    pub(super) fn ids_in(&self, room: &str) -> Vec<SocketId> {
        self.rooms.members(room).filter_map(|slot| Some(self.socket(slot)?.id().clone())).collect()
    }

    pub(super) fn rooms_of_id(&self, id: &str) -> Option<Vec<Room>> {
        self.slot(id).map(|slot| self.rooms_of(slot))
    }

    pub(super) fn room_events(&mut self) -> RoomEvents {
        self.feed.subscribe()
    }

    /// The socket with this id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<SocketInner>> {
        self.socket(self.slot(id)?).cloned()
    }

    fn slot(&self, id: &str) -> Option<Slot> {
        self.rooms.owner(id)
    }

    /// Appends the sockets that `options` address, each once.
    pub(super) fn select(&mut self, options: &BroadcastOptions, into: &mut Vec<Arc<SocketInner>>) {
        self.rooms.select(options, &mut self.recipients);
        let slots = self.recipients.slots();
        into.extend(slots.iter().filter_map(|slot| self.entries.get(slot.index())?.socket.clone()));
    }

    fn socket(&self, slot: Slot) -> Option<&Arc<SocketInner>> {
        self.entries.get(slot.index())?.socket.as_ref()
    }

    /// Notes what has changed about one socket.
    fn note(&self, changed: Option<&mut RoomsChanged>) {
        let Some(changed) = changed else { return };
        for event in &self.events {
            match event {
                RoomEvent::Joined { room, .. } => changed.push((room.clone(), true)),
                RoomEvent::Left { room, .. } => changed.push((room.clone(), false)),
                _ => {}
            }
        }
    }

    /// Tells the adapter which rooms got their first, or lost their last, member, and everything to those who listen.
    /// `gone` is the socket that is not in the table any more.
    fn tell(&mut self, adapter: &dyn Adapter, gone: Option<&SocketId>, mut keep: impl FnMut(Receipt)) {
        let Self { entries, events, feed, .. } = self;
        for event in events.drain(..) {
            feed.tell(|| {
                let id = |slot: Slot| {
                    let entered = entries.get(slot.index()).and_then(|entry| entry.socket.as_ref());
                    entered.map(|socket| socket.id()).or(gone).cloned()
                };
                Some(match &event {
                    RoomEvent::Created { room } => room_events::RoomEvent::Created { room: room.clone() },
                    RoomEvent::Joined { room, slot } => {
                        room_events::RoomEvent::Joined { room: room.clone(), socket: id(*slot)? }
                    }
                    RoomEvent::Left { room, slot } => {
                        room_events::RoomEvent::Left { room: room.clone(), socket: id(*slot)? }
                    }
                    RoomEvent::Deleted { room } => room_events::RoomEvent::Deleted { room: room.clone() },
                    _ => return None,
                })
            });
            match event {
                RoomEvent::Created { room } => {
                    let receipt = adapter.room_opened(&room);
                    if !receipt.is_ready() {
                        keep(receipt);
                    }
                }
                RoomEvent::Deleted { room } => adapter.room_closed(&room),
                _ => {}
            }
        }
    }
}
