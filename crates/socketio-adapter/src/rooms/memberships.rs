//! The rooms of one socket.

use hashbrown::HashMap;
use smallvec::SmallVec;

/// One room that a socket is in, and where it stands there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Membership {
    /// Index of the room.
    pub(super) room: u32,
    /// Index of the socket among the room's members.
    pub(super) member: u32,
}

/// The rooms of one socket, in a list whose positions the rooms know.
///
/// Most sockets are in a few rooms, which a scan finds fastest. A crowded list gets an index, so that one socket in
/// thousands of rooms costs no more per operation than any other.
#[derive(Debug, Default)]
pub(super) struct Memberships {
    list: SmallVec<[Membership; 2]>,
    positions: Option<Box<HashMap<u32, u32>>>,
}

impl Memberships {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn as_slice(&self) -> &[Membership] {
        &self.list
    }

    /// Where the list has this room.
    pub(super) fn position(&self, room: u32) -> Option<usize> {
        match &self.positions {
            Some(positions) => positions.get(&room).map(|&position| position as usize),
            None => self.list.iter().position(|membership| membership.room == room),
        }
    }

    /// Appends a room that is not in the list yet.
    pub(super) fn push(&mut self, membership: Membership) {
        self.list.push(membership);
        if let Some(positions) = &mut self.positions {
            positions.insert(membership.room, to_u32(self.list.len() - 1));
        } else if self.list.len() > CROWDED {
            let positions =
                self.list.iter().enumerate().map(|(at, membership)| (membership.room, to_u32(at)));
            self.positions = Some(Box::new(positions.collect()));
        }
    }

    /// Takes the membership at `position` out, and returns with it the one that has moved to that position, if any.
    pub(super) fn swap_remove(&mut self, position: usize) -> (Membership, Option<Membership>) {
        let removed = self.list.swap_remove(position);
        let moved = self.list.get(position).copied();
        if let Some(positions) = &mut self.positions {
            positions.remove(&removed.room);
            if let Some(moved) = moved {
                positions.insert(moved.room, to_u32(position));
            }
            if self.list.len() <= CROWDED / 2 {
                self.positions = None;
            }
        }
        (removed, moved)
    }

    /// Notes that the socket has moved to `member` in the room that the list has at `position`.
    pub(super) fn set_member(&mut self, position: u32, member: u32) {
        self.list[position as usize].member = member;
    }
}

/// Positions fit in 32 bits: a table of 2³² entries does not fit in memory together with its sockets.
pub(super) fn to_u32(n: usize) -> u32 {
    u32::try_from(n).expect("fewer than 2^32 sockets and rooms fit in memory")
}

/// A list this long is still scanned.
const CROWDED: usize = 32;
