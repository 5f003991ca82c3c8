//! Whom an operation addresses.

mod rooms;

use std::sync::Arc;

use serde::Serialize;
use socketio_adapter::{BroadcastOptions, Disconnect, Outgoing};
use socketio_parser::EventHeader;

pub use rooms::IntoRooms;

use crate::emit::Emit;
use crate::namespace::{NamespaceInner, take_waking};
use crate::{EmitError, Socket};

/// Sockets of a namespace, to be sent an event or moved between rooms.
///
/// Each method returns an operator that addresses more, or fewer, of them; nothing happens before [`emit`](Self::emit)
/// or another last word. A socket is addressed once, in however many of the rooms it is.
///
/// ```
/// # fn demo(io: socketio_server::Server, socket: socketio_server::Socket) {
/// io.to("news").to("sports").except("muted").emit("goal", ("2:1", 87));
/// socket.broadcast().emit("joined", socket.id().as_str());
/// io.to(["room 1", "room 2"]).join("both");
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Broadcast {
    namespace: Arc<NamespaceInner>,
    options: BroadcastOptions,
}

impl Broadcast {
    pub(crate) fn new(namespace: &Arc<NamespaceInner>) -> Self {
        Self { namespace: Arc::clone(namespace), options: BroadcastOptions::new() }
    }

    pub(crate) fn from_socket(socket: &Socket) -> Self {
        let mut broadcast = Self::new(socket.inner().namespace_inner()).except(socket.id().as_str());
        broadcast.options.flags_mut().broadcast = true;
        broadcast
    }

    /// Addresses the sockets in these rooms too; without any room, all sockets are addressed.
    #[must_use]
    pub fn to(mut self, rooms: impl IntoRooms) -> Self {
        self.options = self.options.to_all(rooms.into_rooms().0);
        self
    }

    /// The same as [`to`](Self::to); Node calls it `in`.
    #[must_use]
    pub fn within(self, rooms: impl IntoRooms) -> Self {
        self.to(rooms)
    }

    /// Leaves out the sockets in these rooms. A socket's own room has the name of its id.
    #[must_use]
    pub fn except(mut self, rooms: impl IntoRooms) -> Self {
        self.options = self.options.except_all(rooms.into_rooms().0);
        self
    }

    /// A client that is not ready to receive at the instant of the emit may miss the event.
    #[must_use]
    pub fn volatile(mut self) -> Self {
        self.options.flags_mut().volatile = true;
        self
    }

    /// Addresses sockets of this node only.
    #[must_use]
    pub fn local(mut self) -> Self {
        self.options.flags_mut().local = true;
        self
    }

    /// Sends an event to the sockets addressed: to those that are, at the time of the call, in the rooms.
    ///
    /// It is encoded once, and in the outbox of each recipient of this node when the call returns; arguments are as with
    /// [`Socket::emit`]. The value may be dropped, or awaited until all recipients were woken and the other nodes were
    /// sent the event.
    pub fn emit<T: Serialize>(self, event: &str, args: T) -> Emit {
        let name = self.namespace.name();
        let packet = match self.namespace.shared().parser.encode_event(&EventHeader::new(name, event), &args)
        {
            Ok(packet) => packet,
            Err(error) => return Emit::failed(&self.namespace, event, EmitError::Encode(error)),
        };
        let outgoing = Outgoing::from_frames(packet.into_frames());
        let receipt = self.namespace.adapter().broadcast(&outgoing, &self.options);
        Emit::to_namespace(&self.namespace, receipt, take_waking())
    }

    /// Lets the sockets addressed join rooms.
    pub fn join(self, rooms: impl IntoRooms) -> Emit {
        let receipt = self.namespace.adapter().sockets_join(&self.options, &rooms.into_rooms());
        Emit::to_namespace(&self.namespace, receipt, None)
    }

    /// Lets the sockets addressed leave rooms.
    pub fn leave(self, rooms: impl IntoRooms) -> Emit {
        let receipt = self.namespace.adapter().sockets_leave(&self.options, &rooms.into_rooms());
        Emit::to_namespace(&self.namespace, receipt, None)
    }

    /// Makes the sockets addressed leave the namespace; their connections stay.
    pub fn disconnect(self) -> Emit {
        self.disconnect_how(Disconnect::Namespace)
    }

    /// Closes the connections of the sockets addressed, and with them their sockets in other namespaces.
    pub fn disconnect_clients(self) -> Emit {
        self.disconnect_how(Disconnect::Connection)
    }

    /// The sockets addressed that are on this node.
    #[must_use]
    pub fn sockets(&self) -> Vec<Socket> {
        let mut sockets = Vec::new();
        self.namespace.select(&self.options, &mut sockets);
        sockets.iter().filter(|socket| socket.is_connected()).map(Socket::from_inner).collect()
    }

    fn disconnect_how(self, how: Disconnect) -> Emit {
        let receipt = self.namespace.adapter().disconnect_sockets(&self.options, how);
        Emit::to_namespace(&self.namespace, receipt, None)
    }
}
