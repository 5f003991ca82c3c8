//! What happens to the rooms of a node, for those who want to hear of it.

use socketio_adapter::{Room, SocketId};
use tokio::sync::broadcast;

/// Something happened to a room of this node; see [`AdapterView::events`](crate::adapter::AdapterView::events).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomEvent {
    /// The room got its first socket, whose `Joined` follows. Node calls it `create-room`.
    Created {
        /// The room.
        room: Room,
    },
    /// A socket joined the room. Node calls it `join-room`.
    Joined {
        /// The room.
        room: Room,
        /// The socket.
        socket: SocketId,
    },
    /// A socket left the room. Node calls it `leave-room`.
    Left {
        /// The room.
        room: Room,
        /// The socket.
        socket: SocketId,
    },
    /// The room lost its last socket, whose `Left` came before. Node calls it `delete-room`.
    Deleted {
        /// The room.
        room: Room,
    },
}

/// The reader was too slow, and events were dropped for it; it may look at the rooms anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{n_missed} events of rooms were missed")]
#[non_exhaustive]
pub struct RoomEventsMissed {
    /// How many.
    pub n_missed: u64,
}

/// What happens to the rooms of this node from now on, in order.
///
/// The last 1 024 events are kept for a reader that is slow. Memory: about 100 KiB for the namespace while somebody
/// reads, nothing otherwise.
#[derive(Debug)]
pub struct RoomEvents(broadcast::Receiver<RoomEvent>);

impl RoomEvents {
    /// Waits for the next event; `None` when the namespace is gone.
    ///
    /// # Errors
    ///
    /// [`RoomEventsMissed`], once, if events were dropped before this reader came to them; the next call goes on after
    /// them.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: an event is taken only when it is returned.
    pub async fn next(&mut self) -> Option<Result<RoomEvent, RoomEventsMissed>> {
        match self.0.recv().await {
            Ok(event) => Some(Ok(event)),
            Err(broadcast::error::RecvError::Lagged(n_missed)) => Some(Err(RoomEventsMissed { n_missed })),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Where the table of rooms tells what happens; nothing but a flag while nobody listens.
#[derive(Default)]
pub(super) struct RoomFeed(Option<broadcast::Sender<RoomEvent>>);

impl RoomFeed {
    pub(super) fn subscribe(&mut self) -> RoomEvents {
        RoomEvents(self.0.get_or_insert_with(|| broadcast::channel(N_KEPT).0).subscribe())
    }

    pub(super) fn tell(&mut self, event: impl FnOnce() -> Option<RoomEvent>) {
        if let Some(sender) = &self.0
            && let Some(event) = event()
            && sender.send(event).is_err()
        {
            // The last reader has gone.
            self.0 = None;
        }
    }
}

const N_KEPT: usize = 1024;
