//! The namespace as its adapter sees it.

use std::sync::{Arc, Weak};

use engine_io_parser::{SharedFrame, TextFrameBuf};
use smallvec::SmallVec;
use socketio_adapter::{
    AckSink, BroadcastOptions, Disconnect, JsonArgs, LocalNode, Outgoing, ReplySender, Room, SocketId,
    SocketSnapshot,
};

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
        match packet.frames(|args| frames_of_args(&self.name, None, args)) {
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
        let Ok(frames) = frames_of_args(&self.name, Some(id), &packet.to_args()) else { return 0 };
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

/// The frames of an event that is known by its arguments: `2`, or `5` and the number of attachments, and so on.
fn frames_of_args(
    namespace: &str,
    id: Option<u64>,
    args: &JsonArgs,
) -> Result<SmallVec<[SharedFrame; 1]>, engine_io_parser::Utf8Error> {
    let mut buf = TextFrameBuf::with_capacity(args.json.len() + namespace.len() + 24);
    if args.attachments.is_empty() {
        buf.push_str("2");
    } else {
        buf.push_str("5");
        buf.push_str(&args.attachments.len().to_string());
        buf.push_str("-");
    }
    if namespace != "/" {
        buf.push_str(namespace);
        buf.push_str(",");
    }
    if let Some(id) = id {
        buf.push_str(&id.to_string());
    }
    buf.push_str(&args.json);
    let mut frames = SmallVec::with_capacity(1 + args.attachments.len());
    frames.push(buf.take_frame()?);
    frames.extend(args.attachments.iter().cloned().map(SharedFrame::binary));
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn an_event_of_another_node_is_framed_as_our_own_would_be() {
        let plain = JsonArgs::new(r#"["a",1]"#, vec![]);
        let binary = JsonArgs::new(r#"["a",{"_placeholder":true,"num":0}]"#, vec![Bytes::from_static(b"x")]);
        let packets = |namespace, id, args| -> Vec<Vec<u8>> {
            let frames = frames_of_args(namespace, id, args).unwrap();
            frames.iter().map(|frame| frame.packet().to_vec()).collect()
        };
        assert_eq!(packets("/", None, &plain), [br#"42["a",1]"#.to_vec()]);
        assert_eq!(packets("/chat", Some(7), &plain), [br#"42/chat,7["a",1]"#.to_vec()]);
        assert_eq!(
            packets("/chat", None, &binary),
            [br#"451-/chat,["a",{"_placeholder":true,"num":0}]"#.to_vec(), b"beA==".to_vec()]
        );
    }
}
