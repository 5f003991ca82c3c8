//! Whom an operation addresses, and how.

use std::time::Duration;

use smallvec::SmallVec;

use crate::{Room, SocketId};

/// The recipients of an operation, and how it is to be done.
///
/// Recipients are the sockets in at least one of the rooms (without rooms: every socket of the namespace), less those
/// in one of the excepted rooms. Each is addressed once, however many of the rooms it is in.
///
/// ```
/// use socketio_adapter::BroadcastOptions;
///
/// let options = BroadcastOptions::new().to("news").to("sports").except("muted");
/// assert_eq!(options.rooms(), ["news", "sports"]);
/// assert_eq!(options.excepted(), ["muted"]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BroadcastOptions {
    rooms: SmallVec<[Room; 1]>,
    except: SmallVec<[Room; 1]>,
    flags: BroadcastFlags,
}

/// How a broadcast is to be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BroadcastFlags {
    /// A client that is not ready to receive at this instant may miss the event. Default: false.
    pub volatile: bool,
    /// Whether the transport may compress the message; `None` (the default) leaves it to the transport.
    pub compress: Option<bool>,
    /// Only sockets of this node are addressed. It never travels. Default: false.
    pub local: bool,
    /// Each room is the own room of a socket, and stands for that socket alone: whether or not it is in that room, and
    /// whoever else is. Without rooms nobody is addressed. Default: false.
    pub direct: bool,
    /// The event comes from a socket that does not get it itself. Nodes only pass it on. Default: false.
    pub broadcast: bool,
    /// Exactly one client is addressed and its one answer is expected. Default: false.
    pub expect_single_response: bool,
    /// How long answers are waited for; `None` (the default) is the time that the operation documents.
    pub timeout: Option<Duration>,
}

impl BroadcastFlags {
    /// Whether the transport may compress the message: unless [`compress`](Self::compress) says no.
    #[must_use]
    pub fn may_compress(&self) -> bool {
        self.compress != Some(false)
    }
}

impl BroadcastOptions {
    /// Every socket of the namespace, with no flag set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a room whose members are addressed.
    #[must_use]
    pub fn to(mut self, room: impl Into<Room>) -> Self {
        add(&mut self.rooms, room.into());
        self
    }

    /// Adds rooms whose members are addressed. Adding none leaves the recipients as they are.
    #[must_use]
    pub fn to_all(mut self, rooms: impl IntoIterator<Item = impl Into<Room>>) -> Self {
        rooms.into_iter().for_each(|room| add(&mut self.rooms, room.into()));
        self
    }

    /// Adds a room whose members are left out. A socket is left out by its own room even if it is not in there.
    #[must_use]
    pub fn except(mut self, room: impl Into<Room>) -> Self {
        add(&mut self.except, room.into());
        self
    }

    /// Adds rooms whose members are left out.
    #[must_use]
    pub fn except_all(mut self, rooms: impl IntoIterator<Item = impl Into<Room>>) -> Self {
        rooms.into_iter().for_each(|room| add(&mut self.except, room.into()));
        self
    }

    /// One socket alone, with the flag [`direct`](BroadcastFlags::direct) set.
    #[must_use]
    pub fn to_socket(id: &SocketId) -> Self {
        let mut options = Self::new().to(id);
        options.flags.direct = true;
        options
    }

    /// Replaces the flags.
    #[must_use]
    pub fn with_flags(mut self, flags: BroadcastFlags) -> Self {
        self.flags = flags;
        self
    }

    /// The rooms whose members are addressed, in the order of their adding; empty: everybody.
    #[must_use]
    pub fn rooms(&self) -> &[Room] {
        &self.rooms
    }

    /// The rooms whose members are left out.
    #[must_use]
    pub fn excepted(&self) -> &[Room] {
        &self.except
    }

    /// How the operation is to be done.
    #[must_use]
    pub fn flags(&self) -> &BroadcastFlags {
        &self.flags
    }

    /// How the operation is to be done, to be changed in place.
    pub fn flags_mut(&mut self) -> &mut BroadcastFlags {
        &mut self.flags
    }
}

/// A room named twice is kept once: it would only be walked, and published, twice.
fn add(rooms: &mut SmallVec<[Room; 1]>, room: Room) {
    // Past a handful the scan would be quadratic; the selection copes with repeats anyway.
    if rooms.len() > MAX_SCANNED || !rooms.contains(&room) {
        rooms.push(room);
    }
}

const MAX_SCANNED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_named_twice_is_kept_once() {
        let options = BroadcastOptions::new().to("a").to_all(["b", "a"]).except("c").except_all(["c"]);
        assert_eq!(options.rooms(), ["a", "b"]);
        assert_eq!(options.excepted(), ["c"]);
    }
}
