//! Who is in which room on this node.
//!
//! A broadcast to a room of ten thousand must not hash, look up or allocate per recipient, and a client that joins a
//! thousand rooms must not slow the others down. So the table speaks of sockets by dense handles, keeps the members of
//! a room side by side, and knows for each membership where its two ends stand: joining and leaving touch one entry
//! of each list, however long they are.
//!
//! The table is plain data: no lock, no callback, no I/O. What a change did is returned as [`RoomEvent`]s, recipients
//! are collected into [`Recipients`], and both are acted upon when the caller's lock is released.

mod index;
mod memberships;
mod recipients;

pub use index::RoomIndex;
pub use recipients::Recipients;

use crate::Room;

/// A small number that stands for a live socket: an index into its owner's table, usually with a generation.
///
/// Indexes should be dense and must be below 2³² − 1, for tables are as long as the largest one. Two handles with the
/// same index and different generations must not be equal: this is how an outdated one is noticed.
pub trait DenseHandle: Copy + Eq {
    /// The index.
    fn index(self) -> usize;
}

impl DenseHandle for u32 {
    fn index(self) -> usize {
        // Lossless: no supported target has a `usize` of fewer than 32 bits.
        usize::try_from(self).unwrap_or(usize::MAX)
    }
}

/// What happened to a room, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomEvent<S> {
    /// The room got its first member; that one's `Joined` follows.
    Created {
        /// The room.
        room: Room,
    },
    /// A socket is in the room now.
    Joined {
        /// The room.
        room: Room,
        /// The socket.
        slot: S,
    },
    /// A socket is no longer in the room.
    Left {
        /// The room.
        room: Room,
        /// The socket.
        slot: S,
    },
    /// The room lost its last member, whose `Left` came before.
    Deleted {
        /// The room.
        room: Room,
    },
}

/// Bounds of what one socket can make the table keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomLimits {
    /// The most rooms one socket can be in, its own included. Default: 10 000.
    pub max_rooms_per_socket: usize,
    /// The longest name of a room that can be joined, in bytes. Default: 512.
    pub max_room_name_bytes: usize,
    /// Whether a socket's own room, named by its id, is closed to all other sockets. Default: true.
    ///
    /// Applications let clients name rooms, and socket ids are public: whoever could join the room of another would
    /// read what is sent to that one alone.
    pub private_own_rooms: bool,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self { max_rooms_per_socket: 10_000, max_room_name_bytes: 512, private_own_rooms: true }
    }
}

/// A socket could not join a room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The socket is gone.
    #[error("the socket is not connected any more")]
    Gone,
    /// It is in as many rooms as it may be.
    #[error("a socket can be in at most {max} rooms")]
    TooManyRooms {
        /// The limit.
        max: usize,
    },
    /// The name is too long.
    #[error("the name of the room has {size} bytes, at most {max} are allowed")]
    NameTooLong {
        /// Length of the name in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The room is the own room of another socket.
    #[error("the room belongs to another socket")]
    PrivateRoom {
        /// The room.
        room: Room,
    },
}
