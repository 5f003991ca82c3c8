//! The namespace as its adapter sees it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use socketio_adapter::{
    AckError, AckSink, BroadcastOptions, Disconnect, JsonArgs, LocalNode, Outgoing, ReplySender, Room,
    SocketSnapshot,
};

use crate::interchange::frames_of_args;
use crate::namespace::NamespaceInner;
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
        match packet.frames(|args| frames_of_args(parser, &self.name, None, args)) {
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
        let mut asked = Vec::new();
        for socket in self.select(options) {
            if socket.ask(id, &frames, acks) {
                asked.push(Arc::downgrade(&socket));
            }
        }
        let n_asked = asked.len();
        let timeout = options.flags().timeout.unwrap_or(namespace.shared().config.ack_timeout);
        if n_asked > 0 {
            namespace.spawn(give_up(asked, id, timeout));
        }
        n_asked
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

    fn has_room(&self, room: &str) -> bool {
        self.namespace.upgrade().is_some_and(|namespace| namespace.has_room(room))
    }

    fn open_rooms(&self) -> Vec<Room> {
        self.namespace.upgrade().map_or_else(Vec::new, |namespace| namespace.open_rooms())
    }

    fn server_side_event(&self, event: JsonArgs, reply: Option<ReplySender>) {
        // Nothing in this server listens for events of other servers: not to answer is what is promised then.
        tracing::debug!(
            target: "socket.io:namespace",
            namespace = &*self.name,
            len = event.json.len(),
            wants_reply = reply.is_some(),
            "event of another server has no listener"
        );
    }
}

/// Ends the wait for those that have not answered in time.
async fn give_up(asked: Vec<Weak<SocketInner>>, id: u64, timeout: Duration) {
    tokio::time::sleep(timeout).await;
    for socket in asked.iter().filter_map(Weak::upgrade) {
        socket.forget_broadcast_ack(id, AckError::Timeout);
    }
}
