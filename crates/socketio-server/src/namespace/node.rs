//! The namespace as its adapter sees it.

use std::error::Error;
use std::sync::{Arc, Weak};

use socketio_adapter::{
    AckSink, BroadcastOptions, Disconnect, JsonArgs, LocalNode, Outgoing, ReplySender, Room, SocketId,
    SocketSnapshot,
};

use crate::interchange::{flagged, frames_of_args};
use crate::namespace::{NamespaceInner, asking, server_side};
use crate::socket::SocketInner;

/// Implements [`LocalNode`]; weak, for an adapter holds its node and the namespace holds its adapter.
pub(super) struct Node {
    pub(super) name: Box<str>,
    pub(super) namespace: Weak<NamespaceInner>,
}

impl Node {
    /// The recipients, or none after the server has gone.
    fn select(&self, options: &BroadcastOptions) -> Vec<Arc<SocketInner>> {
        let mut sockets = Vec::new();
        if let Some(namespace) = self.namespace.upgrade() {
            namespace.select(options, &mut sockets);
        }
        sockets
    }
}

impl LocalNode for Node {
    fn namespace(&self) -> &str {
        &self.name
    }

    fn deliver(&self, packet: &Outgoing, options: &BroadcastOptions) -> usize {
        let Some(namespace) = self.namespace.upgrade() else { return 0 };
        let parser = &namespace.shared().parser;
        let encode = |args: &JsonArgs| {
            let frames = frames_of_args(parser, &self.name, None, args)?;
            Ok::<_, Box<dyn Error + Send + Sync>>(flagged(frames, options.flags()))
        };
        match packet.frames(encode) {
            Ok(frames) => namespace.deliver(frames, options),
            Err(error) => {
                tracing::error!(target: "socket.io:namespace", namespace = &*self.name, %error, "event of another node dropped");
                0
            }
        }
    }

    fn deliver_with_ack(&self, packet: &Outgoing, options: &BroadcastOptions, acks: &AckSink) -> usize {
        let Some(namespace) = self.namespace.upgrade() else { return 0 };
        let id = namespace.next_ack_id();
        let parser = &namespace.shared().parser;
        let Ok(frames) = frames_of_args(parser, &self.name, Some(id), &packet.to_args()) else { return 0 };
        let frames = flagged(frames, options.flags());
        let timeout = options.flags().timeout.unwrap_or(namespace.shared().config.ack_timeout);
        asking::ask(&self.select(options), id, &frames, timeout, acks)
    }

    fn join(&self, options: &BroadcastOptions, rooms: &[Room]) {
        for socket in self.select(options) {
            if let Err(error) = socket.join_now(rooms) {
                tracing::warn!(target: "socket.io:namespace", namespace = &*self.name, sid = %socket.id(), %error, "room not joined");
            }
        }
    }

    fn leave(&self, options: &BroadcastOptions, rooms: &[Room]) {
        for socket in self.select(options) {
            socket.leave_now(rooms);
        }
    }

    fn disconnect(&self, options: &BroadcastOptions, how: Disconnect) {
        for socket in self.select(options) {
            match how {
                Disconnect::Namespace => socket.disconnect(),
                Disconnect::Connection => socket.client().close_all(),
            }
        }
    }

    fn snapshot(&self, options: &BroadcastOptions) -> Vec<SocketSnapshot> {
        self.select(options).iter().map(|socket| socket.snapshot()).collect()
    }

    fn socket_ids(&self, options: &BroadcastOptions) -> Vec<SocketId> {
        self.select(options).iter().map(|socket| socket.id().clone()).collect()
    }

    fn has_room(&self, room: &str) -> bool {
        self.namespace.upgrade().is_some_and(|namespace| namespace.has_room(room))
    }

    fn open_rooms(&self) -> Vec<Room> {
        self.namespace.upgrade().map_or_else(Vec::new, |namespace| namespace.open_rooms())
    }

    fn server_side_event(&self, event: JsonArgs, reply: Option<ReplySender>) {
        if let Some(namespace) = self.namespace.upgrade() {
            server_side::handle_event(&namespace, &event, reply);
        }
    }
}
