//! What a namespace does with all of its sockets.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use socketio_adapter::FetchedIds;

use crate::broadcast::{AckStream, Broadcast, FetchedSockets, IntoRooms};
use crate::emit::Emit;
use crate::namespace::Namespace;

/// Operations on all sockets of the namespace, on all nodes. [`to`](Self::to) and [`except`](Self::except) address
/// fewer.
impl Namespace {
    /// Addresses all sockets, and waits this long for answers; see [`Broadcast::timeout`].
    #[must_use]
    pub fn timeout(&self, timeout: Duration) -> Broadcast {
        self.all().timeout(timeout)
    }

    /// Sends an event to all sockets and waits for the answer of each; see [`Broadcast::emit_with_ack`].
    pub fn emit_with_ack<T: DeserializeOwned>(&self, event: &str, args: impl Serialize) -> AckStream<T> {
        self.all().emit_with_ack(event, args)
    }

    /// Describes all sockets; see [`Broadcast::fetch_sockets`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: answers that come later are dropped.
    pub async fn fetch_sockets(&self) -> FetchedSockets {
        self.all().fetch_sockets().await
    }

    /// The ids of all sockets; see [`Broadcast::all_sockets`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: answers that come later are dropped.
    pub async fn all_sockets(&self) -> FetchedIds {
        self.all().all_sockets().await
    }

    /// Lets all sockets join rooms.
    pub fn sockets_join(&self, rooms: impl IntoRooms) -> Emit {
        self.all().sockets_join(rooms)
    }

    /// Lets all sockets leave rooms.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) -> Emit {
        self.all().sockets_leave(rooms)
    }

    /// Makes all sockets leave the namespace; their connections stay.
    pub fn disconnect_sockets(&self) -> Emit {
        self.all().disconnect_sockets()
    }

    /// Closes the connections of all sockets, and with them their sockets in other namespaces.
    pub fn disconnect_clients(&self) -> Emit {
        self.all().disconnect_clients()
    }
}
