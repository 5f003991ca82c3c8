//! One client in one namespace.

mod ack_future;
mod acks;
mod data;
mod expiry;
mod gate;
mod inner;
mod operator;
mod outgoing;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use socketio_adapter::{BroadcastFlags, BroadcastOptions, Room, SocketId};
use socketio_parser::{EncodeError, EncodedPacket, EventHeader};

pub use ack_future::AckFuture;
pub use data::SocketData;
pub(crate) use inner::{Asked, SocketInner};
pub use operator::SocketOperator;

use crate::broadcast::{Broadcast, IntoRooms};
use crate::config::Shared;
use crate::connection::{Client, Connection};
use crate::emit::{Emit, Joined};
use crate::error::{AckError, EmitError};
use crate::event::{
    DisconnectContext, EventContext, EventMiddlewareOutcome, ExtractError, Handler, HandlerId, Outcome,
    assert_not_reserved, erase_disconnect, erase_event, erase_event_middleware,
};
use crate::interchange;
use crate::namespace::{Registered, take_waking};
use crate::socket::outgoing::Place;
use crate::{Args, Handshake, Namespace};

/// One client in one namespace; a clone is one pointer.
///
/// It may be kept for as long as you like. After the client has left, emits do nothing, and
/// [`is_connected`](Self::is_connected) is false.
#[derive(Clone)]
pub struct Socket(Arc<SocketInner>);

impl Socket {
    /// The public id: twenty characters that nobody can guess, and no secret.
    ///
    /// A room of this name has this socket as its only member.
    #[must_use]
    pub fn id(&self) -> &SocketId {
        self.0.id()
    }

    /// Whether the client is in the namespace: false while middleware decides, and after it has left.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.is_connected()
    }

    /// Sends an event to this client. It is in the client's outbox when the call returns.
    ///
    /// A tuple or an array is several arguments, `()` none, any other type one; a [`Binary`](crate::Binary) may stand
    /// anywhere in them. The value that is returned may be dropped, or awaited until the outbox has room.
    ///
    /// ```
    /// # async fn demo(socket: socketio_server::Socket) -> Result<(), socketio_server::EmitError> {
    /// socket.emit("hello", "world");
    /// socket.emit("position", (3, 4)).await?;
    /// socket.emit("ready", ());
    /// # Ok(())
    /// # }
    /// ```
    pub fn emit<T: Serialize>(&self, event: &str, args: T) -> Emit {
        if self.0.session().is_some() {
            let result = self.emit_logged(event, &args, &BroadcastFlags::default());
            return Emit::to_socket(self, event, result);
        }
        let result = self.encode(event, None, &args).map_err(EmitError::from);
        let result = result.and_then(|packet| {
            self.0.tell_listeners(packet.frames());
            self.0.queue(packet.frames()).map(drop)
        });
        Emit::to_socket(self, event, result)
    }

    /// Sends an event by way of the adapter, which keeps it for the case that the client misses it.
    ///
    /// Apart from the rest, so that each kind of arguments does not have it inline.
    #[inline(never)]
    fn emit_logged<T: Serialize>(
        &self,
        event: &str,
        args: &T,
        flags: &BroadcastFlags,
    ) -> Result<(), EmitError> {
        let namespace = self.0.namespace_inner();
        let header = EventHeader::new(namespace.name(), event);
        let packet = interchange::outgoing(&self.shared().parser, &header, args, flags)?;
        if !self.0.is_expected() {
            return Err(EmitError::Disconnected);
        }
        let mut options = BroadcastOptions::new().to(self.id()).with_flags(*flags);
        options.flags_mut().direct = true;
        drop(namespace.send(&packet, &options, || namespace.adapter().broadcast(&packet, &options)));
        drop(take_waking());
        Ok(())
    }

    /// Whether the client came back after it had lost its connection: the socket has the id, the rooms and the data that
    /// it had, and the client has got, or is just getting, what it missed. See
    /// [`Builder::connection_state_recovery`](crate::Builder::connection_state_recovery).
    #[must_use]
    pub fn is_recovered(&self) -> bool {
        self.0.is_recovered()
    }

    /// Events that the client may miss: they are dropped unless it is ready to receive at that instant.
    ///
    /// ```
    /// # fn demo(socket: socketio_server::Socket) {
    /// socket.volatile().emit("tick", 1);
    /// # }
    /// ```
    #[must_use]
    pub fn volatile(&self) -> SocketOperator<'_> {
        SocketOperator::new(self).volatile()
    }

    /// Events that the client's transport may compress, or that it may not; without this, it may.
    ///
    /// Whether it does is for [`Builder::http_compression`](crate::Builder::http_compression) to say. An event is better
    /// not compressed if it is compressed already, or if it has a secret in it beside what somebody else has chosen.
    ///
    /// ```
    /// # fn demo(socket: socketio_server::Socket) {
    /// socket.compress(false).emit("picture", vec![0; 100_000]);
    /// # }
    /// ```
    #[must_use]
    pub fn compress(&self, compress: bool) -> SocketOperator<'_> {
        SocketOperator::new(self).compress(compress)
    }

    /// Events whose answers are waited for this long.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # async fn demo(socket: socketio_server::Socket) -> Result<(), socketio_server::AckError> {
    /// let sum: i32 = socket.timeout(Duration::from_secs(5)).emit_with_ack("add", (1, 2)).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn timeout(&self, timeout: Duration) -> SocketOperator<'_> {
        SocketOperator::new(self).timeout(timeout)
    }

    /// Sends an event and waits for the client's answer, which is read as `T` like the arguments of an event.
    ///
    /// The event is in the outbox when the call returns. The future ends exactly once: with the answer, with
    /// [`AckError::Timeout`] (after 30 s, or [`timeout`](Self::timeout)), or with [`AckError::Disconnected`]. At most
    /// 1 024 answers of one socket can be waited for.
    ///
    /// ```
    /// # async fn demo(socket: socketio_server::Socket) -> Result<(), socketio_server::AckError> {
    /// let sum: i32 = socket.emit_with_ack("add", (1, 2)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn emit_with_ack<T: DeserializeOwned>(&self, event: &str, args: impl Serialize) -> AckFuture<T> {
        self.ask(event, &args, &BroadcastFlags::default())
    }

    fn ask<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &impl Serialize,
        flags: &BroadcastFlags,
    ) -> AckFuture<T> {
        let id = self.0.namespace_inner().next_ack_id();
        let max = self.shared().config.max_pending_acks;
        let sent = self.encode(event, Some(id), args).map_err(|error| AckError::Emit(error.into()));
        let sent = sent.map(|packet| operator::flagged(packet, flags));
        let sent = sent.and_then(|packet| {
            let answer = self.0.acks.lock().expect(id, max).map_err(|refused| match refused {
                acks::Refused::Closed => AckError::Disconnected,
                acks::Refused::Full => AckError::TooMany { max },
            })?;
            self.0.tell_listeners(packet.frames());
            match self.0.queue(packet.frames()) {
                Ok(wake) => drop(wake),
                Err(EmitError::Disconnected) => return Err(AckError::Disconnected),
                Err(error) => return Err(error.into()),
            }
            Ok(answer)
        });
        AckFuture::new(self.clone(), event, id, sent)
    }

    /// Sends the event `message` to this client.
    pub fn send<T: Serialize>(&self, args: T) -> Emit {
        self.emit("message", args)
    }

    /// Calls `handler` for each event of this name that this client sends from now on, until it is taken
    /// [off](Self::off).
    ///
    /// Handlers that are the same for all clients belong on the [`Namespace`]: there they cost a connection nothing. All
    /// handlers of an event are called, first those of the namespace. They are dropped when the socket leaves, so a
    /// handler may capture the socket itself.
    ///
    /// # Panics
    ///
    /// Panics if the name is reserved (`connect`, `disconnect`, …): no client can send such an event.
    #[track_caller]
    pub fn on<H, A>(&self, event: impl Into<String>, handler: H) -> HandlerId
    where
        H: Handler<EventContext, A>,
        H::Output: Outcome<EventContext>,
    {
        self.register(event.into(), Registered::new(erase_event(handler)))
    }

    /// Calls `handler` for the next event of this name that this client sends, and for no other.
    ///
    /// # Panics
    ///
    /// As [`on`](Self::on).
    #[track_caller]
    pub fn once<H, A>(&self, event: impl Into<String>, handler: H) -> HandlerId
    where
        H: Handler<EventContext, A>,
        H::Output: Outcome<EventContext>,
    {
        let handler = Registered { is_once: true, ..Registered::new(erase_event(handler)) };
        self.register(event.into(), handler)
    }

    #[track_caller]
    fn register(&self, event: String, handler: Registered) -> HandlerId {
        assert_not_reserved(&event);
        let id = handler.id;
        self.0.dispatch.register(|own| own.events.entry(event.into()).or_default().push(handler));
        id
    }

    /// Takes a handler of this socket off again: one of [`on`](Self::on), [`once`](Self::once),
    /// [`on_any`](Self::on_any) or [`on_any_outgoing`](Self::on_any_outgoing). Returns whether it was there.
    ///
    /// A handler that is running, or whose event is just being handled, is not stopped.
    pub fn off(&self, handler: HandlerId) -> bool {
        self.0.dispatch.remove(handler) || self.0.outgoing.remove(handler)
    }

    /// Takes all handlers of an event off that were registered on this socket; Node calls it `removeAllListeners`.
    pub fn off_all(&self, event: &str) {
        drop(self.0.dispatch.register(|own| own.events.remove(event)));
    }

    /// Calls `handler` for each event that this client sends, whatever its name, before middlewares and the event's own
    /// handlers.
    ///
    /// It can take the [`EventName`](crate::handler::EventName) and the [`Args`](crate::Args), and answer. Those of the
    /// namespace ([`Namespace::on_any`]) come first.
    pub fn on_any<H, A>(&self, handler: H) -> HandlerId
    where
        H: Handler<EventContext, A>,
        H::Output: Outcome<EventContext>,
    {
        let handler = Registered::new(erase_event(handler));
        let id = handler.id;
        self.0.dispatch.register(|own| own.any.push(handler));
        id
    }

    /// As [`on_any`](Self::on_any), but before those that are there already.
    pub fn prepend_any<H, A>(&self, handler: H) -> HandlerId
    where
        H: Handler<EventContext, A>,
        H::Output: Outcome<EventContext>,
    {
        let handler = Registered::new(erase_event(handler));
        let id = handler.id;
        self.0.dispatch.register(|own| own.any.insert(0, handler));
        id
    }

    /// Takes all handlers of [`on_any`](Self::on_any) off that were registered on this socket; [`off`](Self::off) takes
    /// one.
    pub fn off_any(&self) {
        drop(self.0.dispatch.register(|own| std::mem::take(&mut own.any)));
    }

    /// The handlers of [`on_any`](Self::on_any) that were registered on this socket, in their order.
    #[must_use]
    pub fn listeners_any(&self) -> Vec<HandlerId> {
        self.0.dispatch.listeners_any()
    }

    /// Calls `listener` with name and arguments of each event that is sent to this client, by an emit to it or by a
    /// broadcast; not of answers to the client's own events.
    ///
    /// It is called by whoever emits, before the event is in the outbox, and must not block. An event that is broadcast
    /// is decoded for each socket that listens: this is for debugging and for tests rather than for every socket. If it
    /// panics, the namespace's [`on_error`](Namespace::on_error) hook is told, and the event is sent all the same.
    pub fn on_any_outgoing(&self, listener: impl Fn(&str, &Args) + Send + Sync + 'static) -> HandlerId {
        self.listen(Arc::new(listener), &Place::Last)
    }

    fn listen(&self, listener: Arc<outgoing::Listener>, place: &Place) -> HandlerId {
        let id = self.0.outgoing.add(listener, place);
        self.0.namespace_inner().listen_to_outgoing();
        id
    }

    /// As [`on_any_outgoing`](Self::on_any_outgoing), but before those that are there already.
    pub fn prepend_any_outgoing(&self, listener: impl Fn(&str, &Args) + Send + Sync + 'static) -> HandlerId {
        self.listen(Arc::new(listener), &Place::First)
    }

    /// Takes all listeners of [`on_any_outgoing`](Self::on_any_outgoing) off; [`off`](Self::off) takes one.
    pub fn off_any_outgoing(&self) {
        self.0.outgoing.clear();
    }

    /// The listeners of [`on_any_outgoing`](Self::on_any_outgoing), in their order.
    #[must_use]
    pub fn listeners_any_outgoing(&self) -> Vec<HandlerId> {
        self.0.outgoing.ids()
    }

    /// Has `middleware` look at each event of this client before its handlers do; it may change the event or drop it.
    ///
    /// Node calls it `use`. It runs after those of the namespace; see
    /// [`Namespace::use_event_middleware`].
    pub fn use_middleware<H, A>(&self, middleware: H)
    where
        H: Handler<EventContext, A>,
        H::Output: EventMiddlewareOutcome,
    {
        let middleware = erase_event_middleware(middleware).into();
        self.0.dispatch.register(|own| own.event_middlewares.push(middleware));
    }

    /// Calls `handler` when this client is leaving the namespace, while [`rooms`](Self::rooms) still names the rooms that
    /// it was in.
    pub fn on_disconnecting<H, A>(&self, handler: H)
    where
        H: Handler<DisconnectContext, A>,
        H::Output: Outcome<DisconnectContext>,
    {
        self.0.dispatch.register(|own| own.disconnecting.push(erase_disconnect(handler).into()));
    }

    /// Calls `handler` when this client has left the namespace.
    pub fn on_disconnect<H, A>(&self, handler: H)
    where
        H: Handler<DisconnectContext, A>,
        H::Output: Outcome<DisconnectContext>,
    {
        self.0.dispatch.register(|table| table.disconnect.push(erase_disconnect(handler).into()));
    }

    /// Joins one or more rooms: all of them, or none. It is done when the call returns.
    ///
    /// Rooms that a middleware joins are joined when the client is accepted. The value may be dropped, and a refusal goes
    /// to the namespace's error hook then, or awaited, in a cluster until events of other nodes arrive.
    ///
    /// At most 10 000 rooms per socket, with names of at most 512 bytes; a room that is named like another socket's id
    /// is refused, as whoever could join it would read what is sent to that socket alone.
    pub fn join(&self, rooms: impl IntoRooms) -> Joined {
        Joined::new(self, self.0.join_now(&rooms.into_rooms()))
    }

    /// Leaves one or more rooms; no event that is emitted to them after the call reaches this client.
    pub fn leave(&self, rooms: impl IntoRooms) -> Joined {
        self.0.leave_now(&rooms.into_rooms());
        Joined::new(self, Ok(crate::namespace::Receipts::new()))
    }

    /// The rooms that the socket is in, its own included.
    #[must_use]
    pub fn rooms(&self) -> Vec<Room> {
        self.0.rooms()
    }

    /// Addresses the other sockets in one or more rooms.
    #[must_use]
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().to(rooms)
    }

    /// The same as [`to`](Self::to); Node calls it `in`.
    #[must_use]
    pub fn within(&self, rooms: impl IntoRooms) -> Broadcast {
        self.to(rooms)
    }

    /// Addresses all other sockets but those in these rooms.
    #[must_use]
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().except(rooms)
    }

    /// Addresses all other sockets of the namespace.
    #[must_use]
    pub fn broadcast(&self) -> Broadcast {
        Broadcast::from_socket(self)
    }

    /// Addresses all other sockets of the namespace on this node.
    #[must_use]
    pub fn local(&self) -> Broadcast {
        self.broadcast().local()
    }

    /// Makes the client leave the namespace; its connection and its other namespaces stay.
    ///
    /// The disconnect handlers run as a task. Close the whole connection with `socket.client().close()`.
    pub fn disconnect(&self) {
        self.0.disconnect();
    }

    /// Makes the client leave the namespace, as [`disconnect`](Self::disconnect) does, when this time is over: the life of
    /// a token, say. The last call counts, so it can be put off, and [`Duration::MAX`] takes the limit away.
    ///
    /// In middleware the time runs from the call too. A client whose time is over before it is in is told that it is in,
    /// and leaves at once.
    pub fn disconnect_after(&self, duration: Duration) {
        self.0.disconnect_after(duration);
    }

    /// What the application keeps with this socket: one value per type.
    #[must_use]
    pub fn data(&self) -> &SocketData {
        &self.0.data
    }

    /// The circumstances under which the client has joined.
    #[must_use]
    pub fn handshake(&self) -> &Handshake {
        &self.0.handshake
    }

    /// What the client sent when it joined, read as `T`.
    ///
    /// # Errors
    ///
    /// If it does not fit `T`. A client that sent nothing counts as one that sent an empty object.
    pub fn auth<T: DeserializeOwned>(&self) -> Result<T, ExtractError> {
        self.0.handshake.auth()
    }

    /// The first HTTP request of the connection, without body and extensions. It is rebuilt by each call.
    #[must_use]
    pub fn request(&self) -> http::Request<()> {
        self.conn().to_request()
    }

    /// The connection beneath, which all sockets of this client share.
    #[must_use]
    pub fn conn(&self) -> &dyn Connection {
        &*self.0.client().connection
    }

    /// The client that this socket is a part of.
    #[must_use]
    pub fn client(&self) -> Client {
        Client(Arc::clone(self.0.client()))
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        Namespace::from_inner(self.0.namespace_inner())
    }

    pub(crate) fn from_inner(inner: &Arc<SocketInner>) -> Self {
        Self(Arc::clone(inner))
    }

    pub(crate) fn inner(&self) -> &Arc<SocketInner> {
        &self.0
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.0.shared()
    }

    pub(crate) fn send_ack<T: Serialize + ?Sized>(&self, id: u64, args: &T) -> Result<(), EmitError> {
        let packet = self.shared().parser.encode_ack(self.0.namespace_inner().name(), id, args)?;
        self.0.queue(packet.frames()).map(drop)
    }

    fn encode<T: Serialize>(
        &self,
        event: &str,
        id: Option<u64>,
        args: &T,
    ) -> Result<EncodedPacket, EncodeError> {
        let mut header = EventHeader::new(self.0.namespace_inner().name(), event);
        header.id = id;
        self.shared().parser.encode_event(&header, args)
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Socket {}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.0.namespace_inner().name();
        f.debug_struct("Socket").field("id", self.id()).field("namespace", &namespace).finish_non_exhaustive()
    }
}
