//! Whom an operation addresses.

mod acks;
mod fetch;
mod remote;
mod rooms;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use socketio_adapter::{BroadcastOptions, Disconnect, FetchedIds, Outgoing, SocketId};
use socketio_parser::EventHeader;

pub use acks::{AckStream, Acks, ClientAck, CollectAcks};
pub use fetch::FetchedSockets;
pub use remote::{RemoteAckFuture, RemoteSocket};
pub use rooms::IntoRooms;

use crate::emit::Emit;
use crate::interchange;
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
/// io.to(["room 1", "room 2"]).sockets_join("both");
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

    /// Whether the clients' transports may compress the event, on all nodes. Default: true; see
    /// [`Socket::compress`](crate::Socket::compress).
    #[must_use]
    pub fn compress(mut self, compress: bool) -> Self {
        self.options.flags_mut().compress = Some(compress);
        self
    }

    /// Addresses sockets of this node only.
    #[must_use]
    pub fn local(mut self) -> Self {
        self.options.flags_mut().local = true;
        self
    }

    /// Waits this long for answers: of clients to [`emit_with_ack`](Self::emit_with_ack), of other nodes to
    /// [`fetch_sockets`](Self::fetch_sockets) and [`all_sockets`](Self::all_sockets).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.flags_mut().timeout = Some(timeout);
        self
    }

    /// Sends an event to the sockets addressed: to those that are, at the time of the call, in the rooms.
    ///
    /// It is encoded once, and in the outbox of each recipient of this node when the call returns; arguments are as with
    /// [`Socket::emit`]. The value may be dropped, or awaited until all recipients were woken and the other nodes were
    /// sent the event.
    pub fn emit<T: Serialize>(self, event: &str, args: T) -> Emit {
        let outgoing = match self.encode(event, &args) {
            Ok(outgoing) => outgoing,
            Err(error) => return Emit::failed(&self.namespace, event, error),
        };
        let send = || self.namespace.adapter().broadcast(&outgoing, &self.options);
        let receipt = self.namespace.send(&outgoing, &self.options, send);
        Emit::to_namespace(&self.namespace, receipt, take_waking())
    }

    /// Sends an event to the sockets addressed and waits for the answer of each, which is read as `T` like the arguments
    /// of an event.
    ///
    /// The event is in the outbox of each recipient of this node when the call returns. The value is a stream of the
    /// answers as they come, or, awaited, all of them; see [`AckStream`]. A client that has not answered after
    /// [`timeout`](Self::timeout) (30 s without it, or [`Builder::ack_timeout`](crate::Builder::ack_timeout)) counts
    /// as [`AckError::Timeout`](crate::AckError), one that leaves as `Disconnected` at once, and one of which 1 024
    /// answers are waited for already is not asked. If nobody is addressed, there is nothing to wait for.
    ///
    /// It does not go together with [`volatile`](Self::volatile): whoever is asked gets the event.
    pub fn emit_with_ack<T: DeserializeOwned>(mut self, event: &str, args: impl Serialize) -> AckStream<T> {
        let timeout = self.namespace.shared().config.ack_timeout;
        self.options.flags_mut().timeout.get_or_insert(timeout);
        let sent = self.encode(event, &args);
        let sent = sent.map(|packet| {
            let send = || self.namespace.adapter().broadcast_with_ack(&packet, &self.options);
            self.namespace.send(&packet, &self.options, send)
        });
        // Who waits for answers need not wait for the waking too.
        drop(take_waking());
        AckStream::new(&self.namespace, event, sent)
    }

    /// Lets the sockets addressed join rooms.
    pub fn sockets_join(self, rooms: impl IntoRooms) -> Emit {
        let receipt = self.namespace.adapter().sockets_join(&self.options, &rooms.into_rooms());
        Emit::to_namespace(&self.namespace, receipt, None)
    }

    /// Lets the sockets addressed leave rooms.
    pub fn sockets_leave(self, rooms: impl IntoRooms) -> Emit {
        let receipt = self.namespace.adapter().sockets_leave(&self.options, &rooms.into_rooms());
        Emit::to_namespace(&self.namespace, receipt, None)
    }

    /// Makes the sockets addressed leave the namespace; their connections stay.
    ///
    /// Node calls it `disconnectSockets()`, and [`disconnect_clients`](Self::disconnect_clients)
    /// `disconnectSockets(true)`.
    pub fn disconnect_sockets(self) -> Emit {
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

    /// Describes the sockets addressed, on all nodes.
    ///
    /// Other nodes are waited for as long as [`timeout`](Self::timeout) says, 5 s without it; those that did not answer
    /// are named. [`sockets`](Self::sockets) has those of this node at no such cost.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: answers that come later are dropped.
    pub async fn fetch_sockets(self) -> FetchedSockets {
        let fetched = self.namespace.adapter().fetch_sockets(&self.options).await;
        FetchedSockets::new(&self.namespace, fetched)
    }

    /// The ids of the sockets addressed, on all nodes: nothing is described or serialized for it.
    ///
    /// Other nodes are waited for as by [`fetch_sockets`](Self::fetch_sockets).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: answers that come later are dropped.
    pub async fn all_sockets(self) -> FetchedIds {
        self.namespace.adapter().socket_ids(&self.options).await
    }

    /// Addresses one socket, and nobody else.
    fn only(mut self, id: &SocketId) -> Self {
        self.options = BroadcastOptions::to_socket(id);
        self
    }

    /// Says that one client is addressed, so that an adapter may answer with it alone.
    fn expecting_one(mut self) -> Self {
        self.options.flags_mut().expect_single_response = true;
        self
    }

    fn encode<T: Serialize>(&self, event: &str, args: &T) -> Result<Outgoing, EmitError> {
        let header = EventHeader::new(self.namespace.name(), event);
        let parser = &self.namespace.shared().parser;
        Ok(interchange::outgoing(parser, &header, args, self.options.flags())?)
    }

    fn disconnect_how(self, how: Disconnect) -> Emit {
        let receipt = self.namespace.adapter().disconnect_sockets(&self.options, how);
        Emit::to_namespace(&self.namespace, receipt, None)
    }
}
