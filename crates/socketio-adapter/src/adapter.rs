//! The seam between a server and the rest of its cluster.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine_io_parser::Text;

use crate::{
    AckStream, AdapterError, BroadcastOptions, Disconnect, Fetched, FetchedIds, JsonArgs, LinkStatus,
    LocalNode, Outgoing, Receipt, Replies, Restored, Room, ServerCount, Session,
};

/// Decides where else, beside this node, an operation on a namespace goes.
///
/// There is one adapter per namespace and node. The server keeps sockets and rooms; an adapter calls its
/// [`LocalNode`] for what happens here, and an engine (Redis, a database, a channel) for what happens elsewhere.
/// The only required method is [`node`](Self::node): every other one has a default that acts on this node alone, so
/// an adapter overrides what its engine can do, and calls [`node`](Self::node) in it for the local part.
///
/// # Writing an adapter
///
/// **Local first.** An operation acts on this node before it returns, then hands the message to the engine without
/// waiting for it. A server whose engine is down goes on serving its own clients. (An adapter that keeps a log for
/// recovery may deliver in the order of its log instead; see [`supports_recovery`](Self::supports_recovery).)
///
/// **What may block.** The methods that are not `async` must not block and must not wait: they are called from
/// within a runtime, often from the task that serves a connection. Put the message into a bounded queue that a
/// task of yours drains, and return a [`Receipt`] that the task completes; if the queue is full, return
/// [`Receipt::failed`] with [`QueueFull`](crate::AdapterErrorKind::QueueFull). What is volatile may be dropped
/// instead. The `async` methods may wait, but not for
/// ever: they end at a timeout with what they have.
///
/// **Threads.** Every method may be called from several threads at once, except
/// [`room_opened`](Self::room_opened) and [`room_closed`](Self::room_closed): these are called one at a time, in
/// the order in which the rooms changed, while the room table is locked. They must not call the [`LocalNode`].
///
/// **Order.** Messages published by one thread one after the other arrive on each other node in that order, and are
/// handed to its [`LocalNode`] from one task, one after the other. There is no order between nodes.
///
/// **Never echo.** A node drops the messages it published itself: its own part was done before.
///
/// **The flag `local`.** Operations with [`BroadcastFlags::local`](crate::BroadcastFlags::local) are not published.
///
/// **Parts of an answer.** A node that does not answer costs the timeout, never the answers of the others: it is
/// named in [`Missing`](crate::Missing). A node known to be gone is not waited for.
///
/// **Input is input.** What arrives from the engine is checked and bounded like what arrives from a client.
///
/// **The end.** [`close`](Self::close) ends every task that the adapter spawned. An adapter holds its [`LocalNode`]
/// for as long as it lives; what the node does after its own end is nothing.
#[async_trait]
pub trait Adapter: Send + Sync + 'static {
    /// The namespace on this node, as it was given to [`AdapterFactory::create`].
    fn node(&self) -> &dyn LocalNode;

    /// Connects, and returns when messages of other nodes arrive. It is called once, before the first client, and again
    /// if the server is opened anew after it was closed.
    ///
    /// # Errors
    ///
    /// If the engine cannot be used. The server reports it and may go on alone.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropped early, the adapter is to be closed.
    async fn init(&self) -> Result<(), AdapterError> {
        Ok(())
    }

    /// Leaves the cluster, after publishing what is queued, and ends all tasks. Later calls act on this node only,
    /// unless [`init`](Self::init) is called again.
    ///
    /// # Errors
    ///
    /// If the cluster could not be left in order.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe, but it may be called again.
    async fn close(&self) -> Result<(), AdapterError> {
        Ok(())
    }

    /// The state of the link to the engine, now and as it changes.
    fn status(&self) -> LinkStatus {
        LinkStatus::always_up()
    }

    /// How many servers share the namespace, this one included.
    fn server_count(&self) -> ServerCount {
        ServerCount::Known(1)
    }

    /// Whether it reads the arguments of packets, in order to publish them.
    ///
    /// A custom parser's frames do not show their arguments. The server then encodes these a second time, as
    /// JSON, and only if the adapter needs them; else they are empty.
    fn reads_args(&self) -> bool {
        true
    }

    /// Sends an event to the recipients on all nodes.
    fn broadcast(&self, packet: &Outgoing, options: &BroadcastOptions) -> Receipt {
        Receipt::done().with_local(self.node().deliver(packet, options))
    }

    /// Sends an event to the recipients on all nodes, and asks each for an ack.
    ///
    /// The time for the answers is the flag `timeout`, which the server always sets.
    fn broadcast_with_ack(&self, packet: &Outgoing, options: &BroadcastOptions) -> AckStream {
        let (sink, stream) = AckStream::channel();
        self.node().deliver_with_ack(packet, options, &sink);
        stream
    }

    /// Hears that a room got its first socket on this node. Joining, awaited, waits for the receipt.
    ///
    /// It is called under the lock of the room table: it must be quick and must not call [`node`](Self::node).
    fn room_opened(&self, room: &Room) -> Receipt {
        let _ = room;
        Receipt::done()
    }

    /// Hears that a room lost its last socket on this node.
    ///
    /// It is called under the lock of the room table: it must be quick and must not call [`node`](Self::node).
    fn room_closed(&self, room: &Room) {
        let _ = room;
    }

    /// Lets the recipients on all nodes join rooms.
    fn sockets_join(&self, options: &BroadcastOptions, rooms: &[Room]) -> Receipt {
        self.node().join(options, rooms);
        Receipt::done()
    }

    /// Lets the recipients on all nodes leave rooms.
    fn sockets_leave(&self, options: &BroadcastOptions, rooms: &[Room]) -> Receipt {
        self.node().leave(options, rooms);
        Receipt::done()
    }

    /// Disconnects the recipients on all nodes.
    fn disconnect_sockets(&self, options: &BroadcastOptions, how: Disconnect) -> Receipt {
        self.node().disconnect(options, how);
        Receipt::done()
    }

    /// Describes the recipients on all nodes.
    ///
    /// Other nodes are waited for as long as the flag `timeout` says, [`DEFAULT_REQUEST_TIMEOUT`] without it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: answers that come later are dropped.
    async fn fetch_sockets(&self, options: &BroadcastOptions) -> Fetched {
        Fetched::new(self.node().snapshot(options))
    }

    /// Names the recipients on all nodes.
    ///
    /// By default it is what [`fetch_sockets`](Self::fetch_sockets) finds, less everything but the ids. An adapter whose
    /// engine can carry ids alone does better; [`LocalNode::socket_ids`] has those of this node.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: answers that come later are dropped.
    async fn socket_ids(&self, options: &BroadcastOptions) -> FetchedIds {
        self.fetch_sockets(options).await.into()
    }

    /// Sends an event to all *other* servers.
    fn server_side_emit(&self, event: &JsonArgs) -> Receipt {
        let _ = event;
        Receipt::done()
    }

    /// Sends an event to all *other* servers and waits for their answers, at most for `timeout`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: answers that come later are dropped. The event is sent when the future is first polled.
    async fn server_side_emit_with_ack(&self, event: &JsonArgs, timeout: Duration) -> Replies {
        let _ = (event, timeout);
        Replies::default()
    }

    /// Whether sessions can be persisted and restored.
    ///
    /// If so, the server sends every event without ack through [`broadcast`](Self::broadcast), those to one socket
    /// too, and the adapter appends to each event that is not volatile the position at which its log has it.
    fn supports_recovery(&self) -> bool {
        false
    }

    /// Calls `change` once, while no event can be delivered, with the position that the log has then: it tells the events
    /// before the change from those behind it. Without a log there is none.
    ///
    /// `change` is local and does not block: it lets a socket in, or lets it join or leave rooms.
    fn between_events(&self, change: &mut dyn FnMut(Option<Text>)) {
        change(None);
    }

    /// Keeps a session whose connection was lost.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::AdapterErrorKind::Unsupported) by default; else if the session could not be kept.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropped early, the session may or may not be kept.
    async fn persist_session(&self, session: Session) -> Result<(), AdapterError> {
        drop(session);
        Err(crate::AdapterErrorKind::Unsupported.into())
    }

    /// Takes a session back, with what brings it up to date; `None` if it is not known, or not any more.
    ///
    /// `offset` is the position of the last event that the client got, if it got any.
    ///
    /// # Errors
    ///
    /// If the session could not be looked for. The client then gets a new one.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropped early, the session may be lost.
    async fn restore_session(
        &self,
        private_id: &str,
        offset: Option<&str>,
    ) -> Result<Option<Restored>, AdapterError> {
        let _ = (private_id, offset);
        Ok(None)
    }
}

/// Makes the adapter of each namespace of a server.
///
/// A factory owns what its adapters share, such as connections. A function of the right type is a factory.
#[diagnostic::on_unimplemented(
    message = "`{Self}` makes no adapters: give a factory, or a closure that takes `Arc<dyn LocalNode>` and returns `Arc<dyn Adapter>`",
    label = "no factory of adapters",
    note = "a closure has to name the type that it returns: `|node| -> Arc<dyn Adapter> {{ Arc::new(…) }}`"
)]
pub trait AdapterFactory: Send + Sync + 'static {
    /// The adapter of one namespace. It connects in [`Adapter::init`], not here.
    fn create(&self, node: Arc<dyn LocalNode>) -> Arc<dyn Adapter>;
}

#[diagnostic::do_not_recommend]
impl<F> AdapterFactory for F
where
    F: Fn(Arc<dyn LocalNode>) -> Arc<dyn Adapter> + Send + Sync + 'static,
{
    fn create(&self, node: Arc<dyn LocalNode>) -> Arc<dyn Adapter> {
        self(node)
    }
}

/// How long other nodes are waited for unless an operation says otherwise: 5 seconds.
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
