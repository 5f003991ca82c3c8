//! What a server offers to an adapter: one namespace of this node.

use std::fmt;

use engine_io_parser::Text;

use crate::{AckSink, BroadcastOptions, JsonArgs, NodeId, Outgoing, Room, SocketId};

/// One namespace of this node, as its adapter sees it; implemented by the server.
///
/// Everything here concerns this node only, is done when the call returns, and never waits: an adapter may call it
/// from any thread, inside or outside an async task. Calls made one after the other take effect in that order.
///
/// An adapter must not call it from [`Adapter::room_opened`](crate::Adapter::room_opened) and
/// [`Adapter::room_closed`](crate::Adapter::room_closed): the room table is locked there.
pub trait LocalNode: Send + Sync + 'static {
    /// The name of the namespace, `/` or `/…`.
    fn namespace(&self) -> &str;

    /// Queues an event to the local recipients and returns how many they are.
    ///
    /// It is in the outbox of each of them when the call returns; a volatile one may be left out by a client that is
    /// not ready. Of the flags, `volatile` and `compress` are heeded; what is called here is local anyway.
    fn deliver(&self, packet: &Outgoing, options: &BroadcastOptions) -> usize;

    /// Queues an event to the local recipients, asks each for an ack, and returns how many were asked.
    ///
    /// The packet is encoded here from its arguments, since ack ids are each node's own. Every recipient is announced
    /// with [`AckSink::asked`] before the call returns; how it answered follows, or that it did not:
    /// who has not answered after the flag `timeout` is given up here, on the node that asked.
    fn deliver_with_ack(&self, packet: &Outgoing, options: &BroadcastOptions, acks: &AckSink) -> usize;

    /// Lets the local recipients join rooms.
    fn join(&self, options: &BroadcastOptions, rooms: &[Room]);

    /// Lets the local recipients leave rooms.
    fn leave(&self, options: &BroadcastOptions, rooms: &[Room]);

    /// Disconnects the local recipients.
    fn disconnect(&self, options: &BroadcastOptions, how: Disconnect);

    /// Describes the local recipients.
    fn snapshot(&self, options: &BroadcastOptions) -> Vec<SocketSnapshot>;

    /// Names the local recipients, which costs less than to describe them.
    fn socket_ids(&self, options: &BroadcastOptions) -> Vec<SocketId> {
        self.snapshot(options).into_iter().map(|socket| socket.id).collect()
    }

    /// Whether a socket of this node is in the room.
    fn has_room(&self, room: &str) -> bool;

    /// Every room that has a socket of this node in it, for an adapter that has to subscribe anew.
    fn open_rooms(&self) -> Vec<Room>;

    /// Hands in an event that another server sent with `server_side_emit`. `reply` is there if that server waits for
    /// an answer.
    fn server_side_event(&self, event: JsonArgs, reply: Option<ReplySender>);
}

/// How sockets are disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disconnect {
    /// They leave the namespace; the connection stays open for others.
    Namespace,
    /// The connection beneath is closed, with all its namespaces.
    Connection,
}

/// A socket as it can be described to another node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketSnapshot {
    /// Its public id.
    pub id: SocketId,
    /// The node it is connected to; `None` is this one, or one that did not say.
    pub node: Option<NodeId>,
    /// The rooms it is in, its own included.
    pub rooms: Vec<Room>,
    /// Its handshake, the text of a JSON object with the keys of the official server
    /// (`headers`, `time`, `address`, `xdomain`, `secure`, `issued`, `url`, `query`, `auth`).
    pub handshake: Text,
    /// The data that the application keeps with it, the text of a JSON object.
    pub data: Text,
}

/// Sends the answer to an event between servers. It can be used once; dropped, there is no answer.
pub struct ReplySender(Box<dyn FnOnce(JsonArgs) + Send>);

impl SocketSnapshot {
    /// A socket in its own room only, with an empty handshake and no data.
    #[must_use]
    pub fn new(id: SocketId) -> Self {
        let own = Room::from(&id);
        Self {
            id,
            node: None,
            rooms: vec![own],
            handshake: Text::from_static("{}"),
            data: Text::from_static("{}"),
        }
    }
}

impl ReplySender {
    /// Hands the answer to `send`, which must not block.
    #[must_use]
    pub fn new(send: impl FnOnce(JsonArgs) + Send + 'static) -> Self {
        Self(Box::new(send))
    }

    /// Answers.
    pub fn send(self, args: JsonArgs) {
        (self.0)(args);
    }
}

impl fmt::Debug for ReplySender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplySender").finish_non_exhaustive()
    }
}
