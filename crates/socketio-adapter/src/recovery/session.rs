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
    /// Where the log ended when it began; what [`Adapter::open_session`](crate::Adapter::open_session) returned.
    pub started_at: Text,
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
    /// Calls `resume` once, with the events missed, oldest first, while no live event can be delivered.
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
        resume: Box<dyn FnOnce(Vec<Outgoing>) + Send>,
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
        }
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
