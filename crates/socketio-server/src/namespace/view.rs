//! What an application may see of a namespace's adapter.

use std::fmt;
use std::sync::Arc;

use socketio_adapter::{LinkStatus, Room, ServerCount, SocketId};

use crate::namespace::{Namespace, NamespaceInner, RoomEvents};

/// What an application may see of a namespace's adapter: the rooms of this node, and the cluster's state.
///
/// It differs from Node's `namespace.adapter` in this: nothing can be changed through it (sockets join and leave by
/// [`Socket`](crate::Socket) and the operators), what it returns is a copy and does not follow the rooms, and events of
/// rooms are read from [`events`](Self::events) after they happened, so that whatever a reader does is harmless to them.
/// A [parent namespace](crate::Server::of_pattern) shows the rooms of all its children, but has no events of its own.
/// As there, other nodes have rooms of their own: [`all_sockets`](crate::Broadcast::all_sockets) asks those too.
///
/// ```
/// # fn demo(io: socketio_server::Server) {
/// for room in io.adapter().rooms() {
///     println!("{room}: {:?}", io.adapter().sids(&room));
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct AdapterView(Arc<NamespaceInner>);

impl AdapterView {
    /// The rooms that have sockets of this node in them; each socket's own room is among them.
    #[must_use]
    pub fn rooms(&self) -> Vec<Room> {
        self.0.open_rooms()
    }

    /// Whether a socket of this node is in the room.
    #[must_use]
    pub fn has_room(&self, room: &str) -> bool {
        self.0.has_room(room)
    }

    /// The sockets of this node that are in the room.
    #[must_use]
    pub fn sids(&self, room: &str) -> Vec<SocketId> {
        self.0.ids_in(room)
    }

    /// The rooms that the socket with this id is in; `None` if it is not known on this node, or has left its own room.
    #[must_use]
    pub fn socket_rooms(&self, id: &str) -> Option<Vec<Room>> {
        self.0.rooms_of_id(id)
    }

    /// What happens to the rooms of this node from now on.
    #[must_use]
    pub fn events(&self) -> RoomEvents {
        self.0.room_events()
    }

    /// How many servers share the namespace, this one included.
    #[must_use]
    pub fn server_count(&self) -> ServerCount {
        self.0.adapter().server_count()
    }

    /// The state of the link to other servers, now and as it changes.
    #[must_use]
    pub fn status(&self) -> LinkStatus {
        self.0.adapter().status()
    }
}

impl fmt::Debug for AdapterView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdapterView").field("namespace", &self.0.name()).finish_non_exhaustive()
    }
}

impl Namespace {
    /// The rooms of this node, and what happens to them.
    #[must_use]
    pub fn adapter(&self) -> AdapterView {
        AdapterView(Arc::clone(self.inner()))
    }
}
