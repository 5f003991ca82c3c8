//! What is kept of a connection that was lost, so that its client can continue.

use std::fmt;

use async_trait::async_trait;
use engine_io_parser::Text;

use crate::{AdapterError, Outgoing, Room, SocketId};

/// A session whose connection was lost, as an adapter keeps it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// The private id: who knows it may continue the session.
    pub private_id: Text,
    /// The public id of the socket.
    pub socket: SocketId,
    /// The rooms it was in.
    pub rooms: Vec<Room>,
    /// The data that the application kept with it, the text of a JSON object.
    pub data: Text,
    /// Where the log ended when it began; what [`Adapter::between_events`](crate::Adapter::between_events) said.
    pub started_at: Text,
    /// How `rooms` came to be what they are, oldest first: an event was for the client if it was in the event's rooms when
    /// the event was sent. Changes that are older than the log need not be here.
    pub room_changes: Vec<RoomChange>,
    /// There were more changes up to here than are kept, so that a client which has not got so far cannot continue.
    pub room_changes_since: Option<Text>,
}

/// A room that a socket joined or left.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomChange {
    /// The room.
    pub room: Room,
    /// Whether the socket joined it, or left it.
    pub is_join: bool,
    /// Where the log ended at that moment.
    pub at: Text,
}

/// A session that was found again.
///
/// The adapter has forgotten it: two clients cannot continue the same one. If the application refuses the client, the
/// value is dropped and the session with it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Restored {
    /// The session as it was left.
    pub session: Session,
    /// What brings it up to date.
    pub replay: Box<dyn Replay>,
}

/// Finds out what a restored session missed.
#[async_trait]
pub trait Replay: Send + fmt::Debug {
    /// Calls `resume` once, with the events missed, oldest first, and the position that the log has then, while no live
    /// event can be delivered.
    ///
    /// `resume` is local and does not block: it puts the socket back into its rooms and queues the events. So nothing
    /// falls between the last missed event and the first live one, and nothing is delivered twice.
    ///
    /// # Errors
    ///
    /// If the missed events are not all known any more, or cannot be read. `resume` was not called then.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropped early, the session is lost, unless `resume` was called.
    async fn replay(
        self: Box<Self>,
        resume: Box<dyn FnOnce(Vec<Outgoing>, Text) + Send>,
    ) -> Result<(), AdapterError>;
}

impl Session {
    /// A session that is in no room and has no data.
    #[must_use]
    pub fn new(private_id: impl Into<Text>, socket: SocketId) -> Self {
        Self {
            private_id: private_id.into(),
            socket,
            rooms: Vec::new(),
            data: Text::from_static("{}"),
            started_at: Text::default(),
            room_changes: Vec::new(),
            room_changes_since: None,
        }
    }
}

impl RoomChange {
    /// The socket joined a room.
    #[must_use]
    pub fn joined(room: Room, at: Text) -> Self {
        Self { room, is_join: true, at }
    }

    /// The socket left a room.
    #[must_use]
    pub fn left(room: Room, at: Text) -> Self {
        Self { room, is_join: false, at }
    }
}

/// Leaves the private id out, for it is a secret.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("socket", &self.socket)
            .field("rooms", &self.rooms)
            .finish_non_exhaustive()
    }
}

impl Restored {
    /// A session, and what brings it up to date.
    #[must_use]
    pub fn new(session: Session, replay: Box<dyn Replay>) -> Self {
        Self { session, replay }
    }
}
